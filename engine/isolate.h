/*
 * isolate.h - private to engine: what a step asks of the host (limits, sandbox, user), from the
 * pipeline to what its supervisor is told, and whether this host can hold it.
 *
 *   user.c     who a step runs as
 *   isolate.c  a step's limits and sandbox; the folders that another user must pass through
 *   outlook.c  what the host has, what steps take of it, and what it cannot hold: for a run that
 *              starts, and for plan
 */
#ifndef ENGINE_ISOLATE_H
#define ENGINE_ISOLATE_H

#include "base/arena.h"
#include "engine/engine.h"
#include "executor/step/step.h"

/* ---- users */

struct user {
    const char *text; /* as the pipeline names it; borrowed */
    int64_t uid, gid;
    const char *name, *home, *shell;
    char **groups; /* decimal, beside gid */
    size_t group_count;
};
/* Those that were looked up. Empty at the start; lives in an arena. */
struct users {
    struct known_user *first;
};
/* By NAME, NUMBER, NAME:GROUP, each looked up once; everything lives in the arena. ERR_INVALID
 * where there is none. May block: users may live on another host. */
bool user_find(struct users *users, const char *text, struct arena *a, const struct user **ret,
               struct err *err) MUST_CHECK;
/* False where it is the engine's own user: nothing needs to be changed for it. Root is always
 * another one, so that a step as root says so. */
bool user_is_other(const struct user *user);

/* ---- a step */

/* What the supervisor is told. Texts are copied into the arena, or borrowed from the pipeline. */
void isolate_limits(const struct dag_step *step, struct arena *a, struct step_limits *ret);
/* `user`: of the step, or NULL; `shared`: some step of this run has another user. */
void isolate_sandbox(const struct dag_step *step, const struct user *user, bool shared,
                     struct arena *a, struct step_sandbox *ret);
/* True where the host must be asked before such a step may start. */
bool isolate_asks(const struct dag_step *step);

/* Lets other users pass through the data folder to what their steps are to read (mode 0711), after
 * everything else in it has been closed to them. */
bool isolate_share(const char *data_dir, const char *run_dir, struct err *err) MUST_CHECK;

/* ---- the host */

int64_t host_cores(void);
/* What admission counts for a step. */
void host_takes(const struct dag_step *step, int64_t ret[SCHED_RESOURCES]);
/* What the host has; cores and GPUs are in the facts (NULL: nobody asked, they are 0). */
void host_has(const struct step_facts *facts, int64_t ret[SCHED_RESOURCES]);
/* Looks at the steps that are to run. `facts` NULL: only what is plain without them. `users` lives
 * in the same arena. */
void outlook_make(const struct dag_pipeline *p, const struct engine_plan_step *plan,
                  const struct step_facts *facts, struct users *users, struct arena *a,
                  struct engine_outlook *ret);
/* True where some step that runs needs the facts. */
bool outlook_asks(const struct dag_pipeline *p, const struct engine_plan_step *plan);

#endif
