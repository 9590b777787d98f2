/*
 * store.h - what a command left in its folder becomes durable: declared outputs and artifacts go
 * into the store, ORCH_OUTPUT and ORCH_METRICS are synced, and the list `files` says what there is.
 */
#ifndef EXECUTOR_STEP_STORE_H
#define EXECUTOR_STEP_STORE_H

#include "base/digest.h"
#include "base/err.h"
#include "executor/step/capture.h"
#include "executor/step/step.h"

/* Sets the has_… members of `end`. `outputs`: the command succeeded, so declared outputs are stored
 * and must be there, and an artifact that cannot be stored is an error; otherwise artifacts are
 * kept as far as possible, and what fails is told in the log. Blocks: digests and syncs, and asks
 * now and then whether to go on (not NULL); where not, what is left is not stored. */
bool store_results(int dir, const struct step_spec *spec, bool outputs,
                   const struct digest_ask *ask, struct capture *log, struct step_end *end,
                   struct err *err) MUST_CHECK;

#endif
