/*
 * The one place that plans: look at every service that changed, carry out what the planner says.
 */
#pragma once

#include "manager/manager.h"

/* Thread: arg is the manager; ends when the manager does. */
void *converge_main(void *arg);
