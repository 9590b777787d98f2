/*
 * expr_func.c - the functions of expressions: one row each. Checking, messages, suggestions and the
 * reference in docs/expressions.md all read this table.
 *
 * To add a function: write expr_fn_NAME() in expr_text.c or expr_math.c and a row here. An
 * implementation may rely on the number and the types of its arguments.
 */
#include "dag/expr_code.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define T(type) (1U << (type))
#define TEXT T(DAG_STRING)
#define INT T(DAG_INT)
#define NUM (T(DAG_INT) | T(DAG_NUMBER))
#define BOOL T(DAG_BOOL)
#define LIST T(DAG_LIST)
#define MAP T(DAG_MAP)
#define SIMPLE (TEXT | NUM | BOOL)
#define ALL (SIMPLE | LIST | MAP | T(DAG_NULL))

/* clang-format off */
static const struct expr_func funcs[] = {
    {"contains", "text|list|map, part", "whether the text holds that part, the list that item, the map that key", expr_fn_contains, {TEXT | LIST | MAP, ALL}, 2, 2, DAG_BOOL, .form = FORM_PLAIN},
    {"startsWith", "text, start", "whether the text begins so", expr_fn_starts_with, {TEXT, TEXT}, 2, 2, DAG_BOOL, .form = FORM_PLAIN},
    {"endsWith", "text, end", "whether the text ends so", expr_fn_ends_with, {TEXT, TEXT}, 2, 2, DAG_BOOL, .form = FORM_PLAIN},
    {"format", "pattern, values…", "the pattern with {0}, {1} … replaced by the values as text; {{ and }} stand for braces", expr_fn_format, {TEXT, ALL, ALL}, 1, 100, DAG_STRING, .form = FORM_PLAIN},
    {"join", "list, separator = ','", "the items as text, one after the other", expr_fn_join, {LIST, TEXT}, 1, 2, DAG_STRING, .form = FORM_PLAIN},
    {"split", "text, separator = ','", "the parts of the text as a list; an empty text gives an empty list", expr_fn_split, {TEXT, TEXT}, 1, 2, DAG_LIST, .form = FORM_PLAIN},
    {"replace", "text, old, new", "the text with each old replaced", expr_fn_replace, {TEXT, TEXT, TEXT}, 3, 3, DAG_STRING, .form = FORM_PLAIN},
    {"lower", "text", "the ASCII letters in lower case", expr_fn_lower, {TEXT}, 1, 1, DAG_STRING, .form = FORM_PLAIN},
    {"upper", "text", "the ASCII letters in upper case", expr_fn_upper, {TEXT}, 1, 1, DAG_STRING, .form = FORM_PLAIN},
    {"trim", "text", "the text without blanks and line ends around it", expr_fn_trim, {TEXT}, 1, 1, DAG_STRING, .form = FORM_PLAIN},
    {"basename", "path", "the last part of a path", expr_fn_basename, {TEXT}, 1, 1, DAG_STRING, .form = FORM_PLAIN},
    {"dirname", "path", "a path without its last part", expr_fn_dirname, {TEXT}, 1, 1, DAG_STRING, .form = FORM_PLAIN},
    {"toJSON", "value", "the value as compact JSON", expr_fn_to_json, {ALL}, 1, 1, DAG_STRING, .form = FORM_PLAIN},
    {"fromJSON", "text", "the value that the JSON text means", expr_fn_from_json, {TEXT}, 1, 1, DAG_ANY, .form = FORM_PLAIN},
    {"hash", "value", "SHA-256 of the value's text, 64 hexadecimal digits", expr_fn_hash, {ALL}, 1, 1, DAG_STRING, .form = FORM_PLAIN},
    {"string", "value", "the value as text: lists and maps as JSON, null as nothing", expr_fn_string, {ALL}, 1, 1, DAG_STRING, .form = FORM_PLAIN},
    {"int", "value", "the integer in a text, or a number that is whole", expr_fn_int, {TEXT | NUM}, 1, 1, DAG_INT, .form = FORM_PLAIN},
    {"number", "value", "the number in a text", expr_fn_number, {TEXT | NUM}, 1, 1, DAG_NUMBER, .form = FORM_PLAIN},
    {"bool", "value", "the boolean in a text that is exactly true or false", expr_fn_bool, {TEXT | BOOL}, 1, 1, DAG_BOOL, .form = FORM_PLAIN},
    {"length", "text|list|map", "characters, items or keys", expr_fn_length, {TEXT | LIST | MAP}, 1, 1, DAG_INT, .form = FORM_PLAIN},
    {"keys", "map", "the keys, in their order", expr_fn_keys, {MAP}, 1, 1, DAG_LIST, .form = FORM_PLAIN},
    {"values", "map", "the values, in the order of their keys", expr_fn_values, {MAP}, 1, 1, DAG_LIST, .form = FORM_PLAIN},
    {"range", "start = 0, end, step = 1", "the integers from start up to, not including, end", expr_fn_range, {INT, INT, INT}, 1, 3, DAG_LIST, .form = FORM_PLAIN},
    {"min", "numbers… | list", "the smallest; null in a list is passed over", expr_fn_min, {NUM | LIST, NUM}, 1, 100, DAG_ANY, .result = RESULT_NUMERIC},
    {"max", "numbers… | list", "the largest; null in a list is passed over", expr_fn_max, {NUM | LIST, NUM}, 1, 100, DAG_ANY, .result = RESULT_NUMERIC},
    {"abs", "number", "without its sign", expr_fn_abs, {NUM}, 1, 1, DAG_ANY, .result = RESULT_NUMERIC},
    {"round", "number, digits", "the nearest integer, halves away from zero; with digits (0 to 15), the number with at most so many decimals", expr_fn_round, {NUM, INT}, 1, 2, DAG_ANY, .result = RESULT_ROUND},
    {"floor", "number", "the largest integer not above it", expr_fn_floor, {NUM}, 1, 1, DAG_INT, .form = FORM_PLAIN},
    {"ceil", "number", "the smallest integer not below it", expr_fn_ceil, {NUM}, 1, 1, DAG_INT, .form = FORM_PLAIN},
    {"default", "value, fallback", "the value, or the fallback where the value is missing: an output that was not written, a key that is not there", NULL, {ALL, ALL}, 2, 2, DAG_ANY, .form = FORM_DEFAULT},
    {"coalesce", "values…", "the first value that is neither missing nor null; the last one counts as it is", NULL, {ALL}, 1, 100, DAG_ANY, .form = FORM_COALESCE},
    {"success", "", "whether all steps this one needs, directly or not, succeeded (if: only)", NULL, {0}, 0, 0, DAG_BOOL, .form = FORM_QUESTION, .question = DAG_SUCCESS},
    {"failure", "", "whether one of them failed (if: only)", NULL, {0}, 0, 0, DAG_BOOL, .form = FORM_QUESTION, .question = DAG_FAILURE},
    {"cancelled", "", "whether the run was cancelled (if: only)", NULL, {0}, 0, 0, DAG_BOOL, .form = FORM_QUESTION, .question = DAG_CANCELLED},
    {"always", "", "true, whatever happened (if: only)", NULL, {0}, 0, 0, DAG_BOOL, .form = FORM_QUESTION, .question = DAG_ALWAYS},
};
/* clang-format on */

const struct expr_func *expr_find_func(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(funcs); i++) {
        if (strcmp(funcs[i].name, name) == 0) {
            return &funcs[i];
        }
    }
    return NULL;
}

/* Names that other tools use for the same thing. */
static const struct {
    const char *other, *ours;
} synonyms[] = {
    {"toNumber", "number"}, {"str", "string"},         {"float", "number"},
    {"len", "length"},      {"size", "length"},        {"count", "length"},
    {"sha256", "hash"},     {"toString", "string"},    {"toInt", "int"},
    {"get", "default"},     {"failed", "failure"},     {"succeeded", "success"},
    {"hashFiles", "hash"},  {"concat", "format"},      {"printf", "format"},
    {"strip", "trim"},      {"substitute", "replace"}, {"integer", "int"},
    {"boolean", "bool"},
};

const char *expr_nearest_func(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(synonyms); i++) {
        if (strcmp(synonyms[i].other, name) == 0) {
            return synonyms[i].ours;
        }
    }
    const char *names[COUNT_OF(funcs)];
    for (size_t i = 0; i < COUNT_OF(funcs); i++) {
        names[i] = funcs[i].name;
    }
    return text_nearest(name, names, COUNT_OF(funcs));
}

static unsigned types_of(const struct expr_func *func, uint32_t index)
{
    uint32_t last = 0;
    while (last + 1 < EXPR_PARAMS && func->types[last + 1] != 0) {
        last++;
    }
    return func->types[index < last ? index : last];
}

bool expr_fits(const struct expr_func *func, uint32_t index, enum dag_type type)
{
    return type == DAG_ANY || (types_of(func, index) & T(type)) != 0;
}

void expr_wanted(const struct expr_func *func, uint32_t index, struct buf *out)
{
    unsigned types = types_of(func, index);
    if ((types & T(DAG_NUMBER)) != 0) {
        types &= ~T(DAG_INT);
    }
    for (enum dag_type type = DAG_NULL; type < DAG_ANY; type++) {
        if ((types & T(type)) != 0) {
            buf_addf(out, "%s%s", out->len > 0 ? " or " : "", expr_type_phrase(type));
        }
    }
}

enum dag_type expr_call_type(const struct expr_func *func, const enum dag_type *args,
                             uint32_t count)
{
    if (func->result == RESULT_FIXED) {
        return func->type;
    }
    if (func->result == RESULT_ROUND) {
        return count == 1 ? DAG_INT : DAG_NUMBER;
    }
    enum dag_type ret = DAG_INT;
    for (uint32_t i = 0; i < count; i++) {
        if (!value_is_numeric(args[i])) {
            return DAG_ANY;
        }
        ret = args[i] == DAG_NUMBER ? DAG_NUMBER : ret;
    }
    return ret;
}

static const char *result_name(const struct expr_func *func)
{
    return func->result == RESULT_FIXED && func->type != DAG_ANY       ? dag_type_name(func->type)
           : func->result != RESULT_FIXED                              ? "integer or number"
           : func->form == FORM_DEFAULT || func->form == FORM_COALESCE ? "type of its arguments"
                                                                       : "any";
}

bool expr_reference(struct buf *ret)
{
    buf_adds(ret, "| function | gives | meaning |\n|---|---|---|\n");
    for (size_t i = 0; i < COUNT_OF(funcs); i++) {
        const struct expr_func *func = &funcs[i];
        buf_addf(ret, "| `%s(", func->name);
        for (const char *c = func->params; *c != '\0'; c++) {
            buf_addf(ret, "%s%c", *c == '|' ? "\\" : "", *c); /* a bar would end the cell */
        }
        buf_addf(ret, ")` | %s | %s |\n", result_name(func), func->help);
    }
    return !ret->full;
}
