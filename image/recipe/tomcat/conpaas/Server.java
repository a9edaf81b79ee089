/*
 * Tomcat as the backend of a web service: `java conpaas.Server server.properties`, the listening socket on
 * standard input.  SIGTERM: takes nothing more, ends what it has begun, and ends.
 */
package conpaas;

import java.io.File;
import java.util.concurrent.TimeUnit;

import org.apache.catalina.Lifecycle;
import org.apache.catalina.LifecycleException;
import org.apache.catalina.LifecycleState;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.core.StandardEngine;
import org.apache.catalina.core.StandardHost;
import org.apache.catalina.core.StandardServer;
import org.apache.catalina.core.StandardService;
import org.apache.catalina.valves.AccessLogValve;
import org.apache.catalina.valves.StuckThreadDetectionValve;
import org.apache.juli.logging.Log;
import org.apache.juli.logging.LogFactory;

public final class Server {
    private static final Log log = LogFactory.getLog(Server.class);
    private static final int SLOW_S = 30;

    private final Settings settings;
    private final StandardServer server = new StandardServer();
    private final StandardEngine engine = new StandardEngine();
    private final SharedProtocol entry = new SharedProtocol(true);

    private Server(Settings settings) {
        this.settings = settings;
    }

    public static void main(String[] args) {
        try {
            new Server(new Settings(args[0])).run();
        } catch (Exception e) {
            log.fatal("the server does not start", e);
            Runtime.getRuntime().halt(1);
        }
    }

    private void run() throws Exception {
        Versions versions = new Versions(engine, settings,
            new SessionStore(new Redis(settings.number("session_port"), settings.text("session_password"))));
        StandardService service = new StandardService();
        service.setName("Catalina");
        server.setPort(-1);
        server.setCatalinaBase(new File(settings.text("base")));
        server.setCatalinaHome(new File(settings.text("home")));
        server.addService(service);
        engine.setName("Catalina");
        StandardHost nobody = new StandardHost();
        nobody.setName(Gate.NOBODY);
        nobody.setAppBase(settings.text("work"));
        nobody.setAutoDeploy(false);
        nobody.setCreateDirs(false);
        engine.addChild(nobody);
        engine.setDefaultHost(Gate.NOBODY);
        engine.setBackgroundProcessorDelay(10);
        engine.getPipeline().addValve(accessLog());
        StuckThreadDetectionValve stuck = new StuckThreadDetectionValve();
        stuck.setThreshold(SLOW_S);
        engine.getPipeline().addValve(stuck);
        Gate gate = new Gate(versions);
        engine.getPipeline().addValve(gate);
        service.setContainer(engine);
        Connector questions = questions();
        service.addConnector(questions);
        versions.setQuestions(questions);
        /* The applications come before the first connection is taken. */
        engine.addLifecycleListener(event -> {
            if (event.getType().equals(Lifecycle.AFTER_START_EVENT)) {
                versions.set(settings.text("versions"));
            }
        });
        server.init();
        server.start();
        versions.warmUp();
        service.addConnector(visitors());
        for (Connector c : service.findConnectors()) {
            if (c.getState() != LifecycleState.STARTED) {
                throw new LifecycleException(c + " does not start");
            }
        }
        Runtime.getRuntime().addShutdownHook(new Thread(this::end, "end"));
        gate.setReady();
        log.info("the server takes requests");
        server.await();
    }

    private AccessLogValve accessLog() {
        AccessLogValve v = new AccessLogValve();
        v.setDirectory(settings.text("log_dir"));
        v.setPrefix(settings.text("access_log"));
        v.setSuffix("");
        v.setRotatable(false);
        v.setBuffered(false);
        v.setEncoding("UTF-8");
        v.setPattern("%a - %u %t \"%r\" %s %b %{ms}T ms \"%{Referer}i\" \"%{User-Agent}i\"");
        v.setCondition(Gate.QUIET);
        return v;
    }

    private Connector visitors() {
        Connector c = new Connector(entry);
        c.setPort(settings.number("port"));
        c.setURIEncoding("UTF-8");
        c.setMaxPostSize(settings.number("post_max"));
        c.setAsyncTimeout(settings.requestTimeoutMs());
        c.setXpoweredBy(false);
        entry.setMaxThreads(settings.number("threads"));
        entry.setMinSpareThreads(2);
        entry.setConnectionTimeout(20000);
        entry.setMaxKeepAliveRequests(1); /* who is about to end owes nobody a next answer */
        return c;
    }

    private Connector questions() {
        SharedProtocol p = new SharedProtocol(false);
        Connector c = new Connector(p);
        c.setProperty("unixDomainSocketPath", settings.text("control"));
        c.setProperty("unixDomainSocketPathPermissions", "rw-------");
        p.setMaxThreads(4);
        p.setMinSpareThreads(1);
        p.setMaxKeepAliveRequests(1);
        return c;
    }

    private void end() {
        try {
            long limit = settings.requestTimeoutMs() + 5000;
            long begun = System.nanoTime();
            boolean all = entry.drain(limit);
            /* what logs at the end of a JVM has often ended itself */
            System.err.println("the server ends" + (all ? "" : " although requests are under way") + ", after "
                + TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begun) + " ms");
            server.stop();
            server.destroy();
        } catch (InterruptedException | LifecycleException | RuntimeException e) {
            System.err.println("the server does not end in order: " + e);
        }
    }
}
