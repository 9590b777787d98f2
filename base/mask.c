/*
 * mask.c - one stream: three views of it walk the same trie side by side.
 *
 *   bytes ─▶ pending (with a mark per byte) ─▶ out, once no view can still need it
 *        ├─▶ plain       every byte is a symbol
 *        ├─▶ percent     %41 is one symbol
 *        └─▶ backslash   \u0041, \x41, \" are one symbol
 *
 * A view knows for each of its last symbols where in the stream it began, so that a match, which is
 * counted in symbols, marks the right bytes.
 */
#include "base/mask.h"

#include "base/limits.h"
#include "base/mask_set.h"
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ESCAPE_MAX 6 /* \uXXXX */
#define TRANSPARENT_MAX                                                                            \
    4096 /* more newlines than this in a row end a match: bounds what is held                      \
          */

enum { PLAIN, PERCENT, BACKSLASH, VIEWS };

struct view {
    uint32_t node;
    uint64_t *starts; /* ring of `ring` entries: where each of the last symbols began */
    uint64_t symbols; /* how many there were */
    unsigned char escape[ESCAPE_MAX];
    uint64_t escape_at[ESCAPE_MAX]; /* where each of them stands: newlines may lie between */
    size_t escape_len;              /* bytes of an escape that is not complete yet */
    uint32_t surrogate;             /* the high half that waits for its low half; 0 = none */
    uint64_t surrogate_start;
};

struct mask {
    const struct mask_set *set; /* borrowed; NULL = nothing to mask */
    struct view views[VIEWS];
    uint64_t ring;        /* a power of two, at least the longest pattern */
    unsigned char *bytes; /* pending */
    bool *marks;
    size_t len, cap;
    uint64_t start;     /* position in the stream of bytes[0] */
    size_t transparent; /* newlines since the last symbol */
    bool in_mask;       /* the last byte given out was masked */
    bool found;         /* a whole secret */
};

struct mask *mask_new(const struct mask_set *set)
{
    struct mask *m = mem_alloc(sizeof(*m));
    m->set = set;
    if (set != NULL) {
        m->ring = 16;
        while (m->ring < set->longest) {
            m->ring *= 2;
        }
        for (size_t i = 0; i < VIEWS; i++) {
            m->views[i].starts = mem_array((size_t)m->ring, sizeof(uint64_t));
        }
    }
    return m;
}

void mask_free(struct mask *m)
{
    if (m != NULL) {
        for (size_t i = 0; i < VIEWS; i++) {
            free(m->views[i].starts);
        }
        free(m->bytes);
        free(m->marks);
        free(m);
    }
}

/* ---- symbols
 * -------------------------------------------------------------------------------------- */

static void mark(struct mask *m, uint64_t from, uint64_t to)
{
    size_t at = from > m->start ? (size_t)(from - m->start) : 0;
    memset(m->marks + at, true, (size_t)(to - m->start) - at);
}

static uint64_t symbol_start(const struct mask *m, const struct view *v, uint32_t back)
{
    return v->starts[(v->symbols - back) & (m->ring - 1)];
}

/* One symbol that stands for the bytes [from, to) of the stream. */
static void add_symbol(struct mask *m, struct view *v, unsigned char c, uint64_t from, uint64_t to)
{
    if (c == '\n' || c == '\r') {
        return;
    }
    v->starts[v->symbols & (m->ring - 1)] = from;
    v->symbols++;
    v->node = mask_set_next(m->set, v->node, mask_fold(c));
    uint32_t match = m->set->nodes[v->node].match;
    if (match > 0) {
        m->found = true;
        mark(m, symbol_start(m, v, match), to);
    }
}

static void add_code_point(struct mask *m, struct view *v, uint32_t c, uint64_t from, uint64_t to)
{
    if (c < 0x80) {
        add_symbol(m, v, (unsigned char)c, from, to);
        return;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
    add_symbol(m, v, (unsigned char)(lead[more] | c >> (6 * more)), from, to);
    while (more-- > 0) {
        add_symbol(m, v, (unsigned char)(0x80 | (c >> (6 * more) & 63)), from, to);
    }
}

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ---- escapes
 * -------------------------------------------------------------------------------------- */

enum verdict { ESCAPE_MORE, ESCAPE_DONE, ESCAPE_NONE };

/* How many bytes an escape has that begins like this; 0 = it is none. */
static size_t escape_size(const unsigned char *e, size_t len)
{
    if (e[0] == '%') {
        return 3;
    }
    if (len < 2) {
        return 2;
    }
    return e[1] == 'u'                                           ? 6
           : e[1] == 'x'                                         ? 4
           : strchr("\"\\/bfnrtav0'", e[1]) != NULL && e[1] != 0 ? 2
                                                                 : 0;
}

/* Looks at the escape collected so far; its value where it is complete. */
static enum verdict read_escape(const struct view *v, uint32_t *ret)
{
    const unsigned char *e = v->escape;
    size_t size = escape_size(e, v->escape_len), digits = e[0] == '%' ? 1 : 2;
    if (size == 0) {
        return ESCAPE_NONE;
    }
    if (size == 2) {
        static const char from[] = "bfnrtav0", to[] = "\b\f\n\r\t\a\v";
        const char *found = v->escape_len == 2 ? strchr(from, e[1]) : NULL;
        *ret = found != NULL ? (unsigned char)to[found - from] : e[1];
        return v->escape_len < 2 ? ESCAPE_MORE : ESCAPE_DONE;
    }
    uint32_t value = 0;
    for (size_t i = digits; i < v->escape_len; i++) {
        int digit = hex_value(e[i]);
        if (digit < 0) {
            return ESCAPE_NONE;
        }
        value = value << 4 | (uint32_t)digit;
    }
    *ret = value;
    return v->escape_len < size ? ESCAPE_MORE : ESCAPE_DONE;
}

/* Two halves of a surrogate pair are one character. A half alone is as good as any other byte. */
static void add_escaped(struct mask *m, struct view *v, uint32_t c, uint64_t to)
{
    bool wide = v->escape[1] == 'u' && v->escape[0] == '\\';
    uint64_t from = v->escape_at[0];
    if (v->surrogate != 0 && wide && c >= 0xDC00 && c < 0xE000) {
        c = 0x10000 + ((v->surrogate - 0xD800) << 10) + (c - 0xDC00);
        from = v->surrogate_start;
    }
    v->surrogate = 0;
    if (wide && c >= 0xD800 && c < 0xDC00) {
        v->surrogate = c;
        v->surrogate_start = from;
    } else if (wide) {
        add_code_point(m, v, c, from, to);
    } else {
        add_symbol(m, v, (unsigned char)c, from, to);
    }
}

/* What looked like an escape is none: its first byte is a symbol, the rest is looked at again. */
static void add_to_view(struct mask *m, struct view *v, unsigned char opener, unsigned char c,
                        uint64_t at);

static void flush_escape(struct mask *m, struct view *v, unsigned char opener)
{
    unsigned char held[ESCAPE_MAX];
    uint64_t at[ESCAPE_MAX];
    size_t len = v->escape_len;
    memcpy(held, v->escape, len);
    memcpy(at, v->escape_at, sizeof(at));
    v->escape_len = 0;
    add_symbol(m, v, held[0], at[0], at[0] + 1);
    for (size_t i = 1; i < len; i++) { /* at most ESCAPE_MAX deep: each turn holds one byte less */
        add_to_view(m, v, opener, held[i], at[i]);
    }
}

static void add_to_view(struct mask *m, struct view *v, unsigned char opener, unsigned char c,
                        uint64_t at)
{
    if (v->escape_len == 0 && (opener == 0 || c != opener)) {
        v->surrogate = 0;
        add_symbol(m, v, c, at, at + 1);
        return;
    }
    v->escape_at[v->escape_len] = at;
    v->escape[v->escape_len++] = c;
    uint32_t value = 0;
    enum verdict verdict = read_escape(v, &value);
    if (verdict == ESCAPE_DONE) {
        add_escaped(m, v, value, at + 1);
        v->escape_len = 0;
    } else if (verdict == ESCAPE_NONE) {
        flush_escape(m, v, opener);
    }
}

/* ---- the stream
 * ----------------------------------------------------------------------------------- */

static const unsigned char openers[VIEWS] = {0, '%', '\\'};

static void push(struct mask *m, unsigned char c)
{
    if (m->len == m->cap) {
        m->cap = m->cap == 0 ? 4096 : m->cap * 2;
        m->bytes = mem_grow(m->bytes, m->cap, 1);
        m->marks = mem_grow(m->marks, m->cap, sizeof(*m->marks));
    }
    m->bytes[m->len] = c;
    m->marks[m->len++] = false;
}

/* Where the first byte stands that a view still needs. */
static uint64_t needed_from(const struct mask *m)
{
    uint64_t first = m->start + m->len;
    for (size_t i = 0; i < VIEWS; i++) {
        const struct view *v = &m->views[i];
        uint32_t depth = m->set->nodes[v->node].depth;
        uint64_t from = depth > 0           ? symbol_start(m, v, depth)
                        : v->surrogate != 0 ? v->surrogate_start
                        : v->escape_len > 0 ? v->escape_at[0]
                                            : m->start + m->len;
        first = from < first ? from : first;
    }
    return first;
}

static void give_out(struct mask *m, size_t count, struct buf *ret)
{
    for (size_t i = 0; i < count;) {
        size_t run = 1;
        while (i + run < count && m->marks[i + run] == m->marks[i]) {
            run++;
        }
        if (!m->marks[i]) {
            (void)buf_add(ret, m->bytes + i, run);
        } else { /* one *** for each line of what is hidden; its newlines stay */
            for (size_t k = i; k < i + run; k++) {
                bool newline = m->bytes[k] == '\n';
                (void)(newline ? buf_addc(ret, '\n') : m->in_mask || buf_adds(ret, "***"));
                m->in_mask = !newline;
            }
        }
        m->in_mask = m->in_mask && m->marks[i];
        i += run;
    }
    m->len -= count;
    m->start += count;
    memmove(m->bytes, m->bytes + count, m->len);
    memmove(m->marks, m->marks + count, m->len * sizeof(*m->marks));
}

static void forget(struct mask *m)
{
    for (size_t i = 0; i < VIEWS; i++) {
        m->views[i].node = 0;
        m->views[i].escape_len = 0;
        m->views[i].surrogate = 0;
    }
    m->transparent = 0;
}

static bool is_idle(const struct mask *m)
{
    for (size_t i = 0; i < VIEWS; i++) {
        const struct view *v = &m->views[i];
        if (v->node != 0 || v->escape_len != 0 || v->surrogate != 0) {
            return false;
        }
    }
    return m->len == 0;
}

static void add_byte(struct mask *m, unsigned char c)
{
    uint64_t at = m->start + m->len;
    push(m, c);
    if (c == '\n' || c == '\r') {
        if (++m->transparent > TRANSPARENT_MAX) {
            forget(m);
        }
        return; /* transparent inside escapes as well */
    }
    m->transparent = 0;
    for (size_t i = 0; i < VIEWS; i++) {
        add_to_view(m, &m->views[i], openers[i], c, at);
    }
}

void mask_add(struct mask *m, const void *data, size_t len, struct buf *ret)
{
    const unsigned char *at = data, *end = at + len;
    if (m->set == NULL) {
        (void)buf_add(ret, data, len);
        return;
    }
    while (at < end) {
        if (is_idle(m)) { /* nothing held: skip to where something may begin */
            const unsigned char *plain = at;
            while (at < end && !m->set->starts[*at]) {
                at++;
            }
            (void)buf_add(ret, plain, (size_t)(at - plain));
            m->start += (size_t)(at - plain);
            m->in_mask = m->in_mask && at == plain;
            if (at == end) {
                break;
            }
        }
        add_byte(m, *at++);
        uint64_t from = needed_from(m);
        if (from == m->start + m->len || from - m->start >= 4096) {
            give_out(m, (size_t)(from - m->start), ret);
        }
    }
    if (m->len > 0) {
        give_out(m, (size_t)(needed_from(m) - m->start), ret);
    }
}

void mask_end(struct mask *m, struct buf *ret)
{
    if (m->set == NULL || m->len == 0) {
        return;
    }
    for (size_t i = 0; i < VIEWS; i++) {
        const struct view *v = &m->views[i];
        uint32_t depth = m->set->nodes[v->node].depth;
        if (depth >= LIMIT_SECRET_MIN) {
            mark(m, symbol_start(m, v, depth), m->start + m->len);
        }
    }
    give_out(m, m->len, ret);
    forget(m);
}

/* ---- looking only
 * ----------------------------------------------------------------------------------- */

bool mask_found(const struct mask *m)
{
    return m->found;
}

bool mask_finds(const struct mask_set *set, const void *data, size_t len)
{
    if (set == NULL) {
        return false;
    }
    struct mask *m = mask_new(set);
    AUTO_BUF struct buf out = BUF_INIT(SIZE_MAX / 2);
    const char *at = data;
    while (len > 0 && !m->found) {
        size_t some = len < 4096 ? len : 4096;
        mask_add(m, at, some, &out);
        buf_clear(&out);
        at += some;
        len -= some;
    }
    bool found = m->found;
    mask_free(m);
    return found;
}

void mask_hide(const struct mask_set *set, char *text, size_t size)
{
    if (set == NULL) {
        return;
    }
    AUTO_BUF struct buf clean = BUF_INIT(SIZE_MAX / 2);
    struct mask *m = mask_new(set);
    mask_add(m, text, strlen(text), &clean);
    mask_end(m, &clean);
    mask_free(m);
    size_t len = clean.len < size ? clean.len : size - 1;
    memcpy(text, buf_str(&clean), len);
    text[len] = '\0';
}

size_t mask_begins(const struct mask_set *set, const char *text)
{
    uint32_t node = 0;
    size_t len = 0;
    while (set != NULL && text[len] != '\0') {
        uint32_t next = mask_set_next(set, node, mask_fold((unsigned char)text[len]));
        if (set->nodes[next].depth != len + 1) {
            break;
        }
        node = next;
        len++;
    }
    return len;
}
