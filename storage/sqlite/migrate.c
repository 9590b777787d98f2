/*
 * migrate.c - from the version a database has to the one this program knows: one transaction for
 * each migration together with its row in `migrations`, so that a kill at any moment leaves the old
 * version or the new one. Whoever comes second waits for the lock and finds the work done.
 */
#include "storage/sqlite/db.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char table_sql[] =
    "CREATE TABLE IF NOT EXISTS migrations ("
    "version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, "
    "program TEXT NOT NULL, at INTEGER NOT NULL) STRICT";

static const struct migration *known(const struct sqlite_db *db, size_t *ret_count)
{
    *ret_count = db->tuning.migrations ? db->tuning.migration_count : sqlite_migration_count;
    return db->tuning.migrations ? db->tuning.migrations : sqlite_migrations;
}

int64_t sqlite_newest_version(const struct sqlite_db *db)
{
    size_t count;
    const struct migration *all = known(db, &count);
    return all[count - 1].version;
}

static bool has_table(struct sqlite_db *db, bool *ret, struct err *err)
{
    int64_t count;
    if (!sqlite_get_int(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'migrations'", 0,
                        &count, err))
        return false;
    *ret = count > 0;
    return true;
}

bool sqlite_schema_version(struct sqlite_db *db, int64_t *ret, struct err *err)
{
    bool there;
    if (!has_table(db, &there, err))
        return false;
    *ret = 0;
    return !there || sqlite_get_int(db, "SELECT max(version) FROM migrations", 0, ret, err);
}

static void sum(const struct migration *m, char ret[DIGEST_TEXT])
{
    struct digest digest;
    digest_init(&digest);
    for (const char *const *sql = m->sql; *sql; sql++)
        digest_add(&digest, *sql, strlen(*sql) + 1);
    digest_end(&digest, ret);
}

static bool newer(struct sqlite_db *db, int64_t version, struct err *err)
{
    sqlite3_stmt *stmt =
        sqlite_statement(db, "SELECT program FROM migrations ORDER BY version DESC LIMIT 1", err);
    if (!stmt || sqlite_step(db, stmt, err) != SQLITE_ROW)
        return false;
    const char *program = (const char *)sqlite3_column_text(stmt, 0);
    err_set(err, ERR_NEWER,
            "%s has schema %" PRId64 ", written by orchd %s; this program (%s) knows up to %" PRId64
            ": install orchd %s or newer, or use another data folder",
            db->path, version, program, ORCH_VERSION, sqlite_newest_version(db), program);
    sqlite3_reset(stmt);
    return false;
}

/* The row of migration `m` says what this program would have done. */
static bool check_row(struct sqlite_db *db, const struct migration *m, const char *text,
                      struct err *err)
{
    char checksum[DIGEST_TEXT];
    sum(m, checksum);
    if (text && strcmp(text, checksum) == 0)
        return true;
    return err_set(err, ERR_CORRUPT,
                   "%s: its migration %d (%s) is not the one of this program: it was made by a "
                   "build that is no release, or changed by hand; put back a copy from a backup, "
                   "or use the program that made it",
                   db->path, m->version, m->name);
}

static bool check_applied(struct sqlite_db *db, int64_t version, struct err *err)
{
    size_t count;
    const struct migration *all = known(db, &count);
    for (size_t i = 0; i < count && all[i].version <= version; i++) {
        sqlite3_stmt *stmt =
            sqlite_statement(db, "SELECT checksum FROM migrations WHERE version = ?1", err);
        if (!stmt)
            return false;
        sqlite3_bind_int(stmt, 1, all[i].version);
        int rc = sqlite_step(db, stmt, err);
        if (rc == -1)
            return false;
        bool ok = check_row(
            db, &all[i], rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL, err);
        sqlite3_reset(stmt);
        if (!ok)
            return false;
    }
    return true;
}

static bool write_row(struct sqlite_db *db, const struct migration *m, struct err *err)
{
    char checksum[DIGEST_TEXT];
    sum(m, checksum);
    sqlite3_stmt *stmt =
        sqlite_statement(db, "INSERT INTO migrations VALUES (?1, ?2, ?3, ?4, ?5)", err);
    if (!stmt)
        return false;
    sqlite3_bind_int(stmt, 1, m->version);
    sqlite3_bind_text(stmt, 2, m->name, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 3, checksum, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(stmt, 4, ORCH_VERSION, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 5, clock_wall_ms(clock_system()));
    return sqlite_step(db, stmt, err) == SQLITE_DONE;
}

static bool apply(struct sqlite_db *db, const struct migration *m, struct err *err)
{
    char mark[64];
    snprintf(mark, sizeof mark, "PRAGMA application_id = %d", SQLITE_APPLICATION_ID);
    bool ok = sqlite_run(db, mark, err) && sqlite_run(db, table_sql, err);
    for (const char *const *sql = m->sql; ok && *sql; sql++)
        ok = sqlite_run(db, *sql, err);
    return ok && write_row(db, m, err) && sqlite_commit(db, err);
}

/* One transaction: looks again under the lock, applies what is next. `ret_done`: nothing is left.
 */
static bool apply_next(struct sqlite_db *db, bool *ret_done, struct err *err)
{
    size_t count;
    int64_t version;
    const struct migration *all = known(db, &count), *next = NULL;
    if (!sqlite_begin(db, err))
        return false;
    bool ok = sqlite_schema_version(db, &version, err);
    for (size_t i = 0; ok && i < count && !next; i++)
        next = all[i].version > version ? &all[i] : NULL;
    *ret_done = ok && !next;
    ok = ok && next && apply(db, next, err);
    if (!ok)
        sqlite_rollback(db);
    if (!ok && next)
        err_wrap(err, "migration %d (%s) was not applied", next->version, next->name);
    return ok || *ret_done;
}

/* The first migration makes tables and row at once, so tables without a row have lost it. The
 * tables are asked for first: another process may make both in between. */
static bool begun_version(struct sqlite_db *db, int64_t *ret, struct err *err)
{
    int64_t tables;
    if (!sqlite_get_int(db, "SELECT count(*) FROM sqlite_schema", 0, &tables, err) ||
        !sqlite_schema_version(db, ret, err))
        return false;
    return tables == 0 || *ret > 0 ||
           err_set(err, ERR_CORRUPT,
                   "%s: its tables are there, but its list of migrations is empty: it was changed "
                   "by hand; put back a copy from a backup",
                   db->path);
}

bool sqlite_migrate(struct sqlite_db *db, bool check_only, struct err *err)
{
    int64_t version, newest = sqlite_newest_version(db);
    if (!begun_version(db, &version, err))
        return false;
    if (version > newest)
        return newer(db, version, err);
    if (!check_applied(db, version, err))
        return false;
    if (version == newest)
        return true;
    if (check_only)
        return err_set(err, ERR_UNSUPPORTED,
                       "%s has schema %" PRId64 ", this program (%s) reads schema %" PRId64
                       ": any command that records, such as `orchctl run`, brings it up to date",
                       db->path, version, ORCH_VERSION, newest);
    for (bool done = false; !done;) {
        if (!apply_next(db, &done, err))
            return false;
    }
    /* Another program may have gone further meanwhile. */
    return sqlite_schema_version(db, &version, err) &&
           (version <= newest || newer(db, version, err));
}
