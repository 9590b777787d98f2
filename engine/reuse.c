/*
 * reuse.c - whether what an earlier run left can stand for a step that is not to run: are its
 * outputs what was stored, and what has changed since the step ran?
 */
#include "engine/internal.h"

#include "base/cas.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define HOPS_MAX 1000 /* runs that reuse from each other */

static const char found_in[] = "from run "; /* how the detail of a reused step begins */

void reuse_done(struct reuse *r)
{
    dag_free(r->then);
    r->then = NULL;
}

const char *reuse_detail(const struct engine_plan_step *plan, struct arena *a)
{
    const char *changed = reuse_changes(plan, a);
    return changed == NULL
               ? arena_printf(a, "%s%s", found_in, plan->origin_run)
               : arena_printf(a, "%s%s; changed since: %s", found_in, plan->origin_run, changed);
}

const char *reuse_changes(const struct engine_plan_step *plan, struct arena *a)
{
    const char *all = NULL;
    for (size_t i = 0; i < plan->changed_count; i++) {
        all = all == NULL ? plan->changed[i] : arena_printf(a, "%s, %s", all, plan->changed[i]);
    }
    return all;
}

/* ---- where the step ran
 * -------------------------------------------------------------------------------- */

/* The run that a reused step came from; NULL where its record does not say. */
static const char *run_before(const struct store_step *step, struct arena *a)
{
    bool says = strcmp(step->status, "reused") == 0 && step->detail != NULL &&
                strncmp(step->detail, found_in, strlen(found_in)) == 0;
    return says ? arena_strndup(a, step->detail + strlen(found_in), ID_SIZE - 1) : NULL;
}

const struct store_step *reuse_find_step(const struct store_step *steps, size_t count,
                                         const char *name, size_t likely)
{
    if (likely < count && strcmp(steps[likely].name, name) == 0) {
        return &steps[likely]; /* an unchanged file has it at the same place */
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(steps[i].name, name) == 0) {
            return &steps[i];
        }
    }
    return NULL;
}

/* Records name the run in which a step ran; older ones the run before, so there may be some. */
static const char *find_origin(struct reuse *r, const char *run, const struct store_step *was,
                               uint32_t index)
{
    for (int i = 0; i < HOPS_MAX && was != NULL; i++) {
        struct store_step *steps;
        size_t count;
        const char *before = run_before(was, r->arena);
        bool known = before != NULL && r->then != NULL && strcmp(before, r->then_run) == 0;
        if (before == NULL || known) {
            return before == NULL ? run : before;
        }
        if (!store_get_steps(r->store, before, r->arena, &steps, &count, NULL)) {
            break;
        }
        run = before;
        was = reuse_find_step(steps, count, r->now->steps[index].name, index);
    }
    return run;
}

/* ---- what has changed since
 * ---------------------------------------------------------------------------- */

/* The file and the values of that run; what cannot be read any more is taken for unchanged: it is
 * said, not enforced. */
static void load_origin(struct reuse *r, const char *run)
{
    if (r->then_run != NULL && strcmp(r->then_run, run) == 0) {
        return;
    }
    struct store_run record;
    AUTO_DIAGS struct diags diags;
    reuse_done(r);
    r->then_run = run;
    r->then_params = (struct dag_value){.type = DAG_NULL};
    if (!store_get_run(r->store, run, r->arena, &record, NULL)) {
        return;
    }
    diags_init(&diags, record.file);
    r->then = dag_parse(record.file, record.text, strlen(record.text), &diags);
    if (!dag_value_from_json(record.params, strlen(record.params), r->arena, &r->then_params,
                             NULL)) {
        r->then_params = (struct dag_value){.type = DAG_NULL};
    }
}

static const struct dag_value *value_then(const struct reuse *r, const char *param)
{
    for (size_t i = 0; r->then_params.type == DAG_MAP && i < r->then_params.u.map.count; i++) {
        if (strcmp(r->then_params.u.map.entries[i].key, param) == 0) {
            return &r->then_params.u.map.entries[i].value;
        }
    }
    return NULL;
}

static void find_changes(struct reuse *r, uint32_t step, struct engine_plan_step *plan)
{
    const struct dag_pipeline *now = r->now;
    const char *name = now->steps[step].name;
    plan->changed = arena_array(r->arena, now->param_count + 1, sizeof(*plan->changed));
    for (size_t i = 0; r->params != NULL && i < now->param_count; i++) {
        const struct dag_value *was = value_then(r, now->params[i].name);
        if (was != NULL && !dag_value_equal(was, &r->params[i]) &&
            dag_step_names_param(now, step, now->params[i].name)) {
            plan->changed[plan->changed_count++] =
                arena_printf(r->arena, "parameter %s", now->params[i].name);
        }
    }
    const struct dag_step *then = r->then == NULL ? NULL : dag_find_step(r->then, name);
    if (then != NULL && !dag_step_same(now, step, r->then, then->index)) {
        plan->changed[plan->changed_count++] = "its definition in the file";
    }
}

/* ---- its outputs
 * --------------------------------------------------------------------------------------- */

static bool refuse_output(const struct store_output *o, const struct err *is,
                          const struct cas_object *found, const struct err *store, struct err *err)
{
    char what[200];
    if (is->code == ERR_NOT_FOUND) {
        snprintf(what, sizeof(what), "is gone");
    } else if (is->code != ERR_NONE) {
        snprintf(what, sizeof(what), "cannot be read (%.120s)", is->msg);
    } else {
        snprintf(what, sizeof(what), "has changed: its digest is %s", found->digest);
    }
    return err_set(err, ERR_CORRUPT,
                   "output '%s' (%.300s) %s, %s was stored; the artifact store cannot restore it "
                   "(%.200s): let the step run again, without --from or --only",
                   o->name, o->path, what, o->digest, store->msg);
}

/* Whether the output is there as it was stored, or can be restored (`ret_lost`). */
static bool check_output(struct reuse *r, const struct store_output *o, bool *ret_lost,
                         struct err *err)
{
    struct cas_object found = {0};
    struct err is = ERR_INIT, store = ERR_INIT;
    if (cas_digest(o->path, NULL, &found, &is) && strcmp(found.digest, o->digest) == 0) {
        *ret_lost = false;
        return true;
    }
    AUTO_FREE char *dir = store_artifact_dir(store_data_dir(r->store));
    *ret_lost = true;
    return cas_restore(dir, o->digest, o->size, NULL, &store) ||
           refuse_output(o, &is, &found, &store, err);
}

static bool check_outputs(struct reuse *r, struct engine_plan_step *plan, struct err *err)
{
    struct store_step_output *outputs;
    size_t count;
    if (!store_get_outputs(r->store, plan->reuse_run, plan->reuse_step, r->arena, &outputs, &count,
                           err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct store_output *o = &outputs[i].output;
        bool lost = false;
        if (o->path == NULL || o->digest == NULL) {
            continue;
        }
        if (!check_output(r, o, &lost, err)) {
            return false;
        }
        if (lost) {
            plan->restore = true;
            plan->why = arena_printf(r->arena,
                                     "%s; its output '%s' is no longer what was stored, and comes "
                                     "back from the artifact store",
                                     plan->why, o->name);
        }
    }
    return true;
}

bool reuse_look(struct reuse *r, uint32_t step, const struct store_step *was,
                struct engine_plan_step *plan, struct err *err)
{
    plan->origin_run = find_origin(r, plan->reuse_run, was, step);
    load_origin(r, plan->origin_run);
    find_changes(r, step, plan);
    return check_outputs(r, plan, err) ||
           err_wrap(err, "step '%s' cannot be reused", r->now->steps[step].name);
}

bool reuse_restore(struct engine *e, const struct store_step_output *outputs, size_t count,
                   struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_output *o = &outputs[i].output;
        struct cas_object found;
        bool ours =
            o->path == NULL || o->digest == NULL ||
            (cas_digest(o->path, NULL, &found, NULL) && strcmp(found.digest, o->digest) == 0);
        if (!ours && !cas_restore(e->store_dir, o->digest, o->size, o->path, err)) {
            return err_wrap(err, "output '%s'", o->name);
        }
    }
    return true;
}
