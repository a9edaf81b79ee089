/*
 * The users' listener: call table -> caller -> ownership -> arguments -> handler -> answer.  One place.
 */
#pragma once

#include "director/director.h"

/* For http_server_config; arg is the director. */
int dispatch_admit(void *arg, struct http_request *req, struct http_admission *ret, struct err *e);
int dispatch_handle(void *arg, struct http_request *req, struct err *e);
