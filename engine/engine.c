/*
 * engine.c - the engine and its turn.
 *
 * Callbacks (an attempt's events, timers, words from outside) feed the scheduler and add to the
 * open turn. Before the loop sleeps, turn() drains what the schedulers decided, and commits the
 * turn. on_committed() tells the observer, carries out launches and stops, and acknowledges ended
 * attempts. What happens meanwhile goes into the next turn, so commits overlap with work.
 */
#include "engine/internal.h"

#include "base/cas.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LAZY_MS 50 /* how long "running" may wait for company: nothing is decided by it */

int64_t engine_wall(struct engine *e)
{
    return clock_wall_ms(e->clock);
}

int64_t engine_boot(struct engine *e)
{
    return clock_boot_ms(e->clock);
}

struct run *engine_find_run(struct engine *e, const char *id)
{
    for (struct run *run = e->runs; run != NULL; run = run->next) {
        if (strcmp(run->id, id) == 0) {
            return run;
        }
    }
    return NULL;
}

/* ---- the open turn --------------------------------------------------------------------------- */

struct turn *engine_open_turn(struct engine *e)
{
    if (e->open == NULL) {
        e->open = mem_alloc(sizeof(*e->open));
        e->open->engine = e;
        e->open->batch = store_batch_new();
    }
    return e->open;
}

static void turn_free(struct turn *t)
{
    for (struct attempt *a = t->finished, *next; a != NULL; a = next) {
        next = a->next;
        attempt_drop(a);
    }
    store_batch_free(t->batch);
    free(t->effects);
    arena_done(&t->arena);
    free(t);
}

static struct effect *turn_add(struct turn *t)
{
    if (t->count == t->cap) {
        t->cap = t->cap == 0 ? 16 : t->cap * 2;
        t->effects = mem_grow(t->effects, t->cap, sizeof(*t->effects));
    }
    struct effect *effect = &t->effects[t->count++];
    *effect = (struct effect){0};
    return effect;
}

void engine_fail(struct engine *e, const struct err *err)
{
    if (e->failed.code == ERR_NONE) {
        e->failed = *err;
        loop_uv_stop(e->loop);
    }
}

void engine_note(struct run *run, const char *step, const char *fmt, ...)
{
    struct turn *t = engine_open_turn(run->engine);
    struct effect *effect = turn_add(t);
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    effect->run = run;
    effect->action.kind = SCHED_ACT_RECORD;
    effect->event = (struct engine_event){
        .kind = ENGINE_NOTE,
        .at_ms = engine_wall(run->engine),
        .run = run->id,
        .step = step == NULL ? NULL : arena_strdup(&t->arena, step),
        .detail = arena_strdup(&t->arena, text),
        .exit_code = -1,
        .duration_ms = -1,
    };
    t->urgent = true;
}

/* ---- what the scheduler decided -> records and effects
 * --------------------------------------------- */

static void event_of_step(struct turn *t, struct effect *effect, int64_t now)
{
    struct run *run = effect->run;
    const struct sched_action *act = &effect->action;
    const struct dag_step *step = &run->pipeline->steps[act->step];
    struct run_step *rs = &run->steps[act->step];
    if (act->state == SCHED_RUNNING && rs->started_ms == 0) {
        rs->started_ms = now;
    }
    bool ended = sched_state_ended(act->state);
    effect->event = (struct engine_event){
        .kind = ENGINE_STEP,
        .at_ms = now,
        .run = run->id,
        .step = step->name,
        .folder = step->name,
        .attempt = act->attempt,
        .status = sched_state_name(act->state),
        .reason = sched_reason_name(act->reason),
        .detail = rs->detail == NULL ? NULL : arena_strdup(&t->arena, rs->detail),
        .exit_code = rs->exit_code,
        .duration_ms = ended && rs->started_ms != 0
                           ? (rs->ended_ms != 0 ? rs->ended_ms : now) - rs->started_ms
                           : -1,
        .due_ms = act->due_ms == 0 ? 0 : now + (act->due_ms - engine_boot(run->engine)),
        .counts = sched_counts(run->sched),
        .step_count = run->pipeline->step_count,
    };
}

/* Of the ways to be cancelled without an attempt, the one that nobody asked for is explained. */
static void explain_cancel(struct run *run, const struct sched_action *act)
{
    bool plain = act->state == SCHED_CANCELLED && act->reason == SCHED_CANCEL;
    if (plain && !run->cancelling && run->steps[act->step].detail == NULL) {
        run_set_detail(run, act->step, "a step with fail_fast failed");
    }
}

static void record_step(struct turn *t, struct effect *effect)
{
    struct run *run = effect->run;
    const struct sched_action *act = &effect->action;
    const struct dag_step *step = &run->pipeline->steps[act->step];
    struct run_step *rs = &run->steps[act->step];
    int64_t now = engine_wall(run->engine);
    explain_cancel(run, act);
    event_of_step(t, effect, now);
    if (act->state == SCHED_STARTING) {
        store_add_attempt(t->batch, now, run->id, step->name, act->attempt, "process",
                          run->engine->host, clock_boot_id());
    }
    if (sched_state_ended(act->state)) {
        /* Nobody may have listened when it ended: its supervisor knows when that was. */
        int64_t end = rs->ended_ms != 0 ? rs->ended_ms : now;
        run->last_end_ms = end > run->last_end_ms ? end : run->last_end_ms;
        store_add_step_end(t->batch, now, run->id, step->name, effect->event.status,
                           effect->event.reason, act->attempt, rs->ended_ms, rs->detail);
    } else {
        store_add_step_state(t->batch, now, run->id, step->name, effect->event.status,
                             effect->event.reason, act->attempt, effect->event.due_ms, rs->detail);
    }
    if (act->state != SCHED_RUNNING) {
        t->urgent = true;
    }
    rs->ended_ms = 0;
    free(rs->detail);
    rs->detail = NULL;
}

static void record_run(struct turn *t, struct effect *effect)
{
    struct run *run = effect->run;
    const struct sched_action *act = &effect->action;
    int64_t now = engine_wall(run->engine);
    if (act->run_state == SCHED_RUN_RUNNING && run->started_ms == 0) {
        run->started_ms = now;
    }
    /* A resumed run says again what it is; that is told, but not recorded twice. */
    bool news = run->state != act->run_state;
    bool ended = sched_run_state_ended(act->run_state);
    bool known = run->last_end_ms >= run->created_ms && run->last_end_ms < now; /* of two clocks */
    int64_t end = known ? run->last_end_ms : now;
    run->state = act->run_state;
    run->reason = act->reason;
    effect->event = (struct engine_event){
        .kind = ENGINE_RUN,
        .at_ms = now,
        .run = run->id,
        .status = sched_run_state_name(act->run_state),
        .reason = sched_reason_name(act->reason),
        .exit_code = -1,
        .duration_ms = ended ? end - run->created_ms : -1,
        .counts = sched_counts(run->sched),
        .step_count = run->pipeline->step_count,
    };
    if (news) {
        store_add_run_end(t->batch, now, run->id, effect->event.status, effect->event.reason,
                          ended ? end : 0);
    }
    t->urgent = true;
}

static void drain(struct run *run)
{
    struct sched_action action;
    while (sched_next(run->sched, &action)) {
        struct turn *t = engine_open_turn(run->engine);
        struct effect *effect = turn_add(t);
        effect->run = run;
        effect->action = action;
        if (action.kind == SCHED_ACT_RECORD) {
            record_step(t, effect);
        } else if (action.kind == SCHED_ACT_RUN) {
            record_run(t, effect);
        } else {
            t->urgent = true;
        }
    }
}

/* ---- after the commit: tell, act, acknowledge
 * ------------------------------------------------------- */

static void on_began(void *owner, int64_t at_ms)
{
    (void)at_ms;
    struct attempt *a = owner;
    if (sched_step_state(a->run->sched, a->step) == SCHED_STARTING) {
        sched_began(a->run->sched, a->step, a->number, engine_boot(a->run->engine));
    }
}

static void on_ended(void *owner, const struct step_end *end)
{
    finish_attempt(owner, end);
}

const struct exec_events engine_exec_events = {.began = on_began, .ended = on_ended};

static void do_launch(struct run *run, const struct sched_action *act)
{
    struct attempt *a = run->steps[act->step].attempt;
    struct err err = ERR_INIT;
    if (a->refused != SCHED_NO_REASON) {
        err_set(&err, ERR_INVALID, "%s", a->refusal);
        finish_unstarted(a, a->refused, &err);
    } else if (!exec_launch(a->exec, &err)) {
        finish_unstarted(a, SCHED_SPAWN, &err);
    }
}

static void do_stop(struct run *run, const struct sched_action *act)
{
    struct attempt *a = run->steps[act->step].attempt;
    if (a != NULL && a->exec != NULL && a->number == act->attempt) {
        exec_stop(a->exec, act->kill);
    }
}

static void carry_out(struct engine *e, const struct effect *effect)
{
    if (effect->event.run != NULL && e->conf.observe != NULL) {
        e->conf.observe(e->conf.observe_arg, &effect->event);
    }
    if (effect->action.kind == SCHED_ACT_LAUNCH) {
        do_launch(effect->run, &effect->action);
    } else if (effect->action.kind == SCHED_ACT_STOP) {
        do_stop(effect->run, &effect->action);
    } else if (effect->action.kind == SCHED_ACT_RUN &&
               sched_run_state_ended(effect->action.run_state)) {
        effect->run->ended = true;
    }
}

static void acknowledge(struct turn *t)
{
    for (struct attempt *a = t->finished, *next; a != NULL; a = next) {
        next = a->next;
        if (a->exec != NULL) {
            exec_finish(a->exec);
        }
        leak_remove(a);
        attempt_drop(a);
    }
    t->finished = NULL;
}

static void on_committed(void *arg, const struct err *failed)
{
    struct turn *t = arg;
    struct engine *e = t->engine;
    e->committing = t->next; /* commits answer in their order */
    if (e->committing == NULL) {
        e->committing_last = NULL;
    }
    if (failed != NULL) {
        /* Nothing was written, so nothing is done: steps go on under their supervisors, whose
         * records keep their ends, and the run can be resumed. */
        engine_fail(e, failed);
    } else {
        acknowledge(t);
        for (size_t i = 0; i < t->count; i++) {
            carry_out(e, &t->effects[i]);
        }
    }
    turn_free(t);
}

/* ---- the turn
 * ------------------------------------------------------------------------------------- */

/* While the commit is under way: folders and specs of what it will start. A crash now leaves
 * folders in which nothing began. */
static void prepare_launches(struct turn *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct sched_action *act = &t->effects[i].action;
        if (act->kind != SCHED_ACT_LAUNCH) {
            continue;
        }
        struct attempt *a = mem_alloc(sizeof(*a));
        a->run = t->effects[i].run;
        a->step = act->step;
        a->number = act->attempt;
        a->run->steps[act->step].attempt = a;
        struct err err = ERR_INIT;
        enum sched_reason reason = SCHED_SPAWN;
        if (!launch_prepare(a, &reason, &err)) {
            a->refused = reason;
            a->refusal = mem_strdup(err.msg);
        }
    }
}

static void commit_open_turn(struct engine *e)
{
    struct turn *t = e->open;
    e->open = NULL;
    loop_uv_base(e->loop)->ops->timer_stop(e->lazy);
    if (e->committing_last != NULL) {
        e->committing_last->next = t;
    } else {
        e->committing = t;
    }
    e->committing_last = t;
    store_commit(e->store, mem_steal(t->batch), on_committed, t);
    prepare_launches(t);
}

static void on_lazy(void *arg)
{
    struct engine *e = arg;
    if (e->open != NULL) {
        e->open->urgent = true;
    }
}

static void on_due(void *arg)
{
    struct engine *e = arg;
    for (struct run *run = e->runs; run != NULL; run = run->next) {
        sched_tick(run->sched, engine_boot(e));
    }
}

static void arm_due_timer(struct engine *e)
{
    int64_t due = INT64_MAX;
    for (struct run *run = e->runs; run != NULL; run = run->next) {
        int64_t at = run->ended ? INT64_MAX : sched_next_due(run->sched);
        due = at < due ? at : due;
    }
    const struct loop_ops *ops = loop_uv_base(e->loop)->ops;
    if (due == INT64_MAX) {
        ops->timer_stop(e->due);
    } else {
        int64_t wait = due - engine_boot(e);
        ops->timer_start(e->due, wait < 0 ? 0 : wait > INT32_MAX ? INT32_MAX : wait);
    }
}

static bool all_ended(const struct engine *e)
{
    for (const struct run *run = e->runs; run != NULL; run = run->next) {
        if (!run->ended) {
            return false;
        }
    }
    return true;
}

static void turn(void *arg)
{
    struct engine *e = arg;
    if (e->failed.code != ERR_NONE) {
        loop_uv_stop(e->loop);
        return;
    }
    for (struct run *run = e->runs; run != NULL; run = run->next) {
        drain(run);
    }
    if (e->open != NULL && e->open->urgent) {
        commit_open_turn(e);
    } else if (e->open != NULL) {
        loop_uv_base(e->loop)->ops->timer_start(e->lazy, LAZY_MS);
    }
    arm_due_timer(e);
    if (e->quitting && e->open == NULL && e->committing == NULL && all_ended(e)) {
        loop_uv_stop(e->loop);
    }
}

/* ---- public
 * ----------------------------------------------------------------------------------------- */

struct engine *engine_open(const struct engine_conf *conf, struct err *err)
{
    struct engine *e = mem_alloc(sizeof(*e));
    e->conf = *conf;
    e->clock = conf->clock != NULL ? conf->clock : clock_system();
    e->data_dir = file_absolute(conf->data_dir);
    e->store_dir = store_artifact_dir(e->data_dir);
    e->actor = mem_printf("uid:%u", (unsigned)getuid());
    if (gethostname(e->host, sizeof(e->host) - 1) != 0) {
        snprintf(e->host, sizeof(e->host), "localhost");
    }
    e->loop = loop_uv_open(turn, e, err);
    if (e->loop == NULL) {
        engine_close(e);
        return NULL;
    }
    struct loop *loop = loop_uv_base(e->loop);
    e->due = loop->ops->timer_open(loop, on_due, e);
    e->lazy = loop->ops->timer_open(loop, on_lazy, e);
    struct store_conf store_conf = {
        .url = conf->storage_url, .data_dir = e->data_dir, .loop = loop};
    e->store = store_open(&store_conf, err);
    const char *launcher = getenv("ORCH_LAUNCHER"); /* one that lives by itself: docs/systemd.md */
    struct exec_conf exec_conf = {
        .step_program = conf->step_program,
        .loop = loop,
        .launcher = launcher != NULL && launcher[0] == '/' ? launcher : NULL,
    };
    e->exec = e->store == NULL ? NULL : exec_open(&exec_conf, err);
    AUTO_FREE char *runs = mem_printf("%s/runs", e->data_dir);
    if (e->exec == NULL || !file_make_dirs(runs, 0700, err) ||
        !file_make_dirs(e->store_dir, 0700, err)) {
        engine_close(e);
        return NULL;
    }
    cas_sweep(e->store_dir);
    return e;
}

void engine_close(struct engine *e)
{
    if (e == NULL) {
        return;
    }
    store_close(e->store); /* first: waits for commits, whose turns are dropped unanswered */
    exec_close(e->exec);
    if (e->open != NULL) {
        turn_free(e->open);
    }
    for (struct turn *t = e->committing, *next; t != NULL; t = next) {
        next = t->next;
        turn_free(t);
    }
    for (struct run *run = e->runs, *next; run != NULL; run = next) {
        next = run->next;
        run_free(run);
    }
    loop_uv_close(e->loop);
    free(e->data_dir);
    free(e->store_dir);
    free(e->actor);
    free(e);
}

struct store *engine_store(struct engine *e)
{
    return e->store;
}

bool engine_turn_until_ended(struct engine *e, struct err *err)
{
    e->quitting = true;
    loop_uv_run(e->loop);
    e->quitting = false;
    if (e->failed.code != ERR_NONE) {
        if (err != NULL) {
            *err = e->failed;
        }
        return false;
    }
    return true;
}

enum sched_run_state engine_run_state(struct engine *e, const char *run,
                                      enum sched_reason *ret_reason)
{
    const struct run *r = engine_find_run(e, run);
    if (r == NULL) {
        return SCHED_RUN_QUEUED;
    }
    if (ret_reason != NULL) {
        *ret_reason = r->reason;
    }
    return r->state;
}

bool engine_cancel(struct engine *e, const char *run, const char *actor, bool kill, struct err *err)
{
    struct run *r = engine_find_run(e, run);
    if (r == NULL || r->ended || sched_run_state_ended(r->state)) {
        return err_set(err, ERR_NOT_FOUND, "run %s has ended already", run);
    }
    struct turn *t = engine_open_turn(e);
    store_add_verdict(t->batch, engine_wall(e), actor, r->id, NULL, "cancel",
                      kill ? "{\"kill\":true}" : "{\"kill\":false}");
    t->urgent = true;
    r->cancelling = true;
    sched_cancel(r->sched, kill, engine_boot(e));
    return true;
}

static bool verdict_state(const char *verdict, enum sched_state *ret)
{
    static const struct {
        const char *name;
        enum sched_state state;
    } verdicts[] = {
        {"rerun", SCHED_READY}, {"succeeded", SCHED_SUCCEEDED}, {"failed", SCHED_FAILED}};
    for (size_t i = 0; i < COUNT_OF(verdicts); i++) {
        if (strcmp(verdict, verdicts[i].name) == 0) {
            *ret = verdicts[i].state;
            return true;
        }
    }
    return false;
}

bool engine_resolve(struct engine *e, const char *run, const char *step, const char *verdict,
                    const char *actor, const char *why, struct err *err)
{
    struct run *r = engine_find_run(e, run);
    if (r == NULL || r->ended) {
        return err_set(err, ERR_NOT_FOUND, "run %s has ended already", run);
    }
    const struct dag_step *s = dag_find_step(r->pipeline, step);
    if (s == NULL) {
        const char *near = dag_nearest_step(r->pipeline, step);
        return err_set(err, ERR_NOT_FOUND, "run %.8s has no step '%s'%s%s%s", run, step,
                       near == NULL ? "" : "; did you mean '", near == NULL ? "" : near,
                       near == NULL ? "" : "'?");
    }
    enum sched_state state;
    if (!verdict_state(verdict, &state)) {
        return err_set(err, ERR_USAGE, "'%s' is none of rerun, succeeded, failed", verdict);
    }
    if (sched_step_state(r->sched, s->index) != SCHED_WAITING ||
        sched_step_reason(r->sched, s->index) != SCHED_RESOLVE) {
        return err_set(err, ERR_USAGE, "step '%s' does not wait to be resolved: it is %s", step,
                       sched_state_name(sched_step_state(r->sched, s->index)));
    }
    run_set_detail(r, s->index, why);
    struct turn *t = engine_open_turn(e);
    json_t *detail = json_pack("{s:s, s:s?}", "verdict", verdict, "reason", why);
    AUTO_FREE char *text = json_dumps(detail, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(detail);
    store_add_verdict(t->batch, engine_wall(e), actor, r->id, step, "resolve", text);
    t->urgent = true;
    return sched_resolve(r->sched, s->index, state, engine_boot(e)) ||
           err_set(err, ERR_INTERNAL, "step '%s' could not be resolved", step);
}

bool engine_on_signal(struct engine *e, int signo, void (*cb)(void *arg, int signo), void *arg,
                      struct err *err)
{
    return loop_uv_signal(e->loop, signo, cb, arg, err);
}
