/*
 * Common members of sections.
 */
#include "role/section.h"

#include <arpa/inet.h>

bool section_is_ipv4(const char *s)
{
    struct in_addr a;
    return s && inet_pton(AF_INET, s, &a) == 1;
}

struct section_raw_target {
    int64_t id, port, weight;
    const char *address;
};

static const struct json_field section_target_fields[] = {
    {.name = "id",
     .kind = JSON_F_INT,
     .offset = offsetof(struct section_raw_target, id),
     .required = true,
     .min = 1,
     .max = INT64_MAX},
    {.name = "address",
     .kind = JSON_F_STRING,
     .offset = offsetof(struct section_raw_target, address),
     .required = true,
     .max = 15},
    {.name = "port",
     .kind = JSON_F_INT,
     .offset = offsetof(struct section_raw_target, port),
     .required = true,
     .min = 1,
     .max = 65535},
    {.name = "weight",
     .kind = JSON_F_INT,
     .offset = offsetof(struct section_raw_target, weight),
     .min = 1,
     .max = 256},
    {0},
};

int section_target(const json_t *j, const char *what, struct section_target *ret, struct err *e)
{
    struct section_raw_target raw = {.weight = 100};
    int r = json_read(j, section_target_fields, &raw, e);
    if (r < 0) {
        return err_wrap(e, r, "%s", what);
    }
    if (!section_is_ipv4(raw.address)) {
        return err_set(e, ERR_INVALID, "%s: \"%s\" is no IPv4 address", what, raw.address);
    }
    *ret = (struct section_target){.id = raw.id, .port = (int)raw.port, .weight = (int)raw.weight};
    (void)str_copy(ret->address, sizeof(ret->address), raw.address);
    return 0;
}

int section_targets(const json_t *j, const char *what, struct section_targets *ret, struct err *e)
{
    struct section_targets t = {0};
    if (j && !json_is_array(j)) {
        return err_set(e, ERR_INVALID, "%s is no list", what);
    }
    if (json_array_size(j) > SECTION_TARGETS_MAX) {
        return err_set(e, ERR_INVALID, "%s: more than %d targets", what, SECTION_TARGETS_MAX);
    }
    for (size_t i = 0; i < json_array_size(j); i++) {
        int r = section_target(json_array_get(j, i), what, &t.at[t.n], e);
        if (r < 0) {
            return r;
        }
        for (int k = 0; k < t.n; k++) {
            if (t.at[k].id == t.at[t.n].id) {
                return err_set(e, ERR_INVALID, "%s: node %lld is named twice", what, (long long)t.at[k].id);
            }
        }
        t.n++;
    }
    *ret = t;
    return 0;
}

void section_versions_add(struct section_versions *v, int64_t version)
{
    int at = 0;
    while (at < v->n && v->at[at] < version) {
        at++;
    }
    if ((at < v->n && v->at[at] == version) || v->n == SECTION_VERSIONS_MAX) {
        return;
    }
    memmove(&v->at[at + 1], &v->at[at], (size_t)(v->n - at) * sizeof(v->at[0]));
    v->at[at] = version;
    v->n++;
}

int section_versions(const json_t *j, struct section_versions *ret, struct err *e)
{
    struct section_versions v = {0};
    if (j && !json_is_array(j)) {
        return err_set(e, ERR_INVALID, "versions is no list");
    }
    if (json_array_size(j) > SECTION_VERSIONS_MAX - 1) {
        return err_set(e, ERR_INVALID, "versions: more than %d", SECTION_VERSIONS_MAX - 1);
    }
    for (size_t i = 0; i < json_array_size(j); i++) {
        const json_t *one = json_array_get(j, i);
        if (!json_is_integer(one) || json_integer_value(one) < 1) {
            return err_set(e, ERR_INVALID, "versions: a version is a positive number");
        }
        section_versions_add(&v, json_integer_value(one));
    }
    *ret = v;
    return 0;
}

bool section_versions_equal(const struct section_versions *a, const struct section_versions *b)
{
    return a->n == b->n && memcmp(a->at, b->at, (size_t)a->n * sizeof(a->at[0])) == 0;
}

void section_environment(const json_t *env, struct buf *out)
{
    if (json_object_size(env) == 0) {
        return;
    }
    char *text = json_canonical(env), hash[SHA256_HEX];
    sha256_hex(text, strlen(text), hash);
    buf_addf(out, "; environment %s\n", hash);
    mem_wipe(text, strlen(text));
    free(text);
}
