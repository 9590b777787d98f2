/*
 * test_scale.c - runs of the size that the limits allow. Nothing is timed: where something here is
 * quadratic or recurses over the graph, the test does not come back, or crashes.
 */
#include "base/limits.h"
#include "scheduler/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY 100000U

struct big {
    struct sched_step *steps;
    uint32_t *needs;
    struct sched_def def;
};

static void big_init(struct big *b, uint32_t count, size_t edges)
{
    b->steps = calloc(count, sizeof *b->steps);
    b->needs = calloc(edges + 1, sizeof *b->needs);
    assert_true(b->steps && b->needs);
    b->def =
        (struct sched_def){.steps = b->steps, .count = count, .capacity = {[SCHED_CPU] = 2000}};
    for (uint32_t i = 0; i < count; i++)
        b->steps[i].takes[SCHED_CPU] = 1000;
}

static void big_done(struct big *b)
{
    free(b->needs);
    free(b->steps);
}

/* Carries every launch out at once, first come first served; `bad` is the step that fails. */
static struct sched_counts run(const struct big *b, uint32_t bad, enum sched_run_state right)
{
    struct sched *s = sched_new(&b->def, NULL);
    uint32_t *queue = calloc(b->def.count, sizeof *queue), head = 0, tail = 0;
    assert_non_null(queue);
    sched_start(s, 0);
    for (int64_t now = 1;; now++) {
        struct sched_action a;
        while (sched_next(s, &a))
            if (a.kind == SCHED_ACT_LAUNCH)
                queue[tail++] = a.step;
        if (head == tail)
            break;
        uint32_t step = queue[head++];
        const struct sched_end end = {.ok = step != bad, .reason = step == bad ? SCHED_EXIT : 0};
        sched_began(s, step, 1, now);
        sched_ended(s, step, 1, &end, now);
    }
    assert_int_equal(sched_run_state_now(s), right);
    struct sched_counts counts = sched_counts(s);
    free(queue);
    sched_free(s);
    return counts;
}

static void test_chain(void **unused)
{
    (void)unused;
    struct big b;
    big_init(&b, MANY, MANY);
    for (uint32_t i = 1; i < MANY; i++) {
        b.needs[i] = i - 1;
        b.steps[i].needs = &b.needs[i];
        b.steps[i].need_count = 1;
    }
    struct sched_counts counts = run(&b, MANY, SCHED_RUN_SUCCEEDED);
    assert_int_equal(counts.by_state[SCHED_SUCCEEDED], MANY);
    counts = run(&b, 0, SCHED_RUN_FAILED); /* and everything else is skipped in one event */
    assert_int_equal(counts.by_state[SCHED_SKIPPED], MANY - 1);
    big_done(&b);
}

/* One step, 100,000 that need it, one that needs them all; with sizes that do and do not fit, so
 * that there is always somebody to overtake. */
static void test_fan(void **unused)
{
    (void)unused;
    struct big b;
    big_init(&b, MANY + 2, (size_t)MANY * 2);
    b.needs[0] = 0;
    for (uint32_t i = 1; i <= MANY; i++) {
        b.steps[i].needs = &b.needs[0];
        b.steps[i].need_count = 1;
        b.needs[i] = i;
        b.steps[i].priority = i % 7;
        b.steps[i].takes[SCHED_CPU] = i % 5 * 700;
    }
    b.steps[MANY + 1].needs = &b.needs[1];
    b.steps[MANY + 1].need_count = MANY;
    struct sched_counts counts = run(&b, MANY, SCHED_RUN_FAILED);
    assert_int_equal(counts.by_state[SCHED_SUCCEEDED], MANY);
    assert_int_equal(counts.by_state[SCHED_SKIPPED], 1);
    big_done(&b);
}

/* Every step needs the 40 before it: as many edges as a pipeline may have. */
static void test_edges(void **unused)
{
    (void)unused;
    struct big b;
    const uint32_t width = LIMIT_NEEDS / MANY;
    big_init(&b, MANY, LIMIT_NEEDS);
    uint32_t *at = b.needs;
    for (uint32_t i = 0; i < MANY; i++) {
        b.steps[i].needs = at;
        for (uint32_t k = 1; k <= width && k <= i; k++)
            *at++ = i - k;
        b.steps[i].need_count = (uint32_t)(at - b.steps[i].needs);
    }
    struct sched_counts counts = run(&b, MANY / 2, SCHED_RUN_FAILED);
    assert_int_equal(counts.by_state[SCHED_SUCCEEDED], MANY / 2);
    assert_int_equal(counts.by_state[SCHED_SKIPPED], MANY / 2 - 1);
    big_done(&b);
}

static void test_cancel(void **unused)
{
    (void)unused;
    struct big b;
    big_init(&b, MANY, 1);
    struct sched *s = sched_new(&b.def, NULL);
    struct sched_action a;
    uint32_t records = 0, stops = 0;
    sched_start(s, 0);
    while (sched_next(s, &a))
        ;
    sched_cancel(s, false, 1);
    while (sched_next(s, &a)) {
        records += a.kind == SCHED_ACT_RECORD;
        stops += a.kind == SCHED_ACT_STOP;
    }
    assert_int_equal(records, MANY - 2);
    assert_int_equal(stops, 2);
    sched_free(s);
    big_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chain), cmocka_unit_test(test_fan),
                                       cmocka_unit_test(test_edges), cmocka_unit_test(test_cancel)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
