#include "manager/narrate.h"

#define CONTROLLER "conpaas.core.controller"
#define TIMER "ReservationTimer"
#define POLL_LINE_MS 2000

static void internal_line(struct manager *m, const struct managed *s, const char *text)
{
    _cleanup_free_ char *logger = str_printf("conpaas.services.%s.manager.internal", s->view.type->name);
    journal_add(&m->journal, LOG_INFO, s->id, logger, "%s", text);
}

/* "proxy=0, web=1, backend=2": a minus b. */
static void add_counts(struct buf *out, const struct service_type *t, const int a[ROLES_MAX], const int *b)
{
    const char *sep = "";
    for (int r = 0; r < t->n_roles; r++) {
        if (service_type_has(t, r, ROLE_PURPOSE)) {
            buf_addf(out, "%s%s=%d", sep, t->roles[r].name, a[r] - (b ? b[r] : 0));
            sep = ", ";
        }
    }
}

static void add_reason(struct buf *out, const struct service *v)
{
    if (v->n_ops == 0) {
        buf_adds(out, v->converged ? "" : "mending");
        return;
    }
    const struct op *o = &v->ops[v->n_ops - 1];
    switch (o->facet) {
    case FACET_RUN:
        add_counts(out, v->type, v->want.counts, NULL);
        break;
    case FACET_COUNTS:
        add_counts(out, v->type, o->value.counts, v->good.counts);
        break;
    case FACET_CODE:
        buf_addf(out, "code version %lld", (long long)o->value.code);
        break;
    case FACET_SETTINGS:
        buf_addf(out, "settings revision %lld", (long long)o->value.settings);
        break;
    default:
        buf_adds(out, o->kind);
    }
}

static void tell_state(struct manager *m, struct managed *s)
{
    if (s->view.state == s->told_state) {
        return;
    }
    _cleanup_buf_ struct buf line = {0};
    buf_addf(&line, "STATE %s: ", service_state_to_str(s->view.state));
    if (s->view.state == SERVICE_ERROR) {
        buf_adds(&line, s->view.error_why);
    } else if (s->view.state == SERVICE_PROLOGUE || s->view.state == SERVICE_ADAPTING) {
        add_reason(&line, &s->view);
    }
    internal_line(m, s, line.data);
    s->told_state = s->view.state;
}

static bool coming(const struct node *n)
{
    return n->status < NODE_UP;
}

/* New records: the hour of each is reserved, so its timer runs. */
static void tell_new_nodes(struct manager *m, struct managed *s)
{
    _cleanup_buf_ struct buf ids = {0};
    int n_new = 0;
    for (int i = 0; i < s->view.n_nodes; i++) {
        const struct node *n = &s->view.nodes[i];
        struct box *b = coming(n) ? managed_box(s, n->id) : NULL;
        if (b && !b->waited_for) {
            b->waited_for = true;
            buf_addf(&ids, "%s'n%lld'", n_new++ ? ", " : "", (long long)n->id);
        }
    }
    if (n_new > 0) {
        journal_add(&m->journal, LOG_INFO, s->id, TIMER, "RTIMER Creating timer for [%s]", ids.data);
        journal_add(&m->journal, LOG_DEBUG, s->id, CONTROLLER,
                    "[_create_nodes]: iteration 1: creating %d nodes", n_new);
        journal_add(&m->journal, LOG_DEBUG, s->id, CONTROLLER, "[_wait_for_nodes]: going to start polling");
    }
}

static int still_waited_for(const struct managed *s)
{
    int n = 0;
    for (int i = 0; i < s->n_boxes; i++) {
        n += s->boxes[i].waited_for;
    }
    return n;
}

void narrate_view(struct manager *m, struct managed *s, int64_t now_ms)
{
    tell_state(m, s);
    tell_new_nodes(m, s);
    int waiting = still_waited_for(s);
    if (waiting > 0 && now_ms - s->polled_ms >= POLL_LINE_MS) {
        s->polled_ms = now_ms;
        journal_add(&m->journal, LOG_DEBUG, s->id, CONTROLLER, "[_wait_for_nodes]: waiting %d nodes",
                    waiting);
    }
}

void narrate_report(struct manager *m, struct managed *s, int64_t node)
{
    struct box *b = managed_box(s, node);
    if (!b || !b->waited_for) {
        return;
    }
    b->waited_for = false;
    const struct node *n = service_node(&s->view, node);
    journal_add(&m->journal, LOG_DEBUG, s->id, CONTROLLER, "[_wait_for_nodes]: node n%lld is ready at %s",
                (long long)node, n ? n->address : "?");
    if (still_waited_for(s) > 0) {
        return;
    }
    _cleanup_buf_ struct buf all = {0};
    for (int i = 0; i < s->view.n_nodes; i++) {
        n = &s->view.nodes[i];
        if (n->status == NODE_UP) {
            buf_addf(&all, "%s(n%lld, %s)", all.len ? ", " : "", (long long)n->id, n->address);
        }
    }
    journal_add(&m->journal, LOG_DEBUG, s->id, CONTROLLER, "[_wait_for_nodes]: All nodes are ready [%s]",
                all.len ? all.data : "");
}

void narrate_create(struct manager *m, const struct managed *s, const int counts[ROLES_MAX])
{
    _cleanup_buf_ struct buf text = {0};
    int total = 0;
    for (int r = 0; r < s->view.type->n_roles; r++) {
        total += counts[r];
    }
    add_counts(&text, s->view.type, counts, NULL);
    journal_add(&m->journal, LOG_DEBUG, s->id, CONTROLLER, "[_create_nodes]: %d nodes requested: %s", total,
                text.data);
}

void narrate_destroy(struct manager *m, const struct managed *s, int64_t node, const char *why)
{
    journal_add(&m->journal, LOG_INFO, s->id, CONTROLLER, "[delete_nodes]: n%lld: %s", (long long)node, why);
    journal_add(&m->journal, LOG_INFO, s->id, TIMER, "RTIMER node n%lld leaves its timer", (long long)node);
}

void narrate_converged(struct manager *m, const struct managed *s)
{
    internal_line(m, s,
                  s->converged ? "The service is as wanted" : "The service differs from what is wanted");
}
