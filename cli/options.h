/*
 * options.h - the one parser of command lines. A verb declares rows; the parser, --help and the
 * did-you-mean read the same rows.
 *
 * Understood: --name value, --name=value, -n value, -nvalue, -qf (flags together), options after
 * operands, `--` (only operands follow), a lone `-` as an operand. Options may be given repeatedly:
 * all are kept in order, and the last one counts where only one is asked for.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_FLAG,   /* no argument */
    OPTION_TEXT,   /* anything but nothing */
    OPTION_COUNT,  /* an integer from 1 */
    OPTION_CHOICE, /* one of the words of `arg`, which are separated by | */
    OPTION_PAIR,   /* NAME=VALUE; the value may be empty */
    OPTION_STEPS,  /* names of steps: A,B or A B up to the next option or file */
};

struct option {
    const char *name; /* without dashes; NULL ends a table */
    char letter;      /* 0 = none */
    const char *arg;  /* how help calls the argument; NULL for a flag */
    enum option_type type;
    const char *help;
};

struct arg { /* borrows from argv */
    const struct option *option;
    const char *text; /* NULL for a flag */
};

struct args {
    struct arg *items;
    size_t count, cap;
    const char **operands;
    size_t operand_count, operand_cap;
    char **owned; /* pieces of A,B lists */
    size_t owned_count, owned_cap;
};

void args_done(struct args *a);

/* Parses argv[0..argc) by the rows of `tables` (NULL-terminated list of tables; earlier tables win)
 * and adds to `a`. With `stop_at_operand` it ends before the first operand. *ret_used is the number
 * of words consumed. ERR_USAGE with a did-you-mean. */
bool options_parse(struct args *a, const struct option *const *tables, int argc, char **argv,
                   bool stop_at_operand, int *ret_used, struct err *err) MUST_CHECK;

bool args_flag(const struct args *a, const char *name);
const char *args_text(const struct args *a, const char *name); /* the last; NULL = not given */
int64_t args_count(const struct args *a, const char *name, int64_t otherwise);
/* The i-th value given for that name, NULL past the last. */
const char *args_nth(const struct args *a, const char *name, size_t i);

/* A FILE as opposed to a NAME: ends in .yaml or .yml, or holds a slash. */
bool options_is_file(const char *word);

/* The rows as help: "  -p, --param K=V   text", wrapped to `width` columns. */
void options_help(const struct option *rows, int width, struct buf *ret);
/* Adds text wrapped to `width` columns; every line but the first gets `indent` blanks. `column` is
 * where the first line stands already. */
void options_wrap(struct buf *ret, const char *text, int indent, int column, int width);

#endif
