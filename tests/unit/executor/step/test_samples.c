/*
 * Samples of a running attempt: the format, and that a step of any length leaves some hundred
 * lines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "executor/step/samples.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct place {
    char path[40];
    int dir;
};

static struct place open_place(void)
{
    struct place p = {.path = "/tmp/orch-samples-XXXXXX"};
    assert_non_null(mkdtemp(p.path));
    p.dir = open(p.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(p.dir >= 0);
    return p;
}

static void close_place(struct place *p)
{
    close(p->dir);
    assert_true(file_remove_tree(p->path, NULL));
}

static size_t count_lines(int dir, struct buf *text)
{
    size_t lines = 0;
    buf_clear(text);
    assert_true(file_read_at(dir, "usage", text, NULL));
    for (const char *at = buf_str(text); (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    return lines;
}

static void a_line_of_names_then_numbers(void **state)
{
    (void)state;
    struct place p = open_place();
    struct samples s;
    struct step_usage usage = STEP_USAGE_NONE;
    AUTO_BUF struct buf text = BUF_INIT(1L << 20);
    usage.cpu_us = 5;
    usage.memory_bytes = 4096;
    samples_init(&s, p.dir, 1000);
    assert_int_equal(s.due_ms, 1000);
    samples_add(&s, 1003, 1700000000000, &usage);
    assert_int_equal(s.due_ms, 2003);
    assert_int_equal(count_lines(p.dir, &text), 2);
    assert_true(strncmp(buf_str(&text), "t_ms cpu_us ", 12) == 0);
    const char *line = strchr(buf_str(&text), '\n') + 1;
    assert_true(strncmp(line, "1700000000000 5 ", 16) == 0);
    assert_non_null(strstr(line, " 4096"));
    samples_done(&s);
    close_place(&p);
}

static void long_steps_are_thinned_out(void **state)
{
    (void)state;
    struct place p = open_place();
    struct samples s;
    struct step_usage usage = STEP_USAGE_NONE;
    AUTO_BUF struct buf text = BUF_INIT(1L << 20);
    int64_t last_ms = 0;
    samples_init(&s, p.dir, 1000);
    for (int64_t now = 1000; now < INT64_C(30) * 86400 * 1000; now = s.due_ms) { /* a month */
        usage.cpu_us = now;
        last_ms = now;
        samples_add(&s, now, now, &usage);
        assert_true(s.lines <= 600);
    }
    size_t lines = count_lines(p.dir, &text);
    assert_in_range(lines, 250, 601);
    const char *end = buf_str(&text) + text.len - 1, *line = end;
    while (line > buf_str(&text) && line[-1] != '\n') {
        line--;
    }
    assert_int_equal(strtoll(line, NULL, 10), last_ms); /* the newest is always there */
    int64_t before = 0;
    for (line = strchr(buf_str(&text), '\n') + 1; *line != '\0'; line = strchr(line, '\n') + 1) {
        int64_t at = strtoll(line, NULL, 10);
        assert_true(at > before);
        before = at;
    }
    samples_done(&s);
    close_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_names_then_numbers),
        cmocka_unit_test(long_steps_are_thinned_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
