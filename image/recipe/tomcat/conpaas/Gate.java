/*
 * First in the line of every request: gives back what the proxy has put aside, counts, and answers
 * conpaas-agent's own questions, which come by a socket that only it knows.
 */
package conpaas;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

import jakarta.servlet.AsyncEvent;
import jakarta.servlet.AsyncListener;
import jakarta.servlet.RequestDispatcher;
import jakarta.servlet.ServletException;

import org.apache.catalina.connector.Request;
import org.apache.catalina.connector.Response;
import org.apache.catalina.valves.ValveBase;
import org.apache.tomcat.util.http.MimeHeaders;

final class Gate extends ValveBase {
    static final String VERSION = "X-ConPaaS-Version";
    static final String NAME = "conpaas.name";
    static final String QUIET = "conpaas.quiet"; /* not in the access log */
    static final String NOBODY = "nobody";
    private static final String QUESTION = "/.conpaas/";

    private static final byte[] NOT_HERE =
        "This version of the application could not be started.\n".getBytes(StandardCharsets.US_ASCII);

    private final Versions versions;
    private volatile boolean ready;
    private final AtomicInteger active = new AtomicInteger();
    private final AtomicLong requests = new AtomicLong();
    private final AtomicLong errors = new AtomicLong();
    private final AtomicLong busyMs = new AtomicLong();

    Gate(Versions versions) {
        super(true);
        this.versions = versions;
    }

    /* Visitors are let in. */
    void setReady() {
        ready = true;
    }

    static String hostOf(String version) {
        return "v" + version;
    }

    @Override
    public void invoke(Request request, Response response) throws IOException, ServletException {
        boolean ours = request.getConnector() == versions.questions();
        restore(request, ours);
        if (ours) {
            request.setAttribute(QUIET, Boolean.TRUE);
        }
        if (ours && request.getRequestURI().startsWith(QUESTION)) {
            answer(request.getRequestURI().substring(QUESTION.length()), request.getQueryString(), response);
            return;
        }
        Versions.Version v = request.getHost() == null ? null : versions.ofHost(request.getHost().getName());
        if (v == null || request.getContext() == null) {
            response.setStatus(503);
            response.setContentType("text/plain");
            response.getOutputStream().write(NOT_HERE);
            errors.incrementAndGet();
            return;
        }
        serve(request, response, v, ours);
    }

    private static void restore(Request request, boolean ours) {
        org.apache.coyote.Request req = request.getCoyoteRequest();
        Object name = req.getAttribute(NAME);
        req.getAttributes().remove(NAME);
        req.serverName().setString(name == null ? "localhost" : name.toString());
        String visitor = req.getHeader("X-Real-IP");
        if (visitor != null) {
            request.setRemoteAddr(visitor);
            request.setRemoteHost(visitor);
        } else if (ours) {
            request.setRemoteAddr("127.0.0.1");
            request.setRemoteHost("localhost");
        }
        MimeHeaders headers = req.getMimeHeaders();
        headers.removeHeader(VERSION);
    }

    private void serve(Request request, Response response, Versions.Version v, boolean ours)
        throws IOException, ServletException {
        long begun = System.nanoTime();
        v.active.incrementAndGet();
        if (!ours) {
            active.incrementAndGet();
        }
        try {
            getNext().invoke(request, response);
        } finally {
            Object thrown = request.getAttribute(RequestDispatcher.ERROR_EXCEPTION);
            if (thrown instanceof Throwable) {
                v.note((Throwable) thrown);
            }
            if (request.isAsync()) {
                request.getAsyncContextInternal().addListener(new Later(() -> done(response, v, ours, begun)));
            } else {
                done(response, v, ours, begun);
            }
        }
    }

    private void done(Response response, Versions.Version v, boolean ours, long begun) {
        v.active.decrementAndGet();
        if (!ours) {
            active.decrementAndGet();
            requests.incrementAndGet();
            busyMs.addAndGet((System.nanoTime() - begun) / 1000000);
            if (response.getStatus() >= 500) {
                errors.incrementAndGet();
            }
        }
    }

    /* Runs something once, when a request that outlives its thread is over. */
    private static final class Later implements AsyncListener {
        private Runnable then;

        Later(Runnable then) {
            this.then = then;
        }

        private synchronized void run() {
            Runnable r = then;
            then = null;
            if (r != null) {
                r.run();
            }
        }

        @Override
        public void onComplete(AsyncEvent event) {
            run();
        }

        @Override
        public void onError(AsyncEvent event) {
            /* onComplete follows */
        }

        @Override
        public void onStartAsync(AsyncEvent event) {
            event.getAsyncContext().addListener(this);
        }

        @Override
        public void onTimeout(AsyncEvent event) {
            /* onComplete follows */
        }
    }

    /* ---- questions of conpaas-agent ---- */

    private void answer(String what, String argument, Response response) throws IOException {
        String text;
        if (!ready) {
            response.setStatus(503);
            return;
        }
        switch (what) {
        case "versions":
            versions.set(argument == null ? "" : argument);
            text = versions.json();
            break;
        case "status":
            text = status();
            break;
        default:
            response.sendError(404);
            return;
        }
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        response.setContentType("application/json");
        response.setContentLength(body.length);
        response.getOutputStream().write(body);
    }

    private String status() {
        Runtime r = Runtime.getRuntime();
        long n = requests.get();
        return "{\"active\": " + active.get() + ", \"requests\": " + n + ", \"errors\": " + errors.get()
            + ", \"busy_ms\": " + busyMs.get() + ", \"threads\": " + Thread.activeCount()
            + ", \"heap_kb\": " + (r.totalMemory() - r.freeMemory()) / 1024 + ", \"heap_max_kb\": " + r.maxMemory() / 1024
            + ", \"versions\": " + versions.json() + "}";
    }
}
