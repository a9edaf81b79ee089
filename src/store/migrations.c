/*
 * The schema of the director's database.  Times are milliseconds since 1970.  Rows of applications and
 * services go when they are removed; nodes, operations, the ledger and events stay, they are the record of
 * what was done and charged.
 */
#include "store/migrations.h"

#include <stddef.h>

static const char schema_1[] =
    "CREATE TABLE installation("
    " id INTEGER PRIMARY KEY CHECK(id = 1),"
    " name TEXT NOT NULL,"
    " incarnation INTEGER NOT NULL,"
    " next_id INTEGER NOT NULL,"
    " commits INTEGER NOT NULL," /* +1 by each transaction: tells a restored database from the present one */
    " recovery INTEGER NOT NULL DEFAULT 0,"
    " created_ms INTEGER NOT NULL"
    ") STRICT;"

    "CREATE TABLE users("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " username TEXT NOT NULL UNIQUE,"
    " email TEXT NOT NULL UNIQUE,"
    " password TEXT NOT NULL," /* crypt(5) hash; '!' = nobody can log in with one */
    " admin INTEGER NOT NULL DEFAULT 0,"
    " disabled INTEGER NOT NULL DEFAULT 0,"
    " first_name TEXT NOT NULL DEFAULT '',"
    " last_name TEXT NOT NULL DEFAULT '',"
    " affiliation TEXT NOT NULL DEFAULT '',"
    " created_ms INTEGER NOT NULL,"
    " balance INTEGER NOT NULL DEFAULT 0 CHECK(balance >= 0)," /* sum of the ledger, kept with it */
    " broke_ms INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"

    /* Sessions of the page and tokens of programs; only SHA-256 of the secret is kept. */
    "CREATE TABLE tokens("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " user INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,"
    " kind TEXT NOT NULL CHECK(kind IN ('session', 'api')),"
    " name TEXT NOT NULL,"
    " hash TEXT NOT NULL UNIQUE,"
    " created_ms INTEGER NOT NULL,"
    " expires_ms INTEGER NOT NULL," /* 0 = never */
    " used_ms INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"
    "CREATE INDEX tokens_user ON tokens(user, kind, name);"
    "CREATE UNIQUE INDEX tokens_name ON tokens(user, name) WHERE kind = 'api';"

    "CREATE TABLE apps("
    " id INTEGER PRIMARY KEY,"
    " owner INTEGER NOT NULL REFERENCES users(id),"
    " name TEXT NOT NULL,"
    " cloud TEXT NOT NULL,"
    " own INTEGER NOT NULL DEFAULT 0," /* made for one service, goes with it */
    " txn INTEGER NOT NULL,"
    " next_sid INTEGER NOT NULL,"
    " instance INTEGER NOT NULL,"
    " manager_node INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL,"
    " nonce TEXT NOT NULL,"
    " manager_wanted INTEGER NOT NULL,"
    " deleting INTEGER NOT NULL,"
    " fails INTEGER NOT NULL,"
    " fail_why TEXT NOT NULL,"
    " launch_after_ms INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " UNIQUE(owner, name)"
    ") STRICT;"

    "CREATE TABLE services("
    " id INTEGER PRIMARY KEY,"
    " app INTEGER NOT NULL REFERENCES apps(id),"
    " sid INTEGER NOT NULL,"
    " type TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " cloud TEXT NOT NULL,"
    " gen INTEGER NOT NULL,"
    " want TEXT NOT NULL,"
    " good TEXT NOT NULL,"
    " started_once INTEGER NOT NULL,"
    " converged INTEGER NOT NULL,"
    " in_error INTEGER NOT NULL,"
    " error_why TEXT NOT NULL,"
    " state TEXT NOT NULL,"
    " state_ms INTEGER NOT NULL,"
    " nodes_rev INTEGER NOT NULL,"
    " next_ord INTEGER NOT NULL,"
    " fails INTEGER NOT NULL,"
    " fail_why TEXT NOT NULL,"
    " create_after_ms INTEGER NOT NULL,"
    " replaced TEXT NOT NULL," /* by role: [begin of the hour, nodes] */
    " deleting INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " UNIQUE(app, sid),"
    " UNIQUE(app, name)"
    ") STRICT;"

    "CREATE TABLE ops("
    " id INTEGER PRIMARY KEY,"
    " app INTEGER NOT NULL,"
    " service INTEGER NOT NULL,"
    " facet TEXT NOT NULL,"
    " state TEXT NOT NULL,"
    " value TEXT NOT NULL,"
    " kind TEXT NOT NULL,"
    " targets TEXT NOT NULL,"
    " born_ms INTEGER NOT NULL,"
    " progress_ms INTEGER NOT NULL,"
    " ended_ms INTEGER NOT NULL DEFAULT 0,"
    " held_credits INTEGER NOT NULL,"
    " releases INTEGER NOT NULL,"
    " call TEXT NOT NULL DEFAULT ''," /* who asked for it, how, and what for */
    " title TEXT NOT NULL DEFAULT '',"
    " actor TEXT NOT NULL DEFAULT '',"
    " why TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX ops_service ON ops(service, state);"

    /* The intents: a row is there before the cloud is asked and leaves the active ones only as GONE. */
    "CREATE TABLE nodes("
    " id INTEGER PRIMARY KEY,"
    " app INTEGER NOT NULL,"
    " service INTEGER NOT NULL," /* 0: the application's manager */
    " ord INTEGER NOT NULL,"
    " role TEXT NOT NULL,"
    " status TEXT NOT NULL,"
    " cloud TEXT NOT NULL,"
    " type TEXT NOT NULL,"
    " token TEXT NOT NULL UNIQUE,"
    " cloud_id TEXT NOT NULL,"
    " address TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " up_ms INTEGER NOT NULL,"
    " asked_ms INTEGER NOT NULL,"
    " retry_ms INTEGER NOT NULL,"
    " dying_ms INTEGER NOT NULL,"
    " tries INTEGER NOT NULL,"
    " finds INTEGER NOT NULL,"
    " seen_gone INTEGER NOT NULL,"
    " hours_paid INTEGER NOT NULL,"
    " why TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX nodes_alive ON nodes(app, service) WHERE status <> 'GONE';"

    "CREATE TABLE facts("
    " service INTEGER NOT NULL REFERENCES services(id) ON DELETE CASCADE,"
    " fact TEXT NOT NULL,"
    " rev INTEGER NOT NULL,"
    " value TEXT NOT NULL,"
    " PRIMARY KEY(service, fact)"
    ") STRICT;"

    "CREATE TABLE ledger("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " user INTEGER NOT NULL,"
    " kind TEXT NOT NULL,"
    " amount INTEGER NOT NULL," /* added to the balance */
    " node INTEGER NOT NULL DEFAULT 0,"
    " hour INTEGER NOT NULL DEFAULT 0,"
    " op INTEGER NOT NULL DEFAULT 0,"
    " app INTEGER NOT NULL DEFAULT 0,"
    " at_ms INTEGER NOT NULL,"
    " text TEXT NOT NULL DEFAULT ''"
    ") STRICT;"
    "CREATE UNIQUE INDEX ledger_use ON ledger(node, hour) WHERE kind = 'use';"
    "CREATE UNIQUE INDEX ledger_refund ON ledger(node) WHERE kind = 'refund';"
    "CREATE UNIQUE INDEX ledger_hold ON ledger(op, hour) WHERE kind = 'hold';"
    "CREATE UNIQUE INDEX ledger_release ON ledger(op, hour) WHERE kind = 'release';"
    "CREATE INDEX ledger_user ON ledger(user, id);"
    "CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger"
    " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;"
    "CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger"
    " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;"

    /* History and event stream in one: id counts up within an application. */
    "CREATE TABLE events("
    " app INTEGER NOT NULL,"
    " id INTEGER NOT NULL,"
    " at_ms INTEGER NOT NULL,"
    " service INTEGER NOT NULL,"
    " kind TEXT NOT NULL,"
    " state TEXT NOT NULL,"
    " text TEXT NOT NULL,"
    " op INTEGER NOT NULL DEFAULT 0,"
    " node INTEGER NOT NULL DEFAULT 0,"
    " PRIMARY KEY(app, id)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX events_service ON events(app, service, id);"
    "CREATE TABLE alarms("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " app INTEGER NOT NULL,"
    " at_ms INTEGER NOT NULL,"
    " text TEXT NOT NULL"
    ") STRICT;"

    "CREATE TABLE artifacts("
    " sha256 TEXT PRIMARY KEY,"
    " size INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TABLE versions("
    " id INTEGER PRIMARY KEY,"
    " service INTEGER NOT NULL REFERENCES services(id) ON DELETE CASCADE,"
    " name TEXT NOT NULL,"
    " filename TEXT NOT NULL,"
    " description TEXT NOT NULL,"
    " sha256 TEXT NOT NULL REFERENCES artifacts(sha256),"
    " size INTEGER NOT NULL,"
    " format TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " UNIQUE(service, name)"
    ") STRICT;"
    "CREATE INDEX versions_sha256 ON versions(sha256);"
    "CREATE TABLE settings("
    " service INTEGER NOT NULL REFERENCES services(id) ON DELETE CASCADE,"
    " rev INTEGER NOT NULL,"
    " vals TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " PRIMARY KEY(service, rev)"
    ") STRICT;"
    "CREATE TABLE secrets("
    " service INTEGER NOT NULL REFERENCES services(id) ON DELETE CASCADE,"
    " name TEXT NOT NULL,"
    " value TEXT NOT NULL,"
    " PRIMARY KEY(service, name)"
    ") STRICT;"

    "CREATE TABLE certificates("
    " serial TEXT PRIMARY KEY,"
    " name TEXT NOT NULL,"
    " node INTEGER NOT NULL," /* 0: the director's own */
    " issued_ms INTEGER NOT NULL,"
    " not_after_ms INTEGER NOT NULL,"
    " revoked_ms INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"
    "CREATE INDEX certificates_node ON certificates(node);"
    "CREATE TABLE enrolments("
    " node INTEGER PRIMARY KEY,"
    " token_hash TEXT NOT NULL UNIQUE,"
    " key_id TEXT," /* of the key that used it; NULL = not used yet */
    " certificate TEXT,"
    " used_ms INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"

    /* What must not happen twice, as far as the director knows it from reports. */
    "CREATE TABLE commands("
    " op INTEGER NOT NULL,"
    " node INTEGER NOT NULL,"
    " id TEXT NOT NULL,"
    " state TEXT NOT NULL,"
    " rc INTEGER NOT NULL,"
    " at_ms INTEGER NOT NULL,"
    " PRIMARY KEY(op, node)"
    ") STRICT;"

    /* One holder at a time for each loop that must run once per installation. */
    "CREATE TABLE leases("
    " name TEXT PRIMARY KEY,"
    " holder TEXT NOT NULL,"
    " until_ms INTEGER NOT NULL"
    ") STRICT;";

/* Who may push code to an application. */
static const char schema_2[] = "CREATE TABLE keys("
                               " id INTEGER PRIMARY KEY,"
                               " app INTEGER NOT NULL REFERENCES apps(id) ON DELETE CASCADE,"
                               " type TEXT NOT NULL,"
                               " body TEXT NOT NULL,"
                               " comment TEXT NOT NULL,"
                               " created_ms INTEGER NOT NULL,"
                               " UNIQUE(app, body)"
                               ") STRICT;";

/* What a command was given. */
static const char schema_3[] = "ALTER TABLE ops ADD COLUMN parameters TEXT NOT NULL DEFAULT '';";

/* A revision of the settings is everything that the facet owns: environment, secrets, startup script, references too.
 * Its secrets are ids of sealed values: {NAME: ID}; `own` those that the type has for itself. */
static const char schema_4[] = "ALTER TABLE settings ADD COLUMN env TEXT NOT NULL DEFAULT '{}';"
                               "ALTER TABLE settings ADD COLUMN secrets TEXT NOT NULL DEFAULT '{}';"
                               "ALTER TABLE settings ADD COLUMN own TEXT NOT NULL DEFAULT '{}';"
                               "ALTER TABLE settings ADD COLUMN startup TEXT NOT NULL DEFAULT '';"
                               "ALTER TABLE settings ADD COLUMN links TEXT NOT NULL DEFAULT '[]';"
                               "CREATE TABLE sealed("
                               " id INTEGER PRIMARY KEY,"
                               " service INTEGER NOT NULL REFERENCES services(id) ON DELETE CASCADE,"
                               " name TEXT NOT NULL,"
                               " key_id TEXT NOT NULL,"
                               " value TEXT NOT NULL,"
                               " created_ms INTEGER NOT NULL"
                               ") STRICT;"
                               "CREATE INDEX sealed_service ON sealed(service);";

/* Manifests that are applied, and files that nothing uses yet. */
static const char schema_jobs[] = "CREATE TABLE jobs("
                                  " id INTEGER PRIMARY KEY,"
                                  " owner INTEGER NOT NULL,"
                                  " app INTEGER NOT NULL,"
                                  " app_name TEXT NOT NULL,"
                                  " state TEXT NOT NULL,"
                                  " manifest TEXT NOT NULL," /* sealed; emptied at the end */
                                  " prune INTEGER NOT NULL,"
                                  " files TEXT NOT NULL,"
                                  " steps TEXT NOT NULL,"
                                  " op INTEGER NOT NULL,"
                                  " why TEXT NOT NULL,"
                                  " actor TEXT NOT NULL,"
                                  " created_ms INTEGER NOT NULL,"
                                  " changed_ms INTEGER NOT NULL,"
                                  " ended_ms INTEGER NOT NULL"
                                  ") STRICT;"
                                  /* one at a time changes an application */
                                  "CREATE UNIQUE INDEX jobs_active ON jobs(app) WHERE state = 'ACTIVE';"
                                  "CREATE INDEX jobs_owner ON jobs(owner, id);"
                                  "CREATE TABLE uploads("
                                  " owner INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,"
                                  " sha256 TEXT NOT NULL,"
                                  " filename TEXT NOT NULL,"
                                  " size INTEGER NOT NULL,"
                                  " format TEXT NOT NULL,"
                                  " expires_ms INTEGER NOT NULL,"
                                  " PRIMARY KEY(owner, sha256)"
                                  ") STRICT;"
                                  "CREATE INDEX uploads_sha256 ON uploads(sha256);";

/* What pushes became, and whether they take effect at once. */
static const char schema_6[] = "CREATE TABLE pushes("
                               " version INTEGER PRIMARY KEY REFERENCES versions(id) ON DELETE CASCADE,"
                               " service INTEGER NOT NULL,"
                               " hash TEXT NOT NULL,"
                               " UNIQUE(service, hash)"
                               ") STRICT;"
                               "CREATE TABLE git("
                               " service INTEGER PRIMARY KEY REFERENCES services(id) ON DELETE CASCADE,"
                               " deploy INTEGER NOT NULL"
                               ") STRICT;"
                               "CREATE INDEX keys_body ON keys(body);";

/* Disks of services; like nodes, rows are there before the cloud is asked and stay as GONE. */
static const char schema_volumes[] = "CREATE TABLE volumes("
                                     " id INTEGER PRIMARY KEY,"
                                     " app INTEGER NOT NULL,"
                                     " service INTEGER NOT NULL,"
                                     " owner INTEGER NOT NULL,"
                                     " name TEXT NOT NULL,"
                                     " megabytes INTEGER NOT NULL,"
                                     " data INTEGER NOT NULL,"
                                     " role TEXT NOT NULL,"
                                     " slot INTEGER NOT NULL,"
                                     " node INTEGER NOT NULL,"
                                     " status TEXT NOT NULL,"
                                     " doomed INTEGER NOT NULL,"
                                     " used INTEGER NOT NULL,"
                                     " cloud TEXT NOT NULL,"
                                     " token TEXT NOT NULL UNIQUE,"
                                     " cloud_id TEXT NOT NULL,"
                                     " created_ms INTEGER NOT NULL,"
                                     " asked_ms INTEGER NOT NULL,"
                                     " retry_ms INTEGER NOT NULL,"
                                     " tries INTEGER NOT NULL,"
                                     " finds INTEGER NOT NULL,"
                                     " why TEXT NOT NULL"
                                     ") STRICT;"
                                     "CREATE INDEX volumes_alive ON volumes(service) WHERE status <> 'GONE';"
                                     "ALTER TABLE nodes ADD COLUMN slot INTEGER NOT NULL DEFAULT 0;"
                                     "ALTER TABLE ops ADD COLUMN volume INTEGER NOT NULL DEFAULT 0;";

const struct migration migrations[] = {
    {.version = 1, .sql = schema_1},       {.version = 2, .sql = schema_2},
    {.version = 3, .sql = schema_3},       {.version = 4, .sql = schema_4},
    {.version = 5, .sql = schema_jobs},    {.version = 6, .sql = schema_6},
    {.version = 7, .sql = schema_volumes}, {0},
};

int migrations_latest(void)
{
    int latest = 0;
    for (const struct migration *m = migrations; m->sql; m++) {
        latest = m->version;
    }
    return latest;
}
