/*
 * usage.c - what an attempt takes while it runs: reads the file `usage` in its folder.
 *
 *   t_ms cpu_us peak_bytes read_bytes …
 *   1790000000000 12000 1638400 0 …
 *
 * The first line has the names of the columns: when (wall clock), and members of struct step_usage.
 * The step could write here too, and a later version has other columns: names that are not ours
 * are passed over, a line that does not fit is none, and the last line counts once it has ended.
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

#define COLUMNS_MAX 64

struct columns {
    const struct step_usage_field *fields[COLUMNS_MAX]; /* NULL: not ours */
    size_t count;                                       /* t_ms is not one of them */
};

void exec_usage_done(struct exec_usage *u)
{
    free(u->items);
    *u = (struct exec_usage){0};
}

int64_t *exec_usage_member(struct step_usage *u, const struct step_usage_field *f)
{
    return (int64_t *)(void *)((char *)u + f->offset);
}

int64_t exec_usage_cpu_milli(const struct exec_usage *u)
{
    if (u->count < 2) {
        return -1;
    }
    const struct exec_sample *last = &u->items[u->count - 1], *before = last - 1;
    int64_t passed_ms = last->at_ms - before->at_ms;
    bool known = before->usage.cpu_us >= 0 && last->usage.cpu_us >= before->usage.cpu_us;
    return known && passed_ms > 0 ? (last->usage.cpu_us - before->usage.cpu_us) / passed_ms : -1;
}

/* ---- lines */

static const struct step_usage_field *find_field(const char *name)
{
    for (size_t i = 0; i < step_usage_field_count; i++) {
        if (step_usage_fields[i].sampled && strcmp(step_usage_fields[i].name, name) == 0) {
            return &step_usage_fields[i];
        }
    }
    return NULL;
}

static bool read_names(char *line, struct columns *ret, struct err *err)
{
    const char *word = strsep(&line, " ");
    if (strcmp(word, "t_ms") != 0) {
        return err_set(err, ERR_INVALID, "its first line does not begin with t_ms");
    }
    while ((word = strsep(&line, " ")) != NULL) {
        if (ret->count == COLUMNS_MAX) {
            return err_set(err, ERR_LIMIT, "it has more than %d columns", COLUMNS_MAX);
        }
        ret->fields[ret->count++] = find_field(word);
    }
    return true;
}

/* False: not a whole line of numbers. */
static bool read_numbers(char *line, const struct columns *columns, struct exec_sample *ret)
{
    struct exec_sample sample = {.usage = STEP_USAGE_NONE};
    if (!text_int(strsep(&line, " "), &sample.at_ms) || sample.at_ms < 0) {
        return false;
    }
    for (size_t i = 0; i < columns->count; i++) {
        const char *word = strsep(&line, " ");
        int64_t value;
        if (word == NULL || !text_int(word, &value)) {
            return false;
        }
        if (columns->fields[i] != NULL && value >= 0) {
            *exec_usage_member(&sample.usage, columns->fields[i]) = value;
        }
    }
    *ret = sample;
    return line == NULL;
}

/* The next ended line, its newline replaced by a NUL; NULL = no more. */
static char *next_line(char **at, const char *end)
{
    char *line = *at, *newline = memchr(line, '\n', (size_t)(end - line));
    if (newline == NULL) {
        return NULL;
    }
    *newline = '\0';
    *at = newline + 1;
    return line;
}

static bool read_samples(char *text, size_t len, struct exec_usage *u, struct err *err)
{
    const char *end = text + len;
    struct columns columns = {0};
    size_t cap = 0;
    char *line = next_line(&text, end);
    if (line == NULL) {
        return true;
    }
    if (!read_names(line, &columns, err)) {
        return false;
    }
    while ((line = next_line(&text, end)) != NULL) {
        if (u->count == LIMIT_USAGE_SAMPLES) {
            return err_set(err, ERR_LIMIT, "it has more than %d samples", LIMIT_USAGE_SAMPLES);
        }
        if (u->count == cap) {
            cap = cap == 0 ? 64 : cap * 2;
            u->items = mem_grow(u->items, cap, sizeof(*u->items));
        }
        u->count += read_numbers(line, &columns, &u->items[u->count]);
    }
    return true;
}

bool exec_parse_usage(const char *text, size_t len, struct exec_usage *ret, struct err *err)
{
    if (len > LIMIT_USAGE_FILE) {
        return err_set(err, ERR_LIMIT, "usage: it is larger than %ld bytes", LIMIT_USAGE_FILE);
    }
    if (memchr(text, '\0', len) != NULL) {
        return err_set(err, ERR_INVALID, "usage: it is not text");
    }
    struct exec_usage usage = {0};
    AUTO_FREE char *copy = mem_strndup(text, len);
    if (!read_samples(copy, len, &usage, err)) {
        exec_usage_done(&usage);
        return err_wrap(err, "usage");
    }
    *ret = usage;
    return true;
}

bool exec_read_usage(const char *folder, struct exec_usage *ret, struct err *err)
{
    struct err why = ERR_INIT;
    AUTO_BUF struct buf text = BUF_INIT(LIMIT_USAGE_FILE);
    AUTO_CLOSE int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 && errno != ENOENT) {
        return err_sys(err, errno, "cannot open %s", folder);
    }
    /* A link is not followed: it could lead to what only the reader may see. */
    if (dir >= 0 && !file_read_at(dir, "usage", &text, &why) && why.code != ERR_NOT_FOUND) {
        if (err != NULL) {
            *err = why;
        }
        return err_wrap(err, "%s", folder);
    }
    return exec_parse_usage(buf_str(&text), text.len, ret, err) || err_wrap(err, "%s", folder);
}
