#include "git/command.h"

#include <string.h>

#include "base/str.h"

static const struct {
    const char *words;
    enum git_service service;
} programs[] = {
    {"git-upload-pack ", GIT_UPLOAD_PACK},
    {"git upload-pack ", GIT_UPLOAD_PACK},
    {"git-receive-pack ", GIT_RECEIVE_PACK},
    {"git receive-pack ", GIT_RECEIVE_PACK},
};

static int take_name(const char *s, char *ret, size_t size, struct err *e)
{
    size_t n = strlen(s);
    if (n < 3 || s[0] != '\'' || s[n - 1] != '\'' || memchr(s + 1, '\'', n - 2) || s[1] == '-' ||
        n - 2 >= size) {
        return err_set_hint(e, ERR_INVALID, "`conpaas git show SERVICE` prints what to clone",
                            "this is no name of a repository");
    }
    memcpy(ret, s + 1, n - 2);
    ret[n - 2] = '\0';
    return 0;
}

int git_command_parse(const char *text, struct git_command *ret, struct err *e)
{
    static const char hint[] = "git clone, git fetch and git push work here";
    if (!text || !*text) {
        return err_set_hint(e, ERR_FORBIDDEN, hint, "your key is known, but there is no shell here");
    }
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        if (str_starts(text, programs[i].words)) {
            struct git_command c = {.service = programs[i].service};
            int r = take_name(text + strlen(programs[i].words), c.name, sizeof(c.name), e);
            if (r == 0) {
                *ret = c;
            }
            return r;
        }
    }
    return err_set_hint(e, ERR_FORBIDDEN, hint, "this command is not allowed here");
}

int git_session_parse(const char *text, struct git_session *ret, struct err *e)
{
    static const char word[] = "session ";
    const char *key = text + strlen(word);
    const char *space = str_starts(text, word) ? strchr(key, ' ') : NULL;
    space = space ? strchr(space + 1, ' ') : NULL;
    if (!space || space[1] != '/') {
        return err_set(e, ERR_FORBIDDEN, "this program is started by conpaas-git's own sshd only");
    }
    struct git_session s = {.config = space + 1};
    _cleanup_free_ char *line = xstrndup(key, (size_t)(space - key));
    int r = ssh_key_parse(line, &s.key, e);
    if (r == 0) {
        *ret = s;
    }
    return r;
}

char *git_session_line(const struct ssh_key *key, const char *config)
{
    return str_printf("restrict,command=\"session %s %s %s\" %s %s\n", key->type, key->body, config,
                      key->type, key->body);
}
