/* Codes, sentences, and cutting long ones between characters. */
#include "scratch.h"

#include "base/err.h"
#include "base/text.h"

#include <errno.h>

static void sets_code_and_sentence(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_false(err_set(&err, ERR_INVALID, "step '%s' has %d problems", "train", 2));
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(err.sys, 0);
    assert_string_equal(err.msg, "step 'train' has 2 problems");
}

static void system_errors_have_codes(void **state)
{
    (void)state;
    static const struct {
        int sysno;
        enum err_code code;
    } table[] = {
        {ENOSPC, ERR_NO_SPACE}, {EDQUOT, ERR_NO_SPACE},  {EACCES, ERR_DENIED}, {EPERM, ERR_DENIED},
        {EROFS, ERR_DENIED},    {ENOENT, ERR_NOT_FOUND}, {EEXIST, ERR_EXISTS}, {EAGAIN, ERR_BUSY},
        {EIO, ERR_IO},          {EMFILE, ERR_IO},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct err err = ERR_INIT;
        assert_false(err_sys(&err, table[i].sysno, "cannot open %s", "x"));
        assert_int_equal(err.code, table[i].code);
        assert_int_equal(err.sys, table[i].sysno);
    }
    struct err err = ERR_INIT;
    (void)err_sys(&err, ENOENT, "cannot open %s", "x");
    assert_string_equal(err.msg, "cannot open x: No such file or directory");
}

static void wrap_puts_in_front(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    (void)err_sys(&err, EACCES, "cannot read b");
    assert_false(err_wrap(&err, "step %s", "a"));
    assert_string_equal(err.msg, "step a: cannot read b: Permission denied");
    assert_int_equal(err.code, ERR_DENIED);
    assert_int_equal(err.sys, EACCES);
}

static void arguments_may_be_the_old_sentence(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    (void)err_set(&err, ERR_IO, "old");
    (void)err_set(&err, ERR_CORRUPT, "new (%s)", err.msg);
    assert_string_equal(err.msg, "new (old)");
}

static void null_is_allowed(void **state)
{
    (void)state;
    assert_false(err_set(NULL, ERR_IO, "x"));
    assert_false(err_sys(NULL, EIO, "x"));
    assert_false(err_wrap(NULL, "x"));
}

/* Every length around the bound, with characters of one to four bytes. */
static void cuts_between_characters(void **state)
{
    (void)state;
    static const char *const characters[] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    const size_t room = sizeof(((struct err *)0)->msg) - 1;
    for (size_t c = 0; c < COUNT_OF(characters); c++) {
        size_t width = strlen(characters[c]);
        for (size_t pad = 0; pad < 8; pad++) {
            char text[2000] = "";
            size_t len = 0;
            for (; len < pad; len++)
                text[len] = 'p';
            for (; len + width < sizeof(text); len += width)
                memcpy(text + len, characters[c], width);
            struct err err = ERR_INIT;
            (void)err_set(&err, ERR_IO, "%s", text);
            size_t got = strlen(err.msg);
            assert_true(got <= room && got > room - width);
            assert_int_equal(text_utf8_valid(err.msg, got), got);
            assert_memory_equal(err.msg, text, got);
            (void)err_wrap(&err, "front");
            got = strlen(err.msg);
            assert_true(got <= room && got > room - width);
            assert_int_equal(text_utf8_valid(err.msg, got), got);
        }
    }
}

static void exactly_full_is_not_cut(void **state)
{
    (void)state;
    char text[sizeof(((struct err *)0)->msg)];
    memset(text, 'x', sizeof(text) - 3);
    memcpy(text + sizeof(text) - 3, "\xC3\xA9", 3);
    struct err err = ERR_INIT;
    (void)err_set(&err, ERR_IO, "%s", text);
    assert_string_equal(err.msg, text);
}

static void codes_have_names_and_exits(void **state)
{
    (void)state;
    static const struct {
        enum err_code code;
        const char *name;
        int exit_code;
    } table[] = {
        {ERR_NONE, "none", 0},
        {ERR_USAGE, "usage", 2},
        {ERR_INVALID, "invalid", 3},
        {ERR_NOT_FOUND, "not_found", 6},
        {ERR_DENIED, "denied", 5},
        {ERR_UNAVAILABLE, "unavailable", 4},
        {ERR_EXISTS, "exists", 2},
        {ERR_BUSY, "busy", 4},
        {ERR_LIMIT, "limit", 70},
        {ERR_NO_SPACE, "no_space", 70},
        {ERR_IO, "io", 70},
        {ERR_CORRUPT, "corrupt", 70},
        {ERR_NEWER, "newer", 4},
        {ERR_UNSUPPORTED, "unsupported", 3},
        {ERR_INTERNAL, "internal", 70},
    };
    assert_int_equal(COUNT_OF(table), ERR_CODE_COUNT);
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        assert_string_equal(err_code_name(table[i].code), table[i].name);
        assert_int_equal(err_exit_code(table[i].code), table[i].exit_code);
    }
    assert_int_equal(err_exit_code(ERR_CODE_COUNT), 70);
    assert_string_equal(err_code_name(ERR_CODE_COUNT), "internal");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_code_and_sentence),
        cmocka_unit_test(system_errors_have_codes),
        cmocka_unit_test(wrap_puts_in_front),
        cmocka_unit_test(arguments_may_be_the_old_sentence),
        cmocka_unit_test(null_is_allowed),
        cmocka_unit_test(cuts_between_characters),
        cmocka_unit_test(exactly_full_is_not_cut),
        cmocka_unit_test(codes_have_names_and_exits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
