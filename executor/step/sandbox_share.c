/*
 * sandbox_share.c - whose the files of an attempt are: the step's user's while it runs, ours before
 * anything of them is stored.
 *
 * Taking back (sandbox_unshare) goes through out/ and artifacts/, each folder before what is in it:
 * a folder is made ours and closed to others, so that from then on only the files themselves can
 * change. Of a file the user may have kept more than its name: another hard link, or a descriptor
 * that he passed to a process outside of the step. And a name in his folder may be of a file that
 * is not his: a hard link (where fs.protected_hardlinks is 0), one moved there, one that a
 * container made. So:
 *
 *   his, one link, nobody writes to it   it becomes ours                                (fchown)
 *   his, more links or a writer          the name becomes a copy, the file stays his    (copy)
 *   somebody else's, readable for all    a copy, as he could have made one himself      (copy)
 *   somebody else's, not readable        refused: we can read it, he cannot
 *   no file and no folder                left alone; it is never stored
 *
 * Nothing is followed: no link, no mount.
 */
#include "executor/step/sandbox_internal.h"

#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TAKEN_BITS ((mode_t)0755) /* of a mode, that stay: no setuid, no writing by others */

/* What the step's user gets. */
static const char *const given[] = {"out", "artifacts", "output", "metrics", "script"};
/* Files among them that are there from the start, so that they need no right to make them. */
static const char *const made[] = {"output", "metrics"};

/* ---- before the command
 * ------------------------------------------------------------------------- */

static bool make_files(int folder, struct err *err)
{
    int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
    for (size_t i = 0; i < COUNT_OF(made); i++) {
        AUTO_CLOSE int fd = openat(folder, made[i], flags, 0600);
        if (fd < 0) {
            return err_sys(err, errno, "cannot make the step's file %s", made[i]);
        }
    }
    return true;
}

static bool give(const struct step_sandbox *want, int folder, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(given); i++) {
        if (fchownat(folder, given[i], (uid_t)want->uid, (gid_t)want->gid, AT_SYMLINK_NOFOLLOW) <
                0 &&
            errno != ENOENT) {
            return err_sys(err, errno, "cannot give %s to the step's user", given[i]);
        }
    }
    return true;
}

/* For everybody, as /tmp is, in a folder that nobody else can pass through. */
static bool make_tmp(int folder, struct err *err)
{
    if ((mkdirat(folder, SANDBOX_TMP_TOP, 0700) < 0 && errno != EEXIST) ||
        (mkdirat(folder, SANDBOX_TMP, 0700) < 0 && errno != EEXIST) ||
        fchmodat(folder, SANDBOX_TMP, 01777, 0) < 0) {
        return err_sys(err, errno, "cannot make the step's own /tmp");
    }
    return true;
}

bool sandbox_share(const struct step_spec *spec, int folder, struct err *err)
{
    const struct step_sandbox *want = &spec->sandbox;
    if (want->private_tmp && !make_tmp(folder, err)) {
        return false;
    }
    if ((want->has_user || want->writable_count + want->read_only_count > 0) &&
        !make_files(folder, err)) {
        return false;
    }
    if (want->has_user && !give(want, folder, err)) {
        return false;
    }
    if (((want->has_user || want->shared) && fchmod(folder, 0711) < 0) ||
        (want->shared && fchmodat(folder, "out", 0755, 0) < 0)) {
        return err_sys(err, errno, "cannot let others pass through the attempt's folder");
    }
    return true;
}

/* ---- taking back
 * -------------------------------------------------------------------------------- */

struct names {
    char **items; /* owned, relative to the attempt's folder */
    size_t count, cap;
};

struct taking {
    int folder; /* of the attempt */
    uid_t user, us;
    gid_t our_group;
    bool shared;
    const struct digest_ask *ask;
    struct names folders, copies; /* still to be done */
};

static void push(struct names *names, const char *path)
{
    if (names->count == names->cap) {
        names->cap = names->cap == 0 ? 16 : names->cap * 2;
        names->items = mem_grow(names->items, names->cap, sizeof(*names->items));
    }
    names->items[names->count++] = mem_strdup(path);
}

static void names_done(struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->items[i]);
    }
    free(names->items);
}

/* Opens for reading what lies in our folder, in its file system and mount. */
static int open_inside(const struct taking *t, const char *path, int flags)
{
    flags |= O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    struct open_how how = {.flags = (unsigned long long)flags,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};
    int fd = (int)syscall(SYS_openat2, t->folder, path, &how, sizeof(how));
    return fd < 0 && errno == ENOSYS ? openat(t->folder, path, flags) : fd;
}

static bool cannot(const char *path, struct err *err)
{
    if (errno == EXDEV) {
        return err_set(err, ERR_DENIED, "%s: something is mounted there", path);
    }
    return err_sys(err, errno, "cannot take %s over from the step's user", path);
}

static bool refuse(const char *path, const struct stat *st, struct err *err)
{
    return err_set(err, ERR_DENIED,
                   "%s belongs to user %u, and the step's user may not read it: it is not taken as "
                   "a result",
                   path, st->st_uid);
}

static mode_t taken_mode(const struct taking *t, const struct stat *st)
{
    mode_t shown = S_ISDIR(st->st_mode) ? 0555 : 0444;
    return (st->st_mode & TAKEN_BITS) | (t->shared ? shown : S_IRUSR);
}

/* Bytes by the kernel, which shares blocks where the file system can; else by hand. */
static ssize_t copy_some(int from, int to)
{
    static char bytes[64 << 10];
    ssize_t got = copy_file_range(from, NULL, to, NULL, DIGEST_ASK_BYTES, 0);
    if (got > 0 ||
        (got < 0 && errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)) {
        return got;
    }
    got = read(from, bytes, sizeof(bytes));
    if (got > 0 && !file_write_all(to, bytes, (size_t)got, NULL)) {
        return -1;
    }
    return got;
}

static bool copy_all(const struct taking *t, int from, int to, const char *path, struct err *err)
{
    ssize_t got;
    while ((got = copy_some(from, to)) != 0) {
        if (got < 0) {
            return cannot(path, err);
        }
        if (!digest_may_go_on(t->ask, err)) {
            return err_wrap(err, "copying %s", path);
        }
    }
    return true;
}

/* The name becomes that of a copy. The folder is ours: nobody else makes names in it. */
static bool replace(const struct taking *t, const char *path, struct err *err)
{
    struct stat st;
    AUTO_CLOSE int from = open_inside(t, path, 0);
    const char *slash = strrchr(path, '/');
    AUTO_FREE char *top = mem_strndup(path, slash != NULL ? (size_t)(slash - path + 1) : 0);
    AUTO_FREE char *beside = mem_printf("%s.orch-%d.tmp", top, (int)getpid());
    if (from < 0 || fstat(from, &st) < 0) {
        return cannot(path, err);
    }
    AUTO_CLOSE int to =
        openat(t->folder, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0) {
        return cannot(path, err);
    }
    bool ok = copy_all(t, from, to, path, err);
    if (ok &&
        (fchmod(to, taken_mode(t, &st)) < 0 || renameat(t->folder, beside, t->folder, path) < 0)) {
        ok = cannot(path, err);
    }
    if (!ok) {
        (void)unlinkat(t->folder, beside, 0);
    }
    return ok;
}

/* A lease is not granted on what somebody has open for writing. */
static bool has_writers(int fd)
{
    if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0) {
        return true;
    }
    (void)fcntl(fd, F_SETLEASE, F_UNLCK);
    return false;
}

static bool take_file(struct taking *t, const char *path, struct err *err)
{
    struct stat st;
    AUTO_CLOSE int fd = open_inside(t, path, 0);
    if (fd < 0 || fstat(fd, &st) < 0) {
        return cannot(path, err);
    }
    if (st.st_uid != t->user && (st.st_mode & S_IROTH) == 0) {
        return refuse(path, &st, err);
    }
    if (st.st_uid != t->user || st.st_nlink != 1) {
        push(&t->copies, path);
        return true;
    }
    if (fchown(fd, t->us, t->our_group) < 0 || fchmod(fd, taken_mode(t, &st)) < 0) {
        return cannot(path, err);
    }
    if (fstat(fd, &st) < 0 || st.st_nlink != 1 || has_writers(fd)) {
        push(&t->copies, path);
    }
    return true;
}

/* One name; files at once, folders later, and nothing else. */
static bool take_name(struct taking *t, const char *path, struct err *err)
{
    struct stat st;
    if (strlen(path) >= PATH_MAX) {
        return err_set(err, ERR_LIMIT, "%.100s...: its path is longer than %d bytes", path,
                       PATH_MAX);
    }
    if (fstatat(t->folder, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        return errno == ENOENT || cannot(path, err);
    }
    if (S_ISDIR(st.st_mode)) {
        push(&t->folders, path);
        return true;
    }
    return !S_ISREG(st.st_mode) || take_file(t, path, err);
}

static bool take_names(struct taking *t, DIR *dir, const char *path, struct err *err)
{
    bool ok = true;
    for (struct dirent *entry; ok && (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            AUTO_FREE char *below = mem_printf("%s/%s", path, entry->d_name);
            ok = digest_may_go_on(t->ask, err) && take_name(t, below, err);
        }
    }
    return ok;
}

/* Copies are made when the folder has been read: their names would turn up in it. */
static bool make_copies(struct taking *t, struct err *err)
{
    bool ok = true;
    while (ok && t->copies.count > 0) {
        AUTO_FREE char *path = t->copies.items[--t->copies.count];
        ok = replace(t, path, err);
    }
    return ok;
}

static bool take_folder(struct taking *t, const char *path, struct err *err)
{
    struct stat st;
    int fd = open_inside(t, path, O_DIRECTORY);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL; /* takes fd */
    if (dir == NULL || fstat(fd, &st) < 0) {
        bool none = fd < 0 && errno == ENOENT;
        if (fd >= 0 && dir == NULL) {
            close(fd);
        }
        return none || cannot(path, err);
    }
    bool ok = st.st_uid == t->user || (st.st_mode & 0005) == 0005 || refuse(path, &st, err);
    if (ok &&
        (fchown(fd, t->us, t->our_group) < 0 || fchmod(fd, taken_mode(t, &st) | S_IRWXU) < 0)) {
        ok = cannot(path, err);
    }
    ok = ok && take_names(t, dir, path, err);
    closedir(dir);
    return ok && make_copies(t, err);
}

static bool take_all(struct taking *t, struct err *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < COUNT_OF(given); i++) {
        ok = take_name(t, given[i], err);
    }
    ok = ok && make_copies(t, err);
    while (ok && t->folders.count > 0) {
        AUTO_FREE char *path = t->folders.items[--t->folders.count];
        ok = take_folder(t, path, err);
    }
    names_done(&t->folders);
    names_done(&t->copies);
    return ok;
}

static bool take_back(const struct step_spec *spec, int folder, const struct digest_ask *ask,
                      struct err *err)
{
    /* Who opens a file for writing in the moment of its lease makes the kernel tell us. */
    struct sigaction ignored = {.sa_handler = SIG_IGN}, before;
    struct taking t = {.folder = folder,
                       .user = (uid_t)spec->sandbox.uid,
                       .us = geteuid(),
                       .our_group = getegid(),
                       .shared = spec->sandbox.shared,
                       .ask = ask};
    (void)sigaction(SIGIO, &ignored, &before);
    bool ok = take_all(&t, err);
    (void)sigaction(SIGIO, &before, NULL);
    if (!spec->sandbox.shared) {
        (void)fchmod(folder, 0700);
    }
    return ok;
}

bool sandbox_unshare(const struct step_spec *spec, int folder, const struct digest_ask *ask,
                     struct err *err)
{
    if (spec->sandbox.private_tmp) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/" SANDBOX_TMP_TOP, folder);
        (void)!file_remove_tree(path, NULL); /* what stays goes with the attempt's folder */
    }
    return !spec->sandbox.has_user || take_back(spec, folder, ask, err);
}
