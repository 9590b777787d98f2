/*
 * prepare.h - what a supervisor reads and writes before its command can start.
 */
#ifndef EXECUTOR_STEP_PREPARE_H
#define EXECUTOR_STEP_PREPARE_H

#include "executor/step/step.h"
#include "executor/step/supervisor.h"

#include <limits.h>

/* The launch's spec, from its message or its memfd; the caller owns what is in it. */
bool prepare_spec(const struct supervisor_launch *launch, struct step_spec *ret,
                  struct err *err) MUST_CHECK;
/* Writes the script, where the step has one; its absolute path, or "". Over one that a supervisor
 * left that died before the command began. */
bool prepare_script(int folder, const struct step_spec *spec, char ret[PATH_MAX],
                    struct err *err) MUST_CHECK;

#endif
