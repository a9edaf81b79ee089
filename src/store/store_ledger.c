/*
 * The ledger and the balances that go with it, history, events, alarms.
 */
#include "store/store_db.h"

/* Writes one row and moves the balance; the CHECK of the column refuses a negative one. */
int store_ledger_add(struct store *s, const struct ledger_row *r, struct err *e)
{
    struct db *db = store_writer(s);
    int rc = db_exec(db, e,
                     "INSERT INTO ledger(user, kind, amount, node, hour, op, app, at_ms, text)"
                     " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                     "isiiiiiis", r->user, r->kind, r->amount, r->node, r->hour, r->op, r->app, r->at_ms,
                     r->text ? r->text : "");
    if (rc == ERR_EXISTS) {
        return err_set(e, ERR_EXISTS,
                       "the ledger already has this %s row (node %lld, hour %lld, operation %lld)", r->kind,
                       (long long)r->node, (long long)r->hour, (long long)r->op);
    }
    if (rc < 0) {
        return rc;
    }
    rc = db_exec(db, e, "UPDATE users SET balance = balance + ? WHERE id = ?", "ii", r->amount, r->user);
    if (rc == ERR_EXISTS) {
        return err_set(e, ERR_CREDIT, "not enough credit");
    }
    return rc < 0 ? rc : 0;
}

int store_grant(struct store *s, int64_t user, int64_t amount, const char *text, int64_t now_ms,
                int64_t *ret_balance, struct err *e)
{
    int64_t have = 0;
    int got = db_int(store_writer(s), e, &have, "SELECT balance FROM users WHERE id = ?", "i", user);
    if (got < 0) {
        return got;
    }
    amount = amount < -have ? -have : amount; /* taking more than there is takes what there is */
    struct ledger_row row = {.user = user, .amount = amount, .at_ms = now_ms, .text = (char *)text};
    (void)str_copy(row.kind, sizeof(row.kind), ledger_kind_to_str(LEDGER_GRANT));
    int rc = amount == 0 ? 0 : store_ledger_add(s, &row, e);
    if (rc < 0) {
        return rc;
    }
    int64_t balance = 0;
    rc = db_int(store_writer(s), e, &balance, "SELECT balance FROM users WHERE id = ?", "i", user);
    if (rc <= 0) {
        return rc < 0 ? rc : err_set(e, ERR_NOT_FOUND, "no user %lld", (long long)user);
    }
    if (balance > 0) {
        rc = db_exec(store_writer(s), e, "UPDATE users SET broke_ms = 0 WHERE id = ?", "i", user);
    }
    if (ret_balance) {
        *ret_balance = balance;
    }
    return rc < 0 ? rc : 0;
}

static int purse_row(void *arg, sqlite3_stmt *row)
{
    struct purse *p = arg;
    p->balance = DB_INT(row, 0);
    p->broke_ms = DB_INT(row, 1);
    return 1;
}

int store_purse(struct store *s, int64_t user, struct purse *ret, struct err *e)
{
    struct purse p = {.user = user};
    int rc = db_query(store_writer(s), e, purse_row, &p, "SELECT balance, broke_ms FROM users WHERE id = ?",
                      "i", user);
    if (rc <= 0) {
        return rc < 0 ? rc : err_set(e, ERR_NOT_FOUND, "no user %lld", (long long)user);
    }
    *ret = p;
    return 0;
}

struct ledger_list {
    struct ledger_row *v;
    size_t n;
};

void ledger_rows_free(struct ledger_row *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(r[i].text);
    }
    free(r);
}

static int ledger_list_row(void *arg, sqlite3_stmt *row)
{
    struct ledger_list *l = arg;
    l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
    struct ledger_row *r = &l->v[l->n++];
    *r = (struct ledger_row){
        .id = DB_INT(row, 0),
        .user = DB_INT(row, 1),
        .amount = DB_INT(row, 3),
        .node = DB_INT(row, 4),
        .hour = DB_INT(row, 5),
        .op = DB_INT(row, 6),
        .app = DB_INT(row, 7),
        .at_ms = DB_INT(row, 8),
        .text = db_dup(row, 9),
    };
    db_copy(row, 2, r->kind, sizeof(r->kind));
    return 0;
}

int store_ledger(struct store *s, int64_t user, int64_t before, int limit, struct ledger_row **ret,
                 size_t *ret_n, struct err *e)
{
    struct ledger_list l = {0};
    struct db *db = store_read(s);
    int rc = db_query(db, e, ledger_list_row, &l,
                      "SELECT id, user, kind, amount, node, hour, op, app, at_ms, text FROM ledger"
                      " WHERE user = ?1 AND (?2 = 0 OR id < ?2) ORDER BY id DESC LIMIT ?3",
                      "iii", user, before, (int64_t)limit);
    store_read_end(s, db);
    if (rc < 0) {
        ledger_rows_free(l.v, l.n);
        return rc;
    }
    *ret = l.v;
    *ret_n = l.n;
    return 0;
}

static int bad_balance_row(void *arg, sqlite3_stmt *row)
{
    struct err *e = arg;
    err_set(e, ERR_FAILED, "user %lld: the balance is %lld, the ledger adds up to %lld",
            (long long)DB_INT(row, 0), (long long)DB_INT(row, 1), (long long)DB_INT(row, 2));
    return 1;
}

int store_ledger_check(struct store *s, struct err *e)
{
    _cleanup_err_ struct err found = {0};
    struct db *db = store_read(s);
    int rc = db_query(db, e, bad_balance_row, &found,
                      "SELECT u.id, u.balance, coalesce(sum(l.amount), 0) FROM users u"
                      " LEFT JOIN ledger l ON l.user = u.id GROUP BY u.id"
                      " HAVING u.balance <> coalesce(sum(l.amount), 0) LIMIT 1",
                      "");
    store_read_end(s, db);
    if (rc < 0) {
        return rc;
    }
    return rc > 0 ? err_set(e, ERR_FAILED, "%s", found.message) : 0;
}

/* ---- events ---- */

void events_free(struct event *ev, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(ev[i].text);
    }
    free(ev);
}

int store_event_add(struct store *s, const struct event *ev, int64_t *ret_id, struct err *e)
{
    struct db *db = store_writer(s);
    int64_t id = 0;
    int rc = db_int(db, e, &id, "SELECT coalesce(max(id), 0) + 1 FROM events WHERE app = ?", "i", ev->app);
    if (rc < 0) {
        return rc;
    }
    rc = db_exec(db, e,
                 "INSERT INTO events(app, id, at_ms, service, kind, state, text, op, node)"
                 " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                 "iiiisssii", ev->app, id, ev->at_ms, ev->service, ev->kind, ev->state,
                 ev->text ? ev->text : "", ev->op, ev->node);
    if (rc < 0) {
        return rc;
    }
    if (ret_id) {
        *ret_id = id;
    }
    return 0;
}

struct event_list {
    struct event *v;
    size_t n;
};

static int event_row(void *arg, sqlite3_stmt *row)
{
    struct event_list *l = arg;
    l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
    struct event *ev = &l->v[l->n++];
    *ev = (struct event){
        .app = DB_INT(row, 0),
        .id = DB_INT(row, 1),
        .at_ms = DB_INT(row, 2),
        .service = DB_INT(row, 3),
        .text = db_dup(row, 6),
        .op = DB_INT(row, 7),
        .node = DB_INT(row, 8),
    };
    db_copy(row, 4, ev->kind, sizeof(ev->kind));
    db_copy(row, 5, ev->state, sizeof(ev->state));
    return 0;
}

static int event_end(int rc, struct event_list *l, struct event **ret, size_t *ret_n)
{
    if (rc < 0) {
        events_free(l->v, l->n);
        return rc;
    }
    *ret = l->v;
    *ret_n = l->n;
    return 0;
}

#define EVENT_SELECT "SELECT app, id, at_ms, service, kind, state, text, op, node FROM events "

int store_events_after(struct store *s, int64_t app, int64_t service, int64_t after, int limit,
                       struct event **ret, size_t *ret_n, struct err *e)
{
    struct event_list l = {0};
    struct db *db = store_read(s);
    int rc =
        db_query(db, e, event_row, &l,
                 EVENT_SELECT "WHERE app = ?1 AND id > ?2 AND (?3 = 0 OR service = ?3) ORDER BY id LIMIT ?4",
                 "iiii", app, after, service, (int64_t)limit);
    store_read_end(s, db);
    return event_end(rc, &l, ret, ret_n);
}

int store_events_before(struct store *s, int64_t app, int64_t service, int64_t before, const char *only_kind,
                        int limit, struct event **ret, size_t *ret_n, struct err *e)
{
    struct event_list l = {0};
    struct db *db = store_read(s);
    int rc = db_query(db, e, event_row, &l,
                      EVENT_SELECT "WHERE app = ?1 AND (?2 = 0 OR id < ?2) AND (?3 = 0 OR service = ?3)"
                                   " AND (?4 IS NULL OR kind = ?4) ORDER BY id DESC LIMIT ?5",
                      "iiisi", app, before, service, only_kind, (int64_t)limit);
    store_read_end(s, db);
    return event_end(rc, &l, ret, ret_n);
}

int store_events_between(struct store *s, int64_t app, int64_t service, int64_t from_ms, int64_t to_ms,
                         struct event **ret, size_t *ret_n, struct err *e)
{
    struct event_list l = {0};
    struct db *db = store_read(s);
    int rc = db_query(db, e, event_row, &l,
                      EVENT_SELECT
                      "WHERE app = ? AND service = ? AND at_ms >= ? AND at_ms <= ? ORDER BY id LIMIT 200",
                      "iiii", app, service, from_ms, to_ms);
    store_read_end(s, db);
    return event_end(rc, &l, ret, ret_n);
}

int store_event_last(struct store *s, int64_t app, int64_t *ret_id, struct err *e)
{
    struct db *db = store_read(s);
    int rc = db_int(db, e, ret_id, "SELECT coalesce(max(id), 0) FROM events WHERE app = ?", "i", app);
    store_read_end(s, db);
    return rc < 0 ? rc : 0;
}

/* The same text again within an hour is no news. */
int store_alarm(struct store *s, int64_t app, int64_t now_ms, const char *text, struct err *e)
{
    int rc = db_exec(store_writer(s), e,
                     "INSERT INTO alarms(app, at_ms, text) SELECT ?1, ?2, ?3 WHERE NOT EXISTS"
                     " (SELECT 1 FROM alarms WHERE app = ?1 AND text = ?3 AND at_ms > ?2 - 3600000)",
                     "iis", app, now_ms, text);
    return rc < 0 ? rc : 0;
}

int store_alarms(struct store *s, int limit, struct event **ret, size_t *ret_n, struct err *e)
{
    struct event_list l = {0};
    struct db *db = store_read(s);
    int rc =
        db_query(db, e, event_row, &l,
                 "SELECT app, id, at_ms, 0, 'alarm', '', text, 0, 0 FROM alarms ORDER BY id DESC LIMIT ?",
                 "i", (int64_t)limit);
    store_read_end(s, db);
    return event_end(rc, &l, ret, ret_n);
}
