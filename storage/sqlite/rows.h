/*
 * rows.h - rows of a query become an array of structs by a table of columns. Private to
 * storage/sqlite/.
 */
#ifndef STORAGE_SQLITE_ROWS_H
#define STORAGE_SQLITE_ROWS_H

#include "storage/sqlite/db.h"

enum column_type {
    COLUMN_TEXT,    /* const char *, NULL where NULL */
    COLUMN_INT64,   /* 0 where NULL */
    COLUMN_INT,     /* 0 where NULL */
    COLUMN_UINT,    /* uint32_t */
    COLUMN_FLAG,    /* bool */
    COLUMN_REAL,    /* double, NaN where NULL */
    COLUMN_NUMBERS, /* JSON list of indexes: const uint32_t *, its count in the member after */
};

struct column {
    enum column_type type;
    size_t offset;
    size_t count_offset; /* of COLUMN_NUMBERS: uint32_t */
};

/* One row of a query, what its columns become. */
struct query {
    const char *text; /* static */
    const struct column *columns;
    size_t column_count, item_size;
};

/* All rows of a statement whose parameters are bound, as an array in the arena. */
bool sqlite_read_rows(struct sqlite_db *db, const struct query *q, sqlite3_stmt *stmt,
                      struct arena *a, void **ret, size_t *ret_count, struct err *err) MUST_CHECK;

#endif
