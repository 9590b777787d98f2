/*
 * finish.c - taking in how an attempt ended: what it left is read, checked and recorded in the same
 * turn as its end.
 */
#include "engine/internal.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    enum sched_reason reason;
    const char *status; /* of the attempt */
} ends[] = {
    [STEP_OK] = {SCHED_NO_REASON, "succeeded"}, [STEP_EXIT] = {SCHED_EXIT, "failed"},
    [STEP_SIGNAL] = {SCHED_SIGNAL, "failed"},   [STEP_TIMEOUT] = {SCHED_TIMEOUT, "failed"},
    [STEP_LIMIT] = {SCHED_LIMIT, "failed"},     [STEP_OUTPUT] = {SCHED_OUTPUT, "failed"},
    [STEP_SPAWN] = {SCHED_SPAWN, "failed"},     [STEP_CANCELLED] = {SCHED_CANCEL, "cancelled"},
    [STEP_SHUTDOWN] = {SCHED_LOST, "lost"},     [STEP_LOST] = {SCHED_LOST, "lost"},
    [STEP_OOM] = {SCHED_OOM, "failed"},         [STEP_ISOLATION] = {SCHED_ISOLATION, "failed"},
};

/* What an attempt left, while it is being taken in. */
struct intake {
    struct attempt *attempt;
    struct run *run;
    const struct dag_step *step;
    const char *folder;
    struct arena *arena; /* the run's: results outlive the turn */
    struct exec_outputs written;
    struct exec_metrics metrics;
    struct step_files files;
    struct store_output *outputs; /* what is recorded */
    struct dag_value *values;     /* beside them: what expressions see */
    size_t output_count;
    bool drop_artifacts; /* too much to be recorded */
};

static bool refuse_secret(const struct intake *in, const char *what, const char *name,
                          const char *text, struct err *err)
{
    const char *secret = leak_find(in->run, text);
    return secret == NULL ||
           err_set(err, ERR_INVALID,
                   "%s '%s' holds the secret %s: a secret must not leave the step", what, name,
                   secret);
}

/* The name itself is what must not be told. */
static bool refuse_secret_name(const struct intake *in, const char *what, const char *name,
                               struct err *err)
{
    const char *secret = leak_find(in->run, name);
    return secret == NULL ||
           err_set(err, ERR_INVALID,
                   "the name of %s holds the secret %s: a secret must not leave the step", what,
                   secret);
}

/* ---- outputs
 * ------------------------------------------------------------------------------------------ */

static bool typed_value(struct intake *in, const char *name, const char *text, enum dag_type type,
                        struct dag_value *ret, struct err *err)
{
    if (type == DAG_STRING) {
        *ret = dag_string(text);
        return true;
    }
    bool is_word = type == DAG_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0);
    if (is_word) {
        *ret = dag_bool(text[0] == 't');
        return true;
    }
    struct dag_value value;
    if (type != DAG_BOOL && dag_value_from_json(text, strlen(text), in->arena, &value, NULL) &&
        (value.type == type || (type == DAG_NUMBER && value.type == DAG_INT))) {
        *ret = value;
        return true;
    }
    return err_set(err, ERR_INVALID, "output '%s' is declared as %s, but the step wrote '%.80s'",
                   name, dag_type_name(type), text);
}

static const struct dag_output *find_declared(const struct dag_step *step, const char *name)
{
    for (size_t i = 0; i < step->output_count; i++) {
        if (strcmp(step->outputs[i].name, name) == 0) {
            return &step->outputs[i];
        }
    }
    return NULL;
}

static bool add_output(struct intake *in, const char *name, const struct dag_value *value,
                       const struct step_file *file, struct err *err)
{
    AUTO_BUF struct buf json = BUF_INIT(LIMIT_VALUE);
    if (!dag_value_to_json(value, &json, err)) {
        return err_wrap(err, "output '%s'", name);
    }
    const struct dag_output *declared = find_declared(in->step, name);
    in->values[in->output_count] = *value;
    in->outputs[in->output_count++] = (struct store_output){
        .name = arena_strdup(in->arena, name),
        .value = arena_strdup(in->arena, buf_str(&json)),
        .path = file == NULL ? NULL : value->u.string.text,
        .digest = file == NULL ? NULL : arena_strdup(in->arena, file->digest),
        .size = file == NULL ? 0 : file->size,
        .dataset = declared == NULL ? NULL : declared->dataset,
        .model = declared == NULL ? NULL : declared->model,
    };
    return true;
}

static bool take_written(struct intake *in, struct err *err)
{
    for (size_t i = 0; i < in->written.count; i++) {
        const char *name = in->written.items[i].name;
        const char *text = arena_strdup(in->arena, in->written.items[i].value);
        const struct dag_output *declared = find_declared(in->step, name);
        if (declared != NULL && declared->path != NULL) {
            return err_set(
                err, ERR_INVALID,
                "output '%s' is declared as a file (path: %s), but $ORCH_OUTPUT gives it a value",
                name, declared->path);
        }
        struct dag_value value;
        if (!refuse_secret_name(in, "an output", name, err) ||
            !refuse_secret(in, "output", name, text, err) ||
            !typed_value(in, name, text, declared == NULL ? DAG_STRING : declared->type, &value,
                         err) ||
            !add_output(in, name, &value, NULL, err)) {
            return false;
        }
    }
    return true;
}

static bool was_taken(const struct intake *in, const char *name)
{
    for (size_t i = 0; i < in->output_count; i++) {
        if (strcmp(in->outputs[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool check_declared(const struct intake *in, struct err *err)
{
    for (size_t i = 0; i < in->step->output_count; i++) {
        const struct dag_output *output = &in->step->outputs[i];
        if (output->path == NULL && !output->optional && !was_taken(in, output->name)) {
            return err_set(
                err, ERR_INVALID,
                "output '%s' was not written: write a line %s=value to $ORCH_OUTPUT, or declare it "
                "optional: true",
                output->name, output->name);
        }
    }
    return true;
}

static bool take_files(struct intake *in, struct err *err)
{
    for (size_t i = 0; i < in->files.count; i++) {
        const struct step_file *file = &in->files.items[i];
        if (file->artifact) {
            continue;
        }
        struct dag_value value =
            dag_string(arena_printf(in->arena, "%s/%s", in->folder, file->path));
        if (!add_output(in, file->name, &value, file, err)) {
            return false;
        }
    }
    return true;
}

static bool take_outputs(struct intake *in, const struct step_end *end, struct err *err)
{
    if (end->has_output && !exec_read_outputs(in->folder, &in->written, err)) {
        return false;
    }
    size_t most = in->written.count + in->files.count;
    in->outputs = arena_array(in->arena, most, sizeof(*in->outputs));
    in->values = arena_array(in->arena, most, sizeof(*in->values));
    return take_files(in, err) && take_written(in, err) && check_declared(in, err);
}

/* ---- metrics and artifacts
 * ------------------------------------------------------------------------------ */

static bool take_metrics(struct intake *in, const struct step_end *end, struct err *err)
{
    if (end->has_metrics && !exec_read_metrics(in->folder, &in->metrics, err)) {
        return false;
    }
    for (size_t i = 0; i < in->metrics.count; i++) {
        const char *name = in->metrics.items[i].name;
        if (!refuse_secret_name(in, "a metric", name, err)) {
            exec_metrics_done(&in->metrics); /* recorded it would have left */
            return false;
        }
    }
    return true;
}

static void record_metrics(struct intake *in, struct store_batch *batch, int64_t now)
{
    if (in->metrics.count == 0) {
        return;
    }
    struct store_metric *items = mem_array(in->metrics.count, sizeof(*items));
    for (size_t i = 0; i < in->metrics.count; i++) {
        const struct exec_metric *m = &in->metrics.items[i];
        items[i] = (struct store_metric){m->name, m->value, m->has_step ? m->step : INT64_MIN};
    }
    store_add_metrics(batch, now, in->run->id, in->step->name, in->attempt->number, items,
                      in->metrics.count);
    free(items);
}

static bool check_artifacts(const struct intake *in, struct err *err)
{
    for (size_t i = 0; i < in->files.count; i++) {
        const struct step_file *file = &in->files.items[i];
        if (file->artifact && !refuse_secret_name(in, "an artifact", file->name, err)) {
            return false;
        }
    }
    return true;
}

/* At most what a text takes as JSON. */
static size_t json_size(const char *text)
{
    size_t size = 2;
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        size += c < 0x20 || c == 0x7F ? 6 : c >= 0x80 ? 3 : c == '"' || c == '\\' ? 2 : 1;
    }
    return size;
}

/* Names of 255 control characters, a hundred thousand times: more than one record may hold, and a
 * record that cannot be written would end the engine. */
static bool bound_artifacts(struct intake *in, struct err *err)
{
    size_t total = 0, folder = json_size(in->folder) + 256; /* digest, size and their names */
    for (size_t i = 0; i < in->files.count; i++) {
        const struct step_file *file = &in->files.items[i];
        if (file->artifact) {
            total += json_size(file->name) + json_size(file->path) + folder;
        }
    }
    in->drop_artifacts = total > LIMIT_ARTIFACT_NAMES;
    return !in->drop_artifacts ||
           err_set(err, ERR_LIMIT,
                   "the names of the files in $ORCH_ARTIFACTS take more than %ld bytes: pack them "
                   "into one",
                   LIMIT_ARTIFACT_NAMES);
}

static void record_artifacts(struct intake *in, struct store_batch *batch, int64_t now)
{
    size_t count = 0;
    if (in->drop_artifacts) {
        return;
    }
    struct store_artifact *items = mem_array(in->files.count + 1, sizeof(*items));
    for (size_t i = 0; i < in->files.count; i++) {
        const struct step_file *file = &in->files.items[i];
        if (file->artifact && leak_find(in->run, file->name) == NULL) {
            items[count++] = (struct store_artifact){
                .name = file->name,
                .path = arena_printf(in->arena, "%s/%s", in->folder, file->path),
                .digest = file->digest,
                .size = file->size,
                .folder = file->folder,
            };
        }
    }
    if (count > 0) {
        store_add_artifacts(batch, now, in->run->id, in->step->name, in->attempt->number, items,
                            count);
    }
    free(items);
}

static int by_name_then_order(const void *left, const void *right)
{
    const struct exec_metric *const *a = left, *const *b = right;
    int order = strcmp((*a)->name, (*b)->name);
    return order != 0 ? order : *a < *b ? -1 : *a > *b;
}

/* The last value of each metric, by name. */
static void keep_metrics(struct run *run, struct result *r, const struct exec_metric *items,
                         size_t count)
{
    const struct exec_metric **sorted = mem_array(count + 1, sizeof(const struct exec_metric *));
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &items[i];
    }
    qsort(sorted, count, sizeof(const struct exec_metric *), by_name_then_order);
    r->metrics = arena_array(&run->arena, count, sizeof(*r->metrics));
    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count || strcmp(sorted[i]->name, sorted[i + 1]->name) != 0) {
            r->metrics[r->metric_count++] = (struct result_metric){
                arena_strdup(&run->arena, sorted[i]->name), sorted[i]->value};
        }
    }
    free(sorted);
}

static void keep_result(struct intake *in, bool ok)
{
    if (in->output_count == 0 && in->metrics.count == 0) {
        return;
    }
    struct result *r = arena_alloc(in->arena, sizeof(*r));
    r->count = ok ? in->output_count : 0;
    r->values = in->values;
    r->names = arena_array(in->arena, r->count, sizeof(*r->names));
    for (size_t i = 0; i < r->count; i++) {
        r->names[i] = in->outputs[i].name;
    }
    keep_metrics(in->run, r, in->metrics.items, in->metrics.count);
    in->run->steps[in->attempt->step].result = r;
}

/* ---- the end
 * ---------------------------------------------------------------------------------------------- */

/* What was measured, as an object of the members' names; false where nothing was. */
static bool usage_to_json(struct step_usage usage, struct buf *ret)
{
    for (size_t i = 0; i < step_usage_field_count; i++) {
        const struct step_usage_field *f = &step_usage_fields[i];
        int64_t value = *exec_usage_member(&usage, f);
        if (f->ends && value >= 0) {
            buf_addf(ret, "%c\"%s\":%" PRId64, ret->len == 0 ? '{' : ',', f->name, value);
        }
    }
    return ret->len > 0 && buf_addc(ret, '}');
}

static void park(struct attempt *a)
{
    struct turn *t = engine_open_turn(a->run->engine);
    a->run->steps[a->step].attempt = NULL;
    a->next = t->finished;
    t->finished = a;
    t->urgent = true;
}

static void record_end(struct attempt *a, const struct step_end *end)
{
    struct run *run = a->run;
    struct engine *e = run->engine;
    const struct dag_step *step = &run->pipeline->steps[a->step];
    struct run_step *rs = &run->steps[a->step];
    AUTO_BUF struct buf usage = BUF_INIT(4096);
    struct store_attempt_end record = {
        .status = ends[end->how].status,
        .reason = sched_reason_name(ends[end->how].reason),
        .message = end->message[0] == '\0' ? NULL : end->message,
        .exit_code = end->exit_code,
        .signal = end->signal,
        .started_ms = end->began_ms,
        .ended_ms = end->ended_ms != 0 ? end->ended_ms : engine_wall(e),
        .usage = usage_to_json(end->usage, &usage) ? buf_str(&usage) : NULL,
    };
    rs->exit_code = end->exit_code;
    rs->ended_ms = record.ended_ms;
    if (rs->started_ms == 0 || (a->number == 1 && end->began_ms != 0)) {
        rs->started_ms = end->began_ms; /* that it runs was heard of a little later */
    }
    run_set_detail(run, a->step, record.message);
    store_add_attempt_end(engine_open_turn(e)->batch, engine_wall(e), run->id, step->name,
                          a->number, &record);
}

static void describe(struct step_end *end, const struct dag_step *step)
{
    if (end->message[0] != '\0') {
        return;
    }
    char text[32];
    if (end->how == STEP_EXIT) {
        snprintf(end->message, sizeof(end->message), "exit code %d", end->exit_code);
    } else if (end->how == STEP_SIGNAL) {
        snprintf(end->message, sizeof(end->message), "killed by signal %d (%s)", end->signal,
                 strsignal(end->signal));
    } else if (end->how == STEP_TIMEOUT) {
        snprintf(end->message, sizeof(end->message), "did not end within its timeout of %s",
                 text_format_duration(step->timeout_ms, text));
    } else if (end->how == STEP_SHUTDOWN) {
        snprintf(end->message, sizeof(end->message), "the host shut down");
    } else if (end->how == STEP_LOST) {
        snprintf(end->message, sizeof(end->message),
                 "its supervisor died and nobody knows how it ended");
    }
}

/* The command succeeded, but what it left cannot be taken: that is a failure of the step. */
static void spoil(struct step_end *end, const struct err *why)
{
    end->how = STEP_OUTPUT;
    snprintf(end->message, sizeof(end->message), "%.*s", (int)sizeof(end->message) - 1, why->msg);
}

void finish_attempt(struct attempt *a, const struct step_end *given)
{
    struct run *run = a->run;
    struct engine *e = run->engine;
    const struct dag_step *step = &run->pipeline->steps[a->step];
    AUTO_FREE char *folder = engine_attempt_dir(e->data_dir, run->id, step->name, a->number);
    struct intake in = {
        .attempt = a, .run = run, .step = step, .folder = folder, .arena = &run->arena};
    struct step_end end = *given;
    struct err why = ERR_INIT;
    if (end.has_files && !exec_read_files(folder, &in.files, &why) && end.how == STEP_OK) {
        spoil(&end, &why);
    }
    if (!bound_artifacts(&in, &why) && end.how == STEP_OK) {
        spoil(&end, &why);
    }
    if (!take_metrics(&in, &end, &why) && end.how == STEP_OK) {
        spoil(&end, &why);
    }
    if (end.how == STEP_OK && !take_outputs(&in, &end, &why)) {
        spoil(&end, &why);
    }
    if (end.how == STEP_OK && !check_artifacts(&in, &why)) {
        spoil(&end, &why);
    }
    leak_note(a, folder, &in.files, end.how != STEP_OK);
    describe(&end, step);
    launch_mask_secrets(run, end.message);
    record_end(a, &end);
    struct store_batch *batch = engine_open_turn(e)->batch;
    int64_t now = engine_wall(e);
    if (end.how == STEP_OK && in.output_count > 0) {
        store_add_outputs(batch, now, run->id, step->name, a->number, in.outputs, in.output_count);
    }
    record_metrics(&in, batch, now);
    record_artifacts(&in, batch, now);
    keep_result(&in, end.how == STEP_OK);
    struct sched_end verdict = {
        .ok = end.how == STEP_OK, .reason = ends[end.how].reason, .exit_code = end.exit_code};
    uint32_t number = a->number, index = a->step;
    park(a);
    sched_ended(run->sched, index, number, &verdict, engine_boot(e));
    exec_outputs_done(&in.written);
    exec_metrics_done(&in.metrics);
    step_files_done(&in.files);
}

void finish_unstarted(struct attempt *a, enum sched_reason reason, const struct err *why)
{
    struct run *run = a->run;
    struct engine *e = run->engine;
    struct store_attempt_end record = {
        .status = "failed",
        .reason = sched_reason_name(reason),
        .message = why->msg,
        .exit_code = -1,
        .ended_ms = engine_wall(e),
    };
    store_add_attempt_end(engine_open_turn(e)->batch, record.ended_ms, run->id,
                          run->pipeline->steps[a->step].name, a->number, &record);
    run_set_detail(run, a->step, why->msg);
    run->steps[a->step].exit_code = -1;
    struct sched_end verdict = {.ok = false, .reason = reason, .exit_code = -1};
    uint32_t number = a->number, index = a->step;
    park(a);
    sched_ended(run->sched, index, number, &verdict, engine_boot(e));
}

/* ---- what an earlier engine, or an earlier run, recorded
 * ----------------------------------------------------- */

void finish_load_results(struct run *run, uint32_t step, const struct store_step_output *outputs,
                         size_t output_count, const struct store_step_metric *metrics,
                         size_t metric_count)
{
    struct result *r = arena_alloc(&run->arena, sizeof(*r));
    r->names = arena_array(&run->arena, output_count, sizeof(*r->names));
    r->values = arena_array(&run->arena, output_count, sizeof(*r->values));
    r->metrics = arena_array(&run->arena, metric_count, sizeof(*r->metrics));
    for (size_t i = 0; i < output_count; i++) {
        const struct store_output *o = &outputs[i].output;
        if (dag_value_from_json(o->value, strlen(o->value), &run->arena, &r->values[r->count],
                                NULL)) {
            r->names[r->count++] = arena_strdup(&run->arena, o->name);
        }
    }
    for (size_t i = 0; i < metric_count; i++) {
        r->metrics[r->metric_count++] = (struct result_metric){
            arena_strdup(&run->arena, metrics[i].metric.name), metrics[i].metric.value};
    }
    run->steps[step].result = r;
}
