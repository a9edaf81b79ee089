/*
 * A request's arguments by the table: one flat object, name -> value, from path, query and body.
 * Unknown and repeated arguments, wrong kinds and values beyond limits are ERR_INVALID naming the argument.
 */
#pragma once

#include "api/match.h"
#include "net/http_server.h"

/* The director's way: everything of one request. A BODY_STREAM body is not touched. Caller owns *ret. After
 * success every required argument is there, every value has its kind, absent ones with a fallback are filled
 * in. */
int call_args_from_request(const struct call_match *m, const struct http_request *req, json_t **ret,
                           struct err *e) WARN_UNUSED;
/* What the head of a request allows: for the server's admit hook. */
void call_admission(const struct call *c, struct http_admission *ret);

/* The same in steps, for tests and other sources. */
json_t *call_args_start(const struct call_match *m);
int call_args_query(const struct call *c, json_t *args, const char *name, const char *value,
                    struct err *e) WARN_UNUSED;
int call_args_body(const struct call *c, json_t *args, const json_t *body, struct err *e) WARN_UNUSED;
int call_args_finish(const struct call *c, json_t *args, struct err *e) WARN_UNUSED;

/* One value against its row. */
int call_param_check(const struct call_param *p, const json_t *v, struct err *e) WARN_UNUSED;
/* Text of a query or command line as a value of the parameter's kind (checked). Caller owns *ret. */
int call_param_parse(const struct call_param *p, const char *text, json_t **ret, struct err *e) WARN_UNUSED;
