/*
 * help.h - what the storage tests share: a data folder for each test, runs to write, a look into
 * the database past the store.
 */
#ifndef TESTS_STORAGE_HELP_H
#define TESTS_STORAGE_HELP_H

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/backend.h"

#include <inttypes.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define UNUSED_OK __attribute__((unused))
#define T0 INT64_C(1790000000000)

static char test_dir[64];

/* A new data folder's path (not made yet) for one test. */
UNUSED_OK static int make_dir(void **state)
{
    (void)state;
    snprintf(test_dir, sizeof test_dir, "/tmp/orch-storage-XXXXXX");
    assert_non_null(mkdtemp(test_dir));
    return 0;
}

UNUSED_OK static int remove_dir(void **state)
{
    (void)state;
    return file_remove_tree(test_dir, NULL) ? 0 : -1;
}

UNUSED_OK static struct store *open_store_tuned(struct loop *loop,
                                                const struct store_tuning *tuning)
{
    struct err err = ERR_INIT;
    struct store_conf conf = {.data_dir = test_dir, .loop = loop};
    struct store *s = store_open_tuned(&conf, tuning, &err);
    if (!s)
        print_error("%s\n", err.msg);
    assert_non_null(s);
    return s;
}

UNUSED_OK static struct store *open_store(void)
{
    return open_store_tuned(NULL, NULL);
}

UNUSED_OK static void commit(struct store *s, struct store_batch *b)
{
    struct err err = ERR_INIT;
    bool ok = store_commit_now(s, b, &err);
    if (!ok)
        print_error("%s\n", err.msg);
    assert_true(ok);
}

/* Steps a, b (needs a), c.1 (instance of c, needs both). */
UNUSED_OK static void add_run(struct store_batch *b, const char *id, const char *pipeline)
{
    static const uint32_t needs[] = {0, 1};
    static const struct store_new_step steps[] = {
        {.name = "a", .folder = "a", .kind = "ingest"},
        {.name = "b", .folder = "b", .kind = "task", .needs = needs, .need_count = 1},
        {.name = "c[k=1]",
         .folder = "c.1",
         .kind = "train",
         .group = "c",
         .matrix = "{\"k\": 1}",
         .needs = needs,
         .need_count = 2},
    };
    struct store_new_run run = {
        .id = id,
        .pipeline = pipeline,
        .file = "/srv/p.yaml",
        .root = "/srv",
        .text = "name: p\nsteps: {}\n",
        .params = "{\"z\": 0.1, \"a\": [1, 2.0, \"\\u00fc\"]}",
        .trigger = "{\"type\": \"manual\"}",
        .labels = "{}",
        .manifest = "{\"b\": null, \"a\": true}",
        .commit = "0123abcd",
        .dirty = true,
        .steps = steps,
        .step_count = 3,
    };
    store_add_run(b, T0, "uid:1000", &run);
}

/* A step's whole life. */
UNUSED_OK static void add_step_life(struct store_batch *b, const char *run, const char *step)
{
    struct store_attempt_end end = {
        .status = "succeeded",
        .exit_code = 0,
        .started_ms = T0 + 3,
        .ended_ms = T0 + 40,
        .usage = "{\"peak_bytes\": 1048576, \"cpu_us\": 12345, \"pids_peak\": 3}",
    };
    store_add_step_state(b, T0 + 1, run, step, "starting", NULL, 1, 0, NULL);
    store_add_attempt(b, T0 + 1, run, step, 1, "process", "edge-1",
                      "0123456789abcdef0123456789abcdef");
    store_add_step_state(b, T0 + 4, run, step, "running", NULL, 1, 0, NULL);
    store_add_attempt_end(b, T0 + 41, run, step, 1, &end);
    store_add_step_state(b, T0 + 42, run, step, "succeeded", NULL, 1, 0, NULL);
}

UNUSED_OK static const char *make_id(char ret[ID_SIZE])
{
    id_make(clock_wall_ms(clock_system()), ret);
    return ret;
}

/* ---- past the store */

UNUSED_OK static sqlite3 *open_raw(void)
{
    sqlite3 *sql;
    AUTO_FREE char *path = mem_printf("%s/orch.db", test_dir);
    assert_int_equal(sqlite3_open(path, &sql), SQLITE_OK);
    sqlite3_busy_timeout(sql, 10000);
    return sql;
}

UNUSED_OK static void run_raw(const char *text)
{
    sqlite3 *sql = open_raw();
    char *message = NULL;
    if (sqlite3_exec(sql, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
    sqlite3_close(sql);
}

UNUSED_OK static int64_t ask_raw(const char *text)
{
    sqlite3 *sql = open_raw();
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_prepare_v2(sql, text, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(sql);
    return value;
}

/* Every column of every row of every table. */
UNUSED_OK static void dump_table(sqlite3 *sql, const char *table, struct buf *out)
{
    AUTO_FREE char *text = mem_printf("SELECT * FROM %s", table);
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_prepare_v2(sql, text, -1, &stmt, NULL), SQLITE_OK);
    buf_addf(out, "== %s\n", table);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            sqlite3_value *value = sqlite3_column_value(stmt, i);
            buf_addf(out, "%d:", sqlite3_value_type(value));
            int len = sqlite3_value_bytes(value);
            const void *data = sqlite3_value_blob(value);
            if (len)
                buf_add(out, data, (size_t)len);
            buf_addc(out, '|');
        }
        buf_addc(out, '\n');
    }
    sqlite3_finalize(stmt);
}

UNUSED_OK static void dump(struct buf *out)
{
    sqlite3 *sql = open_raw();
    sqlite3_stmt *stmt;
    sqlite3_prepare_v2(sql, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", -1,
                       &stmt, NULL);
    while (sqlite3_step(stmt) == SQLITE_ROW)
        dump_table(sql, (const char *)sqlite3_column_text(stmt, 0), out);
    sqlite3_finalize(stmt);
    sqlite3_close(sql);
}

UNUSED_OK static void check_chain(int64_t rows)
{
    struct err err = ERR_INIT;
    struct store *s = open_store();
    int64_t found = -1;
    if (!store_verify_journal(s, &found, &err))
        fail_msg("%s", err.msg);
    if (rows >= 0)
        assert_int_equal(found, rows);
    store_close(s);
    assert_int_equal(ask_raw("SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

#endif
