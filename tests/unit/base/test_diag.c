/* The list, its order, its bound, and how it is printed. */
#include "scratch.h"

#include "base/diag.h"
#include "base/text.h"

/* What diags_print() writes; the caller owns. */
static char *printed(const struct diags *d, const char *text, bool colour)
{
    FILE *out = tmpfile();
    assert_non_null(out);
    diags_print(d, text, text ? strlen(text) : 0, colour, out);
    assert_int_equal(fflush(out), 0);
    struct stat st;
    assert_int_equal(fstat(fileno(out), &st), 0);
    char *result = mem_alloc((size_t)st.st_size + 1);
    assert_int_equal(pread(fileno(out), result, (size_t)st.st_size, 0), st.st_size);
    assert_int_equal(fclose(out), 0);
    return result;
}

static struct diag_pos at(unsigned line, unsigned column)
{
    return (struct diag_pos){line, column};
}

static void prints_golden(void **state)
{
    (void)state;
    static const char text[] = "name: demo\r\n"
                               "steps:\n"
                               "\tl\xC3\xB6"
                               "ad:\n"
                               "    comand: ls \xFF\x1B[2J\n"
                               "last: x";
    AUTO_DIAGS struct diags d;
    diags_init(&d, "demo.yaml");
    assert_false(diag_add(&d, DIAG_ERROR, "unknown-key", at(4, 5), 6, "did you mean 'command'?",
                          "unknown key '%s'", "comand"));
    assert_true(diag_add(&d, DIAG_WARNING, "style", at(3, 2), 4, NULL, "odd name"));
    (void)diag_add(&d, DIAG_ERROR, "no-name", at(0, 0), 0, NULL, "the whole file is wrong");
    (void)diag_add(&d, DIAG_ERROR, "end", at(5, 8), 99, NULL, "something is missing");
    (void)diag_add(&d, DIAG_ERROR, "crlf", at(1, 7), 40, NULL, "a wide mark ends with its line");
    (void)diag_add(&d, DIAG_ERROR, "line", at(2, 0), 0, NULL, "a line without a column");
    (void)diag_add(&d, DIAG_ERROR, "far", at(5, 500), 0, NULL, "beyond its line");
    (void)diag_add(&d, DIAG_ERROR, "none", at(99, 1), 0, NULL, "beyond the file \033[1m\n");
    diags_sort(&d);
    assert_int_equal(d.errors, 7);
    AUTO_FREE char *got = printed(&d, text, false);
    assert_string_equal(got, "demo.yaml: error: the whole file is wrong [no-name]\n"
                             "demo.yaml:1:7: error: a wide mark ends with its line [crlf]\n"
                             "    1 | name: demo\n"
                             "      |       ^^^^\n"
                             "demo.yaml:2: error: a line without a column [line]\n"
                             "    2 | steps:\n"
                             "demo.yaml:3:2: warning: odd name [style]\n"
                             "    3 |  l\xC3\xB6"
                             "ad:\n"
                             "      |  ^^^^\n"
                             "demo.yaml:4:5: error: unknown key 'comand' [unknown-key]\n"
                             "    4 |     comand: ls \xEF\xBF\xBD?[2J\n"
                             "      |     ^^^^^^\n"
                             "      hint: did you mean 'command'?\n"
                             "demo.yaml:5:8: error: something is missing [end]\n"
                             "    5 | last: x\n"
                             "      |        ^\n"
                             "demo.yaml:5:500: error: beyond its line [far]\n"
                             "    5 | last: x\n"
                             "      |        ^\n"
                             "demo.yaml:99:1: error: beyond the file ?[1m? [none]\n");
}

static void prints_in_colour(void **state)
{
    (void)state;
    AUTO_DIAGS struct diags d;
    diags_init(&d, "f");
    (void)diag_add(&d, DIAG_ERROR, "c", at(1, 1), 0, NULL, "m");
    (void)diag_add(&d, DIAG_WARNING, "c", at(1, 1), 0, NULL, "m");
    AUTO_FREE char *got = printed(&d, "x\n", true);
    assert_string_equal(got, "\033[1mf:1:1: \033[0m\033[1;31merror:\033[0m m [c]\n"
                             "    1 | x\n"
                             "      | \033[1;32m^\033[0m\n"
                             "\033[1mf:1:1: \033[0m\033[1;35mwarning:\033[0m m [c]\n"
                             "    1 | x\n"
                             "      | \033[1;32m^\033[0m\n");
}

static void prints_without_the_document(void **state)
{
    (void)state;
    AUTO_DIAGS struct diags d;
    diags_init(&d, "a\nb");
    (void)diag_add(&d, DIAG_ERROR, "c", at(3, 4), 0, "h", "m");
    AUTO_FREE char *got = printed(&d, NULL, false);
    assert_string_equal(got, "a?b:3:4: error: m [c]\n      hint: h\n");
    AUTO_FREE char *empty = printed(&d, "", false);
    assert_string_equal(empty, got);
}

/* The caret stands under its column, wherever in a long line of two-byte characters that is. */
static void long_lines_are_shown_in_part(void **state)
{
    (void)state;
    enum { COLUMNS = 1000 };
    AUTO_BUF struct buf text = BUF_INIT(10000);
    for (int i = 0; i < COLUMNS; i++)
        assert_true(buf_adds(&text, "\xC3\xA9"));
    for (unsigned column = 1; column <= COLUMNS; column += 37) {
        AUTO_DIAGS struct diags d;
        diags_init(&d, "f");
        AUTO_BUF struct buf marked = BUF_INIT(10000);
        assert_true(buf_add(&marked, text.data, text.len));
        memcpy(marked.data + 2 * (column - 1), "##", 2); /* two columns, the first is meant */
        (void)diag_add(&d, DIAG_ERROR, "c", at(1, column), 1, NULL, "m");
        AUTO_FREE char *got = printed(&d, buf_str(&marked), false);
        char *line = strchr(got, '\n') + 1, *carets = strchr(line, '\n') + 1;
        size_t mark = text_utf8_count(line, (size_t)(strchr(line, '#') - line));
        assert_int_equal(mark, strchr(carets, '^') - carets);
        assert_true(strchr(line, '\n') - line < 400);
    }
}

static void keeps_the_order_of_equal_places(void **state)
{
    (void)state;
    AUTO_DIAGS struct diags d;
    diags_init(&d, "f");
    for (unsigned i = 0; i < 500; i++)
        (void)diag_add(&d, DIAG_ERROR, "c", at(1 + i % 3, 1 + i % 2), 0, NULL, "%u", i);
    diags_sort(&d);
    for (size_t i = 1; i < d.count; i++) {
        const struct diag *a = &d.items[i - 1], *b = &d.items[i];
        int64_t x = 0, y = 0;
        assert_true(text_int(a->message, &x) && text_int(b->message, &y));
        assert_true(a->pos.line < b->pos.line ||
                    (a->pos.line == b->pos.line &&
                     (a->pos.column < b->pos.column || (a->pos.column == b->pos.column && x < y))));
    }
}

static void keeps_a_thousand(void **state)
{
    (void)state;
    AUTO_DIAGS struct diags d;
    diags_init(&d, "f");
    for (int i = 0; i < DIAG_MAX; i++)
        assert_true(diag_add(&d, DIAG_WARNING, "c", at(1, 1), 0, "h", "m"));
    assert_false(d.cut);
    assert_false(diag_add(&d, DIAG_ERROR, "c", at(1, 1), 0, "h", "m"));
    assert_true(d.cut);
    assert_int_equal(d.count, DIAG_MAX);
    assert_int_equal(d.errors, 1); /* the document is wrong all the same */
    AUTO_FREE char *got = printed(&d, NULL, false);
    static const char end[] = "f: more than 1000 problems: the rest is not shown\n";
    assert_string_equal(got + strlen(got) - strlen(end), end);
}

static void done_is_safe(void **state)
{
    (void)state;
    struct diags d;
    diags_init(&d, "f");
    diags_sort(&d);
    diags_done(&d);
    diags_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_golden),
        cmocka_unit_test(prints_in_colour),
        cmocka_unit_test(prints_without_the_document),
        cmocka_unit_test(long_lines_are_shown_in_part),
        cmocka_unit_test(keeps_the_order_of_equal_places),
        cmocka_unit_test(keeps_a_thousand),
        cmocka_unit_test(done_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
