/*
 * The versions of the code that this server has, each a host of its own with one application at its root.
 */
package conpaas;

import java.io.File;
import java.net.MalformedURLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.regex.Pattern;

import org.apache.catalina.Engine;
import org.apache.catalina.Lifecycle;
import org.apache.catalina.LifecycleException;
import org.apache.catalina.LifecycleState;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.core.StandardContext;
import org.apache.catalina.core.StandardHost;
import org.apache.catalina.startup.ContextConfig;
import org.apache.catalina.startup.Tomcat;
import org.apache.catalina.valves.ErrorReportValve;
import org.apache.juli.logging.Log;
import org.apache.juli.logging.LogFactory;
import org.apache.tomcat.util.scan.StandardJarScanner;

final class Versions {
    private static final Log log = LogFactory.getLog(Versions.class);
    private static final Pattern FOREIGN =
        Pattern.compile("java\\.|javax\\.|jdk\\.|sun\\.|com\\.sun\\.|jakarta\\.|conpaas\\."
            + "|org\\.apache\\.(catalina|tomcat|jasper|coyote)\\.|org\\.xml\\.");
    private static final int TEXT_MAX = 400;
    private static final int LOOK_MS = 100;
    private static final int WARM_LIVE_MS = 10000;
    private static final int WARM_START_MS = 4000;

    static final class Version {
        final long number;
        final AtomicInteger active = new AtomicInteger();
        volatile boolean running;
        volatile String why = "";   /* what went wrong when it was started */
        volatile String error = ""; /* the last exception that a request ended with */
        volatile boolean leaving;
        StandardHost host;

        Version(long number) {
            this.number = number;
        }

        /* A page that could not be compiled says why only once; then its class is missing. */
        void note(Throwable thrown) {
            String text = tell(thrown);
            if (error.isEmpty() || !text.startsWith("java.lang.ClassNotFoundException: org.apache.jsp.")) {
                error = text;
            }
        }
    }

    private final Engine engine;
    private final Settings settings;
    private final SessionStore store;
    private final Map<Long, Version> all = new ConcurrentHashMap<>();
    private volatile Connector questions;
    private boolean warm; /* there is somebody who answers */

    Versions(Engine engine, Settings settings, SessionStore store) {
        this.engine = engine;
        this.settings = settings;
        this.store = store;
    }

    void setQuestions(Connector c) {
        questions = c;
    }

    Connector questions() {
        return questions;
    }

    Version ofHost(String name) {
        for (Version v : all.values()) {
            if (v.running && name.equals(v.host.getName())) {
                return v;
            }
        }
        return null;
    }

    /* The versions that are here already; from now on, each when it comes. */
    synchronized void warmUp() {
        warm = true;
        for (Version v : all.values()) {
            if (v.running) {
                WarmUp.run(settings, v.number, WARM_START_MS);
            }
        }
    }

    /* Starts what is missing, one after the other; what is not named any more goes when its requests have ended. */
    synchronized void set(String words) {
        TreeSet<Long> wanted = new TreeSet<>();
        for (String word : words.split("[^0-9]+")) {
            if (!word.isEmpty() && word.length() < 19) {
                wanted.add(Long.valueOf(word));
            }
        }
        for (Long number : wanted) {
            Version v = all.get(number);
            if (v != null) {
                v.leaving = false;
            } else {
                v = new Version(number);
                start(v);
                all.put(number, v);
                if (warm && v.running) {
                    WarmUp.run(settings, v.number, WARM_LIVE_MS);
                }
            }
        }
        for (Version v : all.values()) {
            if (!wanted.contains(v.number) && !v.leaving) {
                v.leaving = true;
                Thread t = new Thread(() -> leave(v), "version-" + v.number + "-leaves");
                t.setDaemon(true);
                t.start();
            }
        }
    }

    private void leave(Version v) {
        long end = System.nanoTime() + settings.requestTimeoutMs() * 1000000L;
        while (v.active.get() > 0 && v.leaving && System.nanoTime() < end) {
            try {
                Thread.sleep(LOOK_MS);
            } catch (InterruptedException e) {
                return;
            }
        }
        synchronized (this) {
            if (v.leaving) {
                all.remove(v.number, v);
                engine.removeChild(v.host);
                log.info("version " + v.number + " is gone");
            }
        }
    }

    private void start(Version v) {
        File dir = new File(settings.text("code"), Long.toString(v.number));
        v.host = new StandardHost();
        v.host.setName(Gate.hostOf(Long.toString(v.number)));
        v.host.setAppBase(settings.text("work"));
        v.host.setAutoDeploy(false);
        v.host.setDeployOnStartup(false);
        v.host.setCreateDirs(false);
        ErrorReportValve pages = new ErrorReportValve();
        pages.setShowReport(false);
        pages.setShowServerInfo(false);
        v.host.getPipeline().addValve(pages);
        if (!dir.isDirectory()) {
            v.why = "version " + v.number + " is not staged here";
            engine.addChild(v.host);
            return;
        }
        try (Witness witness = new Witness()) {
            StandardContext c = context(v, dir);
            try {
                v.host.addChild(c);
                engine.addChild(v.host);
            } catch (RuntimeException | LinkageError e) {
                log.error("version " + v.number, e);
            }
            v.running = c.getState() == LifecycleState.STARTED;
            v.why = witness.text(v.running);
        }
        log.info("version " + v.number + (v.running ? " runs" : " does not run"));
    }

    private StandardContext context(Version v, File dir) {
        StandardContext c = new StandardContext() {
            /* Whatever the application's own context.xml says: sessions are shared. */
            @Override
            protected synchronized void startInternal() throws LifecycleException {
                SharedManager m = new SharedManager(store);
                m.setPersistAuthentication(true);
                setManager(m);
                super.startInternal();
            }
        };
        c.setPath("");
        c.setName("");
        c.setDocBase(dir.getAbsolutePath());
        c.setWorkDir(new File(settings.text("work"), Long.toString(v.number)).getAbsolutePath());
        c.setParentClassLoader(Versions.class.getClassLoader());
        c.setReloadable(false);
        StandardJarScanner jars = new StandardJarScanner();
        jars.setScanManifest(false);
        c.setJarScanner(jars);
        c.setUnpackWAR(false);
        c.setClearReferencesStopTimerThreads(true);
        c.addLifecycleListener(new Tomcat.DefaultWebXmlListener());
        c.addLifecycleListener(event -> {
            if (event.getType().equals(Lifecycle.BEFORE_START_EVENT)) { /* a web.xml may say something else */
                c.setSessionTimeout(settings.number("session_timeout"));
            }
        });
        File own = new File(dir, "META-INF/context.xml");
        if (own.isFile()) {
            try {
                c.setConfigFile(own.toURI().toURL());
            } catch (MalformedURLException e) {
                throw new IllegalStateException(e);
            }
        }
        ContextConfig config = new ContextConfig();
        config.setDefaultWebXml("org/apache/catalina/startup/NO_DEFAULT_XML");
        c.addLifecycleListener(config);
        return c;
    }

    /* {"7": {"running": true, "why": "", "error": ""}} */
    String json() {
        StringBuilder b = new StringBuilder("{");
        for (Map.Entry<Long, Version> e : new TreeMap<>(all).entrySet()) {
            Version v = e.getValue();
            b.append(b.length() > 1 ? ", " : "").append('"').append(v.number).append("\": {\"running\": ")
                .append(v.running).append(", \"why\": ").append(quote(v.why)).append(", \"error\": ")
                .append(quote(v.error)).append('}');
        }
        return b.append('}').toString();
    }

    private static String quote(String s) {
        StringBuilder b = new StringBuilder("\"");
        for (int i = 0; i < s.length() && i < TEXT_MAX; i++) {
            char c = s.charAt(i);
            if (c == '"' || c == '\\') {
                b.append('\\').append(c);
            } else if (c < ' ' || c == 0x7f) {
                b.append(' ');
            } else if (c < 0x7f) {
                b.append(c);
            } else {
                b.append(String.format("\\u%04x", (int) c));
            }
        }
        return b.append('"').toString();
    }

    /* The cause of an exception and where in the application it comes from. */
    static String tell(Throwable t) {
        Throwable cause = t;
        for (int i = 0; cause.getCause() != null && i < 20; i++) {
            cause = cause.getCause();
        }
        String text = cause.toString();
        for (StackTraceElement at : cause.getStackTrace()) {
            if (!FOREIGN.matcher(at.getClassName()).lookingAt()) {
                return text + " at " + at;
            }
        }
        return text;
    }

    /* What this thread complains of while it starts a version. */
    private static final class Witness extends Handler implements AutoCloseable {
        private final Thread thread = Thread.currentThread();
        private final List<String> exceptions = new ArrayList<>();
        private final List<String> messages = new ArrayList<>();

        Witness() {
            Logger.getLogger("").addHandler(this);
        }

        @Override
        public void publish(LogRecord record) {
            if (Thread.currentThread() != thread || record.getLevel().intValue() < Level.SEVERE.intValue()) {
                return;
            }
            if (record.getThrown() != null) {
                exceptions.add(tell(record.getThrown()));
            } else {
                messages.add(String.valueOf(record.getMessage()));
            }
        }

        String text(boolean running) {
            if (!exceptions.isEmpty()) {
                return exceptions.get(0);
            }
            return running ? "" : messages.isEmpty() ? "the application did not start" : messages.get(0);
        }

        @Override
        public void flush() {
            /* nothing is kept back */
        }

        @Override
        public void close() {
            Logger.getLogger("").removeHandler(this);
        }
    }
}
