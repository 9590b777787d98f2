/* Order, form and difference of run ids. */
#include "scratch.h"

#include "base/id.h"

static int64_t time_of(const char *id)
{
    char head[13];
    memcpy(head, id, 12);
    head[12] = '\0';
    return (int64_t)strtoull(head, NULL, 16);
}

static void have_the_form_of_uuid_7(void **state)
{
    (void)state;
    char id[ID_SIZE];
    id_make(INT64_C(1795248000123), id);
    assert_true(id_valid(id));
    assert_true(time_of(id) == INT64_C(1795248000123));
    assert_int_equal(id[12], '7');
    assert_non_null(strchr("89ab", id[16]));
}

/* More than the counter holds within one millisecond: they run ahead of the clock, in order. */
static void increase_within_a_millisecond(void **state)
{
    (void)state;
    const int64_t now = INT64_C(1800000000000);
    char last[ID_SIZE] = "", id[ID_SIZE];
    for (int i = 0; i < 10000; i++) {
        id_make(now, id);
        assert_true(id_valid(id));
        assert_true(strcmp(last, id) < 0);
        memcpy(last, id, sizeof(last));
    }
    assert_true(time_of(last) >= now && time_of(last) <= now + 2);
}

static void increase_where_the_clock_goes_back(void **state)
{
    (void)state;
    char last[ID_SIZE], id[ID_SIZE];
    id_make(INT64_C(1900000000000), last);
    id_make(INT64_C(1800000000000), id);
    assert_true(strcmp(last, id) < 0);
    id_make(-5, last);
    assert_true(strcmp(id, last) < 0);
    id_make(INT64_C(1900000000005), id);
    assert_true(strcmp(last, id) < 0);
    assert_true(time_of(id) == INT64_C(1900000000005));
}

static void random_parts_differ(void **state)
{
    (void)state;
    char a[ID_SIZE], b[ID_SIZE];
    id_make(INT64_C(1900000001000), a);
    id_make(INT64_C(1900000001000), b);
    assert_string_not_equal(a + 17, b + 17);
}

static void validity(void **state)
{
    (void)state;
    assert_true(id_valid("0123456789abcdef0123456789abcdef"));
    assert_false(id_valid(""));
    assert_false(id_valid("0123456789abcdef0123456789abcde"));
    assert_false(id_valid("0123456789abcdef0123456789abcdef0"));
    assert_false(id_valid("0123456789ABCDEF0123456789abcdef"));
    assert_false(id_valid("01234567-9abcdef0123456789abcdef"));
    assert_false(id_valid("0123456789abcdef0123456789abcdeg"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(have_the_form_of_uuid_7),
        cmocka_unit_test(increase_within_a_millisecond),
        cmocka_unit_test(increase_where_the_clock_goes_back),
        cmocka_unit_test(random_parts_differ),
        cmocka_unit_test(validity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
