/*
 * sandbox_rights.c - what a step may do: capabilities and user; its process limits.
 *
 * The C library's setgroups and setres?id change all threads by signals, and our memory may be the
 * supervisor's: so by system calls. After a change of user a step could be traced by others of that
 * user before its exec, through memory that is ours; the kernel clears the "dumpable" mark of that
 * memory at the change, which forbids it, and the supervisor needs it no more.
 */
#include "executor/step/sandbox_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_setresuid32 /* where the plain ones take 16 bits */
#define CALL_SETRESUID SYS_setresuid32
#define CALL_SETRESGID SYS_setresgid32
#define CALL_SETGROUPS SYS_setgroups32
#else
#define CALL_SETRESUID SYS_setresuid
#define CALL_SETRESGID SYS_setresgid
#define CALL_SETGROUPS SYS_setgroups
#endif

/* Capabilities that a step loses: root's, or some that its launcher was given. The others stay:
 * CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETUID, SETGID, SETPCAP, SETFCAP, NET_BIND_SERVICE,
 * NET_RAW, NET_BROADCAST, NET_ADMIN (a CAN bus is set up with it), SYS_CHROOT, MKNOD, SYS_NICE,
 * SYS_RESOURCE, IPC_LOCK, IPC_OWNER, LEASE, SYS_TTY_CONFIG (serial lines), AUDIT_WRITE (su and cron
 * want it). */
/* clang-format off */
static const int dropped[] = {
    CAP_SYS_ADMIN,       /* mounts, other namespaces, a hundred things more: it is root itself */
    CAP_SYS_PTRACE,      /* other processes and, through /proc, their mounts; one's own go without */
    CAP_SYS_MODULE,      /* code in the kernel */
    CAP_SYS_RAWIO,       /* memory and ports of the machine */
    CAP_SYS_BOOT,        /* reboot, kexec */
    CAP_SYS_TIME,        /* the clock, which all schedules go by */
    CAP_SYS_PACCT,       /* accounting of all processes */
    CAP_SYSLOG,          /* addresses of the kernel; clears its log */
    CAP_MAC_OVERRIDE,    /* past the host's security module */
    CAP_MAC_ADMIN,       /* its policy */
    CAP_BPF,             /* code in the kernel */
    CAP_PERFMON,         /* looks at everything that runs */
    CAP_CHECKPOINT_RESTORE, /* chooses pids, reads other processes' maps */
    CAP_LINUX_IMMUTABLE, /* files that nobody can remove any more, our own store's too */
    CAP_DAC_READ_SEARCH, /* open_by_handle_at; reading is DAC_OVERRIDE's as well */
    CAP_WAKE_ALARM,      /* wakes a sleeping machine */
    CAP_BLOCK_SUSPEND,   /* keeps it from sleeping, for ever */
    CAP_AUDIT_CONTROL,   /* switches the host's audit off */
    CAP_AUDIT_READ,      /* reads it */
};
/* clang-format on */

static uint64_t dropped_bits(void)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < COUNT_OF(dropped); i++) {
        bits |= UINT64_C(1) << dropped[i];
    }
    return bits;
}

/* From what it holds; and from what it can inherit, which takes ambient ones along. The bounding
 * set stays as it is, since it bounds nothing here: under no_new_privs (sandbox_enter) an exec
 * never gives a capability that the process has not held, be it root's, a setuid program's or a
 * file's, and a user namespace starts with a full set anyway. To empty it takes one change of
 * credentials for each, 20 microseconds a step. */
static bool drop_capabilities(struct sandbox_failure *ret)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    uint64_t bits = dropped_bits();
    bool ok = syscall(SYS_capget, &header, data) == 0;
    for (size_t i = 0; i < COUNT_OF(data); i++) {
        data[i].permitted &= ~(uint32_t)(bits >> (32 * i));
        data[i].effective &= data[i].permitted;
        data[i].inheritable = 0;
    }
    return (ok && syscall(SYS_capset, &header, data) == 0) ||
           sandbox_fail(ret, errno, "cannot take capabilities away from the step", NULL);
}

/* A decimal number; false where it is none. */
static bool read_id(const char *text, gid_t *ret)
{
    uint64_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && number < UINT32_MAX; at++) {
        number = number * 10 + (uint64_t)(*at - '0');
    }
    *ret = (gid_t)number;
    return at != text && *at == '\0' && number < UINT32_MAX;
}

static bool set_groups(const struct step_sandbox *want, struct sandbox_failure *ret)
{
    gid_t groups[STEP_GROUPS];
    if (want->group_count > STEP_GROUPS) {
        return sandbox_fail(ret, 0, "the step's user has too many groups", NULL);
    }
    for (size_t i = 0; i < want->group_count; i++) {
        if (!read_id(want->groups[i], &groups[i])) {
            return sandbox_fail(ret, 0, "this is no group id:", want->groups[i]);
        }
    }
    return syscall(CALL_SETGROUPS, want->group_count, groups) == 0 ||
           sandbox_fail(ret, errno, "cannot set the groups of the step's user", NULL);
}

static bool set_user(const struct step_sandbox *want, struct sandbox_failure *ret)
{
    if (want->uid < 0 || want->uid >= UINT32_MAX || want->gid < 0 || want->gid >= UINT32_MAX) {
        return sandbox_fail(ret, 0, "the step's user or group is no valid id", NULL);
    }
    uid_t uid = (uid_t)want->uid;
    gid_t gid = (gid_t)want->gid;
    if (!set_groups(want, ret)) {
        return false;
    }
    return (syscall(CALL_SETRESGID, gid, gid, gid) == 0 &&
            syscall(CALL_SETRESUID, uid, uid, uid) == 0) ||
           sandbox_fail(ret, errno, "cannot become the step's user", NULL);
}

bool sandbox_set_rights(const struct step_sandbox *want, struct sandbox_failure *ret)
{
    return (!want->has_user || set_user(want, ret)) && (want->privileged || drop_capabilities(ret));
}

/* ---- process limits ----------------------------------------------------------------------- */

/* Both limits, so that the step cannot raise it again. More than the hard one needs a capability.
 */
static bool set_limit(int resource, int64_t value, const char *what, struct sandbox_failure *ret)
{
    struct rlimit limit = {.rlim_cur = (rlim_t)value, .rlim_max = (rlim_t)value};
    return setrlimit((__rlimit_resource_t)resource, &limit) == 0 ||
           sandbox_fail(ret, errno == EPERM ? 0 : errno, what, NULL);
}

bool sandbox_set_limits(const struct step_sandbox *want, struct sandbox_failure *ret)
{
    if (want->has_umask) {
        (void)umask((mode_t)want->umask & 0777);
    }
    return (!want->has_core || set_limit(RLIMIT_CORE, want->core,
                                         "`sandbox.core` is more than the hard limit of the "
                                         "launcher allows (ulimit -Hc)",
                                         ret)) &&
           (!want->has_open_files || set_limit(RLIMIT_NOFILE, want->open_files,
                                               "`sandbox.open_files` is more than the hard limit "
                                               "of the launcher allows (ulimit -Hn)",
                                               ret));
}
