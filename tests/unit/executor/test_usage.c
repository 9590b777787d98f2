/* The samples of an attempt: what is ours is read, whatever else stands there harms nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "executor/executor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct exec_usage parse(const char *text)
{
    struct exec_usage u;
    struct err err = ERR_INIT;
    if (!exec_parse_usage(text, strlen(text), &u, &err)) {
        fail_msg("%s", err.msg);
    }
    return u;
}

/* ---- lines */

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct exec_usage u = parse("t_ms cpu_us memory_bytes pids\n"
                                "1790000000000 1000 5 1\n"
                                "1790000002000 3001000 9223372036854775807 14\n");
    assert_int_equal(u.count, 2);
    assert_int_equal(u.items[0].at_ms, INT64_C(1790000000000));
    assert_int_equal(u.items[0].usage.cpu_us, 1000);
    assert_int_equal(u.items[1].usage.memory_bytes, INT64_MAX);
    assert_int_equal(u.items[1].usage.pids, 14);
    assert_int_equal(u.items[1].usage.read_bytes, -1); /* there is no such column */
    assert_int_equal(exec_usage_cpu_milli(&u), 1500);
    exec_usage_done(&u);
}

/* Each row of the table is a column. */
static void every_field_can_be_sampled(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(10000);
    buf_adds(&text, "t_ms");
    for (size_t i = 0; i < step_usage_field_count; i++) {
        buf_addf(&text, " %s", step_usage_fields[i].name);
    }
    buf_adds(&text, "\n7");
    for (size_t i = 0; i < step_usage_field_count; i++) {
        buf_addf(&text, " %zu", i + 100);
    }
    buf_addc(&text, '\n');
    struct exec_usage u = parse(buf_str(&text));
    assert_int_equal(u.count, 1);
    for (size_t i = 0; i < step_usage_field_count; i++) {
        int64_t value = *exec_usage_member(&u.items[0].usage, &step_usage_fields[i]);
        assert_int_equal(value, step_usage_fields[i].sampled ? (int64_t)i + 100 : -1);
    }
    exec_usage_done(&u);
}

static void what_does_not_fit_is_skipped(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t count;
        int64_t cpu_us; /* of the first */
    } cases[] = {
        {"", 0, 0},
        {"t_ms cpu_us", 0, 0}, /* not ended */
        {"t_ms cpu_us\n", 0, 0},
        {"t_ms cpu_us\n1 2", 0, 0},
        {"t_ms cpu_us\n1 2\n3 4", 1, 2},
        {"t_ms cpu_us\n1 2\n3\n5 6\n", 2, 2},
        {"t_ms cpu_us\n1 2 3\n5 6\n", 1, 6},
        {"t_ms cpu_us\n\n\n1 7\n\n", 1, 7},
        {"t_ms cpu_us\nx 2\n1 y\n-1 4\n1  4\n1 0x4\n8 9\n", 1, 9},
        {"t_ms cpu_us\n1 9223372036854775808\n2 3\n", 1, 3},
        {"t_ms cpu_us\n1 -1\n", 1, -1},
        {"t_ms cpu_us\n1 -9223372036854775808\n", 1, -1},
        {"t_ms gpu_us cpu_us zeal\n1 2 3 4\n", 1, 3},
        {"t_ms pids_peak cpu_us\n1 2 3\n", 1, 3},
        {"t_ms cpu_us cpu_us\n1 2 3\n", 1, 3},
        {"t_ms\n1\n2\n", 2, -1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct exec_usage u = parse(cases[i].text);
        if (u.count != cases[i].count) {
            fail_msg("%zu samples of '%s'", u.count, cases[i].text);
        }
        if (u.count > 0) {
            assert_int_equal(u.items[0].usage.cpu_us, cases[i].cpu_us);
        }
        exec_usage_done(&u);
    }
}

static void what_is_no_file_of_ours(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
    } bad[] = {{"hello\n", 6}, {"\n", 1}, {"cpu_us t_ms\n", 12}, {"t_ms cpu_us\n1 \0\n", 16}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct exec_usage u = {.count = 77};
        struct err err = ERR_INIT;
        assert_false(exec_parse_usage(bad[i].text, bad[i].len, &u, &err));
        assert_int_equal(err.code, ERR_INVALID);
        assert_int_equal(u.count, 77);
    }
}

static void there_are_bounds(void **state)
{
    (void)state;
    struct exec_usage u;
    struct err err = ERR_INIT;
    AUTO_FREE char *big = mem_alloc(LIMIT_USAGE_FILE + 2);
    memset(big, 'x', LIMIT_USAGE_FILE + 1);
    assert_false(exec_parse_usage(big, LIMIT_USAGE_FILE + 1, &u, &err));
    assert_int_equal(err.code, ERR_LIMIT);

    AUTO_BUF struct buf text = BUF_INIT(LIMIT_USAGE_FILE);
    buf_adds(&text, "t_ms\n");
    for (int i = 0; i < LIMIT_USAGE_SAMPLES; i++) {
        buf_addf(&text, "%d\n", i);
    }
    assert_true(exec_parse_usage(buf_str(&text), text.len, &u, NULL));
    assert_int_equal(u.count, LIMIT_USAGE_SAMPLES);
    exec_usage_done(&u);
    buf_adds(&text, "7\n");
    assert_false(exec_parse_usage(buf_str(&text), text.len, &u, &err));
    assert_int_equal(err.code, ERR_LIMIT);

    buf_clear(&text);
    buf_adds(&text, "t_ms");
    for (int i = 0; i < 1000; i++) {
        buf_adds(&text, " cpu_us");
    }
    buf_addc(&text, '\n');
    assert_false(exec_parse_usage(buf_str(&text), text.len, &u, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

/* ---- the present share */

static void the_share_of_a_cpu(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t milli;
    } cases[] = {
        {"t_ms cpu_us\n", -1},
        {"t_ms cpu_us\n1 2\n", -1},
        {"t_ms cpu_us\n0 0\n1000 1000000\n", 1000},
        {"t_ms cpu_us\n0 0\n500 900000\n1000 1000000\n", 200},
        {"t_ms cpu_us\n0 5\n1000 5\n", 0},
        {"t_ms cpu_us\n0 5\n1000 4\n", -1},  /* never falls */
        {"t_ms cpu_us\n7 5\n7 9\n", -1},     /* no time between */
        {"t_ms cpu_us\n7 5\n6 9\n", -1},     /* the clock was set back */
        {"t_ms cpu_us\n0 -1\n1000 9\n", -1}, /* not measured */
        {"t_ms cpu_us\n0 -1\n9223372036854775807 9223372036854775807\n", -1},
        {"t_ms cpu_us\n0 0\n1 9223372036854775807\n", INT64_MAX},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct exec_usage u = parse(cases[i].text);
        if (exec_usage_cpu_milli(&u) != cases[i].milli) {
            fail_msg("%lld: %s", (long long)exec_usage_cpu_milli(&u), cases[i].text);
        }
        exec_usage_done(&u);
    }
}

/* ---- in a folder */

static char top[64];

static int make_top(void **state)
{
    (void)state;
    (void)snprintf(top, sizeof(top), "/tmp/orch-usage-XXXXXX");
    return mkdtemp(top) == NULL ? -1 : 0;
}

static int remove_top(void **state)
{
    (void)state;
    return file_remove_tree(top, NULL) ? 0 : -1;
}

static void in_a_folder(void **state)
{
    (void)state;
    static const char text[] = "t_ms cpu_us\n1 2\n";
    struct exec_usage u = {.count = 77};
    struct err err = ERR_INIT;
    assert_true(exec_read_usage("/nosuch/folder", &u, NULL));
    assert_int_equal(u.count, 0);
    assert_true(exec_read_usage(top, &u, NULL)); /* no file yet */
    assert_int_equal(u.count, 0);

    AUTO_FREE char *path = mem_printf("%s/usage", top), *other = mem_printf("%s/other", top);
    assert_true(file_replace(other, text, sizeof(text) - 1, 0600, NULL));
    assert_int_equal(symlink(other, path), 0);
    assert_false(exec_read_usage(top, &u, &err)); /* whoever put it there */
    assert_non_null(strstr(err.msg, top));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(exec_read_usage(top, &u, &err)); /* and nobody waits */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_false(exec_read_usage(top, &u, &err));
    assert_int_equal(rmdir(path), 0);

    assert_true(file_replace(path, text, sizeof(text) - 1, 0600, NULL));
    assert_true(exec_read_usage(top, &u, NULL));
    assert_int_equal(u.count, 1);
    exec_usage_done(&u);
    assert_int_equal(truncate(path, LIMIT_USAGE_FILE + 1), 0);
    assert_false(exec_read_usage(top, &u, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(every_field_can_be_sampled),
        cmocka_unit_test(what_does_not_fit_is_skipped),
        cmocka_unit_test(what_is_no_file_of_ours),
        cmocka_unit_test(there_are_bounds),
        cmocka_unit_test(the_share_of_a_cpu),
        cmocka_unit_test_setup_teardown(in_a_folder, make_top, remove_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
