/*
 * read_daemon.c - checks between the keys of triggers and monitors.
 */
#include "base/mem.h"
#include "dag/reader.h"

#include <string.h>

static void only_with(struct reader *r, const struct dag_node *node, const char *key,
                      const char *const *owners)
{
    const struct dag_node *value = node_get(node, key);
    AUTO_BUF struct buf names = BUF_INIT(200);
    for (size_t i = 0; owners[i] != NULL; i++) {
        if (node_get(node, owners[i]) != NULL) {
            return;
        }
        buf_addf(&names, "%s`%s`", i > 0 ? " or " : "", owners[i]);
    }
    if (value != NULL) {
        diag_add(r->diags, DIAG_ERROR, "conflict", node_pos(value), node_width(value), NULL,
                 "`%s` has a meaning only beside %s", key, buf_str(&names));
    }
}

/* Values for the parameters of this pipeline. */
static void check_params(struct reader *r, const struct dag_node *params)
{
    const struct dag_pipeline *p = r->p;
    for (size_t i = 0; params != NULL && params->kind == NODE_MAP && i < params->count; i++) {
        const struct node_entry *entry = &params->u.entries[i];
        struct dag_value value;
        uint32_t at = 0;
        if (!name_index_get(&r->params, entry->key.u.text, &at) || at >= p->param_count) {
            param_unknown(r, &entry->key);
            continue;
        }
        bool expression = entry->value.kind == NODE_SCALAR && strstr(entry->value.u.text, "${{");
        if (expression || !node_value(&entry->value, r->arena, r->diags, &value)) {
            continue;
        }
        if (!param_fit(&p->params[at], &value)) {
            diag_add(r->diags, DIAG_ERROR, "param-type", node_pos(&entry->value),
                     node_width(&entry->value), NULL, "the parameter `%s` is of type %s, not %s",
                     entry->key.u.text, dag_type_name(p->params[at].type),
                     dag_type_name(value.type));
            continue;
        }
        param_check(&p->params[at], &value, node_pos(&entry->value), node_width(&entry->value),
                    r->diags);
    }
}

static void check_secret(struct reader *r, const struct dag_node *name, const char *key)
{
    const struct dag_pipeline *p = r->p;
    if (name == NULL || name->kind != NODE_SCALAR) {
        return;
    }
    for (size_t i = 0; i < p->secret_count; i++) {
        if (strcmp(p->secrets[i], name->u.text) == 0) {
            return;
        }
    }
    const char *hint = read_suggest(r, name->u.text, p->secrets, p->secret_count);
    diag_add(r->diags, DIAG_ERROR, "unknown-name", node_pos(name), node_width(name),
             hint != NULL ? hint : "Name it under `secrets` of the pipeline.",
             "`%s`: there is no secret `%.128s`", key, name->u.text);
}

void finish_trigger(struct reader *r, const struct dag_node *node, void *target)
{
    static const char *const cron[] = {"cron", NULL};
    static const char *const clock[] = {"cron", "every", NULL};
    (void)target;
    only_with(r, node, "timezone", cron);
    only_with(r, node, "dst", cron);
    only_with(r, node, "catchup", clock);
    check_params(r, node_get(node, "params"));
    check_secret(r, node_get(node_get(node, "webhook"), "secret"), "secret");
    check_secret(r, node_get(node_get(node, "mqtt"), "password"), "password");
}

void finish_monitor(struct reader *r, const struct dag_node *node, void *target)
{
    const struct dag_node *then = node_get(node, "then");
    const struct dag_node *run = node_get(then, "run");
    const struct dag_node *worse = node_get(then, "worse");
    (void)target;
    if (worse != NULL && node_get(then, "evaluate") == NULL) {
        diag_add(r->diags, DIAG_ERROR, "conflict", node_pos(worse), node_width(worse),
                 "Name the pipeline that measures the champion: `evaluate: NAME`.",
                 "`worse` needs an `evaluate` whose metrics it compares");
    }
    if (run != NULL && run->kind == NODE_SCALAR && node_get(node, "drift") != NULL &&
        node_get(then, "evaluate") == NULL) {
        diag_add(r->diags, DIAG_WARNING, "weak-evidence", node_pos(run), node_width(run),
                 "Measure the champion first: `then: {evaluate: …, worse: …, run: …}`.",
                 "drift alone is weak evidence: it starts `%.128s` without a look at the model",
                 run->u.text);
    }
    bool own = run != NULL && run->kind == NODE_SCALAR && r->p->name != NULL &&
               strcmp(run->u.text, r->p->name) == 0;
    if (own) {
        check_params(r, node_get(then, "params"));
    }
}
