/*
 * The report (doc/PROTOCOL.md section 3), from snapshots: making one never waits for an engine.
 */
#include "agent/agent.h"
#include "agent/proc_stat.h"
#include "model/text.h"

/* A role is as healthy as the worst of its engines; words in the order of enum health are from good to bad
 * but for starting. */
static int badness(enum health h)
{
    switch (h) {
    case HEALTH_OK:
        return 0;
    case HEALTH_STARTING:
        return 1;
    case HEALTH_BAD:
        return 2;
    default:
        return 3;
    }
}

struct role_view {
    enum health health;
    const char *why;
    bool drained;
};

static void look_at_role(const struct agent *a, const char *role, struct engine_status *st,
                         struct role_view *v)
{
    for (int i = 0; i < a->n_engines; i++) {
        if (!str_eq(a->engines[i].role, role)) {
            continue;
        }
        struct engine_status *s = &st[i];
        if (badness(s->health) > badness(v->health)) {
            v->health = s->health;
            v->why = s->why;
        }
        v->drained = v->drained && s->drained;
    }
}

static void add_roles(struct agent *a, struct engine_status *st, json_t *ret)
{
    json_t *health = json_object(), *drained = json_array(), *v;
    const char *role;
    json_object_foreach(json_object_get(a->applied, "roles"), role, v)
    {
        struct role_view view = {.health = HEALTH_OK, .why = a->firewall_why, .drained = true};
        if (a->firewall_why[0]) {
            view.health = HEALTH_BAD;
        }
        look_at_role(a, role, st, &view);
        json_object_set_new(
            health, role,
            json_pack("{s:s, s:o}", "state", health_to_str(view.health), "why", text_to_json(view.why)));
        if (view.drained && json_flag(v, "drain", false)) {
            json_array_append_new(drained, json_string(role));
        }
    }
    json_object_set_new(ret, "health", health);
    json_object_set_new(ret, "drained", drained);
}

static void add_progress(const struct agent *a, const struct engine_status *st, json_t *ret)
{
    struct role_progress p = {.position = -1};
    for (int i = 0; i < a->n_engines; i++) {
        if (st[i].has_progress) {
            p = st[i].progress;
        }
    }
    json_object_set_new(ret, "synced", json_boolean(p.synced));
    json_object_set_new(ret, "position", json_integer(p.position));
    json_object_set_new(ret, "token", json_integer(p.token));
}

static json_t *probes(const struct agent *a)
{
    json_t *list = json_array();
    for (int i = 0; i < a->n_probes; i++) {
        const struct probe_result *p = &a->probes[i];
        json_array_append_new(list, json_pack("{s:I, s:I, s:b, s:o}", "version", (json_int_t)p->version, "op",
                                              (json_int_t)p->op, "ok", p->ok, "evidence",
                                              text_to_json(p->evidence)));
    }
    return list;
}

static json_t *metrics(struct agent *a)
{
    json_t *all = json_object(), *engines = json_object(), *node = json_object();
    proc_stat_node(node);
    for (int i = 0; i < a->n_engines; i++) {
        json_t *m = engine_metrics(a->engines[i].engine);
        if (m) {
            json_object_set_new(engines, engine_name(a->engines[i].engine), m);
        }
    }
    json_object_set_new(all, "node", node);
    json_object_set_new(all, "engines", engines);
    return all;
}

json_t *report_make(struct agent *a)
{
    struct engine_status st[AGENT_ENGINES_MAX] = {0};
    pthread_mutex_lock(&a->lock);
    for (int i = 0; i < a->n_engines; i++) {
        engine_status(a->engines[i].engine, &st[i]);
    }
    const json_t *core = json_object_get(a->applied, "core");
    json_t *r = json_pack("{s:I, s:I, s:I, s:{s:I, s:I}, s:b, s:i, s:o}", "boot", (json_int_t)a->boot, "n",
                          (json_int_t)++a->n, "promised", (json_int_t)a->fence.promised, "done", "epoch",
                          (json_int_t)a->done_epoch, "seq", (json_int_t)a->done_seq, "busy", a->busy,
                          "refusals", a->refusals, "applied", core ? json_deep_copy(core) : json_object());
    if (a->refused.seq != 0) {
        json_object_set_new(r, "refused",
                            json_pack("{s:I, s:b, s:o, s:o}", "seq", (json_int_t)a->refused.seq, "own",
                                      a->refused.own, "why", text_to_json(a->refused.why), "content",
                                      json_deep_copy(a->refused.core)));
    }
    add_roles(a, st, r);
    add_progress(a, st, r);
    json_object_set_new(r, "staged", stage_list(a));
    json_object_set_new(r, "probes", probes(a));
    json_object_set_new(r, "cmds", journal_report(a->journal, json_object_get(a->applied, "cmds")));
    json_object_set_new(r, "scripts", journal_kinds(a->journal));
    json_object_set_new(r, "metrics", metrics(a));
    pthread_mutex_unlock(&a->lock);
    return r;
}
