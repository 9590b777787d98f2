/*
 * script_command.c - words and operators of commands: where comments begin, which ')' closes what.
 */
#include "dag/script_scan.h"

#include <string.h>

static void comment(struct scan *s)
{
    const char *end = memchr(s->text + s->pos, '\n', s->limit - s->pos);
    scan_copy(s, end != NULL ? (size_t)(end - s->text) - s->pos : s->limit - s->pos);
}

static bool blank_or_end(char c)
{
    return c == '\0' || c == ' ' || c == '\t' || c == '\n';
}

/* A line joined inside a word could hide a reserved word or an operator. */
static void command_backslash(struct scan *s)
{
    if (scan_peek(s, 1) == '\n') {
        char before = s->pos > 0 ? s->text[s->pos - 1] : '\0';
        if (!blank_or_end(before) && !blank_or_end(scan_peek(s, 2))) {
            scan_lose(s, "a word that goes on behind a backslash at the end of a line");
        }
        scan_copy(s, 2);
        return;
    }
    word_mixed(s);
    scan_backslash(s);
}

static void newline(struct scan *s)
{
    word_end(s);
    scan_copy(s, 1);
    struct frame *f = scan_top(s);
    if (f->kind != FRAME_CASE || f->step == CASE_BODY) {
        word_command_start(f);
    }
    doc_begin_all(s);
}

static void operator_char(struct scan *s, char c)
{
    word_end(s);
    struct frame *f = scan_top(s);
    char before = s->pos > 0 ? s->text[s->pos - 1] : '\0';
    bool redirection = c != ';' && (before == '<' || before == '>');
    char next = scan_peek(s, 1);
    if (f->kind == FRAME_CASE && f->step == CASE_BODY && c == ';' &&
        (next == ';' || next == '&' || next == '|')) {
        scan_copy(s, next == ';' && scan_peek(s, 2) == '&' ? 3 : 2);
        f->step = CASE_PATTERN;
        f->pattern_start = true;
        return;
    }
    if (f->kind == FRAME_CASE && f->step == CASE_PATTERN) {
        f->pattern_start = false;
    } else if (!redirection) {
        word_command_start(f);
    }
    scan_copy(s, 1);
}

/* name() { … }: what follows is a command. a=() is a word. */
static bool function_head(struct scan *s, struct frame *f)
{
    size_t at = s->pos + 1;
    while (at < s->limit && (s->text[at] == ' ' || s->text[at] == '\t')) {
        at++;
    }
    if (at >= s->limit || s->text[at] != ')' || s->text[s->pos - 1] == '=' || f->mixed ||
        f->kind == FRAME_LIST || f->kind == FRAME_TEST) {
        return false;
    }
    f->in_word = false;
    scan_copy(s, at + 1 - s->pos);
    word_command_start(f);
    return true;
}

static void open_paren(struct scan *s)
{
    struct frame *f = scan_top(s);
    if (f->kind == FRAME_CASE && f->step == CASE_PATTERN && f->pattern_start && !f->in_word) {
        f->pattern_start = false;
        scan_copy(s, 1);
        return;
    }
    if (f->in_word && function_head(s, f)) {
        return;
    }
    if (f->kind == FRAME_CASE && f->step != CASE_BODY && !f->in_word) {
        scan_lose(s, "a '(' inside the head of a case");
    }
    bool list = f->in_word || f->kind == FRAME_LIST || f->kind == FRAME_TEST;
    if (list) {
        f->mixed = f->in_word;
    }
    bool twice = scan_peek(s, 1) == '(';
    scan_copy(s, 1);
    f = scan_push(s, list ? FRAME_LIST : FRAME_PAREN);
    if (f != NULL && !list) {
        f->arithmetic = twice;
    }
}

static void close_subst(struct scan *s)
{
    for (unsigned i = 0; i < s->doc_count; i++) {
        if (s->docs[i].level == scan_level(s)) {
            scan_lose(s, "a here-document that begins behind the end of its substitution");
        }
    }
    scan_copy(s, 1);
    scan_pop(s);
}

static void close_paren(struct scan *s)
{
    word_end(s);
    struct frame *f = scan_top(s);
    if (f->kind == FRAME_SUBST) {
        close_subst(s);
        return;
    }
    scan_copy(s, 1);
    if (f->kind == FRAME_PAREN) {
        scan_pop(s);
        word_command_start(scan_top(s));
    } else if (f->kind == FRAME_LIST) {
        scan_pop(s);
    } else if (f->kind == FRAME_CASE && f->step == CASE_PATTERN) {
        f->step = CASE_BODY;
        word_command_start(f);
    } else {
        scan_lose(s, "a ')' without its '('");
    }
}

/* 2>file: the number is no word. */
static void drop_io_number(struct scan *s)
{
    struct frame *f = scan_top(s);
    if (f->in_word && strspn(s->text + f->word, "0123456789") == s->pos - f->word) {
        f->in_word = false;
    }
}

static void redirection(struct scan *s, char c)
{
    drop_io_number(s);
    if (c == '<' && scan_peek(s, 1) == '<' && scan_top(s)->kind != FRAME_LIST) {
        doc_announce(s);
        return;
    }
    if (scan_peek(s, 1) == '(') { /* bash: a file name that stands for a command's output */
        word_mixed(s);
        scan_open(s, FRAME_SUBST, 2);
        return;
    }
    if (c == '<' && scan_peek(s, 1) == '\\') {
        scan_lose(s, "a '<' before a backslash");
    }
    word_end(s);
    scan_copy(s, 1);
    scan_top(s)->target = true;
}

void read_commands(struct scan *s, char c)
{
    switch (c) {
    case ' ':
    case '\t':
        word_end(s);
        scan_copy(s, 1);
        break;
    case '\n':
        newline(s);
        break;
    case '\'':
        word_mixed(s);
        scan_single_quoted(s);
        break;
    case '"':
        word_mixed(s);
        scan_open(s, FRAME_QUOTED, 1);
        break;
    case '\\':
        command_backslash(s);
        break;
    case ';':
    case '&':
    case '|':
        operator_char(s, c);
        break;
    case '<':
    case '>':
        redirection(s, c);
        break;
    case '(':
        open_paren(s);
        break;
    case ')':
        close_paren(s);
        break;
    default:
        if (c == '#' && !scan_top(s)->in_word) {
            comment(s);
        } else if (!scan_common(s, c)) {
            word_begin(s);
            scan_copy(s, 1);
        }
        break;
    }
}
