/*
 * Walks a staged version by descriptors; links to directories are not followed, links to files are.
 */
#include "role/paths.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "role/quote.h"
#include "role/web_xml.h"

#define PATHS_WEB_XML_MAX (4 << 20)
#define PATHS_DEPTH_MAX 64

struct paths {
    struct buf *out;
    struct buf at;   /* path of the present directory, "/5/sub" */
    size_t root_len; /* of "/5" */
    enum paths_kind kind;
    struct web_xml web_xml;
    int entries;
};

static void paths_closedir(DIR **d)
{
    if (*d) {
        closedir(*d);
    }
}

static void paths_line(struct paths *p, const char *name, const char *end, char kind)
{
    quote_url(p->out, p->at.data);
    if (name) {
        buf_adds(p->out, "%2F");
        quote_url(p->out, name);
    }
    buf_addf(p->out, "%s %c\n", end, kind);
    p->entries++;
}

static int paths_dir(struct paths *p, int fd, int depth, struct err *e);

static int paths_subdir(struct paths *p, int dir, const char *name, int depth, struct err *e)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOTDIR || errno == ELOOP
                   ? 0
                   : err_errno(e, errno, "cannot open %s/%s", p->at.data, name);
    }
    size_t len = p->at.len;
    if (p->kind == PATHS_PHP) {
        paths_line(p, name, "", 'd');
    }
    buf_addf(&p->at, "/%s", name);
    int r = paths_dir(p, fd, depth + 1, e);
    p->at.len = len;
    p->at.data[len] = '\0';
    return r;
}

static void paths_php_file(struct paths *p, const char *name, bool *html, bool *php)
{
    *html = *html || str_eq(name, "index.html");
    *php = *php || str_eq(name, "index.php");
    paths_line(p, name, "", str_ends(name, ".php") ? 'p' : 's');
}

static bool paths_is_page(const char *name)
{
    static const char *const pages[] = {".jsp", ".jspx", ".jspf", ".tag", ".tagx", ".tld", ".class", ".jar"};
    size_t n = strlen(name);
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        size_t k = strlen(pages[i]);
        if (n >= k && strcasecmp(name + n - k, pages[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void paths_java_file(struct paths *p, const char *name)
{
    _cleanup_free_ char *path = str_printf("%s/%s", p->at.data + p->root_len, name);
    if (!paths_is_page(name) && !web_xml_covers(&p->web_xml, path)) {
        paths_line(p, name, "", 's');
    }
}

static bool paths_is_private(const struct paths *p, const char *name)
{
    return p->kind == PATHS_JAVA && p->at.len == p->root_len &&
           (strcasecmp(name, "WEB-INF") == 0 || strcasecmp(name, "META-INF") == 0);
}

static int paths_entry(struct paths *p, int dir, const struct dirent *d, int depth, bool *html, bool *php,
                       struct err *e)
{
    struct stat st;
    if (d->d_name[0] == '.' || paths_is_private(p, d->d_name) || fstatat(dir, d->d_name, &st, 0) != 0) {
        return 0; /* hidden, or a link that leads nowhere */
    }
    if (p->entries >= PATHS_MAX) {
        return err_set(e, ERR_TOO_LARGE, "the version has more than %d files", PATHS_MAX);
    }
    if (S_ISDIR(st.st_mode)) {
        return paths_subdir(p, dir, d->d_name, depth, e);
    }
    if (S_ISREG(st.st_mode) && p->kind == PATHS_PHP) {
        paths_php_file(p, d->d_name, html, php);
    } else if (S_ISREG(st.st_mode)) {
        paths_java_file(p, d->d_name);
    }
    return 0;
}

/* Takes fd over. */
static int paths_dir(struct paths *p, int fd, int depth, struct err *e)
{
    _cleanup_(paths_closedir) DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return err_errno(e, errno, "cannot read %s", p->at.data);
    }
    if (depth > PATHS_DEPTH_MAX) {
        return err_set(e, ERR_INVALID, "directories of the version are nested too deeply");
    }
    bool html = false, php = false;
    struct dirent *entry;
    while ((entry = readdir(d))) {
        int r = paths_entry(p, dirfd(d), entry, depth, &html, &php, e);
        if (r < 0) {
            return r;
        }
    }
    if (html || php) {
        paths_line(p, NULL, "%2F", html ? 'h' : 'i');
    }
    return 0;
}

/* One that cannot be read whole says something about everything, for all we know. */
static void paths_web_xml(const char *root, struct web_xml *ret)
{
    _cleanup_free_ char *path = str_printf("%s/WEB-INF/web.xml", root);
    _cleanup_buf_ struct buf text = {0};
    int r = fs_read(path, PATHS_WEB_XML_MAX, &text, NULL);
    bool odd = (r < 0 && fs_exists(path)) || (text.data && strlen(text.data) != text.len);
    web_xml_read(odd ? "<url-pattern>/*</url-pattern>" : text.data ? text.data : "", ret);
}

int paths_add(struct buf *out, enum paths_kind kind, const char *code_dir, int64_t version, struct err *e)
{
    _cleanup_buf_ struct buf root = {0};
    buf_addf(&root, "%s/%lld", code_dir, (long long)version);
    int fd = open(root.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return err_errno(e, errno, "version %lld is not staged", (long long)version);
    }
    struct paths p = {.out = out, .kind = kind};
    buf_addf(&p.at, "/%lld", (long long)version);
    p.root_len = p.at.len;
    if (kind == PATHS_JAVA) {
        paths_web_xml(root.data, &p.web_xml);
    }
    int r = paths_dir(&p, fd, 0, e);
    buf_done(&p.at);
    web_xml_done(&p.web_xml);
    return r;
}
