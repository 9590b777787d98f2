/*
 * test_restore.c - a run that starts in the middle: after a crash, or with steps that are given.
 */
#include "tests/unit/scheduler/fixture.h"

static void restore(struct fix *f, uint32_t step, enum sched_state state, enum sched_reason reason,
                    uint32_t attempts)
{
    sched_restore(f->s, step, state, reason, attempts, 0, 0, 0);
}

static void test_attempts_in_flight(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 4);
    f.def.capacity[SCHED_CPU] = 3000;
    f.steps[0].retry.limit = 1;
    fix_new(&f);
    restore(&f, 0, SCHED_STARTING, SCHED_NO_REASON, 1);
    sched_restore(f.s, 1, SCHED_RUNNING, SCHED_NO_REASON, 4, 2, 1, 0);
    restore(&f, 2, SCHED_STARTING, SCHED_NO_REASON, 7);
    sched_start(f.s, 1000);
    fix_expect(&f, "run:running"); /* they hold the capacity; nothing is recorded twice */
    sched_never_started(f.s, 0, 1, 1001);
    fix_expect(&f, "launch 0.1");
    sched_began(f.s, 1, 4, 1002);
    fix_expect(&f, "");
    fix_bad(&f, 1, SCHED_LOST, 0, 1003); /* the third one */
    fix_expect(&f, "1:failed(lost), 3:starting, launch 3.1");
    fix_ok(&f, 2, 1004);
    fix_bad(&f, 0, SCHED_EXIT, 1, 1005);
    fix_expect(&f, "2:succeeded, 0:waiting(retry)@1005, 0:starting, launch 0.2");
    fix_done(&f);
}

static void test_waits(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 2);
    f.steps[0].retry = (struct dag_retry){.limit = 2, .delay_ms = 10, .factor = 2};
    fix_new(&f);
    sched_restore(f.s, 0, SCHED_WAITING, SCHED_RETRY, 2, 1, 1, 500);
    sched_restore(f.s, 1, SCHED_WAITING, SCHED_RESOLVE, 1, 1, 0, 0);
    sched_start(f.s, 400);
    fix_expect(&f, "run:running");
    assert_int_equal(sched_next_due(f.s), 500);
    sched_tick(f.s, 500);
    fix_expect(&f, "0:starting, launch 0.3");
    fix_bad(&f, 0, SCHED_EXIT, 1, 510); /* the second retry, so the second delay */
    fix_expect(&f, "0:waiting(retry)@530");
    sched_tick(f.s, 530);
    fix_drop(&f);
    fix_bad(&f, 0, SCHED_EXIT, 1, 540);
    fix_expect(&f, "0:failed(exit), run:waiting(resolve)");
    assert_true(sched_resolve(f.s, 1, SCHED_SUCCEEDED, 550));
    fix_expect(&f, "1:succeeded, run:failed");
    fix_done(&f);
    fix_new(&f); /* a run that only waits says so at once, without running first */
    restore(&f, 0, SCHED_SUCCEEDED, SCHED_NO_REASON, 1);
    sched_restore(f.s, 1, SCHED_WAITING, SCHED_RESOLVE, 1, 1, 0, 0);
    sched_start(f.s, 400);
    fix_expect(&f, "run:waiting(resolve)");
    fix_done(&f);
}

/* The bits of ended steps are there again, whatever the order in which they are given. */
static void test_flow_goes_on(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 5); /* 4 -> 3 -> 2 -> 1, 0 beside */
    fix_need(&f, 3, 4);
    fix_need(&f, 2, 3);
    fix_need(&f, 1, 2);
    fix_condition_asks(&f, 2, DAG_ALWAYS, false);
    fix_condition_asks(&f, 1, DAG_FAILURE, false);
    fix_new(&f);
    restore(&f, 2, SCHED_SUCCEEDED, SCHED_NO_REASON, 1);
    restore(&f, 3, SCHED_SKIPPED, SCHED_UPSTREAM, 0);
    restore(&f, 4, SCHED_FAILED, SCHED_EXIT, 1);
    restore(&f, 0, SCHED_READY, SCHED_NO_REASON, 0);
    sched_start(f.s, 0);
    fix_expect(&f, "0:starting, launch 0.1, 1:starting, launch 1.1, run:running");
    fix_ok(&f, 0, 1);
    fix_ok(&f, 1, 1);
    fix_expect(&f, "0:succeeded, 1:succeeded, run:failed");
    fix_done(&f);
}

static void test_condition_is_not_asked_again(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 1);
    fix_condition_is(&f, 0, SCHED_NO);
    fix_new(&f);
    restore(&f, 0, SCHED_PENDING, SCHED_NO_REASON, 1);
    sched_start(f.s, 0);
    fix_expect(&f, "0:starting, launch 0.2, run:running");
    assert_int_equal(f.asked[0], 0);
    fix_done(&f);
}

static void test_given(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 4);
    fix_need(&f, 1, 0);
    fix_need(&f, 3, 2);
    fix_new(&f);
    restore(&f, 0, SCHED_REUSED, SCHED_NO_REASON, 0);
    restore(&f, 2, SCHED_SKIPPED, SCHED_NO_REASON, 0);
    sched_start(f.s, 0);
    fix_expect(&f, "3:skipped(upstream), 1:starting, launch 1.1, run:running");
    fix_ok(&f, 1, 1);
    fix_expect(&f, "1:succeeded, run:succeeded");
    fix_done(&f);
    fix_new(&f);
    for (uint32_t i = 0; i < 4; i++)
        restore(&f, i, SCHED_REUSED, SCHED_NO_REASON, 0);
    sched_start(f.s, 0);
    fix_expect(&f, "run:running, run:succeeded");
    fix_done(&f);
}

static void test_cancelled(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 4);
    fix_new(&f);
    restore(&f, 0, SCHED_STARTING, SCHED_NO_REASON, 1);
    restore(&f, 1, SCHED_RUNNING, SCHED_NO_REASON, 1);
    restore(&f, 2, SCHED_CANCELLED, SCHED_CANCEL, 0);
    sched_restore_cancelled(f.s);
    sched_start(f.s, 0);
    fix_expect(&f, "3:cancelled(cancelled), stop 0.1, stop 1.1, run:running");
    sched_never_started(f.s, 0, 1, 1);
    fix_expect(&f, "0:cancelled(cancelled)");
    fix_bad(&f, 1, SCHED_LOST, 0, 1);
    fix_expect(&f, "1:cancelled(cancelled), run:cancelled(cancelled)");
    fix_done(&f);
}

static void test_stopped_otherwise(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 3);
    f.steps[0].fail_fast = true;
    fix_new(&f);
    restore(&f, 0, SCHED_FAILED, SCHED_EXIT, 1);
    restore(&f, 1, SCHED_RUNNING, SCHED_NO_REASON, 1);
    sched_start(f.s, 0);
    fix_expect(&f, "2:cancelled(cancelled), stop 1.1, run:running");
    fix_done(&f);
    fix_new(&f); /* the timeout left its mark on the steps */
    restore(&f, 0, SCHED_CANCELLED, SCHED_TIMEOUT, 0);
    restore(&f, 1, SCHED_RUNNING, SCHED_NO_REASON, 1);
    sched_restore_cancelled(f.s);
    sched_start(f.s, 0);
    fix_expect(&f, "2:cancelled(timeout), stop 1.1, run:running");
    fix_bad(&f, 1, SCHED_CANCEL, 0, 1);
    fix_expect(&f, "1:cancelled(timeout), run:failed(timeout)");
    fix_done(&f);
}

/* Recovered with a smaller capacity: what runs goes on, nothing starts before it fits again. */
static void test_smaller_capacity(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 4);
    f.def.capacity[SCHED_CPU] = 1000;
    fix_new(&f);
    for (uint32_t i = 0; i < 3; i++)
        restore(&f, i, SCHED_RUNNING, SCHED_NO_REASON, 1);
    sched_start(f.s, 0);
    fix_expect(&f, "run:running");
    fix_ok(&f, 0, 1);
    fix_ok(&f, 1, 1);
    fix_expect(&f, "0:succeeded, 1:succeeded");
    fix_ok(&f, 2, 1);
    fix_expect(&f, "2:succeeded, 3:starting, launch 3.1");
    fix_done(&f);
}

/* A jittered delay is the same in the run that crashed and in the one that recovered. */
static void test_same_delays(void **unused)
{
    (void)unused;
    struct fix f;
    struct sched_action a;
    int64_t first = -1;
    fix_init(&f, 1);
    f.steps[0].retry =
        (struct dag_retry){.limit = 3, .delay_ms = 100000, .factor = 1, .jitter = 0.5};
    for (int round = 0; round < 2; round++) {
        fix_new(&f);
        sched_restore(f.s, 0, SCHED_RUNNING, SCHED_NO_REASON, 2, 0, 1, 0);
        sched_start(f.s, 0);
        fix_drop(&f);
        fix_bad(&f, 0, SCHED_EXIT, 1, 7);
        assert_true(sched_next(f.s, &a) && a.due_ms > 50000);
        assert_true(round == 0 || a.due_ms == first);
        first = a.due_ms;
        fix_done(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attempts_in_flight),
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_flow_goes_on),
        cmocka_unit_test(test_condition_is_not_asked_again),
        cmocka_unit_test(test_given),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_stopped_otherwise),
        cmocka_unit_test(test_smaller_capacity),
        cmocka_unit_test(test_same_delays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
