/*
 * schema_pipeline.c - the table, part 1: the root of the file, parameters, notifications.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "dag/reader.h"

#define AT(type, member) .stored = true, .at = offsetof(type, member)
#define ARRAY(type, member, length)                                                                \
    .stored = true, .at = offsetof(type, member), .at_count = offsetof(type, length)
#define ROWS(array) .rows = (array), .count = COUNT_OF(array)

static const struct schema_word type_words[] = {
    {"string", DAG_STRING, NULL},
    {"integer", DAG_INT, NULL},
    {"number", DAG_NUMBER, NULL},
    {"boolean", DAG_BOOL, NULL},
    {"list", DAG_LIST, NULL},
    {"map", DAG_MAP, NULL},
    {NULL, 0, NULL},
};
static const struct schema_word isolation_words[] = {
    {"strict", DAG_ISOLATION_STRICT, NULL},
    {"best-effort", DAG_ISOLATION_BEST_EFFORT, NULL},
    {NULL, 0, NULL},
};
static const struct schema_word notify_words[] = {
    {"succeeded", 0, NULL}, {"failed", 1, NULL}, {"cancelled", 2, NULL},
    {"waiting", 3, NULL},   {"always", 4, NULL}, {NULL, 0, NULL},
};

static const struct schema_row data_item = {.takes = V_DATA};
static const struct schema_row any_item = {.takes = V_ANY, .flags = ROW_SECRETS};
static const struct schema_row tmpl_item = {.takes = V_TMPL};
static const struct schema_row env_item = {
    .takes = V_TMPL, .flags = ROW_SECRETS, .mark = MARK_ENV_VALUE};
static const struct schema_row variable_item = {.takes = V_FORMAT, .format = &schema_variable_name};
static const struct schema_row path_item = {.takes = V_FORMAT, .format = &schema_filled};
static const struct schema_row on_item = {.takes = V_WORD, .words = notify_words};
static const struct schema_row trigger_item = {.takes = V_MAP, .sub = &schema_trigger};
static const struct schema_row monitor_item = {.takes = V_MAP, .sub = &schema_monitor};
static const struct schema_row notify_item = {.takes = V_MAP, .sub = &schema_notify};
static const struct schema_row step_item = {.takes = V_MAP, .sub = &schema_step};
static const struct schema_row param_item = {.takes = V_MAP | V_DATA,
                                             .sub = &schema_param,
                                             .help = "A bare value is the default; its type is the "
                                                     "type of the parameter."};

// clang-format off
static const struct schema_row param_rows[] = {
    {.key = "type", .takes = V_WORD, .words = type_words, AT(struct dag_param, type),
     .def = "that of the default, else string", .help = "Type of the values."},
    {.key = "default", .takes = V_DATA,
     .help = "Value where none is given; without it one must be."},
    {.key = "help", .takes = V_TEXT, AT(struct dag_param, help), .help = "What it is for."},
    {.key = "enum", .most = 1000, .takes = V_LIST, .flags = ROW_SOME, .item = &data_item,
     .help = "The only values there are."},
    {.key = "min", .takes = V_NUM, .help = "Least number."},
    {.key = "max", .takes = V_NUM, .help = "Greatest number."},
    {.key = "pattern", .takes = V_FORMAT, .format = &schema_regex, AT(struct dag_param, pattern),
     .help = "POSIX extended regular expression that a string must match as a whole."},
};
// clang-format on
const struct schema_kind schema_param = {.name = "param",
                                         .title = "a parameter",
                                         .help = "A parameter of the pipeline.",
                                         ROWS(param_rows),
                                         .finish = finish_param};

// clang-format off
static const struct schema_row notify_rows[] = {
    {.key = "uses", .takes = V_FORMAT, .format = &schema_uses, .flags = ROW_REQUIRED,
     .help = "`notify/…`."},
    {.key = "on", .takes = V_WORD | V_LIST, .words = notify_words, .item = &on_item,
     .def = "failed", .help = "For which ends of a run."},
    {.key = "if", .takes = V_EXPR, .help = "Only where this is true."},
    {.key = "with", .takes = V_NAMED, .flags = ROW_SECRETS, .item = &any_item,
     .names = &schema_any_names, .help = "Inputs of the notifier."},
};
// clang-format on
const struct schema_kind schema_notify = {.name = "notify",
                                          .title = "`notify`",
                                          .help = "Who is told about the end of a run.",
                                          ROWS(notify_rows)};

// clang-format off
static const struct schema_row pipeline_rows[] = {
    {.key = "format", .takes = V_INT, .min = 1, .max = 1, .read = read_version, .def = "1",
     .help = "Version of the file format."},
    {.key = "name", .takes = V_FORMAT, .flags = ROW_REQUIRED, .format = &schema_pipeline_name,
     AT(struct dag_pipeline, name), .help = "Name of the pipeline."},
    {.key = "description", .takes = V_TEXT, AT(struct dag_pipeline, description),
     .help = "What it is for."},
    {.key = "include", .takes = V_FORMAT | V_LIST, .format = &schema_filled, .item = &path_item,
     .runs = RUNS_LATER, .until = "Until then copy what is needed into this file.",
     .help = "Files whose params, env and defaults are taken over."},
    {.key = "params", .most = 1000, .takes = V_NAMED, .item = &param_item,
     .names = &schema_variable_names, .read = read_params,
     .help = "Parameters: `-p NAME=VALUE`, `${{ params.NAME }}`, `ORCH_PARAM_<NAME>`."},
    {.key = "secrets", .most = LIMIT_SECRETS, .takes = V_LIST, .item = &variable_item,
     ARRAY(struct dag_pipeline, secrets, secret_count),
     .help = "Names of secrets; their values come from the secret store and are masked in logs."},
    {.key = "labels", .most = 1000, .takes = V_NAMED, .item = &tmpl_item,
     .names = &schema_any_names, ARRAY(struct dag_pipeline, labels, label_count),
     .help = "Free texts for searching."},
    {.key = "env", .most = 1000, .takes = V_NAMED, .flags = ROW_SECRETS, .item = &env_item,
     .names = &schema_variable_names, .read = read_env,
     .help = "Environment variables of every step."},
    {.key = "timeout", .takes = V_FORMAT, .format = &schema_duration,
     AT(struct dag_pipeline, timeout_ms), .def = "none", .help = "Time for the whole run."},
    {.key = "isolation", .takes = V_WORD, .words = isolation_words,
     AT(struct dag_pipeline, isolation), .def = "strict",
     .help = "Of every step that says nothing else."},
    {.key = "defaults", .takes = V_MAP, .sub = &schema_defaults, .place = PLACE_DEFAULTS,
     .read = read_defaults, .help = "Keys for every step."},
    {.key = "steps", .takes = V_NAMED, .flags = ROW_REQUIRED | ROW_SOME, .item = &step_item,
     .names = &schema_step_names, .place = PLACE_STEP, .read = read_steps,
     .help = "The steps; each key is a step's name."},
    {.key = "on_success", .takes = V_NAMED, .item = &step_item, .names = &schema_step_names,
     .place = PLACE_HOOK, .read = read_hook, .runs = RUNS_LATER,
     .until = "Until then add a last step that needs all others.",
     .help = "Steps that run after a run that succeeded."},
    {.key = "on_failure", .takes = V_NAMED, .item = &step_item, .names = &schema_step_names,
     .place = PLACE_HOOK, .read = read_hook, .runs = RUNS_LATER,
     .until = "Until then add a last step with `if: failure()`.",
     .help = "Steps that run after a run that failed."},
    {.key = "finally", .takes = V_NAMED, .item = &step_item, .names = &schema_step_names,
     .place = PLACE_HOOK, .read = read_hook, .runs = RUNS_LATER,
     .until = "Until then add a last step with `if: always()`.",
     .help = "Steps that run after all others, whatever happened."},
    {.key = "outputs", .most = 1000, .takes = V_NAMED, .item = &tmpl_item,
     .names = &schema_variable_names, .place = PLACE_OUTPUTS, .runs = RUNS_LATER,
     .until = "They are for sub-pipelines.",
     .help = "What the pipeline puts out where it is a step of another one."},
    {.key = "concurrency", .takes = V_MAP, .sub = &schema_concurrency, .runs = RUNS_DAEMON,
     .help = "How many runs there may be at a time."},
    {.key = "triggers", .most = 1000, .takes = V_LIST, .item = &trigger_item,
     .place = PLACE_TRIGGER, .runs = RUNS_DAEMON, .help = "What starts a run."},
    {.key = "monitors", .most = 1000, .takes = V_NAMED, .item = &monitor_item,
     .names = &schema_step_names, .place = PLACE_TRIGGER, .runs = RUNS_DAEMON,
     .help = "Watches data and models, and starts runs."},
    {.key = "notify", .takes = V_MAP | V_LIST, .sub = &schema_notify, .item = &notify_item,
     .place = PLACE_NOTIFY, .runs = RUNS_DAEMON, .help = "Who is told about the end of a run."},
};
// clang-format on
const struct schema_kind schema_pipeline = {
    .name = "pipeline", .title = "a pipeline", .help = "The whole file.", ROWS(pipeline_rows)};
