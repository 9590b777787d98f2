/*
 * run.c - a run's making and freeing: folder, lock, the commit of the run with all its steps, then
 * the scheduler starts. (adopt.c takes over a run that another engine left.)
 */
#include "engine/internal.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/mask.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES 20 /* engine_alive() may hold it for an instant */

/* ---- pieces
 * ----------------------------------------------------------------------------------------- */

void run_set_detail(struct run *run, uint32_t step, const char *text)
{
    free(run->steps[step].detail);
    run->steps[step].detail = text == NULL || *text == '\0' ? NULL : mem_strdup(text);
}

enum sched_verdict run_condition(void *arg, uint32_t step)
{
    struct run *run = arg;
    struct scope asker = {.run = run, .step = step};
    struct dag_scope scope = scope_of(&asker);
    bool yes = false;
    struct err err = ERR_INIT;
    if (!dag_condition_eval(run->pipeline->steps[step].condition, &scope, &yes, &err)) {
        err_wrap(&err, "if");
        run_set_detail(run, step, err.msg);
        return SCHED_BAD;
    }
    return yes ? SCHED_YES : SCHED_NO;
}

void run_set_file(struct run *run, const char *file)
{
    run->file = arena_strdup(&run->arena, file);
    char *dir = arena_strdup(&run->arena, file);
    char *slash = strrchr(dir, '/');
    slash[slash == dir ? 1 : 0] = '\0';
    run->workdir = dir;
    AUTO_FREE char *root = path_git_root(dir);
    run->root = root == NULL ? dir : arena_strdup(&run->arena, root);
}

struct run *run_new(struct engine *e, struct dag_pipeline *pipeline, const char *id)
{
    struct run *run = mem_alloc(sizeof(*run));
    run->engine = e;
    run->pipeline = pipeline;
    run->lock = -1;
    snprintf(run->id, sizeof(run->id), "%s", id);
    AUTO_FREE char *dir = engine_run_dir(e->data_dir, id);
    run->dir = arena_strdup(&run->arena, dir);
    run->steps = mem_array(pipeline->step_count + 1, sizeof(*run->steps));
    for (uint32_t i = 0; i < pipeline->step_count; i++) {
        run->steps[i].exit_code = -1;
    }
    return run;
}

void run_free(struct run *run)
{
    if (run == NULL) {
        return;
    }
    words_close(run->words);
    for (uint32_t i = 0; i < run->pipeline->step_count; i++) {
        free(run->steps[i].detail);
        attempt_drop(run->steps[i].attempt);
    }
    sched_free(run->sched);
    free(run->steps);
    free(run->defs);
    mask_set_free(run->masks);
    dag_free(run->pipeline);
    if (run->lock >= 0) {
        close(run->lock);
    }
    arena_done(&run->arena);
    free(run);
}

bool run_take_lock(struct run *run, struct err *err)
{
    AUTO_FREE char *path = mem_printf("%s/engine.lock", run->dir);
    run->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (run->lock < 0) {
        return err_sys(err, errno, "%s", path);
    }
    struct err why = ERR_INIT;
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (file_lock(run->lock, &why)) {
            return true;
        }
        if (why.code != ERR_BUSY) {
            break;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    if (why.code == ERR_BUSY) {
        return err_set(err, ERR_BUSY, "run %s is owned by another engine that is alive", run->id);
    }
    if (err != NULL) {
        *err = why;
    }
    return false;
}

/* ---- capacity and the scheduler
 * ------------------------------------------------------------------------ */

/* Before anything runs: can this host hold what the steps ask for? */
static bool check_host(struct run *run, const struct engine_plan_step *plan, struct err *err)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    const struct step_facts *facts;
    struct engine_outlook outlook;
    struct users users = {0};
    outlook_make(run->pipeline, plan, NULL, &users, &a, &outlook);
    if (!engine_outlook_check(&outlook, run->pipeline, err)) {
        return false; /* plain without asking anybody */
    }
    if (!outlook_asks(run->pipeline, plan)) {
        return true;
    }
    if (!exec_facts(run->engine->exec, &facts, err)) {
        return err_wrap(err, "steps ask for limits or a sandbox");
    }
    outlook_make(run->pipeline, plan, facts, &users, &a, &outlook);
    return engine_outlook_check(&outlook, run->pipeline, err);
}

/* Where steps have other users, these must come to what they read. */
bool run_share(struct run *run, struct err *err)
{
    const struct dag_pipeline *p = run->pipeline;
    for (uint32_t i = 0; i < p->step_count && !run->shared; i++) {
        const struct user *user;
        run->shared = p->steps[i].user != NULL &&
                      user_find(&run->users, p->steps[i].user, &run->arena, &user, NULL) &&
                      user_is_other(user);
    }
    return !run->shared || isolate_share(run->engine->data_dir, run->dir, err);
}

/* How much of everything there is for this run. Cores and GPUs are asked for only where they are
 * used; where nobody knows how many there are, they are not bounded here, and an attempt waits for
 * its own. */
static void capacity(struct run *run, int64_t ret[SCHED_RESOURCES])
{
    const struct step_facts *facts = NULL;
    bool used = false;
    for (uint32_t i = 0; i < run->pipeline->step_count; i++) {
        const struct dag_resources *r = &run->pipeline->steps[i].resources;
        used = used || r->cores.count > 0 || r->gpu.count > 0;
    }
    if (used && !exec_facts(run->engine->exec, &facts, NULL)) {
        facts = NULL;
    }
    host_has(facts, ret);
    if (run->engine->conf.jobs > 0) {
        ret[SCHED_CPU] = (int64_t)run->engine->conf.jobs * 1000;
    }
}

/* `elapsed_ms`: how much of the run's timeout an earlier engine has used up. */
void run_make_scheduler(struct run *run, int64_t elapsed_ms)
{
    const struct dag_pipeline *p = run->pipeline;
    run->defs = mem_array(p->step_count + 1, sizeof(*run->defs));
    for (uint32_t i = 0; i < p->step_count; i++) {
        const struct dag_step *step = &p->steps[i];
        run->defs[i] = (struct sched_step){
            .needs = step->needs,
            .need_count = step->need_count,
            .priority = step->priority,
            .retry = step->retry,
            .continue_on_error = step->continue_on_error,
            .fail_fast = step->fail_fast,
            .has_condition = step->condition != NULL,
            .condition_asks = step->condition_asks,
            .on_lost = step->on_lost,
        };
        host_takes(step, run->defs[i].takes);
    }
    char seed[17] = {0};
    memcpy(seed, run->id + 16, 16); /* the random half of the id */
    struct sched_def def = {
        .steps = run->defs,
        .count = p->step_count,
        .timeout_ms = p->timeout_ms == 0                ? 0
                      : p->timeout_ms - elapsed_ms == 0 ? -1
                                                        : p->timeout_ms - elapsed_ms,
        .seed = strtoull(seed, NULL, 16),
    };
    capacity(run, def.capacity);
    struct sched_ops ops = {.arg = run, .condition = run_condition};
    run->sched = sched_new(&def, &ops);
}

void run_own(struct engine *e, struct run *run)
{
    run->next = e->runs;
    e->runs = run;
}

/* ---- a new run
 * ------------------------------------------------------------------------------------------ */

static char *params_json(const struct run *run)
{
    const struct dag_pipeline *p = run->pipeline;
    struct buf json = BUF_INIT(LIMIT_VALUE);
    buf_addc(&json, '{');
    for (size_t i = 0; i < p->param_count; i++) {
        buf_adds(&json, i == 0 ? "" : ",");
        buf_add_json(&json, p->params[i].name);
        buf_addc(&json, ':');
        if (!dag_value_to_json(&run->params[i], &json, NULL)) {
            json.full = true;
        }
    }
    buf_addc(&json, '}');
    if (json.full) {
        buf_done(&json);
        return NULL;
    }
    return buf_take(&json);
}

static bool refuse_secret_params(const struct run *run, struct err *err)
{
    for (size_t i = 0; i < run->pipeline->param_count; i++) {
        AUTO_BUF struct buf text = BUF_INIT(LIMIT_VALUE);
        if (!dag_value_text(&run->params[i], &text, err)) {
            return false;
        }
        const char *secret = leak_find(run, buf_str(&text));
        if (secret != NULL) {
            return err_set(
                err, ERR_INVALID,
                "parameter '%s' holds the secret %s; parameters are recorded, so use secrets.%s "
                "where it is needed",
                run->pipeline->params[i].name, secret, secret);
        }
    }
    return true;
}

static char *labels_json(const struct dag_pipeline *p)
{
    struct buf json = BUF_INIT(LIMIT_VALUE);
    buf_addc(&json, '{');
    for (size_t i = 0; i < p->label_count; i++) {
        if (i > 0) {
            buf_addc(&json, ',');
        }
        buf_add_json(&json, p->labels[i].name);
        buf_addc(&json, ':');
        buf_add_json(&json, dag_tmpl_source(p->labels[i].value));
    }
    buf_addc(&json, '}');
    return buf_take(&json);
}

static void add_new_run(struct run *run, struct store_batch *batch, const char *params,
                        const char *trigger, const char *manifest, const char *commit, bool dirty)
{
    const struct dag_pipeline *p = run->pipeline;
    struct store_new_step *steps = mem_array(p->step_count + 1, sizeof(*steps));
    for (uint32_t i = 0; i < p->step_count; i++) {
        steps[i] = (struct store_new_step){
            .name = p->steps[i].name,
            .folder = p->steps[i].name,
            .kind = dag_kind_name(p->steps[i].kind),
            .needs = p->steps[i].needs,
            .need_count = p->steps[i].need_count,
        };
    }
    AUTO_FREE char *labels = labels_json(p);
    struct store_new_run record = {
        .id = run->id,
        .pipeline = p->name,
        .file = run->file,
        .root = run->root,
        .text = p->text,
        .params = params,
        .trigger = trigger,
        .labels = labels,
        .manifest = manifest,
        .commit = commit,
        .dirty = dirty,
        .steps = steps,
        .step_count = p->step_count,
    };
    store_add_run(batch, run->created_ms, run->engine->actor, &record);
    free(steps);
}

static bool reuse_outputs(struct run *run, const struct engine_plan_step *plan, uint32_t step,
                          struct store_batch *batch, struct arena *a, struct err *err)
{
    struct store *s = run->engine->store;
    struct store_step_output *outputs;
    struct store_step_metric *metrics;
    size_t output_count, metric_count;
    if (!store_get_outputs(s, plan->reuse_run, plan->reuse_step, a, &outputs, &output_count, err) ||
        !store_get_metrics(s, plan->reuse_run, plan->reuse_step, a, &metrics, &metric_count, err)) {
        return false;
    }
    if (plan->restore && !reuse_restore(run->engine, outputs, output_count, err)) {
        return false;
    }
    finish_load_results(run, step, outputs, output_count, metrics, metric_count);
    struct store_output *items = arena_array(a, output_count + 1, sizeof(*items));
    for (size_t i = 0; i < output_count; i++) {
        items[i] = outputs[i].output;
    }
    if (output_count > 0) {
        store_add_outputs(batch, run->created_ms, run->id, run->pipeline->steps[step].name, 0,
                          items, output_count);
    }
    return true;
}

static void warn_of_changes(struct run *run, const char *step, const struct engine_plan_step *plan,
                            struct arena *a)
{
    const char *changed = reuse_changes(plan, a);
    if (changed != NULL) {
        engine_note(run, step,
                    "warning: it is reused although this has changed since it ran (%.12s): %s",
                    plan->origin_run, changed);
    }
    if (plan->restore) {
        engine_note(run, step,
                    "warning: its outputs were no longer what was stored: restored from the "
                    "artifact store");
    }
}

/* Steps that are not to run get their end with the run's own record. */
static bool apply_plan(struct run *run, const struct engine_plan_step *plan,
                       struct store_batch *batch, struct arena *a, struct err *err)
{
    for (uint32_t i = 0; i < run->pipeline->step_count; i++) {
        const char *name = run->pipeline->steps[i].name;
        if (plan[i].what == ENGINE_PLAN_REUSE) {
            if (!reuse_outputs(run, &plan[i], i, batch, a, err)) {
                return err_wrap(err, "step '%s' cannot be reused", name);
            }
            store_add_step_state(batch, run->created_ms, run->id, name, "reused", NULL, 0, 0,
                                 reuse_detail(&plan[i], a));
            warn_of_changes(run, name, &plan[i], a);
            sched_restore(run->sched, i, SCHED_REUSED, SCHED_NO_REASON, 0, 0, 0, 0);
        } else if (plan[i].what == ENGINE_PLAN_SKIP) {
            store_add_step_state(batch, run->created_ms, run->id, name, "skipped", "condition", 0,
                                 0, plan[i].why);
            sched_restore(run->sched, i, SCHED_SKIPPED, SCHED_CONDITION, 0, 0, 0, 0);
        }
    }
    return true;
}

bool run_set_trigger(struct run *run, const char *text, struct err *err)
{
    return dag_value_from_json(text, strlen(text), &run->arena, &run->trigger, err);
}

static bool record_new_run(struct run *run, const struct engine_request *req,
                           const struct engine_plan_step *plan, struct err *err)
{
    struct engine *e = run->engine;
    AUTO_ARENA struct arena a = ARENA_INIT;
    const char *commit = NULL;
    bool dirty = false;
    json_t *manifest = manifest_make(e, run, &commit, &dirty, &a);
    manifest_add_reused(manifest, run->pipeline, plan);
    AUTO_FREE char *manifest_text = json_dumps(manifest, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(manifest);
    AUTO_FREE char *params = params_json(run);
    const char *trigger = arena_printf(&a, "{\"type\":\"%s\"}", req->trigger_type);
    if (params == NULL || !run_set_trigger(run, trigger, err)) {
        return err_set(err, ERR_LIMIT, "the parameters are larger than %ld bytes", LIMIT_VALUE);
    }
    struct store_batch *batch = store_batch_new();
    add_new_run(run, batch, params, trigger, manifest_text, commit, dirty);
    if (!apply_plan(run, plan, batch, &a, err)) {
        store_batch_free(batch);
        return false;
    }
    if (!store_commit_now(e->store, batch, err)) {
        return err_wrap(err, "the run could not be recorded");
    }
    struct store_run recorded;
    if (!store_get_run(e->store, run->id, &a, &recorded, err)) {
        return false;
    }
    run->number = recorded.number;
    return true;
}

static bool prepare_new_run(struct run *run, const struct engine_request *req, struct err *err)
{
    AUTO_FREE char *file = file_absolute(req->pipeline->file);
    run_set_file(run, file);
    run->params = req->params;
    run->created_ms = engine_wall(run->engine);
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct engine_plan_step *plan;
    if (!engine_plan(run->engine->store, req, &a, &plan, err) || !check_host(run, plan, err) ||
        !launch_secrets(run->engine, run, err) || !refuse_secret_params(run, err) ||
        !file_make_dirs(run->dir, 0700, err) || !run_take_lock(run, err) || !run_share(run, err)) {
        return false;
    }
    run->words = words_open(run, err);
    if (run->words == NULL) {
        return false;
    }
    run_make_scheduler(run, 0);
    return record_new_run(run, req, plan, err);
}

bool engine_create_run(struct engine *e, const struct engine_request *req, char ret_id[ID_SIZE],
                       struct err *err)
{
    char id[ID_SIZE];
    id_make(engine_wall(e), id);
    struct run *run = run_new(e, req->pipeline, id);
    if (!prepare_new_run(run, req, err)) {
        AUTO_FREE char *dir = mem_strdup(run->dir);
        run_free(run);
        struct err ignored = ERR_INIT; /* what is told is why the run was not made */
        if (!file_remove_tree(dir, &ignored)) {
            return false;
        }
        return false;
    }
    run_own(e, run);
    sched_start(run->sched, engine_boot(e));
    memcpy(ret_id, id, ID_SIZE);
    return true;
}

bool engine_check_run(struct engine *e, const char *id, struct err *err)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct run *run = engine_find_run(e, id);
    if (run == NULL) {
        return err_set(err, ERR_NOT_FOUND, "run %s is not owned by this engine", id);
    }
    uint32_t count = run->pipeline->step_count;
    struct engine_plan_step *plan = arena_array(&a, count + 1, sizeof(*plan));
    for (uint32_t i = 0; i < count; i++) {
        bool over = sched_state_ended(sched_step_state(run->sched, i));
        plan[i] = (struct engine_plan_step){.what = over ? ENGINE_PLAN_SKIP : ENGINE_PLAN_RUN};
    }
    return check_host(run, plan, err);
}
