#include "manager/queries.h"

static struct query *find(struct queries *qs, int64_t id)
{
    for (int i = 0; i < qs->n; i++) {
        if (qs->q[i].id == id) {
            return &qs->q[i];
        }
    }
    return NULL;
}

static void drop_old(struct queries *qs, int64_t now_ms)
{
    int kept = 0;
    for (int i = 0; i < qs->n; i++) {
        if (now_ms - qs->q[i].born_ms < QUERY_LIFE_MS) {
            qs->q[kept++] = qs->q[i];
        }
    }
    qs->n = kept;
}

int queries_take(struct queries *qs, const json_t *list, int64_t now_ms)
{
    size_t i;
    json_t *j;
    int taken = 0;
    drop_old(qs, now_ms);
    json_array_foreach(list, i, j)
    {
        int64_t id = json_int(j, "id", 0);
        if (id == 0 || find(qs, id) || qs->n == QUERIES_MAX) {
            continue;
        }
        struct query q = {
            .id = id, .node = json_int(j, "node", 0), .lines = json_int(j, "lines", 100), .born_ms = now_ms};
        if (str_copy(q.kind, sizeof(q.kind), json_str(j, "kind", "log")) &&
            str_copy(q.name, sizeof(q.name), json_str(j, "name", ""))) {
            qs->q[qs->n++] = q;
            taken++;
        }
    }
    return taken;
}

json_t *queries_give(struct queries *qs, int64_t node)
{
    json_t *list = NULL;
    for (int i = 0; i < qs->n; i++) {
        struct query *q = &qs->q[i];
        if (q->node != node || q->given) {
            continue;
        }
        q->given = true;
        if (!list) {
            list = json_array();
        }
        json_array_append_new(list, json_pack("{s:I, s:s, s:s, s:I}", "id", (json_int_t)q->id, "kind",
                                              q->kind, "name", q->name, "lines", (json_int_t)q->lines));
    }
    return list;
}

struct query *queries_own(struct queries *qs, int64_t node)
{
    for (int i = 0; i < qs->n; i++) {
        if (qs->q[i].node == node && !qs->q[i].given) {
            qs->q[i].given = true;
            return &qs->q[i];
        }
    }
    return NULL;
}

bool queries_answered(struct queries *qs, int64_t id, int64_t node)
{
    struct query *q = find(qs, id);
    if (!q || q->node != node || q->answered) {
        return false;
    }
    q->answered = true;
    return true;
}

bool queries_waiting(const struct queries *qs, int64_t node)
{
    for (int i = 0; i < qs->n; i++) {
        if (qs->q[i].node == node && !qs->q[i].given) {
            return true;
        }
    }
    return false;
}
