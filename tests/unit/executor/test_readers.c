/* Readers of what a step wrote: ORCH_OUTPUT, ORCH_METRICS, the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "executor/executor.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- outputs
 * -------------------------------------------------------------------------------------- */

static void outputs(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name, *value;
        size_t count;
    } good[] = {
        {"", NULL, NULL, 0},
        {"\n\n", NULL, NULL, 0},
        {"a=1", "a", "1", 1},
        {"a=1\n", "a", "1", 1},
        {"a=\n", "a", "", 1},
        {"a=b=c d \n", "a", "b=c d ", 1},
        {"a=1\nb=2\na=3\n", "a", "3", 2},
        {"a<<EOF\nx\n\ny\nEOF\n", "a", "x\n\ny", 1},
        {"a<<EOF\nEOF\n", "a", "", 1},
        {"a<<EOF\nb=1\nEOF", "a", "b=1", 1},
        {"a=x<<y\n", "a", "x<<y", 1},
        {"\xC3\xA4=1", NULL, NULL, SIZE_MAX},
        {"1a=1", NULL, NULL, SIZE_MAX},
        {"=1", NULL, NULL, SIZE_MAX},
        {"nothing", NULL, NULL, SIZE_MAX},
        {"a<<EOF\nx\n", NULL, NULL, SIZE_MAX},
        {"a=\xFF", NULL, NULL, SIZE_MAX},
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct exec_outputs out = {0};
        struct err err = ERR_INIT;
        bool ok = exec_parse_outputs(good[i].text, strlen(good[i].text), &out, &err);
        assert_int_equal(ok, good[i].count != SIZE_MAX);
        if (!ok) {
            assert_int_equal(err.code, ERR_INVALID);
            assert_non_null(strstr(err.msg, "ORCH_OUTPUT"));
            continue;
        }
        assert_int_equal(out.count, good[i].count);
        if (good[i].name != NULL) {
            assert_string_equal(out.items[0].name, good[i].name);
            assert_string_equal(out.items[0].value, good[i].value);
        }
        exec_outputs_done(&out);
    }
}

static void outputs_have_bounds(void **state)
{
    (void)state;
    struct exec_outputs out;
    struct err err = ERR_INIT;
    assert_false(exec_parse_outputs("a=1\0", 4, &out, &err));
    char *text = mem_alloc(LIMIT_OUTPUT_FILE + 2);
    memset(text, 'x', LIMIT_OUTPUT_FILE + 1);
    text[1] = '=';
    assert_false(exec_parse_outputs(text, LIMIT_OUTPUT_VALUE + 3, &out, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_false(exec_parse_outputs(text, LIMIT_OUTPUT_FILE + 1, &out, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    free(text);
    AUTO_BUF struct buf many = BUF_INIT(LIMIT_OUTPUT_FILE);
    for (int i = 0; i <= LIMIT_OUTPUT_COUNT; i++) {
        buf_addf(&many, "n%d=1\n", i);
    }
    assert_false(exec_parse_outputs(many.data, many.len, &out, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.msg, "line 10001"));
}

/* ---- metrics
 * -------------------------------------------------------------------------------------- */

static void metrics(void **state)
{
    (void)state;
    struct exec_metrics m;
    struct err err = ERR_INIT;
    static const char text[] = "f1 0.5\n\n  loss\t1e-3  7 \nbad nan\nup inf 1\n"
                               "{\"a\": 1, \"b/c\": -2.5, \"step\": 9}\n{}\n{\"x\": \"NaN\"}";
    assert_true(exec_parse_metrics(text, sizeof(text) - 1, &m, &err));
    assert_int_equal(m.count, 7);
    assert_string_equal(m.items[0].name, "f1");
    assert_true(m.items[0].value == 0.5 && !m.items[0].has_step);
    assert_true(m.items[1].value == 1e-3 && m.items[1].has_step && m.items[1].step == 7);
    assert_true(isnan(m.items[2].value));
    assert_true(isinf(m.items[3].value) && m.items[3].step == 1);
    assert_string_equal(m.items[5].name, "b/c");
    assert_true(m.items[4].step == 9 && m.items[5].step == 9 && m.items[5].value == -2.5);
    assert_true(isnan(m.items[6].value));
    exec_metrics_done(&m);

    static const char *const bad[] = {"f1",           "f1 x",         "f1 1 2 3",
                                      "f1 1 2.5",     "{\"a\": }",    "{\"a\" 1}",
                                      "{\"a\": 1",    "{\"a\": [1]}", "{\"a\": 1,}",
                                      "{\"a\": 1} x", "\xFF 1",       "{\"step\": 1.5, \"a\": 1}",
                                      "{\"a\\u\": 1}"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(exec_parse_metrics(bad[i], strlen(bad[i]), &m, &err));
        assert_int_equal(err.code, ERR_INVALID);
    }
}

/* ---- the log
 * -------------------------------------------------------------------------------------- */

static void write_log(const char *top, const char *text)
{
    AUTO_FREE char *path = mem_printf("%s/log", top);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    assert_true(file_write_all(fd, text, strlen(text), NULL));
}

static void the_log_and_its_tail(void **state)
{
    (void)state;
    char top[] = "/tmp/orch-log-XXXXXX";
    struct exec_log_line line;
    assert_non_null(mkdtemp(top));
    AUTO_BUF struct buf text = BUF_INIT(64 << 20);
    for (int i = 0; i < 20000; i++) {
        buf_addf(&text, "2026-11-21T08:00:00.%03dZ %c line %d\n", i % 1000, "oeOEs"[i % 5], i);
    }
    write_log(top, buf_str(&text));
    struct exec_log *log = exec_log_open(top, NULL);
    for (int i = 0; i < 20000; i++) {
        char expected[32];
        (void)snprintf(expected, sizeof(expected), "line %d", i);
        assert_true(exec_log_next(log, &line));
        assert_int_equal(line.len, strlen(expected));
        assert_memory_equal(line.text, expected, line.len);
        assert_int_equal(line.stream, "oeoes"[i % 5]);
        assert_int_equal(line.unended, i % 5 == 2 || i % 5 == 3);
        assert_int_equal(line.at_ms % 1000, i % 1000);
    }
    assert_false(exec_log_next(log, &line));
    static const uint64_t tails[] = {0, 1, 2, 3000, 19999, 20000, 30000};
    for (size_t t = 0; t < COUNT_OF(tails); t++) {
        uint64_t count = 0;
        assert_true(exec_log_tail(log, tails[t], NULL));
        while (exec_log_next(log, &line)) {
            count++;
        }
        assert_int_equal(count, tails[t] < 20000 ? tails[t] : 20000);
    }
    write_log(top, "2026-11-21T08:00:00.000Z o half");
    assert_false(exec_log_next(log, &line)); /* not whole yet */
    write_log(top, " line\n");
    assert_true(exec_log_next(log, &line));
    assert_memory_equal(line.text, "half line", 9);
    write_log(top, "what is no line of ours\n");
    assert_true(exec_log_next(log, &line));
    assert_int_equal(line.stream, 's');
    exec_log_close(log);
    assert_true(file_remove_tree(top, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs),
        cmocka_unit_test(outputs_have_bounds),
        cmocka_unit_test(metrics),
        cmocka_unit_test(the_log_and_its_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
