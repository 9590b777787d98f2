/*
 * options.c - see options.h. parse_word() is told one word at a time; everything an option can be
 * (its argument, its check) is a column of its row or a line of the table of checks below.
 */
#include "cli/options.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define NAME_COLUMN 26
#define MAX_NAMES 64 /* rows of all tables of a verb; more is a bug */

struct words { /* the command line as far as it is read */
    int argc, at;
    char **argv;
};

void args_done(struct args *a)
{
    for (size_t i = 0; i < a->owned_count; i++)
        free(a->owned[i]);
    free(a->owned);
    free(a->items);
    free(a->operands);
    *a = (struct args){0};
}

static void add_value(struct args *a, const struct option *option, const char *text)
{
    if (a->count == a->cap) {
        a->cap = a->cap ? 2 * a->cap : 8;
        a->items = mem_grow(a->items, a->cap, sizeof(*a->items));
    }
    a->items[a->count++] = (struct arg){.option = option, .text = text};
}

static void add_operand(struct args *a, const char *word)
{
    if (a->operand_count == a->operand_cap) {
        a->operand_cap = a->operand_cap ? 2 * a->operand_cap : 4;
        a->operands = mem_grow(a->operands, a->operand_cap, sizeof(*a->operands));
    }
    a->operands[a->operand_count++] = word;
}

static const char *own(struct args *a, char *text)
{
    if (a->owned_count == a->owned_cap) {
        a->owned_cap = a->owned_cap ? 2 * a->owned_cap : 4;
        a->owned = mem_grow(a->owned, a->owned_cap, sizeof(*a->owned));
    }
    return a->owned[a->owned_count++] = text;
}

/* ---- finding rows */

static const struct option *find_name(const struct option *const *tables, const char *name,
                                      size_t len)
{
    for (; *tables; tables++)
        for (const struct option *o = *tables; o->name; o++)
            if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
                return o;
    return NULL;
}

static const struct option *find_letter(const struct option *const *tables, char letter)
{
    for (; *tables; tables++)
        for (const struct option *o = *tables; o->name; o++)
            if (o->letter == letter)
                return o;
    return NULL;
}

static bool unknown_option(const struct option *const *tables, const char *word, size_t len,
                           struct err *err)
{
    const char *names[MAX_NAMES];
    size_t count = 0;
    for (; *tables; tables++)
        for (const struct option *o = *tables; o->name && count < MAX_NAMES; o++)
            names[count++] = o->name;
    AUTO_FREE char *bare = mem_strndup(word, len);
    const char *near = text_nearest(bare + strspn(bare, "-"), names, count);
    if (near)
        return err_set(err, ERR_USAGE, "unknown option '%s': did you mean '--%s'?", bare, near);
    return err_set(err, ERR_USAGE, "unknown option '%s'", bare);
}

/* ---- checking values */

static bool check_text(const struct option *o, const char *text, struct err *err)
{
    if (*text)
        return true;
    return err_set(err, ERR_USAGE, "--%s needs %s, not an empty word", o->name, o->arg);
}

static bool check_count(const struct option *o, const char *text, struct err *err)
{
    int64_t value;
    if (text_int(text, &value) && value >= 1 && value <= INT32_MAX)
        return true;
    return err_set(err, ERR_USAGE, "--%s needs a whole number from 1, not '%s'", o->name, text);
}

static bool check_choice(const struct option *o, const char *text, struct err *err)
{
    size_t len = strlen(text);
    for (const char *at = o->arg; at; at = strchr(at, '|')) {
        at += *at == '|';
        if (len > 0 && strcspn(at, "|") == len && memcmp(at, text, len) == 0)
            return true;
    }
    return err_set(err, ERR_USAGE, "--%s is one of %s, not '%s'", o->name, o->arg, text);
}

static bool check_pair(const struct option *o, const char *text, struct err *err)
{
    if (strchr(text, '=') && *text != '=')
        return true;
    return err_set(err, ERR_USAGE, "--%s needs NAME=VALUE, not '%s'", o->name, text);
}

static bool (*const CHECKS[])(const struct option *o, const char *text, struct err *err) = {
    [OPTION_TEXT] = check_text, [OPTION_COUNT] = check_count, [OPTION_CHOICE] = check_choice,
    [OPTION_PAIR] = check_pair, [OPTION_STEPS] = check_text,
};

/* ---- steps: A,B and A B */

static void add_list(struct args *a, const struct option *o, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, ",");
        /* NAME[k=1,z=y] is one name: commas inside brackets do not separate. */
        const char *open = memchr(text, '[', len);
        const char *shut = open ? strchr(open, ']') : NULL;
        if (shut)
            len = (size_t)(shut - text) + strcspn(shut, ",");
        if (len > 0)
            add_value(a, o, own(a, mem_strndup(text, len)));
        text += len;
        text += *text == ',';
    }
}

static void take_more_steps(struct args *a, const struct option *o, struct words *w)
{
    while (w->at < w->argc && w->argv[w->at][0] != '-' && !options_is_file(w->argv[w->at]))
        add_list(a, o, w->argv[w->at++]);
}

bool options_is_file(const char *word)
{
    size_t len = strlen(word);
    return strchr(word, '/') || (len > 5 && strcmp(word + len - 5, ".yaml") == 0) ||
           (len > 4 && strcmp(word + len - 4, ".yml") == 0);
}

/* ---- words */

static bool take_value(struct args *a, const struct option *o, const char *text, struct words *w,
                       struct err *err)
{
    if (!text) {
        if (w->at >= w->argc)
            return err_set(err, ERR_USAGE, "--%s needs an argument: --%s %s", o->name, o->name,
                           o->arg);
        text = w->argv[w->at++];
        if (o->type == OPTION_STEPS && text[0] == '-') /* no step is called so */
            return err_set(err, ERR_USAGE, "--%s needs the name of a step, not the option '%s'",
                           o->name, text);
    }
    if (!CHECKS[o->type](o, text, err))
        return false;
    if (o->type != OPTION_STEPS) {
        add_value(a, o, text);
        return true;
    }
    size_t before = a->count;
    add_list(a, o, text);
    if (a->count == before)
        return err_set(err, ERR_USAGE, "--%s names no step: '%s'", o->name, text);
    take_more_steps(a, o, w);
    return true;
}

static bool parse_long(struct args *a, const struct option *const *tables, const char *word,
                       struct words *w, struct err *err)
{
    size_t len = strcspn(word + 2, "=");
    const char *value = word[2 + len] ? word + 2 + len + 1 : NULL;
    const struct option *o = find_name(tables, word + 2, len);
    if (!o)
        return unknown_option(tables, word, 2 + len, err);
    if (o->type != OPTION_FLAG)
        return take_value(a, o, value, w, err);
    if (value)
        return err_set(err, ERR_USAGE, "--%s takes no argument", o->name);
    add_value(a, o, NULL);
    return true;
}

static bool parse_letters(struct args *a, const struct option *const *tables, const char *word,
                          struct words *w, struct err *err)
{
    for (const char *at = word + 1; *at; at++) {
        const struct option *o = find_letter(tables, *at);
        if (!o && at == word + 1 && at[1])
            return unknown_option(tables, word, strcspn(word, "="), err);
        if (!o)
            return err_set(err, ERR_USAGE, "unknown option '-%c'", *at);
        if (o->type != OPTION_FLAG)
            return take_value(a, o, at[1] ? at + 1 : NULL, w, err);
        add_value(a, o, NULL);
    }
    return true;
}

bool options_parse(struct args *a, const struct option *const *tables, int argc, char **argv,
                   bool stop_at_operand, int *ret_used, struct err *err)
{
    struct words w = {.argc = argc, .argv = argv};
    bool only_operands = false;
    while (w.at < w.argc) {
        const char *word = w.argv[w.at];
        bool operand = only_operands || word[0] != '-' || !word[1];
        if (operand && stop_at_operand)
            break;
        w.at++;
        if (operand)
            add_operand(a, word);
        else if (strcmp(word, "--") == 0)
            only_operands = true;
        else if (word[1] == '-' ? !parse_long(a, tables, word, &w, err)
                                : !parse_letters(a, tables, word, &w, err))
            return false;
    }
    *ret_used = w.at;
    return true;
}

/* ---- asking */

bool args_flag(const struct args *a, const char *name)
{
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i].option->name, name) == 0)
            return true;
    return false;
}

const char *args_text(const struct args *a, const char *name)
{
    for (size_t i = a->count; i-- > 0;)
        if (strcmp(a->items[i].option->name, name) == 0)
            return a->items[i].text;
    return NULL;
}

int64_t args_count(const struct args *a, const char *name, int64_t otherwise)
{
    const char *text = args_text(a, name);
    int64_t value;
    return text && text_int(text, &value) ? value : otherwise;
}

const char *args_nth(const struct args *a, const char *name, size_t i)
{
    for (size_t k = 0; k < a->count; k++)
        if (strcmp(a->items[k].option->name, name) == 0 && i-- == 0)
            return a->items[k].text;
    return NULL;
}

/* ---- help */

void options_wrap(struct buf *ret, const char *text, int indent, int column, int width)
{
    bool first = true;
    while (*text) {
        size_t len = strcspn(text, " \n");
        if (!first && column + 1 + (int)len > width) {
            buf_addf(ret, "\n%*s", indent, "");
            column = indent;
        } else if (!first) {
            buf_addc(ret, ' ');
            column++;
        }
        buf_add(ret, text, len);
        column += (int)len;
        text += len;
        first = false;
        if (*text == '\n') {
            buf_addf(ret, "\n%*s", indent, "");
            column = indent;
            first = true;
        }
        text += *text != 0;
    }
    buf_addc(ret, '\n');
}

void options_help(const struct option *rows, int width, struct buf *ret)
{
    for (const struct option *o = rows; o->name; o++) {
        size_t start = ret->len;
        if (o->letter)
            buf_addf(ret, "  -%c, --%s", o->letter, o->name);
        else
            buf_addf(ret, "      --%s", o->name);
        if (o->arg)
            buf_addf(ret, " %s", o->arg);
        int column = (int)(ret->len - start);
        if (column + 2 > NAME_COLUMN) {
            buf_addc(ret, '\n');
            column = 0;
        }
        buf_addf(ret, "%*s", NAME_COLUMN - column, "");
        options_wrap(ret, o->help, NAME_COLUMN, NAME_COLUMN, width);
    }
}
