/*
 * schema.c - the tables, as migrations: forward only, each one transaction, each checksummed in the
 * database. A migration that has been released is never changed; a new one is a row at the end.
 */
#include "storage/sqlite/db.h"

/* Words are compared one by one: a list of more than two in IN is a table that SQLite makes anew
 * for each statement. */
// clang-format off
static const char *const first_tables[] = {
"CREATE TABLE journal (\n"
"    seq     INTEGER PRIMARY KEY,\n"
"    at      INTEGER NOT NULL,\n"              /* wall clock, ms since 1970 */
"    kind    TEXT NOT NULL,\n"
"    run     INTEGER,\n"                       /* the seq of the row that made the run */
"    step    TEXT,\n"
"    attempt INTEGER NOT NULL,\n"
"    actor   TEXT,\n"                          /* NULL: the engine that owns the run */
"    body    TEXT NOT NULL,\n"
"    hash    BLOB NOT NULL CHECK (length(hash) = 32)\n"
") STRICT;\n",

/* Content beside the journal, which has its digests. */
"CREATE TABLE texts (\n"
"    key    INTEGER PRIMARY KEY,\n"
"    digest TEXT NOT NULL UNIQUE,\n"
"    text   TEXT NOT NULL\n"
") STRICT;\n",
"CREATE TABLE metric_series (\n"
"    key        INTEGER PRIMARY KEY,\n"
"    run        INTEGER NOT NULL,\n"
"    step       TEXT NOT NULL,\n"
"    attempt    INTEGER NOT NULL,\n"
"    name       TEXT NOT NULL,\n"
"    last_value REAL,\n"                       /* NULL: not a number */
"    last_step  INTEGER,\n"
"    UNIQUE (run, step, attempt, name)\n"
") STRICT;\n",
"CREATE TABLE metric_points (\n"
"    series INTEGER NOT NULL REFERENCES metric_series (key),\n"
"    seq    INTEGER NOT NULL,\n"               /* the journal row of the batch, */
"    n      INTEGER NOT NULL,\n"               /* and the place in it */
"    value  REAL,\n"
"    step   INTEGER,\n"
"    PRIMARY KEY (series, seq, n)\n"
") STRICT, WITHOUT ROWID;\n",

/* What the journal says; sqlite_rebuild() makes it again. */
"CREATE TABLE pipelines (\n"
"    key         INTEGER PRIMARY KEY,\n"
"    name        TEXT NOT NULL UNIQUE,\n"
"    last_number INTEGER NOT NULL\n"           /* NAME#N of the newest run */
") STRICT;\n",
"CREATE TABLE runs (\n"
"    key         INTEGER PRIMARY KEY,\n"       /* the seq of the row that made it */
"    id          TEXT NOT NULL UNIQUE,\n"
"    pipeline    INTEGER NOT NULL REFERENCES pipelines (key),\n"
"    number      INTEGER NOT NULL,\n"
"    status      TEXT NOT NULL CHECK (\n"
"        status = 'queued' OR status = 'running' OR status = 'waiting'\n"
"        OR status = 'succeeded' OR status = 'failed' OR status = 'cancelled'),\n"
"    reason      TEXT,\n"
"    cancelling  INTEGER NOT NULL DEFAULT 0,\n"
"    created_ms  INTEGER NOT NULL,\n"
"    started_ms  INTEGER,\n"
"    finished_ms INTEGER,\n"
"    step_count  INTEGER NOT NULL,\n"
"    dirty       INTEGER NOT NULL,\n"
"    commit_id   TEXT,\n"
"    parent      TEXT,\n"
"    file        TEXT,\n"
"    root        TEXT,\n"
"    text        INTEGER NOT NULL REFERENCES texts (key),\n"
"    params      TEXT,\n"
"    trigger     TEXT,\n"
"    labels      TEXT,\n"
"    manifest    TEXT,\n"
"    UNIQUE (pipeline, number)\n"
") STRICT;\n",
/* Listings are newest first: each index ends in the key, which is the order of making. */
"CREATE INDEX runs_by_pipeline ON runs (pipeline);\n",
"CREATE INDEX runs_by_status ON runs (status);\n",
"CREATE INDEX runs_by_both ON runs (pipeline, status);\n",
"CREATE INDEX runs_open ON runs (key) WHERE finished_ms IS NULL;\n",
"CREATE TABLE steps (\n"
"    run         INTEGER NOT NULL REFERENCES runs (key),\n"
"    folder      TEXT NOT NULL,\n"
"    idx         INTEGER NOT NULL,\n"
"    status      TEXT NOT NULL CHECK (\n"
"        status = 'pending' OR status = 'ready' OR status = 'starting'\n"
"        OR status = 'running' OR status = 'waiting' OR status = 'succeeded'\n"
"        OR status = 'failed' OR status = 'cancelled' OR status = 'skipped'\n"
"        OR status = 'reused'),\n"
"    attempt     INTEGER NOT NULL DEFAULT 0,\n"
"    reason      TEXT,\n"
"    due_ms      INTEGER,\n"
"    finished_ms INTEGER,\n"
"    detail      TEXT,\n"
"    kind        TEXT,\n"
"    name        TEXT,\n"                      /* NULL: as the folder */
"    group_name  TEXT,\n"
"    matrix      TEXT,\n"
"    needs       TEXT,\n"                      /* JSON list of indexes */
"    PRIMARY KEY (run, folder)\n"
") STRICT, WITHOUT ROWID;\n",
"CREATE TABLE attempts (\n"
"    run        INTEGER NOT NULL,\n"
"    step       TEXT NOT NULL,\n"
"    number     INTEGER NOT NULL,\n"
"    status     TEXT NOT NULL CHECK (\n"
"        status = 'starting' OR status = 'running' OR status = 'succeeded'\n"
"        OR status = 'failed' OR status = 'cancelled' OR status = 'lost'),\n"
"    reason     TEXT,\n"
"    message    TEXT,\n"
"    executor   TEXT,\n"
"    host       TEXT,\n"
"    boot_id    TEXT,\n"
"    exit_code  INTEGER,\n"
"    signal     INTEGER,\n"
"    created_ms INTEGER NOT NULL,\n"
"    started_ms INTEGER,\n"
"    ended_ms   INTEGER,\n"
"    cpu_us     INTEGER,\n"
"    peak_bytes INTEGER,\n"
"    PRIMARY KEY (run, step, number),\n"
"    FOREIGN KEY (run, step) REFERENCES steps (run, folder)\n"
") STRICT, WITHOUT ROWID;\n",
"CREATE TABLE outputs (\n"
"    run     INTEGER NOT NULL,\n"
"    step    TEXT NOT NULL,\n"
"    attempt INTEGER NOT NULL,\n"
"    name    TEXT NOT NULL,\n"
"    value   TEXT,\n"                          /* JSON */
"    path    TEXT,\n"
"    digest  TEXT,\n"
"    size    INTEGER NOT NULL,\n"
"    dataset TEXT,\n"
"    model   TEXT,\n"
"    PRIMARY KEY (run, step, attempt, name),\n"
"    FOREIGN KEY (run, step) REFERENCES steps (run, folder)\n"
") STRICT, WITHOUT ROWID;\n",
"CREATE TABLE artifacts (\n"
"    run     INTEGER NOT NULL,\n"
"    step    TEXT NOT NULL,\n"
"    attempt INTEGER NOT NULL,\n"
"    name    TEXT NOT NULL,\n"
"    path    TEXT,\n"
"    digest  TEXT,\n"
"    size    INTEGER NOT NULL,\n"
"    folder  INTEGER NOT NULL,\n"
"    PRIMARY KEY (run, step, attempt, name),\n"
"    FOREIGN KEY (run, step) REFERENCES steps (run, folder)\n"
") STRICT, WITHOUT ROWID;\n",
NULL,
};

/* What an attempt took is one object, so that a new figure needs no new column. The two there were
 * move into it: a figure that could stand in two places would be read from the wrong one some day.
 * An attempt that never ran has no peak. */
static const char *const usage_of_attempts[] = {
"ALTER TABLE attempts ADD COLUMN usage TEXT;\n",
"UPDATE attempts SET usage = json_object('cpu_us', cpu_us, 'peak_bytes', peak_bytes) WHERE peak_bytes > 0;\n",
"ALTER TABLE attempts DROP COLUMN cpu_us;\n",
"ALTER TABLE attempts DROP COLUMN peak_bytes;\n",
NULL,
};

const struct migration sqlite_migrations[] = {
    {1, "first tables", first_tables},
    {2, "usage of attempts", usage_of_attempts},
};
// clang-format on
const size_t sqlite_migration_count = sizeof sqlite_migrations / sizeof *sqlite_migrations;
