#include "manager/view.h"

#include "manager/narrate.h"

static struct managed *add_service(struct manager *m, int64_t id, int64_t now_ms)
{
    if (m->n_services == SERVICES_MAX) {
        return NULL;
    }
    struct managed *s = xcalloc(1, sizeof(*s));
    s->id = id;
    s->told_state = SERVICE_STATE_MAX;
    have_init(&s->have, m->epoch, now_ms);
    m->services[m->n_services++] = s;
    return s;
}

static void drop_boxes(struct managed *s)
{
    int kept = 0;
    for (int i = 0; i < s->n_boxes; i++) {
        if (service_node(&s->view, s->boxes[i].node)) {
            s->boxes[kept++] = s->boxes[i];
        } else {
            json_decref(s->boxes[i].document);
            json_decref(s->boxes[i].metrics);
            json_decref(s->boxes[i].scripts);
        }
    }
    for (int i = kept; i < s->n_boxes; i++) {
        s->boxes[i] = (struct box){0};
    }
    s->n_boxes = kept;
}

static void replace(json_t **slot, json_t *value)
{
    json_decref(*slot);
    *slot = json_incref(value);
}

static int take_service(struct manager *m, const json_t *j, int64_t offset, int64_t now_ms, struct err *e)
{
    static const char *const beside[] = {"versions", "settings", "credit_ok"};
    _cleanup_json_ json_t *core = json_copy((json_t *)j);
    for (size_t i = 0; i < ARRAY_LEN(beside); i++) {
        json_object_del(core, beside[i]);
    }
    _cleanup_free_ struct service *fresh = xcalloc(1, sizeof(*fresh));
    int r = service_from_json(core, fresh, e);
    if (r < 0) {
        return r;
    }
    service_shift_ms(fresh, offset); /* the director's times on our clock */
    fresh->looked_ms = now_ms;
    struct managed *s = manager_service(m, fresh->id);
    if (!s && !(s = add_service(m, fresh->id, now_ms))) {
        return err_set(e, ERR_QUOTA, "more than %d services in one application", SERVICES_MAX);
    }
    s->credit_ok = json_flag(j, "credit_ok", true);
    replace(&s->versions, json_object_get(j, "versions"));
    replace(&s->settings, json_object_get(j, "settings"));
    s->view = *fresh;
    drop_boxes(s);
    have_sync(&s->have, &s->view);
    narrate_view(m, s, now_ms);
    managed_touch(m, s);
    return 0;
}

static bool listed(const json_t *services, int64_t id)
{
    size_t i;
    json_t *j;
    json_array_foreach(services, i, j)
    {
        if (json_int(j, "id", 0) == id) {
            return true;
        }
    }
    return false;
}

static void drop_services(struct manager *m, const json_t *services)
{
    int kept = 0;
    for (int i = 0; i < m->n_services; i++) {
        if (listed(services, m->services[i]->id)) {
            m->services[kept++] = m->services[i];
        } else {
            managed_free(m->services[i]);
        }
    }
    m->n_services = kept;
}

int view_take(struct manager *m, const json_t *view, int64_t now_ms, struct err *e)
{
    int64_t txn = json_int(view, "txn", 0);
    if (txn < m->txn) {
        return 0;
    }
    const json_t *services = json_object_get(view, "services");
    if (!json_is_array(services)) {
        return err_set(e, ERR_INVALID, "a view without services");
    }
    int64_t offset = now_ms - json_int(view, "now", now_ms);
    int worst = 0;
    size_t i;
    json_t *j;
    drop_services(m, services);
    json_array_foreach(services, i, j)
    {
        int r = take_service(m, j, offset, now_ms, e);
        worst = r < 0 ? r : worst;
    }
    m->txn = txn;
    pthread_cond_broadcast(&m->deliver);
    return worst;
}
