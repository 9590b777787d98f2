/*
 * script_scan.c - follows the quoting of a shell script so that every expression becomes one quoted
 * variable (script_scan.h): frames, expressions, and the loop.
 *
 *   expr_script() -> scan() -> the reader of the top frame -> scan_expression() in its context
 */
#include "dag/script_scan.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- frames */

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
    *f = (struct frame){.kind = kind, .end = SIZE_MAX};
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

bool scan_sees(const struct scan *s, const char *what)
{
    return expr_starts(s->text, s->limit, s->pos, what);
}

char scan_peek(const struct scan *s, size_t ahead)
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
void scan_open(struct scan *s, enum frame_kind kind, size_t width)
{
    scan_copy(s, width);
    scan_push(s, kind);
}

/* ---- expressions */

/* What stands against an expression in each kind of frame, wherever in it. */
static const struct {
    const char *message, *hint;
} forbidden[FRAME_COUNT] = {
    [FRAME_PARAM] = {"an expression cannot stand inside ${…}",
                     "set a variable on a line before, x=${{ … }}, and use that; or default(…, …)"},
    [FRAME_ARITH] = {"a value would be evaluated as arithmetic inside $((…))",
                     "calculate in the expression: ${{ params.n + 1 }}"},
};

/* The commands that the top frame belongs to. */
static unsigned owner(const struct scan *s)
{
    unsigned i = s->depth - 1;
    while (i > 0 && !scan_is_commands(s->stack[i].kind)) {
        i--;
    }
    return i;
}

static bool context_fine(struct scan *s)
{
    if (s->lost != NULL) {
        struct diag_pos pos = s->src->pos(s->src->arg, s->lost_at);
        return scan_error(s, s->pos, SCRIPT_USE_ENV,
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
        if (!risk_allows(s, f, i == owner(s))) {
            return false;
        }
    }
    return true;
}

static void keep_expr(struct scan *s, const struct dag_expr *expr)
{
    if (s->count == s->cap) {
        s->cap = s->cap == 0 ? 8 : s->cap * 2;
        s->vars = mem_grow(s->vars, s->cap, sizeof *s->vars);
    }
    s->vars[s->count++] = (struct script_var){.expr = expr, .owner = owner(s)};
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

void scan_expression(struct scan *s, const char *open, const char *close)
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

void scan_escaped(struct scan *s)
{
    s->pos++;
    scan_copy(s, strlen(EXPR_OPEN));
}

void scan_copy_plain(struct scan *s, size_t to, const char *message, const char *hint)
{
    while (s->pos < to) {
        if (expr_starts(s->text, to, s->pos, EXPR_ESCAPED)) {
            scan_escaped(s);
        } else if (expr_starts(s->text, to, s->pos, EXPR_OPEN)) {
            scan_error(s, s->pos, hint, "%s", message);
            scan_copy(s, strlen(EXPR_OPEN));
        } else {
            scan_copy(s, 1);
        }
    }
}

/* ---- the scan */

static void (*const readers[FRAME_COUNT])(struct scan *s, char c) = {
    [FRAME_TOP] = read_commands,   [FRAME_SUBST] = read_commands,  [FRAME_BACKTICK] = read_commands,
    [FRAME_PAREN] = read_commands, [FRAME_LIST] = read_commands,   [FRAME_CASE] = read_commands,
    [FRAME_TEST] = read_commands,  [FRAME_QUOTED] = read_quoted,   [FRAME_PARAM] = read_param,
    [FRAME_ARITH] = read_arith,    [FRAME_HEREDOC] = read_heredoc,
};

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
        scan_escaped(s);
        scan_lose(s, "the text ${{, which is no shell syntax outside '…'");
    } else if (scan_sees(s, EXPR_OPEN)) {
        word_mixed(s);
        scan_expression(s, commands ? "\"" : "", commands ? "\"" : "");
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
    struct script_var *vars = arena_array(a, s->count, sizeof *vars);
    if (s->count > 0) {
        memcpy(vars, s->vars, s->count * sizeof *vars);
    }
    ret->vars = vars;
    ret->count = s->count;
    bool failed = s->failed || s->out.full;
    buf_done(&s->out);
    mem_free_ptr(&s->vars);
    return failed ? NULL : ret;
}
