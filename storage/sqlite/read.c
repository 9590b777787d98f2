/*
 * read.c - the reads of the interface: each is a query with its table of columns.
 */
#include "storage/sqlite/rows.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT(type, member)                                                                         \
    {                                                                                              \
        COLUMN_TEXT, offsetof(type, member), 0                                                     \
    }
#define INT64(type, member)                                                                        \
    {                                                                                              \
        COLUMN_INT64, offsetof(type, member), 0                                                    \
    }
#define INT(type, member)                                                                          \
    {                                                                                              \
        COLUMN_INT, offsetof(type, member), 0                                                      \
    }
#define UINT(type, member)                                                                         \
    {                                                                                              \
        COLUMN_UINT, offsetof(type, member), 0                                                     \
    }
#define FLAG(type, member)                                                                         \
    {                                                                                              \
        COLUMN_FLAG, offsetof(type, member), 0                                                     \
    }
#define REAL(type, member)                                                                         \
    {                                                                                              \
        COLUMN_REAL, offsetof(type, member), 0                                                     \
    }

/* ---- which run */

static unsigned slot_of(const char *id)
{
    unsigned h = 0;
    for (const char *p = id; *p; p++)
        h = h * 31 + (unsigned char)*p;
    return h % RUN_KEY_SLOTS;
}

void sqlite_keep_run_key(struct sqlite_db *db, const char *id, int64_t key)
{
    struct run_key *slot = &db->run_keys[slot_of(id)];
    if (strlen(id) < sizeof slot->id) {
        memcpy(slot->id, id, strlen(id) + 1);
        slot->key = key;
    }
}

void sqlite_forget_run_keys(struct sqlite_db *db)
{
    memset(db->run_keys, 0, sizeof db->run_keys);
}

bool sqlite_run_key(struct sqlite_db *db, const char *id, int64_t *ret, struct err *err)
{
    static const char text[] = "SELECT key FROM runs WHERE id = ?1";
    const struct run_key *slot = &db->run_keys[slot_of(id)];
    if (strcmp(slot->id, id) == 0 && id[0]) {
        *ret = slot->key;
        return true;
    }
    sqlite3_stmt *stmt = sqlite_statement(db, text, err);
    if (!stmt)
        return false;
    sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
    int rc = sqlite_step(db, stmt, err);
    if (rc == -1)
        return false;
    if (rc == SQLITE_DONE)
        return err_set(err, ERR_NOT_FOUND, "there is no run %s in %s", id, db->path);
    *ret = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    sqlite_keep_run_key(db, id, *ret);
    return true;
}

/* Copies the id of the statement's only row, "" where there is none. */
static bool read_id(struct sqlite_db *db, sqlite3_stmt *stmt, char ret_id[ID_SIZE], struct err *err)
{
    int rc = sqlite_step(db, stmt, err);
    if (rc == -1)
        return false;
    ret_id[0] = '\0';
    if (rc == SQLITE_ROW) {
        snprintf(ret_id, ID_SIZE, "%s", sqlite_text(stmt, 0).data);
        sqlite3_reset(stmt);
    }
    return true;
}

bool sqlite_newest(struct store_db *base, char ret_id[ID_SIZE], struct err *err)
{
    static const char text[] = "SELECT id FROM runs ORDER BY key DESC LIMIT 1";
    struct sqlite_db *db = sqlite_db_of(base);
    sqlite3_stmt *stmt = sqlite_statement(db, text, err);
    return stmt && read_id(db, stmt, ret_id, err);
}

bool sqlite_by_number(struct store_db *base, const char *pipeline, int64_t number,
                      char ret_id[ID_SIZE], int64_t *ret_last, struct err *err)
{
    static const char run[] = "SELECT id FROM runs WHERE number = ?2 AND"
                              " pipeline = (SELECT key FROM pipelines WHERE name = ?1)";
    static const char last[] = "SELECT last_number FROM pipelines WHERE name = ?1";
    struct sqlite_db *db = sqlite_db_of(base);
    sqlite3_stmt *stmt = sqlite_statement(db, run, err);
    if (!stmt)
        return false;
    sqlite3_bind_text(stmt, 1, pipeline, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, number);
    if (!read_id(db, stmt, ret_id, err) || !(stmt = sqlite_statement(db, last, err)))
        return false;
    sqlite3_bind_text(stmt, 1, pipeline, -1, SQLITE_STATIC);
    int rc = sqlite_step(db, stmt, err);
    if (rc == -1)
        return false;
    *ret_last = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return true;
}

bool sqlite_by_prefix(struct store_db *base, const char *prefix, char (*ret_ids)[ID_SIZE],
                      size_t max, size_t *ret_count, struct err *err)
{
    /* 'g' comes after every hex digit: the range of what begins so. */
    static const char text[] =
        "SELECT id FROM runs WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id DESC LIMIT ?2";
    struct sqlite_db *db = sqlite_db_of(base);
    sqlite3_stmt *stmt = sqlite_statement(db, text, err);
    if (!stmt)
        return false;
    sqlite3_bind_text(stmt, 1, prefix, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, (int64_t)max);
    size_t count = 0;
    int rc;
    while ((rc = sqlite_step(db, stmt, err)) == SQLITE_ROW)
        snprintf(ret_ids[count++], ID_SIZE, "%s", sqlite_text(stmt, 0).data);
    *ret_count = count;
    return rc == SQLITE_DONE;
}

/* ---- runs */

// clang-format off
#define RUN_COLUMNS \
    "SELECT r.id, (SELECT name FROM pipelines WHERE key = r.pipeline), r.file, r.root, r.status, r.reason," \
    " r.number, r.params, r.trigger, r.labels, r.manifest, r.commit_id, r.parent, r.dirty, r.cancelling," \
    " r.created_ms, r.started_ms, r.finished_ms, r.step_count"
#define OF_PIPELINE "r.pipeline = (SELECT key FROM pipelines WHERE name = ?1)"
#define NEWEST_FIRST " AND r.key < ?3 ORDER BY r.key DESC LIMIT ?4"

static const struct column run_columns[] = {
    TEXT(struct store_run, id),          TEXT(struct store_run, pipeline),   TEXT(struct store_run, file),
    TEXT(struct store_run, root),        TEXT(struct store_run, status),     TEXT(struct store_run, reason),
    INT64(struct store_run, number),     TEXT(struct store_run, params),     TEXT(struct store_run, trigger),
    TEXT(struct store_run, labels),      TEXT(struct store_run, manifest),   TEXT(struct store_run, commit),
    TEXT(struct store_run, parent),      FLAG(struct store_run, dirty),      FLAG(struct store_run, cancelling),
    INT64(struct store_run, created_ms), INT64(struct store_run, started_ms),
    INT64(struct store_run, finished_ms), UINT(struct store_run, step_count),
    TEXT(struct store_run, text), /* only in get_run */
};
#define RUN_QUERY(text, less) {text, run_columns, COUNT_OF(run_columns) - (less), sizeof(struct store_run)}

static const struct query one_run =
    RUN_QUERY(RUN_COLUMNS ", t.text FROM runs r JOIN texts t ON t.key = r.text WHERE r.key = ?1", 0);

/* Each list walks the index that has its order; ?1 pipeline, ?2 status, ?3 before, ?4 limit. */
static const struct query all_runs =
    RUN_QUERY(RUN_COLUMNS " FROM runs r WHERE true" NEWEST_FIRST, 1);
static const struct query runs_of_pipeline =
    RUN_QUERY(RUN_COLUMNS " FROM runs r INDEXED BY runs_by_pipeline WHERE " OF_PIPELINE NEWEST_FIRST, 1);
static const struct query runs_of_status =
    RUN_QUERY(RUN_COLUMNS " FROM runs r INDEXED BY runs_by_status WHERE r.status = ?2" NEWEST_FIRST, 1);
static const struct query runs_of_both =
    RUN_QUERY(RUN_COLUMNS " FROM runs r INDEXED BY runs_by_both"
              " WHERE " OF_PIPELINE " AND r.status = ?2" NEWEST_FIRST, 1);
static const struct query open_runs =
    RUN_QUERY(RUN_COLUMNS " FROM runs r INDEXED BY runs_open WHERE r.finished_ms IS NULL"
              " AND (?1 IS NULL OR " OF_PIPELINE ") AND (?2 IS NULL OR r.status = ?2)" NEWEST_FIRST, 1);
// clang-format on

bool sqlite_get_run(struct store_db *base, const char *id, struct arena *a, struct store_run *ret,
                    struct err *err)
{
    struct sqlite_db *db = sqlite_db_of(base);
    int64_t key;
    void *runs;
    size_t count;
    if (!sqlite_run_key(db, id, &key, err))
        return false;
    sqlite3_stmt *stmt = sqlite_statement(db, one_run.text, err);
    if (!stmt)
        return false;
    sqlite3_bind_int64(stmt, 1, key);
    if (!sqlite_read_rows(db, &one_run, stmt, a, &runs, &count, err))
        return false;
    if (!count)
        return err_set(err, ERR_NOT_FOUND, "there is no run %s in %s", id, db->path);
    *ret = *(struct store_run *)runs;
    return true;
}

bool sqlite_list_runs(struct store_db *base, const struct store_list *list, struct arena *a,
                      struct store_run **ret, size_t *ret_count, struct err *err)
{
    struct sqlite_db *db = sqlite_db_of(base);
    int64_t before = INT64_MAX;
    void *runs;
    if (list->before && !sqlite_run_key(db, list->before, &before, err))
        return false;
    const struct query *q = list->open_only                  ? &open_runs
                            : list->pipeline && list->status ? &runs_of_both
                            : list->pipeline                 ? &runs_of_pipeline
                            : list->status                   ? &runs_of_status
                                                             : &all_runs;
    sqlite3_stmt *stmt = sqlite_statement(db, q->text, err);
    if (!stmt)
        return false;
    sqlite3_bind_text(stmt, 1, list->pipeline, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, list->status, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 3, before);
    sqlite3_bind_int64(stmt, 4, list->limit ? list->limit : 50);
    if (!sqlite_read_rows(db, q, stmt, a, &runs, ret_count, err))
        return false;
    *ret = runs;
    return true;
}

/* ---- what belongs to a run: ?1 its key, ?2 a step's folder or NULL */

// clang-format off
#define QUERY(text, columns, type) {text, columns, COUNT_OF(columns), sizeof(type)}
#define OF_STEP(alias) " WHERE " alias ".run = ?1 AND (?2 IS NULL OR " alias ".step = ?2)"
#define STEP_OF(alias) " JOIN steps s ON s.run = " alias ".run AND s.folder = " alias ".step"

static const struct column step_columns[] = {
    UINT(struct store_step, index),   TEXT(struct store_step, name),   TEXT(struct store_step, folder),
    TEXT(struct store_step, kind),    TEXT(struct store_step, group),  TEXT(struct store_step, matrix),
    TEXT(struct store_step, status),  TEXT(struct store_step, reason), TEXT(struct store_step, detail),
    {COLUMN_NUMBERS, offsetof(struct store_step, needs), offsetof(struct store_step, need_count)},
    UINT(struct store_step, attempt), INT64(struct store_step, due_ms),
    INT64(struct store_step, started_ms), INT64(struct store_step, finished_ms),
};
static const struct query steps_query = QUERY(
    "SELECT idx, ifnull(name, folder), folder, kind, group_name, matrix, status, reason, detail, needs, attempt,"
    " due_ms, CASE WHEN attempt > 0 THEN (SELECT min(started_ms) FROM attempts a"
    "   WHERE a.run = s.run AND a.step = s.folder) END, finished_ms"
    " FROM steps s WHERE run = ?1 AND (?2 IS NULL OR folder = ?2) ORDER BY idx",
    step_columns, struct store_step);

static const struct column attempt_columns[] = {
    TEXT(struct store_attempt, step),       UINT(struct store_attempt, number),
    TEXT(struct store_attempt, status),     TEXT(struct store_attempt, reason),
    TEXT(struct store_attempt, message),    TEXT(struct store_attempt, executor),
    TEXT(struct store_attempt, host),       TEXT(struct store_attempt, boot_id),
    INT(struct store_attempt, exit_code),   INT(struct store_attempt, signal),
    INT64(struct store_attempt, created_ms), INT64(struct store_attempt, started_ms),
    INT64(struct store_attempt, ended_ms),  TEXT(struct store_attempt, usage),
};
static const struct query attempts_query = QUERY(
    "SELECT a.step, a.number, a.status, a.reason, a.message, a.executor, a.host, a.boot_id,"
    " ifnull(a.exit_code, -1), a.signal, a.created_ms, a.started_ms, a.ended_ms, a.usage"
    " FROM attempts a" STEP_OF("a") OF_STEP("a") " ORDER BY s.idx, a.number",
    attempt_columns, struct store_attempt);

static const struct column output_columns[] = {
    TEXT(struct store_step_output, step),         UINT(struct store_step_output, attempt),
    TEXT(struct store_step_output, output.name),  TEXT(struct store_step_output, output.value),
    TEXT(struct store_step_output, output.path),  TEXT(struct store_step_output, output.digest),
    INT64(struct store_step_output, output.size), TEXT(struct store_step_output, output.dataset),
    TEXT(struct store_step_output, output.model),
};
static const struct query outputs_query = QUERY(
    "SELECT o.step, o.attempt, o.name, o.value, o.path, o.digest, o.size, o.dataset, o.model"
    " FROM outputs o" STEP_OF("o") OF_STEP("o") " ORDER BY s.idx, o.attempt, o.name",
    output_columns, struct store_step_output);

static const struct column artifact_columns[] = {
    TEXT(struct store_step_artifact, step),           UINT(struct store_step_artifact, attempt),
    TEXT(struct store_step_artifact, artifact.name),  TEXT(struct store_step_artifact, artifact.path),
    TEXT(struct store_step_artifact, artifact.digest), INT64(struct store_step_artifact, artifact.size),
    FLAG(struct store_step_artifact, artifact.folder),
};
static const struct query artifacts_query = QUERY(
    "SELECT f.step, f.attempt, f.name, f.path, f.digest, f.size, f.folder"
    " FROM artifacts f" STEP_OF("f") OF_STEP("f") " ORDER BY s.idx, f.attempt, f.name",
    artifact_columns, struct store_step_artifact);

static const struct column metric_columns[] = {
    TEXT(struct store_step_metric, step),         UINT(struct store_step_metric, attempt),
    TEXT(struct store_step_metric, metric.name),  REAL(struct store_step_metric, metric.value),
    INT64(struct store_step_metric, metric.step),
};
/* The bare columns beside max() are those of the row that has the maximum. */
static const struct query metrics_query = QUERY(
    "SELECT m.step, max(m.attempt), m.name, m.last_value, ifnull(m.last_step, -9223372036854775807 - 1)"
    " FROM metric_series m" STEP_OF("m") OF_STEP("m") " GROUP BY s.idx, m.name ORDER BY s.idx, m.name",
    metric_columns, struct store_step_metric);
// clang-format on

static bool read_of_run(struct store_db *base, const struct query *q, const char *run,
                        const char *step, struct arena *a, void **ret, size_t *ret_count,
                        struct err *err)
{
    struct sqlite_db *db = sqlite_db_of(base);
    int64_t key;
    if (!sqlite_run_key(db, run, &key, err))
        return false;
    sqlite3_stmt *stmt = sqlite_statement(db, q->text, err);
    if (!stmt)
        return false;
    sqlite3_bind_int64(stmt, 1, key);
    sqlite3_bind_text(stmt, 2, step, -1, SQLITE_STATIC);
    return sqlite_read_rows(db, q, stmt, a, ret, ret_count, err);
}

bool sqlite_get_steps(struct store_db *db, const char *run, struct arena *a,
                      struct store_step **ret, size_t *ret_count, struct err *err)
{
    void *items;
    if (!read_of_run(db, &steps_query, run, NULL, a, &items, ret_count, err))
        return false;
    *ret = items;
    return true;
}

bool sqlite_get_attempts(struct store_db *db, const char *run, const char *step, struct arena *a,
                         struct store_attempt **ret, size_t *ret_count, struct err *err)
{
    void *items;
    if (!read_of_run(db, &attempts_query, run, step, a, &items, ret_count, err))
        return false;
    *ret = items;
    return true;
}

bool sqlite_get_outputs(struct store_db *db, const char *run, const char *step, struct arena *a,
                        struct store_step_output **ret, size_t *ret_count, struct err *err)
{
    void *items;
    if (!read_of_run(db, &outputs_query, run, step, a, &items, ret_count, err))
        return false;
    *ret = items;
    return true;
}

bool sqlite_get_artifacts(struct store_db *db, const char *run, const char *step, struct arena *a,
                          struct store_step_artifact **ret, size_t *ret_count, struct err *err)
{
    void *items;
    if (!read_of_run(db, &artifacts_query, run, step, a, &items, ret_count, err))
        return false;
    *ret = items;
    return true;
}

bool sqlite_get_metrics(struct store_db *db, const char *run, const char *step, struct arena *a,
                        struct store_step_metric **ret, size_t *ret_count, struct err *err)
{
    void *items;
    if (!read_of_run(db, &metrics_query, run, step, a, &items, ret_count, err))
        return false;
    *ret = items;
    return true;
}
