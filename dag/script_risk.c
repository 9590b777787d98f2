/*
 * script_risk.c - what a shell evaluates although it is quoted: arguments of eval, code behind
 * sh -c, names of variables with a subscript, operands of -eq. An expression there is an error, or
 * its value must be a number.
 */
#include "dag/script_scan.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

static const struct {
    const char *name;
    enum risk risk;
} commands[] = {
    {"eval", RISK_CODE},        {"let", RISK_CODE},          {"trap", RISK_CODE},
    {"alias", RISK_CODE},       {"integer", RISK_CODE},      {"float", RISK_CODE},
    {"nameref", RISK_CODE},     {"unset", RISK_NAMES},       {"read", RISK_NAMES},
    {"mapfile", RISK_NAMES},    {"readarray", RISK_NAMES},   {"getopts", RISK_NAMES},
    {"export", RISK_DECLARES},  {"readonly", RISK_DECLARES}, {"local", RISK_DECLARES},
    {"declare", RISK_DECLARES}, {"typeset", RISK_DECLARES},  {"[", RISK_TEST},
    {"test", RISK_TEST},        {"shift", RISK_NUMBER},      {"printf", RISK_PRINTF},
};

static const char *const prefixes[] = {"command", "builtin", "exec"};
static const char *const shells[] = {"sh", "bash", "dash", "ksh", "mksh", "zsh", "ash", "su"};
static const char *const numeric_tests[] = {"-eq", "-ne", "-lt", "-le", "-gt", "-ge"};

/* Variables that shells keep as integers: what is assigned to them is arithmetic. */
static const char *const integers[] = {"RANDOM",  "SECONDS", "LINENO",   "OPTIND",   "TMOUT",
                                       "COLUMNS", "LINES",   "HISTSIZE", "SAVEHIST", "SRANDOM"};

#define WORD_SEEN 4096 /* bytes of a word that are looked at for each expression in it */

static const char *find(const char *text, size_t len, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(words[i]) == len && memcmp(text, words[i], len) == 0) {
            return words[i];
        }
    }
    return NULL;
}

static size_t name_len(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len && (isalnum((unsigned char)text[at]) || text[at] == '_')) {
        at++;
    }
    return at;
}

static bool is_assignment(const char *text, size_t len)
{
    size_t name = name_len(text, len);
    return name > 0 && !isdigit((unsigned char)text[0]) &&
           ((name < len && text[name] == '=') ||
            (name + 1 < len && text[name] == '+' && text[name + 1] == '='));
}

void risk_command_start(struct frame *f)
{
    if (f->kind == FRAME_TEST) {
        return; /* && inside [[ ]] */
    }
    f->risk = RISK_NONE;
    f->command_name = NULL;
    f->shell = 0;
    f->target = f->numeric = f->variable = false;
}

#define WORD_MAX 256 /* longer words mean nothing here */

/* The word as the shell sees it where it holds quotes: \eval and "eval" are eval. Empty where it
 * holds expansions or is too long. */
static size_t unquote(const struct frame *f, const char *text, size_t len, char out[WORD_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++) {
        if (strchr("$`", text[i]) != NULL && f->mixed) {
            return 0;
        }
        if (f->mixed && strchr("'\"\\", text[i]) != NULL) {
            continue;
        }
        if (count == WORD_MAX) {
            return 0;
        }
        out[count++] = text[i];
    }
    return count;
}

/* Follows `sh -c CODE`, however many words stand before sh. */
static void watch_shell(struct frame *f, const char *text, size_t len)
{
    if (len == 0) {
        f->shell = 0;
        return;
    }
    const char *slash = memrchr(text, '/', len);
    const char *base = slash != NULL ? slash + 1 : text;
    size_t base_len = len - (size_t)(base - text);
    if (f->shell == 0) {
        f->shell = find(base, base_len, shells, COUNT_OF(shells)) != NULL;
    } else if (f->shell == 1 && len > 1 && text[0] == '-') {
        f->shell = text[1] != '-' && memchr(text, 'c', len) != NULL ? 2 : 1;
    } else {
        f->shell = 0;
    }
}

/* The expressions [from, to) that stand in this frame's own words must be numbers. */
static void need_numbers(struct scan *s, const struct frame *f, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        s->vars[i].numeric = s->vars[i].numeric || &s->stack[s->vars[i].owner] == f;
    }
}

static void assignment(struct scan *s, struct frame *f, const char *text, size_t len)
{
    if (find(text, name_len(text, len), integers, COUNT_OF(integers)) != NULL) {
        need_numbers(s, f, f->within, s->count);
    }
}

void risk_name(struct scan *s, struct frame *f, const char *text, size_t len)
{
    if (f->target) {
        return;
    }
    if (is_assignment(text, len)) {
        assignment(s, f, text, len);
        return;
    }
    char word[WORD_MAX];
    size_t size = unquote(f, text, len, word);
    watch_shell(f, word, size);
    f->name = find(word, size, prefixes, COUNT_OF(prefixes)) != NULL;
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (find(word, size, &commands[i].name, 1) != NULL) {
            f->risk = commands[i].risk;
            f->command_name = commands[i].name;
        }
    }
    f->numeric = f->risk == RISK_NUMBER;
}

/* -i, -n and ksh's -E and -F: what is assigned later is evaluated. */
static void declaration_option(struct scan *s, const char *text, size_t len)
{
    for (size_t i = 1; i < len && text[0] == '-'; i++) {
        if (strchr("inEF", text[i]) != NULL) {
            scan_lose(s, "a declaration by which the shell evaluates what is assigned");
        }
    }
}

void risk_word(struct scan *s, struct frame *f, const char *text, size_t len)
{
    if (f->target) {
        return;
    }
    char word[WORD_MAX];
    size_t size = unquote(f, text, len, word);
    watch_shell(f, word, size);
    if (f->numeric) {
        need_numbers(s, f, f->within, s->count);
        f->numeric = false;
    }
    if (f->risk == RISK_TEST && find(word, size, numeric_tests, COUNT_OF(numeric_tests)) != NULL) {
        need_numbers(s, f, f->before, f->within);
        f->numeric = true;
    }
    f->variable =
        (f->risk == RISK_TEST || f->risk == RISK_PRINTF) && size == 2 && memcmp(word, "-v", 2) == 0;
    if (f->risk == RISK_DECLARES) {
        declaration_option(s, word, size);
    }
    if (f->risk == RISK_DECLARES && is_assignment(text, len)) {
        assignment(s, f, text, len);
    }
}

/* name[…: bash evaluates the subscript of an array as arithmetic, and arithmetic runs commands. */
static bool in_subscript(const struct scan *s, const struct frame *f)
{
    size_t len = s->pos - f->word;
    size_t seen = len < WORD_SEEN ? len : WORD_SEEN;
    size_t at = f->in_word ? name_len(s->text + f->word, seen) : seen;
    unsigned open = f->in_word && at == WORD_SEEN; /* too long to tell: assume the worst */
    for (; at < seen; at++) {
        char c = s->text[f->word + at];
        if (strchr("'\"`\\", c) != NULL && open > 0) {
            return true; /* a bracket in quotes counts differently: assume the worst */
        }
        open += c == '[';
        open -= c == ']' && open > 0;
        if (open == 0) {
            return false;
        }
    }
    return open > 0;
}

/* The word names a variable: no '=' stands before the expression. */
static bool is_name(const struct scan *s, const struct frame *f)
{
    size_t len = s->pos - f->word;
    return !f->target && memchr(s->text + f->word, '=', len < WORD_SEEN ? len : WORD_SEEN) == NULL;
}

bool risk_allows(struct scan *s, const struct frame *f, bool own)
{
    if (f->risk == RISK_CODE) {
        return scan_error(s, s->pos, SCRIPT_USE_ENV,
                          "'%s' evaluates its arguments: a value would become code",
                          f->command_name);
    }
    if (f->shell == 2) {
        return scan_error(s, s->pos, "hand it over as an argument: sh -c 'echo \"$1\"' sh ${{ … }}",
                          "the word behind -c is run by a shell: a value would become code");
    }
    if (in_subscript(s, f)) {
        return scan_error(s, s->pos, "set a variable on a line before and check it there",
                          "bash evaluates what stands in […] behind a name: a value would become "
                          "code");
    }
    bool names = f->risk == RISK_NAMES || f->risk == RISK_DECLARES;
    if (own && f->in_word && (f->variable || (names && is_name(s, f)))) {
        return scan_error(s, s->pos, "write the name of the variable out",
                          "the name of a variable cannot be a value: bash evaluates a name like "
                          "a[…]");
    }
    return true;
}
