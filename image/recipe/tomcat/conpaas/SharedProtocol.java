/*
 * HTTP on a listening socket that belongs to conpaas-agent (standard input) and that several servers may share
 * while one takes over from another: one that shall end stops taking connections, and ends what it has taken.
 */
package conpaas;

import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

import org.apache.catalina.Session;
import org.apache.catalina.connector.CoyoteAdapter;
import org.apache.coyote.ActionCode;
import org.apache.coyote.ActionHook;
import org.apache.coyote.Adapter;
import org.apache.coyote.Request;
import org.apache.coyote.Response;
import org.apache.coyote.http11.Http11NioProtocol;
import org.apache.tomcat.util.net.NioEndpoint;
import org.apache.tomcat.util.net.SocketEvent;

public final class SharedProtocol extends Http11NioProtocol {
    private final SharedEndpoint endpoint;

    SharedProtocol(boolean inherited) {
        this(new SharedEndpoint(inherited));
    }

    private SharedProtocol(SharedEndpoint endpoint) {
        super(endpoint);
        this.endpoint = endpoint;
        endpoint.setUseInheritedChannel(endpoint.inherited);
    }

    /* Takes nothing more; true when what was taken is done. */
    boolean drain(long timeoutMs) throws InterruptedException {
        return endpoint.drain(timeoutMs);
    }

    @Override
    public void setAdapter(Adapter adapter) {
        super.setAdapter(new VersionAdapter(adapter));
    }

    private static final class SharedEndpoint extends NioEndpoint {
        private static final int LOOK_MS = 20;
        final boolean inherited;
        private volatile Selector selector;
        private volatile boolean draining;
        private final CountDownLatch parked = new CountDownLatch(1);

        SharedEndpoint(boolean inherited) {
            this.inherited = inherited;
        }

        @Override
        protected void initServerSocket() throws Exception {
            super.initServerSocket();
            if (inherited && !(getServerSocket() instanceof ServerSocketChannel)) {
                throw new IOException("standard input is no listening socket");
            }
        }

        /* Never waits in accept(): a connection that another server might take just as well would be lost there. */
        @Override
        protected SocketChannel serverSocketAccept() throws Exception {
            if (!inherited) {
                return super.serverSocketAccept();
            }
            ServerSocketChannel server = (ServerSocketChannel) getServerSocket();
            if (selector == null) {
                server.configureBlocking(false);
                Selector s = Selector.open();
                server.register(s, SelectionKey.OP_ACCEPT);
                selector = s;
            }
            while (!draining && isRunning() && !isPaused()) {
                selector.select(500);
                selector.selectedKeys().clear();
                SocketChannel c = draining ? null : server.accept();
                if (c != null) {
                    return c;
                }
            }
            parked.countDown();
            while (isRunning() && !isPaused()) {
                Thread.sleep(LOOK_MS);
            }
            throw new IOException("the server ends");
        }

        boolean drain(long timeoutMs) throws InterruptedException {
            long end = System.nanoTime() + timeoutMs * 1000000L;
            draining = true;
            Selector s = selector;
            if (s != null) {
                s.wakeup();
                parked.await(timeoutMs, TimeUnit.MILLISECONDS);
            }
            /* the thread that takes connections counts as one */
            while (getConnectionCount() > 1 && System.nanoTime() < end) {
                Thread.sleep(LOOK_MS);
            }
            return getConnectionCount() <= 1;
        }
    }

    /*
     * The proxy says in a header which version a request is for: its host is looked for under that name. The gate
     * gives the visitor's name back before anybody sees it.
     */
    private static final class VersionAdapter implements Adapter {
        private static final Field HOOK = hookField();
        private final Adapter inner;

        VersionAdapter(Adapter inner) {
            this.inner = inner;
        }

        private static Field hookField() {
            try {
                Field f = Response.class.getDeclaredField("hook");
                f.setAccessible(true);
                return f;
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException("this Tomcat is another one than expected", e);
            }
        }

        @Override
        public void service(Request req, Response res) throws Exception {
            String version = req.getHeader(Gate.VERSION);
            req.setAttribute(Gate.NAME, req.serverName().toString());
            req.serverName().setString(version == null ? Gate.NOBODY : Gate.hostOf(version));
            ActionHook hook = (ActionHook) HOOK.get(res);
            if (!(hook instanceof Saver)) {
                HOOK.set(res, new Saver(hook, req));
            }
            inner.service(req, res);
        }

        @Override
        public boolean prepare(Request req, Response res) throws Exception {
            return inner.prepare(req, res);
        }

        @Override
        public boolean asyncDispatch(Request req, Response res, SocketEvent status) throws Exception {
            return inner.asyncDispatch(req, res, status);
        }

        @Override
        public void log(Request req, Response res, long time) {
            inner.log(req, res, time);
        }

        @Override
        public void checkRecycled(Request req, Response res) {
            inner.checkRecycled(req, res);
        }

        @Override
        public String getDomain() {
            return inner.getDomain();
        }
    }

    /* Saves the session before the head of an answer leaves, and before its end does. */
    private static final class Saver implements ActionHook {
        private final ActionHook inner;
        private final Request req;

        Saver(ActionHook inner, Request req) {
            this.inner = inner;
            this.req = req;
        }

        @Override
        public void action(ActionCode code, Object param) {
            if (code == ActionCode.COMMIT || code == ActionCode.CLOSE || code == ActionCode.CLIENT_FLUSH) {
                save();
            }
            inner.action(code, param);
        }

        private void save() {
            org.apache.catalina.connector.Request r =
                (org.apache.catalina.connector.Request) req.getNote(CoyoteAdapter.ADAPTER_NOTES);
            Session s = r == null || r.getContext() == null ? null : r.getSessionInternal(false);
            if (s instanceof SharedSession) {
                ((SharedSession) s).saveAtEnd();
            }
        }
    }
}
