/*
 * What an agent must remember: how often it has started, what it has promised, the accepted and the applied
 * document.
 */
#include "agent/agent.h"
#include "base/fs.h"

#define DOCUMENT_MAX (4 << 20)

static int read_json(struct agent *a, const char *name, json_t **ret, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/%s.json", a->state_dir, name);
    _cleanup_buf_ struct buf text = {0};
    if (!fs_exists(path)) {
        return 0;
    }
    int r = fs_read(path, DOCUMENT_MAX, &text, e);
    return r < 0 ? r : json_parse(text.data, text.len, DOCUMENT_MAX, ret, e);
}

int memory_document(struct agent *a, const char *name, const json_t *document, struct err *e)
{
    _cleanup_free_ char *path = str_printf("%s/%s.json", a->state_dir, name);
    _cleanup_free_ char *text = json_text(document);
    return fs_write_atomic(path, text, strlen(text), 0600, e);
}

int memory_promise(struct agent *a, struct err *e)
{
    _cleanup_json_ json_t *j =
        json_pack("{s:I, s:I}", "boot", (json_int_t)a->boot, "promised", (json_int_t)a->fence.promised);
    return memory_document(a, "promise", j, e);
}

int memory_load(struct agent *a, struct err *e)
{
    _cleanup_json_ json_t *promise = NULL;
    int r = read_json(a, "promise", &promise, e);
    r = r < 0 ? r : read_json(a, "document", &a->accepted, e);
    r = r < 0 ? r : read_json(a, "applied", &a->applied, e);
    if (r < 0) {
        return r;
    }
    a->boot = json_int(promise, "boot", 0) + 1;
    a->fence.promised = json_int(promise, "promised", 0);
    a->fence.accepted_epoch = json_int(a->accepted, "epoch", 0);
    a->fence.accepted_seq = json_int(a->accepted, "seq", 0);
    a->done_epoch = json_int(a->applied, "epoch", 0);
    a->done_seq = json_int(a->applied, "seq", 0);
    a->service = json_int(a->applied, "service", 0);
    return memory_promise(a, e);
}
