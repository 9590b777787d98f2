/*
 * expr_math.c - functions over numbers. Integers stay exact: only what has a fraction is a double.
 */
#include "dag/expr_code.h"

#include "base/text.h"

#include <stdio.h>

/* Without its fraction; beyond 2^52 a double has none. (The C library's trunc and its kin would
 * need libm.) */
static double whole_part(double number)
{
    return number > -0x1p52 && number < 0x1p52 ? (double)(int64_t)number : number;
}

static double floor_of(double number)
{
    double whole = whole_part(number);
    return whole > number ? whole - 1 : whole;
}

static double ceil_of(double number)
{
    double whole = whole_part(number);
    return whole < number ? whole + 1 : whole;
}

static double round_of(double number)
{
    double whole = whole_part(number), rest = number - whole;
    return rest >= 0.5 ? whole + 1 : rest <= -0.5 ? whole - 1 : whole;
}

static bool give_int(struct expr_call *c, int64_t value)
{
    *c->ret = dag_int(value);
    return true;
}

/* A whole double as integer. */
static bool give_whole(struct expr_call *c, const char *name, double whole)
{
    if (!(whole >= -0x1p63 && whole < 0x1p63)) {
        return expr_fail(c->ev, ERR_INVALID, "%s: %s does not fit in 64 bits", name,
                         expr_show(c->ev, &c->args[0]));
    }
    return give_int(c, (int64_t)whole);
}

bool expr_fn_int(struct expr_call *c)
{
    const struct dag_value *value = &c->args[0];
    if (value->type == DAG_INT) {
        *c->ret = *value;
        return true;
    }
    int64_t integer;
    if (value->type == DAG_STRING) {
        return text_int(value->u.string.text, &integer)
                   ? give_int(c, integer)
                   : expr_fail(c->ev, ERR_INVALID, "int: %s is not an integer of 64 bits",
                               expr_show(c->ev, value));
    }
    if (whole_part(value->u.number) != value->u.number) {
        return expr_fail(c->ev, ERR_INVALID, "int: %s is not whole; use round, floor or ceil",
                         expr_show(c->ev, value));
    }
    return give_whole(c, "int", value->u.number);
}

bool expr_fn_number(struct expr_call *c)
{
    const struct dag_value *value = &c->args[0];
    double number = 0;
    if (value->type != DAG_STRING) {
        number = value_double(value);
    } else if (!text_double(value->u.string.text, &number)) {
        return expr_fail(c->ev, ERR_INVALID, "number: %s is not a number", expr_show(c->ev, value));
    }
    *c->ret = value_number(number);
    return true;
}

/* The extreme of the arguments, or of the items where the only argument is a list. */
static bool extreme(struct expr_call *c, const char *name, int sign)
{
    const struct dag_value *items = c->args, *best = NULL;
    size_t count = c->count;
    if (c->args[0].type == DAG_LIST && c->count == 1) {
        items = c->args[0].u.list.items;
        count = c->args[0].u.list.count;
    }
    for (size_t i = 0; i < count; i++) {
        if (items != c->args && items[i].type == DAG_NULL) {
            continue;
        }
        if (!value_is_numeric(items[i].type)) {
            return expr_fail(c->ev, ERR_INVALID, "%s: %s is %s, not a number", name,
                             expr_show(c->ev, &items[i]), expr_type_phrase(items[i].type));
        }
        if (best == NULL || value_compare_numbers(&items[i], best) * sign > 0) {
            best = &items[i];
        }
    }
    if (best == NULL) {
        return expr_fail(c->ev, ERR_INVALID, "%s: the list holds no number", name);
    }
    *c->ret = *best;
    return expr_work(c->ev, count * sizeof *items);
}

bool expr_fn_min(struct expr_call *c)
{
    return extreme(c, "min", -1);
}

bool expr_fn_max(struct expr_call *c)
{
    return extreme(c, "max", 1);
}

bool expr_fn_abs(struct expr_call *c)
{
    const struct dag_value *value = &c->args[0];
    bool negative = value->type == DAG_INT ? value->u.integer < 0 : value->u.number < 0;
    if (negative) {
        return expr_minus(c->ev, value, c->ret);
    }
    *c->ret = *value;
    return true;
}

static bool by_rule(struct expr_call *c, const char *name, double (*rule)(double))
{
    if (c->args[0].type == DAG_INT) {
        *c->ret = c->args[0];
        return true;
    }
    return give_whole(c, name, rule(c->args[0].u.number));
}

bool expr_fn_floor(struct expr_call *c)
{
    return by_rule(c, "floor", floor_of);
}

bool expr_fn_ceil(struct expr_call *c)
{
    return by_rule(c, "ceil", ceil_of);
}

bool expr_fn_round(struct expr_call *c)
{
    if (c->count == 1) {
        return by_rule(c, "round", round_of);
    }
    int64_t digits = c->args[1].u.integer;
    if (digits < 0 || digits > 15) {
        return expr_fail(c->ev, ERR_INVALID, "round: 0 to 15 digits, not %lld", (long long)digits);
    }
    char text[400]; /* 309 digits, a sign, a point and 15 decimals */
    double number = value_double(&c->args[0]);
    snprintf(text, sizeof text, "%.*f", (int)digits, number);
    *c->ret = value_number(text_double(text, &number) ? number : value_double(&c->args[0]));
    return true;
}

bool expr_fn_range(struct expr_call *c)
{
    int64_t start = c->count > 1 ? c->args[0].u.integer : 0;
    int64_t end = c->args[c->count > 1 ? 1 : 0].u.integer;
    int64_t step = c->count > 2 ? c->args[2].u.integer : 1;
    if (step == 0) {
        return expr_fail(c->ev, ERR_INVALID, "range: the step is 0");
    }
    uint64_t span = 0;
    if (step > 0 && end > start) {
        span = (uint64_t)end - (uint64_t)start;
    } else if (step < 0 && end < start) {
        span = (uint64_t)start - (uint64_t)end;
    }
    uint64_t width = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    uint64_t count = span / width + (span % width != 0);
    if (count > VALUE_ITEMS) {
        return expr_fail(c->ev, ERR_LIMIT, "range: more than %d items", VALUE_ITEMS);
    }
    if (!expr_take(c->ev, count * sizeof(struct dag_value))) {
        return false;
    }
    struct dag_value *items = arena_array(c->ev->arena, count, sizeof *items);
    for (uint64_t i = 0; i < count; i++) {
        items[i] = dag_int((int64_t)((uint64_t)start + i * (uint64_t)step));
    }
    *c->ret = (struct dag_value){.type = DAG_LIST, .u.list = {items, (size_t)count}};
    return true;
}
