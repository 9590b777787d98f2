/*
 * The journal is the truth: an edit of any column of any row is found at its row; the tables can be
 * made from it again, byte for byte; whichever statement of a commit fails, nothing of it is kept.
 */
#include "help.h"

#include <math.h>

static void add_everything(struct store_batch *b, const char *id, const char *pipeline)
{
    struct store_output outputs[] = {
        {.name = "x", .value = "{\"b\":[1,2],\"a\":0.1}", .model = "m"},
        {.name = "f", .path = "/x", .digest = "d1", .size = 3, .dataset = "d"},
    };
    struct store_artifact artifacts[] = {{.name = "n", .path = "/n", .digest = "d2", .size = 1}};
    struct store_metric points[] = {{"f1", 0.25, 1}, {"f1", NAN, 2}, {"loss", 3, INT64_MIN}};
    struct store_attempt_end failed = {.status = "failed", .reason = "exit", .exit_code = 3};
    add_run(b, id, pipeline);
    store_add_run_state(b, T0 + 1, id, "running", NULL);
    add_step_life(b, id, "a");
    store_add_outputs(b, T0 + 50, id, "a", 1, outputs, 2);
    store_add_artifacts(b, T0 + 50, id, "a", 1, artifacts, 1);
    store_add_metrics(b, T0 + 50, id, "a", 1, points, 3);
    store_add_step_state(b, T0 + 51, id, "b", "starting", NULL, 1, 0, NULL);
    store_add_attempt(b, T0 + 51, id, "b", 1, "process", "edge \"1\"", "b");
    store_add_attempt_end(b, T0 + 52, id, "b", 1, &failed);
    store_add_step_state(b, T0 + 53, id, "b", "waiting", "retry", 1, T0 + 99, "later\n\xc3\xa4");
    store_add_verdict(b, T0 + 54, "uid:7", id, "b", "resolve", "{\"why\":\"x\"}");
    store_add_verdict(b, T0 + 54, "uid:7", id, NULL, "cancel", NULL);
    store_add_run_end(b, T0 + 60, id, "cancelled", "cancelled", T0 + 55);
}

static int64_t write_some(int runs)
{
    struct store *s = open_store();
    struct store_batch *b = store_batch_new();
    for (int i = 0; i < runs; i++) {
        char id[ID_SIZE];
        add_everything(b, make_id(id), i % 3 ? "p" : "q");
    }
    int64_t rows = (int64_t)store_batch_count(b);
    commit(s, b);
    store_close(s);
    return rows;
}

/* ---- edits */

static void test_every_edit_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *edit;
        const char *at;
    } edits[] = {
        {"UPDATE journal SET at = at + 1 WHERE seq = 5", "at row 5:"},
        {"UPDATE journal SET kind = 'run_stat' WHERE seq = 2", "at row 2:"},
        {"UPDATE journal SET run = 2 WHERE seq = 3", "at row 3:"},
        {"UPDATE journal SET run = NULL WHERE seq = 3", "at row 3:"},
        {"UPDATE journal SET step = 'b' WHERE seq = 4", "at row 4:"},
        {"UPDATE journal SET step = '' WHERE seq = 1", "at row 1:"},
        {"UPDATE journal SET attempt = 2 WHERE seq = 4", "at row 4:"},
        {"UPDATE journal SET actor = 'uid:8' WHERE seq = 1", "at row 1:"},
        {"UPDATE journal SET actor = '' WHERE seq = 6", "at row 6:"},
        {"UPDATE journal SET actor = NULL WHERE seq = 1", "at row 1:"},
        {"UPDATE journal SET body = body || ' ' WHERE seq = 7", "at row 7:"},
        {"UPDATE journal SET body = body || char(0) WHERE seq = 7", "at row 7:"},
        {"UPDATE journal SET body = replace(body, 'running', 'waiting') WHERE seq = 2", "row 2:"},
        {"UPDATE journal SET hash = zeroblob(32) WHERE seq = 9", "at row 9:"},
        {"UPDATE journal SET hash = (SELECT hash FROM journal WHERE seq = 8) WHERE seq = 9", "9:"},
        {"DELETE FROM journal WHERE seq = 10", "row 10 is missing"},
        {"DELETE FROM journal WHERE seq = 1", "row 1 is missing"},
        {"UPDATE journal SET seq = 1000 WHERE seq = 3", "row 3 is missing"},
        {"INSERT INTO journal SELECT 1 + max(seq), 0, 'x', 1, NULL, 0, NULL, '{}', hash"
         " FROM journal",
         "at row 35:"},
        {"UPDATE texts SET text = text || '#'", "source"},
        {"UPDATE texts SET digest = 'x'", "source"},
        {"PRAGMA foreign_keys = OFF; DELETE FROM texts", "journal row 1 "},
    };
    assert_int_equal(write_some(2), 34);
    AUTO_FREE char *path = mem_printf("%s/orch.db", test_dir);
    AUTO_BUF struct buf good = BUF_INIT(10L << 20);
    assert_true(file_read(path, &good, NULL));
    for (size_t i = 0; i < COUNT_OF(edits); i++) {
        struct err err = ERR_INIT;
        int64_t rows = -7;
        run_raw(edits[i].edit);
        struct store *s = open_store();
        if (store_verify_journal(s, &rows, &err))
            fail_msg("not found: %s", edits[i].edit);
        store_close(s);
        assert_int_equal(rows, -7);
        assert_int_equal(err.code, ERR_CORRUPT);
        if (!strstr(err.msg, edits[i].at))
            fail_msg("%s: %s", edits[i].edit, err.msg);
        assert_true(file_replace(path, good.data, good.len, 0600, NULL));
    }
    check_chain(34);
}

/* The bytes that README.md describes. */
static void test_hash_is_the_documented_one(void **state)
{
    (void)state;
    struct store_row row = {.seq = 1,
                            .at_ms = -5,
                            .kind = {"run", 3},
                            .has_run = true,
                            .run = 1,
                            .attempt = 0,
                            .actor = {"uid:0", 5},
                            .body = {"{}", 2}};
    unsigned char zero[STORE_HASH_BYTES] = {0}, hash[STORE_HASH_BYTES];
    char bytes[128] = {0}, expected[DIGEST_TEXT], found[DIGEST_TEXT];
    static const char text[] = "1,-5,3:run,1,-,0,5:uid:0,2:{},";
    memcpy(bytes + STORE_HASH_BYTES, text, sizeof text);
    digest_bytes(bytes, STORE_HASH_BYTES + sizeof text - 1, expected);
    AUTO_BUF struct buf scratch = BUF_INIT(1000);
    store_row_hash(&row, zero, &scratch, hash);
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(found + 2 * i, 3, "%02x", hash[i]);
    assert_string_equal(found, expected);
}

static void test_bodies_are_canonical(void **state)
{
    (void)state;
    write_some(1);
    sqlite3 *sql = open_raw();
    sqlite3_stmt *stmt;
    sqlite3_prepare_v2(sql, "SELECT body FROM journal WHERE kind = 'outputs'", -1, &stmt, NULL);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(stmt, 0),
                        "{\"items\":[{\"model\":\"m\",\"name\":\"x\",\"size\":0,\"value\":"
                        "{\"a\":0.1,\"b\":[1,2]}},{\"dataset\":\"d\",\"digest\":\"d1\",\"name\":"
                        "\"f\",\"path\":\"/x\",\"size\":3}]}");
    sqlite3_finalize(stmt);
    sqlite3_close(sql);
}

/* ---- making the tables again */

static void random_life(struct store_batch *b, const char *id, unsigned *seed)
{
    static const char *const states[] = {"ready",     "starting", "running",   "waiting",
                                         "succeeded", "failed",   "cancelled", "skipped"};
    static const char *const steps[] = {"a", "b", "c.1"};
    uint32_t attempts[3] = {0};
    for (int i = 0; i < 40; i++) {
        int n = rand_r(seed) % 3;
        int64_t at = T0 + i;
        const char *state = states[(unsigned)rand_r(seed) % COUNT_OF(states)];
        struct store_attempt_end end = {.status = "lost", .exit_code = -1, .ended_ms = at};
        switch (rand_r(seed) % 4) {
        case 0:
            store_add_attempt(b, at, id, steps[n], ++attempts[n], "process", NULL, NULL);
            break;
        case 1:
            if (attempts[n])
                store_add_attempt_end(b, at, id, steps[n], attempts[n], &end);
            break;
        default:
            store_add_step_state(b, at, id, steps[n], state, NULL, attempts[n], 0, NULL);
        }
    }
}

static void test_tables_are_what_the_journal_says(void **state)
{
    (void)state;
    unsigned seed = 11;
    write_some(20);
    struct store *s = open_store();
    for (int i = 0; i < 50; i++) {
        char id[ID_SIZE];
        struct store_batch *b = store_batch_new();
        add_run(b, make_id(id), i % 2 ? "r" : "p");
        random_life(b, id, &seed);
        commit(s, b);
    }
    AUTO_BUF struct buf before = BUF_INIT(64L << 20), after = BUF_INIT(64L << 20);
    struct err err = ERR_INIT;
    dump(&before);
    /* What was changed past the store is undone, too. */
    run_raw(
        "UPDATE runs SET status = 'failed', number = number + 100; UPDATE steps SET detail = 'x';"
        "DELETE FROM attempts; UPDATE pipelines SET last_number = 0; DELETE FROM outputs");
    if (!store_rebuild(s, &err))
        fail_msg("%s", err.msg);
    store_close(s);
    dump(&after);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, before.len);
    assert_true(before.len > 50000);
    check_chain(-1);
}

/* ---- failures */

static void test_each_statement_may_fail(void **state)
{
    (void)state;
    char id[ID_SIZE];
    int64_t rows = write_some(1);
    AUTO_BUF struct buf before = BUF_INIT(1L << 20), after = BUF_INIT(1L << 20);
    dump(&before);
    int n = 0;
    for (bool failed = true; failed;) {
        struct store_tuning tuning = {.fail_at = ++n};
        struct store *s = open_store_tuned(NULL, &tuning);
        struct store_batch *b = store_batch_new(), *next = store_batch_new();
        struct err err = ERR_INIT;
        add_everything(b, make_id(id), "new");
        add_run(next, make_id(id), "new");
        failed = !store_commit_now(s, b, &err);
        assert_int_equal(store_commit_now(s, next, &err), !failed);
        store_close(s);
        if (failed) {
            buf_clear(&after);
            dump(&after);
            assert_string_equal(buf_str(&before), buf_str(&after));
            check_chain(rows);
        }
    }
    print_message("%d statements\n", n - 1);
    assert_true(n > 40);
    check_chain(2 * rows + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_edit_is_found),     TEST(test_hash_is_the_documented_one),
        TEST(test_bodies_are_canonical),    TEST(test_tables_are_what_the_journal_says),
        TEST(test_each_statement_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
