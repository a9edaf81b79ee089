/*
 * Words and small helpers of the truth.
 */
#include "model/state.h"

static const char *const run_table[RUN_MAX] = {[RUN_STOPPED] = "STOPPED", [RUN_RUNNING] = "RUNNING"};
STR_TABLE_DEFINE(run, enum run, RUN_MAX);

static const char *const facet_table[FACET_MAX] = {
    [FACET_RUN] = "run",           [FACET_COUNTS] = "counts", [FACET_CODE] = "code",
    [FACET_SETTINGS] = "settings", [FACET_CMD] = "cmd",       [FACET_VOLUME] = "volume",
};
STR_TABLE_DEFINE(facet, enum facet, FACET_MAX);

static const char *const service_state_table[SERVICE_STATE_MAX] = {
    [SERVICE_INIT] = "INIT",         [SERVICE_PROLOGUE] = "PROLOGUE", [SERVICE_RUNNING] = "RUNNING",
    [SERVICE_ADAPTING] = "ADAPTING", [SERVICE_EPILOGUE] = "EPILOGUE", [SERVICE_STOPPED] = "STOPPED",
    [SERVICE_ERROR] = "ERROR",
};
STR_TABLE_DEFINE(service_state, enum service_state, SERVICE_STATE_MAX);

static const char *const op_state_table[OP_STATE_MAX] = {
    [OP_ACTIVE] = "ACTIVE",
    [OP_DONE] = "DONE",
    [OP_FAILED] = "FAILED",
    [OP_CANCELLED] = "CANCELLED",
};
STR_TABLE_DEFINE(op_state, enum op_state, OP_STATE_MAX);

static const char *const node_status_table[NODE_STATUS_MAX] = {
    [NODE_INTENT] = "INTENT", [NODE_ASKED] = "ASKED", [NODE_UNSURE] = "UNSURE", [NODE_BOOTING] = "BOOTING",
    [NODE_UP] = "UP",         [NODE_DYING] = "DYING", [NODE_GONE] = "GONE",
};
STR_TABLE_DEFINE(node_status, enum node_status, NODE_STATUS_MAX);

static const char *const volume_status_table[VOLUME_STATUS_MAX] = {
    [VOLUME_INTENT] = "INTENT",       [VOLUME_ASKED] = "ASKED",         [VOLUME_UNSURE] = "UNSURE",
    [VOLUME_AVAILABLE] = "AVAILABLE", [VOLUME_ATTACHING] = "ATTACHING", [VOLUME_ATTACHED] = "ATTACHED",
    [VOLUME_DETACHING] = "DETACHING", [VOLUME_DELETING] = "DELETING",   [VOLUME_GONE] = "GONE",
};
STR_TABLE_DEFINE(volume_status, enum volume_status, VOLUME_STATUS_MAX);

static const char *const fact_id_table[FACT_MAX] = {
    [FACT_ENTRIES] = "entries", [FACT_MEMBERS] = "members", [FACT_MASTER] = "master",
    [FACT_CLUSTER] = "cluster", [FACT_PRIMARY] = "primary",
};
STR_TABLE_DEFINE(fact_id, enum fact_id, FACT_MAX);

struct node *service_node(struct service *s, int64_t id)
{
    for (int i = 0; i < s->n_nodes; i++) {
        if (s->nodes[i].id == id) {
            return &s->nodes[i];
        }
    }
    return NULL;
}

struct volume *service_volume(struct service *s, int64_t id)
{
    for (int i = 0; i < s->n_volumes; i++) {
        if (s->volumes[i].id == id) {
            return &s->volumes[i];
        }
    }
    return NULL;
}

const struct node *volume_target(const struct service *s, const struct volume *v)
{
    for (int i = 0; i < s->n_nodes && v->slot != 0 && !v->doomed; i++) {
        const struct node *n = &s->nodes[i];
        if (n->role == v->role && n->slot == v->slot && node_alive(n)) {
            return n;
        }
    }
    return NULL;
}

struct op *service_op(struct service *s, int64_t id)
{
    for (int i = 0; i < s->n_ops; i++) {
        if (s->ops[i].id == id) {
            return &s->ops[i];
        }
    }
    return NULL;
}

struct node *app_node(struct app *a, int64_t id)
{
    for (int i = 0; i < a->n_nodes; i++) {
        if (a->nodes[i].id == id) {
            return &a->nodes[i];
        }
    }
    return NULL;
}

bool node_alive(const struct node *n)
{
    return n->status != NODE_DYING && n->status != NODE_GONE;
}

static void shift(int64_t *t, int64_t delta)
{
    if (*t != 0) { /* 0 = never */
        *t += delta;
    }
}

void service_shift_ms(struct service *s, int64_t delta)
{
    shift(&s->create_after_ms, delta);
    shift(&s->looked_ms, delta);
    for (int i = 0; i < s->n_ops; i++) {
        shift(&s->ops[i].born_ms, delta);
        shift(&s->ops[i].progress_ms, delta);
    }
    for (int i = 0; i < s->n_nodes; i++) {
        struct node *n = &s->nodes[i];
        int64_t *const times[] = {&n->created_ms, &n->up_ms,    &n->heard_ms, &n->asked_ms,
                                  &n->retry_ms,   &n->dying_ms, &n->poll_ms};
        for (size_t k = 0; k < ARRAY_LEN(times); k++) {
            shift(times[k], delta);
        }
    }
    for (int r = 0; r < ROLES_MAX; r++) {
        shift(&s->replaced[r].since_ms, delta);
    }
}
