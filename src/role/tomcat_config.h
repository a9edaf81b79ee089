/*
 * The files of Tomcat's backend as text (private to the driver "tomcat").
 */
#pragma once

#include "role/role_driver.h"
#include "role/section.h"

#define TOMCAT_HOME "/usr/share/tomcat10"
#define TOMCAT_CLASSES "/usr/share/conpaas/tomcat"
/* What a Java process takes besides its heap: classes, compiled code, stacks, the machine itself. */
#define TOMCAT_BESIDES_HEAP (96LL << 20)

struct tomcat_want {
    const char *bind, *session_password, *classes; /* borrowed */
    int64_t port, service, heap, threads, request_timeout_s, session_timeout_min, post_max, session_port;
    struct section_versions versions;
};
int tomcat_want_read(const json_t *section, struct tomcat_want *ret, struct err *e) WARN_UNUSED;
/* Path of the socket on which the process of that generation answers us. Caller frees. */
char *tomcat_config_socket(const struct role_engine *r, int64_t generation);
/* "7,8": the list of versions, as the Java side reads it. */
void tomcat_config_versions(const struct section_versions *v, struct buf *out);
/* server.properties; what it says apart from versions and generation costs a new process when it changes. */
int tomcat_config_server(const struct role_engine *r, const struct tomcat_want *w, int64_t generation,
                         struct buf *out, struct err *e) WARN_UNUSED;
/* Arguments of java, one a line. */
int tomcat_config_java(const struct role_engine *r, const struct tomcat_want *w, struct buf *out,
                       struct err *e) WARN_UNUSED;
