/*
 * template.c - scalars with ${{ }} in them, and conditions.
 *
 * A scalar is cut into parts once: text, or an expression. A scalar that is exactly one ${{ }}
 * keeps the type of its value, anything else is text. $${{ stands for ${{ itself. Results are never
 * looked at again.
 */
#include "dag/expr_code.h"

#include "base/mem.h"

#include <string.h>

struct part {
    const char *text; /* where `expr` is NULL */
    size_t len;
    const struct dag_expr *expr;
};

struct dag_tmpl {
    const char *source;
    const char *literal; /* the text where there is no expression, else NULL */
    struct part *parts;
    size_t count;
};

struct cutter {
    struct arena *arena;
    const struct expr_source *src;
    const struct expr_names *names;
    struct diags *diags;
    struct part *parts; /* owned */
    size_t count, cap;
    bool failed;
};

static void add_part(struct cutter *c, struct part part)
{
    if (c->count == c->cap) {
        c->cap = c->cap == 0 ? 4 : c->cap * 2;
        c->parts = mem_grow(c->parts, c->cap, sizeof *c->parts);
    }
    c->parts[c->count++] = part;
}

static void add_text(struct cutter *c, size_t from, size_t to)
{
    if (to > from) {
        const char *text = arena_strndup(c->arena, c->src->text + from, to - from);
        add_part(c, (struct part){.text = text, .len = to - from});
    }
}

static bool unclosed(const struct expr_source *src, size_t at, struct diags *diags)
{
    return diag_add(diags, DIAG_ERROR, "expr-syntax", src->pos(src->arg, at), 3,
                    "write $${{ where the text itself is meant",
                    "'${{' is not closed by '}}' (a '}}' inside quotes does not count)");
}

/* The expression that opens at `at`; returns where the text goes on. */
static size_t add_expr(struct cutter *c, size_t at)
{
    size_t from = at + strlen(EXPR_OPEN), to;
    if (!expr_find_end(c->src->text, c->src->len, from, &to)) {
        c->failed = true;
        unclosed(c->src, at, c->diags);
        return c->src->len;
    }
    struct dag_expr *expr = expr_compile(c->arena, c->src, from, to, c->names, c->diags);
    c->failed = c->failed || expr == NULL;
    add_part(c, (struct part){.expr = expr});
    return to + 2;
}

static void cut(struct cutter *c)
{
    const char *text = c->src->text;
    size_t len = c->src->len, from = 0;
    for (size_t at = 0; at < len;) {
        const char *dollar = memchr(text + at, '$', len - at);
        if (dollar == NULL) {
            break;
        }
        at = (size_t)(dollar - text);
        if (expr_starts(text, len, at, EXPR_ESCAPED)) {
            add_text(c, from, at);
            from = at + 1;
            at += strlen(EXPR_ESCAPED);
        } else if (expr_starts(text, len, at, EXPR_OPEN)) {
            add_text(c, from, at);
            from = at = add_expr(c, at);
        } else {
            at++;
        }
    }
    add_text(c, from, len);
}

static const char *join_literal(const struct cutter *c)
{
    AUTO_BUF struct buf out = BUF_INIT(c->src->len + 1);
    for (size_t i = 0; i < c->count; i++) {
        if (c->parts[i].expr != NULL) {
            return NULL;
        }
        buf_add(&out, c->parts[i].text, c->parts[i].len);
    }
    return arena_strndup(c->arena, buf_str(&out), out.len);
}

struct dag_tmpl *expr_template(struct arena *a, const struct expr_source *src,
                               const struct expr_names *names, struct diags *diags)
{
    struct dag_tmpl *ret = arena_alloc(a, sizeof *ret);
    ret->source = arena_strndup(a, src->text, src->len);
    if (memmem(src->text, src->len, EXPR_OPEN, strlen(EXPR_OPEN)) == NULL) {
        ret->literal = ret->source;
        return ret;
    }
    struct cutter c = {.arena = a, .src = src, .names = names, .diags = diags};
    cut(&c);
    if (!c.failed) {
        ret->literal = join_literal(&c);
        ret->parts = arena_array(a, c.count, sizeof *ret->parts);
        ret->count = c.count;
        memcpy(ret->parts, c.parts, c.count * sizeof *c.parts);
    }
    mem_free_ptr(&c.parts);
    return c.failed ? NULL : ret;
}

static bool is_single(const struct dag_tmpl *t)
{
    return t->literal == NULL && t->count == 1;
}

enum dag_type expr_template_type(const struct dag_tmpl *t)
{
    return is_single(t) ? t->parts[0].expr->type : DAG_STRING;
}

bool expr_template_literal(const struct dag_tmpl *t, const char **ret)
{
    if (t->literal != NULL) {
        *ret = t->literal;
    }
    return t->literal != NULL;
}

const char *dag_tmpl_source(const struct dag_tmpl *tmpl)
{
    return tmpl->source;
}

bool dag_tmpl_eval(const struct dag_tmpl *tmpl, const struct dag_scope *scope, struct arena *a,
                   struct dag_value *ret, struct err *err)
{
    if (tmpl->literal != NULL) {
        *ret = dag_string(tmpl->literal);
        return true;
    }
    if (is_single(tmpl)) {
        return dag_expr_eval(tmpl->parts[0].expr, scope, a, ret, err);
    }
    AUTO_BUF struct buf out = BUF_INIT(LIMIT_VALUE);
    for (size_t i = 0; i < tmpl->count; i++) {
        const struct part *part = &tmpl->parts[i];
        AUTO_ARENA struct arena scratch = ARENA_INIT;
        struct dag_value value = {.type = DAG_NULL};
        if (part->expr == NULL) {
            buf_add(&out, part->text, part->len);
        } else if (!dag_expr_eval(part->expr, scope, &scratch, &value, err) ||
                   !dag_value_text(&value, &out, err)) {
            return false;
        }
    }
    if (out.full) {
        return err_set(err, ERR_LIMIT, "the text is longer than %ld bytes", (long)LIMIT_VALUE);
    }
    *ret = value_text(arena_strndup(a, buf_str(&out), out.len), out.len);
    return true;
}

bool dag_tmpl_text(const struct dag_tmpl *tmpl, const struct dag_scope *scope, struct arena *a,
                   const char **ret, struct err *err)
{
    struct dag_value value;
    if (!dag_tmpl_eval(tmpl, scope, a, &value, err)) {
        return false;
    }
    if (value.type == DAG_STRING) {
        *ret = value.u.string.text;
        return true;
    }
    AUTO_BUF struct buf out = BUF_INIT(LIMIT_VALUE);
    if (!dag_value_text(&value, &out, err)) {
        return false;
    }
    *ret = arena_strndup(a, buf_str(&out), out.len);
    return true;
}

/* ---- conditions */

static bool only_blanks(const char *text, size_t from, size_t to)
{
    while (from < to && strchr(" \t\r\n", text[from]) != NULL && text[from] != '\0') {
        from++;
    }
    return from == to;
}

/* The bounds of the expression: of the whole scalar, or of what stands in its one ${{ }}. */
static bool find_bare(const struct expr_source *src, size_t *ret_from, size_t *ret_to,
                      struct diags *diags)
{
    const char *open = memmem(src->text, src->len, EXPR_OPEN, strlen(EXPR_OPEN));
    size_t at = open != NULL ? (size_t)(open - src->text) : 0, end;
    *ret_from = 0;
    *ret_to = src->len;
    if (open == NULL || !only_blanks(src->text, 0, at)) {
        return true; /* a ${{ further on is the lexer's to refuse, or text in quotes */
    }
    *ret_from = at + strlen(EXPR_OPEN);
    if (!expr_find_end(src->text, src->len, *ret_from, ret_to)) {
        return unclosed(src, at, diags);
    }
    end = *ret_to + 2;
    if (!only_blanks(src->text, end, src->len)) {
        return diag_add(diags, DIAG_ERROR, "expr-syntax", src->pos(src->arg, end), 1,
                        "put the whole condition into one ${{ }}, or leave ${{ }} away",
                        "there is text behind the '}}' of a condition");
    }
    return true;
}

static bool type_fits(const struct dag_expr *expr, enum dag_type want)
{
    enum dag_type type = expr->type;
    if (want == DAG_ANY || type == DAG_ANY || type == want) {
        return true;
    }
    if (want == DAG_BOOL && type == DAG_STRING) {
        const struct dag_value *value = expr->literal ? expr->code[0].u.value : NULL;
        return value == NULL || strcmp(value->u.string.text, "true") == 0 ||
               strcmp(value->u.string.text, "false") == 0;
    }
    return want == DAG_NUMBER && type == DAG_INT;
}

struct dag_expr *expr_parse(struct arena *a, const struct expr_source *src,
                            const struct expr_names *names, enum dag_type want, struct diags *diags)
{
    size_t from, to;
    if (!find_bare(src, &from, &to, diags)) {
        return NULL;
    }
    struct dag_expr *expr = expr_compile(a, src, from, to, names, diags);
    if (expr != NULL && !type_fits(expr, want)) {
        diag_add(diags, DIAG_ERROR, "expr-type", src->pos(src->arg, from), 1,
                 want == DAG_BOOL ? "compare it, for example … == 'x' or … > 0" : NULL,
                 "%s is needed here, but the expression is %s", expr_type_phrase(want),
                 expr_type_phrase(expr->type));
        return NULL;
    }
    return expr;
}
