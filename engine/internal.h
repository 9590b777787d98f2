/*
 * internal.h - private to engine: its objects, and which file does what with them.
 *
 *   engine.c   the engine, the turn, commits, carrying out
 *   run.c      a run's making and freeing; adopt.c takes over  plan.c    what would run
 *   isolate.h  what steps ask of the host: user.c, isolate.c, outlook.c
 *   launch.c   a step's spec: environment, command, secrets    scope.c   what expressions may ask
 *   finish.c   taking in how an attempt ended                  socket.c  words from other processes
 *   manifest.c what the run was made of                        view.c    records as JSON
 *   leak.c     secrets in what a step left                     reuse.c   what stands for steps
 *   loop_uv.c  the loop                                        paths.c   where things are
 *
 * Who owns what: the engine owns its runs; a run owns its scheduler, pipeline, values (arena) and
 * attempts; an attempt belongs to the turn that commits its end, which frees it after the commit.
 */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include "engine/engine.h"
#include "engine/isolate.h"
#include "engine/loop_uv.h"
#include "executor/executor.h"

struct run;

/* An attempt in flight. */
struct attempt {
    struct run *run;
    uint32_t step, number;
    struct exec_attempt *exec; /* NULL where there is no supervisor */
    enum sched_reason refused; /* why it cannot be launched; NO_REASON = it can */
    char *refusal;             /* in words; owned */
    char **leaks;              /* paths that hold a secret, removed after the commit; owned */
    size_t leak_count;
    struct attempt *next; /* in a turn's list of finished ones */
};

struct result_metric {
    const char *name;
    double value;
};

/* What a step left that expressions may read. Lives in the run's arena. */
struct result {
    const char **names; /* of outputs */
    struct dag_value *values;
    size_t count;
    struct result_metric *metrics; /* the last value of each */
    size_t metric_count;
};

struct run_step {
    struct attempt *attempt; /* in flight, or NULL */
    struct result *result;   /* NULL = nothing */
    char *detail;            /* a sentence for the next record of this step; owned */
    int exit_code;           /* of the last attempt; -1 = none */
    int64_t started_ms;      /* wall clock, when its first attempt began; 0 = none */
    int64_t ended_ms;        /* wall clock, when the attempt ended whose end is being taken in;
                                0 = none is */
};

struct secret {
    const char *name, *value;
};

struct run {
    struct engine *engine;
    struct run *next;
    char id[ID_SIZE];
    int64_t number, created_ms, started_ms;
    int64_t last_end_ms; /* wall clock, the latest end of a step; 0 = none has ended */
    struct dag_pipeline *pipeline;
    const struct dag_value *params;
    const char *dir;     /* runs/ID */
    const char *file;    /* the pipeline file, absolute */
    const char *workdir; /* its folder */
    const char *root;    /* the repository's root, or that folder */
    struct dag_value trigger;
    struct secret *secrets;
    size_t secret_count;
    struct mask_set *masks; /* of all secrets; NULL = none */
    struct sched *sched;
    struct sched_step *defs; /* borrowed by sched */
    struct run_step *steps;
    int lock;            /* fd of engine.lock, held */
    struct users users;  /* that its steps run as; in the arena */
    bool shared;         /* some step has another user than the engine's */
    struct words *words; /* the socket other processes speak to (socket.c) */
    bool cancelling;     /* somebody asked for its end */
    bool ended;          /* its end has been committed */
    enum sched_run_state state;
    enum sched_reason reason;
    struct arena arena; /* lives as long as the run */
};

/* One batch: what a turn records, tells and does. Effects happen in order, after the commit. */
struct effect {
    struct run *run;
    struct sched_action action;
    struct engine_event event; /* told if event.run != NULL; texts in the turn's arena */
};

struct turn {
    struct engine *engine;
    struct turn *next; /* committed after this one */
    struct store_batch *batch;
    struct effect *effects;
    size_t count, cap;
    bool urgent; /* holds something that somebody waits for; else it may wait for company */
    struct attempt *finished; /* acknowledged and freed after the commit */
    struct arena arena;
};

struct engine {
    struct engine_conf conf;
    const struct clock *clock;
    char *data_dir;
    char *actor; /* "uid:1000" */
    char host[65];
    char *store_dir; /* artifacts */
    struct loop_uv *loop;
    struct store *store;
    struct exec *exec;
    struct run *runs;
    struct turn *open;                         /* being filled; NULL = nothing yet */
    struct turn *committing, *committing_last; /* handed to the store, oldest first */
    struct loop_timer *due;                    /* retries and time-outs */
    struct loop_timer *lazy;                   /* commits what is not urgent */
    bool quitting;     /* engine_turn_until_ended() wants to return when nothing is left */
    struct err failed; /* why the engine cannot go on; code ERR_NONE = it can */
};

/* engine.c */
extern const struct exec_events engine_exec_events; /* their owner is a struct attempt */
struct turn *engine_open_turn(struct engine *e);
void engine_fail(struct engine *e, const struct err *err);
void engine_note(struct run *run, const char *step, const char *fmt, ...) PRINTF_LIKE(3, 4);
int64_t engine_wall(struct engine *e);
int64_t engine_boot(struct engine *e);
struct run *engine_find_run(struct engine *e, const char *id);

/* run.c */
struct run *run_new(struct engine *e, struct dag_pipeline *pipeline,
                    const char *id);                  /* takes the pipeline */
void run_set_file(struct run *run, const char *file); /* the pipeline file, absolute */
bool run_take_lock(struct run *run, struct err *err) MUST_CHECK;
bool run_set_trigger(struct run *run, const char *json, struct err *err) MUST_CHECK;
/* `elapsed_ms`: how much of the run's timeout an earlier engine has used up. */
void run_make_scheduler(struct run *run, int64_t elapsed_ms);
/* Finds out whether some step has another user, and opens the folders to it then. */
bool run_share(struct run *run, struct err *err) MUST_CHECK;
void run_own(struct engine *e, struct run *run);
void run_free(struct run *run);
enum sched_verdict run_condition(void *arg, uint32_t step);
void run_set_detail(struct run *run, uint32_t step, const char *text);

/* launch.c: makes attempt `a` ready to be launched; false where it cannot be (reason and sentence
 * given). */
bool launch_prepare(struct attempt *a, enum sched_reason *ret_reason, struct err *err) MUST_CHECK;
bool launch_secrets(struct engine *e, struct run *run,
                    struct err *err) MUST_CHECK;             /* reads the run's secrets */
void launch_mask_secrets(const struct run *run, char *text); /* in place; see launch.c */

/* reuse.c */
struct reuse { /* borrows the first four */
    struct store *store;
    const struct dag_pipeline *now;
    const struct dag_value *params; /* by index; NULL = not compared */
    struct arena *arena;
    const char *then_run; /* the run that was looked at last */
    struct dag_pipeline *then;
    struct dag_value then_params;
};
void reuse_done(struct reuse *r);
/* Fills in origin, changes and restore of a step that is to be reused; false where it cannot be. */
bool reuse_look(struct reuse *r, uint32_t step, const struct store_step *was,
                struct engine_plan_step *plan, struct err *err) MUST_CHECK;
/* A recorded step by its name, `likely` at that place; NULL = there is none. */
const struct store_step *reuse_find_step(const struct store_step *steps, size_t count,
                                         const char *name, size_t likely);
/* Puts back from the artifact store what is not there as it was stored. */
bool reuse_restore(struct engine *e, const struct store_step_output *outputs, size_t count,
                   struct err *err) MUST_CHECK;
/* What has changed, in words; NULL = nothing. And the detail of the step's record. */
const char *reuse_changes(const struct engine_plan_step *plan, struct arena *a);
const char *reuse_detail(const struct engine_plan_step *plan, struct arena *a);

/* leak.c */
void leak_prepare(struct run *run); /* once the run's secrets are known */
/* The name of a secret that stands in the text in one of the forms that logs are searched for. */
const char *leak_find(const struct run *run, const char *text);
/* What of an attempt's folder holds a secret is noted, to be removed once its end is recorded:
 * until then a crash would have it taken in again. `refused`: its ORCH_OUTPUT and ORCH_METRICS are
 * not taken in. */
void leak_note(struct attempt *a, const char *folder, const struct step_files *files, bool refused);
void leak_remove(const struct attempt *a);
void attempt_drop(struct attempt *a); /* NULL is fine */

/* finish.c */
void finish_attempt(struct attempt *a,
                    const struct step_end *end); /* records the end; frees `a` after the commit */
void finish_unstarted(struct attempt *a, enum sched_reason reason, const struct err *why);
void finish_load_results(struct run *run, uint32_t step, const struct store_step_output *outputs,
                         size_t output_count, const struct store_step_metric *metrics,
                         size_t metric_count);

/* scope.c */
struct scope {
    struct run *run;
    uint32_t step;
    int depth; /* of env: values that name others */
};
struct dag_scope scope_of(struct scope *s);

/* manifest.c */
json_t *manifest_make(struct engine *e, const struct run *run, const char **ret_commit,
                      bool *ret_dirty, struct arena *a);

/* Says of each reused step which run it ran in, and what has changed since. */
void manifest_add_reused(json_t *manifest, const struct dag_pipeline *p,
                         const struct engine_plan_step *plan);

/* socket.c */
struct words *words_open(struct run *run, struct err *err) MUST_CHECK;
void words_close(struct words *w);

/* paths.c */
char *path_git_root(
    const char *dir); /* the nearest folder upward with .git; the caller owns; NULL = none */

#endif
