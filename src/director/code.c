#include "director/code.h"

#include "base/clock.h"
#include "director/director.h"

#define MB (1024 * 1024LL)

int code_room(struct director *d, int64_t app, int64_t *ret, struct err *e)
{
    int64_t used = 0;
    int rc = store_code_bytes(d->store, app, &used, e);
    if (rc < 0) {
        return rc;
    }
    int64_t room = d->config.code_quota_mb * MB - used;
    *ret = room > 0 ? room : 0;
    return 0;
}

int code_check_quota(struct director *d, int64_t app, int64_t more, struct err *e)
{
    int64_t room = 0;
    int rc = code_room(d, app, &room, e);
    if (rc < 0 || more <= room) {
        return rc;
    }
    int64_t quota = d->config.code_quota_mb;
    return err_set_hint(e, ERR_QUOTA, "delete versions that are not needed",
                        "the code of the application has %lld MB, at most %lld MB are allowed",
                        (long long)(quota + (more - room) / MB), (long long)quota);
}

int code_add(struct director *d, struct slot *s, struct slot_service *v, const struct code_new *n,
             struct version *ret, struct err *e)
{
    _cleanup_(txn_freep) struct txn *x = NULL;
    _cleanup_version_ struct version code = {
        .service = v->row.service.id,
        .size = n->artifact->size,
        .created_ms = clock_steady_ms(),
        .name = xstrdup(n->name),
        .filename = xstrdup(n->filename),
        .description = xstrdup(n->description ? n->description : ""),
        .format = xstrdup(n->artifact->format),
    };
    (void)str_copy(code.sha256, sizeof(code.sha256), n->artifact->sha256);
    int rc = code_check_quota(d, s->row.app.id, code.size, e);
    if (rc < 0 || (rc = txn_begin(d, s, v, &x, e)) < 0) {
        return rc;
    }
    code.id = store_new_id(d->store);
    if ((rc = store_version_add(d->store, &code, e)) < 0 ||
        (n->commit && (rc = store_push_add(d->store, code.service, code.id, n->commit, e)) < 0) ||
        (rc = txn_note(x, code.service, "code", 0, 0, "%s %s by %s (%s)", code.name,
                       n->commit ? "pushed" : "uploaded", n->actor,
                       n->commit ? code.description : code.filename)) < 0 ||
        (rc = txn_commit(x, e)) < 0) {
        return rc;
    }
    *ret = code;
    code = (struct version){0};
    return 0;
}
