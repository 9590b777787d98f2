/*
 * backend.h - what a back end of the store must do, and what it is given. Private to storage/.
 *
 * A back end is a row of `store_backends`; a connection begins with `struct store_db`. The generic
 * part (store.c, batch.c, writer.c, journal.c) builds events, chains hashes, orders commits and
 * reads words like NAME#N; a back end keeps rows. A connection is used by one thread at a time.
 *
 *   store_add_x() ─▶ event ─▶ batch ─▶ writer thread ─▶ commit() ─▶ journal row + statements of the
 * kind
 */
#ifndef STORAGE_BACKEND_H
#define STORAGE_BACKEND_H

#include "base/arena.h"
#include "base/buf.h"
#include "storage/storage.h"

#define STORE_BODY_MAX (256L << 20) /* bytes of one event's body */
#define STORE_JSON_DEPTH 1000       /* of a caller's JSON; SQLite reads 2,000 at most */
#define STORE_HASH_BYTES DIGEST_BYTES

/* ---- events
 * ----------------------------------------------------------------------------------------------------
 */

enum store_kind {
    STORE_RUN,
    STORE_RUN_STATE,
    STORE_STEP_STATE,
    STORE_ATTEMPT,
    STORE_ATTEMPT_END,
    STORE_OUTPUTS,
    STORE_ARTIFACTS,
    STORE_METRICS,
    STORE_VERDICT,
    STORE_KIND_COUNT
};
const char *store_kind_name(enum store_kind kind); /* the word in the journal */
bool store_kind_from_name(const char *name, size_t len, enum store_kind *ret);

struct store_event {
    enum store_kind kind;
    int64_t at_ms;
    const char *run, *step, *actor; /* run: its id; step and actor may be NULL */
    uint32_t attempt;
    const char *body; /* canonical JSON */
    size_t body_len;
    /* Content that is not journaled, but whose digest is in the body. */
    const char *text, *text_digest; /* a pipeline's source, kept once for all runs of it */
    const struct store_metric *points;
    size_t point_count;
};

struct store_batch {
    struct arena arena; /* holds what the events point to */
    struct buf body;    /* scratch */
    struct store_event *events;
    size_t count, cap;
    struct err *failed; /* in the arena: the batch cannot be committed, or NULL */
};

/* ---- the journal
 * -----------------------------------------------------------------------------------------------
 */

struct store_text { /* data NULL = NULL */
    const char *data;
    size_t len;
};

struct store_row {
    int64_t seq, at_ms;
    struct store_text kind, step, actor, body;
    bool has_run;
    int64_t run; /* the seq of the row that made the run */
    int64_t attempt;
    unsigned char hash[STORE_HASH_BYTES];
};

/* The row's hash after a row with hash `previous` (32 zero bytes before the first): SHA-256 over
 * `previous` and the columns in order, each ended by a comma: integers in decimal, texts as
 * LENGTH:BYTES, NULL as "-". `scratch` is used and kept for the next call. */
void store_row_hash(const struct store_row *row, const unsigned char previous[STORE_HASH_BYTES],
                    struct buf *scratch, unsigned char ret[STORE_HASH_BYTES]);

/* The digest of metric points, as their event has it: over LENGTH:NAME,BITS,STEP for each. */
void store_points_digest(const struct store_metric *points, size_t count, char ret[DIGEST_TEXT]);

/* ---- back ends
 * -------------------------------------------------------------------------------------------------
 */

/* What tests turn; zeroes in production. */
struct store_tuning {
    int busy_ms;            /* how long to wait for another process; 0 = STORE_BUSY_MS */
    int fail_at;            /* the n-th statement of each commit fails; 0 = none */
    const void *migrations; /* instead of the program's own (sqlite/db.h), or NULL */
    size_t migration_count;
};
#define STORE_BUSY_MS 60000

struct store_target {
    const char *path; /* what follows the scheme; "" = the default in the data folder */
    const char *data_dir;
    bool must_exist, read_only;
    bool reader; /* a connection for reading beside one that has checked and migrated */
    const struct store_tuning *tuning;
};

#define STORE_BACKEND_VERSION 1
struct store_backend;
struct store_db { /* the first member of a back end's connection */
    const struct store_backend *ops;
};

/* Reads follow storage.h. Not finding is no failure where `ret_id` may be empty. */
struct store_backend {
    int version; /* STORE_BACKEND_VERSION */
    const char *name, *scheme;
    /* MUST. Opens, checks and, unless read_only or reader, migrates. Blocks. */
    struct store_db *(*open)(const struct store_target *target, struct err *err);
    void (*close)(struct store_db *db);
    /* MUST. All batches in one transaction; on failure nothing of them is kept. */
    bool (*commit)(struct store_db *db, struct store_batch *const *batches, size_t count,
                   struct err *err);
    void (*rest)(struct store_db *db); /* MAY be NULL: housekeeping when commits were answered */
    bool (*rebuild)(struct store_db *db,
                    struct err *err); /* MAY be NULL: empties the tables and replays the journal */
    /* MUST: the rest. */
    bool (*newest)(struct store_db *db, char ret_id[ID_SIZE], struct err *err);
    bool (*by_number)(struct store_db *db, const char *pipeline, int64_t number,
                      char ret_id[ID_SIZE], int64_t *ret_last /* 0 = no such pipeline */,
                      struct err *err);
    bool (*by_prefix)(struct store_db *db, const char *prefix, char (*ret_ids)[ID_SIZE], size_t max,
                      size_t *ret_count, struct err *err);
    bool (*get_run)(struct store_db *db, const char *id, struct arena *a, struct store_run *ret,
                    struct err *err);
    bool (*list_runs)(struct store_db *db, const struct store_list *list, struct arena *a,
                      struct store_run **ret, size_t *ret_count, struct err *err);
    bool (*get_steps)(struct store_db *db, const char *run, struct arena *a,
                      struct store_step **ret, size_t *ret_count, struct err *err);
    bool (*get_attempts)(struct store_db *db, const char *run, const char *step, struct arena *a,
                         struct store_attempt **ret, size_t *ret_count, struct err *err);
    bool (*get_outputs)(struct store_db *db, const char *run, const char *step, struct arena *a,
                        struct store_step_output **ret, size_t *ret_count, struct err *err);
    bool (*get_artifacts)(struct store_db *db, const char *run, const char *step, struct arena *a,
                          struct store_step_artifact **ret, size_t *ret_count, struct err *err);
    bool (*get_metrics)(struct store_db *db, const char *run, const char *step, struct arena *a,
                        struct store_step_metric **ret, size_t *ret_count, struct err *err);
    bool (*each_row)(struct store_db *db,
                     bool (*visit)(void *arg, const struct store_row *row, struct err *err),
                     void *arg, struct err *err);
    bool (*each_text)(struct store_db *db,
                      bool (*visit)(void *arg, const char *digest, struct store_text text,
                                    struct err *err),
                      void *arg, struct err *err);
    bool (*get_facts)(struct store_db *db, struct arena *a, struct store_facts *ret,
                      struct err *err);
};

extern const struct store_backend store_sqlite;

/* The back end of a URL and what follows its scheme; NULL and ERR_USAGE where none fits. */
const struct store_backend *store_backend_find(const char *url, const char **ret_path,
                                               struct err *err);
/* Wraps a connection: each call is logged with its duration (ORCH_TRACE_STORAGE=1). Takes `db`. */
struct store_db *store_trace(struct store_db *db);

/* store_open() with a test's hands on it; `tuning` is borrowed until store_close(). */
struct store *store_open_tuned(const struct store_conf *conf, const struct store_tuning *tuning,
                               struct err *err) MUST_CHECK;
/* Empties what can be derived and replays the journal, in one transaction. */
bool store_rebuild(struct store *s, struct err *err) MUST_CHECK;

#endif
