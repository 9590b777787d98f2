/* Round trips, unknown tags, and a record cut off or bent at every byte. */
#include "scratch.h"

#include "base/wire.h"

enum { TAG_NUMBER = 1, TAG_TEXT = 2, TAG_SUB = 3, TAG_UNKNOWN = 0xFFFF };

struct record {
    int64_t numbers[4];
    size_t count;
    char *text;
    int64_t inner;
    bool ok;
};

static void encode(struct buf *b)
{
    AUTO_BUF struct buf inner = BUF_INIT(100);
    wire_put_int(&inner, TAG_NUMBER, -7);
    wire_put_int(b, TAG_NUMBER, INT64_MIN);
    wire_put_int(b, TAG_NUMBER, INT64_C(0x0102030405060708));
    wire_put_text(b, TAG_TEXT, "h\xC3\xA9llo");
    wire_put_text(b, TAG_TEXT, NULL);
    wire_put_bytes(b, TAG_UNKNOWN, "\0\1\2", 3);
    wire_put_bytes(b, TAG_SUB, inner.data, inner.len);
}

static void decode_sub(const struct wire *w, struct record *r)
{
    struct wire inner;
    if (!wire_sub(w, &inner))
        return;
    while (wire_next(&inner))
        (void)wire_int(&inner, &r->inner);
    r->ok = r->ok && !inner.bad;
}

static void decode(const void *data, size_t len, struct record *r)
{
    struct wire w;
    *r = (struct record){.ok = true};
    wire_read(&w, data, len);
    while (wire_next(&w)) {
        if (w.tag == TAG_NUMBER && r->count < COUNT_OF(r->numbers)) {
            r->count += wire_int(&w, &r->numbers[r->count]);
        } else if (w.tag == TAG_TEXT) {
            free(r->text);
            r->text = NULL;
            (void)wire_text(&w, &r->text);
        } else if (w.tag == TAG_SUB) {
            decode_sub(&w, r);
        }
    }
    r->ok = r->ok && !w.bad;
}

static void goes_round(void **state)
{
    (void)state;
    AUTO_BUF struct buf b = BUF_INIT(1000);
    struct record r;
    encode(&b);
    assert_false(b.full);
    decode(b.data, b.len, &r);
    assert_true(r.ok);
    assert_int_equal(r.count, 2);
    assert_true(r.numbers[0] == INT64_MIN && r.numbers[1] == INT64_C(0x0102030405060708));
    assert_string_equal(r.text, "h\xC3\xA9llo");
    assert_int_equal(r.inner, -7);
    free(r.text);
}

static void is_little_endian(void **state)
{
    (void)state;
    AUTO_BUF struct buf b = BUF_INIT(100);
    wire_put_int(&b, 0x1234, INT64_C(0x0102030405060708));
    wire_put_text(&b, 5, "");
    static const char expected[] = "\x34\x12\x08\0\0\0\x08\x07\x06\x05\x04\x03\x02\x01"
                                   "\x05\0\0\0\0\0";
    assert_int_equal(b.len, sizeof(expected) - 1);
    assert_memory_equal(b.data, expected, b.len);
}

/* Each beginning is either whole fields or bad. It is copied to memory of its own length, so that
 * a sanitizer sees any read past it. */
static void survives_truncation_at_every_byte(void **state)
{
    (void)state;
    AUTO_BUF struct buf b = BUF_INIT(1000);
    encode(&b);
    size_t ends = 0;
    for (size_t len = 0; len < b.len; len++) {
        AUTO_FREE char *part = mem_alloc(len);
        struct record r;
        memcpy(part, b.data, len);
        decode(part, len, &r);
        ends += r.ok;
        free(r.text);
    }
    assert_int_equal(ends, 5); /* the places between the fields, the start included */
}

static void survives_any_byte(void **state)
{
    (void)state;
    AUTO_BUF struct buf b = BUF_INIT(1000);
    encode(&b);
    for (size_t at = 0; at < b.len; at++) {
        for (int value = 0; value < 256; value++) {
            AUTO_FREE char *bent = mem_alloc(b.len);
            struct record r;
            memcpy(bent, b.data, b.len);
            bent[at] = (char)value;
            decode(bent, b.len, &r);
            free(r.text);
        }
    }
}

static void bad_stays_bad(void **state)
{
    (void)state;
    AUTO_BUF struct buf b = BUF_INIT(100);
    struct wire w;
    int64_t number = 5;
    char *text = NULL;
    wire_put_bytes(&b, 1, "a\0b", 3);
    wire_put_int(&b, 2, 3);
    wire_read(&w, b.data, b.len);
    assert_false(wire_int(&w, &number)); /* no current field yet */
    assert_true(w.bad);
    wire_read(&w, b.data, b.len);
    assert_true(wire_next(&w));
    assert_false(wire_text(&w, &text));
    assert_null(text);
    assert_true(w.bad);
    assert_false(wire_next(&w));
    assert_false(wire_int(&w, &number));
    assert_false(wire_sub(&w, &w));
    assert_int_equal(number, 5);
    wire_read(&w, b.data, b.len);
    assert_true(wire_next(&w));
    assert_false(wire_int(&w, &number)); /* three bytes are no integer */
    assert_true(w.bad);
}

static void nothing_is_an_empty_record(void **state)
{
    (void)state;
    struct wire w;
    wire_read(&w, NULL, 0);
    assert_false(wire_next(&w));
    assert_false(w.bad);
}

static void a_full_buffer_keeps_whole_fields(void **state)
{
    (void)state;
    for (size_t max = 0; max < 40; max++) {
        AUTO_BUF struct buf b = BUF_INIT(max);
        struct wire w;
        wire_put_int(&b, 1, 1);
        wire_put_text(&b, 2, "abcdef");
        wire_put_int(&b, 3, 3);
        assert_int_equal(b.full, max < 40);
        wire_read(&w, b.data, b.len);
        while (wire_next(&w))
            ;
        assert_false(w.bad);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_round),
        cmocka_unit_test(is_little_endian),
        cmocka_unit_test(survives_truncation_at_every_byte),
        cmocka_unit_test(survives_any_byte),
        cmocka_unit_test(bad_stays_bad),
        cmocka_unit_test(nothing_is_an_empty_record),
        cmocka_unit_test(a_full_buffer_keeps_whole_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
