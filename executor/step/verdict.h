/*
 * verdict.h - how an attempt ended, in a word and in a sentence.
 */
#ifndef EXECUTOR_STEP_VERDICT_H
#define EXECUTOR_STEP_VERDICT_H

#include "executor/step/step.h"

/* Sets the sentence; what does not fit is cut. */
void verdict_explain(struct step_end *end, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The supervisor stopped it. */
void verdict_stopped(struct step_end *end, enum step_how cause, bool killed,
                     const struct step_spec *spec, int64_t log_limit);
/* It ended by itself with this status of wait(). */
void verdict_ended(struct step_end *end, int status);
/* The memory limit, or the host's lack of memory, killed `kills` processes of it. end->usage is
 * read. */
void verdict_oom(struct step_end *end, const struct step_spec *spec, int64_t kills);
/* Adds to a bad end that the pids limit refused processes. */
void verdict_add_pids(struct step_end *end, const struct step_spec *spec, int64_t refused);

#endif
