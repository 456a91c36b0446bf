/* Reading keys and values from their front. */

#include "reader.h"

#include <string.h>

sop_reader sop_read_key(sop_bytes bytes) { return (sop_reader){bytes.data, bytes.length, true, NULL}; }

sop_reader sop_read_value(sop_bytes bytes) { return (sop_reader){bytes.data, bytes.length, false, NULL}; }

sop_status sop_read_end(const sop_reader *reader) {
    const char *mismatch = reader->mismatch;
    if (mismatch == NULL && reader->length > 0) mismatch = "it has bytes too many";
    if (mismatch == NULL) return SOP_OK;
    return sop_fail(reader->is_key ? SOP_KEY : SOP_VALUE, mismatch);
}

sop_bytes sop_read_rest(sop_reader *reader) { return reader_take(reader, reader->length); }

void reader_fail(sop_reader *reader, const char *mismatch) {
    if (reader->mismatch == NULL) reader->mismatch = mismatch;
    reader->length = 0;
}

sop_bytes reader_take(sop_reader *reader, size_t length) {
    if (length > reader->length) {
        reader_fail(reader, "it ends too early");
        return (sop_bytes){NULL, 0};
    }
    sop_bytes taken = {reader->data, length};
    if (length > 0) reader->data += length;
    reader->length -= length;
    return taken;
}

uint8_t reader_byte(sop_reader *reader) {
    sop_bytes taken = reader_take(reader, 1);
    return taken.length ? taken.data[0] : 0;
}

bool reader_mark(sop_reader *reader, const char *mismatch) {
    uint8_t mark = reader_byte(reader);
    if (mark > 1) reader_fail(reader, mismatch);
    return mark == 1;
}
