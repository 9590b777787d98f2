/*
 * term.c - see term.h.
 */
#include "cli/term.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define ESCAPED_MAX                                                                                \
    (64UL << 20) /* bytes of one escaped text; texts are bounded where they arise                  \
                  */

/* clang-format off */
static const char *const STYLES[TERM_STYLE_COUNT] = {
    [TERM_PLAIN]  = "",
    [TERM_GOOD]   = "\033[32m",
    [TERM_BAD]    = "\033[1;31m",
    [TERM_WARN]   = "\033[33m",
    [TERM_BUSY]   = "\033[36m",
    [TERM_DIM]    = "\033[2m",
    [TERM_STRONG] = "\033[1m",
};

static const struct { const char *status; enum term_style style; } STATUS_STYLES[] = {
    {"succeeded", TERM_GOOD}, {"reused", TERM_GOOD},    {"ok", TERM_GOOD},
    {"failed", TERM_BAD},     {"lost", TERM_BAD},       {"fail", TERM_BAD},
    {"cancelled", TERM_WARN}, {"waiting", TERM_WARN},   {"interrupted", TERM_WARN}, {"warn", TERM_WARN},
    {"running", TERM_BUSY},   {"starting", TERM_BUSY},  {"run", TERM_BUSY},
    {"skipped", TERM_DIM},    {"skip", TERM_DIM},       {"pending", TERM_DIM}, {"queued", TERM_DIM},
    {"reuse", TERM_GOOD},
};
/* clang-format on */

const char *term_on(bool colour, enum term_style style)
{
    return colour ? STYLES[style] : "";
}

const char *term_off(bool colour, enum term_style style)
{
    return colour && style != TERM_PLAIN ? "\033[0m" : "";
}

enum term_style term_status_style(const char *status)
{
    for (size_t i = 0; status && i < COUNT_OF(STATUS_STYLES); i++)
        if (strcmp(STATUS_STYLES[i].status, status) == 0)
            return STATUS_STYLES[i].style;
    return TERM_PLAIN;
}

static bool dumb(void)
{
    const char *term = getenv("TERM");
    return !term || !*term || strcmp(term, "dumb") == 0;
}

bool term_wants_colour(const char *mode, int fd)
{
    if (mode && strcmp(mode, "always") == 0)
        return true;
    if (mode && strcmp(mode, "never") == 0)
        return false;
    const char *no_color = getenv("NO_COLOR");
    return isatty(fd) && !dumb() && (!no_color || !*no_color);
}

bool term_can_redraw(int fd)
{
    return isatty(fd) && !dumb();
}

int term_width(int fd)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col < 20 ? 20 : size.ws_col;
    const char *columns = getenv("COLUMNS");
    int64_t value;
    if (columns && text_int(columns, &value) && value >= 20 && value <= 10000)
        return (int)value;
    return 80;
}

/* ---- text that is only text */

/* The code point at `text` (valid UTF-8), and its length in bytes. */
static unsigned decode(const char *text, size_t *ret_len)
{
    const unsigned char *p = (const unsigned char *)text;
    if (p[0] < 0x80) {
        *ret_len = 1;
        return p[0];
    }
    size_t len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    unsigned code = p[0] & (0xffU >> (len + 1));
    for (size_t i = 1; i < len; i++)
        code = code << 6 | (p[i] & 0x3fU);
    *ret_len = len;
    return code;
}

/* Code points that change how others are shown: C1 controls, line and paragraph separators,
 * directions. */
static bool tricky(unsigned code)
{
    return (code >= 0x80 && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0x200e || code == 0x200f || code == 0x61c;
}

static void escape_valid(struct buf *out, const char *text, size_t len, bool tabs)
{
    for (size_t at = 0, step; at < len; at += step) {
        unsigned code = decode(text + at, &step);
        if (code == '\t' && tabs)
            buf_addc(out, '\t');
        else if (code < 0x20 || code == 0x7f)
            buf_addf(out, "^%c", (char)(code ^ 0x40));
        else if (tricky(code))
            buf_addf(out, "<U+%04X>", code);
        else
            buf_add(out, text + at, step);
    }
}

void term_escape(struct buf *out, const char *text, size_t len, bool tabs)
{
    while (len > 0) {
        size_t valid = text_utf8_valid(text, len);
        escape_valid(out, text, valid, tabs);
        if (valid == len)
            return;
        buf_addf(out, "\\x%02X", (unsigned)(unsigned char)text[valid]);
        text += valid + 1;
        len -= valid + 1;
    }
}

const char *term_safe(struct arena *a, const char *text)
{
    if (!text)
        return "";
    AUTO_BUF struct buf out = BUF_INIT(ESCAPED_MAX);
    term_escape(&out, text, strlen(text), false);
    return arena_strdup(a, buf_str(&out));
}

size_t term_fit(const char *text, size_t cells)
{
    size_t at = 0, used = 0;
    while (text[at]) {
        size_t step;
        int width = wcwidth((wchar_t)decode(text + at, &step));
        used += width < 0 ? 1 : (size_t)width; /* unknown to the locale: most likely one column */
        if (used > cells)
            break;
        at += step;
    }
    return at;
}
