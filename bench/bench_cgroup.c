/*
 * bench_cgroup.c - what a place in the host's cgroups costs a step: COUNT times fork, place, exec
 * of /bin/true, wait; with more and more hierarchies, with new places and with pooled ones, beside
 * the same without a place. Medians of ROUNDS rounds, in which all rows take turns. `bench_cgroup
 * COUNT ROUNDS`
 */
#include "base/mem.h"
#include "base/text.h"
#include "executor/step/cgroup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 99

/* clang-format off */
static const struct work {
    const char *name;
    struct step_limits limits;
    bool pooled;
} works[] = {
    {"no place",                        {0}, false},
    {"pids, new",                       {.pids = 500}, false},
    {"pids, pooled",                    {.pids = 500}, true},
    {"pids cpu memory, new",            {.pids = 500, .cpu_milli = 2000, .memory = 1 << 30}, false},
    {"pids cpu memory, pooled",         {.pids = 500, .cpu_milli = 2000, .memory = 1 << 30}, true},
    {"pids cpu memory io cpuset, new",    {.pids = 500, .cpu_milli = 2000, .memory = 1 << 30, .io_read = 1 << 30, .cores = 1}, false},
    {"pids cpu memory io cpuset, pooled", {.pids = 500, .cpu_milli = 2000, .memory = 1 << 30, .io_read = 1 << 30, .cores = 1}, true},
};
/* clang-format on */

static int64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static bool enter(const struct cg_place *place)
{
    int entries[CG_ENTRIES];
    size_t count = place == NULL ? 0 : cg_entries(place, entries);
    for (size_t i = 0; i < count; i++) {
        if (write(entries[i], "0", 1) != 1) {
            return false;
        }
    }
    return true;
}

/* As a supervisor does it: make, start, wait, read, kill, leave. */
static void supervise(struct cg *cg, struct cg_place *place, const struct step_limits *limits)
{
    char program[] = "/bin/true", *argv[] = {program, NULL};
    struct step_usage usage = STEP_USAGE_NONE;
    int status = -1;
    if (place != NULL && !cg_make(cg, place, limits, "0", NULL)) {
        _exit(1);
    }
    pid_t pid = fork();
    if (pid == 0) {
        if (!enter(place)) {
            _exit(126);
        }
        execv(program, argv);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (place != NULL) {
        cg_usage(place, &usage);
        (void)cg_oom_kills(place);
        (void)cg_kill(place);
        cg_leave(cg, place, true);
    }
    _exit(status == 0 ? 0 : 1);
}

/* One after the other; microseconds for each, -1 where it failed. */
static int64_t measure(struct cg *cg, const struct work *work, int64_t count)
{
    int64_t began = now_us();
    bool good = true;
    for (int64_t i = 0; i < count; i++) {
        struct cg_place *place = cg_take(cg, &work->limits);
        int status = -1;
        pid_t pid = fork();
        if (pid == 0) {
            supervise(cg, place, &work->limits);
        }
        while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        good = good && status == 0;
        while (place != NULL && !cg_give(cg, place, work->pooled)) {
        }
    }
    return good ? (now_us() - began) / count : -1;
}

static int by_size(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

int main(int argc, char **argv)
{
    static int64_t times[COUNT_OF(works)][ROUNDS_MAX];
    int64_t count = 0, rounds = 0;
    if (argc != 3 || !text_int(argv[1], &count) || !text_int(argv[2], &rounds) || count < 1 ||
        rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_cgroup COUNT ROUNDS\n");
        return 2;
    }
    int64_t began = now_us();
    struct cg *cg = cg_open();
    printf("cgroups %s, opened in %lld us\n", cg_mode(cg), (long long)(now_us() - began));
    (void)fflush(stdout);
    for (int64_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < COUNT_OF(works); i++) {
            times[i][round] = measure(cg, &works[i], count);
        }
    }
    for (size_t i = 0; i < COUNT_OF(works); i++) {
        qsort(times[i], (size_t)rounds, sizeof(times[i][0]), by_size);
        int64_t median = times[i][rounds / 2], none = times[0][rounds / 2];
        printf("%-36s %6lld us  +%lld\n", works[i].name, (long long)median,
               (long long)(median - none));
    }
    began = now_us();
    cg_close(cg);
    printf("closed in %lld us\n", (long long)(now_us() - began));
    return 0;
}
