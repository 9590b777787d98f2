/*
 * mask.h - takes secrets out of a stream of bytes, however the stream is cut into reads; and says
 * whether a text holds one.
 *
 * What is found: the secret itself, each of its lines, its base64 form at all three alignments, and
 * all of these again percent-encoded, or with backslash escapes as in JSON, Python and C. Newlines
 * inside are looked over, so that wrapped forms are found too. '-' counts as '+', '_' as '/' and
 * ' ' as '+', so that one pattern covers both base64 alphabets and form encoding.
 */
#ifndef BASE_MASK_H
#define BASE_MASK_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct mask_set; /* the patterns of all secrets; shared by the streams of a step */
struct mask;     /* one stream */

/* NULL where there are no secrets: then nothing is masked. */
struct mask_set *mask_set_new(char *const *secrets, size_t count);
void mask_set_free(struct mask_set *set);

struct mask *mask_new(const struct mask_set *set); /* borrows the set; never NULL */
void mask_free(struct mask *m);

/* Adds to `ret` what is known to be harmless, "***" for what is not; the rest is held back until
 * more bytes decide. `ret` must have no maximum below three times what comes in. */
void mask_add(struct mask *m, const void *data, size_t len, struct buf *ret);
/* True where something that was added held a whole secret. */
bool mask_found(const struct mask *m);
/* Whether `data` holds a secret, in any of the forms above. A NULL set has none. */
bool mask_finds(const struct mask_set *set, const void *data, size_t len);
/* Takes secrets out of a text, in place; `size` bytes at most are written. */
void mask_hide(const struct mask_set *set, char *text, size_t size);
/* How many bytes at the beginning of a text are the beginning of a secret, of a line of one or of a
 * base64 form: a message may quote what was cut off. */
size_t mask_begins(const struct mask_set *set, const char *text);
/* The stream has ended: gives out what was held back; the beginning of a secret of
 * LIMIT_SECRET_MIN bytes and more is masked too. */
void mask_end(struct mask *m, struct buf *ret);

#endif
