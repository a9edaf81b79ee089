#include "model/ssh_key.h"

#include <string.h>

#include "base/str.h"

/* The body begins with its own type, so that its first letters are known (RFC 4253, section 6.6). DSA is too weak. */
static const struct {
    const char *type, *begins;
} types[] = {
    {"ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5"},
    {"ssh-rsa", "AAAAB3NzaC1yc2E"},
    {"ecdsa-sha2-nistp256", "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY"},
    {"ecdsa-sha2-nistp384", "AAAAE2VjZHNhLXNoYTItbmlzdHAzODQ"},
    {"ecdsa-sha2-nistp521", "AAAAE2VjZHNhLXNoYTItbmlzdHA1MjE"},
    {"sk-ssh-ed25519@openssh.com", "AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t"},
};

static bool is_base64(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    size_t pad = strspn(s + n, "=");
    return s[n + pad] == '\0' && pad <= 2 && (n + pad) % 4 == 0 && n >= 40;
}

/* Copies up to a blank or the end; returns where the next word begins. NULL: it does not fit. */
static const char *word(const char *s, char *ret, size_t size)
{
    size_t n = strcspn(s, " \t");
    if (n >= size) {
        return NULL;
    }
    memcpy(ret, s, n);
    ret[n] = '\0';
    return s + n + strspn(s + n, " \t");
}

static void copy_comment(const char *from, char to[SSH_KEY_COMMENT_MAX])
{
    size_t n = 0;
    for (; *from && n < SSH_KEY_COMMENT_MAX - 1; from++) {
        if (*from >= ' ' && *from < 127) { /* others print it */
            to[n++] = *from;
        }
    }
    to[n] = '\0';
}

int ssh_key_parse(const char *line, struct ssh_key *ret, struct err *e)
{
    struct ssh_key k = {.type = ""};
    const char *rest = word(line + strspn(line, " \t"), k.type, sizeof(k.type));
    rest = rest ? word(rest, k.body, sizeof(k.body)) : NULL;
    for (size_t i = 0; rest && i < sizeof(types) / sizeof(types[0]); i++) {
        if (str_eq(types[i].type, k.type) && str_starts(k.body, types[i].begins) && is_base64(k.body)) {
            copy_comment(rest, k.comment);
            *ret = k;
            return 0;
        }
    }
    return err_set_hint(e, ERR_INVALID, "give the .pub file of a key, as ssh-keygen -t ed25519 makes it",
                        "this is no public key");
}
