#include "cloud/sim_script.h"

#include "cloud/cloud.h"

#define RULES_MAX 256

struct sim_rule {
    enum sim_kind kind;
    int64_t nth; /* 0 = every call */
    enum sim_effect effect;
    int result;
};

static const char *const sim_kind_table[SIM_KIND_MAX] = {
    [SIM_CREATE] = "create", [SIM_FIND] = "find",           [SIM_LIST] = "list",
    [SIM_POLL] = "poll",     [SIM_TERMINATE] = "terminate",
};
STR_TABLE_DEFINE(sim_kind, enum sim_kind, SIM_KIND_MAX);

static const struct {
    const char *word;
    enum sim_effect effect;
    int result;
} effects[] = {
    {"late+", SIM_LATE, CLOUD_UNKNOWN},
    {"hang", SIM_HANG, 0},
    {"lose", SIM_LOSE, 0},
    {"lie", SIM_LIE, 0},
    {"ok", SIM_DO, 0},
};

static int parse_effect(const char *word, struct sim_rule *r)
{
    size_t n = strlen(word);
    bool plus = n > 0 && word[n - 1] == '+';
    _cleanup_free_ char *bare = xstrndup(word, plus ? n - 1 : n);

    for (size_t i = 0; i < ARRAY_LEN(effects); i++) {
        if (str_eq(effects[i].word, word)) {
            r->effect = effects[i].effect;
            r->result = effects[i].result;
            return 0;
        }
    }
    r->result = cloud_result_from_word(bare);
    r->effect = plus ? SIM_MAKE_AND_FAIL : SIM_FAIL;
    return r->result < 0 && str_eq(cloud_result_word(r->result), bare) ? 0 : ERR_INVALID;
}

/* "create:2=quota" */
static int parse_rule(const char *word, struct sim_rule *ret)
{
    const char *colon = strchr(word, ':'), *equal = colon ? strchr(colon, '=') : NULL;
    _cleanup_free_ char *kind = equal ? xstrndup(word, (size_t)(colon - word)) : NULL;
    _cleanup_free_ char *nth = equal ? xstrndup(colon + 1, (size_t)(equal - colon - 1)) : NULL;
    struct sim_rule r = {0};
    int k = kind ? sim_kind_from_str(kind) : -1;

    if (k < 0 || (!str_eq(nth, "*") && str_to_int(nth, 1, 1000000, &r.nth) < 0) ||
        parse_effect(equal + 1, &r) < 0) {
        return ERR_INVALID;
    }
    r.kind = (enum sim_kind)k;
    *ret = r;
    return 0;
}

int sim_script_parse(const char *text, struct sim_script *ret, struct err *e)
{
    struct sim_script s = {.rules = xcalloc(RULES_MAX, sizeof(struct sim_rule))};
    char **words = str_split(text, ' ');
    int r = 0;

    for (char **w = words; r == 0 && *w; w++) {
        if (!**w) {
            continue;
        }
        if (s.n == RULES_MAX || parse_rule(*w, &s.rules[s.n]) < 0) {
            r = err_set_hint(e, ERR_INVALID, "Write it like create:2=quota or list:*=retry.",
                             "the script's \"%s\" cannot be understood", *w);
        }
        s.n++;
    }
    strv_free(words);
    if (r < 0) {
        sim_script_done(&s);
        return r;
    }
    *ret = s;
    return 0;
}

void sim_script_done(struct sim_script *s)
{
    free(s->rules);
    *s = (struct sim_script){0};
}

enum sim_effect sim_script_next(struct sim_script *s, enum sim_kind kind, int *ret_result)
{
    int64_t nth = ++s->calls[kind];
    const struct sim_rule *found = NULL;

    for (size_t i = 0; i < s->n; i++) {
        const struct sim_rule *r = &s->rules[i];
        if (r->kind == kind && (r->nth == nth || (r->nth == 0 && !found))) {
            found = r;
            if (r->nth == nth) {
                break;
            }
        }
    }
    if (found && found->result < 0) {
        *ret_result = found->result;
    }
    return found ? found->effect : SIM_DO;
}
