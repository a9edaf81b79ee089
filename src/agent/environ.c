#include "agent/environ.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static const char *const always[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                     "LANG=C.UTF-8"};

static bool names(const char *word, const char *name)
{
    size_t n = strlen(name);
    return strncmp(word, name, n) == 0 && word[n] == '=';
}

static bool is_there(char *const *env, const char *name)
{
    for (; *env; env++) {
        if (names(*env, name)) {
            return true;
        }
    }
    return false;
}

char **environ_new(const json_t *env, const char *const *more)
{
    const char *name;
    json_t *value;
    size_t n = 0, n_more = 0;
    while (more && more[n_more]) {
        n_more++;
    }
    char **all = xcalloc(n_more + json_object_size(env) + ARRAY_LEN(always) + 1, sizeof(*all));
    for (size_t i = 0; i < n_more; i++) {
        all[n++] = xstrdup(more[i]);
    }
    json_object_foreach((json_t *)env, name, value)
    {
        if (json_is_string(value) && !is_there(all, name) && !str_eq(name, "PATH")) {
            all[n++] = str_printf("%s=%s", name, json_string_value(value));
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(always); i++) {
        _cleanup_free_ char *of = xstrndup(always[i], strcspn(always[i], "="));
        if (!is_there(all, of)) {
            all[n++] = xstrdup(always[i]);
        }
    }
    return all;
}

void environ_free(char **env)
{
    for (char **v = env; v && *v; v++) {
        mem_wipe(*v, strlen(*v));
        free(*v);
    }
    free(env);
}
