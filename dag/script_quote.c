/*
 * script_quote.c - quotes, substitutions and expansions of a shell script.
 */
#include "dag/script_scan.h"

#include <string.h>

/* Whether quotes inside ${…} follow the rules of "…", which shells disagree on. */
static bool in_quotes(const struct scan *s)
{
    for (unsigned i = s->depth; i > 0; i--) {
        enum frame_kind kind = s->stack[i - 1].kind;
        if (scan_is_commands(kind)) {
            return false;
        }
        if (kind == FRAME_QUOTED || kind == FRAME_HEREDOC || kind == FRAME_ARITH) {
            return true;
        }
    }
    return false;
}

void scan_single_quoted(struct scan *s)
{
    scan_copy(s, 1);
    while (s->pos < s->limit) {
        if (scan_sees(s, EXPR_ESCAPED)) {
            scan_escaped(s);
        } else if (scan_sees(s, EXPR_OPEN)) {
            scan_expression(s, "'\"", "\"'");
        } else {
            bool end = s->text[s->pos] == '\'';
            scan_copy(s, 1);
            if (end) {
                return;
            }
        }
    }
}

/* $'…': dash reads $ and '…', others take \' for a quote. */
static void dollar_single(struct scan *s)
{
    const char *from = s->text + s->pos + 2;
    size_t rest = s->limit - s->pos - 2;
    const char *end = memchr(from, '\'', rest);
    if (end == NULL || end[-1] == '\\') {
        scan_lose(s, "$'…' with an escaped quote");
    }
    scan_copy(s, 2);
    size_t to = end != NULL ? (size_t)(end - s->text) + 1 : s->limit;
    scan_copy_plain(s, to, "an expression cannot stand inside $'…', which shells read differently",
                    "use '…' or \"…\"");
}

void scan_backslash(struct scan *s)
{
    if (expr_starts(s->text, s->limit, s->pos + 1, EXPR_OPEN)) {
        scan_error(s, s->pos, "write $${{ for the text ${{ itself; otherwise remove the backslash",
                   "a backslash stands before an expression");
    }
    scan_copy(s, 1);
    if (!scan_sees(s, EXPR_OPEN)) {
        scan_copy(s, 1);
    }
}

/* The closing backtick of the one at s->pos, or the limit. */
static size_t backtick_end(const struct scan *s)
{
    size_t at = s->pos + 1, end;
    while (at < s->limit && s->text[at] != '`') {
        if (s->text[at] == '\\') {
            at += 2;
        } else if (expr_starts(s->text, s->limit, at, EXPR_OPEN)) {
            if (!expr_find_end(s->text, s->limit, at + strlen(EXPR_OPEN), &end)) {
                return s->limit;
            }
            at = end + 2;
        } else {
            at++;
        }
    }
    return at < s->limit ? at : s->limit;
}

static void backtick(struct scan *s)
{
    size_t end = backtick_end(s), len = end - s->pos;
    const char *from = s->text + s->pos;
    bool holds = memmem(from, len, EXPR_OPEN, strlen(EXPR_OPEN)) != NULL;
    bool plain = memchr(from, '\\', len) == NULL && memmem(from, len, "<<", 2) == NULL &&
                 memmem(from, len, EXPR_ESCAPED, strlen(EXPR_ESCAPED)) == NULL;
    if (end == s->limit) {
        scan_lose(s, "a backtick that is not closed");
    }
    if (holds && plain && end < s->limit && scan_is_commands(scan_top(s)->kind)) {
        word_mixed(s);
        scan_copy(s, 1);
        struct frame *f = scan_push(s, FRAME_BACKTICK);
        if (f != NULL) {
            f->end = s->limit = end;
        }
        return;
    }
    word_mixed(s);
    scan_copy_plain(s, end, "inside `…` the quoting of an expression cannot be known",
                    "write $( … ) instead of `…`");
    scan_copy(s, 1);
}

static void dollar(struct scan *s)
{
    char next = scan_peek(s, 1);
    bool commands = scan_is_commands(scan_top(s)->kind);
    word_mixed(s);
    if (scan_sees(s, "$((")) {
        scan_open(s, FRAME_ARITH, 3);
    } else if (next == '(') {
        scan_open(s, FRAME_SUBST, 2);
    } else if (next == '{') {
        char after = scan_peek(s, 2);
        if (after == ' ' || after == '\t' || after == '\n' || after == '|') {
            scan_lose(s, "${ …; }");
        }
        scan_open(s, FRAME_PARAM, 2);
    } else if (next == '\'' && commands) {
        dollar_single(s);
    } else if (next == '[') {
        scan_lose(s, "$[…]");
        scan_copy(s, 2);
    } else if (next == '\\' && scan_peek(s, 2) == '\n') {
        scan_lose(s, "a '$' and its name on two lines");
        scan_copy(s, 1);
    } else {
        /* $# and $$ in one go: neither begins anything further */
        bool pair =
            next == '#' || (next == '$' && !expr_starts(s->text, s->limit, s->pos + 1, EXPR_OPEN) &&
                            !expr_starts(s->text, s->limit, s->pos + 1, EXPR_ESCAPED));
        scan_copy(s, pair ? 2 : 1);
    }
}

/* ---- what the frames read */

bool scan_common(struct scan *s, char c)
{
    switch (c) {
    case '$':
        dollar(s);
        return true;
    case '`':
        backtick(s);
        return true;
    case '\\':
        scan_backslash(s);
        return true;
    default:
        return false;
    }
}

void read_quoted(struct scan *s, char c)
{
    if (c == '"') {
        scan_copy(s, 1);
        scan_pop(s);
    } else if (!scan_common(s, c)) {
        scan_copy(s, 1);
    }
}

void read_heredoc(struct scan *s, char c)
{
    if (!scan_common(s, c)) {
        scan_copy(s, 1);
    }
}

/* "${x%"…"}": shells agree on where it ends only while nothing special stands in the inner quotes.
 */
static void inner_quotes(struct scan *s)
{
    size_t end = s->pos + 1;
    while (end < s->limit && strchr("\"'\\`{}()\n", s->text[end]) == NULL) {
        end++;
    }
    if (end >= s->limit || s->text[end] != '"') {
        scan_lose(s, "quotes inside \"${…}\"");
        scan_copy(s, 1);
        return;
    }
    scan_copy(s, end + 1 - s->pos);
}

void read_param(struct scan *s, char c)
{
    if (c == '\'' && in_quotes(s)) {
        scan_lose(s, "quotes inside \"${…}\"");
        scan_copy(s, 1);
    } else if (c == '\'') {
        scan_single_quoted(s);
    } else if (c == '"' && in_quotes(s)) {
        inner_quotes(s);
    } else if (c == '"') {
        scan_open(s, FRAME_QUOTED, 1);
    } else if (c == '}') {
        scan_copy(s, 1);
        scan_pop(s);
    } else if (!scan_common(s, c)) {
        scan_copy(s, 1);
    }
}

void read_arith(struct scan *s, char c)
{
    struct frame *f = scan_top(s);
    if (c == '(') {
        f->parens++;
    } else if (c == ')' && f->parens > 0) {
        f->parens--;
    } else if (c == ')') {
        if (scan_peek(s, 1) != ')') { /* a subshell inside $( ) after all */
            scan_lose(s, "'$((' that is not closed by '))'; write '$( ('");
        }
        scan_copy(s, 2);
        scan_pop(s);
        return;
    } else if (c == '\'' || c == '"' || c == '\\' || c == '`') {
        scan_lose(s, "quotes inside $((…))");
    }
    if (c != '$' || !scan_common(s, c)) {
        scan_copy(s, 1);
    }
}
