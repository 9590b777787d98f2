/*
 * sandbox_guard.c - the guard: a mount namespace, made once, in which a step of root finds what
 * would let it out of its limits read-only. Entering it is one system call per step, where a
 * namespace of its own would be a copy of all mounts.
 *
 * It has no process in it, only our descriptor. It follows the host's mounts: what is mounted there
 * later, say a network folder, appears in it.
 */
#include "executor/step/sandbox_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

/* File systems in which limits are set; and one by which programs are run for others. */
static const char *const guarded_types[] = {"cgroup", "cgroup2", "binfmt_misc"};
/* Files by which the kernel is told to run a program outside of every sandbox, or to stop: root may
 * write to them without any capability. Not all of /proc/sys: a step of root may set what tunes. */
static const char *const guarded_files[] = {
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug",
    "/sys/kernel/uevent_helper",     "/proc/sysrq-trigger",
};

/* A remount that keeps the other flags of the mount. */
static bool make_read_only(const char *path)
{
    static const struct {
        unsigned long of_stat, of_mount;
    } kept[] = {{ST_NOSUID, MS_NOSUID},         {ST_NODEV, MS_NODEV},
                {ST_NOEXEC, MS_NOEXEC},         {ST_NOATIME, MS_NOATIME},
                {ST_NODIRATIME, MS_NODIRATIME}, {ST_RELATIME, MS_RELATIME}};
    struct statvfs st;
    unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;
    if (statvfs(path, &st) < 0) {
        return errno == ENOENT;
    }
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        flags |= (st.f_flag & kept[i].of_stat) != 0 ? kept[i].of_mount : 0;
    }
    return mount(NULL, path, NULL, flags, NULL) == 0;
}

/* mountinfo shows blanks and a few more as \ooo. */
static void unescape(char *path)
{
    char *to = path;
    for (const char *at = path; *at != '\0'; to++) {
        if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] != '\0' && at[3] != '\0') {
            *to = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
            at += 4;
        } else {
            *to = *at++;
        }
    }
    *to = '\0';
}

/* "36 35 98:0 /root /the/path options … - type source …" */
static bool guard_mount(const char *line)
{
    char path[PATH_MAX], type[64];
    const char *rest = strstr(line, " - ");
    if (rest == NULL || sscanf(rest, " - %63s", type) != 1 ||
        sscanf(line, "%*s %*s %*s %*s %4095s", path) != 1) {
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(guarded_types); i++) {
        if (strcmp(type, guarded_types[i]) == 0) {
            unescape(path);
            return make_read_only(path);
        }
    }
    return true;
}

/* Bound onto itself it can be read-only. */
static bool guard_file(const char *path)
{
    if (access(path, W_OK) < 0) {
        return true;
    }
    return mount(path, path, NULL, MS_BIND, NULL) == 0 && make_read_only(path);
}

static bool guard_all(void)
{
    char line[2 * PATH_MAX];
    bool ok = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0;
    FILE *mounts = ok ? fopen("/proc/self/mountinfo", "re") : NULL;
    ok = mounts != NULL;
    while (ok && fgets(line, sizeof(line), mounts) != NULL) {
        ok = guard_mount(line);
    }
    int error = errno;
    if (mounts != NULL) {
        (void)fclose(mounts);
    }
    errno = error;
    for (size_t i = 0; ok && i < COUNT_OF(guarded_files); i++) {
        ok = guard_file(guarded_files[i]);
    }
    return ok;
}

/* The root of a step is that of the namespace: where ours is another one, by chroot, paths would
 * mean something else in it. */
static bool is_same_root(int space, int *ret_error)
{
    struct stat before, after;
    if (stat("/", &before) < 0 || setns(space, CLONE_NEWNS) < 0 || stat("/", &after) < 0) {
        *ret_error = errno;
        return false;
    }
    *ret_error = EXDEV;
    return before.st_dev == after.st_dev && before.st_ino == after.st_ino;
}

_Noreturn static void helper(int to, int from)
{
    int error = guard_all() ? 0 : (errno != 0 ? errno : EIO);
    char end;
    (void)!write(to, &error, sizeof(error));
    (void)!read(from, &end, 1); /* until the namespace has been opened */
    _exit(0);
}

static int open_space(pid_t pid)
{
    char path[40];
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Whether a step could enter it, tried by a child. */
static int try_space(int space)
{
    int status = 0, error = EIO;
    pid_t pid = _Fork();
    if (pid == 0) {
        _exit(is_same_root(space, &error) ? 0 : error);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return pid < 0 || !WIFEXITED(status) ? EIO : WEXITSTATUS(status);
}

int sandbox_guard_open(void)
{
    int to[2], from[2], error = EIO, space = -1;
    if (pipe2(to, O_CLOEXEC) < 0) {
        return -1;
    }
    if (pipe2(from, O_CLOEXEC) < 0) {
        close(to[0]);
        close(to[1]);
        return -1;
    }
    pid_t pid = _Fork();
    if (pid == 0) {
        close(to[0]);
        close(from[1]);
        helper(to[1], from[0]);
    }
    close(to[1]);
    close(from[0]);
    if (pid > 0 && read(to[0], &error, sizeof(error)) == (ssize_t)sizeof(error) && error == 0) {
        space = open_space(pid);
        error = space < 0 ? errno : try_space(space);
    }
    close(to[0]);
    close(from[1]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    if (error != 0) {
        mem_close_fd(&space);
        space = -1;
        errno = error;
    }
    return space;
}
