/*
 * node_text.c - the text before and while libyaml reads it: which bytes are let in, and what its
 * complaints mean in the words of somebody who wrote the file.
 */
#include "base/mem.h"
#include "base/text.h"
#include "dag/node_build.h"

#include <string.h>

static struct diag_pos place_of(const struct node_source *src, size_t at)
{
    struct diag_pos pos = {1, 1};
    size_t line = 0;
    for (size_t i = 0; i < at; i++) {
        if (src->text[i] == '\n') {
            pos.line++;
            line = i + 1;
        }
    }
    pos.column = 1 + (unsigned)text_utf8_count(src->text + line, at - line);
    return pos;
}

/* What must not stand in the text, by its bytes. Line ends of YAML 1.1 alone would silently fold
 * texts and make our line numbers differ from the editor's. */
static const struct forbidden {
    const char *bytes;
    size_t len;
    const char *name, *hint;
} forbidden[] = {
    {"\xc2\x85", 2, "U+0085 (next line)", "Write \"\\N\" in double quotes."},
    {"\xe2\x80\xa8", 3, "U+2028 (line separator)", "Write \"\\L\" in double quotes."},
    {"\xe2\x80\xa9", 3, "U+2029 (paragraph separator)", "Write \"\\P\" in double quotes."},
    {"\xef\xbb\xbf", 3, "U+FEFF (byte order mark)", "It may only be the first one of a file."},
    {"\xef\xbf\xbe", 3, "U+FFFE", NULL},
    {"\xef\xbf\xbf", 3, "U+FFFF", NULL},
};

static bool bad_character(const struct node_source *src, size_t at, struct diags *diags)
{
    unsigned char c = (unsigned char)src->text[at];
    const char *hint = "Write it as an escape in double quotes, such as \"\\x1b\".";
    char name[32];
    if (c == '\0') {
        hint = "Is this a binary file?";
    }
    if (c == '\r') {
        return diag_add(diags, DIAG_ERROR, "character", place_of(src, at), 1,
                        "Convert the line ends to LF or CRLF.",
                        "a carriage return stands here without a line feed");
    }
    snprintf(name, sizeof name, "U+%04X", c < 0x80 ? c : (unsigned char)src->text[at + 1]);
    return diag_add(diags, DIAG_ERROR, "character", place_of(src, at), 1, hint,
                    "the control character %s is not allowed in a YAML file", name);
}

static bool check_wide(const struct node_source *src, size_t at, struct diags *diags)
{
    const char *p = src->text + at;
    size_t left = src->len - at;
    for (size_t i = 0; i < COUNT_OF(forbidden); i++) {
        const struct forbidden *f = &forbidden[i];
        if (left >= f->len && memcmp(p, f->bytes, f->len) == 0) {
            return diag_add(diags, DIAG_ERROR, "character", place_of(src, at), 1, f->hint,
                            "the character %s is not allowed in a YAML file", f->name);
        }
    }
    if ((unsigned char)p[0] == 0xc2 && left > 1 && (unsigned char)p[1] < 0xa0) {
        return bad_character(src, at, diags);
    }
    return true;
}

static bool check_wide_text(const struct node_source *src, struct diags *diags)
{
    size_t bad = text_utf8_valid(src->text, src->len);
    if (bad < src->len) {
        return diag_add(diags, DIAG_ERROR, "encoding", place_of(src, bad), 1,
                        "Save the file as UTF-8.", "the file is not UTF-8: byte 0x%02x",
                        (unsigned char)src->text[bad]);
    }
    for (size_t i = 0; i < src->len; i++) {
        if (((unsigned char)src->text[i] & 0xc0U) == 0xc0U && !check_wide(src, i, diags)) {
            return false;
        }
    }
    return true;
}

bool node_check_text(struct node_source *src, struct diags *diags)
{
    if (src->len >= 3 && memcmp(src->text, "\xef\xbb\xbf", 3) == 0) {
        src->text += 3;
        src->len -= 3;
    }
    if (src->len > 0 && (unsigned char)src->text[0] >= 0x80 && !check_wide_text(src, diags)) {
        return false; /* UTF-16 with its mark is a wrong encoding, not a file full of NULs */
    }
    unsigned char any = 0;
    for (size_t i = 0; i < src->len; i++) {
        unsigned char c = (unsigned char)src->text[i];
        any |= c;
        if ((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t') {
            continue;
        }
        if ((c != '\r' || i + 1 == src->len || src->text[i + 1] != '\n') &&
            !bad_character(src, i, diags)) {
            return false;
        }
    }
    src->ascii = any < 0x80;
    return src->ascii || check_wide_text(src, diags);
}

/* libyaml's sentences and ours. `problem` is the beginning of its sentence. */
static const struct saying {
    const char *problem, *message, *hint;
} sayings[] = {
    {"mapping values are not allowed", "a `:` stands where no new key can begin",
     "Put a text that holds `: ` in quotes, or check the indentation."},
    {"could not find expected ':'", "a key without a `:`",
     "Check the indentation of this line and of the text before it."},
    {"did not find expected key",
     "this line fits no level of indentation above it, or a quote or "
     "bracket before it was not closed",
     "Align it with the other keys of its mapping."},
    {"did not find expected '-' indicator", "this line fits no level of indentation above it",
     "Items of one list begin with `-` in the same column."},
    {"did not find expected ',' or ']'", "a list in brackets that is not closed, or a `,` missing",
     NULL},
    {"did not find expected ',' or '}'", "a mapping in braces that is not closed, or a `,` missing",
     "Put a text that holds braces, such as ${{ }}, in quotes."},
    {"found unexpected end of stream", "a quote that is not closed", NULL},
    {"found character that cannot start any token", "this character cannot begin a value",
     "Put the text in quotes."},
    {"found unknown escape character", "an unknown escape in double quotes",
     "Write \\\\ for a backslash, or use single quotes."},
    {"did not find expected whitespace or line break", "a space is missing here", NULL},
    {"did not find expected <document start>", "only a comment may follow the document",
     "Check the indentation: all keys of the first level begin in the same column."},
    {"block sequence entries are not allowed", "a list cannot begin here",
     "Begin the list on a line of its own, under the key."},
    {"block mapping keys are not allowed", "a key cannot stand here", "Check the indentation."},
    {"found duplicate anchor", "an anchor of this name exists already", NULL},
    {"did not find expected alphabetic or numeric", "a `&` or `*` must be followed by a name",
     "Put a text that begins with & or * in quotes."},
    {"found undefined tag handle", "an unknown tag", "Put a text that begins with ! in quotes."},
};

static const struct saying *find_saying(const char *problem)
{
    for (size_t i = 0; i < COUNT_OF(sayings); i++) {
        if (strncmp(problem, sayings[i].problem, strlen(sayings[i].problem)) == 0) {
            return &sayings[i];
        }
    }
    return NULL;
}

/* A tab before the first character of the line, or right here. */
static bool tab_indent(const struct node_source *src, size_t at)
{
    size_t line = at;
    while (line > 0 && src->text[line - 1] != '\n') {
        line--;
    }
    for (; line < src->len && (src->text[line] == ' ' || src->text[line] == '\t'); line++) {
        if (src->text[line] == '\t') {
            return true;
        }
    }
    return false;
}

bool node_syntax_error(const struct node_source *src, const struct node_syntax *bad,
                       struct diags *diags)
{
    size_t at = bad->at < src->len ? bad->at : src->len;
    if (tab_indent(src, at)) {
        return diag_add(diags, DIAG_ERROR, "yaml-tab", bad->pos, 1,
                        "Replace the tab by spaces, in this line or the one before.",
                        "a tab is used for indentation; YAML allows only spaces");
    }
    const char *problem = bad->problem != NULL ? bad->problem : "unreadable";
    const struct saying *saying = find_saying(problem);
    const char *message = saying != NULL ? saying->message : problem;
    const char *hint = saying != NULL ? saying->hint : NULL;
    if (bad->context != NULL && bad->context_line < bad->pos.line) {
        return diag_add(diags, DIAG_ERROR, "yaml", bad->pos, 1, hint,
                        "not valid YAML: %s (%s that began on line %u)", message, bad->context,
                        bad->context_line);
    }
    return diag_add(diags, DIAG_ERROR, "yaml", bad->pos, 1, hint, "not valid YAML: %s", message);
}
