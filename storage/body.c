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

static void add_value(struct buf *buf, json_t *value, int depth);

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_object(struct buf *buf, json_t *object, int depth)
{
    size_t count = json_object_size(object);
    AUTO_FREE const char **keys = mem_array(count + 1, sizeof *keys);
    size_t at = 0;
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i))
        keys[at++] = json_object_iter_key(i);
    qsort(keys, count, sizeof *keys, by_name);
    buf_addc(buf, '{');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_addc(buf, ',');
        buf_add_json(buf, keys[i]);
        buf_addc(buf, ':');
        add_value(buf, json_object_get(object, keys[i]), depth + 1);
    }
    buf_addc(buf, '}');
}

static void add_array(struct buf *buf, json_t *array, int depth)
{
    buf_addc(buf, '[');
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i)
            buf_addc(buf, ',');
        add_value(buf, json_array_get(array, i), depth + 1);
    }
    buf_addc(buf, ']');
}

static void add_real(struct buf *buf, double value)
{
    char text[32];
    text_format_double(value, text);
    buf_adds(buf, text);
    if (!strpbrk(text, ".eE")) /* 3.0 stays a number with a fraction */
        buf_adds(buf, ".0");
}

/* Recursion is bounded: the library reads at most STORE_JSON_DEPTH levels. */
static void add_value(struct buf *buf, json_t *value, int depth)
{
    assert(depth <= STORE_JSON_DEPTH);
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        add_object(buf, value, depth);
        break;
    case JSON_ARRAY:
        add_array(buf, value, depth);
        break;
    case JSON_STRING:
        buf_add_json(buf, json_string_value(value));
        break;
    case JSON_INTEGER:
        buf_addf(buf, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        add_real(buf, json_real_value(value));
        break;
    case JSON_TRUE:
        buf_adds(buf, "true");
        break;
    case JSON_FALSE:
        buf_adds(buf, "false");
        break;
    case JSON_NULL:
        buf_adds(buf, "null");
        break;
    }
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
    if (value) {
        add_value(b->buf, value, 0);
        json_decref(value);
    } else if (!b->bad) {
        b->bad = true;
        err_set(b->err, ERR_INVALID, "'%s' is no JSON at byte %d: %s", key, error.position,
                error.text);
    }
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
