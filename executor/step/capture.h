/*
 * capture.h - from the command's pipes to the log of the attempt (its format: step.h).
 */
#ifndef EXECUTOR_STEP_CAPTURE_H
#define EXECUTOR_STEP_CAPTURE_H

#include "base/buf.h"
#include "base/mask.h"

#include <stdbool.h>
#include <stdint.h>

enum { STREAM_OUT, STREAM_ERR, STREAMS };

struct capture_stream {
    char letter;
    struct mask *mask;  /* owned; NULL = nothing to mask */
    struct buf partial; /* the line that has not ended yet; at most LIMIT_LOG_LINE */
    int64_t partial_ms; /* when its first byte came */
};

struct capture {
    int dir;         /* borrowed: the attempt's folder */
    int fd;          /* the log; -1 until its first line */
    int64_t limit;   /* bytes */
    int64_t size;    /* of the log: what is in it and in `batch` */
    int64_t written; /* of the log: what is in it */
    int64_t gap;     /* bytes that could not be written, and have not been told of yet */
    int gap_errno;
    bool lossy; /* there was a gap */
    bool cut;   /* the limit was reached: nothing more is written */
    struct mask_set *secrets;
    struct capture_stream streams[STREAMS];
    struct buf batch; /* lines on their way to the log */
    struct buf clean; /* a read after masking */
    int64_t stamp_ms; /* what `stamp` shows */
    char stamp[32];
    unsigned char *chunk; /* where reads go; made with the first */
};

/* Nothing is opened and no memory is taken before there is something to write. */
void capture_init(struct capture *c, int dir, int64_t limit, char *const *secrets,
                  size_t secret_count);
void capture_done(struct capture *c);

/* Reads once from the pipe and writes what that made to the log. False at the pipe's end. */
bool capture_read(struct capture *c, int stream, int fd, int64_t now_ms);
/* No more will come: writes what is left, also of lines that did not end. */
void capture_end(struct capture *c, int64_t now_ms);
/* A line of the supervisor's own. Also after the limit was reached. */
void capture_say(struct capture *c, int64_t now_ms, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
