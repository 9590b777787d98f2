/*
 * batch.c - what happened, as events: each store_add_x() copies its arguments into one event with a
 * canonical JSON body. Nothing here knows a database.
 */
#include "base/mem.h"
#include "storage/backend.h"
#include "storage/body.h"

#include <stdlib.h>
#include <string.h>

// clang-format off
static const char *const kind_names[STORE_KIND_COUNT] = {
    [STORE_RUN]         = "run",
    [STORE_RUN_STATE]   = "run_state",
    [STORE_STEP_STATE]  = "step_state",
    [STORE_ATTEMPT]     = "attempt",
    [STORE_ATTEMPT_END] = "attempt_end",
    [STORE_OUTPUTS]     = "outputs",
    [STORE_ARTIFACTS]   = "artifacts",
    [STORE_METRICS]     = "metrics",
    [STORE_VERDICT]     = "verdict",
};
// clang-format on

const char *store_kind_name(enum store_kind kind)
{
    return kind_names[kind];
}

bool store_kind_from_name(const char *name, size_t len, enum store_kind *ret)
{
    for (size_t i = 0; i < STORE_KIND_COUNT; i++) {
        if (strlen(kind_names[i]) == len && memcmp(kind_names[i], name, len) == 0) {
            *ret = (enum store_kind)i;
            return true;
        }
    }
    return false;
}

struct store_batch *store_batch_new(void)
{
    struct store_batch *b = mem_alloc(sizeof *b);
    b->arena = ARENA_INIT;
    b->body = BUF_INIT(STORE_BODY_MAX);
    return b;
}

void store_batch_free(struct store_batch *b)
{
    if (!b)
        return;
    arena_done(&b->arena);
    buf_done(&b->body);
    free(b->events);
    free(b);
}

size_t store_batch_count(const struct store_batch *b)
{
    return b->count;
}

static const char *copy(struct store_batch *b, const char *text)
{
    return text ? arena_strdup(&b->arena, text) : NULL;
}

static struct store_event *new_event(struct store_batch *b, enum store_kind kind, int64_t at_ms,
                                     const char *run, const char *step, uint32_t attempt)
{
    if (b->count == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 16;
        b->events = mem_grow(b->events, b->cap, sizeof *b->events);
    }
    struct store_event *e = &b->events[b->count++];
    *e = (struct store_event){.kind = kind, .at_ms = at_ms, .attempt = attempt};
    /* Events of one step mostly come together. */
    const struct store_event *before = b->count > 1 ? e - 1 : NULL;
    e->run = before && strcmp(before->run, run) == 0 ? before->run : copy(b, run);
    if (step)
        e->step = before && before->step && strcmp(before->step, step) == 0 ? before->step
                                                                            : copy(b, step);
    return e;
}

static struct body begin_body(struct store_batch *b, struct err *err)
{
    buf_clear(&b->body);
    struct body body = {.buf = &b->body, .err = err};
    body_open(&body);
    return body;
}

/* Gives the finished body to the event; what is wrong with it makes the batch unfit to commit. */
static void end_body(struct store_batch *b, struct store_event *e, struct body *body)
{
    body_close(body);
    bool full = b->body.full;
    if ((full || body->bad) && !b->failed) {
        b->failed = arena_alloc(&b->arena, sizeof *b->failed);
        if (full)
            err_set(b->failed, ERR_LIMIT, "it is larger than %ld bytes", STORE_BODY_MAX);
        else
            *b->failed = *body->err;
        err_wrap(b->failed, "event %s of run %s", kind_names[e->kind], e->run);
    }
    e->body = arena_strndup(&b->arena, buf_str(&b->body), b->body.len);
    e->body_len = b->body.len;
}

static void add_new_step(struct body *body, const struct store_new_step *step)
{
    body_text(body, "folder", step->folder);
    body_text(body, "group", step->group);
    body_text(body, "kind", step->kind);
    body_json(body, "matrix", step->matrix);
    if (step->name && strcmp(step->name, step->folder) != 0)
        body_text(body, "name", step->name);
    body_numbers(body, "needs", step->needs, step->need_count);
    body_close(body);
}

void store_add_run(struct store_batch *b, int64_t at_ms, const char *actor,
                   const struct store_new_run *run)
{
    struct err err = ERR_INIT;
    struct store_event *e = new_event(b, STORE_RUN, at_ms, run->id, NULL, 0);
    char digest[DIGEST_TEXT];
    e->actor = copy(b, actor);
    e->text = arena_strdup(&b->arena, run->text ? run->text : "");
    digest_bytes(e->text, strlen(e->text), digest);
    e->text_digest = copy(b, digest);

    struct body body = begin_body(b, &err);
    body_text(&body, "commit", run->commit);
    body_flag(&body, "dirty", run->dirty);
    body_text(&body, "file", run->file);
    body_text(&body, "id", run->id);
    body_json(&body, "labels", run->labels);
    body_json(&body, "manifest", run->manifest);
    body_json(&body, "params", run->params);
    body_text(&body, "parent", run->parent);
    body_text(&body, "pipeline", run->pipeline);
    body_text(&body, "root", run->root);
    body_list(&body, "steps");
    for (uint32_t i = 0; i < run->step_count; i++) {
        body_item(&body, i == 0);
        add_new_step(&body, &run->steps[i]);
    }
    body_list_end(&body, "steps");
    body_text(&body, "text", digest);
    body_json(&body, "trigger", run->trigger);
    end_body(b, e, &body);
}

void store_add_run_state(struct store_batch *b, int64_t at_ms, const char *run, const char *state,
                         const char *reason)
{
    store_add_run_end(b, at_ms, run, state, reason, 0);
}

void store_add_run_end(struct store_batch *b, int64_t at_ms, const char *run, const char *state,
                       const char *reason, int64_t ended_ms)
{
    struct err err = ERR_INIT;
    struct store_event *e = new_event(b, STORE_RUN_STATE, at_ms, run, NULL, 0);
    struct body body = begin_body(b, &err);
    if (ended_ms)
        body_int(&body, "ended", ended_ms);
    body_text(&body, "reason", reason);
    body_text(&body, "state", state);
    end_body(b, e, &body);
}

/* What became of a step: `due_ms` and `ended_ms` 0 = none. */
static void add_step_state(struct store_batch *b, int64_t at_ms, const char *run, const char *step,
                           const char *state, const char *reason, uint32_t attempt, int64_t due_ms,
                           int64_t ended_ms, const char *detail)
{
    struct err err = ERR_INIT;
    struct store_event *e = new_event(b, STORE_STEP_STATE, at_ms, run, step, attempt);
    struct body body = begin_body(b, &err);
    body_text(&body, "detail", detail);
    if (due_ms)
        body_int(&body, "due", due_ms);
    if (ended_ms)
        body_int(&body, "ended", ended_ms);
    body_text(&body, "reason", reason);
    body_text(&body, "state", state);
    end_body(b, e, &body);
}

void store_add_step_state(struct store_batch *b, int64_t at_ms, const char *run, const char *step,
                          const char *state, const char *reason, uint32_t attempt, int64_t due_ms,
                          const char *detail)
{
    add_step_state(b, at_ms, run, step, state, reason, attempt, due_ms, 0, detail);
}

void store_add_step_end(struct store_batch *b, int64_t at_ms, const char *run, const char *step,
                        const char *state, const char *reason, uint32_t attempt, int64_t ended_ms,
                        const char *detail)
{
    add_step_state(b, at_ms, run, step, state, reason, attempt, 0, ended_ms, detail);
}

void store_add_attempt(struct store_batch *b, int64_t at_ms, const char *run, const char *step,
                       uint32_t attempt, const char *executor, const char *host,
                       const char *boot_id)
{
    struct err err = ERR_INIT;
    struct store_event *e = new_event(b, STORE_ATTEMPT, at_ms, run, step, attempt);
    struct body body = begin_body(b, &err);
    body_text(&body, "boot", boot_id);
    body_text(&body, "executor", executor);
    body_text(&body, "host", host);
    end_body(b, e, &body);
}

void store_add_attempt_end(struct store_batch *b, int64_t at_ms, const char *run, const char *step,
                           uint32_t attempt, const struct store_attempt_end *end)
{
    struct err err = ERR_INIT;
    struct store_event *e = new_event(b, STORE_ATTEMPT_END, at_ms, run, step, attempt);
    struct body body = begin_body(b, &err);
    body_int(&body, "ended", end->ended_ms);
    if (end->exit_code >= 0)
        body_int(&body, "exit", end->exit_code);
    body_text(&body, "message", end->message);
    body_text(&body, "reason", end->reason);
    if (end->signal)
        body_int(&body, "signal", end->signal);
    if (end->started_ms)
        body_int(&body, "started", end->started_ms);
    body_text(&body, "status", end->status);
    body_json(&body, "usage", end->usage);
    end_body(b, e, &body);
}

void store_add_outputs(struct store_batch *b, int64_t at_ms, const char *run, const char *step,
                       uint32_t attempt, const struct store_output *items, size_t count)
{
    struct err err = ERR_INIT;
    struct store_event *e = new_event(b, STORE_OUTPUTS, at_ms, run, step, attempt);
    struct body body = begin_body(b, &err);
    body_list(&body, "items");
    for (size_t i = 0; i < count; i++) {
        body_item(&body, i == 0);
        body_text(&body, "dataset", items[i].dataset);
        body_text(&body, "digest", items[i].digest);
        body_text(&body, "model", items[i].model);
        body_text(&body, "name", items[i].name);
        body_text(&body, "path", items[i].path);
        body_int(&body, "size", items[i].size);
        body_json(&body, "value", items[i].value);
        body_close(&body);
    }
    body_list_end(&body, "items");
    end_body(b, e, &body);
}

void store_add_artifacts(struct store_batch *b, int64_t at_ms, const char *run, const char *step,
                         uint32_t attempt, const struct store_artifact *items, size_t count)
{
    struct err err = ERR_INIT;
    struct store_event *e = new_event(b, STORE_ARTIFACTS, at_ms, run, step, attempt);
    struct body body = begin_body(b, &err);
    body_list(&body, "items");
    for (size_t i = 0; i < count; i++) {
        body_item(&body, i == 0);
        body_text(&body, "digest", items[i].digest);
        body_flag(&body, "folder", items[i].folder);
        body_text(&body, "name", items[i].name);
        body_text(&body, "path", items[i].path);
        body_int(&body, "size", items[i].size);
        body_close(&body);
    }
    body_list_end(&body, "items");
    end_body(b, e, &body);
}

void store_add_metrics(struct store_batch *b, int64_t at_ms, const char *run, const char *step,
                       uint32_t attempt, const struct store_metric *items, size_t count)
{
    struct err err = ERR_INIT;
    struct store_event *e = new_event(b, STORE_METRICS, at_ms, run, step, attempt);
    struct store_metric *points = arena_array(&b->arena, count + 1, sizeof *points);
    for (size_t i = 0; i < count; i++) {
        points[i] = items[i];
        bool same = i && strcmp(items[i].name, points[i - 1].name) == 0;
        points[i].name = same ? points[i - 1].name : copy(b, items[i].name);
    }
    e->points = points;
    e->point_count = count;

    char digest[DIGEST_TEXT];
    store_points_digest(points, count, digest);
    struct body body = begin_body(b, &err);
    body_int(&body, "count", (int64_t)count);
    body_text(&body, "digest", digest);
    end_body(b, e, &body);
}

void store_add_verdict(struct store_batch *b, int64_t at_ms, const char *actor, const char *run,
                       const char *step, const char *verb, const char *detail)
{
    struct err err = ERR_INIT;
    struct store_event *e = new_event(b, STORE_VERDICT, at_ms, run, step, 0);
    e->actor = copy(b, actor);
    struct body body = begin_body(b, &err);
    body_json(&body, "detail", detail);
    body_text(&body, "verb", verb);
    end_body(b, e, &body);
}
