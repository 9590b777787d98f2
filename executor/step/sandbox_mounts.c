/*
 * sandbox_mounts.c - the mounts that a step sees, in a mount namespace of its own.
 *
 * What is to be mounted is first cloned as it is, each with its submounts, to detached trees
 * (plan), then everything is made read-only where the step may write to listed paths only, then the
 * trees are attached, the shortest path first (attach): so of two paths, one in the other, the
 * longer one decides, whatever the order in which they were given. What is hidden comes last and
 * wins over all.
 *
 *   read_only    the path itself, read-only
 *   writable     the path itself, as it was, in a system that is read-only
 *   private_tmp  a folder of the attempt on /tmp and /var/tmp; what a step needs and what lies
 * there (its folder, other steps' results, the store, the working directory) is put back always the
 * attempt's folder, so that none of the above takes it away
 *
 * Runs in the child, whose memory may be the supervisor's: system calls and the stack.
 */
#include "executor/step/sandbox_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLAN_MOST (SANDBOX_PATHS + 32)

struct tree {               /* a clone that is not attached yet */
    const char *top, *name; /* belongs on top/name, or on top where name is NULL */
    int fd;
    size_t length; /* of that path, without its symbolic links */
};

struct plan {
    const struct step_spec *spec;
    const char *folder;
    bool sealed;         /* all that is not listed is read-only */
    int tmp;             /* what becomes /tmp, or -1 */
    const char *proc;    /* what of /proc may be written to */
    char runs[PATH_MAX]; /* where the attempts of all runs are: two levels above the folder */
    char store[PATH_MAX], cwd[PATH_MAX];
    struct tree trees[PLAN_MOST];
    size_t count;
};

/* Where /tmp is the step's own. */
static const char *const temporary[] = {"/tmp", "/var/tmp"};
/* What a step may always write to, beside its listed paths: of its folder, and of the system.
 * Devices need no row: a read-only mount does not stop writing to them. */
static const char *const own_names[] = {"out", "artifacts", "output", "metrics"};
static const char *const system_paths[] = {"/dev/shm", "/dev/mqueue", "/dev/pts"};

bool sandbox_is_below(const char *path, const char *top)
{
    size_t len = strlen(top);
    len -= len > 0 && top[len - 1] == '/';
    return strncmp(path, top, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static bool join(const char *top, const char *name, char ret[PATH_MAX])
{
    size_t top_len = strlen(top), name_len = name != NULL ? strlen(name) + 1 : 0;
    if (top_len + name_len >= PATH_MAX) {
        return false;
    }
    memcpy(ret, top, top_len + 1);
    if (name != NULL) {
        ret[top_len] = '/';
        memcpy(ret + top_len + 1, name, name_len);
    }
    return true;
}

static bool is_none(int error)
{
    return error == ENOENT || error == ENOTDIR;
}

/* The path of an open descriptor, without symbolic links; false where it has none. */
static bool path_of(int fd, char ret[PATH_MAX])
{
    char link[40];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, ret, PATH_MAX - 1);
    ret[len < 0 ? 0 : len] = '\0';
    return ret[0] == '/';
}

/* The same of a path; itself where it does not exist. */
static bool resolve(const char *path, char ret[PATH_MAX])
{
    AUTO_CLOSE int fd = open(path, O_PATH | O_CLOEXEC);
    return (fd >= 0 && path_of(fd, ret)) || join(path, NULL, ret);
}

/* ---- the plan
 * ----------------------------------------------------------------------------------- */

static int clone_tree(const char *path, bool read_only)
{
    /* What the host mounts there later does not appear: it would come writable. */
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE};
    int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (fd >= 0 && read_only &&
        mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Of the path top[/name] without symbolic links. */
static size_t real_length(const char *top, const char *name)
{
    char path[PATH_MAX], real[PATH_MAX];
    return join(top, name, path) && resolve(path, real) ? strlen(real) : 0;
}

/* A mount on the root is not seen by who is in it already: what is asked of it is done otherwise.
 */
static bool is_system(const char *path)
{
    char real[PATH_MAX];
    return resolve(path, real) && strcmp(real, "/") == 0;
}

static bool any_is_system(char *const *paths, size_t count)
{
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        any = any || is_system(paths[i]);
    }
    return any;
}

/* Plans to mount what is at from[/from_name] on top[/name]. What does not exist is none. */
static bool add(struct plan *p, const char *from, const char *from_name, const char *top,
                const char *name, bool read_only, struct sandbox_failure *ret)
{
    char path[PATH_MAX];
    if (p->count == PLAN_MOST || !join(from, from_name, path)) {
        return sandbox_fail(ret, p->count == PLAN_MOST ? E2BIG : ENAMETOOLONG, "cannot mount", top);
    }
    int fd = clone_tree(path, read_only);
    if (fd < 0) {
        return is_none(errno) || sandbox_fail(ret, errno, "cannot mount", top);
    }
    p->trees[p->count++] =
        (struct tree){.top = top, .name = name, .fd = fd, .length = real_length(top, name)};
    return true;
}

static bool add_list(struct plan *p, char *const *paths, size_t count, bool read_only,
                     struct sandbox_failure *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_system(paths[i]) && !add(p, paths[i], NULL, paths[i], NULL, read_only, ret)) {
            return false;
        }
    }
    return true;
}

/* What the step works with and its own /tmp would cover. */
static bool keep(struct plan *p, const char *path, struct sandbox_failure *ret)
{
    for (size_t i = 0; i < COUNT_OF(temporary); i++) {
        if (sandbox_is_below(path, temporary[i]) && strlen(path) > strlen(temporary[i])) {
            return add(p, path, NULL, path, NULL, p->sealed, ret);
        }
    }
    return true;
}

static bool add_own(struct plan *p, struct sandbox_failure *ret)
{
    if (!p->sealed) {
        return add(p, p->folder, NULL, p->folder, NULL, false, ret);
    }
    for (size_t i = 0; i < COUNT_OF(own_names); i++) {
        if (!add(p, p->folder, own_names[i], p->folder, own_names[i], false, ret)) {
            return false;
        }
    }
    for (size_t i = 0; i < COUNT_OF(system_paths); i++) {
        if (!add(p, system_paths[i], NULL, system_paths[i], NULL, false, ret)) {
            return false;
        }
    }
    return add(p, p->proc, NULL, p->proc, NULL, false, ret);
}

static bool add_temporary(struct plan *p, struct sandbox_failure *ret)
{
    for (size_t i = 0; i < COUNT_OF(temporary); i++) {
        if (!add(p, p->folder, SANDBOX_TMP, temporary[i], NULL, false, ret)) {
            return false;
        }
    }
    return true;
}

/* Of equal paths the last one is seen. */
static bool make_plan(struct plan *p, struct sandbox_failure *ret)
{
    const struct step_sandbox *want = &p->spec->sandbox;
    if (want->read_only_count + want->writable_count + want->hidden_count > SANDBOX_PATHS) {
        return sandbox_fail(ret, 0, "too many paths in `sandbox`", NULL);
    }
    if (want->private_tmp &&
        (!keep(p, p->runs, ret) || !keep(p, p->store, ret) || !keep(p, p->cwd, ret))) {
        return false;
    }
    return add_list(p, want->read_only, want->read_only_count, true, ret) &&
           (!p->sealed || add_list(p, want->writable, want->writable_count, false, ret)) &&
           add_own(p, ret) && (!want->private_tmp || add_temporary(p, ret));
}

/* ---- attaching
 * ---------------------------------------------------------------------------------- */

/* The folder rel, all of its levels, below the open one. */
static void make_levels(int fd, const char *rel)
{
    char path[PATH_MAX];
    size_t len = strlen(rel);
    for (size_t i = 0; i <= len && len < PATH_MAX; i++) {
        path[i] = rel[i] == '/' ? '\0' : rel[i];
        if (path[i] == '\0' && i > 0) {
            (void)mkdirat(fd, path, 0755);
            path[i] = '/';
        }
    }
}

/* In a /tmp that is the step's own and empty, what is mounted needs a place. */
static void make_place(const struct plan *p, const char *path)
{
    for (size_t i = 0; p->tmp >= 0 && i < COUNT_OF(temporary); i++) {
        size_t len = strlen(temporary[i]);
        if (sandbox_is_below(path, temporary[i]) && path[len] == '/' && path[len + 1] != '\0') {
            make_levels(p->tmp, path + len + 1);
        }
    }
}

static void sort_trees(struct plan *p)
{
    for (size_t i = 1; i < p->count; i++) {
        struct tree tree = p->trees[i];
        size_t at = i;
        for (; at > 0 && p->trees[at - 1].length > tree.length; at--) {
            p->trees[at] = p->trees[at - 1];
        }
        p->trees[at] = tree;
    }
}

static bool attach(struct plan *p, struct sandbox_failure *ret)
{
    char path[PATH_MAX];
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    for (size_t i = 0; i < p->count; i++) {
        (void)join(p->trees[i].top, p->trees[i].name, path);
        make_place(p, path);
    }
    if (p->sealed && mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)) < 0) {
        return sandbox_fail(ret, errno, "cannot make all folders read-only", NULL);
    }
    sort_trees(p);
    for (size_t i = 0; i < p->count; i++) {
        const struct tree *tree = &p->trees[i];
        (void)join(tree->top, tree->name, path);
        if (move_mount(tree->fd, "", AT_FDCWD, path,
                       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) < 0 &&
            !is_none(errno)) {
            return sandbox_fail(ret, errno, "cannot mount", tree->top);
        }
    }
    return true;
}

/* ---- hiding
 * ------------------------------------------------------------------------------------- */

static bool hide(const struct plan *p, const char *given, struct sandbox_failure *ret)
{
    struct stat st;
    char path[PATH_MAX], link[40];
    AUTO_CLOSE int fd = open(given, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !path_of(fd, path)) {
        return is_none(errno) || sandbox_fail(ret, errno, "cannot hide", given);
    }
    if (sandbox_is_below(p->folder, path) || sandbox_is_below(p->cwd, path)) {
        return sandbox_fail(ret, 0,
                            "the step's own folder or its working directory lies in what "
                            "`sandbox.hidden` names:",
                            given);
    }
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    int rc = S_ISDIR(st.st_mode)
                 ? mount("none", link, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                         "mode=000,size=4k,nr_inodes=2")
                 : mount("/dev/null", link, NULL, MS_BIND, NULL);
    return rc == 0 || sandbox_fail(ret, errno, "cannot hide", given);
}

/* ---- all of it
 * ---------------------------------------------------------------------------------- */

bool sandbox_writes_by_mounts(const struct sandbox *sb)
{
    return sb->mounts_error == 0 && sb->trees_error == 0;
}

bool sandbox_needs_mounts(const struct sandbox *sb, const struct step_sandbox *want)
{
    return want->private_tmp || want->read_only_count > 0 || want->hidden_count > 0 ||
           (want->writable_count > 0 && sandbox_writes_by_mounts(sb));
}

static bool open_plan(struct plan *p, struct sandbox_failure *ret)
{
    char path[PATH_MAX];
    if (!join(p->folder, NULL, p->runs) || !resolve(p->spec->cwd, p->cwd) ||
        !resolve(p->spec->store != NULL ? p->spec->store : "/", p->store)) {
        return sandbox_fail(ret, ENAMETOOLONG, "cannot find the step's folders", NULL);
    }
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(p->runs, '/');
        *(slash != NULL && slash != p->runs ? slash : p->runs + 1) = '\0';
    }
    if (p->spec->sandbox.private_tmp) {
        p->tmp =
            join(p->folder, SANDBOX_TMP, path) ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    }
    return !p->spec->sandbox.private_tmp || p->tmp >= 0 ||
           sandbox_fail(ret, errno, "cannot open the step's own /tmp", NULL);
}

bool sandbox_set_mounts(const struct sandbox *sb, const struct step_spec *spec, const char *folder,
                        struct sandbox_failure *ret)
{
    const struct step_sandbox *want = &spec->sandbox;
    struct plan p; /* not cleared: it is large, and the child's stack has no other use for it */
    p.spec = spec;
    p.folder = folder;
    p.sealed = (want->writable_count > 0 && sandbox_writes_by_mounts(sb) &&
                !any_is_system(want->writable, want->writable_count)) ||
               any_is_system(want->read_only, want->read_only_count);
    p.proc = sandbox_is_root(sb, want) ? "/proc/self" : "/proc";
    p.tmp = -1;
    p.count = 0;
    bool trees = want->private_tmp || want->read_only_count > 0 || p.sealed;
    /* The host's mounts go on appearing; ours do not appear in the host. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
        return sandbox_fail(ret, errno, "cannot have mounts of its own", NULL);
    }
    bool ok = open_plan(&p, ret) && (!trees || (make_plan(&p, ret) && attach(&p, ret)));
    for (size_t i = 0; ok && i < want->hidden_count; i++) {
        ok = hide(&p, want->hidden[i], ret);
    }
    return ok; /* descriptors are closed by exec */
}
