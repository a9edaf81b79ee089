/*
 * The decompressed stream of a tar.
 */
#include "base/archive_stream.h"

#include <archive_entry.h>
#include <errno.h>
#include <sys/stat.h>
#include <zlib.h>

#define ARC_CHUNK 65536
#define ARC_BLOCK 512

const char *arc_packing_word(enum arc_packing p)
{
    static const char *const words[] = {[ARC_PLAIN] = "tar",
                                        [ARC_GZIP] = "tar.gz",
                                        [ARC_BZIP2] = "tar.bz2",
                                        [ARC_XZ] = "tar.xz",
                                        [ARC_ZIP] = "zip"};
    return words[p];
}

/* ---- the file ---- */

int arc_file_open(int fd, struct arc_file *ret, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return err_set(e, ERR_INVALID, "the archive is not a regular file");
    }
    if (st.st_size == 0) {
        return err_set(e, ERR_INVALID, "the archive is empty");
    }
    *ret = (struct arc_file){.fd = fd, .size = st.st_size, .buffer = xmalloc(ARC_CHUNK)};
    return 0;
}

void arc_file_done(struct arc_file *f)
{
    free(f->buffer);
}

ssize_t arc_file_read_at(const struct arc_file *f, int64_t offset, void *out, size_t n)
{
    size_t got = 0;
    while (got < n) {
        ssize_t k = pread(f->fd, (char *)out + got, n - got, offset + (off_t)got);
        if (k < 0 && errno != EINTR) {
            return -errno;
        }
        if (k == 0) {
            break;
        }
        got += k > 0 ? (size_t)k : 0;
    }
    return (ssize_t)got;
}

la_ssize_t arc_file_read(struct archive *a, void *file, const void **ret)
{
    struct arc_file *f = file;
    ssize_t n = arc_file_read_at(f, f->at, f->buffer, ARC_CHUNK);
    if (n < 0) {
        archive_set_error(a, (int)-n, "cannot read the file");
        return -1;
    }
    f->at += n;
    *ret = f->buffer;
    return n;
}

la_int64_t arc_file_skip(struct archive *a, void *file, la_int64_t n)
{
    struct arc_file *f = file;
    int64_t left = f->size - f->at;
    n = n < left ? n : left;
    f->at += n;
    return n;
}

la_int64_t arc_file_seek(struct archive *a, void *file, la_int64_t offset, int whence)
{
    struct arc_file *f = file;
    int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? f->at : f->size, to = 0;
    if (__builtin_add_overflow(base, (int64_t)offset, &to) || to < 0 || to > f->size) {
        return ARCHIVE_FATAL;
    }
    f->at = to;
    return to;
}

int arc_packing_detect(const struct arc_file *f, enum arc_packing *ret, struct err *e)
{
    static const struct {
        enum arc_packing packing;
        size_t n;
        uint8_t magic[6];
    } rows[] = {
        {ARC_GZIP, 3, {0x1f, 0x8b, 8}},
        {ARC_BZIP2, 3, {'B', 'Z', 'h'}},
        {ARC_XZ, 6, {0xfd, '7', 'z', 'X', 'Z', 0}},
        {ARC_ZIP, 4, {'P', 'K', 3, 4}},
        {ARC_ZIP, 4, {'P', 'K', 5, 6}},
    };
    uint8_t head[6] = {0};
    if (arc_file_read_at(f, 0, head, sizeof(head)) < 0) {
        return err_set(e, ERR_INTERNAL, "the archive cannot be read");
    }
    *ret = ARC_PLAIN;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (memcmp(head, rows[i].magic, rows[i].n) == 0) {
            *ret = rows[i].packing;
        }
    }
    return 0;
}

/* ---- the stream ---- */

static int arc_outer_open(struct arc_stream *s)
{
    s->outer = archive_read_new();
    int r = archive_read_support_format_raw(s->outer);
    switch (s->packing) {
    case ARC_GZIP:
        r = r < 0 ? r : archive_read_support_filter_gzip(s->outer);
        break;
    case ARC_BZIP2:
        r = r < 0 ? r : archive_read_support_filter_bzip2(s->outer);
        break;
    default:
        r = r < 0 ? r : archive_read_support_filter_xz(s->outer);
        break;
    }
    r = r < 0 ? r : archive_read_set_skip_callback(s->outer, arc_file_skip);
    if (r == ARCHIVE_OK) {
        r = archive_read_open(s->outer, s->file, NULL, arc_file_read, NULL);
    }
    struct archive_entry *entry = NULL;
    return r == ARCHIVE_OK ? archive_read_next_header(s->outer, &entry) : r;
}

int arc_stream_open(struct arc_file *f, enum arc_packing packing, int64_t limit, struct arc_stream *ret,
                    struct err *e)
{
    struct arc_stream s = {.file = f, .packing = packing, .limit = limit, .crc = (uint32_t)crc32(0, NULL, 0)};
    if (packing != ARC_PLAIN && arc_outer_open(&s) != ARCHIVE_OK) {
        int r = err_set(e, ERR_INVALID, "the archive cannot be unpacked: %s", archive_error_string(s.outer));
        archive_read_free(s.outer);
        return r;
    }
    s.buffer = xmalloc(ARC_CHUNK);
    *ret = s;
    return 0;
}

void arc_stream_done(struct arc_stream *s)
{
    if (s->outer) {
        archive_read_free(s->outer);
    }
    free(s->buffer);
}

la_ssize_t arc_stream_read(struct archive *a, void *stream, const void **ret)
{
    struct arc_stream *s = stream;
    la_ssize_t n = 0;
    if (s->outer) {
        n = archive_read_data(s->outer, s->buffer, ARC_CHUNK);
    } else {
        n = arc_file_read_at(s->file, s->file->at, s->buffer, ARC_CHUNK);
        s->file->at += n > 0 ? n : 0;
    }
    if (n < 0) {
        archive_set_error(a, EINVAL, "the packed data is damaged or cut off: %s",
                          s->outer ? archive_error_string(s->outer) : "read error");
        return -1;
    }
    if (n > s->limit - s->total) {
        archive_set_error(a, EFBIG, "it unpacks to more than %lld bytes", (long long)s->limit);
        return -1;
    }
    for (la_ssize_t i = n; i > 0; i--) {
        if (s->buffer[i - 1] != 0) {
            s->data_end = s->total + i;
            break;
        }
    }
    if (s->packing == ARC_GZIP) {
        s->crc = (uint32_t)crc32(s->crc, (const Bytef *)s->buffer, (uInt)n);
    }
    s->total += n;
    *ret = s->buffer;
    return n;
}

static uint32_t arc_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The library skips gzip's trailer unread. Of a file with several parts the last trailer cannot fit. */
static bool arc_gzip_trailer_ok(const struct arc_stream *s)
{
    uint8_t t[8];
    return s->file->size >= 18 && arc_file_read_at(s->file, s->file->size - 8, t, sizeof(t)) == 8 &&
           arc_le32(t) == s->crc && arc_le32(t + 4) == (uint32_t)s->total;
}

int arc_stream_finish(struct arc_stream *s, int64_t members_end, struct err *e)
{
    const void *data = NULL;
    la_ssize_t n = 0;
    struct archive *complain = s->outer ? s->outer : archive_read_new();
    do {
        n = arc_stream_read(complain, s, &data);
    } while (n > 0);
    int r = n < 0 ? err_set(e, ERR_INVALID, "the archive: %s", archive_error_string(complain)) : 0;
    if (!s->outer) {
        archive_read_free(complain);
    }
    if (r < 0) {
        return r;
    }
    if (s->data_end > members_end) {
        return err_set(e, ERR_INVALID, "there is data behind the archive's end");
    }
    if (s->total % ARC_BLOCK != 0 || s->total - members_end < 2 * ARC_BLOCK) {
        return err_set(e, ERR_INVALID, "the archive is cut off: its end mark is missing");
    }
    if (s->packing == ARC_GZIP && !arc_gzip_trailer_ok(s)) {
        return err_set(e, ERR_INVALID, "the gzip checksum is wrong, or there is data behind its end");
    }
    if (s->outer && archive_filter_bytes(s->outer, -1) != s->file->size) {
        return err_set(e, ERR_INVALID, "there is data behind the packed archive's end");
    }
    return 0;
}
