/*
 * journal.c - the hash chain: what a row's hash covers. Whoever has the rows can compute it again
 * with nothing but SHA-256; README.md describes the bytes.
 */
#include "storage/backend.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static unsigned nibble(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

static void from_hex(const char text[DIGEST_TEXT], unsigned char ret[STORE_HASH_BYTES])
{
    for (size_t i = 0; i < STORE_HASH_BYTES; i++)
        ret[i] = (unsigned char)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
}

static void add_int(struct buf *buf, int64_t value, char end)
{
    char digits[24], *p = digits + sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    *--p = end;
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        *--p = '-';
    buf_add(buf, p, (size_t)(digits + sizeof digits - p));
}

static void add_text(struct buf *buf, struct store_text text)
{
    if (!text.data) {
        buf_add(buf, "-,", 2);
        return;
    }
    add_int(buf, (int64_t)text.len, ':');
    buf_add(buf, text.data, text.len);
    buf_addc(buf, ',');
}

void store_row_hash(const struct store_row *row, const unsigned char previous[STORE_HASH_BYTES],
                    struct buf *scratch, unsigned char ret[STORE_HASH_BYTES])
{
    char text[DIGEST_TEXT];
    buf_clear(scratch);
    buf_add(scratch, previous, STORE_HASH_BYTES);
    add_int(scratch, row->seq, ',');
    add_int(scratch, row->at_ms, ',');
    add_text(scratch, row->kind);
    if (row->has_run)
        add_int(scratch, row->run, ',');
    else
        buf_add(scratch, "-,", 2);
    add_text(scratch, row->step);
    add_int(scratch, row->attempt, ',');
    add_text(scratch, row->actor);
    add_text(scratch, row->body);
    digest_bytes(scratch->data, scratch->len, text);
    from_hex(text, ret);
}

void store_points_digest(const struct store_metric *points, size_t count, char ret[DIGEST_TEXT])
{
    struct digest digest;
    digest_init(&digest);
    for (size_t i = 0; i < count; i++) {
        double value = isnan(points[i].value) ? (double)NAN : points[i].value; /* one NaN */
        uint64_t bits;
        char text[96];
        memcpy(&bits, &value, sizeof bits);
        size_t len = strlen(points[i].name);
        int head = snprintf(text, sizeof text, "%zu:", len);
        digest_add(&digest, text, (size_t)head);
        digest_add(&digest, points[i].name, len);
        int tail =
            snprintf(text, sizeof text, ",%016" PRIx64 ",%" PRId64 ",", bits, points[i].step);
        digest_add(&digest, text, (size_t)tail);
    }
    digest_end(&digest, ret);
}
