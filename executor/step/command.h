/*
 * command.h - starts the command of a step.
 */
#ifndef EXECUTOR_STEP_COMMAND_H
#define EXECUTOR_STEP_COMMAND_H

#include "base/err.h"
#include "executor/step/sandbox.h"

#include <sys/types.h>

/* Where a command goes. All is borrowed until command_start() returns. */
struct command_place {
    const struct sandbox *sandbox; /* NULL = none */
    const char *folder;            /* of the attempt: absolute, without symbolic links */
    const int *entries;            /* cgroup.procs files that it writes itself to (cg_entries()) */
    size_t entry_count;
    int cgroup;       /* the cgroup that it may be born in instead (cg_folder()); 0, -1 = none */
    bool limited;     /* as of sandbox_enter() */
    char **extra_env; /* NAME=value, instead of those of the spec */
    size_t extra_env_count;
};

/* Starts spec->argv with stdout and stderr on the given pipes and what stands at 0 as stdin (the
 * launcher's /dev/null), in a process group of its own and with nothing else of ours: no
 * descriptor, no blocked or ignored signal. It dies with the calling process. `last` is one more
 * argument (the script's path) or NULL. `place`: NULL = beside us, with all that we may do. Returns
 * its pid, or -1 with a sentence that says what to look at; ERR_UNSUPPORTED where the place could
 * not be entered (STEP_ISOLATION), any other code where the command could not be started
 * (STEP_SPAWN). Blocks until the command's program has been loaded. */
pid_t command_start(const struct step_spec *spec, const char *last,
                    const struct command_place *place, int out, int err_fd,
                    struct err *err) MUST_CHECK;

#endif
