/*
 * Several processes, and processes that are killed: the chain stays whole, no batch is half there,
 * nothing that was answered is lost, a migration has happened or not.
 */
#include "help.h"
#include "storage/sqlite/db.h"

#include <signal.h>
#include <time.h>

static void wait_for(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- at once */

#define WRITERS 4
#define COMMITS 500

static int write_commits(int count)
{
    struct err err = ERR_INIT;
    struct store_conf conf = {.data_dir = test_dir};
    struct store *s = store_open(&conf, &err);
    for (int i = 0; s && i < count; i++) {
        char id[ID_SIZE];
        struct store_batch *b = store_batch_new();
        add_run(b, make_id(id), "p");
        store_add_run_state(b, T0, id, "running", NULL);
        if (!store_commit_now(s, b, &err))
            break;
    }
    if (err.code)
        print_error("%s\n", err.msg);
    store_close(s);
    return (int)err.code;
}

static void test_writers_at_once(void **state)
{
    (void)state;
    pid_t pids[WRITERS];
    for (int i = 0; i < WRITERS; i++) { /* they also make the database at once */
        if ((pids[i] = fork()) == 0)
            _exit(write_commits(COMMITS));
    }
    for (int i = 0; i < WRITERS; i++)
        wait_for(pids[i]);
    check_chain(2 * WRITERS * COMMITS);
    assert_int_equal(ask_raw("SELECT count(*) FROM runs WHERE status = 'running'"),
                     WRITERS * COMMITS);
    assert_int_equal(ask_raw("SELECT last_number FROM pipelines"), WRITERS * COMMITS);
}

static void test_openers_at_once(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        pid_t pids[WRITERS];
        for (int i = 0; i < WRITERS; i++) {
            if ((pids[i] = fork()) == 0)
                _exit(write_commits(1));
        }
        for (int i = 0; i < WRITERS; i++)
            wait_for(pids[i]);
        check_chain(2 * WRITERS);
        assert_true(file_remove_tree(test_dir, NULL));
    }
}

/* ---- killed */

/* Each batch is a run with its steps' lives; each commit that was answered is a byte in the pipe.
 */
static void write_until_killed(int fd)
{
    struct store_conf conf = {.data_dir = test_dir};
    struct store *s = store_open(&conf, NULL);
    for (;;) {
        char id[ID_SIZE];
        struct store_batch *b = store_batch_new();
        add_run(b, make_id(id), "p");
        add_step_life(b, id, "a");
        add_step_life(b, id, "b");
        store_add_run_state(b, T0, id, "succeeded", NULL);
        if (!s || !store_commit_now(s, b, NULL) || write(fd, "x", 1) != 1)
            _exit(1);
    }
}

static int64_t count_answers(int fd)
{
    char text[4096];
    int64_t count = 0;
    ssize_t len;
    while ((len = read(fd, text, sizeof text)) > 0)
        count += len;
    return count;
}

static void test_killed_writer(void **state)
{
    (void)state;
    int64_t answered = 0;
    unsigned seed = 5;
    for (int round = 0; round < 40; round++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0)
            write_until_killed(fds[1]);
        close(fds[1]);
        char first;
        answered += read(fds[0], &first, 1); /* it is at work */
        nanosleep(&(struct timespec){.tv_nsec = 1000L * (500 + rand_r(&seed) % 30000)}, NULL);
        kill(pid, SIGKILL);
        answered += count_answers(fds[0]);
        close(fds[0]);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        check_chain(-1);
        int64_t runs = ask_raw("SELECT count(*) FROM runs");
        assert_true(runs >= answered);
        assert_true(runs <=
                    answered + round + 1); /* at most one a round was not answered any more */
        assert_int_equal(ask_raw("SELECT count(*) FROM runs WHERE status <> 'succeeded'"), 0);
        assert_int_equal(ask_raw("SELECT count(*) FROM journal"), 12 * runs);
        assert_int_equal(ask_raw("SELECT count(*) FROM attempts WHERE status = 'succeeded'"),
                         2 * runs);
    }
    assert_true(answered >= 40);
}

/* ---- migrations */

static const char *const good_sql[] = {
    "CREATE TABLE extra (n INTEGER) STRICT",
    "ALTER TABLE runs ADD COLUMN extra TEXT",
    NULL,
};
static const char *const bad_sql[] = {
    "CREATE TABLE extra (n INTEGER) STRICT",
    "INSERT INTO nosuch VALUES (1)",
    NULL,
};
static const char *const slow_sql[] = {
    "CREATE TABLE extra (n INTEGER) STRICT",
    "INSERT INTO extra WITH RECURSIVE c(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM c LIMIT"
    " 3000000) SELECT x FROM c",
    NULL,
};
static const char *const other_sql[] = {"SELECT 1", NULL};

/* The program's own, and one more. */
static struct migration list[10];

static struct store_tuning one_more(const char *const *sql)
{
    assert_true(sqlite_migration_count < COUNT_OF(list));
    memcpy(list, sqlite_migrations, sqlite_migration_count * sizeof *list);
    list[sqlite_migration_count] =
        (struct migration){(int)sqlite_migration_count + 1, "one more", sql};
    return (struct store_tuning){.migrations = list,
                                 .migration_count = sqlite_migration_count + (sql ? 1 : 0)};
}

static struct store *open_migrated(const char *const *more, struct err *err)
{
    struct store_conf conf = {.data_dir = test_dir};
    struct store_tuning tuning = one_more(more);
    return store_open_tuned(&conf, &tuning, err);
}

static void write_this_version(void)
{
    struct store *s = open_migrated(NULL, NULL);
    char id[ID_SIZE];
    struct store_batch *b = store_batch_new();
    add_run(b, make_id(id), "p");
    commit(s, b);
    store_close(s);
}

static void check_this_version(void)
{
    assert_int_equal(ask_raw("SELECT max(version) FROM migrations"), sqlite_migration_count);
    assert_int_equal(ask_raw("SELECT count(*) FROM sqlite_schema WHERE name = 'extra'"), 0);
    check_chain(1);
}

static void test_failing_migration(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    write_this_version();
    assert_null(open_migrated(bad_sql, &err));
    AUTO_FREE char *name = mem_printf("migration %zu (one more)", sqlite_migration_count + 1);
    assert_non_null(strstr(err.msg, name));
    check_this_version();
}

static void test_killed_migration(void **state)
{
    (void)state;
    write_this_version();
    for (int ms = 5; ms < 400; ms += 60) {
        pid_t pid = fork();
        if (pid == 0) {
            open_migrated(slow_sql, NULL);
            _exit(0);
        }
        nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status)); /* it takes longer than the longest nap */
        check_this_version();
    }
    struct err err = ERR_INIT;
    struct store *s = open_migrated(good_sql, &err);
    assert_non_null(s);
    store_close(s);
    assert_int_equal(ask_raw("SELECT max(version) FROM migrations"), sqlite_migration_count + 1);
}

static void test_newer_and_changed(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_conf look = {.data_dir = test_dir, .read_only = true};
    write_this_version();
    /* An old database is not brought up to date by looking at it. */
    struct store_tuning tuning = one_more(good_sql);
    assert_null(store_open_tuned(&look, &tuning, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "orchctl run"));
    check_this_version();

    struct store *s = open_migrated(good_sql, &err);
    assert_non_null(s);
    store_close(s);
    assert_null(open_migrated(other_sql, &err)); /* not what was applied */
    assert_int_equal(err.code, ERR_CORRUPT);
    AUTO_FREE char *which = mem_printf("migration %zu", sqlite_migration_count + 1);
    assert_non_null(strstr(err.msg, which));

    run_raw("UPDATE migrations SET program = '7.8.9'");
    AUTO_FREE char *written =
        mem_printf("schema %zu, written by orchd 7.8.9", sqlite_migration_count + 1);
    AUTO_FREE char *known = mem_printf("knows up to %zu", sqlite_migration_count);
    struct store_conf conf = {.data_dir = test_dir};
    for (int i = 0; i < 2; i++) {
        assert_null(store_open(i ? &look : &conf, &err));
        assert_int_equal(err.code, ERR_NEWER);
        assert_non_null(strstr(err.msg, written));
        assert_non_null(strstr(err.msg, known));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_writers_at_once),   TEST(test_openers_at_once),  TEST(test_killed_writer),
        TEST(test_failing_migration), TEST(test_killed_migration), TEST(test_newer_and_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
