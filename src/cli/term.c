#include "cli/term.h"

#include <locale.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <wchar.h>

#include "base/clock.h"

#define SECRET_MAX 1024

static bool locale_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *v = getenv(names[i]);
        if (v && *v) {
            return strcasestr(v, "utf-8") || strcasestr(v, "utf8");
        }
    }
    return false;
}

static int columns_of(FILE *f)
{
    int64_t n = 0;
    const char *v = getenv("COLUMNS");
    if (v && str_to_int(v, 40, 1000, &n) == 0) {
        return (int)n;
    }
    struct winsize w;
    if (isatty(fileno(f)) && ioctl(fileno(f), TIOCGWINSZ, &w) == 0 && w.ws_col >= 40) {
        return w.ws_col;
    }
    return 80;
}

void term_init(struct term *t)
{
    const char *plain = getenv("NO_COLOR"), *name = getenv("TERM");
    bool colour = !(plain && *plain) && name && !str_eq(name, "dumb");
    *t = (struct term){.in = stdin, .out = stdout, .err = stderr};
    t->in_tty = isatty(STDIN_FILENO);
    t->out_tty = isatty(STDOUT_FILENO);
    t->err_tty = isatty(STDERR_FILENO);
    t->out_colour = t->out_tty && colour;
    t->err_colour = t->err_tty && colour;
    t->utf8 = locale_is_utf8();
    t->width = columns_of(stdout);
}

int64_t term_now(const struct term *t)
{
    return t->now_ms ? t->now_ms : clock_wall_ms();
}

const char *term_on(const struct term *t, bool err, enum term_colour c)
{
    static const char *const codes[] = {
        [COLOUR_NONE] = "",        [COLOUR_OK] = "\033[32m", [COLOUR_BUSY] = "\033[36m",
        [COLOUR_BAD] = "\033[31m", [COLOUR_OFF] = "\033[2m", [COLOUR_BOLD] = "\033[1m",
    };
    return (err ? t->err_colour : t->out_colour) ? codes[c] : "";
}

const char *term_off(const struct term *t, bool err)
{
    return (err ? t->err_colour : t->out_colour) ? "\033[0m" : "";
}

const char *term_mark(const struct term *t, bool ok)
{
    return t->utf8 ? (ok ? "✓" : "✗") : (ok ? "+" : "x");
}

/* ---- text ---- */

/* One character of UTF-8; its length, or 0 when the bytes are none. */
static int decode(const unsigned char *s, uint32_t *ret)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t min;
    } kinds[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (int n = 0; n < 4; n++) {
        if ((s[0] & kinds[n].mask) != kinds[n].lead) {
            continue;
        }
        uint32_t c = s[0] & (unsigned char)~kinds[n].mask;
        for (int i = 1; i <= n; i++) {
            if ((s[i] & 0xc0) != 0x80) {
                return 0;
            }
            c = c << 6 | (s[i] & 0x3f);
        }
        *ret = c;
        return c >= kinds[n].min && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) ? n + 1 : 0;
    }
    return 0;
}

static bool is_harmful(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

void term_safe(struct buf *out, const char *text, bool keep_lines)
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        uint32_t c = 0;
        int n = decode(s, &c);
        bool kept = n > 0 && (!is_harmful(c) || (keep_lines && (c == '\n' || c == '\t')));
        if (kept) {
            buf_add(out, s, (size_t)n);
        } else {
            buf_addc(out, '?');
        }
        s += n > 0 ? n : 1;
    }
    buf_adds(out, "");
}

static int char_columns(uint32_t c)
{
    bool wide = (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
                (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
                (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
                (c >= 0x1f300 && c <= 0x1faff) || (c >= 0x20000 && c <= 0x3fffd);
    bool none = (c >= 0x300 && c <= 0x36f) || (c >= 0x200b && c <= 0x200d) || (c >= 0xfe00 && c <= 0xfe0f);
    return none ? 0 : wide ? 2 : 1;
}

int term_columns(const char *text)
{
    int columns = 0;
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        uint32_t c = 0;
        int n = decode(s, &c);
        columns += n > 0 ? char_columns(c) : 1;
        s += n > 0 ? n : 1;
    }
    return columns;
}

/* Appends as many characters as fit into `room`; returns the columns used. */
static int add_part(struct buf *out, const char *text, int room)
{
    int used = 0;
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        uint32_t c = 0;
        int n = decode(s, &c), w = n > 0 ? char_columns(c) : 1;
        n = n > 0 ? n : 1;
        if (used + w > room) {
            break;
        }
        buf_add(out, s, (size_t)n);
        used += w;
        s += n;
    }
    return used;
}

void term_fit(const struct term *t, struct buf *out, const char *text, int columns, bool right)
{
    int have = term_columns(text);
    if (have <= columns) {
        buf_addf(out, "%*s%s%*s", right ? columns - have : 0, "", text, right ? 0 : columns - have, "");
        return;
    }
    const char *dots = t->utf8 ? "…" : columns >= 8 ? ".." : ".";
    int w = t->utf8 ? 1 : (int)strlen(dots);
    int used = add_part(out, text, columns - w);
    buf_addf(out, "%s%*s", dots, columns - w - used, "");
}

/* Bytes of the spaces and the word that text begins with; with `usage` "[--lines N]" is one. */
static size_t word_length(const char *text, bool usage)
{
    size_t n = strspn(text, " ");
    for (int depth = 0; text[n] && (text[n] != ' ' || (usage && depth > 0)); n++) {
        depth += (text[n] == '[') - (text[n] == ']');
    }
    return n;
}

static void wrap(const struct term *t, FILE *out, const char *text, int at, int indent, bool usage)
{
    bool first = true;
    while (*text) {
        size_t n = word_length(text, usage);
        _cleanup_free_ char *word = xstrndup(text, n);
        const char *shown = word;
        if (!first && at + term_columns(word) > t->width) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
            shown += strspn(word, " ");
        }
        fputs(shown, out);
        at += term_columns(shown);
        first = false;
        text += n;
    }
    fputc('\n', out);
}

void term_wrap(const struct term *t, FILE *out, const char *text, int at, int indent)
{
    wrap(t, out, text, at, indent, false);
}

void term_wrap_usage(const struct term *t, FILE *out, const char *text, int at, int indent)
{
    wrap(t, out, text, at, indent, true);
}

/* ---- questions ---- */

bool term_confirm(struct term *t, const char *question)
{
    if (!t->in_tty || !t->err_tty) {
        return true;
    }
    fprintf(t->err, "%s [y/N] ", question);
    fflush(t->err);
    _cleanup_free_ char *line = NULL;
    size_t cap = 0;
    return getline(&line, &cap, t->in) > 0 && (line[0] == 'y' || line[0] == 'Y');
}

static int read_line(struct term *t, char **ret, struct err *e)
{
    size_t cap = SECRET_MAX, len = 0;
    char *line = xmalloc(cap);
    int c;
    while ((c = getc(t->in)) != EOF && c != '\n' && len < cap - 1) {
        line[len++] = (char)c;
    }
    line[len] = '\0';
    if (c == EOF && len == 0) {
        free(line);
        return err_set(e, ERR_INVALID, "the input ended before the answer");
    }
    *ret = line;
    return 0;
}

int term_secret(struct term *t, const char *prompt, char **ret, struct err *e)
{
    if (!t->in_tty) {
        return read_line(t, ret, e);
    }
    struct termios old, quiet;
    fprintf(t->err, "%s: ", prompt);
    fflush(t->err);
    if (tcgetattr(fileno(t->in), &old) < 0) {
        return err_set(e, ERR_INVALID, "the terminal cannot be read without showing what is typed");
    }
    quiet = old;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(fileno(t->in), TCSAFLUSH, &quiet);
    int r = read_line(t, ret, e);
    tcsetattr(fileno(t->in), TCSAFLUSH, &old);
    fputc('\n', t->err);
    return r;
}

int term_secret_lines(struct term *t, const char *prompt, size_t max, char **ret, struct err *e)
{
    if (t->in_tty) {
        return term_secret(t, prompt, ret, e);
    }
    char *text = xmalloc(max + 2);
    size_t n = fread(text, 1, max + 1, t->in);
    n -= n > 0 && text[n - 1] == '\n';
    text[n] = '\0';
    int r = strlen(text) < n ? err_set(e, ERR_INVALID, "%s contains a zero byte", prompt)
            : n > max        ? err_set(e, ERR_INVALID, "%s is longer than %zu bytes", prompt, max - 1)
                             : 0;
    if (r < 0) {
        mem_wipe(text, n);
        free(text);
        return r;
    }
    *ret = text;
    return 0;
}

int term_ask(struct term *t, const char *prompt, char **ret, struct err *e)
{
    if (!t->in_tty) {
        return err_set(e, ERR_INVALID, "%s is not given, and there is no terminal to ask on", prompt);
    }
    fprintf(t->err, "%s: ", prompt);
    fflush(t->err);
    return read_line(t, ret, e);
}

/* ---- figures ---- */

char *term_duration(int64_t ms)
{
    int64_t s = ms / 1000;
    if (ms < 60000) {
        return str_printf("%lld.%lld s", (long long)s, (long long)(ms % 1000 / 100));
    }
    return s < 3600 ? str_printf("%lld min %lld s", (long long)(s / 60), (long long)(s % 60))
                    : str_printf("%lld h %lld min", (long long)(s / 3600), (long long)(s / 60 % 60));
}

char *term_age(int64_t then_ms, int64_t now_ms)
{
    int64_t s = now_ms > then_ms ? (now_ms - then_ms) / 1000 : 0;
    static const struct {
        int64_t below, unit;
        const char *word;
    } steps[] = {{120, 1, "s"}, {7200, 60, "min"}, {172800, 3600, "h"}, {INT64_MAX, 86400, "d"}};
    size_t i = 0;
    while (s >= steps[i].below) {
        i++;
    }
    return str_printf("%lld %s", (long long)(s / steps[i].unit), steps[i].word);
}

char *term_number(int64_t n)
{
    _cleanup_free_ char *digits =
        str_printf("%llu", n < 0 ? 0ULL - (unsigned long long)n : (unsigned long long)n);
    struct buf b = {0};
    if (n < 0) {
        buf_addc(&b, '-');
    }
    size_t len = strlen(digits);
    for (size_t i = 0; i < len; i++) {
        buf_addf(&b, "%s%c", i > 0 && (len - i) % 3 == 0 ? "," : "", digits[i]);
    }
    return buf_take(&b);
}

char *term_milli(int64_t n)
{
    _cleanup_free_ char *whole = term_number(n / 1000);
    int64_t part = (n < 0 ? -n : n) % 1000;
    const char *sign = n < 0 && n > -1000 ? "-" : "";
    if (part == 0) {
        return str_printf("%s%s", sign, whole);
    }
    char *s = str_printf("%s%s.%03lld", sign, whole, (long long)part);
    for (size_t len = strlen(s); s[len - 1] == '0'; len--) {
        s[len - 1] = '\0';
    }
    return s;
}

char *term_bytes(int64_t n)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    if (n < 1000) {
        return str_printf("%lld B", (long long)n);
    }
    double v = (double)n / 1000;
    size_t i = 0;
    for (; v >= 999.5 && i + 1 < ARRAY_LEN(units); i++) {
        v /= 1000;
    }
    return str_printf(v < 9.95 ? "%.1f %s" : "%.0f %s", v, units[i]);
}

char *term_time(int64_t wall_ms)
{
    time_t s = (time_t)(wall_ms / 1000);
    struct tm tm;
    localtime_r(&s, &tm);
    char text[32];
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
    return xstrdup(text);
}
