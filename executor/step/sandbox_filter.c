/*
 * sandbox_filter.c - system calls that a step is refused, as BPF programs that are made once.
 *
 * All else is let through: a list of what is allowed would break the next Python, CUDA or Java. Nor
 * is there a row for what the kernel refuses itself to who lacks a capability that no step has
 * (sandbox_rights.c), also in a user namespace: modules, kexec, reboot, swap, the clock,
 * accounting, quotas, ports, files by handle. Each row costs every step; a filter of all of these
 * twice the time.
 */
#include "executor/step/sandbox_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1UL << 2)
#endif
#ifndef TIOCLINUX
#define TIOCLINUX 0x541C
#endif

enum who { EVERY, LIMITED };

/* clang-format off */
static const struct refused {
    const char *call;
    int error;
    enum who who;
} refused[] = {
    /* What looks into all that runs, puts code into the kernel, or holds a fault of the kernel open:
     * the tools of exploits. Whether they need a capability is a switch of the host's. */
    {"perf_event_open", EPERM, EVERY}, {"bpf",         EPERM, EVERY},
    {"userfaultfd",     EPERM, EVERY},
    /* Keys are of the user, not of the step: they outlive it and others see them. As where the kernel
     * has none: container tools go on without then, and stop at EPERM. */
    {"add_key",        ENOSYS, EVERY}, {"request_key", ENOSYS, EVERY},
    {"keyctl",         ENOSYS, EVERY},

    /* In a user namespace of its own a process may mount: a fresh file system of cgroups, with root
     * of which it lifts its own limits. Other namespaces lead to the host's, where these are not
     * read-only. */
    {"mount",           EPERM, LIMITED}, {"umount",        EPERM, LIMITED},
    {"umount2",         EPERM, LIMITED}, {"pivot_root",    EPERM, LIMITED},
    {"move_mount",      EPERM, LIMITED}, {"open_tree",     EPERM, LIMITED},
    {"fsopen",          EPERM, LIMITED}, {"fsmount",       EPERM, LIMITED},
    {"fsconfig",        EPERM, LIMITED}, {"fspick",        EPERM, LIMITED},
    {"mount_setattr",   EPERM, LIMITED}, {"setns",         EPERM, LIMITED},
};
/* Types into somebody's terminal, as if by hand. The kernel looks at 32 bits of the request. */
static const unsigned long refused_ioctls[] = {TIOCSTI, TIOCLINUX};

/* Programs of the 32-bit side run on the same kernel and are held to the same. */
static const struct { uint32_t native, also; } architectures[] = {
    {SCMP_ARCH_X86_64,  SCMP_ARCH_X86},
    {SCMP_ARCH_AARCH64, SCMP_ARCH_ARM},
};
/* clang-format on */

static int add_rules(scmp_filter_ctx filter, bool limited)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < COUNT_OF(refused); i++) {
        int call = seccomp_syscall_resolve_name(refused[i].call);
        if (call != __NR_SCMP_ERROR && (refused[i].who == EVERY || limited)) {
            rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)refused[i].error), call, 0);
        }
    }
    for (size_t i = 0; rc == 0 && i < COUNT_OF(refused_ioctls); i++) {
        rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                              SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffUL, refused_ioctls[i]));
    }
    return rc;
}

/* Calls of an architecture that is not listed (x32) are as where the kernel has it switched off. */
static int build(scmp_filter_ctx filter, bool limited)
{
    int rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
    for (size_t i = 0; rc == 0 && i < COUNT_OF(architectures); i++) {
        if (architectures[i].native == seccomp_arch_native()) {
            rc = seccomp_arch_add(filter, architectures[i].also);
        }
    }
    /* A tree instead of a list: the kernel runs it for each call's number when it is installed. */
    (void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    return rc == 0 ? add_rules(filter, limited) : rc;
}

/* The library writes programs to descriptors only. */
static int export(scmp_filter_ctx filter, struct sock_fprog *ret)
{
    struct stat st;
    AUTO_CLOSE int fd = memfd_create("orch-filter", MFD_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        return errno;
    }
    int rc = seccomp_export_bpf(filter, fd);
    if (rc < 0) {
        return -rc;
    }
    if (fstat(fd, &st) < 0 || st.st_size <= 0) {
        return EIO;
    }
    size_t count = (size_t)st.st_size / sizeof(struct sock_filter);
    struct sock_filter *code = mem_array(count, sizeof(*code));
    if (count > BPF_MAXINSNS || pread(fd, code, (size_t)st.st_size, 0) != st.st_size) {
        free(code);
        return EIO;
    }
    *ret = (struct sock_fprog){.len = (unsigned short)count, .filter = code};
    return 0;
}

int sandbox_filter_make(bool limited, struct sock_fprog *ret)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == NULL) {
        return ENOMEM;
    }
    int rc = build(filter, limited);
    rc = rc == 0 ? export(filter, ret) : -rc;
    seccomp_release(filter);
    return rc;
}

/* Kernels before 5.16 otherwise switch a processor's speculation off for who has a filter: that is
 * for filters that stand between a program and its secrets, and costs a training some percent. */
int sandbox_filter_install(const struct sock_fprog *filter)
{
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, filter) ==
            0 ||
        (errno == EINVAL && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter) == 0)) {
        return 0;
    }
    return errno;
}
