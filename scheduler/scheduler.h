/* clang-format off */
/*
 * scheduler.h - decides, and does nothing else: (state, event, now) -> new state + actions. No I/O, no clock, no
 * memory but its own, so a test can run a month in milliseconds and crash it at every point.
 *
 * Calling sequence: sched_new(); for a recovered run sched_restore() for each step; sched_start(); then events as
 * they happen. After every call the caller drains sched_next(). Actions come in the order in which they must take
 * effect: RECORD and RUN actions are written down first (one transaction a turn); a LAUNCH or STOP is carried out
 * only after everything drained before it has been committed.
 *
 *   pending ──▶ ready ──▶ starting ──▶ running
 *     │          │ ▲         │            │
 *     │          │ │         └──────┬─────┘ the attempt has ended
 *     │          │ │ due            ├──▶ succeeded
 *     │          │ └─── waiting ◀───┼──▶ failed
 *     │          │       │   │      └──▶ cancelled
 *     │          ▼       │   └─ a person resolves: succeeded, failed, or waiting for a retry that is due at once
 *     │      cancelled ◀─┘
 *     └─▶ skipped (upstream, condition), failed (expr), cancelled, reused (given, from another run)
 *
 *   waiting, reason retry: an attempt failed and retries are left, or it was lost and runs again (due at once; it
 *   does not count), or a person said "run again". waiting, reason resolve: it was lost and on_lost is ask.
 *
 * What is true: ready holds no capacity; starting and running hold it; waiting holds none; the rest are ends. A step
 * that is starting has a committed attempt number; no two attempts of a step are ever in flight. `ready` is not
 * recorded: it follows from the rest. Misuse (an attempt that is not in flight, needs in a circle) is an assert.
 *
 * The rules of flow and of admission, and what ends how: README.md.
 */
/* clang-format on */
#ifndef SCHEDULER_SCHEDULER_H
#define SCHEDULER_SCHEDULER_H

#include "dag/dag.h"

#include <stdbool.h>
#include <stdint.h>

enum sched_state {
    SCHED_PENDING,
    SCHED_READY,
    SCHED_STARTING,
    SCHED_RUNNING,
    SCHED_WAITING,
    SCHED_SUCCEEDED,
    SCHED_FAILED,
    SCHED_CANCELLED,
    SCHED_SKIPPED,
    SCHED_REUSED,
    SCHED_STATE_COUNT
};

enum sched_run_state {
    SCHED_RUN_QUEUED,
    SCHED_RUN_RUNNING,
    SCHED_RUN_WAITING,
    SCHED_RUN_SUCCEEDED,
    SCHED_RUN_FAILED,
    SCHED_RUN_CANCELLED,
    SCHED_RUN_STATE_COUNT
};

enum sched_reason {
    SCHED_NO_REASON,
    SCHED_EXIT,
    SCHED_SIGNAL,
    SCHED_TIMEOUT,
    SCHED_OOM,
    SCHED_LIMIT,
    SCHED_LOST,
    SCHED_UPSTREAM,
    SCHED_CONDITION,
    SCHED_EXPR,
    SCHED_OUTPUT,
    SCHED_ISOLATION,
    SCHED_REJECTED,
    SCHED_GATE,
    SCHED_HEALTH,
    SCHED_SPAWN,
    SCHED_RETRY,
    SCHED_APPROVAL,
    SCHED_RESOLVE,
    SCHED_CANCEL, /* "cancelled" */
    SCHED_REASON_COUNT
};

/* The words of the contract; from_name returns false for an unknown word. */
const char *sched_state_name(enum sched_state state);
const char *sched_run_state_name(enum sched_run_state state);
const char *sched_reason_name(enum sched_reason reason); /* NULL for SCHED_NO_REASON */
bool sched_state_from_name(const char *name, enum sched_state *ret);
bool sched_run_state_from_name(const char *name, enum sched_run_state *ret);
bool sched_reason_from_name(const char *name, enum sched_reason *ret);
bool sched_state_ended(enum sched_state state); /* a column of the table */
bool sched_state_good(enum sched_state state);  /* succeeded, reused */
bool sched_run_state_ended(enum sched_run_state state);

/* What admission counts. A new one is a row here: the rules are the same for all. */
enum sched_resource {
    SCHED_CPU,    /* thousandths */
    SCHED_MEMORY, /* bytes */
    SCHED_CORES,  /* cpus that a step has for itself */
    SCHED_GPUS,
    SCHED_RESOURCES
};

/* What the scheduler knows of a step. Arrays are borrowed until sched_free(). */
struct sched_step {
    const uint32_t *needs;
    uint32_t need_count;
    int64_t priority;               /* higher first; ties in index order */
    int64_t takes[SCHED_RESOURCES]; /* what admission counts; more than the capacity is clamped to
                                       it, so the step runs alone */
    struct dag_retry retry;
    bool continue_on_error; /* its failure neither stops those who need it nor fails the run */
    bool fail_fast;         /* its failure stops everything that has not ended */
    bool has_condition;     /* ops->condition is asked when its needs have ended */
    bool condition_asks;    /* the condition calls success() or its kin: the implied success() is
                               lifted */
    enum dag_on_lost on_lost;
};

struct sched_def {
    const struct sched_step *steps; /* borrowed */
    uint32_t count;
    int64_t capacity[SCHED_RESOURCES]; /* of this run; 0 = not bounded, but for cpu */
    int64_t timeout_ms; /* of the whole run, from sched_start(); 0 = none. A recovered run is given
                           what is left; negative = it has passed already */
    uint64_t seed;      /* of the jitter: the same seed gives the same delays */
};

enum sched_verdict {
    SCHED_YES,
    SCHED_NO,
    SCHED_BAD /* evaluation failed: the step fails with reason expr */
};

struct sched_ops {
    void *arg;
    /* The if: of a step whose needs have all ended. Pure: called at most once a step. */
    enum sched_verdict (*condition)(void *arg, uint32_t step);
};

enum sched_action_kind {
    SCHED_ACT_RECORD, /* step has entered `state` with `reason` */
    SCHED_ACT_LAUNCH, /* start attempt number `attempt` of step (its RECORD starting came before) */
    SCHED_ACT_STOP,   /* end the running attempt: TERM, grace, KILL; `kill` = KILL at once */
    SCHED_ACT_RUN,    /* the run has entered `run_state` with `reason` */
};

struct sched_action {
    enum sched_action_kind kind;
    uint32_t step;
    uint32_t attempt; /* from 1 */
    enum sched_state state;
    enum sched_run_state run_state;
    enum sched_reason reason;
    bool kill;
    int64_t due_ms; /* RECORD waiting/retry: when it is ready again, in the caller's time */
};

/* How an attempt ended. */
struct sched_end {
    bool ok;
    enum sched_reason reason; /* where !ok; SCHED_LOST = nobody knows how it ended; SCHED_CANCEL =
                                 it was stopped on request */
    int exit_code;            /* for retry.exit_codes; meaningful where reason is SCHED_EXIT */
};

struct sched;

struct sched *sched_new(const struct sched_def *def,
                        const struct sched_ops *ops); /* the caller owns */
void sched_free(struct sched *s);

/* Before sched_start(): what is known of a step. `attempts` = highest attempt number so far, `lost`
 * of them lost, `retries` = how many retries were used, that is attempts that ended and were not
 * lost. Where state is STARTING or RUNNING the caller will report began/ended for attempt
 * `attempts`, or sched_never_started(), after sched_start(). WAITING with reason RETRY becomes
 * ready at `due_ms`. REUSED and SKIPPED may be given for a new run (steps that are not to run).
 * Nothing that is restored is recorded again. */
void sched_restore(struct sched *s, uint32_t step, enum sched_state state, enum sched_reason reason,
                   uint32_t attempts, uint32_t lost, uint32_t retries, int64_t due_ms);
/* Before sched_start() of a recovered run whose cancel was already recorded. (That a run was
 * stopped by its timeout or by fail_fast follows from the steps and from timeout_ms.) */
void sched_restore_cancelled(struct sched *s);

/* The first RUN action says running, or waiting where a recovered run can only wait for a person;
 * the caller drops it where it has recorded that state already. */
void sched_start(struct sched *s, int64_t now_ms);
/* Once more for an attempt that is running already: no effect. */
void sched_began(struct sched *s, uint32_t step, uint32_t attempt, int64_t now_ms);
/* Also for an attempt that never began (spawn), or whose beginning was not reported. */
void sched_ended(struct sched *s, uint32_t step, uint32_t attempt, const struct sched_end *end,
                 int64_t now_ms);
/* A recovered STARTING attempt whose command never began: the same attempt number is launched
 * again. */
void sched_never_started(struct sched *s, uint32_t step, uint32_t attempt, int64_t now_ms);
/* Stops the run: nothing more starts, what runs is stopped (`kill`: at once). Idempotent; a second
 * call with kill sends STOP again. */
void sched_cancel(struct sched *s, bool kill, int64_t now_ms);
/* A person's word on a step that waits with reason resolve: SUCCEEDED, FAILED, or READY to run
 * again. False where it does not wait for one. */
bool sched_resolve(struct sched *s, uint32_t step, enum sched_state verdict, int64_t now_ms)
    __attribute__((warn_unused_result));
/* Due retries and the run's timeout. */
void sched_tick(struct sched *s, int64_t now_ms);
int64_t sched_next_due(const struct sched *s); /* INT64_MAX = nothing is due */

bool sched_next(struct sched *s, struct sched_action *ret); /* false: drained */

/* What is so now. */
enum sched_state sched_step_state(const struct sched *s, uint32_t step);
enum sched_reason sched_step_reason(const struct sched *s, uint32_t step);
uint32_t sched_step_attempts(const struct sched *s, uint32_t step);
enum sched_run_state sched_run_state_now(const struct sched *s);
/* success() failure() cancelled() always() over all transitive needs of a step. */
bool sched_ask(const struct sched *s, uint32_t step, enum dag_question question);
struct sched_counts {
    uint32_t by_state[SCHED_STATE_COUNT];
};
struct sched_counts sched_counts(const struct sched *s);

#endif
