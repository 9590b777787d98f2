/*
 * value.h - private to dag: bounds and comparisons of values that expressions share.
 */
#ifndef DAG_VALUE_H
#define DAG_VALUE_H

#include "base/limits.h"
#include "dag/dag.h"

/* A document nests LIMIT_YAML_DEPTH deep, list literals of an expression may stand around it. */
#define VALUE_DEPTH (LIMIT_YAML_DEPTH + LIMIT_EXPR_DEPTH)
#define VALUE_ITEMS 1000000 /* members of one JSON text: bounds the memory of its tree */

/* True for DAG_INT and DAG_NUMBER. */
bool value_is_numeric(enum dag_type type);
/* Orders two numeric values exactly, also beyond 2^53: negative, 0 or positive. */
int value_compare_numbers(const struct dag_value *a, const struct dag_value *b);
/* The value as double; only for numeric values. */
double value_double(const struct dag_value *value);
/* A number, with -0 made 0 so that equal numbers print alike. */
struct dag_value value_number(double number);
/* A string of known length; borrows. */
struct dag_value value_text(const char *text, size_t len);

#endif
