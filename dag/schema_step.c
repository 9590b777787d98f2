/*
 * schema_step.c - the table, part 2: a step and the mappings in it.
 */
#include "base/mem.h"
#include "dag/reader.h"

#include <string.h>

#define AT(member) .stored = true, .at = offsetof(struct dag_step, member)
#define ARRAY(type, member, length)                                                                \
    .stored = true, .at = offsetof(type, member), .at_count = offsetof(type, length)
#define IO(member) .stored = true, .at = offsetof(struct dag_io, member)
#define SHARE(member) .stored = true, .at = offsetof(struct dag_resources, member)
#define BOX(member) .stored = true, .at = offsetof(struct dag_sandbox, member)
#define ROWS(array) .rows = (array), .count = COUNT_OF(array)

/* ---- words */

static const struct schema_word kind_words[] = {
    {"task", DAG_KIND_TASK, NULL},
    {"ingest", DAG_KIND_INGEST, NULL},
    {"train", DAG_KIND_TRAIN, NULL},
    {"validate", DAG_KIND_VALIDATE, NULL},
    {"deploy", DAG_KIND_DEPLOY, NULL},
    {"approval", DAG_KIND_APPROVAL, NULL},
    {NULL, 0, NULL},
};
static const struct schema_word lost_words[] = {
    {"rerun", DAG_LOST_RERUN, NULL},
    {"fail", DAG_LOST_FAIL, NULL},
    {"ask", DAG_LOST_ASK, NULL},
    {NULL, 0, NULL},
};
static const struct schema_word executor_words[] = {
    {"process", DAG_EXEC_PROCESS, NULL},
    {"container", DAG_EXEC_CONTAINER, NULL},
    {"slurm", DAG_EXEC_SLURM, NULL},
    {"kubernetes", DAG_EXEC_KUBERNETES, NULL},
    {NULL, 0, NULL},
};
static const struct schema_word isolation_words[] = {
    {"strict", DAG_ISOLATION_STRICT, NULL},
    {"best-effort", DAG_ISOLATION_BEST_EFFORT, NULL},
    {NULL, 0, NULL},
};
static const struct schema_word network_words[] = {
    {"host", DAG_NETWORK_HOST, NULL},
    {"none", DAG_NETWORK_NONE, NULL},
    {NULL, 0, NULL},
};
static const struct schema_word log_words[] = {
    {"truncate", DAG_LOG_TRUNCATE, NULL},
    {"fail", DAG_LOG_FAIL, NULL},
    {NULL, 0, NULL},
};
static const struct schema_word pull_words[] = {
    {"missing", 0, NULL}, {"always", 1, NULL}, {"never", 2, NULL}, {NULL, 0, NULL}};
static const struct schema_word mode_words[] = {
    {"max", 0, NULL}, {"min", 1, NULL}, {NULL, 0, NULL}};
static const struct schema_word on_timeout_words[] = {
    {"reject", 0, NULL}, {"approve", 1, NULL}, {NULL, 0, NULL}};
static const struct schema_word output_type_words[] = {
    {"string", DAG_STRING, NULL},
    {"integer", DAG_INT, NULL},
    {"number", DAG_NUMBER, NULL},
    {"boolean", DAG_BOOL, NULL},
    {"list", DAG_LIST, NULL},
    {"map", DAG_MAP, NULL},
    {NULL, 0, NULL},
};

/* ---- items */

static const struct schema_row text_item = {.takes = V_TEXT};
static const struct schema_row tmpl_item = {.takes = V_TMPL};
static const struct schema_row word_item = {.takes = V_TMPL, .flags = ROW_SECRETS};
static const struct schema_row env_item = {
    .takes = V_TMPL, .flags = ROW_SECRETS, .mark = MARK_ENV_VALUE};
static const struct schema_row any_item = {.takes = V_ANY};
static const struct schema_row with_item = {.takes = V_ANY, .flags = ROW_SECRETS};
static const struct schema_row step_name_item = {.takes = V_FORMAT, .format = &schema_step_name};
static const struct schema_row variable_item = {.takes = V_FORMAT, .format = &schema_variable_name};
static const struct schema_row matrix_item = {
    .takes = V_LIST | V_TMPL, .flags = ROW_SOME, .item = &any_item};
static const struct schema_row exit_code_item = {.takes = V_INT, .min = 1, .max = 255};
static const struct schema_row gpu_item = {.takes = V_INT, .min = 0, .max = 1023};
static const struct schema_row core_item = {.takes = V_INT, .min = 0, .max = 8191};
static const struct schema_row absolute_item = {.takes = V_FORMAT, .format = &schema_absolute};
static const struct schema_row output_item = {.takes = V_MAP | V_FORMAT,
                                              .format = &schema_path,
                                              .sub = &schema_output,
                                              .help = "A text is the path."};
static const struct schema_kind schema_mount, schema_reserve;
static const struct schema_row mount_item = {.takes = V_TMPL | V_MAP, .sub = &schema_mount};

/* ---- the mappings of a step */

// clang-format off
static const struct schema_row output_rows[] = {
    {.key = "path", .takes = V_FORMAT, .format = &schema_path, .stored = true,
     .at = offsetof(struct dag_output, path),
     .help = "File or folder below `ORCH_OUT` that the step leaves there; kept as a read-only "
             "copy. Without a path the output is a value that the step writes to `ORCH_OUTPUT`."},
    {.key = "type", .takes = V_WORD, .words = output_type_words, .stored = true,
     .at = offsetof(struct dag_output, type), .def = "string",
     .help = "Type of a value written to `ORCH_OUTPUT`; checked when the step ends."},
    {.key = "optional", .takes = V_BOOL, .stored = true,
     .at = offsetof(struct dag_output, optional), .def = "false",
     .help = "The step may succeed without it."},
    {.key = "dataset", .takes = V_FORMAT, .format = &schema_filled, .stored = true,
     .at = offsetof(struct dag_output, dataset),
     .help = "Name of the dataset that the file is a version of."},
    {.key = "model", .takes = V_FORMAT, .format = &schema_filled, .stored = true,
     .at = offsetof(struct dag_output, model),
     .help = "Name of the model that the file is a candidate for."},
};
// clang-format on
const struct schema_kind schema_output = {
    .name = "output", .title = "an output", .help = "What a step puts out.", ROWS(output_rows)};

// clang-format off
static const struct schema_row retry_rows[] = {
    {.key = "limit", .takes = V_INT, .max = 1000, .stored = true,
     .at = offsetof(struct dag_retry, limit), .def = "0",
     .help = "Retries after the first attempt."},
    {.key = "delay", .takes = V_FORMAT, .format = &schema_duration, .stored = true,
     .at = offsetof(struct dag_retry, delay_ms), .def = "1s",
     .help = "Time before the first retry."},
    {.key = "factor", .takes = V_NUM, .min = 1, .max = 100, .stored = true,
     .at = offsetof(struct dag_retry, factor), .def = "1",
     .help = "Each further delay is this many times the one before."},
    {.key = "max_delay", .takes = V_FORMAT, .format = &schema_duration, .stored = true,
     .at = offsetof(struct dag_retry, max_delay_ms), .def = "1h, or delay where that is more",
     .help = "No delay is longer."},
    {.key = "jitter", .takes = V_NUM, .max = 1, .stored = true,
     .at = offsetof(struct dag_retry, jitter), .def = "0",
     .help = "Random part of a delay: 0.2 is 20 % more or less."},
    {.key = "exit_codes", .takes = V_LIST, .item = &exit_code_item, .flags = ROW_SOME,
     .read = read_exit_codes, .def = "any failure",
     .help = "Only these exit codes are tried again."},
};
// clang-format on
const struct schema_kind schema_retry = {.name = "retry",
                                         .title = "`retry`",
                                         .help = "When a failed step is tried again.",
                                         ROWS(retry_rows)};

// clang-format off
static const struct schema_row reserve_rows[] = {
    {.key = "cpu", .takes = V_FORMAT, .format = &schema_cpu, .stored = true,
     .at = offsetof(struct dag_resources, reserve_cpu_milli), .def = "resources.cpu",
     .help = "Cpus that admission counts."},
    {.key = "memory", .takes = V_FORMAT, .format = &schema_size, .stored = true,
     .at = offsetof(struct dag_resources, reserve_memory), .def = "resources.memory",
     .help = "Memory that admission counts."},
};
// clang-format on
static const struct schema_kind schema_reserve = {
    .name = "reserve",
    .title = "`reserve`",
    .help = "What admission counts for the step, where that is less than its limits.",
    ROWS(reserve_rows)};

// clang-format off
static const struct schema_row io_rows[] = {
    {.key = "weight", .takes = V_INT, .min = 1, .max = 10000, IO(weight), .def = "100",
     .help = "Share of the disk's time where others want it too; everybody else has 100."},
    {.key = "read", .takes = V_FORMAT, .format = &schema_size, .min = 1, .max = 1e15, IO(read),
     .help = "Bytes read each second, from each disk."},
    {.key = "write", .takes = V_FORMAT, .format = &schema_size, .min = 1, .max = 1e15, IO(write),
     .help = "Bytes written each second, to each disk."},
    {.key = "read_iops", .takes = V_INT, .min = 1, .max = 1e9, IO(read_iops),
     .help = "Reads each second, from each disk."},
    {.key = "write_iops", .takes = V_INT, .min = 1, .max = 1e9, IO(write_iops),
     .help = "Writes each second, to each disk."},
};
// clang-format on
const struct schema_kind schema_io = {
    .name = "io", .title = "`io`", .help = "Disk limits.", ROWS(io_rows)};

// clang-format off
static const struct schema_row resources_rows[] = {
    {.key = "cpu", .takes = V_FORMAT, .format = &schema_cpu, .stored = true,
     .at = offsetof(struct dag_resources, cpu_milli), .help = "Cpus: 2, 0.5 or 500m. A step that wants more is slowed down."},
    {.key = "memory", .takes = V_FORMAT, .format = &schema_size, .max = 1e18, .stored = true,
     .at = offsetof(struct dag_resources, memory),
     .help = "Memory with swap: 4GiB. A step that wants more is killed, with reason `oom`."},
    {.key = "pids", .takes = V_INT, .min = 1, .max = 4194304, .stored = true,
     .at = offsetof(struct dag_resources, pids),
     .help = "Processes and threads at a time; starting one more fails."},
    {.key = "io", .takes = V_INT | V_MAP, .min = 1, .max = 10000, .sub = &schema_io, SHARE(io),
     .help = "Limits of disk access; a number is the weight."},
    {.key = "cores", .most = 200, .takes = V_INT | V_LIST, .flags = ROW_SOME, .max = 8192,
     .item = &core_item, SHARE(cores), .read = read_share, .def = "0",
     .help = "Cpus that the step has for itself: how many, or which ones (`[0, 1]`). Other steps "
             "that ask for cores never get the same ones; `ORCH_CORES` names them."},
    {.key = "gpu", .most = 200, .takes = V_INT | V_LIST, .flags = ROW_SOME, .max = 1024,
     .item = &gpu_item, SHARE(gpu), .read = read_share, .def = "0",
     .help = "GPUs that the step has for itself: how many, or which ones (`[0, 2]`). "
             "`CUDA_VISIBLE_DEVICES` and its kin name them."},
    {.key = "reserve", .takes = V_MAP, .sub = &schema_reserve, .stored = true, .at = 0,
     .help = "What admission counts instead of the limits."},
};
// clang-format on
const struct schema_kind schema_resources = {
    .name = "resources",
    .title = "`resources`",
    .help = "Limits that are enforced, and what admission counts.",
    ROWS(resources_rows)};

// clang-format off
static const struct schema_row sandbox_rows[] = {
    {.key = "privileged", .takes = V_BOOL, BOX(privileged), .def = "false",
     .help = "Take nothing away: without it a step cannot gain rights (sudo), mount, or make the "
             "system calls that only administrators need."},
    {.key = "private_tmp", .takes = V_BOOL, BOX(private_tmp), .def = "false",
     .help = "A `/tmp` and `/var/tmp` of its own, empty at the start and removed at the end."},
    {.key = "read_only", .most = 100, .takes = V_LIST, .item = &absolute_item,
     ARRAY(struct dag_sandbox, read_only, read_only_count),
     .help = "Files and folders of the host that it can read and not change."},
    {.key = "hidden", .most = 100, .takes = V_LIST, .item = &absolute_item,
     ARRAY(struct dag_sandbox, hidden, hidden_count),
     .help = "Files and folders of the host that are empty for it."},
    {.key = "writable", .most = 100, .takes = V_LIST, .item = &absolute_item,
     ARRAY(struct dag_sandbox, writable, writable_count), .def = "whatever its user may write to",
     .help = "It can write nowhere else but here and in its own folders (`ORCH_OUT`, "
             "`ORCH_ARTIFACTS`, its temporary folders); `[]`: only in those."},
    {.key = "umask", .takes = V_FORMAT, .format = &schema_umask, BOX(umask),
     .def = "that of the engine", .help = "Permissions that new files do not get."},
    {.key = "core", .takes = V_FORMAT, .format = &schema_size, .max = 1e18, BOX(core),
     .def = "that of the engine", .help = "Largest core dump; 0: none is written."},
    {.key = "open_files", .takes = V_INT, .min = 16, .max = 1073741824, BOX(open_files),
     .def = "that of the engine", .help = "Files and sockets that each process may have open."},
};
// clang-format on
const struct schema_kind schema_sandbox = {
    .name = "sandbox",
    .title = "`sandbox`",
    .help = "What is around the step: what it may change of the host, and what it sees of it. "
            "Paths are those of the host, as they are: neither ~ nor `${{ }}` is expanded; one "
            "that does not exist is no error.",
    ROWS(sandbox_rows)};

// clang-format off
static const struct schema_row log_rows[] = {
    {.key = "limit", .takes = V_FORMAT, .format = &schema_size, .min = 1024, .max = 1e15,
     AT(log_limit), .def = "64MiB", .help = "Size of the log of one attempt."},
    {.key = "on_limit", .takes = V_WORD, .words = log_words, AT(log_on_limit), .def = "truncate",
     .help = "`truncate` drops what comes after the limit, `fail` ends the step with reason "
             "`limit`."},
};
// clang-format on
const struct schema_kind schema_log = {
    .name = "log", .title = "`log`", .help = "What is kept of a step's output.", ROWS(log_rows)};

// clang-format off
static const struct schema_row mount_rows[] = {
    {.key = "source", .takes = V_TMPL, .flags = ROW_REQUIRED, .help = "Path on the host."},
    {.key = "target", .takes = V_TMPL, .flags = ROW_REQUIRED, .help = "Path in the container."},
    {.key = "read_only", .takes = V_BOOL, .def = "false", .help = "It cannot be written to."},
};
// clang-format on
static const struct schema_kind schema_mount = {.name = "mount",
                                                .title = "a mount",
                                                .help = "A folder of the host in the container.",
                                                ROWS(mount_rows)};

// clang-format off
static const struct schema_row container_rows[] = {
    {.key = "image", .takes = V_TMPL, .flags = ROW_REQUIRED,
     .help = "Image, best with its digest: `registry/name@sha256:…`."},
    {.key = "mounts", .takes = V_LIST, .item = &mount_item,
     .help = "Folders of the host: `source:target[:ro]`, or a mapping."},
    {.key = "network", .takes = V_TMPL, .def = "none",
     .help = "`none`, `host` or a network's name."},
    {.key = "pull", .takes = V_WORD, .words = pull_words, .def = "missing",
     .help = "When the image is fetched."},
    {.key = "entrypoint", .takes = V_TEXT | V_LIST, .item = &text_item,
     .help = "Instead of the image's own."},
    {.key = "workdir", .takes = V_TMPL, .help = "Working directory in the container."},
    {.key = "devices", .takes = V_LIST, .item = &text_item, .help = "Devices of the host."},
};
// clang-format on
const struct schema_kind schema_container = {.name = "container",
                                             .title = "`container`",
                                             .help = "The container that the step runs in.",
                                             ROWS(container_rows)};

// clang-format off
static const struct schema_row gate_rows[] = {
    {.key = "metric", .takes = V_TMPL, .flags = ROW_REQUIRED,
     .help = "Metric of the needed steps that is compared."},
    {.key = "mode", .takes = V_WORD, .words = mode_words, .def = "max",
     .help = "Is more better, or less?"},
    {.key = "min", .takes = V_NUM | V_TMPL, .help = "The metric must be at least this."},
    {.key = "max", .takes = V_NUM | V_TMPL, .help = "The metric must be at most this."},
    {.key = "baseline", .takes = V_TMPL,
     .help = "Model that must be beaten: `models:/NAME@champion`. Without one yet only the "
             "fixed bounds count."},
    {.key = "min_gain", .takes = V_NUM | V_TMPL, .def = "0",
     .help = "By how much the baseline must be beaten."},
    {.key = "model", .takes = V_TMPL,
     .help = "Name of the model output to promote, where the needed steps have several."},
};
// clang-format on
const struct schema_kind schema_gate = {
    .name = "gate",
    .title = "`gate`",
    .help = "Picks the best instance and decides whether it is promoted. Puts out `promote`, "
            "`best`, `model`, `metric` and `reason`.",
    ROWS(gate_rows)};

// clang-format off
static const struct schema_row approval_rows[] = {
    {.key = "roles", .takes = V_LIST, .item = &text_item, .help = "Roles that may decide."},
    {.key = "users", .takes = V_LIST, .item = &text_item, .help = "Users that may decide."},
    {.key = "timeout", .takes = V_FORMAT, .format = &schema_duration, .def = "none",
     .help = "How long it waits for a decision."},
    {.key = "on_timeout", .takes = V_WORD, .words = on_timeout_words, .def = "reject",
     .help = "What then counts as decided."},
    {.key = "message", .takes = V_TMPL, .help = "What the person is asked."},
};
// clang-format on
const struct schema_kind schema_approval = {.name = "approval",
                                            .title = "`approval`",
                                            .help = "Waits for a person's decision.",
                                            ROWS(approval_rows)};

/* ---- which values this version runs */

static bool is_false(const struct dag_node *value)
{
    return value->kind == NODE_SCALAR && (value->u.text[0] == 'f' || value->u.text[0] == 'F');
}

static bool is_process(const struct dag_node *value)
{
    return value->kind == NODE_SCALAR && strcmp(value->u.text, "process") == 0;
}

/* ---- the step */

// clang-format off
static const struct schema_row step_rows[] = {
    {.key = "run", .takes = V_TEXT | V_TMPL | V_LIST, .flags = ROW_SECRETS | ROW_SOME,
     .item = &word_item, .read = read_run, .mark = MARK_RUN,
     .help = "The command. A text is a script for `shell`; `${{ }}` in it becomes a quoted "
             "variable. A list is run as it is, without a shell."},
    {.key = "uses", .takes = V_FORMAT, .format = &schema_uses, .mark = MARK_USES, AT(uses),
     .runs = RUNS_LATER, .until = "Until then call a command of your own with `run:`.",
     .help = "A built-in step: `check/…`, `deploy/…`, `ingest/…`, `wait/…`, `notify/…`, or "
             "`pipeline/NAME`."},
    {.key = "gate", .takes = V_MAP, .sub = &schema_gate, .mark = MARK_GATE, .runs = RUNS_LATER,
     .until = "Until then compare the metrics in a script that fails where they are too low.",
     .help = "Decides whether a model is promoted."},
    {.key = "approval", .takes = V_MAP, .sub = &schema_approval, .mark = MARK_APPROVAL,
     .runs = RUNS_LATER,
     .until = "Until then end the pipeline here and run the rest from a second file.",
     .help = "Waits for a person."},
    {.key = "kind", .takes = V_WORD, .words = kind_words, AT(kind), .mark = MARK_KIND,
     .def = "task", .help = "What the step is for."},
    {.key = "needs", .takes = V_FORMAT | V_LIST, .format = &schema_step_name,
     .item = &step_name_item, .read = read_needs, .mark = MARK_NEEDS,
     .help = "Steps that must have succeeded before: a name or a list."},
    {.key = "if", .takes = V_EXPR, .stored = true, .at = offsetof(struct dag_step, condition),
     .help = "The step is skipped where this is false. `success()`, `failure()`, `cancelled()` "
             "and `always()` look at all steps before it."},
    {.key = "with", .takes = V_NAMED, .flags = ROW_SECRETS, .item = &with_item,
     .names = &schema_any_names, .mark = MARK_WITH,
     .help = "Inputs of a built-in step or a sub-pipeline."},
    {.key = "env", .most = 1000, .takes = V_NAMED, .flags = ROW_DEFAULTS | ROW_SECRETS,
     .item = &env_item, .names = &schema_variable_names, .read = read_env,
     .help = "Environment variables; later ones win over those of `defaults` and the pipeline."},
    {.key = "pass_env", .most = 1000, .takes = V_LIST, .flags = ROW_DEFAULTS,
     .item = &variable_item, ARRAY(struct dag_step, pass_env, pass_env_count),
     .help = "Variables taken over from the environment of the engine."},
    {.key = "inputs", .most = 1000, .takes = V_NAMED, .item = &tmpl_item,
     .names = &schema_variable_names, ARRAY(struct dag_step, inputs, input_count),
     .help = "Files that must be there before the start; the path is in `ORCH_INPUT_<NAME>`."},
    {.key = "outputs", .most = 1000, .takes = V_NAMED, .item = &output_item,
     .names = &schema_variable_names, .read = read_outputs, .help = "What the step puts out."},
    {.key = "params", .most = 1000, .takes = V_LIST, .item = &variable_item,
     .read = read_step_params, .def = "all",
     .help = "Only these parameters are passed to the step."},
    {.key = "workdir", .takes = V_TMPL, .flags = ROW_DEFAULTS, AT(workdir),
     .def = "the folder of the file", .help = "Working directory, relative to that folder."},
    {.key = "shell", .takes = V_TEXT | V_LIST, .flags = ROW_DEFAULTS | ROW_SOME, .item = &text_item,
     .read = read_shell, .mark = MARK_SHELL, .def = "[/bin/sh, -e]",
     .help = "Runs the script file of a `run` text. A bare word gets `-e` where it is a POSIX "
             "shell; a list is taken as it is."},
    {.key = "timeout", .takes = V_FORMAT, .format = &schema_duration, .flags = ROW_DEFAULTS,
     AT(timeout_ms), .def = "none", .help = "Time for each attempt."},
    {.key = "grace", .takes = V_FORMAT, .format = &schema_duration, .flags = ROW_DEFAULTS,
     AT(grace_ms), .def = "10s", .help = "Time between TERM and KILL when a step is stopped."},
    {.key = "retry", .takes = V_MAP | V_INT, .max = 1000, .flags = ROW_DEFAULTS,
     .sub = &schema_retry, AT(retry), .read = read_retry, .mark = MARK_RETRY,
     .help = "When a failed attempt is tried again; a number is the limit."},
    {.key = "resources", .takes = V_MAP, .flags = ROW_DEFAULTS, .sub = &schema_resources,
     AT(resources), .help = "Limits of the step, and what it has for itself."},
    {.key = "user", .takes = V_FORMAT, .format = &schema_user, .flags = ROW_DEFAULTS, AT(user),
     .def = "the user of the engine",
     .help = "User that the step runs as: a name or a number, or either with a group "
             "(`bob:staff`). `HOME`, `USER`, `LOGNAME` and `SHELL` are that user's. Needs root."},
    {.key = "network", .takes = V_WORD, .words = network_words, .flags = ROW_DEFAULTS, AT(network),
     .def = "host", .help = "`none`: the step reaches nothing but its own loopback."},
    {.key = "sandbox", .takes = V_MAP, .flags = ROW_DEFAULTS, .sub = &schema_sandbox, AT(sandbox),
     .help = "What the step may change of the host, and what it sees of it."},
    {.key = "isolation", .takes = V_WORD, .words = isolation_words, .flags = ROW_DEFAULTS,
     AT(isolation), .def = "strict",
     .help = "`strict`: limits and sandbox hold, or the run does not start. `best-effort`: what "
             "cannot be enforced here is left out, and the log of the step says so."},
    {.key = "priority", .takes = V_INT, .min = -1000000, .max = 1000000, .flags = ROW_DEFAULTS,
     AT(priority), .def = "0", .help = "Of the steps that are ready, higher ones start first."},
    {.key = "continue_on_error", .takes = V_BOOL, .flags = ROW_DEFAULTS, AT(continue_on_error),
     .def = "false", .help = "A failure neither stops those who need it nor fails the run."},
    {.key = "fail_fast", .takes = V_BOOL, .flags = ROW_DEFAULTS, AT(fail_fast), .def = "false",
     .help = "A failure stops all other steps."},
    {.key = "on_lost", .takes = V_WORD, .words = lost_words, .flags = ROW_DEFAULTS, AT(on_lost),
     .mark = MARK_ON_LOST, .def = "rerun; ask where kind is deploy",
     .help = "What happens where nobody knows how an attempt ended (power failure)."},
    {.key = "log", .takes = V_MAP, .flags = ROW_DEFAULTS, .sub = &schema_log, .stored = true,
     .at = 0, .help = "What is kept of the output."},
    {.key = "labels", .most = 1000, .takes = V_NAMED, .flags = ROW_DEFAULTS, .item = &tmpl_item,
     .names = &schema_any_names, ARRAY(struct dag_step, labels, label_count),
     .help = "Free texts for searching."},
    {.key = "executor", .takes = V_WORD, .words = executor_words, .flags = ROW_DEFAULTS,
     AT(executor), .mark = MARK_EXECUTOR, .runs = RUNS_LATER, .runs_if = is_process,
     .until = "Until then leave it out: the step runs as a process on this machine.",
     .def = "process; container where `container` is given", .help = "Where the step runs."},
    {.key = "container", .takes = V_MAP | V_TMPL, .flags = ROW_DEFAULTS, .sub = &schema_container,
     .mark = MARK_CONTAINER, .runs = RUNS_LATER,
     .until = "Until then call `podman run` or `docker run` in `run:`.",
     .help = "The container; a text is the image."},
    {.key = "matrix", .most = 100, .takes = V_NAMED, .flags = ROW_SOME, .item = &matrix_item,
     .names = &schema_variable_names, .mark = MARK_MATRIX, .runs = RUNS_LATER,
     .until = "Until then write one step for each combination.",
     .help = "One instance for each combination of the values; `${{ matrix.KEY }}`."},
    {.key = "foreach", .takes = V_LIST | V_TMPL, .item = &any_item, .mark = MARK_FOREACH,
     .runs = RUNS_LATER, .until = "Until then loop in the script of the step.",
     .help = "One instance for each item of the list; `${{ item }}`."},
    {.key = "max_parallel", .takes = V_INT, .min = 1, .max = 1000000, .mark = MARK_MAX_PARALLEL,
     .help = "Instances that run at a time."},
    {.key = "pool", .takes = V_FORMAT, .format = &schema_filled, .flags = ROW_DEFAULTS,
     .runs = RUNS_LATER, .until = "Until then bound the run with `-j`.",
     .help = "Pool whose slots the step takes."},
    {.key = "cache", .takes = V_BOOL, .flags = ROW_DEFAULTS, .runs = RUNS_LATER,
     .runs_if = is_false, .until = "Until then use `--from STEP` to reuse what is before it.",
     .def = "false", .help = "Reuse the outputs of an earlier equal step."},
};
// clang-format on
const struct schema_kind schema_step = {.name = "step",
                                        .title = "a step",
                                        .help = "One command, and what it needs.",
                                        ROWS(step_rows),
                                        .choices = 4,
                                        .finish = finish_step};
const struct schema_kind schema_defaults = {
    .name = "defaults",
    .title = "`defaults`",
    .help = "Keys for every step. Mappings (env, retry, resources, sandbox, log) are merged key by "
            "key.",
    ROWS(step_rows),
    .filter = ROW_DEFAULTS};
