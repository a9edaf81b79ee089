/*
 * No XML parser: the text of each url-pattern element is all that is looked for.  Comments are skipped; whatever
 * is odd makes more paths go to the servlet engine, which is right for all of them.
 */
#include "role/web_xml.h"

#include <ctype.h>
#include <string.h>

static const char web_xml_element[] = "url-pattern";

void web_xml_done(struct web_xml *w)
{
    for (int i = 0; i < w->n; i++) {
        free(w->pattern[i]);
    }
    free(w->pattern);
    *w = (struct web_xml){0};
}

static void web_xml_add(struct web_xml *w, const char *from, size_t n)
{
    while (n > 0 && isspace((unsigned char)*from)) {
        from++;
        n--;
    }
    while (n > 0 && isspace((unsigned char)from[n - 1])) {
        n--;
    }
    bool odd = n == 0 || w->n >= WEB_XML_PATTERNS_MAX || memchr(from, '&', n) || memchr(from, '<', n);
    w->pattern = xreallocarray(w->pattern, (size_t)w->n + 1, sizeof(*w->pattern));
    w->pattern[w->n++] = odd ? xstrdup("/*") : xstrndup(from, n);
}

/* A start tag of the element at p ("<url-pattern" or "<x:url-pattern"): its end, or NULL. */
static const char *web_xml_start(const char *p)
{
    const char *name = p + 1;
    size_t n = strcspn(name, " \t\r\n/>:");
    if (name[n] == ':') {
        name += n + 1;
        n = strcspn(name, " \t\r\n/>");
    }
    if (n != sizeof(web_xml_element) - 1 || strncmp(name, web_xml_element, n) != 0) {
        return NULL;
    }
    const char *end = strchr(name, '>');
    return end ? end + 1 : name + strlen(name);
}

void web_xml_read(const char *text, struct web_xml *ret)
{
    struct web_xml w = {0};
    for (const char *p = strchr(text, '<'); p && w.n <= WEB_XML_PATTERNS_MAX; p = strchr(p, '<')) {
        if (str_starts(p, "<!--")) {
            const char *end = strstr(p, "-->");
            p = end ? end + 3 : p + strlen(p);
            continue;
        }
        const char *from = web_xml_start(p);
        if (!from) {
            p++;
            continue;
        }
        const char *end = strstr(from, "</");
        web_xml_add(&w, from, end ? (size_t)(end - from) : 0);
        p = end ? end : from;
    }
    *ret = w;
}

static bool web_xml_matches(const char *pattern, const char *path)
{
    size_t n = strlen(pattern);
    if (str_eq(pattern, "/") || str_eq(pattern, "/*") || str_eq(pattern, "*")) {
        return true;
    }
    if (pattern[0] == '*') {
        return str_ends(path, pattern + 1);
    }
    if (n >= 2 && pattern[n - 2] == '/' && pattern[n - 1] == '*') {
        return strncmp(path, pattern, n - 1) == 0 ||
               (strncmp(path, pattern, n - 2) == 0 && path[n - 2] == '\0');
    }
    if (pattern[0] != '/' && pattern[0] != '\0') { /* "x" of an old descriptor means "/x" */
        return path[0] == '/' && str_eq(pattern, path + 1);
    }
    return str_eq(pattern, path);
}

bool web_xml_covers(const struct web_xml *w, const char *path)
{
    for (int i = 0; i < w->n; i++) {
        if (web_xml_matches(w->pattern[i], path)) {
            return true;
        }
    }
    return false;
}
