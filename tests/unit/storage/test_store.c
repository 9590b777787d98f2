/*
 * Every event kind and every read.
 */
#include "help.h"

#include <math.h>

static char run_id[ID_SIZE];

static struct store *with_run(void)
{
    struct store *s = open_store();
    struct store_batch *b = store_batch_new();
    add_run(b, make_id(run_id), "p");
    assert_int_equal(store_batch_count(b), 1);
    commit(s, b);
    return s;
}

static struct store_run get_run(struct store *s, struct arena *a)
{
    struct store_run run;
    struct err err = ERR_INIT;
    if (!store_get_run(s, run_id, a, &run, &err))
        fail_msg("%s", err.msg);
    return run;
}

static struct store_step get_step(struct store *s, struct arena *a, size_t index)
{
    struct store_step *steps;
    size_t count;
    assert_true(store_get_steps(s, run_id, a, &steps, &count, NULL));
    assert_true(index < count);
    return steps[index];
}

static void test_run_is_read_back(void **state)
{
    (void)state;
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store *s = with_run();
    struct store_run run = get_run(s, &a);
    assert_string_equal(run.id, run_id);
    assert_string_equal(run.pipeline, "p");
    assert_string_equal(run.file, "/srv/p.yaml");
    assert_string_equal(run.root, "/srv");
    assert_string_equal(run.status, "queued");
    assert_null(run.reason);
    assert_int_equal(run.number, 1);
    assert_string_equal(run.text, "name: p\nsteps: {}\n");
    assert_string_equal(run.params, "{\"a\":[1,2.0,\"\xc3\xbc\"],\"z\":0.1}");
    assert_string_equal(run.trigger, "{\"type\":\"manual\"}");
    assert_string_equal(run.labels, "{}");
    assert_string_equal(run.manifest, "{\"a\":true,\"b\":null}");
    assert_string_equal(run.commit, "0123abcd");
    assert_null(run.parent);
    assert_true(run.dirty);
    assert_false(run.cancelling);
    assert_int_equal(run.created_ms, T0);
    assert_int_equal(run.started_ms, 0);
    assert_int_equal(run.finished_ms, 0);
    assert_int_equal(run.step_count, 3);
    store_close(s);
}

static void test_run_states(void **state)
{
    (void)state;
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store *s = with_run();
    struct store_batch *b = store_batch_new();
    store_add_run_state(b, T0 + 10, run_id, "running", NULL);
    store_add_run_state(b, T0 + 20, run_id, "waiting", "approval");
    store_add_run_state(b, T0 + 30, run_id, "running", NULL);
    commit(s, b);
    struct store_run run = get_run(s, &a);
    assert_string_equal(run.status, "running");
    assert_null(run.reason);
    assert_int_equal(run.started_ms, T0 + 10);
    assert_int_equal(run.finished_ms, 0);
    b = store_batch_new();
    store_add_run_state(b, T0 + 50, run_id, "failed", "timeout");
    commit(s, b);
    run = get_run(s, &a);
    assert_string_equal(run.status, "failed");
    assert_string_equal(run.reason, "timeout");
    assert_int_equal(run.finished_ms, T0 + 50);
    b = store_batch_new();
    store_add_step_end(b, T0 + 70, run_id, "b", "failed", "exit", 1, T0 + 61, "why");
    store_add_run_end(b, T0 + 70, run_id, "failed", NULL, T0 + 62);
    commit(s, b);
    assert_int_equal(get_run(s, &a).finished_ms, T0 + 62);
    assert_int_equal(get_step(s, &a, 1).finished_ms, T0 + 61);
    store_close(s);
}

static void test_steps(void **state)
{
    (void)state;
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store *s = with_run();
    struct store_step step = get_step(s, &a, 2);
    assert_int_equal(step.index, 2);
    assert_string_equal(step.name, "c[k=1]");
    assert_string_equal(step.folder, "c.1");
    assert_string_equal(step.kind, "train");
    assert_string_equal(step.group, "c");
    assert_string_equal(step.matrix, "{\"k\":1}");
    assert_string_equal(step.status, "pending");
    assert_int_equal(step.need_count, 2);
    assert_int_equal(step.needs[0], 0);
    assert_int_equal(step.needs[1], 1);
    step = get_step(s, &a, 0);
    assert_string_equal(step.name, "a");
    assert_null(step.group);
    assert_null(step.matrix);
    assert_int_equal(step.need_count, 0);

    struct store_batch *b = store_batch_new();
    add_step_life(b, run_id, "a");
    store_add_step_state(b, T0 + 60, run_id, "b", "waiting", "retry", 0, T0 + 900, "again in 0.9s");
    store_add_step_state(b, T0 + 60, run_id, "c.1", "skipped", "upstream", 0, 0, NULL);
    commit(s, b);
    step = get_step(s, &a, 0);
    assert_string_equal(step.status, "succeeded");
    assert_int_equal(step.attempt, 1);
    assert_int_equal(step.started_ms, T0 + 3);
    assert_int_equal(step.finished_ms, T0 + 42);
    step = get_step(s, &a, 1);
    assert_string_equal(step.status, "waiting");
    assert_string_equal(step.reason, "retry");
    assert_string_equal(step.detail, "again in 0.9s");
    assert_int_equal(step.due_ms, T0 + 900);
    assert_int_equal(step.finished_ms, 0);
    step = get_step(s, &a, 2);
    assert_string_equal(step.status, "skipped");
    assert_int_equal(step.finished_ms, T0 + 60);
    store_close(s);
}

static void test_attempts(void **state)
{
    (void)state;
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store *s = with_run();
    struct store_attempt *all;
    size_t count;
    struct store_batch *b = store_batch_new();
    store_add_step_state(b, T0 + 1, run_id, "a", "starting", NULL, 1, 0, NULL);
    store_add_attempt(b, T0 + 2, run_id, "a", 1, "process", "edge-1", "b00t");
    commit(s, b);
    assert_true(store_get_attempts(s, run_id, NULL, &a, &all, &count, NULL));
    assert_int_equal(count, 1);
    assert_string_equal(all[0].step, "a");
    assert_string_equal(all[0].status, "starting");
    assert_int_equal(all[0].created_ms, T0 + 2);
    assert_int_equal(all[0].started_ms, 0);
    assert_int_equal(all[0].exit_code, -1);
    assert_string_equal(all[0].executor, "process");
    assert_string_equal(all[0].host, "edge-1");
    assert_string_equal(all[0].boot_id, "b00t");

    b = store_batch_new();
    store_add_step_state(b, T0 + 5, run_id, "a", "running", NULL, 1, 0, NULL);
    commit(s, b);
    assert_true(store_get_attempts(s, run_id, "a", &a, &all, &count, NULL));
    assert_string_equal(all[0].status, "running");
    assert_int_equal(all[0].started_ms, T0 + 5);
    assert_int_equal(get_step(s, &a, 0).started_ms, T0 + 5);

    struct store_attempt_end end = {.status = "failed",
                                    .reason = "oom",
                                    .message = "killed at 512 MiB",
                                    .exit_code = -1,
                                    .signal = 9,
                                    .ended_ms = T0 + 9,
                                    .usage = "{\"peak_bytes\": 5368709120, \"cpu_us\": 7}"};
    b = store_batch_new();
    store_add_attempt_end(b, T0 + 10, run_id, "a", 1, &end);
    store_add_step_state(b, T0 + 11, run_id, "a", "starting", NULL, 2, 0, NULL);
    store_add_attempt(b, T0 + 11, run_id, "a", 2, "process", "edge-1", "b00t");
    store_add_attempt(b, T0 + 11, run_id, "b", 1, "process", "edge-1", "b00t");
    store_add_attempt(b, T0 + 12, run_id, "b", 1, "process", "edge-2", "b002"); /* again */
    commit(s, b);
    assert_true(store_get_attempts(s, run_id, NULL, &a, &all, &count, NULL));
    assert_int_equal(count, 3);
    assert_string_equal(all[0].status, "failed");
    assert_string_equal(all[0].reason, "oom");
    assert_string_equal(all[0].message, "killed at 512 MiB");
    assert_int_equal(all[0].exit_code, -1);
    assert_int_equal(all[0].signal, 9);
    assert_int_equal(all[0].started_ms, T0 + 5);
    assert_int_equal(all[0].ended_ms, T0 + 9);
    assert_string_equal(all[0].usage, "{\"cpu_us\":7,\"peak_bytes\":5368709120}");
    assert_null(all[1].usage);
    assert_int_equal(all[1].number, 2);
    assert_string_equal(all[2].step, "b");
    assert_string_equal(all[2].host, "edge-2");
    assert_int_equal(get_step(s, &a, 0).attempt, 2);
    /* What is no JSON cannot be recorded. */
    end.usage = "{cpu}";
    b = store_batch_new();
    store_add_attempt_end(b, T0 + 20, run_id, "a", 2, &end);
    struct err err = ERR_INIT;
    assert_false(store_commit_now(s, b, &err));
    assert_non_null(strstr(err.msg, "'usage'"));
    store_close(s);
}

static void test_outputs_and_artifacts(void **state)
{
    (void)state;
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store *s = with_run();
    struct store_output outputs[] = {
        {.name = "raw", .path = "/d/raw.csv", .digest = "ab", .size = 12, .dataset = "l3"},
        {.name = "f1", .value = "0.1"},
        {.name = "word", .value = "\"x \\\"y\\\"\""},
        {.name = "list", .value = "[ 1, {\"b\":2, \"a\":1} ]", .model = "m"},
        {.name = "nil", .value = "null"},
    };
    struct store_artifact artifacts[] = {
        {.name = "plot.png", .path = "/d/plot", .digest = "cd", .size = 5},
        {.name = "dir", .path = "/d/dir", .digest = "ef", .size = 50, .folder = true},
    };
    struct store_batch *b = store_batch_new();
    store_add_outputs(b, T0, run_id, "b", 2, outputs, 5);
    store_add_outputs(b, T0, run_id, "a", 0, outputs, 0);
    store_add_artifacts(b, T0, run_id, "b", 2, artifacts, 2);
    commit(s, b);
    struct store_step_output *o;
    struct store_step_artifact *f;
    size_t count;
    assert_true(store_get_outputs(s, run_id, NULL, &a, &o, &count, NULL));
    assert_int_equal(count, 5); /* by name */
    assert_string_equal(o[0].output.name, "f1");
    assert_string_equal(o[0].output.value, "0.1");
    assert_null(o[0].output.path);
    assert_string_equal(o[1].output.value, "[1,{\"a\":1,\"b\":2}]");
    assert_string_equal(o[1].output.model, "m");
    assert_string_equal(o[2].output.value, "null");
    assert_string_equal(o[3].output.path, "/d/raw.csv");
    assert_string_equal(o[3].output.digest, "ab");
    assert_string_equal(o[3].output.dataset, "l3");
    assert_int_equal(o[3].output.size, 12);
    assert_null(o[3].output.value);
    assert_string_equal(o[4].output.value, "\"x \\\"y\\\"\"");
    assert_string_equal(o[4].step, "b");
    assert_int_equal(o[4].attempt, 2);
    assert_true(store_get_outputs(s, run_id, "a", &a, &o, &count, NULL));
    assert_int_equal(count, 0);
    assert_true(store_get_artifacts(s, run_id, "b", &a, &f, &count, NULL));
    assert_int_equal(count, 2);
    assert_string_equal(f[0].artifact.name, "dir");
    assert_true(f[0].artifact.folder);
    assert_int_equal(f[0].artifact.size, 50);
    assert_false(f[1].artifact.folder);
    assert_string_equal(f[1].artifact.digest, "cd");
    store_close(s);
}

static void test_metrics(void **state)
{
    (void)state;
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store *s = with_run();
    struct store_metric points[] = {
        {"loss", 2.5, 1}, {"loss", 0.1, 2},      {"f1", 0.5, INT64_MIN},
        {"nan", NAN, 7},  {"inf", -INFINITY, 0},
    };
    struct store_metric later[] = {{"loss", 9, 0}};
    struct store_batch *b = store_batch_new();
    store_add_metrics(b, T0, run_id, "a", 1, points, 5);
    store_add_metrics(b, T0, run_id, "a", 2, later, 1);
    store_add_metrics(b, T0, run_id, "b", 1, points, 0);
    commit(s, b);
    struct store_step_metric *m;
    size_t count;
    assert_true(store_get_metrics(s, run_id, NULL, &a, &m, &count, NULL));
    assert_int_equal(count, 4);
    assert_string_equal(m[0].metric.name, "f1");
    assert_true(m[0].metric.step == INT64_MIN);
    assert_int_equal(m[0].attempt, 1);
    assert_true(isinf(m[1].metric.value) && m[1].metric.value < 0);
    assert_string_equal(m[2].metric.name, "loss");
    assert_int_equal(m[2].attempt, 2);
    assert_true(m[2].metric.value == 9.0);
    assert_true(isnan(m[3].metric.value));
    assert_int_equal(m[3].metric.step, 7);
    assert_int_equal(ask_raw("SELECT count(*) FROM metric_points"), 6);
    assert_int_equal(ask_raw("SELECT body ->> 'count' FROM journal WHERE kind = 'metrics'"), 5);
    store_close(s);
}

static void test_verdicts(void **state)
{
    (void)state;
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store *s = with_run();
    struct store_batch *b = store_batch_new();
    store_add_verdict(b, T0, "uid:0", run_id, "a", "resolve", "{\"why\":\"seen\"}");
    commit(s, b);
    assert_false(get_run(s, &a).cancelling);
    b = store_batch_new();
    store_add_verdict(b, T0, "uid:0", run_id, NULL, "cancel", NULL);
    commit(s, b);
    assert_true(get_run(s, &a).cancelling);
    assert_int_equal(ask_raw("SELECT count(*) FROM journal WHERE actor = 'uid:0'"), 2);
    store_close(s);
}

static void test_finding_runs(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct err err = ERR_INIT;
    char id[ID_SIZE];
    assert_false(store_find_run(s, "last", id, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    struct store_batch *b = store_batch_new();
    add_run(b, "aaaa1111000000000000000000000000", "p");
    add_run(b, "aaaa1122000000000000000000000000", "q");
    add_run(b, "bbbb0000000000000000000000000000", "p");
    commit(s, b);
    static const struct {
        const char *word, *id;
        enum err_code code;
    } rows[] = {
        {"last", "bbbb0000000000000000000000000000", ERR_NONE},
        {"aaaa1111000000000000000000000000", "aaaa1111000000000000000000000000", ERR_NONE},
        {"aaaa112", "aaaa1122000000000000000000000000", ERR_NONE},
        {"BBBB", "bbbb0000000000000000000000000000", ERR_NONE},
        {"p#1", "aaaa1111000000000000000000000000", ERR_NONE},
        {"p#2", "bbbb0000000000000000000000000000", ERR_NONE},
        {"q#1", "aaaa1122000000000000000000000000", ERR_NONE},
        {"aaaa", NULL, ERR_INVALID},
        {"aaa", NULL, ERR_NOT_FOUND},
        {"", NULL, ERR_NOT_FOUND},
        {"cccc", NULL, ERR_NOT_FOUND},
        {"p#3", NULL, ERR_NOT_FOUND},
        {"p#0", NULL, ERR_NOT_FOUND},
        {"p#x", NULL, ERR_NOT_FOUND},
        {"nosuch#1", NULL, ERR_NOT_FOUND},
        {"aaaa11110000000000000000000000000", NULL, ERR_NOT_FOUND},
        {"p'; DROP TABLE runs", NULL, ERR_NOT_FOUND},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        err = ERR_INIT;
        snprintf(id, sizeof id, "untouched");
        bool ok = store_find_run(s, rows[i].word, id, &err);
        assert_int_equal(err.code, rows[i].code);
        assert_int_equal(ok, rows[i].code == ERR_NONE);
        assert_string_equal(id, ok ? rows[i].id : "untouched");
    }
    assert_false(store_find_run(s, "p#9", id, &err));
    assert_non_null(strstr(err.msg, "p#2")); /* the newest there is */
    store_close(s);
}

static void test_unknown_run_and_step(void **state)
{
    (void)state;
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store *s = with_run();
    struct err err = ERR_INIT;
    struct store_step *steps;
    struct store_run run;
    size_t count;
    const char *nobody = "ffffffffffffffffffffffffffffffff";
    assert_false(store_get_run(s, nobody, &a, &run, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_false(store_get_steps(s, nobody, &a, &steps, &count, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    struct store_batch *b = store_batch_new();
    store_add_step_state(b, T0, run_id, "a", "running", NULL, 1, 0, NULL);
    store_add_step_state(b, T0, run_id, "nosuch", "running", NULL, 1, 0, NULL);
    assert_false(store_commit_now(s, b, &err));
    assert_non_null(strstr(err.msg, "nosuch"));
    assert_string_equal(get_step(s, &a, 0).status, "pending"); /* nothing of it is kept */
    b = store_batch_new();
    store_add_step_state(b, T0, run_id, "a", "running", NULL, 1, 0, NULL);
    assert_false(store_commit_now(s, b, &err)); /* nor of anything after it */
    assert_non_null(strstr(err.msg, "earlier"));
    store_close(s);
    check_chain(1);
}

static void test_foreign_words_are_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    for (int i = 0; i < 4; i++) {
        struct store *s = with_run();
        struct store_batch *b = store_batch_new();
        if (i == 0)
            store_add_run_state(b, T0, run_id, "done", NULL);
        if (i == 1)
            store_add_step_state(b, T0, run_id, "a", "runing", NULL, 1, 0, NULL);
        if (i == 2)
            store_add_verdict(b, T0, NULL, run_id, NULL, "note", "{no json");
        if (i == 3)
            add_run(b, run_id, "p"); /* the same id again */
        assert_false(store_commit_now(s, b, &err));
        store_close(s);
        check_chain(i + 1);
    }
}

static void test_deep_json(void **state)
{
    (void)state;
    struct store *s = with_run();
    AUTO_ARENA struct arena a = ARENA_INIT;
    char *text = arena_alloc(&a, 5000);
    static const int depths[] = {100, 1000, 1001, 2000, 2400};
    struct err err = ERR_INIT;
    for (size_t i = 0; i < COUNT_OF(depths); i++) {
        size_t depth = (size_t)depths[i];
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        struct store_output output = {.name = "x", .value = text};
        struct store_batch *b = store_batch_new();
        store_add_outputs(b, T0, run_id, "a", 1, &output, 1);
        assert_int_equal(store_commit_now(s, b, &err), depth <= STORE_JSON_DEPTH);
    }
    store_close(s);
    check_chain(3);
}

static void test_facts_and_places(void **state)
{
    (void)state;
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store_facts facts;
    struct store *s = with_run();
    assert_true(store_get_facts(s, &a, &facts, NULL));
    assert_string_equal(facts.backend, "sqlite");
    assert_int_equal(facts.schema, 2);
    assert_int_equal(facts.schema_newest, 2);
    assert_int_equal(facts.runs, 1);
    assert_int_equal(facts.journal_rows, 1);
    assert_non_null(strstr(facts.location, "/orch.db"));
    store_close(s);
    AUTO_FREE char *dir = store_artifact_dir(test_dir);
    assert_non_null(strstr(dir, "/artifacts"));
    AUTO_FREE char *ignore = mem_printf("%s/.gitignore", test_dir);
    AUTO_BUF struct buf text = BUF_INIT(10);
    assert_true(file_read(ignore, &text, NULL));
    assert_string_equal(buf_str(&text), "*\n");
}

static void test_tracing_changes_nothing(void **state)
{
    setenv("ORCH_TRACE_STORAGE", "1", 1);
    test_attempts(state);
    unsetenv("ORCH_TRACE_STORAGE");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_run_is_read_back),
        TEST(test_run_states),
        TEST(test_steps),
        TEST(test_attempts),
        TEST(test_outputs_and_artifacts),
        TEST(test_metrics),
        TEST(test_verdicts),
        TEST(test_finding_runs),
        TEST(test_unknown_run_and_step),
        TEST(test_foreign_words_are_refused),
        TEST(test_deep_json),
        TEST(test_facts_and_places),
        TEST(test_tracing_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
