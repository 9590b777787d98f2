/*
 * samples.h - what a running attempt takes, written down now and then for `top` and charts: the
 * file `usage` of its folder (format: step.h).
 */
#ifndef EXECUTOR_STEP_SAMPLES_H
#define EXECUTOR_STEP_SAMPLES_H

#include "executor/step/step.h"

struct samples {
    int folder;          /* borrowed */
    int fd;              /* -1 until the first */
    int64_t interval_ms; /* doubles each time the file has been thinned out */
    int64_t due_ms;      /* boot clock */
    size_t lines;
};

/* The first sample is due at `first_ms`. */
void samples_init(struct samples *s, int folder, int64_t first_ms);
/* Writes a line, and says when the next is due. What cannot be written is left out: samples are
 * worth no failure. */
void samples_add(struct samples *s, int64_t boot_ms, int64_t wall_ms,
                 const struct step_usage *usage);
void samples_done(struct samples *s);

#endif
