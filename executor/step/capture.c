/*
 * capture.c - what a command says becomes lines of the log:
 *
 *   capture_read ─▶ mask ─▶ split into lines ─▶ batch ─▶ one write per read
 *
 * What is true after a kill -9: the log holds whole lines but perhaps the last, which a reader sees
 * as not ended; what was written is never changed.
 */
#include "executor/step/capture.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (64 << 10)
#define PREFIX 27 /* "2026-11-21T08:00:00.123Z o " */
#define NUL_SHOWN "\xE2\x90\x80"

void capture_init(struct capture *c, int dir, int64_t limit, char *const *secrets,
                  size_t secret_count)
{
    *c = (struct capture){.dir = dir, .fd = -1, .stamp_ms = -1};
    c->limit = limit > 0 ? limit : LIMIT_LOG_DEFAULT;
    c->batch.max = c->clean.max = SIZE_MAX / 2; /* bounded by what one read can make */
    c->secrets = mask_set_new(secrets, secret_count);
    for (int i = 0; i < STREAMS; i++) {
        c->streams[i].letter = i == STREAM_OUT ? 'o' : 'e';
        c->streams[i].partial.max = LIMIT_LOG_LINE;
        c->streams[i].mask = c->secrets != NULL ? mask_new(c->secrets) : NULL;
    }
}

void capture_done(struct capture *c)
{
    for (int i = 0; i < STREAMS; i++) {
        mask_free(c->streams[i].mask);
        buf_done(&c->streams[i].partial);
    }
    mask_set_free(c->secrets);
    buf_done(&c->batch);
    buf_done(&c->clean);
    free(c->chunk);
    mem_close_fd(&c->fd);
    c->fd = -1;
}

/* ---- the file
 * ------------------------------------------------------------------------------------- */

/* Made with the first line, so the command may have put something else in its place: a pipe must
 * hold us neither here nor when it is full. */
static bool open_log(struct capture *c)
{
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    struct stat st;
    if (c->fd >= 0) {
        return true;
    }
    int fd = openat(c->dir, "log", flags, 0644);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        c->fd = fd;
        return true;
    }
    if (fd >= 0) {
        close(fd);
        errno = EEXIST;
    }
    return false;
}

/* All or nothing: a line that went in by half is taken back, so that the next one begins where a
 * line begins. */
static bool append(struct capture *c, const void *data, size_t len)
{
    struct err err = ERR_INIT;
    if (open_log(c) && file_write_all(c->fd, data, len, &err)) {
        c->written += (int64_t)len;
        return true;
    }
    c->gap_errno = err.sys != 0 ? err.sys : errno;
    if (c->fd >= 0 && ftruncate(c->fd, (off_t)c->written) < 0) {
        c->cut = true;
    }
    return false;
}

/* A full disk costs log lines, not the step: what is missing is told where it is missing, as soon
 * as something can be written again. */
static void write_batch(struct capture *c)
{
    char notice[160], stamp[CLOCK_TEXT_SIZE];
    if (c->batch.len == 0) {
        return;
    }
    if (c->gap > 0) {
        int len =
            snprintf(notice, sizeof(notice), "%s s %lld bytes of the log are missing here: %s\n",
                     clock_format(clock_wall_ms(clock_system()), stamp), (long long)c->gap,
                     strerrordesc_np(c->gap_errno));
        c->gap = append(c, notice, (size_t)len) ? 0 : c->gap;
    }
    if (c->gap > 0 || !append(c, c->batch.data, c->batch.len)) {
        c->gap += (int64_t)c->batch.len;
        c->lossy = true;
    }
    c->size = c->written;
    buf_clear(&c->batch);
}

/* ---- lines
 * ---------------------------------------------------------------------------------------- */

static void add_prefix(struct capture *c, char letter, int64_t at_ms)
{
    if (at_ms != c->stamp_ms) {
        (void)clock_format(at_ms, c->stamp);
        c->stamp_ms = at_ms;
    }
    char prefix[PREFIX + 5];
    int len = snprintf(prefix, sizeof(prefix), "%.24s %c ", c->stamp, letter);
    (void)buf_add(&c->batch, prefix, (size_t)len);
}

static void add_text(struct capture *c, const char *text, size_t len)
{
    const char *nul;
    while (len > 0 && (nul = memchr(text, '\0', len)) != NULL) {
        (void)buf_add(&c->batch, text, (size_t)(nul - text));
        (void)buf_adds(&c->batch, NUL_SHOWN);
        len -= (size_t)(nul - text) + 1;
        text = nul + 1;
    }
    (void)buf_add(&c->batch, text, len);
}

static void reach_limit(struct capture *c, int64_t now_ms)
{
    char limit[32];
    c->cut = true;
    capture_say(c, now_ms, "log limit of %s reached; the rest is dropped (log: {limit: ...})",
                text_format_size(c->limit, limit));
}

/* One line, or a part of one, in up to two pieces. */
static void add_line(struct capture *c, char letter, int64_t at_ms, const struct buf *begun,
                     const char *text, size_t len)
{
    if (c->cut) {
        return;
    }
    size_t before = c->batch.len;
    add_prefix(c, letter, at_ms);
    add_text(c, buf_str(begun), begun->len);
    add_text(c, text, len);
    (void)buf_addc(&c->batch, '\n');
    int64_t grown = (int64_t)(c->batch.len - before);
    if (c->size + grown > c->limit) {
        c->batch.len = before;
        c->batch.data[before] = '\0';
        reach_limit(c, at_ms);
        return;
    }
    c->size += grown;
}

static void add_bytes(struct capture *c, struct capture_stream *s, const char *text, size_t len,
                      int64_t now_ms)
{
    while (len > 0 && !c->cut) {
        size_t room = LIMIT_LOG_LINE - s->partial.len;
        const char *newline = memchr(text, '\n', len < room ? len : room);
        if (s->partial.len == 0) {
            s->partial_ms = now_ms;
        }
        if (newline != NULL) {
            size_t line = (size_t)(newline - text);
            add_line(c, s->letter, s->partial_ms, &s->partial, text, line);
            text += line + 1;
            len -= line + 1;
        } else if (len >= room) {
            /* Cut here; where the newline is the very next byte, the line has simply ended. */
            bool ends = len > room && text[room] == '\n';
            char letter = ends ? s->letter : (char)toupper((unsigned char)s->letter);
            add_line(c, letter, s->partial_ms, &s->partial, text, room);
            text += room + ends;
            len -= room + ends;
        } else {
            (void)buf_add(&s->partial, text, len);
            return;
        }
        buf_clear(&s->partial);
    }
}

/* ---- what the supervisor calls
 * -------------------------------------------------------------------- */

bool capture_read(struct capture *c, int stream, int fd, int64_t now_ms)
{
    struct capture_stream *s = &c->streams[stream];
    if (c->chunk == NULL) {
        c->chunk = mem_alloc(CHUNK);
    }
    ssize_t got;
    do {
        got = read(fd, c->chunk, CHUNK);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN) {
        return true;
    }
    if (got <= 0) {
        return false;
    }
    if (c->cut) { /* read on, so that the command does not hang on a full pipe */
        return true;
    }
    if (s->mask != NULL) {
        mask_add(s->mask, c->chunk, (size_t)got, &c->clean);
        add_bytes(c, s, buf_str(&c->clean), c->clean.len, now_ms);
        buf_clear(&c->clean);
    } else {
        add_bytes(c, s, (const char *)c->chunk, (size_t)got, now_ms);
    }
    write_batch(c);
    return true;
}

static void end_stream(struct capture *c, struct capture_stream *s, int64_t now_ms)
{
    if (s->mask != NULL) {
        mask_end(s->mask, &c->clean);
        add_bytes(c, s, buf_str(&c->clean), c->clean.len, now_ms);
        buf_clear(&c->clean);
    }
    if (s->partial.len > 0) {
        add_line(c, (char)toupper((unsigned char)s->letter), s->partial_ms, &s->partial, "", 0);
        buf_clear(&s->partial);
    }
}

void capture_end(struct capture *c, int64_t now_ms)
{
    for (int i = 0; i < STREAMS; i++) {
        end_stream(c, &c->streams[i], now_ms);
    }
    write_batch(c);
    if (c->gap > 0) {
        capture_say(c, now_ms, "the output has ended");
    }
}

/* The supervisor's own words quote names that the command chose. */
static void add_said(struct capture *c, const char *text, size_t len)
{
    if (c->secrets == NULL) {
        add_text(c, text, len);
        return;
    }
    struct buf clean = BUF_INIT(SIZE_MAX / 2);
    struct mask *mask = mask_new(c->secrets);
    mask_add(mask, text, len, &clean);
    mask_end(mask, &clean);
    mask_free(mask);
    add_text(c, buf_str(&clean), clean.len);
    buf_done(&clean);
}

void capture_say(struct capture *c, int64_t now_ms, const char *fmt, ...)
{
    va_list args;
    char line[4096];
    va_start(args, fmt);
    int len = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    for (char *at = line; *at != '\0'; at++) { /* one line, whatever a name brought in */
        *at = *at == '\n' || *at == '\r' ? ' ' : *at;
    }
    size_t used = len < 0 ? 0 : (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1;
    size_t before = c->batch.len;
    add_prefix(c, 's', now_ms);
    add_said(c, line, used);
    (void)buf_addc(&c->batch, '\n');
    c->size += (int64_t)(c->batch.len - before);
    write_batch(c);
}
