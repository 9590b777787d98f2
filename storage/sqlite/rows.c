/*
 * rows.c - from columns to members.
 */
#include "storage/sqlite/rows.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void read_text(sqlite3_stmt *stmt, int i, const struct column *c, char *item,
                      struct arena *a)
{
    struct store_text text = sqlite_text(stmt, i);
    const char *value = text.data ? arena_strndup(a, text.data, text.len) : NULL;
    memcpy(item + c->offset, &value, sizeof value);
}

static void read_int64(sqlite3_stmt *stmt, int i, const struct column *c, char *item,
                       struct arena *a)
{
    (void)a;
    int64_t value = sqlite3_column_int64(stmt, i);
    memcpy(item + c->offset, &value, sizeof value);
}

static void read_int(sqlite3_stmt *stmt, int i, const struct column *c, char *item, struct arena *a)
{
    (void)a;
    int value = sqlite3_column_int(stmt, i);
    memcpy(item + c->offset, &value, sizeof value);
}

static void read_uint(sqlite3_stmt *stmt, int i, const struct column *c, char *item,
                      struct arena *a)
{
    (void)a;
    uint32_t value = (uint32_t)sqlite3_column_int64(stmt, i);
    memcpy(item + c->offset, &value, sizeof value);
}

static void read_flag(sqlite3_stmt *stmt, int i, const struct column *c, char *item,
                      struct arena *a)
{
    (void)a;
    bool value = sqlite3_column_int(stmt, i) != 0;
    memcpy(item + c->offset, &value, sizeof value);
}

static void read_real(sqlite3_stmt *stmt, int i, const struct column *c, char *item,
                      struct arena *a)
{
    (void)a;
    bool null = sqlite3_column_type(stmt, i) == SQLITE_NULL;
    double value = null ? (double)NAN : sqlite3_column_double(stmt, i);
    memcpy(item + c->offset, &value, sizeof value);
}

static void read_numbers(sqlite3_stmt *stmt, int i, const struct column *c, char *item,
                         struct arena *a)
{
    const char *text = sqlite_text(stmt, i).data;
    uint32_t count = text && text[0] && text[1] != ']';
    for (const char *p = text; p && *p; p++)
        count += *p == ',';
    if (!count)
        return;
    uint32_t *numbers = arena_array(a, count, sizeof *numbers);
    char *at = (char *)(uintptr_t)text;
    for (uint32_t n = 0; n < count; n++)
        numbers[n] = (uint32_t)strtoul(at + 1, &at, 10);
    memcpy(item + c->offset, &numbers, sizeof numbers);
    memcpy(item + c->count_offset, &count, sizeof count);
}

typedef void (*read_column)(sqlite3_stmt *stmt, int i, const struct column *c, char *item,
                            struct arena *a);
// clang-format off
static const read_column readers[] = {
    [COLUMN_TEXT]    = read_text,
    [COLUMN_INT64]   = read_int64,
    [COLUMN_INT]     = read_int,
    [COLUMN_UINT]    = read_uint,
    [COLUMN_FLAG]    = read_flag,
    [COLUMN_REAL]    = read_real,
    [COLUMN_NUMBERS] = read_numbers,
};
// clang-format on

bool sqlite_read_rows(struct sqlite_db *db, const struct query *q, sqlite3_stmt *stmt,
                      struct arena *a, void **ret, size_t *ret_count, struct err *err)
{
    AUTO_FREE char *items = NULL;
    size_t count = 0, cap = 0;
    int rc;
    while ((rc = sqlite_step(db, stmt, err)) == SQLITE_ROW) {
        if (count == cap) {
            cap = cap ? cap * 2 : 16;
            items = mem_grow(items, cap, q->item_size);
        }
        char *item = items + count++ * q->item_size;
        memset(item, 0, q->item_size);
        for (size_t i = 0; i < q->column_count; i++)
            readers[q->columns[i].type](stmt, (int)i, &q->columns[i], item, a);
    }
    if (rc == -1)
        return false;
    *ret = arena_array(a, count ? count : 1, q->item_size);
    if (count)
        memcpy(*ret, items, count * q->item_size);
    *ret_count = count;
    return true;
}
