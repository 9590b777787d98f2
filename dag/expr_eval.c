/*
 * expr_eval.c - the stack machine that runs a checked expression (expr_code.h).
 *
 * One handler for each operation. A handler fails with an error; ERR_NOT_FOUND inside a TRY is
 * caught there, anything else ends the evaluation.
 */
#include "dag/expr_code.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct machine {
    struct expr_eval *ev;
    struct dag_value *stack; /* as many as instructions: each pushes one at most */
    uint32_t top, pc;
    uint32_t try_count;
    struct {
        uint32_t handler, top;
    } tries[LIMIT_EXPR_DEPTH + 1]; /* each TRY is one level of nesting */
};

/* ---- errors and budgets */

bool expr_fail(struct expr_eval *ev, enum err_code code, const char *fmt, ...)
{
    char text[sizeof ev->err->msg];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return err_set(ev->err, code, "%s", text);
}

bool expr_work(struct expr_eval *ev, size_t bytes)
{
    ev->work += bytes;
    if (ev->work > EXPR_WORK) {
        return expr_fail(ev, ERR_LIMIT, "the evaluation handles more than %ld bytes",
                         (long)EXPR_WORK);
    }
    return true;
}

bool expr_take(struct expr_eval *ev, size_t bytes)
{
    size_t taken = ev->arena->used - ev->start;
    if (bytes > EXPR_MEMORY || taken > EXPR_MEMORY - bytes) {
        return expr_fail(ev, ERR_LIMIT, "the evaluation needs more than %ld bytes of memory",
                         (long)EXPR_MEMORY);
    }
    return expr_work(ev, bytes);
}

bool expr_give_text(struct expr_eval *ev, const char *text, size_t len, struct dag_value *ret)
{
    if (len > LIMIT_VALUE) {
        return expr_fail(ev, ERR_LIMIT, "the text is longer than %ld bytes", (long)LIMIT_VALUE);
    }
    if (!expr_take(ev, len + 1)) {
        return false;
    }
    *ret = value_text(arena_strndup(ev->arena, text, len), len);
    return true;
}

#define SHOWN 60

const char *expr_show(struct expr_eval *ev, const struct dag_value *value)
{
    if (ev->expr->secret) {
        return "(hidden)";
    }
    if (value->type == DAG_LIST || value->type == DAG_MAP) {
        return "the value";
    }
    AUTO_BUF struct buf text = BUF_INIT(SHOWN);
    bool whole = dag_value_to_json(value, &text, NULL);
    if (value->type != DAG_STRING) {
        return arena_strdup(ev->arena, buf_str(&text));
    }
    size_t len = value->u.string.len < SHOWN ? value->u.string.len : SHOWN;
    while (len < value->u.string.len && len > 0 &&
           (value->u.string.text[len] & 0xC0) == 0x80) { /* never half a character */
        len--;
    }
    (void)whole;
    return arena_printf(ev->arena, "'%.*s%s'", (int)len, value->u.string.text,
                        len < value->u.string.len ? "…" : "");
}

static const char *part_text(const struct machine *m, const struct expr_ins *ins)
{
    return m->ev->expr->source + ins->from;
}

static int part_len(const struct expr_ins *ins)
{
    return (int)(ins->to - ins->from < 2 * SHOWN ? ins->to - ins->from : 2 * SHOWN);
}

/* ---- operations */

static bool push(struct machine *m, struct dag_value value)
{
    m->stack[m->top++] = value;
    return true;
}

static struct dag_value *top(struct machine *m)
{
    return &m->stack[m->top - 1];
}

static bool op_value(struct machine *m, const struct expr_ins *ins)
{
    return push(m, *ins->u.value);
}

static bool op_ref(struct machine *m, const struct expr_ins *ins)
{
    struct expr_eval *ev = m->ev;
    struct dag_value value = {.type = DAG_NULL};
    if (ev->scope->get(ev->scope->arg, ins->u.ref, ev->arena, &value, ev->err)) {
        return push(m, value);
    }
    if (ev->err->msg[0] == '\0') {
        expr_fail(ev, ev->err->code, "%.*s has no value", part_len(ins), part_text(m, ins));
    }
    if (ev->err->code == ERR_NONE) {
        ev->err->code = ERR_INVALID;
    }
    if (ev->err->code == ERR_NOT_FOUND && m->try_count == 0 &&
        strstr(ev->err->msg, "default(") == NULL) {
        struct err first = *ev->err;
        expr_fail(ev, ERR_NOT_FOUND, "%.600s; use default(%.*s, …) where it may be missing",
                  first.msg, part_len(ins), part_text(m, ins));
    }
    return false;
}

static bool op_question(struct machine *m, const struct expr_ins *ins)
{
    const struct dag_scope *scope = m->ev->scope;
    if (scope->ask == NULL) {
        return expr_fail(m->ev, ERR_INVALID, "%.*s may stand only in if:", part_len(ins),
                         part_text(m, ins));
    }
    return push(m, dag_bool(scope->ask(scope->arg, ins->u.question)));
}

static size_t size_of(const struct dag_value *value)
{
    return value->type == DAG_STRING ? value->u.string.len
           : value->type == DAG_LIST ? value->u.list.count * sizeof *value
           : value->type == DAG_MAP  ? value->u.map.count * sizeof(struct dag_entry)
                                     : 0;
}

static bool op_call(struct machine *m, const struct expr_ins *ins)
{
    const struct expr_func *func = ins->u.func;
    const struct dag_value *args = m->stack + m->top - ins->arg;
    for (uint32_t i = 0; i < ins->arg; i++) {
        if (!expr_fits(func, i, args[i].type)) {
            AUTO_BUF struct buf wanted = BUF_INIT(200);
            expr_wanted(func, i, &wanted);
            return expr_fail(m->ev, ERR_INVALID, "argument %u of %s must be %s, but %s is %s",
                             i + 1, func->name, buf_str(&wanted), expr_show(m->ev, &args[i]),
                             expr_type_phrase(args[i].type));
        }
        if (!expr_work(m->ev, size_of(&args[i]))) {
            return false;
        }
    }
    struct dag_value ret = {.type = DAG_NULL};
    struct expr_call call = {m->ev, args, ins->arg, &ret};
    if (!func->run(&call)) {
        return false;
    }
    m->top -= ins->arg;
    return push(m, ret);
}

static bool op_list(struct machine *m, const struct expr_ins *ins)
{
    if (!expr_take(m->ev, ins->arg * sizeof(struct dag_value))) {
        return false;
    }
    struct dag_value *items = arena_array(m->ev->arena, ins->arg, sizeof *items);
    m->top -= ins->arg;
    memcpy(items, m->stack + m->top, ins->arg * sizeof *items);
    return push(m, (struct dag_value){.type = DAG_LIST, .u.list = {items, ins->arg}});
}

static bool op_index(struct machine *m, const struct expr_ins *ins)
{
    (void)ins;
    struct dag_value part;
    if (!expr_index(m->ev, &m->stack[m->top - 2], top(m), &part)) {
        return false;
    }
    m->top -= 2;
    return push(m, part);
}

static bool op_binary(struct machine *m, const struct expr_ins *ins)
{
    struct dag_value ret;
    if (!expr_binary_value(m->ev, ins->u.symbol, &m->stack[m->top - 2], top(m), &ret)) {
        return false;
    }
    m->top -= 2;
    return push(m, ret);
}

static bool op_minus(struct machine *m, const struct expr_ins *ins)
{
    (void)ins;
    struct dag_value ret;
    if (!expr_minus(m->ev, top(m), &ret)) {
        return false;
    }
    *top(m) = ret;
    return true;
}

static bool op_bool(struct machine *m, const struct expr_ins *ins)
{
    if (top(m)->type != DAG_BOOL) {
        return expr_fail(m->ev, ERR_INVALID, "%.*s must be a boolean, but %s is %s", part_len(ins),
                         part_text(m, ins), expr_show(m->ev, top(m)),
                         expr_type_phrase(top(m)->type));
    }
    return true;
}

static bool op_not(struct machine *m, const struct expr_ins *ins)
{
    if (!op_bool(m, ins)) {
        return false;
    }
    top(m)->u.boolean = !top(m)->u.boolean;
    return true;
}

static bool jump_if(struct machine *m, const struct expr_ins *ins, bool value)
{
    if (!op_bool(m, ins)) {
        return false;
    }
    if (top(m)->u.boolean == value) {
        m->pc = ins->arg;
    } else {
        m->top--;
    }
    return true;
}

static bool op_and(struct machine *m, const struct expr_ins *ins)
{
    return jump_if(m, ins, false);
}

static bool op_or(struct machine *m, const struct expr_ins *ins)
{
    return jump_if(m, ins, true);
}

static bool op_branch(struct machine *m, const struct expr_ins *ins)
{
    if (!op_bool(m, ins)) {
        return false;
    }
    m->pc = top(m)->u.boolean ? m->pc : ins->arg;
    m->top--;
    return true;
}

static bool op_jump(struct machine *m, const struct expr_ins *ins)
{
    m->pc = ins->arg;
    return true;
}

static bool op_try(struct machine *m, const struct expr_ins *ins)
{
    m->tries[m->try_count].handler = ins->arg;
    m->tries[m->try_count++].top = m->top;
    return true;
}

static bool op_end_try(struct machine *m, const struct expr_ins *ins)
{
    (void)ins;
    m->try_count--;
    return true;
}

static bool op_coalesce(struct machine *m, const struct expr_ins *ins)
{
    if (top(m)->type == DAG_NULL) {
        m->top--;
    } else {
        m->pc = ins->arg;
    }
    return true;
}

static bool (*const ops[OP_COUNT])(struct machine *m, const struct expr_ins *ins) = {
    [OP_VALUE] = op_value,     [OP_REF] = op_ref,           [OP_QUESTION] = op_question,
    [OP_CALL] = op_call,       [OP_LIST] = op_list,         [OP_INDEX] = op_index,
    [OP_NOT] = op_not,         [OP_MINUS] = op_minus,       [OP_BINARY] = op_binary,
    [OP_BOOL] = op_bool,       [OP_AND] = op_and,           [OP_OR] = op_or,
    [OP_BRANCH] = op_branch,   [OP_JUMP] = op_jump,         [OP_TRY] = op_try,
    [OP_END_TRY] = op_end_try, [OP_COALESCE] = op_coalesce,
};

/* ---- running */

/* A missing value inside a TRY: back to its handler. */
static bool caught(struct machine *m)
{
    if (m->ev->err->code != ERR_NOT_FOUND || m->try_count == 0) {
        return false;
    }
    m->try_count--;
    m->top = m->tries[m->try_count].top;
    m->pc = m->tries[m->try_count].handler;
    *m->ev->err = ERR_INIT;
    return true;
}

static bool run(struct machine *m)
{
    const struct dag_expr *expr = m->ev->expr;
    while (m->pc < expr->count) {
        const struct expr_ins *ins = &expr->code[m->pc++];
        if (!ops[ins->op](m, ins) && !caught(m)) {
            return false;
        }
    }
    return true;
}

bool dag_expr_eval(const struct dag_expr *expr, const struct dag_scope *scope, struct arena *a,
                   struct dag_value *ret, struct err *err)
{
    struct err why = ERR_INIT; /* the caller's may be NULL */
    struct expr_eval ev = {expr, scope, a, &why, 0, a->used};
    AUTO_FREE struct dag_value *stack = mem_array(expr->count, sizeof *stack);
    struct machine machine = {.ev = &ev, .stack = stack};
    if (!run(&machine)) {
        int shown = strlen(expr->source) > 2 * SHOWN ? 2 * SHOWN : (int)strlen(expr->source);
        err_wrap(&why, "${{ %.*s%s }}", shown, expr->source,
                 expr->source[shown] != '\0' ? "…" : "");
        if (err != NULL) {
            *err = why;
        }
        return false;
    }
    *ret = stack[0];
    return true;
}

bool dag_condition_eval(const struct dag_expr *expr, const struct dag_scope *scope, bool *ret,
                        struct err *err)
{
    AUTO_ARENA struct arena arena = ARENA_INIT;
    struct dag_value value;
    if (!dag_expr_eval(expr, scope, &arena, &value, err)) {
        return false;
    }
    if (value.type == DAG_BOOL) {
        *ret = value.u.boolean;
        return true;
    }
    bool text = value.type == DAG_STRING;
    bool yes = text && strcmp(value.u.string.text, "true") == 0;
    if (!yes && !(text && strcmp(value.u.string.text, "false") == 0)) {
        struct expr_eval ev = {.expr = expr, .arena = &arena};
        return err_set(err, ERR_INVALID,
                       "${{ %.120s }}: a condition is a boolean, or a string that is exactly true "
                       "or false; %s is %s",
                       expr->source, expr_show(&ev, &value), expr_type_phrase(value.type));
    }
    *ret = yes;
    return true;
}

const char *dag_expr_source(const struct dag_expr *expr)
{
    return expr->source;
}

bool expr_asks(const struct dag_expr *expr)
{
    return expr->asks;
}

enum dag_type expr_type(const struct dag_expr *expr)
{
    return expr->type;
}
