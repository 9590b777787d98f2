/*
 * value.c - typed values: making, comparing, printing. Reading JSON is in value_json.c.
 *
 * Lists and maps nest at most VALUE_DEPTH deep, which bounds the recursion here.
 */
#include "dag/value.h"

#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {
    [DAG_NULL] = "null",     [DAG_BOOL] = "boolean", [DAG_INT] = "integer", [DAG_NUMBER] = "number",
    [DAG_STRING] = "string", [DAG_LIST] = "list",    [DAG_MAP] = "map",     [DAG_ANY] = "any",
};

const char *dag_type_name(enum dag_type type)
{
    return type_names[type];
}

struct dag_value dag_string(const char *text)
{
    return value_text(text, strlen(text));
}

struct dag_value dag_int(int64_t value)
{
    return (struct dag_value){.type = DAG_INT, .u.integer = value};
}

struct dag_value dag_bool(bool value)
{
    return (struct dag_value){.type = DAG_BOOL, .u.boolean = value};
}

struct dag_value value_text(const char *text, size_t len)
{
    return (struct dag_value){.type = DAG_STRING, .u.string = {text, len}};
}

struct dag_value value_number(double number)
{
    return (struct dag_value){.type = DAG_NUMBER, .u.number = number == 0 ? 0.0 : number};
}

bool value_is_numeric(enum dag_type type)
{
    return type == DAG_INT || type == DAG_NUMBER;
}

double value_double(const struct dag_value *value)
{
    return value->type == DAG_INT ? (double)value->u.integer : value->u.number;
}

/* ---- comparing */

static int compare_int_double(int64_t i, double d)
{
    if (d >= 0x1p63) {
        return -1;
    }
    if (d < -0x1p63) {
        return 1;
    }
    int64_t whole = (int64_t)d;
    if (i != whole) {
        return i < whole ? -1 : 1;
    }
    double rest = d - (double)whole; /* exact: |d| < 2^53 wherever there is a fraction */
    return rest > 0 ? -1 : rest < 0;
}

int value_compare_numbers(const struct dag_value *a, const struct dag_value *b)
{
    if (a->type == DAG_INT && b->type == DAG_INT) {
        return (a->u.integer > b->u.integer) - (a->u.integer < b->u.integer);
    }
    if (a->type == DAG_INT) {
        return compare_int_double(a->u.integer, b->u.number);
    }
    if (b->type == DAG_INT) {
        return -compare_int_double(b->u.integer, a->u.number);
    }
    return (a->u.number > b->u.number) - (a->u.number < b->u.number);
}

static bool equal(const struct dag_value *a, const struct dag_value *b, int depth);

static int by_key(const void *a, const void *b)
{
    const struct dag_entry *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

static const struct dag_entry **sorted(const struct dag_value *map)
{
    const struct dag_entry **ret = mem_array(map->u.map.count, sizeof *ret);
    for (size_t i = 0; i < map->u.map.count; i++) {
        ret[i] = &map->u.map.entries[i];
    }
    qsort(ret, map->u.map.count, sizeof *ret, by_key);
    return ret;
}

/* The order of keys carries no meaning; documents mostly agree in it all the same. */
static bool maps_equal(const struct dag_value *a, const struct dag_value *b, int depth)
{
    size_t count = a->u.map.count;
    if (count != b->u.map.count) {
        return false;
    }
    AUTO_FREE const struct dag_entry **left = sorted(a);
    AUTO_FREE const struct dag_entry **right = sorted(b);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(left[i]->key, right[i]->key) != 0 ||
            !equal(&left[i]->value, &right[i]->value, depth - 1)) {
            return false;
        }
    }
    return true;
}

static bool lists_equal(const struct dag_value *a, const struct dag_value *b, int depth)
{
    if (a->u.list.count != b->u.list.count) {
        return false;
    }
    for (size_t i = 0; i < a->u.list.count; i++) {
        if (!equal(&a->u.list.items[i], &b->u.list.items[i], depth - 1)) {
            return false;
        }
    }
    return true;
}

static bool equal(const struct dag_value *a, const struct dag_value *b, int depth)
{
    if (value_is_numeric(a->type) && value_is_numeric(b->type)) {
        return value_compare_numbers(a, b) == 0;
    }
    if (a->type != b->type || depth == 0) {
        return false;
    }
    switch (a->type) {
    case DAG_BOOL:
        return a->u.boolean == b->u.boolean;
    case DAG_STRING:
        return a->u.string.len == b->u.string.len &&
               memcmp(a->u.string.text, b->u.string.text, a->u.string.len) == 0;
    case DAG_LIST:
        return lists_equal(a, b, depth);
    case DAG_MAP:
        return maps_equal(a, b, depth);
    case DAG_NULL:
    case DAG_INT:
    case DAG_NUMBER:
    case DAG_ANY:
        break;
    }
    return true;
}

bool dag_value_equal(const struct dag_value *a, const struct dag_value *b)
{
    return equal(a, b, VALUE_DEPTH);
}

/* ---- printing */

/* JSON tells 3 from 3.0 so that a value reads back with its type. */
static void add_number(double number, bool json, struct buf *ret)
{
    char text[32];
    text_format_double(number, text);
    buf_adds(ret, text);
    if (json && strpbrk(text, ".eE") == NULL) {
        buf_adds(ret, ".0");
    }
}

static bool add_json(const struct dag_value *value, int depth, struct buf *ret);

static bool add_list(const struct dag_value *value, int depth, struct buf *ret)
{
    bool fine = buf_addc(ret, '[');
    for (size_t i = 0; fine && i < value->u.list.count; i++) {
        fine = (i == 0 || buf_addc(ret, ',')) && add_json(&value->u.list.items[i], depth - 1, ret);
    }
    return fine && buf_addc(ret, ']');
}

static bool add_map(const struct dag_value *value, int depth, struct buf *ret)
{
    bool fine = buf_addc(ret, '{');
    for (size_t i = 0; fine && i < value->u.map.count; i++) {
        const struct dag_entry *entry = &value->u.map.entries[i];
        fine = (i == 0 || buf_addc(ret, ',')) && buf_add_json(ret, entry->key) &&
               buf_addc(ret, ':') && add_json(&entry->value, depth - 1, ret);
    }
    return fine && buf_addc(ret, '}');
}

static bool add_json(const struct dag_value *value, int depth, struct buf *ret)
{
    if (depth == 0) {
        return false;
    }
    switch (value->type) {
    case DAG_NULL:
        return buf_adds(ret, "null");
    case DAG_BOOL:
        return buf_adds(ret, value->u.boolean ? "true" : "false");
    case DAG_INT:
        return buf_addf(ret, "%" PRId64, value->u.integer);
    case DAG_NUMBER:
        add_number(value->u.number, true, ret);
        break;
    case DAG_STRING:
        return buf_add_json(ret, value->u.string.text);
    case DAG_LIST:
        return add_list(value, depth, ret);
    case DAG_MAP:
        return add_map(value, depth, ret);
    case DAG_ANY:
        return false;
    }
    return !ret->full;
}

bool dag_value_to_json(const struct dag_value *value, struct buf *ret, struct err *err)
{
    if (!add_json(value, VALUE_DEPTH, ret)) {
        return ret->full
                   ? err_set(err, ERR_LIMIT, "the value is longer than %zu bytes as JSON", ret->max)
                   : err_set(err, ERR_LIMIT, "the value nests deeper than %d", VALUE_DEPTH);
    }
    return true;
}

bool dag_value_text(const struct dag_value *value, struct buf *ret, struct err *err)
{
    switch (value->type) {
    case DAG_NULL:
        break;
    case DAG_NUMBER:
        add_number(value->u.number, false, ret);
        break;
    case DAG_STRING:
        buf_add(ret, value->u.string.text, value->u.string.len);
        break;
    case DAG_BOOL:
    case DAG_INT:
    case DAG_LIST:
    case DAG_MAP:
    case DAG_ANY:
        return dag_value_to_json(value, ret, err);
    }
    if (ret->full) {
        return err_set(err, ERR_LIMIT, "the text is longer than %zu bytes", ret->max);
    }
    return true;
}
