/*
 * scheduler.c - the events. Each one moves the steps it is about and ends in settle():
 *
 *   settle: deadline passed? ─▶ stop   retries due ─▶ ready   needs ended ─▶ decide   ready ─▶
 * admit and last, what the run is now
 *
 * One writer moves steps (step.c), one moves the run (enter_run).
 */
#include "scheduler/scheduler.h"

#include "base/limits.h"
#include "base/mem.h"
#include "scheduler/internal.h"

#include <assert.h>
#include <stdlib.h>

static void enter_run(struct sched *s, enum sched_run_state state, enum sched_reason reason)
{
    assert(sched_run_state_may_follow(s->run_state, state));
    s->run_state = state;
    sched_act(s, &(struct sched_action){
                     .kind = SCHED_ACT_RUN, .step = 0, .run_state = state, .reason = reason});
}

static enum sched_reason stop_reason(const struct sched *s)
{
    return s->stop == SCHED_STOP_TIMEOUT ? SCHED_TIMEOUT : SCHED_CANCEL;
}

/* ---- stopping ---------------------------------------------------------------------------- */

static void stop_attempts(struct sched *s, bool kill)
{
    if (s->counts.by_state[SCHED_STARTING] + s->counts.by_state[SCHED_RUNNING] == 0)
        return;
    for (uint32_t i = 0; i < s->def.count; i++)
        if (sched_state_holds(s->nodes[i].state))
            sched_act(s, &(struct sched_action){.kind = SCHED_ACT_STOP,
                                                .step = i,
                                                .attempt = s->nodes[i].attempts,
                                                .state = s->nodes[i].state,
                                                .reason = stop_reason(s),
                                                .kill = kill});
}

/* Nothing starts any more: what has no attempt in flight is cancelled now, the others when their
 * attempts have ended. The records come before the first STOP. */
static void stop(struct sched *s, enum sched_stop cause, bool kill)
{
    if (s->stop != SCHED_STOP_NONE)
        return;
    s->stop = cause;
    for (uint32_t i = 0; i < s->def.count; i++)
        if (!sched_state_ended(s->nodes[i].state) && !sched_state_holds(s->nodes[i].state))
            sched_enter(s, i, SCHED_CANCELLED, stop_reason(s));
    stop_attempts(s, kill);
}

static void fail(struct sched *s, uint32_t step, enum sched_reason reason)
{
    const struct sched_step *def = &s->def.steps[step];
    sched_enter(s, step, SCHED_FAILED, reason);
    if (def->fail_fast && !def->continue_on_error)
        stop(s, SCHED_STOP_FAIL_FAST, false);
}

/* ---- the rules of flow ------------------------------------------------------------------- */

static void decide(struct sched *s, uint32_t step)
{
    const struct sched_step *def = &s->def.steps[step];
    const struct sched_node *n = &s->nodes[step];
    if (n->state != SCHED_PENDING) /* cancelled meanwhile */
        return;
    assert(n->open == 0);
    if ((n->below & SCHED_NEED_BAD) && !def->condition_asks) {
        sched_enter(s, step, SCHED_SKIPPED, SCHED_UPSTREAM);
        return;
    }
    /* A step that has had an attempt was let through once. */
    enum sched_verdict verdict = SCHED_YES;
    if (def->has_condition && n->attempts == 0)
        verdict = s->ops.condition(s->ops.arg, step);
    if (verdict == SCHED_YES)
        sched_enter(s, step, SCHED_READY, SCHED_NO_REASON);
    else if (verdict == SCHED_NO)
        sched_enter(s, step, SCHED_SKIPPED, SCHED_CONDITION);
    else
        fail(s, step, SCHED_EXPR);
}

bool sched_ask(const struct sched *s, uint32_t step, enum dag_question question)
{
    static const struct {
        unsigned bit;
        bool answer_if_set;
    } rows[] = {
        [DAG_SUCCESS] = {SCHED_BELOW_BAD, false},
        [DAG_FAILURE] = {SCHED_BELOW_FAILED, true},
        [DAG_CANCELLED] = {SCHED_BELOW_CANCELLED, true},
        [DAG_ALWAYS] = {0, false},
    };
    assert(step < s->def.count && (size_t)question < COUNT_OF(rows));
    bool set = (s->nodes[step].below & rows[question].bit) != 0;
    return set == rows[question].answer_if_set;
}

/* ---- what the run is --------------------------------------------------------------------- */

static uint32_t ended_count(const struct sched *s)
{
    uint32_t count = 0;
    for (unsigned i = 0; i < SCHED_STATE_COUNT; i++)
        if (sched_state_ended((enum sched_state)i))
            count += s->counts.by_state[i];
    return count;
}

static enum sched_run_state judge(const struct sched *s, enum sched_reason *ret_reason)
{
    const uint32_t *by_state = s->counts.by_state;
    *ret_reason = SCHED_NO_REASON;
    if (ended_count(s) < s->def.count) {
        uint32_t retrying = by_state[SCHED_WAITING] - s->asking;
        if (by_state[SCHED_READY] + by_state[SCHED_STARTING] + by_state[SCHED_RUNNING] + retrying)
            return SCHED_RUN_RUNNING;
        assert(s->asking > 0 && "a run that nothing can move");
        *ret_reason = SCHED_RESOLVE;
        return SCHED_RUN_WAITING;
    }
    if (s->stop == SCHED_STOP_TIMEOUT) {
        *ret_reason = SCHED_TIMEOUT;
        return SCHED_RUN_FAILED;
    }
    if (s->failures > 0)
        return SCHED_RUN_FAILED;
    if (s->stop == SCHED_STOP_CANCEL || by_state[SCHED_CANCELLED] > 0) {
        *ret_reason = SCHED_CANCEL;
        return SCHED_RUN_CANCELLED;
    }
    return SCHED_RUN_SUCCEEDED;
}

static void settle(struct sched *s, int64_t now_ms)
{
    struct heap_node *at;
    if (now_ms >= s->deadline_ms && ended_count(s) < s->def.count)
        stop(s, SCHED_STOP_TIMEOUT, false);
    while ((at = heap_first(&s->due)) && heap_item(at, struct sched_node, at)->due_ms <= now_ms)
        sched_enter(s, sched_index(s, heap_item(at, struct sched_node, at)), SCHED_READY,
                    SCHED_NO_REASON);
    while (s->decide_head < s->decide_count)
        decide(s, s->decide[s->decide_head++]);
    sched_admit(s);
    enum sched_reason reason;
    enum sched_run_state state = judge(s, &reason);
    if (s->run_state == SCHED_RUN_QUEUED && sched_run_state_ended(state))
        enter_run(s, SCHED_RUN_RUNNING, SCHED_NO_REASON);
    if (state != s->run_state)
        enter_run(s, state, reason);
}

/* ---- how attempts end -------------------------------------------------------------------- */

/* Recorded even where it is due at once: from the record alone it must be plain that the attempt
 * is over and another one follows. */
static void wait_for_retry(struct sched *s, uint32_t step, int64_t due_ms)
{
    s->nodes[step].due_ms = due_ms;
    sched_enter(s, step, SCHED_WAITING, SCHED_RETRY);
}

static void lose(struct sched *s, uint32_t step, int64_t now_ms)
{
    struct sched_node *n = &s->nodes[step];
    enum dag_on_lost on_lost = s->def.steps[step].on_lost;
    n->lost++;
    if (s->stop != SCHED_STOP_NONE)
        sched_enter(s, step, SCHED_CANCELLED, stop_reason(s));
    else if (on_lost == DAG_LOST_ASK)
        sched_enter(s, step, SCHED_WAITING, SCHED_RESOLVE);
    else if (on_lost == DAG_LOST_RERUN && n->lost < LIMIT_LOST_ATTEMPTS)
        wait_for_retry(s, step, now_ms);
    else
        fail(s, step, SCHED_LOST);
}

static void fail_attempt(struct sched *s, uint32_t step, const struct sched_end *end,
                         int64_t now_ms)
{
    struct sched_node *n = &s->nodes[step];
    const struct dag_retry *retry = &s->def.steps[step].retry;
    if (s->stop != SCHED_STOP_NONE || !sched_retry_allowed(retry, n->retries, end)) {
        fail(s, step, end->reason);
        return;
    }
    int64_t delay = sched_retry_delay(retry, s->def.seed, step, n->retries);
    n->retries++;
    wait_for_retry(s, step, delay > INT64_MAX - now_ms ? INT64_MAX : now_ms + delay);
}

/* ---- public ------------------------------------------------------------------------------ */

static bool due_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct sched_node *x = sched_node_of(a), *y = sched_node_of(b);
    return x->due_ms != y->due_ms ? x->due_ms < y->due_ms : x < y;
}

struct sched *sched_new(const struct sched_def *def, const struct sched_ops *ops)
{
    struct sched *s = mem_alloc(sizeof *s);
    s->def = *def;
    if (ops)
        s->ops = *ops;
    for (uint32_t i = 0; i < def->count; i++) {
        assert(!def->steps[i].has_condition || s->ops.condition);
        assert(!def->steps[i].condition_asks || def->steps[i].has_condition);
    }
    s->nodes = mem_array((size_t)def->count + 1, sizeof *s->nodes);
    s->decide = mem_array((size_t)def->count + 1, sizeof *s->decide);
    s->counts.by_state[SCHED_PENDING] = def->count;
    s->deadline_ms = INT64_MAX;
    heap_init(&s->ready, sched_queue_before);
    heap_init(&s->due, due_before);
    sched_graph_init(&s->graph, def);
    sched_admit_init(s);
    return s;
}

void sched_free(struct sched *s)
{
    if (!s)
        return;
    sched_graph_done(&s->graph);
    heap_done(&s->ready);
    heap_done(&s->due);
    free(s->actions);
    free(s->decide);
    free(s->nodes);
    free(s);
}

void sched_restore(struct sched *s, uint32_t step, enum sched_state state, enum sched_reason reason,
                   uint32_t attempts, uint32_t lost, uint32_t retries, int64_t due_ms)
{
    assert(!s->started && step < s->def.count);
    struct sched_node *n = &s->nodes[step];
    assert(n->state == SCHED_PENDING && n->attempts == 0);
    assert(lost <= attempts && retries <= attempts - lost);
    assert(attempts > 0 || !(sched_state_holds(state) || state == SCHED_WAITING));
    n->attempts = attempts;
    n->lost = lost;
    n->retries = retries;
    n->due_ms = due_ms;
    /* Ready follows from the rest; and what was the reason of a wait is over. */
    if (state != SCHED_READY && state != SCHED_PENDING)
        sched_enter(s, step, state, reason);
    /* A run that was stopped stays stopped, though nobody recorded the stop as such. */
    if (state == SCHED_CANCELLED && reason == SCHED_TIMEOUT)
        s->stop = SCHED_STOP_TIMEOUT;
    const struct sched_step *def = &s->def.steps[step];
    if (state == SCHED_FAILED && def->fail_fast && !def->continue_on_error &&
        s->stop == SCHED_STOP_NONE)
        s->stop = SCHED_STOP_FAIL_FAST;
}

void sched_restore_cancelled(struct sched *s)
{
    assert(!s->started);
    if (s->stop != SCHED_STOP_TIMEOUT)
        s->stop = SCHED_STOP_CANCEL;
}

void sched_start(struct sched *s, int64_t now_ms)
{
    assert(!s->started);
    s->started = true;
    sched_graph_begin(s);
    if (s->def.timeout_ms < 0)
        s->deadline_ms = now_ms;
    else if (s->def.timeout_ms > 0 && s->def.timeout_ms < INT64_MAX - now_ms)
        s->deadline_ms = now_ms + s->def.timeout_ms;
    enum sched_stop cause = s->stop;
    s->stop = SCHED_STOP_NONE;
    if (cause != SCHED_STOP_NONE)
        stop(s, cause, false);
    settle(s, now_ms);
}

/* The node of an attempt that is in flight; anything else is the caller's mistake. */
static struct sched_node *in_flight(struct sched *s, uint32_t step, uint32_t attempt)
{
    assert(s->started && step < s->def.count);
    struct sched_node *n = &s->nodes[step];
    assert(sched_state_holds(n->state) && n->attempts == attempt);
    (void)attempt;
    return n;
}

void sched_began(struct sched *s, uint32_t step, uint32_t attempt, int64_t now_ms)
{
    if (in_flight(s, step, attempt)->state == SCHED_STARTING)
        sched_enter(s, step, SCHED_RUNNING, SCHED_NO_REASON);
    settle(s, now_ms);
}

void sched_ended(struct sched *s, uint32_t step, uint32_t attempt, const struct sched_end *end,
                 int64_t now_ms)
{
    (void)in_flight(s, step, attempt);
    assert(end->ok || end->reason != SCHED_NO_REASON);
    if (end->ok)
        sched_enter(s, step, SCHED_SUCCEEDED, SCHED_NO_REASON);
    else if (end->reason == SCHED_LOST)
        lose(s, step, now_ms);
    else if (end->reason == SCHED_CANCEL)
        sched_enter(s, step, SCHED_CANCELLED, stop_reason(s));
    else
        fail_attempt(s, step, end, now_ms);
    settle(s, now_ms);
}

void sched_never_started(struct sched *s, uint32_t step, uint32_t attempt, int64_t now_ms)
{
    const struct sched_node *n = in_flight(s, step, attempt);
    assert(n->state == SCHED_STARTING);
    (void)n;
    if (s->stop != SCHED_STOP_NONE)
        sched_enter(s, step, SCHED_CANCELLED, stop_reason(s));
    else
        sched_launch(s, step);
    settle(s, now_ms);
}

void sched_cancel(struct sched *s, bool kill, int64_t now_ms)
{
    assert(s->started);
    if (sched_run_state_ended(s->run_state))
        return;
    if (s->stop == SCHED_STOP_NONE)
        stop(s, SCHED_STOP_CANCEL, kill);
    else if (kill)
        stop_attempts(s, true);
    settle(s, now_ms);
}

bool sched_resolve(struct sched *s, uint32_t step, enum sched_state verdict, int64_t now_ms)
{
    assert(s->started && step < s->def.count);
    assert(verdict == SCHED_SUCCEEDED || verdict == SCHED_FAILED || verdict == SCHED_READY);
    const struct sched_node *n = &s->nodes[step];
    if (n->state != SCHED_WAITING || n->reason != SCHED_RESOLVE)
        return false;
    if (verdict == SCHED_SUCCEEDED)
        sched_enter(s, step, SCHED_SUCCEEDED, SCHED_NO_REASON);
    else if (verdict == SCHED_FAILED)
        fail(s, step, SCHED_LOST);
    else
        wait_for_retry(s, step, now_ms);
    settle(s, now_ms);
    return true;
}

void sched_tick(struct sched *s, int64_t now_ms)
{
    assert(s->started);
    settle(s, now_ms);
}

int64_t sched_next_due(const struct sched *s)
{
    struct heap_node *first = heap_first(&s->due);
    int64_t due = first ? heap_item(first, struct sched_node, at)->due_ms : INT64_MAX;
    bool timed = s->started && s->stop == SCHED_STOP_NONE && !sched_run_state_ended(s->run_state);
    return timed && s->deadline_ms < due ? s->deadline_ms : due;
}

enum sched_state sched_step_state(const struct sched *s, uint32_t step)
{
    assert(step < s->def.count);
    return s->nodes[step].state;
}

enum sched_reason sched_step_reason(const struct sched *s, uint32_t step)
{
    assert(step < s->def.count);
    return s->nodes[step].reason;
}

uint32_t sched_step_attempts(const struct sched *s, uint32_t step)
{
    assert(step < s->def.count);
    return s->nodes[step].attempts;
}

enum sched_run_state sched_run_state_now(const struct sched *s)
{
    return s->run_state;
}

struct sched_counts sched_counts(const struct sched *s)
{
    return s->counts;
}
