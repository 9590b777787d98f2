/*
 * kinds.c - what each kind of event does to the tables, and the transaction that does it.
 *
 * A kind is a row: its statements read the event and nothing else: ?1 seq, ?2 at, ?3 run, ?4 step,
 * ?5 attempt, ?6 actor, ?7 body (JSON). So the tables can be made again from the journal alone
 * (sqlite_rebuild). To add a kind: a row here, a name in batch.c, a store_add_x().
 */
#include "storage/sqlite/db.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Not IN (…): see schema.c. */
#define ENDED_RUN "instr('|succeeded|failed|cancelled|', '|' || (?7 ->> 'state') || '|')"
#define ENDED_STEP                                                                                 \
    "instr('|succeeded|failed|cancelled|skipped|reused|', '|' || (?7 ->> 'state') || '|')"
#define KIND_STATEMENTS 3

struct statement {
    const char *text; /* NULL ends the list */
    bool must_hit;    /* no row changed: the event names what is not there */
};

// clang-format off
static const struct statement kinds[STORE_KIND_COUNT][KIND_STATEMENTS + 1] = {
    [STORE_RUN] = {
        {"INSERT INTO pipelines (name, last_number) VALUES (?7 ->> 'pipeline', 1)"
         " ON CONFLICT (name) DO UPDATE SET last_number = last_number + 1", true},
        {"INSERT INTO runs (key, id, pipeline, number, status, created_ms, step_count, dirty,"
         " commit_id, parent, file, root, text, params, trigger, labels, manifest)"
         " SELECT ?1, ?7 ->> 'id', key, last_number, 'queued', ?2, json_array_length(?7, '$.steps'),"
         " ifnull(?7 ->> 'dirty', 0), ?7 ->> 'commit', ?7 ->> 'parent', ?7 ->> 'file', ?7 ->> 'root',"
         " (SELECT key FROM texts WHERE digest = ?7 ->> 'text'),"
         " ?7 -> 'params', ?7 -> 'trigger', ?7 -> 'labels', ?7 -> 'manifest'"
         " FROM pipelines WHERE name = ?7 ->> 'pipeline'", true},
        {"INSERT INTO steps (run, folder, idx, status, kind, name, group_name, matrix, needs)"
         " SELECT ?1, value ->> 'folder', key, 'pending', value ->> 'kind', value ->> 'name',"
         " value ->> 'group', value -> 'matrix', value -> 'needs' FROM json_each(?7, '$.steps')", false},
    },
    [STORE_RUN_STATE] = {
        {"UPDATE runs SET status = ?7 ->> 'state', reason = ?7 ->> 'reason',"
         " started_ms = CASE ?7 ->> 'state' WHEN 'running' THEN ifnull(started_ms, ?2) ELSE started_ms END,"
         " finished_ms = CASE WHEN " ENDED_RUN " THEN ifnull(?7 ->> 'ended', ?2) END"
         " WHERE key = ?3", true},
    },
    [STORE_STEP_STATE] = {
        {"UPDATE steps SET status = ?7 ->> 'state', reason = ?7 ->> 'reason', detail = ?7 ->> 'detail',"
         " due_ms = ?7 ->> 'due', attempt = max(attempt, ?5),"
         " finished_ms = CASE WHEN " ENDED_STEP " THEN ifnull(?7 ->> 'ended', ?2) END"
         " WHERE run = ?3 AND folder = ?4", true},
        {"UPDATE attempts SET status = 'running', started_ms = ifnull(started_ms, ?2)"
         " WHERE ?7 ->> 'state' = 'running' AND run = ?3 AND step = ?4 AND number = ?5"
         " AND ended_ms IS NULL", false},
    },
    [STORE_ATTEMPT] = {
        {"INSERT INTO attempts (run, step, number, status, executor, host, boot_id, created_ms)"
         " VALUES (?3, ?4, ?5, 'starting', ?7 ->> 'executor', ?7 ->> 'host', ?7 ->> 'boot', ?2)"
         /* The same attempt is started again where it never began. */
         " ON CONFLICT DO UPDATE SET status = 'starting', executor = excluded.executor,"
         " host = excluded.host, boot_id = excluded.boot_id, started_ms = NULL", true},
    },
    [STORE_ATTEMPT_END] = {
        {"UPDATE attempts SET status = ?7 ->> 'status', reason = ?7 ->> 'reason',"
         " message = ?7 ->> 'message', exit_code = ?7 ->> 'exit', signal = ?7 ->> 'signal',"
         " started_ms = ifnull(?7 ->> 'started', started_ms), ended_ms = ?7 ->> 'ended',"
         /* Events of schema 1 have two numbers; there, what was measured has a peak. */
         " usage = CASE WHEN ?7 ->> 'peak' > 0"
         " THEN json_object('cpu_us', ?7 ->> 'cpu', 'peak_bytes', ?7 ->> 'peak') ELSE ?7 -> 'usage' END"
         " WHERE run = ?3 AND step = ?4 AND number = ?5", true},
    },
    [STORE_OUTPUTS] = {
        {"INSERT OR REPLACE INTO outputs (run, step, attempt, name, value, path, digest, size, dataset, model)"
         " SELECT ?3, ?4, ?5, value ->> 'name', value -> 'value', value ->> 'path', value ->> 'digest',"
         " value ->> 'size', value ->> 'dataset', value ->> 'model' FROM json_each(?7, '$.items')", false},
    },
    [STORE_ARTIFACTS] = {
        {"INSERT OR REPLACE INTO artifacts (run, step, attempt, name, path, digest, size, folder)"
         " SELECT ?3, ?4, ?5, value ->> 'name', value ->> 'path', value ->> 'digest', value ->> 'size',"
         " ifnull(value ->> 'folder', 0) FROM json_each(?7, '$.items')", false},
    },
    [STORE_METRICS] = {{NULL, false}}, /* the points are content; the journal has their digest */
    [STORE_VERDICT] = {
        {"UPDATE runs SET cancelling = 1 WHERE key = ?3 AND ?7 ->> 'verb' = 'cancel'", false},
    },
};
/* Children first. */
static const char empty_tables[] =
    "DELETE FROM artifacts; DELETE FROM outputs; DELETE FROM attempts; DELETE FROM steps;"
    "DELETE FROM runs; DELETE FROM pipelines";
// clang-format on

/* One more statement of this commit; a test lets the n-th fail. */
static bool may_go_on(struct sqlite_db *db, struct err *err)
{
    db->ran++;
    return db->ran != db->tuning.fail_at ||
           err_set(err, ERR_IO, "%s: statement %d fails on purpose", db->path, db->ran);
}

static bool step_done(struct sqlite_db *db, sqlite3_stmt *stmt, struct err *err)
{
    if (may_go_on(db, err))
        return sqlite_step(db, stmt, err) == SQLITE_DONE;
    sqlite3_reset(stmt);
    return false;
}

static void bind_text(sqlite3_stmt *stmt, int at, struct store_text text)
{
    sqlite3_bind_text64(stmt, at, text.data, text.len, SQLITE_STATIC, SQLITE_UTF8);
}

static struct store_text text_of(const char *text)
{
    return (struct store_text){text, text ? strlen(text) : 0};
}

/* ---- the tables */

static bool apply(struct sqlite_db *db, enum store_kind kind, const struct store_row *row,
                  struct err *err)
{
    for (const struct statement *s = kinds[kind]; s->text; s++) {
        sqlite3_stmt *stmt = sqlite_statement(db, s->text, err);
        if (!stmt)
            return false;
        sqlite3_bind_int64(stmt, 1, row->seq);
        sqlite3_bind_int64(stmt, 2, row->at_ms);
        sqlite3_bind_int64(stmt, 3, row->run);
        bind_text(stmt, 4, row->step);
        sqlite3_bind_int64(stmt, 5, row->attempt);
        bind_text(stmt, 6, row->actor);
        bind_text(stmt, 7, row->body);
        if (!step_done(db, stmt, err))
            return false;
        if (s->must_hit && sqlite3_changes(db->sql) == 0)
            return err_set(err, ERR_INTERNAL, "there is no such step or attempt in the run");
    }
    return true;
}

/* ---- content */

static bool keep_text(struct sqlite_db *db, const struct store_event *e, struct err *err)
{
    static const char text[] =
        "INSERT INTO texts (digest, text) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    sqlite3_stmt *stmt = sqlite_statement(db, text, err);
    if (!stmt)
        return false;
    bind_text(stmt, 1, text_of(e->text_digest));
    bind_text(stmt, 2, text_of(e->text));
    return step_done(db, stmt, err);
}

static void bind_value(sqlite3_stmt *stmt, int at, double value)
{
    if (isnan(value))
        sqlite3_bind_null(stmt, at);
    else
        sqlite3_bind_double(stmt, at, value);
}

static void bind_step(sqlite3_stmt *stmt, int at, int64_t step)
{
    if (step == INT64_MIN)
        sqlite3_bind_null(stmt, at);
    else
        sqlite3_bind_int64(stmt, at, step);
}

/* Finds or makes the series of a point and sets its last value. */
static bool touch_series(struct sqlite_db *db, const struct store_row *row,
                         const struct store_metric *point, int64_t *ret_key, struct err *err)
{
    static const char text[] =
        "INSERT INTO metric_series (run, step, attempt, name, last_value, last_step)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE"
        " SET last_value = excluded.last_value, last_step = excluded.last_step RETURNING key";
    sqlite3_stmt *stmt = sqlite_statement(db, text, err);
    if (!stmt)
        return false;
    sqlite3_bind_int64(stmt, 1, row->run);
    bind_text(stmt, 2, row->step);
    sqlite3_bind_int64(stmt, 3, row->attempt);
    bind_text(stmt, 4, text_of(point->name));
    bind_value(stmt, 5, point->value);
    bind_step(stmt, 6, point->step);
    if (sqlite_step(db, stmt, err) != SQLITE_ROW)
        return false;
    *ret_key = sqlite3_column_int64(stmt, 0);
    return step_done(db, stmt, err);
}

static bool keep_point(struct sqlite_db *db, int64_t series, int64_t seq, size_t n,
                       const struct store_metric *point, struct err *err)
{
    static const char text[] = "INSERT INTO metric_points VALUES (?1, ?2, ?3, ?4, ?5)";
    sqlite3_stmt *stmt = sqlite_statement(db, text, err);
    if (!stmt)
        return false;
    sqlite3_bind_int64(stmt, 1, series);
    sqlite3_bind_int64(stmt, 2, seq);
    sqlite3_bind_int64(stmt, 3, (int64_t)n);
    bind_value(stmt, 4, point->value);
    bind_step(stmt, 5, point->step);
    return step_done(db, stmt, err);
}

static bool keep_points(struct sqlite_db *db, const struct store_event *e,
                        const struct store_row *row, struct err *err)
{
    int64_t series = 0;
    for (size_t i = 0; i < e->point_count; i++) {
        if (!touch_series(db, row, &e->points[i], &series, err) ||
            !keep_point(db, series, row->seq, i, &e->points[i], err))
            return false;
    }
    return true;
}

/* ---- the journal */

static bool insert_row(struct sqlite_db *db, const struct store_row *row, struct err *err)
{
    static const char text[] = "INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    sqlite3_stmt *stmt = sqlite_statement(db, text, err);
    if (!stmt)
        return false;
    sqlite3_bind_int64(stmt, 1, row->seq);
    sqlite3_bind_int64(stmt, 2, row->at_ms);
    bind_text(stmt, 3, row->kind);
    sqlite3_bind_int64(stmt, 4, row->run);
    bind_text(stmt, 5, row->step);
    sqlite3_bind_int64(stmt, 6, row->attempt);
    bind_text(stmt, 7, row->actor);
    bind_text(stmt, 8, row->body);
    sqlite3_bind_blob(stmt, 9, row->hash, STORE_HASH_BYTES, SQLITE_STATIC);
    return step_done(db, stmt, err);
}

/* The newest row's number and hash: zeroes before the first. Inside the transaction, since other
 * processes write too. */
static bool read_head(struct sqlite_db *db, struct store_row *ret, struct err *err)
{
    static const char text[] = "SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1";
    sqlite3_stmt *stmt = sqlite_statement(db, text, err);
    int rc = stmt ? sqlite_step(db, stmt, err) : -1;
    if (rc == -1)
        return false;
    *ret = (struct store_row){0};
    if (rc == SQLITE_ROW) {
        ret->seq = sqlite3_column_int64(stmt, 0);
        const void *hash = sqlite3_column_blob(stmt, 1);
        if (hash && sqlite3_column_bytes(stmt, 1) == STORE_HASH_BYTES)
            memcpy(ret->hash, hash, STORE_HASH_BYTES);
        sqlite3_reset(stmt);
    }
    return true;
}

/* `head` is the row before, and becomes this one. */
static bool write_event(struct sqlite_db *db, const struct store_event *e, struct store_row *head,
                        struct err *err)
{
    struct store_row row = {
        .seq = head->seq + 1,
        .at_ms = e->at_ms,
        .kind = text_of(store_kind_name(e->kind)),
        .step = text_of(e->step),
        .actor = text_of(e->actor),
        .body = {e->body, e->body_len},
        .has_run = true,
        .run = head->seq + 1,
        .attempt = e->attempt,
    };
    if (e->kind == STORE_RUN)
        sqlite_keep_run_key(db, e->run, row.seq);
    else if (!sqlite_run_key(db, e->run, &row.run, err))
        return false;
    store_row_hash(&row, head->hash, &db->scratch, row.hash);
    *head = row;
    return insert_row(db, &row, err) && (!e->text || keep_text(db, e, err)) &&
           apply(db, e->kind, &row, err) && keep_points(db, e, &row, err);
}

static bool write_batch(struct sqlite_db *db, const struct store_batch *b, struct store_row *head,
                        struct err *err)
{
    if (b->failed) {
        if (err)
            *err = *b->failed;
        return false;
    }
    for (size_t i = 0; i < b->count; i++) {
        const struct store_event *e = &b->events[i];
        if (!write_event(db, e, head, err))
            return err_wrap(err, "event %s of run %s%s%s", store_kind_name(e->kind), e->run,
                            e->step ? ", step " : "", e->step ? e->step : "");
    }
    return true;
}

bool sqlite_commit_batches(struct store_db *base, struct store_batch *const *batches, size_t count,
                           struct err *err)
{
    struct sqlite_db *db = sqlite_db_of(base);
    struct store_row head;
    db->ran = 0;
    if (!sqlite_begin(db, err))
        return false;
    bool ok = read_head(db, &head, err);
    for (size_t i = 0; ok && i < count; i++)
        ok = write_batch(db, batches[i], &head, err);
    ok = ok && may_go_on(db, err) && sqlite_commit(db, err);
    if (!ok) {
        sqlite_rollback(db);
        sqlite_forget_run_keys(db);
    }
    return ok;
}

/* Moves the log into the database once it has grown; after the answers, so that nobody waits for
 * it. What it cannot do now (readers, a full disk) is done later: commits lie safely in the log. */
void sqlite_rest(struct store_db *base)
{
    struct sqlite_db *db = sqlite_db_of(base);
    if (db->wal_pages < 1000)
        return;
    db->wal_pages = 0;
    sqlite3_wal_checkpoint_v2(db->sql, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

/* ---- making the tables again */

static bool replay_row(void *arg, const struct store_row *row, struct err *err)
{
    enum store_kind kind;
    if (!store_kind_from_name(row->kind.data, row->kind.len, &kind))
        return err_set(err, ERR_CORRUPT, "journal row %" PRId64 ": unknown kind '%s'", row->seq,
                       row->kind.data);
    return apply(arg, kind, row, err) || err_wrap(err, "journal row %" PRId64, row->seq);
}

bool sqlite_rebuild(struct store_db *base, struct err *err)
{
    struct sqlite_db *db = sqlite_db_of(base);
    if (!sqlite_begin(db, err))
        return false;
    bool ok = sqlite_run(db, empty_tables, err) && sqlite_each_row(base, replay_row, db, err) &&
              sqlite_commit(db, err);
    sqlite_forget_run_keys(db);
    if (!ok)
        sqlite_rollback(db);
    return ok;
}
