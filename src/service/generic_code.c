/*
 * "code-default" of the generic type: shows when each script runs, and what it is told.
 */
#include "service/generic.h"

#define SCRIPT(what)                                                                                         \
    "#!/bin/sh\n"                                                                                            \
    "# " what "\n"                                                                                           \
    "{\n"                                                                                                    \
    "    echo \"$(date '+%Y-%m-%d %H:%M:%S') $(basename \"$0\") $*\"\n"                                      \
    "    echo \"  my IP: $MY_IP  my role: $MY_ROLE  master IP: $MASTER_IP\"\n"                               \
    "    echo \"  agents: $(cat \"$AGENTS_FILE\")\"\n"                                                       \
    "} >> /root/generic.out\n"

const struct archive_file generic_default_code[GENERIC_DEFAULT_FILES] = {
    {"init.sh", SCRIPT("Installs the program: once on each node, for each code version.")},
    {"run.sh", SCRIPT("Starts the program, on every node: conpaas script run SERVICE [PARAMETERS]")},
    {"interrupt.sh", SCRIPT("Stops the program; whatever the scripts have started is ended after this one.")},
    {"cleanup.sh", SCRIPT("Removes what the program has left behind.")},
    {"notify.sh", SCRIPT("Tells the program that nodes have come or left: they stand in $AGENTS_FILE.")},
};
