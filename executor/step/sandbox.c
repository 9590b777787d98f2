/*
 * sandbox.c - what the host allows, found out once by trying it in children (sandbox_open); and the
 * child's way into its sandbox (sandbox_enter).
 *
 * Where we may not make namespaces, a user namespace of the step's own gives the right to: its user
 * stays who he is, with the groups that he has, and loses the rights at exec.
 */
#include "executor/step/sandbox_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- in the child
 * ------------------------------------------------------------------------------- */

static bool write_text(const char *path, const char *text)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t len = strlen(text);
    return fd >= 0 && write(fd, text, len) == (ssize_t)len;
}

/* In a new user namespace: who we are outside we are inside. Who may not set groups outside may map
 * his own only when nobody inside may either. */
static bool map_ids(const struct sandbox *sb)
{
    char users[40], groups[40];
    (void)snprintf(users, sizeof(users), "%u %u 1", sb->uid, sb->uid);
    (void)snprintf(groups, sizeof(groups), "%u %u 1", sb->gid, sb->gid);
    return write_text("/proc/self/setgroups", "deny") && write_text("/proc/self/uid_map", users) &&
           write_text("/proc/self/gid_map", groups);
}

static bool make_spaces(const struct sandbox *sb, int flags)
{
    if (flags == 0) {
        return true;
    }
    return unshare(flags | (sb->userns ? CLONE_NEWUSER : 0)) == 0 && (!sb->userns || map_ids(sb));
}

/* A new network namespace has a loopback that is down. Abstract unix sockets belong to the network
 * namespace, so those of the host (an X server's, some buses') are gone as well; those with a path
 * in the file system are not. */
static bool raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0) {
        return false;
    }
    request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
    return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

static bool enter_spaces(const struct sandbox *sb, const struct step_spec *spec, const char *folder,
                         struct sandbox_failure *ret)
{
    const struct step_sandbox *want = &spec->sandbox;
    bool mounts = sandbox_needs_mounts(sb, want);
    int flags = (mounts ? CLONE_NEWNS : 0) | (want->no_network ? CLONE_NEWNET : 0);
    if (sb->guard >= 0 && !want->privileged && sandbox_is_root(sb, want) &&
        setns(sb->guard, CLONE_NEWNS) < 0) {
        return sandbox_fail(ret, errno, "cannot keep the step away from cgroups", NULL);
    }
    if (flags != 0 && sb->userns && want->has_user) {
        return sandbox_fail(ret, 0,
                            "a `user` and namespaces together need a launcher that may make "
                            "namespaces (CAP_SYS_ADMIN)",
                            NULL);
    }
    if (!make_spaces(sb, flags)) {
        return sandbox_fail(ret, errno, "cannot make namespaces for the step", NULL);
    }
    if (want->no_network && !raise_loopback()) {
        return sandbox_fail(ret, errno, "cannot set up the step's own loopback", NULL);
    }
    return !mounts || sandbox_set_mounts(sb, spec, folder, ret);
}

/* Folders above that the user may not pass through are the common mistake. */
static bool check_reach(const char *folder, struct sandbox_failure *ret)
{
    AUTO_CLOSE int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || faccessat(fd, "out/.", W_OK, 0) < 0) {
        return sandbox_fail(ret, errno,
                            "the step's user cannot reach its folder (each folder above must have "
                            "the right to pass, chmod o+x):",
                            folder);
    }
    return true;
}

static bool restrict_calls(const struct sandbox *sb, bool limited, struct sandbox_failure *ret)
{
    const struct sock_fprog *filter = limited ? &sb->limited_filter : &sb->filter;
    int error = filter->filter != NULL ? sandbox_filter_install(filter) : 0;
    return error == 0 || sandbox_fail(ret, error, "cannot restrict the step's system calls", NULL);
}

bool sandbox_enter(const struct sandbox *sb, const struct step_spec *spec, const char *folder,
                   bool limited, struct sandbox_failure *ret)
{
    const struct step_sandbox *want = &spec->sandbox;
    bool by_landlock = want->writable_count > 0 && !sandbox_writes_by_mounts(sb);
    if (!enter_spaces(sb, spec, folder, ret) || !sandbox_set_limits(want, ret) ||
        !sandbox_set_rights(want, ret) || (want->has_user && !check_reach(folder, ret))) {
        return false;
    }
    if ((!want->privileged || by_landlock) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return sandbox_fail(ret, errno, "cannot forbid new privileges", NULL);
    }
    return (!by_landlock || sandbox_set_landlock(sb, spec, folder, ret)) &&
           (want->privileged || restrict_calls(sb, limited && sandbox_is_root(sb, want), ret));
}

bool sandbox_explain(const struct sandbox_failure *failure, struct err *err)
{
    const char *gap = failure->path != NULL ? " " : "";
    const char *path = failure->path != NULL ? failure->path : "";
    if (failure->error == 0) {
        return err_set(err, ERR_UNSUPPORTED, "%s%s%s", failure->what, gap, path);
    }
    (void)err_sys(err, failure->error, "%s%s%s", failure->what, gap, path);
    if (err != NULL) {
        err->code = ERR_UNSUPPORTED;
    }
    return false;
}

/* ---- what the host allows
 * ----------------------------------------------------------------------- */

struct trial {
    const struct sandbox *sb;
    int (*run)(const struct sandbox *sb); /* 0 or an errno */
    volatile int error;
};

static int trial_child(void *arg)
{
    struct trial *t = arg;
    t->error = t->run(t->sb);
    _exit(0);
}

/* In a child that is made like a step's. */
static int try(const struct sandbox *sb, int (*run)(const struct sandbox *sb))
{
    enum { STACK = 64 << 10 };
    struct trial trial = {.sb = sb, .run = run, .error = EIO};
    AUTO_FREE char *stack = mem_alloc(STACK);
    pid_t pid = clone(trial_child, stack + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, &trial);
    if (pid < 0) {
        return errno;
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    return trial.error;
}

static int try_mounts(const struct sandbox *sb)
{
    bool ok = make_spaces(sb, CLONE_NEWNS) &&
              mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0 &&
              mount("none", "/proc", "tmpfs", MS_RDONLY, "size=4k,nr_inodes=2") == 0;
    return ok ? 0 : errno;
}

static int try_trees(const struct sandbox *sb)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    if (!make_spaces(sb, CLONE_NEWNS)) {
        return errno;
    }
    AUTO_CLOSE int fd = open_tree(AT_FDCWD, "/dev", OPEN_TREE_CLONE | AT_RECURSIVE | O_CLOEXEC);
    bool ok = fd >= 0 &&
              mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) == 0 &&
              move_mount(fd, "", AT_FDCWD, "/dev", MOVE_MOUNT_F_EMPTY_PATH) == 0;
    return ok ? 0 : errno;
}

static int try_network(const struct sandbox *sb)
{
    return make_spaces(sb, CLONE_NEWNET) && raise_loopback() ? 0 : errno;
}

static int try_filter(const struct sandbox *sb)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? errno : sandbox_filter_install(&sb->filter);
}

/* The bits of CapEff. */
static uint64_t held_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    if (syscall(SYS_capget, &header, data) < 0) {
        return 0;
    }
    return data[0].effective | (uint64_t)data[1].effective << 32;
}

static bool holds(uint64_t have, const int *capabilities, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((have >> capabilities[i] & 1) == 0) {
            return false;
        }
    }
    return true;
}

static void make_filters(struct sandbox *sb)
{
    sb->filter_error = sandbox_filter_make(false, &sb->filter);
    sb->filter_error = sb->filter_error != 0 ? sb->filter_error : try(sb, try_filter);
    if (sb->filter_error == 0) {
        sb->filter_error = sandbox_filter_make(true, &sb->limited_filter);
    }
    if (sb->filter_error != 0) {
        free(sb->filter.filter);
        free(sb->limited_filter.filter);
        sb->filter = sb->limited_filter = (struct sock_fprog){0};
    }
}

struct sandbox *sandbox_open(void)
{
    static const int of_root[] = {CAP_SETUID, CAP_SETGID, CAP_CHOWN, CAP_FOWNER};
    static const int of_spaces[] = {CAP_SYS_ADMIN, CAP_SYS_CHROOT, CAP_NET_ADMIN};
    struct sandbox *sb = mem_alloc(sizeof(*sb));
    uint64_t have = held_capabilities();
    sb->uid = geteuid();
    sb->gid = getegid();
    sb->root = sb->uid == 0 && holds(have, of_root, COUNT_OF(of_root));
    sb->userns = !holds(have, of_spaces, COUNT_OF(of_spaces));
    sb->mounts_error = try(sb, try_mounts);
    sb->trees_error = sb->mounts_error != 0 ? sb->mounts_error : try(sb, try_trees);
    sb->network_error = try(sb, try_network);
    sb->landlock = sandbox_landlock_version();
    sb->guard = sb->root && !sb->userns ? sandbox_guard_open() : -1;
    sb->guard_error = sb->guard < 0 ? errno : 0;
    make_filters(sb);
    return sb;
}

void sandbox_close(struct sandbox *sb)
{
    if (sb != NULL) {
        mem_close_fd(&sb->guard);
        free(sb->filter.filter);
        free(sb->limited_filter.filter);
        free(sb);
    }
}

/* ---- in words
 * ----------------------------------------------------------------------------------- */

/* Switches by which distributions forbid user namespaces. */
static const struct forbids {
    const char *file;
    char value;
    const char *why, *fix;
} forbids[] = {
    {"/proc/sys/kernel/unprivileged_userns_clone", '0',
     "kernel.unprivileged_userns_clone is 0, so that only root may make namespaces",
     "sysctl -w kernel.unprivileged_userns_clone=1"},
    {"/proc/sys/user/max_user_namespaces", '0', "user.max_user_namespaces is 0",
     "sysctl -w user.max_user_namespaces=10000"},
    {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1',
     "AppArmor keeps user namespaces from who is not root",
     "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
};

static bool is_set_to(const char *file, char value)
{
    char text[8] = "";
    AUTO_CLOSE int fd = open(file, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && text[0] == value;
}

static void add_space_fact(const struct sandbox *sb, struct step_facts *ret, const char *name,
                           int error)
{
    const char *why = "the launcher may not make namespaces, which a container usually forbids";
    const char *fix = "run it on the host, or give the container CAP_SYS_ADMIN";
    for (size_t i = 0; sb->userns && i < COUNT_OF(forbids); i++) {
        if (is_set_to(forbids[i].file, forbids[i].value)) {
            why = forbids[i].why;
            fix = forbids[i].fix;
        }
    }
    if (error == ENOSYS) {
        why = "the kernel is older than Linux 5.12";
        fix = "a newer kernel";
    }
    facts_add(ret, name, error == 0, 0, error == 0 ? NULL : why, error == 0 ? NULL : fix);
}

static void add_writable_fact(const struct sandbox *sb, struct step_facts *ret)
{
    if (sb->trees_error != 0 && sb->landlock >= SANDBOX_LANDLOCK_MIN) {
        facts_add(ret, "writable", true, 0, NULL, NULL);
    } else {
        add_space_fact(sb, ret, "writable", sb->trees_error);
    }
}

static void add_guard_fact(const struct sandbox *sb, struct step_facts *ret)
{
    const char *why = !sb->root ? "the launcher does not run as root: a step that sets out to can "
                                  "move to another cgroup of the same user"
                      : sb->guard_error == EXDEV ? "the launcher runs in a chroot"
                                                 : "the launcher may not make namespaces";
    const char *fix = sb->root ? "give it CAP_SYS_ADMIN" : "run the launcher as root";
    bool ok = sb->guard >= 0;
    facts_add(ret, "guard", ok, 0, ok ? NULL : why, ok ? NULL : fix);
}

void sandbox_facts(const struct sandbox *sb, struct step_facts *ret)
{
    bool filter = sb->filter_error == 0, landlock = sb->landlock > 0;
    facts_add(ret, "user", sb->root, 0, sb->root ? NULL : "the launcher does not run as root",
              sb->root ? NULL : "run it as root (as a system service)");
    facts_add(ret, "privileges", true, 0, NULL, NULL);
    facts_add(ret, "seccomp", filter, 0, filter ? NULL : "the kernel takes no system call filters",
              filter ? NULL : "a kernel with CONFIG_SECCOMP_FILTER");
    facts_add(ret, "landlock", landlock, sb->landlock,
              landlock ? NULL : "the kernel has no landlock",
              landlock ? NULL : "Linux 5.13 or newer with landlock in its lsm= list");
    add_guard_fact(sb, ret);
    add_space_fact(sb, ret, "network", sb->network_error);
    add_space_fact(sb, ret, "private_tmp", sb->trees_error);
    add_space_fact(sb, ret, "read_only", sb->trees_error);
    add_space_fact(sb, ret, "hidden", sb->mounts_error);
    add_writable_fact(sb, ret);
}
