/* A database in memory that stands in for the host, so that plugins are tested as plain programs.
 *
 * A transaction works on a copy of everything. What it read it reads again at commit, on the newest
 * version: if one read sees something else, that is a conflict. Then its writes are repeated there.
 *
 * Call `stand_in_reset` before each test. Not here: grants and limits.
 */
#ifndef SOP_STAND_IN_H
#define SOP_STAND_IN_H

#include "engine.h"

/* How a commit goes that does not just happen. */
typedef enum stand_in_fault {
    FAULT_CONFLICT,
    FAULT_EXPIRED,
    FAULT_UNAVAILABLE,
    /* It happens, and its answer is lost. */
    FAULT_REPLY_LOST_AFTER,
    /* It does not happen, and its answer is lost. */
    FAULT_REPLY_LOST_BEFORE,
} stand_in_fault;

/* Most faults, and most prepared answers, at one time. */
enum { STAND_IN_QUEUE_MAX = 64 };

/* Begins with an empty database, and no faults. */
void stand_in_reset(void);
/* The next commits, after those of earlier calls, go like this. */
void stand_in_fail_commit(stand_in_fault fault);
/* The next questions for an outcome, after those of earlier calls, are answered like this. */
void stand_in_answer_outcome(sop_status status, engine_outcome outcome);
/* Transactions, stores and cursors that were not released. */
size_t stand_in_open_handles(void);

#endif
