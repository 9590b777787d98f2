/*
 * sim_script.h - a random pipeline and everything that is going to happen to it, as a pure function
 * of the seed. How an attempt ends depends on the step, on how many of its attempts ended before
 * and on how many were lost by the script; attempts lost in a crash do not count. So the same seed
 * with and without crashes has the same right answer.
 */
#ifndef TESTS_SCHEDULER_SIM_SCRIPT_H
#define TESTS_SCHEDULER_SIM_SCRIPT_H

#include "scheduler/scheduler.h"

#include <string.h>

#define SIM_STEPS 60
#define SIM_NEVER INT64_MAX

enum sim_condition {
    COND_NONE,
    COND_YES,
    COND_NO,
    COND_BAD,
    COND_SUCCESS, /* from here on it asks */
    COND_FAILURE,
    COND_NOT_FAILURE,
    COND_CANCELLED,
    COND_ALWAYS,
    COND_COUNT
};

struct sim_script {
    uint64_t seed;
    uint32_t count;
    struct sched_step steps[SIM_STEPS];
    uint32_t needs[SIM_STEPS][SIM_STEPS];
    enum sim_condition condition[SIM_STEPS];
    enum sched_state given[SIM_STEPS]; /* pending, or reused or skipped before the run starts */
    bool reach[SIM_STEPS][SIM_STEPS];  /* [i][j]: j is a transitive need of i */
    int64_t capacity[SCHED_RESOURCES];
    int64_t timeout_ms;
    int64_t cancel_at, kill_at; /* SIM_NEVER = not at all */
    uint64_t bad_percent, lost_percent;
};

struct sim_outcome {
    struct sched_end end;
    bool begins; /* false: ends before its command begins */
    bool stubborn;
    int64_t begin_after, lasts;
};

struct sim_random {
    uint64_t state;
};

static uint64_t sim_next(struct sim_random *r)
{
    uint64_t x = (r->state += 0x9e3779b97f4a7c15U);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

static uint64_t sim_below(struct sim_random *r, uint64_t n)
{
    return sim_next(r) % n;
}

static bool sim_percent(struct sim_random *r, uint64_t percent)
{
    return sim_below(r, 100) < percent;
}

/* A generator for one question about the script. */
static struct sim_random sim_about(const struct sim_script *t, uint64_t what, uint64_t a,
                                   uint64_t b, uint64_t c)
{
    struct sim_random r = {t->seed * 1000003 + what};
    r.state = sim_next(&r) ^ (a << 40) ^ (b << 20) ^ c;
    (void)sim_next(&r);
    return r;
}

static struct sim_outcome sim_outcome(const struct sim_script *t, uint32_t step, uint32_t ended,
                                      uint32_t lost)
{
    static const enum sched_reason bad[] = {SCHED_EXIT,  SCHED_EXIT,    SCHED_EXIT,  SCHED_SIGNAL,
                                            SCHED_OOM,   SCHED_TIMEOUT, SCHED_LIMIT, SCHED_OUTPUT,
                                            SCHED_SPAWN, SCHED_EXPR,    SCHED_CANCEL};
    struct sim_random r = sim_about(t, 1, step, ended, lost);
    struct sim_outcome o = {.begins = true, .end.ok = true};
    o.begin_after = (int64_t)sim_below(&r, 6);
    o.lasts = (int64_t)sim_below(&r, 50);
    o.stubborn = sim_percent(&r, 20);
    if (sim_percent(&r, t->lost_percent)) {
        o.end = (struct sched_end){.reason = SCHED_LOST};
    } else if (sim_percent(&r, t->bad_percent)) {
        o.end = (struct sched_end){.reason = bad[sim_below(&r, sizeof bad / sizeof bad[0])]};
        if (o.end.reason == SCHED_EXIT)
            o.end.exit_code = 1 + (int)sim_below(&r, 3);
        o.begins = o.end.reason != SCHED_SPAWN && o.end.reason != SCHED_EXPR;
    }
    if (!o.begins)
        o.lasts = 0;
    return o;
}

/* What a person says of the attempt that the script lost. */
static enum sched_state sim_verdict(const struct sim_script *t, uint32_t step, uint32_t ended,
                                    uint32_t lost)
{
    static const enum sched_state words[] = {SCHED_SUCCEEDED, SCHED_FAILED, SCHED_READY};
    struct sim_random r = sim_about(t, 2, step, ended, lost);
    return words[sim_below(&r, 3)];
}

/* Only where all needs are given too, as a retry from a step gives them. */
static void sim_make_given(struct sim_script *t, struct sim_random *r, uint32_t i)
{
    bool all = true;
    for (uint32_t k = 0; k < t->steps[i].need_count; k++)
        all = all && t->given[t->needs[i][k]] != SCHED_PENDING;
    if (all && sim_percent(r, 60))
        t->given[i] = sim_percent(r, 90) ? SCHED_REUSED : SCHED_SKIPPED;
}

static void sim_make_needs(struct sim_script *t, struct sim_random *r)
{
    /* A random order, so that an index says nothing about the place in the graph. */
    uint32_t order[SIM_STEPS];
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t at = (uint32_t)sim_below(r, i + 1);
        order[i] = order[at];
        order[at] = i;
    }
    uint64_t width = 1 + sim_below(r, t->count), density = sim_below(r, 60);
    bool given = sim_percent(r, 10);
    for (uint32_t i = 0; i < t->count; i++) {
        struct sched_step *step = &t->steps[order[i]];
        step->needs = t->needs[order[i]];
        for (uint32_t k = i > width * 2 ? i - (uint32_t)width * 2 : 0; k < i; k++)
            if (sim_percent(r, density))
                t->needs[order[i]][step->need_count++] = order[k];
        for (uint32_t k = 0; k < step->need_count; k++) {
            uint32_t need = step->needs[k];
            t->reach[order[i]][need] = true;
            for (uint32_t j = 0; j < t->count; j++)
                t->reach[order[i]][j] |= t->reach[need][j];
        }
        if (given)
            sim_make_given(t, r, order[i]);
    }
}

static void sim_make_step(struct sim_script *t, struct sim_random *r, uint32_t i,
                          uint64_t special_percent, bool fail_fast)
{
    static const int codes[] = {1, 3};
    struct sched_step *step = &t->steps[i];
    step->priority = (int64_t)sim_below(r, 3) - 1;
    step->takes[SCHED_CPU] = (int64_t)sim_below(r, 5) * 500;
    step->takes[SCHED_MEMORY] = sim_percent(r, 50) ? (int64_t)sim_below(r, 12) * 100 : 0;
    step->takes[SCHED_CORES] = sim_percent(r, 20) ? (int64_t)sim_below(r, 4) : 0;
    step->takes[SCHED_GPUS] = sim_percent(r, 30) ? (int64_t)sim_below(r, 3) : 0;
    step->continue_on_error = sim_percent(r, special_percent);
    step->fail_fast = fail_fast && sim_percent(r, 30);
    step->on_lost = (enum dag_on_lost)sim_below(r, 3);
    if (sim_percent(r, 50)) {
        step->retry = (struct dag_retry){.limit = (int64_t)sim_below(r, 4),
                                         .delay_ms = (int64_t)sim_below(r, 30),
                                         .max_delay_ms = (int64_t)sim_below(r, 60),
                                         .factor = 1 + (double)sim_below(r, 3) / 2,
                                         .jitter = (double)sim_below(r, 3) / 10};
        if (sim_percent(r, 30)) {
            step->retry.exit_codes = codes;
            step->retry.exit_code_count = 1 + sim_below(r, 2);
        }
    }
    if (sim_percent(r, special_percent))
        t->condition[i] = (enum sim_condition)sim_below(r, COND_COUNT);
    step->has_condition = t->condition[i] != COND_NONE;
    step->condition_asks = t->condition[i] >= COND_SUCCESS;
}

static void sim_make_script(struct sim_script *t, uint64_t seed)
{
    struct sim_random r = {seed};
    memset(t, 0, sizeof *t);
    t->seed = seed;
    t->count = 1 + (uint32_t)sim_below(&r, sim_percent(&r, 40) ? SIM_STEPS : 20);
    t->capacity[SCHED_CPU] = 500 + (int64_t)sim_below(&r, 8) * 500;
    t->capacity[SCHED_MEMORY] = sim_percent(&r, 50) ? 300 + (int64_t)sim_below(&r, 10) * 100 : 0;
    t->capacity[SCHED_CORES] = (int64_t)sim_below(&r, 4);
    t->capacity[SCHED_GPUS] = (int64_t)sim_below(&r, 3);
    t->bad_percent = sim_below(&r, 4) * 12;
    t->lost_percent = sim_percent(&r, 40) ? sim_below(&r, 30) : 0;
    t->timeout_ms = sim_percent(&r, 15) ? 1 + (int64_t)sim_below(&r, 400) : 0;
    t->cancel_at = sim_percent(&r, 15) ? (int64_t)sim_below(&r, 300) : SIM_NEVER;
    t->kill_at = SIM_NEVER;
    if (t->cancel_at != SIM_NEVER && sim_percent(&r, 50))
        t->kill_at = t->cancel_at + (int64_t)sim_below(&r, 20);
    uint64_t special_percent = sim_below(&r, 3) * 25;
    bool fail_fast = sim_percent(&r, 15);
    sim_make_needs(t, &r);
    for (uint32_t i = 0; i < t->count; i++)
        sim_make_step(t, &r, i, special_percent, fail_fast);
}

#endif
