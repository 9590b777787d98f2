/*
 * test_scheduler.c - each rule as a short story: flow, retries, lost attempts.
 */
#include "scheduler/internal.h"
#include "tests/unit/scheduler/fixture.h"

/* ---- the plain way ----------------------------------------------------------------------- */

static void test_no_steps(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 0);
    fix_start(&f);
    fix_expect(&f, "run:running, run:succeeded");
    sched_cancel(f.s, false, 1);
    sched_tick(f.s, 2);
    fix_expect(&f, "");
    fix_done(&f);
}

static void test_plain(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 3);
    fix_need(&f, 1, 0);
    fix_need(&f, 2, 0);
    fix_need(&f, 2, 1);
    fix_start(&f);
    fix_expect(&f, "0:starting, launch 0.1, run:running");
    sched_began(f.s, 0, 1, 1);
    fix_expect(&f, "0:running");
    sched_began(f.s, 0, 1, 1);
    fix_expect(&f, "");
    fix_ok(&f, 0, 2);
    fix_expect(&f, "0:succeeded, 1:starting, launch 1.1");
    fix_ok(&f, 1, 3); /* its beginning was never reported */
    fix_expect(&f, "1:succeeded, 2:starting, launch 2.1");
    assert_int_equal(sched_counts(f.s).by_state[SCHED_SUCCEEDED], 2);
    assert_int_equal(sched_run_state_now(f.s), SCHED_RUN_RUNNING);
    fix_ok(&f, 2, 4);
    fix_expect(&f, "2:succeeded, run:succeeded");
    assert_true(sched_next_due(f.s) == INT64_MAX);
    fix_done(&f);
}

static void test_need_named_twice(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 2);
    fix_need(&f, 1, 0);
    fix_need(&f, 1, 0);
    fix_start(&f);
    fix_drop(&f);
    fix_ok(&f, 0, 1);
    fix_expect(&f, "0:succeeded, 1:starting, launch 1.1");
    fix_done(&f);
}

/* ---- flow -------------------------------------------------------------------------------- */

static void test_skip_cascade(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 4); /* 0 -> 1 -> 2; 3 beside */
    fix_need(&f, 1, 0);
    fix_need(&f, 2, 1);
    fix_start(&f);
    fix_expect(&f, "0:starting, launch 0.1, 3:starting, launch 3.1, run:running");
    fix_bad(&f, 0, SCHED_EXIT, 7, 1);
    fix_expect(&f, "0:failed(exit), 1:skipped(upstream), 2:skipped(upstream)");
    fix_ok(&f, 3, 2); /* another branch goes on */
    fix_expect(&f, "3:succeeded, run:failed");
    fix_done(&f);
}

static void test_skip_waits_for_all_needs(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 3);
    fix_need(&f, 2, 0);
    fix_need(&f, 2, 1);
    fix_start(&f);
    fix_drop(&f);
    fix_bad(&f, 0, SCHED_OOM, 0, 1);
    fix_expect(&f, "0:failed(oom)");
    fix_ok(&f, 1, 2);
    fix_expect(&f, "1:succeeded, 2:skipped(upstream), run:failed");
    fix_done(&f);
}

static void test_continue_on_error(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 3);
    f.steps[0].continue_on_error = true;
    f.steps[0].fail_fast = true; /* a failure that does not count stops nothing */
    fix_need(&f, 1, 0);
    fix_need(&f, 2, 1);
    fix_condition_asks(&f, 2, DAG_FAILURE, true); /* !failure(): it does not count there either */
    fix_start(&f);
    fix_drop(&f);
    fix_bad(&f, 0, SCHED_EXIT, 1, 1);
    fix_expect(&f, "0:failed(exit), 1:starting, launch 1.1");
    fix_ok(&f, 1, 2);
    fix_expect(&f, "1:succeeded, 2:starting, launch 2.1");
    fix_ok(&f, 2, 3);
    fix_expect(&f, "2:succeeded, run:succeeded");
    fix_done(&f);
}

static void test_condition(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 6);
    fix_condition_is(&f, 0, SCHED_YES);
    fix_condition_is(&f, 1, SCHED_NO);
    fix_condition_is(&f, 2, SCHED_BAD);
    fix_need(&f, 3, 1); /* a skipped need skips */
    fix_need(&f, 4, 2);
    fix_condition_is(&f, 4, SCHED_YES); /* not asked: the implied success() is false */
    fix_need(&f, 5, 0);
    fix_condition_is(&f, 5, SCHED_NO);
    fix_start(&f);
    fix_expect(&f, "1:skipped(condition), 2:failed(expr), 3:skipped(upstream), "
                   "4:skipped(upstream), 0:starting, launch 0.1, run:running");
    assert_int_equal(f.asked[4], 0);
    assert_int_equal(f.asked[5], 0);
    fix_ok(&f, 0, 1);
    fix_expect(&f, "0:succeeded, 5:skipped(condition), run:failed");
    for (uint32_t i = 0; i < 6; i++)
        assert_true(f.asked[i] <= 1);
    fix_done(&f);
}

/* 0 fails, 1 needs 0 and runs always(), 2 needs 1: the implied success() looks at direct needs
 * alone, a question at all transitive ones. */
static void test_questions(void **unused)
{
    (void)unused;
    static const struct {
        bool asks;
        enum dag_question question;
        bool negate;
        const char *then;
    } rows[] = {
        {false, DAG_SUCCESS, false, "1:succeeded, 2:starting, launch 2.1"},
        {true, DAG_SUCCESS, false, "1:succeeded, 2:skipped(condition), run:failed"},
        {true, DAG_SUCCESS, true, "1:succeeded, 2:starting, launch 2.1"},
        {true, DAG_FAILURE, false, "1:succeeded, 2:starting, launch 2.1"},
        {true, DAG_FAILURE, true, "1:succeeded, 2:skipped(condition), run:failed"},
        {true, DAG_CANCELLED, false, "1:succeeded, 2:skipped(condition), run:failed"},
        {true, DAG_ALWAYS, false, "1:succeeded, 2:starting, launch 2.1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fix f;
        fix_init(&f, 3);
        fix_need(&f, 1, 0);
        fix_need(&f, 2, 1);
        fix_condition_asks(&f, 1, DAG_ALWAYS, false);
        if (rows[i].asks)
            fix_condition_asks(&f, 2, rows[i].question, rows[i].negate);
        fix_start(&f);
        fix_bad(&f, 0, SCHED_SIGNAL, 0, 1);
        fix_expect(&f, "0:starting, launch 0.1, run:running, 0:failed(signal), 1:starting, "
                       "launch 1.1");
        fix_ok(&f, 1, 2);
        fix_expect(&f, rows[i].then);
        fix_done(&f);
    }
}

static void test_cancelled_need(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 4); /* 0 is stopped by itself, without the run */
    fix_need(&f, 1, 0);
    fix_need(&f, 2, 0);
    fix_condition_asks(&f, 2, DAG_CANCELLED, false);
    fix_need(&f, 3, 0);
    fix_condition_asks(&f, 3, DAG_FAILURE, false);
    f.steps[0].retry.limit = 3; /* never retried */
    fix_start(&f);
    fix_drop(&f);
    fix_bad(&f, 0, SCHED_CANCEL, 0, 1);
    fix_expect(&f, "0:cancelled(cancelled), 1:skipped(upstream), 3:skipped(condition), "
                   "2:starting, launch 2.1");
    fix_ok(&f, 2, 2);
    fix_expect(&f, "2:succeeded, run:cancelled(cancelled)");
    fix_done(&f);
}

/* ---- retries ----------------------------------------------------------------------------- */

static void test_backoff(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 1);
    f.steps[0].retry =
        (struct dag_retry){.limit = 3, .delay_ms = 100, .factor = 2, .max_delay_ms = 350};
    fix_start(&f);
    fix_expect(&f, "0:starting, launch 0.1, run:running");
    fix_bad(&f, 0, SCHED_EXIT, 1, 10);
    fix_expect(&f, "0:waiting(retry)@110");
    assert_int_equal(sched_next_due(f.s), 110);
    sched_tick(f.s, 109);
    fix_expect(&f, "");
    sched_tick(f.s, 110);
    fix_expect(&f, "0:starting, launch 0.2");
    fix_bad(&f, 0, SCHED_TIMEOUT, 0, 200);
    fix_expect(&f, "0:waiting(retry)@400");
    sched_tick(f.s, 1000);
    fix_expect(&f, "0:starting, launch 0.3");
    fix_bad(&f, 0, SCHED_OOM, 0, 1000);
    fix_expect(&f, "0:waiting(retry)@1350");
    sched_tick(f.s, 1350);
    fix_drop(&f);
    fix_bad(&f, 0, SCHED_SPAWN, 0, 1400);
    fix_expect(&f, "0:failed(spawn), run:failed");
    fix_done(&f);
}

static void test_retry_at_once(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 1);
    f.steps[0].retry.limit = 1;
    fix_start(&f);
    fix_drop(&f);
    fix_bad(&f, 0, SCHED_LIMIT, 0, 5);
    fix_expect(&f, "0:waiting(retry)@5, 0:starting, launch 0.2");
    fix_ok(&f, 0, 6);
    fix_expect(&f, "0:succeeded, run:succeeded");
    fix_done(&f);
}

static void test_which_ends_are_retried(void **unused)
{
    (void)unused;
    static const int codes[] = {3, 75};
    const struct dag_retry any = {.limit = 1};
    const struct dag_retry some = {.limit = 1, .exit_codes = codes, .exit_code_count = 2};
    const struct dag_retry none = {.limit = 0};
    static const enum sched_reason yes[] = {
        SCHED_EXIT,   SCHED_SIGNAL, SCHED_TIMEOUT,   SCHED_OOM,  SCHED_LIMIT,
        SCHED_OUTPUT, SCHED_SPAWN,  SCHED_ISOLATION, SCHED_GATE, SCHED_HEALTH};
    for (int reason = 1; reason < SCHED_REASON_COUNT; reason++) {
        struct sched_end end = {.reason = (enum sched_reason)reason, .exit_code = 75};
        bool retried = false;
        for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
            retried = retried || yes[i] == end.reason;
        assert_int_equal(sched_retry_allowed(&any, 0, &end), retried);
        assert_int_equal(sched_retry_allowed(&some, 0, &end), end.reason == SCHED_EXIT);
        assert_false(sched_retry_allowed(&any, 1, &end));
        assert_false(sched_retry_allowed(&none, 0, &end));
    }
    assert_false(sched_retry_allowed(&some, 0, &(struct sched_end){.reason = SCHED_EXIT}));
}

static void test_delay(void **unused)
{
    (void)unused;
    struct dag_retry r = {.delay_ms = 1000, .factor = 2, .jitter = 0.2, .max_delay_ms = 1 << 30};
    uint32_t differ = 0, below = 0;
    for (uint32_t step = 0; step < 1000; step++) {
        int64_t delay = sched_retry_delay(&r, 42, step, 1);
        assert_true(delay >= 1600 && delay <= 2400);
        assert_true(delay == sched_retry_delay(&r, 42, step, 1));
        differ += delay != sched_retry_delay(&r, 43, step, 1);
        below += delay < 2000;
    }
    assert_true(differ > 900 && below > 400 && below < 600);
    r.max_delay_ms = 1500; /* a maximum is one, jitter or not */
    for (uint32_t step = 0; step < 1000; step++)
        assert_true(sched_retry_delay(&r, 42, step, 1) <= 1500);
    r.max_delay_ms = 0; /* none given: still no more than 1,000 years */
    r.jitter = 0;
    assert_true(sched_retry_delay(&r, 1, 0, UINT32_MAX) == 31536000000000);
    r.factor = 1;
    assert_true(sched_retry_delay(&r, 1, 0, UINT32_MAX) == 1000);
    r.delay_ms = 0;
    assert_true(sched_retry_delay(&r, 1, 0, 5) == 0);
}

/* ---- lost attempts ----------------------------------------------------------------------- */

static void test_lost_rerun(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 1);
    f.steps[0].retry = (struct dag_retry){.limit = 1, .delay_ms = 50, .factor = 1};
    fix_start(&f);
    fix_drop(&f);
    fix_bad(&f, 0, SCHED_LOST, 0, 1);
    fix_expect(&f, "0:waiting(retry)@1, 0:starting, launch 0.2");
    fix_bad(&f, 0, SCHED_EXIT, 1, 2); /* the retry is still there */
    fix_expect(&f, "0:waiting(retry)@52");
    sched_tick(f.s, 52);
    fix_expect(&f, "0:starting, launch 0.3");
    fix_bad(&f, 0, SCHED_LOST, 0, 60);
    fix_expect(&f, "0:waiting(retry)@60, 0:starting, launch 0.4");
    fix_bad(&f, 0, SCHED_LOST, 0, 70);
    fix_expect(&f, "0:failed(lost), run:failed");
    fix_done(&f);
}

static void test_lost_fail(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 1);
    f.steps[0].on_lost = DAG_LOST_FAIL;
    f.steps[0].retry.limit = 9;
    fix_start(&f);
    fix_drop(&f);
    fix_bad(&f, 0, SCHED_LOST, 0, 1);
    fix_expect(&f, "0:failed(lost), run:failed");
    fix_done(&f);
}

static void test_lost_ask(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 3);
    fix_need(&f, 1, 0);
    f.steps[0].on_lost = DAG_LOST_ASK;
    fix_start(&f);
    fix_drop(&f);
    assert_false(sched_resolve(f.s, 0, SCHED_SUCCEEDED, 1));
    fix_bad(&f, 0, SCHED_LOST, 0, 1);
    fix_expect(&f, "0:waiting(resolve)");
    assert_false(sched_resolve(f.s, 1, SCHED_SUCCEEDED, 1));
    fix_ok(&f, 2, 2);
    fix_expect(&f, "2:succeeded, run:waiting(resolve)");
    assert_true(sched_next_due(f.s) == INT64_MAX);
    assert_true(
        sched_resolve(f.s, 0, SCHED_READY, 3)); /* recorded, so that it is not asked again */
    fix_expect(&f, "0:waiting(retry)@3, 0:starting, launch 0.2, run:running");
    fix_bad(&f, 0, SCHED_LOST, 0, 4);
    fix_expect(&f, "0:waiting(resolve), run:waiting(resolve)");
    assert_true(sched_resolve(f.s, 0, SCHED_SUCCEEDED, 5));
    fix_expect(&f, "0:succeeded, 1:starting, launch 1.1, run:running");
    fix_ok(&f, 1, 6);
    fix_expect(&f, "1:succeeded, run:succeeded");
    fix_done(&f);
}

static void test_resolved_as_failed(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 2);
    fix_need(&f, 1, 0);
    f.steps[0].on_lost = DAG_LOST_ASK;
    f.steps[0].retry.limit = 3;
    fix_start(&f);
    fix_bad(&f, 0, SCHED_LOST, 0, 1);
    fix_drop(&f);
    assert_true(sched_resolve(f.s, 0, SCHED_FAILED, 2));
    fix_expect(&f, "0:failed(lost), 1:skipped(upstream), run:failed");
    assert_false(sched_resolve(f.s, 0, SCHED_FAILED, 3));
    fix_done(&f);
}

static void test_retry_keeps_the_run_running(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 2);
    f.steps[0].on_lost = DAG_LOST_ASK;
    f.steps[1].retry = (struct dag_retry){.limit = 1, .delay_ms = 10, .factor = 1};
    fix_start(&f);
    fix_drop(&f);
    fix_bad(&f, 0, SCHED_LOST, 0, 1);
    fix_bad(&f, 1, SCHED_EXIT, 1, 1);
    fix_expect(&f, "0:waiting(resolve), 1:waiting(retry)@11");
    sched_tick(f.s, 11);
    fix_bad(&f, 1, SCHED_EXIT, 1, 12);
    fix_expect(&f, "1:starting, launch 1.2, 1:failed(exit), run:waiting(resolve)");
    sched_cancel(f.s, false, 13);
    fix_expect(&f, "0:cancelled(cancelled), run:failed");
    fix_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_steps),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_need_named_twice),
        cmocka_unit_test(test_skip_cascade),
        cmocka_unit_test(test_skip_waits_for_all_needs),
        cmocka_unit_test(test_continue_on_error),
        cmocka_unit_test(test_condition),
        cmocka_unit_test(test_questions),
        cmocka_unit_test(test_cancelled_need),
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_retry_at_once),
        cmocka_unit_test(test_which_ends_are_retried),
        cmocka_unit_test(test_delay),
        cmocka_unit_test(test_lost_rerun),
        cmocka_unit_test(test_lost_fail),
        cmocka_unit_test(test_lost_ask),
        cmocka_unit_test(test_resolved_as_failed),
        cmocka_unit_test(test_retry_keeps_the_run_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
