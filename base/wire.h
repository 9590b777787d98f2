/*
 * wire.h - the small binary encoding of specs, records and messages between the engine and
 * orch-step: little-endian, tag-length-value. A field is `u16 tag, u32 length, bytes`; integers are
 * 8 bytes (i64), text is without NUL. Readers skip tags they do not know, so both sides may be of
 * different versions. A reader never reads out of bounds: after any malformed field `bad` is set
 * and wire_next() returns false.
 */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

void wire_put_int(struct buf *b, uint16_t tag, int64_t value);
void wire_put_text(struct buf *b, uint16_t tag, const char *text); /* NULL: nothing is written */
void wire_put_bytes(struct buf *b, uint16_t tag, const void *data, size_t len);

struct wire {
    const unsigned char *at, *end;
    bool bad;
    uint16_t tag; /* of the current field */
    const unsigned char *data;
    size_t len;
};

void wire_read(struct wire *w, const void *data, size_t len);
bool wire_next(struct wire *w); /* moves to the next field; false at the end or where bad */
bool wire_int(struct wire *w,
              int64_t *ret); /* the current field as integer; sets bad where it is none */
bool wire_text(struct wire *w, char **ret_owned); /* copies; sets bad where it holds a NUL */
bool wire_sub(const struct wire *w,
              struct wire *ret_inner); /* the current field as a nested record */

#endif
