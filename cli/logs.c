/*
 * logs.c - see logs.h. A log is opened when the merge reaches the time its attempt was made, and
 * closed when it is read and its attempt has ended, so that the number of open files follows the
 * number of steps that ran at one time, and not the length of the run.
 */
#include "cli/logs.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

struct source {
    char *key; /* folder@attempt */
    char *step, *folder, *dir;
    uint32_t attempt;
    int64_t created_ms;
    bool ended; /* the attempt has: what has been written is all */
    bool tail;
    uint64_t tail_lines;
    struct exec_log *log;
    char *text; /* the line that is next, copied: reading another log must not move it */
    struct exec_log_line line;
    bool has_line, done;
    UT_hash_handle hh;
};

struct logs {
    struct cli *c;
    char run[ID_SIZE];
    char *step;
    uint32_t attempt;
    struct source *sources; /* by key, in the order of created_ms */
    char *returned;         /* text of the line handed out last */
};

struct logs *logs_open(struct cli *c, const char *run, const char *step, uint32_t attempt)
{
    struct logs *l = mem_alloc(sizeof(*l));
    l->c = c;
    memcpy(l->run, run, sizeof(l->run));
    l->step = step ? mem_strdup(step) : NULL;
    l->attempt = attempt;
    return l;
}

static void source_free(struct source *s)
{
    if (s->log)
        exec_log_close(s->log);
    free(s->key);
    free(s->step);
    free(s->folder);
    free(s->dir);
    free(s->text);
    free(s);
}

void logs_close(struct logs *l)
{
    if (!l)
        return;
    struct source *s, *next;
    HASH_ITER(hh, l->sources, s, next)
    {
        HASH_DEL(l->sources, s);
        source_free(s);
    }
    free(l->step);
    free(l->returned);
    free(l);
}

size_t logs_count(const struct logs *l)
{
    return HASH_COUNT(l->sources);
}

void logs_tail(struct logs *l, uint64_t lines)
{
    if (HASH_COUNT(l->sources) != 1)
        return;
    l->sources->tail = true;
    l->sources->tail_lines = lines;
}

/* ---- which attempts there are */

static int by_time(struct source *a, struct source *b)
{
    return a->created_ms != b->created_ms ? (a->created_ms < b->created_ms ? -1 : 1)
                                          : strcmp(a->key, b->key);
}

static bool attempt_ended(const struct store_attempt *a)
{
    return a->ended_ms > 0;
}

static void add_source(struct logs *l, const struct store_step *step,
                       const struct store_attempt *attempt)
{
    char *key = mem_printf("%s@%u", step->folder, attempt->number);
    struct source *s;
    HASH_FIND_STR(l->sources, key, s);
    if (s) {
        s->ended = attempt_ended(attempt);
        free(key);
        return;
    }
    s = mem_alloc(sizeof(*s));
    s->key = key;
    s->step = mem_strdup(step->name);
    s->folder = mem_strdup(step->folder);
    s->dir = engine_attempt_dir(cli_data_dir(l->c), l->run, step->folder, attempt->number);
    s->attempt = attempt->number;
    s->created_ms = attempt->created_ms;
    s->ended = attempt_ended(attempt);
    HASH_ADD_KEYPTR(hh, l->sources, s->key, strlen(s->key), s);
}

static bool wanted(const struct logs *l, const struct store_attempt *a, uint32_t highest)
{
    if (l->step && strcmp(l->step, a->step) != 0)
        return false;
    return l->attempt ? a->number == l->attempt : !l->step || a->number == highest;
}

bool logs_refresh(struct logs *l, struct store *s, struct err *err)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store_step *steps;
    struct store_attempt *attempts;
    size_t step_count, attempt_count;
    if (!store_get_steps(s, l->run, &a, &steps, &step_count, err) ||
        !store_get_attempts(s, l->run, l->step, &a, &attempts, &attempt_count, err))
        return false;
    /* Both come by step index, so one pass joins them. */
    for (size_t i = 0, at = 0; i < step_count; i++)
        for (; at < attempt_count && strcmp(attempts[at].step, steps[i].folder) == 0; at++)
            if (wanted(l, &attempts[at], steps[i].attempt))
                add_source(l, &steps[i], &attempts[at]);
    HASH_SORT(l->sources, by_time);
    return true;
}

/* ---- merging */

static void load_line(struct source *s)
{
    struct err err = ERR_INIT;
    if (!s->log) {
        s->log = exec_log_open(s->dir, &err);
        if (s->log && s->tail && !exec_log_tail(s->log, s->tail_lines, &err)) {
            exec_log_close(s->log);
            s->log = NULL;
        }
    }
    if (s->log && exec_log_next(s->log, &s->line)) {
        free(s->text);
        s->text = mem_strndup(s->line.text, s->line.len);
        s->line.text = s->text;
        s->has_line = true;
        return;
    }
    if (!s->ended)
        return; /* more may come */
    s->done = true;
    if (s->log)
        exec_log_close(s->log);
    s->log = NULL;
}

bool logs_next(struct logs *l, struct logs_line *ret)
{
    struct source *best = NULL, *s, *next;
    HASH_ITER(hh, l->sources, s, next)
    {
        if (best && s->created_ms > best->line.at_ms)
            break; /* nothing that was made later can have an earlier line */
        if (!s->has_line && !s->done)
            load_line(s);
        if (s->has_line && (!best || s->line.at_ms < best->line.at_ms))
            best = s;
    }
    if (!best)
        return false;
    free(l->returned);
    l->returned = mem_steal(best->text);
    *ret = (struct logs_line){
        .step = best->step, .folder = best->folder, .attempt = best->attempt, .line = best->line};
    best->has_line = false;
    return true;
}
