/*
 * The nodes' listener (doc/PROTOCOL.md section 2): enrolment, agents, managers.  The peer is the name in its
 * client certificate; nothing in a request says who it is from.
 */
#pragma once

#include "director/director.h"

/* For http_server_config; arg is the director. */
int node_api_admit(void *arg, struct http_request *req, struct http_admission *ret, struct err *e);
int node_api_handle(void *arg, struct http_request *req, struct err *e);
/* Paths that are open without certificate. */
bool node_api_open_path(const char *path);
