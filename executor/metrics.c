/*
 * metrics.c - reads ORCH_METRICS: lines `name value [step]`, or JSON objects whose numbers are
 * metrics and whose "step" is their step.
 */
#include "executor/executor.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_LEN 250

struct points {
    struct exec_metrics out;
    size_t cap;
};

void exec_metrics_done(struct exec_metrics *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free(m->items[i].name);
    }
    free(m->items);
    *m = (struct exec_metrics){0};
}

static bool put(struct points *p, const char *name, size_t len, double value, bool has_step,
                int64_t step, struct err *err)
{
    if (len == 0 || len > NAME_MAX_LEN) {
        return err_set(err, ERR_INVALID, "a metric's name has 1 to %d bytes", NAME_MAX_LEN);
    }
    if (p->out.count == LIMIT_METRICS_COUNT) {
        return err_set(err, ERR_LIMIT, "more than %d points", LIMIT_METRICS_COUNT);
    }
    if (p->out.count == p->cap) {
        p->cap = p->cap == 0 ? 16 : p->cap * 2;
        p->out.items = mem_grow(p->out.items, p->cap, sizeof(*p->out.items));
    }
    p->out.items[p->out.count++] =
        (struct exec_metric){mem_strndup(name, len), value, step, has_step};
    return true;
}

static bool read_value(const char *text, double *ret)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {
        {"nan", NAN},
        {"inf", INFINITY},
        {"+inf", INFINITY},
        {"-inf", -INFINITY},
        {"infinity", INFINITY},
        {"+infinity", INFINITY},
        {"-infinity", -INFINITY},
    };
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcasecmp(words[i].word, text) == 0) {
            *ret = words[i].value;
            return true;
        }
    }
    return text_double(text, ret);
}

/* ---- name value [step] ---- */

static bool read_words(struct points *p, char *line, struct err *err)
{
    char *words[4];
    size_t count = 0;
    char *rest = line;
    for (char *word; count < COUNT_OF(words) && (word = strsep(&rest, " \t")) != NULL;) {
        if (*word != '\0') {
            words[count++] = word;
        }
    }
    double value;
    int64_t step = 0;
    if (count < 2 || count > 3 || !read_value(words[1], &value) ||
        (count == 3 && !text_int(words[2], &step))) {
        return err_set(err, ERR_INVALID,
                       "'%.60s' is no metric: write `name value [step]`, or a JSON object",
                       count > 0 ? words[0] : line);
    }
    return put(p, words[0], strlen(words[0]), value, count == 3, step, err);
}

/* ---- {"name": value, ..., "step": n}: one flat object, read without a JSON library, which
 * executor need not know ---- */

struct reader {
    const char *at, *end;
};

static void skip_space(struct reader *r)
{
    while (r->at < r->end && isspace((unsigned char)*r->at)) {
        r->at++;
    }
}

static bool take(struct reader *r, char c)
{
    skip_space(r);
    if (r->at < r->end && *r->at == c) {
        r->at++;
        return true;
    }
    return false;
}

/* A string without escapes beyond \" \\ and \/: names of metrics need no more. */
static bool read_string(struct reader *r, struct buf *ret)
{
    buf_clear(ret);
    if (!take(r, '"')) {
        return false;
    }
    while (r->at < r->end && *r->at != '"') {
        if (*r->at == '\\') {
            r->at++;
            if (r->at == r->end || strchr("\"\\/", *r->at) == NULL) {
                return false;
            }
        }
        if ((unsigned char)*r->at < 0x20 || !buf_addc(ret, *r->at++)) {
            return false;
        }
    }
    return take(r, '"');
}

static bool read_number(struct reader *r, struct buf *word, double *ret)
{
    skip_space(r);
    if (r->at < r->end && *r->at == '"') {
        return read_string(r, word) && read_value(buf_str(word), ret); /* "NaN", "Infinity" */
    }
    buf_clear(word);
    while (r->at < r->end && strchr(",} \t\r\n", *r->at) == NULL) {
        buf_addc(word, *r->at++);
    }
    return read_value(buf_str(word), ret);
}

static bool read_object(struct points *p, const char *line, size_t len, struct err *err)
{
    struct reader r = {line, line + len};
    size_t first = p->out.count;
    AUTO_BUF struct buf name = BUF_INIT(NAME_MAX_LEN), word = BUF_INIT(64);
    double value, step = 0;
    bool has_step = false, ok = take(&r, '{'), empty = ok && take(&r, '}');
    while (ok && !empty) {
        ok = read_string(&r, &name) && take(&r, ':') && read_number(&r, &word, &value);
        if (ok && strcmp(buf_str(&name), "step") == 0) {
            has_step = true;
            step = value;
            ok = fabs(step) < 9e15 && step == floor(step);
        } else if (ok && !put(p, buf_str(&name), name.len, value, false, 0, err)) {
            return false;
        }
        if (ok && take(&r, '}')) {
            break;
        }
        ok = ok && take(&r, ',');
    }
    skip_space(&r);
    if (!ok || r.at != r.end) {
        return err_set(
            err, ERR_INVALID,
            "'%.*s' is not one flat JSON object of numbers like {\"loss\": 0.5, \"step\": 3}",
            (int)(len < 80 ? len : 80), line);
    }
    for (size_t i = first; has_step && i < p->out.count; i++) {
        p->out.items[i].has_step = true;
        p->out.items[i].step = (int64_t)step;
    }
    return true;
}

static bool read_line(struct points *p, const char *line, size_t len, struct err *err)
{
    while (len > 0 && isspace((unsigned char)*line)) {
        line++;
        len--;
    }
    while (len > 0 && isspace((unsigned char)line[len - 1])) {
        len--;
    }
    if (len == 0) {
        return true;
    }
    if (*line == '{') {
        return read_object(p, line, len, err);
    }
    AUTO_FREE char *copy = mem_strndup(line, len);
    return read_words(p, copy, err);
}

bool exec_parse_metrics(const char *text, size_t len, struct exec_metrics *ret, struct err *err)
{
    if (len > LIMIT_METRICS_FILE) {
        return err_set(err, ERR_LIMIT, "$ORCH_METRICS is larger than %ld bytes",
                       LIMIT_METRICS_FILE);
    }
    if (memchr(text, '\0', len) != NULL || text_utf8_valid(text, len) != len) {
        return err_set(err, ERR_INVALID, "$ORCH_METRICS is not text");
    }
    struct points p = {0};
    size_t number = 0;
    for (const char *at = text, *end = text + len; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline != NULL ? newline : end;
        number++;
        if (!read_line(&p, at, (size_t)(stop - at), err)) {
            exec_metrics_done(&p.out);
            return err_wrap(err, "$ORCH_METRICS, line %zu", number);
        }
        at = stop + 1;
    }
    *ret = p.out;
    return true;
}
