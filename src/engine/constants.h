/*
 * The planner's constants, milliseconds (doc/PLANNER.md section 14).
 */
#pragma once

#define SECOND 1000LL
#define POLL_MS (5 * SECOND)
#define LOST_AFTER_MS (30 * SECOND)
#define UNREACH_MAX_MS (300 * SECOND)
#define RESEND_MS (8 * SECOND)
#define REFUSE_WAIT_MS (15 * SECOND)
#define REFUSE_MAX 5
#define BOOT_MAX_MS (180 * SECOND)
#define SICK_AFTER_MS (120 * SECOND)
#define MASS_WAIT_MS (90 * SECOND)
#define MANAGER_LOST_MS (40 * SECOND)
#define LEASE_MS (15 * SECOND)
#define FAILS_MAX 6
#define BACKOFF0_MS (10 * SECOND)
#define BACKOFF_MAX_MS (300 * SECOND)
#define HOUR_MS (3600 * SECOND)
#define LEAD_MS (300 * SECOND)
#define DEADLINE_RUN_MS (1800 * SECOND)
#define DEADLINE_COUNTS_MS (1500 * SECOND)
#define DEADLINE_CODE_MS (900 * SECOND)
#define DEADLINE_SETTINGS_MS (900 * SECOND)
#define DEADLINE_CMD_MS (600 * SECOND)
#define DEADLINE_VOLUME_MS (600 * SECOND)
/* the director */
#define DEADLINE_FACTOR 3 /* an operation that does move ends at the latest after this many deadlines */
#define STOP_ALONE_MS (300 * SECOND) /* a stop this old is carried out by the director itself */
#define BROKE_GRACE_MS (240 * SECOND)
#define REPLACE_MAX 3 /* replacements by slot and hour (T4) */
#define ASKED_MAX_MS (60 * SECOND)
#define FIND_WAIT_MS (20 * SECOND)
#define SETTLE_MS (130 * SECOND) /* not found for this long after DYING: it never was (V4) */
#define CREATE_WAIT_MS (5 * SECOND)
#define CREATE_TRIES_MAX 4
#define TERMINATE_WAIT_MS (10 * SECOND)
#define POLL_CLOUD_MS (30 * SECOND)
#define POLL_QUICK_MS (5 * SECOND)
#define LEAK_AGE_MS (60 * SECOND)
/* volumes */
#define VOLUME_WAIT_MS (5 * SECOND) /* attach, detach, delete again after */
#define VOLUME_TRIES_MAX 10         /* attachments that a user's operation waits for */
