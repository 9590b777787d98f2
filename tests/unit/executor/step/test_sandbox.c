/*
 * Real children in real sandboxes: what a step may not do, and what it still can. Each feature as
 * root and, where that is a different way, as nobody. What the kernel lacks is skipped and says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sandbox_run.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

/* Neither below /tmp nor on a file system that ignores setuid. */
#define TOP "/var/lib"
#define HIGH UINT64_C(0x100000000)

static char self[PATH_MAX]; /* this program, which a step runs as `try NAME` */

static bool is_root(void)
{
    return geteuid() == 0;
}

static void need_root(void)
{
    if (!is_root()) {
        print_message("skipped: needs root\n");
        skip();
    }
}

/* As root: as told. As somebody else: nobody can only be himself. */
static struct place place_for(struct run *r, const char *top)
{
    r->nobody = r->nobody || !is_root();
    return place_make(is_root() ? top : "/tmp");
}

/* ---- system calls, in the step: prints what each answers ---- */

/* clang-format off */
static const struct call {
    const char *name;
    long number, args[3];
    int error; /* in a sandbox, by the filter or for want of a capability */
} calls[] = {
    {"kexec_load", SYS_kexec_load, {0, 0, 0}, EPERM},
    {"delete_module", SYS_delete_module, {0, 0, 0}, EPERM},
    {"reboot", SYS_reboot, {1, 2, 3}, EPERM},
    {"swapoff", SYS_swapoff, {0, 0, 0}, EPERM},
    {"bpf", SYS_bpf, {-1, 0, 0}, EPERM},
    {"perf_event_open", SYS_perf_event_open, {0, 0, 0}, EPERM},
    {"userfaultfd", SYS_userfaultfd, {1, 0, 0}, EPERM},
    {"init_module", SYS_init_module, {0, 0, 0}, EPERM},
    {"acct", SYS_acct, {0, 0, 0}, EPERM},
#ifdef SYS_iopl
    {"iopl", SYS_iopl, {3, 0, 0}, EPERM},
#endif
    {"keyctl", SYS_keyctl, {-1, 0, 0}, ENOSYS},
    {"TIOCSTI", SYS_ioctl, {0, TIOCSTI, 0}, EPERM},
    {"TIOCSTI with high bits", SYS_ioctl, {0, (long)(HIGH | TIOCSTI), 0}, EPERM},
};
/* clang-format on */

static int try_calls(void)
{
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        const struct call *c = &calls[i];
        errno = 0;
        (void)syscall(c->number, c->args[0], c->args[1], c->args[2], 0, 0);
        if (errno != c->error && errno != ENOSYS) { /* a kernel that has no such call */
            printf("%s: %s\n", c->name, strerror(errno));
        }
    }
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (clock_settime(CLOCK_REALTIME, &now) == 0 || errno != EPERM) {
        printf("clock_settime: %s\n", strerror(errno));
    }
    return 0;
}

#ifdef __x86_64__
static long call_compat(long number)
{
    long answer;
    __asm__ volatile("int $0x80" : "=a"(answer) : "a"(number), "b"(0L), "c"(0L) : "memory");
    return answer;
}

/* The 32-bit side of the kernel, where there is one: getpid is 20 there, keyctl 288. */
static int try_compat(void)
{
    printf("%ld\n", call_compat(20) == (long)getpid() ? call_compat(288) : (long)-ENOSYS);
    return 0;
}
#else
static int try_compat(void)
{
    printf("%ld\n", (long)-ENOSYS);
    return 0;
}
#endif

static int try_program(const char *name)
{
    return strcmp(name, "compat") == 0 ? try_compat() : try_calls();
}

static void install_self(const struct place *at)
{
    AUTO_FREE char *command =
        mem_printf("cp %s %s/try && chmod 755 %s/try", self, at->base, at->base);
    assert_int_equal(system(command), 0); /* NOLINT: a test's own path */
}

/* ---- what is always there ---- */

static void a_step_is_confined(bool nobody)
{
    struct run r = {.nobody = nobody, .fact = "seccomp"};
    struct place at = place_for(&r, TOP);
    install_self(&at);
    if (run(&r, &at,
            "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status; "
            "$BASE/try calls; $BASE/try compat")) {
        said(&r, "NoNewPrivs:\t1\nSeccomp:\t2\n-38\n");
    }
    place_remove(&at);
}

static void root_is_confined(void **state)
{
    (void)state;
    need_root();
    a_step_is_confined(false);
}

static void nobody_is_confined(void **state)
{
    (void)state;
    a_step_is_confined(true);
}

/* Without SYS_ADMIN (21), SYS_PTRACE (19), SYS_MODULE (16), SYS_TIME (25); with CHOWN (0), SETUID
 * (7), NET_RAW (13), as far as we have them ourselves; and no exec, change of user or file brings
 * them back. */
static void capabilities_are_dropped(void **state)
{
    struct run r = {0};
    char before[64], expected[200];
    unsigned long long have = 0, keep = 0;
    (void)state;
    need_root();
    struct place at = place_make(TOP);
    FILE *status = fopen("/proc/self/status", "re");
    while (fgets(before, sizeof(before), status) != NULL) {
        (void)sscanf(before, "CapEff: %llx", &have);
    }
    (void)fclose(status);
    assert_true(
        run(&r, &at,
            "sed -nE 's/^Cap(Prm|Eff|Inh|Amb):.//p' /proc/self/status; cp /bin/cat . && "
            "chmod 4755 cat; setcap cap_sys_admin+ep cat 2>/dev/null; ./cat /proc/self/status | "
            "sed -nE 's/^CapEff:.//p'; "
            "python3 -c 'import os; os.seteuid(1); os.seteuid(0); os.execvp(\"sed\", [\"sed\", "
            "\"-nE\", \"s/^CapEff:.//p\", \"/proc/self/status\"])'"));
    keep = strtoull(r.out + 17, NULL, 16);
    (void)snprintf(expected, sizeof(expected),
                   "%016llx\n%016llx\n%016llx\n%016llx\n%016llx\n%016llx\n", 0ULL, keep, keep, 0ULL,
                   keep, keep);
    said(&r, expected);
    assert_true((keep & (1U << 21 | 1U << 19 | 1U << 16 | 1U << 25)) == 0);
    assert_true((keep & (1U << 0 | 1U << 7 | 1U << 13)) == (have & (1U << 0 | 1U << 7 | 1U << 13)));
    place_remove(&at);
}

static void a_privileged_step_is_not(void **state)
{
    struct run r = {.sandbox = {.privileged = true}};
    (void)state;
    need_root();
    struct place at = place_make(TOP);
    assert_true(run(&r, &at,
                    "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status; "
                    "mkdir m && unshare -m mount -t tmpfs none m && echo mounted"));
    said(&r, "NoNewPrivs:\t0\nSeccomp:\t0\nmounted\n");
    place_remove(&at);
}

static void programs_work(bool nobody)
{
    struct run r = {.nobody = nobody};
    struct place at = place_for(&r, TOP);
    assert_true(run(&r, &at,
                    "python3 -c 'import threading, subprocess, tempfile\n"
                    "l = []\n"
                    "ts = [threading.Thread(target=l.append, args=(i,)) for i in range(20)]\n"
                    "[t.start() for t in ts]; [t.join() for t in ts]\n"
                    "print(len(l), subprocess.check_output([\"echo\", \"x\"]), flush=True)\n"
                    "tempfile.TemporaryFile()'; (sleep 0; echo y) | cat; echo >/dev/null"));
    said(&r, "20 b'x\\n'\ny\n");
    place_remove(&at);
}

static void programs_work_for_root(void **state)
{
    (void)state;
    need_root();
    programs_work(false);
}

static void programs_work_for_nobody(void **state)
{
    (void)state;
    programs_work(true);
}

/* ---- limited ---- */

static bool has_cgroups(void)
{
    return system("find /sys/fs/cgroup -name cgroup.procs 2>/dev/null | grep -q .") ==
           0; /* NOLINT */
}

static void a_limited_step_stays(void **state)
{
    struct run r = {.limited = true, .fact = "guard"};
    (void)state;
    need_root();
    if (!has_cgroups()) {
        print_message("skipped: no cgroups here\n");
        skip();
    }
    struct place at = place_make(TOP);
    if (run(&r, &at,
            "out() { for f in $(find $1 -name cgroup.procs 2>/dev/null | head -n 40); do\n"
            "  (echo 0 >$f) 2>/dev/null && echo \"moved by $f\"; done; }\n"
            "out /sys/fs/cgroup/\n"
            "for p in /proc/1 /proc/$PPID; do out $p/root/sys/fs/cgroup/; done\n"
            "mkdir m\n"
            "for m in $(sed -nE 's/.* (\\/[^ ]*) .* - cgroup2? .*/\\1/p' /proc/self/mountinfo); "
            "do\n"
            "  mount -o remount,bind,rw $m 2>/dev/null && echo \"remounted $m\"; umount -l $m "
            "2>/dev/null && "
            "echo unmounted $m; done\n"
            "for t in cgroup cgroup2; do mount -t $t none m 2>/dev/null && echo mounted $t\n"
            "  unshare -UrmC mount -t $t none m 2>/dev/null && echo mounted $t anew; done\n"
            "nsenter -t 1 -m true 2>/dev/null && echo entered\n"
            "(echo '|/bin/x' >/proc/sys/kernel/core_pattern) 2>/dev/null && echo core_pattern\n"
            "cat /proc/self/cgroup >/dev/null && echo end")) {
        said(&r, "end\n");
    }
    place_remove(&at);
}

/* So that the test above can fail: a privileged step can do it. Its own cgroup, so nothing changes.
 */
static void a_privileged_step_could_leave(void **state)
{
    struct run r = {.sandbox = {.privileged = true}};
    (void)state;
    need_root();
    if (!has_cgroups()) {
        skip();
    }
    struct place at = place_make(TOP);
    assert_true(
        run(&r, &at,
            "f=$(find /sys/fs/cgroup -name cgroup.procs | head -n 1); test -w $f && echo yes; "
            "ls /proc/$PPID/root/ >/dev/null && echo yes"));
    said(&r, "yes\nyes\n");
    place_remove(&at);
}

/* ---- user ---- */

static char *groups[] = {(char[]){"12345"}, (char[]){"7"}};

static void a_user_with_groups(void **state)
{
    struct run r = {
        .sandbox = {.has_user = true, .uid = 1234, .gid = 4321, .groups = groups, .group_count = 2},
        .fact = "user"};
    (void)state;
    need_root();
    struct place at = place_make(TOP);
    assert_true(
        run(&r, &at,
            "id -u; id -g; id -G; echo data >$ORCH_OUT/f && cat $ORCH_OUT/f; "
            "grep -E '^(CapEff|CapPrm):' /proc/self/status; "
            "(echo x >$BASE/no) 2>/dev/null && echo bad; test -r $ORCH_OUT/../record && echo bad; "
            "true"));
    said(&r,
         "1234\n4321\n4321 7 12345\ndata\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n");
    assert_true(r.unshared);
    place_remove(&at);
}

static void a_user_who_cannot_reach_is_told(void **state)
{
    struct run r = {.sandbox = {.has_user = true, .uid = 1234, .gid = 4321}};
    (void)state;
    need_root();
    struct place at = place_make(TOP);
    assert_int_equal(chmod(at.base, 0700), 0);
    assert_true(run(&r, &at, "true"));
    assert_false(r.started);
    assert_int_equal(r.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(r.msg, "cannot reach"));
    place_remove(&at);
}

static void nobody_cannot_become_another(void **state)
{
    struct run r = {.nobody = true};
    (void)state;
    struct place at = place_for(&r, TOP);
    r.sandbox = (struct step_sandbox){.has_user = true, .uid = 1234, .gid = 4321};
    assert_true(run(&r, &at, "true"));
    assert_false(r.started);
    r.fact = "user";
    assert_false(run(&r, &at, "true"));
    place_remove(&at);
}

/* As sudo would. */
static void a_setuid_program_gains_nothing(void **state)
{
    struct run r = {.sandbox = {.has_user = true, .uid = 1234, .gid = 4321}};
    (void)state;
    need_root();
    struct place at = place_make(TOP);
    AUTO_FREE char *command =
        mem_printf("cp /usr/bin/id %s/id && chmod 4755 %s/id", at.base, at.base);
    assert_int_equal(system(command), 0); /* NOLINT */
    assert_true(run(&r, &at, "$BASE/id -u"));
    said(&r, "1234\n");
    r.sandbox.privileged = true;
    assert_true(run(&r, &at, "$BASE/id -u"));
    said(&r, "0\n");
    place_remove(&at);
}

/* The supervisor is killed; its command must not outlive it. */
static void a_command_of_a_user_dies_with_its_supervisor(void **state)
{
    int pipes[2];
    pid_t command = 0;
    (void)state;
    need_root();
    struct place at = place_make(TOP);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    pid_t supervisor = fork();
    if (supervisor == 0) {
        char *argv[] = {(char[]){"sleep"}, (char[]){"100"}};
        struct step_spec spec = {.argv = argv,
                                 .argc = 2,
                                 .cwd = (char[]){"/"},
                                 .sandbox = {.has_user = true, .uid = 1234, .gid = 4321}};
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        int dir = open(at.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct command_place place = {.sandbox = sandbox_open(), .folder = at.folder};
        command = sandbox_share(&spec, dir, NULL)
                      ? command_start(&spec, NULL, &place, null, null, NULL)
                      : -1;
        (void)!write(pipes[1], &command, sizeof(command));
        pause();
    }
    assert_int_equal(read(pipes[0], &command, sizeof(command)), sizeof(command));
    assert_true(command > 0);
    assert_int_equal(kill(command, 0), 0);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    (void)kill(supervisor, SIGKILL);
    assert_int_equal(waitpid(supervisor, NULL, 0), supervisor);
    int status = 0, waited = 0;
    for (; waitpid(command, &status, WNOHANG) == 0 && waited < 5000; waited++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    assert_true(waited < 5000);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    place_remove(&at);
}

/* ---- process limits ---- */

static void limits_of_the_process(bool nobody)
{
    struct run r = {.nobody = nobody,
                    .sandbox = {.has_umask = true,
                                .umask = 027,
                                .has_core = true,
                                .has_open_files = true,
                                .open_files = 100}};
    struct place at = place_for(&r, TOP);
    assert_true(run(&r, &at, "umask; ulimit -c; ulimit -Hc; ulimit -n; ulimit -Hn"));
    said(&r, "0027\n0\n0\n100\n100\n");
    r.sandbox.open_files = INT64_C(1) << 40;
    assert_true(run(&r, &at, "true"));
    assert_false(r.started);
    assert_int_equal(r.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(r.msg, "sandbox.open_files"));
    place_remove(&at);
}

static void limits_of_root(void **state)
{
    (void)state;
    need_root();
    limits_of_the_process(false);
}

static void limits_of_nobody(void **state)
{
    (void)state;
    limits_of_the_process(true);
}

/* ---- network ---- */

static void no_network(bool nobody)
{
    struct run r = {.nobody = nobody, .sandbox = {.no_network = true}, .fact = "network"};
    struct place at = place_for(&r, TOP);
    if (run(&r, &at,
            "sed -nE 's/^ *([a-z0-9]+):.*/\\1/p' /proc/net/dev | sort; "
            "python3 -c 'import socket\n"
            "s = socket.create_server((\"127.0.0.1\", 0)); c = "
            "socket.create_connection(s.getsockname())\n"
            "print(\"local\")\n"
            "try: socket.create_connection((\"192.0.2.1\", 9), 2); print(\"bad\")\n"
            "except OSError as e: print(e.errno)'")) {
        said(&r, "lo\nlocal\n101\n"); /* ENETUNREACH */
    }
    place_remove(&at);
}

static void no_network_for_root(void **state)
{
    (void)state;
    need_root();
    no_network(false);
}

static void no_network_for_nobody(void **state)
{
    (void)state;
    no_network(true);
}

#define EACH(test) cmocka_unit_test(test)

int main(int argc, char **argv)
{
    if (argc > 1) {
        return try_program(argv[1]);
    }
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (len < 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        EACH(root_is_confined),
        EACH(nobody_is_confined),
        EACH(capabilities_are_dropped),
        EACH(a_privileged_step_is_not),
        EACH(programs_work_for_root),
        EACH(programs_work_for_nobody),
        EACH(a_limited_step_stays),
        EACH(a_privileged_step_could_leave),
        EACH(a_user_with_groups),
        EACH(a_user_who_cannot_reach_is_told),
        EACH(nobody_cannot_become_another),
        EACH(a_setuid_program_gains_nothing),
        EACH(a_command_of_a_user_dies_with_its_supervisor),
        EACH(limits_of_root),
        EACH(limits_of_nobody),
        EACH(no_network_for_root),
        EACH(no_network_for_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
