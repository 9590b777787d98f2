/*
 * sim_world.h - what a crash does not take: the committed rows of an in-memory store, and the
 * attempts under their supervisors. And what every check needs to say which seed broke it.
 */
#ifndef TESTS_SCHEDULER_SIM_WORLD_H
#define TESTS_SCHEDULER_SIM_WORLD_H

#include "scheduler/states.h"
#include "tests/unit/scheduler/sim_model.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct sim_row {
    enum sched_state state;
    enum sched_reason reason;
    uint32_t attempts;
    uint32_t ended, lost; /* attempts that ended: not lost, lost */
    uint32_t crash_lost;  /* of those lost: in a crash, not by the script */
    int64_t due_ms;
};

struct sim_store {
    struct sim_row rows[SIM_STEPS];
    enum sched_run_state run_state;
    enum sched_reason run_reason;
    bool cancelled;
    bool stopped;   /* by cancel, timeout or fail_fast: from here on nothing may start */
    bool timed_out; /* and it was the timeout */
};

/* The newest attempt of a step, as its folder tells. */
struct sim_attempt {
    uint32_t number;
    bool launched;
    bool relaunch; /* it was found never started: may be launched once more */
    bool begins, stubborn, crash_lost;
    int64_t begin_at, end_at;
    struct sched_end end;
};

enum sim_mode { SIM_NO_CRASH, SIM_CRASH_OFTEN, SIM_CRASH_ONCE };

struct sim {
    const struct sim_script *t;
    enum sim_mode mode;
    uint32_t crash_at; /* SIM_CRASH_ONCE: at this point */
    uint32_t point, crashes;
    bool host_too; /* this crash takes the attempts with it */
    bool trace;
    struct sim_random random; /* order of what happens at the same time, and where it crashes */
    int64_t now;
    /* survives a crash */
    struct sim_store store;
    struct sim_attempt attempts[SIM_STEPS];
    int64_t resolve_at[SIM_STEPS];
    bool killed;
    /* the engine's memory */
    struct sched *s;
    struct sim_store draft; /* the transaction of this turn */
    bool told_began[SIM_STEPS], never_started[SIM_STEPS];
    struct sched_action carry[SIM_STEPS * 8];
    size_t carry_count;
    size_t event_carry; /* where this event's begin */
    uint32_t again;     /* the step that this event launches again; SIM_STEPS = none */
    uint32_t events;
    /* what the checks remember of one engine's life */
    uint32_t front;           /* first in the queue and not fitting; SIM_STEPS = none */
    bool overtook[SIM_STEPS]; /* started since it came to the front, behind it in order */
};

static struct sim *sim_now; /* for the words of a failed assert in the scheduler */

static void sim_where(void)
{
    if (!sim_now)
        return;
    static const char *const modes[] = {"without a crash", "crashing often", "crashing once"};
    fprintf(stderr, "\nseed %llu, %s (point %u, %u crashes), at %lld ms, event %u\n",
            (unsigned long long)sim_now->t->seed, modes[sim_now->mode], sim_now->point,
            sim_now->crashes, (long long)sim_now->now, sim_now->events);
    fprintf(stderr, "replay with: ORCH_SIM_SEED=%llu\n", (unsigned long long)sim_now->t->seed);
}

static void sim_require(bool so, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void sim_require(bool so, const char *fmt, ...)
{
    if (so)
        return;
    sim_where();
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static void sim_trace(const struct sim *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void sim_trace(const struct sim *m, const char *fmt, ...)
{
    if (!m->trace)
        return;
    fprintf(stderr, "%6lld  ", (long long)m->now);
    va_list args;
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}

/* ---- supervisors ------------------------------------------------------------------------- */

static bool world_alive(const struct sim *m, uint32_t step)
{
    return m->attempts[step].launched && m->attempts[step].end_at > m->now;
}

static void world_launch(struct sim *m, uint32_t step, uint32_t number)
{
    struct sim_attempt *a = &m->attempts[step];
    const struct sim_row *row = &m->store.rows[step];
    sim_require(row->state == SCHED_STARTING && row->attempts == number,
                "step %u: launch of attempt %u is not what was committed", step, number);
    sim_require(!world_alive(m, step), "step %u: two attempts in flight", step);
    sim_require(number > a->number || (number == a->number && a->relaunch),
                "step %u: attempt %u launched twice", step, number);
    struct sim_outcome o = sim_outcome(m->t, step, row->ended, row->lost - row->crash_lost);
    *a = (struct sim_attempt){.number = number,
                              .launched = true,
                              .begins = o.begins,
                              .stubborn = o.stubborn,
                              .begin_at = m->now + o.begin_after,
                              .end_at = m->now + o.begin_after + o.lasts + 1,
                              .end = o.end};
}

static void world_stop(struct sim *m, uint32_t step, bool kill)
{
    struct sim_attempt *a = &m->attempts[step];
    if (a->number != m->store.rows[step].attempts || !world_alive(m, step))
        return;
    if (a->stubborn && !kill)
        return;
    int64_t end_at = m->now + 1 + (kill ? 0 : (int64_t)sim_below(&m->random, 10));
    if (end_at >= a->end_at)
        return;
    a->end_at = end_at;
    a->end = (struct sched_end){.reason = SCHED_CANCEL};
    if (a->begin_at >= end_at)
        a->begins = false;
}

/* The host goes down: what ran is lost, what had not begun never started, records stay. */
static void world_host_down(struct sim *m)
{
    for (uint32_t i = 0; i < m->t->count; i++) {
        struct sim_attempt *a = &m->attempts[i];
        if (!world_alive(m, i))
            continue;
        if (!a->begins || a->begin_at > m->now) {
            a->launched = false;
            continue;
        }
        a->end_at = m->now;
        a->end = (struct sched_end){.reason = SCHED_LOST};
        a->crash_lost = true;
    }
}

#endif
