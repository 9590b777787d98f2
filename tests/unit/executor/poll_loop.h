/*
 * poll_loop.h - the smallest loop that keeps the promises of base/loop.h: one poll() a turn.
 */
#ifndef TESTS_POLL_LOOP_H
#define TESTS_POLL_LOOP_H

#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"

#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct loop_timer {
    struct poll_loop *loop;
    void (*cb)(void *arg);
    void *arg;
    int64_t due_ms; /* 0 = stopped */
    bool closed;
    struct loop_timer *next;
};
struct loop_watch {
    struct poll_loop *loop;
    void (*cb)(void *arg, int events);
    void *arg;
    int fd, events;
    bool closed;
    struct loop_watch *next;
};
struct poll_loop {
    struct loop loop;
    struct loop_timer *timers;
    struct loop_watch *watches;
};

static inline struct loop_timer *pl_timer_open(struct loop *l, void (*cb)(void *arg), void *arg)
{
    struct poll_loop *p = (struct poll_loop *)l;
    struct loop_timer *t = mem_alloc(sizeof(*t));
    *t = (struct loop_timer){.loop = p, .cb = cb, .arg = arg, .next = p->timers};
    p->timers = t;
    return t;
}

static inline void pl_timer_start(struct loop_timer *t, int64_t delay_ms)
{
    t->due_ms = clock_boot_ms(clock_system()) + delay_ms;
}

static inline void pl_timer_stop(struct loop_timer *t)
{
    t->due_ms = 0;
}

static inline void pl_timer_close(struct loop_timer *t)
{
    t->closed = true;
}

static inline struct loop_watch *pl_watch_open(struct loop *l, int fd, int events,
                                               void (*cb)(void *arg, int events), void *arg)
{
    struct poll_loop *p = (struct poll_loop *)l;
    struct loop_watch *w = mem_alloc(sizeof(*w));
    *w = (struct loop_watch){
        .loop = p, .cb = cb, .arg = arg, .fd = fd, .events = events, .next = p->watches};
    p->watches = w;
    return w;
}

static inline void pl_watch_set(struct loop_watch *w, int events)
{
    w->events = events;
}

static inline void pl_watch_close(struct loop_watch *w)
{
    w->closed = true;
}

static const struct loop_ops pl_ops = {.version = LOOP_OPS_VERSION,
                                       .timer_open = pl_timer_open,
                                       .timer_start = pl_timer_start,
                                       .timer_stop = pl_timer_stop,
                                       .timer_close = pl_timer_close,
                                       .watch_open = pl_watch_open,
                                       .watch_set = pl_watch_set,
                                       .watch_close = pl_watch_close};

static inline void pl_init(struct poll_loop *p)
{
    *p = (struct poll_loop){.loop = {&pl_ops}};
}

static inline void pl_sweep(struct poll_loop *p)
{
    for (struct loop_timer **at = &p->timers; *at != NULL;) {
        struct loop_timer *t = *at;
        if (t->closed) {
            *at = t->next;
            free(t);
        } else {
            at = &t->next;
        }
    }
    for (struct loop_watch **at = &p->watches; *at != NULL;) {
        struct loop_watch *w = *at;
        if (w->closed) {
            *at = w->next;
            free(w);
        } else {
            at = &w->next;
        }
    }
}

/* Waits at most `wait_ms` for something and acts on it. */
static inline void pl_turn(struct poll_loop *p, int wait_ms)
{
    size_t count = 0, i = 0;
    int64_t now = clock_boot_ms(clock_system());
    pl_sweep(p);
    for (struct loop_watch *w = p->watches; w != NULL; w = w->next) {
        count++;
    }
    for (struct loop_timer *t = p->timers; t != NULL; t = t->next) {
        if (t->due_ms != 0 && t->due_ms - now < wait_ms) {
            wait_ms = t->due_ms > now ? (int)(t->due_ms - now) : 0;
        }
    }
    struct pollfd *fds = mem_array(count + 1, sizeof(*fds));
    struct loop_watch **watched = mem_array(count + 1, sizeof(struct loop_watch *));
    for (struct loop_watch *w = p->watches; w != NULL; w = w->next, i++) {
        fds[i] = (struct pollfd){.fd = w->fd,
                                 .events = (short)(((w->events & LOOP_READ) != 0 ? POLLIN : 0) |
                                                   ((w->events & LOOP_WRITE) != 0 ? POLLOUT : 0))};
        watched[i] = w;
    }
    int got = poll(fds, count, wait_ms);
    for (i = 0; got > 0 && i < count; i++) {
        int events = ((fds[i].revents & POLLIN) != 0 ? LOOP_READ : 0) |
                     ((fds[i].revents & POLLOUT) != 0 ? LOOP_WRITE : 0) |
                     ((fds[i].revents & (POLLHUP | POLLERR)) != 0 ? LOOP_HANGUP : 0);
        if (events != 0 && !watched[i]->closed) {
            watched[i]->cb(watched[i]->arg, events);
        }
    }
    free(fds);
    free(watched);
    now = clock_boot_ms(clock_system());
    for (struct loop_timer *t = p->timers; t != NULL; t = t->next) {
        if (!t->closed && t->due_ms != 0 && t->due_ms <= now) {
            t->due_ms = 0;
            t->cb(t->arg);
        }
    }
    pl_sweep(p);
}

static inline void pl_done(struct poll_loop *p)
{
    pl_sweep(p);
}

#endif
