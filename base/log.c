/*
 * log.c - one write(2) a line, so that lines of several processes on one stderr stay whole.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE 4096

static const char *const names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

static _Atomic int threshold = LOG_LEVEL_WARN;

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

bool log_level_from_name(const char *name, enum log_level *ret)
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* What a user or a step named must not start a line of its own, nor move the cursor. */
static void remove_controls(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7F)
            *text = ' ';
    }
}

void log_write(enum log_level level, const char *fmt, ...)
{
    if ((int)level > atomic_load(&threshold))
        return;
    int saved = errno;
    char line[LINE_SIZE], time[CLOCK_TEXT_SIZE];
    int head = snprintf(line, sizeof(line), "%s %s ",
                        clock_format(clock_wall_ms(clock_system()), time), names[level]);
    size_t start = (size_t)head, room = sizeof(line) - 1 - start; /* 1 for the newline */
    va_list args;
    va_start(args, fmt);
    errno = saved; /* %m */
    int len = vsnprintf(line + start, room, fmt, args);
    va_end(args);
    if (len < 0)
        line[start] = '\0';
    if (len >= 0 && (size_t)len >= room) {
        static const char mark[] = " [cut]";
        size_t kept = room - sizeof(mark);
        memcpy(line + start + text_utf8_valid(line + start, kept), mark, sizeof(mark));
    }
    remove_controls(line + start);
    size_t total = strlen(line);
    line[total++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, total);
    (void)ignored;
    errno = saved;
}
