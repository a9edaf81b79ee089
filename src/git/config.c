#include "git/config.h"

#include <stddef.h>
#include <string.h>

#include "base/conf.h"
#include "base/str.h"
#include "model/names.h"

#define AT(member) offsetof(struct git_config, member)

static const struct conf_key keys[] = {
    {"git", "socket", CONF_PATH, AT(socket), "/run/conpaas-director/git.sock", 0, 0,
     "socket of the director"},
    {"git", "dir", CONF_PATH, AT(dir), "/var/lib/conpaas/git", 0, 0,
     "repositories, host key and generated files; of the user that runs this"},
    {"git", "listen", CONF_STRING, AT(listen), "0.0.0.0", 1, 64, "address for ssh"},
    {"git", "port", CONF_INT, AT(port), "2222", 1, 65535, "port for ssh"},
    {"git", "login", CONF_STRING, AT(login), "git", 1, 32,
     "name in front of the @; no user of this host has to have it"},
    {"git", "sshd", CONF_PATH, AT(sshd), "/usr/sbin/sshd", 0, 0, "OpenSSH's server"},
    {"git", "push_max_mb", CONF_INT, AT(push_max_mb), "512", 1, 65536, "largest pack that a push may bring"},
    {"git", "repository_max_mb", CONF_INT, AT(repository_max_mb), "1024", 1, 1048576,
     "largest repository of a service"},
    {"git", "session_seconds", CONF_INT, AT(session_seconds), "2400", 1, 86400,
     "a clone or a push that takes longer is ended"},
    {0},
};

/* Paths stand in ssh's files, where quotes, backslashes and line ends would mean something. */
static int check_path(const char *key, const char *s, struct err *e)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-";
    return s[0] == '/' && strspn(s, allowed) == strlen(s)
               ? 0
               : err_set(e, ERR_INVALID, "%s must be an absolute path of [A-Za-z0-9/._+-]", key);
}

static int check(const struct git_config *c, struct err *e)
{
    int r = check_path("socket", c->socket, e);
    if (r < 0 || (r = check_path("dir", c->dir, e)) < 0 || (r = check_path("sshd", c->sshd, e)) < 0 ||
        (r = check_path("the configuration's name", c->path, e)) < 0 ||
        (r = name_check_user(c->login, e)) < 0) {
        return r;
    }
    return strspn(c->listen, "0123456789abcdefABCDEF.:") == strlen(c->listen)
               ? 0
               : err_set(e, ERR_INVALID, "listen must be a numeric address");
}

int git_config_load(const char *path, struct git_config *ret, struct err *e)
{
    struct git_config c = {0};
    int r = conf_load(path, keys, &c, e);
    if (r < 0) {
        return r;
    }
    c.path = xstrdup(path);
    r = check(&c, e);
    if (r < 0) {
        git_config_done(&c);
        return err_wrap(e, r, "%s", path);
    }
    *ret = c;
    return 0;
}

void git_config_done(struct git_config *c)
{
    free(c->path);
    conf_free(keys, c);
    *c = (struct git_config){0};
}

void git_config_dump(FILE *out)
{
    conf_dump(keys, out);
}
