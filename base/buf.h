/*
 * buf.h - a growable byte string with a maximum. Adding past the maximum fails, is remembered
 * (`full`), and leaves what is there; later additions fail too, so that a text never has a hole in
 * it, until buf_clear(). A writer may add many times and check once.
 * The data is always followed by a NUL that `len` does not count.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"

#include <stddef.h>

struct buf {
    char *data; /* owned; NULL while empty */
    size_t len, cap, max;
    bool full;
};

#define BUF_INIT(maximum) ((struct buf){.max = (maximum)})
#define AUTO_BUF __attribute__((cleanup(buf_done)))

void buf_done(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory, forgets `full` */
bool buf_add(struct buf *b, const void *data, size_t len);
bool buf_adds(struct buf *b, const char *text);
bool buf_addc(struct buf *b, char c);
bool buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_cut(struct buf *b, size_t count); /* removes the first `count` bytes */
const char *buf_str(const struct buf *b);  /* never NULL; borrowed until the next change */
char *buf_take(struct buf *b); /* the caller owns the string; the buffer is empty again */

/* Adds `text` as a JSON string literal with its quotes (RFC 8259; invalid UTF-8 becomes U+FFFD). */
bool buf_add_json(struct buf *b, const char *text);

#endif
