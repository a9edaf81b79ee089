/*
 * server.properties, as conpaas-agent writes it.
 */
package conpaas;

import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

final class Settings {
    private final Properties values = new Properties();

    Settings(String path) throws IOException {
        try (Reader r = Files.newBufferedReader(Path.of(path), StandardCharsets.UTF_8)) {
            values.load(r);
        }
    }

    String text(String name) {
        String v = values.getProperty(name);
        if (v == null) {
            throw new IllegalArgumentException("server.properties has no " + name);
        }
        return v;
    }

    int number(String name) {
        return Integer.parseInt(text(name));
    }

    long requestTimeoutMs() {
        return number("request_timeout") * 1000L;
    }
}
