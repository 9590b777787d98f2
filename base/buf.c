/*
 * buf.c - every addition goes through reserve(), the one place that knows the maximum.
 */
#include "base/buf.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64

void buf_done(struct buf *b)
{
    free(b->data);
    *b = BUF_INIT(b->max);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->full = false;
    if (b->data)
        b->data[0] = '\0';
}

/* Makes room for `extra` bytes and the NUL. Once full, stays full: no text with a hole in it. */
static bool reserve(struct buf *b, size_t extra)
{
    if (b->full)
        return false;
    if (extra > b->max - b->len || extra >= SIZE_MAX - b->len) {
        b->full = true;
        return false;
    }
    size_t need = b->len + extra + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap > SIZE_MAX / 2 ? need : b->cap * 2;
    if (cap < FIRST_CAP)
        cap = FIRST_CAP;
    if (cap > b->max && b->max < SIZE_MAX)
        cap = b->max + 1;
    if (cap < need)
        cap = need;
    b->data = mem_grow(b->data, cap, 1);
    b->cap = cap;
    return true;
}

bool buf_add(struct buf *b, const void *data, size_t len)
{
    if (!reserve(b, len))
        return false;
    if (len > 0)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return true;
}

bool buf_adds(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

bool buf_addc(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

bool buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    size_t room = b->cap - b->len;
    int len = vsnprintf(b->data ? b->data + b->len : NULL, b->data ? room : 0, fmt, args);
    bool ok = len >= 0 && reserve(b, (size_t)len);
    if (ok && (size_t)len >= room)
        (void)vsnprintf(b->data + b->len, (size_t)len + 1, fmt, again);
    va_end(again);
    va_end(args);
    if (ok)
        b->len += (size_t)len;
    else if (b->data)
        b->data[b->len] = '\0';
    return ok;
}

void buf_cut(struct buf *b, size_t count)
{
    if (count > b->len)
        count = b->len;
    if (count == 0)
        return;
    memmove(b->data, b->data + count, b->len - count + 1);
    b->len -= count;
}

const char *buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
    char *text = b->data ? b->data : mem_strdup("");
    *b = BUF_INIT(b->max);
    return text;
}

/* A run of characters that need no escape; `text` is valid UTF-8 up to `len`. */
static size_t plain_run(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len && (unsigned char)text[at] >= 0x20 && text[at] != '"' && text[at] != '\\')
        at++;
    return at;
}

static bool add_escaped(struct buf *b, char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *found = memchr(from, c, sizeof(from) - 1);
    if (!found)
        return buf_addf(b, "\\u%04x", (unsigned)(unsigned char)c);
    return buf_addc(b, '\\') && buf_addc(b, to[found - from]);
}

bool buf_add_json(struct buf *b, const char *text)
{
    size_t start = b->len, len = strlen(text);
    bool ok = buf_addc(b, '"');
    while (ok && len > 0) {
        size_t valid = text_utf8_valid(text, len), at = 0;
        while (ok && at < valid) {
            size_t run = plain_run(text + at, valid - at);
            ok = buf_add(b, text + at, run);
            at += run;
            if (ok && at < valid)
                ok = add_escaped(b, text[at++]);
        }
        if (ok && valid < len) {
            ok = buf_adds(b, "\xEF\xBF\xBD");
            at++;
        }
        text += at;
        len -= at;
    }
    ok = ok && buf_addc(b, '"');
    if (!ok && b->data) {
        b->len = start;
        b->data[start] = '\0';
    }
    return ok;
}
