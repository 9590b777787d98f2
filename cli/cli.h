/*
 * cli.h - what every verb gets and shares. A verb is one file, verb_NAME.c, that exports one row;
 * verbs.c lists the rows; main.c parses, prints help and calls.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/err.h"
#include "cli/options.h"
#include "cli/term.h"
#include "engine/engine.h"

#include <jansson.h>
#include <stdio.h>

enum { /* what the shell sees; errors map by err_exit_code() */
       EXIT_DONE = 0,
       EXIT_RUN_FAILED = 1,
       EXIT_USAGE = 2,
       EXIT_INVALID = 3,
       EXIT_NO_STORAGE = 4,
       EXIT_NOT_FOUND = 6,
       EXIT_INTERNAL = 70,
       EXIT_TIMEOUT = 124,
       EXIT_INTERRUPTED = 130,
};

struct cli;

struct verb {
    const char *name;
    const char *group; /* heading in help */
    const char *usage; /* operands, as help shows them: "FILE..." */
    const char *summary;
    const char *text;     /* paragraphs below the usage; NULL = none */
    const char *examples; /* lines */
    const struct option *options;
    size_t min_operands, max_operands;
    int (*run)(struct cli *c); /* returns the exit code */
};

/* One invocation. */
struct cli {
    const struct verb *verb;
    struct args args;
    bool json, quiet;
    bool colour;    /* on stdout */
    bool terminal;  /* stdout is a terminal */
    char *data_dir; /* owned; found when first asked for */
};

/* ---- verbs.c */

extern const struct verb cli_verb_run, cli_verb_validate, cli_verb_plan, cli_verb_graph,
    cli_verb_runs, cli_verb_show, cli_verb_logs, cli_verb_cancel, cli_verb_resume, cli_verb_resolve,
    cli_verb_schema, cli_verb_doctor, cli_verb_version, cli_verb_help;
extern const struct option CLI_COMMON_OPTIONS[];
extern const struct option CLI_NO_OPTIONS[];
extern const struct verb *const CLI_VERBS[]; /* NULL ends */
const struct verb *cli_find_verb(const char *name);
/* ERR_UNSUPPORTED or ERR_USAGE for a word that is no verb here: not in this version, another tool's
 * word, or a typo. Always false. */
bool cli_no_such_verb(const char *word, struct err *err);
void cli_help(struct buf *ret, int width);
void cli_help_verb(const struct verb *verb, struct buf *ret, int width);

/* ---- report.c: what is said, and where to */

/* Prints an error (stderr, or stdout as JSON) and returns its exit code. */
int cli_fail(struct cli *c, const struct err *err);
int cli_fail_code(struct cli *c, const struct err *err, int exit_code);
int cli_usage(struct cli *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A line for people on stderr: "orchctl: ..."; nothing with --json or -q. */
void cli_note(struct cli *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Prints a value with a newline; takes the reference. `line` = on one line. */
void cli_print_json(json_t *value, bool line);
/* Text as JSON whatever its bytes are (invalid UTF-8 becomes U+FFFD); NULL becomes null. */
json_t *cli_json_text(const char *text);
/* Milliseconds as RFC 3339, 0 as null. */
json_t *cli_json_time(int64_t wall_ms);

/* ---- report.c: times and sizes for people, in an arena */
const char *cli_local_time(struct arena *a, int64_t wall_ms); /* "2026-11-21 08:00:01", "-" for 0 */
const char *cli_duration(struct arena *a, int64_t ms);        /* "-" below 0 */
const char *cli_size(struct arena *a, int64_t bytes);         /* "-" below 0 */

/* ---- open.c: data folder, store, runs */
const char *cli_data_dir(struct cli *c); /* borrowed */
const char *cli_storage(struct cli *c);  /* --storage, ORCH_STORAGE or NULL; borrowed */
const char *cli_actor(char out[32]);     /* "uid:1000" */
/* For reading. ERR_UNAVAILABLE where there is none yet. */
struct store *cli_open_store(struct cli *c, struct err *err) MUST_CHECK;
/* Opens the store for reading and finds the run an operand names; NULL where either fails. */
struct store *cli_open_run(struct cli *c, const char *word, char ret_id[ID_SIZE],
                           struct err *err) MUST_CHECK;
/* Is nobody at the wheel of this open run? */
bool cli_interrupted(struct cli *c, const struct store_run *run);
/* Finds a step by its folder or its display name; NULL with ERR_NOT_FOUND and a did-you-mean. */
const struct store_step *cli_find_step(const struct store_step *steps, size_t count,
                                       const char *word, struct err *err) MUST_CHECK;

/* ---- pipeline.c: files */

/* A loaded file with what was found in it. */
struct cli_file {
    struct dag_pipeline *pipeline; /* NULL where it has errors */
    struct diags diags;
    struct buf text;
};
void cli_file_done(struct cli_file *f);
/* Reads and checks `path` ("-" = standard input). False with `err` only where it cannot be read. */
bool cli_file_load(struct cli_file *f, const char *path, struct err *err) MUST_CHECK;
/* Prints what was found on stderr, with carets. */
void cli_file_print(struct cli *c, const struct cli_file *f);
/* The items of validate --json. */
json_t *cli_diags_json(const struct diags *d);
/* Errors of a document: printed, or as JSON with the diagnostics; returns `exit_code`. */
int cli_fail_diags(struct cli *c, const struct diags *d, const char *text, size_t len,
                   int exit_code);
/* Loads the verb's FILE for running: all problems, also what this version cannot run, are reported.
 * 0, or the exit code. */
int cli_load_runnable(struct cli *c, const char *path, struct cli_file *ret);
/* Binds -p and --params-file. NULL after it has reported, with the exit code in *ret_exit. */
const struct dag_value *cli_bind(struct cli *c, const struct dag_pipeline *p, struct arena *a,
                                 int *ret_exit);
/* --from and --only. The arrays live in the arena. */
void cli_selection(struct cli *c, struct arena *a, struct engine_request *ret);

/* ---- verb_plan.c, used by run --dry-run */
int cli_plan(struct cli *c, const struct engine_request *req, const char *path);

/* ---- show.c: a recorded run for people */
int cli_show(struct cli *c, struct store *s, const char *id);
/* The table of steps. `brief`: long runs show what did not succeed, and how many did. */
bool cli_print_steps(struct cli *c, struct store *s, const char *id, bool brief,
                     struct err *err) MUST_CHECK;
/* Why a step is in the state it is, for people; "" where there is nothing to say. */
const char *cli_step_why(struct arena *a, const struct store_step *step,
                         const struct store_attempt *last);
/* The sentence for a reason of the contract; "" for NULL. */
const char *cli_reason_text(const char *reason);

#endif
