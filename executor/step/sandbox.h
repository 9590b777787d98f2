/*
 * sandbox.h - what is around a command: user, capabilities, namespaces, mounts, landlock, system
 * calls, process limits.
 *
 *   launcher    sandbox_open() once: a mount namespace in which the cgroups are read-only, the
 *               filters of system calls as BPF programs, what the kernel lets us do
 *               sandbox_facts(): what holds here
 *   supervisor  sandbox_share() before the command starts: folders get their owner and their modes
 *   child       sandbox_enter() between clone and exec: system calls only
 *   supervisor  sandbox_unshare() when the tree is dead, before anything of it is stored
 *
 * Order in the child: cgroup (command.c), namespaces and mounts, process limits, user,
 * capabilities, no new privileges, landlock, filter, exec.
 *
 * What it is for: a step harms nothing outside its folder by accident, and cannot leave its limits.
 * A step of root that sets out to take the machine over still can (it may write to any file that is
 * not hidden); who does not trust a script gives it a `user`.
 */
#ifndef EXECUTOR_STEP_SANDBOX_H
#define EXECUTOR_STEP_SANDBOX_H

#include "base/digest.h"
#include "executor/step/facts.h"

#define SANDBOX_PATHS 256 /* read_only, hidden and writable of a step together */

struct sandbox; /* of the host: what was prepared once; inherited by fork */

struct sandbox *sandbox_open(void); /* never NULL; blocks for some ms; leaves no child */
void sandbox_close(struct sandbox *sb);
/* Adds: user, privileges, seccomp, landlock, guard, network, private_tmp, read_only, hidden,
 * writable. guard: a step of root cannot write to cgroups. */
void sandbox_facts(const struct sandbox *sb, struct step_facts *ret);

/* Gives the step's user what it must write to: out/, artifacts/, output, metrics, script, tmp/; and
 * lets other users of this run read and pass through, where `shared`. After the script was written.
 * `folder`: of the attempt. */
bool sandbox_share(const struct step_spec *spec, int folder, struct err *err) MUST_CHECK;
/* After the command, when its tree is dead: removes tmp/, and takes back what its user left, so
 * that nobody can change it any more: it belongs to us, has one link, and no descriptor that was
 * passed on is open for writing; what cannot be had so is replaced by a copy. False with ERR_DENIED
 * where something in it is not the user's to read: nothing of the folder may be stored then.
 * Blocks; `ask` (may be NULL) as of digest.h. */
bool sandbox_unshare(const struct step_spec *spec, int folder, const struct digest_ask *ask,
                     struct err *err) MUST_CHECK;

/* What could not be had: constant texts and texts of the spec. */
struct sandbox_failure {
    int error;        /* errno; 0 = the text says it all */
    const char *what; /* "cannot hide" */
    const char *path; /* or NULL */
};

/* In the child, which may share our memory. `folder`: the attempt's, absolute and without symbolic
 * links. `limited`: the step is in a cgroup, which it may not leave. Uses no memory but its stack
 * (some 32 KB). Clears PR_SET_PDEATHSIG where the user changes. */
bool sandbox_enter(const struct sandbox *sb, const struct step_spec *spec, const char *folder,
                   bool limited, struct sandbox_failure *ret) MUST_CHECK;
/* The failure as a sentence, ERR_UNSUPPORTED. Always returns false. */
bool sandbox_explain(const struct sandbox_failure *failure, struct err *err);

#endif
