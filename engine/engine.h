/*
 * engine.h - the only place where scheduler, executor and storage meet: one loop, one turn, and the
 * carrying out of what was decided.
 *
 *   events (an attempt ended, a timer, a word from outside) ─▶ scheduler ─▶ records ─commit─▶
 * launches and stops
 *
 * The turn: all events of one loop iteration are fed to the scheduler; everything it wants recorded
 * becomes one batch; what it wants done is done when that batch has been committed. So nothing is
 * ever done that is not on disk, and a crash between the two is what recovery expects.
 *
 * Folders below the data folder: orch.db; artifacts/ (base/cas.h); secrets/NAME (0600);
 * runs/ID/engine.lock (held by the engine the run belongs to), runs/ID/engine.sock (where it
 * listens), runs/ID/STEP@ATTEMPT/ (executor/step/step.h).
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "dag/dag.h"
#include "executor/step/step.h"
#include "scheduler/scheduler.h"
#include "storage/storage.h"

#include <jansson.h>
#include <stdint.h>

/* ---- where things are
 * ------------------------------------------------------------------------------------------ */

/* The data folder for every verb alike: `given` (--data), else ORCH_HOME, else the nearest .orch/
 * upward from the current folder that this user owns, else .orch in the git root of the current
 * folder, else .orch in the current folder. Absolute; the caller owns; not created. */
char *engine_data_dir(const char *given) __attribute__((returns_nonnull));
char *engine_run_dir(const char *data_dir, const char *run) __attribute__((returns_nonnull));
char *engine_attempt_dir(const char *data_dir, const char *run, const char *step, uint32_t attempt)
    __attribute__((returns_nonnull));
/* True where an engine holds the run's lock now. */
bool engine_alive(const char *data_dir, const char *run);

/* ---- what to run
 * ------------------------------------------------------------------------------------------------
 */

/* What a run is asked to be. Borrowed until the call returns, but for the pipeline, which
 * engine_create_run takes. */
struct engine_request {
    struct dag_pipeline *pipeline;
    const struct dag_value *params; /* by index */
    const char *const *only; /* --only: run these; what they need is reused from the newest run of
                                the pipeline; the rest is skipped */
    size_t only_count;
    const char
        *from; /* --from: this step and all that need it run; the rest is reused; NULL = all */
    const char *trigger_type; /* "manual" */
};

enum engine_plan_what { ENGINE_PLAN_RUN, ENGINE_PLAN_REUSE, ENGINE_PLAN_SKIP };
struct engine_plan_step {
    enum engine_plan_what what;
    const char *why;        /* a sentence */
    const char *reuse_run;  /* the run that REUSE takes the step's outputs from */
    const char *reuse_step; /* folder of the step there */
    const char *origin_run; /* the run in which it ran: that one, or one that it was reused from */
    const char **changed;   /* what has changed since and concerns it: "parameter days" */
    size_t changed_count;
    bool restore; /* an output of it has to be restored from the artifact store first */
};
/* What would run, by step index, in the arena; with --only/--from it looks up the newest run (store
 * may be NULL where neither is given). ERR_USAGE for a step name that does not exist (did you mean)
 * and for something that cannot be reused, naming the step and why. The outputs of what is reused
 * are read and compared with their digests: ERR_CORRUPT names one that is neither there as it was
 * stored nor in the artifact store. */
bool engine_plan(struct store *store, const struct engine_request *req, struct arena *a,
                 struct engine_plan_step **ret, struct err *err) MUST_CHECK;

/* ---- what steps ask of this host
 * ------------------------------------------------------------------------------------------ */

/* Something that some steps ask for and this host cannot hold. */
struct engine_lack {
    const char *key;       /* "resources.memory" */
    const char *why;       /* a sentence */
    const char *fix;       /* what would help; "" = nothing is known */
    bool user;             /* best-effort does not go without it */
    bool left_out;         /* these steps say best-effort, and run without it */
    const uint32_t *steps; /* by index */
    size_t step_count;
};

struct engine_outlook {
    int64_t have[SCHED_RESOURCES];      /* of this host; cores and GPUs: 0 where there are none, or
                                           nobody was asked */
    int64_t most[SCHED_RESOURCES];      /* what steps of one level of the graph take together */
    int64_t (*takes)[SCHED_RESOURCES];  /* by step: what admission counts */
    const char **never;                 /* by step: why it can never run here; NULL = it can */
    const struct engine_lack **lacking; /* by step: the first thing that cannot be held; NULL */
    struct engine_lack *lacks;
    size_t lack_count;
    bool asked; /* orch-step said what this host can hold; only asked where a step needs it */
    const char *unknown; /* why it did not; NULL = it did, or was not asked */
};

/* What the steps that `plan` runs ask of this host, and whether it can hold it; in the arena. Needs
 * no engine; starts orch-step (NULL = looked for) where the pipeline asks for something, and blocks
 * for some ms then. */
void engine_look_ahead(const char *step_program, const struct dag_pipeline *p,
                       const struct engine_plan_step *plan, struct arena *a,
                       struct engine_outlook *ret);
/* False with everything that keeps the run from starting, in one sentence: ERR_INVALID where a step
 * asks for more than there is, ERR_UNSUPPORTED where something cannot be enforced. */
bool engine_outlook_check(const struct engine_outlook *outlook, const struct dag_pipeline *p,
                          struct err *err) MUST_CHECK;

/* ---- the engine
 * --------------------------------------------------------------------------------------------------
 */

enum engine_event_kind { ENGINE_RUN, ENGINE_STEP, ENGINE_NOTE };
struct engine_event { /* told after it has been committed */
    enum engine_event_kind kind;
    int64_t at_ms;
    const char *run;
    const char *step; /* NULL for the run; display name */
    const char *folder;
    uint32_t attempt;
    const char *status, *reason, *detail; /* reason and detail may be NULL; a NOTE has only a
                                             detail: what the engine does about something */
    int exit_code;                        /* of an ended attempt; -1 = none */
    int64_t duration_ms;                  /* of an ended step or run; -1 = none */
    int64_t due_ms;                       /* waiting for a retry: when, wall clock; 0 = none */
    struct sched_counts counts;           /* of the run, as they are now */
    uint32_t step_count;
};
json_t *engine_event_json(
    const struct engine_event *event); /* {"event":"run|step|note","at":…,…}; a new reference */

struct engine_conf {
    const char *data_dir;
    const char *storage_url;   /* NULL = SQLite in the data folder */
    const char *step_program;  /* NULL = looked for */
    int jobs;                  /* -j: cpus that steps may take together; 0 = the host's cores */
    const struct clock *clock; /* NULL = the system's */
    void (*observe)(void *arg, const struct engine_event *event); /* NULL = nobody */
    void *observe_arg;
};

struct engine;

struct engine *engine_open(const struct engine_conf *conf, struct err *err) MUST_CHECK;
void engine_close(struct engine *e);
struct store *engine_store(struct engine *e);

/* Makes, records and owns a new run. Checks what can be checked before anything runs: secrets
 * present, commands' folder, users, capacity (more than the host has), isolation (what this host
 * cannot enforce); what this version cannot run is the caller's check (dag_can_run). Blocks for one
 * commit. Takes req->pipeline, also on failure. */
bool engine_create_run(struct engine *e, const struct engine_request *req, char ret_id[ID_SIZE],
                       struct err *err) MUST_CHECK;
/* Takes over an open run that no engine owns: recovery as design 2. ERR_BUSY where an engine lives,
 * ERR_EXISTS where the run has ended already. Blocks while it looks at attempts. */
bool engine_adopt_run(struct engine *e, const char *id, struct err *err) MUST_CHECK;
/* Can this host hold what the open steps of an owned run ask for? As engine_outlook_check(). Taking
 * a run over does not ask, since it must be possible to cancel one everywhere. */
bool engine_check_run(struct engine *e, const char *id, struct err *err) MUST_CHECK;

/* Turns the loop until every owned run has ended. False where the engine could not go on (the disk
 * is full, the store failed): steps stay under their supervisors, the run can be resumed. */
bool engine_turn_until_ended(struct engine *e, struct err *err) MUST_CHECK;
enum sched_run_state engine_run_state(struct engine *e, const char *run,
                                      enum sched_reason *ret_reason);

/* Stops a run this engine owns. `actor` for the journal. */
bool engine_cancel(struct engine *e, const char *run, const char *actor, bool kill,
                   struct err *err) MUST_CHECK;
/* A person's word on a step that waits because nobody knows how it ended: "rerun", "succeeded" or
 * "failed". */
bool engine_resolve(struct engine *e, const char *run, const char *step, const char *verdict,
                    const char *actor, const char *why, struct err *err) MUST_CHECK;
/* Calls `cb` on the loop when the signal arrives. */
bool engine_on_signal(struct engine *e, int signo, void (*cb)(void *arg, int signo), void *arg,
                      struct err *err) MUST_CHECK;

/* Asks the engine that owns a run, from another process: verb "cancel" {"kill":bool}, "resolve"
 * {"step","verdict","why"}. ERR_UNAVAILABLE where no engine lives (then adopt it and act). Blocks
 * at most 10 s. */
bool engine_ask(const char *data_dir, const char *run, const char *verb,
                json_t *detail /* borrowed, may be NULL */, struct err *err) MUST_CHECK;

/* ---- what is recorded, as JSON of the contract
 * -------------------------------------------------------------------- */

/* What `show --json` prints: a new reference, or NULL. Of what runs, the figures are read from its
 * folder below `data_dir`; with `samples` all that were taken, also of what has ended. */
json_t *engine_run_json(struct store *s, const char *data_dir, const char *run, bool samples,
                        struct err *err) MUST_CHECK;
/* What an attempt took, as recorded at its end; all -1 where nothing is. */
struct step_usage engine_attempt_usage(const struct store_attempt *attempt);
/* What `runs --json` prints for one run. */
json_t *engine_run_summary_json(const struct store_run *run);

#endif
