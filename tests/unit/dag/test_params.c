/*
 * test_params.c - values for parameters: -p, a params file, a record.
 */
#include "dag/dag.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char pipeline[] = "name: t\n"
                               "params:\n"
                               "  days: {type: integer, default: 14, min: 1, max: 30}\n"
                               "  rate: 0.5\n"
                               "  algo: {enum: [rf, gbm], default: rf}\n"
                               "  flag: false\n"
                               "  cols: [a, b]\n"
                               "  more: {type: map, default: {x: 1}}\n"
                               "  name: {type: string, pattern: '[a-z]{1,8}', help: The line}\n"
                               "steps: {a: {run: x}}\n";

enum { DAYS, RATE, ALGO, FLAG, COLS, MORE, NAME };

static struct dag_pipeline *open_pipeline(void)
{
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, "t");
    struct dag_pipeline *p = dag_parse("t", pipeline, strlen(pipeline), &diags);
    assert_non_null(p);
    return p;
}

static const struct dag_value *bind(const struct dag_pipeline *p, const struct dag_given *given,
                                    size_t count, const char *file, struct arena *a,
                                    struct diags *diags)
{
    diags_init(diags, file != NULL ? "p.yaml" : "-p");
    return dag_bind_params(p, given, count, "p.yaml", file, file != NULL ? strlen(file) : 0, a,
                           diags);
}

static void test_good(void **state)
{
    static const struct dag_given given[] = {
        {"days", "7"},      {"name", "wrong1"},          {"name", "line"},
        {"cols", "[1, c]"}, {"more", "{\"y\": [2, 3]}"}, {"rate", "2"},
    };
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_DIAGS struct diags diags;
    (void)state;
    struct dag_pipeline *p = open_pipeline();
    const struct dag_value *v =
        bind(p, given, COUNT_OF(given), "days: 9\nflag: true\nalgo: gbm\n", &a, &diags);
    assert_non_null(v);
    assert_int_equal(v[DAYS].u.integer, 7); /* -p wins over the file */
    assert_true(v[RATE].type == DAG_NUMBER && v[RATE].u.number == 2);
    assert_string_equal(v[ALGO].u.string.text, "gbm");
    assert_true(v[FLAG].u.boolean);
    assert_int_equal(v[COLS].u.list.items[0].u.integer, 1);
    assert_string_equal(v[MORE].u.map.entries[0].key, "y");
    assert_string_equal(v[NAME].u.string.text, "line"); /* the later one */
    dag_free(p);
}

static void test_bad(void **state)
{
    static const struct {
        const char *name, *text, *file, *code, *hint;
    } rows[] = {
        {"name", "LINE", NULL, "param-value", NULL},
        {"name", "abcdefghi", NULL, "param-value", NULL},
        {"name", "ok\xff", NULL, "param-type", NULL},
        {"days", "seven", NULL, "param-type", "whole number"},
        {"days", "7.5", NULL, "param-type", NULL},
        {"days", "99999999999999999999", NULL, "param-type", NULL},
        {"days", "31", NULL, "param-value", NULL},
        {"days", "0", NULL, "param-value", NULL},
        {"rate", "nan", NULL, "param-type", NULL},
        {"flag", "yes", NULL, "param-type", "true or false"},
        {"algo", "gbn", NULL, "param-value", "gbm"},
        {"cols", "a,b", NULL, "param-type", "list"},
        {"cols", "[a", NULL, "param-type", "list"},
        {"more", "[1]", NULL, "param-type", NULL},
        {"dayz", "7", NULL, "param-unknown", "days"},
        {NULL, NULL, "day: 7\n", "param-unknown", "days"},
        {NULL, NULL, "days: '7'\n", "param-type", NULL},
        {NULL, NULL, "days: .inf\n", "number", NULL},
        {NULL, NULL, "algo: 5\n", "param-type", "quotes"},
        {NULL, NULL, "- days\n", "type", NULL},
        {NULL, NULL, "{\"days\": 1, \"days\": 2}", "duplicate-key", NULL},
        {NULL, NULL, "{\"days\": ", "yaml", NULL},
        {NULL, NULL, "", "empty", NULL},
    };
    (void)state;
    struct dag_pipeline *p = open_pipeline();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_ARENA struct arena a = ARENA_INIT;
        AUTO_DIAGS struct diags diags;
        struct dag_given given[] = {{"name", "line"}, {rows[i].name, rows[i].text}};
        size_t count = rows[i].name != NULL ? 2 : 1;
        assert_null(bind(p, given, count, rows[i].file, &a, &diags));
        assert_int_equal(diags.errors, 1);
        assert_string_equal(diags.items[0].code, rows[i].code);
        if (rows[i].hint != NULL) {
            assert_non_null(diags.items[0].hint);
            assert_non_null(strstr(diags.items[0].hint, rows[i].hint));
        }
    }
    dag_free(p);
}

static void test_missing(void **state)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_DIAGS struct diags diags;
    (void)state;
    struct dag_pipeline *p = open_pipeline();
    assert_null(bind(p, NULL, 0, NULL, &a, &diags));
    assert_string_equal(diags.items[0].code, "param-missing");
    assert_non_null(strstr(diags.items[0].hint, "-p name="));
    dag_free(p);
}

static void test_record(void **state)
{
    static const struct {
        const char *json;
        bool ok;
    } rows[] = {
        {"{\"name\":\"line\",\"days\":3,\"rate\":1}", true},
        {"{\"name\":\"line\"}", true},
        {"{}", false},
        {"{\"name\":\"LINE\"}", false},
        {"{\"name\":\"line\",\"x\":1}", false},
        {"{\"name\":\"line\",\"days\":\"3\"}", false},
        {"[]", false},
        {"{", false},
    };
    AUTO_ARENA struct arena a = ARENA_INIT;
    (void)state;
    struct dag_pipeline *p = open_pipeline();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct err err = ERR_INIT;
        const struct dag_value *v = dag_bind_json(p, rows[i].json, strlen(rows[i].json), &a, &err);
        assert_int_equal(v != NULL, rows[i].ok);
        assert_int_equal(err.code != ERR_NONE, !rows[i].ok);
        if (v != NULL) {
            assert_true(v[RATE].type == DAG_NUMBER);
            assert_string_equal(v[NAME].u.string.text, "line");
        }
    }
    dag_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
