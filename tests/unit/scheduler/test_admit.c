/*
 * test_admit.c - who starts first, who fits, and who may pass whom.
 */
#include "tests/unit/scheduler/fixture.h"

static void test_priority(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 4);
    f.def.capacity[SCHED_CPU] = 1000;
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
    f.steps[1].takes[SCHED_CPU] = 64000;
    f.steps[1].takes[SCHED_MEMORY] = 1L << 40;
    f.def.capacity[SCHED_MEMORY] = 1L << 30;
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
    f.def.capacity[SCHED_MEMORY] = 100;
    f.steps[0].takes[SCHED_MEMORY] = 60;
    f.steps[1].takes[SCHED_MEMORY] = 50;
    f.steps[2].takes[SCHED_MEMORY] = 40;
    fix_start(&f);
    fix_expect(&f, "0:starting, launch 0.1, 2:starting, launch 2.1, run:running");
    fix_ok(&f, 2, 1);
    fix_expect(&f, "2:succeeded");
    fix_ok(&f, 0, 1);
    fix_expect(&f, "0:succeeded, 1:starting, launch 1.1");
    fix_done(&f);
    f.def.capacity[SCHED_MEMORY] = 0; /* not bounded */
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
    f.steps[1].takes[SCHED_CPU] = 3000;
    f.steps[2].takes[SCHED_CPU] = 3000;
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
    f.steps[0].takes[SCHED_CPU] = 1000;
    f.steps[1].takes[SCHED_CPU] = 1000;
    f.steps[2].takes[SCHED_CPU] = 3500; /* leaves 500 for whoever passes it */
    for (uint32_t i = 3; i < 6; i++)
        f.steps[i].takes[SCHED_CPU] = 300;
    fix_start(&f);
    fix_expect(&f, "0:starting, launch 0.1, 1:starting, launch 1.1, 3:starting, launch 3.1, "
                   "run:running"); /* 4 would fit into what is free, but not beside 2 with 3 */
    fix_ok(&f, 3, 1);
    fix_expect(&f, "3:succeeded, 4:starting, launch 4.1");
    fix_done(&f);
}

/* Cores and GPUs are admitted by the same rules; each one bounds for itself. */
static void test_every_resource(void **unused)
{
    (void)unused;
    for (size_t r = 0; r < SCHED_RESOURCES; r++) {
        struct fix f;
        fix_init(&f, 4);
        for (uint32_t i = 0; i < 4; i++)
            f.steps[i].takes[SCHED_CPU] = 0;
        f.def.capacity[r] = 3;
        f.steps[0].takes[r] = 2;
        f.steps[1].takes[r] = 9; /* more than there is: alone */
        f.steps[2].takes[r] = 1;
        fix_start(&f); /* 3 takes nothing, and 2 would keep 1 waiting */
        fix_expect(&f, "0:starting, launch 0.1, 3:starting, launch 3.1, run:running");
        fix_ok(&f, 3, 1);
        fix_expect(&f, "3:succeeded");
        fix_ok(&f, 0, 1);
        fix_expect(&f, "0:succeeded, 1:starting, launch 1.1");
        fix_ok(&f, 1, 1);
        fix_expect(&f, "1:succeeded, 2:starting, launch 2.1");
        fix_done(&f);
    }
}

static void test_two_resources_at_once(void **unused)
{
    (void)unused;
    struct fix f;
    fix_init(&f, 4);
    f.def.capacity[SCHED_GPUS] = 2;
    f.def.capacity[SCHED_CORES] = 2;
    f.steps[0].takes[SCHED_GPUS] = 1;
    f.steps[1].takes[SCHED_GPUS] = 2;  /* waits for 0 */
    f.steps[2].takes[SCHED_CORES] = 2; /* passes it: other things */
    f.steps[3].takes[SCHED_GPUS] = 1;  /* free, but 1 is to have it */
    fix_start(&f);
    fix_expect(&f, "0:starting, launch 0.1, 2:starting, launch 2.1, run:running");
    fix_ok(&f, 0, 1);
    fix_expect(&f, "0:succeeded, 1:starting, launch 1.1");
    fix_ok(&f, 1, 2);
    fix_expect(&f, "1:succeeded, 3:starting, launch 3.1");
    fix_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_priority),
        cmocka_unit_test(test_larger_than_the_capacity),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_a_big_step_is_not_starved),
        cmocka_unit_test(test_overtakers_count_together),
        cmocka_unit_test(test_every_resource),
        cmocka_unit_test(test_two_resources_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
