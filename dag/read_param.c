/*
 * read_param.c - the parameters of a pipeline: their types, and what a value of them must be.
 */
#include "base/mem.h"
#include "base/text.h"
#include "dag/reader.h"

#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

bool param_fit(const struct dag_param *param, struct dag_value *value)
{
    if (param->type == DAG_NUMBER && value->type == DAG_INT) {
        *value = (struct dag_value){.type = DAG_NUMBER, .u.number = (double)value->u.integer};
    }
    return value->type == param->type;
}

#define MATCHED_MAX 16384 /* bytes; regexec() may take minutes for more */

static bool matches(const char *pattern, const char *text)
{
    regex_t compiled;
    regmatch_t match;
    AUTO_FREE char *whole = mem_printf("^(%s)$", pattern);
    if (strlen(text) > MATCHED_MAX) {
        return false;
    }
    if (regcomp(&compiled, whole, REG_EXTENDED) != 0) {
        return false; /* cannot be: it was compiled when the file was read */
    }
    bool ok = regexec(&compiled, text, 1, &match, 0) == 0 && match.rm_so == 0 &&
              text[match.rm_eo] == '\0';
    regfree(&compiled);
    return ok;
}

static bool is_choice(const struct dag_param *param, const struct dag_value *value)
{
    for (size_t i = 0; i < param->choice_count; i++) {
        if (dag_value_equal(&param->choices[i], value)) {
            return true;
        }
    }
    return param->choice_count == 0;
}

static void add_value(struct buf *b, const struct dag_value *value)
{
    struct err err = ERR_INIT;
    if (!dag_value_to_json(value, b, &err)) {
        buf_adds(b, "…");
    }
}

static bool not_a_choice(const struct dag_param *param, const struct dag_value *value,
                         struct diag_pos pos, unsigned width, struct diags *diags)
{
    AUTO_BUF struct buf text = BUF_INIT(2000);
    AUTO_BUF struct buf got = BUF_INIT(200);
    const char *names[SCHEMA_MAX_ROWS];
    size_t count = 0;
    for (size_t i = 0; i < param->choice_count; i++) {
        buf_adds(&text, i > 0 ? ", " : "");
        add_value(&text, &param->choices[i]);
        if (param->choices[i].type == DAG_STRING && count < COUNT_OF(names)) {
            names[count++] = param->choices[i].u.string.text;
        }
    }
    add_value(&got, value);
    const char *near =
        value->type == DAG_STRING ? text_nearest(value->u.string.text, names, count) : NULL;
    AUTO_FREE char *hint = near != NULL ? mem_printf("Did you mean `%s`?", near) : NULL;
    return diag_add(diags, DIAG_ERROR, "param-value", pos, width, hint,
                    "`%s` must be one of %s, not %s", param->name, buf_str(&text), buf_str(&got));
}

bool param_check(const struct dag_param *param, const struct dag_value *value, struct diag_pos pos,
                 unsigned width, struct diags *diags)
{
    char bound[32];
    char got[32];
    double number = value->type == DAG_INT ? (double)value->u.integer : value->u.number;
    bool numeric = value->type == DAG_INT || value->type == DAG_NUMBER;
    if (!is_choice(param, value)) {
        return not_a_choice(param, value, pos, width, diags);
    }
    if (numeric && param->has_min && number < param->min) {
        return diag_add(diags, DIAG_ERROR, "param-value", pos, width, NULL,
                        "`%s` must be at least %s, not %s", param->name,
                        text_format_double(param->min, bound), text_format_double(number, got));
    }
    if (numeric && param->has_max && number > param->max) {
        return diag_add(diags, DIAG_ERROR, "param-value", pos, width, NULL,
                        "`%s` must be at most %s, not %s", param->name,
                        text_format_double(param->max, bound), text_format_double(number, got));
    }
    if (value->type == DAG_STRING && param->pattern != NULL &&
        !matches(param->pattern, value->u.string.text)) {
        return diag_add(diags, DIAG_ERROR, "param-value", pos, width, NULL,
                        "`%s` must match the pattern %s", param->name, param->pattern);
    }
    return true;
}

void param_unknown(struct reader *r, const struct dag_node *name)
{
    const struct dag_pipeline *p = r->p;
    if (r->param_names == NULL) {
        r->param_names = arena_array(r->arena, p->param_count, sizeof *r->param_names);
        for (size_t i = 0; i < p->param_count; i++) {
            r->param_names[i] = p->params[i].name;
        }
    }
    diag_add(r->diags, DIAG_ERROR, "unknown-name", node_pos(name), node_width(name),
             read_suggest(r, name->u.text, r->param_names, p->param_count),
             "`params`: the pipeline has no parameter `%.128s`", name->u.text);
}

/* ---- reading */

static bool holds_expression(const struct dag_node *node)
{
    if (node->kind == NODE_SCALAR) {
        return strstr(node->u.text, "${{") != NULL;
    }
    for (size_t i = 0; i < node->count; i++) {
        if (holds_expression(node->kind == NODE_LIST ? &node->u.items[i]
                                                     : &node->u.entries[i].value)) {
            return true;
        }
    }
    return false;
}

/* The default and what restricts it; `node` is the value of the default. */
static void take_default(struct reader *r, struct dag_param *param, const struct dag_node *node)
{
    if (holds_expression(node)) {
        diag_add(r->diags, DIAG_ERROR, "expression-not-here", node_pos(node), node_width(node),
                 "Write the value itself.", "the default of `%s` takes no ${{ }}", param->name);
        return;
    }
    if (!node_value(node, r->arena, r->diags, &param->def)) {
        return;
    }
    if (param->def.type == DAG_NULL) {
        diag_add(r->diags, DIAG_ERROR, "no-value", node->count > 0 ? node_pos(node) : param->pos, 1,
                 "Write a default, or `{type: string}` for a parameter that must be given.",
                 "the parameter `%s` has no value", param->name);
        return;
    }
    if (param->type == DAG_NULL) {
        param->type = param->def.type;
    }
    param->required = false;
    if (!param_fit(param, &param->def)) {
        diag_add(r->diags, DIAG_ERROR, "param-type", node_pos(node), node_width(node),
                 param->type == DAG_STRING ? "Put it in quotes." : NULL,
                 "the default of `%s` is of type %s, but the parameter of type %s", param->name,
                 dag_type_name(param->def.type), dag_type_name(param->type));
        return;
    }
    param_check(param, &param->def, node_pos(node), node_width(node), r->diags);
}

static void take_choices(struct reader *r, struct dag_param *param, const struct dag_node *list)
{
    struct dag_value *choices = arena_array(r->arena, list->count, sizeof *choices);
    for (size_t i = 0; i < list->count; i++) {
        const struct dag_node *node = &list->u.items[i];
        if (!node_value(node, r->arena, r->diags, &choices[i])) {
            return;
        }
        if (param->type == DAG_NULL) {
            param->type = choices[i].type;
        }
        if (!param_fit(param, &choices[i])) {
            diag_add(r->diags, DIAG_ERROR, "param-type", node_pos(node), node_width(node), NULL,
                     "`enum` of `%s` holds a value of type %s, but the parameter is of type %s",
                     param->name, dag_type_name(choices[i].type), dag_type_name(param->type));
            return;
        }
    }
    param->choices = choices;
    param->choice_count = list->count;
}

static bool take_bound(struct reader *r, struct dag_param *param, const struct dag_node *node,
                       const char *key, double *ret)
{
    struct dag_value value;
    if (node == NULL || (node_type(node) != DAG_INT && node_type(node) != DAG_NUMBER) ||
        !node_value(node, r->arena, r->diags, &value)) {
        return false;
    }
    if (param->type != DAG_INT && param->type != DAG_NUMBER) {
        diag_add(r->diags, DIAG_ERROR, "conflict", node_pos(node), node_width(node), NULL,
                 "`%s` has no meaning for the parameter `%s` of type %s", key, param->name,
                 dag_type_name(param->type));
        return false;
    }
    *ret = value.type == DAG_INT ? (double)value.u.integer : value.u.number;
    return true;
}

/* The rows have been checked; what depends on the type is done here, in the right order. */
void finish_param(struct reader *r, const struct dag_node *node, void *target)
{
    struct dag_param *param = target;
    const struct dag_node *def = node_get(node, "default");
    const struct dag_node *choices = node_get(node, "enum");
    const struct dag_node *pattern = node_get(node, "pattern");
    if (param->type == DAG_NULL && def != NULL) {
        param->type = node_type(def);
    }
    if (choices != NULL && choices->kind == NODE_LIST) {
        take_choices(r, param, choices);
    }
    if (param->type == DAG_NULL) {
        param->type = DAG_STRING;
    }
    param->has_min = take_bound(r, param, node_get(node, "min"), "min", &param->min);
    param->has_max = take_bound(r, param, node_get(node, "max"), "max", &param->max);
    if (param->has_min && param->has_max && param->min > param->max) {
        diag_add(r->diags, DIAG_ERROR, "conflict", param->pos, 1, NULL,
                 "`min` of the parameter `%s` is more than its `max`", param->name);
    }
    if (pattern != NULL && param->type != DAG_STRING) {
        diag_add(r->diags, DIAG_ERROR, "conflict", node_pos(pattern), node_width(pattern), NULL,
                 "`pattern` has no meaning for the parameter `%s` of type %s", param->name,
                 dag_type_name(param->type));
    }
    if (def != NULL) {
        take_default(r, param, def);
    }
}

/* ORCH_PARAM_DAYS can only be one of `days` and `Days`. */
static const char *upper_case(struct arena *a, const char *name)
{
    char *upper = arena_strdup(a, name);
    for (char *c = upper; *c != '\0'; c++) {
        *c = (char)toupper((unsigned char)*c);
    }
    return upper;
}

void read_params(struct reader *r, const struct schema_entry *e, void *target)
{
    struct dag_pipeline *p = target;
    const struct dag_node *map = e->value;
    struct name_index upper = {0};
    struct dag_param *params = arena_array(r->arena, map->count, sizeof *params);
    for (uint32_t i = 0; i < map->count; i++) {
        const struct node_entry *entry = &map->u.entries[i];
        struct dag_param *param = &params[i];
        *param = (struct dag_param){
            .name = entry->key.u.text, .pos = node_pos(&entry->key), .required = true};
        (void)name_index_add(&r->params, param->name, i, NULL);
        if (!read_name(r, e->row->names, &entry->key, e->key->u.text)) {
            continue;
        }
        if (!name_index_add(&upper, upper_case(r->arena, param->name), i, NULL)) {
            diag_add(r->diags, DIAG_ERROR, "bad-name", param->pos, node_width(&entry->key), NULL,
                     "`%s` differs from another parameter only in case: both would be "
                     "ORCH_PARAM_%s",
                     param->name, upper_case(r->arena, param->name));
        }
        if (entry->value.kind == NODE_MAP) {
            read_map(r, &schema_param, &entry->value, param);
        } else {
            take_default(r, param, &entry->value);
        }
    }
    name_index_done(&upper);
    p->params = params;
    p->param_count = map->count;
}
