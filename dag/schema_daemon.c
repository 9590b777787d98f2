/*
 * schema_daemon.c - the table, part 3: what a daemon acts upon: triggers, concurrency, monitors.
 */
#include "base/mem.h"
#include "dag/reader.h"

#define ROWS(array) .rows = (array), .count = COUNT_OF(array)

static const struct schema_row text_item = {.takes = V_TEXT};
static const struct schema_row any_item = {.takes = V_ANY};
static const struct schema_row quiet_item = {.takes = V_FORMAT, .format = &schema_quiet};
static const struct schema_row cron_item = {.takes = V_FORMAT, .format = &schema_cron};

/* ---- triggers */

static const struct schema_word missing_words[] = {
    {"run_after", 0, NULL}, {"skip", 1, NULL}, {NULL, 0, NULL}};
static const struct schema_word repeated_words[] = {
    {"once", 0, NULL}, {"twice", 1, NULL}, {NULL, 0, NULL}};
static const struct schema_word catchup_words[] = {
    {"none", 0, NULL}, {"latest", 1, NULL}, {"all", 2, NULL}, {NULL, 0, NULL}};
static const struct schema_word end_words[] = {{"succeeded", 0, NULL},
                                               {"failed", 1, NULL},
                                               {"cancelled", 2, NULL},
                                               {"any", 3, NULL},
                                               {NULL, 0, NULL}};
static const struct schema_row end_item = {.takes = V_WORD, .words = end_words};

// clang-format off
static const struct schema_row dst_rows[] = {
    {.key = "missing", .takes = V_WORD, .words = missing_words, .def = "run_after",
     .help = "An hour that the clock skips: the first instant after the gap, or not at all."},
    {.key = "repeated", .takes = V_WORD, .words = repeated_words, .def = "once",
     .help = "An hour that comes twice."},
};
// clang-format on
static const struct schema_kind schema_dst = {.name = "dst",
                                              .title = "`dst`",
                                              .help = "What happens when the clock is changed.",
                                              ROWS(dst_rows)};

// clang-format off
static const struct schema_row file_rows[] = {
    {.key = "path", .takes = V_FORMAT, .format = &schema_filled, .flags = ROW_REQUIRED,
     .help = "File or pattern: `/data/in/*.csv`."},
    {.key = "settle", .takes = V_FORMAT, .format = &schema_duration, .def = "0",
     .help = "How long the file must not have changed."},
};
// clang-format on
static const struct schema_kind schema_trigger_file = {.name = "trigger-file",
                                                       .title = "a file trigger",
                                                       .help = "A file that appears or changes.",
                                                       ROWS(file_rows)};

// clang-format off
static const struct schema_row webhook_rows[] = {
    {.key = "name", .takes = V_FORMAT, .format = &schema_pipeline_name, .flags = ROW_REQUIRED,
     .help = "Last part of the address: `/hooks/NAME`."},
    {.key = "secret", .takes = V_FORMAT, .format = &schema_variable_name,
     .help = "Secret that signs the requests."},
};
// clang-format on
static const struct schema_kind schema_trigger_webhook = {.name = "trigger-webhook",
                                                          .title = "a webhook trigger",
                                                          .help = "A request from outside.",
                                                          ROWS(webhook_rows)};

// clang-format off
static const struct schema_row mqtt_rows[] = {
    {.key = "broker", .takes = V_FORMAT, .format = &schema_filled, .def = "localhost",
     .help = "Host, or host:port."},
    {.key = "topic", .takes = V_FORMAT, .format = &schema_filled, .flags = ROW_REQUIRED,
     .help = "Topic; `+` and `#` as in MQTT."},
    {.key = "qos", .takes = V_INT, .min = 0, .max = 2, .def = "1", .help = "Quality of service."},
    {.key = "user", .takes = V_TEXT, .help = "User at the broker."},
    {.key = "password", .takes = V_FORMAT, .format = &schema_variable_name,
     .help = "Secret that holds the password."},
};
// clang-format on
static const struct schema_kind schema_mqtt = {
    .name = "mqtt", .title = "`mqtt`", .help = "Messages of an MQTT broker.", ROWS(mqtt_rows)};

// clang-format off
static const struct schema_row after_rows[] = {
    {.key = "name", .takes = V_FORMAT, .format = &schema_pipeline_name, .flags = ROW_REQUIRED,
     .help = "The other pipeline."},
    {.key = "on", .takes = V_WORD | V_LIST, .words = end_words, .item = &end_item,
     .def = "succeeded", .help = "How its run must have ended."},
};
// clang-format on
static const struct schema_kind schema_trigger_pipeline = {
    .name = "trigger-pipeline",
    .title = "a pipeline trigger",
    .help = "The end of a run of another pipeline.",
    ROWS(after_rows)};

// clang-format off
static const struct schema_row git_rows[] = {
    {.key = "branch", .takes = V_TEXT, .help = "Branch whose new commits start a run."},
    {.key = "paths", .takes = V_LIST, .item = &text_item,
     .help = "Only commits that touch these paths."},
    {.key = "poll", .takes = V_FORMAT, .format = &schema_duration, .help = "How often to look."},
};
// clang-format on
static const struct schema_kind schema_trigger_git = {
    .name = "trigger-git", .title = "a git trigger", .help = "A new commit.", ROWS(git_rows)};

// clang-format off
static const struct schema_row trigger_rows[] = {
    {.key = "cron", .takes = V_FORMAT | V_LIST, .format = &schema_cron, .item = &cron_item,
     .flags = ROW_SOME, .help = "Minute, hour, day, month, day of the week; or @daily."},
    {.key = "every", .takes = V_FORMAT, .format = &schema_duration, .min = 1000, .max = 1e15,
     .help = "A fixed interval, at least 1s."},
    {.key = "file", .takes = V_MAP, .sub = &schema_trigger_file, .help = "A file."},
    {.key = "webhook", .takes = V_MAP, .sub = &schema_trigger_webhook, .help = "A request."},
    {.key = "mqtt", .takes = V_MAP, .sub = &schema_mqtt, .help = "A message."},
    {.key = "pipeline", .takes = V_MAP, .sub = &schema_trigger_pipeline,
     .help = "The end of another pipeline."},
    {.key = "dataset", .takes = V_FORMAT, .format = &schema_filled,
     .help = "A new version of this dataset."},
    {.key = "git", .takes = V_MAP, .sub = &schema_trigger_git, .help = "A new commit."},
    {.key = "id", .takes = V_FORMAT, .format = &schema_step_name,
     .help = "Name of the trigger, for listings."},
    {.key = "params", .takes = V_NAMED, .item = &any_item, .names = &schema_variable_names,
     .help = "Parameters of the runs it starts."},
    {.key = "if", .takes = V_EXPR, .help = "Only where this is true of the event."},
    {.key = "timezone", .takes = V_FORMAT, .format = &schema_zone, .def = "that of the host",
     .help = "Zone of `cron`: Europe/Berlin."},
    {.key = "dst", .takes = V_MAP, .sub = &schema_dst, .help = "`cron` when the clock is changed."},
    {.key = "catchup", .takes = V_WORD, .words = catchup_words, .def = "none",
     .help = "What happens with instants that were missed while the daemon was down."},
    {.key = "jitter", .takes = V_FORMAT, .format = &schema_duration, .def = "0",
     .help = "A random delay of at most this."},
    {.key = "debounce", .takes = V_FORMAT, .format = &schema_duration, .def = "0",
     .help = "Events closer than this are one."},
};
// clang-format on
const struct schema_kind schema_trigger = {.name = "trigger",
                                           .title = "a trigger",
                                           .help = "What starts a run.",
                                           ROWS(trigger_rows),
                                           .choices = 8,
                                           .finish = finish_trigger};

/* ---- concurrency */

static const struct schema_word policy_words[] = {
    {"queue", 0, NULL}, {"skip", 1, NULL}, {"replace", 2, NULL}, {NULL, 0, NULL}};
// clang-format off
static const struct schema_row concurrency_rows[] = {
    {.key = "limit", .takes = V_INT, .min = 1, .max = 100000, .def = "1",
     .help = "Runs at a time."},
    {.key = "policy", .takes = V_WORD, .words = policy_words, .def = "queue",
     .help = "What happens with one more: it waits, is not started, or replaces the oldest."},
    {.key = "group", .takes = V_FORMAT, .format = &schema_filled, .def = "the pipeline's name",
     .help = "Pipelines of one group share the limit."},
    {.key = "max_queued", .takes = V_INT, .min = 0, .max = 1000000, .def = "100",
     .help = "Runs that may wait."},
};
// clang-format on
const struct schema_kind schema_concurrency = {.name = "concurrency",
                                               .title = "`concurrency`",
                                               .help = "Runs at a time.",
                                               ROWS(concurrency_rows)};

/* ---- monitors */

static const struct schema_word source_words[] = {{"push", 0, NULL}, {NULL, 0, NULL}};
static const struct schema_word approval_words[] = {
    {"required", 0, NULL}, {"none", 1, NULL}, {NULL, 0, NULL}};
static const struct schema_word method_words[] = {
    {"psi", 0, NULL},         {"kl", 0, NULL},   {"js", 0, NULL},    {"ks", 0, NULL},
    {"wasserstein", 0, NULL}, {"chi2", 0, NULL}, {"tvd", 0, NULL},   {"z", 0, NULL},
    {"ad", 0, NULL},          {"cvm", 0, NULL},  {"adwin", 0, NULL}, {"page_hinkley", 0, NULL},
    {"cusum", 0, NULL},       {"ddm", 0, NULL},  {"eddm", 0, NULL},  {"kswin", 0, NULL},
    {NULL, 0, NULL}};

// clang-format off
static const struct schema_row sql_rows[] = {
    {.key = "url", .takes = V_FORMAT, .format = &schema_filled, .help = "The database."},
    {.key = "query", .takes = V_FORMAT, .format = &schema_filled, .flags = ROW_REQUIRED,
     .help = "Query whose rows are samples."},
};
// clang-format on
static const struct schema_kind schema_source_sql = {
    .name = "source-sql", .title = "`sql`", .help = "Rows of a database.", ROWS(sql_rows)};
// clang-format off
static const struct schema_row prometheus_rows[] = {
    {.key = "url", .takes = V_FORMAT, .format = &schema_filled, .flags = ROW_REQUIRED,
     .help = "The Prometheus server."},
    {.key = "query", .takes = V_FORMAT, .format = &schema_filled, .flags = ROW_REQUIRED,
     .help = "PromQL."},
};
// clang-format on
static const struct schema_kind schema_source_prometheus = {.name = "source-prometheus",
                                                            .title = "`prometheus`",
                                                            .help = "A Prometheus query.",
                                                            ROWS(prometheus_rows)};
// clang-format off
static const struct schema_row source_file_rows[] = {
    {.key = "path", .takes = V_FORMAT, .format = &schema_filled, .flags = ROW_REQUIRED,
     .help = "File that grows: CSV or JSON lines."},
};
// clang-format on
static const struct schema_kind schema_source_file = {
    .name = "source-file", .title = "`file`", .help = "A file that grows.", ROWS(source_file_rows)};

// clang-format off
static const struct schema_row source_rows[] = {
    {.key = "dataset", .takes = V_FORMAT, .format = &schema_filled,
     .help = "Samples of a dataset."},
    {.key = "push", .takes = V_FORMAT, .format = &schema_filled,
     .help = "Samples that are pushed under this name."},
    {.key = "mqtt", .takes = V_MAP, .sub = &schema_mqtt, .help = "Messages."},
    {.key = "sql", .takes = V_MAP, .sub = &schema_source_sql, .help = "Rows of a database."},
    {.key = "prometheus", .takes = V_MAP, .sub = &schema_source_prometheus, .help = "A query."},
    {.key = "file", .takes = V_MAP, .sub = &schema_source_file, .help = "A file that grows."},
    {.key = "columns", .takes = V_LIST, .item = &text_item, .flags = ROW_SOME,
     .help = "Columns that are watched."},
    {.key = "every", .takes = V_FORMAT, .format = &schema_duration,
     .help = "How often a source is asked."},
};
// clang-format on
static const struct schema_kind schema_source = {.name = "source",
                                                 .title = "a source",
                                                 .help = "Where samples come from.",
                                                 ROWS(source_rows),
                                                 .choices = 6};

// clang-format off
static const struct schema_row reference_rows[] = {
    {.key = "model", .takes = V_FORMAT, .format = &schema_filled,
     .help = "The data that this model was trained on."},
    {.key = "dataset", .takes = V_FORMAT, .format = &schema_filled, .help = "A dataset."},
};
// clang-format on
static const struct schema_kind schema_reference = {.name = "reference",
                                                    .title = "`reference`",
                                                    .help = "What the window is compared with.",
                                                    ROWS(reference_rows)};
// clang-format off
static const struct schema_row threshold_rows[] = {
    {.key = "fixed", .takes = V_NUM, .flags = ROW_REQUIRED,
     .help = "This number alone; the bound for the size of the window is off."},
};
// clang-format on
static const struct schema_kind schema_threshold = {
    .name = "threshold", .title = "`threshold`", .help = "A threshold.", ROWS(threshold_rows)};
// clang-format off
static const struct schema_row drift_rows[] = {
    {.key = "method", .takes = V_WORD, .words = method_words, .flags = ROW_REQUIRED,
     .help = "Statistic."},
    {.key = "reference", .takes = V_MAP, .flags = ROW_SOME, .sub = &schema_reference,
     .help = "What the window is compared with."},
    {.key = "window", .takes = V_INT | V_FORMAT, .format = &schema_duration, .min = 1, .max = 1e15,
     .help = "Samples, or a duration."},
    {.key = "threshold", .takes = V_NUM | V_MAP, .sub = &schema_threshold,
     .help = "The larger of this and the bound for the size of the window counts."},
    {.key = "share", .takes = V_NUM, .min = 0, .max = 1, .def = "0.5",
     .help = "Share of the columns that must have drifted."},
    {.key = "columns", .takes = V_LIST, .item = &text_item, .flags = ROW_SOME,
     .help = "Only these columns."},
};
// clang-format on
static const struct schema_kind schema_drift = {
    .name = "drift", .title = "`drift`", .help = "Has the data changed?", ROWS(drift_rows)};

// clang-format off
static const struct schema_row then_rows[] = {
    {.key = "run", .takes = V_FORMAT, .format = &schema_pipeline_name,
     .help = "Pipeline that is started."},
    {.key = "evaluate", .takes = V_FORMAT, .format = &schema_pipeline_name,
     .help = "Pipeline that first measures the champion on fresh labels."},
    {.key = "worse", .takes = V_FORMAT, .format = &schema_formula,
     .help = "`run` follows only where this holds of the metrics of `evaluate`."},
    {.key = "params", .takes = V_NAMED, .item = &any_item, .names = &schema_variable_names,
     .help = "Parameters of the run."},
    {.key = "approval", .takes = V_WORD, .words = approval_words, .def = "none",
     .help = "Must a person agree first?"},
};
// clang-format on
static const struct schema_kind schema_then = {
    .name = "then", .title = "`then`", .help = "What happens when it fires.", ROWS(then_rows)};

// clang-format off
static const struct schema_row monitor_rows[] = {
    {.key = "drift", .takes = V_MAP, .sub = &schema_drift, .help = "Fires when the data drift."},
    {.key = "when", .takes = V_FORMAT, .format = &schema_formula,
     .help = "Fires when this holds: `avg(scrap_rate, 1h) > 0.03`."},
    {.key = "source", .takes = V_WORD | V_MAP, .words = source_words, .sub = &schema_source,
     .flags = ROW_REQUIRED, .help = "Where the samples come from."},
    {.key = "evaluate_every", .takes = V_INT | V_FORMAT, .format = &schema_duration, .min = 1,
     .max = 1e15, .def = "a quarter of the window", .help = "Samples, or a duration."},
    {.key = "min_samples", .takes = V_INT, .min = 1, .max = 1e12,
     .help = "Evidence: with fewer nothing is decided."},
    {.key = "for", .takes = V_FORMAT, .format = &schema_duration, .def = "0",
     .help = "How long it must hold."},
    {.key = "clear", .takes = V_NUM, .help = "Below this it is over (hysteresis)."},
    {.key = "cooldown", .takes = V_FORMAT, .format = &schema_duration, .def = "0",
     .help = "Time after the run it started in which it does not fire."},
    {.key = "budget", .takes = V_FORMAT, .format = &schema_budget,
     .help = "Firings in a sliding time: `2/day`."},
    {.key = "quiet", .takes = V_FORMAT | V_LIST, .format = &schema_quiet, .item = &quiet_item,
     .help = "Hours in which a firing waits: `22:00-06:00`."},
    {.key = "absent_after", .takes = V_FORMAT, .format = &schema_duration,
     .help = "Without data for so long it is blind."},
    {.key = "then", .takes = V_MAP, .flags = ROW_SOME, .sub = &schema_then,
     .help = "What happens when it fires."},
};
// clang-format on
const struct schema_kind schema_monitor = {.name = "monitor",
                                           .title = "a monitor",
                                           .help = "Watches data and starts runs.",
                                           ROWS(monitor_rows),
                                           .choices = 2,
                                           .finish = finish_monitor};
