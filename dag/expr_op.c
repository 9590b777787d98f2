/*
 * expr_op.c - operators: which types they take, and what they give.
 *
 * A row of the table below is an operator; a class has one rule for types (expr_binary_type) and
 * one function that computes.
 */
#include "dag/expr_code.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

struct operands {
    struct expr_eval *ev;
    enum expr_symbol symbol;
    const struct dag_value *left, *right;
    struct dag_value *ret;
};

/* ---- types */

static const char *const phrases[] = {
    [DAG_NULL] = "null",       [DAG_BOOL] = "a boolean",  [DAG_INT] = "an integer",
    [DAG_NUMBER] = "a number", [DAG_STRING] = "a string", [DAG_LIST] = "a list",
    [DAG_MAP] = "a map",       [DAG_ANY] = "any value",
};

const char *expr_type_phrase(enum dag_type type)
{
    return phrases[type];
}

bool expr_unify(enum dag_type a, enum dag_type b, enum dag_type *ret)
{
    if (a == b) {
        *ret = a;
    } else if (value_is_numeric(a) && value_is_numeric(b)) {
        *ret = DAG_NUMBER;
    } else if (a == DAG_ANY || b == DAG_ANY || a == DAG_NULL || b == DAG_NULL) {
        *ret = DAG_ANY;
    } else {
        return false;
    }
    return true;
}

/* DAG_ANY counts as fitting everywhere. */
static bool maybe_number(enum dag_type type)
{
    return value_is_numeric(type) || type == DAG_ANY;
}

static bool maybe(enum dag_type type, enum dag_type wanted)
{
    return type == wanted || type == DAG_ANY;
}

static bool both(enum dag_type left, enum dag_type right, enum dag_type wanted)
{
    return maybe(left, wanted) && maybe(right, wanted);
}

static bool type_logic(enum dag_type left, enum dag_type right, enum dag_type *ret)
{
    *ret = DAG_BOOL;
    return both(left, right, DAG_BOOL);
}

static bool type_equal(enum dag_type left, enum dag_type right, enum dag_type *ret)
{
    enum dag_type ignored;
    *ret = DAG_BOOL;
    return expr_unify(left, right, &ignored);
}

static bool type_order(enum dag_type left, enum dag_type right, enum dag_type *ret)
{
    *ret = DAG_BOOL;
    return (maybe_number(left) && maybe_number(right)) || both(left, right, DAG_STRING);
}

static bool type_in(enum dag_type left, enum dag_type right, enum dag_type *ret)
{
    *ret = DAG_BOOL;
    return maybe(right, DAG_LIST) ||
           ((right == DAG_MAP || right == DAG_STRING) && maybe(left, DAG_STRING));
}

static enum dag_type numeric(enum dag_type left, enum dag_type right)
{
    if (left == DAG_INT && right == DAG_INT) {
        return DAG_INT;
    }
    return left == DAG_NUMBER || right == DAG_NUMBER ? DAG_NUMBER : DAG_ANY;
}

static bool type_plus(enum dag_type left, enum dag_type right, enum dag_type *ret)
{
    bool text = left == DAG_STRING || right == DAG_STRING;
    *ret = text ? DAG_STRING : numeric(left, right);
    return text ? both(left, right, DAG_STRING) : maybe_number(left) && maybe_number(right);
}

static bool type_arithmetic(enum dag_type left, enum dag_type right, enum dag_type *ret)
{
    *ret = numeric(left, right);
    return maybe_number(left) && maybe_number(right);
}

static bool type_divide(enum dag_type left, enum dag_type right, enum dag_type *ret)
{
    *ret = DAG_NUMBER;
    return maybe_number(left) && maybe_number(right);
}

static bool type_modulo(enum dag_type left, enum dag_type right, enum dag_type *ret)
{
    *ret = DAG_INT;
    return both(left, right, DAG_INT);
}

/* ---- values */

static bool value_equality(struct operands *o)
{
    bool equal = dag_value_equal(o->left, o->right);
    *o->ret = dag_bool(equal == (o->symbol == SYM_EQUAL));
    return true;
}

static int compare_text(const struct dag_value *a, const struct dag_value *b)
{
    return strcmp(a->u.string.text, b->u.string.text);
}

static bool value_order(struct operands *o)
{
    int order = o->left->type == DAG_STRING ? compare_text(o->left, o->right)
                                            : value_compare_numbers(o->left, o->right);
    bool less = o->symbol == SYM_LESS || o->symbol == SYM_LESS_EQUAL;
    bool or_equal = o->symbol == SYM_LESS_EQUAL || o->symbol == SYM_GREATER_EQUAL;
    *o->ret = dag_bool((order == 0 && or_equal) || (order != 0 && (order < 0) == less));
    return true;
}

/* Looking for a value among others of another type is as wrong as comparing with one of them. */
static bool in_list(struct operands *o)
{
    const struct dag_value *stranger = NULL;
    for (size_t i = 0; i < o->right->u.list.count; i++) {
        const struct dag_value *item = &o->right->u.list.items[i];
        if (dag_value_equal(o->left, item)) {
            *o->ret = dag_bool(true);
            return true;
        }
        enum dag_type ignored;
        if (!expr_unify(o->left->type, item->type, &ignored)) {
            stranger = item;
        }
    }
    if (stranger != NULL) {
        return expr_fail(o->ev, ERR_INVALID,
                         "'in' compares equal types, but %s is looked for and the list holds %s",
                         expr_type_phrase(o->left->type), expr_type_phrase(stranger->type));
    }
    *o->ret = dag_bool(false);
    return true;
}

static bool value_in(struct operands *o)
{
    if (o->right->type == DAG_LIST) {
        return expr_work(o->ev, o->right->u.list.count * sizeof(struct dag_value)) && in_list(o);
    }
    bool found = false;
    if (o->right->type == DAG_STRING) {
        found = strstr(o->right->u.string.text, o->left->u.string.text) != NULL;
    } else {
        for (size_t i = 0; i < o->right->u.map.count && !found; i++) {
            found = strcmp(o->right->u.map.entries[i].key, o->left->u.string.text) == 0;
        }
    }
    *o->ret = dag_bool(found);
    return true;
}

static bool overflow(struct operands *o)
{
    return expr_fail(o->ev, ERR_INVALID, "the result of '%s' does not fit in 64 bits",
                     expr_symbol_text(o->symbol));
}

static bool finite_number(struct operands *o, double number)
{
    if (!isfinite(number)) {
        return expr_fail(o->ev, ERR_INVALID, "the result of '%s' is too large for a number",
                         expr_symbol_text(o->symbol));
    }
    *o->ret = value_number(number);
    return true;
}

static bool division_by_zero(struct operands *o)
{
    return expr_fail(o->ev, ERR_INVALID, "'%s': division by zero", expr_symbol_text(o->symbol));
}

static bool value_arithmetic(struct operands *o)
{
    if (o->left->type == DAG_INT && o->right->type == DAG_INT) {
        int64_t a = o->left->u.integer, b = o->right->u.integer, sum;
        bool over = o->symbol == SYM_PLUS    ? __builtin_add_overflow(a, b, &sum)
                    : o->symbol == SYM_MINUS ? __builtin_sub_overflow(a, b, &sum)
                                             : __builtin_mul_overflow(a, b, &sum);
        if (over) {
            return overflow(o);
        }
        *o->ret = dag_int(sum);
        return true;
    }
    double a = value_double(o->left), b = value_double(o->right);
    return finite_number(o, o->symbol == SYM_PLUS ? a + b : o->symbol == SYM_MINUS ? a - b : a * b);
}

static bool value_plus(struct operands *o)
{
    if (o->left->type != DAG_STRING) {
        return value_arithmetic(o);
    }
    size_t a = o->left->u.string.len, b = o->right->u.string.len;
    if (a + b > LIMIT_VALUE) {
        return expr_fail(o->ev, ERR_LIMIT, "the text would be longer than %ld bytes",
                         (long)LIMIT_VALUE);
    }
    if (!expr_take(o->ev, a + b + 1)) {
        return false;
    }
    char *text = arena_alloc(o->ev->arena, a + b + 1);
    memcpy(text, o->left->u.string.text, a);
    memcpy(text + a, o->right->u.string.text, b);
    *o->ret = value_text(text, a + b);
    return true;
}

static bool value_divide(struct operands *o)
{
    double divisor = value_double(o->right);
    return divisor == 0 ? division_by_zero(o) : finite_number(o, value_double(o->left) / divisor);
}

static bool value_modulo(struct operands *o)
{
    int64_t a = o->left->u.integer, b = o->right->u.integer;
    if (b == 0) {
        return division_by_zero(o);
    }
    *o->ret = dag_int(b == -1 ? 0 : a % b); /* INT64_MIN % -1 traps */
    return true;
}

/* ---- the table */

static const struct operator
{
    int precedence;
    bool (*type)(enum dag_type left, enum dag_type right, enum dag_type * ret);
    bool (*value)(struct operands * o); /* NULL: compiled to jumps */
    const char *takes;
}
operators[SYM_COUNT] = {
    [SYM_OR] = {1, type_logic, NULL, "'||' needs booleans"},
    [SYM_AND] = {2, type_logic, NULL, "'&&' needs booleans"},
    [SYM_EQUAL] = {3, type_equal, value_equality, "'==' compares equal types"},
    [SYM_UNEQUAL] = {3, type_equal, value_equality, "'!=' compares equal types"},
    [SYM_LESS] = {4, type_order, value_order, "'<' compares two numbers or two strings"},
    [SYM_LESS_EQUAL] = {4, type_order, value_order, "'<=' compares two numbers or two strings"},
    [SYM_GREATER] = {4, type_order, value_order, "'>' compares two numbers or two strings"},
    [SYM_GREATER_EQUAL] = {4, type_order, value_order, "'>=' compares two numbers or two strings"},
    [SYM_IN] = {4, type_in, value_in, "'in' needs a list, a map or a string on its right"},
    [SYM_PLUS] = {5, type_plus, value_plus, "'+' adds two numbers or joins two strings"},
    [SYM_MINUS] = {5, type_arithmetic, value_arithmetic, "'-' needs numbers"},
    [SYM_TIMES] = {6, type_arithmetic, value_arithmetic, "'*' needs numbers"},
    [SYM_DIVIDE] = {6, type_divide, value_divide, "'/' needs numbers"},
    [SYM_MODULO] = {6, type_modulo, value_modulo, "'%' needs integers"},
};

int expr_precedence(enum expr_symbol symbol)
{
    return operators[symbol].precedence;
}

bool expr_binary_type(enum expr_symbol symbol, enum dag_type left, enum dag_type right,
                      enum dag_type *ret, const char **ret_why)
{
    if (operators[symbol].type(left, right, ret)) {
        return true;
    }
    *ret_why = operators[symbol].takes;
    return false;
}

/* The size a value shows at first sight; enough to bound the work of comparing. */
static size_t size_of(const struct dag_value *value)
{
    switch (value->type) {
    case DAG_STRING:
        return value->u.string.len;
    case DAG_LIST:
        return value->u.list.count * sizeof *value;
    case DAG_MAP:
        return value->u.map.count * sizeof(struct dag_entry);
    case DAG_NULL:
    case DAG_BOOL:
    case DAG_INT:
    case DAG_NUMBER:
    case DAG_ANY:
        break;
    }
    return 0;
}

bool expr_binary_value(struct expr_eval *ev, enum expr_symbol symbol, const struct dag_value *left,
                       const struct dag_value *right, struct dag_value *ret)
{
    enum dag_type ignored;
    const char *why;
    if (!expr_binary_type(symbol, left->type, right->type, &ignored, &why)) {
        return expr_fail(ev, ERR_INVALID, "%s, but %s is %s and %s is %s", why, expr_show(ev, left),
                         expr_type_phrase(left->type), expr_show(ev, right),
                         expr_type_phrase(right->type));
    }
    struct operands operands = {ev, symbol, left, right, ret};
    return expr_work(ev, size_of(left) + size_of(right)) && operators[symbol].value(&operands);
}

bool expr_minus(struct expr_eval *ev, const struct dag_value *value, struct dag_value *ret)
{
    if (value->type == DAG_NUMBER) {
        *ret = value_number(-value->u.number);
        return true;
    }
    if (value->type != DAG_INT) {
        return expr_fail(ev, ERR_INVALID, "'-' needs a number, but %s is %s", expr_show(ev, value),
                         expr_type_phrase(value->type));
    }
    int64_t negated;
    if (__builtin_sub_overflow(0, value->u.integer, &negated)) {
        return expr_fail(ev, ERR_INVALID, "the result of '-' does not fit in 64 bits");
    }
    *ret = dag_int(negated);
    return true;
}

static bool index_list(struct expr_eval *ev, const struct dag_value *list,
                       const struct dag_value *key, struct dag_value *ret)
{
    if (key->type != DAG_INT) {
        return expr_fail(ev, ERR_INVALID, "a list is indexed by an integer, not by %s",
                         expr_type_phrase(key->type));
    }
    if (key->u.integer < 0 || (uint64_t)key->u.integer >= list->u.list.count) {
        return expr_fail(ev, ERR_NOT_FOUND, "the list has %zu items (counted from 0), no [%lld]",
                         list->u.list.count, (long long)key->u.integer);
    }
    *ret = list->u.list.items[key->u.integer];
    return true;
}

bool expr_index(struct expr_eval *ev, const struct dag_value *value, const struct dag_value *key,
                struct dag_value *ret)
{
    if (value->type == DAG_LIST) {
        return index_list(ev, value, key, ret);
    }
    if (value->type != DAG_MAP) {
        return expr_fail(ev, ERR_INVALID, "only lists and maps have parts, and %s is %s",
                         expr_show(ev, value), expr_type_phrase(value->type));
    }
    if (key->type != DAG_STRING) {
        return expr_fail(ev, ERR_INVALID, "a map is indexed by a string, not by %s",
                         expr_type_phrase(key->type));
    }
    if (!expr_work(ev, value->u.map.count * sizeof(struct dag_entry))) {
        return false;
    }
    for (size_t i = 0; i < value->u.map.count; i++) {
        if (strcmp(value->u.map.entries[i].key, key->u.string.text) == 0) {
            *ret = value->u.map.entries[i].value;
            return true;
        }
    }
    return expr_fail(ev, ERR_NOT_FOUND, "the map has no key %s", expr_show(ev, key));
}
