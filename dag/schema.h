/*
 * schema.h - private to dag: the table of everything that may stand in a pipeline file.
 *
 * A kind is a kind of mapping (pipeline, step, retry, ...): rows of keys. A row says what shapes
 * its value may take, how a text is checked, where the value goes, whether this version runs it,
 * and how it is explained. Reading and checking (read.c), what a version cannot run yet
 * (can_run.c), the JSON Schema (json_schema.c) and the reference (reference.c) all walk these rows.
 *
 * To add a key: one row in schema_*.c, and a member in dag.h where somebody needs the value.
 */
#ifndef DAG_SCHEMA_H
#define DAG_SCHEMA_H

#include "base/buf.h"
#include "dag/node.h"

#include <stddef.h>

/* What a value may be; several at once are alternatives. */
enum {
    V_TEXT = 1 << 0, /* a scalar as written, without ${{ }} */
    V_TMPL = 1 << 1, /* a scalar that may hold ${{ }} */
    V_EXPR = 1 << 2, /* an expression (if:) */
    V_BOOL = 1 << 3,
    V_INT = 1 << 4,    /* min..max */
    V_NUM = 1 << 5,    /* min..max */
    V_FORMAT = 1 << 6, /* a text of row->format */
    V_WORD = 1 << 7,   /* one of row->words */
    V_LIST = 1 << 8,   /* of row->item */
    V_MAP = 1 << 9,    /* of row->sub */
    V_NAMED = 1 << 10, /* names to row->item */
    V_ANY = 1 << 11,   /* whatever stands there; texts may hold ${{ }} */
    V_DATA = 1 << 12   /* whatever stands there, without ${{ }} */
};

enum {
    ROW_REQUIRED = 1 << 0,
    ROW_DEFAULTS = 1 << 1, /* may stand in defaults: too */
    ROW_SECRETS = 1 << 2,  /* secrets. may be read in it */
    ROW_SOME = 1 << 3      /* a list or mapping that must not be empty */
};

/* Does this version run it? */
enum schema_runs { RUNS, RUNS_LATER, RUNS_DAEMON };

/* Keys that the checks between keys ask for. */
enum schema_mark {
    MARK_NONE,
    MARK_RUN,
    MARK_USES,
    MARK_GATE,
    MARK_APPROVAL,
    MARK_CONTAINER,
    MARK_EXECUTOR,
    MARK_MATRIX,
    MARK_FOREACH,
    MARK_MAX_PARALLEL,
    MARK_RETRY,
    MARK_KIND,
    MARK_SHELL,
    MARK_WITH,
    MARK_NEEDS,
    MARK_ON_LOST,
    MARK_ENV_VALUE, /* the value of a variable */
    MARK_COUNT
};

struct schema_word {
    const char *word;
    int value;
    const char *help; /* may be NULL */
};

/* The form of a text: checked by a function, shown as a pattern. */
struct schema_format {
    const char *what;    /* "a duration such as 90s or 2h" */
    const char *pattern; /* for JSON Schema (ECMA 262); NULL = none */
    /* False where malformed; may set a hint. `ret` is NULL or takes the number where there is one.
     */
    bool (*check)(const char *text, int64_t *ret, const char **ret_hint);
    bool gives_int; /* the member is an int64_t, else the text itself */
    bool number;    /* an integer or number may be given instead (cpu: 2, memory: 1024) */
    bool quoted;    /* a number would be ambiguous: it must be a text (umask: "0027") */
};

/* What the names of a V_NAMED mapping look like. */
struct schema_names {
    const char *what;
    const char *pattern;
    bool (*ok)(const char *text);
};

/* Where in the file an expression stands; says which names it may read (names.c). */
enum schema_place {
    PLACE_PIPELINE, /* env and labels of the pipeline */
    PLACE_DEFAULTS,
    PLACE_STEP,
    PLACE_HOOK, /* a step of finally, on_success, on_failure */
    PLACE_OUTPUTS,
    PLACE_TRIGGER,
    PLACE_NOTIFY,
    PLACE_COUNT
};

struct reader;
struct schema_row;
struct schema_kind;

/* A key with its value, while it is read. */
struct schema_entry {
    const struct schema_row *row;
    const struct dag_node *key;
    const struct dag_node *value;
};

struct schema_row {
    const char *key;
    unsigned takes, flags;
    const struct schema_format *format;
    const struct schema_word *words; /* up to one with word NULL */
    const struct schema_kind *sub;
    const struct schema_row *item;
    const struct schema_names *names;
    double min, max; /* of a number; both 0 = any */
    unsigned most;   /* entries of a list or mapping that is searched by name; 0 = any */
    /* Where the value goes: offset of the member in the struct of the kind. The member's type
     * follows from `takes`: TEXT and FORMAT const char * (or int64_t), TMPL const struct dag_tmpl
     * *, EXPR const struct dag_expr *, BOOL bool, INT int64_t, NUM double, WORD an enum, MAP the
     * struct itself, LIST of texts and NAMED templates an array whose length is at `at_count`. */
    bool stored;
    size_t at, at_count;
    /* Reads the value in its own way; `target` is the struct of the kind. */
    void (*read)(struct reader *r, const struct schema_entry *e, void *target);
    enum schema_mark mark;
    enum schema_place place; /* of what stands below; 0 = as above */
    enum schema_runs runs;
    bool (*runs_if)(const struct dag_node *value); /* RUNS_LATER: these values run; NULL = none */
    const char *until;                             /* RUNS_LATER: what to do until then */
    const char *def;                               /* the default, as shown; NULL = none */
    const char *help;
};

struct schema_kind {
    const char *name;  /* "step" */
    const char *title; /* "a step", for messages */
    const char *help;
    const struct schema_row *rows;
    size_t count;
    unsigned filter; /* only rows with these flags belong to it (defaults) */
    size_t choices;  /* exactly one of the first `choices` rows must be given */
    /* Checks between keys, after all rows; `target` may be NULL. */
    void (*finish)(struct reader *r, const struct dag_node *node, void *target);
};

#define SCHEMA_MAX_ROWS 64

extern const struct schema_kind schema_pipeline; /* the root */
extern const struct schema_kind schema_step, schema_defaults, schema_param, schema_output,
    schema_retry, schema_resources, schema_io, schema_sandbox, schema_log, schema_container,
    schema_gate, schema_approval;
extern const struct schema_kind schema_trigger, schema_concurrency, schema_monitor, schema_notify;

extern const struct schema_names schema_step_names, schema_variable_names, schema_any_names;
extern const struct schema_format schema_duration, schema_size, schema_cpu, schema_cron,
    schema_zone, schema_uses, schema_path, schema_pipeline_name, schema_step_name,
    schema_variable_name, schema_regex, schema_budget, schema_quiet, schema_formula, schema_user,
    schema_absolute, schema_umask, schema_filled;

static inline bool schema_bounded(const struct schema_row *row)
{
    return row->min < row->max || row->min > 0;
}
/* True where the row belongs to the kind (defaults have only some of a step's). */
static inline bool schema_has(const struct schema_kind *kind, const struct schema_row *row)
{
    return (row->flags & kind->filter) == kind->filter;
}
/* The row of a key, or NULL. */
const struct schema_row *schema_find(const struct schema_kind *kind, const char *key);
/* A word that other tools use, and the hint what does it here; NULL where the word is unknown. */
const char *schema_meant(const struct schema_kind *kind, const char *word);

/* What a row takes, in words: "a list or a text". */
void schema_describe(const struct schema_row *row, struct buf *b);

#define SCHEMA_MAX_KINDS 64
/* All kinds that can be reached from the root; returns how many. */
size_t schema_collect(const struct schema_kind *kinds[SCHEMA_MAX_KINDS]);

#endif
