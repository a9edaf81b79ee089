#include "director/git_repo.h"

#include "model/git_name.h"

#define LISTED_MAX 8

int git_key_known(struct director *d, const struct ssh_key *key, struct err *e)
{
    _cleanup_free_ int64_t *apps = NULL;
    size_t n = 0;
    int rc = store_key_apps(d->store, key->type, key->body, &apps, &n, e);
    return rc < 0 ? rc : n > 0;
}

/* What was found, and what there is. */
struct search {
    struct director *d;
    const struct git_name *name;
    int n, n_all;
    struct git_target found, any;
    struct buf all;     /* "shop/api, shop/blog" */
    struct buf several; /* with owners and ids */
};

static void search_done(struct search *s)
{
    buf_done(&s->all);
    buf_done(&s->several);
}

static bool matches(const struct git_name *n, const char *owner, const struct app *a, const struct service *v)
{
    return git_name_is(n, n->n - 1, v->name, v->id) &&
           (n->n < 2 || git_name_is(n, n->n - 2, a->name, a->id)) && (n->n < 3 || str_eq(n->part[0], owner));
}

static void look_at(struct search *s, const char *owner, const struct app *a, const struct service *v)
{
    struct git_target t = {.app = a->id, .service = v->id};
    (void)snprintf(t.name, sizeof(t.name), "%s/%s", a->name, v->name);
    s->any = t;
    if (s->n_all++ < LISTED_MAX) {
        buf_addf(&s->all, "%s%s", s->n_all > 1 ? ", " : "", t.name);
    }
    if (matches(s->name, owner, a, v)) {
        s->found = t;
        if (s->n++ < LISTED_MAX) {
            buf_addf(&s->several, "%s%s/%s", s->n > 1 ? ", " : "", owner, t.name);
        }
    }
}

static void look_in(struct search *s, int64_t app)
{
    _cleanup_slot_ struct slot *slot = NULL;
    _cleanup_user_ struct user owner = {0};
    if (world_app(s->d->world, app, &slot, NULL) < 0 || slot->row.app.deleting ||
        store_user(s->d->store, slot->row.app.owner, &owner, NULL) < 0) {
        return;
    }
    for (int i = 0; i < slot->n; i++) {
        const struct service *v = &slot->services[i]->row.service;
        if (v->type->code && !v->deleting) {
            look_at(s, owner.username, &slot->row.app, v);
        }
    }
}

static int verdict(struct search *s, struct git_target *ret, struct err *e)
{
    const struct git_name *n = s->name;
    if (s->n == 0 && s->n_all == 1 && n->n == 1 && git_name_is(n, 0, "code", 0)) {
        *ret = s->any; /* as in the original, where an application had one repository */
        return 0;
    }
    if (s->n == 1) {
        *ret = s->found;
        return 0;
    }
    if (s->n > 1) {
        return err_set_hint(e, ERR_CONFLICT, s->several.data, "several repositories have this name");
    }
    _cleanup_free_ char *hint = str_printf("there are: %s", s->all.len ? s->all.data : "none");
    return err_set_hint(e, ERR_NOT_FOUND, hint, "this key has no such repository");
}

int git_resolve(struct director *d, const struct ssh_key *key, const char *name, struct git_target *ret,
                struct err *e)
{
    struct git_name parsed;
    _cleanup_free_ int64_t *apps = NULL;
    _cleanup_(search_done) struct search s = {.d = d, .name = &parsed};
    size_t n = 0;
    int rc = git_name_parse(name, &parsed, e);
    if (rc < 0 || (rc = store_key_apps(d->store, key->type, key->body, &apps, &n, e)) < 0) {
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        look_in(&s, apps[i]);
    }
    return verdict(&s, ret, e);
}

int git_may_push(struct director *d, const struct ssh_key *key, int64_t service, int64_t *ret_app,
                 char **ret_actor, struct err *e)
{
    _cleanup_free_ struct key_row *keys = NULL;
    size_t n = 0;
    int64_t app = 0;
    int rc = store_service_app(d->store, service, &app, e);
    if (rc < 0 || (rc = store_keys(d->store, app, &keys, &n, e)) < 0) {
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        if (str_eq(keys[i].key.body, key->body) && str_eq(keys[i].key.type, key->type)) {
            *ret_app = app;
            *ret_actor = xstrdup(keys[i].key.comment[0] ? keys[i].key.comment : "a key");
            return 0;
        }
    }
    return err_set(e, ERR_FORBIDDEN, "this key may not push here any more");
}

char *git_address(const struct director *d)
{
    const struct config *c = &d->config;
    if (!c->git_socket || !*c->git_socket) {
        return NULL;
    }
    _cleanup_free_ char *first = xstrndup(c->host_names, strcspn(c->host_names, " "));
    const char *host = c->git_host && *c->git_host ? c->git_host : *first ? first : "localhost";
    return str_printf(strchr(host, ':') && host[0] != '[' ? "[%s]:%lld" : "%s:%lld", host,
                      (long long)c->git_port);
}

char *git_url(const struct director *d, const char *app, const char *service)
{
    _cleanup_free_ char *address = git_address(d);
    if (!address) {
        return NULL;
    }
    *strrchr(address, ':') = '\0';
    return git_name_url(d->config.git_login, address, d->config.git_port, app, service);
}
