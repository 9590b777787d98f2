/* RFC 3339 both ways, and the injected clock. */
#include "scratch.h"

#include "base/clock.h"
#include "base/id.h"

#include <time.h>

static void formats(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } table[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
        {INT64_C(1795248000123), "2026-11-21T08:00:00.123Z"},
        {INT64_C(4107542400000), "2100-03-01T00:00:00.000Z"},
        {INT64_C(-62167219200000), "0000-01-01T00:00:00.000Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "0000-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char out[CLOCK_TEXT_SIZE];
        assert_string_equal(clock_format(table[i].ms, out), table[i].text);
    }
}

/* Over 9,999 years in uneven steps, against the C library and back. */
static void agrees_with_the_library(void **state)
{
    (void)state;
    for (int64_t ms = INT64_C(-62167219200000); ms < INT64_C(253402300799999);
         ms += INT64_C(3123456789012) / 97) {
        char out[CLOCK_TEXT_SIZE], expected[64];
        int64_t back;
        time_t seconds = (time_t)((ms - ((ms % 1000) + 1000) % 1000) / 1000);
        struct tm tm;
        assert_non_null(gmtime_r(&seconds, &tm));
        (void)snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                       tm.tm_sec, (int)(((ms % 1000) + 1000) % 1000));
        assert_string_equal(clock_format(ms, out), expected);
        assert_true(clock_parse(out, &back));
        assert_true(back == ms);
    }
}

static void parses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } table[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01T00:00:00.5Z", 500},
        {"1970-01-01T00:00:00.123456789Z", 123},
        {"1970-01-01T00:00:00.9999Z", 999},
        {"1969-12-31T23:59:59.25Z", -750},
        {"1970-01-01T01:00:00+01:00", 0},
        {"1969-12-31T18:30:00-05:30", 0},
        {"2026-11-21T08:00:00.123Z", INT64_C(1795248000123)},
        {"2024-02-29T12:00:00+00:00", INT64_C(1709208000000)},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800000)},
        {"2017-01-01T00:59:60+01:00", INT64_C(1483228800000)},
        {"0000-02-29T00:00:00Z", INT64_C(-62162121600000)},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        int64_t ms;
        if (!clock_parse(table[i].text, &ms) || ms != table[i].ms)
            fail_msg("%s", table[i].text);
    }
}

static void refuses(void **state)
{
    (void)state;
    static const char *const table[] = {
        "",
        "2026",
        "2026-11-21",
        "2026-11-21T08:00Z",
        "2026-11-21T08:00:00",
        "2026-11-21 08:00:00Z",
        " 2026-11-21T08:00:00Z",
        "2026-11-21T08:00:00Z ",
        "2026-11-21T08:00:00.Z",
        "2026-11-21T08:00:00.1234567890Z",
        "2026-11-21T08:00:00,5Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+01:60",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00+01",
        "2026-01-01T00:00:00+01:00Z",
        "2026-1-01T00:00:00Z",
        "+026-01-01T00:00:00Z",
        "2026-01-01T-1:00:00Z",
        "20260101T000000Z",
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        int64_t ms = 77;
        if (clock_parse(table[i], &ms) || ms != 77)
            fail_msg("%s", table[i]);
    }
}

/* Every beginning of a good text is malformed, and none is read past its end. */
static void refuses_every_beginning(void **state)
{
    (void)state;
    static const char text[] = "2026-11-21T08:00:00.123+01:30";
    for (size_t len = 0; len < sizeof(text) - 1; len++) {
        AUTO_FREE char *part = mem_strndup(text, len);
        int64_t ms;
        assert_false(clock_parse(part, &ms));
    }
}

static int64_t fixed(void *arg)
{
    return *(const int64_t *)arg;
}

static void asks_the_injected_clock(void **state)
{
    (void)state;
    int64_t now = 42;
    const struct clock c = {fixed, fixed, &now};
    assert_int_equal(clock_wall_ms(&c), 42);
    now = 43;
    assert_int_equal(clock_boot_ms(&c), 43);
    assert_true(clock_wall_ms(clock_system()) > INT64_C(1500000000000));
    int64_t boot = clock_boot_ms(clock_system());
    assert_true(boot > 0 && clock_boot_ms(clock_system()) >= boot);
}

static void knows_the_boot(void **state)
{
    (void)state;
    assert_true(id_valid(clock_boot_id()));
    assert_ptr_equal(clock_boot_id(), clock_boot_id());
    AUTO_BUF struct buf text = BUF_INIT(100);
    assert_true(file_read("/proc/sys/kernel/random/boot_id", &text, NULL));
    assert_memory_equal(buf_str(&text), clock_boot_id(), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),
        cmocka_unit_test(agrees_with_the_library),
        cmocka_unit_test(parses),
        cmocka_unit_test(refuses),
        cmocka_unit_test(refuses_every_beginning),
        cmocka_unit_test(asks_the_injected_clock),
        cmocka_unit_test(knows_the_boot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
