/*
 * The pages of a version that is about to get visitors are compiled before: who comes first would wait long, and
 * with him all who ask for the same page.  By the servlet specification's own means, a request that compiles a
 * page and does not run it; top pages first, and not for long: the node has its other work, and while settings
 * change another process.
 */
package conpaas;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import org.apache.catalina.util.URLEncoder;
import org.apache.juli.logging.Log;
import org.apache.juli.logging.LogFactory;

final class WarmUp {
    private static final Log log = LogFactory.getLog(WarmUp.class);
    private static final int PAGES_MAX = 1000;
    private static final int DEPTH_MAX = 16;

    private WarmUp() {
    }

    static void run(Settings settings, long version, int budgetMs) {
        Path root = Path.of(settings.text("code"), Long.toString(version));
        long end = System.nanoTime() + budgetMs * 1000000L;
        int done = 0;
        try {
            List<String> pages = list(root);
            for (String page : pages) {
                if (System.nanoTime() > end) {
                    break;
                }
                compile(settings.text("control"), version, page);
                done++;
            }
            log.info("version " + version + ": " + done + " of " + pages.size() + " pages are compiled");
        } catch (IOException | RuntimeException e) {
            log.warn("version " + version + ": only " + done + " pages are compiled", e);
        }
    }

    private static List<String> list(Path root) throws IOException {
        try (Stream<Path> all = Files.walk(root, DEPTH_MAX)) {
            return all.map(p -> root.relativize(p).toString()).filter(WarmUp::isPage)
                .sorted(Comparator.<String>comparingInt(p -> p.split("/").length).thenComparing(p -> p))
                .limit(PAGES_MAX).collect(Collectors.toList());
        }
    }

    private static boolean isPage(String path) {
        String p = path.toLowerCase(Locale.ROOT);
        return (p.endsWith(".jsp") || p.endsWith(".jspx")) && !p.startsWith("web-inf/") && !p.startsWith("meta-inf/")
            && !p.startsWith(".") && !p.contains("/.");
    }

    private static void compile(String socket, long version, String page) throws IOException {
        String path = URLEncoder.DEFAULT.encode("/" + page, StandardCharsets.UTF_8);
        String request = "GET " + path + "?jsp_precompile=true HTTP/1.0\r\nHost: localhost\r\n" + Gate.VERSION + ": "
            + version + "\r\n\r\n";
        try (SocketChannel c = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
            ByteBuffer out = ByteBuffer.wrap(request.getBytes(StandardCharsets.US_ASCII));
            while (out.hasRemaining()) {
                c.write(out);
            }
            ByteBuffer in = ByteBuffer.allocate(4096);
            while (c.read(in) >= 0) {
                in.clear();
            }
        }
    }
}
