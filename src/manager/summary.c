#include "manager/summary.h"

#include <string.h>

#include "model/text.h"

static void add_numbers(json_t *sum, const json_t *metrics)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)metrics, key, value)
    {
        if (json_is_number(value)) {
            const json_t *old = json_object_get(sum, key);
            bool whole = json_is_integer(value) && (!old || json_is_integer(old));
            json_object_set_new(sum, key,
                                whole ? json_integer(json_integer_value(old) + json_integer_value(value))
                                      : json_real(json_number_value(old) + json_number_value(value)));
        } else if (json_is_object(value)) {
            json_t *below = json_object_get(sum, key);
            if (!json_is_object(below)) {
                below = json_object();
                json_object_set_new(sum, key, below);
            }
            add_numbers(below, value);
        }
    }
}

static const struct box *box_of(const struct managed *s, int64_t node)
{
    for (int i = 0; i < s->n_boxes; i++) {
        if (s->boxes[i].node == node) {
            return &s->boxes[i];
        }
    }
    return NULL;
}

static const json_t *metrics_of(const struct managed *s, int64_t node)
{
    const struct box *b = box_of(s, node);
    return b ? b->metrics : NULL;
}

/* {KIND: {id, state, rc}}, of known members and bounded size: a node is its tenant's. */
static json_t *scripts_of(const struct managed *s, int64_t node)
{
    const struct box *b = box_of(s, node);
    json_t *out = json_object();
    for (int i = 0; i < s->view.type->n_commands; i++) {
        const char *kind = s->view.type->commands[i].name;
        const json_t *x = json_object_get(b ? b->scripts : NULL, kind);
        int state = cmd_state_from_str(json_str(x, "state", ""));
        if (state >= 0) {
            const char *hash = strchr(json_str(x, "id", ""), '#');
            int64_t op = 0;
            (void)!str_to_int(hash ? hash + 1 : "0", 0, INT64_MAX, &op);
            json_object_set_new(out, kind,
                                json_pack("{s:s, s:i, s:I}", "state", cmd_state_to_str((enum cmd_state)state),
                                          "rc", (int)json_int(x, "rc", -1), "op", (json_int_t)op));
        }
    }
    return out;
}

static void add_roles(json_t *out, const struct service_type *t, const struct report *r)
{
    json_t *roles = json_array();
    json_t *health = json_object();
    json_t *why = json_object();
    for (int i = 0; i < t->n_roles; i++) {
        if (!doc_has(&r->applied, i)) {
            continue;
        }
        json_array_append_new(roles, json_string(t->roles[i].name));
        json_object_set_new(health, t->roles[i].name, json_string(health_to_str(r->health[i])));
        if (r->health_why[i][0]) {
            json_object_set_new(why, t->roles[i].name, text_to_json(r->health_why[i]));
        }
    }
    json_object_set_new(out, "roles", roles);
    json_object_set_new(out, "health", health);
    json_object_set_new(out, "why", why);
}

static json_t *node_summary(const struct managed *s, const struct have_node *h, int64_t now_ms)
{
    json_t *out = json_pack("{s:I, s:b, s:b, s:I}", "node", (json_int_t)h->node, "claimed", h->claimed,
                            "settled", h->claimed && h->n_pending == 0, "seen_ago_ms",
                            (json_int_t)(h->seen_ms ? now_ms - h->seen_ms : -1));
    add_roles(out, s->view.type, &h->r);
    if (h->r.refused.seq != 0 && h->r.refused.why[0]) {
        json_object_set_new(out, "refused", text_to_json(h->r.refused.why));
    }
    if (s->view.type->n_commands > 0) {
        json_object_set_new(out, "scripts", scripts_of(s, h->node));
    }
    const json_t *metrics = metrics_of(s, h->node);
    json_object_set_new(out, "metrics", metrics ? json_incref((json_t *)metrics) : json_object());
    return out;
}

json_t *summary_of(const struct managed *s, int64_t now_ms)
{
    json_t *nodes = json_array();
    json_t *sum = json_object();
    for (int i = 0; i < s->have.n_nodes; i++) {
        const struct have_node *h = &s->have.nodes[i];
        if (h->reported) {
            json_array_append_new(nodes, node_summary(s, h, now_ms));
            add_numbers(sum, metrics_of(s, h->node));
        }
    }
    return json_pack("{s:I, s:b, s:{s:o, s:o, s:o}}", "service", (json_int_t)s->id, "converged", s->converged,
                     "performance", "waits_for", text_to_json(s->waits_for), "nodes", nodes, "metrics", sum);
}
