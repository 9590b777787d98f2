/* Units, numbers, suggestions, UTF-8 and names: tables of good and bad. */
#include "scratch.h"

#include "base/text.h"

#include <locale.h>
#include <math.h>

#define DAY INT64_C(86400000)

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } table[] = {
        {"0", 0},
        {"0s", 0},
        {"250ms", 250},
        {"90s", 90000},
        {"1.5h", 5400000},
        {"2h30m", 9000000},
        {"1m30.5s", 90500},
        {"1d", DAY},
        {"2w", 14 * DAY},
        {"1w1d1h1m1s1ms", 8 * DAY + 3661001},
        {"0.001s", 1},
        {"0.0019s", 1},
        {"1.000000001w", 7 * DAY},
        {"0.5w", 7 * DAY / 2},
        {"365250d", 365250 * DAY},
        {"365250d1ms", -1},
        {"365251d", -1},
        {"99999999999999999999s", -1},
        {"9223372036854775807w", -1},
        {"", -1},
        {"5", -1},
        {"00", -1},
        {"s", -1},
        {"-5s", -1},
        {"+5s", -1},
        {" 5s", -1},
        {"5s ", -1},
        {"5 s", -1},
        {"5S", -1},
        {"5sec", -1},
        {"5y", -1},
        {".5s", -1},
        {"5.s", -1},
        {"1.2.3s", -1},
        {"1.0000000001s", -1},
        {"1e3s", -1},
        {"30m2h", -1},
        {"1m1m", -1},
        {"1h30", -1},
        {"1h 30m", -1},
        {"0x5s", -1},
        {"inf", -1},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        int64_t ms = -1;
        if (text_duration(table[i].text, &ms) != (table[i].ms >= 0) || ms != table[i].ms)
            fail_msg("'%s': %lld", table[i].text, (long long)ms);
    }
}

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes; /* -1: refused */
    } table[] = {
        {"0", 0},
        {"1024", 1024},
        {"10B", 10},
        {"64KiB", 65536},
        {"512MB", 512000000},
        {"4GiB", INT64_C(4294967296)},
        {"1.5GiB", INT64_C(1610612736)},
        {"0.5KiB", 512},
        {"1.0001KiB", 1024},
        {"2TB", INT64_C(2000000000000)},
        {"3PiB", INT64_C(3) << 50},
        {"8191PiB", INT64_C(8191) << 50},
        {"9223372036854775807", INT64_MAX},
        {"8191.999999999PiB", INT64_C(9223372036853649908)},
        {"8192PiB", -1},
        {"9223372036854775808", -1},
        {"99999999999999999999", -1},
        {"", -1},
        {"B", -1},
        {"1.5", -1},
        {"1.5B", -1},
        {"-1", -1},
        {"+1", -1},
        {"4 GiB", -1},
        {"4GiB ", -1},
        {"4gib", -1},
        {"4G", -1},
        {"4k", -1},
        {"4GiB4MiB", -1},
        {"1e3", -1},
        {"0x10", -1},
        {".5KiB", -1},
        {"5.KiB", -1},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        int64_t bytes = -1;
        if (text_size(table[i].text, &bytes) != (table[i].bytes >= 0) || bytes != table[i].bytes)
            fail_msg("'%s': %lld", table[i].text, (long long)bytes);
    }
}

static void durations_for_people(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } table[] = {
        {0, "0s"},
        {1, "1ms"},
        {250, "250ms"},
        {999, "999ms"},
        {1000, "1s"},
        {1500, "1.5s"},
        {1050, "1.05s"},
        {1001, "1.001s"},
        {10000, "10s"},
        {59999, "59.999s"},
        {60000, "1m"},
        {61999, "1m1s"},
        {3600000, "1h"},
        {90061000, "1d1h1m1s"},
        {14 * DAY, "14d"},
        {-1500, "-1.5s"},
        {-3600000, "-1h"},
        {INT64_MAX, "106751991167d7h12m55s"},
        {INT64_MIN, "-106751991167d7h12m55s"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char out[32];
        assert_string_equal(text_format_duration(table[i].ms, out), table[i].text);
    }
}

static void sizes_for_people(void **state)
{
    (void)state;
    static const struct {
        int64_t bytes;
        const char *text;
    } table[] = {
        {0, "0B"},
        {1023, "1023B"},
        {1024, "1KiB"},
        {1536, "1.5KiB"},
        {1500000, "1.4MiB"},
        {1048575, "1MiB"},
        {1048576, "1MiB"},
        {INT64_C(4294967296), "4GiB"},
        {INT64_C(1099511627776), "1TiB"},
        {INT64_MAX, "8EiB"},
        {-2048, "-2KiB"},
        {INT64_MIN, "-8EiB"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char out[32];
        assert_string_equal(text_format_size(table[i].bytes, out), table[i].text);
    }
}

static void integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } table[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"007", true, 7},
        {"-42", true, -42},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"92233720368547758070", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"--1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"0x1", false, 0},
        {"1e3", false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        int64_t value = 0;
        if (text_int(table[i].text, &value) != table[i].ok || value != table[i].value)
            fail_msg("'%s'", table[i].text);
    }
}

static void doubles(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",     "-",     ".",  ".5", "5.",  "1e",   "1e+", "+1",       "inf",   "nan",   "-inf",
        "0x10", "1e999", " 1", "1 ", "1,5", "1.5f", "--1", "infinity", "1e5.0", "1.2.3",
    };
    static const struct {
        const char *text;
        double value;
    } good[] = {
        {"0", 0},          {"-0.5", -0.5}, {"1e3", 1000},  {"1E-3", 0.001},
        {"1e+100", 1e100}, {"3.25", 3.25}, {"007.5", 7.5}, {"1e-400", 0},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        double value = 7;
        if (text_double(bad[i], &value) || value < 7 || value > 7)
            fail_msg("'%s'", bad[i]);
    }
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        double value = 7;
        assert_true(text_double(good[i].text, &value));
        assert_true(value >= good[i].value && value <= good[i].value);
    }
}

static void doubles_in_text(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } table[] = {
        {0, "0"},
        {3, "3"},
        {-3, "-3"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e100, "1e+100"},
        {100000, "100000"},
        {123456789012345, "123456789012345"},
        {1e15, "1e+15"},
        {1.5e300, "1.5e+300"},
        {-0.0, "-0"},
        {1e-5, "1e-05"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {-1.7976931348623157e308, "-1.7976931348623157e+308"},
        {5e-324, "5e-324"},
        {HUGE_VAL, "inf"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char out[32];
        assert_string_equal(text_format_double(table[i].value, out), table[i].text);
    }
}

/* Any bit pattern that is finite reads back the same. */
static void doubles_read_back(void **state)
{
    (void)state;
    uint64_t bits = 88172645463325252;
    for (int i = 0; i < 20000; i++) {
        double value, back;
        char out[32];
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            continue;
        assert_true(text_double(text_format_double(value, out), &back));
        assert_memory_equal(&value, &back, sizeof(value));
    }
}

static void doubles_ignore_the_locale(void **state)
{
    (void)state;
    static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
    size_t at = 0;
    while (at < COUNT_OF(locales) && !setlocale(LC_ALL, locales[at]))
        at++;
    if (at == COUNT_OF(locales)) {
        print_message("skipped: no locale with a decimal comma is installed\n");
        skip();
    }
    char out[32];
    double value = 0;
    assert_string_equal(text_format_double(1.5, out), "1.5");
    assert_true(text_double("2.5", &value));
    assert_true(value > 2.4 && value < 2.6);
    (void)setlocale(LC_ALL, "C");
}

static void nearest(void **state)
{
    (void)state;
    static const char *const keys[] = {"name",    "steps", "needs", "params",      "run",
                                       "timeout", "retry", "if",    "environment", "Matrix"};
    static const struct {
        const char *word, *expected;
    } table[] = {
        {"step", "steps"},
        {"setps", "steps"}, /* a swap counts once */
        {"STEPS", "steps"},
        {"nmae", "name"},
        {"param", "params"},
        {"paramters", "params"},
        {"rum", "run"},
        {"rmu", NULL},
        {"fi", "if"},
        {"timeot", "timeout"},
        {"enviroment", "environment"},
        {"envrionmnt", "environment"},
        {"matrix", "Matrix"},
        {"zzzzzz", NULL},
        {"", NULL},
        {"xyzzyplugh", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const char *got = text_nearest(table[i].word, keys, COUNT_OF(keys));
        if (got != table[i].expected &&
            (!got || !table[i].expected || strcmp(got, table[i].expected) != 0))
            fail_msg("'%s': %s", table[i].word, got ? got : "(none)");
    }
    assert_null(text_nearest("a", NULL, 0));
    char endless[1000];
    memset(endless, 'a', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    const char *const long_names[] = {endless};
    assert_null(text_nearest(endless, long_names, 1));
    assert_null(text_nearest("steps", long_names, 1));
}

static void utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t valid;
    } table[] = {
        {"", 0},
        {"abc", 3},
        {"\xC2\x80\xDF\xBF", 4},
        {"\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF", 12},
        {"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", 8},
        {"a\x80", 1},             /* a continuation alone */
        {"a\xC0\x80", 1},         /* overlong: two bytes */
        {"a\xC1\xBF", 1},         /* the same, its largest */
        {"a\xE0\x80\x80", 1},     /* overlong: three */
        {"a\xE0\x9F\xBF", 1},     /* its largest */
        {"a\xF0\x80\x80\x80", 1}, /* overlong: four */
        {"a\xF0\x8F\xBF\xBF", 1}, /* its largest */
        {"a\xED\xA0\x80", 1},     /* the first surrogate */
        {"a\xED\xBF\xBF", 1},     /* the last */
        {"a\xF4\x90\x80\x80", 1}, /* U+110000 */
        {"a\xF5\x80\x80\x80", 1},
        {"a\xFE", 1},
        {"a\xFF", 1},
        {"a\xC3", 1}, /* cut off */
        {"a\xE2\x82", 1},
        {"a\xF0\x9F\x98", 1},
        {"a\xC3z", 1}, /* interrupted */
        {"a\xE2\x82z", 1},
        {"a\xF0\x9F\x98z", 1},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        assert_int_equal(text_utf8_valid(table[i].text, strlen(table[i].text)), table[i].valid);
    assert_int_equal(text_utf8_valid("a\0b", 3), 3);
    assert_int_equal(text_utf8_count("", 0), 0);
    assert_int_equal(text_utf8_count("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 10), 4);
}

static size_t encode(unsigned code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = len - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(leads[len] | code);
    return len;
}

static void utf8_every_code_point(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 0x120000; code++) {
        char text[4];
        size_t len = encode(code, text);
        bool good = code < 0x110000 && !(code >= 0xD800 && code < 0xE000);
        if (text_utf8_valid(text, len) != (good ? len : 0))
            fail_msg("U+%04X", code);
    }
}

static void names(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool pipeline, step, param;
    } table[] = {
        {"", false, false, false},         {"a", true, true, true},
        {"A", false, true, true},          {"1", true, true, false},
        {"_", false, true, true},          {"-a", false, false, false},
        {".a", false, false, false},       {"a.b-c_d", true, false, false},
        {"a-b", true, true, false},        {"a_b", true, true, true},
        {"trainModel", false, true, true}, {"a b", false, false, false},
        {"a/b", false, false, false},      {"\xC3\xA9", false, false, false},
        {"a\n", false, false, false},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        assert_int_equal(text_is_pipeline_name(table[i].text), table[i].pipeline);
        assert_int_equal(text_is_step_name(table[i].text), table[i].step);
        assert_int_equal(text_is_param_name(table[i].text), table[i].param);
    }
    char longest[130];
    memset(longest, 'a', sizeof(longest));
    longest[129] = '\0';
    assert_false(text_is_step_name(longest));
    longest[128] = '\0';
    assert_true(text_is_step_name(longest) && text_is_pipeline_name(longest));
    assert_true(text_is_param_name(longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(sizes),
        cmocka_unit_test(durations_for_people),
        cmocka_unit_test(sizes_for_people),
        cmocka_unit_test(integers),
        cmocka_unit_test(doubles),
        cmocka_unit_test(doubles_in_text),
        cmocka_unit_test(doubles_read_back),
        cmocka_unit_test(doubles_ignore_the_locale),
        cmocka_unit_test(nearest),
        cmocka_unit_test(utf8),
        cmocka_unit_test(utf8_every_code_point),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
