/*
 * facts.h - what orch-step says this host can hold, for people. Private to cli.
 */
#ifndef CLI_FACTS_H
#define CLI_FACTS_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>

struct fact_row {
    const char *name; /* cgroups, limits, sandbox, pool, more */
    bool holds;
    const char *message, *fix; /* fix: NULL = nothing to do, or nothing is known */
};

/* Makes rows of what `orch-step probe` prints (name TAB yes|no TAB amount TAB why TAB fix): for
 * each group one of all that holds, and one for each reason why others do not. Lines that are not
 * so are passed over: no rows where nothing is. All in the arena. */
struct fact_row *facts_rows(struct arena *a, const char *probe, size_t *ret_count);

#endif
