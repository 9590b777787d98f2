/*
 * view.c - records as the JSON of the contract: what `show --json`, `runs --json` and the events of
 * `run --json` print.
 */
#include "engine/engine.h"

#include "base/mem.h"
#include "executor/executor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static json_t *text_or_null(const char *text)
{
    json_t *value = text == NULL ? NULL : json_string(text);
    return value == NULL ? json_null() : value;
}

static json_t *time_or_null(int64_t ms)
{
    char text[CLOCK_TEXT_SIZE];
    return ms == 0 ? json_null() : json_string(clock_format(ms, text));
}

static json_t *parsed_or_null(const char *text)
{
    json_t *value = text == NULL ? NULL : json_loads(text, JSON_DECODE_ANY, NULL);
    return value == NULL ? json_null() : value;
}

static json_t *number(double value)
{
    if (isfinite(value)) {
        return json_real(value);
    }
    return json_string(isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
}

json_t *engine_run_summary_json(const struct store_run *run)
{
    json_t *json = json_object();
    json_object_set_new(json, "id", json_string(run->id));
    json_object_set_new(json, "pipeline", json_string(run->pipeline));
    json_object_set_new(json, "number", json_integer(run->number));
    json_object_set_new(json, "status", json_string(run->status));
    json_object_set_new(json, "reason", text_or_null(run->reason));
    json_object_set_new(json, "trigger", parsed_or_null(run->trigger));
    json_object_set_new(json, "params", parsed_or_null(run->params));
    json_object_set_new(json, "labels", parsed_or_null(run->labels));
    json_object_set_new(json, "file", text_or_null(run->file));
    json_object_set_new(json, "root", text_or_null(run->root));
    json_object_set_new(json, "commit", text_or_null(run->commit));
    json_object_set_new(json, "dirty", json_boolean(run->dirty));
    json_object_set_new(json, "parent", text_or_null(run->parent));
    json_object_set_new(json, "manifest", parsed_or_null(run->manifest));
    json_object_set_new(json, "created_at", time_or_null(run->created_ms));
    json_object_set_new(json, "started_at", time_or_null(run->started_ms));
    json_object_set_new(json, "finished_at", time_or_null(run->finished_ms));
    return json;
}

/* ---- what an attempt took
 * ----------------------------------------------------------------------------- */

struct step_usage engine_attempt_usage(const struct store_attempt *attempt)
{
    struct step_usage usage = STEP_USAGE_NONE;
    json_t *json = attempt->usage == NULL ? NULL : json_loads(attempt->usage, 0, NULL);
    for (size_t i = 0; json != NULL && i < step_usage_field_count; i++) {
        const json_t *value = json_object_get(json, step_usage_fields[i].name);
        if (json_is_integer(value)) {
            *exec_usage_member(&usage, &step_usage_fields[i]) = json_integer_value(value);
        }
    }
    json_decref(json);
    return usage;
}

static json_t *seconds_or_null(int64_t us)
{
    return us < 0 ? json_null() : json_real((double)us / 1e6);
}

static json_t *count_or_null(int64_t count)
{
    return count < 0 ? json_null() : json_integer(count);
}

/* Under its name in the contract: times are in seconds there, cpu_us is cpu_seconds. */
static void set_figure(json_t *json, struct step_usage *usage, const struct step_usage_field *f)
{
    char name[64];
    int64_t value = *exec_usage_member(usage, f);
    size_t len = strlen(f->name);
    bool time = len > 3 && strcmp(f->name + len - 3, "_us") == 0;
    if (time) {
        snprintf(name, sizeof(name), "%.*s_seconds", (int)(len - 3), f->name);
    } else {
        bool peak = f->offset == offsetof(struct step_usage, peak_bytes);
        snprintf(name, sizeof(name), "%s", peak ? "peak_memory_bytes" : f->name);
    }
    json_object_set_new(json, name, time ? seconds_or_null(value) : count_or_null(value));
}

static void set_usage(json_t *json, struct step_usage usage, bool ends, bool sampled)
{
    for (size_t i = 0; i < step_usage_field_count; i++) {
        const struct step_usage_field *f = &step_usage_fields[i];
        if ((ends && f->ends) || (sampled && f->sampled)) {
            set_figure(json, &usage, f);
        }
    }
}

static json_t *samples_json(const struct exec_usage *u)
{
    json_t *json = json_array();
    for (size_t i = 0; i < u->count; i++) {
        json_t *sample = json_object();
        json_object_set_new(sample, "at", time_or_null(u->items[i].at_ms));
        set_usage(sample, u->items[i].usage, false, true);
        json_array_append_new(json, sample);
    }
    return json;
}

/* Samples lie where the step can write, too: what cannot be read is not there. */
static struct exec_usage read_samples(const char *data_dir, const char *run,
                                      const struct store_attempt *at)
{
    struct exec_usage usage = {0};
    AUTO_FREE char *folder = engine_attempt_dir(data_dir, run, at->step, at->number);
    return exec_read_usage(folder, &usage, NULL) ? usage : (struct exec_usage){0};
}

/* ---- one run, whole: the rows of each table come in the order of the steps, so each is walked
 * once ------------- */

struct rows {
    const char *data_dir, *run;
    bool samples; /* asked for */
    struct store_step *steps;
    struct store_attempt *attempts;
    struct store_step_output *outputs;
    struct store_step_metric *metrics;
    struct store_step_artifact *artifacts;
    size_t step_count, attempt_count, output_count, metric_count, artifact_count;
    size_t attempt_at, output_at, metric_at, artifact_at;
};

static bool read_rows(struct store *s, const char *run, struct arena *a, struct rows *r,
                      struct err *err)
{
    return store_get_steps(s, run, a, &r->steps, &r->step_count, err) &&
           store_get_attempts(s, run, NULL, a, &r->attempts, &r->attempt_count, err) &&
           store_get_outputs(s, run, NULL, a, &r->outputs, &r->output_count, err) &&
           store_get_metrics(s, run, NULL, a, &r->metrics, &r->metric_count, err) &&
           store_get_artifacts(s, run, NULL, a, &r->artifacts, &r->artifact_count, err);
}

static void set_usage_of(json_t *json, const struct rows *r, const struct store_attempt *at)
{
    bool running = at->ended_ms == 0;
    struct step_usage taken = engine_attempt_usage(at);
    json_object_set_new(json, "cpu_seconds", seconds_or_null(taken.cpu_us));
    json_object_set_new(json, "peak_memory_bytes", count_or_null(taken.peak_bytes));
    struct exec_usage u = {0};
    if (running || r->samples) {
        u = read_samples(r->data_dir, r->run, at);
    }
    if (running && u.count > 0) {
        taken = u.items[u.count - 1].usage;
    }
    json_t *usage = json_object();
    set_usage(usage, taken, true, running);
    json_object_set_new(json, "usage", usage);
    if (r->samples) {
        json_object_set_new(json, "samples", samples_json(&u));
    }
    exec_usage_done(&u);
}

static json_t *attempt_json(const struct rows *r, const struct store_attempt *at)
{
    json_t *json = json_object();
    json_object_set_new(json, "number", json_integer(at->number));
    json_object_set_new(json, "status", json_string(at->status));
    json_object_set_new(json, "reason", text_or_null(at->reason));
    json_object_set_new(json, "message", text_or_null(at->message));
    json_object_set_new(json, "exit_code",
                        at->exit_code < 0 ? json_null() : json_integer(at->exit_code));
    json_object_set_new(json, "signal", at->signal == 0 ? json_null() : json_integer(at->signal));
    json_object_set_new(json, "started_at", time_or_null(at->started_ms));
    json_object_set_new(json, "finished_at", time_or_null(at->ended_ms));
    set_usage_of(json, r, at);
    json_object_set_new(json, "executor", text_or_null(at->executor));
    json_object_set_new(json, "host", text_or_null(at->host));
    return json;
}

static json_t *attempts_json(struct rows *r, const char *step)
{
    json_t *json = json_array();
    for (; r->attempt_at < r->attempt_count && strcmp(r->attempts[r->attempt_at].step, step) == 0;
         r->attempt_at++) {
        json_array_append_new(json, attempt_json(r, &r->attempts[r->attempt_at]));
    }
    return json;
}

static json_t *outputs_json(struct rows *r, const char *step)
{
    json_t *json = json_object();
    for (; r->output_at < r->output_count && strcmp(r->outputs[r->output_at].step, step) == 0;
         r->output_at++) {
        const struct store_output *o = &r->outputs[r->output_at].output;
        json_object_set_new(json, o->name, parsed_or_null(o->value));
    }
    return json;
}

static json_t *metrics_json(struct rows *r, const char *step)
{
    json_t *json = json_object();
    for (; r->metric_at < r->metric_count && strcmp(r->metrics[r->metric_at].step, step) == 0;
         r->metric_at++) {
        const struct store_metric *m = &r->metrics[r->metric_at].metric;
        json_object_set_new(json, m->name, number(m->value));
    }
    return json;
}

/* Whatever is stored by digest: files left in ORCH_ARTIFACTS, and path outputs. */
static json_t *artifacts_json(struct rows *r, const char *step, size_t first_output)
{
    json_t *json = json_array();
    for (size_t i = first_output; i < r->output_count && strcmp(r->outputs[i].step, step) == 0;
         i++) {
        const struct store_output *o = &r->outputs[i].output;
        if (o->digest != NULL) {
            json_array_append_new(json, json_pack("{s:s, s:s, s:s, s:s, s:I, s:s?, s:s?}", "name",
                                                  o->name, "kind", "output", "path", o->path,
                                                  "digest", o->digest, "size", (json_int_t)o->size,
                                                  "dataset", o->dataset, "model", o->model));
        }
    }
    for (;
         r->artifact_at < r->artifact_count && strcmp(r->artifacts[r->artifact_at].step, step) == 0;
         r->artifact_at++) {
        const struct store_artifact *x = &r->artifacts[r->artifact_at].artifact;
        json_array_append_new(json, json_pack("{s:s, s:s, s:s, s:s, s:I}", "name", x->name, "kind",
                                              "artifact", "path", x->path, "digest", x->digest,
                                              "size", (json_int_t)x->size));
    }
    return json;
}

static json_t *step_json(struct rows *r, const struct store_step *step)
{
    json_t *needs = json_array();
    for (uint32_t i = 0; i < step->need_count; i++) {
        json_array_append_new(needs, json_string(r->steps[step->needs[i]].name));
    }
    size_t first_output = r->output_at;
    json_t *json = json_object();
    json_object_set_new(json, "name", json_string(step->name));
    json_object_set_new(json, "kind", text_or_null(step->kind));
    json_object_set_new(json, "status", json_string(step->status));
    json_object_set_new(json, "reason", text_or_null(step->reason));
    json_object_set_new(json, "detail", text_or_null(step->detail));
    if (step->group != NULL) {
        json_object_set_new(json, "group", json_string(step->group));
        json_object_set_new(json, "matrix", parsed_or_null(step->matrix));
    }
    json_object_set_new(json, "needs", needs);
    json_object_set_new(json, "started_at", time_or_null(step->started_ms));
    json_object_set_new(json, "finished_at", time_or_null(step->finished_ms));
    json_object_set_new(json, "attempts", attempts_json(r, step->folder));
    json_object_set_new(json, "outputs", outputs_json(r, step->folder));
    json_object_set_new(json, "metrics", metrics_json(r, step->folder));
    json_object_set_new(json, "artifacts", artifacts_json(r, step->folder, first_output));
    return json;
}

json_t *engine_run_json(struct store *s, const char *data_dir, const char *id, bool samples,
                        struct err *err)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store_run run;
    struct rows rows = {.data_dir = data_dir, .run = id, .samples = samples};
    if (!store_get_run(s, id, &a, &run, err) || !read_rows(s, id, &a, &rows, err)) {
        return NULL;
    }
    json_t *json = engine_run_summary_json(&run);
    json_t *steps = json_array();
    for (size_t i = 0; i < rows.step_count; i++) {
        json_array_append_new(steps, step_json(&rows, &rows.steps[i]));
    }
    json_object_set_new(json, "steps", steps);
    return json;
}

json_t *engine_event_json(const struct engine_event *event)
{
    static const char *const kinds[] = {"run", "step", "note"};
    char at[CLOCK_TEXT_SIZE];
    json_t *json = json_pack("{s:s, s:s, s:s}", "event", kinds[event->kind], "at",
                             clock_format(event->at_ms, at), "run", event->run);
    if (event->step != NULL) {
        json_object_set_new(json, "step", json_string(event->step));
    }
    if (event->kind != ENGINE_NOTE) {
        json_object_set_new(json, "status", json_string(event->status));
        json_object_set_new(json, "reason", text_or_null(event->reason));
    }
    if (event->kind == ENGINE_STEP) {
        json_object_set_new(json, "attempt", json_integer(event->attempt));
        json_object_set_new(json, "exit_code",
                            event->exit_code < 0 ? json_null() : json_integer(event->exit_code));
    }
    if (event->duration_ms >= 0) {
        json_object_set_new(json, "seconds", json_real((double)event->duration_ms / 1000));
    }
    if (event->due_ms != 0) {
        json_object_set_new(json, "due_at", time_or_null(event->due_ms));
    }
    if (event->detail != NULL) {
        json_object_set_new(json, "detail", json_string(event->detail));
    }
    return json;
}
