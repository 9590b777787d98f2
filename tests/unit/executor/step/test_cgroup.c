/*
 * Places in the real cgroups of this host: what is to hold is tried out with processes that want
 * more than they may. Needs root, or a delegated cgroup.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "executor/step/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (INT64_C(1) << 20)
#define ANY                                                                                        \
    {                                                                                              \
        .pids = 100, .memory = 4096 * MIB                                                          \
    } /* for a place at all: one of them holds */

static int64_t now_ms(void)
{
    return clock_boot_ms(clock_system());
}

static bool holds(const struct cg *cg, const char *name)
{
    struct step_facts facts = {0};
    cg_facts(cg, &facts);
    const struct step_fact *fact = step_facts_find(&facts, name);
    assert_non_null(fact);
    bool yes = fact->holds;
    assert_true(yes || fact->why[0] != '\0');
    step_facts_done(&facts);
    return yes;
}

#define NEEDS(cg, fact)                                                                            \
    do {                                                                                           \
        if (!holds(cg, fact)) {                                                                    \
            cg_close(cg);                                                                          \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

/* A child in the place runs `work`; it is in when this returns. */
static pid_t run_in(const struct cg_place *place, void (*work)(void))
{
    int entries[CG_ENTRIES];
    size_t count = cg_entries(place, entries);
    int in[2];
    char byte;
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (size_t i = 0; i < count; i++) {
            if (write(entries[i], "0", 1) != 1) {
                _exit(99);
            }
        }
        (void)!write(in[1], "i", 1);
        close(in[0]);
        close(in[1]);
        work();
        _exit(0);
    }
    close(in[1]);
    assert_int_equal(read(in[0], &byte, 1), 1);
    close(in[0]);
    return pid;
}

static int wait_for(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

static struct cg_place *make(struct cg *cg, const struct step_limits *limits, const char *cores)
{
    struct err err = ERR_INIT;
    struct cg_place *place = cg_take(cg, limits);
    assert_non_null(place);
    bool made = cg_make(cg, place, limits, cores, &err);
    if (!made) {
        fail_msg("%s", err.msg);
    }
    return place;
}

/* Kills until nothing is left; how many rounds had somebody to kill. */
static size_t empty(struct cg_place *place)
{
    size_t most = 0, alive;
    int64_t give_up = now_ms() + 20000;
    while ((alive = cg_kill(place)) > 0) {
        most = alive > most ? alive : most;
        assert_true(now_ms() < give_up);
        (void)poll(NULL, 0, 2);
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
    }
    return most;
}

static void give(struct cg *cg, struct cg_place *place, bool clean)
{
    int64_t give_up = now_ms() + 20000;
    cg_leave(cg, place, true);
    while (!cg_give(cg, place, clean)) {
        assert_true(now_ms() < give_up);
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        (void)poll(NULL, 0, 2);
    }
}

/* ---- memory
 * ---------------------------------------------------------------------------------------------------
 */

static void touch(size_t bytes)
{
    char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
                    -1, 0);
    if (at == MAP_FAILED) {
        _exit(98);
    }
    for (size_t i = 0; i < bytes; i += 4096) {
        ((volatile char *)at)[i] = 1;
    }
}

static void hog(void)
{
    touch(200 << 20);
}

static void nothing(void)
{
}

static void a_hog_is_killed_and_counted(void **state)
{
    (void)state;
    struct cg *cg = cg_open();
    NEEDS(cg, "memory");
    struct step_limits limits = {.memory = 50 * MIB};
    struct step_usage usage = STEP_USAGE_NONE;
    struct cg_place *place = make(cg, &limits, NULL);
    int status = wait_for(run_in(place, hog));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_true(cg_oom_kills(place) >= 1);
    cg_usage(place, &usage);
    assert_in_range(usage.peak_bytes, 40 * MIB, 50 * MIB);
    assert_int_equal(empty(place), 0);
    give(cg, place, true);
    cg_close(cg);
}

/* The next step in the same place: no kills, no peak, no limit of the one before. */
static void a_place_is_used_again_as_if_new(void **state)
{
    (void)state;
    struct cg *cg = cg_open();
    NEEDS(cg, "memory");
    struct step_limits small = {.memory = 50 * MIB, .pids = 20}, large = {.memory = 400 * MIB};
    struct step_usage usage = STEP_USAGE_NONE;
    struct cg_place *place = make(cg, &small, NULL);
    AUTO_FREE char *path = mem_strdup(cg_path(place));
    (void)wait_for(run_in(place, hog));
    give(cg, place, true);
    struct cg_place *again = make(cg, &large, NULL);
    bool pooled = strcmp(path, cg_path(again)) == 0;
    print_message("a place is used again: %s\n", pooled ? "yes" : "no");
    assert_int_equal(cg_oom_kills(again), 0);
    assert_int_equal(cg_pids_refused(again), 0);
    cg_usage(again, &usage);
    assert_true(usage.peak_bytes < 8 * MIB);
    assert_int_equal(wait_for(run_in(again, hog)), 0);
    cg_usage(again, &usage);
    assert_in_range(usage.peak_bytes, 200 * MIB, 230 * MIB);
    give(cg, again, true);
    again = make(cg, &small, NULL); /* and lower again */
    int status = wait_for(run_in(again, hog));
    assert_true(WIFSIGNALED(status));
    assert_in_range(cg_oom_kills(again), 1, 2); /* some kernels count the group too */
    give(cg, again, true);
    cg_close(cg);
}

/* ---- pids
 * -----------------------------------------------------------------------------------------------------
 */

static void bomb(void)
{
    for (;;) {
        if (fork() == 0) {
            (void)signal(SIGTERM, SIG_IGN);
            (void)setsid();
        }
    }
}

static void a_fork_bomb_is_held_and_emptied(void **state)
{
    (void)state;
    struct cg *cg = cg_open();
    NEEDS(cg, "pids");
    struct step_limits limits = {.pids = 60};
    struct step_usage usage = STEP_USAGE_NONE;
    struct cg_place *place = make(cg, &limits, NULL);
    pid_t pid = run_in(place, bomb);
    for (int64_t until = now_ms() + 10000; cg_pids_refused(place) == 0 && now_ms() < until;) {
        (void)poll(NULL, 0, 5);
    }
    assert_true(cg_pids_refused(place) > 0);
    cg_usage(place, &usage);
    assert_true(usage.pids_peak <= 60 && usage.pids_peak >= 30);
    assert_true(empty(place) > 1);
    (void)wait_for(pid);
    assert_int_equal(wait_for(run_in(place, nothing)), 0); /* there may be processes again */
    give(cg, place, true);
    cg_close(cg);
}

static void daemon_of(void)
{
    for (int i = 0; i < 3; i++) {
        if (fork() == 0) {
            (void)setsid();
            if (fork() == 0) {
                (void)pause();
            }
            _exit(0);
        }
    }
}

static void detached_daemons_are_killed(void **state)
{
    (void)state;
    struct cg *cg = cg_open();
    NEEDS(cg, "tree");
    struct step_limits limits = ANY;
    struct cg_place *place = make(cg, &limits, NULL);
    assert_int_equal(wait_for(run_in(place, daemon_of)), 0);
    (void)poll(NULL, 0, 50);
    assert_in_range(empty(place), 3, 6); /* on a slow machine their parents too */
    give(cg, place, true);
    /* and where the supervisor could say nothing any more */
    place = make(cg, &limits, NULL);
    assert_int_equal(wait_for(run_in(place, daemon_of)), 0);
    AUTO_FREE char *path = mem_strdup(cg_path(place));
    give(cg, place, false);
    assert_int_equal(access(path, F_OK), -1);
    cg_close(cg);
}

/* ---- cpu
 * ------------------------------------------------------------------------------------------------------
 */

static void burn(void)
{
    for (;;) {
        (void)getppid();
    }
}

/* Kills and waits; the cpu time that it has taken. */
static int64_t stop(pid_t pid)
{
    struct rusage usage;
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(wait4(pid, NULL, 0, &usage), pid);
    return (int64_t)usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec +
           (int64_t)usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec;
}

/* On a busy machine it may take a while until it gets enough to be held at all. */
static void a_burner_is_held(void **state)
{
    (void)state;
    static const int64_t shares[] = {100, 5}; /* the second needs a period of its own */
    struct cg *cg = cg_open();
    NEEDS(cg, "cpu");
    for (size_t i = 0; i < COUNT_OF(shares); i++) {
        struct step_limits limits = {.cpu_milli = shares[i]};
        struct step_usage usage = STEP_USAGE_NONE;
        struct cg_place *place = make(cg, &limits, NULL);
        int64_t began = now_ms();
        pid_t pid = run_in(place, burn);
        do {
            (void)poll(NULL, 0, 100);
            cg_usage(place, &usage);
        } while (now_ms() < began + 1000 || (usage.throttled_us == 0 && now_ms() < began + 30000));
        int64_t took = stop(pid), wall = (now_ms() - began) * 1000;
        print_message("cpu %d/1000: took %d us in %d us, held for %d us\n", (int)shares[i],
                      (int)took, (int)wall, (int)usage.throttled_us);
        assert_true(usage.throttled_us > 0);
        assert_true(took < wall * shares[i] * 2 / 1000 + 200000);
        give(cg, place, true);
    }
    struct step_limits free_again = {.cpu_milli = 100000};
    struct step_usage usage = STEP_USAGE_NONE;
    struct cg_place *place = make(cg, &free_again, NULL);
    cg_usage(place, &usage);
    assert_int_equal(usage.throttled_us, 0);
    give(cg, place, true);
    cg_close(cg);
}

static void one_core(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) != 1) {
        _exit(1);
    }
    CPU_SET(0, &set); /* and it cannot take more */
    CPU_SET(1, &set);
    (void)sched_setaffinity(0, sizeof(set), &set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) != 1) {
        _exit(2);
    }
}

static void cores_hold(void **state)
{
    (void)state;
    struct cg *cg = cg_open();
    NEEDS(cg, "cores");
    struct step_limits limits = {.cores = 1};
    for (int i = 0; i < 2; i++) { /* new, and used again */
        struct cg_place *place = make(cg, &limits, "0");
        assert_int_equal(wait_for(run_in(place, one_core)), 0);
        give(cg, place, true);
    }
    struct cg_place *place = cg_take(cg, &limits);
    struct err err = ERR_INIT;
    assert_false(cg_make(cg, place, &limits, "4711", &err)); /* there is none */
    assert_non_null(strstr(err.msg, "'4711'"));
    assert_non_null(strstr(err.msg, "cpuset.cpus"));
    give(cg, place, true);
    cg_close(cg);
}

/* ---- io
 * -------------------------------------------------------------------------------------------------------
 */

#define IO_FILE BINARY_DIR "/test-cgroup-io"

static void read_four(void)
{
    int fd = open(IO_FILE, O_RDONLY | O_DIRECT | O_CLOEXEC);
    void *memory = NULL;
    if (fd < 0 || posix_memalign(&memory, 4096, 256 << 10) != 0) {
        _exit(2);
    }
    for (int i = 0; i < 16; i++) {
        if (read(fd, memory, 256 << 10) != 256 << 10) {
            _exit(3);
        }
    }
}

static bool write_four(void)
{
    static const char zeroes[256 << 10];
    int fd = open(IO_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0;
    for (int i = 0; i < 16 && good; i++) {
        good = write(fd, zeroes, sizeof(zeroes)) == (ssize_t)sizeof(zeroes);
    }
    good = good && fsync(fd) == 0 && close(fd) == 0;
    return good;
}

static void reading_is_slowed(void **state)
{
    (void)state;
    struct cg *cg = cg_open();
    NEEDS(cg, "io.read");
    struct step_limits limits = {.io_read = 4 * MIB, .io_read_ops = 100000}, none = limits;
    none.io_read = 4096 * MIB;
    assert_true(write_four());
    for (int i = 0; i < 2; i++) { /* new, and used again: figures start at 0 */
        struct step_usage usage = STEP_USAGE_NONE;
        struct cg_place *place = make(cg, &limits, NULL);
        cg_usage(place, &usage);
        assert_int_equal(usage.read_bytes, 0);
        int64_t began = now_ms();
        int status = wait_for(run_in(place, read_four));
        cg_usage(place, &usage);
        print_message("4 MiB at 4 MiB/s: %d ms, %d bytes counted\n", (int)(now_ms() - began),
                      (int)usage.read_bytes);
        if (status == 0 && usage.read_bytes > 0) { /* it lies on a disk */
            assert_int_equal(usage.read_bytes, 4 * MIB);
            assert_true(now_ms() - began >= 500);
        }
        give(cg, place, true);
    }
    int64_t began = now_ms();
    struct cg_place *place = make(cg, &none, NULL);
    (void)wait_for(run_in(place, read_four));
    print_message("4 MiB at 4 GiB/s: %d ms\n", (int)(now_ms() - began));
    give(cg, place, true);
    cg_close(cg);
    assert_int_equal(unlink(IO_FILE), 0);
}

/* ---- names and folders
 * --------------------------------------------------------------------------------------- */

static void no_limits_no_place(void **state)
{
    (void)state;
    struct cg *cg = cg_open();
    struct step_limits none = {0}, gpus = {.gpus = 1};
    assert_null(cg_take(cg, &none));
    assert_null(cg_take(cg, &gpus));
    cg_close(cg);
}

static void pause_long(void)
{
    (void)pause();
}

static void a_record_may_name_anything(void **state)
{
    (void)state;
    struct cg *cg = cg_open();
    NEEDS(cg, "tree");
    struct step_limits limits = ANY;
    struct cg_place *place = make(cg, &limits, NULL);
    pid_t pid = run_in(place, pause_long);
    AUTO_FREE char *path = mem_strdup(cg_path(place));
    AUTO_FREE char *parent = mem_strndup(path, (size_t)(strrchr(path, '/') - path));
    AUTO_FREE char *above = mem_strndup(parent, (size_t)(strrchr(parent, '/') - parent));
    const char *name = strrchr(path, '/'), *parent_name = strrchr(parent, '/');
    char link[] = "/tmp/orchd-test-XXXXXX";
    assert_non_null(mkdtemp(link));
    AUTO_FREE char *fake_parent = mem_printf("%s/orchd.1.2", link);
    AUTO_FREE char *fake = mem_printf("%s/3", fake_parent);
    AUTO_FREE char *elsewhere = mem_printf("%s/4", fake_parent);
    assert_int_equal(mkdir(fake_parent, 0700), 0);
    assert_int_equal(mkdir(fake, 0700), 0);
    assert_int_equal(symlink(path, elsewhere), 0);
    char *hostile[] = {
        mem_strdup(""),
        mem_strdup("/"),
        mem_strdup("//"),
        mem_strdup("1"),
        mem_strdup("/1"),
        mem_strdup("orchd.1.2/3"),
        mem_strdup("/orchd.1.2/3"),
        mem_strdup("/sys/fs/cgroup"),
        mem_strdup("/proc/self/fd/0"),
        mem_strdup(parent),
        mem_strdup(above),
        mem_strdup(fake),
        mem_strdup(elsewhere),
        mem_printf("%s/../..", path),
        mem_printf("%s/", path),
        mem_printf("%s/.%s", parent, name),
        mem_printf("%s/..%s%s", parent, parent_name, name),
        mem_printf("%s%s%s", above, "/orchd.x.1", name),
        mem_printf("%s%s", above, name),
        mem_printf("%s/launcher", parent),
        mem_printf("%s/99999999999999999999", parent),
        mem_printf("%0*d", 5000, 1),
        mem_printf("/%0*d/orchd.1.2/3", 5000, 1),
    };
    for (size_t i = 0; i < COUNT_OF(hostile); i++) {
        assert_int_equal(cg_kill_path(hostile[i]), 0);
        free(hostile[i]);
    }
    assert_int_equal(kill(pid, 0), 0);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); /* it lives */
    assert_int_equal(access(fake, F_OK), 0);
    assert_int_equal(cg_kill_path(path), 1);
    (void)wait_for(pid);
    while (cg_kill_path(path) > 0) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(unlink(elsewhere), 0);
    assert_int_equal(rmdir(fake), 0);
    assert_int_equal(rmdir(fake_parent), 0);
    assert_int_equal(rmdir(link), 0);
    give(cg, place, true);
    cg_close(cg);
}

/* Born in the place, where the kernel can do that. */
static void a_child_may_start_in_it(void **state)
{
    (void)state;
    struct cg *cg = cg_open();
    NEEDS(cg, "tree");
    struct step_limits limits = ANY;
    struct cg_place *place = make(cg, &limits, NULL);
    if (cg_folder(place) >= 0) {
        struct clone_args args = {.flags = CLONE_INTO_CGROUP,
                                  .exit_signal = SIGCHLD,
                                  .cgroup = (unsigned)cg_folder(place)};
        pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
        if (pid == 0) {
            pause_long();
        }
        assert_true(pid > 0);
        assert_int_equal(cg_kill(place), 1);
        (void)wait_for(pid);
        assert_int_equal(empty(place), 0);
    } else {
        assert_string_not_equal(cg_mode(cg), "v2");
    }
    give(cg, place, true);
    cg_close(cg);
}

/* The place's folder, and that of its launcher, as a path of the hierarchy that has all. */
static char *parent_of(struct cg *cg)
{
    struct step_limits limits = ANY;
    struct cg_place *place = make(cg, &limits, NULL);
    char *path =
        mem_strndup(cg_path(place), (size_t)(strrchr(cg_path(place), '/') - cg_path(place)));
    give(cg, place, false);
    return path;
}

static void age(const char *path)
{
    struct timespec times[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void what_the_dead_left_is_removed(void **state)
{
    (void)state;
    struct cg *cg = cg_open();
    NEEDS(cg, "tree");
    AUTO_FREE char *own = parent_of(cg);
    AUTO_FREE char *base = mem_strndup(own, (size_t)(strrchr(own, '/') - own));
    cg_close(cg);
    pid_t gone = fork();
    if (gone == 0) {
        _exit(0);
    }
    (void)wait_for(gone);
    AUTO_FREE char *dead = mem_printf("%s/orchd.%d.77", base, (int)gone);
    AUTO_FREE char *other = mem_printf("%s/orchd.%d.1", base, (int)getpid());
    AUTO_FREE char *alive = mem_printf("%s/orchd.%d.x", base, (int)getpid());
    AUTO_FREE char *old = mem_printf("%s/1", dead), *young = mem_printf("%s/2", dead);
    AUTO_FREE char *strange = mem_printf("%s/1", alive);
    char *folders[] = {dead, old, young, other, alive, strange};
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        assert_int_equal(mkdir(folders[i], 0755), 0);
    }
    age(old);
    age(strange);
    cg = cg_open();
    assert_int_equal(access(old, F_OK), -1);
    assert_int_equal(access(young, F_OK), 0);
    assert_int_equal(access(other, F_OK), -1); /* our pid, but not our start: dead */
    assert_int_equal(access(strange, F_OK), 0);
    struct cg *second = cg_open(); /* of a living one nothing is removed */
    assert_int_equal(access(own, F_OK), 0);
    age(young);
    cg_close(second);
    cg_close(cg_open());
    assert_int_equal(access(dead, F_OK), -1);
    assert_int_equal(rmdir(strange), 0);
    assert_int_equal(rmdir(alive), 0);
    cg_close(cg);
    assert_int_equal(access(own, F_OK), -1);
}

/* Another launcher beside us: its places are not ours. */
static void two_launchers(void **state)
{
    (void)state;
    struct cg *cg = cg_open();
    NEEDS(cg, "tree");
    struct step_limits limits = ANY;
    struct cg_place *place = make(cg, &limits, NULL);
    pid_t pid = run_in(place, pause_long);
    pid_t second = fork();
    if (second == 0) {
        struct cg *other = cg_open();
        struct cg_place *theirs = cg_take(other, &limits);
        bool good = theirs != NULL && cg_make(other, theirs, &limits, NULL, NULL) &&
                    strcmp(cg_path(theirs), cg_path(place)) != 0 && cg_kill(theirs) == 0;
        cg_leave(other, theirs, true);
        good = good && cg_give(other, theirs, true);
        cg_close(other);
        _exit(good ? 0 : 1);
    }
    assert_int_equal(wait_for(second), 0);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    assert_int_equal(empty(place), 1);
    give(cg, place, true);
    cg_close(cg);
}

/* As in life: the launcher takes and gives, a supervisor makes and dies. */
static void five_hundred_places(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    static struct cg_place *places[COUNT];
    static pid_t pids[COUNT];
    struct cg *cg = cg_open();
    NEEDS(cg, "memory");
    struct step_limits limits = {.memory = 64 * MIB, .cpu_milli = 500, .pids = 20};
    int64_t began = now_ms();
    for (int i = 0; i < COUNT; i++) {
        places[i] = cg_take(cg, &limits);
        pids[i] = fork();
        if (pids[i] == 0) {
            if (!cg_make(cg, places[i], &limits, NULL, NULL)) {
                _exit(1);
            }
            (void)run_in(places[i], pause_long);
            _exit(cg_kill(places[i]) <= 1 ? 0 : 2); /* and leaves it unclean */
        }
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(wait_for(pids[i]), 0);
    }
    int64_t made = now_ms();
    for (int i = 0; i < COUNT; i++) {
        while (!cg_give(cg, places[i], false)) {
            (void)poll(NULL, 0, 1);
        }
    }
    print_message("500 places: made in %d ms, emptied and removed in %d ms\n", (int)(made - began),
                  (int)(now_ms() - made));
    AUTO_FREE char *own = parent_of(cg);
    cg_close(cg);
    assert_int_equal(access(own, F_OK), -1);
}

/* The supervisor that outlives its launcher removes its own, and what is above it. */
static void the_last_one_out(void **state)
{
    (void)state;
    int ends[2];
    char path[512] = "";
    assert_int_equal(pipe(ends), 0);
    pid_t launcher = fork();
    if (launcher == 0) {
        struct cg *cg = cg_open();
        struct step_limits limits = ANY;
        struct cg_place *place = cg_take(cg, &limits);
        if (place == NULL) {
            _exit(0);
        }
        if (fork() == 0) {
            if (cg_make(cg, place, &limits, NULL, NULL)) {
                while (getppid() == launcher) {
                    (void)poll(NULL, 0, 1);
                }
                (void)poll(NULL, 0, 50);
                cg_leave(cg, place, false);
                (void)!write(ends[1], cg_path(place), strlen(cg_path(place)));
            }
            _exit(0);
        }
        (void)poll(NULL, 0, 50);
        _exit(0);
    }
    (void)wait_for(launcher);
    close(ends[1]);
    ssize_t got = read(ends[0], path, sizeof(path) - 1);
    close(ends[0]);
    if (got <= 0) {
        skip();
    }
    assert_int_equal(access(path, F_OK), -1);
    *strrchr(path, '/') = '\0';
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_limits_no_place),
        cmocka_unit_test(a_hog_is_killed_and_counted),
        cmocka_unit_test(a_place_is_used_again_as_if_new),
        cmocka_unit_test(a_fork_bomb_is_held_and_emptied),
        cmocka_unit_test(detached_daemons_are_killed),
        cmocka_unit_test(a_burner_is_held),
        cmocka_unit_test(cores_hold),
        cmocka_unit_test(reading_is_slowed),
        cmocka_unit_test(a_record_may_name_anything),
        cmocka_unit_test(what_the_dead_left_is_removed),
        cmocka_unit_test(a_child_may_start_in_it),
        cmocka_unit_test(two_launchers),
        cmocka_unit_test(five_hundred_places),
        cmocka_unit_test(the_last_one_out),
    };
    struct step_facts facts = {0};
    int64_t began = now_ms();
    struct cg *cg = cg_open();
    int64_t opened = now_ms();
    cg_facts(cg, &facts);
    printf("cgroups: %s, opened in %d ms\n", cg_mode(cg), (int)(opened - began));
    for (size_t i = 0; i < facts.count; i++) {
        const struct step_fact *f = &facts.items[i];
        printf("  %-10s %s %s%s%s\n", f->name, f->holds ? "holds" : "does not hold:", f->why,
               f->fix[0] != '\0' ? "; " : "", f->fix);
    }
    bool usable = step_facts_find(&facts, "tree")->holds;
    step_facts_done(&facts);
    cg_close(cg);
    if (!usable) {
        printf("skipped: no cgroup of this host may be used by this user\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
