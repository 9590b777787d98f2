/*
 * bench_exec.c - what a supervised step costs beside raw posix_spawn, without scheduler and store:
 * N no-op attempts with K in flight through executor.h, on the smallest loop that will do.
 *
 *   bench_exec [COUNT [IN_FLIGHT [PROGRAM [FOLDER]]]]
 *
 * The attempts' folders stay in FOLDER (default: the current one) as bench-exec-*: ext4 looks for
 * other inodes than those that were deleted in the last seconds, which makes a bench that clears up
 * behind itself measure its own cleaning when it is run again.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "executor/executor.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* ---- a loop: epoll for descriptors; timers are rare here, so each turn looks at all of them ----
 */

struct loop_timer {
    void (*cb)(void *arg);
    void *arg;
    int64_t due_ms; /* 0 = stopped */
    struct loop_timer *next;
};
struct loop_watch {
    struct bench_loop *loop;
    void (*cb)(void *arg, int events);
    void *arg;
    int fd;
};
struct bench_loop {
    struct loop loop;
    int epoll;
    struct loop_timer *timers; /* never removed: the process is short-lived */
};

static struct loop_timer *timer_open(struct loop *l, void (*cb)(void *arg), void *arg)
{
    struct bench_loop *b = (struct bench_loop *)l;
    struct loop_timer *t = mem_alloc(sizeof(*t));
    *t = (struct loop_timer){.cb = cb, .arg = arg, .next = b->timers};
    b->timers = t;
    return t;
}

static void timer_start(struct loop_timer *t, int64_t delay_ms)
{
    t->due_ms = clock_boot_ms(clock_system()) + delay_ms;
}

static void timer_stop(struct loop_timer *t)
{
    t->due_ms = 0;
}

static uint32_t epoll_events(int events)
{
    return (uint32_t)(((events & LOOP_READ) != 0 ? EPOLLIN : 0) |
                      ((events & LOOP_WRITE) != 0 ? EPOLLOUT : 0));
}

static struct loop_watch *watch_open(struct loop *l, int fd, int events,
                                     void (*cb)(void *arg, int events), void *arg)
{
    struct loop_watch *w = mem_alloc(sizeof(*w));
    *w = (struct loop_watch){.loop = (struct bench_loop *)l, .cb = cb, .arg = arg, .fd = fd};
    struct epoll_event event = {.events = epoll_events(events), .data.ptr = w};
    (void)epoll_ctl(w->loop->epoll, EPOLL_CTL_ADD, fd, &event);
    return w;
}

static void watch_set(struct loop_watch *w, int events)
{
    struct epoll_event event = {.events = epoll_events(events), .data.ptr = w};
    (void)epoll_ctl(w->loop->epoll, EPOLL_CTL_MOD, w->fd, &event);
}

static void watch_close(struct loop_watch *w)
{
    (void)epoll_ctl(w->loop->epoll, EPOLL_CTL_DEL, w->fd, NULL);
    free(w); /* one event a turn, so none of it is still to come */
}

static const struct loop_ops ops = {.version = LOOP_OPS_VERSION,
                                    .timer_open = timer_open,
                                    .timer_start = timer_start,
                                    .timer_stop = timer_stop,
                                    .timer_close = timer_stop,
                                    .watch_open = watch_open,
                                    .watch_set = watch_set,
                                    .watch_close = watch_close};

static void turn(struct bench_loop *b)
{
    struct epoll_event event;
    int64_t now = clock_boot_ms(clock_system());
    int wait = -1;
    for (struct loop_timer *t = b->timers; t != NULL; t = t->next) {
        if (t->due_ms != 0 && t->due_ms <= now) {
            t->due_ms = 0;
            t->cb(t->arg);
        }
        wait = t->due_ms != 0 ? 1 : wait;
    }
    if (epoll_wait(b->epoll, &event, 1, wait) == 1) {
        struct loop_watch *w = event.data.ptr;
        w->cb(w->arg, LOOP_READ);
    }
}

/* ---- the work ---- */

struct job {
    struct exec_attempt *attempt;
    int *in_flight, *failed;
};

static void on_began(void *owner, int64_t at_ms)
{
    (void)owner;
    (void)at_ms;
}

static void on_ended(void *owner, const struct step_end *end)
{
    struct job *j = owner;
    --*j->in_flight;
    *j->failed += end->how != STEP_OK;
    exec_finish(j->attempt);
}

static const struct exec_events events = {on_began, on_ended};

static bool start(struct exec *e, struct job *j, const char *top, int number, char *program,
                  struct err *err)
{
    AUTO_FREE char *step = mem_printf("s%d", number);
    AUTO_FREE char *folder = mem_printf("%s/%s@1", top, step);
    AUTO_FREE char *top_copy = mem_strdup(top);
    char run[] = "0123456789abcdef0123456789abcdef", path[] = "PATH=/usr/bin:/bin";
    char *argv[] = {program}, *env[] = {path};
    struct step_spec spec = {.run = run,
                             .step = step,
                             .attempt = 1,
                             .argv = argv,
                             .argc = 1,
                             .env = env,
                             .env_count = 1,
                             .cwd = top_copy,
                             .store = top_copy,
                             .grace_ms = 1000};
    j->attempt = exec_find_driver("process")->prepare(e, folder, &spec, &events, j, err);
    return j->attempt != NULL && exec_launch(j->attempt, err);
}

/* Of this process and all that it waited for. A busy machine lengthens the time, not this. */
static int64_t cpu_us(void)
{
    static const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    int64_t total = 0;
    for (size_t i = 0; i < COUNT_OF(whose); i++) {
        struct rusage u;
        (void)getrusage(whose[i], &u);
        total += (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
                 u.ru_stime.tv_usec;
    }
    return total;
}

struct figures {
    int64_t wall_us, cpu_us;
};

static struct figures now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct figures){(int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000, cpu_us()};
}

static struct figures since(struct figures before)
{
    struct figures after = now();
    return (struct figures){after.wall_us - before.wall_us, after.cpu_us - before.cpu_us};
}

static bool run_supervised(int count, int width, char *program, const char *parent,
                           struct figures *ret, struct err *err)
{
    AUTO_FREE char *top = mem_printf("%s/bench-exec-XXXXXX", parent);
    struct bench_loop b = {.loop = {&ops}, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    struct exec *e = exec_open(&(struct exec_conf){.loop = &b.loop}, err);
    struct job *jobs = mem_array((size_t)count, sizeof(*jobs));
    int in_flight = 0, failed = 0, started = 0;
    bool ok = e != NULL && (mkdtemp(top) != NULL || err_sys(err, errno, "%s", top));
    struct figures before = now();
    while (ok && (started < count || in_flight > 0)) {
        while (ok && in_flight < width && started < count) {
            jobs[started].in_flight = &in_flight;
            jobs[started].failed = &failed;
            ok = start(e, &jobs[started], top, started, program, err);
            started++;
            in_flight++;
        }
        if (ok) {
            turn(&b);
        }
    }
    ret->wall_us = since(before).wall_us;
    exec_close(e); /* waits for the launcher, and so counts what it waited for */
    ret->cpu_us = since(before).cpu_us;
    free(jobs);
    if (ok && failed > 0) {
        ok = err_set(err, ERR_INTERNAL, "%d of %d steps failed", failed, count);
    }
    return ok;
}

static struct figures run_raw(int count, int width, char *program)
{
    char *argv[] = {program, NULL};
    int in_flight = 0, started = 0;
    struct figures before = now();
    while (started < count || in_flight > 0) {
        pid_t pid;
        if (in_flight < width && started < count) {
            in_flight += posix_spawn(&pid, program, NULL, NULL, argv, environ) == 0;
            started++;
        } else {
            (void)wait(NULL);
            in_flight--;
        }
    }
    return since(before);
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 10000;
    int width = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 4;
    char usual[] = "/bin/true";
    char *program = argc > 3 ? argv[3] : usual;
    AUTO_FREE char *parent = file_absolute(argc > 4 ? argv[4] : ".");
    struct err err = ERR_INIT;
    struct figures raw = run_raw(count, width, program), supervised;
    if (!run_supervised(count, width, program, parent, &supervised, &err)) {
        fprintf(stderr, "bench_exec: %s\n", err.msg);
        return 1;
    }
    printf("%d times %s, %d in flight, ms each (cpu): posix_spawn %.3f (%.3f), supervised %.3f "
           "(%.3f), %.2f times (%.2f)\n",
           count, program, width, (double)raw.wall_us / 1000 / count,
           (double)raw.cpu_us / 1000 / count, (double)supervised.wall_us / 1000 / count,
           (double)supervised.cpu_us / 1000 / count,
           (double)supervised.wall_us / (double)raw.wall_us,
           (double)supervised.cpu_us / (double)raw.cpu_us);
    return 0;
}
