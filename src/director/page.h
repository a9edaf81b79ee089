/*
 * Everything that is not the API: the files of the page, or a few words when there are none.
 */
#pragma once

#include "director/director.h"

int page_handle(struct director *d, struct http_request *req, struct err *e) WARN_UNUSED;
