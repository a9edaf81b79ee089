/*
 * The journal is one small file that is written anew, atomically and durably, at every change.
 */
#include "agent/journal.h"

#include <pthread.h>

#include "base/fs.h"
#include "model/text.h"

#define JOURNAL_FILE_MAX (64 * 1024)

struct entry {
    char id[48], kind[16];
    enum cmd_state state;
    int rc;
    bool again;
    char text[WHY_MAX];
};
struct journal {
    pthread_mutex_t lock;
    char *path;
    int n;
    struct entry at[JOURNAL_MAX]; /* in the order of their begin */
};

static json_t *journal_to_json(const struct journal *j)
{
    json_t *list = json_array();
    for (int i = 0; i < j->n; i++) {
        const struct entry *x = &j->at[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:i, s:b, s:o}", "id", x->id, "kind", x->kind,
                                              "state", cmd_state_to_str(x->state), "rc", x->rc, "again",
                                              x->again, "text", text_to_json(x->text)));
    }
    return list;
}

static int journal_write(const struct journal *j, struct err *e)
{
    _cleanup_json_ json_t *list = journal_to_json(j);
    _cleanup_free_ char *text = json_text(list);
    return fs_write_atomic(j->path, text, strlen(text), 0600, e);
}

static int journal_read_entry(const json_t *v, struct entry *ret, struct err *e)
{
    int state = cmd_state_from_str(json_str(v, "state", ""));
    if (state < 0 || !str_copy(ret->id, sizeof(ret->id), json_str(v, "id", "")) ||
        !str_copy(ret->kind, sizeof(ret->kind), json_str(v, "kind", ""))) {
        return err_set(e, ERR_INVALID, "the journal of commands is damaged");
    }
    ret->state = (enum cmd_state)state;
    ret->rc = (int)json_int(v, "rc", -1);
    ret->again = json_flag(v, "again", false);
    (void)str_copy(ret->text, sizeof(ret->text), json_str(v, "text", ""));
    return 0;
}

static int journal_load(struct journal *j, struct err *e)
{
    _cleanup_buf_ struct buf text = {0};
    _cleanup_json_ json_t *list = NULL;
    bool crashed = false;
    if (!fs_exists(j->path)) {
        return 0;
    }
    int r = fs_read(j->path, JOURNAL_FILE_MAX, &text, e);
    r = r < 0 ? r : json_parse(text.data, text.len, JOURNAL_FILE_MAX, &list, e);
    for (size_t i = 0; r == 0 && i < json_array_size(list) && j->n < JOURNAL_MAX; i++) {
        struct entry *x = &j->at[j->n];
        r = journal_read_entry(json_array_get(list, i), x, e);
        bool died = r == 0 && x->state == CMD_RUNNING;
        if (died) {
            x->state = CMD_STOPPED;
            x->rc = -1;
            crashed = true;
        }
        j->n += r == 0 && !(died && x->again);
    }
    return r < 0 || !crashed ? r : journal_write(j, e);
}

int journal_open(const char *path, struct journal **ret, struct err *e)
{
    struct journal *j = xcalloc(1, sizeof(*j));
    pthread_mutex_init(&j->lock, NULL);
    j->path = xstrdup(path);
    int r = journal_load(j, e);
    if (r < 0) {
        journal_close(j);
        return r;
    }
    *ret = j;
    return 0;
}

void journal_close(struct journal *j)
{
    if (j) {
        pthread_mutex_destroy(&j->lock);
        free(j->path);
        free(j);
    }
}

static struct entry *journal_find(struct journal *j, const char *id)
{
    for (int i = 0; i < j->n; i++) {
        if (str_eq(j->at[i].id, id)) {
            return &j->at[i];
        }
    }
    return NULL;
}

enum cmd_state journal_state(struct journal *j, const char *id, int *ret_rc)
{
    pthread_mutex_lock(&j->lock);
    const struct entry *x = journal_find(j, id);
    enum cmd_state state = x ? x->state : CMD_NONE;
    *ret_rc = x ? x->rc : 0;
    pthread_mutex_unlock(&j->lock);
    return state;
}

static bool is_last_of_kind(const struct journal *j, int i)
{
    for (int k = i + 1; k < j->n; k++) {
        if (str_eq(j->at[k].kind, j->at[i].kind) && j->at[k].state != CMD_REFUSED) {
            return false;
        }
    }
    return j->at[i].state != CMD_REFUSED;
}

/* The oldest entry that has ended. Only if there is nothing else, the last of its kind, which people see; and one of
 * init, which the document asks for as long as the version is current. */
static int journal_oldest(const struct journal *j)
{
    for (int last = 0; last < 2; last++) {
        for (int i = 0; i < j->n; i++) {
            bool keep = str_starts(j->at[i].id, "init:") || is_last_of_kind(j, i);
            if (j->at[i].state != CMD_RUNNING && (last || !keep)) {
                return i;
            }
        }
    }
    return -1;
}

static bool journal_room(struct journal *j)
{
    int i = j->n == JOURNAL_MAX ? journal_oldest(j) : -1;
    if (i >= 0) {
        memmove(&j->at[i], &j->at[i + 1], (size_t)(j->n - i - 1) * sizeof(j->at[0]));
        j->n--;
    }
    return j->n < JOURNAL_MAX;
}

static int journal_add(struct journal *j, const char *id, const char *kind, enum cmd_state state,
                       struct err *e)
{
    struct entry x = {.state = state};
    if (journal_find(j, id)) {
        return err_set(e, ERR_EXISTS, "command %s was begun before", id);
    }
    if (!str_copy(x.id, sizeof(x.id), id) || !str_copy(x.kind, sizeof(x.kind), kind) || !id[0]) {
        return err_set(e, ERR_INVALID, "the id or kind of a command is too long");
    }
    if (!journal_room(j)) {
        return err_set(e, ERR_TOO_LARGE, "more than %d commands run", JOURNAL_MAX);
    }
    j->at[j->n++] = x;
    int r = journal_write(j, e);
    if (r < 0) {
        j->n--; /* what is not durable has not begun */
    }
    return r;
}

int journal_begin(struct journal *j, const char *id, const char *kind, enum cmd_state state, struct err *e)
{
    pthread_mutex_lock(&j->lock);
    int r = journal_add(j, id, kind, state, e);
    pthread_mutex_unlock(&j->lock);
    return r;
}

int journal_allow_again(struct journal *j, const char *id, struct err *e)
{
    pthread_mutex_lock(&j->lock);
    struct entry *x = journal_find(j, id);
    int r = x ? 0 : err_set(e, ERR_NOT_FOUND, "no command %s was begun", id);
    if (x) {
        x->again = true;
        r = journal_write(j, e);
    }
    pthread_mutex_unlock(&j->lock);
    return r;
}

int journal_end(struct journal *j, const char *id, int rc, const char *text, struct err *e)
{
    pthread_mutex_lock(&j->lock);
    struct entry *x = journal_find(j, id);
    int r = x ? 0 : err_set(e, ERR_NOT_FOUND, "no command %s was begun", id);
    if (x) {
        x->state = CMD_STOPPED;
        x->rc = rc;
        (void)str_copy(x->text, sizeof(x->text), text ? text : "");
        r = journal_write(j, e);
    }
    pthread_mutex_unlock(&j->lock);
    return r;
}

static void add_entry(json_t *list, const struct entry *x)
{
    json_array_append_new(list,
                          json_pack("{s:s, s:s, s:i, s:o}", "id", x->id, "state", cmd_state_to_str(x->state),
                                    "rc", x->rc, "text", text_to_json(x->text)));
}

static bool is_listed(const json_t *commands, const char *id)
{
    for (size_t i = 0; i < json_array_size(commands); i++) {
        if (str_eq(json_str(json_array_get(commands, i), "id", ""), id)) {
            return true;
        }
    }
    return false;
}

json_t *journal_report(struct journal *j, const json_t *commands)
{
    json_t *list = json_array();
    pthread_mutex_lock(&j->lock);
    for (int listed = 1; listed >= 0; listed--) {
        for (int i = j->n - 1; i >= 0 && json_array_size(list) < CMDS_MAX; i--) {
            if (is_listed(commands, j->at[i].id) == listed) {
                add_entry(list, &j->at[i]);
            }
        }
    }
    pthread_mutex_unlock(&j->lock);
    return list;
}

json_t *journal_kinds(struct journal *j)
{
    json_t *all = json_object();
    pthread_mutex_lock(&j->lock);
    for (int i = 0; i < j->n; i++) {
        const struct entry *x = &j->at[i];
        if (x->state != CMD_REFUSED) {
            json_object_set_new(
                all, x->kind,
                json_pack("{s:s, s:s, s:i}", "id", x->id, "state", cmd_state_to_str(x->state), "rc", x->rc));
        }
    }
    pthread_mutex_unlock(&j->lock);
    return all;
}
