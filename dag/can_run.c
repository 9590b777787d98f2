/*
 * can_run.c - what a valid file asks for that this version does not run yet: a walk over the
 * document by the table, whose rows say it. Nothing is ignored in silence.
 */
#include "base/mem.h"
#include "dag/reader.h"

#include <string.h>

static void not_yet(struct diags *diags, const struct schema_row *row, const struct dag_node *key,
                    const struct dag_node *value)
{
    if (row->runs_if != NULL && row->runs_if(value)) {
        return;
    }
    diag_add(diags, DIAG_ERROR, "not-yet", node_pos(key), node_width(key), row->until,
             "`%s` is not run by this version", row->key);
}

static void for_daemon(struct diags *diags, const struct schema_row *row,
                       const struct dag_node *key)
{
    diag_add(diags, DIAG_WARNING, "daemon-only", node_pos(key), node_width(key), NULL,
             "`%s` is acted upon by a daemon; this run is manual", row->key);
}

static void walk_map(struct diags *diags, const struct schema_kind *kind,
                     const struct dag_node *map)
{
    for (size_t i = 0; map->kind == NODE_MAP && i < map->count; i++) {
        const struct dag_node *key = &map->u.entries[i].key;
        const struct dag_node *value = &map->u.entries[i].value;
        const struct schema_row *row = schema_find(kind, key->u.text);
        if (row == NULL || row->runs == RUNS_LATER) {
            if (row != NULL) {
                not_yet(diags, row, key, value);
            }
        } else if (row->runs == RUNS_DAEMON) {
            for_daemon(diags, row, key);
        }
    }
}

bool dag_can_run(const struct dag_pipeline *p, struct diags *diags)
{
    const struct dag_node *steps = node_get(p->root, "steps");
    const struct dag_node *defaults = node_get(p->root, "defaults");
    size_t errors = diags->errors;
    walk_map(diags, &schema_pipeline, p->root);
    if (defaults != NULL) {
        walk_map(diags, &schema_defaults, defaults);
    }
    for (uint32_t i = 0; i < p->step_count; i++) {
        walk_map(diags, &schema_step, &steps->u.entries[i].value);
    }
    diags_sort(diags);
    return diags->errors == errors;
}
