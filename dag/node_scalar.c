/*
 * node_scalar.c - what a scalar means (the core schema of YAML 1.2) and where its bytes stand.
 */
#include "base/mem.h"
#include "base/text.h"
#include "dag/node.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- types */

static bool one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(text, *words) == 0) {
            return true;
        }
    }
    return false;
}

static size_t skip_digits(const char **text)
{
    size_t count = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++) {
        count++;
    }
    return count;
}

static bool is_hex(const char *text)
{
    return text[0] == '0' && text[1] == 'x' && text[2] != '\0' &&
           text[2 + strspn(text + 2, "0123456789abcdefABCDEF")] == '\0';
}

/* [-+]? [0-9]+ and 0x [0-9a-fA-F]+ are integers, [-+]? (\.[0-9]+ | [0-9]+(\.[0-9]*)?)
 * ([eE][-+]?[0-9]+)? a number. */
static enum dag_type number_type(const char *text)
{
    static const char *const special[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL};
    if (one_of(text, special)) {
        return DAG_NUMBER;
    }
    if (is_hex(text)) {
        return DAG_INT;
    }
    if (*text == '-' || *text == '+') {
        text++;
        if (one_of(text, special)) {
            return DAG_NUMBER;
        }
    }
    size_t digits = skip_digits(&text);
    if (digits > 0 && *text == '\0') {
        return DAG_INT;
    }
    if (*text == '.') {
        text++;
        digits += skip_digits(&text);
    }
    if (digits == 0) {
        return DAG_STRING;
    }
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '-' || *text == '+';
        if (skip_digits(&text) == 0) {
            return DAG_STRING;
        }
    }
    return *text == '\0' ? DAG_NUMBER : DAG_STRING;
}

enum dag_type node_type(const struct dag_node *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE", NULL};
    if (node->kind != NODE_SCALAR) {
        return node->kind == NODE_LIST ? DAG_LIST : DAG_MAP;
    }
    if (node->style != NODE_PLAIN || node->string) {
        return DAG_STRING;
    }
    const char *text = node->u.text;
    switch (text[0]) {
    case '\0':
    case '~':
    case 'n':
    case 'N':
        return one_of(text, nulls) ? DAG_NULL : DAG_STRING;
    case 't':
    case 'T':
    case 'f':
    case 'F':
        return one_of(text, bools) ? DAG_BOOL : DAG_STRING;
    default:
        return isdigit((unsigned char)text[0]) || strchr("+-.", text[0]) != NULL ? number_type(text)
                                                                                 : DAG_STRING;
    }
}

const char *node_describe(const struct dag_node *node, char out[64])
{
    static const char *const words[] = {
        [DAG_NULL] = "nothing",      [DAG_BOOL] = "the boolean", [DAG_INT] = "the integer",
        [DAG_NUMBER] = "the number", [DAG_STRING] = "the text",  [DAG_LIST] = "a list",
        [DAG_MAP] = "a mapping",
    };
    enum dag_type type = node_type(node);
    if (type == DAG_NULL || type == DAG_LIST || type == DAG_MAP) {
        return words[type];
    }
    size_t len = node->count;
    size_t show = strcspn(node->u.text, "\n");
    const char *more = show < len ? "…" : "";
    if (show > 24) {
        show = 24;
        while ((node->u.text[show] & '\xc0') == '\x80') {
            show--;
        }
        more = "…";
    }
    const char *quote = type == DAG_STRING ? "\"" : "";
    snprintf(out, 64, "%s %s%.*s%s%s", words[type], quote, (int)show, node->u.text, more, quote);
    return out;
}

/* ---- values */

static bool integer_value(const char *text, int64_t *ret)
{
    if (!is_hex(text)) {
        return text_int(text, ret);
    }
    const char *digits = text + 2 + strspn(text + 2, "0");
    *ret = (int64_t)strtoull(digits, NULL, 16); /* of 16 digits at most it takes all bits */
    return strlen(digits) <= 16 && *ret >= 0;
}

static bool number_value(const struct dag_node *node, struct diags *diags, struct dag_value *ret)
{
    const char *text = node->u.text[0] == '+' ? node->u.text + 1 : node->u.text;
    *ret = (struct dag_value){.type = node_type(node)};
    if (ret->type == DAG_INT) {
        if (integer_value(text, &ret->u.integer)) {
            return true;
        }
        return diag_add(diags, DIAG_ERROR, "number", node_pos(node), node_width(node),
                        "Put it in quotes if it is a name.",
                        "the integer %.40s does not fit in 64 bits", node->u.text);
    }
    char *end = NULL;
    ret->u.number = strchr(text, 'n') || strchr(text, 'N') ? (double)NAN : strtod(text, &end);
    if (isfinite(ret->u.number)) {
        return true;
    }
    return diag_add(diags, DIAG_ERROR, "number", node_pos(node), node_width(node),
                    "Values are recorded as JSON, which has finite numbers only. Put it in quotes "
                    "if it is a text; leave a bound out where there is none.",
                    "%.40s is not a finite number", node->u.text);
}

static bool scalar_value(const struct dag_node *node, struct diags *diags, struct dag_value *ret)
{
    enum dag_type type = node_type(node);
    if (type == DAG_INT || type == DAG_NUMBER) {
        return number_value(node, diags, ret);
    }
    *ret = (struct dag_value){.type = type};
    if (type == DAG_BOOL) {
        ret->u.boolean = node->u.text[0] == 't' || node->u.text[0] == 'T';
    } else if (type == DAG_STRING) {
        ret->u.string.text = node->u.text;
        ret->u.string.len = node->count;
    }
    return true;
}

/* Recursion as deep as the document, which LIMIT_YAML_DEPTH bounds. */
bool node_value(const struct dag_node *node, struct arena *a, struct diags *diags,
                struct dag_value *ret)
{
    if (node->kind == NODE_SCALAR) {
        return scalar_value(node, diags, ret);
    }
    bool ok = true;
    *ret = (struct dag_value){.type = node_type(node)};
    if (node->kind == NODE_LIST) {
        struct dag_value *items = arena_array(a, node->count, sizeof *items);
        for (size_t i = 0; i < node->count; i++) {
            ok &= node_value(&node->u.items[i], a, diags, &items[i]);
        }
        ret->u.list.items = items;
        ret->u.list.count = node->count;
        return ok;
    }
    struct dag_entry *entries = arena_array(a, node->count, sizeof *entries);
    for (size_t i = 0; i < node->count; i++) {
        entries[i].key = node->u.entries[i].key.u.text;
        ok &= node_value(&node->u.entries[i].value, a, diags, &entries[i].value);
    }
    ret->u.map.entries = entries;
    ret->u.map.count = node->count;
    return ok;
}

/* ---- places */

unsigned node_width(const struct dag_node *node)
{
    if (node->kind != NODE_SCALAR || node->count == 0 || node->style == NODE_LITERAL ||
        node->style == NODE_FOLDED || memchr(node->u.text, '\n', node->count) != NULL) {
        return 1;
    }
    unsigned quotes = node->style == NODE_PLAIN ? 0 : 2;
    return (unsigned)text_utf8_count(node->u.text, node->count) + quotes;
}

/* Walks the source and the value side by side. */
struct walk {
    const char *at, *end;
    unsigned line, column;
    const char *value;
    size_t left; /* bytes of the value still to go */
    unsigned indent;
};

static void step_source(struct walk *w)
{
    if (*w->at == '\n') {
        w->line++;
        w->column = 1;
        w->at++;
        return;
    }
    do {
        w->at++;
    } while (w->at < w->end && (*w->at & '\xc0') == '\x80');
    w->column++;
}

static void step_value(struct walk *w, size_t count)
{
    count = count < w->left ? count : w->left;
    w->value += count;
    w->left -= count;
}

static void step_character(struct walk *w)
{
    do {
        step_value(w, 1);
    } while (w->left > 0 && (*w->value & '\xc0') == '\x80');
}

/* The same character on both sides. */
static void step_both(struct walk *w)
{
    step_source(w);
    step_character(w);
}

/* Blanks and a line end from here on. */
static bool at_fold(const struct walk *w)
{
    const char *p = w->at;
    while (p < w->end && (*p == ' ' || *p == '\t' || *p == '\r')) {
        p++;
    }
    return p < w->end && *p == '\n';
}

/* A run of line ends with the blanks around it: one is a space, n are n-1 line feeds. */
static void step_fold(struct walk *w)
{
    size_t breaks = 0;
    while (w->at < w->end && strchr(" \t\r\n", *w->at) != NULL) {
        breaks += *w->at == '\n';
        step_source(w);
    }
    step_value(w, breaks > 1 ? breaks - 1 : 1);
}

/* An escape in double quotes: how long it is in the source and in the value. */
static void step_escape(struct walk *w)
{
    char kind = w->at + 1 < w->end ? w->at[1] : 'n';
    size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    for (size_t i = 0; i < digits + 2 && w->at < w->end; i++) {
        step_source(w);
    }
    step_character(w);
}

/* A backslash before a line end: it stands for nothing. */
static bool at_joined_line(const struct walk *w)
{
    return w->end - w->at > 1 && w->at[0] == '\\' && (w->at[1] == '\n' || w->at[1] == '\r');
}

static void walk_flow(struct walk *w, enum node_style style)
{
    while (w->at < w->end) {
        if (style == NODE_DOUBLE && at_joined_line(w)) {
            step_source(w);
            while (w->at < w->end && strchr(" \t\r\n", *w->at) != NULL) {
                step_source(w);
            }
        } else if (w->left == 0) {
            return;
        } else if (at_fold(w)) {
            step_fold(w);
        } else if (style == NODE_DOUBLE && *w->at == '\\') {
            step_escape(w);
        } else {
            if (style == NODE_SINGLE && *w->at == '\'') {
                step_source(w); /* '' is one */
            }
            step_both(w);
        }
    }
}

static void next_line(struct walk *w)
{
    while (w->at < w->end && *w->at != '\n') {
        step_source(w);
    }
    if (w->at < w->end) {
        step_source(w);
    }
}

static size_t line_length(const char *at, const char *end)
{
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    stop = stop != NULL ? stop : end;
    return (size_t)(stop - at) - (stop > at && stop[-1] == '\r');
}

/* Each line of a literal's value is the end of its source line. */
static void walk_literal(struct walk *w, size_t total)
{
    const char *value_end = w->value + total;
    next_line(w);
    for (;;) {
        size_t have = line_length(w->at, w->end);
        size_t want = line_length(w->value, value_end);
        for (size_t i = want; i < have; i++) {
            w->at++;
            w->column++;
        }
        if (w->left <= want) {
            w->column += (unsigned)text_utf8_count(w->value, w->left);
            return;
        }
        step_value(w, want + 1);
        if (w->at >= w->end) {
            return;
        }
        next_line(w);
    }
}

static void skip_indent(struct walk *w)
{
    for (unsigned i = 0; i < w->indent && w->at < w->end && *w->at == ' '; i++) {
        step_source(w);
    }
}

/* Best effort: line ends of the source against the space or line feeds of the value. */
static void walk_folded(struct walk *w)
{
    next_line(w);
    while (w->at < w->end && line_length(w->at, w->end) == 0 && w->left > 0 && *w->value == '\n') {
        next_line(w);
        step_value(w, 1);
    }
    const char *text = w->at;
    while (text < w->end && *text == ' ') {
        text++;
    }
    const char *blank = w->value;
    while (*blank == ' ') {
        blank++;
    }
    size_t indent = (size_t)(text - w->at) - (size_t)(blank - w->value);
    w->indent = indent <= (size_t)(text - w->at) ? (unsigned)indent : 0;
    skip_indent(w);
    while (w->left > 0 && w->at < w->end) {
        if (*w->at != '\n' && *w->at != '\r') {
            step_both(w);
            continue;
        }
        size_t breaks = 0;
        while (w->at < w->end && (*w->at == '\n' || *w->at == '\r')) {
            breaks += *w->at == '\n';
            step_source(w);
            skip_indent(w);
        }
        if (*w->value == ' ') {
            step_value(w, 1);
        }
        while (breaks-- > 0 && w->left > 0 && *w->value == '\n') {
            step_value(w, 1);
        }
    }
}

struct diag_pos node_pos_at(const struct node_source *src, const struct dag_node *node,
                            size_t offset)
{
    if (node->kind != NODE_SCALAR || node->offset >= src->len) {
        return node_pos(node);
    }
    struct walk w = {
        .at = src->text + node->offset,
        .end = src->text + src->len,
        .line = node->line,
        .column = node->column,
        .value = node->u.text,
        .left = offset < node->count ? offset : node->count,
    };
    if (node->style == NODE_LITERAL) {
        walk_literal(&w, node->count);
    } else if (node->style == NODE_FOLDED) {
        walk_folded(&w);
    } else {
        if (node->style != NODE_PLAIN) {
            step_source(&w); /* the quote */
        }
        walk_flow(&w, (enum node_style)node->style);
    }
    return (struct diag_pos){w.line, w.column};
}

static struct diag_pos expr_pos(const void *arg, size_t offset)
{
    const struct node_scalar *at = arg;
    return node_pos_at(at->src, at->node, offset);
}

struct expr_source node_expr_source(struct node_scalar *at)
{
    return (struct expr_source){
        .text = at->node->u.text, .len = at->node->count, .pos = expr_pos, .arg = at};
}
