/*
 * loop.h - what executor and storage may ask of an event loop, as a table, so that neither knows
 * libuv. All calls but `post` belong to the loop's thread. Callbacks run on the loop's thread,
 * never from inside these calls.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdint.h>

#define LOOP_OPS_VERSION 1
enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 };

struct loop;
struct loop_timer;
struct loop_watch;
struct loop_post;

struct loop_ops {
    int version; /* LOOP_OPS_VERSION */
    /* A one-shot timer; start may be called again to move it. close() frees it. MUST. */
    struct loop_timer *(*timer_open)(struct loop *l, void (*cb)(void *arg), void *arg);
    void (*timer_start)(struct loop_timer *t, int64_t delay_ms);
    void (*timer_stop)(struct loop_timer *t);
    void (*timer_close)(struct loop_timer *t);
    /* Watches an fd; `events` is a set of LOOP_READ | LOOP_WRITE. close() must come before the fd
     * is closed. MUST. */
    struct loop_watch *(*watch_open)(struct loop *l, int fd, int events,
                                     void (*cb)(void *arg, int events), void *arg);
    void (*watch_set)(struct loop_watch *w, int events);
    void (*watch_close)(struct loop_watch *w);
    /* A doorbell that any thread may ring; rings before the callback ran are merged. MUST. */
    struct loop_post *(*post_open)(struct loop *l, void (*cb)(void *arg), void *arg);
    void (*post_ring)(struct loop_post *p); /* any thread */
    void (*post_close)(struct loop_post *p);
};

/* The first member of an implementation's loop. */
struct loop {
    const struct loop_ops *ops;
};

#endif
