/*
 * test_states.c - the algebra of the tables, proved over every state and every pair of states, and
 * that the one writer accepts what the table says and nothing else.
 */
#include "scheduler/internal.h"
#include "tests/unit/scheduler/fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATES SCHED_STATE_COUNT
#define RUN_STATES SCHED_RUN_STATE_COUNT

/* Drawn once more, by hand: row = from, column = to. */
static const char *const step_moves[STATES] = {
    /*               pe re st ru wa su fa ca sk us */
    /* pending   */ ". x . . . . x x x x",
    /* ready     */ ". . x . . . . x . .",
    /* starting  */ ". . . x x x x x . .",
    /* running   */ ". . . . x x x x . .",
    /* waiting   */ ". x . . x x x x . .",
    /* succeeded */ ". . . . . . . . . .",
    /* failed    */ ". . . . . . . . . .",
    /* cancelled */ ". . . . . . . . . .",
    /* skipped   */ ". . . . . . . . . .",
    /* reused    */ ". . . . . . . . . .",
};

static const char *const run_moves[RUN_STATES] = {
    /*               qu ru wa su fa ca */
    /* queued    */ ". x x . . .",
    /* running   */ ". . x x x x",
    /* waiting   */ ". x . x x x",
    /* succeeded */ ". . . . . .",
    /* failed    */ ". . . . . .",
    /* cancelled */ ". . . . . .",
};

static void test_names(void **unused)
{
    (void)unused;
    static const char *const states[STATES] = {"pending", "ready",     "starting", "running",
                                               "waiting", "succeeded", "failed",   "cancelled",
                                               "skipped", "reused"};
    static const char *const runs[RUN_STATES] = {"queued",    "running", "waiting",
                                                 "succeeded", "failed",  "cancelled"};
    static const char *const reasons[] = {
        "exit",      "signal", "timeout",  "oom",       "limit",    "lost", "upstream",
        "condition", "expr",   "output",   "isolation", "rejected", "gate", "health",
        "spawn",     "retry",  "approval", "resolve",   "cancelled"};
    for (unsigned i = 0; i < STATES; i++) {
        enum sched_state back = STATES;
        assert_string_equal(sched_state_name((enum sched_state)i), states[i]);
        assert_true(sched_state_from_name(states[i], &back) && back == i);
    }
    for (unsigned i = 0; i < RUN_STATES; i++) {
        enum sched_run_state back = RUN_STATES;
        assert_string_equal(sched_run_state_name((enum sched_run_state)i), runs[i]);
        assert_true(sched_run_state_from_name(runs[i], &back) && back == i);
    }
    assert_null(sched_reason_name(SCHED_NO_REASON));
    for (unsigned i = 1; i < SCHED_REASON_COUNT; i++) {
        enum sched_reason back = SCHED_REASON_COUNT;
        assert_string_equal(sched_reason_name((enum sched_reason)i), reasons[i - 1]);
        assert_true(sched_reason_from_name(reasons[i - 1], &back) && back == i);
    }
    enum sched_state state = SCHED_REUSED;
    enum sched_run_state run = SCHED_RUN_FAILED;
    enum sched_reason reason = SCHED_OOM;
    assert_false(sched_state_from_name("paused", &state));
    assert_false(sched_run_state_from_name("ready", &run));
    assert_false(sched_reason_from_name("", &reason));
    assert_true(state == SCHED_REUSED && run == SCHED_RUN_FAILED && reason == SCHED_OOM);
}

static void test_every_pair(void **unused)
{
    (void)unused;
    for (unsigned from = 0; from < STATES; from++)
        for (unsigned to = 0; to < STATES; to++)
            assert_int_equal(sched_state_may_follow((enum sched_state)from, (enum sched_state)to),
                             step_moves[from][to * 2] == 'x');
    for (unsigned from = 0; from < RUN_STATES; from++)
        for (unsigned to = 0; to < RUN_STATES; to++)
            assert_int_equal(
                sched_run_state_may_follow((enum sched_run_state)from, (enum sched_run_state)to),
                run_moves[from][to * 2] == 'x');
}

/* Which states can be reached from one, in any number of moves. */
static unsigned reachable(unsigned from)
{
    unsigned seen = 1U << from;
    for (unsigned round = 0; round < STATES; round++)
        for (unsigned a = 0; a < STATES; a++)
            for (unsigned b = 0; b < STATES; b++)
                if ((seen & (1U << a)) &&
                    sched_state_may_follow((enum sched_state)a, (enum sched_state)b))
                    seen |= 1U << b;
    return seen;
}

static void test_algebra(void **unused)
{
    (void)unused;
    unsigned ends = 0;
    for (unsigned i = 0; i < STATES; i++)
        if (sched_state_ended((enum sched_state)i))
            ends |= 1U << i;
    assert_int_equal(reachable(SCHED_PENDING), (1U << STATES) - 1); /* no state is without use */
    for (unsigned i = 0; i < STATES; i++) {
        enum sched_state state = (enum sched_state)i;
        /* An end is where no move leads on; from everywhere else some end can be reached. */
        assert_int_equal(sched_state_ended(state), reachable(i) == 1U << i);
        assert_true((reachable(i) & ends) != 0);
        assert_true(!sched_state_good(state) || sched_state_ended(state));
        assert_true(!sched_state_holds(state) || !sched_state_ended(state));
        /* Everything that has not ended can be cancelled. */
        assert_true(sched_state_ended(state) || sched_state_may_follow(state, SCHED_CANCELLED));
        /* Capacity is taken on the way from ready to starting and nowhere else. */
        for (unsigned k = 0; k < STATES; k++)
            if (sched_state_may_follow(state, (enum sched_state)k) &&
                sched_state_holds((enum sched_state)k) && !sched_state_holds(state))
                assert_true(state == SCHED_READY && k == SCHED_STARTING);
    }
    for (unsigned i = 0; i < RUN_STATES; i++) {
        bool leads_on = false;
        for (unsigned k = 0; k < RUN_STATES; k++)
            leads_on = leads_on ||
                       sched_run_state_may_follow((enum sched_run_state)i, (enum sched_run_state)k);
        assert_int_equal(leads_on, !sched_run_state_ended((enum sched_run_state)i));
    }
}

/* ---- asserts, in a child ----------------------------------------------------------------- */

struct move {
    enum sched_state from, to;
};

static void do_move(void *arg)
{
    const struct move *move = arg;
    struct fix f;
    enum sched_reason reason = SCHED_NO_REASON;
    fix_init(&f, 1);
    fix_new(&f);
    if (move->from == SCHED_WAITING)
        reason = SCHED_RETRY;
    if (move->from == SCHED_READY)
        sched_enter(f.s, 0, SCHED_READY, SCHED_NO_REASON);
    else if (move->from != SCHED_PENDING)
        sched_restore(f.s, 0, move->from, reason, 1, 0, 0, 0);
    f.s->started = true; /* from here on the table holds */
    reason = move->to == SCHED_WAITING ? SCHED_RETRY : SCHED_NO_REASON;
    sched_enter(f.s, 0, move->to, reason);
    assert_true(sched_step_state(f.s, 0) == move->to);
    assert_int_equal(sched_counts(f.s).by_state[move->to], 1);
    fix_done(&f);
}

/* Whether an assert ends the process that does it. */
static bool dies(void (*doing)(void *), void *arg)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        (void)!freopen("/dev/null", "w", stderr);
        doing(arg);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_writer(void **unused)
{
    (void)unused;
#ifdef NDEBUG
    skip();
#endif
    for (unsigned from = 0; from < STATES; from++)
        for (unsigned to = 0; to < STATES; to++) {
            struct move move = {(enum sched_state)from, (enum sched_state)to};
            assert_int_equal(dies(do_move, &move), step_moves[from][to * 2] != 'x');
        }
}

static void misuse(void *arg)
{
    struct fix f;
    fix_init(&f, 2);
    fix_need(&f, 1, 0);
    switch (*(const int *)arg) {
    case 0: /* no attempt in flight */
        fix_start(&f);
        fix_ok(&f, 1, 0);
        break;
    case 1: /* another attempt */
        fix_start(&f);
        sched_began(f.s, 0, 2, 0);
        break;
    case 2: /* ended twice */
        fix_start(&f);
        fix_ok(&f, 0, 0);
        fix_ok(&f, 0, 0);
        break;
    case 3: /* needs in a circle */
        fix_need(&f, 0, 1);
        fix_start(&f);
        break;
    case 4: /* a need that does not exist */
        fix_need(&f, 1, 2);
        fix_start(&f);
        break;
    case 5: /* what runs was started */
        fix_start(&f);
        sched_began(f.s, 0, 1, 0);
        sched_never_started(f.s, 0, 1, 0);
        break;
    case 6: /* a verdict that is none */
        fix_start(&f);
        (void)!sched_resolve(f.s, 0, SCHED_CANCELLED, 0);
        break;
    case 7: /* restored twice */
        fix_new(&f);
        sched_restore(f.s, 0, SCHED_SUCCEEDED, SCHED_NO_REASON, 1, 0, 0, 0);
        sched_restore(f.s, 0, SCHED_FAILED, SCHED_EXIT, 1, 0, 0, 0);
        break;
    case 8: /* before the start */
        fix_new(&f);
        sched_tick(f.s, 0);
        break;
    default:
        break;
    }
}

static void test_misuse(void **unused)
{
    (void)unused;
#ifdef NDEBUG
    skip();
#endif
    for (int i = 0; i <= 8; i++)
        assert_true(dies(misuse, &i));
    int nothing = 9;
    assert_false(dies(misuse, &nothing));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),   cmocka_unit_test(test_every_pair),
        cmocka_unit_test(test_algebra), cmocka_unit_test(test_writer),
        cmocka_unit_test(test_misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
