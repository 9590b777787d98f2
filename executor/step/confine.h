/*
 * confine.h - what holds one attempt: its place in the cgroups, its devices, its sandbox; as its
 * supervisor sees it. Nothing of it costs anything where a step asks for nothing.
 *
 *   confine_ask()    what the host cannot hold is refused, or left out
 *   confine_take()   cores and GPUs; to be called again while others have them
 *   confine_begin()  place made, folders given to the step's user; `place` is where the command
 * goes confine_kill()   everything in the place confine_end()    place and devices given back,
 * folders taken back
 */
#ifndef EXECUTOR_STEP_CONFINE_H
#define EXECUTOR_STEP_CONFINE_H

#include "executor/step/capture.h"
#include "executor/step/cgroup.h"
#include "executor/step/command.h"
#include "executor/step/pool.h"
#include "executor/step/supervisor.h"

#include <limits.h>

struct confine {
    struct cg *cg;
    struct cg_place *place; /* NULL = in no cgroup of its own */
    const struct step_facts *facts;
    struct step_spec *spec; /* borrowed */
    int folder;             /* borrowed: the attempt's */
    char path[PATH_MAX];    /* of it; made by confine_begin() */
    struct pool_grant grant;
    bool granted, shared;
    int entries[CG_ENTRIES];
    char *env[4];               /* owned: of the devices */
    struct command_place where; /* for command_start() */
    int64_t peak_bytes;         /* the largest memory_bytes seen, where nothing else tells */
};

void confine_init(struct confine *c, const struct supervisor_launch *launch,
                  struct step_spec *spec);
/* Notes of what is left out go to the log. */
bool confine_ask(struct confine *c, struct capture *log, struct err *err) MUST_CHECK;
/* ERR_BUSY: others have them. */
bool confine_take(struct confine *c, struct err *err) MUST_CHECK;
bool confine_begin(struct confine *c, struct err *err) MUST_CHECK;
/* What of it a reader of the record must know; "" = nothing. */
const char *confine_path(const struct confine *c);
/* Adds what the place, or the tree below this process, takes now. */
void confine_sample(struct confine *c, struct step_usage *ret);
/* What the place took in all; `ret` holds what is known without it. */
void confine_measure(struct confine *c, struct step_usage *ret);
/* How many processes its memory limit has killed. */
int64_t confine_oom_kills(const struct confine *c);
/* How often its pids limit refused one. */
int64_t confine_pids_refused(const struct confine *c);
/* Returns how many were alive. */
size_t confine_kill(const struct confine *c);
/* When the tree is dead. */
void confine_end(struct confine *c, bool launcher_lives);
/* Then, before anything is stored: what the step's user left is ours again; as sandbox_unshare().
 */
bool confine_take_back(struct confine *c, const struct digest_ask *ask, struct err *err) MUST_CHECK;

#endif
