/*
 * loop_uv.c - the only file that knows libuv. Each handle is one heap object that libuv's close
 * callback frees, so closing from inside a callback is safe.
 */
#include "engine/loop_uv.h"

#include "base/mem.h"

#include <stdlib.h>
#include <uv.h>

struct loop_uv {
    struct loop base; /* must be first */
    uv_loop_t uv;
    uv_prepare_t prepare;
    void (*turn)(void *arg);
    void *arg;
};

struct loop_timer {
    uv_timer_t uv; /* must be first: freed by its handle's address */
    void (*cb)(void *arg);
    void *arg;
};

struct loop_watch {
    uv_poll_t uv; /* must be first */
    void (*cb)(void *arg, int events);
    void *arg;
};

struct loop_post {
    uv_async_t uv; /* must be first */
    void (*cb)(void *arg);
    void *arg;
};

struct loop_signal {
    uv_signal_t uv; /* must be first */
    void (*cb)(void *arg, int signo);
    void *arg;
};

static uv_loop_t *loop_of(struct loop *l)
{
    return &((struct loop_uv *)l)->uv;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void close_handle(void *handle)
{
    if (handle != NULL && !uv_is_closing(handle)) {
        uv_close(handle, on_closed);
    }
}

/* ---- timers ---- */

static void on_timer(uv_timer_t *uv)
{
    struct loop_timer *t = (struct loop_timer *)uv;
    t->cb(t->arg);
}

static struct loop_timer *timer_open(struct loop *l, void (*cb)(void *arg), void *arg)
{
    struct loop_timer *t = mem_alloc(sizeof(*t));
    t->cb = cb;
    t->arg = arg;
    uv_timer_init(loop_of(l), &t->uv);
    return t;
}

static void timer_start(struct loop_timer *t, int64_t delay_ms)
{
    uv_update_time(t->uv.loop);
    uv_timer_start(&t->uv, on_timer, delay_ms > 0 ? (uint64_t)delay_ms : 0, 0);
}

static void timer_stop(struct loop_timer *t)
{
    uv_timer_stop(&t->uv);
}

static void timer_close(struct loop_timer *t)
{
    close_handle(t);
}

/* ---- fds ---- */

static void on_poll(uv_poll_t *uv, int status, int events)
{
    struct loop_watch *w = (struct loop_watch *)uv;
    int what = ((events & UV_READABLE) ? LOOP_READ : 0) |
               ((events & UV_WRITABLE) ? LOOP_WRITE : 0) |
               ((events & UV_DISCONNECT) ? LOOP_HANGUP : 0);
    w->cb(w->arg, status < 0 ? LOOP_READ | LOOP_HANGUP : what);
}

static void watch_set(struct loop_watch *w, int events)
{
    int uv_events = ((events & LOOP_READ) ? UV_READABLE | UV_DISCONNECT : 0) |
                    ((events & LOOP_WRITE) ? UV_WRITABLE : 0);
    if (uv_events == 0) {
        uv_poll_stop(&w->uv);
    } else {
        uv_poll_start(&w->uv, uv_events, on_poll);
    }
}

static struct loop_watch *watch_open(struct loop *l, int fd, int events,
                                     void (*cb)(void *arg, int events), void *arg)
{
    struct loop_watch *w = mem_alloc(sizeof(*w));
    w->cb = cb;
    w->arg = arg;
    if (uv_poll_init(loop_of(l), &w->uv, fd) != 0) {
        abort(); /* not a socket, pipe or pidfd, or watched twice: a bug of ours */
    }
    watch_set(w, events);
    return w;
}

static void watch_close(struct loop_watch *w)
{
    close_handle(w);
}

/* ---- doorbells ---- */

static void on_async(uv_async_t *uv)
{
    struct loop_post *p = (struct loop_post *)uv;
    p->cb(p->arg);
}

static struct loop_post *post_open(struct loop *l, void (*cb)(void *arg), void *arg)
{
    struct loop_post *p = mem_alloc(sizeof(*p));
    p->cb = cb;
    p->arg = arg;
    if (uv_async_init(loop_of(l), &p->uv, on_async) != 0) {
        abort();
    }
    return p;
}

static void post_ring(struct loop_post *p)
{
    uv_async_send(&p->uv);
}

static void post_close(struct loop_post *p)
{
    close_handle(p);
}

static const struct loop_ops uv_ops = {
    .version = LOOP_OPS_VERSION,
    .timer_open = timer_open,
    .timer_start = timer_start,
    .timer_stop = timer_stop,
    .timer_close = timer_close,
    .watch_open = watch_open,
    .watch_set = watch_set,
    .watch_close = watch_close,
    .post_open = post_open,
    .post_ring = post_ring,
    .post_close = post_close,
};

/* ---- the loop ---- */

/* Before the loop sleeps, and not after it woke: whatever timers, fds and closings did, the turn
 * sees all of it. */
static void on_prepare(uv_prepare_t *uv)
{
    struct loop_uv *l = uv->data;
    l->turn(l->arg);
}

struct loop_uv *loop_uv_open(void (*turn)(void *arg), void *arg, struct err *err)
{
    struct loop_uv *l = mem_alloc(sizeof(*l));
    int rc = uv_loop_init(&l->uv);
    if (rc != 0) {
        err_sys(err, -rc, "cannot make an event loop");
        free(l);
        return NULL;
    }
    l->base.ops = &uv_ops;
    l->turn = turn;
    l->arg = arg;
    uv_prepare_init(&l->uv, &l->prepare);
    l->prepare.data = l;
    uv_prepare_start(&l->prepare, on_prepare);
    return l;
}

static void close_any(uv_handle_t *handle, void *arg)
{
    struct loop_uv *l = arg;
    if (handle == (uv_handle_t *)&l->prepare) {
        uv_close(handle, NULL); /* part of the loop's own memory */
    } else {
        close_handle(handle);
    }
}

void loop_uv_close(struct loop_uv *l)
{
    if (l == NULL) {
        return;
    }
    uv_walk(&l->uv, close_any, l);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    uv_loop_close(&l->uv);
    free(l);
}

struct loop *loop_uv_base(struct loop_uv *l)
{
    return &l->base;
}

void loop_uv_run(struct loop_uv *l)
{
    uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_uv_stop(struct loop_uv *l)
{
    uv_stop(&l->uv);
}

static void on_signal(uv_signal_t *uv, int signo)
{
    struct loop_signal *s = (struct loop_signal *)uv;
    s->cb(s->arg, signo);
}

bool loop_uv_signal(struct loop_uv *l, int signo, void (*cb)(void *arg, int signo), void *arg,
                    struct err *err)
{
    struct loop_signal *s = mem_alloc(sizeof(*s));
    s->cb = cb;
    s->arg = arg;
    uv_signal_init(&l->uv, &s->uv);
    int rc = uv_signal_start(&s->uv, on_signal, signo);
    if (rc != 0) {
        close_handle(s);
        return err_sys(err, -rc, "cannot watch signal %d", signo);
    }
    return true;
}
