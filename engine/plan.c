/*
 * plan.c - what of a pipeline would run. Without --only and --from everything runs. With them, what
 * the chosen steps need and that is not chosen itself is reused from the newest run of the same
 * pipeline, so its outputs must be there.
 */
#include "engine/internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct chooser {
    const struct dag_pipeline *p;
    struct engine_plan_step *steps;
    struct arena *a;
};

static bool find_index(const struct dag_pipeline *p, const char *option, const char *name,
                       uint32_t *ret, struct err *err)
{
    const struct dag_step *step = dag_find_step(p, name);
    if (step == NULL) {
        const char *near = dag_nearest_step(p, name);
        return err_set(err, ERR_USAGE, "%s: there is no step '%s' in pipeline %s%s%s%s", option,
                       name, p->name, near == NULL ? "" : "; did you mean '",
                       near == NULL ? "" : near, near == NULL ? "" : "'?");
    }
    *ret = step->index;
    return true;
}

static void choose_all(struct chooser *c)
{
    for (uint32_t i = 0; i < c->p->step_count; i++) {
        c->steps[i].what = ENGINE_PLAN_RUN;
        c->steps[i].why =
            c->p->steps[i].need_count == 0 ? "needs nothing" : "when what it needs has succeeded";
    }
}

static void choose_only(struct chooser *c, const uint32_t *chosen, size_t count)
{
    for (uint32_t i = 0; i < c->p->step_count; i++) {
        c->steps[i].what = ENGINE_PLAN_SKIP;
        c->steps[i].why = "not chosen by --only";
    }
    for (size_t i = 0; i < count; i++) {
        c->steps[chosen[i]].what = ENGINE_PLAN_RUN;
        c->steps[chosen[i]].why = "chosen by --only";
    }
}

/* `from` and everything that needs it, directly or not. */
static void choose_from(struct chooser *c, uint32_t from)
{
    for (uint32_t i = 0; i < c->p->step_count; i++) {
        c->steps[i].what = ENGINE_PLAN_SKIP;
        c->steps[i].why = arena_printf(c->a, "it does not need '%s'", c->p->steps[from].name);
    }
    c->steps[from].what = ENGINE_PLAN_RUN;
    c->steps[from].why = "chosen by --from";
    for (uint32_t i = 0; i < c->p->step_count; i++) {
        const struct dag_step *step = &c->p->steps[c->p->order[i]];
        for (uint32_t n = 0; n < step->need_count && c->steps[step->index].what != ENGINE_PLAN_RUN;
             n++) {
            if (c->steps[step->needs[n]].what == ENGINE_PLAN_RUN) {
                c->steps[step->index].what = ENGINE_PLAN_RUN;
                c->steps[step->index].why =
                    arena_printf(c->a, "needs '%s'", c->p->steps[step->needs[n]].name);
            }
        }
    }
}

/* Marks what must be reused: every transitive need of a step that runs, and that does not run
 * itself. */
static bool mark_reuse(struct chooser *c)
{
    bool any = false;
    for (uint32_t i = c->p->step_count; i-- > 0;) {
        const struct dag_step *step = &c->p->steps[c->p->order[i]];
        if (c->steps[step->index].what == ENGINE_PLAN_SKIP) {
            continue;
        }
        for (uint32_t n = 0; n < step->need_count; n++) {
            struct engine_plan_step *need = &c->steps[step->needs[n]];
            if (need->what == ENGINE_PLAN_SKIP) {
                need->what = ENGINE_PLAN_REUSE;
                need->why = arena_printf(c->a, "'%s' needs it", step->name);
                any = true;
            }
        }
    }
    return any;
}

static bool refuse_reuse(const struct dag_pipeline *p, const char *step,
                         const struct store_run *newest, const struct store_step *was,
                         struct err *err)
{
    if (newest == NULL) {
        return err_set(err, ERR_USAGE,
                       "step '%s' cannot be reused: pipeline %s has no earlier run; let it run too",
                       step, p->name);
    }
    return err_set(
        err, ERR_USAGE,
        "step '%s' cannot be reused: in the newest run, %s#%lld, %s; let it run too (--only %s, or "
        "--from an earlier step)",
        step, p->name, (long long)newest->number,
        was == NULL ? "it did not exist" : "it did not succeed", step);
}

static bool reuse_steps(struct chooser *c, struct reuse *reuse, const struct store_run *newest,
                        const struct store_step *recorded, size_t step_count, struct err *err)
{
    for (uint32_t i = 0; i < c->p->step_count; i++) {
        if (c->steps[i].what != ENGINE_PLAN_REUSE) {
            continue;
        }
        const char *name = c->p->steps[i].name;
        const struct store_step *was = reuse_find_step(recorded, step_count, name, i);
        if (was == NULL ||
            (strcmp(was->status, "succeeded") != 0 && strcmp(was->status, "reused") != 0)) {
            return refuse_reuse(c->p, name, newest, was, err);
        }
        c->steps[i].reuse_run = newest->id;
        c->steps[i].reuse_step = was->folder;
        if (!reuse_look(reuse, i, was, &c->steps[i], err)) {
            return false;
        }
    }
    return true;
}

static bool reuse_from_newest(struct chooser *c, struct store *store,
                              const struct dag_value *params, struct err *err)
{
    struct store_list list = {.pipeline = c->p->name, .limit = 1};
    struct store_run *runs;
    size_t run_count, step_count;
    if (!store_list_runs(store, &list, c->a, &runs, &run_count, err)) {
        return false;
    }
    struct store_step *recorded = NULL;
    step_count = 0;
    if (run_count > 0 && !store_get_steps(store, runs[0].id, c->a, &recorded, &step_count, err)) {
        return false;
    }
    struct reuse reuse = {.store = store, .now = c->p, .params = params, .arena = c->a};
    bool ok = reuse_steps(c, &reuse, run_count == 0 ? NULL : &runs[0], recorded, step_count, err);
    reuse_done(&reuse);
    return ok;
}

bool engine_plan(struct store *store, const struct engine_request *req, struct arena *a,
                 struct engine_plan_step **ret, struct err *err)
{
    struct chooser c = {.p = req->pipeline, .a = a};
    c.steps = arena_array(a, req->pipeline->step_count, sizeof(*c.steps));
    if (req->only_count > 0 && req->from != NULL) {
        return err_set(err, ERR_USAGE, "--only and --from exclude each other");
    }
    if (req->only_count > 0) {
        uint32_t *chosen = arena_array(a, req->only_count, sizeof(*chosen));
        for (size_t i = 0; i < req->only_count; i++) {
            if (!find_index(req->pipeline, "--only", req->only[i], &chosen[i], err)) {
                return false;
            }
        }
        choose_only(&c, chosen, req->only_count);
    } else if (req->from != NULL) {
        uint32_t from = 0;
        if (!find_index(req->pipeline, "--from", req->from, &from, err)) {
            return false;
        }
        choose_from(&c, from);
    } else {
        choose_all(&c);
    }
    if (mark_reuse(&c)) {
        if (store == NULL) {
            return err_set(err, ERR_USAGE,
                           "nothing can be reused: there is no record of earlier runs here");
        }
        if (!reuse_from_newest(&c, store, req->params, err)) {
            return false;
        }
    }
    *ret = c.steps;
    return true;
}
