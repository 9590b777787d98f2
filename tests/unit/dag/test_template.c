/*
 * test_template.c - scalars with ${{ }}: types kept, escapes, errors with places.
 */
#include "tests/unit/dag/expr_world.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct result {
    bool parsed, done, literal;
    enum dag_type type;
    char json[200], text[200], error[1000];
    unsigned column;
};

static struct result evaluate(const char *text)
{
    struct result r = {0};
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, "x");
    struct expr_source src = world_source(text);
    struct dag_tmpl *tmpl = expr_template(&a, &src, &world, &diags);
    assert_true((tmpl == NULL) == (diags.errors > 0));
    r.parsed = tmpl != NULL;
    if (tmpl == NULL) {
        r.column = diags.items[0].pos.column;
        snprintf(r.error, sizeof r.error, "%s", diags.items[0].message);
        return r;
    }
    assert_string_equal(dag_tmpl_source(tmpl), text);
    r.type = expr_template_type(tmpl);
    const char *literal = NULL, *out;
    r.literal = expr_template_literal(tmpl, &literal);
    struct dag_value value;
    struct err err = ERR_INIT;
    AUTO_BUF struct buf json = BUF_INIT(sizeof r.json - 1);
    r.done = dag_tmpl_eval(tmpl, &world_scope, &a, &value, &err);
    if (!r.done) {
        snprintf(r.error, sizeof r.error, "%s", err.msg);
        return r;
    }
    assert_true(dag_value_to_json(&value, &json, NULL));
    assert_true(dag_tmpl_text(tmpl, &world_scope, &a, &out, NULL));
    snprintf(r.json, sizeof r.json, "%s", buf_str(&json));
    snprintf(r.text, sizeof r.text, "%s", out);
    if (r.literal) {
        assert_string_equal(literal, out);
    }
    return r;
}

static void values(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        bool literal;
        enum dag_type type;
        const char *json, *text;
    } cases[] = {
        {"", true, DAG_STRING, "\"\"", ""},
        {"plain", true, DAG_STRING, "\"plain\"", "plain"},
        {"$HOME ${x} {{ }} $$", true, DAG_STRING, "\"$HOME ${x} {{ }} $$\"", "$HOME ${x} {{ }} $$"},
        {"${{ params.days }}", false, DAG_INT, "14", "14"},
        {"${{params.days}}", false, DAG_INT, "14", "14"},
        {"${{ params.list }}", false, DAG_LIST, "[1,2,3]", "[1,2,3]"},
        {"${{ null }}", false, DAG_NULL, "null", ""},
        {"${{ matrix.depth }}", false, DAG_ANY, "8", "8"},
        {" ${{ params.days }}", false, DAG_STRING, "\" 14\"", " 14"},
        {"a${{ params.days }}b${{ params.flag }}", false, DAG_STRING, "\"a14btrue\"", "a14btrue"},
        {"${{ 1 }}${{ 2 }}", false, DAG_STRING, "\"12\"", "12"},
        {"$${{ params.days }}", true, DAG_STRING, "\"${{ params.days }}\"", "${{ params.days }}"},
        {"$${{ 1 }} ${{ 1 }}", false, DAG_STRING, "\"${{ 1 }} 1\"", "${{ 1 }} 1"},
        {"$$${{ 1 }}", true, DAG_STRING, "\"$${{ 1 }}\"", "$${{ 1 }}"},
        {"${{ '}}' }}x", false, DAG_STRING, "\"}}x\"", "}}x"},
        {"${{ \"a'}}\" + '\"}}' }}", false, DAG_STRING, "\"a'}}\\\"}}\"", "a'}}\"}}"},
        {"it's ${{ 'x' }}", false, DAG_STRING, "\"it's x\"", "it's x"},
        {"${{ '$' + '{{ params.days }' + '}' }}", false, DAG_STRING, "\"${{ params.days }}\"",
         "${{ params.days }}"},
        {"${{\n  params.days\n  + 1\n}}", false, DAG_INT, "15", "15"},
        {"Grün ${{ 'ä' }}", false, DAG_STRING, "\"Grün ä\"", "Grün ä"},
        {"}} ${{ 1 }} }}", false, DAG_STRING, "\"}} 1 }}\"", "}} 1 }}"},
        {"${{ secrets.TOKEN }}", false, DAG_STRING, "\"s3cret-value\"", "s3cret-value"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct result r = evaluate(cases[i].source);
        if (!r.done) {
            fail_msg("%s: %s", cases[i].source, r.error);
        }
        assert_int_equal(r.literal, cases[i].literal);
        assert_int_equal(r.type, cases[i].type);
        assert_string_equal(r.json, cases[i].json);
        assert_string_equal(r.text, cases[i].text);
    }
}

static void errors(void **state)
{
    (void)state;
    static const struct {
        const char *source, *error;
        unsigned column;
    } cases[] = {
        {"ab ${{ params.days", "not closed", 4},
        {"ab ${{ params.days }", "not closed", 4},
        {"${{ 'a }}", "not closed", 1},
        {"${{ }}", "empty", 5},
        {"${{}}", "empty", 4},
        {"x ${{ params.nope }}", "no 'nope'", 7},
        {"x ${{ 1 }} ${{ params.nope }}", "no 'nope'", 16},
        {"Grün ${{ 1 + }}", "ends where a value", 14},
        {"${{ 1 + 'a' }}", "'+' adds", 5},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct result r = evaluate(cases[i].source);
        assert_false(r.parsed);
        if (strstr(r.error, cases[i].error) == NULL || r.column != cases[i].column) {
            fail_msg("%s: %u: %s", cases[i].source, r.column, r.error);
        }
    }
}

static void fails_at_run_time(void **state)
{
    (void)state;
    struct result r = evaluate("x=${{ steps.train.outputs.missing }}");
    assert_true(r.parsed && !r.done);
    assert_string_equal(
        r.error, "${{ steps.train.outputs.missing }}: steps.train.outputs.missing was not "
                 "written by step 'train'; use default(steps.train.outputs.missing, …) where "
                 "it may be missing");
}

/* Each part is bounded, and so is the whole. */
static void large(void **state)
{
    (void)state;
    AUTO_FREE char *value = mem_alloc((9U << 20) + 1);
    memset(value, 'x', 9U << 20);
    world_value = value;
    struct result r = evaluate("${{ params.v }}${{ params.v }}");
    world_value = "";
    assert_true(r.parsed && !r.done);
    assert_non_null(strstr(r.error, "longer than"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(errors),
        cmocka_unit_test(fails_at_run_time),
        cmocka_unit_test(large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
