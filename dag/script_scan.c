/*
 * script_scan.c - follows the quoting of a POSIX shell script so that every expression becomes one
 * quoted variable (script_scan.h).
 *
 *   expr_script() -> scan() -> a handler for the top frame -> expression() in its context
 *
 * The grammar is that of POSIX (Shell Command Language, 2.2 and 2.3) as dash, bash, busybox sh,
 * mksh and zsh read it.
 */
#include "dag/script_scan.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const use_env = "put it into env: (env: {X: ${{ … }}}) and write \"$X\", or set "
                                   "a variable on a line before: x=${{ … }}";

/* ---- frames
 * ---------------------------------------------------------------------------------------------------
 */

struct frame *scan_top(struct scan *s)
{
    return &s->stack[s->depth - 1];
}

bool scan_is_commands(enum frame_kind kind)
{
    return kind < FRAME_QUOTED;
}

void scan_lose(struct scan *s, const char *why)
{
    if (s->lost == NULL) {
        s->lost = why;
        s->lost_at = s->pos;
    }
}

/* NULL where the script nests too deep; it is lost then. */
struct frame *scan_push(struct scan *s, enum frame_kind kind)
{
    if (s->depth == SCRIPT_DEPTH) {
        scan_lose(s, "quotes and brackets that nest too deep");
        return NULL;
    }
    struct frame *f = &s->stack[s->depth++];
    *f = (struct frame){.kind = kind, .end = SIZE_MAX, .expr_at = SIZE_MAX};
    word_command_start(f);
    return f;
}

static size_t find_limit(const struct scan *s)
{
    for (unsigned i = s->depth; i > 0; i--) {
        if (s->stack[i - 1].end != SIZE_MAX) {
            return s->stack[i - 1].end;
        }
    }
    return s->len;
}

void scan_pop(struct scan *s)
{
    if (s->depth > 1) {
        s->depth--;
        s->limit = find_limit(s);
    }
}

unsigned scan_level(const struct scan *s)
{
    unsigned ret = 0;
    for (unsigned i = 0; i < s->depth; i++) {
        ret += s->stack[i].kind == FRAME_SUBST || s->stack[i].kind == FRAME_BACKTICK;
    }
    return ret;
}

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

bool scan_sees(const struct scan *s, const char *what)
{
    return expr_starts(s->text, s->limit, s->pos, what);
}

static char peek(const struct scan *s, size_t ahead)
{
    return s->pos + ahead < s->limit ? s->text[s->pos + ahead] : '\0';
}

void scan_copy(struct scan *s, size_t count)
{
    count = count < s->limit - s->pos ? count : s->limit - s->pos;
    buf_add(&s->out, s->text + s->pos, count);
    s->pos += count;
}

bool scan_error(struct scan *s, size_t at, const char *hint, const char *fmt, ...)
{
    char text[500];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    s->failed = true;
    return diag_add(s->diags, DIAG_ERROR, "script-context", s->src->pos(s->src->arg, at), 3, hint,
                    "%s", text);
}

/* ---- expressions
 * ----------------------------------------------------------------------------------------------
 */

/* What stands against an expression in each kind of frame, wherever in it. */
static const struct {
    const char *message, *hint;
} forbidden[FRAME_COUNT] = {
    [FRAME_PARAM] = {"an expression cannot stand inside ${…}",
                     "set a variable on a line before, x=${{ … }}, and use that; or default(…, …)"},
    [FRAME_ARITH] = {"a value would be evaluated as arithmetic inside $((…))",
                     "calculate in the expression: ${{ params.n + 1 }}"},
};

static bool context_fine(struct scan *s)
{
    if (s->lost != NULL) {
        struct diag_pos pos = s->src->pos(s->src->arg, s->lost_at);
        return scan_error(s, s->pos, use_env,
                          "the quoting here cannot be known because of %s in line %u", s->lost,
                          pos.line);
    }
    for (unsigned i = 0; i < s->depth; i++) {
        struct frame *f = &s->stack[i];
        if (forbidden[f->kind].message != NULL) {
            return scan_error(s, s->pos, forbidden[f->kind].hint, "%s", forbidden[f->kind].message);
        }
        if (f->kind == FRAME_PAREN && f->arithmetic) {
            return scan_error(s, s->pos,
                              "calculate in the expression; a subshell in a subshell is "
                              "written ( ( … ) )",
                              "a value would be evaluated as arithmetic inside ((…))");
        }
        if (f->kind == FRAME_HEREDOC && f->data_is_code) {
            return scan_error(s, s->pos,
                              "hand it over as an argument: sh -s ${{ … }} <<'EOF', and "
                              "read \"$1\" there",
                              "a shell reads this here-document: a value would become code");
        }
        if (!scan_is_commands(f->kind)) {
            continue;
        }
        if (f->runs != NULL) {
            return scan_error(s, s->pos, use_env,
                              "'%s' runs its arguments: a value would become code", f->runs);
        }
        if (f->shell == 2) {
            return scan_error(s, s->pos,
                              "hand it over as an argument: sh -c 'echo \"$1\"' sh ${{ … }}",
                              "the word behind -c is run by a shell: a value would become code");
        }
        if (word_is_subscript(s, f)) {
            return scan_error(s, s->pos, "set a variable on a line before and check it there",
                              "bash evaluates what stands in […] behind a name: a value would "
                              "become code");
        }
        f->expr_at = f->expr_at == SIZE_MAX ? s->pos : f->expr_at;
    }
    return true;
}

static void keep_expr(struct scan *s, const struct dag_expr *expr)
{
    if (s->count == s->cap) {
        s->cap = s->cap == 0 ? 8 : s->cap * 2;
        s->exprs = mem_grow(s->exprs, s->cap, sizeof *s->exprs);
    }
    s->exprs[s->count++] = expr;
}

/* Where the expression at s->pos ends; false after an error, with everything passed over. */
static bool expression_end(struct scan *s, size_t *ret)
{
    if (expr_find_end(s->text, s->len, s->pos + strlen(EXPR_OPEN), ret) && *ret + 2 <= s->limit) {
        return true;
    }
    s->failed = true;
    diag_add(s->diags, DIAG_ERROR, "expr-syntax", s->src->pos(s->src->arg, s->pos), 3,
             "write $${{ where the text itself is meant",
             "'${{' is not closed by '}}' (a '}}' inside quotes does not count)");
    s->pos = s->len;
    s->depth = 1;
    s->limit = s->len;
    return false;
}

/* The expression at s->pos becomes a variable between `open` and `close`. */
static void expression(struct scan *s, const char *open, const char *close)
{
    bool fine = context_fine(s);
    size_t end;
    if (!expression_end(s, &end)) {
        return;
    }
    const struct dag_expr *expr =
        expr_compile(s->arena, s->src, s->pos + strlen(EXPR_OPEN), end, s->names, s->diags);
    s->failed = s->failed || expr == NULL || !fine;
    keep_expr(s, expr);
    buf_addf(&s->out, "%s${" SCRIPT_VAR "%zu}%s", open, s->count, close);
    s->pos = end + 2;
}

/* $${{: the text ${{ itself. */
static void escaped(struct scan *s)
{
    s->pos++;
    scan_copy(s, strlen(EXPR_OPEN));
}

void scan_copy_plain(struct scan *s, size_t to, const char *message, const char *hint)
{
    while (s->pos < to) {
        if (expr_starts(s->text, to, s->pos, EXPR_ESCAPED)) {
            escaped(s);
        } else if (expr_starts(s->text, to, s->pos, EXPR_OPEN)) {
            scan_error(s, s->pos, hint, "%s", message);
            scan_copy(s, strlen(EXPR_OPEN));
        } else {
            scan_copy(s, 1);
        }
    }
}

/* ---- quotes and substitutions
 * ---------------------------------------------------------------------------------
 */

static void single_quoted(struct scan *s)
{
    scan_copy(s, 1);
    while (s->pos < s->limit) {
        if (scan_sees(s, EXPR_ESCAPED)) {
            escaped(s);
        } else if (scan_sees(s, EXPR_OPEN)) {
            expression(s, "'\"", "\"'");
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

/* A backslash and what it escapes. */
static void backslash(struct scan *s)
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
        } else if (expr_starts(s->text, s->limit, at, EXPR_OPEN) &&
                   expr_find_end(s->text, s->limit, at, &end)) {
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

static void open_frame(struct scan *s, enum frame_kind kind, size_t width)
{
    scan_copy(s, width);
    scan_push(s, kind);
}

static void dollar(struct scan *s)
{
    char next = peek(s, 1);
    bool commands = scan_is_commands(scan_top(s)->kind);
    word_mixed(s);
    if (scan_sees(s, "$((")) {
        open_frame(s, FRAME_ARITH, 3);
    } else if (next == '(') {
        open_frame(s, FRAME_SUBST, 2);
    } else if (next == '{') {
        char after = peek(s, 2);
        if (after == ' ' || after == '\t' || after == '\n' || after == '|') {
            scan_lose(s, "${ …; }");
        }
        open_frame(s, FRAME_PARAM, 2);
    } else if (next == '\'' && commands) {
        dollar_single(s);
    } else if (next == '[') {
        scan_lose(s, "$[…]");
        scan_copy(s, 2);
    } else if (next == '\\' && peek(s, 2) == '\n') {
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

/* ---- what the frames read
 * -------------------------------------------------------------------------------------
 */

/* What all but '…' and comments have in common; false where c is nothing of it. */
static bool common(struct scan *s, char c)
{
    switch (c) {
    case '$':
        dollar(s);
        return true;
    case '`':
        backtick(s);
        return true;
    case '\\':
        backslash(s);
        return true;
    default:
        return false;
    }
}

static void read_quoted(struct scan *s, char c)
{
    if (c == '"') {
        scan_copy(s, 1);
        scan_pop(s);
    } else if (!common(s, c)) {
        scan_copy(s, 1);
    }
}

static void read_heredoc(struct scan *s, char c)
{
    if (!common(s, c)) {
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

static void read_param(struct scan *s, char c)
{
    if (c == '\'' && in_quotes(s)) {
        scan_lose(s, "quotes inside \"${…}\"");
        scan_copy(s, 1);
    } else if (c == '\'') {
        single_quoted(s);
    } else if (c == '"' && in_quotes(s)) {
        inner_quotes(s);
    } else if (c == '"') {
        open_frame(s, FRAME_QUOTED, 1);
    } else if (c == '}') {
        scan_copy(s, 1);
        scan_pop(s);
    } else if (!common(s, c)) {
        scan_copy(s, 1);
    }
}

static void read_arith(struct scan *s, char c)
{
    struct frame *f = scan_top(s);
    if (c == '(') {
        f->parens++;
    } else if (c == ')' && f->parens > 0) {
        f->parens--;
    } else if (c == ')') {
        if (peek(s, 1) != ')') { /* a subshell inside $( ) after all */
            scan_lose(s, "'$((' that is not closed by '))'; write '$( ('");
        }
        scan_copy(s, 2);
        scan_pop(s);
        return;
    } else if (c == '\'' || c == '"' || c == '\\' || c == '`') {
        scan_lose(s, "quotes inside $((…))");
    }
    if (c != '$' || !common(s, c)) {
        scan_copy(s, 1);
    }
}

/* ---- commands
 * -------------------------------------------------------------------------------------------------
 */

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
    if (peek(s, 1) == '\n') {
        char before = s->pos > 0 ? s->text[s->pos - 1] : '\0';
        if (!blank_or_end(before) && !blank_or_end(peek(s, 2))) {
            scan_lose(s, "a word that goes on behind a backslash at the end of a line");
        }
        scan_copy(s, 2);
        return;
    }
    word_mixed(s);
    backslash(s);
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
    char next = peek(s, 1);
    if (f->kind == FRAME_CASE && f->step == CASE_BODY && c == ';' &&
        (next == ';' || next == '&' || next == '|')) {
        scan_copy(s, next == ';' && peek(s, 2) == '&' ? 3 : 2);
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
    bool twice = peek(s, 1) == '(';
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

static void redirection(struct scan *s, char c)
{
    if (c == '<' && peek(s, 1) == '<' && scan_top(s)->kind != FRAME_LIST) {
        doc_announce(s);
        return;
    }
    if (peek(s, 1) == '(') { /* bash: a file name that stands for a command's output */
        word_mixed(s);
        open_frame(s, FRAME_SUBST, 2);
        return;
    }
    if (c == '<' && peek(s, 1) == '\\') {
        scan_lose(s, "a '<' before a backslash");
    }
    word_end(s);
    scan_copy(s, 1);
}

static void read_commands(struct scan *s, char c)
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
        single_quoted(s);
        break;
    case '"':
        word_mixed(s);
        open_frame(s, FRAME_QUOTED, 1);
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
        } else if (!common(s, c)) {
            word_begin(s);
            scan_copy(s, 1);
        }
        break;
    }
}

static void (*const readers[FRAME_COUNT])(struct scan *s, char c) = {
    [FRAME_TOP] = read_commands,   [FRAME_SUBST] = read_commands,  [FRAME_BACKTICK] = read_commands,
    [FRAME_PAREN] = read_commands, [FRAME_LIST] = read_commands,   [FRAME_CASE] = read_commands,
    [FRAME_TEST] = read_commands,  [FRAME_QUOTED] = read_quoted,   [FRAME_PARAM] = read_param,
    [FRAME_ARITH] = read_arith,    [FRAME_HEREDOC] = read_heredoc,
};

/* ---- the scan
 * -------------------------------------------------------------------------------------------------
 */

/* The text of a frame with an end of its own is over. */
static void end_bounded(struct scan *s)
{
    while (scan_top(s)->end == SIZE_MAX) { /* one such frame is there: limit < len */
        word_end(s);
        if (scan_top(s)->end != SIZE_MAX) {
            break;
        }
        scan_lose(s, "quotes or brackets that are open at the end of `…` or a here-document");
        scan_pop(s);
    }
    if (scan_top(s)->kind == FRAME_HEREDOC) {
        doc_close(s);
        return;
    }
    word_end(s);
    scan_pop(s);
    scan_copy(s, 1);
}

static void step(struct scan *s)
{
    bool commands = scan_is_commands(scan_top(s)->kind);
    if (s->pos >= s->limit) {
        end_bounded(s);
    } else if (scan_sees(s, EXPR_ESCAPED)) {
        word_mixed(s);
        escaped(s);
        scan_lose(s, "the text ${{, which is no shell syntax outside '…'");
    } else if (scan_sees(s, EXPR_OPEN)) {
        word_mixed(s);
        expression(s, commands ? "\"" : "", commands ? "\"" : "");
    } else {
        readers[scan_top(s)->kind](s, s->text[s->pos]);
    }
}

static void scan(struct scan *s)
{
    scan_push(s, FRAME_TOP);
    while (s->pos < s->len || s->limit < s->len) {
        step(s);
    }
    word_end(s);
    while (s->doc_count > 0) {
        mem_free_ptr(&s->docs[--s->doc_count].delimiter);
    }
}

static struct dag_script *plain_script(struct arena *a, const struct expr_source *src)
{
    struct dag_script *ret = arena_alloc(a, sizeof *ret);
    ret->source = ret->body = arena_strndup(a, src->text, src->len);
    ret->body_len = src->len;
    ret->head = "";
    return ret;
}

/* A first line "#!…" stays the first. */
static void cut_head(struct dag_script *script, struct arena *a)
{
    const char *end = strchr(script->body, '\n');
    if (strncmp(script->body, "#!", 2) == 0 && end != NULL) {
        size_t len = (size_t)(end + 1 - script->body);
        script->head = arena_strndup(a, script->body, len);
        script->body += len;
        script->body_len -= len;
    }
}

/* No POSIX shell: $${{ is still the text ${{, anything else an error. */
static void copy_foreign(struct scan *s)
{
    scan_copy_plain(s, s->len,
                    "an expression in run: needs a POSIX shell, since only there values can be "
                    "quoted",
                    "read the environment there: ORCH_PARAM_<NAME> for a parameter, or a variable "
                    "of env: for anything else");
}

struct dag_script *expr_script(struct arena *a, const struct expr_source *src,
                               const struct expr_names *names, bool posix, struct diags *diags)
{
    struct dag_script *ret = plain_script(a, src);
    if (memmem(src->text, src->len, EXPR_OPEN, strlen(EXPR_OPEN)) == NULL) {
        return ret;
    }
    AUTO_FREE struct scan *s = mem_alloc(sizeof *s);
    *s = (struct scan){.arena = a,
                       .src = src,
                       .names = names,
                       .diags = diags,
                       .text = ret->source,
                       .len = src->len,
                       .limit = src->len};
    s->out.max = src->len * 4 + 64; /* ${{x}} grows to '"${ORCH_X12345678}"' at most */
    if (posix) {
        scan(s);
    } else {
        copy_foreign(s);
    }
    ret->body = arena_strndup(a, buf_str(&s->out), s->out.len);
    ret->body_len = s->out.len;
    cut_head(ret, a);
    ret->exprs = arena_array(a, s->count, sizeof *ret->exprs);
    if (s->count > 0) {
        memcpy(ret->exprs, s->exprs, s->count * sizeof *s->exprs);
    }
    ret->count = s->count;
    bool failed = s->failed || s->out.full;
    buf_done(&s->out);
    mem_free_ptr(&s->exprs);
    return failed ? NULL : ret;
}
