/*
 * diag.h - what is wrong with a user's document: a list, not the first problem. Each entry knows
 * its place, names the key, and may carry a hint. Texts are copied; the list owns them.
 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include "base/err.h"

#include <stddef.h>
#include <stdio.h>

enum diag_severity { DIAG_ERROR, DIAG_WARNING };

struct diag_pos {
    unsigned line, column; /* from 1; columns count code points; 0 = the file as a whole */
};

struct diag {
    enum diag_severity severity;
    const char *code; /* static, stable: "unknown-key", "cycle", ... (docs/diagnostics.md) */
    struct diag_pos pos;
    unsigned width; /* code points to underline, 0 = 1 */
    char *message;
    char *hint; /* NULL = none */
};

struct diags {
    char *file; /* as the user named it; owned */
    struct diag *items;
    size_t count, cap;
    size_t errors;
    bool cut; /* more than DIAG_MAX were found; the rest is not kept */
};

#define DIAG_MAX 1000
#define AUTO_DIAGS __attribute__((cleanup(diags_done)))

void diags_init(struct diags *d, const char *file);
void diags_done(struct diags *d);

/* Adds one; `hint` may be NULL; format arguments are for the message. Returns false for an error
 * and true for a warning, so that `return diag_add(...)` reads well. */
bool diag_add(struct diags *d, enum diag_severity severity, const char *code, struct diag_pos pos,
              unsigned width, const char *hint, const char *fmt, ...) PRINTF_LIKE(7, 8);

/* Sorts by place; keeps the order of equal places. */
void diags_sort(struct diags *d);

/* Prints for people: "file:line:col: error: message [code]", the source line with a caret, "hint:
 * ...". `text` (with `len`) is the document or NULL; `colour` switches ANSI colours on. */
void diags_print(const struct diags *d, const char *text, size_t len, bool colour, FILE *out);

#endif
