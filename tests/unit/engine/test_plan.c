/*
 * test_plan.c - what --only and --from choose, and what they reuse.
 */
#include "engine/engine.h"

#include "base/file.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char text[] = "name: p\n"
                           "steps:\n"
                           "  a: {run: x}\n"
                           "  b: {run: x, needs: a}\n"
                           "  c: {run: x, needs: b}\n"
                           "  d: {run: x}\n"
                           "  e: {run: x, needs: [c, d]}\n";

struct world {
    char *dir;
    struct store *store;
    struct dag_pipeline *pipeline;
    struct arena arena;
    struct err err;
};

static int set_up(void **state)
{
    struct world *w = mem_alloc(sizeof(*w));
    char dir[] = "/tmp/orch-plan-XXXXXX";
    assert_non_null(mkdtemp(dir));
    w->dir = mem_strdup(dir);
    struct store_conf conf = {.data_dir = w->dir};
    w->store = store_open(&conf, &w->err);
    assert_non_null(w->store);
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, "p.yaml");
    w->pipeline = dag_parse("p.yaml", text, sizeof(text) - 1, &diags);
    assert_non_null(w->pipeline);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    store_close(w->store);
    dag_free(w->pipeline);
    arena_done(&w->arena);
    assert_true(file_remove_tree(w->dir, &w->err));
    free(w->dir);
    free(w);
    return 0;
}

/* A recorded run whose steps ended as the letters say: s(ucceeded), f(ailed), r(eused). */
static void record(struct world *w, const char *ends)
{
    char id[ID_SIZE];
    id_make(clock_wall_ms(clock_system()), id);
    struct store_new_step steps[5] = {0};
    for (size_t i = 0; i < 5; i++) {
        steps[i].name = steps[i].folder = w->pipeline->steps[i].name;
        steps[i].kind = "task";
    }
    struct store_new_run run = {.id = id,
                                .pipeline = "p",
                                .file = "/p.yaml",
                                .root = "/",
                                .text = text,
                                .params = "{}",
                                .trigger = "{\"type\":\"manual\"}",
                                .labels = "{}",
                                .manifest = "{}",
                                .steps = steps,
                                .step_count = 5};
    struct store_batch *b = store_batch_new();
    store_add_run(b, 1000, "uid:0", &run);
    for (size_t i = 0; i < strlen(ends); i++) {
        const char *word = ends[i] == 's' ? "succeeded" : ends[i] == 'f' ? "failed" : "reused";
        store_add_step_state(b, 1000, id, steps[i].name, word, NULL, 0, 0, NULL);
    }
    assert_true(store_commit_now(w->store, b, &w->err));
}

/* The plan as letters by step: R(un), U(reUse), S(kip); NULL where it is refused. */
static const char *plan(struct world *w, const char *only, const char *from)
{
    const char *names[] = {only};
    struct engine_request req = {
        .pipeline = w->pipeline, .only = names, .only_count = only != NULL, .from = from};
    struct engine_plan_step *steps;
    if (!engine_plan(w->store, &req, &w->arena, &steps, &w->err)) {
        return NULL;
    }
    char *letters = arena_alloc(&w->arena, 6);
    for (size_t i = 0; i < 5; i++) {
        letters[i] = "RUS"[steps[i].what];
        assert_non_null(steps[i].why);
        assert_int_equal(steps[i].reuse_run != NULL, steps[i].what == ENGINE_PLAN_REUSE);
    }
    return letters;
}

static void all_steps_run_where_nothing_is_chosen(void **state)
{
    assert_string_equal(plan(*state, NULL, NULL), "RRRRR");
}

static void what_is_chosen_runs_and_what_it_needs_is_reused(void **state)
{
    struct world *w = *state;
    record(w, "sssss");
    assert_string_equal(plan(w, "c", NULL), "UURSS");
    assert_string_equal(plan(w, "d", NULL), "SSSRS");
    assert_string_equal(plan(w, NULL, "c"), "UURUR");
    assert_string_equal(plan(w, NULL, "a"), "RRRUR");
    assert_string_equal(plan(w, NULL, "e"), "UUUUR");
}

static void the_newest_run_decides_what_can_be_reused(void **state)
{
    struct world *w = *state;
    record(w, "sssss");
    record(w, "rsf");
    assert_string_equal(plan(w, "c", NULL), "UURSS");
    assert_null(plan(w, "e", NULL));
    assert_non_null(strstr(w->err.msg, "'c'"));
    assert_non_null(strstr(w->err.msg, "p#2"));
}

static void nothing_to_reuse_is_said(void **state)
{
    struct world *w = *state;
    assert_string_equal(plan(w, "a", NULL), "RSSSS");
    assert_null(plan(w, "b", NULL));
    assert_int_equal(w->err.code, ERR_USAGE);
    assert_non_null(strstr(w->err.msg, "no earlier run"));
}

static void a_wrong_name_gets_a_suggestion(void **state)
{
    struct world *w = *state;
    struct engine_plan_step *steps;
    const char *names[] = {"a"};
    struct engine_request both = {
        .pipeline = w->pipeline, .only = names, .only_count = 1, .from = "b"};
    assert_false(engine_plan(w->store, &both, &w->arena, &steps, &w->err));
    assert_int_equal(w->err.code, ERR_USAGE);
    assert_null(plan(w, "aa", NULL));
    assert_non_null(strstr(w->err.msg, "did you mean"));
    assert_null(plan(w, NULL, "bb"));
    assert_non_null(strstr(w->err.msg, "--from"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_steps_run_where_nothing_is_chosen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_chosen_runs_and_what_it_needs_is_reused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_newest_run_decides_what_can_be_reused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nothing_to_reuse_is_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wrong_name_gets_a_suggestion, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
