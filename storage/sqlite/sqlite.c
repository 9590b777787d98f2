/*
 * sqlite.c - the SQLite back end's row, and what concerns a database as a whole: opening it, its
 * journal from end to end, facts.
 */
#include "storage/sqlite/db.h"

#include "base/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct store_db *sqlite_open(const struct store_target *target, struct err *err)
{
    struct sqlite_db *db = sqlite_open_file(target, err);
    bool looks_only = target->read_only || target->reader;
    if (db && !sqlite_migrate(db, looks_only, err)) {
        sqlite_close_file(db);
        db = NULL;
    }
    return db ? &db->base : NULL;
}

static void sqlite_close(struct store_db *db)
{
    sqlite_close_file(sqlite_db_of(db));
}

/* ---- the journal from end to end */

static struct store_row read_row(sqlite3_stmt *stmt)
{
    struct store_row row = {
        .seq = sqlite3_column_int64(stmt, 0),
        .at_ms = sqlite3_column_int64(stmt, 1),
        .kind = sqlite_text(stmt, 2),
        .has_run = sqlite3_column_type(stmt, 3) != SQLITE_NULL,
        .run = sqlite3_column_int64(stmt, 3),
        .step = sqlite_text(stmt, 4),
        .attempt = sqlite3_column_int64(stmt, 5),
        .actor = sqlite_text(stmt, 6),
        .body = sqlite_text(stmt, 7),
    };
    const void *hash = sqlite3_column_blob(stmt, 8);
    if (hash && sqlite3_column_bytes(stmt, 8) == STORE_HASH_BYTES)
        memcpy(row.hash, hash, STORE_HASH_BYTES);
    return row;
}

bool sqlite_each_row(struct store_db *base,
                     bool (*visit)(void *arg, const struct store_row *row, struct err *err),
                     void *arg, struct err *err)
{
    static const char text[] =
        "SELECT seq, at, kind, run, step, attempt, actor, body, hash FROM journal ORDER BY seq";
    struct sqlite_db *db = sqlite_db_of(base);
    sqlite3_stmt *stmt = sqlite_statement(db, text, err);
    int rc = -1;
    while (stmt && (rc = sqlite_step(db, stmt, err)) == SQLITE_ROW) {
        struct store_row row = read_row(stmt);
        if (!visit(arg, &row, err)) {
            sqlite3_reset(stmt);
            return false;
        }
    }
    return rc == SQLITE_DONE;
}

/* A run's row names a text that is not there. */
static bool check_texts_there(struct sqlite_db *db, struct err *err)
{
    static const char text[] =
        "SELECT seq FROM journal WHERE kind = 'run'"
        " AND NOT EXISTS (SELECT 1 FROM texts WHERE digest = body ->> 'text') LIMIT 1";
    int64_t seq;
    if (!sqlite_get_int(db, text, 0, &seq, err))
        return false;
    return !seq || err_set(err, ERR_CORRUPT,
                           "the source of the pipeline that journal row %" PRId64
                           " ran is missing, it was changed or removed",
                           seq);
}

bool sqlite_each_text(struct store_db *base,
                      bool (*visit)(void *arg, const char *digest, struct store_text text,
                                    struct err *err),
                      void *arg, struct err *err)
{
    static const char text[] = "SELECT digest, text FROM texts";
    struct sqlite_db *db = sqlite_db_of(base);
    sqlite3_stmt *stmt = sqlite_statement(db, text, err);
    int rc = -1;
    while (stmt && (rc = sqlite_step(db, stmt, err)) == SQLITE_ROW) {
        if (!visit(arg, sqlite_text(stmt, 0).data, sqlite_text(stmt, 1), err)) {
            sqlite3_reset(stmt);
            return false;
        }
    }
    return rc == SQLITE_DONE && check_texts_there(db, err);
}

bool sqlite_get_facts(struct store_db *base, struct arena *a, struct store_facts *ret,
                      struct err *err)
{
    struct sqlite_db *db = sqlite_db_of(base);
    int64_t schema, runs, rows;
    if (!sqlite_schema_version(db, &schema, err) ||
        !sqlite_get_int(db, "SELECT count(*) FROM runs", 0, &runs, err) ||
        !sqlite_get_int(db, "SELECT seq FROM journal ORDER BY seq DESC LIMIT 1", 0, &rows, err))
        return false;
    char *location = file_absolute(db->path);
    *ret = (struct store_facts){
        .backend = store_sqlite.name,
        .library = arena_printf(a, "SQLite %s", sqlite3_libversion()),
        .location = arena_strdup(a, location),
        .schema = schema,
        .schema_newest = sqlite_newest_version(db),
        .runs = runs,
        .journal_rows = rows,
    };
    free(location);
    return true;
}

// clang-format off
const struct store_backend store_sqlite = {
    .version       = STORE_BACKEND_VERSION,
    .name          = "sqlite",
    .scheme        = "sqlite:",
    .open          = sqlite_open,
    .close         = sqlite_close,
    .commit        = sqlite_commit_batches,
    .rest          = sqlite_rest,
    .rebuild       = sqlite_rebuild,
    .newest        = sqlite_newest,
    .by_number     = sqlite_by_number,
    .by_prefix     = sqlite_by_prefix,
    .get_run       = sqlite_get_run,
    .list_runs     = sqlite_list_runs,
    .get_steps     = sqlite_get_steps,
    .get_attempts  = sqlite_get_attempts,
    .get_outputs   = sqlite_get_outputs,
    .get_artifacts = sqlite_get_artifacts,
    .get_metrics   = sqlite_get_metrics,
    .each_row      = sqlite_each_row,
    .each_text     = sqlite_each_text,
    .get_facts     = sqlite_get_facts,
};
// clang-format on
