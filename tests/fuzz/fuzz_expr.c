/*
 * fuzz_expr.c - any text as an expression, a template, a condition and JSON: never a crash, and a
 * value that has the type which checking promised.
 */
#include "tests/unit/dag/expr_world.h"

#include "base/limits.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is printed as JSON reads back as the same value. */
static void round_trip(const struct dag_value *value, struct arena *a)
{
    AUTO_BUF struct buf json = BUF_INIT(LIMIT_VALUE);
    struct dag_value again;
    if (!dag_value_to_json(value, &json, NULL)) {
        return;
    }
    struct err err = ERR_INIT;
    if (!dag_value_from_json(buf_str(&json), json.len, a, &again, &err)) {
        if (err.code != ERR_LIMIT) {
            abort();
        }
    } else if (!dag_value_equal(value, &again)) {
        abort();
    }
}

static void as_expr(const struct expr_source *src)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, "x");
    struct dag_expr *expr = expr_parse(&a, src, &world, DAG_ANY, &diags);
    struct err err = ERR_INIT;
    struct dag_value value;
    if ((expr == NULL) != (diags.errors > 0)) {
        abort();
    }
    if (expr == NULL || !dag_expr_eval(expr, &world_scope, &a, &value, &err)) {
        return;
    }
    enum dag_type type = expr_type(expr);
    if (type != DAG_ANY && type != value.type && !(type == DAG_NUMBER && value.type == DAG_INT)) {
        abort();
    }
    round_trip(&value, &a);
}

static void as_template(const struct expr_source *src)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, "x");
    struct dag_tmpl *tmpl = expr_template(&a, src, &world, &diags);
    const char *text;
    if ((tmpl == NULL) != (diags.errors > 0)) {
        abort();
    }
    if (tmpl != NULL && dag_tmpl_text(tmpl, &world_scope, &a, &text, NULL) && text == NULL) {
        abort();
    }
}

static void as_json(const char *text, size_t size)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct dag_value value;
    if (dag_value_from_json(text, size, &a, &value, NULL)) {
        round_trip(&value, &a);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = mem_strndup((const char *)data, size);
    struct expr_source src = {text, strlen(text), world_pos, NULL};
    as_expr(&src);
    as_template(&src);
    as_json(text, src.len);
    return 0;
}
