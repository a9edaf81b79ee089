#include "cli/doctor.h"

#define DOCTOR_COLUMN 14

static const char *const finding_level_table[FINDING_MAX] = {
    [FINDING_OK] = "ok", [FINDING_WARN] = "warning", [FINDING_BAD] = "bad"};
STR_TABLE_DEFINE(finding_level, enum finding_level, FINDING_MAX);

void finding_set(struct finding *f, enum finding_level level, char *what, char *mend)
{
    free(f->what);
    free(f->mend);
    *f = (struct finding){.level = level, .what = what, .mend = mend};
}

/* A line that is too long goes on below its beginning, as further lines do. at: columns that are used up. */
static void print_lines(const struct term *t, const char *text, int at)
{
    char **lines = str_split(text, '\n');
    for (char **l = lines; *l; l++) {
        fprintf(t->out, "%*s", l == lines ? 0 : DOCTOR_COLUMN, "");
        term_wrap(t, t->out, *l + strspn(*l, " "), l == lines ? at : DOCTOR_COLUMN, DOCTOR_COLUMN);
    }
    strv_free(lines);
}

void doctor_print(const struct term *t, const char *name, const struct finding *f)
{
    static const enum term_colour colours[FINDING_MAX] = {
        [FINDING_OK] = COLOUR_OK, [FINDING_WARN] = COLOUR_BUSY, [FINDING_BAD] = COLOUR_BAD};
    const char *mark = f->level == FINDING_WARN ? "!" : term_mark(t, f->level == FINDING_OK);
    struct buf what = {0}, mend = {0};
    term_safe(&what, f->what, true);
    term_safe(&mend, f->mend ? f->mend : "", true);
    fprintf(t->out, "%s%s%s %-11s ", term_on(t, false, colours[f->level]), mark, term_off(t, false), name);
    print_lines(t, what.data, DOCTOR_COLUMN);
    if (mend.len) {
        fprintf(t->out, "%*smend: ", DOCTOR_COLUMN, "");
        print_lines(t, mend.data, DOCTOR_COLUMN + (int)strlen("mend: "));
    }
    buf_done(&what);
    buf_done(&mend);
}

int doctor_run(struct cli *cli, char *const *words, struct err *e)
{
    if (words[0]) {
        return err_set(e, ERR_INVALID, "doctor takes no argument \"%.60s\"", words[0]);
    }
    int count[FINDING_MAX] = {0};
    _cleanup_json_ json_t *all = json_array();
    for (const struct doctor_check *c = doctor_checks; c->name; c++) {
        struct finding f = {.level = FINDING_OK};
        c->look(cli, &f);
        count[f.level]++;
        if (cli->json) {
            json_array_append_new(all,
                                  json_pack("{s:s,s:s,s:s,s:s?}", "check", c->name, "level",
                                            finding_level_to_str(f.level), "found", f.what, "mend", f.mend));
        } else if (!cli->quiet || f.level == FINDING_BAD) {
            doctor_print(&cli->term, c->name, &f);
        }
        finding_set(&f, FINDING_OK, NULL, NULL);
    }
    if (cli->json) {
        cli_print_json(cli, all);
    } else if (!cli->quiet) {
        fprintf(cli->term.out, "%s\n",
                count[FINDING_BAD]
                    ? "This machine cannot run ConPaaS yet: mend what is marked, then try again."
                : count[FINDING_WARN] ? "This machine can run ConPaaS; look at what is marked."
                                      : "This machine can run ConPaaS.");
    }
    return count[FINDING_BAD] > 0;
}
