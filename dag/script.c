/*
 * script.c - runs of a scanned script: values become assignments in front of its first line.
 *
 * A value stands in '…' there, where the shell gives no character a meaning but the quote itself;
 * a quote becomes '\''. Values that come from secrets are handed over as environment variables
 * instead, so that the text on disk holds none. Scanning is in script_scan.c.
 */
#include "dag/script.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static void add_quoted(struct buf *out, const char *text)
{
    buf_addc(out, '\'');
    for (const char *quote; (quote = strchr(text, '\'')) != NULL; text = quote + 1) {
        buf_add(out, text, (size_t)(quote - text));
        buf_adds(out, "'\\''");
    }
    buf_adds(out, text);
    buf_addc(out, '\'');
}

static bool add_env(const char *name, const struct buf *value, struct arena *a,
                    struct dag_entry *ret, const struct dag_expr *expr, struct err *err)
{
    if (value->len > SCRIPT_ENV_MAX) {
        return err_set(err, ERR_LIMIT,
                       "${{ %.120s }}: a value made from secrets is handed over in the "
                       "environment and may have %d bytes, not %zu",
                       expr->source, SCRIPT_ENV_MAX, value->len);
    }
    ret->key = arena_strdup(a, name);
    ret->value = value_text(arena_strndup(a, buf_str(value), value->len), value->len);
    return true;
}

/* Some shells evaluate operands of -eq and the like as arithmetic, which can run commands. */
static bool is_number(const char *text)
{
    int64_t integer;
    double number;
    return text_int(text, &integer) || text_double(text, &number);
}

/* Evaluates expression `index` to an assignment in `out` or a variable in `vars`. */
static bool add_var(const struct dag_script *script, size_t index, const struct dag_scope *scope,
                    struct arena *a, struct buf *out, struct dag_entry *vars, size_t *var_count,
                    struct err *err)
{
    const struct dag_expr *expr = script->vars[index].expr;
    AUTO_ARENA struct arena scratch = ARENA_INIT;
    AUTO_BUF struct buf text = BUF_INIT(LIMIT_VALUE);
    struct dag_value value;
    if (!dag_expr_eval(expr, scope, &scratch, &value, err) || !dag_value_text(&value, &text, err)) {
        return false;
    }
    if (script->vars[index].numeric && !is_number(buf_str(&text))) {
        return err_set(err, ERR_INVALID,
                       "${{ %.120s }}: the shell compares or calculates with it, so it must be a "
                       "number, but it is '%.60s'",
                       expr->source, expr->secret ? "(hidden)" : buf_str(&text));
    }
    char name[32];
    snprintf(name, sizeof name, SCRIPT_VAR "%zu", index + 1);
    if (expr->secret) {
        return add_env(name, &text, a, &vars[(*var_count)++], expr, err);
    }
    buf_addf(out, "%s=", name);
    add_quoted(out, buf_str(&text));
    buf_adds(out, "; ");
    return true;
}

bool dag_script_eval(const struct dag_script *script, const struct dag_scope *scope,
                     struct arena *a, struct dag_script_run *ret, struct err *err)
{
    AUTO_BUF struct buf out = BUF_INIT(LIMIT_VALUE + strlen(script->source));
    struct dag_entry *vars = arena_array(a, script->count, sizeof *vars);
    size_t var_count = 0;
    buf_adds(&out, script->head);
    for (size_t i = 0; i < script->count; i++) {
        if (!add_var(script, i, scope, a, &out, vars, &var_count, err)) {
            return false;
        }
    }
    buf_add(&out, script->body, script->body_len);
    if (out.full) {
        return err_set(err, ERR_LIMIT, "the script with its values is longer than %ld bytes",
                       (long)LIMIT_VALUE);
    }
    ret->text = arena_strndup(a, buf_str(&out), out.len);
    ret->vars = vars;
    ret->var_count = var_count;
    return true;
}

const char *dag_script_source(const struct dag_script *script)
{
    return script->source;
}
