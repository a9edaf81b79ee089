/*
 * Applying documents, one at a time, all or nothing: stage, configure everything, only then switch, then
 * drop.
 */
#include "agent/agent.h"
#include "agent/threads.h"
#include "base/log.h"

static const struct log_ctx here = {.logger = "agent.apply"};

/* One engine of a document while it is being applied. */
struct part {
    const char *role;
    const json_t *section;
    struct engine *engine;
    bool fresh, drain;
    enum role_change change;
    json_t *old; /* its section before this document; owned */
    const json_t *old_env;
};
struct parts {
    int n;
    struct part p[AGENT_ENGINES_MAX];
};

static void parts_done(struct parts *x)
{
    for (int i = 0; i < x->n; i++) {
        json_decref(x->p[i].old);
    }
}

static void on_engine_change(void *arg)
{
    agent_changed(arg);
}

static struct engine *find_engine(struct agent *a, const char *role, const json_t *section)
{
    for (int i = 0; i < a->n_engines; i++) {
        struct engine *g = a->engines[i].engine;
        if (str_eq(a->engines[i].role, role) && str_eq(engine_name(g), json_str(section, "name", "")) &&
            str_eq(engine_driver(g)->name, json_str(section, "engine", ""))) {
            return g;
        }
    }
    return NULL;
}

static int collect(struct agent *a, const json_t *document, struct parts *ret, struct err *e)
{
    const char *role;
    json_t *v, *section;
    size_t i;
    json_object_foreach(json_object_get((json_t *)document, "roles"), role, v)
    {
        json_array_foreach(json_object_get(v, "engines"), i, section)
        {
            if (ret->n == AGENT_ENGINES_MAX) {
                return err_set(e, ERR_INVALID, "more than %d engines", AGENT_ENGINES_MAX);
            }
            struct part *p = &ret->p[ret->n++];
            if (json_flag(v, "drain", false) && str_eq(json_str(section, "engine", ""), "haproxy")) {
                json_object_set_new(section, "drain", json_true()); /* it tells its visitors */
            }
            *p = (struct part){.role = role,
                               .section = section,
                               .engine = find_engine(a, role, section),
                               .drain = json_flag(v, "drain", false)};
        }
    }
    return 0;
}

/* Place of an engine's driver in the list of drivers, which is the order of configuring. */
static int rank(const struct part *p)
{
    int i = 0;
    while (role_drivers[i] && !str_eq(role_drivers[i]->name, json_str(p->section, "engine", ""))) {
        i++;
    }
    return i;
}

static void sort(struct parts *x)
{
    for (int i = 1; i < x->n; i++) {
        struct part p = x->p[i];
        int at = i;
        for (; at > 0 && rank(&x->p[at - 1]) > rank(&p); at--) {
            x->p[at] = x->p[at - 1];
        }
        x->p[at] = p;
    }
}

static int prepare(struct agent *a, const json_t *document, struct part *p, struct err *e)
{
    int64_t service = json_int(document, "service", 0);
    if (!p->engine) {
        _cleanup_free_ char *data = volumes_data_root(a, document, json_str(p->section, "name", ""));
        const struct engine_place place = {.run_root = a->run_root,
                                           .log_dir = a->log_dir,
                                           .data_root = a->data_root,
                                           .data_dir = data,
                                           .code_root = a->code_root};
        const struct role_driver *driver = role_driver_find(json_str(p->section, "engine", ""));
        if (!driver) {
            return err_set(e, ERR_INVALID, "no engine \"%s\"", json_str(p->section, "engine", ""));
        }
        p->engine =
            engine_new(&place, json_str(p->section, "name", ""), driver, service, on_engine_change, a, e);
        p->fresh = p->engine != NULL;
        if (!p->engine) {
            return ERR_FAILED;
        }
    }
    p->old = json_incref((json_t *)engine_section(p->engine));
    p->old_env = json_object_get(a->applied, "env");
    engine_environment(p->engine, json_object_get(document, "env"));
    return engine_configure(p->engine, p->section, &p->change, e);
}

/* The old document goes on: files as they were, new engines away; what had been changed live or switched is changed
 * back. */
static void take_back(struct parts *x, int prepared)
{
    for (int i = 0; i < x->n; i++) {
        struct part *p = &x->p[i];
        enum role_change change;
        if (p->fresh) {
            engine_free(p->engine, 1000);
            continue;
        }
        if (i < prepared) {
            engine_environment(p->engine, p->old_env);
        }
        if (i < prepared && p->old && engine_configure(p->engine, p->old, &change, NULL) == 0) {
            (void)!engine_switch(p->engine, p->old, change, NULL);
        }
    }
}

static bool in_parts(const struct parts *x, const struct engine *g)
{
    for (int i = 0; i < x->n; i++) {
        if (x->p[i].engine == g) {
            return true;
        }
    }
    return false;
}

/* Puts the new set of engines in place; those that are in it no more are ended, without the lock. */
static void replace_engines(struct agent *a, const struct parts *x)
{
    struct engine *old[AGENT_ENGINES_MAX];
    int n = 0;
    pthread_mutex_lock(&a->lock);
    for (int i = 0; i < a->n_engines; i++) {
        if (!in_parts(x, a->engines[i].engine)) {
            old[n++] = a->engines[i].engine;
        }
    }
    a->n_engines = x->n;
    for (int i = 0; i < x->n; i++) {
        (void)str_copy(a->engines[i].role, sizeof a->engines[i].role, x->p[i].role);
        a->engines[i].engine = x->p[i].engine;
    }
    pthread_mutex_unlock(&a->lock);
    while (n-- > 0) {
        engine_free(old[n], 0);
    }
}

/* Up to the first that fails: the caller takes all back then. */
static int switch_all(struct parts *x, struct err *e)
{
    for (int i = 0; i < x->n; i++) {
        struct part *p = &x->p[i];
        int r = engine_switch(p->engine, p->section, p->change, e);
        if (r < 0) {
            return err_wrap(e, r, "%s", engine_name(p->engine));
        }
    }
    for (int i = 0; i < x->n; i++) {
        engine_drain(x->p[i].engine, x->p[i].drain);
    }
    return 0;
}

static int prepare_all(struct agent *a, const json_t *document, struct parts *x, bool *ret_own, struct err *e)
{
    for (int i = 0; i < x->n; i++) {
        int r = prepare(a, document, &x->p[i], e);
        if (r < 0) {
            *ret_own = !(e->message && str_starts(e->message, "settings"));
            take_back(x, i + 1);
            return r;
        }
    }
    return 0;
}

static void set_firewall(struct agent *a, const json_t *document)
{
    _cleanup_err_ struct err e = {0};
    int r = firewall_set(json_object_get(document, "allow"), &e);
    pthread_mutex_lock(&a->lock);
    (void)str_copy(a->firewall_why, sizeof a->firewall_why, r < 0 && e.message ? e.message : "");
    pthread_mutex_unlock(&a->lock);
}

int apply_document(struct agent *a, const json_t *document, bool *ret_own, struct err *e)
{
    _cleanup_(parts_done) struct parts x = {0};
    int64_t service = json_int(document, "service", 0);
    *ret_own = true;
    int r = volumes_prepare(a, document, e);
    r = r < 0 ? r : stage_document(a, document, e);
    r = r < 0 ? r : collect(a, document, &x, e);
    sort(&x);
    r = r < 0 ? r : prepare_all(a, document, &x, ret_own, e);
    if (r < 0) {
        return r;
    }
    set_firewall(a, document);
    r = volumes_leave(a, a->applied, document, e);
    r = r < 0 ? r : switch_all(&x, e);
    if (r < 0) {
        take_back(&x, x.n);
        set_firewall(a, a->applied);
        return r;
    }
    pthread_mutex_lock(&a->lock);
    a->service = service;
    pthread_mutex_unlock(&a->lock);
    replace_engines(a, &x);
    stage_drop(a, document);
    return 0;
}

void apply_stop(struct agent *a)
{
    const struct parts none = {0};
    replace_engines(a, &none);
}

/* A2: once for a version and operation; every engine that can judge has to agree. */
static void try_version(struct agent *a, const json_t *document)
{
    const json_t *probe = json_object_get(document, "probe");
    struct probe_result result = {
        .version = json_int(probe, "version", 0), .op = json_int(probe, "op", 0), .ok = true};
    for (int i = 0; i < a->n_probes; i++) {
        if (a->probes[i].version == result.version && a->probes[i].op == result.op) {
            return;
        }
    }
    if (!json_is_object(probe)) {
        return;
    }
    for (int i = 0; i < a->n_engines && result.ok; i++) {
        _cleanup_err_ struct err e = {0};
        if (!engine_driver(a->engines[i].engine)->try_version) {
            continue;
        }
        result.ok = engine_try(a->engines[i].engine, result.version, &e) >= 0;
        if (!result.ok || e.message) { /* good, with a remark */
            (void)str_copy(result.evidence, sizeof result.evidence,
                           e.message ? e.message : "it did not work");
        }
    }
    pthread_mutex_lock(&a->lock);
    if (a->n_probes == AGENT_PROBES_MAX) {
        memmove(&a->probes[0], &a->probes[1], (AGENT_PROBES_MAX - 1) * sizeof a->probes[0]);
        a->n_probes--;
    }
    a->probes[a->n_probes++] = result;
    pthread_mutex_unlock(&a->lock);
    agent_changed(a);
}

static void note_refusal(struct agent *a, const json_t *document, bool own, const char *why)
{
    a->refused.seq = json_int(document, "seq", 0);
    a->refused.own = own;
    (void)str_copy(a->refused.why, sizeof a->refused.why, why);
    json_decref(a->refused.core);
    a->refused.core = json_incref(json_object_get(document, "core"));
    a->refusals += own;
}

static void note_applied(struct agent *a, json_t *document)
{
    json_decref(a->applied);
    a->applied = json_incref(document);
    json_decref(a->refused.core);
    memset(&a->refused, 0, sizeof a->refused);
    a->refusals = 0;
}

static void apply_one(struct agent *a, json_t *document)
{
    _cleanup_err_ struct err e = {0};
    bool own = true;
    int r = apply_document(a, document, &own, &e);
    if (r >= 0) {
        r = memory_document(a, "applied", document, &e);
    }
    if (r < 0) {
        log_warn(&here, "document %lld refused: %s", (long long)json_int(document, "seq", 0), e.message);
    } else {
        log_info(&here, "document %lld applied", (long long)json_int(document, "seq", 0));
    }
    pthread_mutex_lock(&a->lock);
    if (r < 0) {
        note_refusal(a, document, own, e.message ? e.message : "unknown");
    } else {
        note_applied(a, document);
    }
    a->done_epoch = json_int(document, "epoch", 0);
    a->done_seq = json_int(document, "seq", 0);
    a->busy = false;
    pthread_mutex_unlock(&a->lock);
    agent_changed(a);
    if (r >= 0) {
        try_version(a, document);
        commands_start(a, document);
    }
}

static bool is_done(const struct agent *a)
{
    return !a->accepted || (json_int(a->accepted, "epoch", 0) == a->done_epoch &&
                            json_int(a->accepted, "seq", 0) == a->done_seq);
}

void *apply_thread(void *arg)
{
    struct agent *a = arg;
    pthread_mutex_lock(&a->lock);
    while (!a->stopping) {
        if (is_done(a)) {
            pthread_cond_wait(&a->change, &a->lock);
            continue;
        }
        _cleanup_json_ json_t *document = json_incref(a->accepted);
        a->busy = true;
        pthread_mutex_unlock(&a->lock);
        apply_one(a, document);
        pthread_mutex_lock(&a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}
