/* Small and large pieces, mixed; alignment; zeroes. */
#include "scratch.h"

#include "base/arena.h"

static void is_zeroed_and_aligned(void **state)
{
    (void)state;
    AUTO_ARENA struct arena a = ARENA_INIT;
    for (size_t size = 0; size < 3000; size++) {
        unsigned char *piece = arena_alloc(&a, size);
        assert_int_equal((uintptr_t)piece % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(piece[i], 0);
        memset(piece, 0xAA, size);
    }
}

/* Each piece holds its own pattern to the end, whatever is taken after it. */
static void pieces_do_not_overlap(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    AUTO_ARENA struct arena a = ARENA_INIT;
    unsigned char *pieces[COUNT];
    size_t sizes[COUNT], sum = 0;
    for (size_t i = 0; i < COUNT; i++) {
        sizes[i] = i % 37 == 36 ? (size_t)1 << (10 + i % 11) : 1 + i * 7 % 500;
        pieces[i] = arena_alloc(&a, sizes[i]);
        memset(pieces[i], (int)(i & 0xFF), sizes[i]);
        sum += sizes[i];
    }
    assert_true(a.used >= sum);
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(pieces[i][k], i & 0xFF);
    }
}

static void large_pieces_come_first_or_later(void **state)
{
    (void)state;
    AUTO_ARENA struct arena a = ARENA_INIT;
    const size_t large = (size_t)8 << 20;
    char *first = arena_alloc(&a, large);
    first[0] = first[large - 1] = 'x';
    char *small = arena_strdup(&a, "small");
    char *second = arena_array(&a, 1 << 20, 8);
    second[0] = second[large - 1] = 'y';
    char *next = arena_strdup(&a, "next");
    assert_string_equal(small, "small");
    assert_ptr_equal(next, small + _Alignof(max_align_t)); /* the room was not given up */
    assert_string_equal(next, "next");
    assert_true(a.used >= 2 * large);
}

static void makes_text(void **state)
{
    (void)state;
    AUTO_ARENA struct arena a = ARENA_INIT;
    assert_string_equal(arena_strdup(&a, ""), "");
    assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
    assert_string_equal(arena_strndup(&a, "ab", 30), "ab");
    assert_string_equal(arena_printf(&a, "%s/%d", "x", 5), "x/5");
    char *wide = arena_printf(&a, "%100000d", 7);
    assert_int_equal(strlen(wide), 100000);
    assert_int_equal(wide[99999], '7');
}

static void done_twice_is_fine(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    arena_done(&a);
    (void)arena_alloc(&a, 10);
    arena_done(&a);
    assert_null(a.chunks);
    assert_int_equal(a.used, 0);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_zeroed_and_aligned),
        cmocka_unit_test(pieces_do_not_overlap),
        cmocka_unit_test(large_pieces_come_first_or_later),
        cmocka_unit_test(makes_text),
        cmocka_unit_test(done_twice_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
