/*
 * "code-default" of the php type: the Welcome page.
 */
#include "service/php.h"

static const char page[] =
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
    "<p>Your PHP service is running. This page is its first code version, <code>code-default</code>.</p>\n"
    "<p>To put your own application here, upload an archive of it (tar or zip) and make that version active: visitors\n"
    "will not notice the change.</p>\n"
    "</main>\n"
    "</body>\n"
    "</html>\n";

const struct archive_file php_default_code[] = {{"index.html", page}};
