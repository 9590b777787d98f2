/*
 * Files and folders that are not as one wishes: foreign, damaged, full, read-only, held, missing.
 */
#include "help.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>

static struct store *try_open(const struct store_conf *conf, enum err_code code, const char *says)
{
    struct err err = ERR_INIT;
    struct store *s = store_open(conf, &err);
    if (err.code != code || (says && !strstr(err.msg, says)))
        fail_msg("expected %s and '%s', found %s: %s", err_code_name(code), says ? says : "",
                 err_code_name(err.code), err.msg);
    assert_int_equal(s != NULL, code == ERR_NONE);
    return s;
}

static void write_runs(int count)
{
    struct store *s = open_store();
    struct store_batch *b = store_batch_new();
    for (int i = 0; i < count; i++) {
        char id[ID_SIZE];
        add_run(b, make_id(id), "p");
        add_step_life(b, id, "a");
    }
    commit(s, b);
    store_close(s);
}

static bool exists(const char *name)
{
    AUTO_FREE char *path = mem_printf("%s/%s", test_dir, name);
    return access(path, F_OK) == 0;
}

static size_t list_runs(struct store *s)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store_list list = {.limit = 1000};
    struct store_run *runs;
    struct err err = ERR_INIT;
    size_t count = 0;
    if (!store_list_runs(s, &list, &a, &runs, &count, &err))
        fail_msg("%s", err.msg);
    return count;
}

/* ---- what is asked for */

static void test_urls(void **state)
{
    (void)state;
    char other[80];
    snprintf(other, sizeof other, "%s/sub", test_dir);
    struct store_conf conf = {.data_dir = other, .url = "postgresql://host/db"};
    try_open(&conf, ERR_UNSUPPORTED, "sqlite:PATH");
    conf.url = "mysql:x";
    try_open(&conf, ERR_USAGE, "mysql:x");
    conf.url = "sqlite:";
    try_open(&conf, ERR_USAGE, "sqlite:PATH");
    assert_false(exists("sub"));

    AUTO_FREE char *url = mem_printf("sqlite:%s/elsewhere.db", test_dir);
    conf.url = url;
    store_close(try_open(&conf, ERR_NONE, NULL));
    assert_true(
        exists("elsewhere.db")); /* the database is moved, the folder is made all the same */
    assert_true(exists("sub/.gitignore"));
    assert_false(exists("sub/orch.db"));
    struct stat st;
    assert_int_equal(stat(other, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);

    conf.url = "sqlite:/nosuch/folder/x.db";
    try_open(&conf, ERR_UNAVAILABLE, "/nosuch/folder/x.db");
}

static void test_nothing_there(void **state)
{
    (void)state;
    char other[80];
    snprintf(other, sizeof other, "%s/sub", test_dir);
    struct store_conf conf = {.data_dir = other, .must_exist = true};
    try_open(&conf, ERR_NOT_FOUND, "orchctl run");
    conf = (struct store_conf){.data_dir = other, .read_only = true};
    try_open(&conf, ERR_NOT_FOUND, "orchctl run");
    assert_false(exists("sub"));
    /* A file that a kill left before the first migration. */
    AUTO_FREE char *path = mem_printf("%s/orch.db", test_dir);
    assert_true(file_replace(path, "", 0, 0600, NULL));
    conf.data_dir = test_dir;
    try_open(&conf, ERR_NOT_FOUND, "orchctl run");
    run_raw("PRAGMA journal_mode = WAL");
    try_open(&conf, ERR_NOT_FOUND, "orchctl run");
    conf = (struct store_conf){.data_dir = test_dir};
    store_close(try_open(&conf, ERR_NONE, NULL));
}

static void test_looking_leaves_nothing(void **state)
{
    (void)state;
    write_runs(2);
    struct store_conf conf = {.data_dir = test_dir, .read_only = true};
    struct store *s = try_open(&conf, ERR_NONE, NULL);
    assert_int_equal(list_runs(s), 2);
    struct err err = ERR_INIT;
    assert_false(store_commit_now(s, store_batch_new(), &err));
    store_close(s);
    assert_false(exists("orch.db-wal"));
    assert_false(exists("orch.db-shm"));
}

/* ---- not ours, not whole */

static void test_foreign_files(void **state)
{
    (void)state;
    struct store_conf conf = {.data_dir = test_dir};
    run_raw("CREATE TABLE photos (x)");
    try_open(&conf, ERR_INVALID, "another program");
    conf.read_only = true;
    try_open(&conf, ERR_INVALID, "another program");
    conf.read_only = false;
    run_raw("DROP TABLE photos; PRAGMA application_id = 7");
    try_open(&conf, ERR_INVALID, "0x00000007");
    assert_int_equal(ask_raw("SELECT count(*) FROM sqlite_schema"), 0); /* untouched */
    assert_int_equal(ask_raw("SELECT journal_mode = 'delete' FROM pragma_journal_mode"), 1);

    AUTO_FREE char *path = mem_printf("%s/orch.db", test_dir);
    char text[5000];
    memset(text, 'x', sizeof text);
    assert_true(file_replace(path, text, sizeof text, 0600, NULL));
    try_open(&conf, ERR_CORRUPT, "no SQLite database");
}

static void test_damaged_pages(void **state)
{
    (void)state;
    write_runs(200);
    AUTO_FREE char *path = mem_printf("%s/orch.db", test_dir);
    AUTO_BUF struct buf good = BUF_INIT(10L << 20);
    assert_true(file_read(path, &good, NULL));
    AUTO_FREE char *bad = mem_array(good.len, 1);
    unsigned seed = 3;
    int found = 0;
    for (int round = 0; round < 60; round++) {
        memcpy(bad, good.data, good.len);
        size_t page = 1 + (size_t)rand_r(&seed) % (good.len / 4096 - 1);
        if (round == 0) /* all but the first */
            memset(bad + 4096, 0xa5, good.len - 4096);
        else
            memset(bad + page * 4096, rand_r(&seed), 4096);
        assert_true(file_replace(path, bad, good.len, 0600, NULL));
        struct store_conf conf = {.data_dir = test_dir};
        struct err err = ERR_INIT;
        struct store *s = store_open(&conf, &err);
        int64_t rows;
        char id[ID_SIZE];
        struct store_batch *b = store_batch_new();
        add_run(b, make_id(id), "p");
        bool ok = s && store_verify_journal(s, &rows, &err);
        if (!ok)
            store_batch_free(b);
        ok = ok && store_commit_now(s, b, &err);
        if (!ok && err.code != ERR_CORRUPT)
            fail_msg("page %zu: %s: %s", page, err_code_name(err.code), err.msg);
        found += !ok;
        store_close(s);
    }
    print_message("%d of 60 damages were met\n", found);
    assert_true(found > 20);
}

static void test_held_database(void **state)
{
    (void)state;
    struct store_tuning tuning = {.busy_ms = 60};
    struct store *s = open_store_tuned(NULL, &tuning);
    sqlite3 *sql = open_raw();
    assert_int_equal(sqlite3_exec(sql, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    char id[ID_SIZE];
    struct err err = ERR_INIT;
    struct store_batch *b = store_batch_new();
    add_run(b, make_id(id), "p");
    assert_false(store_commit_now(s, b, &err));
    assert_int_equal(err.code, ERR_BUSY);
    assert_non_null(strstr(err.msg, "another process"));
    assert_int_equal(list_runs(s), 0); /* reading goes on */
    sqlite3_close(sql);
    store_close(s);
    check_chain(0);
}

/* ---- full and read-only: on a small file system of our own, which needs root */

static bool mount_small(void)
{
    if (mount("tmpfs", test_dir, "tmpfs", 0, "size=1m") == 0)
        return true;
    print_message("skipped: cannot mount a tmpfs here: %s\n", strerror(errno));
    return false;
}

static bool write_until_full(struct store *s, int64_t *ret_rows, struct err *err)
{
    for (int i = 0; i < 10000; i++) {
        char id[ID_SIZE];
        struct store_batch *b = store_batch_new();
        add_run(b, make_id(id), "p");
        add_step_life(b, id, "a");
        if (!store_commit_now(s, b, err))
            return true;
        *ret_rows += 6;
    }
    return false;
}

static void test_full_disk(void **state)
{
    (void)state;
    if (!mount_small())
        skip();
    int64_t rows = 0;
    struct err err = ERR_INIT;
    struct store *s = open_store();
    bool full = write_until_full(s, &rows, &err);
    enum err_code code = err.code;
    print_message("%" PRId64 " rows, then: %s\n", rows, err.msg);
    char id[ID_SIZE];
    struct store_batch *b = store_batch_new();
    add_run(b, make_id(id), "p");
    bool later = store_commit_now(s, b, &err);
    store_close(s);
    /* A new database on a full disk. */
    struct err fresh = ERR_INIT;
    char other[80];
    snprintf(other, sizeof other, "%s/other", test_dir);
    struct store_conf conf = {.data_dir = other};
    struct store *none = store_open(&conf, &fresh);
    store_close(none);
    mount(NULL, test_dir, NULL, MS_REMOUNT, "size=8m");
    if (full)
        check_chain(rows); /* and room makes it whole again */
    int64_t more = 0;
    s = open_store();
    b = store_batch_new();
    add_run(b, make_id(id), "p");
    bool again = store_commit_now(s, b, NULL);
    bool whole = store_verify_journal(s, &more, NULL);
    store_close(s);
    umount2(test_dir, MNT_DETACH);
    assert_true(full);
    assert_int_equal(code, ERR_NO_SPACE);
    assert_false(later);
    assert_int_equal(err.code, ERR_NO_SPACE);
    assert_null(none);
    assert_int_equal(fresh.code, ERR_NO_SPACE);
    assert_true(again && whole);
    assert_int_equal(more, rows + 1);
}

/* A writer that dies leaves its log: what is in it must be read, too. */
static void write_and_die(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct store *s = open_store();
        char id[ID_SIZE];
        struct store_batch *b = store_batch_new();
        add_run(b, make_id(id), "p");
        commit(s, b);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static void fill_disk(bool fill)
{
    AUTO_FREE char *path = mem_printf("%s/ballast", test_dir);
    static const char block[4096];
    (void)unlink(path);
    if (!fill)
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof block) > 0)
        continue;
    close(fd);
}

static void unlink_in_dir(const char *name)
{
    AUTO_FREE char *path = mem_printf("%s/%s", test_dir, name);
    (void)unlink(path);
}

/* What is recorded is read without a byte of room, also what lies in the log of a writer that died;
 * and a writer that lives is not disturbed. */
static void test_reading_on_a_full_disk(void **state)
{
    (void)state;
    if (!mount_small())
        skip();
    struct store_conf look = {.data_dir = test_dir, .read_only = true};
    size_t counts[3] = {0};
    write_runs(3);
    fill_disk(true);
    struct store *s = try_open(&look, ERR_NONE, NULL);
    counts[0] = list_runs(s);
    store_close(s);
    fill_disk(false);
    write_and_die();
    unlink_in_dir("orch.db-shm");
    fill_disk(true);
    s = try_open(&look, ERR_NONE, NULL);
    counts[1] = list_runs(s);
    bool whole = store_verify_journal(s, &(int64_t){0}, NULL);
    store_close(s);
    bool kept = exists("orch.db-wal");
    fill_disk(false);
    struct store *writer = open_store();
    fill_disk(true);
    s = try_open(&look, ERR_NONE, NULL);
    counts[2] = list_runs(s);
    store_close(s);
    fill_disk(false);
    store_close(writer);
    umount2(test_dir, MNT_DETACH);
    assert_int_equal(counts[0], 3);
    assert_int_equal(counts[1], 4);
    assert_int_equal(counts[2], 4);
    assert_true(whole && kept);
}

static void test_read_only_file_system(void **state)
{
    (void)state;
    if (!mount_small())
        skip();
    write_runs(3);
    mount(NULL, test_dir, NULL, MS_REMOUNT | MS_RDONLY, NULL);
    struct store_conf look = {.data_dir = test_dir, .read_only = true};
    struct store_conf conf = {.data_dir = test_dir};
    struct store *s = try_open(&look, ERR_NONE, NULL);
    size_t count = list_runs(s);
    store_close(s);
    assert_int_equal(count, 3);
    try_open(&conf, ERR_DENIED, NULL);
    mount(NULL, test_dir, NULL, MS_REMOUNT, NULL);
    write_and_die();
    assert_true(exists("orch.db-wal"));
    mount(NULL, test_dir, NULL, MS_REMOUNT | MS_RDONLY, NULL);
    s = try_open(&look, ERR_NONE, NULL);
    count = list_runs(s);
    store_close(s);
    mount(NULL, test_dir, NULL, MS_REMOUNT, NULL);
    AUTO_FREE char *shm = mem_printf("%s/orch.db-shm", test_dir);
    unlink(shm);
    mount(NULL, test_dir, NULL, MS_REMOUNT | MS_RDONLY, NULL);
    try_open(&look, ERR_DENIED, "copy both");
    umount2(test_dir, MNT_DETACH);
    assert_int_equal(count, 4);
}

/* As a user to whom permissions apply. */
static void test_read_only_folder(void **state)
{
    (void)state;
    write_runs(3);
    AUTO_FREE char *path = mem_printf("%s/orch.db", test_dir);
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(chmod(test_dir, 0555), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (getuid() == 0 && setuid(65534) != 0)
            _exit(3);
        struct store_conf conf = {.data_dir = test_dir};
        try_open(&conf, ERR_DENIED, NULL);
        conf.must_exist = true;
        try_open(&conf, ERR_DENIED, NULL);
        conf = (struct store_conf){.data_dir = test_dir, .read_only = true};
        struct store *s = try_open(&conf, ERR_NONE, NULL);
        size_t count = list_runs(s);
        store_close(s);
        _exit(count == 3 ? 0 : 2);
    }
    int status;
    waitpid(pid, &status, 0);
    chmod(test_dir, 0700);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int unmount_and_remove(void **state)
{
    umount2(test_dir, MNT_DETACH); /* where a test failed before it did */
    return remove_dir(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, unmount_and_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_urls),
        TEST(test_nothing_there),
        TEST(test_looking_leaves_nothing),
        TEST(test_foreign_files),
        TEST(test_damaged_pages),
        TEST(test_held_database),
        TEST(test_full_disk),
        TEST(test_reading_on_a_full_disk),
        TEST(test_read_only_file_system),
        TEST(test_read_only_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
