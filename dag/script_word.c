/*
 * script_word.c - words of commands: reserved words, which change what a ')' means.
 */
#include "dag/script_scan.h"

#include "base/mem.h"

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

static bool is_word(const char *text, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

void word_begin(struct scan *s)
{
    struct frame *f = scan_top(s);
    if (scan_is_commands(f->kind) && !f->in_word) {
        f->in_word = true;
        f->mixed = false;
        f->word = s->pos;
        f->before = f->within;
        f->within = s->count;
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
    risk_command_start(f);
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
        f = scan_push(s, FRAME_TEST);
        if (f != NULL) {
            f->risk = RISK_TEST;
        }
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
    if (f->name) {
        risk_name(s, f, text, len);
    } else {
        risk_word(s, f, text, len);
    }
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
    risk_word(s, f, text, len);
    if (!f->mixed && is_word(text, len, "]]")) {
        scan_pop(s);
    }
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
    f->target = false;
}
