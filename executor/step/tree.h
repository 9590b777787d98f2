/*
 * tree.h - kills what a command left behind. Everything that descends from a supervisor stays below
 * it, since it is a child subreaper: a daemon that detaches itself becomes its child. What descends
 * from a dead supervisor becomes the launcher's child in the same way.
 */
#ifndef EXECUTOR_STEP_TREE_H
#define EXECUTOR_STEP_TREE_H

#include "executor/step/step.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Kills every descendant of this process, but for the children that `spare` names and what is below
 * them (NULL: none is spared). Returns how many were alive; does not wait for them. To be called
 * until there are none: what forks while we look is found the next time. */
size_t tree_kill(bool (*spare)(void *arg, pid_t child), void *arg);

/* Kills every process whose environment at its start named this attempt; returns how many were
 * alive. To be called until there are none. */
size_t tree_kill_marked(const char *run, const char *step, int64_t attempt);

/* What lives below this process takes now: cpu_us (of those that are alive), memory_bytes
 * (resident, what they share is counted for each), read_bytes and write_bytes, pids. Members stay
 * as they are where the kernel does not list children. */
void tree_usage(struct step_usage *ret);

#endif
