/*
 * db.h - a SQLite connection: pragmas, prepared statements, what SQLite's codes mean. Private to
 * storage/sqlite/.
 */
#ifndef STORAGE_SQLITE_DB_H
#define STORAGE_SQLITE_DB_H

#include "storage/backend.h"

#include <sqlite3.h>

#define SQLITE_APPLICATION_ID 0x6f726368 /* "orch" */
#define STATEMENT_SLOTS 256              /* a power of two, well above the number of statements */
#define RUN_KEY_SLOTS 64                 /* a power of two */

struct run_key {
    char id[ID_SIZE]; /* "" = free */
    int64_t key;
};

struct sqlite_db {
    struct store_db base;
    sqlite3 *sql;
    char *path; /* as given to SQLite */
    struct store_tuning tuning;
    struct {
        const char *text; /* static; the address is the key */
        sqlite3_stmt *stmt;
    } statements[STATEMENT_SLOTS];
    struct run_key run_keys[RUN_KEY_SLOTS]; /* of committed runs and of this transaction's */
    struct buf scratch;                     /* of row hashes */
    int ran;                                /* statements of this commit, for tuning.fail_at */
    int wal_pages;                          /* in the log after the last commit */
    int64_t busy_since_ms;
};

struct migration {
    int version;
    const char *name;
    const char *const *sql; /* statements, NULL at the end */
};
extern const struct migration sqlite_migrations[];
extern const size_t sqlite_migration_count;

static inline struct sqlite_db *sqlite_db_of(struct store_db *base)
{
    return (struct sqlite_db *)(void *)base;
}

/* Opens, checks whose file it is, sets pragmas. No migration. */
struct sqlite_db *sqlite_open_file(const struct store_target *target, struct err *err);
void sqlite_close_file(struct sqlite_db *db);

/* Brings the tables to the newest version of `db`'s migrations, or, where `check_only`, says what
 * is missing. */
bool sqlite_migrate(struct sqlite_db *db, bool check_only, struct err *err) MUST_CHECK;
/* 0 in a database without tables. */
bool sqlite_schema_version(struct sqlite_db *db, int64_t *ret, struct err *err) MUST_CHECK;
int64_t sqlite_newest_version(const struct sqlite_db *db);

/* The prepared statement of a static text, reset; NULL and an error where it cannot be prepared.
 * Owned by the connection. */
sqlite3_stmt *sqlite_statement(struct sqlite_db *db, const char *text, struct err *err);
/* Steps: SQLITE_ROW, SQLITE_DONE, or -1 with an error. */
int sqlite_step(struct sqlite_db *db, sqlite3_stmt *stmt, struct err *err);
/* Runs a text without parameters and results, also several statements. */
bool sqlite_run(struct sqlite_db *db, const char *text, struct err *err) MUST_CHECK;
bool sqlite_begin(struct sqlite_db *db, struct err *err) MUST_CHECK; /* BEGIN IMMEDIATE */
bool sqlite_commit(struct sqlite_db *db, struct err *err) MUST_CHECK;
void sqlite_rollback(struct sqlite_db *db);
/* One integer, `fallback` where there is no row. */
bool sqlite_get_int(struct sqlite_db *db, const char *text, int64_t fallback, int64_t *ret,
                    struct err *err) MUST_CHECK;
/* Sets the error of the last call on the connection; returns false. */
bool sqlite_fail(struct sqlite_db *db, int rc, struct err *err);

/* The key of a run: ERR_NOT_FOUND. */
bool sqlite_run_key(struct sqlite_db *db, const char *id, int64_t *ret, struct err *err) MUST_CHECK;
void sqlite_keep_run_key(struct sqlite_db *db, const char *id, int64_t key);
void sqlite_forget_run_keys(struct sqlite_db *db);

/* A column as text with its length; data NULL where NULL. Valid until the next step. */
struct store_text sqlite_text(sqlite3_stmt *stmt, int column);

/* The slots of store_backend. */
bool sqlite_commit_batches(struct store_db *db, struct store_batch *const *batches, size_t count,
                           struct err *err);
void sqlite_rest(struct store_db *db);
bool sqlite_rebuild(struct store_db *db, struct err *err);
bool sqlite_newest(struct store_db *db, char ret_id[ID_SIZE], struct err *err);
bool sqlite_by_number(struct store_db *db, const char *pipeline, int64_t number,
                      char ret_id[ID_SIZE], int64_t *ret_last, struct err *err);
bool sqlite_by_prefix(struct store_db *db, const char *prefix, char (*ret_ids)[ID_SIZE], size_t max,
                      size_t *ret_count, struct err *err);
bool sqlite_get_run(struct store_db *db, const char *id, struct arena *a, struct store_run *ret,
                    struct err *err);
bool sqlite_list_runs(struct store_db *db, const struct store_list *list, struct arena *a,
                      struct store_run **ret, size_t *ret_count, struct err *err);
bool sqlite_get_steps(struct store_db *db, const char *run, struct arena *a,
                      struct store_step **ret, size_t *ret_count, struct err *err);
bool sqlite_get_attempts(struct store_db *db, const char *run, const char *step, struct arena *a,
                         struct store_attempt **ret, size_t *ret_count, struct err *err);
bool sqlite_get_outputs(struct store_db *db, const char *run, const char *step, struct arena *a,
                        struct store_step_output **ret, size_t *ret_count, struct err *err);
bool sqlite_get_artifacts(struct store_db *db, const char *run, const char *step, struct arena *a,
                          struct store_step_artifact **ret, size_t *ret_count, struct err *err);
bool sqlite_get_metrics(struct store_db *db, const char *run, const char *step, struct arena *a,
                        struct store_step_metric **ret, size_t *ret_count, struct err *err);
bool sqlite_each_row(struct store_db *db,
                     bool (*visit)(void *arg, const struct store_row *row, struct err *err),
                     void *arg, struct err *err);
bool sqlite_each_text(struct store_db *db,
                      bool (*visit)(void *arg, const char *digest, struct store_text text,
                                    struct err *err),
                      void *arg, struct err *err);
bool sqlite_get_facts(struct store_db *db, struct arena *a, struct store_facts *ret,
                      struct err *err);

#endif
