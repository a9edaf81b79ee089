/*
 * What the references of a service resolve to (J rules), from the views of the other services of the application.
 */
#pragma once

#include "manager/manager.h"

/* Before every plan: refs, refs_wait and refs_failed of the service's view, and what documents are made from. */
void references_update(struct manager *m, struct managed *s);
/* The list for a revision of its settings, borrowed; NULL = it refers to none. */
const json_t *references_of(const struct managed *s, int64_t rev);
/* The members of a revision of the settings in a view, borrowed; NULL = it is not there. */
const json_t *revision_find(const struct managed *s, int64_t rev);
