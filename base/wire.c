/*
 * wire.c - fields byte by byte, so that neither alignment nor the machine's byte order matters.
 */
#include "base/wire.h"

#include "base/mem.h"

#include <string.h>

#define HEADER 6 /* u16 tag, u32 length */

static void put_little(unsigned char *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_little(const unsigned char *from, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

void wire_put_bytes(struct buf *b, uint16_t tag, const void *data, size_t len)
{
    unsigned char header[HEADER];
    size_t start = b->len;
    if (len > UINT32_MAX) {
        b->full = true;
        return;
    }
    put_little(header, tag, 2);
    put_little(header + 2, len, 4);
    if (!buf_add(b, header, sizeof(header)))
        return;
    if (!buf_add(b, data, len)) { /* no header without its field */
        b->len = start;
        b->data[start] = '\0';
    }
}

void wire_put_int(struct buf *b, uint16_t tag, int64_t value)
{
    unsigned char bytes[8];
    put_little(bytes, (uint64_t)value, sizeof(bytes));
    wire_put_bytes(b, tag, bytes, sizeof(bytes));
}

void wire_put_text(struct buf *b, uint16_t tag, const char *text)
{
    if (text)
        wire_put_bytes(b, tag, text, strlen(text));
}

void wire_read(struct wire *w, const void *data, size_t len)
{
    static const unsigned char nothing[1];
    *w = (struct wire){.at = data ? data : nothing};
    w->end = w->at + (data ? len : 0);
}

static bool malformed(struct wire *w)
{
    w->bad = true;
    w->data = NULL;
    w->len = 0;
    return false;
}

bool wire_next(struct wire *w)
{
    size_t left = (size_t)(w->end - w->at);
    if (w->bad)
        return false;
    if (left == 0) {
        w->data = NULL;
        w->len = 0;
        return false;
    }
    if (left < HEADER)
        return malformed(w);
    size_t len = (size_t)get_little(w->at + 2, 4);
    if (len > left - HEADER)
        return malformed(w);
    w->tag = (uint16_t)get_little(w->at, 2);
    w->data = w->at + HEADER;
    w->len = len;
    w->at = w->data + len;
    return true;
}

bool wire_int(struct wire *w, int64_t *ret)
{
    if (w->bad || !w->data || w->len != 8)
        return malformed(w);
    *ret = (int64_t)get_little(w->data, 8);
    return true;
}

bool wire_text(struct wire *w, char **ret_owned)
{
    if (w->bad || !w->data || memchr(w->data, '\0', w->len))
        return malformed(w);
    *ret_owned = mem_strndup((const char *)w->data, w->len);
    return true;
}

bool wire_sub(const struct wire *w, struct wire *ret_inner)
{
    if (w->bad || !w->data)
        return false;
    wire_read(ret_inner, w->data, w->len);
    return true;
}
