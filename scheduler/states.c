/*
 * states.c - the state machines as tables: a new state is one row. The drawing is in scheduler.h.
 */
#include "scheduler/states.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define IN(state) (1U << (state))

struct state_row {
    const char *name;
    bool ended;
    bool good;     /* those who need it may run */
    bool holds;    /* takes its share of the capacity */
    uint32_t next; /* set of legal successors */
};

struct run_row {
    const char *name;
    bool ended;
    uint32_t next;
};

struct reason_row {
    const char *name;
    bool retried;
};

/* clang-format off */
#define ATTEMPT_ENDS (IN(SCHED_WAITING) | IN(SCHED_SUCCEEDED) | IN(SCHED_FAILED) | IN(SCHED_CANCELLED))

static const struct state_row states[SCHED_STATE_COUNT] = {
    /*                   name         ended  good   holds  next */
    [SCHED_PENDING]   = {"pending",   false, false, false, IN(SCHED_READY) | IN(SCHED_FAILED) | IN(SCHED_CANCELLED) |
                                                           IN(SCHED_SKIPPED) | IN(SCHED_REUSED)},
    [SCHED_READY]     = {"ready",     false, false, false, IN(SCHED_STARTING) | IN(SCHED_CANCELLED)},
    [SCHED_STARTING]  = {"starting",  false, false, true,  IN(SCHED_RUNNING) | ATTEMPT_ENDS},
    [SCHED_RUNNING]   = {"running",   false, false, true,  ATTEMPT_ENDS},
    [SCHED_WAITING]   = {"waiting",   false, false, false, IN(SCHED_READY) | ATTEMPT_ENDS},
    [SCHED_SUCCEEDED] = {"succeeded", true,  true,  false, 0},
    [SCHED_FAILED]    = {"failed",    true,  false, false, 0},
    [SCHED_CANCELLED] = {"cancelled", true,  false, false, 0},
    [SCHED_SKIPPED]   = {"skipped",   true,  false, false, 0},
    [SCHED_REUSED]    = {"reused",    true,  true,  false, 0},
};

#define RUN_ENDS (IN(SCHED_RUN_SUCCEEDED) | IN(SCHED_RUN_FAILED) | IN(SCHED_RUN_CANCELLED))

static const struct run_row runs[SCHED_RUN_STATE_COUNT] = {
    /*                       name         ended  next */
    [SCHED_RUN_QUEUED]    = {"queued",    false, IN(SCHED_RUN_RUNNING) | IN(SCHED_RUN_WAITING)},
    [SCHED_RUN_RUNNING]   = {"running",   false, IN(SCHED_RUN_WAITING) | RUN_ENDS},
    [SCHED_RUN_WAITING]   = {"waiting",   false, IN(SCHED_RUN_RUNNING) | RUN_ENDS},
    [SCHED_RUN_SUCCEEDED] = {"succeeded", true,  0},
    [SCHED_RUN_FAILED]    = {"failed",    true,  0},
    [SCHED_RUN_CANCELLED] = {"cancelled", true,  0},
};

/* Never retried: what would give the same answer again (expr), what a person or the flow decided,
 * and lost, which has its own rule (on_lost). */
static const struct reason_row reasons[SCHED_REASON_COUNT] = {
    [SCHED_NO_REASON] = {NULL,        false},
    [SCHED_EXIT]      = {"exit",      true},
    [SCHED_SIGNAL]    = {"signal",    true},
    [SCHED_TIMEOUT]   = {"timeout",   true},
    [SCHED_OOM]       = {"oom",       true},
    [SCHED_LIMIT]     = {"limit",     true},
    [SCHED_LOST]      = {"lost",      false},
    [SCHED_UPSTREAM]  = {"upstream",  false},
    [SCHED_CONDITION] = {"condition", false},
    [SCHED_EXPR]      = {"expr",      false},
    [SCHED_OUTPUT]    = {"output",    true},
    [SCHED_ISOLATION] = {"isolation", true},
    [SCHED_REJECTED]  = {"rejected",  false},
    [SCHED_GATE]      = {"gate",      true},
    [SCHED_HEALTH]    = {"health",    true},
    [SCHED_SPAWN]     = {"spawn",     true},
    [SCHED_RETRY]     = {"retry",     false},
    [SCHED_APPROVAL]  = {"approval",  false},
    [SCHED_RESOLVE]   = {"resolve",   false},
    [SCHED_CANCEL]    = {"cancelled", false},
};
/* clang-format on */

_Static_assert(SCHED_STATE_COUNT <= 32 && SCHED_RUN_STATE_COUNT <= 32,
               "sets of states are 32 bits");

static const struct state_row *state_row(enum sched_state state)
{
    assert((unsigned)state < SCHED_STATE_COUNT);
    return &states[state];
}

static const struct run_row *run_row(enum sched_run_state state)
{
    assert((unsigned)state < SCHED_RUN_STATE_COUNT);
    return &runs[state];
}

const char *sched_state_name(enum sched_state state)
{
    return state_row(state)->name;
}

const char *sched_run_state_name(enum sched_run_state state)
{
    return run_row(state)->name;
}

const char *sched_reason_name(enum sched_reason reason)
{
    assert((unsigned)reason < SCHED_REASON_COUNT);
    return reasons[reason].name;
}

bool sched_state_from_name(const char *name, enum sched_state *ret)
{
    for (unsigned i = 0; i < SCHED_STATE_COUNT; i++)
        if (strcmp(states[i].name, name) == 0) {
            *ret = (enum sched_state)i;
            return true;
        }
    return false;
}

bool sched_run_state_from_name(const char *name, enum sched_run_state *ret)
{
    for (unsigned i = 0; i < SCHED_RUN_STATE_COUNT; i++)
        if (strcmp(runs[i].name, name) == 0) {
            *ret = (enum sched_run_state)i;
            return true;
        }
    return false;
}

bool sched_reason_from_name(const char *name, enum sched_reason *ret)
{
    for (unsigned i = 0; i < SCHED_REASON_COUNT; i++)
        if (reasons[i].name && strcmp(reasons[i].name, name) == 0) {
            *ret = (enum sched_reason)i;
            return true;
        }
    return false;
}

bool sched_state_ended(enum sched_state state)
{
    return state_row(state)->ended;
}

bool sched_state_good(enum sched_state state)
{
    return state_row(state)->good;
}

bool sched_state_holds(enum sched_state state)
{
    return state_row(state)->holds;
}

bool sched_run_state_ended(enum sched_run_state state)
{
    return run_row(state)->ended;
}

bool sched_state_may_follow(enum sched_state from, enum sched_state to)
{
    return (state_row(from)->next & IN(to)) != 0;
}

bool sched_run_state_may_follow(enum sched_run_state from, enum sched_run_state to)
{
    return (run_row(from)->next & IN(to)) != 0;
}

bool sched_reason_retried(enum sched_reason reason)
{
    assert((unsigned)reason < SCHED_REASON_COUNT);
    return reasons[reason].retried;
}
