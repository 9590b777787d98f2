/*
 * formats.h - private to dag: what is needed of texts beside their check.
 */
#ifndef DAG_FORMATS_H
#define DAG_FORMATS_H

#include "base/arena.h"

#include <stdbool.h>

/* "./a//b/" -> "a/b", in the arena; false for absolute paths, "..", and what names nothing. */
bool format_path(const char *text, struct arena *a, const char **ret);

#endif
