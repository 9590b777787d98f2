/* The maximum, its memory of having been reached, and JSON strings. */
#include "scratch.h"

#include "base/buf.h"
#include "base/text.h"

static void grows_and_terminates(void **state)
{
    (void)state;
    AUTO_BUF struct buf b = BUF_INIT(1 << 20);
    assert_string_equal(buf_str(&b), "");
    for (int i = 0; i < 10000; i++) {
        assert_true(buf_addc(&b, (char)('a' + i % 26)));
        assert_int_equal(b.data[b.len], 0);
    }
    assert_int_equal(b.len, 10000);
    assert_true(buf_adds(&b, "!") && buf_addf(&b, "%d", 42));
    assert_string_equal(b.data + 10000, "!42");
}

static void keeps_to_its_maximum(void **state)
{
    (void)state;
    for (size_t max = 0; max < 200; max++) {
        AUTO_BUF struct buf b = BUF_INIT(max);
        for (size_t i = 0; i < max; i++)
            assert_true(buf_addc(&b, 'x'));
        assert_false(b.full);
        assert_true(buf_add(&b, "", 0));
        assert_false(buf_addc(&b, 'y'));
        assert_true(b.full);
        assert_int_equal(b.len, max);
        assert_int_equal(strlen(buf_str(&b)), max);
        assert_true(b.cap <= max + 1);
    }
}

static void full_leaves_no_hole(void **state)
{
    (void)state;
    AUTO_BUF struct buf b = BUF_INIT(5);
    assert_true(buf_adds(&b, "abc"));
    assert_false(buf_adds(&b, "defg"));
    assert_false(buf_addc(&b, 'h')); /* would fit, but something is missing before it */
    assert_false(buf_addf(&b, "%s", ""));
    assert_string_equal(buf_str(&b), "abc");
    buf_clear(&b);
    assert_false(b.full);
    assert_true(buf_adds(&b, "12345"));
    assert_false(buf_add(&b, "x", SIZE_MAX));
    assert_string_equal(buf_str(&b), "12345");
}

static void formats_over_the_edge_of_its_room(void **state)
{
    (void)state;
    for (int width = 0; width < 300; width++) {
        AUTO_BUF struct buf b = BUF_INIT(250);
        assert_true(buf_adds(&b, "ab"));
        assert_int_equal(buf_addf(&b, "%*s", width, ""), width <= 248);
        assert_int_equal(b.len, width <= 248 ? 2 + width : 2);
        assert_int_equal(strlen(b.data), b.len);
    }
}

static void unbounded_is_allowed(void **state)
{
    (void)state;
    AUTO_BUF struct buf b = BUF_INIT(SIZE_MAX);
    assert_true(buf_adds(&b, "abc"));
    assert_false(buf_add(&b, "x", SIZE_MAX - 3));
    assert_string_equal(buf_str(&b), "abc");
}

static void cuts_from_the_front(void **state)
{
    (void)state;
    AUTO_BUF struct buf b = BUF_INIT(100);
    buf_cut(&b, 3);
    assert_true(buf_adds(&b, "abcdef"));
    buf_cut(&b, 0);
    buf_cut(&b, 2);
    assert_string_equal(buf_str(&b), "cdef");
    buf_cut(&b, 100);
    assert_string_equal(buf_str(&b), "");
    assert_int_equal(b.len, 0);
}

static void take_empties(void **state)
{
    (void)state;
    AUTO_BUF struct buf b = BUF_INIT(10);
    AUTO_FREE char *nothing = buf_take(&b);
    assert_string_equal(nothing, "");
    assert_true(buf_adds(&b, "text"));
    AUTO_FREE char *text = buf_take(&b);
    assert_string_equal(text, "text");
    assert_int_equal(b.len, 0);
    assert_int_equal(b.max, 10);
    assert_true(buf_adds(&b, "again"));
}

static void writes_json_strings(void **state)
{
    (void)state;
    static const struct {
        const char *text, *json;
    } table[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a\"b\\c/d", "\"a\\\"b\\\\c/d\""},
        {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
        {"\x01\x1F\x7F", "\"\\u0001\\u001f\x7F\""},
        {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""},
        {"a\x80z", "\"a\xEF\xBF\xBDz\""},
        {"\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},                 /* overlong slash */
        {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""}, /* surrogate */
        {"\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},                 /* cut off */
        {"\xFF\"", "\"\xEF\xBF\xBD\\\"\""},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        AUTO_BUF struct buf b = BUF_INIT(1000);
        assert_true(buf_add_json(&b, table[i].text));
        assert_string_equal(buf_str(&b), table[i].json);
        assert_int_equal(text_utf8_valid(b.data, b.len), b.len);
    }
}

static void json_is_added_whole_or_not_at_all(void **state)
{
    (void)state;
    static const char text[] = "a\n\xFF\x01z";
    AUTO_BUF struct buf whole = BUF_INIT(100);
    assert_true(buf_add_json(&whole, text));
    for (size_t max = 0; max < whole.len + 1; max++) {
        AUTO_BUF struct buf b = BUF_INIT(max + 2);
        assert_true(buf_adds(&b, "x="));
        assert_int_equal(buf_add_json(&b, text), max >= whole.len);
        assert_int_equal(b.full, max < whole.len);
        assert_int_equal(b.len, max < whole.len ? 2 : 2 + whole.len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_terminates),
        cmocka_unit_test(keeps_to_its_maximum),
        cmocka_unit_test(full_leaves_no_hole),
        cmocka_unit_test(formats_over_the_edge_of_its_room),
        cmocka_unit_test(unbounded_is_allowed),
        cmocka_unit_test(cuts_from_the_front),
        cmocka_unit_test(take_empties),
        cmocka_unit_test(writes_json_strings),
        cmocka_unit_test(json_is_added_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
