/*
 * samples.c - a line each second at first; when there are SAMPLES_MAX, every second line goes and
 * the interval doubles. So a step of any length has some hundred lines, spread evenly.
 */
#include "executor/step/samples.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SAMPLES_MAX 600
#define INTERVAL_MS 1000
#define FILE_MAX (1L << 20)

void samples_init(struct samples *s, int folder, int64_t first_ms)
{
    *s = (struct samples){
        .folder = folder, .fd = -1, .interval_ms = INTERVAL_MS, .due_ms = first_ms};
}

void samples_done(struct samples *s)
{
    mem_close_fd(&s->fd);
    s->fd = -1;
}

static void add_names(struct buf *line)
{
    buf_adds(line, "t_ms");
    for (size_t i = 0; i < step_usage_field_count; i++) {
        if (step_usage_fields[i].sampled) {
            buf_addf(line, " %s", step_usage_fields[i].name);
        }
    }
    buf_addc(line, '\n');
}

static void add_numbers(struct buf *line, int64_t wall_ms, const struct step_usage *usage)
{
    buf_addf(line, "%" PRId64, wall_ms);
    for (size_t i = 0; i < step_usage_field_count; i++) {
        const struct step_usage_field *f = &step_usage_fields[i];
        if (f->sampled) {
            buf_addf(line, " %" PRId64, *(const int64_t *)((const char *)usage + f->offset));
        }
    }
    buf_addc(line, '\n');
}

/* The names and every second line of what there is, in a new file that takes the old one's place:
 * who reads along has one of the two. */
static bool thin_out(struct samples *s)
{
    AUTO_BUF struct buf old = BUF_INIT(FILE_MAX), kept = BUF_INIT(FILE_MAX);
    if (!file_read_at(s->folder, "usage", &old, NULL)) {
        return false;
    }
    size_t number = 0;
    for (const char *line = buf_str(&old), *end; (end = strchr(line, '\n')) != NULL;
         line = end + 1, number++) {
        if (number == 0 || number % 2 == 1) {
            buf_add(&kept, line, (size_t)(end - line) + 1);
        }
    }
    AUTO_CLOSE int fd = openat(s->folder, ".tmp-usage",
                               O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0 || !file_write_all(fd, buf_str(&kept), kept.len, NULL) ||
        renameat(s->folder, ".tmp-usage", s->folder, "usage") != 0) {
        return false;
    }
    samples_done(s);
    s->fd = fd;
    fd = -1;
    s->lines = number / 2;
    s->interval_ms *= 2;
    return true;
}

void samples_add(struct samples *s, int64_t boot_ms, int64_t wall_ms,
                 const struct step_usage *usage)
{
    AUTO_BUF struct buf line = BUF_INIT(4096);
    if (s->fd < 0) {
        s->fd = openat(s->folder, "usage", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
                       0644);
        add_names(&line);
    }
    add_numbers(&line, wall_ms, usage);
    if (s->fd >= 0 && write(s->fd, buf_str(&line), line.len) == (ssize_t)line.len) {
        s->lines++;
    }
    if (s->lines >= SAMPLES_MAX && !thin_out(s)) {
        s->interval_ms *= 2; /* no room to thin out: at least it grows slower */
        s->lines = 0;
    }
    s->due_ms = boot_ms + s->interval_ms;
}
