/*
 * test_expr.c - expressions and values: the golden triples of tests/golden/expr, and what does not
 * fit into a line.
 */
#include "tests/unit/dag/expr_world.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- golden triples: EXPRESSION => TYPE => VALUE
 *   TYPE is the static type and VALUE the JSON of the value;
 *   "check" => a part of the diagnostic; TYPE => "fails: " a part of the error. */

static unsigned failures; /* all of them are shown, not the first */

static void wrong(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void wrong(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
    failures++;
}

static void triple(const char *file, unsigned line, char *text)
{
    char *type = strstr(text, " => "), *value = type != NULL ? strstr(type + 4, " => ") : NULL;
    if (value == NULL) {
        wrong("%s:%u: no triple: %s", file, line, text);
        return;
    }
    *type = *value = '\0';
    type += 4;
    value += 4;
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, file);
    struct expr_source src = world_source(text);
    struct dag_expr *expr = expr_parse(&a, &src, &world, DAG_ANY, &diags);
    if (strcmp(type, "check") == 0) {
        if (expr != NULL || diags.errors == 0 || strstr(diags.items[0].message, value) == NULL) {
            wrong("%s:%u: %s: expected the diagnostic '%s', got '%s'", file, line, text, value,
                  diags.count > 0 ? diags.items[0].message : "nothing");
        }
        return;
    }
    if (expr == NULL) {
        wrong("%s:%u: %s: %s", file, line, text, diags.items[0].message);
        return;
    }
    if (strcmp(dag_type_name(expr_type(expr)), type) != 0) {
        wrong("%s:%u: %s: type %s, not %s", file, line, text, dag_type_name(expr_type(expr)), type);
    }
    AUTO_BUF struct buf json = BUF_INIT(1 << 20);
    struct err err = ERR_INIT;
    struct dag_value result;
    bool fails = strncmp(value, "fails: ", 7) == 0;
    bool done = dag_expr_eval(expr, &world_scope, &a, &result, &err) &&
                dag_value_to_json(&result, &json, &err);
    if (fails ? done || strstr(err.msg, value + 7) == NULL
              : !done || strcmp(buf_str(&json), value) != 0) {
        wrong("%s:%u: %s: expected %s, got %s", file, line, text, value,
              done ? buf_str(&json) : err.msg);
    }
    /* whatever is known of a type before the run is so in the run */
    enum dag_type known = expr_type(expr);
    if (done && known != DAG_ANY && known != result.type) {
        assert_true(known == DAG_NUMBER && result.type == DAG_INT);
    }
}

static unsigned run_file(const char *path)
{
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    struct err err = ERR_INIT;
    if (!file_read(path, &text, &err)) {
        fail_msg("%s", err.msg);
    }
    unsigned line = 0, count = 0;
    char *rest = text.data;
    for (char *one; (one = strsep(&rest, "\n")) != NULL;) {
        line++;
        if (one[0] != '\0' && one[0] != '#') {
            triple(path, line, one);
            count++;
        }
    }
    return count;
}

static void golden(void **state)
{
    (void)state;
    unsigned count = 0;
    DIR *dir = opendir(SOURCE_DIR "/tests/golden/expr");
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strstr(entry->d_name, ".txt") != NULL) {
            AUTO_FREE char *path = mem_printf("%s/tests/golden/expr/%s", SOURCE_DIR, entry->d_name);
            count += run_file(path);
        }
    }
    closedir(dir);
    assert_int_equal(failures, 0);
    assert_true(count >= 250);
}

/* ---- bounds */

static const char *first_error(const char *text)
{
    static char message[sizeof((struct err *)0)->msg];
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, "x");
    struct expr_source src = world_source(text);
    struct dag_expr *expr = expr_parse(&a, &src, &world, DAG_ANY, &diags);
    if (expr == NULL) {
        snprintf(message, sizeof message, "%s", diags.items[0].message);
        return message;
    }
    struct err err = ERR_INIT;
    struct dag_value value;
    bool done = dag_expr_eval(expr, &world_scope, &a, &value, &err);
    snprintf(message, sizeof message, "%s", done ? "" : err.msg);
    return message;
}

static char *repeat(const char *before, const char *part, unsigned count, const char *after)
{
    struct buf out = BUF_INIT(64U << 20);
    buf_adds(&out, before);
    for (unsigned i = 0; i < count; i++) {
        buf_adds(&out, part);
    }
    buf_adds(&out, after);
    return buf_take(&out);
}

static void expect_error(char *text, const char *error)
{
    const char *got = first_error(text);
    if (error[0] == '\0' ? got[0] != '\0' : strstr(got, error) == NULL) {
        fail_msg("expected '%s', got '%s'", error, got);
    }
    free(text);
}

static void bounds(void **state)
{
    (void)state;
    expect_error(repeat("", "(", 5000, "1"), "nests deeper");
    expect_error(repeat("", "!", 5000, "true"), "nests deeper");
    expect_error(repeat("", "- ", 5000, "params.days"), "nests deeper");
    expect_error(repeat("", "[", 5000, ""), "nests deeper");
    expect_error(repeat("", "true ? 1 : ", 5000, "1"), "nests deeper");
    expect_error(repeat("", "default(", 5000, "1"), "nests deeper");
    expect_error(repeat("", "default(", 90, "1"), "the expression ends");
    expect_error(repeat("1", "+1", 4000, ""), "");
    expect_error(repeat("1", "+1", 6000, ""), "more than");
    expect_error(repeat("1", "+1", 60000, ""), "longer than");
    expect_error(repeat("params.map", ".b", 4000, ""), "no key");
    expect_error(repeat("'", "a", 60000, "' == ''"), "");
    expect_error(repeat("length(", "range(1000000) == [] || ", 1, "true)"), "must be");
    expect_error(repeat("", "range(1000000) == [1] || ", 100, "true"), "memory");
}

/* More than 16 MB of result from less than 64 KB of expression. */
static void growth(void **state)
{
    (void)state;
    AUTO_FREE char *joined = repeat("join(range(100000), '", "x", 1000, "')");
    assert_non_null(strstr(first_error(joined), "longer than"));
    AUTO_FREE char *many = repeat("replace('", "b", 400, "', 'b', '");
    AUTO_FREE char *replaced = repeat(many, "a", 60000, "')");
    assert_non_null(strstr(first_error(replaced), "longer than"));
}

static void several_errors(void **state)
{
    (void)state;
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, "x");
    struct expr_source src =
        world_source("params.nope == 1 && lenght('a') > 0 && ('a' < 1) && steps.train.output.x");
    assert_null(expr_parse(&a, &src, &world, DAG_ANY, &diags));
    assert_int_equal(diags.errors, 4);
    assert_int_equal(diags.items[0].pos.column, 1);
    assert_int_equal(diags.items[0].width, 11);
    assert_int_equal(diags.items[1].pos.column, 21);
    assert_string_equal(diags.items[1].hint, "did you mean 'length'?");
    assert_string_equal(diags.items[3].hint, "did you mean 'outputs'?");
}

static void secrets_stay_hidden(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "int(secrets.TOKEN)",
        "fromJSON(secrets.TOKEN)",
        "bool(secrets.TOKEN)",
        "fromJSON('{}')[secrets.TOKEN]",
        "number(secrets.TOKEN) + 1",
        "secrets.TOKEN in params.list",
        "fromJSON(toJSON(secrets.TOKEN)) > 1",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        const char *error = first_error(texts[i]);
        assert_true(error[0] != '\0');
        assert_null(strstr(error, "s3cret"));
    }
    struct expr_names closed = world;
    closed.allow_secrets = closed.allow_questions = false;
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, "x");
    struct expr_source src = world_source("secrets.TOKEN == 'a' || failure()");
    assert_null(expr_parse(&a, &src, &closed, DAG_ANY, &diags));
    assert_int_equal(diags.errors, 2);
}

/* ---- values */

static void json_case(const char *text, const char *expected)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_BUF struct buf out = BUF_INIT(1 << 20);
    struct err err = ERR_INIT;
    struct dag_value value;
    bool done = dag_value_from_json(text, strlen(text), &a, &value, &err) &&
                dag_value_to_json(&value, &out, &err);
    if (expected == NULL ? done : !done || strcmp(buf_str(&out), expected) != 0) {
        fail_msg("%s: expected %s, got %s", text, expected != NULL ? expected : "an error",
                 done ? buf_str(&out) : err.msg);
    }
}

static void json(void **state)
{
    (void)state;
    json_case("[1, -0, 0.5, 1e2, \"\\u00e4\\n\", null, true]",
              "[1,0,0.5,100.0,\"ä\\n\",null,true]");
    json_case("-0.0", "0.0");
    json_case("9223372036854775807", "9223372036854775807");
    json_case("[9223372036854775808,\"9223372036854775808\",1]",
              "[9.223372036854776e+18,\"9223372036854775808\",1]");
    json_case("-9223372036854775808", "-9223372036854775808");
    json_case("{\"b\":1,\"a\":2}", "{\"b\":1,\"a\":2}");
    json_case("1e400", NULL);
    json_case("{\"a\":1,\"a\":2}", NULL);
    json_case("\"\\u0000\"", NULL);
    json_case("\"\xff\"", NULL);
    json_case("", NULL);
    json_case("[1] 2", NULL);
    json_case("NaN", NULL);
    AUTO_FREE char *deep = repeat("", "[", 100000, "");
    json_case(deep, NULL);
    AUTO_FREE char *wide = repeat("[", "1,", 1200000, "1]");
    json_case(wide, NULL);
    AUTO_FREE char *fine = repeat("", "[", 64,
                                  "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
                                  "]]]]]]]]]]]]]]]");
    json_case(fine, fine);
}

static void equal_numbers(void **state)
{
    (void)state;
    struct dag_value big = dag_int((INT64_C(1) << 53) + 1), one = dag_int(1);
    struct dag_value number = {.type = DAG_NUMBER, .u.number = 0x1p53};
    assert_false(dag_value_equal(&big, &number));
    number.u.number = 1.0;
    assert_true(dag_value_equal(&one, &number));
    struct dag_value max = dag_int(INT64_MAX), two63 = {.type = DAG_NUMBER, .u.number = 0x1p63};
    assert_false(dag_value_equal(&max, &two63));
    struct dag_value min = dag_int(INT64_MIN), neg = {.type = DAG_NUMBER, .u.number = -0x1p63};
    assert_true(dag_value_equal(&min, &neg));
}

static void texts(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"null", ""},   {"true", "true"},           {"3", "3"}, {"3.0", "3"}, {"0.1", "0.1"},
        {"\"a\"", "a"}, {"[1, \"b\"]", "[1,\"b\"]"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_ARENA struct arena a = ARENA_INIT;
        AUTO_BUF struct buf out = BUF_INIT(100);
        struct dag_value value;
        assert_true(dag_value_from_json(cases[i].json, strlen(cases[i].json), &a, &value, NULL));
        assert_true(dag_value_text(&value, &out, NULL));
        assert_string_equal(buf_str(&out), cases[i].text);
    }
}

static void conditions(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result; /* -1: not valid, -2: fails */
    } cases[] = {
        {"params.flag", 1},
        {"${{ params.flag }}", 1},
        {"  ${{ !params.flag }}  ", 0},
        {"${{ params.flag }} && true", -1},
        {"params.flag && ${{ params.flag }}", -1},
        {"true", 1},
        {"'true'", 1},
        {"'yes'", -1},
        {"params.days", -1},
        {"steps.sign-off.outputs.promote", 1},
        {"steps.train.outputs.any", -2},
        {"matrix.depth", -2},
        {"!failure()", 1},
        {"always() && steps.train.status == 'succeeded'", 1},
        {"", -1},
        {"${{ }}", -1},
        {"${{ true", -1},
        {"contains('a }} b', '}}')", 1},
        {"${{ contains('a }} b', '}}') }}", 1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_ARENA struct arena a = ARENA_INIT;
        AUTO_DIAGS struct diags diags;
        diags_init(&diags, "x");
        struct expr_source src = world_source(cases[i].text);
        struct dag_expr *expr = expr_parse(&a, &src, &world, DAG_BOOL, &diags);
        int result = -1;
        bool yes;
        if (expr != NULL) {
            result = dag_condition_eval(expr, &world_scope, &yes, NULL) ? yes : -2;
        }
        if (result != cases[i].result) {
            fail_msg("%s: %d, not %d", cases[i].text, result, cases[i].result);
        }
        assert_true((expr == NULL) == (diags.errors > 0));
    }
}

static void asks(void **state)
{
    (void)state;
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, "x");
    struct expr_source src = world_source("!failure() && params.flag");
    assert_true(expr_asks(expr_parse(&a, &src, &world, DAG_BOOL, &diags)));
    src = world_source("params.flag");
    assert_false(expr_asks(expr_parse(&a, &src, &world, DAG_BOOL, &diags)));
    src = world_source("success()");
    struct dag_scope quiet = world_scope;
    quiet.ask = NULL;
    bool yes;
    assert_false(
        dag_condition_eval(expr_parse(&a, &src, &world, DAG_BOOL, &diags), &quiet, &yes, NULL));
}

/* The manual's table is the function table's. */
static void reference(void **state)
{
    (void)state;
    AUTO_BUF struct buf table = BUF_INIT(1 << 20), manual = BUF_INIT(1 << 20);
    assert_true(expr_reference(&table));
    if (getenv("ORCH_PRINT_REFERENCE") != NULL) {
        printf("%s", buf_str(&table));
    }
    struct err err = ERR_INIT;
    assert_true(file_read(SOURCE_DIR "/docs/expressions.md", &manual, &err));
    assert_non_null(strstr(buf_str(&manual), buf_str(&table)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(bounds),
        cmocka_unit_test(growth),
        cmocka_unit_test(several_errors),
        cmocka_unit_test(secrets_stay_hidden),
        cmocka_unit_test(json),
        cmocka_unit_test(equal_numbers),
        cmocka_unit_test(texts),
        cmocka_unit_test(conditions),
        cmocka_unit_test(asks),
        cmocka_unit_test(reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
