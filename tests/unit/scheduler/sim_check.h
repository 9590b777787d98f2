/*
 * sim_check.h - the invariants: of every action as it comes, of the whole after every event, and of
 * the end. They are worked out anew from the committed rows and the script, never from what the
 * scheduler remembers.
 */
#ifndef TESTS_SCHEDULER_SIM_CHECK_H
#define TESTS_SCHEDULER_SIM_CHECK_H

#include "tests/unit/scheduler/sim_world.h"

/* The rows as the model sees them. */
static void check_view(const struct sim *m, struct sim_final *ret)
{
    for (uint32_t i = 0; i < m->t->count; i++)
        ret[i] = (struct sim_final){m->draft.rows[i].state, m->draft.rows[i].reason, 0};
}

/* sched_ops.condition: asks the scheduler, as the engine does. */
static enum sched_verdict check_condition(void *arg, uint32_t step)
{
    struct sim *m = arg;
    sim_require(sched_ask(m->s, step, DAG_ALWAYS), "always() is false");
    switch (m->t->condition[step]) {
    case COND_NO:
        return SCHED_NO;
    case COND_BAD:
        return SCHED_BAD;
    case COND_SUCCESS:
        return sched_ask(m->s, step, DAG_SUCCESS) ? SCHED_YES : SCHED_NO;
    case COND_FAILURE:
        return sched_ask(m->s, step, DAG_FAILURE) ? SCHED_YES : SCHED_NO;
    case COND_NOT_FAILURE:
        return sched_ask(m->s, step, DAG_FAILURE) ? SCHED_NO : SCHED_YES;
    case COND_CANCELLED:
        return sched_ask(m->s, step, DAG_CANCELLED) ? SCHED_YES : SCHED_NO;
    case COND_NONE:
    case COND_YES:
    case COND_ALWAYS:
    case COND_COUNT:
    default:
        return SCHED_YES;
    }
}

/* ---- actions ----------------------------------------------------------------------------- */

/* Why the flow lets a step start, fail or be skipped before it had an attempt. */
static void check_flow(const struct sim *m, const struct sched_action *a)
{
    struct sim_final now[SIM_STEPS];
    uint32_t i = a->step;
    check_view(m, now);
    sim_require(model_needs_over(m->t, now, i), "step %u: %s before its needs ended", i,
                sched_state_name(a->state));
    bool fine = model_needs_fine(m->t, now, i) || m->t->steps[i].condition_asks;
    enum sched_verdict verdict = model_condition(m->t, now, i);
    bool right = false;
    if (a->state == SCHED_STARTING)
        right = fine && verdict == SCHED_YES;
    else if (a->state == SCHED_FAILED)
        right = fine && verdict == SCHED_BAD && a->reason == SCHED_EXPR;
    else if (a->reason == SCHED_UPSTREAM)
        right = !fine;
    else
        right = fine && verdict == SCHED_NO && a->reason == SCHED_CONDITION;
    sim_require(right, "step %u: %s is not what the rules of flow say", i,
                sched_state_name(a->state));
}

static void check_stopped(struct sim *m, const struct sched_action *a)
{
    if (!m->draft.stopped && a->reason == SCHED_TIMEOUT)
        m->draft.timed_out = true;
    m->draft.stopped = true;
}

static void check_record(struct sim *m, const struct sched_action *a)
{
    struct sim_row *row = &m->draft.rows[a->step];
    const char *name = sched_state_name(a->state);
    sim_trace(m, "step %u: %s %s, attempt %u", a->step, name,
              a->reason ? sched_reason_name(a->reason) : "", a->attempt);
    sim_require(a->state != SCHED_READY, "step %u: ready is recorded", a->step);
    sim_require(sched_state_may_follow(row->state, a->state) ||
                    (sched_state_may_follow(row->state, SCHED_READY) &&
                     sched_state_may_follow(SCHED_READY, a->state)),
                "step %u: %s after %s", a->step, name, sched_state_name(row->state));
    uint32_t attempt = row->attempts + (a->state == SCHED_STARTING);
    sim_require(a->attempt == attempt, "step %u: attempt %u, expected %u", a->step, a->attempt,
                attempt);
    if (row->state == SCHED_PENDING && a->state != SCHED_CANCELLED)
        check_flow(m, a);
    if (a->state == SCHED_STARTING) {
        sim_require(!m->draft.stopped, "step %u: starts after the run was stopped", a->step);
        sim_require(row->state == SCHED_PENDING || row->due_ms <= m->now,
                    "step %u: retry too early", a->step);
    }
    if (a->state == SCHED_CANCELLED && !sched_state_holds(row->state))
        check_stopped(m, a);
    if (a->state == SCHED_WAITING && a->reason == SCHED_RESOLVE)
        m->resolve_at[a->step] = m->now + (int64_t)sim_below(&m->random, 40);
    row->state = a->state;
    row->reason = a->reason;
    row->attempts = a->attempt;
    row->due_ms = a->due_ms;
}

static void check_run(struct sim *m, const struct sched_action *a)
{
    if (a->run_state == m->draft.run_state)
        return; /* a recovered run says again what it is */
    sim_trace(m, "run: %s", sched_run_state_name(a->run_state));
    sim_require(sched_run_state_may_follow(m->draft.run_state, a->run_state), "run: %s after %s",
                sched_run_state_name(a->run_state), sched_run_state_name(m->draft.run_state));
    m->draft.run_state = a->run_state;
    m->draft.run_reason = a->reason;
}

static void check_drain(struct sim *m)
{
    struct sched_action a;
    while (sched_next(m->s, &a)) {
        if (a.kind == SCHED_ACT_RECORD)
            check_record(m, &a);
        if (a.kind == SCHED_ACT_RUN)
            check_run(m, &a);
        if (a.kind == SCHED_ACT_STOP)
            check_stopped(m, &a);
        if (a.kind == SCHED_ACT_LAUNCH || a.kind == SCHED_ACT_STOP) {
            sim_require(m->carry_count < sizeof m->carry / sizeof m->carry[0],
                        "more actions than steps could ask for");
            sim_require(m->draft.rows[a.step].attempts == a.attempt,
                        "step %u: launch or stop of attempt %u before its record", a.step,
                        a.attempt);
            m->carry[m->carry_count++] = a;
        }
    }
}

/* ---- after every event ------------------------------------------------------------------- */

/* Where something is not bounded (capacity 0), nobody's share of it counts. */
static int64_t check_share(const struct sim *m, uint32_t i, size_t r)
{
    int64_t takes = m->t->steps[i].takes[r];
    return takes < m->t->capacity[r] ? takes : m->t->capacity[r];
}

static bool check_holds(const struct sim *m, uint32_t i)
{
    enum sched_state state = sched_step_state(m->s, i);
    return state == SCHED_STARTING || state == SCHED_RUNNING;
}

static bool check_before(const struct sim *m, uint32_t a, uint32_t b)
{
    int64_t pa = m->t->steps[a].priority, pb = m->t->steps[b].priority;
    return pa != pb ? pa > pb : a < b;
}

/* The resource that there is too little of for step `more` (SIM_STEPS = nobody) beside `held`;
 * SCHED_RESOURCES = none. */
static size_t check_lacks(const struct sim *m, const int64_t *held, uint32_t more)
{
    size_t r = 0;
    while (r < SCHED_RESOURCES &&
           held[r] + (more < SIM_STEPS ? check_share(m, more, r) : 0) <= m->t->capacity[r])
        r++;
    return r;
}

/* What started past the step at the front since it came there fits beside it, all together. */
static void check_front(struct sim *m, uint32_t front)
{
    if (front != m->front)
        memset(m->overtook, 0, sizeof m->overtook);
    m->front = front;
    if (front == SIM_STEPS)
        return;
    for (size_t k = m->event_carry; k < m->carry_count; k++)
        if (m->carry[k].kind == SCHED_ACT_LAUNCH && m->carry[k].step != m->again &&
            check_before(m, front, m->carry[k].step))
            m->overtook[m->carry[k].step] = true;
    int64_t beside[SCHED_RESOURCES] = {0};
    for (uint32_t i = 0; i < m->t->count; i++) {
        m->overtook[i] = m->overtook[i] && check_holds(m, i);
        for (size_t r = 0; m->overtook[i] && r < SCHED_RESOURCES; r++)
            beside[r] += check_share(m, i, r);
    }
    sim_require(check_lacks(m, beside, front) == SCHED_RESOURCES,
                "step %u is overtaken by more than fits beside it", front);
}

/* Capacity is never exceeded, and the first in the queue starts as soon as it fits. */
static void check_capacity(struct sim *m)
{
    int64_t held[SCHED_RESOURCES] = {0};
    uint32_t front = SIM_STEPS;
    for (uint32_t i = 0; i < m->t->count; i++) {
        for (size_t r = 0; check_holds(m, i) && r < SCHED_RESOURCES; r++)
            held[r] += check_share(m, i, r);
        if (sched_step_state(m->s, i) == SCHED_READY &&
            (front == SIM_STEPS || check_before(m, i, front)))
            front = i;
    }
    size_t lacks = check_lacks(m, held, SIM_STEPS);
    sim_require(lacks == SCHED_RESOURCES, "capacity exceeded: resource %zu", lacks);
    sim_require(front == SIM_STEPS || check_lacks(m, held, front) < SCHED_RESOURCES,
                "step %u is ready, first in the queue and fits, but does not start", front);
    check_front(m, front);
}

static void check_states(const struct sim *m)
{
    struct sched_counts counts = sched_counts(m->s), seen = {{0}};
    uint32_t moving = 0, asking = 0, open = 0;
    int64_t due = SIM_NEVER;
    for (uint32_t i = 0; i < m->t->count; i++) {
        const struct sim_row *row = &m->draft.rows[i];
        enum sched_state state = sched_step_state(m->s, i);
        bool asks = state == SCHED_WAITING && sched_step_reason(m->s, i) == SCHED_RESOLVE;
        seen.by_state[state]++;
        open += !model_over(state);
        asking += asks;
        moving += !model_over(state) && state != SCHED_PENDING && !asks;
        sim_require(state == row->state ||
                        (state == SCHED_READY && sched_state_may_follow(row->state, SCHED_READY)),
                    "step %u: is %s, recorded as %s", i, sched_state_name(state),
                    sched_state_name(row->state));
        sim_require(sched_step_attempts(m->s, i) == row->attempts, "step %u: attempts", i);
        if (state == SCHED_WAITING && !asks && row->due_ms < due)
            due = row->due_ms;
    }
    sim_require(memcmp(&counts, &seen, sizeof seen) == 0, "counts are wrong");
    if (m->t->timeout_ms && open && !m->draft.stopped) {
        if (m->t->timeout_ms < due)
            due = m->t->timeout_ms;
        sim_require(due == sched_next_due(m->s) || sched_next_due(m->s) <= m->now, "next due");
    } else {
        sim_require(due == sched_next_due(m->s), "next due");
    }
    for (uint32_t i = 0; i < m->t->count; i++)
        sim_require(m->draft.stopped || open == 0 || m->draft.rows[i].state != SCHED_FAILED ||
                        !m->t->steps[i].fail_fast || m->t->steps[i].continue_on_error,
                    "step %u: failed, but fail_fast did not stop the run", i);
    sim_require(m->draft.stopped || open == 0 || !m->t->timeout_ms || m->now < m->t->timeout_ms,
                "the run goes on after its timeout");
    enum sched_run_state run = sched_run_state_now(m->s);
    sim_require(run == m->draft.run_state, "run: is %s, recorded as %s", sched_run_state_name(run),
                sched_run_state_name(m->draft.run_state));
    sim_require(sched_run_state_ended(run) == (open == 0), "run: %s with %u open steps",
                sched_run_state_name(run), open);
    sim_require((run == SCHED_RUN_WAITING) == (moving == 0 && asking > 0), "run: %s",
                sched_run_state_name(run));
}

static void check_event(struct sim *m)
{
    check_drain(m);
    check_states(m);
    check_capacity(m);
}

/* ---- the end ----------------------------------------------------------------------------- */

/* A step that crashes took so often that the rules say it fails. */
static bool check_lost_for_good(const struct sim_script *t, const struct sim_row *row, uint32_t i)
{
    return row->crash_lost > 0 && (t->steps[i].on_lost == DAG_LOST_FAIL ||
                                   (t->steps[i].on_lost == DAG_LOST_RERUN && row->lost >= 3));
}

static void check_against_model(const struct sim *m)
{
    struct sim_final right[SIM_STEPS];
    bool lost_for_good[SIM_STEPS];
    for (uint32_t i = 0; i < m->t->count; i++)
        lost_for_good[i] = check_lost_for_good(m->t, &m->store.rows[i], i);
    model_end(m->t, lost_for_good, right);
    for (uint32_t i = 0; i < m->t->count; i++) {
        const struct sim_row *row = &m->store.rows[i];
        sim_require(row->state == right[i].state && row->reason == right[i].reason,
                    "step %u: ended %s (reason %d), the rules say %s (reason %d)", i,
                    sched_state_name(row->state), row->reason, sched_state_name(right[i].state),
                    right[i].reason);
        sim_require(lost_for_good[i] || row->ended == right[i].ended,
                    "step %u: %u attempts ended, the rules say %u", i, row->ended, right[i].ended);
    }
    sim_require(m->store.run_state == model_run_state(m->t, right), "run: ended %s",
                sched_run_state_name(m->store.run_state));
}

static void check_end(const struct sim *m)
{
    struct sim_final end[SIM_STEPS];
    for (uint32_t i = 0; i < m->t->count; i++) {
        const struct sim_row *row = &m->store.rows[i];
        sim_require(!world_alive(m, i), "step %u: still runs after the end", i);
        sim_require(row->ended + row->lost <= row->attempts, "step %u: attempts", i);
        sim_require(row->lost < 4 || m->t->steps[i].on_lost == DAG_LOST_ASK,
                    "step %u: lost %u times", i, row->lost);
        end[i] = (struct sim_final){row->state, row->reason, 0};
    }
    if (!m->store.stopped) {
        check_against_model(m);
        return;
    }
    enum sched_run_state right = model_run_state(m->t, end);
    if (m->store.timed_out && m->store.cancelled && m->crashes > 0)
        right = m->store.run_state; /* the rows do not tell which of the two came first */
    else if (m->store.timed_out)
        right = SCHED_RUN_FAILED;
    else if (m->store.cancelled && right == SCHED_RUN_SUCCEEDED)
        right = SCHED_RUN_CANCELLED;
    sim_require(m->store.run_state == right, "run: ended %s after it was stopped",
                sched_run_state_name(m->store.run_state));
}

/* Recovery ends as no crash would, unless the crash legitimately changed what happened: a stop came
 * at another moment, or an attempt was lost for good. */
static void check_same_end(const struct sim_script *t, const struct sim_store *calm,
                           const struct sim_store *stormy)
{
    if (calm->stopped || stormy->stopped)
        return;
    for (uint32_t i = 0; i < t->count; i++)
        if (check_lost_for_good(t, &stormy->rows[i], i))
            return;
    sim_require(calm->run_state == stormy->run_state, "seed %llu: the run ends otherwise",
                (unsigned long long)t->seed);
    for (uint32_t i = 0; i < t->count; i++)
        sim_require(calm->rows[i].state == stormy->rows[i].state &&
                        calm->rows[i].reason == stormy->rows[i].reason,
                    "seed %llu: step %u ends otherwise after crashes", (unsigned long long)t->seed,
                    i);
}

#endif
