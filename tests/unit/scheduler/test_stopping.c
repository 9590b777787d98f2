/*
 * test_stopping.c - cancel, the timeout of the run, fail_fast.
 */
#include "tests/unit/scheduler/fixture.h"

static void test_cancel(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 6);
    f.def.capacity[SCHED_CPU] = 2000;
    f.steps[2].retry = (struct dag_retry){.limit = 5, .delay_ms = 100, .factor = 1};
    f.steps[2].priority = 1;
    fix_need(&f, 4, 0);
    fix_need(&f, 5, 0);
    fix_condition_asks(&f, 5, DAG_ALWAYS, false); /* not even this one starts */
    fix_start(&f);
    fix_expect(&f, "2:starting, launch 2.1, 0:starting, launch 0.1, run:running");
    fix_bad(&f, 2, SCHED_EXIT, 1, 1);
    fix_expect(&f, "2:waiting(retry)@101, 1:starting, launch 1.1");
    sched_began(f.s, 0, 1, 2);
    fix_drop(&f);
    sched_cancel(f.s, false, 3);
    fix_expect(&f, "2:cancelled(cancelled), 3:cancelled(cancelled), 4:cancelled(cancelled), "
                   "5:cancelled(cancelled), stop 0.1, stop 1.1");
    sched_cancel(f.s, false, 4);
    fix_expect(&f, "");
    assert_true(sched_next_due(f.s) == INT64_MAX);
    fix_ok(&f, 0, 5); /* it made it */
    fix_expect(&f, "0:succeeded");
    sched_cancel(f.s, true, 6);
    fix_expect(&f, "kill 1.1");
    sched_cancel(f.s, true, 7);
    fix_expect(&f, "kill 1.1");
    fix_bad(&f, 1, SCHED_CANCEL, 0, 8);
    fix_expect(&f, "1:cancelled(cancelled), run:cancelled(cancelled)");
    sched_cancel(f.s, true, 9);
    fix_expect(&f, "");
    fix_done(&f);
}

static void test_ends_under_cancel(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 3);
    for (uint32_t i = 0; i < 3; i++)
        f.steps[i].retry.limit = 5;
    f.steps[1].on_lost = DAG_LOST_ASK;
    f.steps[2].continue_on_error = true;
    fix_start(&f);
    fix_drop(&f);
    sched_cancel(f.s, true, 1);
    fix_expect(&f, "kill 0.1, kill 1.1, kill 2.1");
    fix_bad(&f, 0, SCHED_LOST, 0, 2);
    fix_bad(&f, 1, SCHED_LOST, 0, 2);
    fix_expect(&f, "0:cancelled(cancelled), 1:cancelled(cancelled)");
    fix_bad(&f, 2, SCHED_EXIT, 1, 2); /* a failure of its own, not retried */
    fix_expect(&f, "2:failed(exit), run:cancelled(cancelled)");
    fix_done(&f);
    /* A step that failed without continue_on_error fails the run, cancelled or not; and a run that
     * was cancelled while its last step ended well was cancelled all the same. */
    fix_start(&f);
    fix_bad(&f, 0, SCHED_EXPR, 0, 1);
    sched_cancel(f.s, false, 1);
    fix_ok(&f, 1, 2);
    fix_drop(&f);
    fix_ok(&f, 2, 2);
    fix_expect(&f, "2:succeeded, run:failed");
    fix_done(&f);
    fix_start(&f);
    sched_cancel(f.s, false, 1);
    for (uint32_t i = 0; i < 3; i++)
        fix_ok(&f, i, 2);
    assert_int_equal(sched_run_state_now(f.s), SCHED_RUN_CANCELLED);
    fix_done(&f);
}

static void test_timeout(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 3);
    f.def.timeout_ms = 100;
    f.def.capacity[SCHED_CPU] = 2000;
    fix_start(&f);
    fix_drop(&f);
    assert_int_equal(sched_next_due(f.s), 100);
    sched_tick(f.s, 99);
    fix_expect(&f, "");
    sched_tick(f.s, 100);
    fix_expect(&f, "2:cancelled(timeout), stop 0.1, stop 1.1");
    assert_true(sched_next_due(f.s) == INT64_MAX);
    fix_ok(&f, 0, 105);
    fix_bad(&f, 1, SCHED_CANCEL, 0, 110);
    fix_expect(&f, "0:succeeded, 1:cancelled(timeout), run:failed(timeout)");
    fix_done(&f);
    fix_start(&f); /* what ends with the last step is in time; any event notices the deadline */
    fix_ok(&f, 0, 50);
    fix_ok(&f, 1, 60);
    fix_ok(&f, 2, 150);
    assert_int_equal(sched_run_state_now(f.s), SCHED_RUN_SUCCEEDED);
    fix_done(&f);
    f.def.timeout_ms = -1;
    fix_start(&f);
    fix_expect(&f, "0:cancelled(timeout), 1:cancelled(timeout), 2:cancelled(timeout), run:running, "
                   "run:failed(timeout)");
    fix_done(&f);
}

static void test_fail_fast(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 4);
    f.def.capacity[SCHED_CPU] = 2000;
    f.steps[1].fail_fast = true;
    f.steps[1].retry.limit = 1;
    fix_need(&f, 3, 0);
    fix_start(&f);
    fix_drop(&f);
    fix_bad(&f, 1, SCHED_EXIT, 1, 1); /* not before its last attempt */
    fix_expect(&f, "1:waiting(retry)@1, 1:starting, launch 1.2");
    fix_bad(&f, 1, SCHED_EXIT, 1, 2);
    fix_expect(&f, "1:failed(exit), 2:cancelled(cancelled), 3:cancelled(cancelled), stop 0.1");
    fix_bad(&f, 0, SCHED_CANCEL, 0, 3);
    fix_expect(&f, "0:cancelled(cancelled), run:failed");
    fix_done(&f);
    fix_condition_is(&f, 1, SCHED_BAD); /* it may also fail before it ever starts */
    fix_start(&f);
    fix_expect(&f, "1:failed(expr), 0:cancelled(cancelled), 2:cancelled(cancelled), "
                   "3:cancelled(cancelled), run:running, run:failed");
    fix_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_ends_under_cancel),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_fail_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
