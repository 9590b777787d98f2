/* What reaches stderr: levels, one line each, no control characters, cut lines marked. */
#include "scratch.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>

static char *captured;

/* Runs `write_lines` with stderr in a file and keeps what it wrote. */
static void capture(void (*write_lines)(void))
{
    FILE *file = tmpfile();
    assert_non_null(file);
    int saved = dup(STDERR_FILENO);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    write_lines();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    free(captured);
    captured = mem_alloc(20000);
    assert_true(pread(fileno(file), captured, 19999, 0) >= 0);
    (void)fclose(file);
}

static void all_levels(void)
{
    log_error("one a=%d", 1);
    log_warn("two");
    log_info("three");
    log_debug("four");
}

static size_t lines(void)
{
    size_t count = 0;
    for (const char *at = captured; *at; at++)
        count += *at == '\n';
    return count;
}

static void levels_filter(void **state)
{
    (void)state;
    static const char *const names[] = {"error", "warn", "info", "debug"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        enum log_level level;
        assert_true(log_level_from_name(names[i], &level));
        log_set_level(level);
        capture(all_levels);
        assert_int_equal(lines(), i + 1);
    }
    enum log_level level = LOG_LEVEL_INFO;
    assert_false(log_level_from_name("loud", &level));
    assert_int_equal(level, LOG_LEVEL_INFO);
    log_set_level(LOG_LEVEL_WARN);
}

static void lines_have_time_and_level(void **state)
{
    (void)state;
    int64_t ms;
    capture(all_levels);
    assert_int_equal(captured[24], ' ');
    captured[24] = '\0';
    assert_true(clock_parse(captured, &ms));
    assert_memory_equal(captured + 25, "error one a=1\n", 14);
}

static void hostile(void)
{
    log_error("name=%s", "a\nb\033[2J\r\x7F");
}

static void controls_are_removed(void **state)
{
    (void)state;
    capture(hostile);
    assert_int_equal(lines(), 1);
    assert_string_equal(captured + 25, "error name=a b [2J  \n");
}

static void endless(void)
{
    static char text[10000];
    for (size_t i = 0; i + 3 < sizeof(text); i += 3)
        memcpy(text + i, "\xE2\x82\xAC", 3);
    log_error("%s", text);
    log_error("x%s", text);
    log_error("xx%s", text);
}

static void long_lines_are_cut(void **state)
{
    (void)state;
    capture(endless);
    assert_int_equal(lines(), 3);
    assert_int_equal(text_utf8_valid(captured, strlen(captured)), strlen(captured));
    for (const char *at = captured; *at; at = strchr(at, '\n') + 1) {
        size_t len = strcspn(at, "\n");
        assert_true(len < 4096 && len > 4085);
        assert_memory_equal(at + len - 6, " [cut]", 6);
    }
}

static void keep_errno(void)
{
    errno = EXDEV;
    log_error("x");
    assert_int_equal(errno, EXDEV);
}

static void errno_is_kept(void **state)
{
    (void)state;
    capture(keep_errno);
    free(captured);
    captured = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_filter),        cmocka_unit_test(lines_have_time_and_level),
        cmocka_unit_test(controls_are_removed), cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(errno_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
