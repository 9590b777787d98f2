/*
 * command.h - starts the command of a step.
 */
#ifndef EXECUTOR_STEP_COMMAND_H
#define EXECUTOR_STEP_COMMAND_H

#include "base/err.h"
#include "executor/step/step.h"

#include <sys/types.h>

struct sandbox;
struct command_place {
    const struct sandbox *sandbox;
    const int *entries;
    size_t entry_count;
    const char *folder;
    bool limited;
    const char *const *extra_env;
    size_t extra_env_count;
};
/* Starts spec->argv with stdout and stderr on the given pipes and what stands at 0 as stdin (the
 * launcher's /dev/null), in a process group of its own and with nothing else of ours: no
 * descriptor, no blocked or ignored signal. It dies with the calling process. `last` is one more
 * argument (the script's path) or NULL. Returns its pid, or -1 with a sentence that says what to
 * look at. Blocks until the command's program has been loaded. */
pid_t command_start(const struct step_spec *spec, const char *last, int out, int err_fd,
                    const struct command_place *place, struct err *err) MUST_CHECK;

#endif
