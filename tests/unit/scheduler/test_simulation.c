/*
 * test_simulation.c - whole runs under a fake clock: random pipelines, a scripted executor, a store
 * that keeps what was committed, and an engine that crashes at any point and recovers the way the
 * real one does. After every event the invariants are checked; at the end the model has the answer.
 *
 *   ORCH_SIM_SEEDS=200000   how many seeds (default 20000), from ORCH_SIM_FROM (default 1)
 *   ORCH_SIM_SEED=17        this one only, with a trace
 */
#include "tests/unit/scheduler/sim_check.h"

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>

#include <cmocka.h>

#define SYSTEMATIC_EVERY 100 /* each n-th seed is crashed once at every single point */
#define MOST_EVENTS 100000
#define MOST_CRASHES 8

enum event_kind { EV_NONE, EV_TICK, EV_CANCEL, EV_KILL, EV_RESOLVE, EV_NEVER, EV_BEGAN, EV_ENDED };

struct event {
    enum event_kind kind;
    uint32_t step;
    int64_t at;
    uint32_t ties;
};

/* ---- which event is next ----------------------------------------------------------------- */

static void offer(struct sim *m, struct event *best, enum event_kind kind, uint32_t step,
                  int64_t at)
{
    if (at == SIM_NEVER)
        return;
    if (at < m->now)
        at = m->now;
    if (best->kind != EV_NONE && at > best->at)
        return;
    uint32_t ties = best->kind != EV_NONE && at == best->at ? best->ties + 1 : 1;
    if (ties > 1 && sim_below(&m->random, ties) != 0) {
        best->ties = ties;
        return;
    }
    *best = (struct event){kind, step, at, ties};
}

static void offer_step(struct sim *m, struct event *best, uint32_t i)
{
    const struct sim_attempt *a = &m->attempts[i];
    enum sched_state state = sched_step_state(m->s, i);
    if (state == SCHED_WAITING && sched_step_reason(m->s, i) == SCHED_RESOLVE)
        offer(m, best, EV_RESOLVE, i, m->resolve_at[i]);
    if (state != SCHED_STARTING && state != SCHED_RUNNING)
        return;
    if (m->never_started[i]) {
        offer(m, best, EV_NEVER, i, m->now);
        return;
    }
    if (!a->launched || a->number != sched_step_attempts(m->s, i))
        return;
    if (a->begins && !m->told_began[i])
        offer(m, best, EV_BEGAN, i, a->begin_at);
    offer(m, best, EV_ENDED, i, a->end_at);
}

static struct event next_event(struct sim *m)
{
    struct event best = {.kind = EV_NONE};
    if (sched_run_state_ended(sched_run_state_now(m->s)))
        return best;
    offer(m, &best, EV_TICK, 0, sched_next_due(m->s));
    if (!m->draft.cancelled)
        offer(m, &best, EV_CANCEL, 0, m->t->cancel_at);
    else if (!m->killed)
        offer(m, &best, EV_KILL, 0, m->t->kill_at);
    for (uint32_t i = 0; i < m->t->count; i++)
        offer_step(m, &best, i);
    return best;
}

/* ---- the engine -------------------------------------------------------------------------- */

static void resolve(struct sim *m, uint32_t i)
{
    const struct sim_row *row = &m->draft.rows[i];
    /* What a crash took is run again, so that the script goes on where it was. */
    enum sched_state verdict = m->attempts[i].crash_lost
                                   ? SCHED_READY
                                   : sim_verdict(m->t, i, row->ended, row->lost - row->crash_lost);
    sim_trace(m, "step %u resolved: %s", i, sched_state_name(verdict));
    sim_require(sched_resolve(m->s, i, verdict, m->now), "step %u: resolve refused", i);
}

static void ended(struct sim *m, uint32_t i)
{
    const struct sim_attempt *a = &m->attempts[i];
    struct sim_row *row = &m->draft.rows[i];
    sim_trace(m, "step %u attempt %u ended: %s %d", i, a->number,
              a->end.ok ? "ok" : sched_reason_name(a->end.reason), a->end.exit_code);
    if (!a->end.ok && a->end.reason == SCHED_LOST) {
        row->lost++;
        row->crash_lost += a->crash_lost;
    } else {
        row->ended++;
    }
    sched_ended(m->s, i, a->number, &a->end, m->now);
}

static void deliver(struct sim *m, const struct event *event)
{
    uint32_t i = event->step;
    switch (event->kind) {
    case EV_TICK:
        sched_tick(m->s, m->now);
        break;
    case EV_CANCEL:
    case EV_KILL:
        sim_trace(m, event->kind == EV_KILL ? "kill" : "cancel");
        m->draft.cancelled = m->draft.stopped = true;
        m->killed = event->kind == EV_KILL;
        sched_cancel(m->s, event->kind == EV_KILL, m->now);
        break;
    case EV_RESOLVE:
        resolve(m, i);
        break;
    case EV_NEVER:
        m->never_started[i] = false;
        m->attempts[i].relaunch = true;
        sim_trace(m, "step %u attempt %u never started", i, sched_step_attempts(m->s, i));
        sched_never_started(m->s, i, sched_step_attempts(m->s, i), m->now);
        break;
    case EV_BEGAN:
        m->told_began[i] = true;
        if (sim_percent(&m->random, 10)) /* the engine need not say it */
            sched_tick(m->s, m->now);
        else
            sched_began(m->s, i, m->attempts[i].number, m->now);
        break;
    case EV_ENDED:
        ended(m, i);
        break;
    case EV_NONE:
    default:
        sim_require(false, "no such event");
    }
}

/* A place where it may crash. */
static bool crash_here(struct sim *m, const char *place)
{
    m->point++;
    bool crash =
        m->mode == SIM_CRASH_ONCE
            ? m->point == m->crash_at
            : m->mode == SIM_CRASH_OFTEN && m->crashes < MOST_CRASHES && sim_percent(&m->random, 8);
    if (!crash)
        return false;
    m->crashes++;
    if (m->mode == SIM_CRASH_OFTEN)
        m->host_too = sim_percent(&m->random, 40);
    sim_trace(m, "CRASH %s%s", place, m->host_too ? ", the host too" : "");
    return true;
}

static bool carry_out(struct sim *m)
{
    for (size_t i = 0; i < m->carry_count; i++) {
        const struct sched_action *a = &m->carry[i];
        if (crash_here(m, "after the commit"))
            return false;
        if (a->kind == SCHED_ACT_LAUNCH)
            world_launch(m, a->step, a->attempt);
        else
            world_stop(m, a->step, a->kill);
    }
    return true;
}

/* One turn: some events, one transaction, then what it allows. False: crashed. */
static bool turn(struct sim *m, const struct event *first)
{
    struct event event = first ? *first : (struct event){.kind = EV_NONE};
    m->carry_count = 0;
    m->draft = m->store;
    do {
        m->event_carry = m->carry_count;
        m->again = event.kind == EV_NEVER ? event.step : SIM_STEPS;
        if (event.kind == EV_NONE)
            sched_start(m->s, m->now);
        else
            deliver(m, &event);
        check_event(m);
        m->events++;
        if (!sim_percent(&m->random, 50))
            break;
        event = next_event(m);
    } while (event.kind != EV_NONE && event.at == m->now && m->carry_count < SIM_STEPS * 4);
    if (crash_here(m, "before the commit"))
        return false;
    m->store = m->draft;
    return carry_out(m) && !crash_here(m, "after the turn");
}

static void recover(struct sim *m)
{
    const struct sim_script *t = m->t;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct sim_row *row = &m->store.rows[i];
        const struct sim_attempt *a = &m->attempts[i];
        sched_restore(m->s, i, row->state, row->reason, row->attempts, row->lost, row->ended,
                      row->due_ms);
        m->told_began[i] = false;
        m->never_started[i] = (row->state == SCHED_STARTING || row->state == SCHED_RUNNING) &&
                              (!a->launched || a->number != row->attempts);
    }
    if (m->store.cancelled)
        sched_restore_cancelled(m->s);
    m->front = SIM_STEPS;
}

/* The life of one engine. False: crashed. */
static bool engine(struct sim *m)
{
    struct sched_def def = {.steps = m->t->steps, .count = m->t->count, .seed = m->t->seed};
    memcpy(def.capacity, m->t->capacity, sizeof def.capacity);
    if (m->t->timeout_ms)
        def.timeout_ms = m->t->timeout_ms > m->now ? m->t->timeout_ms - m->now : -1;
    m->s = sched_new(&def, &(struct sched_ops){.arg = m, .condition = check_condition});
    recover(m);
    bool alive = turn(m, NULL);
    while (alive && !sched_run_state_ended(sched_run_state_now(m->s))) {
        m->draft = m->store;
        struct event event = next_event(m);
        sim_require(event.kind != EV_NONE, "the run is stuck");
        sim_require(m->events < MOST_EVENTS, "the run does not end");
        m->now = event.at;
        alive = turn(m, &event);
    }
    sched_free(m->s);
    m->s = NULL;
    return alive;
}

static void simulate(struct sim *m)
{
    sim_now = m;
    for (uint32_t i = 0; i < m->t->count; i++)
        m->store.rows[i].state = m->t->given[i];
    sim_trace(m, "---- mode %d, crash at %u%s", m->mode, m->crash_at, m->host_too ? ", host" : "");
    while (!engine(m) && !sched_run_state_ended(m->store.run_state)) {
        if (m->host_too)
            world_host_down(m);
        m->now += (int64_t)sim_below(&m->random, 30);
    }
    check_end(m);
    sim_now = NULL;
}

/* ---- the tests --------------------------------------------------------------------------- */

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

struct tally {
    uint64_t runs, events, crashes, lost, stopped;
};

static struct sim_store one(const struct sim_script *t, enum sim_mode mode, uint32_t crash_at,
                            bool host_too, bool trace, uint32_t *ret_points, struct tally *tally)
{
    struct sim m = {.t = t, .mode = mode, .crash_at = crash_at, .host_too = host_too};
    m.trace = trace;
    m.random = sim_about(t, 3, mode, crash_at, host_too);
    simulate(&m);
    *ret_points = m.point;
    tally->runs++;
    tally->events += m.events;
    tally->crashes += m.crashes;
    tally->stopped += m.store.stopped;
    for (uint32_t i = 0; i < t->count; i++)
        tally->lost += m.store.rows[i].lost;
    return m.store;
}

static void one_seed(uint64_t seed, bool trace, struct tally *tally)
{
    struct sim_script t;
    struct sim_store calm, stormy;
    uint32_t points, ignored;
    sim_make_script(&t, seed);
    calm = one(&t, SIM_NO_CRASH, 0, false, trace, &points, tally);
    stormy = one(&t, SIM_CRASH_OFTEN, 0, false, trace, &ignored, tally);
    check_same_end(&t, &calm, &stormy);
    if (seed % SYSTEMATIC_EVERY != 0 && !trace)
        return;
    for (uint32_t at = 1; at <= points; at++)
        for (int host = 0; host < 2; host++) {
            stormy = one(&t, SIM_CRASH_ONCE, at, host, trace, &ignored, tally);
            check_same_end(&t, &calm, &stormy);
        }
}

static void on_abort(int signal_number)
{
    (void)signal_number;
    sim_where();
}

static void test_seeds(void **state)
{
    (void)state;
    struct tally tally = {0};
    signal(SIGABRT, on_abort);
    uint64_t only = number_from("ORCH_SIM_SEED", 0);
    uint64_t from = number_from("ORCH_SIM_FROM", 1);
    uint64_t seeds = number_from("ORCH_SIM_SEEDS", 20000);
    if (only)
        one_seed(only, true, &tally);
    for (uint64_t seed = from; !only && seed < from + seeds; seed++)
        one_seed(seed, false, &tally);
    signal(SIGABRT, SIG_DFL);
    print_message("%llu runs, %llu events, %llu crashes, %llu lost attempts, %llu runs stopped\n",
                  (unsigned long long)tally.runs, (unsigned long long)tally.events,
                  (unsigned long long)tally.crashes, (unsigned long long)tally.lost,
                  (unsigned long long)tally.stopped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
