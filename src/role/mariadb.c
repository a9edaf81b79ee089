/*
 * Driver "mariadb".
 */
#include "role/mariadb.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "role/local_io.h"
#include "role/mariadb_config.h"
#include "role/mariadb_data.h"
#include "role/mysql_wire.h"
#include "role/quote.h"

#define ASK_MS 1000
#define CHANGE_MS 10000  /* statements that the whole cluster carries out */
#define MINORITY_MS 5000 /* so long a member may be cut off before it ends itself */
#define PEER_MS 500

enum mariadb_start { START_WAIT, START_JOIN, START_LEAD };

struct mariadb_state {
    char *fixed;                /* what the running server can not change */
    struct mariadb_position at; /* of the data while it rests */
    bool looked;                /* `at` is known */
    bool token_read;
    int64_t token; /* last one that was used */
    enum mariadb_start start;
    bool answers; /* has been a member since this start */
    bool synced;
    int64_t committed;
    int64_t cut_off_ms;        /* since when it is in a minority; 0 = it is not */
    bool live_done, user_done; /* settings and password are in the server */
};

static struct mariadb_state *state_of(const struct role_engine *r)
{
    return r->state;
}

static char *run_path(const struct role_engine *r, const char *name)
{
    return str_printf("%s/%s", r->run_dir, name);
}

static int64_t used_token(struct role_engine *r)
{
    struct mariadb_state *s = state_of(r);
    if (!s->token_read) {
        s->token = mariadb_data_token(r);
        s->token_read = true;
    }
    return s->token;
}

/* ---- configuration ---- */

/* MariaDB makes no file in our directory of logs. */
static int make_slow_log(const struct role_engine *r, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/%s-slow.log", r->log_dir, r->name);
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    return fd < 0 ? err_errno(e, errno, "cannot open %s", path) : mariadb_data_own(path, e);
}

static int write_config(const struct role_engine *r, const struct buf *text, struct err *e)
{
    _cleanup_free_ char *path = run_path(r, "my.cnf");
    int rc = fs_write_atomic(path, text->data, text->len, 0600, e);
    rc = rc < 0 ? rc : mariadb_data_own(path, e);
    rc = rc < 0 ? rc : mariadb_data_own(r->run_dir, e);
    return rc < 0 ? rc : make_slow_log(r, e);
}

/* Settings into the running server. What it refuses is the content's fault. */
static int set_live(const struct role_engine *r, const struct mariadb_want *w, struct err *e)
{
    _cleanup_free_ char *socket = run_path(r, "mysql.sock");
    _cleanup_buf_ struct buf text = {0};
    const char *statements[32];
    size_t n = 0;
    mariadb_config_set(w, &text);
    for (char *p = text.data, *end; p && *p && n < ARRAY_LEN(statements); p = end + 1) {
        end = strchr(p, '\n');
        *end = '\0';
        statements[n++] = p;
    }
    int rc = mysql_run(socket, statements, n, CHANGE_MS, NULL, e);
    return rc == ERR_FAILED ? err_wrap(e, ERR_INVALID, "settings") : rc;
}

static int mariadb_configure(struct role_engine *r, const json_t *section, enum role_change *ret,
                             struct err *e)
{
    struct mariadb_want w;
    _cleanup_buf_ struct buf text = {0};
    if (!r->state) {
        r->state = xcalloc(1, sizeof(struct mariadb_state));
    }
    struct mariadb_state *s = state_of(r);
    int rc = mariadb_want_read(section, &w, e);
    rc = rc < 0 ? rc : mariadb_config_fixed(r, &w, &text, e);
    if (rc < 0) {
        return rc;
    }
    _cleanup_free_ char *fixed = xstrdup(text.data);
    bool same = str_eq(fixed, s->fixed);
    bool same_live = json_equal(json_object_get(r->section, "settings"), w.settings);
    if (r->pid && same && !same_live && s->synced && (rc = set_live(r, &w, e)) == ERR_INVALID) {
        return rc;
    }
    bool live_set = rc == 0;
    mariadb_config_live(&w, &text);
    mariadb_config_peers(&w, &text);
    rc = write_config(r, &text, e);
    if (rc < 0) {
        return rc;
    }
    s->live_done = s->live_done && (same_live || live_set);
    s->user_done = s->user_done && str_eq(json_str(r->section, "password", ""), w.password);
    *ret = r->pid && same ? CHANGE_LIVE : CHANGE_RESTART;
    free(s->fixed);
    s->fixed = TAKE_PTR(fixed);
    return 0;
}

/* ---- start ---- */

/* Clients are listened to only by one that has been a member since it started. Two that both only look for a cluster
 * have their other ports open, and would take turns in waiting for each other for ever: nobody would be down, as the
 * planner's recovery asks (M5). */
static bool any_peer_answers(const struct mariadb_want *w)
{
    for (int i = 0; i < w->n_peers; i++) {
        const struct local_addr where = {.address = w->peers[i], .port = (uint16_t)w->port};
        _cleanup_close_ int fd = local_connect(&where, clock_mono_ms() + PEER_MS, NULL);
        if (fd >= 0) {
            return true;
        }
    }
    return false;
}

/* Leads its cluster: once for each token, which counts as used before anything is started. */
static int prepare_lead(struct role_engine *r, const struct mariadb_want *w, const char *config,
                        struct err *e)
{
    struct mariadb_state *s = state_of(r);
    bool data = s->at.seqno >= 0;
    if (!data && w->boot == MARIADB_RECOVER) {
        return err_set(e, ERR_FAILED, "it shall recover the cluster from its data, but there is none");
    }
    int rc = data ? mariadb_data_lead(r, &s->at, e) : mariadb_data_install(r, config, e);
    rc = rc < 0 ? rc : mariadb_data_set_token(r, w->token, e);
    if (rc == 0) {
        s->token = w->token;
        s->start = START_LEAD;
    }
    return rc;
}

static int mariadb_prepare(struct role_engine *r, struct err *e)
{
    struct mariadb_state *s = state_of(r);
    struct mariadb_want w;
    _cleanup_free_ char *config = run_path(r, "my.cnf");
    s->synced = s->answers = false;
    s->cut_off_ms = 0;
    s->start = START_WAIT;
    int rc = mariadb_want_read(r->section, &w, e);
    if (rc == 0 && !s->looked) {
        rc = mariadb_data_look(r, config, &s->at, e);
        s->looked = rc == 0;
    }
    if (rc < 0) {
        return rc;
    }
    if (w.boot != MARIADB_JOIN && w.token != used_token(r)) {
        rc = prepare_lead(r, &w, config, e);
    } else if (any_peer_answers(&w)) {
        rc = s->at.seqno >= 0 ? 0 : mariadb_data_clear(r, e);
        s->start = START_JOIN;
    } else {
        return err_set(e, ERR_UNAVAILABLE, "waits for a member of its cluster");
    }
    if (rc == 0) {
        s->looked = false; /* from now on it moves */
        s->live_done = true;
        s->user_done = false;
    }
    return rc;
}

static int mariadb_command(const struct role_engine *r, struct role_command *ret, struct err *e)
{
    const struct mariadb_state *s = state_of(r);
    int n = 0;
    *ret = (struct role_command){.user = MARIADB_USER};
    ret->argv[n++] = "mariadbd";
    ret->text[0] = str_printf("--defaults-file=%s/my.cnf", r->run_dir);
    ret->argv[n++] = ret->text[0];
    if (s && s->at.uuid[0] && s->at.seqno >= 0) {
        ret->text[1] = str_printf("--wsrep-start-position=%s:%lld", s->at.uuid, (long long)s->at.seqno);
        ret->argv[n++] = ret->text[1];
    }
    if (s && s->start == START_LEAD) {
        ret->argv[n++] = "--wsrep-new-cluster";
    }
    snprintf(ret->log, sizeof(ret->log), "%.50s.log", r->name);
    return 0;
}

/* ---- health ---- */

/* Which password the server has is compared in the server; it is changed only when it differs, because each change
 * goes through the whole cluster. */
static int set_password(struct role_engine *r, const char *password, struct err *e)
{
    static const char find[] =
        "SELECT 'hash', PASSWORD(%s) UNION SELECT 'same', COUNT(*) FROM mysql.global_priv WHERE "
        "User = 'mysqldb' AND Host = '%%' AND JSON_VALUE(Priv, '$.authentication_string') = "
        "PASSWORD(%s)";
    _cleanup_free_ char *socket = run_path(r, "mysql.sock");
    _cleanup_buf_ struct buf quoted = {0}, rows = {0};
    int rc = quote_sql(&quoted, password, e);
    if (rc < 0) {
        return rc;
    }
    char *ask = str_printf(find, quoted.data, quoted.data);
    const char *const look[] = {"SET SESSION sql_log_off = 1, sql_mode = '', wsrep_sync_wait = 0", ask};
    rc = mysql_run(socket, look, ARRAY_LEN(look), ASK_MS, &rows, e);
    mem_wipe(ask, strlen(ask));
    free(ask);
    mem_wipe(quoted.data, quoted.len);
    if (rc < 0 || mysql_number(rows.data, "same", 0) > 0) {
        return rc;
    }
    _cleanup_free_ char *hash = mysql_value(rows.data, "hash");
    if (!hash || hash[0] != '*' || strspn(hash + 1, "0123456789ABCDEF") != 40 || strlen(hash) != 41) {
        return err_set(e, ERR_FAILED, "the server has no hash for a password");
    }
    _cleanup_free_ char *make =
        str_printf("CREATE USER IF NOT EXISTS 'mysqldb'@'%%' IDENTIFIED BY PASSWORD '%s'", hash);
    _cleanup_free_ char *change = str_printf("ALTER USER 'mysqldb'@'%%' IDENTIFIED BY PASSWORD '%s'", hash);
    const char *const statements[] = {make, change,
                                      "GRANT ALL PRIVILEGES ON *.* TO 'mysqldb'@'%' WITH GRANT OPTION"};
    return mysql_run(socket, statements, ARRAY_LEN(statements), CHANGE_MS, NULL, e);
}

/* Member again: what the document says is brought into the server. */
static int settle(struct role_engine *r, struct err *e)
{
    struct mariadb_state *s = state_of(r);
    struct mariadb_want w;
    int rc = mariadb_want_read(r->section, &w, e);
    if (rc == 0 && w.boot != MARIADB_JOIN && w.token != used_token(r)) { /* it has joined meanwhile */
        rc = mariadb_data_set_token(r, w.token, e);
        s->token = rc < 0 ? s->token : w.token;
    }
    if (rc == 0 && !s->live_done) {
        rc = set_live(r, &w, e);
        s->live_done = rc == 0;
    }
    if (rc == 0 && !s->user_done) {
        rc = set_password(r, w.password, e);
        s->user_done = rc == 0;
    }
    return rc;
}

/* In a minority: it may not answer, and only what is down can be recovered. */
static int cut_off(struct role_engine *r, struct err *e)
{
    struct mariadb_state *s = state_of(r);
    int64_t now = clock_mono_ms();
    s->cut_off_ms = s->cut_off_ms ? s->cut_off_ms : now;
    if (now - s->cut_off_ms > MINORITY_MS) {
        (void)kill(r->pid, SIGTERM);
    }
    return err_set(e, ERR_UNAVAILABLE, "it has lost the majority of its cluster");
}

static int mariadb_check(struct role_engine *r, struct err *e)
{
    struct mariadb_state *s = state_of(r);
    _cleanup_free_ char *socket = run_path(r, "mysql.sock");
    _cleanup_buf_ struct buf rows = {0};
    s->synced = false;
    r->coming_up = !s->answers; /* a copy of all data takes as long as it takes */
    int rc = mysql_ask(socket, "SHOW GLOBAL STATUS LIKE 'wsrep_%'", ASK_MS, &rows, e);
    if (rc < 0) {
        return err_wrap(e, rc, s->answers ? "MariaDB does not answer" : "enters the cluster");
    }
    _cleanup_free_ char *cluster = mysql_value(rows.data, "wsrep_cluster_status");
    _cleanup_free_ char *ready = mysql_value(rows.data, "wsrep_ready");
    int64_t state = mysql_number(rows.data, "wsrep_local_state", 0);
    if (!str_eq(cluster, "Primary")) {
        return cut_off(r, e);
    }
    s->cut_off_ms = 0;
    s->committed = mysql_number(rows.data, "wsrep_last_committed", s->committed);
    if (!str_eq(ready, "ON") || (state != 4 && state != 2)) { /* synced, or giving a copy to a new one */
        return err_set(e, ERR_UNAVAILABLE, "takes over what the cluster has done meanwhile");
    }
    rc = settle(r, e);
    s->synced = s->answers = rc == 0;
    return rc;
}

static int mariadb_progress(struct role_engine *r, struct role_progress *ret)
{
    const struct mariadb_state *s = state_of(r);
    if (!s) {
        return ERR_UNAVAILABLE;
    }
    ret->token = used_token(r);
    ret->synced = r->pid && s->synced;
    ret->position = r->pid && s->answers ? s->committed : s->looked || r->pid ? s->at.seqno : -1;
    return 0;
}

/* Transactions under way; connections that only wait for their client's next statement do not count. */
static int mariadb_busy(struct role_engine *r)
{
    _cleanup_free_ char *socket = run_path(r, "mysql.sock");
    _cleanup_buf_ struct buf rows = {0};
    const char *const statements[] = {
        "SET SESSION wsrep_sync_wait = 0",
        "SELECT 'busy', (SELECT COUNT(*) FROM information_schema.INNODB_TRX) + (SELECT COUNT(*) FROM "
        "information_schema.PROCESSLIST WHERE COMMAND = 'Query' AND ID <> CONNECTION_ID() AND USER <> 'system user')"};
    int rc = mysql_run(socket, statements, ARRAY_LEN(statements), ASK_MS, &rows, NULL);
    return rc < 0 ? 0 : (int)mysql_number(rows.data, "busy", 0);
}

static int mariadb_metrics(struct role_engine *r, json_t *out)
{
    static const char *const numbers[][2] = {
        {"Queries", "queries"},
        {"Com_select", "selects"},
        {"Com_insert", "inserts"},
        {"Com_update", "updates"},
        {"Com_delete", "deletes"},
        {"Threads_connected", "connections"},
        {"Slow_queries", "slow_queries"},
        {"wsrep_local_recv_queue", "receive_queue"},
        {"wsrep_cluster_size", "cluster_size"},
        {"wsrep_local_cert_failures", "conflicts"},
    };
    _cleanup_free_ char *socket = run_path(r, "mysql.sock");
    _cleanup_buf_ struct buf rows = {0};
    int rc = mysql_ask(socket, "SHOW GLOBAL STATUS", ASK_MS, &rows, NULL);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(numbers); i++) {
        int64_t v = mysql_number(rows.data, numbers[i][0], -1);
        if (v >= 0) {
            json_object_set_new(out, numbers[i][1], json_integer(v));
        }
    }
    _cleanup_free_ char *word = rc == 0 ? mysql_value(rows.data, "wsrep_local_state_comment") : NULL;
    if (word) {
        json_object_set_new(out, "state", json_string(word));
    }
    return rc;
}

static void mariadb_forget(struct role_engine *r)
{
    struct mariadb_state *s = state_of(r);
    if (s) {
        free(s->fixed);
        free(s);
        r->state = NULL;
    }
}

static const char *const mariadb_logs[] = {".log", "-slow.log", NULL};

const struct role_driver role_mariadb = {
    .name = "mariadb",
    .stop_signal = SIGTERM,
    .stop_timeout_ms = 60000,
    .leave_ms = 3000, /* report, plan, document of the balancer */
    .logs = mariadb_logs,
    .configure = mariadb_configure,
    .prepare = mariadb_prepare,
    .command = mariadb_command,
    .check = mariadb_check,
    .busy = mariadb_busy,
    .metrics = mariadb_metrics,
    .progress = mariadb_progress,
    .forget = mariadb_forget,
};
