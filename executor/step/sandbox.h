/*
 * sandbox.h - what is around a command: user, capabilities, namespaces, mounts, landlock, system
 * calls, process limits.
 *
 *   launcher    sandbox_open() once: a mount namespace in which the cgroups are read-only, the
 *               filter of system calls as a BPF program
 *               sandbox_facts(): what holds here
 *   supervisor  sandbox_share() before the command starts: folders get their owner and their modes
 *   child       sandbox_enter() between fork and exec: system calls only
 *
 * Order in the child: cgroup (command.c), namespaces and mounts, process limits, capabilities,
 * user, no new privileges, landlock, filter, exec. A sandbox that needs a user namespace cannot be
 * entered by a child that shares our memory: sandbox_needs_fork().
 */
#ifndef EXECUTOR_STEP_SANDBOX_H
#define EXECUTOR_STEP_SANDBOX_H

#include "executor/step/facts.h"

struct sandbox; /* of the host: what was prepared once */

struct sandbox *sandbox_open(void); /* never NULL; blocks for some ms */
void sandbox_close(struct sandbox *sb);
/* Adds: user, privileges, seccomp, landlock, network, private_tmp, read_only, hidden, writable. */
void sandbox_facts(const struct sandbox *sb, struct step_facts *ret);

/* Gives the step's user what it must write to: out/, artifacts/, output, metrics, script; and lets
 * other users of this run read and pass through, where `shared`. `folder`: of the attempt. */
bool sandbox_share(const struct step_spec *spec, int folder, struct err *err) MUST_CHECK;
/* After the command: nothing that its user left may be changed by it any more. */
bool sandbox_unshare(const struct step_spec *spec, int folder, struct err *err) MUST_CHECK;

/* True where the child must be a fork of its own memory. */
bool sandbox_needs_fork(const struct sandbox *sb, const struct step_spec *spec);
/* In the child. `limited`: the step is in a cgroup, which it may not leave. Returns 0, or an errno
 * and in `ret_what` a constant text that says what failed ("cannot hide /home"), for people. Uses
 * no memory but its stack. */
int sandbox_enter(const struct sandbox *sb, const struct step_spec *spec, const char *folder,
                  bool limited, const char **ret_what);

#endif
