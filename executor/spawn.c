/*
 * spawn.c - the process of a launcher of our own. Plain, it shares our cgroup, which is mostly not
 * ours to divide; in a scope of the service manager it has one of its own. systemd-run becomes the
 * launcher in place, so it is our child and keeps the socket either way.
 */
#include "executor/internal.h"

#include "base/mem.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define SERVE_FD 3

/* What the launcher or systemd-run reads of our environment; nothing else is passed on. */
static const char *const passed[] = {"ORCH_GPUS", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"};

#define ENV_MAX (COUNT_OF(passed) + 2)

static void make_env(char *env[ENV_MAX])
{
    size_t count = 0;
    env[count++] = mem_strdup("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
    for (size_t i = 0; i < COUNT_OF(passed); i++) {
        const char *value = getenv(passed[i]);
        if (value != NULL) {
            env[count++] = mem_printf("%s=%s", passed[i], value);
        }
    }
    env[count] = NULL;
}

/* Where it is asked for in vain nobody is asked for a password. */
static const char *const in_scope[] = {"systemd-run",       "--scope", "--quiet",     "--collect",
                                       "--no-ask-password", "-p",      "Delegate=yes"};

static void make_argv(const char *program, bool scoped, const char *argv[])
{
    size_t count = 0;
    if (scoped) {
        for (size_t i = 0; i < COUNT_OF(in_scope); i++) {
            argv[count++] = in_scope[i];
        }
        if (geteuid() != 0) {
            argv[count++] = "--user";
        }
        argv[count++] = "--";
    }
    argv[count++] = program;
    argv[count++] = "serve";
    argv[count++] = "--fd";
    argv[count++] = "3";
    argv[count] = NULL;
}

/* In a session of its own, so that a Ctrl-C does not reach it, and with none of our streams: a
 * supervisor that outlives us must not keep a pipe open that somebody reads. */
int spawn_launcher(const char *program, bool scoped, int sock, pid_t *ret_pid)
{
    const char *argv[COUNT_OF(in_scope) + 7];
    char *env[ENV_MAX];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    make_argv(program, scoped, argv);
    make_env(env);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions, 0, 1);
    posix_spawn_file_actions_adddup2(&actions, 0, 2);
    posix_spawn_file_actions_adddup2(&actions, sock, SERVE_FD);
    posix_spawnattr_init(&attr);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int rc = posix_spawnp(ret_pid, argv[0], &actions, &attr, (char *const *)(uintptr_t)argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    for (size_t i = 0; env[i] != NULL; i++) {
        free(env[i]);
    }
    return rc;
}

/* Our own manager, where we are not root. */
static bool has_user_manager(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (runtime == NULL || runtime[0] != '/') {
        return false;
    }
    AUTO_FREE char *private = mem_printf("%s/systemd/private", runtime);
    AUTO_FREE char *bus = mem_printf("%s/bus", runtime);
    return access(private, F_OK) == 0 || access(bus, F_OK) == 0;
}

/* Only pure cgroup v2 can be delegated to a user; and to root nothing else needs to be. */
bool spawn_can_scope(void)
{
    struct statfs fs;
    return access("/run/systemd/system", F_OK) == 0 && statfs("/sys/fs/cgroup", &fs) == 0 &&
           fs.f_type == CGROUP2_SUPER_MAGIC && (geteuid() == 0 || has_user_manager());
}
