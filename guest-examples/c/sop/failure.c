/* What a failure says. */

#include "sop.h"

/* What comes before the words of a failure. */
static const char *meaning(sop_status status) {
    switch (status) {
    case SOP_CONFLICT: return "another transaction changed what this one had read; run it again";
    case SOP_UNAVAILABLE: return "the storage did not answer; retry later: ";
    case SOP_UNKNOWN_OUTCOME: return "the outcome of a commit is unknown; ask for it before running it again: ";
    case SOP_CORRUPT: return "stored bytes are damaged: ";
    case SOP_DENIED: return "not granted: ";
    case SOP_LIMIT: return "over the limit of ";
    case SOP_SNAPSHOT_EXPIRED: return "that version is no longer kept; the oldest is ";
    case SOP_FENCED: return "another host took over the database; reopen it";
    case SOP_ENDED: return "the transaction is over; begin another";
    case SOP_NOT_FOUND: return "not found: ";
    case SOP_EXISTS: return "exists already: ";
    case SOP_READ_ONLY: return "a snapshot transaction cannot write; use a serializable one";
    case SOP_KEY: return "a key is not of the expected form: ";
    case SOP_VALUE: return "a value is not of the expected form; was it written by another program? ";
    case SOP_REQUEST: return "the request is not understood: ";
    case SOP_OK:
    case SOP_INVALID:
    case SOP_FAILED: break;
    }
    return "";
}

sop_buffer *sop_message(void) {
    static sop_buffer message;
    return &message;
}

sop_status sop_fail(sop_status status, const char *why) {
    sop_buffer *message = sop_message();
    sop_clear(message);
    sop_add_text(message, meaning(status));
    sop_add_text(message, why);
    return status;
}
