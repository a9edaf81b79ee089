/*
 * JSON forms of the model's structs, which need the role names of a type.  What others call is declared in src/model
 * (doc.h, report.h, state.h); here is what only these files share.
 */
#pragma once

#include "model/report.h"
#include "model/state.h"
#include "service/service_type.h"

json_t *roles_to_json(uint64_t mask, const struct service_type *type);
int roles_from_json(const json_t *j, const struct service_type *type, bool skip_unknown, uint64_t *ret,
                    struct err *e) WARN_UNUSED;
