/*
 * Pushing code: where to, and whether it takes effect at once.
 */
#include "director/api.h"
#include "director/git_repo.h"

static int answer(struct api_call *c, struct slot *s, const struct slot_service *v, struct err *e)
{
    _cleanup_free_ struct key_row *keys = NULL;
    _cleanup_free_ char *url = git_url(c->d, s->row.app.name, v->row.service.name);
    bool deploy = true;
    size_t n = 0;
    int rc = store_git_deploy(c->d->store, v->row.service.id, &deploy, e);
    if (rc < 0 || (rc = store_keys(c->d->store, s->row.app.id, &keys, &n, e)) < 0) {
        return rc;
    }
    return api_reply(c, json_pack("{s:I, s:o, s:b, s:I}", "service", (json_int_t)v->row.service.id, "url",
                                  object_text(url), "deploy", deploy, "keys", (json_int_t)n));
}

/* A service whose type has code. */
static int service_of(struct api_call *c, struct slot **ret, struct slot_service **ret_service, struct err *e)
{
    int rc = api_service(c, ret, ret_service, e);
    if (rc >= 0 && !(*ret_service)->row.service.type->code) {
        return err_set(e, ERR_STATE, "the service takes no code");
    }
    return rc;
}

static int git_show(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct slot_service *v = NULL;
    int rc = service_of(c, &s, &v, e);
    return rc < 0 ? rc : answer(c, s, v, e);
}

static int git_set(struct api_call *c, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_(txn_freep) struct txn *x = NULL;
    struct slot_service *v = NULL;
    bool deploy = json_flag(c->args, "deploy", true);
    int rc = service_of(c, &s, &v, e);
    if (rc < 0 || (rc = txn_begin(c->d, s, v, &x, e)) < 0 ||
        (rc = store_git_set_deploy(c->d->store, v->row.service.id, deploy, e)) < 0 ||
        (rc = txn_note(x, v->row.service.id, "note", 0, 0, "pushed code is %s from now on, asked by %s",
                       deploy ? "activated at once" : "only stored", c->caller.user.username)) < 0 ||
        (rc = txn_commit(x, e)) < 0) {
        return rc;
    }
    return answer(c, s, v, e);
}

const struct api_row api_git_rows[] = {
    {"git.show", git_show},
    {"git.set", git_set},
    {0},
};
