/*
 * diag.c - collecting, sorting and printing. Printing goes through the document once: entries are
 * sorted, so the line finder only ever moves on.
 */
#include "base/diag.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_COLUMNS 160 /* of a longer source line a part around the caret is shown */

void diags_init(struct diags *d, const char *file)
{
    *d = (struct diags){.file = mem_strdup(file)};
}

void diags_done(struct diags *d)
{
    for (size_t i = 0; i < d->count; i++) {
        free(d->items[i].message);
        free(d->items[i].hint);
    }
    free(d->items);
    free(d->file);
    *d = (struct diags){0};
}

bool diag_add(struct diags *d, enum diag_severity severity, const char *code, struct diag_pos pos,
              unsigned width, const char *hint, const char *fmt, ...)
{
    bool warning = severity == DIAG_WARNING;
    d->errors += !warning; /* counted even where it is not kept: the document is wrong */
    if (d->count == DIAG_MAX) {
        d->cut = true;
        return warning;
    }
    if (d->count == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 8;
        d->items = mem_grow(d->items, d->cap, sizeof(d->items[0]));
    }
    char *message = NULL;
    va_list args;
    va_start(args, fmt);
    if (vasprintf(&message, fmt, args) < 0)
        message = mem_strdup("(a message that could not be formatted)");
    va_end(args);
    d->items[d->count++] = (struct diag){
        .severity = severity,
        .code = code,
        .pos = pos,
        .width = width,
        .message = message,
        .hint = hint ? mem_strdup(hint) : NULL,
    };
    return warning;
}

struct numbered {
    struct diag diag;
    size_t number;
};

static int by_place(const void *left, const void *right)
{
    const struct numbered *a = left, *b = right;
    if (a->diag.pos.line != b->diag.pos.line)
        return a->diag.pos.line < b->diag.pos.line ? -1 : 1;
    if (a->diag.pos.column != b->diag.pos.column)
        return a->diag.pos.column < b->diag.pos.column ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

void diags_sort(struct diags *d)
{
    if (d->count < 2)
        return;
    struct numbered *items = mem_array(d->count, sizeof(*items));
    for (size_t i = 0; i < d->count; i++)
        items[i] = (struct numbered){d->items[i], i};
    qsort(items, d->count, sizeof(*items), by_place);
    for (size_t i = 0; i < d->count; i++)
        d->items[i] = items[i].diag;
    free(items);
}

struct colours {
    const char *bold, *severity[2], *caret, *end;
};

static const struct colours no_colours = {"", {"", ""}, "", ""};
static const struct colours ansi_colours = {
    "\033[1m", {"\033[1;31m", "\033[1;35m"}, "\033[1;32m", "\033[0m"};

/* Text of users goes to a terminal without its control characters (a tab becomes one blank, as one
 * column) and as valid UTF-8. */
static void put_clean(FILE *out, const char *text, size_t len)
{
    while (len > 0) {
        size_t valid = text_utf8_valid(text, len), at;
        for (at = 0; at < valid; at++) {
            unsigned char c = (unsigned char)text[at];
            bool c1 = c == 0xC2 && (unsigned char)text[at + 1] < 0xA0;
            if (c1)
                at++;
            (void)fputc(c == '\t' ? ' ' : c1 || c < 0x20 || c == 0x7F ? '?' : c, out);
        }
        if (valid < len) {
            (void)fputs("\xEF\xBF\xBD", out);
            at++;
        }
        text += at;
        len -= at;
    }
}

/* Where we are in the document: `at` is the start of line `line`. */
struct line_finder {
    const char *text, *at, *end;
    unsigned line;
};

/* Finds the line; false where the document has no such line. */
static bool find_line(struct line_finder *f, unsigned line, const char **ret, size_t *ret_len)
{
    if (line < f->line) {
        f->at = f->text;
        f->line = 1;
    }
    while (f->line < line) {
        const char *newline = memchr(f->at, '\n', (size_t)(f->end - f->at));
        if (!newline)
            return false;
        f->at = newline + 1;
        f->line++;
    }
    const char *newline = memchr(f->at, '\n', (size_t)(f->end - f->at));
    *ret_len = (size_t)((newline ? newline : f->end) - f->at);
    *ret = f->at;
    if (*ret_len > 0 && f->at[*ret_len - 1] == '\r')
        (*ret_len)--;
    return true;
}

static bool continues(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Bytes that the first `columns` code points of the line take. */
static size_t bytes_of_columns(const char *line, size_t len, size_t columns)
{
    size_t at = 0;
    for (; at < len && columns > 0; columns--) {
        at++;
        while (at < len && continues(line[at]))
            at++;
    }
    return at;
}

static void repeat(FILE *out, char c, size_t count)
{
    while (count-- > 0)
        (void)fputc(c, out);
}

static void print_source(const struct diag *item, const char *line, size_t len,
                         const struct colours *c, FILE *out)
{
    size_t columns = text_utf8_count(line, len), column = item->pos.column, first = 0;
    if (column > columns + 1)
        column = columns + 1; /* "something is missing at the end" is the furthest there is */
    if (columns > SHOWN_COLUMNS && column > SHOWN_COLUMNS / 2)
        first = column - SHOWN_COLUMNS / 2;
    size_t skip = bytes_of_columns(line, len, first);
    size_t shown = bytes_of_columns(line + skip, len - skip, SHOWN_COLUMNS);
    (void)fprintf(out, "%5u | %s", item->pos.line, first ? "..." : "");
    put_clean(out, line + skip, shown);
    (void)fputs(skip + shown < len ? "...\n" : "\n", out);
    if (column == 0)
        return;
    size_t before = column - 1 - first, width = item->width ? item->width : 1;
    size_t room = text_utf8_count(line + skip, shown);
    room = room > before ? room - before : 1;
    (void)fputs("      | ", out);
    repeat(out, ' ', before + (first ? 3 : 0));
    (void)fputs(c->caret, out);
    repeat(out, '^', width < room ? width : room);
    (void)fprintf(out, "%s\n", c->end);
}

static void print_head(const char *file, const struct diag *item, const struct colours *c,
                       FILE *out)
{
    static const char *const names[] = {"error", "warning"};
    (void)fputs(c->bold, out);
    put_clean(out, file, strlen(file));
    if (item->pos.line > 0)
        (void)fprintf(out, ":%u", item->pos.line);
    if (item->pos.line > 0 && item->pos.column > 0)
        (void)fprintf(out, ":%u", item->pos.column);
    (void)fprintf(out, ": %s%s%s:%s ", c->end, c->severity[item->severity], names[item->severity],
                  c->end);
    put_clean(out, item->message, strlen(item->message));
    (void)fprintf(out, " [%s]\n", item->code);
}

void diags_print(const struct diags *d, const char *text, size_t len, bool colour, FILE *out)
{
    const struct colours *c = colour ? &ansi_colours : &no_colours;
    struct line_finder finder = {text, text, text ? text + len : NULL, 1};
    const char *file = d->file ? d->file : "-";
    for (size_t i = 0; i < d->count; i++) {
        const struct diag *item = &d->items[i];
        const char *line;
        size_t line_len;
        print_head(file, item, c, out);
        if (text && item->pos.line > 0 && find_line(&finder, item->pos.line, &line, &line_len))
            print_source(item, line, line_len, c, out);
        if (item->hint) {
            (void)fputs("      hint: ", out);
            put_clean(out, item->hint, strlen(item->hint));
            (void)fputc('\n', out);
        }
    }
    if (d->cut) {
        put_clean(out, file, strlen(file));
        (void)fprintf(out, ": more than %d problems: the rest is not shown\n", DIAG_MAX);
    }
}
