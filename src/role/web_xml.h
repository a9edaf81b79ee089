/*
 * Which paths of a Java web application its WEB-INF/web.xml says something about: servlets, filters, security
 * constraints, property groups of pages.  A file that one of its url-patterns covers is not simply sent: the
 * servlet engine decides.  (What annotations in classes say is not seen here.)
 */
#pragma once

#include "base/str.h"

#define WEB_XML_PATTERNS_MAX 2000

struct web_xml {
    int n;
    char **pattern; /* as the servlet specification has them: "/x", "/x/...", "*.x" (with '*'), "/" */
};
void web_xml_done(struct web_xml *w);
/* Reads the text; more patterns than the limit, or one that ends nowhere, count as "everything". */
void web_xml_read(const char *text, struct web_xml *ret);
/* path: "/images/a.png", without the version. */
bool web_xml_covers(const struct web_xml *w, const char *path);
