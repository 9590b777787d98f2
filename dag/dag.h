/*
 * dag.h - from a YAML file to a checked pipeline, and from expressions to values.
 *
 *   text --(libyaml)--> nodes with positions --(schema table)--> struct dag_pipeline --(checks)-->
 * ready to run
 *
 * Everything a pipeline points to lives in its arena and is read-only until dag_free(). All
 * problems of a file are reported in one go (struct diags). Nothing here does I/O but dag_load().
 */
#ifndef DAG_DAG_H
#define DAG_DAG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"

#include <stdint.h>

/* ---- values
 * --------------------------------------------------------------------------------------------------
 */

enum dag_type {
    DAG_NULL,
    DAG_BOOL,
    DAG_INT,
    DAG_NUMBER,
    DAG_STRING,
    DAG_LIST,
    DAG_MAP,
    DAG_ANY /* unknown before the run */
};

struct dag_value {
    enum dag_type type; /* never DAG_ANY in a value */
    union {
        bool boolean;
        int64_t integer;
        double number; /* finite */
        struct {
            const char *text; /* NUL-terminated, UTF-8, no NUL inside */
            size_t len;
        } string;
        struct {
            const struct dag_value *items;
            size_t count;
        } list;
        struct {
            const struct dag_entry *entries; /* in the order of the document; keys are unique */
            size_t count;
        } map;
    } u;
};

struct dag_entry {
    const char *key;
    struct dag_value value;
};

const char *
dag_type_name(enum dag_type type); /* "null boolean integer number string list map any" */
struct dag_value dag_string(const char *text); /* borrows */
struct dag_value dag_int(int64_t value);
struct dag_value dag_bool(bool value);
/* As text for a command line, a variable or a file: integers as integers, lists and maps as JSON,
 * null as "". */
bool dag_value_text(const struct dag_value *value, struct buf *ret, struct err *err) MUST_CHECK;
/* As compact JSON, and back (numbers without fraction or exponent are integers). */
bool dag_value_to_json(const struct dag_value *value, struct buf *ret, struct err *err) MUST_CHECK;
bool dag_value_from_json(const char *text, size_t len, struct arena *a, struct dag_value *ret,
                         struct err *err) MUST_CHECK;
bool dag_value_equal(const struct dag_value *a, const struct dag_value *b); /* 1 equals 1.0 */

/* ---- expressions
 * --------------------------------------------------------------------------------------------- */

struct dag_expr;   /* one checked expression */
struct dag_tmpl;   /* a scalar that may hold ${{ }}: alone it keeps its type, else it is text */
struct dag_script; /* a run: string, scanned with POSIX shell quoting */

enum dag_space {
    DAG_PARAMS,
    DAG_ENV,
    DAG_SECRETS,
    DAG_RUN,
    DAG_INPUTS,
    DAG_STEPS,
    DAG_MATRIX,
    DAG_ITEM,
    DAG_TRIGGER
};
enum dag_field {
    DAG_STATUS,
    DAG_OUTPUTS,
    DAG_METRICS,
    DAG_EXIT_CODE,
    DAG_INSTANCES
}; /* of steps.NAME */
enum dag_question {
    DAG_SUCCESS,
    DAG_FAILURE,
    DAG_CANCELLED,
    DAG_ALWAYS
}; /* success() ... always() */

struct dag_ref {
    enum dag_space space;
    uint32_t step;        /* DAG_STEPS: index into the pipeline's steps */
    enum dag_field field; /* DAG_STEPS */
    const char *name;     /* the name asked for; NULL where the whole map or field is meant
                             (steps.x.status, steps.x.outputs) */
};

/* What an expression may ask while it is evaluated. */
struct dag_scope {
    void *arg;
    /* The value of a reference; false with ERR_NOT_FOUND where there is none (default() catches
     * that), any other code aborts. May allocate the value in `a`. */
    bool (*get)(void *arg, const struct dag_ref *ref, struct arena *a, struct dag_value *ret,
                struct err *err);
    /* success() and its kin over the transitive needs of the step; NULL where none stands. */
    bool (*ask)(void *arg, enum dag_question question);
};

bool dag_expr_eval(const struct dag_expr *expr, const struct dag_scope *scope, struct arena *a,
                   struct dag_value *ret, struct err *err) MUST_CHECK;
bool dag_tmpl_eval(const struct dag_tmpl *tmpl, const struct dag_scope *scope, struct arena *a,
                   struct dag_value *ret, struct err *err) MUST_CHECK;
/* The same as text (dag_value_text of the value). */
bool dag_tmpl_text(const struct dag_tmpl *tmpl, const struct dag_scope *scope, struct arena *a,
                   const char **ret, struct err *err) MUST_CHECK;
/* An if: needs a boolean; a string is accepted only if exactly true or false. */
bool dag_condition_eval(const struct dag_expr *expr, const struct dag_scope *scope, bool *ret,
                        struct err *err) MUST_CHECK;

struct dag_script_run {
    const char *text; /* what the shell reads. Values stand in assignments before the first line's
                         own text, quoted with '…', and are used as quoted variables, so that no
                         value ever becomes syntax and line numbers stay */
    size_t var_count;
    const struct dag_entry *vars; /* environment variables for values that come from secrets: these
                                     never stand in the text */
};
bool dag_script_eval(const struct dag_script *script, const struct dag_scope *scope,
                     struct arena *a, struct dag_script_run *ret, struct err *err) MUST_CHECK;

/* The literal source text, for display. */
const char *dag_tmpl_source(const struct dag_tmpl *tmpl);
const char *dag_script_source(const struct dag_script *script);
const char *dag_expr_source(const struct dag_expr *expr);

/* ---- the pipeline
 * -------------------------------------------------------------------------------------------- */

struct dag_node; /* a YAML node with its position (dag/node.h); opaque outside */

enum dag_kind {
    DAG_KIND_TASK,
    DAG_KIND_INGEST,
    DAG_KIND_TRAIN,
    DAG_KIND_VALIDATE,
    DAG_KIND_DEPLOY,
    DAG_KIND_APPROVAL
};
enum dag_on_lost { DAG_LOST_RERUN, DAG_LOST_FAIL, DAG_LOST_ASK };
enum dag_log_limit { DAG_LOG_TRUNCATE, DAG_LOG_FAIL };
enum dag_isolation { DAG_ISOLATION_STRICT, DAG_ISOLATION_BEST_EFFORT };
enum dag_executor { DAG_EXEC_PROCESS, DAG_EXEC_CONTAINER, DAG_EXEC_SLURM, DAG_EXEC_KUBERNETES };
enum dag_action {
    DAG_ACTION_SHELL,
    DAG_ACTION_EXEC,
    DAG_ACTION_USES,
    DAG_ACTION_GATE,
    DAG_ACTION_APPROVAL
};

const char *dag_kind_name(enum dag_kind kind);

struct dag_param {
    const char *name;
    struct diag_pos pos;
    enum dag_type type; /* STRING INT NUMBER BOOL LIST MAP */
    bool required;      /* no default */
    struct dag_value def;
    const char *help; /* NULL = none */
    const char
        *pattern; /* POSIX extended regular expression a string must match whole; NULL = none */
    bool has_min, has_max;
    double min, max;
    const struct dag_value *choices; /* enum: */
    size_t choice_count;
};

struct dag_pair { /* name: template; used by env, inputs, run-level outputs */
    const char *name;
    struct diag_pos pos;
    const struct dag_tmpl *value;
};

struct dag_output {
    const char *name;
    struct diag_pos pos;
    const char *path;   /* relative to ORCH_OUT, normalised, without ".."; NULL for a value output
                           (type only) */
    enum dag_type type; /* of a value output; STRING for a path */
    bool optional;
    const char *dataset; /* NULL = none */
    const char *model;   /* NULL = none */
};

struct dag_retry {
    int64_t limit; /* retries, not attempts; 0 = none */
    int64_t delay_ms, max_delay_ms;
    double factor, jitter; /* jitter 0.2 = +- 20 % */
    const int *exit_codes; /* retried only for these; none given = any failure */
    size_t exit_code_count;
};

struct dag_io {          /* 0 = not given */
    int64_t weight;      /* 1..10000; the first member, which is what a bare number sets */
    int64_t read, write; /* bytes a second */
    int64_t read_iops, write_iops;
};

struct dag_share {    /* of things of the host that a step has for itself */
    int64_t count;    /* 0 = none */
    const char *list; /* which: "0,2,5", ascending; NULL = any */
};

struct dag_resources {
    int64_t cpu_milli; /* 0 = not given */
    int64_t memory;    /* bytes; 0 = not given */
    int64_t pids;      /* 0 = not given */
    struct dag_io io;
    struct dag_share cores, gpu;
    int64_t reserve_cpu_milli, reserve_memory; /* -1 = not given: the limits count */
};

enum dag_network { DAG_NETWORK_HOST, DAG_NETWORK_NONE };

struct dag_sandbox {
    bool privileged, private_tmp;
    const char *const *read_only, *const *hidden; /* absolute paths */
    size_t read_only_count, hidden_count;
    const char *const
        *writable; /* NULL = not given; given and empty: nothing but its own folders */
    size_t writable_count;
    int64_t umask, core, open_files; /* -1 = not given; core: bytes */
};

struct dag_step {
    const char *name;
    uint32_t index;
    struct diag_pos pos;
    enum dag_kind kind;
    enum dag_action action;
    const struct dag_script *script;    /* DAG_ACTION_SHELL */
    const struct dag_tmpl *const *argv; /* DAG_ACTION_EXEC */
    size_t argc;
    const char *const
        *shell; /* DAG_ACTION_SHELL: words before the script file; default /bin/sh -e */
    size_t shell_count;
    const char *uses;      /* DAG_ACTION_USES */
    const uint32_t *needs; /* indices, each once, in the order given */
    uint32_t need_count;
    const struct dag_expr *condition; /* if: or NULL */
    bool condition_asks; /* it calls success() or its kin: the implied success() is lifted */
    const struct dag_tmpl *workdir; /* NULL = the pipeline's folder */
    const struct dag_pair *env;     /* the pipeline's env, then the defaults', then the step's own:
                                       later wins, names unique */
    size_t env_count;
    const char *const *pass_env; /* names taken over from the engine's environment */
    size_t pass_env_count;
    const struct dag_pair *inputs;
    size_t input_count;
    const struct dag_output *outputs;
    size_t output_count;
    bool narrows_params;    /* params: [..] given; only these are passed as ORCH_PARAM_ */
    const uint32_t *params; /* indices into the pipeline's params */
    size_t param_count;
    int64_t timeout_ms; /* 0 = none */
    int64_t grace_ms;   /* default 10 s */
    struct dag_retry retry;
    struct dag_resources resources;
    bool continue_on_error, fail_fast;
    int64_t priority;  /* higher first; default 0 */
    int64_t log_limit; /* bytes; default LIMIT_LOG_DEFAULT */
    enum dag_log_limit log_on_limit;
    enum dag_on_lost on_lost;
    enum dag_isolation isolation;
    enum dag_network network;
    struct dag_sandbox sandbox;
    const char *user; /* NAME or NUMBER, or either with :GROUP; NULL = the engine's own */
    enum dag_executor executor;
    const struct dag_pair *labels;
    size_t label_count;
};

struct dag_pipeline {
    const char *file; /* as given; the text's name in diagnostics */
    const char *text; /* the source, NUL-terminated */
    size_t text_len;
    const char *name, *description; /* description may be NULL */
    const struct dag_param *params;
    size_t param_count;
    const char *const *secrets;
    size_t secret_count;
    const struct dag_step *steps; /* in the order of the file */
    uint32_t step_count;
    const uint32_t *order; /* a topological order of step indices; ties in file order */
    const struct dag_pair *labels;
    size_t label_count;
    int64_t timeout_ms; /* of the whole run; 0 = none */
    enum dag_isolation isolation;
    const struct dag_node *root; /* the document */
    struct arena arena;
};

/* Reads, checks and returns a pipeline, or NULL where `diags` has errors (initialised by the
 * caller; warnings may stand there beside a pipeline). `dir` of dag_load's file is not looked at:
 * paths are checked when the run starts. The caller owns the result. dag_load() blocks; a file that
 * cannot be read is a diagnostic too. */
struct dag_pipeline *dag_load(const char *path, struct diags *diags) MUST_CHECK;
struct dag_pipeline *dag_parse(const char *file, const char *text, size_t len,
                               struct diags *diags) MUST_CHECK;
void dag_free(struct dag_pipeline *p);

/* The step of that name, or NULL. */
const struct dag_step *dag_find_step(const struct dag_pipeline *p, const char *name);
/* Every name of a step, for suggestions: an array of step_count strings in the arena of the
 * pipeline. */
const char *dag_nearest_step(const struct dag_pipeline *p, const char *name);

/* Whether two files define a step alike: what stands under its name, and `env` and `defaults` of
 * the file, which it gets too. Order of keys, notation and comments make no difference. */
bool dag_step_same(const struct dag_pipeline *a, uint32_t a_step, const struct dag_pipeline *b,
                   uint32_t b_step);
/* Whether a step names a parameter, in an expression, as ORCH_PARAM_NAME or in its `params`; `env`
 * and `defaults` of the file are looked at too. What a program reads by itself is not known here.
 */
bool dag_step_names_param(const struct dag_pipeline *p, uint32_t step, const char *param);

/* Adds an error for everything in the file that is valid but that this version cannot run (matrix,
 * foreach, uses, gate, approval, container, hooks, pools, ...), each at its place with a hint what
 * to do until then. Whether the host can hold what steps ask for is the engine's to say. True where
 * the pipeline can be run. */
bool dag_can_run(const struct dag_pipeline *p, struct diags *diags) MUST_CHECK;

/* Values for the parameters, by index. `given` are -p k=v pairs in order (a later one wins);
 * `file_text` is the text of a params file (YAML or JSON mapping) or NULL. Checks names (did you
 * mean), types, enum, min, max, pattern, required. Problems go to `diags` (its file is what the
 * user wrote: "-p" or the params file's name), the result lives in `a`; NULL where there are
 * errors. */
struct dag_given {
    const char *name, *text;
};
const struct dag_value *dag_bind_params(const struct dag_pipeline *p, const struct dag_given *given,
                                        size_t given_count, const char *file_name,
                                        const char *file_text, size_t file_len, struct arena *a,
                                        struct diags *diags) MUST_CHECK;
/* The same from a recorded JSON object. */
const struct dag_value *dag_bind_json(const struct dag_pipeline *p, const char *json, size_t len,
                                      struct arena *a, struct err *err) MUST_CHECK;

/* ---- printed from the tables
 * ---------------------------------------------------------------------------------- */

enum dag_graph_format { DAG_GRAPH_TEXT, DAG_GRAPH_DOT, DAG_GRAPH_MERMAID, DAG_GRAPH_JSON };
bool dag_graph_format_from_name(const char *name, enum dag_graph_format *ret);
/* Draws the graph; text is for terminals of any width (levels, with needs), all names escaped for
 * the format. */
bool dag_graph(const struct dag_pipeline *p, enum dag_graph_format format, struct buf *ret,
               struct err *err) MUST_CHECK;

bool dag_schema(struct buf *ret,
                struct err *err) MUST_CHECK; /* JSON Schema 2020-12 of a pipeline file */
bool dag_reference(struct buf *ret,
                   struct err *err) MUST_CHECK; /* the keys as Markdown, for docs/pipeline.md */
bool dag_diagnostic_reference(struct buf *ret,
                              struct err *err) MUST_CHECK; /* the codes, for docs/diagnostics.md */

#endif
