/*
 * test_admit.c - who starts first, who fits, and who may pass whom.
 */
#include "tests/unit/scheduler/fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_priority),
        cmocka_unit_test(test_larger_than_the_capacity),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_a_big_step_is_not_starved),
        cmocka_unit_test(test_overtakers_count_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
