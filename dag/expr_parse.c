/*
 * expr_parse.c - from text to a checked program (expr_code.h): precedence climbing; what is parsed
 * is typed and emitted at once.
 *
 * Recursion is bounded by LIMIT_EXPR_DEPTH: each bracket, call, sign and branch of ?: counts one.
 */
#include "dag/expr_parse.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

/* ---- reading and emitting */

static void advance_by(struct parser *p, struct expr_token (*lex)(struct expr_lexer *l))
{
    p->last = p->tok.to;
    p->tok = p->failed ? (struct expr_token){.kind = TOKEN_END} : lex(&p->lexer);
    if (p->tok.kind == TOKEN_BAD) {
        p->failed = true;
        p->tok.kind = TOKEN_END;
    }
}

void parse_advance(struct parser *p)
{
    advance_by(p, expr_lex);
}

void parse_advance_name(struct parser *p)
{
    advance_by(p, expr_lex_name);
}

bool parse_at(const struct parser *p, enum expr_symbol symbol)
{
    return p->tok.kind == TOKEN_OP && p->tok.symbol == symbol;
}

bool parse_take(struct parser *p, enum expr_symbol symbol)
{
    if (!parse_at(p, symbol)) {
        return false;
    }
    parse_advance(p);
    return true;
}

void parse_unexpected(struct parser *p, const char *wanted)
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

void parse_expect(struct parser *p, enum expr_symbol symbol, const char *wanted)
{
    if (!parse_take(p, symbol)) {
        parse_unexpected(p, wanted);
    }
}

uint32_t parse_emit(struct parser *p, struct expr_ins ins, struct part part)
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

uint32_t parse_emit_op(struct parser *p, enum expr_op op, struct part part)
{
    return parse_emit(p, (struct expr_ins){.op = op}, part);
}

void parse_land(struct parser *p, uint32_t jump)
{
    if (!p->failed) {
        p->code[jump].arg = p->count;
    }
}

static void emit_value(struct parser *p, struct dag_value value, struct part part)
{
    struct dag_value *copy = arena_alloc(p->lexer.arena, sizeof *copy);
    *copy = value;
    parse_emit(p, (struct expr_ins){.op = OP_VALUE, .u.value = copy}, part);
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

/* ---- complaints */

#define SHOWN 60 /* bytes of a part that a message quotes */

int parse_shown(struct part part)
{
    return (int)(part.to - part.from < SHOWN ? part.to - part.from : SHOWN);
}

const char *parse_start(const struct parser *p, struct part part)
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

void parse_pair_error(struct parser *p, const char *why, struct part a, struct part b)
{
    p->wrong = true;
    expr_error(&p->lexer.place, "expr-type", a.from, b.to, conversion_hint(a.type, b.type),
               "%s, but %.*s is %s and %.*s is %s", why, parse_shown(a), parse_start(p, a),
               expr_type_phrase(a.type), parse_shown(b), parse_start(p, b),
               expr_type_phrase(b.type));
}

static void need_bool(struct parser *p, const char *what, struct part part)
{
    if (!p->failed && part.type != DAG_BOOL && part.type != DAG_ANY) {
        p->wrong = true;
        expr_error(&p->lexer.place, "expr-type", part.from, part.to,
                   part.type == DAG_STRING ? "compare it (… == 'x'), or read it with bool(…)"
                                           : "compare it, for example … > 0",
                   "%s needs a boolean, but %.*s is %s", what, parse_shown(part),
                   parse_start(p, part), expr_type_phrase(part.type));
    }
}

/* ---- the grammar */

static struct part parse_list(struct parser *p)
{
    struct part part = {DAG_LIST, p->tok.from, p->tok.to};
    uint32_t count = 0;
    parse_advance(p);
    while (!p->failed && !parse_at(p, SYM_LIST_END)) {
        parse_choice(p);
        count++;
        if (!parse_take(p, SYM_COMMA)) {
            break;
        }
    }
    parse_expect(p, SYM_LIST_END, "',' or ']'");
    part.to = p->last;
    parse_emit(p, (struct expr_ins){.op = OP_LIST, .arg = count}, part);
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
    parse_advance(p);
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
    if (parse_at(p, SYM_LIST)) {
        return parse_list(p);
    }
    if (parse_take(p, SYM_OPEN)) {
        part.type = parse_choice(p).type;
        parse_expect(p, SYM_CLOSE, "')'");
        part.to = p->last;
        return part;
    }
    parse_unexpected(p, "a value");
    return part;
}

static void check_index(struct parser *p, struct part whole, struct part key)
{
    bool known = whole.type != DAG_ANY && whole.type != DAG_LIST && whole.type != DAG_MAP;
    if (known) {
        p->wrong = true;
        expr_error(&p->lexer.place, "expr-type", whole.from, p->last,
                   "a name that holds a dot is written [\"a.b\"]",
                   "only lists and maps have parts, but %.*s is %s", parse_shown(whole),
                   parse_start(p, whole), expr_type_phrase(whole.type));
    } else if ((whole.type == DAG_LIST && key.type != DAG_INT && key.type != DAG_ANY) ||
               (whole.type == DAG_MAP && key.type != DAG_STRING && key.type != DAG_ANY)) {
        p->wrong = true;
        expr_error(&p->lexer.place, "expr-type", key.from, key.to, NULL,
                   "%s is indexed by %s, but %.*s is %s", expr_type_phrase(whole.type),
                   whole.type == DAG_LIST ? "an integer" : "a string", parse_shown(key),
                   parse_start(p, key), expr_type_phrase(key.type));
    }
}

/* .name and [index] behind a value. */
static struct part parse_parts(struct parser *p)
{
    struct part part = parse_primary(p);
    while (!p->failed && (parse_at(p, SYM_DOT) || parse_at(p, SYM_LIST))) {
        struct part key = {DAG_STRING, p->tok.from, p->tok.to};
        if (parse_at(p, SYM_DOT)) {
            const char *name;
            if (!parse_member(p, &name)) {
                break;
            }
            key.to = p->last;
            emit_value(p, dag_string(name), key);
        } else {
            parse_advance(p);
            key = parse_choice(p);
            parse_expect(p, SYM_LIST_END, "']'");
        }
        if (p->failed) {
            break;
        }
        check_index(p, part, key);
        part = (struct part){DAG_ANY, part.from, p->last};
        parse_emit_op(p, OP_INDEX, part);
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
    parse_advance(p);
    return part;
}

static struct part parse_sign(struct parser *p)
{
    if (!parse_at(p, SYM_NOT) && !parse_at(p, SYM_MINUS)) {
        return parse_parts(p);
    }
    struct part part = {DAG_BOOL, p->tok.from, p->tok.to};
    bool not = parse_at(p, SYM_NOT);
    parse_advance(p);
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
                       "'-' needs a number, but %.*s is %s", parse_shown(operand),
                       parse_start(p, operand), expr_type_phrase(operand.type));
        }
    }
    parse_emit_op(p, not ? OP_NOT : OP_MINUS, operand);
    return part;
}

static struct part parse_binary(struct parser *p, int least);

/* && and ||: the right side may be jumped over. */
static void parse_logic(struct parser *p, enum expr_symbol symbol, struct part left, int level)
{
    const char *what = symbol == SYM_AND ? "'&&'" : "'||'";
    need_bool(p, what, left);
    uint32_t jump = parse_emit_op(p, symbol == SYM_AND ? OP_AND : OP_OR, left);
    struct part right = parse_binary(p, level + 1);
    need_bool(p, what, right);
    parse_emit_op(p, OP_BOOL, right);
    parse_land(p, jump);
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
        parse_advance(p);
        enum dag_type type = DAG_BOOL;
        if (symbol == SYM_AND || symbol == SYM_OR) {
            parse_logic(p, symbol, left, level);
        } else {
            struct part right = parse_binary(p, level + 1);
            const char *why;
            if (!p->failed && !expr_binary_type(symbol, left.type, right.type, &type, &why)) {
                parse_pair_error(p, why, left, right);
                type = DAG_ANY;
            }
            parse_emit(p, (struct expr_ins){.op = OP_BINARY, .u.symbol = symbol},
                       (struct part){type, left.from, p->last});
        }
        left = (struct part){type, left.from, p->last};
    }
    return left;
}

struct part parse_choice(struct parser *p)
{
    struct part part = {DAG_ANY, p->tok.from, p->tok.to};
    if (!enter(p)) {
        return part;
    }
    part = parse_binary(p, 1);
    if (parse_take(p, SYM_ASK)) {
        need_bool(p, "'?'", part);
        uint32_t branch = parse_emit_op(p, OP_BRANCH, part);
        struct part yes = parse_choice(p);
        uint32_t jump = parse_emit_op(p, OP_JUMP, yes);
        parse_land(p, branch);
        parse_expect(p, SYM_COLON, "':'");
        struct part no = parse_choice(p);
        parse_land(p, jump);
        if (!p->failed && !expr_unify(yes.type, no.type, &part.type)) {
            parse_pair_error(p, "both sides of ':' have one type", yes, no);
            part.type = DAG_ANY;
        }
        part.to = p->last;
    }
    p->depth--;
    return part;
}

/* ---- a whole expression */

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
    parse_advance(&p);
    struct part whole = parse_choice(&p);
    if (!p.failed && p.tok.kind != TOKEN_END) {
        parse_unexpected(&p, "an operator or the end");
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
