/*
 * A cloud in memory: machines are rows of a table, no process is started.  It does what its script says (see
 * the end of cloud.h): fails, hangs, lies, loses machines, makes them late.
 */
#include <poll.h>
#include <pthread.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/str.h"
#include "cloud/cloud_driver.h"
#include "cloud/sim_script.h"
#include "cloud/types.h"

struct settings {
    char *types, *script;
    int64_t boot_ms, late_ms, hang_ms, capacity;
};
struct machine {
    struct cloud_machine m;
    int64_t visible_at, running_at; /* monotonic */
    bool lie;
    struct machine *next;
};
struct volume {
    char id[CLOUD_ID_MAX], token[CLOUD_TOKEN_MAX], machine[CLOUD_ID_MAX], name[CLOUD_NAME_MAX];
    int64_t megabytes, created_ms;
    struct volume *next;
};
struct sim {
    struct settings settings;
    struct cloud_type *types;
    size_t n_types;
    pthread_mutex_t lock; /* guards what is below */
    struct sim_script script;
    struct machine *machines;
    struct volume *volumes;
    int64_t made, volumes_made;
};

#define KEY(name, k, member, def, lo, hi, text)                                                              \
    {                                                                                                        \
        .section = "cloud *", .key = (name), .kind = (k), .offset = offsetof(struct settings, member),       \
        .fallback = (def), .min = (lo), .max = (hi), .help = (text)                                          \
    }
static const struct conf_key keys[] = {
    KEY("types", CONF_STRING, types, TYPES_DEFAULT, 0, 4096,
        "local, sim: instance types; the first is the default"),
    KEY("script", CONF_STRING, script, "", 0, 4096,
        "sim: faults, like create:2=quota poll:5=lose list:*=retry"),
    KEY("boot_ms", CONF_INT, boot_ms, "0", 0, 3600000, "sim: how long a machine is BOOTING"),
    KEY("late_ms", CONF_INT, late_ms, "1000", 0, 3600000, "sim: how late a late machine appears"),
    KEY("hang_ms", CONF_INT, hang_ms, "10000", 0, 60000, "sim: how long a call that hangs takes"),
    KEY("capacity", CONF_INT, capacity, "1000", 0, 100000, "sim: machines at once"),
    {.key = NULL},
};

static void sim_close(void *cloud)
{
    struct sim *s = cloud;

    while (s->machines) {
        struct machine *m = s->machines;
        s->machines = m->next;
        free(m);
    }
    while (s->volumes) {
        struct volume *v = s->volumes;
        s->volumes = v->next;
        free(v);
    }
    (void)pthread_mutex_destroy(&s->lock);
    sim_script_done(&s->script);
    conf_free(keys, &s->settings);
    free(s->types);
    free(s);
}
DEFINE_CLEANUP(struct sim *, sim_close);

static int sim_open(const json_t *settings, const char *installation, void **ret, struct err *e)
{
    _cleanup_(sim_closep) struct sim *s = xcalloc(1, sizeof(*s));
    int r;

    (void)pthread_mutex_init(&s->lock, NULL);
    if ((r = cloud_settings(keys, settings, &s->settings, e)) < 0 ||
        (r = types_parse(s->settings.types, &s->types, &s->n_types, e)) < 0 ||
        (r = sim_script_parse(s->settings.script, &s->script, e)) < 0) {
        return r;
    }
    *ret = TAKE_PTR(s);
    return 0;
}

/* ---- the table; callers hold the lock ---- */

static bool visible(const struct machine *m)
{
    return clock_mono_ms() >= m->visible_at;
}

static struct machine *by_id(struct sim *s, const char *id)
{
    for (struct machine *m = s->machines; m; m = m->next) {
        if (str_eq(m->m.id, id) && visible(m)) {
            return m;
        }
    }
    return NULL;
}

static struct machine *by_token(struct sim *s, const char *token)
{
    for (struct machine *m = s->machines; m; m = m->next) {
        if (str_eq(m->m.token, token)) {
            return m;
        }
    }
    return NULL;
}

static void show(struct machine *m, struct cloud_machine *ret)
{
    *ret = m->m;
    if (ret->state != CLOUD_M_GONE) {
        ret->state = clock_mono_ms() >= m->running_at ? CLOUD_M_RUNNING : CLOUD_M_BOOTING;
    }
    if (m->lie) {
        m->lie = false;
        ret->state = ret->state == CLOUD_M_GONE ? CLOUD_M_RUNNING : CLOUD_M_GONE;
    }
}

static int64_t alive(const struct sim *s)
{
    int64_t n = 0;

    for (const struct machine *m = s->machines; m; m = m->next) {
        n += m->m.state != CLOUD_M_GONE;
    }
    return n;
}

/* Addresses of the benchmarking range: nobody's. */
static struct machine *make(struct sim *s, const struct cloud_spec *spec, int64_t late_ms)
{
    struct machine *m = xcalloc(1, sizeof(*m));
    int64_t i = ++s->made, now = clock_mono_ms();

    (void)snprintf(m->m.id, sizeof(m->m.id), "sim-%lld", (long long)i);
    (void)snprintf(m->m.address, sizeof(m->m.address), "198.18.%d.%d", (int)(i / 250 % 250),
                   (int)(i % 250 + 1));
    (void)str_copy(m->m.token, sizeof(m->m.token), spec->token);
    m->m.created_ms = clock_wall_ms();
    m->visible_at = now + late_ms;
    m->running_at = m->visible_at + s->settings.boot_ms;
    m->next = s->machines;
    s->machines = m;
    return m;
}

/* What the script says about this call; takes and gives back the lock while the call hangs. */
static enum sim_effect next_effect(struct sim *s, enum sim_kind kind, int *ret_result)
{
    enum sim_effect f = sim_script_next(&s->script, kind, ret_result);

    if (f == SIM_HANG) {
        pthread_mutex_unlock(&s->lock);
        (void)poll(NULL, 0, (int)s->settings.hang_ms);
        pthread_mutex_lock(&s->lock);
    }
    return f;
}

static int say(int result, struct err *e)
{
    return err_set(e, result, "the script says %s", cloud_result_word(result));
}

/* ---- the calls ---- */

static int sim_types(void *cloud, const struct cloud_type **ret, size_t *ret_n, struct err *e)
{
    const struct sim *s = cloud;

    *ret = s->types;
    *ret_n = s->n_types;
    return 0;
}

static int create_locked(struct sim *s, const struct cloud_spec *spec, struct cloud_machine *ret,
                         struct err *e)
{
    int result = CLOUD_UNKNOWN;
    enum sim_effect f = next_effect(s, SIM_CREATE, &result);
    struct machine *m = by_token(s, spec->token);

    if (f == SIM_FAIL || f == SIM_HANG) {
        return say(result, e);
    }
    if (!m && alive(s) >= s->settings.capacity) {
        return err_set(e, CLOUD_CAPACITY, "the cloud is full: %lld machines",
                       (long long)s->settings.capacity);
    }
    m = m ? m : make(s, spec, f == SIM_LATE ? s->settings.late_ms : 0);
    if (f == SIM_MAKE_AND_FAIL || f == SIM_LATE) {
        return say(result, e);
    }
    if (f == SIM_LOSE) {
        m->m.state = CLOUD_M_GONE;
    }
    m->lie |= f == SIM_LIE;
    show(m, ret);
    return 0;
}

static int sim_create(void *cloud, const struct cloud_spec *spec, struct cloud_machine *ret, struct err *e)
{
    struct sim *s = cloud;
    int r = cloud_spec_check(spec, e);

    if (r < 0) {
        return r;
    }
    if (!types_find(s->types, s->n_types, spec->type)) {
        return err_set(e, CLOUD_INVALID, "no instance type %s", spec->type);
    }
    pthread_mutex_lock(&s->lock);
    r = create_locked(s, spec, ret, e);
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* find (by token) and poll (by id). */
static int look(struct sim *s, enum sim_kind kind, const char *key, struct cloud_machine *ret, struct err *e)
{
    int result = CLOUD_RETRY;
    enum sim_effect f = next_effect(s, kind, &result);
    struct machine *m = kind == SIM_FIND ? by_token(s, key) : by_id(s, key);

    if (f == SIM_HANG || f == SIM_FAIL || f == SIM_MAKE_AND_FAIL || f == SIM_LATE) {
        return say(result, e);
    }
    if (!m || !visible(m)) {
        return err_set(e, CLOUD_NOTFOUND, "no machine %s", key);
    }
    if (f == SIM_LOSE) {
        m->m.state = CLOUD_M_GONE;
    }
    m->lie |= f == SIM_LIE;
    show(m, ret);
    return 0;
}

static int sim_find(void *cloud, const char *token, struct cloud_machine *ret, struct err *e)
{
    struct sim *s = cloud;
    int r;

    pthread_mutex_lock(&s->lock);
    r = look(s, SIM_FIND, token, ret, e);
    pthread_mutex_unlock(&s->lock);
    return r;
}

static int sim_poll(void *cloud, const char *id, struct cloud_machine *ret, struct err *e)
{
    struct sim *s = cloud;
    int r;

    pthread_mutex_lock(&s->lock);
    r = look(s, SIM_POLL, id, ret, e);
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* A lying list leaves out the newest machine. */
static int list_locked(struct sim *s, struct cloud_machine **ret, size_t *ret_n, struct err *e)
{
    int result = CLOUD_RETRY;
    enum sim_effect f = next_effect(s, SIM_LIST, &result);
    struct cloud_machine *list;
    size_t n = 0, room = 1;
    bool newest = true;

    if (f == SIM_HANG || f == SIM_FAIL || f == SIM_MAKE_AND_FAIL || f == SIM_LATE) {
        return say(result, e);
    }
    for (const struct machine *m = s->machines; m; m = m->next) {
        room++;
    }
    list = xcalloc(room, sizeof(*list));
    for (struct machine *m = s->machines; m; m = m->next) {
        if (!visible(m)) {
            continue;
        }
        if (newest && f == SIM_LOSE) {
            m->m.state = CLOUD_M_GONE;
        }
        if (!newest || f != SIM_LIE) {
            show(m, &list[n++]);
        }
        newest = false;
    }
    *ret = list;
    *ret_n = n;
    return 0;
}

static int sim_list(void *cloud, struct cloud_machine **ret, size_t *ret_n, struct err *e)
{
    struct sim *s = cloud;
    int r;

    pthread_mutex_lock(&s->lock);
    r = list_locked(s, ret, ret_n, e);
    pthread_mutex_unlock(&s->lock);
    return r;
}

static void forget(struct sim *s, const char *id)
{
    for (struct machine **p = &s->machines; *p; p = &(*p)->next) {
        struct machine *m = *p;
        if (str_eq(m->m.id, id)) {
            *p = m->next;
            free(m);
            return;
        }
    }
}

/* What the script says about a call that returns nothing; 0 = do it. *ret_after: say this when it is done. */
static int before(struct sim *s, enum sim_kind kind, int *ret_after, struct err *e)
{
    int result = CLOUD_RETRY;
    enum sim_effect f = next_effect(s, kind, &result);

    *ret_after = f == SIM_MAKE_AND_FAIL ? result : 0;
    return f == SIM_HANG || f == SIM_FAIL || f == SIM_LATE ? say(result, e) : 0;
}

static int sim_terminate(void *cloud, const char *id, struct err *e)
{
    struct sim *s = cloud;
    int after, r;

    pthread_mutex_lock(&s->lock);
    r = before(s, SIM_TERMINATE, &after, e);
    if (r == 0) {
        forget(s, id);
        r = after < 0 ? say(after, e) : 0;
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* ---- volumes: rows too ---- */

static struct volume *volume_by_id(struct sim *s, const char *id)
{
    struct volume *v = s->volumes;

    while (v && !str_eq(v->id, id)) {
        v = v->next;
    }
    return v;
}

static bool holds(struct sim *s, const struct volume *v)
{
    const struct machine *m = v->machine[0] ? by_id(s, v->machine) : NULL;

    return m && m->m.state != CLOUD_M_GONE;
}

static int sim_vol_create(void *cloud, const char *token, int64_t megabytes, char id[CLOUD_ID_MAX],
                          struct err *e)
{
    struct sim *s = cloud;
    struct volume *v;

    if (!token[0] || strlen(token) >= CLOUD_TOKEN_MAX || megabytes <= 0) {
        return err_set(e, CLOUD_INVALID, "a volume needs a token and a size");
    }
    pthread_mutex_lock(&s->lock);
    for (v = s->volumes; v && !str_eq(v->token, token); v = v->next) {
    }
    if (!v) {
        v = xcalloc(1, sizeof(*v));
        (void)snprintf(v->id, sizeof(v->id), "sim-vol-%lld", (long long)++s->volumes_made);
        (void)str_copy(v->token, sizeof(v->token), token);
        v->megabytes = megabytes;
        v->created_ms = clock_wall_ms();
        v->next = s->volumes;
        s->volumes = v;
    }
    (void)str_copy(id, CLOUD_ID_MAX, v->id);
    pthread_mutex_unlock(&s->lock);
    return 0;
}

static int sim_vol_find(void *cloud, const char *token, char id[CLOUD_ID_MAX], struct err *e)
{
    struct sim *s = cloud;
    struct volume *v;

    pthread_mutex_lock(&s->lock);
    for (v = s->volumes; v && !str_eq(v->token, token); v = v->next) {
    }
    if (v) {
        (void)str_copy(id, CLOUD_ID_MAX, v->id);
    }
    pthread_mutex_unlock(&s->lock);
    return v ? 0 : err_set(e, CLOUD_NOTFOUND, "no volume %s", token);
}

static int sim_vol_list(void *cloud, struct cloud_volume **ret, size_t *ret_n, struct err *e)
{
    struct sim *s = cloud;
    struct cloud_volume *list;
    size_t n = 0, room = 1;

    pthread_mutex_lock(&s->lock);
    for (const struct volume *v = s->volumes; v; v = v->next) {
        room++;
    }
    list = xcalloc(room, sizeof(*list));
    for (const struct volume *v = s->volumes; v; v = v->next) {
        struct cloud_volume *to = &list[n++];
        (void)str_copy(to->id, sizeof(to->id), v->id);
        (void)str_copy(to->token, sizeof(to->token), v->token);
        (void)str_copy(to->machine, sizeof(to->machine), holds(s, v) ? v->machine : "");
        to->megabytes = v->megabytes;
        to->created_ms = v->created_ms;
    }
    pthread_mutex_unlock(&s->lock);
    *ret = list;
    *ret_n = n;
    return 0;
}

static int attach_locked(struct sim *s, const char *vol, const char *machine, const char *name, struct err *e)
{
    struct volume *v = volume_by_id(s, vol);
    struct machine *m = by_id(s, machine);

    if (!v || !m) {
        return err_set(e, CLOUD_NOTFOUND, "no %s %s", v ? "machine" : "volume", v ? machine : vol);
    }
    if (m->m.state == CLOUD_M_GONE || (holds(s, v) && !str_eq(v->machine, machine))) {
        return err_set(e, CLOUD_CONFLICT, "volume %s cannot be attached to %s now", vol, machine);
    }
    (void)str_copy(v->machine, sizeof(v->machine), machine);
    (void)str_copy(v->name, sizeof(v->name), name);
    return 0;
}

static int sim_vol_attach(void *cloud, const char *vol, const char *machine, const char *name, struct err *e)
{
    struct sim *s = cloud;
    int r;

    pthread_mutex_lock(&s->lock);
    r = attach_locked(s, vol, machine, name, e);
    pthread_mutex_unlock(&s->lock);
    return r;
}

static int sim_vol_detach(void *cloud, const char *vol, struct err *e)
{
    struct sim *s = cloud;
    struct volume *v;

    pthread_mutex_lock(&s->lock);
    v = volume_by_id(s, vol);
    if (v) {
        v->machine[0] = '\0';
    }
    pthread_mutex_unlock(&s->lock);
    return v ? 0 : err_set(e, CLOUD_NOTFOUND, "no volume %s", vol);
}

static int sim_vol_delete(void *cloud, const char *vol, struct err *e)
{
    struct sim *s = cloud;
    int r = 0;

    pthread_mutex_lock(&s->lock);
    for (struct volume **p = &s->volumes; *p; p = &(*p)->next) {
        struct volume *v = *p;
        if (!str_eq(v->id, vol)) {
            continue;
        }
        if (holds(s, v)) {
            r = err_set(e, CLOUD_CONFLICT, "volume %s is attached to %s", vol, v->machine);
            break;
        }
        *p = v->next;
        free(v);
        break;
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

const struct cloud_driver cloud_sim = {
    .name = "sim",
    .summary = "machines in memory that do what a script says",
    .config = keys,
    .capabilities = CLOUD_CAN_VOLUMES,
    .open = sim_open,
    .close = sim_close,
    .types = sim_types,
    .create = sim_create,
    .find = sim_find,
    .list = sim_list,
    .poll = sim_poll,
    .terminate = sim_terminate,
    .vol_create = sim_vol_create,
    .vol_find = sim_vol_find,
    .vol_list = sim_vol_list,
    .vol_attach = sim_vol_attach,
    .vol_detach = sim_vol_detach,
    .vol_delete = sim_vol_delete,
};
