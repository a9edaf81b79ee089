/*
 * The inside of struct store, for the files of this folder.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "store/db.h"
#include "store/store.h"

struct store {
    char *dir;
    struct db w, r;
    pthread_mutex_t write, read;
    _Atomic(pthread_t) writer; /* valid while writing */
    atomic_bool writing;
    int64_t next_id, next_id_stored;
    int64_t commits, marked;
    struct store_info info;
};

/* The connection this thread reads from, locked; give it back with store_read_end. */
struct db *store_read(struct store *s);
void store_read_end(struct store *s, struct db *db);
/* The connection of the running transaction of this thread. */
struct db *store_writer(struct store *s);
/* Notes that the schema's counter file says: commits, incarnation. */
int store_mark_read(const char *dir, int64_t *ret_commits, int64_t *ret_incarnation,
                    struct err *e) WARN_UNUSED;
int store_mark_write(const char *dir, int64_t commits, int64_t incarnation, struct err *e) WARN_UNUSED;
/* One row of the ledger and the balance with it. ERR_EXISTS: it is there already; ERR_CREDIT: too little
 * left. */
int store_ledger_add(struct store *s, const struct ledger_row *r, struct err *e) WARN_UNUSED;

/* Wants and counters as JSON, with the names of the type's roles. */
json_t *store_want_to_json(const struct service_type *type, const struct want *w);
json_t *store_replaced_to_json(const struct service *v);

#define NODE_COLUMNS                                                                                         \
    "id, app, service, ord, role, status, cloud, type, token, cloud_id, address, created_ms, up_ms, "        \
    "asked_ms, retry_ms,"                                                                                    \
    " dying_ms, tries, finds, seen_gone, hours_paid, why, slot"
#define VOLUME_COLUMNS                                                                                       \
    "id, app, service, name, megabytes, data, role, slot, node, status, doomed, used, cloud, token, "        \
    "cloud_id,"                                                                                              \
    " created_ms, asked_ms, retry_ms, tries, finds, why"
/* Everything but the role's index; negative: an unknown status. */
int store_volume_read(struct volume_row *v, sqlite3_stmt *row);
int store_volume_save(struct store *s, int64_t app, int64_t owner, const struct service *of,
                      const struct volume *v, struct err *e) WARN_UNUSED;
