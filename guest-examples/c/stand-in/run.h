/* Runs of a plugin on the database in memory. */
#ifndef SOP_RUN_H
#define SOP_RUN_H

#include "check.h"
#include "stand_in.h"

/* Whether a run answers this, and releases all it used. */
static inline bool answers(const char *request, const char *wanted) {
    sop_buffer response = {0};
    sop_status status = sop_run(sop_text(request), &response);
    bool good = status == SOP_OK && holds(&response, wanted) && stand_in_open_handles() == 0;
    if (status == SOP_OK && !good) fprintf(stderr, "%.*s\n", (int)response.length, response.data);
    sop_free(&response);
    return good;
}

/* Whether a run fails like this. */
static inline bool fails(const char *request, sop_status wanted) {
    sop_buffer response = {0};
    sop_status status = sop_run(sop_text(request), &response);
    sop_free(&response);
    return status == wanted && stand_in_open_handles() == 0;
}

#endif
