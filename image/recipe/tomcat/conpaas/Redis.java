/*
 * A small client of the session store: one command at a time on a connection of a pool.  The store may move
 * (its address is the local relay), so a command that fails is sent again on a new connection until PATIENCE
 * is over: every command here may be done twice.
 */
package conpaas;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedDeque;

final class Redis {
    private static final int CONNECT_MS = 2000;
    private static final int ANSWER_MS = 5000;
    private static final int PATIENCE_MS = 20000;
    private static final int PAUSE_MS = 100;
    private static final int KEEP = 16;
    private static final int VALUE_MAX = 16 << 20;

    private final int port;
    private final byte[] password;
    private final ConcurrentLinkedDeque<Connection> idle = new ConcurrentLinkedDeque<>();

    Redis(int port, String password) {
        this.port = port;
        this.password = bytes(password);
    }

    static byte[] bytes(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    /* The answer: byte[], Long, List<Object> or null. */
    Object run(byte[]... command) throws IOException {
        long end = System.nanoTime() + PATIENCE_MS * 1000000L;
        for (;;) {
            Connection c = idle.pollFirst();
            try {
                if (c == null) {
                    c = new Connection();
                }
                Object answer = c.ask(command);
                if (idle.size() < KEEP) {
                    idle.addFirst(c);
                } else {
                    c.close();
                }
                return answer;
            } catch (Refused e) {
                c.close();
                if (!e.passes() || System.nanoTime() > end) {
                    throw e;
                }
            } catch (IOException e) {
                if (c != null) {
                    c.close();
                }
                for (Connection x = idle.pollFirst(); x != null; x = idle.pollFirst()) {
                    x.close(); /* they lead to the same place */
                }
                if (System.nanoTime() > end) {
                    throw e;
                }
            }
            pause();
        }
    }

    private static void pause() throws IOException {
        try {
            Thread.sleep(PAUSE_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    /* The store's own refusal; some pass by themselves: it is loading, or is the primary no more. */
    static final class Refused extends IOException {
        private static final long serialVersionUID = 1;

        Refused(String message) {
            super(message);
        }

        boolean passes() {
            String m = getMessage();
            return m.startsWith("LOADING") || m.startsWith("READONLY") || m.startsWith("MASTERDOWN")
                || m.startsWith("BUSY") || m.startsWith("NOREPLICAS");
        }
    }

    private final class Connection implements Closeable {
        private final Socket socket = new Socket();
        private final InputStream in;
        private final OutputStream out;

        Connection() throws IOException {
            try {
                socket.connect(new InetSocketAddress("127.0.0.1", port), CONNECT_MS);
                socket.setSoTimeout(ANSWER_MS);
                socket.setTcpNoDelay(true);
                in = new BufferedInputStream(socket.getInputStream());
                out = new BufferedOutputStream(socket.getOutputStream());
                if (password.length > 0) {
                    ask(bytes("AUTH"), password);
                }
            } catch (IOException e) {
                close();
                throw e;
            }
        }

        Object ask(byte[]... command) throws IOException {
            line("*", command.length);
            for (byte[] word : command) {
                line("$", word.length);
                out.write(word);
                out.write('\r');
                out.write('\n');
            }
            out.flush();
            return answer();
        }

        private void line(String kind, int n) throws IOException {
            out.write(bytes(kind + n + "\r\n"));
        }

        private Object answer() throws IOException {
            int kind = in.read();
            String line = readLine();
            switch (kind) {
            case '+':
                return bytes(line);
            case '-':
                throw new Refused(line);
            case ':':
                return Long.valueOf(line);
            case '$':
                return readBytes(length(line));
            case '*':
                return readList(length(line));
            default:
                throw new EOFException("the session store ended the connection");
            }
        }

        private int length(String line) throws IOException {
            try {
                int n = Integer.parseInt(line);
                if (n >= -1 && n <= VALUE_MAX) {
                    return n;
                }
            } catch (NumberFormatException e) {
                throw new IOException("the session store answers \"" + line + "\"", e);
            }
            throw new IOException("a value of the session store is too large");
        }

        private byte[] readBytes(int n) throws IOException {
            if (n < 0) {
                return null;
            }
            byte[] value = in.readNBytes(n);
            if (value.length < n || in.read() != '\r' || in.read() != '\n') {
                throw new EOFException("the session store ended in the middle of a value");
            }
            return value;
        }

        private List<Object> readList(int n) throws IOException {
            List<Object> list = new ArrayList<>();
            for (int i = 0; i < n; i++) {
                list.add(answer());
            }
            return list;
        }

        private String readLine() throws IOException {
            StringBuilder b = new StringBuilder();
            for (int c = in.read(); c != '\r'; c = in.read()) {
                if (c < 0 || b.length() > 1024) {
                    throw new EOFException("the session store ended the connection");
                }
                b.append((char) c);
            }
            in.read();
            return b.toString();
        }

        @Override
        public void close() {
            try {
                socket.close();
            } catch (IOException e) {
                /* it is of no use any more */
            }
        }
    }
}
