/*
 * params.c - values for the parameters of a run: defaults, then a params file, then -p, each
 * checked against the declaration. A later one wins, and only the winner is checked.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "dag/reader.h"

#include <string.h>

/* Where the value of a parameter comes from. */
struct source {
    const struct dag_node *node; /* in the params file */
    const struct dag_given *given;
};

struct bind {
    const struct dag_pipeline *p;
    struct arena *arena;
    struct diags *diags;
    struct name_index index;
    struct source *sources; /* by parameter */
    struct dag_value *values;
};

static bool unknown_param(struct bind *b, const char *name, struct diag_pos pos, unsigned width)
{
    const char **names = arena_array(b->arena, b->p->param_count, sizeof *names);
    for (size_t i = 0; i < b->p->param_count; i++) {
        names[i] = b->p->params[i].name;
    }
    const char *near = text_nearest(name, names, b->p->param_count);
    AUTO_FREE char *hint = near != NULL ? mem_printf("Did you mean `%s`?", near)
                           : b->p->param_count == 0
                               ? mem_printf("The pipeline `%s` has no parameters.", b->p->name)
                               : NULL;
    return diag_add(b->diags, DIAG_ERROR, "param-unknown", pos, width, hint,
                    "there is no parameter `%s`", name);
}

/* ---- the params file */

static bool parse_text(struct bind *b, const char *text, size_t len, struct diags *diags,
                       struct dag_node *ret)
{
    struct node_source src = {.text = text, .len = len};
    size_t errors = diags->errors;
    return node_check_text(&src, diags) && node_parse(b->arena, &src, diags, ret) &&
           diags->errors == errors;
}

static void take_file(struct bind *b, const char *text, size_t len)
{
    struct dag_node root;
    char got[64];
    if (len > LIMIT_PIPELINE_FILE) {
        diag_add(b->diags, DIAG_ERROR, "too-large", (struct diag_pos){0, 0}, 1, NULL,
                 "the params file has %zu bytes, at most %ld are read", len,
                 (long)LIMIT_PIPELINE_FILE);
        return;
    }
    if (!parse_text(b, text, len, b->diags, &root)) {
        return;
    }
    if (root.kind != NODE_MAP) {
        diag_add(b->diags, DIAG_ERROR, "type", node_pos(&root), node_width(&root),
                 "Write `name: value` lines, or a JSON object.",
                 "a params file is a mapping, not %s", node_describe(&root, got));
        return;
    }
    for (size_t i = 0; i < root.count; i++) {
        const struct node_entry *entry = &root.u.entries[i];
        uint32_t at = 0;
        if (name_index_get(&b->index, entry->key.u.text, &at)) {
            b->sources[at].node = &entry->value;
        } else {
            unknown_param(b, entry->key.u.text, node_pos(&entry->key), node_width(&entry->key));
        }
    }
}

static bool wrong_type(struct bind *b, const struct dag_param *param, enum dag_type got,
                       struct diag_pos pos, unsigned width)
{
    const char *hint = param->type == DAG_STRING ? "Put it in quotes." : NULL;
    return diag_add(b->diags, DIAG_ERROR, "param-type", pos, width, hint,
                    "the parameter `%s` is of type %s, not %s", param->name,
                    dag_type_name(param->type), dag_type_name(got));
}

static void bind_node(struct bind *b, size_t at, const struct dag_node *node)
{
    const struct dag_param *param = &b->p->params[at];
    struct dag_value *value = &b->values[at];
    if (!node_value(node, b->arena, b->diags, value)) {
        return;
    }
    if (param_fit(param, value)) {
        param_check(param, value, node_pos(node), node_width(node), b->diags);
    } else {
        wrong_type(b, param, value->type, node_pos(node), node_width(node));
    }
}

/* ---- -p name=text: the declared type says how the text is read */

static bool read_structure(struct bind *b, const struct dag_param *param, const char *text,
                           struct dag_value *ret)
{
    AUTO_DIAGS struct diags inner;
    struct dag_node node;
    diags_init(&inner, param->name);
    return strlen(text) <= LIMIT_PIPELINE_FILE &&
           parse_text(b, text, strlen(text), &inner, &node) && node_type(&node) == param->type &&
           node_value(&node, b->arena, &inner, ret);
}

static bool read_text(struct bind *b, const struct dag_param *param, const char *text,
                      struct dag_value *ret)
{
    *ret = (struct dag_value){.type = param->type};
    if (param->type == DAG_INT) {
        return text_int(text, &ret->u.integer);
    }
    if (param->type == DAG_NUMBER) {
        return text_double(text, &ret->u.number);
    }
    if (param->type == DAG_BOOL) {
        ret->u.boolean = strcmp(text, "true") == 0;
        return ret->u.boolean || strcmp(text, "false") == 0;
    }
    if (param->type == DAG_STRING) {
        ret->u.string.text = arena_strdup(b->arena, text);
        ret->u.string.len = strlen(text);
        return text_utf8_valid(text, ret->u.string.len) == ret->u.string.len;
    }
    return read_structure(b, param, text, ret);
}

static const char *example(enum dag_type type)
{
    static const char *const examples[] = {
        [DAG_NULL] = "",
        [DAG_BOOL] = "Write true or false.",
        [DAG_INT] = "Write a whole number such as 14.",
        [DAG_NUMBER] = "Write a number such as 0.8.",
        [DAG_STRING] = "It must be UTF-8.",
        [DAG_LIST] = "Write a list such as '[1, 2]'.",
        [DAG_MAP] = "Write a mapping such as '{\"a\": 1}'.",
        [DAG_ANY] = "",
    };
    return examples[type];
}

static void bind_text(struct bind *b, size_t at, const char *text)
{
    const struct dag_param *param = &b->p->params[at];
    const struct diag_pos nowhere = {0, 0};
    if (read_text(b, param, text, &b->values[at])) {
        param_check(param, &b->values[at], nowhere, 1, b->diags);
        return;
    }
    int show = (int)strnlen(text, 60);
    diag_add(b->diags, DIAG_ERROR, "param-type", nowhere, 1, example(param->type),
             "the parameter `%s` is of type %s, which \"%.*s\" is not", param->name,
             dag_type_name(param->type), show, text);
}

/* ---- all of them */

static struct bind bind_begin(const struct dag_pipeline *p, struct arena *a, struct diags *diags)
{
    struct bind b = {.p = p, .arena = a, .diags = diags};
    b.sources = arena_array(a, p->param_count + 1, sizeof *b.sources);
    b.values = arena_array(a, p->param_count + 1, sizeof *b.values);
    for (uint32_t i = 0; i < p->param_count; i++) {
        (void)name_index_add(&b.index, p->params[i].name, i, NULL);
    }
    return b;
}

static void bind_all(struct bind *b)
{
    for (size_t i = 0; i < b->p->param_count; i++) {
        const struct dag_param *param = &b->p->params[i];
        const struct source *source = &b->sources[i];
        if (source->given != NULL) {
            bind_text(b, i, source->given->text);
        } else if (source->node != NULL) {
            bind_node(b, i, source->node);
        } else if (!param->required) {
            b->values[i] = param->def;
        } else {
            AUTO_FREE char *hint =
                mem_printf("Give it with -p %s=…%s%s", param->name, param->help != NULL ? ": " : "",
                           param->help != NULL ? param->help : "");
            diag_add(b->diags, DIAG_ERROR, "param-missing", (struct diag_pos){0, 0}, 1, hint,
                     "the parameter `%s` (%s) has no default and was not given", param->name,
                     dag_type_name(param->type));
        }
    }
}

const struct dag_value *dag_bind_params(const struct dag_pipeline *p, const struct dag_given *given,
                                        size_t given_count, const char *file_name,
                                        const char *file_text, size_t file_len, struct arena *a,
                                        struct diags *diags)
{
    struct bind b = bind_begin(p, a, diags);
    size_t errors = diags->errors;
    (void)file_name; /* diags names it */
    if (file_text != NULL) {
        take_file(&b, file_text, file_len);
    }
    for (size_t i = 0; i < given_count; i++) {
        uint32_t at = 0;
        if (name_index_get(&b.index, given[i].name, &at)) {
            b.sources[at].given = &given[i];
        } else {
            unknown_param(&b, given[i].name, (struct diag_pos){0, 0}, 1);
        }
    }
    bind_all(&b);
    name_index_done(&b.index);
    return diags->errors > errors ? NULL : b.values;
}

/* ---- from a record */

static bool bind_entry(struct bind *b, const struct dag_entry *entry, bool *seen, struct err *err)
{
    uint32_t at = 0;
    if (!name_index_get(&b->index, entry->key, &at)) {
        return err_set(err, ERR_INVALID, "there is no parameter `%s`", entry->key);
    }
    const struct dag_param *param = &b->p->params[at];
    b->values[at] = entry->value;
    seen[at] = true;
    if (!param_fit(param, &b->values[at])) {
        return err_set(err, ERR_INVALID, "the parameter `%s` is of type %s, not %s", param->name,
                       dag_type_name(param->type), dag_type_name(entry->value.type));
    }
    if (param_check(param, &b->values[at], (struct diag_pos){0, 0}, 1, b->diags)) {
        return true;
    }
    return err_set(err, ERR_INVALID, "%s", b->diags->items[b->diags->count - 1].message);
}

static bool bind_object(struct bind *b, const struct dag_value *object, struct err *err)
{
    bool *seen = arena_array(b->arena, b->p->param_count + 1, sizeof *seen);
    if (object->type != DAG_MAP) {
        return err_set(err, ERR_INVALID, "parameters must be an object, not a %s",
                       dag_type_name(object->type));
    }
    for (size_t i = 0; i < object->u.map.count; i++) {
        if (!bind_entry(b, &object->u.map.entries[i], seen, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < b->p->param_count; i++) {
        if (seen[i]) {
            continue;
        }
        if (b->p->params[i].required) {
            return err_set(err, ERR_INVALID, "the parameter `%s` has no value",
                           b->p->params[i].name);
        }
        b->values[i] = b->p->params[i].def;
    }
    return true;
}

const struct dag_value *dag_bind_json(const struct dag_pipeline *p, const char *json, size_t len,
                                      struct arena *a, struct err *err)
{
    AUTO_DIAGS struct diags diags;
    struct dag_value object;
    if (!dag_value_from_json(json, len, a, &object, err)) {
        err_wrap(err, "parameters");
        return NULL;
    }
    diags_init(&diags, "parameters");
    struct bind b = bind_begin(p, a, &diags);
    bool ok = bind_object(&b, &object, err);
    name_index_done(&b.index);
    return ok ? b.values : NULL;
}
