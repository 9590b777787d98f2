/*
 * launcher.h - `orch-step serve`: a small process that does little but fork supervisors.
 *
 * It serves the one engine that started it, on a socket that it was born with, and leaves with it;
 * or all engines that may, on a socket with a name, until it is told to leave (TERM). HUP makes the
 * second kind go on as the program that stands at its path now, with all that it has.
 */
#ifndef EXECUTOR_STEP_LAUNCHER_H
#define EXECUTOR_STEP_LAUNCHER_H

#include "base/err.h"

#include <stddef.h>

struct launcher_conf {
    const char *program;      /* how it was called: its path, where it begins with a slash */
    int engine;               /* the socket of the one engine; -1 = `socket` */
    const char *socket;       /* absolute path of the socket to listen on */
    const char *const *allow; /* USER, UID or %GROUP beside root and our own user */
    size_t allow_count;
    int resume; /* the state of the program that was here before; -1 = none */
};

/* Serves until it is to end, then ends the process; the supervisors go on. Returns only where it
 * could not begin: the caller says why and exits. */
bool launcher_serve(const struct launcher_conf *conf, struct err *err) MUST_CHECK;

/* Whether this program understands a state of that version. */
bool launcher_can_resume(const char *version);

/* Prints what this host holds, a line each: name, yes or no, amount, why, what would help, with
 * tabs between them; the mode of the cgroups first. Leaves nothing behind. */
void launcher_probe(void);

#endif
