/*
 * The table of paths of staged versions, for a proxy that cannot look at files: one line `KEY KIND` an entry,
 * as in a HAProxy map. KEY is "/VERSION/path" in percent-encoding (quote_url), so that any file name is one
 * word.
 *
 * Of PHP (PATHS_PHP):
 *   s  a file that web servers send       p  a PHP script
 *   d  a directory, asked for without its slash
 *   h  a directory (key ends in a slash) with index.html     i  one with index.php
 *
 * Of Java (PATHS_JAVA) only the files that web servers may send, "s": pages, WEB-INF, META-INF and what a pattern of
 * WEB-INF/web.xml covers belong to the servlet engine, as do directories.
 *
 * Names that begin with a dot are not in it, so that nobody ever gets them.
 */
#pragma once

#include <stdint.h>

#include "base/str.h"

#define PATHS_MAX 200000 /* entries of one version */

enum paths_kind { PATHS_PHP, PATHS_JAVA };

/* Appends the table of code_dir/version. A version that is not there is ERR_NOT_FOUND. */
int paths_add(struct buf *out, enum paths_kind kind, const char *code_dir, int64_t version,
              struct err *e) WARN_UNUSED;
