/*
 * expr_lex.c - the words of an expression.
 */
#include "dag/expr_code.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longer ones first: the first that fits is taken. */
static const struct {
    const char *text;
    enum expr_symbol symbol;
} symbols[] = {
    {"==", SYM_EQUAL}, {"!=", SYM_UNEQUAL}, {"<=", SYM_LESS_EQUAL}, {">=", SYM_GREATER_EQUAL},
    {"&&", SYM_AND},   {"||", SYM_OR},      {"<", SYM_LESS},        {">", SYM_GREATER},
    {"!", SYM_NOT},    {"+", SYM_PLUS},     {"-", SYM_MINUS},       {"*", SYM_TIMES},
    {"/", SYM_DIVIDE}, {"%", SYM_MODULO},   {"?", SYM_ASK},         {":", SYM_COLON},
    {"(", SYM_OPEN},   {")", SYM_CLOSE},    {"[", SYM_LIST},        {"]", SYM_LIST_END},
    {",", SYM_COMMA},  {".", SYM_DOT},
};

/* What people bring from other languages. */
static const struct {
    char letter;
    const char *hint;
} foreign[] = {
    {'=', "equality is written =="},
    {'&', "'and' is written &&"},
    {'|', "'or' is written ||; functions are called like default(x, y)"},
    {'$', "parameters are read as params.NAME, variables as env.NAME"},
    {'{', "maps cannot be written here; use fromJSON('{…}')"},
    {'`', "strings stand in '…' or \"…\""},
    {';', "one expression, without ;"},
};

static const struct {
    char letter, meaning;
} escapes[] = {{'\\', '\\'}, {'\'', '\''}, {'"', '"'}, {'n', '\n'}, {'t', '\t'}, {'r', '\r'}};

bool expr_error(const struct expr_place *place, const char *code, uint32_t from, uint32_t to,
                const char *hint, const char *fmt, ...)
{
    char text[1000];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const struct expr_source *src = place->src;
    size_t at = place->base + from, width = 1;
    if (to > from && place->base + to <= src->len) {
        width = text_utf8_count(src->text + at, to - from);
    }
    return diag_add(place->diags, DIAG_ERROR, code, src->pos(src->arg, at), (unsigned)width, hint,
                    "%s", text);
}

static bool is_letter(char c)
{
    return isalpha((unsigned char)c) || c == '_';
}

static char peek(const struct expr_lexer *l, uint32_t ahead)
{
    return l->pos + ahead < l->len ? l->text[l->pos + ahead] : '\0';
}

static struct expr_token bad(void)
{
    return (struct expr_token){.kind = TOKEN_BAD};
}

/* The offset of the closing quote of the string that begins at `from`, or `len`. */
static size_t string_end(const char *text, size_t len, size_t from)
{
    size_t at = from + 1;
    while (at < len && text[at] != text[from]) {
        at += text[at] == '\\' ? 2 : 1;
    }
    return at < len ? at : len;
}

static struct expr_token lex_string(struct expr_lexer *l)
{
    uint32_t from = l->pos++, end = (uint32_t)string_end(l->text, l->len, from);
    char quote = l->text[from];
    if (end == l->len) {
        expr_error(&l->place, "expr-syntax", from, l->len, NULL, "the string is not closed by %c",
                   quote);
        return bad();
    }
    char *out = arena_alloc(l->arena, end - from); /* decoding never lengthens */
    size_t len = 0;
    while (l->pos < end) {
        char c = l->text[l->pos++];
        if (c == '\\') {
            char letter = peek(l, 0);
            size_t i = 0;
            while (i < COUNT_OF(escapes) && escapes[i].letter != letter) {
                i++;
            }
            if (i == COUNT_OF(escapes)) {
                expr_error(
                    &l->place, "expr-syntax", l->pos - 1, l->pos,
                    "a backslash itself is written \\\\; known are \\\\ \\' \\\" \\n \\t \\r",
                    "unknown escape in a string");
                return bad();
            }
            c = escapes[i].meaning;
            l->pos++;
        }
        out[len++] = c;
    }
    l->pos++;
    if (l->pos < l->len && l->text[l->pos] == quote) {
        expr_error(&l->place, "expr-syntax", l->pos - 1, l->pos + 1,
                   "a quote inside a string is written with a backslash before it",
                   "a quote is doubled");
        return bad();
    }
    return (struct expr_token){
        .kind = TOKEN_VALUE, .from = from, .to = l->pos, .value = value_text(out, len)};
}

static void skip_digits(struct expr_lexer *l)
{
    while (isdigit((unsigned char)peek(l, 0))) {
        l->pos++;
    }
}

/* Whether a fraction or an exponent follows; skips it. */
static bool skip_fraction(struct expr_lexer *l)
{
    uint32_t from = l->pos;
    if (peek(l, 0) == '.' && isdigit((unsigned char)peek(l, 1))) {
        l->pos++;
        skip_digits(l);
    }
    if (peek(l, 0) == 'e' || peek(l, 0) == 'E') {
        uint32_t sign = peek(l, 1) == '+' || peek(l, 1) == '-';
        if (isdigit((unsigned char)peek(l, 1 + sign))) {
            l->pos += 1 + sign;
            skip_digits(l);
        }
    }
    return l->pos > from;
}

static struct expr_token lex_number(struct expr_lexer *l)
{
    struct expr_token ret = {.kind = TOKEN_VALUE, .from = l->pos};
    skip_digits(l);
    bool padded = l->text[ret.from] == '0' && l->pos - ret.from > 1;
    bool fraction = skip_fraction(l);
    ret.to = l->pos;
    if (padded || is_letter(peek(l, 0)) || peek(l, 0) == '.') {
        expr_error(&l->place, "expr-syntax", ret.from, l->pos + !padded,
                   "numbers are decimal, like 14, 0.5 or 1e-3", "not a number");
        return bad();
    }
    AUTO_FREE char *text = mem_strndup(l->text + ret.from, ret.to - ret.from);
    if (fraction) {
        double number;
        if (!text_double(text, &number)) {
            expr_error(&l->place, "expr-syntax", ret.from, ret.to, NULL,
                       "the number %s is too large", text);
            return bad();
        }
        ret.value = value_number(number);
        return ret;
    }
    int64_t integer;
    if (text_int(text, &integer)) {
        ret.value = dag_int(integer);
        return ret;
    }
    ret.min_int = strcmp(text, "9223372036854775808") == 0;
    if (!ret.min_int) {
        expr_error(&l->place, "expr-syntax", ret.from, ret.to,
                   "a fraction makes it a number: write .0 behind it",
                   "the integer %s does not fit in 64 bits", text);
        return bad();
    }
    ret.value = dag_int(INT64_MIN);
    return ret;
}

static struct expr_token take_name(struct expr_lexer *l, uint32_t len)
{
    struct expr_token ret = {.kind = TOKEN_NAME, .from = l->pos, .to = l->pos + len};
    ret.name = arena_strndup(l->arena, l->text + l->pos, len);
    l->pos += len;
    return ret;
}

static struct expr_token lex_word(struct expr_lexer *l)
{
    uint32_t len = 0;
    while (is_letter(peek(l, len)) || isdigit((unsigned char)peek(l, len))) {
        len++;
    }
    struct expr_token ret = take_name(l, len);
    if (strcmp(ret.name, "true") == 0 || strcmp(ret.name, "false") == 0) {
        ret.kind = TOKEN_VALUE;
        ret.value = dag_bool(ret.name[0] == 't');
    } else if (strcmp(ret.name, "null") == 0) {
        ret.kind = TOKEN_VALUE;
        ret.value = (struct dag_value){.type = DAG_NULL};
    } else if (strcmp(ret.name, "in") == 0) {
        ret.kind = TOKEN_OP;
        ret.symbol = SYM_IN;
    }
    return ret;
}

static struct expr_token lex_symbol(struct expr_lexer *l)
{
    if (expr_starts(l->text, l->len, l->pos, EXPR_OPEN)) {
        expr_error(&l->place, "expr-syntax", l->pos, l->pos + 3,
                   "one ${{ }} around the whole expression, or none in a condition",
                   "'${{' inside an expression");
        return bad();
    }
    for (size_t i = 0; i < COUNT_OF(symbols); i++) {
        if (expr_starts(l->text, l->len, l->pos, symbols[i].text)) {
            struct expr_token ret = {.kind = TOKEN_OP, .symbol = symbols[i].symbol, .from = l->pos};
            l->pos += (uint32_t)strlen(symbols[i].text);
            ret.to = l->pos;
            return ret;
        }
    }
    const char *hint = NULL;
    for (size_t i = 0; i < COUNT_OF(foreign) && hint == NULL; i++) {
        hint = l->text[l->pos] == foreign[i].letter ? foreign[i].hint : NULL;
    }
    uint32_t width = 1;
    while (l->pos + width < l->len && (l->text[l->pos + width] & 0xC0) == 0x80) {
        width++;
    }
    expr_error(&l->place, "expr-syntax", l->pos, l->pos + width, hint,
               "'%.*s' means nothing in an expression", (int)width, l->text + l->pos);
    return bad();
}

static bool skip_blanks(struct expr_lexer *l)
{
    while (l->pos < l->len && strchr(" \t\r\n", l->text[l->pos]) != NULL) {
        l->pos++;
    }
    return l->pos < l->len;
}

struct expr_token expr_lex(struct expr_lexer *l)
{
    if (!skip_blanks(l)) {
        return (struct expr_token){.kind = TOKEN_END, .from = l->len, .to = l->len};
    }
    char c = l->text[l->pos];
    if (c == '\'' || c == '"') {
        return lex_string(l);
    }
    if (isdigit((unsigned char)c)) {
        return lex_number(l);
    }
    return is_letter(c) ? lex_word(l) : lex_symbol(l);
}

struct expr_token expr_lex_name(struct expr_lexer *l)
{
    uint32_t len = 0;
    while (is_letter(peek(l, len)) || isdigit((unsigned char)peek(l, len)) ||
           (len > 0 && peek(l, len) == '-')) {
        len++;
    }
    return len > 0 ? take_name(l, len) : expr_lex(l);
}

const char *expr_symbol_text(enum expr_symbol symbol)
{
    for (size_t i = 0; i < COUNT_OF(symbols); i++) {
        if (symbols[i].symbol == symbol) {
            return symbols[i].text;
        }
    }
    return "in";
}

bool expr_starts(const char *text, size_t len, size_t pos, const char *what)
{
    size_t size = strlen(what);
    return pos <= len && size <= len - pos && memcmp(text + pos, what, size) == 0;
}

bool expr_find_end(const char *text, size_t len, size_t from, size_t *ret)
{
    for (size_t at = from; at < len;) {
        if (text[at] == '\'' || text[at] == '"') {
            at = string_end(text, len, at) + 1;
        } else if (expr_starts(text, len, at, "}}")) {
            *ret = at;
            return true;
        } else {
            at++;
        }
    }
    return false;
}
