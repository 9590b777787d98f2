/*
 * expr_text.c - functions over texts, lists and maps. Texts hold no NUL, so str* functions see all
 * of them.
 */
#include "dag/expr_code.h"

#include "base/digest.h"
#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

static const char *text(const struct expr_call *c, uint32_t index)
{
    return c->args[index].u.string.text;
}

static size_t text_len(const struct expr_call *c, uint32_t index)
{
    return c->args[index].u.string.len;
}

/* Hands a finished buffer over as the result. */
static bool give(struct expr_call *c, struct buf *b)
{
    if (b->full) {
        return expr_fail(c->ev, ERR_LIMIT, "the text would be longer than %ld bytes",
                         (long)LIMIT_VALUE);
    }
    return expr_give_text(c->ev, buf_str(b), b->len, c->ret);
}

static bool give_bool(struct expr_call *c, bool value)
{
    *c->ret = dag_bool(value);
    return true;
}

static bool add_text(struct expr_call *c, const struct dag_value *value, struct buf *out)
{
    return dag_value_text(value, out, c->ev->err);
}

/* ---- asking ---- */

bool expr_fn_contains(struct expr_call *c)
{
    return expr_binary_value(c->ev, SYM_IN, &c->args[1], &c->args[0], c->ret);
}

bool expr_fn_starts_with(struct expr_call *c)
{
    return give_bool(c, text_len(c, 1) <= text_len(c, 0) &&
                            memcmp(text(c, 0), text(c, 1), text_len(c, 1)) == 0);
}

bool expr_fn_ends_with(struct expr_call *c)
{
    size_t whole = text_len(c, 0), part = text_len(c, 1);
    return give_bool(c, part <= whole && memcmp(text(c, 0) + whole - part, text(c, 1), part) == 0);
}

bool expr_fn_length(struct expr_call *c)
{
    const struct dag_value *value = &c->args[0];
    size_t count = value->type == DAG_STRING
                       ? text_utf8_count(value->u.string.text, value->u.string.len)
                   : value->type == DAG_LIST ? value->u.list.count
                                             : value->u.map.count;
    *c->ret = dag_int((int64_t)count);
    return true;
}

/* ---- making texts ---- */

/* {N} at `at`: its number and the offset behind it. */
static bool placeholder(const char *pattern, size_t at, uint32_t *ret_index, size_t *ret_next)
{
    uint32_t index = 0;
    size_t digit = at + 1;
    while (isdigit((unsigned char)pattern[digit]) && index < 1000) {
        index = index * 10 + (uint32_t)(pattern[digit++] - '0');
    }
    if (digit == at + 1 || pattern[digit] != '}') {
        return false;
    }
    *ret_index = index;
    *ret_next = digit + 1;
    return true;
}

bool expr_fn_format(struct expr_call *c)
{
    AUTO_BUF struct buf out = BUF_INIT(LIMIT_VALUE);
    const char *pattern = text(c, 0);
    for (size_t at = 0; pattern[at] != '\0' && !out.full;) {
        char brace = pattern[at];
        if ((brace != '{' && brace != '}') || pattern[at + 1] == brace) {
            buf_addc(&out, brace);
            at += brace == '{' || brace == '}' ? 2 : 1;
            continue;
        }
        uint32_t index;
        if (brace == '}' || !placeholder(pattern, at, &index, &at)) {
            return expr_fail(c->ev, ERR_INVALID,
                             "format: a lone brace in the pattern; {0} is the first value, a brace "
                             "itself is doubled");
        }
        if (index + 1 >= c->count) {
            return expr_fail(c->ev, ERR_INVALID,
                             "format: {%u} is asked for, but %u values are given", index,
                             c->count - 1);
        }
        if (!add_text(c, &c->args[index + 1], &out)) {
            return false;
        }
    }
    return give(c, &out);
}

bool expr_fn_join(struct expr_call *c)
{
    AUTO_BUF struct buf out = BUF_INIT(LIMIT_VALUE);
    const char *separator = c->count > 1 ? text(c, 1) : ",";
    for (size_t i = 0; i < c->args[0].u.list.count; i++) {
        if (i > 0) {
            buf_adds(&out, separator);
        }
        if (!add_text(c, &c->args[0].u.list.items[i], &out)) {
            return false;
        }
    }
    return give(c, &out);
}

static size_t count_parts(const char *whole, const char *separator)
{
    size_t count = 1, step = strlen(separator);
    for (const char *at = whole; (at = strstr(at, separator)) != NULL; at += step) {
        count++;
    }
    return count;
}

bool expr_fn_split(struct expr_call *c)
{
    const char *at = text(c, 0), *separator = c->count > 1 ? text(c, 1) : ",";
    size_t step = strlen(separator);
    if (step == 0) {
        return expr_fail(c->ev, ERR_INVALID, "split: the separator is empty");
    }
    size_t count = *at == '\0' ? 0 : count_parts(at, separator);
    if (!expr_take(c->ev, count * (sizeof(struct dag_value) + 32) + text_len(c, 0))) {
        return false;
    }
    struct dag_value *items = arena_array(c->ev->arena, count, sizeof *items);
    for (size_t i = 0; i < count; i++) {
        const char *end = strstr(at, separator);
        size_t len = end != NULL ? (size_t)(end - at) : strlen(at);
        items[i] = value_text(arena_strndup(c->ev->arena, at, len), len);
        at += len + step;
    }
    *c->ret = (struct dag_value){.type = DAG_LIST, .u.list = {items, count}};
    return true;
}

bool expr_fn_replace(struct expr_call *c)
{
    AUTO_BUF struct buf out = BUF_INIT(LIMIT_VALUE);
    const char *at = text(c, 0), *old = text(c, 1);
    if (*old == '\0') {
        return expr_fail(c->ev, ERR_INVALID, "replace: the text to be replaced is empty");
    }
    for (const char *hit; (hit = strstr(at, old)) != NULL && !out.full;) {
        buf_add(&out, at, (size_t)(hit - at));
        buf_add(&out, text(c, 2), text_len(c, 2));
        at = hit + text_len(c, 1);
    }
    buf_adds(&out, at);
    return give(c, &out);
}

static bool map_letters(struct expr_call *c, char first, char last)
{
    if (!expr_take(c->ev, text_len(c, 0) + 1)) {
        return false;
    }
    char *copy = arena_strndup(c->ev->arena, text(c, 0), text_len(c, 0));
    for (char *at = copy; *at != '\0'; at++) {
        *at = *at >= first && *at <= last ? (char)(*at ^ 0x20) : *at;
    }
    *c->ret = value_text(copy, text_len(c, 0));
    return true;
}

bool expr_fn_lower(struct expr_call *c)
{
    return map_letters(c, 'A', 'Z');
}

bool expr_fn_upper(struct expr_call *c)
{
    return map_letters(c, 'a', 'z');
}

bool expr_fn_trim(struct expr_call *c)
{
    static const char blanks[] = " \t\r\n\v\f";
    const char *from = text(c, 0) + strspn(text(c, 0), blanks);
    const char *to = text(c, 0) + text_len(c, 0);
    while (to > from && strchr(blanks, to[-1]) != NULL) {
        to--;
    }
    return expr_give_text(c->ev, from, (size_t)(to - from), c->ret);
}

/* Where the last part of a path begins and ends, slashes behind it aside. */
static void last_part(const char *path, size_t *ret_from, size_t *ret_to)
{
    size_t to = strlen(path);
    while (to > 1 && path[to - 1] == '/') {
        to--;
    }
    size_t from = to;
    while (from > 0 && path[from - 1] != '/') {
        from--;
    }
    *ret_from = from;
    *ret_to = to;
}

bool expr_fn_basename(struct expr_call *c)
{
    size_t from, to;
    last_part(text(c, 0), &from, &to);
    if (from == to && from > 0) {
        from--; /* "/" is its own last part */
    }
    return expr_give_text(c->ev, text(c, 0) + from, to - from, c->ret);
}

bool expr_fn_dirname(struct expr_call *c)
{
    size_t from, to;
    last_part(text(c, 0), &from, &to);
    while (from > 1 && text(c, 0)[from - 1] == '/') {
        from--;
    }
    return from > 0 ? expr_give_text(c->ev, text(c, 0), from, c->ret)
                    : expr_give_text(c->ev, ".", 1, c->ret);
}

/* ---- converting ---- */

bool expr_fn_string(struct expr_call *c)
{
    if (c->args[0].type == DAG_STRING) {
        *c->ret = c->args[0];
        return true;
    }
    AUTO_BUF struct buf out = BUF_INIT(LIMIT_VALUE);
    return add_text(c, &c->args[0], &out) && give(c, &out);
}

bool expr_fn_to_json(struct expr_call *c)
{
    AUTO_BUF struct buf out = BUF_INIT(LIMIT_VALUE);
    return dag_value_to_json(&c->args[0], &out, c->ev->err) && give(c, &out);
}

bool expr_fn_from_json(struct expr_call *c)
{
    struct err why = ERR_INIT;
    if (!expr_take(c->ev, text_len(c, 0))) {
        return false;
    }
    if (!dag_value_from_json(text(c, 0), text_len(c, 0), c->ev->arena, c->ret, &why)) {
        /* the reader's message quotes the text */
        return expr_fail(c->ev, why.code, "fromJSON: %s",
                         c->ev->expr->secret ? "not valid JSON" : why.msg);
    }
    return expr_take(c->ev, 0);
}

bool expr_fn_hash(struct expr_call *c)
{
    AUTO_BUF struct buf out = BUF_INIT(LIMIT_VALUE);
    if (!add_text(c, &c->args[0], &out) || !expr_work(c->ev, out.len)) {
        return false;
    }
    char digest[DIGEST_TEXT];
    digest_bytes(buf_str(&out), out.len, digest);
    return expr_give_text(c->ev, digest, DIGEST_TEXT - 1, c->ret);
}

bool expr_fn_bool(struct expr_call *c)
{
    const struct dag_value *value = &c->args[0];
    if (value->type == DAG_BOOL) {
        *c->ret = *value;
        return true;
    }
    bool yes = strcmp(text(c, 0), "true") == 0;
    if (!yes && strcmp(text(c, 0), "false") != 0) {
        return expr_fail(c->ev, ERR_INVALID, "bool: %s is neither true nor false",
                         expr_show(c->ev, value));
    }
    return give_bool(c, yes);
}

/* ---- maps ---- */

static bool part_of_map(struct expr_call *c, bool keys)
{
    size_t count = c->args[0].u.map.count;
    if (!expr_take(c->ev, count * sizeof(struct dag_value))) {
        return false;
    }
    struct dag_value *items = arena_array(c->ev->arena, count, sizeof *items);
    for (size_t i = 0; i < count; i++) {
        const struct dag_entry *entry = &c->args[0].u.map.entries[i];
        items[i] = keys ? dag_string(entry->key) : entry->value;
    }
    *c->ret = (struct dag_value){.type = DAG_LIST, .u.list = {items, count}};
    return true;
}

bool expr_fn_keys(struct expr_call *c)
{
    return part_of_map(c, true);
}

bool expr_fn_values(struct expr_call *c)
{
    return part_of_map(c, false);
}
