/*
 * logfile.c - reads the log of an attempt, also while it grows. A line is given out once it is
 * whole, that is once its newline has been written.
 */
#include "executor/executor.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 65536
#define HEAD_LEN 27 /* "2026-11-21T08:00:00.123Z o " */

struct exec_log {
    int fd;
    char *data;        /* CHUNK + LIMIT_LOG_LINE + HEAD_LEN bytes */
    size_t start, len; /* what has been read and not given out */
};

#define CAPACITY (CHUNK + LIMIT_LOG_LINE + HEAD_LEN + 1)

struct exec_log *exec_log_open(const char *folder, struct err *err)
{
    AUTO_FREE char *path = mem_printf("%s/log", folder);
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        err_sys(err, errno, "%s", path);
        return NULL;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        err_set(err, ERR_INVALID, "%s is not a regular file: the step has put it there", path);
        close(fd);
        return NULL;
    }
    struct exec_log *log = mem_alloc(sizeof(*log));
    log->fd = fd;
    log->data = mem_alloc(CAPACITY);
    return log;
}

void exec_log_close(struct exec_log *log)
{
    if (log != NULL) {
        close(log->fd);
        free(log->data);
        free(log);
    }
}

/* Reads more behind what is there; false where the file has no more now. */
static bool fill(struct exec_log *log)
{
    if (log->start > 0) {
        memmove(log->data, log->data + log->start, log->len);
        log->start = 0;
    }
    if (log->len == CAPACITY) {
        return false;
    }
    ssize_t n = read(log->fd, log->data + log->len, CAPACITY - log->len);
    if (n <= 0) {
        return false;
    }
    log->len += (size_t)n;
    return true;
}

/* Fills in what a line of the file says; a line that is none of ours is shown as it is. */
static void split(const char *line, size_t len, struct exec_log_line *ret)
{
    char at[HEAD_LEN];
    *ret = (struct exec_log_line){.stream = 's', .text = line, .len = len};
    if (len < HEAD_LEN || line[24] != ' ' || line[26] != ' ') {
        return;
    }
    memcpy(at, line, 24);
    at[24] = '\0';
    char stream = line[25];
    if (strchr("oOeEsS", stream) == NULL || !clock_parse(at, &ret->at_ms)) {
        return;
    }
    ret->unended = stream < 'a';
    ret->stream = ret->unended ? (char)(stream - 'A' + 'a') : stream;
    ret->text = line + HEAD_LEN;
    ret->len = len - HEAD_LEN;
}

bool exec_log_next(struct exec_log *log, struct exec_log_line *ret)
{
    for (;;) {
        char *line = log->data + log->start;
        char *newline = memchr(line, '\n', log->len);
        size_t len = newline != NULL ? (size_t)(newline - line) : log->len;
        if (newline != NULL || log->len == CAPACITY) {
            size_t used = newline != NULL ? len + 1 : len;
            log->start += used;
            log->len -= used;
            split(line, len, ret);
            return true;
        }
        if (!fill(log)) {
            return false;
        }
    }
}

/* Walks back in blocks, counting newlines. */
bool exec_log_tail(struct exec_log *log, uint64_t lines, struct err *err)
{
    struct stat st;
    if (fstat(log->fd, &st) != 0) {
        return err_sys(err, errno, "the log");
    }
    off_t at = st.st_size;
    uint64_t seen = 0;
    bool found = false;
    while (at > 0 && !found) {
        size_t want = at < CHUNK ? (size_t)at : CHUNK;
        ssize_t n = pread(log->fd, log->data, want, at - (off_t)want);
        if (n != (ssize_t)want) {
            return err_sys(err, n < 0 ? errno : EIO, "the log");
        }
        for (size_t i = want; i-- > 0 && !found;) {
            bool last_byte = at - (off_t)(want - i) == st.st_size - 1;
            if (log->data[i] == '\n' && !last_byte && ++seen == lines) {
                at = at - (off_t)want + (off_t)i + 1;
                found = true;
            }
        }
        if (!found) {
            at -= (off_t)want;
        }
    }
    if (lines == 0) {
        at = st.st_size;
    }
    log->start = log->len = 0;
    return lseek(log->fd, at, SEEK_SET) >= 0 || err_sys(err, errno, "the log");
}
