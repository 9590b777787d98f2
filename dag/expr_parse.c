/*
 * expr_parse.c - from text to a checked program (expr_code.h): precedence climbing; what is parsed
 * is typed and emitted at once.
 *
 * Recursion is bounded by LIMIT_EXPR_DEPTH: each bracket, call, sign and branch of ?: counts one.
 * A syntax error ends the work (`failed`); a wrong name or type is reported and counts as DAG_ANY
 * from there on, so that further ones are found too (`wrong`).
 */
#include "dag/expr_code.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

struct parser {
    struct expr_lexer lexer;
    struct expr_token tok; /* the one to be looked at */
    uint32_t last;         /* where the one before it ended */
    const struct expr_names *names;
    struct expr_ins *code; /* owned */
    uint32_t count, cap;
    int depth;
    bool failed, wrong;
    bool asks, secret;
};

/* What was parsed: its type and its text. */
struct part {
    enum dag_type type;
    uint32_t from, to;
};

#define CALL_ARGS 101 /* the most arguments a row of the function table takes, and one */

static struct part parse_choice(struct parser *p);

/* ---- reading and emitting
 * ------------------------------------------------------------------------------------
 */

static void advance_by(struct parser *p, struct expr_token (*lex)(struct expr_lexer *l))
{
    p->last = p->tok.to;
    p->tok = p->failed ? (struct expr_token){.kind = TOKEN_END} : lex(&p->lexer);
    if (p->tok.kind == TOKEN_BAD) {
        p->failed = true;
        p->tok.kind = TOKEN_END;
    }
}

static void advance(struct parser *p)
{
    advance_by(p, expr_lex);
}

static bool at_symbol(const struct parser *p, enum expr_symbol symbol)
{
    return p->tok.kind == TOKEN_OP && p->tok.symbol == symbol;
}

static bool take_symbol(struct parser *p, enum expr_symbol symbol)
{
    if (!at_symbol(p, symbol)) {
        return false;
    }
    advance(p);
    return true;
}

static void unexpected(struct parser *p, const char *wanted)
{
    if (p->failed) {
        return;
    }
    p->failed = true;
    if (p->tok.kind == TOKEN_END) {
        expr_error(&p->lexer.place, "expr-syntax", p->lexer.len, p->lexer.len, NULL,
                   "the expression ends where %s is expected", wanted);
        return;
    }
    const char *word = p->tok.kind == TOKEN_NAME ? p->tok.name : "";
    const char *hint = strcmp(word, "and") == 0   ? "'and' is written &&"
                       : strcmp(word, "or") == 0  ? "'or' is written ||"
                       : strcmp(word, "not") == 0 ? "'not' is written !"
                       : strcmp(word, "if") == 0 || strcmp(word, "else") == 0
                           ? "a choice is written condition ? this : that"
                           : NULL;
    expr_error(&p->lexer.place, "expr-syntax", p->tok.from, p->tok.to, hint,
               "'%.*s' stands where %s is expected", (int)(p->tok.to - p->tok.from),
               p->lexer.text + p->tok.from, wanted);
}

static void expect(struct parser *p, enum expr_symbol symbol, const char *wanted)
{
    if (!take_symbol(p, symbol)) {
        unexpected(p, wanted);
    }
}

/* Returns the instruction's index, for jumps to be given their target. */
static uint32_t emit(struct parser *p, struct expr_ins ins, struct part part)
{
    if (p->count >= LIMIT_EXPR_NODES && !p->failed) {
        p->failed = true;
        expr_error(&p->lexer.place, "expr-limit", part.from, part.to, "split it over several steps",
                   "the expression has more than %d parts", LIMIT_EXPR_NODES);
    }
    if (p->failed) {
        return 0;
    }
    if (p->count == p->cap) {
        p->cap = p->cap == 0 ? 16 : p->cap * 2;
        p->code = mem_grow(p->code, p->cap, sizeof *p->code);
    }
    ins.from = part.from;
    ins.to = part.to;
    p->code[p->count] = ins;
    return p->count++;
}

static uint32_t emit_op(struct parser *p, enum expr_op op, struct part part)
{
    return emit(p, (struct expr_ins){.op = op}, part);
}

static void land(struct parser *p, uint32_t jump)
{
    if (!p->failed) {
        p->code[jump].arg = p->count;
    }
}

static void emit_value(struct parser *p, struct dag_value value, struct part part)
{
    struct dag_value *copy = arena_alloc(p->lexer.arena, sizeof *copy);
    *copy = value;
    emit(p, (struct expr_ins){.op = OP_VALUE, .u.value = copy}, part);
}

static bool enter(struct parser *p)
{
    if (++p->depth > LIMIT_EXPR_DEPTH && !p->failed) {
        p->failed = true;
        expr_error(&p->lexer.place, "expr-limit", p->tok.from, p->tok.to, NULL,
                   "the expression nests deeper than %d", LIMIT_EXPR_DEPTH);
    }
    return !p->failed;
}

/* ---- complaints
 * -----------------------------------------------------------------------------------------------
 */

#define SHOWN 60 /* bytes of a part that a message quotes */

static int shown(struct part part)
{
    return (int)(part.to - part.from < SHOWN ? part.to - part.from : SHOWN);
}

static const char *start_of(const struct parser *p, struct part part)
{
    return p->lexer.text + part.from;
}

static const char *conversion_hint(enum dag_type a, enum dag_type b)
{
    bool text = a == DAG_STRING || b == DAG_STRING;
    bool number = value_is_numeric(a) || value_is_numeric(b);
    return text && number ? "string(…) makes a string of a number, int(…) and number(…) read one"
           : text         ? "bool(…) reads a boolean, string(…) makes a string"
                          : NULL;
}

static void pair_error(struct parser *p, const char *why, struct part a, struct part b)
{
    p->wrong = true;
    expr_error(&p->lexer.place, "expr-type", a.from, b.to, conversion_hint(a.type, b.type),
               "%s, but %.*s is %s and %.*s is %s", why, shown(a), start_of(p, a),
               expr_type_phrase(a.type), shown(b), start_of(p, b), expr_type_phrase(b.type));
}

static void need_bool(struct parser *p, const char *what, struct part part)
{
    if (!p->failed && part.type != DAG_BOOL && part.type != DAG_ANY) {
        p->wrong = true;
        expr_error(&p->lexer.place, "expr-type", part.from, part.to,
                   part.type == DAG_STRING ? "compare it (… == 'x'), or read it with bool(…)"
                                           : "compare it, for example … > 0",
                   "%s needs a boolean, but %.*s is %s", what, shown(part), start_of(p, part),
                   expr_type_phrase(part.type));
    }
}

/* ---- references
 * -----------------------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    enum dag_space space;
    bool whole; /* may stand without a name behind it */
} spaces[] = {
    {"params", DAG_PARAMS, true}, {"env", DAG_ENV, false},      {"secrets", DAG_SECRETS, false},
    {"run", DAG_RUN, false},      {"inputs", DAG_INPUTS, true}, {"steps", DAG_STEPS, false},
    {"matrix", DAG_MATRIX, true}, {"item", DAG_ITEM, true},     {"trigger", DAG_TRIGGER, true},
};

static const struct {
    const char *name;
    enum dag_field field;
    bool named; /* a name may follow */
} fields[] = {
    {"status", DAG_STATUS, false},       {"outputs", DAG_OUTPUTS, true},
    {"metrics", DAG_METRICS, true},      {"exit_code", DAG_EXIT_CODE, false},
    {"instances", DAG_INSTANCES, false},
};

/* .name or ["name"] where one stands next; false (nothing consumed) where not. */
static bool take_name(struct parser *p, const char **ret)
{
    if (at_symbol(p, SYM_DOT)) {
        advance_by(p, expr_lex_name);
        if (p->tok.kind != TOKEN_NAME) {
            unexpected(p, "a name");
            return false;
        }
        *ret = p->tok.name;
        advance(p);
        return true;
    }
    if (!at_symbol(p, SYM_LIST)) {
        return false;
    }
    struct expr_token bracket = p->tok;
    uint32_t pos = p->lexer.pos, last = p->last;
    advance(p);
    if (p->tok.kind == TOKEN_VALUE && p->tok.value.type == DAG_STRING) {
        const char *name = p->tok.value.u.string.text;
        advance(p);
        if (take_symbol(p, SYM_LIST_END)) {
            *ret = name;
            return true;
        }
    }
    if (!p->failed) { /* an index that only the run knows */
        p->tok = bracket;
        p->lexer.pos = pos;
        p->last = last;
    }
    return false;
}

static void reference_error(struct parser *p, uint32_t from, const char *hint, const char *message)
{
    if (!p->failed) {
        p->wrong = true;
        expr_error(&p->lexer.place, "expr-name", from, p->last, hint, "%s", message);
    }
}

/* steps.NAME.FIELD[.name] behind the word steps. */
static bool parse_step(struct parser *p, uint32_t from, struct dag_ref *ref, const char **ret_step)
{
    const char *field = NULL;
    if (!take_name(p, ret_step)) {
        reference_error(p, from, "steps.NAME.outputs.o, steps.NAME.status, …",
                        "'steps' needs the name of a step");
        return false;
    }
    if (!take_name(p, &field)) {
        reference_error(p, from, "it has status, outputs, metrics, exit_code and instances",
                        "a step alone is no value");
        return false;
    }
    const char *known[COUNT_OF(fields)];
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        known[i] = fields[i].name;
        if (strcmp(fields[i].name, field) == 0) {
            ref->field = fields[i].field;
            return !fields[i].named || take_name(p, &ref->name) || !p->failed;
        }
    }
    const char *near = text_nearest(field, known, COUNT_OF(fields));
    AUTO_FREE char *hint =
        near != NULL ? mem_printf("did you mean '%s'?", near)
                     : mem_printf("an output is read as steps.%s.outputs.%s", *ret_step, field);
    AUTO_FREE char *message = mem_printf("a step has no '%s'", field);
    reference_error(p, from, hint, message);
    return false;
}

static enum dag_type resolve(struct parser *p, struct dag_ref *ref, const char *step, uint32_t from)
{
    if (ref->space == DAG_SECRETS) {
        p->secret = true;
        if (!p->names->allow_secrets) {
            p->wrong = true;
            expr_error(&p->lexer.place, "expr-secret", from, p->last,
                       "hand it to a step by env:, and read the variable there",
                       "secrets may be read only in env:, with: and run: strings");
            return DAG_ANY;
        }
    }
    const struct expr_place *place = &p->lexer.place;
    enum dag_type type = DAG_ANY;
    struct diag_pos pos = place->src->pos(place->src->arg, place->base + from);
    size_t width = text_utf8_count(p->lexer.text + from, p->last - from);
    if (!p->names->resolve(p->names->arg, ref, step, pos, (unsigned)width, &type, place->diags)) {
        p->wrong = true;
        return DAG_ANY;
    }
    return type;
}

static struct part parse_reference(struct parser *p, size_t row, uint32_t from)
{
    struct part part = {DAG_ANY, from, p->last};
    struct dag_ref *ref = arena_alloc(p->lexer.arena, sizeof *ref);
    ref->space = spaces[row].space;
    const char *step = NULL;
    if (ref->space == DAG_STEPS) {
        if (!parse_step(p, from, ref, &step)) {
            return part;
        }
    } else if (!take_name(p, &ref->name) && !spaces[row].whole) {
        AUTO_FREE char *message = mem_printf("'%s' needs a name that is written out: %s.NAME",
                                             spaces[row].name, spaces[row].name);
        reference_error(p, from, NULL, message);
        return part;
    }
    if (p->failed) {
        return part;
    }
    part.type = resolve(p, ref, step, from);
    part.to = p->last;
    emit(p, (struct expr_ins){.op = OP_REF, .u.ref = ref}, part);
    return part;
}

/* ---- calls
 * ----------------------------------------------------------------------------------------------------
 */

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
    if (at_symbol(p, SYM_CLOSE)) {
        return;
    }
    do {
        keep_arg(args, parse_choice(p));
    } while (take_symbol(p, SYM_COMMA) && !p->failed);
}

static void parse_default(struct parser *p, struct args *args)
{
    struct part here = {DAG_ANY, p->tok.from, p->tok.to};
    uint32_t try = emit_op(p, OP_TRY, here);
    keep_arg(args, parse_choice(p));
    emit_op(p, OP_END_TRY, here);
    uint32_t jump = emit_op(p, OP_JUMP, here);
    land(p, try);
    if (take_symbol(p, SYM_COMMA)) {
        parse_args(p, args);
    }
    land(p, jump);
}

/* The last argument stands for itself: its TRY becomes a jump to the next instruction. */
static void parse_coalesce(struct parser *p, struct args *args)
{
    uint32_t jumps[CALL_ARGS], count = 0;
    for (bool more = true; more && !p->failed;) {
        struct part here = {DAG_ANY, p->tok.from, p->tok.to};
        uint32_t try = emit_op(p, OP_TRY, here);
        keep_arg(args, parse_choice(p));
        more = take_symbol(p, SYM_COMMA) && args->count < CALL_ARGS;
        if (more) {
            emit_op(p, OP_END_TRY, here);
            jumps[count++] = emit_op(p, OP_COALESCE, here);
            land(p, try);
        } else if (!p->failed) {
            p->code[try].op = OP_JUMP;
            p->code[try].arg = try + 1;
        }
    }
    while (count > 0) {
        land(p, jumps[--count]);
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
                   buf_str(&wanted), shown(arg), start_of(p, arg), expr_type_phrase(arg.type));
    }
}

/* The type of default() and coalesce(): the common one of their arguments. */
static enum dag_type common_type(struct parser *p, const struct args *args)
{
    enum dag_type type = args->parts[0].type;
    for (uint32_t i = 1; i < args->count; i++) {
        if (!expr_unify(type, args->parts[i].type, &type)) {
            AUTO_FREE char *why = mem_printf("the arguments of %s have one type", args->func->name);
            pair_error(p, why, args->parts[0], args->parts[i]);
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
        emit(p, (struct expr_ins){.op = OP_QUESTION, .u.question = func->question}, whole);
        if (!p->names->allow_questions) {
            p->wrong = true;
            expr_error(&p->lexer.place, "expr-call", whole.from, whole.to,
                       "elsewhere a step's state is steps.NAME.status",
                       "%s() may stand only in if:", func->name);
        }
        return func->type;
    }
    emit(p, (struct expr_ins){.op = OP_CALL, .arg = args->count, .u.func = func}, whole);
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

/* Behind NAME( */
static struct part parse_call(struct parser *p, struct expr_token name)
{
    struct args args = {.func = expr_find_func(name.name)};
    enum expr_form form = args.func != NULL ? args.func->form : FORM_PLAIN;
    if (args.func == NULL) {
        unknown_function(p, name);
    }
    if (form == FORM_DEFAULT && !at_symbol(p, SYM_CLOSE)) {
        parse_default(p, &args);
    } else if (form == FORM_COALESCE && !at_symbol(p, SYM_CLOSE)) {
        parse_coalesce(p, &args);
    } else {
        parse_args(p, &args);
    }
    expect(p, SYM_CLOSE, "',' or ')'");
    struct part whole = {DAG_ANY, name.from, p->last};
    if (args.func != NULL && !p->failed) {
        whole.type = finish_call(p, &args, whole);
    }
    return whole;
}

/* ---- the grammar
 * ----------------------------------------------------------------------------------------------
 */

static void unknown_name(struct parser *p, struct expr_token name)
{
    const char *known[COUNT_OF(spaces)];
    for (size_t i = 0; i < COUNT_OF(spaces); i++) {
        known[i] = spaces[i].name;
    }
    p->tok = name; /* for `and`, `not` and the like */
    const char *near = text_nearest(name.name, known, COUNT_OF(spaces));
    if (strcmp(name.name, "not") == 0 || strcmp(name.name, "if") == 0) {
        unexpected(p, "a value");
        return;
    }
    AUTO_FREE char *hint =
        near != NULL ? mem_printf("did you mean '%s'?", near)
                     : mem_printf("a text stands in quotes: '%s'; a parameter is params.%s",
                                  name.name, name.name);
    p->wrong = true;
    expr_error(&p->lexer.place, "expr-name", name.from, name.to, hint, "unknown name '%s'",
               name.name);
    advance(p);
}

static struct part parse_name(struct parser *p)
{
    struct expr_token name = p->tok;
    uint32_t pos = p->lexer.pos;
    advance(p);
    if (take_symbol(p, SYM_OPEN)) {
        return parse_call(p, name);
    }
    for (size_t i = 0; i < COUNT_OF(spaces); i++) {
        if (strcmp(spaces[i].name, name.name) == 0) {
            return parse_reference(p, i, name.from);
        }
    }
    if (!p->failed) {
        p->lexer.pos = pos;
        unknown_name(p, name);
    }
    return (struct part){DAG_ANY, name.from, name.to};
}

static struct part parse_list(struct parser *p)
{
    struct part part = {DAG_LIST, p->tok.from, p->tok.to};
    uint32_t count = 0;
    advance(p);
    while (!p->failed && !at_symbol(p, SYM_LIST_END)) {
        parse_choice(p);
        count++;
        if (!take_symbol(p, SYM_COMMA)) {
            break;
        }
    }
    expect(p, SYM_LIST_END, "',' or ']'");
    part.to = p->last;
    emit(p, (struct expr_ins){.op = OP_LIST, .arg = count}, part);
    return part;
}

static struct part parse_literal(struct parser *p)
{
    struct part part = {p->tok.value.type, p->tok.from, p->tok.to};
    if (p->tok.min_int) {
        p->wrong = true;
        expr_error(&p->lexer.place, "expr-syntax", part.from, part.to,
                   "a fraction makes it a number: write .0 behind it",
                   "the integer does not fit in 64 bits");
    }
    emit_value(p, p->tok.value, part);
    advance(p);
    return part;
}

static struct part parse_primary(struct parser *p)
{
    struct part part = {DAG_ANY, p->tok.from, p->tok.to};
    if (p->tok.kind == TOKEN_VALUE) {
        return parse_literal(p);
    }
    if (p->tok.kind == TOKEN_NAME) {
        return parse_name(p);
    }
    if (at_symbol(p, SYM_LIST)) {
        return parse_list(p);
    }
    if (take_symbol(p, SYM_OPEN)) {
        part.type = parse_choice(p).type;
        expect(p, SYM_CLOSE, "')'");
        part.to = p->last;
        return part;
    }
    unexpected(p, "a value");
    return part;
}

static void check_index(struct parser *p, struct part whole, struct part key)
{
    bool known = whole.type != DAG_ANY && whole.type != DAG_LIST && whole.type != DAG_MAP;
    if (known) {
        p->wrong = true;
        expr_error(&p->lexer.place, "expr-type", whole.from, p->last,
                   "a name that holds a dot is written [\"a.b\"]",
                   "only lists and maps have parts, but %.*s is %s", shown(whole),
                   start_of(p, whole), expr_type_phrase(whole.type));
    } else if ((whole.type == DAG_LIST && key.type != DAG_INT && key.type != DAG_ANY) ||
               (whole.type == DAG_MAP && key.type != DAG_STRING && key.type != DAG_ANY)) {
        p->wrong = true;
        expr_error(&p->lexer.place, "expr-type", key.from, key.to, NULL,
                   "%s is indexed by %s, but %.*s is %s", expr_type_phrase(whole.type),
                   whole.type == DAG_LIST ? "an integer" : "a string", shown(key), start_of(p, key),
                   expr_type_phrase(key.type));
    }
}

/* .name and [index] behind a value. */
static struct part parse_parts(struct parser *p)
{
    struct part part = parse_primary(p);
    while (!p->failed && (at_symbol(p, SYM_DOT) || at_symbol(p, SYM_LIST))) {
        struct part key = {DAG_STRING, p->tok.from, p->tok.to};
        if (at_symbol(p, SYM_DOT)) {
            const char *name;
            if (!take_name(p, &name)) {
                break;
            }
            key.to = p->last;
            emit_value(p, dag_string(name), key);
        } else {
            advance(p);
            key = parse_choice(p);
            expect(p, SYM_LIST_END, "']'");
        }
        if (p->failed) {
            break;
        }
        check_index(p, part, key);
        part = (struct part){DAG_ANY, part.from, p->last};
        emit_op(p, OP_INDEX, part);
    }
    return part;
}

/* Folded at once, as the smallest integer has no positive counterpart. */
static struct part parse_negative(struct parser *p, uint32_t from)
{
    struct part part = {p->tok.value.type, from, p->tok.to};
    struct dag_value value = p->tok.value;
    if (value.type == DAG_INT && !p->tok.min_int) {
        value.u.integer = -value.u.integer;
    } else if (value.type == DAG_NUMBER) {
        value = value_number(-value.u.number);
    }
    emit_value(p, value, part);
    advance(p);
    return part;
}

static struct part parse_sign(struct parser *p)
{
    if (!at_symbol(p, SYM_NOT) && !at_symbol(p, SYM_MINUS)) {
        return parse_parts(p);
    }
    struct part part = {DAG_BOOL, p->tok.from, p->tok.to};
    bool not = at_symbol(p, SYM_NOT);
    advance(p);
    if (!not &&p->tok.kind == TOKEN_VALUE && value_is_numeric(p->tok.value.type)) {
        return parse_negative(p, part.from);
    }
    if (!enter(p)) {
        return part;
    }
    struct part operand = parse_sign(p);
    p->depth--;
    part.to = p->last;
    if (not ) {
        need_bool(p, "'!'", operand);
    } else {
        part.type = operand.type;
        if (!p->failed && !value_is_numeric(operand.type) && operand.type != DAG_ANY) {
            p->wrong = true;
            expr_error(&p->lexer.place, "expr-type", operand.from, operand.to, NULL,
                       "'-' needs a number, but %.*s is %s", shown(operand), start_of(p, operand),
                       expr_type_phrase(operand.type));
        }
    }
    emit_op(p, not ? OP_NOT : OP_MINUS, operand);
    return part;
}

static struct part parse_binary(struct parser *p, int least);

/* && and ||: the right side may be jumped over. */
static void parse_logic(struct parser *p, enum expr_symbol symbol, struct part left, int level)
{
    const char *what = symbol == SYM_AND ? "'&&'" : "'||'";
    need_bool(p, what, left);
    uint32_t jump = emit_op(p, symbol == SYM_AND ? OP_AND : OP_OR, left);
    struct part right = parse_binary(p, level + 1);
    need_bool(p, what, right);
    emit_op(p, OP_BOOL, right);
    land(p, jump);
}

/* At most one level of recursion for each level of precedence. */
static struct part parse_binary(struct parser *p, int least)
{
    struct part left = parse_sign(p);
    while (!p->failed && p->tok.kind == TOKEN_OP) {
        enum expr_symbol symbol = p->tok.symbol;
        int level = expr_precedence(symbol);
        if (level == 0 || level < least) {
            break;
        }
        advance(p);
        enum dag_type type = DAG_BOOL;
        if (symbol == SYM_AND || symbol == SYM_OR) {
            parse_logic(p, symbol, left, level);
        } else {
            struct part right = parse_binary(p, level + 1);
            const char *why;
            if (!p->failed && !expr_binary_type(symbol, left.type, right.type, &type, &why)) {
                pair_error(p, why, left, right);
                type = DAG_ANY;
            }
            emit(p, (struct expr_ins){.op = OP_BINARY, .u.symbol = symbol},
                 (struct part){type, left.from, p->last});
        }
        left = (struct part){type, left.from, p->last};
    }
    return left;
}

static struct part parse_choice(struct parser *p)
{
    struct part part = {DAG_ANY, p->tok.from, p->tok.to};
    if (!enter(p)) {
        return part;
    }
    part = parse_binary(p, 1);
    if (take_symbol(p, SYM_ASK)) {
        need_bool(p, "'?'", part);
        uint32_t branch = emit_op(p, OP_BRANCH, part);
        struct part yes = parse_choice(p);
        uint32_t jump = emit_op(p, OP_JUMP, yes);
        land(p, branch);
        expect(p, SYM_COLON, "':'");
        struct part no = parse_choice(p);
        land(p, jump);
        if (!p->failed && !expr_unify(yes.type, no.type, &part.type)) {
            pair_error(p, "both sides of ':' have one type", yes, no);
            part.type = DAG_ANY;
        }
        part.to = p->last;
    }
    p->depth--;
    return part;
}

/* ---- a whole expression
 * ---------------------------------------------------------------------------------------
 */

static bool text_fine(const struct expr_place *place, const char *text, size_t len)
{
    if (len == 0) {
        return expr_error(place, "expr-syntax", 0, 0, NULL, "the expression is empty");
    }
    if (len > LIMIT_EXPR_LENGTH) {
        return expr_error(place, "expr-limit", 0, 1, NULL,
                          "the expression is longer than %ld bytes", (long)LIMIT_EXPR_LENGTH);
    }
    if (memchr(text, '\0', len) != NULL || text_utf8_valid(text, len) < len) {
        return expr_error(place, "expr-syntax", 0, 1, NULL, "the expression is not valid UTF-8");
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

struct dag_expr *expr_compile(struct arena *a, const struct expr_source *src, size_t from,
                              size_t to, const struct expr_names *names, struct diags *diags)
{
    while (from < to && is_blank(src->text[from])) {
        from++;
    }
    while (to > from && is_blank(src->text[to - 1])) {
        to--;
    }
    struct expr_place place = {src, from, diags};
    if (!text_fine(&place, src->text + from, to - from)) {
        return NULL;
    }
    char *text = arena_strndup(a, src->text + from, to - from);
    struct parser p = {.lexer = {a, place, text, (uint32_t)(to - from), 0}, .names = names};
    advance(&p);
    struct part whole = parse_choice(&p);
    if (!p.failed && p.tok.kind != TOKEN_END) {
        unexpected(&p, "an operator or the end");
    }
    struct dag_expr *ret = NULL;
    if (!p.failed && !p.wrong) {
        struct expr_ins *code = arena_array(a, p.count, sizeof *code);
        memcpy(code, p.code, p.count * sizeof *code);
        ret = arena_alloc(a, sizeof *ret);
        *ret = (struct dag_expr){.source = text,
                                 .code = code,
                                 .count = p.count,
                                 .type = whole.type,
                                 .asks = p.asks,
                                 .secret = p.secret,
                                 .literal = p.count == 1 && code[0].op == OP_VALUE};
    }
    mem_free_ptr(&p.code);
    return ret;
}
