/*
 * One session while requests use it.  `known` is what the store holds as far as we have seen: an attribute
 * whose bytes are others than the known ones has been changed here and is written; one that is as it was is
 * not, so that it does not undo what another node has written meanwhile.
 *
 * Fields: "=NAME" an attribute; "@c" "@a" "@i" made, last used, seconds it may rest; "@p" "@t" the user who
 * logged in; "@n:NAME" what the login has to remember.
 */
package conpaas;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.Principal;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

import org.apache.catalina.session.StandardSession;
import org.apache.catalina.util.CustomObjectInputStream;
import org.apache.juli.logging.Log;
import org.apache.juli.logging.LogFactory;

public final class SharedSession extends StandardSession {
    private static final long serialVersionUID = 1;
    private static final Log log = LogFactory.getLog(SharedSession.class);
    private static final long SPARE_MS = 60000;
    private static final long FOREVER_MS = 30L * 24 * 3600 * 1000;
    /* What has been said once about a class or attribute is not said for every request. */
    private static final Set<String> said = ConcurrentHashMap.newKeySet();

    private final transient SharedManager store;
    private final transient Map<String, byte[]> known = new HashMap<>();
    private final transient Set<String> unreadable = new HashSet<>();
    private transient boolean fresh = true;
    private transient boolean touched = true;
    private transient int users;

    SharedSession(SharedManager manager) {
        super(manager);
        store = manager;
    }

    synchronized boolean isFresh() {
        return fresh;
    }

    /* ---- reading ---- */

    synchronized void fill(String newId, Map<String, byte[]> stored, Map<String, Object> local) {
        id = newId;
        fresh = false;
        isNew = false;
        creationTime = number(stored.get("@c"), System.currentTimeMillis());
        thisAccessedTime = number(stored.get("@a"), System.currentTimeMillis());
        lastAccessedTime = thisAccessedTime;
        maxInactiveInterval = (int) number(stored.get("@i"), 1800);
        isValid = true;
        for (Map.Entry<String, byte[]> e : stored.entrySet()) {
            take(e.getKey(), e.getValue());
        }
        for (Map.Entry<String, Object> e : local.entrySet()) {
            attributes.putIfAbsent(e.getKey(), e.getValue());
        }
        activate();
    }

    /* Another request joins in: what other nodes have changed meanwhile, except where we have changed it too. */
    synchronized void refresh(Map<String, byte[]> stored) {
        Map<String, byte[]> mine = write(new HashMap<>());
        for (Map.Entry<String, byte[]> e : stored.entrySet()) {
            String name = e.getKey();
            if (!Arrays.equals(e.getValue(), known.get(name))
                && Arrays.equals(mine.get(name), known.get(name))) {
                take(name, e.getValue());
            }
        }
        for (String name : known.keySet().toArray(new String[0])) {
            if (!stored.containsKey(name) && Arrays.equals(mine.get(name), known.get(name))) {
                known.remove(name);
                if (name.startsWith("=")) {
                    attributes.remove(name.substring(1));
                }
            }
        }
    }

    private static long number(byte[] text, long fallback) {
        try {
            return text == null ? fallback : Long.parseLong(new String(text, StandardCharsets.US_ASCII));
        } catch (NumberFormatException e) {
            return fallback;
        }
    }

    /* What this version of the code cannot read is as if it were not there; it stays in the store for one that can. */
    private void take(String name, byte[] value) {
        known.put(name, value);
        try {
            if (name.startsWith("=")) {
                attributes.put(name.substring(1), read(value));
            } else if (name.equals("@p")) {
                principal = (Principal) read(value);
            } else if (name.equals("@t")) {
                authType = (String) read(value);
            } else if (name.startsWith("@n:")) {
                notes.put(name.substring(3), read(value));
            }
            unreadable.remove(name);
        } catch (IOException | ClassNotFoundException | RuntimeException | LinkageError e) {
            attributes.remove(name.substring(1));
            unreadable.add(name);
            if (said.add("read " + name + e.getClass())) {
                log.warn("a session's " + name + " can not be read by this version and is left out: " + e);
            }
        }
    }

    private Object read(byte[] value) throws IOException, ClassNotFoundException {
        ClassLoader loader = store.getContext().getLoader().getClassLoader();
        try (ObjectInputStream in = new CustomObjectInputStream(new ByteArrayInputStream(value), loader)) {
            return in.readObject();
        }
    }

    /* ---- writing ---- */

    private static byte[] bytesOf(Object value) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (ObjectOutputStream o = new ObjectOutputStream(out)) {
            o.writeObject(value);
        }
        return out.toByteArray();
    }

    private void put(Map<String, byte[]> fields, String name, Object value, Map<String, Object> local) {
        try {
            fields.put(name, bytesOf(value));
        } catch (IOException | RuntimeException | StackOverflowError e) {
            if (name.startsWith("=")) {
                local.put(name.substring(1), value);
            }
            if (said.add("write " + name + value.getClass())) {
                log.warn("a session's " + name + " (" + value.getClass().getName()
                    + ") can not be written down and stays on this node: " + e);
            }
        }
    }

    /* All that the session is, as fields; what cannot be written goes to `local`. */
    private Map<String, byte[]> write(Map<String, Object> local) {
        Map<String, byte[]> fields = new HashMap<>();
        for (Map.Entry<String, Object> e : attributes.entrySet()) {
            if (!exclude(e.getKey(), e.getValue())) {
                put(fields, "=" + e.getKey(), e.getValue(), local);
            }
        }
        if (principal instanceof Serializable) {
            put(fields, "@p", principal, local);
        }
        if (authType != null) {
            put(fields, "@t", authType, local);
        }
        for (Map.Entry<String, Object> e : notes.entrySet()) {
            if (e.getValue() instanceof Serializable && e.getKey().startsWith("org.apache.catalina.authenticator")) {
                put(fields, "@n:" + e.getKey(), e.getValue(), local);
            }
        }
        fields.put("@c", Redis.bytes(Long.toString(creationTime)));
        fields.put("@i", Redis.bytes(Integer.toString(maxInactiveInterval)));
        fields.put("@a", Redis.bytes(Long.toString(thisAccessedTime)));
        return fields;
    }

    private long lifeMs() {
        return maxInactiveInterval <= 0 ? FOREVER_MS : maxInactiveInterval * 1000L + SPARE_MS;
    }

    /* Before anything of an answer leaves: who gets the answer may ask another node next. */
    synchronized void save() throws IOException {
        if (!isValid) {
            return;
        }
        Map<String, Object> local = new HashMap<>();
        Map<String, byte[]> now = write(local);
        Map<String, byte[]> changed = new HashMap<>(now);
        changed.entrySet().removeIf(e -> Arrays.equals(e.getValue(), known.get(e.getKey())));
        Set<String> removed = new HashSet<>(known.keySet());
        removed.removeAll(now.keySet());
        removed.removeAll(unreadable);
        store.keepLocal(id, local, lifeMs());
        if (!fresh && !touched && changed.isEmpty() && removed.isEmpty()) {
            return;
        }
        if (!store.store.save(id, fresh, changed, removed, lifeMs())) {
            isValid = false; /* ended elsewhere */
            store.letGo(this);
            return;
        }
        known.putAll(changed);
        known.keySet().removeAll(removed);
        unreadable.removeAll(changed.keySet());
        fresh = false;
        touched = false;
    }

    void saveAtEnd() {
        try {
            save();
        } catch (IOException | UncheckedIOException e) {
            log.error("what a request changed in its session is lost: the session store does not answer", e);
        }
    }

    /* ---- use ---- */

    @Override
    public void access() {
        synchronized (this) {
            users++;
            touched = true;
        }
        super.access();
    }

    @Override
    public void endAccess() {
        super.endAccess();
        boolean last;
        synchronized (this) {
            last = --users <= 0;
        }
        saveAtEnd();
        if (last) {
            store.letGo(this);
        }
    }
}
