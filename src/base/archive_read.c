/*
 * The walk over an archive's members.
 */
#include "base/archive_read.h"

#include <archive.h>
#include <archive_entry.h>

#include "base/archive_names.h"
#include "base/archive_stream.h"

#define ARC_CHUNK 65536
#define ZIP_END_SIZE 22
#define ZIP_COMMENT_MAX 65535

struct arc_walker {
    struct archive *a;
    struct archive_limits limits;
    struct arc_rules rules;
    const struct arc_sink *sink;
    struct arc_names names;
    struct archive_info info;
    char *buffer;
    int64_t members_end; /* tar: where the header after the last member begins */
};

static int64_t arc_or(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

struct archive_limits arc_limits(const struct archive_limits *l)
{
    struct archive_limits zero = {0};
    l = l ? l : &zero;
    return (struct archive_limits){
        .max_bytes = arc_or(l->max_bytes, 2LL << 30),
        .max_file = arc_or(l->max_file, 1LL << 30),
        .max_members = arc_or(l->max_members, 200000),
        .max_depth = (int)arc_or(l->max_depth, 64),
        .max_name = (int)arc_or(l->max_name, 1024),
    };
}

static int arc_refuse(const char *raw, const char *why, struct err *e)
{
    _cleanup_free_ char *shown = arc_name_shown(raw ? raw : "");
    return err_set(e, ERR_INVALID, "member \"%s\": %s", shown, why);
}

/* ---- members ---- */

static int arc_file_member(struct arc_walker *w, struct archive_entry *entry, const char *path, struct err *e)
{
    const struct arc_sink *sink = w->sink;
    int64_t size = archive_entry_size(entry), got = 0;
    if (size < 0 || size > w->limits.max_file) {
        return arc_refuse(path, size < 0 ? "its size is negative" : "it is too large", e);
    }
    unsigned mode = (archive_entry_perm(entry) & 0755) | 0400;
    int r = sink ? sink->file_begin(sink->arg, path, mode, e) : 0;
    while (r >= 0) {
        la_ssize_t n = archive_read_data(w->a, w->buffer, ARC_CHUNK);
        if (n == 0) {
            break;
        }
        if (n < 0) {
            _cleanup_free_ char *why =
                str_printf("its data is damaged or cut off: %s", archive_error_string(w->a));
            return arc_refuse(path, why, e);
        }
        got += n;
        w->info.bytes += n;
        if (got > w->limits.max_file || w->info.bytes > w->limits.max_bytes) {
            return arc_refuse(
                path, got > w->limits.max_file ? "it is too large" : "the archive unpacks to too many bytes",
                e);
        }
        r = sink ? sink->file_data(sink->arg, w->buffer, (size_t)n, e) : 0;
    }
    if (r >= 0 && archive_entry_size_is_set(entry) && got != size) {
        return arc_refuse(path, "it has not as much data as it says", e);
    }
    return r < 0 || !sink ? r : sink->file_end(sink->arg, e);
}

static int arc_symlink_member(struct arc_walker *w, struct archive_entry *entry, const char *path,
                              struct err *e)
{
    const char *target = archive_entry_symlink(entry);
    const char *why = target ? arc_target_check(path, target, &w->rules) : "the link has no target";
    if (why) {
        return arc_refuse(path, why, e);
    }
    return w->sink ? w->sink->symlink(w->sink->arg, path, target, e) : 0;
}

static int arc_hardlink_member(struct arc_walker *w, const char *path, const char *target, struct err *e)
{
    const char *why = NULL;
    _cleanup_free_ char *earlier = arc_name_clean(target, &w->rules, &why);
    if (!earlier || arc_names_type(&w->names, earlier) != ARC_FILE || str_eq(earlier, path)) {
        return arc_refuse(path, "it is a hard link to something that is not an earlier file of the archive",
                          e);
    }
    return w->sink ? w->sink->hardlink(w->sink->arg, path, earlier, e) : 0;
}

static enum arc_type arc_type_of(struct archive_entry *entry)
{
    if (archive_entry_hardlink(entry)) {
        return ARC_FILE;
    }
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
        return ARC_FILE;
    case AE_IFDIR:
        return ARC_DIR;
    case AE_IFLNK:
        return ARC_LINK;
    default:
        return ARC_NONE;
    }
}

static int arc_member(struct arc_walker *w, struct archive_entry *entry, struct err *e)
{
    const char *raw = archive_entry_pathname(entry), *why = NULL;
    if (++w->info.members > w->limits.max_members) {
        return arc_refuse(raw, "the archive has too many members", e);
    }
    if (!raw) {
        return arc_refuse("", "the name cannot be read", e);
    }
    if (archive_entry_is_encrypted(entry)) {
        return arc_refuse(raw, "it is encrypted", e);
    }
    enum arc_type type = arc_type_of(entry);
    if (type == ARC_NONE) {
        return arc_refuse(raw, "it is neither a file nor a directory nor a link", e);
    }
    _cleanup_free_ char *path = arc_name_clean(raw, &w->rules, &why);
    if (path && *path == '\0') { /* "./": the root itself */
        return type == ARC_DIR ? 0 : arc_refuse(raw, "the name is empty", e);
    }
    why = path ? arc_names_add(&w->names, path, type, &w->rules) : why;
    if (why) {
        return arc_refuse(raw, why, e);
    }
    const char *hardlink = archive_entry_hardlink(entry);
    if (hardlink) {
        return arc_hardlink_member(w, path, hardlink, e);
    }
    if (type == ARC_LINK) {
        return arc_symlink_member(w, entry, path, e);
    }
    if (type == ARC_FILE) {
        return arc_file_member(w, entry, path, e);
    }
    unsigned mode = (archive_entry_perm(entry) & 0755) | 0700;
    return w->sink ? w->sink->dir(w->sink->arg, path, mode, e) : 0;
}

static int arc_members(struct arc_walker *w, struct err *e)
{
    for (;;) {
        struct archive_entry *entry = NULL;
        int r = archive_read_next_header(w->a, &entry);
        if (r == ARCHIVE_EOF) {
            return 0;
        }
        if (r != ARCHIVE_OK) { /* warnings too: what is half understood is not unpacked */
            return err_set(e, ERR_INVALID, "the archive is damaged, cut off or of an unknown kind: %s",
                           archive_error_string(w->a));
        }
        r = arc_member(w, entry, e);
        if (r < 0) {
            return r;
        }
        if (archive_read_data_skip(w->a) < ARCHIVE_OK) {
            return arc_refuse(archive_entry_pathname(entry), "its data is damaged or cut off", e);
        }
        w->members_end = archive_filter_bytes(w->a, 0);
    }
}

/* ---- the two kinds ---- */

static int arc_opened(int r, struct archive *a, struct err *e)
{
    return r == ARCHIVE_OK ? 0
                           : err_set(e, ERR_INVALID, "the file is no tar and no zip archive: %s",
                                     archive_error_string(a));
}

static int arc_walk_tar(struct arc_walker *w, struct arc_file *f, enum arc_packing packing, struct err *e)
{
    /* Headers, paddings and a little more: what is not member data must not be without limit either. */
    int64_t limit = 2 * w->limits.max_bytes + (64 << 20);
    struct arc_stream s = {0};
    int r = arc_stream_open(f, packing, limit, &s, e);
    if (r < 0) {
        return r;
    }
    r = archive_read_support_format_tar(w->a);
    r = r < 0 ? r : archive_read_open(w->a, &s, NULL, arc_stream_read, NULL);
    r = arc_opened(r, w->a, e);
    r = r < 0 ? r : arc_members(w, e);
    r = r < 0 ? r : arc_stream_finish(&s, w->members_end, e);
    arc_stream_done(&s);
    return r;
}

/* The directory at a zip's end must end with the file: then nothing is hidden behind it, and every reader
 * sees the same directory. */
static int arc_zip_end(const struct arc_file *f, struct err *e)
{
    int64_t want = ZIP_END_SIZE + ZIP_COMMENT_MAX;
    int64_t start = f->size > want ? f->size - want : 0;
    _cleanup_free_ uint8_t *tail = xmalloc((size_t)(f->size - start));
    ssize_t n = arc_file_read_at(f, start, tail, (size_t)(f->size - start));
    for (ssize_t i = n - ZIP_END_SIZE; i >= 0; i--) {
        if (memcmp(tail + i, "PK\5\6", 4) == 0) {
            ssize_t comment = tail[i + 20] | tail[i + 21] << 8;
            if (i + ZIP_END_SIZE + comment == n) {
                return 0;
            }
            break; /* readers take the last one they find */
        }
    }
    return err_set(e, ERR_INVALID, "the zip archive is cut off, or there is data behind its end");
}

static int arc_walk_zip(struct arc_walker *w, struct arc_file *f, struct err *e)
{
    int r = arc_zip_end(f, e);
    if (r < 0) {
        return r;
    }
    r = archive_read_support_format_zip_seekable(w->a);
    r = r < 0 ? r : archive_read_set_read_callback(w->a, arc_file_read);
    r = r < 0 ? r : archive_read_set_skip_callback(w->a, arc_file_skip);
    r = r < 0 ? r : archive_read_set_seek_callback(w->a, arc_file_seek);
    r = r < 0 ? r : archive_read_set_callback_data(w->a, f);
    r = r < 0 ? r : archive_read_open1(w->a);
    r = arc_opened(r, w->a, e);
    return r < 0 ? r : arc_members(w, e);
}

int arc_walk(int fd, const struct archive_limits *limits, const struct arc_sink *sink,
             struct archive_info *ret, struct err *e)
{
    struct arc_file f = {0};
    enum arc_packing packing = ARC_PLAIN;
    int r = arc_file_open(fd, &f, e);
    if (r < 0) {
        return r;
    }
    struct arc_walker w = {.limits = arc_limits(limits), .sink = sink, .buffer = xmalloc(ARC_CHUNK)};
    w.rules = (struct arc_rules){
        .max_nodes = w.limits.max_members, .max_depth = w.limits.max_depth, .max_name = w.limits.max_name};
    w.a = archive_read_new();
    r = arc_packing_detect(&f, &packing, e);
    if (r == 0) {
        r = packing == ARC_ZIP ? arc_walk_zip(&w, &f, e) : arc_walk_tar(&w, &f, packing, e);
    }
    archive_read_free(w.a);
    arc_names_done(&w.names);
    free(w.buffer);
    arc_file_done(&f);
    if (r < 0) {
        return r;
    }
    str_copy(w.info.format, sizeof(w.info.format), arc_packing_word(packing));
    *ret = w.info;
    return 0;
}
