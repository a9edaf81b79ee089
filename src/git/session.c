#include "git/session.h"

#include "git/command.h"
#include "git/hook.h"
#include "git/link.h"
#include "git/repo.h"

#define MB (1024 * 1024LL)
#define PUSH_WAIT_S 120

int session_keys(const struct git_config *c, const char *type, const char *body, struct err *e)
{
    _cleanup_director_link_ struct director_link link = {.fd = -1};
    _cleanup_json_ json_t *ok = NULL;
    _cleanup_free_ char *text = str_printf("%s %s", type, body);
    struct ssh_key key;
    if (ssh_key_parse(text, &key, NULL) < 0) {
        return 0; /* a kind that nobody can have added */
    }
    int r = director_link_open(c, &link, e);
    r = r < 0 ? r
              : director_link_call(
                    &link, json_pack("{s:s, s:s, s:s}", "call", "key", "type", key.type, "key", key.body), -1,
                    NULL, &ok, e);
    if (r == 0 && json_flag(ok, "known", false)) {
        _cleanup_free_ char *line = git_session_line(&key, c->path);
        (void)fputs(line, stdout);
    }
    return r;
}

struct open_repo {
    int64_t service, room;
    char *name;
};

static int open_repo(struct director_link *link, const struct git_session *s, const char *name,
                     struct open_repo *ret, struct err *e)
{
    _cleanup_json_ json_t *ok = NULL;
    if (!str_is_utf8(name)) {
        return err_set(e, ERR_INVALID, "this is no name of a repository");
    }
    json_t *call = json_pack("{s:s, s:s, s:s, s:s}", "call", "open", "type", s->key.type, "key", s->key.body,
                             "name", name);
    int r = director_link_call(link, call, -1, NULL, &ok, e);
    if (r < 0) {
        return r;
    }
    *ret = (struct open_repo){.service = json_int(ok, "service", 0),
                              .room = json_int(ok, "room", 0),
                              .name = xstrdup(json_str(ok, "name", ""))};
    return ret->service > 0 ? 0 : err_set(e, ERR_INTERNAL, "the director gave no service");
}

/* What a push may bring: at most a pack's size, what the repository and the application's code may still grow by. */
static int push_room(const struct git_config *c, const struct open_repo *o, int64_t *ret, struct err *e)
{
    int64_t most = c->push_max_mb * MB, left = c->repository_max_mb * MB - repo_bytes(c, o->service);
    if (left <= 0) {
        return err_set_hint(e, ERR_QUOTA, "ask your administrator, or make the service anew",
                            "the repository of %s has reached %lld MB", o->name,
                            (long long)c->repository_max_mb);
    }
    if (o->room <= 0) {
        return err_set_hint(e, ERR_QUOTA, "`conpaas code delete` versions that are not needed",
                            "the code of the application has reached its limit");
    }
    most = most < left ? most : left;
    *ret = most < o->room ? most : o->room;
    return 0;
}

static int serve(const struct git_config *c, const struct git_session *s, const struct git_command *cmd,
                 const struct open_repo *o, struct err *e)
{
    bool push = cmd->service == GIT_RECEIVE_PACK;
    bool there = repo_is_there(c, o->service);
    int64_t room = 1;
    _cleanup_close_ int lock = push || !there ? repo_lock(c, o->service, PUSH_WAIT_S, e) : -1;
    int r = lock >= 0 || (!push && there) ? 0 : lock;
    r = r < 0 || there ? r : repo_make(c, o->service, e);
    if (r < 0 || (push && (r = push_room(c, o, &room, e)) < 0)) {
        return r;
    }
    if (!push) {
        closep(&lock); /* clones wait for nobody */
    }
    _cleanup_free_ char *config = str_printf(HOOK_ENV_CONFIG "=%s", c->path);
    _cleanup_free_ char *type = str_printf(HOOK_ENV_TYPE "=%s", s->key.type);
    _cleanup_free_ char *key = str_printf(HOOK_ENV_KEY "=%s", s->key.body);
    _cleanup_free_ char *service = str_printf(HOOK_ENV_SERVICE "=%lld", (long long)o->service);
    const char *env[] = {config, type, key, service, NULL};
    return repo_serve(c, o->service, push ? "receive-pack" : "upload-pack", room, push ? env : NULL, e);
}

static int run(const char *text, struct git_config *c, struct err *e)
{
    _cleanup_director_link_ struct director_link link = {
        .fd = -1}; /* held: the director counts sessions by it */
    struct git_session s;
    struct git_command cmd;
    struct open_repo o = {0};
    int r = git_session_parse(text, &s, e);
    if (r < 0 || (r = git_config_load(s.config, c, e)) < 0 ||
        (r = git_command_parse(getenv("SSH_ORIGINAL_COMMAND"), &cmd, e)) < 0 ||
        (r = director_link_open(c, &link, e)) < 0 || (r = open_repo(&link, &s, cmd.name, &o, e)) < 0) {
        return r;
    }
    r = repo_limits(c, e);
    r = r < 0 ? r : serve(c, &s, &cmd, &o, e);
    free(o.name);
    return r;
}

int session_run(const char *text)
{
    _cleanup_err_ struct err e = {0};
    struct git_config c = {0};
    int r = run(text, &c, &e);
    git_config_done(&c);
    if (r < 0) {
        (void)fprintf(stderr, "conpaas: %s%s%s\n", e.message ? e.message : "failed",
                      e.hint ? "\nconpaas: " : "", e.hint ? e.hint : "");
    }
    return r < 0 ? 1 : r;
}
