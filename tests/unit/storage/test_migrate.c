/*
 * From the databases of earlier versions: what they recorded is still told, the journal they wrote
 * makes the same tables again, and the program they were written by is told to be too old.
 */
#include "help.h"
#include "storage/sqlite/db.h"

#define OF_VERSION(n)                                                                              \
    (&(struct store_tuning){.migrations = sqlite_migrations, .migration_count = (n)})

static char run_id[ID_SIZE];

/* ---- schema 1 */

/* What version 1 did with an end, of which neither body nor statement are made any more. */
static const char end_of_version_1[] =
    "UPDATE attempts SET status = ?7 ->> 'status', reason = ?7 ->> 'reason',"
    " message = ?7 ->> 'message', exit_code = ?7 ->> 'exit', signal = ?7 ->> 'signal',"
    " started_ms = ifnull(?7 ->> 'started', started_ms), ended_ms = ?7 ->> 'ended',"
    " cpu_us = ?7 ->> 'cpu', peak_bytes = ?7 ->> 'peak'"
    " WHERE run = ?3 AND step = ?4 AND number = ?5";

static void run_statement(sqlite3 *sql, const char *text, const struct store_row *row)
{
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(sql, text, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(sql));
    sqlite3_bind_int64(stmt, 1, row->seq);
    sqlite3_bind_int64(stmt, 2, row->at_ms);
    sqlite3_bind_int64(stmt, 3, row->run);
    sqlite3_bind_text(stmt, 4, row->step.data, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 5, row->attempt);
    sqlite3_bind_text(stmt, 7, row->body.data, -1, SQLITE_STATIC);
    sqlite3_bind_blob(stmt, 8, row->hash, STORE_HASH_BYTES, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
    sqlite3_finalize(stmt);
}

static void read_newest(sqlite3 *sql, int64_t *ret_seq, unsigned char ret_hash[STORE_HASH_BYTES])
{
    sqlite3_stmt *stmt;
    sqlite3_prepare_v2(sql, "SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1", -1, &stmt,
                       NULL);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    *ret_seq = sqlite3_column_int64(stmt, 0);
    memcpy(ret_hash, sqlite3_column_blob(stmt, 1), STORE_HASH_BYTES);
    sqlite3_finalize(stmt);
}

static void end_as_version_1(sqlite3 *sql, const char *step, const char *body)
{
    unsigned char before[STORE_HASH_BYTES];
    AUTO_BUF struct buf scratch = BUF_INIT(10000);
    struct store_row row = {.at_ms = T0 + 41,
                            .kind = {"attempt_end", 11},
                            .step = {step, strlen(step)},
                            .body = {body, strlen(body)},
                            .has_run = true,
                            .run = 1,
                            .attempt = 1};
    read_newest(sql, &row.seq, before);
    row.seq++;
    store_row_hash(&row, before, &scratch, row.hash);
    run_statement(
        sql, "INSERT INTO journal VALUES (?1, ?2, 'attempt_end', ?3, ?4, ?5, NULL, ?7, ?8)", &row);
    run_statement(sql, end_of_version_1, &row);
}

/* Step a was measured, b never began, c.1 still runs. */
static void write_version_1(void)
{
    static const char *const steps[] = {"a", "b", "c.1"};
    struct store *s = open_store_tuned(NULL, OF_VERSION(1));
    struct store_batch *b = store_batch_new();
    add_run(b, make_id(run_id), "p");
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        store_add_step_state(b, T0 + 1, run_id, steps[i], "starting", NULL, 1, 0, NULL);
        store_add_attempt(b, T0 + 1, run_id, steps[i], 1, "process", "edge-1", "b00t");
    }
    store_add_step_state(b, T0 + 2, run_id, "c.1", "running", NULL, 1, 0, NULL);
    commit(s, b);
    store_close(s);
    sqlite3 *sql = open_raw();
    end_as_version_1(sql, "a",
                     "{\"cpu\":970,\"ended\":1790000000040,\"exit\":0,\"peak\":1638400,"
                     "\"started\":1790000000003,\"status\":\"succeeded\"}");
    end_as_version_1(sql, "b",
                     "{\"cpu\":0,\"ended\":1790000000040,\"peak\":0,\"reason\":\"spawn\","
                     "\"status\":\"failed\"}");
    sqlite3_close(sql);
}

static void check_usage(struct store *s, const char *of_c)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store_attempt *all;
    size_t count;
    struct err err = ERR_INIT;
    if (!store_get_attempts(s, run_id, NULL, &a, &all, &count, &err))
        fail_msg("%s", err.msg);
    assert_int_equal(count, 3);
    assert_string_equal(all[0].usage, "{\"cpu_us\":970,\"peak_bytes\":1638400}");
    assert_string_equal(all[0].status, "succeeded");
    assert_int_equal(all[0].started_ms, T0 + 3);
    assert_null(all[1].usage);
    assert_string_equal(all[1].reason, "spawn");
    if (of_c)
        assert_string_equal(all[2].usage, of_c);
    else
        assert_null(all[2].usage);
}

static void rebuild_is_the_same(struct store *s)
{
    AUTO_BUF struct buf before = BUF_INIT(1L << 20), after = BUF_INIT(1L << 20);
    struct err err = ERR_INIT;
    dump(&before);
    run_raw("UPDATE attempts SET usage = '{}'; UPDATE steps SET detail = 'x'");
    if (!store_rebuild(s, &err))
        fail_msg("%s", err.msg);
    dump(&after);
    assert_string_equal(buf_str(&before), buf_str(&after));
}

static void test_from_version_1(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    write_version_1();
    struct store_conf look = {.data_dir = test_dir, .read_only = true};
    assert_null(store_open(&look, &err)); /* looking changes nothing */
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_int_equal(ask_raw("SELECT sum(peak_bytes) FROM attempts"), 1638400);

    struct store *s = open_store();
    check_usage(s, NULL);
    rebuild_is_the_same(s);
    /* The attempt that was under way ends in the new version. */
    struct store_attempt_end end = {.status = "failed",
                                    .reason = "oom",
                                    .exit_code = -1,
                                    .ended_ms = T0 + 90,
                                    .usage = "{\"throttled_us\": 5, \"cpu_us\": 1}"};
    struct store_batch *b = store_batch_new();
    store_add_attempt_end(b, T0 + 90, run_id, "c.1", 1, &end);
    commit(s, b);
    check_usage(s, "{\"cpu_us\":1,\"throttled_us\":5}");
    rebuild_is_the_same(s);
    check_usage(s, "{\"cpu_us\":1,\"throttled_us\":5}");
    store_close(s);
    check_chain(11);
    assert_int_equal(ask_raw("SELECT count(*) FROM pragma_table_info('attempts')"
                             " WHERE name IN ('cpu_us', 'peak_bytes')"),
                     0);
}

/* ---- back to an earlier program */

static void test_the_earlier_program_refuses(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    store_close(open_store());
    struct store_conf conf = {.data_dir = test_dir};
    for (size_t known = 1; known < sqlite_migration_count; known++) {
        assert_null(store_open_tuned(&conf, OF_VERSION(known), &err));
        assert_int_equal(err.code, ERR_NEWER);
    }
    assert_int_equal(ask_raw("SELECT max(version) FROM migrations"), sqlite_migration_count);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_from_version_1),
        TEST(test_the_earlier_program_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
