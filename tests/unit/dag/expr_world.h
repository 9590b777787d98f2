/*
 * expr_world.h - a small world of names and values for tests of expressions: what a pipeline and a
 * run would answer.
 */
#ifndef TESTS_EXPR_WORLD_H
#define TESTS_EXPR_WORLD_H

#include "base/mem.h"
#include "base/text.h"
#include "dag/expr.h"

#include <string.h>

struct world_name {
    enum dag_space space;
    const char *step, *name; /* NULL: none */
    enum dag_field field;
    enum dag_type type;
    const char *json; /* NULL: missing at run time */
};

/* clang-format off */
static const struct world_name world_names[] = {
    {DAG_PARAMS, NULL, "days", 0, DAG_INT, "14"},
    {DAG_PARAMS, NULL, "rate", 0, DAG_NUMBER, "0.5"},
    {DAG_PARAMS, NULL, "whole", 0, DAG_NUMBER, "3"},
    {DAG_PARAMS, NULL, "algo", 0, DAG_STRING, "\"rf\""},
    {DAG_PARAMS, NULL, "flag", 0, DAG_BOOL, "true"},
    {DAG_PARAMS, NULL, "list", 0, DAG_LIST, "[1,2,3]"},
    {DAG_PARAMS, NULL, "words", 0, DAG_LIST, "[\"a\",\"b\"]"},
    {DAG_PARAMS, NULL, "mixed", 0, DAG_LIST, "[1,\"a\",null]"},
    {DAG_PARAMS, NULL, "map", 0, DAG_MAP, "{\"a\":1,\"b\":{\"c\":[10,20]},\"x.y\":true}"},
    {DAG_PARAMS, NULL, "text", 0, DAG_STRING, "\"  Grün & 'co'  \""},
    {DAG_PARAMS, NULL, "v", 0, DAG_STRING, "\"\""}, /* overridden by world_value */
    {DAG_PARAMS, NULL, NULL, 0, DAG_MAP, "{\"days\":14,\"algo\":\"rf\"}"},
    {DAG_ENV, NULL, "HOME", 0, DAG_STRING, "\"/home/u\""},
    {DAG_SECRETS, NULL, "TOKEN", 0, DAG_STRING, "\"s3cret-value\""},
    {DAG_RUN, NULL, "id", 0, DAG_STRING, "\"0190\""},
    {DAG_RUN, NULL, "status", 0, DAG_STRING, "\"succeeded\""},
    {DAG_INPUTS, NULL, "raw", 0, DAG_STRING, "\"/store/raw.csv\""},
    {DAG_MATRIX, NULL, "depth", 0, DAG_ANY, "8"},
    {DAG_MATRIX, NULL, "algo", 0, DAG_ANY, "\"gbm\""},
    {DAG_ITEM, NULL, NULL, 0, DAG_ANY, "{\"name\":\"press-1\",\"ids\":[7,8]}"},
    {DAG_ITEM, NULL, "name", 0, DAG_ANY, "\"press-1\""},
    {DAG_TRIGGER, NULL, "type", 0, DAG_STRING, "\"cron\""},
    {DAG_TRIGGER, NULL, "payload", 0, DAG_ANY, "{\"batch\":7,\"ok\":true,\"none\":null}"},
    {DAG_STEPS, "train", NULL, DAG_STATUS, DAG_STRING, "\"succeeded\""},
    {DAG_STEPS, "train", NULL, DAG_EXIT_CODE, DAG_INT, "0"},
    {DAG_STEPS, "train", NULL, DAG_OUTPUTS, DAG_MAP, "{\"n\":\"3\"}"},
    {DAG_STEPS, "train", "n", DAG_OUTPUTS, DAG_STRING, "\"3\""},
    {DAG_STEPS, "train", "count", DAG_OUTPUTS, DAG_INT, "42"},
    {DAG_STEPS, "train", "any", DAG_OUTPUTS, DAG_ANY, "\"x\""},
    {DAG_STEPS, "train", "missing", DAG_OUTPUTS, DAG_STRING, NULL},
    {DAG_STEPS, "train", "lost", DAG_OUTPUTS, DAG_ANY, NULL},
    {DAG_STEPS, "train", "f1", DAG_METRICS, DAG_NUMBER, "0.91"},
    {DAG_STEPS, "train", "val/loss", DAG_METRICS, DAG_NUMBER, "0.25"},
    {DAG_STEPS, "train", "many", DAG_METRICS, DAG_LIST, "[0.8,null,0.9]"},
    {DAG_STEPS, "sign-off", "x", DAG_OUTPUTS, DAG_INT, "5"},
    {DAG_STEPS, "sign-off", "promote", DAG_OUTPUTS, DAG_ANY, "\"true\""},
    {DAG_STEPS, "01-load", "x-1", DAG_OUTPUTS, DAG_STRING, "\"dash\""},
};
/* clang-format on */

static const char *const world_steps[] = {"train", "sign-off", "01-load"};

/* The value of params.v and secrets.V, for tests of hostile values. */
static const char *world_value = "";

static const struct world_name *world_find(const struct dag_ref *ref, const char *step)
{
    for (size_t i = 0; i < COUNT_OF(world_names); i++) {
        const struct world_name *n = &world_names[i];
        bool same = n->space == ref->space && (n->name == NULL) == (ref->name == NULL) &&
                    (n->name == NULL || strcmp(n->name, ref->name) == 0);
        if (same && (n->space != DAG_STEPS ||
                     (n->field == ref->field && step != NULL && strcmp(n->step, step) == 0))) {
            return n;
        }
    }
    return NULL;
}

static bool world_resolve(void *arg, struct dag_ref *ref, const char *step_name,
                          struct diag_pos pos, unsigned width, enum dag_type *ret_type,
                          struct diags *diags)
{
    (void)arg;
    for (uint32_t i = 0; step_name != NULL && i < COUNT_OF(world_steps); i++) {
        ref->step = strcmp(world_steps[i], step_name) == 0 ? i : ref->step;
    }
    const struct world_name *n = world_find(ref, step_name);
    if (n == NULL) {
        return diag_add(diags, DIAG_ERROR, "unknown-name", pos, width, NULL, "no '%s'",
                        ref->name != NULL ? ref->name : "such thing");
    }
    *ret_type = n->type;
    return true;
}

static bool world_get(void *arg, const struct dag_ref *ref, struct arena *a, struct dag_value *ret,
                      struct err *err)
{
    (void)arg;
    bool own = ref->name != NULL && strcmp(ref->name, "v") == 0 && ref->space == DAG_PARAMS;
    if (own || ref->space == DAG_SECRETS) {
        *ret = dag_string(own || world_value[0] != '\0' ? world_value : "s3cret-value");
        return true;
    }
    const struct world_name *n =
        world_find(ref, ref->space == DAG_STEPS ? world_steps[ref->step] : NULL);
    if (n->json == NULL) {
        return err_set(err, ERR_NOT_FOUND, "steps.%s.outputs.%s was not written by step '%s'",
                       world_steps[ref->step], ref->name, world_steps[ref->step]);
    }
    return dag_value_from_json(n->json, strlen(n->json), a, ret, err);
}

static bool world_ask(void *arg, enum dag_question question)
{
    (void)arg;
    return question == DAG_SUCCESS || question == DAG_ALWAYS;
}

/* Places are offsets: line 1, column = offset + 1. */
static struct diag_pos world_pos(const void *arg, size_t offset)
{
    (void)arg;
    return (struct diag_pos){1, (unsigned)offset + 1};
}

static const struct expr_names world = {NULL, world_resolve, true, true};
static const struct dag_scope world_scope = {NULL, world_get, world_ask};

static inline struct expr_source world_source(const char *text)
{
    return (struct expr_source){text, strlen(text), world_pos, NULL};
}

#endif
