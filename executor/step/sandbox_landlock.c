/*
 * sandbox_landlock.c - `writable` where there are no mount namespaces: rules of landlock, which any
 * process may give itself.
 *
 * Mounts come first where both are there: landlock knows neither chmod, chown nor extended
 * attributes, and what may be written to must be listed down to the devices of a GPU. Before ABI 3
 * (Linux 6.2) it does not know truncate() either and is of no use here.
 *
 * Once in force, a process cannot mount any more, nor trace processes that are not in it.
 */
#include "executor/step/sandbox_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

#define OF_FILES (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)
#define OF_FOLDERS                                                                                 \
    (LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                              \
     LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |    \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
     LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER)

/* Of the attempt's folder. */
static const char *const own[] = {"out", "artifacts", "output", "metrics"};
/* Devices that write to nothing that stays: terminals, GPUs, shared memory; what a process says to
 * the kernel about itself. */
static const char *const devices[] = {
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
    "/dev/shm",
    "/dev/mqueue",
    "/dev/fuse",
    "/dev/dri",
    "/dev/kfd",
    "/dev/accel",
    "/dev/nvidiactl",
    "/dev/nvidia-uvm",
    "/dev/nvidia-caps",
    "/dev/nvidia-modeset",
    "/dev/nvidia-uvm-tools",
    "/proc/self",
};
#define NVIDIA_MOST 16 /* /dev/nvidia0 … */

int sandbox_landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version > 0 ? (int)version : 0;
}

/* What does not exist is none. */
static bool allow(int rules, int dir, const char *path, struct sandbox_failure *ret)
{
    struct stat st;
    AUTO_CLOSE int fd = openat(dir, path, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES ||
               sandbox_fail(ret, errno, "cannot open what it may write to:", path);
    }
    struct landlock_path_beneath_attr rule = {
        .allowed_access = S_ISDIR(st.st_mode) ? OF_FILES | OF_FOLDERS : OF_FILES, .parent_fd = fd};
    return syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0 ||
           sandbox_fail(ret, errno, "cannot name what it may write to:", path);
}

static bool allow_devices(int rules, struct sandbox_failure *ret)
{
    char path[40];
    for (size_t i = 0; i < COUNT_OF(devices); i++) {
        if (!allow(rules, AT_FDCWD, devices[i], ret)) {
            return false;
        }
    }
    for (int i = 0; i < NVIDIA_MOST; i++) {
        (void)snprintf(path, sizeof(path), "/dev/nvidia%d", i);
        if (!allow(rules, AT_FDCWD, path, ret)) {
            return false;
        }
    }
    return true;
}

static bool allow_all(int rules, const struct step_spec *spec, const char *folder,
                      struct sandbox_failure *ret)
{
    AUTO_CLOSE int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < COUNT_OF(own); i++) {
        if (!allow(rules, dir, own[i], ret)) {
            return false;
        }
    }
    for (size_t i = 0; i < spec->sandbox.writable_count; i++) {
        if (!allow(rules, AT_FDCWD, spec->sandbox.writable[i], ret)) {
            return false;
        }
    }
    return allow_devices(rules, ret);
}

bool sandbox_set_landlock(const struct sandbox *sb, const struct step_spec *spec,
                          const char *folder, struct sandbox_failure *ret)
{
    struct landlock_ruleset_attr attr = {.handled_access_fs = OF_FILES | OF_FOLDERS};
    if (sb->landlock < SANDBOX_LANDLOCK_MIN) {
        return sandbox_fail(ret, ENOSYS, "cannot restrict what it may write to", NULL);
    }
    AUTO_CLOSE int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (rules < 0) {
        return sandbox_fail(ret, errno, "cannot restrict what it may write to", NULL);
    }
    return allow_all(rules, spec, folder, ret) &&
           (syscall(SYS_landlock_restrict_self, rules, 0) == 0 ||
            sandbox_fail(ret, errno, "cannot restrict what it may write to", NULL));
}
