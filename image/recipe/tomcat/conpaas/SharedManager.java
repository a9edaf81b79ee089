/*
 * Sessions that any backend can go on with, and any version of the code.  Nothing is kept here between
 * requests: a session is in memory while requests use it, and is read anew (only what has changed) whenever
 * another request joins in.
 */
package conpaas;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;

import org.apache.catalina.LifecycleException;
import org.apache.catalina.LifecycleState;
import org.apache.catalina.Session;
import org.apache.catalina.session.ManagerBase;
import org.apache.catalina.session.StandardSession;
import org.apache.juli.logging.Log;
import org.apache.juli.logging.LogFactory;

public final class SharedManager extends ManagerBase {
    static final Log log = LogFactory.getLog(SharedManager.class);
    private static final Pattern ID = Pattern.compile("[0-9A-Za-z.+-]{16,128}");
    private static final int LOCKS = 64;

    final SessionStore store;
    /* What cannot be written down stays on this node, by session. */
    private final Map<String, Local> local = new ConcurrentHashMap<>();
    private final Object[] locks = new Object[LOCKS];

    private static final class Local {
        final Map<String, Object> values;
        final long endMs;

        Local(Map<String, Object> values, long endMs) {
            this.values = values;
            this.endMs = endMs;
        }
    }

    SharedManager(SessionStore store) {
        this.store = store;
        for (int i = 0; i < LOCKS; i++) {
            locks[i] = new Object();
        }
    }

    @Override
    public String getName() {
        return "SharedManager";
    }

    @Override
    public void load() {
        /* they are where they are */
    }

    @Override
    public void unload() {
        /* likewise */
    }

    @Override
    protected void startInternal() throws LifecycleException {
        super.startInternal();
        setState(LifecycleState.STARTING);
    }

    @Override
    protected void stopInternal() throws LifecycleException {
        setState(LifecycleState.STOPPING);
        for (Session s : findSessions()) {
            ((SharedSession) s).saveAtEnd();
        }
        super.stopInternal();
    }

    @Override
    protected StandardSession getNewSession() {
        return new SharedSession(this);
    }

    /* A store that does not answer is no reason to give the visitor a new session: the request fails. */
    @Override
    public Session findSession(String id) {
        if (id == null || !ID.matcher(id).matches()) {
            return null;
        }
        synchronized (locks[Math.floorMod(id.hashCode(), LOCKS)]) {
            SharedSession s = (SharedSession) sessions.get(id);
            if (s != null && s.isFresh()) {
                return s;
            }
            Map<String, byte[]> stored;
            try {
                stored = store.load(id);
            } catch (IOException e) {
                throw new UncheckedIOException("the session store does not answer", e);
            }
            if (stored.isEmpty()) {
                sessions.remove(id);
                local.remove(id);
                return null;
            }
            if (s == null) {
                s = new SharedSession(this);
                s.fill(id, stored, localOf(id));
                sessions.put(id, s);
            } else {
                s.refresh(stored);
            }
            return s;
        }
    }

    @Override
    public void remove(Session session, boolean update) {
        String id = session.getIdInternal();
        super.remove(session, update);
        if (update && id != null) {
            local.remove(id);
            try {
                store.delete(id);
            } catch (IOException e) {
                throw new UncheckedIOException("the session store does not answer", e);
            }
        }
    }

    /* A login gives the session a new id; what was known under the old one goes with it. */
    @Override
    protected void changeSessionId(Session session, String id, boolean tellSession, boolean tellContext) {
        String old = session.getIdInternal();
        if (!((SharedSession) session).isFresh()) {
            try {
                store.rename(old, id);
            } catch (IOException e) {
                throw new UncheckedIOException("the session store does not answer", e);
            }
        }
        Local l = local.remove(old);
        if (l != null) {
            local.put(id, l);
        }
        super.changeSessionId(session, id, tellSession, tellContext);
    }

    /* No request uses it any more. */
    void letGo(SharedSession s) {
        sessions.remove(s.getIdInternal(), s);
    }

    private Map<String, Object> localOf(String id) {
        Local l = local.get(id);
        return l == null ? Map.of() : l.values;
    }

    void keepLocal(String id, Map<String, Object> values, long lifeMs) {
        if (values.isEmpty()) {
            local.remove(id);
        } else {
            local.put(id, new Local(values, System.currentTimeMillis() + lifeMs));
        }
    }

    /* Sessions end in the store, by their time; here only what was kept beside them. */
    @Override
    public void processExpires() {
        long now = System.currentTimeMillis();
        local.values().removeIf(l -> l.endMs < now);
    }
}
