/*
 * value_json.c - JSON text to a value.
 *
 * The text is looked over first: depth and number of members are bounded before jansson builds a
 * tree, and integers that do not fit 64 bits, which jansson refuses, are handed over as reals.
 */
#include "dag/value.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>

struct look {
    const char *text;
    size_t len, pos;
    size_t depth, members;
    struct buf *patched; /* where the text goes with its big integers as reals; NULL while only
                            looking */
    bool big;            /* there are such integers */
};

static void keep(struct look *l, size_t from)
{
    if (l->patched != NULL) {
        buf_add(l->patched, l->text + from, l->pos - from);
    }
}

static void look_string(struct look *l)
{
    size_t from = l->pos++;
    while (l->pos < l->len && l->text[l->pos] != '"') {
        l->pos += l->text[l->pos] == '\\' ? 2 : 1;
    }
    l->pos = l->pos < l->len ? l->pos + 1 : l->len;
    keep(l, from);
}

static void look_number(struct look *l)
{
    size_t from = l->pos;
    bool whole = true;
    while (l->pos < l->len && strchr("+-.0123456789eE", l->text[l->pos]) != NULL &&
           l->text[l->pos] != '\0') {
        whole = whole && strchr(".eE", l->text[l->pos]) == NULL;
        l->pos++;
    }
    keep(l, from);
    size_t len = l->pos - from;
    if (!whole || len < 19) {
        return;
    }
    int64_t ignored;
    AUTO_FREE char *number = mem_strndup(l->text + from, len);
    if (!text_int(number, &ignored)) {
        l->big = true;
        if (l->patched != NULL) {
            buf_adds(l->patched, ".0");
        }
    }
}

static bool look_over(struct look *l, struct err *err)
{
    l->pos = l->depth = l->members = 0;
    while (l->pos < l->len) {
        char c = l->text[l->pos];
        if (c == '"') {
            look_string(l);
            continue;
        }
        if (c == '-' || isdigit((unsigned char)c)) {
            look_number(l);
            continue;
        }
        if ((c == '[' || c == '{') && ++l->depth > LIMIT_YAML_DEPTH) {
            return err_set(err, ERR_LIMIT, "the JSON nests deeper than %d", LIMIT_YAML_DEPTH);
        }
        if ((c == ']' || c == '}') && l->depth > 0) {
            l->depth--;
        }
        if ((c == ',' || c == '[' || c == '{') && ++l->members > VALUE_ITEMS) {
            return err_set(err, ERR_LIMIT, "the JSON has more than %d members", VALUE_ITEMS);
        }
        l->pos++;
        keep(l, l->pos - 1);
    }
    return true;
}

/* The depth was bounded by look_over(). */
static struct dag_value convert(const json_t *json, struct arena *a);

static struct dag_value convert_list(const json_t *json, struct arena *a)
{
    size_t count = json_array_size(json);
    struct dag_value *items = arena_array(a, count, sizeof *items);
    for (size_t i = 0; i < count; i++) {
        items[i] = convert(json_array_get(json, i), a);
    }
    return (struct dag_value){.type = DAG_LIST, .u.list = {items, count}};
}

static struct dag_value convert_map(json_t *json, struct arena *a)
{
    size_t count = json_object_size(json), i = 0;
    struct dag_entry *entries = arena_array(a, count, sizeof *entries);
    const char *key;
    json_t *member;
    json_object_foreach(json, key, member)
    {
        entries[i++] = (struct dag_entry){arena_strdup(a, key), convert(member, a)};
    }
    return (struct dag_value){.type = DAG_MAP, .u.map = {entries, count}};
}

static struct dag_value convert(const json_t *json, struct arena *a)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT: {
        union {
            const json_t *in;
            json_t *out; /* json_object_foreach wants it writable and does not write */
        } u = {json};
        return convert_map(u.out, a);
    }
    case JSON_ARRAY:
        return convert_list(json, a);
    case JSON_STRING: {
        size_t len = json_string_length(json);
        return value_text(arena_strndup(a, json_string_value(json), len), len);
    }
    case JSON_INTEGER:
        return dag_int(json_integer_value(json));
    case JSON_REAL:
        return value_number(json_real_value(json));
    case JSON_TRUE:
    case JSON_FALSE:
        return dag_bool(json_is_true(json));
    case JSON_NULL:
        break;
    }
    return (struct dag_value){.type = DAG_NULL};
}

bool dag_value_from_json(const char *text, size_t len, struct arena *a, struct dag_value *ret,
                         struct err *err)
{
    if (len > LIMIT_VALUE) {
        return err_set(err, ERR_LIMIT, "the JSON is longer than %ld bytes", (long)LIMIT_VALUE);
    }
    AUTO_BUF struct buf patched = BUF_INIT(2 * LIMIT_VALUE);
    struct look look = {.text = text, .len = len};
    if (!look_over(&look, err)) {
        return false;
    }
    if (look.big) {
        look.patched = &patched;
        if (!look_over(&look, err)) {
            return false;
        }
        text = buf_str(&patched);
        len = patched.len;
    }
    json_error_t why;
    json_t *json = json_loadb(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
    if (json == NULL) {
        return err_set(err, ERR_INVALID, "not valid JSON: %s (line %d, column %d)", why.text,
                       why.line, why.column);
    }
    *ret = convert(json, a);
    json_decref(json);
    return true;
}
