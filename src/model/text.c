#include "model/text.h"

#include <string.h>

/* Bytes of the character at s, 0 when there is none. */
static size_t character(const char *s, size_t len)
{
    char one[5] = "";
    for (size_t n = 1; n <= 4 && n <= len && s[n - 1]; n++) {
        one[n - 1] = s[n - 1];
        if (str_is_utf8(one)) {
            return n;
        }
    }
    return 0;
}

/* Is s the beginning of a character that the end of the text has cut? */
static bool is_cut(const char *s, size_t len)
{
    unsigned char lead = (unsigned char)s[0];
    size_t whole = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 1;
    bool cut = lead <= 0xf4 && len < whole;
    for (size_t i = 1; i < len && cut; i++) {
        cut = ((unsigned char)s[i] & 0xc0) == 0x80;
    }
    return cut;
}

char *text_clean(const char *s, size_t len)
{
    struct buf out = {0};
    for (size_t at = 0; at < len;) {
        size_t n = character(s + at, len - at);
        if (n > 0) {
            buf_add(&out, s + at, n);
        } else if (is_cut(s + at, len - at)) {
            break;
        } else {
            buf_addf(&out, "\\x%02x", (unsigned char)s[at]);
        }
        at += n > 0 ? n : 1;
    }
    return buf_take(&out);
}

json_t *text_to_json(const char *s)
{
    _cleanup_free_ char *clean = text_clean(s ? s : "", s ? strlen(s) : 0);
    return json_string(clean);
}
