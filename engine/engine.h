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
 * present, commands' folder, capacity (more than the host has), what this version cannot run is the
 * caller's check (dag_can_run). Blocks for one commit. Takes req->pipeline, also on failure. */
bool engine_create_run(struct engine *e, const struct engine_request *req, char ret_id[ID_SIZE],
                       struct err *err) MUST_CHECK;
/* Takes over an open run that no engine owns: recovery as design 2. ERR_BUSY where an engine lives,
 * ERR_EXISTS where the run has ended already. Blocks while it looks at attempts. */
bool engine_adopt_run(struct engine *e, const char *id, struct err *err) MUST_CHECK;

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

/* What `show --json` prints: a new reference, or NULL. */
json_t *engine_run_json(struct store *s, const char *run, struct err *err) MUST_CHECK;
/* What `runs --json` prints for one run. */
json_t *engine_run_summary_json(const struct store_run *run);

#endif
