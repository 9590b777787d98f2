/*
 * script_word.c - words of commands: reserved words that change what a ')' means, and commands that
 * run their arguments as code.
 */
#include "dag/script_scan.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

enum effect { STAYS, SKIPS_NAME, OPENS_CASE, OPENS_TEST, LOSES };

/* Reserved words that are followed by a command, or by something of their own. */
static const struct {
    const char *word;
    enum effect effect;
} reserved[] = {
    {"case", OPENS_CASE}, {"[[", OPENS_TEST}, {"function", SKIPS_NAME},
    {"if", STAYS},        {"then", STAYS},    {"else", STAYS},
    {"elif", STAYS},      {"do", STAYS},      {"while", STAYS},
    {"until", STAYS},     {"!", STAYS},       {"{", STAYS},
    {"time", STAYS},      {"coproc", LOSES},  {"foreach", LOSES},
    {"repeat", LOSES},
};

/* Builtins whose arguments are evaluated: a quoted value would become syntax all the same. */
static const char *const runners[] = {"eval", "let", "trap", "alias"};
static const char *const prefixes[] = {"command", "builtin", "exec"};
static const char *const shells[] = {"sh", "bash", "dash", "ksh", "mksh", "zsh", "ash", "su"};
static const char *const numeric_tests[] = {"-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-v"};

static bool is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

static const char *find_word(const char *text, size_t len, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_word(text, len, words[i])) {
            return words[i];
        }
    }
    return NULL;
}

void word_begin(struct scan *s)
{
    struct frame *f = scan_top(s);
    if (scan_is_commands(f->kind) && !f->in_word) {
        f->in_word = true;
        f->mixed = false;
        f->word = s->pos;
    }
}

void word_mixed(struct scan *s)
{
    word_begin(s);
    scan_top(s)->mixed = true;
}

void word_command_start(struct frame *f)
{
    f->command = f->name = true;
    f->skip = false;
    f->runs = NULL;
    f->shell = 0;
}

static size_t name_len(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len && (isalnum((unsigned char)text[at]) || text[at] == '_')) {
        at++;
    }
    return at;
}

/* name[…: bash evaluates the subscript of an array as arithmetic, and arithmetic runs commands. */
bool word_is_subscript(const struct scan *s, const struct frame *f)
{
    size_t len = s->pos - f->word, at = f->in_word ? name_len(s->text + f->word, len) : len;
    unsigned open = 0;
    for (; at < len; at++) {
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

static bool is_assignment(const char *text, size_t len)
{
    size_t name = name_len(text, len);
    return name > 0 && name < len && text[name] == '=' && !isdigit((unsigned char)text[0]);
}

/* Follows `sh -c CODE`, however many words stand before sh. */
static void watch_shell(struct frame *f, const char *text, size_t len)
{
    const char *slash = memrchr(text, '/', len);
    const char *base = slash != NULL ? slash + 1 : text;
    size_t base_len = len - (size_t)(base - text);
    if (f->shell == 0) {
        f->shell = !f->mixed && find_word(base, base_len, shells, COUNT_OF(shells)) != NULL;
    } else if (f->shell == 1 && len > 1 && text[0] == '-') {
        f->shell = text[1] != '-' && memchr(text, 'c', len) != NULL ? 2 : 1;
    } else {
        f->shell = 0;
    }
}

static void reserved_word(struct scan *s, struct frame *f, enum effect effect)
{
    f->command = effect == STAYS;
    f->skip = effect == SKIPS_NAME;
    if (effect == LOSES) {
        scan_lose(s, "a reserved word that shells disagree on");
    } else if (effect == OPENS_CASE) {
        scan_push(s, FRAME_CASE);
    } else if (effect == OPENS_TEST) {
        scan_push(s, FRAME_TEST);
    }
}

static void command_word(struct scan *s, struct frame *f, const char *text, size_t len)
{
    bool keyword = f->command && !f->mixed;
    if (f->kind == FRAME_CASE && keyword && is_word(text, len, "esac")) {
        scan_pop(s);
        scan_top(s)->command = false;
        return;
    }
    for (size_t i = 0; i < COUNT_OF(reserved) && keyword; i++) {
        if (is_word(text, len, reserved[i].word)) {
            reserved_word(s, f, reserved[i].effect);
            return;
        }
    }
    if (f->skip) { /* function NAME */
        word_command_start(f);
        return;
    }
    f->command = f->command && text[0] == '-'; /* time -p */
    watch_shell(f, text, len);
    if (!f->name || is_assignment(text, len)) {
        return;
    }
    if (!f->mixed) {
        f->runs = find_word(text, len, runners, COUNT_OF(runners));
    }
    f->name = !f->mixed && find_word(text, len, prefixes, COUNT_OF(prefixes)) != NULL;
}

static void case_word(struct scan *s, struct frame *f, const char *text, size_t len)
{
    switch (f->step) {
    case CASE_WORD:
        f->step = CASE_IN;
        break;
    case CASE_IN:
        if (f->mixed || !is_word(text, len, "in")) {
            scan_lose(s, "a 'case' that does not go on with 'in'");
        }
        f->step = CASE_PATTERN;
        f->pattern_start = true;
        break;
    case CASE_PATTERN:
        if (f->pattern_start && !f->mixed && is_word(text, len, "esac")) {
            scan_pop(s);
            scan_top(s)->command = false;
            break;
        }
        f->pattern_start = false;
        break;
    case CASE_BODY:
        command_word(s, f, text, len);
        break;
    }
}

static void test_word(struct scan *s, struct frame *f, const char *text, size_t len)
{
    if (f->mixed) {
        return;
    }
    f->arithmetic =
        f->arithmetic || find_word(text, len, numeric_tests, COUNT_OF(numeric_tests)) != NULL;
    if (!is_word(text, len, "]]")) {
        return;
    }
    if (f->arithmetic && f->expr_at != SIZE_MAX) {
        scan_error(s, f->expr_at, "use [ … ], which takes the value as it is",
                   "a value would be evaluated as arithmetic in [[ … ]]");
    }
    scan_pop(s);
}

void word_end(struct scan *s)
{
    struct frame *f = scan_top(s);
    if (!scan_is_commands(f->kind) || !f->in_word) {
        return;
    }
    f->in_word = false;
    const char *text = s->text + f->word;
    size_t len = s->pos - f->word;
    if (f->kind == FRAME_CASE) {
        case_word(s, f, text, len);
    } else if (f->kind == FRAME_TEST) {
        test_word(s, f, text, len);
    } else if (f->kind != FRAME_LIST) {
        command_word(s, f, text, len);
    }
}
