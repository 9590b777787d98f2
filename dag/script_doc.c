/*
 * script_doc.c - here-documents: announced by << in a command, read behind the end of the line.
 */
#include "dag/script_scan.h"

#include "base/mem.h"

#include <string.h>

static bool ends_word(char c)
{
    return c == '\0' || strchr(" \t\n;&|<>()", c) != NULL;
}

/* One character or quoted piece of the delimiter. */
static void delimiter_piece(struct scan *s, struct doc *doc, struct buf *out)
{
    char c = s->text[s->pos];
    if (c == '\'' || c == '"') {
        doc->quoted = true;
        scan_copy(s, 1);
        while (s->pos < s->limit && s->text[s->pos] != c) {
            if (s->text[s->pos] == '\\' || s->text[s->pos] == '\n') {
                scan_lose(s, "a here-document with an unusual end word");
            }
            buf_addc(out, s->text[s->pos]);
            scan_copy(s, 1);
        }
        scan_copy(s, s->pos < s->limit);
        return;
    }
    if (c == '\\') {
        doc->quoted = true;
        scan_copy(s, 1);
        if (s->pos >= s->limit || s->text[s->pos] == '\n') {
            scan_lose(s, "a here-document with an unusual end word");
            return;
        }
    } else if (c == '$' || c == '`') {
        scan_lose(s, "a here-document with an unusual end word");
    }
    buf_addc(out, s->text[s->pos]);
    scan_copy(s, 1);
}

void doc_announce(struct scan *s)
{
    word_end(s);
    if (scan_sees(s, "<<<")) {
        scan_copy(s, 3);
        scan_top(s)->target = true;
        return;
    }
    struct doc doc = {.level = scan_level(s), .code = scan_top(s)->shell == 1};
    scan_copy(s, 2);
    if (s->pos < s->limit && s->text[s->pos] == '-') {
        doc.strip = true;
        scan_copy(s, 1);
    }
    while (s->pos < s->limit && (s->text[s->pos] == ' ' || s->text[s->pos] == '\t')) {
        scan_copy(s, 1);
    }
    AUTO_BUF struct buf delimiter = BUF_INIT(4096);
    size_t from = s->pos;
    while (s->pos < s->limit && !ends_word(s->text[s->pos])) {
        if (scan_sees(s, EXPR_OPEN) || scan_sees(s, EXPR_ESCAPED)) {
            scan_error(s, s->pos, NULL, "an expression cannot be the end word of a here-document");
            return;
        }
        delimiter_piece(s, &doc, &delimiter);
    }
    for (unsigned i = 0; i < s->depth; i++) {
        if (s->stack[i].kind == FRAME_PAREN && s->stack[i].arithmetic) {
            scan_lose(s, "'<<' inside '(('");
        }
    }
    if (s->pos == from || delimiter.full || s->doc_count == SCRIPT_DOCS ||
        scan_top(s)->kind == FRAME_BACKTICK) {
        scan_lose(s, "a here-document that cannot be followed");
        return;
    }
    doc.delimiter = mem_strndup(buf_str(&delimiter), delimiter.len);
    s->docs[s->doc_count++] = doc;
}

/* Where the text behind the expression at `at` goes on; expressions may hold line ends. */
static size_t skip_expr(const struct scan *s, size_t at)
{
    size_t end;
    return expr_find_end(s->text, s->limit, at + strlen(EXPR_OPEN), &end) ? end + 2 : s->limit;
}

static size_t line_end(const struct scan *s, size_t at, bool *ret_joined)
{
    *ret_joined = false;
    while (at < s->limit && s->text[at] != '\n') {
        if (expr_starts(s->text, s->limit, at, EXPR_ESCAPED)) {
            at += strlen(EXPR_ESCAPED);
        } else if (expr_starts(s->text, s->limit, at, EXPR_OPEN)) {
            at = skip_expr(s, at);
        } else if (s->text[at] == '\\' && at + 1 < s->limit) {
            *ret_joined = s->text[at + 1] == '\n';
            if (*ret_joined) {
                return at + 1;
            }
            at += s->text[at + 1] == '$' ? 1 : 2; /* an expression may follow */
        } else {
            at++;
        }
    }
    return at;
}

static size_t plain_line_end(const struct scan *s, size_t at)
{
    const char *end = memchr(s->text + at, '\n', s->limit - at);
    return end != NULL ? (size_t)(end - s->text) : s->limit;
}

/* The start of the line that holds the end word, or the limit: the shell ends there too. A line
 * that a backslash joins to the one before is not looked at. */
static size_t find_end(struct scan *s, const struct doc *doc)
{
    size_t len = strlen(doc->delimiter), at = s->pos;
    for (bool joined = false; at < s->limit;) {
        size_t line = at;
        while (doc->strip && at < s->limit && s->text[at] == '\t') {
            at++;
        }
        bool was_joined = joined;
        size_t plain = plain_line_end(s, at) - at;
        if (!was_joined && plain == len && memcmp(s->text + at, doc->delimiter, len) == 0) {
            return line;
        }
        size_t end = doc->quoted ? at + plain : line_end(s, at, &joined);
        if (joined && end - at <= len + 1 &&
            memcmp(s->text + at, doc->delimiter, end - at - 1) == 0) {
            scan_lose(s, "a here-document whose end word is split by a backslash");
        }
        at = end < s->limit ? end + 1 : s->limit;
    }
    return s->limit;
}

static void copy_end_line(struct scan *s)
{
    size_t end = plain_line_end(s, s->pos);
    scan_copy(s, (end < s->limit ? end + 1 : end) - s->pos);
}

/* Reads the announced documents until one needs a frame, or none is left. */
static void next_docs(struct scan *s)
{
    while (s->doc_next < s->doc_count) {
        const struct doc *doc = &s->docs[s->doc_next++];
        size_t end = find_end(s, doc);
        if (!doc->quoted) {
            struct frame *f = scan_push(s, FRAME_HEREDOC);
            if (f != NULL) {
                f->end = s->limit = end;
                f->data_is_code = doc->code;
            }
            return;
        }
        scan_copy_plain(s, end, "the here-document is quoted: the shell would not put a value in",
                        "remove the quotes around its end word, read $ORCH_PARAM_<NAME> or a "
                        "variable of env:, or write $${{ for the text itself");
        copy_end_line(s);
    }
    while (s->doc_count > 0) {
        mem_free_ptr(&s->docs[--s->doc_count].delimiter);
    }
    s->doc_next = 0;
}

void doc_begin_all(struct scan *s)
{
    for (unsigned i = 0; i < s->doc_count; i++) {
        if (s->docs[i].level != scan_level(s)) {
            scan_lose(s, "a here-document and a substitution on one line");
            return;
        }
    }
    next_docs(s);
}

void doc_close(struct scan *s)
{
    scan_pop(s);
    copy_end_line(s);
    next_docs(s);
}
