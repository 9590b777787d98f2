/*
 * What a step asks for, held against what the host says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "executor/step/facts.h"

#include <stdlib.h>
#include <string.h>

static struct step_facts sample(void)
{
    struct step_facts facts = {0};
    facts_add(&facts, "cpu", true, 0, NULL, NULL);
    facts_add(&facts, "memory", false, 0, "there is no memory controller", "boot with it");
    facts_add(&facts, "hidden", false, 0, "no mount namespaces", NULL);
    facts_add(&facts, "gpus", true, 3, NULL, NULL);
    return facts;
}

static struct step_spec spec_with_hidden(void)
{
    struct step_spec spec = {.limits = {.cpu_milli = 500, .memory = 1 << 20}};
    spec.sandbox.hidden = mem_array(2, sizeof(char *));
    spec.sandbox.hidden[0] = mem_strdup("/home");
    spec.sandbox.hidden[1] = mem_strdup("/root");
    spec.sandbox.hidden_count = 2;
    return spec;
}

static void facts_travel(void **state)
{
    (void)state;
    struct step_facts facts = sample(), back;
    AUTO_BUF struct buf bytes = BUF_INIT(LIMIT_MESSAGE);
    step_facts_encode(&facts, &bytes);
    assert_true(step_facts_decode(bytes.data, bytes.len, &back, NULL));
    assert_int_equal(back.count, 4);
    assert_int_equal(step_facts_find(&back, "gpus")->amount, 3);
    assert_string_equal(step_facts_find(&back, "memory")->fix, "boot with it");
    assert_null(step_facts_find(&back, "pids"));
    step_facts_done(&back);
    for (size_t cut = 1; cut < bytes.len; cut++) {
        if (step_facts_decode(bytes.data, cut, &back, NULL)) {
            step_facts_done(&back);
        }
    }
    step_facts_done(&facts);
}

static void strict_names_key_why_and_fix(void **state)
{
    (void)state;
    struct step_facts facts = sample();
    struct step_spec spec = spec_with_hidden();
    struct err err = ERR_INIT;
    AUTO_BUF struct buf notes = BUF_INIT(4096);
    assert_false(facts_apply(&facts, &spec, &notes, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "`resources.memory`"));
    assert_non_null(strstr(err.msg, "there is no memory controller"));
    assert_non_null(strstr(err.msg, "boot with it"));
    assert_non_null(strstr(err.msg, "isolation: best-effort"));
    step_spec_done(&spec);
    step_facts_done(&facts);
}

static void best_effort_leaves_out_and_says_so(void **state)
{
    (void)state;
    struct step_facts facts = sample();
    struct step_spec spec = spec_with_hidden();
    AUTO_BUF struct buf notes = BUF_INIT(4096);
    spec.limits.best_effort = true;
    assert_true(facts_apply(&facts, &spec, &notes, NULL));
    assert_int_equal(spec.limits.cpu_milli, 500);
    assert_int_equal(spec.limits.memory, 0);
    assert_int_equal(spec.sandbox.hidden_count, 0);
    assert_non_null(strstr(buf_str(&notes), "`resources.memory`"));
    assert_non_null(strstr(buf_str(&notes), "`sandbox.hidden`"));
    step_spec_done(&spec);
    step_facts_done(&facts);
}

/* To run as somebody else than the one who was named is no effort at all. */
static void a_user_is_never_left_out(void **state)
{
    (void)state;
    struct step_facts facts = sample();
    struct step_spec spec = {.limits = {.best_effort = true}, .sandbox = {.has_user = true}};
    struct err err = ERR_INIT;
    AUTO_BUF struct buf notes = BUF_INIT(4096);
    const char *key = NULL;
    const struct step_fact *fact = NULL;
    assert_false(facts_apply(&facts, &spec, &notes, &err));
    assert_non_null(strstr(err.msg, "`user`"));
    assert_true(step_facts_lacks(&facts, &spec.limits, &spec.sandbox, &key, &fact));
    assert_string_equal(key, "user");
    assert_null(fact);
    step_facts_done(&facts);
}

static void what_holds_is_not_lacking(void **state)
{
    (void)state;
    struct step_facts facts = sample();
    struct step_limits limits = {.cpu_milli = 1000, .gpus = 2};
    struct step_sandbox sandbox = {0};
    const char *key = NULL;
    const struct step_fact *fact = NULL;
    assert_false(step_facts_lacks(&facts, &limits, &sandbox, &key, &fact));
    limits.memory = 1;
    assert_true(step_facts_lacks(&facts, &limits, &sandbox, &key, &fact));
    assert_string_equal(key, "resources.memory");
    assert_string_equal(fact->fix, "boot with it");
    limits.best_effort = true;
    assert_false(step_facts_lacks(&facts, &limits, &sandbox, &key, &fact));
    step_facts_done(&facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_travel),
        cmocka_unit_test(strict_names_key_why_and_fix),
        cmocka_unit_test(best_effort_leaves_out_and_says_so),
        cmocka_unit_test(a_user_is_never_left_out),
        cmocka_unit_test(what_holds_is_not_lacking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
