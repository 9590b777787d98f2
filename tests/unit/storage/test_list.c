/*
 * Listings: newest first, each filter, pages by `before`, each by its index; 100,000 runs
 * unless ORCH_TEST_RUNS says more.
 */
#include "help.h"

#include <time.h>

static int run_count = 100000; /* ORCH_TEST_RUNS */

static char (*ids)[ID_SIZE]; /* in order of making */

static const char *pipeline_of(int i)
{
    return i % 10 == 3 ? "rare" : "often";
}

static const char *status_of(int i)
{
    return i % 1000 == 7 ? "waiting" : i % 100 == 1 ? "failed" : "succeeded";
}

static void write_all(struct store *s)
{
    static const struct store_new_step step = {.name = "a", .folder = "a", .kind = "task"};
    ids = mem_array((size_t)run_count, sizeof *ids);
    for (int i = 0; i < run_count;) {
        struct store_batch *b = store_batch_new();
        for (int end = i + 1000; i < end; i++) {
            struct store_new_run run = {.id = ids[i],
                                        .pipeline = pipeline_of(i),
                                        .file = "/p",
                                        .params = "{}",
                                        .steps = &step,
                                        .step_count = 1};
            make_id(ids[i]);
            store_add_run(b, T0 + i, "x", &run);
            store_add_run_state(b, T0 + i, ids[i], status_of(i), NULL);
        }
        commit(s, b);
    }
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static bool fits(const struct store_list *l, int i)
{
    bool open = strcmp(status_of(i), "waiting") == 0;
    return (!l->pipeline || strcmp(l->pipeline, pipeline_of(i)) == 0) &&
           (!l->status || strcmp(l->status, status_of(i)) == 0) && (!l->open_only || open);
}

/* Walks all pages and compares with what was written. */
static void check_list(struct store *s, struct store_list list)
{
    int at = run_count - 1, pages = 0;
    int64_t longest_us = 0;
    char before[ID_SIZE];
    for (bool more = true; more; pages++) {
        AUTO_ARENA struct arena a = ARENA_INIT;
        struct store_run *runs;
        size_t count;
        int64_t start_us = now_us();
        assert_true(store_list_runs(s, &list, &a, &runs, &count, NULL));
        int64_t us = now_us() - start_us;
        if (us > longest_us)
            longest_us = us;
        for (size_t i = 0; i < count; i++, at--) {
            while (!fits(&list, at))
                at--;
            assert_string_equal(runs[i].id, ids[at]);
            assert_string_equal(runs[i].status, status_of(at));
            assert_string_equal(runs[i].pipeline, pipeline_of(at));
        }
        more = count > 0;
        if (more)
            memcpy(before, runs[count - 1].id, ID_SIZE);
        list.before = before;
    }
    while (at >= 0 && !fits(&list, at))
        at--;
    assert_int_equal(at, -1);
    print_message("%-6s %-9s %d: %d pages, longest %" PRId64 " us\n",
                  list.pipeline ? list.pipeline : "-", list.status ? list.status : "-",
                  list.open_only, pages, longest_us);
}

static void test_lists(void **state)
{
    (void)state;
    const char *more = getenv("ORCH_TEST_RUNS");
    if (more)
        run_count = (int)strtol(more, NULL, 10);
    struct store *s = open_store();
    write_all(s);
    check_list(s, (struct store_list){.limit = 997});
    check_list(s, (struct store_list){.pipeline = "rare"});
    check_list(s, (struct store_list){.pipeline = "often", .limit = 500});
    check_list(s, (struct store_list){.status = "failed"});
    check_list(s, (struct store_list){.status = "waiting", .limit = 7});
    check_list(s, (struct store_list){.pipeline = "rare", .status = "succeeded"});
    check_list(s, (struct store_list){.open_only = true, .limit = 10});
    check_list(s, (struct store_list){.open_only = true, .pipeline = "often"});
    check_list(s, (struct store_list){.open_only = true, .pipeline = "rare"});
    check_list(s, (struct store_list){.open_only = true, .status = "waiting"});

    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store_run *runs;
    size_t count;
    struct err err = ERR_INIT;
    assert_true(
        store_list_runs(s, &(struct store_list){.pipeline = "nosuch"}, &a, &runs, &count, NULL));
    assert_int_equal(count, 0);
    assert_false(
        store_list_runs(s, &(struct store_list){.before = "nosuch"}, &a, &runs, &count, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    char id[ID_SIZE];
    int64_t start_us = now_us();
    assert_true(store_find_run(s, "rare#777", id, NULL));
    assert_string_equal(id, ids[7763]);
    assert_true(store_find_run(s, ids[5], id, NULL));
    assert_true(store_find_run(s, "last", id, NULL));
    print_message("three finds: %" PRId64 " us\n", now_us() - start_us);
    store_close(s);
    struct stat st;
    AUTO_FREE char *path = mem_printf("%s/orch.db", test_dir);
    assert_int_equal(stat(path, &st), 0);
    start_us = now_us();
    s = open_store();
    print_message("%d runs: %lld bytes a run, opened in %" PRId64 " us\n", run_count,
                  (long long)st.st_size / run_count, now_us() - start_us);
    store_close(s);
    free(ids);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
