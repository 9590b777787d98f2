/*
 * show.c - a recorded run for people: its head, its steps, what they left, and what to type next.
 */
#include "cli/cli.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/steps.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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
/* clang-format on */

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

bool cli_print_steps(struct cli *c, struct store *s, const char *id, bool brief, struct err *err)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct steps v = {.c = c, .a = &a, .run = id};
    bool ok = steps_load(&v, s, err);
    if (ok)
        steps_print(&v, brief);
    steps_done(&v);
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

static void print_reasons(struct steps *v)
{
    bool first = true;
    for (size_t i = 0; i < v->count; i++) {
        const struct store_step *s = v->rows[i].step;
        const char *why = cli_step_why(v->a, s, steps_last_attempt(&v->rows[i]));
        if (!*why)
            continue;
        printf("%s  %s: %s: %s\n", first ? "\nReasons\n" : "", term_safe(v->a, s->name), s->status,
               why);
        first = false;
        if (s->reason && strcmp(s->reason, "resolve") == 0)
            printf("    orchctl resolve %.12s %s rerun|succeeded|failed --reason TEXT\n", v->run,
                   s->folder);
        if (strcmp(s->status, "failed") == 0 && s->attempt > 0)
            printf("    orchctl logs %.12s %s\n", v->run, s->folder);
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

static bool print_left(struct steps *v, struct store *s, struct err *err)
{
    struct store_step_output *outputs;
    struct store_step_artifact *artifacts;
    size_t output_count, artifact_count;
    if (!store_get_outputs(s, v->run, NULL, v->a, &outputs, &output_count, err) ||
        !store_get_artifacts(s, v->run, NULL, v->a, &artifacts, &artifact_count, err))
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
    struct steps v = {.c = c, .a = &a, .run = id};
    struct store_run run;
    struct err err = ERR_INIT;
    bool ok = store_get_run(s, id, &a, &run, &err) && steps_load(&v, s, &err);
    if (ok) {
        print_head(c, &a, &run);
        steps_print(&v, false);
        steps_print_running(&v);
        print_reasons(&v);
        ok = print_left(&v, s, &err);
    }
    steps_done(&v);
    return ok ? EXIT_DONE : cli_fail(c, &err);
}
