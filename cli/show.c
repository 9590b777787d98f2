/*
 * show.c - a recorded run for people: its head, its steps, what they left, and what to type next.
 */
#include "cli/cli.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <uthash.h>

#define BRIEF_ROWS 40
#define METRICS_SHOWN 8

/* clang-format off */
static const struct { const char *reason, *text; } REASONS[] = {
    {"exit", "it exited with an error"},
    {"signal", "it was killed by a signal"},
    {"timeout", "it did not end in time"},
    {"oom", "it needed more memory than it may have"},
    {"limit", "it exceeded a limit"},
    {"lost", "nobody knows how it ended"},
    {"upstream", "a step it needs did not succeed"},
    {"condition", "its condition is false"},
    {"expr", "an expression could not be evaluated"},
    {"output", "an output is missing or wrong"},
    {"isolation", "a limit cannot be enforced"},
    {"rejected", "it was rejected"},
    {"gate", "the gate did not pass"},
    {"health", "the health check failed"},
    {"spawn", "the command could not be started"},
    {"retry", "it waits for its next attempt"},
    {"approval", "it waits for an approval"},
    {"resolve", "it waits for somebody to say how it ended"},
    {"cancelled", "the run was cancelled"},
};

static const struct table_column COLUMNS[] = {
    {"STEP", false, false}, {"STATUS", false, false}, {"DURATION", true, false},
    {"ATTEMPTS", true, false}, {"PEAK", true, false}, {"METRICS", false, true},
};
/* clang-format on */

/* A step with what belongs to it. */
struct row {
    const struct store_step *step;
    const struct store_attempt *last; /* NULL = none */
    const char *metrics;
    int64_t peak;
    size_t metric_count;
    UT_hash_handle hh;
};

struct view {
    struct cli *c;
    struct arena *a;
    struct row *rows, *by_folder;
    size_t count;
};

const char *cli_reason_text(const char *reason)
{
    for (size_t i = 0; reason && i < COUNT_OF(REASONS); i++)
        if (strcmp(REASONS[i].reason, reason) == 0)
            return REASONS[i].text;
    return reason ? reason : "";
}

const char *cli_step_why(struct arena *a, const struct store_step *step,
                         const struct store_attempt *last)
{
    if (step->detail && *step->detail)
        return term_safe(a, step->detail);
    bool told = step->reason && last && last->message && *last->message;
    return told ? term_safe(a, last->message) : cli_reason_text(step->reason);
}

/* ---- reading */

static struct row *find_row(struct view *v, const char *folder)
{
    struct row *row;
    HASH_FIND_STR(v->by_folder, folder, row);
    return row;
}

static void add_metric(struct view *v, const struct store_step_metric *m)
{
    struct row *row = find_row(v, m->step);
    if (!row || ++row->metric_count > METRICS_SHOWN)
        return;
    char number[32];
    row->metrics = arena_printf(v->a, "%s%s%s=%s", row->metrics, *row->metrics ? " " : "",
                                m->metric.name, text_format_double(m->metric.value, number));
}

static bool load(struct view *v, struct store *s, const char *id, struct err *err)
{
    struct store_step *steps;
    struct store_attempt *attempts;
    struct store_step_metric *metrics;
    size_t attempt_count, metric_count;
    if (!store_get_steps(s, id, v->a, &steps, &v->count, err) ||
        !store_get_attempts(s, id, NULL, v->a, &attempts, &attempt_count, err) ||
        !store_get_metrics(s, id, NULL, v->a, &metrics, &metric_count, err))
        return false;
    v->rows = arena_array(v->a, v->count ? v->count : 1, sizeof(*v->rows));
    for (size_t i = 0; i < v->count; i++) {
        v->rows[i].step = &steps[i];
        v->rows[i].metrics = "";
        HASH_ADD_KEYPTR(hh, v->by_folder, steps[i].folder, strlen(steps[i].folder), &v->rows[i]);
    }
    for (size_t i = 0; i < attempt_count; i++) {
        struct row *row = find_row(v, attempts[i].step);
        if (!row)
            continue;
        if (!row->last || row->last->number < attempts[i].number)
            row->last = &attempts[i];
        int64_t peak = engine_attempt_usage(&attempts[i]).peak_bytes;
        if (peak > row->peak)
            row->peak = peak;
    }
    for (size_t i = 0; i < metric_count; i++)
        add_metric(v, &metrics[i]);
    return true;
}

/* ---- the table of steps */

static int64_t now_ms(void)
{
    return clock_wall_ms(clock_system());
}

static int64_t step_duration(const struct store_step *s)
{
    if (s->started_ms <= 0)
        return -1;
    int64_t end = s->finished_ms > 0 ? s->finished_ms : now_ms();
    return end > s->started_ms ? end - s->started_ms : 0;
}

static void print_row(struct view *v, struct table *t, const struct row *row)
{
    const struct store_step *s = row->step;
    table_row(t);
    table_cell(t, 0, s->name, TERM_PLAIN);
    table_cell(t, 1, s->status, term_status_style(s->status));
    table_cell(t, 2, cli_duration(v->a, step_duration(s)), TERM_PLAIN);
    table_cell(t, 3, s->attempt ? arena_printf(v->a, "%" PRIu32, s->attempt) : "-", TERM_PLAIN);
    table_cell(t, 4, row->peak > 0 ? cli_size(v->a, row->peak) : "-", TERM_PLAIN);
    table_cell(
        t, 5,
        row->metric_count > METRICS_SHOWN
            ? arena_printf(v->a, "%s and %zu more", row->metrics, row->metric_count - METRICS_SHOWN)
            : row->metrics,
        TERM_PLAIN);
}

static bool worth_showing(const struct store_step *s)
{
    enum sched_state state;
    return !sched_state_from_name(s->status, &state) ||
           (!sched_state_good(state) && state != SCHED_SKIPPED);
}

/* "and 9960 more: 9950 succeeded, 10 skipped" */
static void print_rest(const struct view *v, const bool *shown)
{
    uint32_t counts[SCHED_STATE_COUNT] = {0}, total = 0;
    for (size_t i = 0; i < v->count; i++) {
        enum sched_state state;
        if (shown[i] || !sched_state_from_name(v->rows[i].step->status, &state))
            continue;
        counts[state]++;
        total++;
    }
    if (total == 0)
        return;
    printf(total == v->count ? "%" PRIu32 " steps:" : "and %" PRIu32 " more:", total);
    const char *separator = " ";
    for (int state = 0; state < SCHED_STATE_COUNT; state++) {
        if (counts[state] == 0)
            continue;
        printf("%s%" PRIu32 " %s", separator, counts[state],
               sched_state_name((enum sched_state)state));
        separator = ", ";
    }
    putchar('\n');
}

static void print_steps(struct view *v, bool brief)
{
    bool *shown = mem_array(v->count ? v->count : 1, sizeof(*shown));
    size_t rows = 0;
    brief = brief && v->count > BRIEF_ROWS;
    for (size_t i = 0; i < v->count; i++) {
        shown[i] = !brief || (rows < BRIEF_ROWS && worth_showing(v->rows[i].step));
        rows += shown[i];
    }
    if (rows > 0) {
        struct table *t = table_new(v->c, COLUMNS, COUNT_OF(COLUMNS));
        for (size_t i = 0; i < v->count; i++)
            if (shown[i])
                print_row(v, t, &v->rows[i]);
        table_print_free(t);
    }
    print_rest(v, shown);
    free(shown);
}

bool cli_print_steps(struct cli *c, struct store *s, const char *id, bool brief, struct err *err)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct view v = {.c = c, .a = &a};
    bool ok = load(&v, s, id, err);
    if (ok)
        print_steps(&v, brief);
    HASH_CLEAR(hh, v.by_folder);
    return ok;
}

/* ---- the head */

static void field(const char *name, const char *text)
{
    if (text && *text)
        printf("  %-9s %s\n", name, text);
}

/* Numbers in the shortest form that is exact: 0.8, which the JSON library writes as
 * 0.80000000000000004. */
static char *value_text(const json_t *value)
{
    char number[32];
    if (json_is_string(value))
        return mem_strdup(json_string_value(value));
    if (json_is_real(value))
        return mem_strdup(text_format_double(json_real_value(value), number));
    return json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* {"days": 14} as "days=14"; NULL where there is nothing. */
static const char *pairs_text(struct arena *a, const char *json)
{
    json_t *object = json ? json_loads(json, 0, NULL) : NULL;
    const char *key, *text = NULL;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        AUTO_FREE char *other = value_text(value);
        text = arena_printf(a, "%s%s%s=%s", text ? text : "", text ? " " : "", key,
                            other ? other : "");
    }
    json_decref(object);
    return text ? term_safe(a, text) : NULL;
}

static const char *trigger_text(struct arena *a, const char *json)
{
    json_t *object = json ? json_loads(json, 0, NULL) : NULL;
    const char *type = json_string_value(json_object_get(object, "type"));
    const char *text = type ? term_safe(a, type) : NULL;
    json_decref(object);
    return text;
}

static void print_head(struct cli *c, struct arena *a, const struct store_run *run)
{
    bool interrupted = cli_interrupted(c, run);
    const char *status = interrupted ? "interrupted" : run->status;
    enum term_style style = term_status_style(status);
    printf("%s%s#%" PRId64 "%s  %s%s%s", term_on(c->colour, TERM_STRONG),
           term_safe(a, run->pipeline), run->number, term_off(c->colour, TERM_STRONG),
           term_on(c->colour, style), status, term_off(c->colour, style));
    if (interrupted)
        printf(": nobody drives this run now; orchctl resume %.12s", run->id);
    else if (run->reason)
        printf(": %s", cli_reason_text(run->reason));
    putchar('\n');
    field("id", run->id);
    field("file", term_safe(a, run->file));
    field("trigger", trigger_text(a, run->trigger));
    if (run->commit)
        field("commit", arena_printf(a, "%s%s", term_safe(a, run->commit),
                                     run->dirty ? " (with uncommitted changes)" : ""));
    field("params", pairs_text(a, run->params));
    field("labels", pairs_text(a, run->labels));
    field("created", cli_local_time(a, run->created_ms));
    if (run->finished_ms > 0) {
        field("finished", cli_local_time(a, run->finished_ms));
        field("duration", cli_duration(a, run->finished_ms - run->created_ms));
    }
    putchar('\n');
}

/* ---- reasons and what was left */

static void print_reasons(struct view *v, const char *id)
{
    bool first = true;
    for (size_t i = 0; i < v->count; i++) {
        const struct store_step *s = v->rows[i].step;
        const char *why = cli_step_why(v->a, s, v->rows[i].last);
        if (!*why)
            continue;
        printf("%s  %s: %s: %s\n", first ? "\nReasons\n" : "", term_safe(v->a, s->name), s->status,
               why);
        first = false;
        if (s->reason && strcmp(s->reason, "resolve") == 0)
            printf("    orchctl resolve %.12s %s rerun|succeeded|failed --reason TEXT\n", id,
                   s->folder);
        if (strcmp(s->status, "failed") == 0 && s->attempt > 0)
            printf("    orchctl logs %.12s %s\n", id, s->folder);
    }
}

static const char *output_value(struct arena *a, const struct store_output *o)
{
    if (!o->path)
        return term_safe(a, o->value);
    return arena_printf(a, "%s (%s%s%s%s%s)", term_safe(a, o->path), cli_size(a, o->size),
                        o->dataset ? ", dataset " : "", o->dataset ? o->dataset : "",
                        o->model ? ", model " : "", o->model ? o->model : "");
}

static bool print_left(struct view *v, struct store *s, const char *id, struct err *err)
{
    struct store_step_output *outputs;
    struct store_step_artifact *artifacts;
    size_t output_count, artifact_count;
    if (!store_get_outputs(s, id, NULL, v->a, &outputs, &output_count, err) ||
        !store_get_artifacts(s, id, NULL, v->a, &artifacts, &artifact_count, err))
        return false;
    for (size_t i = 0; i < output_count; i++)
        printf("%s  %s.%s = %s\n", i ? "" : "\nOutputs\n", term_safe(v->a, outputs[i].step),
               term_safe(v->a, outputs[i].output.name), output_value(v->a, &outputs[i].output));
    for (size_t i = 0; i < artifact_count; i++) {
        const struct store_artifact *item = &artifacts[i].artifact;
        printf("%s  %s: %s (%s)\n", i ? "" : "\nArtifacts\n", term_safe(v->a, artifacts[i].step),
               term_safe(v->a, item->name), cli_size(v->a, item->size));
    }
    return true;
}

int cli_show(struct cli *c, struct store *s, const char *id)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct view v = {.c = c, .a = &a};
    struct store_run run;
    struct err err = ERR_INIT;
    bool ok = store_get_run(s, id, &a, &run, &err) && load(&v, s, id, &err);
    if (ok) {
        print_head(c, &a, &run);
        print_steps(&v, false);
        print_reasons(&v, id);
        ok = print_left(&v, s, id, &err);
    }
    HASH_CLEAR(hh, v.by_folder);
    return ok ? EXIT_DONE : cli_fail(c, &err);
}
