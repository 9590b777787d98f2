/*
 * expr_call.c - calls of functions: number and types of arguments, and the forms that do not
 * evaluate all of them.
 */
#include "dag/expr_parse.h"

#include "base/mem.h"

#include <stdio.h>

#define CALL_ARGS 101 /* the most arguments a row of the function table takes, and one */

struct args {
    const struct expr_func *func;
    uint32_t count;
    struct part parts[CALL_ARGS];
};

static void keep_arg(struct args *args, struct part part)
{
    if (args->count < CALL_ARGS) {
        args->parts[args->count] = part;
    }
    args->count++;
}

static void parse_args(struct parser *p, struct args *args)
{
    if (parse_at(p, SYM_CLOSE)) {
        return;
    }
    do {
        keep_arg(args, parse_choice(p));
    } while (parse_take(p, SYM_COMMA) && !p->failed);
}

static void parse_default(struct parser *p, struct args *args)
{
    struct part here = {DAG_ANY, p->tok.from, p->tok.to};
    uint32_t try = parse_emit_op(p, OP_TRY, here);
    keep_arg(args, parse_choice(p));
    parse_emit_op(p, OP_END_TRY, here);
    uint32_t jump = parse_emit_op(p, OP_JUMP, here);
    parse_land(p, try);
    if (parse_take(p, SYM_COMMA)) {
        parse_args(p, args);
    }
    parse_land(p, jump);
}

/* The last argument stands for itself: its TRY becomes a jump to the next instruction. */
static void parse_coalesce(struct parser *p, struct args *args)
{
    uint32_t jumps[CALL_ARGS], count = 0;
    for (bool more = true; more && !p->failed;) {
        struct part here = {DAG_ANY, p->tok.from, p->tok.to};
        uint32_t try = parse_emit_op(p, OP_TRY, here);
        keep_arg(args, parse_choice(p));
        more = parse_take(p, SYM_COMMA) && args->count < CALL_ARGS;
        if (more) {
            parse_emit_op(p, OP_END_TRY, here);
            jumps[count++] = parse_emit_op(p, OP_COALESCE, here);
            parse_land(p, try);
        } else if (!p->failed) {
            p->code[try].op = OP_JUMP;
            p->code[try].arg = try + 1;
        }
    }
    while (count > 0) {
        parse_land(p, jumps[--count]);
    }
}

static bool check_count(struct parser *p, const struct args *args, struct part whole)
{
    const struct expr_func *func = args->func;
    if (args->count >= func->min && args->count <= func->max) {
        return true;
    }
    p->wrong = true;
    AUTO_FREE char *hint = mem_printf("%s(%s): %s", func->name, func->params, func->help);
    char wanted[32];
    snprintf(wanted, sizeof wanted, func->min == func->max ? "%u" : "%u to %u", func->min,
             func->max);
    return expr_error(&p->lexer.place, "expr-call", whole.from, whole.to, hint,
                      "%s takes %s argument%s, not %u", func->name, wanted,
                      func->max == 1 ? "" : "s", args->count);
}

static void check_types(struct parser *p, const struct args *args)
{
    for (uint32_t i = 0; i < args->count; i++) {
        struct part arg = args->parts[i];
        if (expr_fits(args->func, i, arg.type)) {
            continue;
        }
        p->wrong = true;
        AUTO_BUF struct buf wanted = BUF_INIT(200);
        expr_wanted(args->func, i, &wanted);
        expr_error(&p->lexer.place, "expr-type", arg.from, arg.to, NULL,
                   "argument %u of %s must be %s, but %.*s is %s", i + 1, args->func->name,
                   buf_str(&wanted), parse_shown(arg), parse_start(p, arg),
                   expr_type_phrase(arg.type));
    }
}

/* The type of default() and coalesce(): the common one of their arguments. */
static enum dag_type common_type(struct parser *p, const struct args *args)
{
    enum dag_type type = args->parts[0].type;
    for (uint32_t i = 1; i < args->count; i++) {
        if (!expr_unify(type, args->parts[i].type, &type)) {
            AUTO_FREE char *why = mem_printf("the arguments of %s have one type", args->func->name);
            parse_pair_error(p, why, args->parts[0], args->parts[i]);
            return DAG_ANY;
        }
    }
    return type;
}

static enum dag_type finish_call(struct parser *p, const struct args *args, struct part whole)
{
    const struct expr_func *func = args->func;
    if (!check_count(p, args, whole)) {
        return DAG_ANY;
    }
    check_types(p, args);
    if (func->form == FORM_DEFAULT || func->form == FORM_COALESCE) {
        return common_type(p, args);
    }
    if (func->form == FORM_QUESTION) {
        p->asks = true;
        parse_emit(p, (struct expr_ins){.op = OP_QUESTION, .u.question = func->question}, whole);
        if (!p->names->allow_questions) {
            p->wrong = true;
            expr_error(&p->lexer.place, "expr-call", whole.from, whole.to,
                       "elsewhere a step's state is steps.NAME.status",
                       "%s() may stand only in if:", func->name);
        }
        return func->type;
    }
    parse_emit(p, (struct expr_ins){.op = OP_CALL, .arg = args->count, .u.func = func}, whole);
    enum dag_type types[CALL_ARGS];
    for (uint32_t i = 0; i < args->count; i++) {
        types[i] = args->parts[i].type;
    }
    return expr_call_type(func, types, args->count);
}

static void unknown_function(struct parser *p, struct expr_token name)
{
    const char *near = expr_nearest_func(name.name);
    AUTO_FREE char *hint = near != NULL
                               ? mem_printf("did you mean '%s'?", near)
                               : mem_printf("the functions are listed in docs/expressions.md");
    p->wrong = true;
    expr_error(&p->lexer.place, "expr-function", name.from, name.to, hint, "unknown function '%s'",
               name.name);
}

struct part parse_call(struct parser *p, struct expr_token name)
{
    struct args args = {.func = expr_find_func(name.name)};
    enum expr_form form = args.func != NULL ? args.func->form : FORM_PLAIN;
    if (args.func == NULL) {
        unknown_function(p, name);
    }
    if (form == FORM_DEFAULT && !parse_at(p, SYM_CLOSE)) {
        parse_default(p, &args);
    } else if (form == FORM_COALESCE && !parse_at(p, SYM_CLOSE)) {
        parse_coalesce(p, &args);
    } else {
        parse_args(p, &args);
    }
    parse_expect(p, SYM_CLOSE, "',' or ')'");
    struct part whole = {DAG_ANY, name.from, p->last};
    if (args.func != NULL && !p->failed) {
        whole.type = finish_call(p, &args, whole);
    }
    return whole;
}
