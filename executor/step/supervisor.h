/*
 * supervisor.h - one attempt, from its launch to its end, in a process of its own.
 */
#ifndef EXECUTOR_STEP_SUPERVISOR_H
#define EXECUTOR_STEP_SUPERVISOR_H

#include <stddef.h>

struct cg;
struct cg_place;
struct sandbox;
struct step_facts;

struct supervisor_launch {
    int folder, record, channel; /* taken */
    int spec_fd;                 /* taken; -1 where the spec is in the message */
    const void *spec;
    size_t spec_len;
    int signals; /* a signalfd that shows at least SIGCHLD and SIGTERM, which are blocked */
    /* The launcher's, as they were at the fork. */
    struct cg *cg;
    struct cg_place *place;         /* NULL = in no cgroup of its own */
    const struct sandbox *sandbox;  /* NULL = none */
    const struct step_facts *facts; /* NULL = nothing was asked for */
};

/* Runs in the freshly forked child of the launcher; ends the process: 0 where the end has been
 * recorded. */
_Noreturn void supervise(const struct supervisor_launch *launch);

#endif
