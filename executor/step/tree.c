/*
 * tree.c - finds processes by looking through /proc: slow (a millisecond or so) but needed only
 * where something was left behind. A pid is signalled through a pidfd that was opened before the
 * process was looked at the last time, so a recycled pid is never hit.
 */
#include "executor/step/tree.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENVIRON_MAX (8L << 20)

struct process {
    pid_t pid, parent;
    char state;
    unsigned long long start; /* clock ticks since boot: with the pid, an identity */
    bool victim;
};

struct processes {
    struct process *items; /* owned */
    size_t count;
};

/* ---- looking
 * -------------------------------------------------------------------------------------- */

static bool read_stat(int proc, pid_t pid, struct process *ret)
{
    char path[32], text[1024];
    (void)snprintf(path, sizeof(path), "%d/stat", (int)pid);
    AUTO_CLOSE int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (got <= 0) {
        return false;
    }
    text[got] = '\0';
    const char *after = strrchr(text, ')'); /* the name may hold anything, also ')' */
    int parent;
    if (after == NULL) {
        return false;
    }
    /* state, ppid; start time is the 20th field after the name */
    if (sscanf(after + 1,
               " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &ret->state, &parent, &ret->start) != 3) {
        return false;
    }
    ret->pid = pid;
    ret->parent = parent;
    ret->victim = false;
    return true;
}

static pid_t read_pid(const char *name)
{
    char *end;
    long pid = strtol(name, &end, 10);
    return name[0] >= '1' && name[0] <= '9' && *end == '\0' && pid == (pid_t)pid ? (pid_t)pid : 0;
}

/* Calls back for each process there is; `cb` must be quick. */
static void each_process(void (*cb)(void *arg, int proc, pid_t pid), void *arg)
{
    DIR *dir = opendir("/proc");
    if (dir == NULL) {
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        pid_t pid = read_pid(entry->d_name);
        if (pid > 0) {
            cb(arg, dirfd(dir), pid);
        }
    }
    closedir(dir);
}

static void add_process(void *arg, int proc, pid_t pid)
{
    struct processes *all = arg;
    if ((all->count & (all->count - 1)) == 0) { /* room doubles at powers of two */
        all->items =
            mem_grow(all->items, all->count == 0 ? 1 : all->count * 2, sizeof(*all->items));
    }
    all->count += read_stat(proc, pid, &all->items[all->count]);
}

/* ---- killing
 * -------------------------------------------------------------------------------------- */

static int open_pid(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void kill_process(const struct process *p)
{
    struct process now;
    AUTO_CLOSE int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int pidfd = open_pid(p->pid);
    if (pidfd >= 0 && proc >= 0 && read_stat(proc, p->pid, &now) && now.start == p->start) {
        (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    }
}

static int by_pid(const void *left, const void *right)
{
    const struct process *a = left, *b = right;
    return (a->pid > b->pid) - (a->pid < b->pid);
}

static const struct process *find_process(const struct processes *all, pid_t pid)
{
    struct process key = {.pid = pid};
    return all->count == 0 ? NULL
                           : bsearch(&key, all->items, all->count, sizeof(*all->items), by_pid);
}

/* Marks what descends from `self`; a process may stand before its parent in the list, so this goes
 * round until nothing changes: at most as often as the tree is deep. */
static void mark_descendants(struct processes *all, pid_t self,
                             bool (*spare)(void *arg, pid_t child), void *arg)
{
    if (all->count > 1) {
        qsort(all->items, all->count, sizeof(*all->items), by_pid);
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < all->count; i++) {
            struct process *p = &all->items[i];
            if (p->victim) {
                continue;
            }
            if (p->parent == self) {
                p->victim = spare == NULL || !spare(arg, p->pid);
            } else {
                const struct process *parent = find_process(all, p->parent);
                p->victim = parent != NULL && parent->victim;
            }
            changed = changed || p->victim;
        }
    }
}

size_t tree_kill(bool (*spare)(void *arg, pid_t child), void *arg)
{
    struct processes all = {0};
    size_t alive = 0;
    each_process(add_process, &all);
    mark_descendants(&all, getpid(), spare, arg);
    for (size_t i = 0; i < all.count; i++) {
        const struct process *p = &all.items[i];
        if (p->victim && p->state != 'Z' && p->state != 'X') {
            kill_process(p);
            alive++;
        }
    }
    free(all.items);
    return alive;
}

/* ---- by the environment
 * --------------------------------------------------------------------------- */

struct marked {
    const char *wanted[3]; /* NAME=value */
    size_t alive;
};

static bool has_line(const struct buf *environment, const char *line)
{
    const char *at = buf_str(environment), *end = at + environment->len;
    while (at < end) {
        if (strcmp(at, line) == 0) { /* buf ends with a NUL, so this stays inside */
            return true;
        }
        at += strlen(at) + 1;
    }
    return false;
}

static void kill_if_marked(void *arg, int proc, pid_t pid)
{
    struct marked *m = arg;
    char path[32];
    AUTO_BUF struct buf environment = BUF_INIT(ENVIRON_MAX);
    AUTO_CLOSE int pidfd = open_pid(pid);
    (void)snprintf(path, sizeof(path), "%d/environ", (int)pid);
    if (pidfd < 0 || pid == getpid() || !file_read_at(proc, path, &environment, NULL)) {
        return;
    }
    for (size_t i = 0; i < COUNT_OF(m->wanted); i++) {
        if (!has_line(&environment, m->wanted[i])) {
            return;
        }
    }
    m->alive += syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0;
}

size_t tree_kill_marked(const char *run, const char *step, int64_t attempt)
{
    AUTO_FREE char *run_line = mem_printf("ORCH_RUN_ID=%s", run);
    AUTO_FREE char *step_line = mem_printf("ORCH_STEP=%s", step);
    AUTO_FREE char *attempt_line = mem_printf("ORCH_ATTEMPT=%lld", (long long)attempt);
    struct marked m = {.wanted = {run_line, step_line, attempt_line}};
    each_process(kill_if_marked, &m);
    return m.alive;
}

/* ---- what it takes
 * -------------------------------------------------------------------------------- */

#define TREE_MAX 10000 /* processes that are looked at for one sample */

struct walk {
    pid_t *pids; /* owned: those found so far */
    size_t count;
};

static bool read_small(int proc, pid_t pid, const char *name, struct buf *ret)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "%d/%s", (int)pid, name);
    buf_clear(ret);
    return file_read_at(proc, path, ret, NULL);
}

static void add_children(int proc, pid_t pid, struct walk *w, struct buf *text)
{
    char name[48];
    (void)snprintf(name, sizeof(name), "task/%d/children", (int)pid);
    if (!read_small(proc, pid, name, text)) {
        return;
    }
    for (const char *at = buf_str(text); w->count < TREE_MAX; at += strcspn(at, " ")) {
        at += strspn(at, " ");
        pid_t child = (pid_t)strtol(at, NULL, 10);
        if (child <= 0) {
            return;
        }
        w->pids[w->count++] = child;
    }
}

static void add_times(int proc, pid_t pid, struct step_usage *sum, struct buf *text)
{
    unsigned long user, system;
    long threads, pages;
    const char *after = read_small(proc, pid, "stat", text) ? strrchr(buf_str(text), ')') : NULL;
    /* utime and stime are the 12th and 13th field after the name, then threads and resident pages
     */
    if (after == NULL ||
        sscanf(after + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %ld %*d %*u "
               "%*u %ld",
               &user, &system, &threads, &pages) != 4) {
        return;
    }
    sum->cpu_us += (int64_t)(user + system) * 1000000 / sysconf(_SC_CLK_TCK);
    sum->memory_bytes += pages * sysconf(_SC_PAGESIZE);
    sum->pids += threads;
}

static void add_io(int proc, pid_t pid, struct step_usage *sum, struct buf *text)
{
    long long read_bytes = 0, write_bytes = 0;
    const char *at =
        read_small(proc, pid, "io", text) ? strstr(buf_str(text), "\nread_bytes: ") : NULL;
    if (at != NULL &&
        sscanf(at, "\nread_bytes: %lld\nwrite_bytes: %lld", &read_bytes, &write_bytes) == 2) {
        sum->read_bytes += read_bytes;
        sum->write_bytes += write_bytes;
    }
}

void tree_usage(struct step_usage *ret)
{
    AUTO_CLOSE int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO_BUF struct buf text = BUF_INIT(1L << 20);
    struct step_usage sum = {.peak_bytes = -1, .throttled_us = -1, .pids_peak = -1};
    struct walk w = {.pids = mem_array(TREE_MAX, sizeof(pid_t))};
    if (proc >= 0) {
        add_children(proc, getpid(), &w, &text);
    }
    for (size_t i = 0; i < w.count; i++) {
        add_times(proc, w.pids[i], &sum, &text);
        add_io(proc, w.pids[i], &sum, &text);
        add_children(proc, w.pids[i], &w, &text);
    }
    if (w.count > 0) {
        *ret = sum;
    }
    free(w.pids);
}
