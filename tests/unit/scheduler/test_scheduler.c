/*
 * test_scheduler.c - each rule as a short story: flow, retries, lost attempts, admission, stopping.
 * (Restoring: test_restore.c. Tables: test_states.c. Everything at once: test_simulation.c.)
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

/* ---- admission --------------------------------------------------------------------------- */

static void test_priority(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 4);
    f.def.cpu_milli = 1000;
    f.steps[2].priority = 5;
    f.steps[3].priority = -1;
    fix_start(&f);
    fix_expect(&f, "2:starting, launch 2.1, run:running");
    fix_ok(&f, 2, 1);
    fix_expect(&f, "2:succeeded, 0:starting, launch 0.1");
    fix_ok(&f, 0, 1);
    fix_expect(&f, "0:succeeded, 1:starting, launch 1.1");
    fix_ok(&f, 1, 1);
    fix_expect(&f, "1:succeeded, 3:starting, launch 3.1");
    fix_done(&f);
}

static void test_larger_than_the_capacity(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 3);
    f.steps[1].cpu_milli = 64000;
    f.steps[1].memory = 1L << 40;
    f.def.memory = 1L << 30;
    fix_start(&f);
    fix_expect(&f, "0:starting, launch 0.1, run:running"); /* 2 would not fit beside it */
    fix_ok(&f, 0, 1);
    fix_expect(&f, "0:succeeded, 1:starting, launch 1.1");
    fix_ok(&f, 1, 1);
    fix_expect(&f, "1:succeeded, 2:starting, launch 2.1");
    fix_done(&f);
}

static void test_memory(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 3);
    f.def.memory = 100;
    f.steps[0].memory = 60;
    f.steps[1].memory = 50;
    f.steps[2].memory = 40;
    fix_start(&f);
    fix_expect(&f, "0:starting, launch 0.1, 2:starting, launch 2.1, run:running");
    fix_ok(&f, 2, 1);
    fix_expect(&f, "2:succeeded");
    fix_ok(&f, 0, 1);
    fix_expect(&f, "0:succeeded, 1:starting, launch 1.1");
    fix_done(&f);
    f.def.memory = 0; /* not bounded */
    fix_start(&f);
    fix_expect(&f, "0:starting, launch 0.1, 1:starting, launch 1.1, 2:starting, launch 2.1, "
                   "run:running");
    fix_done(&f);
}

/* A step of 3 cpus on 4: one small step at a time may pass it, two never do at once; when those
 * that ran before it have ended it starts, though small ones are still ready. */
static void test_a_big_step_is_not_starved(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 8);
    fix_need(&f, 2, 0);
    f.steps[1].cpu_milli = 3000;
    f.steps[2].cpu_milli = 3000;
    f.steps[2].priority = 1;
    for (uint32_t i = 3; i < 8; i++)
        fix_need(&f, i, 0);
    fix_start(&f);
    fix_expect(&f, "0:starting, launch 0.1, 1:starting, launch 1.1, run:running");
    fix_ok(&f, 0, 1);
    fix_expect(&f, "0:succeeded, 3:starting, launch 3.1"); /* 2 must wait for 1; 3 fits beside */
    fix_ok(&f, 3, 2);
    fix_expect(&f, "3:succeeded, 4:starting, launch 4.1");
    fix_ok(&f, 1, 3);
    fix_expect(&f, "1:succeeded, 2:starting, launch 2.1"); /* in spite of 4 */
    fix_ok(&f, 4, 4);
    fix_expect(&f, "4:succeeded, 5:starting, launch 5.1");
    fix_done(&f);
}

static void test_overtakers_count_together(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 6);
    f.steps[0].cpu_milli = 1000;
    f.steps[1].cpu_milli = 1000;
    f.steps[2].cpu_milli = 3500; /* leaves 500 for whoever passes it */
    for (uint32_t i = 3; i < 6; i++)
        f.steps[i].cpu_milli = 300;
    fix_start(&f);
    fix_expect(&f, "0:starting, launch 0.1, 1:starting, launch 1.1, 3:starting, launch 3.1, "
                   "run:running"); /* 4 would fit into what is free, but not beside 2 with 3 */
    fix_ok(&f, 3, 1);
    fix_expect(&f, "3:succeeded, 4:starting, launch 4.1");
    fix_done(&f);
}

/* ---- stopping ---------------------------------------------------------------------------- */

static void test_cancel(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 6);
    f.def.cpu_milli = 2000;
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
    f.def.cpu_milli = 2000;
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
    f.def.cpu_milli = 2000;
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
        cmocka_unit_test(test_priority),
        cmocka_unit_test(test_larger_than_the_capacity),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_a_big_step_is_not_starved),
        cmocka_unit_test(test_overtakers_count_together),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_ends_under_cancel),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_fail_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
