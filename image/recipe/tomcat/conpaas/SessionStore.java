/*
 * Sessions in Redis: one hash a session, one field an attribute, so that two requests of one session that
 * change different attributes on different nodes both count.  The key knows no version of the code.
 */
package conpaas;

import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

final class SessionStore {
    /* Changes fields of a session that is there (or, new, is made), and when it ends; 0: it is gone. */
    private static final byte[] SAVE = Redis.bytes(
        "if ARGV[1] == '0' and redis.call('EXISTS', KEYS[1]) == 0 then return 0 end "
            + "local n = tonumber(ARGV[3]) "
            + "for i = 4, 3 + n do redis.call('HDEL', KEYS[1], ARGV[i]) end "
            + "for i = 4 + n, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end "
            + "redis.call('PEXPIRE', KEYS[1], ARGV[2]) return 1");
    private static final byte[] RENAME = Redis.bytes(
        "if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end redis.call('RENAME', KEYS[1], KEYS[2]) return 1");

    private final Redis redis;

    SessionStore(Redis redis) {
        this.redis = redis;
    }

    private static byte[] key(String id) {
        return Redis.bytes("session:" + id);
    }

    /* Empty: there is no such session. */
    Map<String, byte[]> load(String id) throws IOException {
        List<?> list = (List<?>) redis.run(Redis.bytes("HGETALL"), key(id));
        Map<String, byte[]> fields = new HashMap<>();
        for (int i = 0; list != null && i + 1 < list.size(); i += 2) {
            fields.put(new String((byte[]) list.get(i), "UTF-8"), (byte[]) list.get(i + 1));
        }
        return fields;
    }

    /* False: the session has been ended elsewhere, nothing is written. */
    boolean save(String id, boolean fresh, Map<String, byte[]> changed, Set<String> removed, long lifeMs)
        throws IOException {
        byte[][] command = new byte[7 + removed.size() + 2 * changed.size()][];
        int n = 0;
        command[n++] = Redis.bytes("EVAL");
        command[n++] = SAVE;
        command[n++] = Redis.bytes("1");
        command[n++] = key(id);
        command[n++] = Redis.bytes(fresh ? "1" : "0");
        command[n++] = Redis.bytes(Long.toString(lifeMs));
        command[n++] = Redis.bytes(Integer.toString(removed.size()));
        for (String name : removed) {
            command[n++] = Redis.bytes(name);
        }
        for (Map.Entry<String, byte[]> e : changed.entrySet()) {
            command[n++] = Redis.bytes(e.getKey());
            command[n++] = e.getValue();
        }
        return Long.valueOf(1).equals(redis.run(command));
    }

    void delete(String id) throws IOException {
        redis.run(Redis.bytes("DEL"), key(id));
    }

    void rename(String from, String to) throws IOException {
        redis.run(Redis.bytes("EVAL"), RENAME, Redis.bytes("2"), key(from), key(to));
    }
}
