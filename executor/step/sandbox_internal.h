/*
 * sandbox_internal.h - what the files sandbox_*.c share. All functions of the form
 * `(…, struct sandbox_failure *ret)` run in the child: system calls and their own stack, no more.
 */
#ifndef EXECUTOR_STEP_SANDBOX_INTERNAL_H
#define EXECUTOR_STEP_SANDBOX_INTERNAL_H

#include "executor/step/sandbox.h"

#include <linux/filter.h>
#include <sys/types.h>

/* In the attempt's folder: a step's own /tmp, in a folder that others cannot pass through. */
#define SANDBOX_TMP_TOP "tmp"
#define SANDBOX_TMP SANDBOX_TMP_TOP "/own"

struct sandbox {
    uid_t uid;
    gid_t gid;
    bool root;         /* uid 0 that may change users and drop capabilities */
    bool userns;       /* mounts and network need a user namespace */
    int mounts_error;  /* why there are no mount namespaces; 0 = there are */
    int network_error; /* the same of network namespaces */
    int trees_error;   /* the same of mount_setattr (Linux 5.12) */
    int filter_error;  /* the same of system call filters */
    int guard_error;   /* the same of the guard */
    int guard;         /* a mount namespace; -1 = none */
    int landlock;      /* version of the ABI; 0 = none */
    struct sock_fprog filter, limited_filter; /* owned */
};

static inline bool sandbox_fail(struct sandbox_failure *ret, int error, const char *what,
                                const char *path)
{
    *ret = (struct sandbox_failure){.error = error, .what = what, .path = path};
    return false;
}

/* True where the step runs as root, with what rights root has here. */
static inline bool sandbox_is_root(const struct sandbox *sb, const struct step_sandbox *want)
{
    return sb->root && (!want->has_user || want->uid == 0);
}

/* True where `path` is `top` or lies below it; both absolute and normalised. */
bool sandbox_is_below(const char *path, const char *top);

/* sandbox_filter.c. 0 or an errno; the program is owned by the caller. */
int sandbox_filter_make(bool limited, struct sock_fprog *ret);
int sandbox_filter_install(const struct sock_fprog *filter);

/* sandbox_rights.c: process limits; capabilities and user. */
bool sandbox_set_limits(const struct step_sandbox *want, struct sandbox_failure *ret) MUST_CHECK;
bool sandbox_set_rights(const struct step_sandbox *want, struct sandbox_failure *ret) MUST_CHECK;

/* sandbox_mounts.c. */
bool sandbox_needs_mounts(const struct sandbox *sb, const struct step_sandbox *want);
/* True where `writable` is kept by mounts, else by landlock. */
bool sandbox_writes_by_mounts(const struct sandbox *sb);
/* In a mount namespace of one's own. */
bool sandbox_set_mounts(const struct sandbox *sb, const struct step_spec *spec, const char *folder,
                        struct sandbox_failure *ret) MUST_CHECK;

/* sandbox_guard.c. Makes the guard; the fd of its namespace, or -1 with errno. Blocks. */
int sandbox_guard_open(void);

/* sandbox_landlock.c. */
#define SANDBOX_LANDLOCK_MIN 3 /* truncation is among what it restricts */
int sandbox_landlock_version(void);
bool sandbox_set_landlock(const struct sandbox *sb, const struct step_spec *spec,
                          const char *folder, struct sandbox_failure *ret) MUST_CHECK;

#endif
