/*
 * adopt.c - takes over a run whose engine is gone, the normal start-up path: lock, the recorded
 * pipeline and values again, each step as recorded, then the attempts that were in flight are
 * looked at.
 */
#include "engine/internal.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct adoption {
    struct run *run;
    struct store_run record;
    struct store_step *steps;
    size_t step_count;
    struct store_attempt *attempts;
    size_t attempt_count, attempts_seen;
    struct step_end *ends;  /* by step: how an attempt ended, where EXEC_ENDED or EXEC_LOST */
    enum exec_found *found; /* by step */
    bool *looked;           /* by step: an attempt was in flight */
    struct arena arena;
};

static bool read_records(struct adoption *ad, struct engine *e, const char *id, struct err *err)
{
    return store_get_run(e->store, id, &ad->arena, &ad->record, err) &&
           store_get_steps(e->store, id, &ad->arena, &ad->steps, &ad->step_count, err) &&
           store_get_attempts(e->store, id, NULL, &ad->arena, &ad->attempts, &ad->attempt_count,
                              err);
}

static struct dag_pipeline *parse_recorded(const struct store_run *record, struct err *err)
{
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, record->file);
    struct dag_pipeline *p = dag_parse(record->file, record->text, strlen(record->text), &diags);
    if (p == NULL) {
        err_set(err, ERR_NEWER,
                "the recorded pipeline of run %s is not understood by this version: %s", record->id,
                diags.count > 0 ? diags.items[0].message : "unknown");
    }
    return p;
}

static bool load_results(struct adoption *ad, uint32_t step, struct err *err)
{
    struct store *s = ad->run->engine->store;
    const char *folder = ad->steps[step].folder;
    struct store_step_output *outputs;
    struct store_step_metric *metrics;
    size_t output_count, metric_count;
    if (!store_get_outputs(s, ad->run->id, folder, &ad->arena, &outputs, &output_count, err) ||
        !store_get_metrics(s, ad->run->id, folder, &ad->arena, &metrics, &metric_count, err)) {
        return false;
    }
    if (output_count + metric_count > 0) {
        finish_load_results(ad->run, step, outputs, output_count, metrics, metric_count);
    }
    return true;
}

/* How many attempts of a step were lost, and how many of its failures used up a retry. Attempts
 * come in the order of the steps, so one walk through both serves all steps. */
static void count_attempts(struct adoption *ad, const char *folder, uint32_t *ret_lost,
                           uint32_t *ret_failed, int *ret_exit_code)
{
    *ret_lost = *ret_failed = 0;
    *ret_exit_code = -1;
    while (ad->attempts_seen < ad->attempt_count &&
           strcmp(ad->attempts[ad->attempts_seen].step, folder) == 0) {
        const struct store_attempt *at = &ad->attempts[ad->attempts_seen++];
        *ret_lost += strcmp(at->status, "lost") == 0;
        *ret_failed += strcmp(at->status, "failed") == 0;
        *ret_exit_code = at->exit_code;
    }
}

static bool look_at_attempt(struct adoption *ad, uint32_t step, uint32_t number, struct err *err)
{
    struct run *run = ad->run;
    struct engine *e = run->engine;
    const char *name = ad->steps[step].folder;
    AUTO_FREE char *folder = engine_attempt_dir(e->data_dir, run->id, name, number);
    struct attempt *a = mem_alloc(sizeof(*a));
    *a = (struct attempt){.run = run, .step = step, .number = number};
    run->steps[step].attempt = a;
    ad->looked[step] = true;
    if (!exec_recover(e->exec, folder, &engine_exec_events, a, &ad->found[step], &a->exec,
                      &ad->ends[step], err)) {
        return err_wrap(err, "step '%s', attempt %u", name, number);
    }
    /* Never started: or its folder was taken away while it runs. Either way nothing of it may live
     * when it is started again. */
    if (ad->found[step] == EXEC_LOST || ad->found[step] == EXEC_NEVER_STARTED) {
        int64_t killed = 0;
        if (!exec_reap(e->exec, folder, run->id, name, number, &killed, err)) {
            return err_wrap(err, "step '%s', attempt %u: what it left could not be killed", name,
                            number);
        }
    }
    return true;
}

/* How long a retry still has to wait. Its end was recorded by the wall clock, which may have jumped
 * back since: nobody waits longer than the retry's own delay. */
static int64_t retry_wait(const struct dag_retry *retry, uint32_t failed, int64_t recorded_ms)
{
    double most = (double)retry->delay_ms;
    for (uint32_t i = 1; i < failed && most < (double)recorded_ms; i++) {
        most *= retry->factor;
    }
    most *= 1 + retry->jitter;
    if (retry->max_delay_ms > 0 && most > (double)retry->max_delay_ms) {
        most = (double)retry->max_delay_ms;
    }
    return (double)recorded_ms > most ? (int64_t)most : recorded_ms;
}

static bool restore_step(struct adoption *ad, uint32_t i, struct err *err)
{
    struct run *run = ad->run;
    const struct store_step *step = &ad->steps[i];
    enum sched_state state = SCHED_PENDING;
    enum sched_reason reason = SCHED_NO_REASON;
    if (!sched_state_from_name(step->status, &state) ||
        (step->reason != NULL && !sched_reason_from_name(step->reason, &reason))) {
        return err_set(err, ERR_NEWER, "step '%s' is in a state this version does not know: %s",
                       step->name, step->status);
    }
    uint32_t lost, failed;
    count_attempts(ad, step->folder, &lost, &failed, &run->steps[i].exit_code);
    int64_t due = 0;
    if (state == SCHED_WAITING && reason == SCHED_RETRY) {
        due = engine_boot(run->engine) + retry_wait(&run->pipeline->steps[i].retry, failed,
                                                    step->due_ms - engine_wall(run->engine));
    }
    run->steps[i].started_ms = step->started_ms;
    if (step->finished_ms > run->last_end_ms) {
        run->last_end_ms = step->finished_ms;
    }
    sched_restore(run->sched, i, state, reason, step->attempt, lost, failed, due);
    if ((state == SCHED_STARTING || state == SCHED_RUNNING) &&
        !look_at_attempt(ad, i, step->attempt, err)) {
        return false;
    }
    return step->attempt == 0 && state != SCHED_REUSED ? true : load_results(ad, i, err);
}

static void replay_ends(struct adoption *ad)
{
    struct run *run = ad->run;
    for (uint32_t i = 0; i < ad->step_count; i++) {
        struct attempt *a = run->steps[i].attempt;
        if (!ad->looked[i] || ad->found[i] == EXEC_RUNNING) {
            continue;
        }
        /* What is recorded as running has begun, whatever became of its folder. */
        bool began = sched_step_state(run->sched, i) == SCHED_RUNNING;
        if (ad->found[i] == EXEC_NEVER_STARTED && began) {
            struct step_end lost = {.how = STEP_LOST, .exit_code = -1};
            finish_attempt(a, &lost);
        } else if (ad->found[i] == EXEC_NEVER_STARTED) {
            uint32_t number = a->number;
            run->steps[i].attempt = NULL;
            attempt_drop(a);
            sched_never_started(run->sched, i, number, engine_boot(run->engine));
        } else {
            finish_attempt(a, &ad->ends[i]);
        }
    }
}

static int64_t elapsed(const struct run *run)
{
    int64_t since = engine_wall(run->engine) - run->started_ms;
    return run->started_ms == 0 || since < 0 ? 0 : since;
}

static bool restore_run(struct adoption *ad, struct err *err)
{
    struct run *run = ad->run;
    if (ad->step_count != run->pipeline->step_count) {
        return err_set(err, ERR_CORRUPT,
                       "run %s has %zu recorded steps, but its recorded pipeline has %u", run->id,
                       ad->step_count, run->pipeline->step_count);
    }
    ad->ends = arena_array(&ad->arena, ad->step_count + 1, sizeof(*ad->ends));
    ad->found = arena_array(&ad->arena, ad->step_count + 1, sizeof(*ad->found));
    ad->looked = arena_array(&ad->arena, ad->step_count + 1, sizeof(*ad->looked));
    run_make_scheduler(run, elapsed(run));
    for (uint32_t i = 0; i < ad->step_count; i++) {
        if (!restore_step(ad, i, err)) {
            return false;
        }
    }
    run->cancelling = ad->record.cancelling;
    if (run->cancelling) {
        sched_restore_cancelled(run->sched);
    }
    sched_start(run->sched, engine_boot(run->engine));
    replay_ends(ad);
    return true;
}

static bool adopt(struct adoption *ad, struct err *err)
{
    struct run *run = ad->run;
    struct engine *e = run->engine;
    run_set_file(run, ad->record.file);
    run->number = ad->record.number;
    run->created_ms = ad->record.created_ms;
    run->started_ms = ad->record.started_ms;
    run->params = dag_bind_json(run->pipeline, ad->record.params, strlen(ad->record.params),
                                &run->arena, err);
    if (run->params == NULL || !run_set_trigger(run, ad->record.trigger, err)) {
        return err_wrap(err, "run %s: recorded values", run->id);
    }
    if (!file_make_dirs(run->dir, 0700, err) || !run_take_lock(run, err) || !run_share(run, err)) {
        return false;
    }
    /* Read again under the lock: what was read before it may be of an engine that was still at
     * work. */
    if (!read_records(ad, e, run->id, err)) {
        return false;
    }
    enum sched_run_state state;
    if (sched_run_state_from_name(ad->record.status, &state) && sched_run_state_ended(state)) {
        return err_set(err, ERR_EXISTS, "run %s has ended already: it %s", run->id,
                       state == SCHED_RUN_CANCELLED ? "was cancelled" : ad->record.status);
    }
    run->state = state;
    run->words = words_open(run, err);
    return run->words != NULL && launch_secrets(e, run, err) && restore_run(ad, err);
}

bool engine_adopt_run(struct engine *e, const char *id, struct err *err)
{
    struct adoption ad = {.arena = ARENA_INIT};
    struct dag_pipeline *pipeline = NULL;
    bool ok = read_records(&ad, e, id, err) && (pipeline = parse_recorded(&ad.record, err)) != NULL;
    if (ok) {
        ad.run = run_new(e, pipeline, id);
        ok = adopt(&ad, err);
        if (ok) {
            run_own(e, ad.run);
        } else {
            run_free(ad.run);
        }
    }
    arena_done(&ad.arena);
    return ok;
}
