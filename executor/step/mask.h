/*
 * mask.h - takes secrets out of a stream of bytes, however the stream is cut into reads.
 *
 * What is found: the secret itself, each of its lines, its base64 form at all three alignments, and
 * all of these again percent-encoded, or with backslash escapes as in JSON, Python and C. Newlines
 * inside are looked over, so that wrapped forms are found too. '-' counts as '+', '_' as '/' and
 * ' ' as '+', so that one pattern covers both base64 alphabets and form encoding.
 */
#ifndef EXECUTOR_STEP_MASK_H
#define EXECUTOR_STEP_MASK_H

#include "base/buf.h"

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
/* The stream has ended: gives out what was held back; the beginning of a secret of
 * LIMIT_SECRET_MIN bytes and more is masked too. */
void mask_end(struct mask *m, struct buf *ret);

#endif
