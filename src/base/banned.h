/*
 * Force-included in every source file: calls that are unbounded, unsafe in threads or reach a shell do not
 * compile.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat strtok atoi atol atoll gets
#pragma GCC poison gmtime localtime ctime asctime system popen mktemp tmpnam
