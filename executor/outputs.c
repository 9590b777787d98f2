/*
 * outputs.c - reads ORCH_OUTPUT: what a step says about its outputs. The bytes are the step's, so
 * nothing is believed.
 *
 *   name=value            the rest of the line, as it is
 *   name<<WORD            all lines up to one that is exactly WORD; joined by newlines, without the
 * last
 */
#include "executor/executor.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct seen {
    const char *name; /* borrowed from the item */
    size_t at;
    UT_hash_handle hh;
};

struct parser {
    const char *at, *end;
    size_t line; /* of `at`, from 1 */
    struct exec_outputs out;
    size_t cap;
    struct seen *seen;
};

void exec_outputs_done(struct exec_outputs *o)
{
    for (size_t i = 0; i < o->count; i++) {
        free(o->items[i].name);
        free(o->items[i].value);
    }
    free(o->items);
    *o = (struct exec_outputs){0};
}

/* The next line without its newline; false at the end. */
static bool next_line(struct parser *p, const char **ret, size_t *ret_len)
{
    if (p->at >= p->end) {
        return false;
    }
    const char *newline = memchr(p->at, '\n', (size_t)(p->end - p->at));
    const char *stop = newline != NULL ? newline : p->end;
    *ret = p->at;
    *ret_len = (size_t)(stop - p->at);
    if (*ret_len > 0 && stop[-1] == '\r') {
        (*ret_len)--;
    }
    p->at = newline != NULL ? newline + 1 : p->end;
    p->line++;
    return true;
}

static void forget(struct parser *p)
{
    struct seen *s, *next;
    HASH_ITER(hh, p->seen, s, next)
    {
        HASH_DEL(p->seen, s);
        free(s);
    }
}

/* Takes the value. */
static bool put(struct parser *p, const char *name, size_t name_len, char *value, size_t line,
                struct err *err)
{
    AUTO_FREE char *owned = value;
    AUTO_FREE char *copy = mem_strndup(name, name_len);
    if (!text_is_param_name(copy)) {
        return err_set(
            err, ERR_INVALID,
            "line %zu: '%.60s' is no name for an output (letters, digits and _, not first a digit)",
            line, copy);
    }
    if (strlen(owned) > LIMIT_OUTPUT_VALUE) {
        return err_set(err, ERR_LIMIT,
                       "line %zu: output '%s' is longer than %ld bytes: write a file to $ORCH_OUT",
                       line, copy, LIMIT_OUTPUT_VALUE);
    }
    struct seen *s = NULL;
    HASH_FIND_STR(p->seen, copy, s);
    if (s != NULL) {
        free(p->out.items[s->at].value);
        p->out.items[s->at].value = mem_steal(owned);
        return true;
    }
    if (p->out.count == LIMIT_OUTPUT_COUNT) {
        return err_set(err, ERR_LIMIT, "line %zu: more than %d outputs", line, LIMIT_OUTPUT_COUNT);
    }
    if (p->out.count == p->cap) {
        p->cap = p->cap == 0 ? 8 : p->cap * 2;
        p->out.items = mem_grow(p->out.items, p->cap, sizeof(*p->out.items));
    }
    s = mem_alloc(sizeof(*s));
    s->at = p->out.count;
    p->out.items[p->out.count++] = (struct exec_pair){mem_steal(copy), mem_steal(owned)};
    s->name = p->out.items[s->at].name;
    HASH_ADD_KEYPTR(hh, p->seen, s->name, strlen(s->name), s);
    return true;
}

static bool read_block(struct parser *p, const char *name, size_t name_len, const char *word,
                       size_t word_len, struct err *err)
{
    size_t start = p->line;
    struct buf value = BUF_INIT(LIMIT_OUTPUT_FILE);
    const char *line;
    size_t len;
    bool first = true;
    while (next_line(p, &line, &len)) {
        if (len == word_len && memcmp(line, word, len) == 0) {
            char *text = value.len == 0 ? mem_strdup("") : buf_take(&value);
            buf_done(&value);
            return put(p, name, name_len, text, start, err);
        }
        if (!first) {
            buf_addc(&value, '\n');
        }
        buf_add(&value, line, len);
        first = false;
    }
    buf_done(&value);
    return err_set(err, ERR_INVALID,
                   "line %zu: the block '%.*s<<%.*s' is not closed by a line %.*s", start,
                   (int)(name_len < 60 ? name_len : 60), name, (int)(word_len < 60 ? word_len : 60),
                   word, (int)(word_len < 60 ? word_len : 60), word);
}

static bool read_line(struct parser *p, const char *line, size_t len, struct err *err)
{
    const char *equals = memchr(line, '=', len);
    size_t key = equals != NULL ? (size_t)(equals - line) : len;
    const char *block = memmem(line, key, "<<", 2);
    if (block != NULL && (size_t)(block - line) + 2 < len) {
        size_t name_len = (size_t)(block - line);
        return read_block(p, line, name_len, block + 2, len - name_len - 2, err);
    }
    if (equals == NULL) {
        return err_set(err, ERR_INVALID, "line %zu: '%.*s' is neither name=value nor name<<WORD",
                       p->line, (int)(len < 60 ? len : 60), line);
    }
    return put(p, line, key, mem_strndup(equals + 1, len - key - 1), p->line, err);
}

bool exec_parse_outputs(const char *text, size_t len, struct exec_outputs *ret, struct err *err)
{
    if (len > LIMIT_OUTPUT_FILE) {
        return err_set(err, ERR_LIMIT, "$ORCH_OUTPUT is larger than %ld bytes", LIMIT_OUTPUT_FILE);
    }
    if (memchr(text, '\0', len) != NULL || text_utf8_valid(text, len) != len) {
        return err_set(err, ERR_INVALID,
                       "$ORCH_OUTPUT is not text: write bytes to a file in $ORCH_OUT");
    }
    struct parser p = {.at = text, .end = text + len};
    const char *line;
    size_t line_len;
    bool ok = true;
    while (ok && next_line(&p, &line, &line_len)) {
        ok = line_len == 0 || read_line(&p, line, line_len, err);
    }
    forget(&p);
    if (!ok) {
        exec_outputs_done(&p.out);
        return err_wrap(err, "$ORCH_OUTPUT");
    }
    *ret = p.out;
    return true;
}

/* Reads a file of an attempt's folder; no such file is an empty one. */
static bool read_file(const char *folder, const char *name, struct buf *ret, struct err *err)
{
    struct err why = ERR_INIT;
    AUTO_CLOSE int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 && errno != ENOENT) {
        return err_sys(err, errno, "cannot open %s", folder);
    }
    /* A link is not followed: it could lead to what only the reader may see. */
    if (dir < 0 || file_read_at(dir, name, ret, &why) || why.code == ERR_NOT_FOUND) {
        return true;
    }
    if (err != NULL) {
        *err = why;
    }
    return err_wrap(err, "%s", folder);
}

bool exec_read_outputs(const char *folder, struct exec_outputs *ret, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(LIMIT_OUTPUT_FILE);
    return read_file(folder, "output", &text, err) &&
           exec_parse_outputs(buf_str(&text), text.len, ret, err);
}

bool exec_read_metrics(const char *folder, struct exec_metrics *ret, struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(LIMIT_METRICS_FILE);
    return read_file(folder, "metrics", &text, err) &&
           exec_parse_metrics(buf_str(&text), text.len, ret, err);
}

bool exec_read_files(const char *folder, struct step_files *ret, struct err *err)
{
    AUTO_BUF struct buf bytes = BUF_INIT(STEP_FILES_BYTES);
    *ret = (struct step_files){0};
    if (!read_file(folder, "files", &bytes, err)) {
        return false;
    }
    return bytes.len == 0 || step_files_decode(buf_str(&bytes), bytes.len, ret, err);
}
