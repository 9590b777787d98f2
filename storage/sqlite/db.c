/*
 * db.c - a SQLite connection. Everything that knows SQLite's codes, pragmas and the ways a file can
 * be unusable is here.
 *
 * The way in: open the file ─▶ whose is it (application_id) ─▶ WAL, synchronous=FULL ─▶ migrate.c
 */
#include "storage/sqlite/db.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- what went wrong */

// clang-format off
static const struct {
    int rc; /* primary code */
    enum err_code code;
    const char *hint;
} meanings[] = {
    {SQLITE_FULL,     ERR_NO_SPACE, "the disk is full; what was to be recorded is not, and nothing of it is half-recorded"},
    {SQLITE_BUSY,     ERR_BUSY,     "another process holds the database"},
    {SQLITE_LOCKED,   ERR_BUSY,     "another connection holds the database"},
    {SQLITE_CORRUPT,  ERR_CORRUPT,  "the database is damaged: keep the file, and put back a copy from a backup"},
    {SQLITE_NOTADB,   ERR_CORRUPT,  "this is no SQLite database, or its first page is damaged"},
    {SQLITE_READONLY, ERR_DENIED,   "the database or its folder cannot be written"},
    {SQLITE_PERM,     ERR_DENIED,   "no permission"},
    {SQLITE_AUTH,     ERR_DENIED,   "no permission"},
    {SQLITE_CANTOPEN, ERR_IO,       "the database file cannot be opened"},
    {SQLITE_IOERR,    ERR_IO,       "the disk reports an error"},
    {SQLITE_TOOBIG,   ERR_LIMIT,    "a value is too large for the database"},
    {SQLITE_NOMEM,    ERR_IO,       "out of memory"},
};
// clang-format on

/* What the system said, where SQLite's code leaves it open. */
static enum err_code refine(int rc, int sys, enum err_code code)
{
    if (sys == ENOSPC || sys == EDQUOT || rc == SQLITE_IOERR_SHMSIZE)
        return ERR_NO_SPACE;
    if (sys == EACCES || sys == EPERM || sys == EROFS)
        return ERR_DENIED;
    if ((rc & 0xff) == SQLITE_CANTOPEN && sys == ENOENT)
        return ERR_NOT_FOUND;
    return code;
}

static bool may_have_errno(int rc)
{
    return (rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_IOERR;
}

bool sqlite_fail(struct sqlite_db *db, int rc, struct err *err)
{
    int sys = db->sql && may_have_errno(rc) ? sqlite3_system_errno(db->sql) : 0;
    enum err_code code = ERR_INTERNAL;
    const char *hint = "the database refused it";
    for (size_t i = 0; i < COUNT_OF(meanings); i++) {
        if (meanings[i].rc == (rc & 0xff)) {
            code = refine(rc, sys, meanings[i].code);
            hint = meanings[i].hint;
        }
    }
    if (code == ERR_NO_SPACE)
        hint = meanings[0].hint;
    const char *said = db->sql ? sqlite3_errmsg(db->sql) : sqlite3_errstr(rc);
    err_set(err, code, "%s: %s (%s%s%s)", db->path, hint, said, sys ? "; " : "",
            sys ? strerror(sys) : "");
    if (err)
        err->sys = sys;
    return false;
}

/* ---- statements */

sqlite3_stmt *sqlite_statement(struct sqlite_db *db, const char *text, struct err *err)
{
    size_t slot = ((uintptr_t)text >> 4) * 0x9e3779b9U % STATEMENT_SLOTS;
    while (db->statements[slot].text && db->statements[slot].text != text)
        slot = (slot + 1) % STATEMENT_SLOTS;
    if (db->statements[slot].text) {
        sqlite3_reset(db->statements[slot].stmt);
        return db->statements[slot].stmt;
    }
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v3(db->sql, text, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
    if (rc != SQLITE_OK) {
        sqlite_fail(db, rc, err);
        return NULL;
    }
    db->statements[slot].text = text;
    db->statements[slot].stmt = stmt;
    return stmt;
}

int sqlite_step(struct sqlite_db *db, sqlite3_stmt *stmt, struct err *err)
{
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        return rc;
    if (rc != SQLITE_DONE)
        sqlite_fail(db, rc, err);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? rc : -1;
}

bool sqlite_run(struct sqlite_db *db, const char *text, struct err *err)
{
    int rc = sqlite3_exec(db->sql, text, NULL, NULL, NULL);
    return rc == SQLITE_OK || sqlite_fail(db, rc, err);
}

static bool run_cached(struct sqlite_db *db, const char *text, struct err *err)
{
    sqlite3_stmt *stmt = sqlite_statement(db, text, err);
    return stmt && sqlite_step(db, stmt, err) == SQLITE_DONE;
}

bool sqlite_begin(struct sqlite_db *db, struct err *err)
{
    static const char text[] = "BEGIN IMMEDIATE";
    return run_cached(db, text, err);
}

bool sqlite_commit(struct sqlite_db *db, struct err *err)
{
    static const char text[] = "COMMIT";
    return run_cached(db, text, err);
}

void sqlite_rollback(struct sqlite_db *db)
{
    if (!sqlite3_get_autocommit(db->sql)) /* some failures have rolled back already */
        sqlite3_exec(db->sql, "ROLLBACK", NULL, NULL, NULL);
}

bool sqlite_get_int(struct sqlite_db *db, const char *text, int64_t fallback, int64_t *ret,
                    struct err *err)
{
    sqlite3_stmt *stmt = sqlite_statement(db, text, err);
    int rc = stmt ? sqlite_step(db, stmt, err) : -1;
    if (rc == -1)
        return false;
    *ret = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : fallback;
    sqlite3_reset(stmt);
    return true;
}

struct store_text sqlite_text(sqlite3_stmt *stmt, int column)
{
    const char *data = (const char *)sqlite3_column_text(stmt, column);
    return (struct store_text){data, (size_t)sqlite3_column_bytes(stmt, column)};
}

/* ---- opening */

/* Waits for another process, in short naps: SQLite's own handler sleeps up to 0.1 s at a time,
 * which is hundreds of commits. */
static int on_busy(void *arg, int count)
{
    struct sqlite_db *db = arg;
    int64_t now_ms = clock_boot_ms(clock_system());
    if (count == 0)
        db->busy_since_ms = now_ms;
    int limit_ms = db->tuning.busy_ms ? db->tuning.busy_ms : STORE_BUSY_MS;
    if (now_ms - db->busy_since_ms >= limit_ms)
        return 0;
    long us = count < 10 ? 200 : count < 100 ? 1000 : 4000;
    us += us * (getpid() % 8) / 8; /* processes do not nap in step */
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
    return 1;
}

/* Before SQLite's first use: its memory statistics cost a lock for each allocation. Fails
 * harmlessly where somebody else in the process has used it before. */
static void configure_library(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int on_wal(void *arg, sqlite3 *sql, const char *name, int pages)
{
    (void)sql, (void)name;
    ((struct sqlite_db *)arg)->wal_pages = pages;
    return SQLITE_OK;
}

static bool open_handle(struct sqlite_db *db, const char *name, int flags, struct err *err)
{
    sqlite3_close(db->sql);
    db->sql = NULL;
    int rc = sqlite3_open_v2(name, &db->sql, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return sqlite_fail(db, rc, err);
    sqlite3_extended_result_codes(db->sql, 1);
    sqlite3_busy_handler(db->sql, on_busy, db);
    return sqlite_run(db, "PRAGMA trusted_schema = OFF", err);
}

/* Is it ours? `ret_fresh`: there is nothing in it yet. The first read of the file. */
static bool check_owner(struct sqlite_db *db, bool *ret_fresh, struct err *err)
{
    int64_t id, objects;
    /* In this order: whoever makes the tables just now sets the id together with them. */
    if (!sqlite_get_int(db, "SELECT count(*) FROM sqlite_schema", 0, &objects, err) ||
        !sqlite_get_int(db, "PRAGMA application_id", 0, &id, err))
        return false;
    *ret_fresh = objects == 0 && id == 0;
    if (id == SQLITE_APPLICATION_ID || (id == 0 && objects == 0))
        return true;
    return err_set(err, ERR_INVALID,
                   "%s is a SQLite database of another program (application id 0x%08" PRIx64
                   "): nothing was changed in it; give another path with --storage sqlite:PATH",
                   db->path, (uint64_t)id & 0xffffffff);
}

static bool no_database(const struct sqlite_db *db, const struct store_target *target,
                        struct err *err)
{
    return err_set(err, ERR_NOT_FOUND,
                   "nothing has been recorded yet: there is no database %s; `orchctl run FILE` "
                   "makes one%s",
                   db->path, target->path[0] ? "" : ", --data names another data folder");
}

static bool has_log(const struct sqlite_db *db)
{
    struct stat st;
    AUTO_FREE char *wal = mem_printf("%s-wal", db->path);
    return stat(wal, &st) == 0 && st.st_size > 0;
}

/* SQLite needs its log and index files beside a WAL database even for reading. Where their folder
 * cannot be written and no log is left, nobody can be writing: the file is what it is. */
static bool open_immutable(struct sqlite_db *db, bool *ret_fresh, struct err *err)
{
    AUTO_FREE char *wal = mem_printf("%s-wal", db->path);
    if (has_log(db))
        return err_set(
            err, ERR_DENIED,
            "%s was not closed properly and its folder cannot be written, so the rest of "
            "it in %s cannot be read: copy both to a writable folder",
            db->path, wal);
    AUTO_BUF struct buf uri = BUF_INIT(64L << 10);
    buf_adds(&uri, "file:");
    for (const char *p = db->path; *p; p++)
        buf_addf(&uri, strchr("%?#", *p) ? "%%%02x" : "%c", (unsigned char)*p);
    buf_adds(&uri, "?immutable=1");
    return open_handle(db, buf_str(&uri), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err) &&
           check_owner(db, ret_fresh, err);
}

static void drop_statements(struct sqlite_db *db)
{
    for (size_t i = 0; i < STATEMENT_SLOTS; i++)
        sqlite3_finalize(db->statements[i].stmt);
    memset(db->statements, 0, sizeof db->statements);
}

/* Where the disk is full there is no room for the index file. A connection that has the database
 * for itself keeps the index in memory, and needs none. It still makes a log where there is none;
 * where not even an empty file can be made, it is not needed for reading. */
static bool open_alone(struct sqlite_db *db, bool *ret_fresh, struct err *err)
{
    struct err why = ERR_INIT;
    if (open_handle(db, db->path, SQLITE_OPEN_READWRITE, &why) &&
        sqlite_run(db,
                   "PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY;"
                   "PRAGMA query_only = ON",
                   &why) &&
        check_owner(db, ret_fresh, &why)) {
        sqlite3_db_config(db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        return true;
    }
    drop_statements(db);
    if (why.code == ERR_NO_SPACE && !has_log(db))
        return open_immutable(db, ret_fresh, err);
    if (why.code == ERR_BUSY || why.code == ERR_NO_SPACE)
        return err_set(err, ERR_NO_SPACE,
                       "%s: the disk is full%s: the records are there, and can be read once there "
                       "is room",
                       db->path,
                       why.code == ERR_BUSY ? ", and another process works on the database" : "");
    if (err)
        *err = why;
    return false;
}

/* For reading: opened for writing where that is possible, since SQLite then tidies its log and
 * index files away at the end; query_only keeps it from writing. */
static bool open_for_reading(struct sqlite_db *db, bool *ret_fresh, struct err *err)
{
    struct err first = ERR_INIT;
    if (open_handle(db, db->path, SQLITE_OPEN_READWRITE, &first) &&
        check_owner(db, ret_fresh, &first))
        return sqlite_run(db, "PRAGMA query_only = ON", err);
    drop_statements(db);
    if (first.code == ERR_NO_SPACE)
        return open_alone(db, ret_fresh, err);
    AUTO_FREE char *dir = mem_strdup(db->path);
    char *slash = strrchr(dir, '/');
    if (slash)
        slash[slash == dir] = '\0';
    bool maybe = first.code == ERR_DENIED || first.code == ERR_IO || first.code == ERR_NOT_FOUND;
    if (maybe && access(slash ? dir : ".", W_OK) != 0)
        return open_immutable(db, ret_fresh, err);
    if (err)
        *err = first;
    return false;
}

/* Turning WAL on needs the file alone for a moment and does not ask the busy handler. */
static bool turn_wal_on(struct sqlite_db *db, struct err *err)
{
    int rc;
    for (int tries = 0;; tries++) {
        rc = sqlite3_exec(db->sql, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        if ((rc & 0xff) != SQLITE_BUSY || !on_busy(db, tries))
            break;
    }
    return rc == SQLITE_OK || sqlite_fail(db, rc, err);
}

static bool open_for_writing(struct sqlite_db *db, const struct store_target *target,
                             struct err *err)
{
    bool fresh;
    int make = target->must_exist ? 0 : SQLITE_OPEN_CREATE;
    struct err why = ERR_INIT;
    if (!open_handle(db, db->path, SQLITE_OPEN_READWRITE | make, &why)) {
        bool no_folder = make && why.code == ERR_NOT_FOUND;
        if (err)
            *err = why;
        return no_folder &&
               err_set(err, ERR_UNAVAILABLE,
                       "%s: the folder for the database does not exist: make it, or name another "
                       "place with --storage sqlite:PATH",
                       db->path);
    }
    if (sqlite3_db_readonly(db->sql, "main") == 1)
        return err_set(
            err, ERR_DENIED,
            "%s: the database cannot be written: its permissions or its file system do not "
            "allow it",
            db->path);
    if (!check_owner(db, &fresh, err))
        return false;
    if (fresh && target->must_exist)
        return no_database(db, target, err);
    sqlite3_wal_hook(db->sql, on_wal, db); /* replaces the automatic checkpoint: sqlite_rest() */
    return turn_wal_on(db, err) &&
           sqlite_run(db,
                      "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                      "PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -4096;"
                      "PRAGMA temp_store = MEMORY",
                      err);
}

struct sqlite_db *sqlite_open_file(const struct store_target *target, struct err *err)
{
    static pthread_once_t configured = PTHREAD_ONCE_INIT;
    pthread_once(&configured, configure_library);
    struct sqlite_db *db = mem_alloc(sizeof *db);
    struct stat st;
    bool ok, fresh = false;
    db->base.ops = &store_sqlite;
    db->path =
        target->path[0] ? mem_strdup(target->path) : mem_printf("%s/orch.db", target->data_dir);
    db->tuning = *target->tuning;
    db->scratch = BUF_INIT(2 * STORE_BODY_MAX);
    int sys = stat(db->path, &st) == 0 ? 0 : errno;
    if (target->must_exist && (sys == ENOENT || sys == ENOTDIR || (sys == 0 && st.st_size == 0)))
        ok = no_database(db, target, err);
    else if (target->must_exist && sys != 0)
        ok = err_sys(err, sys, "database %s", db->path);
    else if (target->read_only || target->reader)
        ok = open_for_reading(db, &fresh, err) && (!fresh || no_database(db, target, err));
    else
        ok = open_for_writing(db, target, err);
    if (ok)
        return db;
    sqlite_close_file(db);
    return NULL;
}

void sqlite_close_file(struct sqlite_db *db)
{
    if (!db)
        return;
    drop_statements(db);
    sqlite3_close(db->sql);
    buf_done(&db->scratch);
    free(db->path);
    free(db);
}
