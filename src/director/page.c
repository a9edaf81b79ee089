/*
 * Static files from web_dir, found beneath it without following links.  The headers allow the page its own
 * files and nothing else.
 */
#include "director/page.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"

static const struct {
    const char *suffix, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".txt", "text/plain; charset=utf-8"},
    {".map", "application/json"},
};

static const char welcome[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>ConPaaS</title></head><body>\n"
    "<h1>ConPaaS</h1>\n<p>This is the director of a ConPaaS installation.</p>\n"
    "<p>The API answers at <a href=\"/v1/version\">/v1/version</a>; the certificate authority is at"
    " <a href=\"/v1/ca\">/v1/ca</a>.</p>\n"
    "<p>On the command line: <code>conpaas login URL</code>, then <code>conpaas "
    "--help</code>.</p>\n</body></html>\n";

static void strict_headers(struct http_request *req)
{
    http_set_header(
        req, "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
        " connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'");
    http_set_header(req, "Referrer-Policy", "no-referrer");
    http_set_header(req, "X-Frame-Options", "DENY");
    http_set_header(req, "Cross-Origin-Opener-Policy", "same-origin");
    http_set_header(req, "Cross-Origin-Resource-Policy", "same-origin");
    http_set_header(req, "Strict-Transport-Security", "max-age=31536000");
}

static const char *type_of(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_ends(path, types[i].suffix)) {
            return types[i].type;
        }
    }
    return NULL;
}

/* -1 when there is no such regular file of a known kind. */
static int open_file(const struct director *d, const char *rel)
{
    _cleanup_close_ int dir = open(d->config.web_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 || !type_of(rel)) {
        return -1;
    }
    _cleanup_close_ int fd = fs_open_beneath(dir, rel, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0, NULL);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        return -1;
    }
    return TAKE_FD(fd);
}

int page_handle(struct director *d, struct http_request *req, struct err *e)
{
    const char *path = http_path(req);
    bool get = str_eq(http_method(req), "GET") || str_eq(http_method(req), "HEAD");
    if (!get) {
        return err_set_hint(e, ERR_METHOD, "GET", "only the API changes anything");
    }
    strict_headers(req);
    const char *rel = str_eq(path, "/") ? "index.html" : path + 1;
    int fd = d->config.web_dir && *d->config.web_dir ? open_file(d, rel) : -1;
    if (fd >= 0) {
        http_set_header(req, "Cache-Control", "no-cache");
        return http_reply_file(req, fd, type_of(rel), NULL);
    }
    if (str_eq(path, "/")) {
        return http_reply_text(req, 200, "text/html; charset=utf-8", welcome);
    }
    return err_set(e, ERR_NOT_FOUND, "there is nothing at this address");
}
