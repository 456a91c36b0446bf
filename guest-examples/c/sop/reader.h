/* What the readers of keys and of values share. */
#ifndef SOP_READER_H
#define SOP_READER_H

#include "sop.h"

/* The bytes are not what was expected. The first reason is kept, and nothing more is read. */
void reader_fail(sop_reader *reader, const char *mismatch);
/* Takes so many bytes from the front; none, and a mismatch, if there are less. */
sop_bytes reader_take(sop_reader *reader, size_t length);
/* Takes one byte; 0, and a mismatch, if there is none. */
uint8_t reader_byte(sop_reader *reader);
/* Takes a byte that is 0 or 1. */
bool reader_mark(sop_reader *reader, const char *mismatch);

#endif
