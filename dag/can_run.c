/*
 * can_run.c - what a valid file asks for that this version does not run yet: a walk over the
 * document by the table, whose rows say it. Nothing is ignored in silence.
 */
#include "base/mem.h"
#include "dag/reader.h"

#include <string.h>

struct walk {
    const struct dag_pipeline *p;
    struct diags *diags;
    const struct dag_step *step; /* whose keys are looked at; NULL elsewhere */
    bool any_strict;             /* some step with limits insists on them */
};

static void not_yet(struct walk *w, const struct schema_row *row, const struct dag_node *key,
                    const struct dag_node *value)
{
    if (row->runs_if != NULL && row->runs_if(value)) {
        return;
    }
    diag_add(w->diags, DIAG_ERROR, "not-yet", node_pos(key), node_width(key), row->until,
             "`%s` is not run by this version", row->key);
}

static void for_daemon(struct walk *w, const struct schema_row *row, const struct dag_node *key)
{
    diag_add(w->diags, DIAG_WARNING, "daemon-only", node_pos(key), node_width(key), NULL,
             "`%s` is acted upon by a daemon; this run is manual", row->key);
}

/* Limits are enforced or refused, unless the user says that best effort will do. */
static void check_limits(struct walk *w, const struct dag_node *key, const struct dag_node *value)
{
    static const char *const limits[] = {"cpu", "memory", "pids", "io", "gpu"};
    bool strict = w->step != NULL ? w->step->isolation == DAG_ISOLATION_STRICT : w->any_strict;
    for (size_t i = 0; strict && i < COUNT_OF(limits); i++) {
        if (node_get(value, limits[i]) == NULL) {
            continue;
        }
        diag_add(w->diags, DIAG_ERROR, "not-yet", node_pos(key), node_width(key),
                 "`isolation: best-effort`, in the step or for the whole pipeline, runs without "
                 "enforcing them; they still count for admission.",
                 "`resources`: this version cannot enforce limits (%s)", limits[i]);
        return;
    }
}

static void walk_map(struct walk *w, const struct schema_kind *kind, const struct dag_node *map)
{
    for (size_t i = 0; map->kind == NODE_MAP && i < map->count; i++) {
        const struct dag_node *key = &map->u.entries[i].key;
        const struct dag_node *value = &map->u.entries[i].value;
        const struct schema_row *row = schema_find(kind, key->u.text);
        if (row == NULL || row->runs == RUNS_LATER) {
            if (row != NULL) {
                not_yet(w, row, key, value);
            }
        } else if (row->runs == RUNS_DAEMON) {
            for_daemon(w, row, key);
        } else if (row->sub == &schema_resources) {
            check_limits(w, key, value);
        }
    }
}

bool dag_can_run(const struct dag_pipeline *p, struct diags *diags)
{
    struct walk w = {.p = p, .diags = diags};
    const struct dag_node *steps = node_get(p->root, "steps");
    const struct dag_node *defaults = node_get(p->root, "defaults");
    size_t errors = diags->errors;
    for (uint32_t i = 0; i < p->step_count; i++) {
        w.any_strict |= p->steps[i].resources.any && p->steps[i].isolation == DAG_ISOLATION_STRICT;
    }
    walk_map(&w, &schema_pipeline, p->root);
    if (defaults != NULL) {
        walk_map(&w, &schema_defaults, defaults);
    }
    for (uint32_t i = 0; i < p->step_count; i++) {
        w.step = &p->steps[i];
        walk_map(&w, &schema_step, &steps->u.entries[i].value);
    }
    diags_sort(diags);
    return diags->errors == errors;
}
