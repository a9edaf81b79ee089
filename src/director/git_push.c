#include "director/git_push.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "api/calls.h"
#include "base/clock.h"
#include "base/fs.h"
#include "director/code.h"
#include "director/git_repo.h"
#include "director/objects.h"
#include "model/names.h"
#include "model/text.h"

#define LOOK_MS 2000
#define SUBJECT_MAX 200

/* ---- the version ---- */

/* One line that can be shown: cut at a character, without what a terminal would obey. Caller frees. */
static char *subject_of(const char *s)
{
    _cleanup_free_ char *clean = text_clean(s ? s : "", s ? strlen(s) : 0);
    size_t n = strlen(clean);
    while (n > SUBJECT_MAX || (n > 0 && ((unsigned char)clean[n] & 0xc0) == 0x80)) {
        n--;
    }
    clean[n] = '\0';
    for (char *p = clean; *p; p++) {
        *p = (unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p;
    }
    return name_check_text(clean, 256, NULL) == 0 ? TAKE_PTR(clean) : xstrdup("");
}

static bool name_taken(const struct version *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(list[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* "git-1a2b3c4", with more digits when another commit of the service begins alike. Caller frees. */
static int free_name(struct director *d, int64_t service, const char *commit, char **ret, struct err *e)
{
    struct version *list = NULL;
    size_t n = 0;
    int rc = store_versions(d->store, service, &list, &n, e);
    if (rc < 0) {
        return rc;
    }
    char *name = NULL;
    for (int len = 7; !name && len <= (int)strlen(commit); len++) {
        name = str_printf("git-%.*s", len, commit);
        if (name_taken(list, n, name)) {
            free(TAKE_PTR(name));
        }
    }
    versions_free(list, n);
    *ret = name ? name : str_printf("git-%s", commit);
    return 0;
}

/* The archive as it is now, where the other side cannot change it any more. */
static int keep_archive(struct director *d, int64_t app, int from, int *ret, struct err *e)
{
    int64_t room = 0;
    int rc = code_room(d, app, &room, e);
    if (rc < 0) {
        return rc;
    }
    _cleanup_free_ char *spool = str_printf("%s/spool", d->config.data_dir);
    _cleanup_close_ int fd = open(spool, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || lseek(from, 0, SEEK_SET) < 0) {
        return err_errno(e, errno, "%s", spool);
    }
    rc = fs_copy_fd(from, fd, room < CALL_UPLOAD_MAX ? room : CALL_UPLOAD_MAX, NULL, e);
    if (rc == ERR_TOO_LARGE) {
        return err_set_hint(e, ERR_QUOTA, "`conpaas code delete` versions that are not needed",
                            "the archive is larger than the %lld MB that are left for the application's code",
                            (long long)(room >> 20));
    }
    if (rc < 0) {
        return rc;
    }
    *ret = TAKE_FD(fd);
    return 0;
}

static int add_version(struct director *d, const struct git_push *p, int64_t app, const char *actor,
                       int64_t *ret, struct err *e)
{
    struct artifact a = {0};
    _cleanup_close_ int fd = -1;
    int rc = keep_archive(d, app, p->archive, &fd, e);
    if (rc < 0 || (rc = artifact_put(d, fd, &a, e)) < 0) {
        return rc;
    }
    _cleanup_(artifact_unlockp) struct director *locked = d; /* until the version is stored */
    _cleanup_slot_ struct slot *s = NULL;
    _cleanup_free_ char *name = NULL;
    _cleanup_free_ char *subject = subject_of(p->subject);
    _cleanup_version_ struct version code = {0};
    struct slot_service *v = NULL;
    if ((rc = world_service(d->world, p->service, &s, &v, e)) < 0) {
        return rc;
    }
    if (!v->row.service.type->code || v->row.service.deleting) {
        return err_set(e, ERR_STATE, "the service takes no code");
    }
    if ((rc = store_push_find(d->store, p->service, p->commit, ret, e)) != 0 ||
        (rc = free_name(d, p->service, p->commit, &name, e)) < 0) {
        return rc < 0 ? rc : 0; /* another connection was faster */
    }
    _cleanup_free_ char *file = str_printf("%s-%s.tar.gz", v->row.service.name, name);
    struct code_new n = {.artifact = &a,
                         .name = name,
                         .filename = file,
                         .description = subject,
                         .commit = p->commit,
                         .actor = actor};
    if ((rc = code_add(locked, s, v, &n, &code, e)) < 0) {
        return rc;
    }
    *ret = code.id;
    return 0;
}

/* ---- activation ---- */

static const struct op *running_switch(const struct service *v, int64_t version)
{
    for (int i = 0; i < v->n_ops; i++) {
        if (v->ops[i].facet == FACET_CODE && v->ops[i].value.code == version) {
            return &v->ops[i];
        }
    }
    return NULL;
}

static int accept_switch(struct director *d, struct slot *s, struct slot_service *v,
                         const struct version *code, const char *actor, int64_t *ret_op, struct err *e)
{
    _cleanup_(txn_freep) struct txn *x = NULL;
    _cleanup_free_ char *title = str_printf("activate %s", code->name);
    struct change change = {.facet = FACET_CODE, .value.code = code->id};
    int64_t op = 0;
    int rc = txn_begin(d, s, v, &x, e);
    if (rc < 0) {
        return rc;
    }
    x->actor = actor;
    x->call = "code.enable";
    x->title = title;
    if ((rc = truth_accept(&x->t, &change, &op, e)) < 0 ||
        (rc = txn_note(x, x->service.id, "op", op, 0, "%s, asked by %s", title, actor)) < 0 ||
        (rc = txn_commit(x, e)) < 0) {
        return rc;
    }
    *ret_op = op;
    return 0;
}

/* As code.enable; *ret_op 0: it is active now. */
static int activate(struct director *d, const struct version *code, const char *actor, int64_t *ret_op,
                    struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct slot_service *v = NULL;
    int rc = world_service(d->world, code->service, &s, &v, e);
    if (rc < 0) {
        return rc;
    }
    const struct op *op = running_switch(&v->row.service, code->id);
    *ret_op = op ? op->id : 0;
    if (op || v->row.service.want.code == code->id) {
        return 0;
    }
    rc = call_check_state(call_find("code.enable"), (int)v->row.service.state, e);
    return rc < 0 ? err_wrap(e, rc, "%s cannot be activated now", code->name)
                  : accept_switch(d, s, v, code, actor, ret_op, e);
}

/* ---- following ---- */

/* Lines of the steps that have ended since. */
static void new_steps(const json_t *operation, size_t *seen, json_t *lines)
{
    const json_t *steps = json_object_get(operation, "steps");
    for (; *seen < json_array_size(steps); ++*seen) {
        const json_t *step = json_array_get(steps, *seen);
        int64_t took = json_int(step, "ended", 0) - json_int(step, "started", 0);
        if (!str_eq(json_str(step, "state", ""), "DONE")) {
            return;
        }
        _cleanup_free_ char *line =
            str_printf("  %s (%.1f s)", json_str(step, "title", ""), (double)(took > 0 ? took : 0) / 1000);
        json_array_append_new(lines, json_pack("{s:s}", "line", line));
    }
}

/* 1: it goes on, 0: it has ended, as ret says. */
static int look(struct director *d, int64_t service, int64_t op, size_t *seen, json_t *lines,
                struct op_row *ret, struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct slot_service *v = NULL;
    int rc = world_service(d->world, service, &s, &v, e);
    if (rc < 0 || (rc = store_op(d->store, op, ret, e)) < 0) {
        return rc;
    }
    _cleanup_json_ json_t *o = object_operation(d, s, ret);
    new_steps(o, seen, lines);
    if (ret->op.state != OP_ACTIVE) {
        return 0;
    }
    op_row_done(ret);
    if (json_array_size(lines) == 0) {
        slot_wait(s, clock_mono_ms() + LOOK_MS);
    }
    return 1;
}

/* To the operation's end. It goes on when nobody listens any more. */
static int follow(const struct git_peer *p, int64_t service, int64_t op, struct err *e)
{
    _cleanup_op_row_ struct op_row row = {0};
    size_t seen = 0;
    int rc = 1;
    while (rc > 0) {
        _cleanup_json_ json_t *lines = json_array();
        size_t i;
        json_t *line;
        if (atomic_load(&p->d->stopping) || git_link_gone(p)) {
            return err_set(e, ERR_UNAVAILABLE, "the director stops; the change goes on");
        }
        rc = look(p->d, service, op, &seen, lines, &row, e);
        json_array_foreach(lines, i, line)
        {
            if (git_link_tell(p, json_incref(line)) < 0) {
                return ERR_GONE;
            }
        }
    }
    if (rc < 0 || row.op.state == OP_DONE) {
        return rc;
    }
    return err_set(e, ERR_FAILED, "%s", row.op.why[0] ? row.op.why : "the activation was cancelled");
}

/* ---- all of it ---- */

static int describe(struct director *d, const struct version *code, bool deploy, bool created, json_t **ret,
                    struct err *e)
{
    _cleanup_slot_ struct slot *s = NULL;
    struct slot_service *v = NULL;
    int rc = world_service(d->world, code->service, &s, &v, e);
    if (rc < 0) {
        return rc;
    }
    _cleanup_json_ json_t *service = object_service(d, s, v);
    *ret = json_pack("{s:s, s:s, s:s, s:O, s:b, s:b}", "version", code->name, "name", v->row.service.name,
                     "state", json_str(service, "state", ""), "url", json_object_get(service, "url"),
                     "deployed", deploy, "created", created);
    return 0;
}

static int deploy_now(const struct git_peer *p, const struct version *code, const char *actor, struct err *e)
{
    int64_t op = 0;
    int rc = activate(p->d, code, actor, &op, e);
    rc = rc < 0 || op == 0 ? rc : follow(p, code->service, op, e);
    if (rc < 0 && rc != ERR_GONE && e && e->message) {
        _cleanup_free_ char *message = xstrdup(e->message);
        return err_set_hint(e, rc, "what served before still serves; `conpaas code list` has the new version",
                            "%s is stored but not active: %s", code->name, message);
    }
    return rc;
}

int git_push_take(const struct git_peer *p, const struct git_push *push, json_t **ret, struct err *e)
{
    struct director *d = p->d;
    _cleanup_free_ char *actor = NULL;
    _cleanup_version_ struct version code = {0};
    int64_t app = 0, version = 0;
    bool deploy = true;
    int rc = git_may_push(d, &push->key, push->service, &app, &actor, e);
    if (rc < 0 || (rc = store_push_find(d->store, push->service, push->commit, &version, e)) < 0) {
        return rc;
    }
    bool created = rc == 0;
    if ((created && (rc = add_version(d, push, app, actor, &version, e)) < 0) ||
        (rc = store_version(d->store, push->service, version, &code, e)) < 0 ||
        (rc = store_git_deploy(d->store, push->service, &deploy, e)) < 0) {
        return rc;
    }
    _cleanup_free_ char *line =
        str_printf("%s %s", code.name, created ? "is a new code version" : "is there already");
    if (git_link_tell(p, json_pack("{s:s}", "line", line)) < 0 ||
        (deploy && (rc = deploy_now(p, &code, actor, e)) < 0)) {
        return rc < 0 ? rc : ERR_GONE;
    }
    return describe(d, &code, deploy, created, ret, e);
}
