/*
 * err.c - one table says what each code is called and how a command exits with it; sentences are
 * built in a second buffer, since arguments may point into the error that is being replaced.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

// clang-format off
static const struct {
    const char *name;
    int exit_code;
} codes[ERR_CODE_COUNT] = {
    [ERR_NONE]        = {"none",         0},
    [ERR_USAGE]       = {"usage",        2},
    [ERR_INVALID]     = {"invalid",      3},
    [ERR_NOT_FOUND]   = {"not_found",    6},
    [ERR_DENIED]      = {"denied",       5},
    [ERR_UNAVAILABLE] = {"unavailable",  4},
    [ERR_EXISTS]      = {"exists",       2},
    [ERR_BUSY]        = {"busy",         4},
    [ERR_LIMIT]       = {"limit",       70},
    [ERR_NO_SPACE]    = {"no_space",    70},
    [ERR_IO]          = {"io",          70},
    [ERR_CORRUPT]     = {"corrupt",     70},
    [ERR_NEWER]       = {"newer",        4},
    [ERR_UNSUPPORTED] = {"unsupported",  3},
    [ERR_INTERNAL]    = {"internal",    70},
};

static const struct {
    int sysno;
    enum err_code code;
} sys_codes[] = {
    {ENOSPC, ERR_NO_SPACE}, {EDQUOT, ERR_NO_SPACE},
    {EACCES, ERR_DENIED},   {EPERM, ERR_DENIED},      {EROFS, ERR_DENIED},
    {ENOENT, ERR_NOT_FOUND}, {EEXIST, ERR_EXISTS},    {EWOULDBLOCK, ERR_BUSY},
};
// clang-format on

/* The length of `text` without a UTF-8 sequence that its end cuts in two. */
static size_t whole_characters(const char *text, size_t len)
{
    size_t back = 0;
    while (back < len && back < 3 && ((unsigned char)text[len - 1 - back] & 0xC0) == 0x80)
        back++;
    if (back == len)
        return len;
    unsigned char lead = (unsigned char)text[len - 1 - back];
    size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    return back + 1 < want ? len - back - 1 : len;
}

static void set_message(struct err *err, const char *text)
{
    size_t len = strnlen(text, sizeof(err->msg));
    if (len >= sizeof(err->msg))
        len = whole_characters(text, sizeof(err->msg) - 1);
    memmove(err->msg, text, len);
    err->msg[len] = '\0';
}

/* One byte more than a message holds, so that set_message() sees what was cut. */
typedef char message_buf[sizeof(((struct err *)0)->msg) + 1];

/* Appends as much of both as fits. */
static void append(message_buf text, const char *separator, const char *tail)
{
    const char *parts[] = {separator, tail};
    size_t len = strlen(text);
    for (size_t i = 0; tail && i < 2; i++) {
        size_t part = strnlen(parts[i], sizeof(message_buf) - 1 - len);
        memcpy(text + len, parts[i], part);
        len += part;
    }
    text[len] = '\0';
}

static __attribute__((format(printf, 3, 0))) void build(message_buf text, const char *tail,
                                                        const char *fmt, va_list args)
{
    if (vsnprintf(text, sizeof(message_buf), fmt, args) < 0)
        text[0] = '\0';
    append(text, ": ", tail);
}

bool err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    if (!err)
        return false;
    message_buf text;
    va_list args;
    va_start(args, fmt);
    build(text, NULL, fmt, args);
    va_end(args);
    err->code = code;
    err->sys = 0;
    set_message(err, text);
    return false;
}

bool err_sys(struct err *err, int sysno, const char *fmt, ...)
{
    if (!err)
        return false;
    message_buf text;
    char reason[128];
    va_list args;
    va_start(args, fmt);
    build(text, strerror_r(sysno, reason, sizeof(reason)), fmt, args);
    va_end(args);
    err->code = ERR_IO;
    for (size_t i = 0; i < sizeof(sys_codes) / sizeof(sys_codes[0]); i++) {
        if (sys_codes[i].sysno == sysno)
            err->code = sys_codes[i].code;
    }
    err->sys = sysno;
    set_message(err, text);
    return false;
}

bool err_wrap(struct err *err, const char *fmt, ...)
{
    if (!err)
        return false;
    message_buf text;
    va_list args;
    va_start(args, fmt);
    build(text, err->msg, fmt, args);
    va_end(args);
    set_message(err, text);
    return false;
}

int err_exit_code(enum err_code code)
{
    return (unsigned)code < ERR_CODE_COUNT ? codes[code].exit_code : 70;
}

const char *err_code_name(enum err_code code)
{
    return (unsigned)code < ERR_CODE_COUNT ? codes[code].name : "internal";
}
