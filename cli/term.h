/*
 * term.h - what a terminal may be shown: colours (one table), widths, and text that cannot move the
 * cursor.
 */
#ifndef CLI_TERM_H
#define CLI_TERM_H

#include "base/arena.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum term_style {
    TERM_PLAIN,
    TERM_GOOD,
    TERM_BAD,
    TERM_WARN,
    TERM_BUSY,
    TERM_DIM,
    TERM_STRONG,
    TERM_STYLE_COUNT
};

/* The sequence that switches a style on, and the one that ends it; "" where !colour. Static. */
const char *term_on(bool colour, enum term_style style);
const char *term_off(bool colour, enum term_style style);

/* The style of a run's or step's status, or of doctor's ok, warn, fail. */
enum term_style term_status_style(const char *status);

/* Colour wanted on `fd`: `mode` is auto, always or never (NULL = auto); auto asks isatty, NO_COLOR
 * and TERM. */
bool term_wants_colour(const char *mode, int fd);
/* A terminal whose last line can be redrawn. */
bool term_can_redraw(int fd);
int term_width(int fd); /* columns; COLUMNS, then 80 where unknown; at least 20 */

/* Adds `text` so that it is printed as text and nothing else: C0 as ^X, C1 and direction controls
 * as <U+XXXX>, invalid UTF-8 as \xXX. A tab stays where `tabs`. */
void term_escape(struct buf *out, const char *text, size_t len, bool tabs);
/* The same of a string, in the arena; NULL becomes "". */
const char *term_safe(struct arena *a, const char *text);

/* How many bytes of `text` fit into `cells` columns (valid, escaped UTF-8). */
size_t term_fit(const char *text, size_t cells);

#endif
