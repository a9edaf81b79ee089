/*
 * From the planner's document to what travels to the agent (doc/PROTOCOL.md section 3).
 */
#pragma once

#include "manager/manager.h"

/* True when the view has everything the document needs (versions, settings); e says what is missing. */
bool wire_ready(const struct managed *s, const struct doc *d, struct err *e);
/* The document on the wire. Caller owns *ret. */
int wire_document(const struct managed *s, int64_t node, const struct doc *d, int64_t epoch, int64_t seq,
                  json_t **ret, struct err *e) WARN_UNUSED;
