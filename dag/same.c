/*
 * same.c - steps of two readings of a file compared, and what a step names; both over its nodes, as
 * they stand in the file. Recursion is as deep as the document, which LIMIT_YAML_DEPTH bounds.
 */
#include "base/mem.h"
#include "dag/dag.h"
#include "dag/node.h"

#include <ctype.h>
#include <string.h>

static const char *const shared_keys[] = {"env", "defaults"}; /* what all steps get */

static const struct dag_node *step_node(const struct dag_pipeline *p, uint32_t step)
{
    const struct dag_node *steps = node_get(p->root, "steps");
    const char *name = p->steps[step].name;
    if (steps == NULL || steps->kind != NODE_MAP) {
        return NULL;
    }
    bool there = step < steps->count && strcmp(steps->u.entries[step].key.u.text, name) == 0;
    return there ? &steps->u.entries[step].value : node_get(steps, name);
}

/* ---- alike? */

static bool same_node(const struct dag_node *a, const struct dag_node *b);

static bool same_map(const struct dag_node *a, const struct dag_node *b)
{
    for (uint32_t i = 0; i < a->count; i++) {
        const struct node_entry *entry = &a->u.entries[i];
        bool there = strcmp(b->u.entries[i].key.u.text, entry->key.u.text) == 0;
        const struct dag_node *other =
            there ? &b->u.entries[i].value : node_get(b, entry->key.u.text);
        if (other == NULL || !same_node(&entry->value, other)) {
            return false;
        }
    }
    return true;
}

static bool same_node(const struct dag_node *a, const struct dag_node *b)
{
    if (a->kind != b->kind || a->count != b->count) {
        return false;
    }
    if (a->kind == NODE_MAP) {
        return same_map(a, b);
    }
    if (a->kind == NODE_SCALAR) {
        return node_type(a) == node_type(b) && strcmp(a->u.text, b->u.text) == 0;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        if (!same_node(&a->u.items[i], &b->u.items[i])) {
            return false;
        }
    }
    return true;
}

static bool same_or_none(const struct dag_node *a, const struct dag_node *b)
{
    return a == NULL || b == NULL ? a == b : same_node(a, b);
}

bool dag_step_same(const struct dag_pipeline *a, uint32_t a_step, const struct dag_pipeline *b,
                   uint32_t b_step)
{
    for (size_t i = 0; i < COUNT_OF(shared_keys); i++) {
        if (!same_or_none(node_get(a->root, shared_keys[i]), node_get(b->root, shared_keys[i]))) {
            return false;
        }
    }
    return same_or_none(step_node(a, a_step), step_node(b, b_step));
}

/* ---- named? */

struct name {
    const char *expression, *variable; /* params.NAME, ORCH_PARAM_NAME */
};

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* `word` with nothing around it that would make it another one. */
static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++) {
        bool begins = at == text || (!is_word(at[-1]) && at[-1] != '.' && at[-1] != '-');
        bool ends = !is_word(at[len]) && at[len] != '-';
        if (begins && ends) {
            return true;
        }
    }
    return false;
}

static bool names(const struct dag_node *node, const struct name *name)
{
    if (node == NULL) {
        return false;
    }
    if (node->kind == NODE_SCALAR) {
        return has_word(node->u.text, name->expression) || has_word(node->u.text, name->variable);
    }
    for (uint32_t i = 0; i < node->count; i++) {
        if (names(node->kind == NODE_LIST ? &node->u.items[i] : &node->u.entries[i].value, name)) {
            return true;
        }
    }
    return false;
}

static bool lists(const struct dag_node *node, const char *name)
{
    for (uint32_t i = 0; node != NULL && node->kind == NODE_LIST && i < node->count; i++) {
        const struct dag_node *item = &node->u.items[i];
        if (item->kind == NODE_SCALAR && strcmp(item->u.text, name) == 0) {
            return true;
        }
    }
    return false;
}

bool dag_step_names_param(const struct dag_pipeline *p, uint32_t step, const char *param)
{
    AUTO_FREE char *expression = mem_printf("params.%s", param);
    AUTO_FREE char *variable = mem_printf("ORCH_PARAM_%s", param);
    for (char *c = variable; *c != '\0'; c++) {
        *c = (char)toupper((unsigned char)*c);
    }
    struct name name = {.expression = expression, .variable = variable};
    for (size_t i = 0; i < COUNT_OF(shared_keys); i++) {
        if (names(node_get(p->root, shared_keys[i]), &name)) {
            return true;
        }
    }
    const struct dag_node *node = step_node(p, step);
    return names(node, &name) ||
           (node != NULL && node->kind == NODE_MAP && lists(node_get(node, "params"), param));
}
