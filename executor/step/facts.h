/*
 * facts.h - what this host can hold. Each module that enforces something adds its facts; the
 * launcher collects them once, the supervisors that it forks inherit them, and the engine asks for
 * them by PROBE. What a step asks for is held against them by one table (facts.c).
 */
#ifndef EXECUTOR_STEP_FACTS_H
#define EXECUTOR_STEP_FACTS_H

#include "executor/step/step.h"

/* Adds a fact. `why` and `fix` are copied; NULL where it holds. */
void facts_add(struct step_facts *facts, const char *name, bool holds, int64_t amount,
               const char *why, const char *fix);

/* Makes `spec` one that this host can hold: what cannot be held is taken out of it where the step
 * says best-effort, each with a sentence in `notes` (a line each); else false (ERR_UNSUPPORTED)
 * with a sentence that names the key, why, what would help, and `isolation: best-effort`. */
bool facts_apply(const struct step_facts *facts, struct step_spec *spec, struct buf *notes,
                 struct err *err) MUST_CHECK;

#endif
