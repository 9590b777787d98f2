/*
 * logs.h - reading the logs of a run's attempts as one stream, in the order of time.
 */
#ifndef CLI_LOGS_H
#define CLI_LOGS_H

#include "cli/cli.h"
#include "executor/executor.h"

/* A line that has been read, with whose it is. The text is borrowed until the next call. */
struct logs_line {
    const char *step, *folder;
    uint32_t attempt;
    struct exec_log_line line;
};

struct logs;

/* `attempt` 0 = the last of each step; `step` (a folder) NULL = all steps. Borrows nothing. */
struct logs *logs_open(struct cli *c, const char *run, const char *step, uint32_t attempt);
void logs_close(struct logs *l);

/* Looks which attempts there are by now. */
bool logs_refresh(struct logs *l, struct store *s, struct err *err) MUST_CHECK;
/* The next line in the order of time, of all that has been written; false: nothing more now. */
bool logs_next(struct logs *l, struct logs_line *ret);
/* Lets only the last `lines` of the one log follow; no effect where there are several. */
void logs_tail(struct logs *l, uint64_t lines);
size_t logs_count(const struct logs *l); /* attempts that are known */

#endif
