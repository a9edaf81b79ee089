/*
 * The bytes of a tar, whatever it is packed in: decompressed by libarchive, with the proofs at the end that
 * the library leaves out (gzip's checksum, nothing behind the packed data). For archive_read.c only.
 */
#pragma once

#include <archive.h>

#include "base/str.h"

enum arc_packing { ARC_PLAIN, ARC_GZIP, ARC_BZIP2, ARC_XZ, ARC_ZIP };
const char *arc_packing_word(enum arc_packing p); /* "tar.gz" ... */

/* The file itself, read by position: the descriptor's offset is the caller's. */
struct arc_file {
    int fd;
    int64_t size, at;
    char *buffer;
};
int arc_file_open(int fd, struct arc_file *ret, struct err *e) WARN_UNUSED;
void arc_file_done(struct arc_file *f);
/* Fills out with up to n bytes at offset; -errno, or how many there were. */
ssize_t arc_file_read_at(const struct arc_file *f, int64_t offset, void *out, size_t n);
int arc_packing_detect(const struct arc_file *f, enum arc_packing *ret, struct err *e) WARN_UNUSED;
/* The library's callbacks; client data is a struct arc_file. */
la_ssize_t arc_file_read(struct archive *a, void *file, const void **ret);
la_int64_t arc_file_skip(struct archive *a, void *file, la_int64_t n);
la_int64_t arc_file_seek(struct archive *a, void *file, la_int64_t offset, int whence);

struct arc_stream {
    struct arc_file *file;
    enum arc_packing packing;
    struct archive *outer; /* NULL: plain */
    char *buffer;
    int64_t total, limit;
    int64_t data_end; /* after the last byte that is not zero */
    uint32_t crc;
};
int arc_stream_open(struct arc_file *f, enum arc_packing packing, int64_t limit, struct arc_stream *ret,
                    struct err *e) WARN_UNUSED;
void arc_stream_done(struct arc_stream *s);
/* Callback of the inner reader. */
la_ssize_t arc_stream_read(struct archive *a, void *stream, const void **ret);
/* Reads what is left and checks: after members_end only zeros, at least the two blocks that end a tar; the
 * packing is complete, unharmed, and the file ends with it. */
int arc_stream_finish(struct arc_stream *s, int64_t members_end, struct err *e) WARN_UNUSED;
