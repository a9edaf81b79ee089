#include "manager/references.h"

#include "base/str.h"
#include "service/links.h"

const json_t *revision_find(const struct managed *s, int64_t rev)
{
    size_t i;
    json_t *v;
    json_array_foreach(s->settings, i, v)
    {
        if (json_int(v, "rev", -1) == rev) {
            return v;
        }
    }
    return NULL;
}

const json_t *references_of(const struct managed *s, int64_t rev)
{
    char key[24];
    snprintf(key, sizeof(key), "%lld", (long long)rev);
    return json_object_get(s->resolved, key);
}

static json_t *resolve(struct manager *m, const json_t *links)
{
    json_t *list = json_array(), *link;
    size_t i;
    json_array_foreach((json_t *)links, i, link)
    {
        const struct managed *other = manager_service(m, json_int(link, "service", 0));
        const json_t *revision = other ? revision_find(other, other->view.good.settings) : NULL;
        json_array_append_new(
            list, link_resolve(link, other ? &other->view : NULL, json_object_get(revision, "own")));
    }
    return list;
}

/* A number that is another one when anything of it is. */
static int64_t number_of(const json_t *resolved)
{
    if (json_object_size(resolved) == 0) {
        return 0;
    }
    char *text = json_canonical(resolved), hash[SHA256_HEX];
    int64_t n = 0;
    sha256_hex(text, strlen(text), hash);
    mem_wipe(text, strlen(text));
    free(text);
    for (int i = 0; i < 15; i++) {
        n = n << 4 | (hash[i] <= '9' ? hash[i] - '0' : hash[i] - 'a' + 10);
    }
    return n ? n : 1;
}

static void add(struct manager *m, const struct managed *s, int64_t rev, json_t *all)
{
    const json_t *links = json_object_get(revision_find(s, rev), "links");
    char key[24];
    snprintf(key, sizeof(key), "%lld", (long long)rev);
    if (json_array_size(links) > 0 && !json_object_get(all, key)) {
        json_object_set_new(all, key, resolve(m, links));
    }
}

/* J2: the first of the wanted references that is not there. */
static void look_who_is_there(struct manager *m, struct managed *s)
{
    const json_t *links = json_object_get(revision_find(s, s->view.want.settings), "links");
    size_t i;
    json_t *link;
    s->view.refs_wait[0] = '\0';
    s->view.refs_failed = false;
    json_array_foreach((json_t *)links, i, link)
    {
        const struct managed *other = manager_service(m, json_int(link, "service", 0));
        enum service_state state = other ? other->view.state : SERVICE_STOPPED;
        if (state == SERVICE_RUNNING || state == SERVICE_ADAPTING) {
            continue;
        }
        snprintf(s->view.refs_wait, sizeof(s->view.refs_wait), "service %s, which it refers to as %s, is %s",
                 other ? other->view.name : "?", json_str(link, "name", ""),
                 other ? service_state_to_str(state) : "gone");
        s->view.refs_failed = !other || other->view.want.run != RUN_RUNNING;
        return;
    }
}

void references_update(struct manager *m, struct managed *s)
{
    json_t *all = json_object();
    add(m, s, s->view.want.settings, all);
    add(m, s, s->view.good.settings, all);
    json_decref(s->resolved);
    s->resolved = all;
    s->view.refs = number_of(all);
    look_who_is_there(m, s);
}
