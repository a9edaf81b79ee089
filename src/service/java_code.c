/*
 * "code-default" of the java type: the Welcome page, made by a JSP, so that it shows that pages are compiled and sessions kept.
 */
#include "service/java.h"

static const char page[] =
    "<%@ page contentType=\"text/html; charset=UTF-8\" pageEncoding=\"UTF-8\" %>\n"
    "<%\n"
    "    Integer visits = (Integer) session.getAttribute(\"visits\");\n"
    "    visits = visits == null ? 1 : visits + 1;\n"
    "    session.setAttribute(\"visits\", visits);\n"
    "%>\n"
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<head>\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>Welcome to ConPaaS</title>\n"
    "<style>\n"
    "  body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: #f4f6f8;\n"
    "         color: #1d2733; font: 17px/1.6 system-ui, sans-serif; }\n"
    "  main { max-width: 34em; margin: 2em; padding: 2.5em 3em; background: #fff; border-radius: 14px;\n"
    "         box-shadow: 0 6px 30px rgba(20, 40, 70, .10); }\n"
    "  h1 { margin: 0 0 .4em; font-size: 1.7em; letter-spacing: -.01em; }\n"
    "  code { padding: .1em .4em; border-radius: 5px; background: #eef2f6; font-size: .92em; }\n"
    "  @media (prefers-color-scheme: dark) {\n"
    "    body { background: #10161d; color: #dbe4ee; } main { background: #19222c; } code { background: #253241; }\n"
    "  }\n"
    "</style>\n"
    "</head>\n"
    "<body>\n"
    "<main>\n"
    "<h1>Welcome!</h1>\n"
    "<p>Your Java service is running: Tomcat has made this page, your visit number <%= visits %> in this session. It is\n"
    "the first code version, <code>code-default</code>.</p>\n"
    "<p>To put your own application here, upload its WAR archive and make that version active: visitors\n"
    "will not notice the change.</p>\n"
    "</main>\n"
    "</body>\n"
    "</html>\n";

static const char descriptor[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<web-app xmlns=\"https://jakarta.ee/xml/ns/jakartaee\" version=\"6.0\">\n"
    "  <display-name>Welcome</display-name>\n"
    "  <welcome-file-list><welcome-file>index.jsp</welcome-file></welcome-file-list>\n"
    "</web-app>\n";

const struct archive_file java_default_code[] = {{"index.jsp", page}, {"WEB-INF/web.xml", descriptor}};
