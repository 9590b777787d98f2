/*
 * storage.h - what happened, durably. One interface; a back end is a table of functions
 * (storage/backend.h). SQLite is the embedded default.
 *
 * An event is the only way to write. A batch of events is one transaction: each event becomes a row
 * of the journal (hash-chained) and is applied to the tables by the statements of its kind, which
 * read nothing but the event itself, so that the tables are what the journal says and can be
 * rebuilt from it (a test does). Metric points are not journaled; the digest of their batch is.
 *
 *   journal: seq, at, kind, run, step, attempt, actor, body (JSON), hash = SHA-256(previous hash,
 * the row in canonical form)
 *
 * Several processes may write one store: each batch is one BEGIN IMMEDIATE that reads the last hash
 * inside it. Commits run on one writer thread and answer on the loop; reads block on a connection
 * of the calling thread.
 */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include "base/arena.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/id.h"
#include "base/loop.h"

#include <stdint.h>

struct store;
struct store_batch;

struct store_conf {
    const char *url; /* "sqlite:PATH" (relative to the current folder); NULL = orch.db in the data
                        folder. postgresql:// is ERR_UNSUPPORTED that says so */
    const char
        *data_dir;   /* the data folder; made (0700, with a .gitignore of "*") unless must_exist */
    bool must_exist; /* ERR_NOT_FOUND where there is no database yet, instead of making one */
    bool read_only; /* for listings: neither writes, migrates nor makes anything; an older schema is
                       an error that says what to run */
    struct loop *loop; /* for store_commit(); NULL where only store_commit_now() is used */
};

/* Opens, migrates (each migration one transaction, checksummed, forward only; a second opener
 * waits), or says why not: ERR_NEWER for a database of a newer version (names both versions),
 * ERR_CORRUPT, ERR_DENIED for a read-only folder, ERR_NO_SPACE. Blocks. */
struct store *store_open(const struct store_conf *conf, struct err *err) MUST_CHECK;
/* Waits for commits under way (their callbacks are not called any more) and closes. */
void store_close(struct store *s);

/* ---- writing
 * ---------------------------------------------------------------------------------------------------
 */

struct store_batch *store_batch_new(void);
void store_batch_free(struct store_batch *b);
size_t store_batch_count(const struct store_batch *b);

struct store_new_step {
    const char *name;   /* display name */
    const char *folder; /* NAME or NAME.2: what attempts and URLs use */
    const char *kind;
    const char *group;  /* NULL for a step that is no instance */
    const char *matrix; /* JSON object of an instance, else NULL */
    const uint32_t *needs;
    uint32_t need_count;
};

struct store_new_run {
    const char *id, *pipeline, *file, *root; /* file: absolute path of the pipeline file; root: the
                                                repository's root or the file's folder */
    const char *text;                        /* the pipeline's source */
    const char *params, *trigger, *labels, *manifest; /* JSON objects */
    const char *commit;                               /* git commit or NULL */
    bool dirty;
    const char *parent; /* the run it was made from (retry, sub-pipeline), or NULL */
    const struct store_new_step *steps;
    uint32_t step_count;
};

struct store_attempt_end {
    const char *status, *reason; /* succeeded failed cancelled lost; reason NULL where none */
    const char *message;         /* NULL or a sentence */
    int exit_code, signal;       /* -1 / 0 = none */
    int64_t started_ms, ended_ms;
    const char *usage; /* what it took: a JSON object of numbers, or NULL where nothing is known */
};

struct store_output {
    const char *name;
    const char *value;  /* JSON */
    const char *path;   /* absolute, of a stored file or folder; NULL for a value */
    const char *digest; /* of a stored file; NULL for a value */
    int64_t size;
    const char *dataset, *model; /* as declared, or NULL */
};

struct store_artifact {
    const char *name, *path, *digest;
    int64_t size;
    bool folder;
};

struct store_metric {
    const char *name;
    double value; /* NaN and infinities are kept */
    int64_t step; /* INT64_MIN = none given */
};

/* Each adds one event. `at_ms` is wall time; strings are copied. `actor`: who asked ("uid:1000",
 * "engine"). */
void store_add_run(struct store_batch *b, int64_t at_ms, const char *actor,
                   const struct store_new_run *run);
void store_add_run_state(struct store_batch *b, int64_t at_ms, const char *run, const char *state,
                         const char *reason);
/* The same for an end that came about earlier than it is recorded: `ended_ms` is what the run's or
 * step's finished_ms becomes; 0 = at_ms. */
void store_add_run_end(struct store_batch *b, int64_t at_ms, const char *run, const char *state,
                       const char *reason, int64_t ended_ms);
void store_add_step_end(struct store_batch *b, int64_t at_ms, const char *run, const char *step,
                        const char *state, const char *reason, uint32_t attempt, int64_t ended_ms,
                        const char *detail);
/* `attempt` 0 = none yet; `due_ms` wall time a retry is due, 0 = none; `detail` a sentence for
 * people, or NULL. */
void store_add_step_state(struct store_batch *b, int64_t at_ms, const char *run, const char *step,
                          const char *state, const char *reason, uint32_t attempt, int64_t due_ms,
                          const char *detail);
void store_add_attempt(struct store_batch *b, int64_t at_ms, const char *run, const char *step,
                       uint32_t attempt, const char *executor, const char *host,
                       const char *boot_id);
void store_add_attempt_end(struct store_batch *b, int64_t at_ms, const char *run, const char *step,
                           uint32_t attempt, const struct store_attempt_end *end);
/* Of the attempt that succeeded (outputs), or of any (artifacts, metrics). */
void store_add_outputs(struct store_batch *b, int64_t at_ms, const char *run, const char *step,
                       uint32_t attempt, const struct store_output *items, size_t count);
void store_add_artifacts(struct store_batch *b, int64_t at_ms, const char *run, const char *step,
                         uint32_t attempt, const struct store_artifact *items, size_t count);
void store_add_metrics(struct store_batch *b, int64_t at_ms, const char *run, const char *step,
                       uint32_t attempt, const struct store_metric *items, size_t count);
/* Words of authority: "cancel" (run), "resolve" (step) ... `detail` JSON object or NULL. A cancel
 * marks the run as being cancelled. */
void store_add_verdict(struct store_batch *b, int64_t at_ms, const char *actor, const char *run,
                       const char *step, const char *verb, const char *detail);

/* Commits on the writer thread; `done` comes on the loop, in the order of the calls. Takes the
 * batch. After a failure every later commit fails too until store_close(). */
void store_commit(struct store *s, struct store_batch *b,
                  void (*done)(void *arg, const struct err *failed /* NULL = committed, durable */),
                  void *arg);
/* Commits and waits. Takes the batch. */
bool store_commit_now(struct store *s, struct store_batch *b, struct err *err) MUST_CHECK;

/* ---- reading: results live in the arena; all block
 * ------------------------------------------------------------------ */

struct store_run {
    const char *id, *pipeline, *file, *root, *status, *reason;
    int64_t number;   /* NAME#N */
    const char *text; /* only from store_get_run */
    const char *params, *trigger, *labels, *manifest, *commit, *parent;
    bool dirty, cancelling;
    int64_t created_ms, started_ms, finished_ms; /* 0 = not yet */
    uint32_t step_count;
};

struct store_step {
    uint32_t index;
    const char *name, *folder, *kind, *group, *matrix, *status, *reason, *detail;
    const uint32_t *needs;
    uint32_t need_count, attempt /* highest */;
    int64_t due_ms, started_ms, finished_ms;
};

struct store_attempt {
    const char *step; /* folder */
    uint32_t number;
    const char *status, *reason, *message, *executor, *host, *boot_id;
    int exit_code, signal;
    int64_t created_ms, started_ms, ended_ms;
    const char *usage; /* a JSON object, or NULL */
};

struct store_list {
    const char *pipeline, *status; /* NULL = any */
    int64_t limit;                 /* 0 = 50 */
    const char *before;            /* run id: only older ones; NULL = newest first */
    bool open_only;                /* not ended */
};

/* `word` is an id, an unambiguous prefix of one (at least 4 digits), NAME#N, or `last` (newest).
 * ERR_NOT_FOUND with what to look at; ERR_INVALID where ambiguous (names some). */
bool store_find_run(struct store *s, const char *word, char ret_id[ID_SIZE],
                    struct err *err) MUST_CHECK;
bool store_get_run(struct store *s, const char *id, struct arena *a, struct store_run *ret,
                   struct err *err) MUST_CHECK;
bool store_list_runs(struct store *s, const struct store_list *list, struct arena *a,
                     struct store_run **ret, size_t *ret_count, struct err *err) MUST_CHECK;
bool store_get_steps(struct store *s, const char *run, struct arena *a, struct store_step **ret,
                     size_t *ret_count, struct err *err) MUST_CHECK; /* by index */
bool store_get_attempts(struct store *s, const char *run, const char *step /* NULL = all */,
                        struct arena *a, struct store_attempt **ret, size_t *ret_count,
                        struct err *err) MUST_CHECK; /* by step index, number */

struct store_step_output {
    const char *step;
    uint32_t attempt;
    struct store_output output;
};
struct store_step_artifact {
    const char *step;
    uint32_t attempt;
    struct store_artifact artifact;
};
struct store_step_metric { /* the last value of each metric of a step's last attempt that wrote it
                            */
    const char *step;
    uint32_t attempt;
    struct store_metric metric;
};
bool store_get_outputs(struct store *s, const char *run, const char *step, struct arena *a,
                       struct store_step_output **ret, size_t *ret_count,
                       struct err *err) MUST_CHECK;
bool store_get_artifacts(struct store *s, const char *run, const char *step, struct arena *a,
                         struct store_step_artifact **ret, size_t *ret_count,
                         struct err *err) MUST_CHECK;
bool store_get_metrics(struct store *s, const char *run, const char *step, struct arena *a,
                       struct store_step_metric **ret, size_t *ret_count,
                       struct err *err) MUST_CHECK;

/* Checks the hash chain from the first row; ERR_CORRUPT names the first row that does not fit. */
bool store_verify_journal(struct store *s, int64_t *ret_rows, struct err *err) MUST_CHECK;
/* Facts for doctor and version: schema version of the database and of this program, SQLite's
 * version, where it lies. */
struct store_facts {
    const char *backend, *library, *location;
    int64_t schema, schema_newest, runs, journal_rows;
};
bool store_get_facts(struct store *s, struct arena *a, struct store_facts *ret,
                     struct err *err) MUST_CHECK;

/* ---- the artifact store (base/cas.h) in the data folder
 * ------------------------------------------------------------- */

/* The data folder the store was opened with; borrowed. */
const char *store_data_dir(const struct store *s);
/* DATA/artifacts; the caller owns. */
char *store_artifact_dir(const char *data_dir);
/* Opens a stored file for reading after checking its digest; ERR_CORRUPT names both digests. */
int store_open_artifact(const char *data_dir, const char *digest, struct err *err) MUST_CHECK;

#endif
