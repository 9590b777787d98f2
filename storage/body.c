/*
 * body.c - canonical JSON: sorted keys, no spaces, the shortest form of numbers. The same event
 * always has the same bytes, so that its hash can be computed again by anybody.
 */
#include "storage/body.h"

#include "base/mem.h"
#include "base/text.h"
#include "storage/backend.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static bool add_value(struct buf *buf, json_t *value, int depth);

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool add_object(struct buf *buf, json_t *object, int depth)
{
    size_t count = json_object_size(object);
    AUTO_FREE const char **keys = mem_array(count + 1, sizeof *keys);
    size_t at = 0;
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i))
        keys[at++] = json_object_iter_key(i);
    qsort(keys, count, sizeof *keys, by_name);
    buf_addc(buf, '{');
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        if (i)
            buf_addc(buf, ',');
        buf_add_json(buf, keys[i]);
        buf_addc(buf, ':');
        ok = add_value(buf, json_object_get(object, keys[i]), depth + 1);
    }
    buf_addc(buf, '}');
    return ok;
}

static bool add_array(struct buf *buf, json_t *array, int depth)
{
    buf_addc(buf, '[');
    bool ok = true;
    for (size_t i = 0; ok && i < json_array_size(array); i++) {
        if (i)
            buf_addc(buf, ',');
        ok = add_value(buf, json_array_get(array, i), depth + 1);
    }
    buf_addc(buf, ']');
    return ok;
}

static void add_real(struct buf *buf, double value)
{
    char text[32];
    text_format_double(value, text);
    buf_adds(buf, text);
    if (!strpbrk(text, ".eE")) /* 3.0 stays a number with a fraction */
        buf_adds(buf, ".0");
}

/* Recursion is bounded by STORE_JSON_DEPTH: false where it is nested deeper. */
static bool add_value(struct buf *buf, json_t *value, int depth)
{
    if (depth >= STORE_JSON_DEPTH && (json_is_object(value) || json_is_array(value)))
        return false;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return add_object(buf, value, depth);
    case JSON_ARRAY:
        return add_array(buf, value, depth);
    case JSON_STRING:
        return buf_add_json(buf, json_string_value(value)) || buf->full;
    case JSON_INTEGER:
        buf_addf(buf, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return true;
    case JSON_REAL:
        add_real(buf, json_real_value(value));
        return true;
    case JSON_TRUE:
        buf_adds(buf, "true");
        return true;
    case JSON_FALSE:
        buf_adds(buf, "false");
        return true;
    case JSON_NULL:
        buf_adds(buf, "null");
        return true;
    }
    return false;
}

static void add_key(struct body *b, const char *key)
{
    assert(!b->last || strcmp(b->last, key) < 0);
    if (b->last)
        buf_addc(b->buf, ',');
    b->last = key;
    buf_addc(b->buf, '"');
    buf_adds(b->buf, key); /* ours: nothing to escape */
    buf_add(b->buf, "\":", 2);
}

void body_open(struct body *b)
{
    buf_addc(b->buf, '{');
    b->last = NULL;
}

void body_close(struct body *b)
{
    buf_addc(b->buf, '}');
}

void body_text(struct body *b, const char *key, const char *text)
{
    if (!text)
        return;
    add_key(b, key);
    buf_add_json(b->buf, text);
}

void body_int(struct body *b, const char *key, int64_t value)
{
    add_key(b, key);
    buf_addf(b->buf, "%" PRId64, value);
}

void body_flag(struct body *b, const char *key, bool value)
{
    if (!value)
        return;
    add_key(b, key);
    buf_adds(b->buf, "true");
}

void body_json(struct body *b, const char *key, const char *json)
{
    if (!json)
        return;
    add_key(b, key);
    json_error_t error;
    json_t *value = json_loads(json, JSON_DECODE_ANY, &error);
    bool ok = value && add_value(b->buf, value, 0);
    if (!value && !b->bad)
        err_set(b->err, ERR_INVALID, "'%s' is no JSON at byte %d: %s", key, error.position,
                error.text);
    else if (!ok && !b->bad)
        err_set(b->err, ERR_LIMIT, "'%s' is nested deeper than %d", key, STORE_JSON_DEPTH);
    b->bad |= !ok;
    json_decref(value);
}

void body_numbers(struct body *b, const char *key, const uint32_t *numbers, size_t count)
{
    if (!count)
        return;
    add_key(b, key);
    for (size_t i = 0; i < count; i++)
        buf_addf(b->buf, "%c%" PRIu32, i ? ',' : '[', numbers[i]);
    buf_addc(b->buf, ']');
}

void body_list(struct body *b, const char *key)
{
    add_key(b, key);
    buf_addc(b->buf, '[');
}

void body_item(struct body *b, bool first)
{
    if (!first)
        buf_addc(b->buf, ',');
    body_open(b);
}

void body_list_end(struct body *b, const char *key)
{
    buf_addc(b->buf, ']');
    b->last = key; /* of the object around the list */
}
