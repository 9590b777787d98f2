/*
 * file_remove.c - rm -rf without recursion, with one open folder at a time, however deep the tree:
 *
 *   enter(path) -> unlink files, note sub-folders -> step_down() into a noted one -> ...
 *                                                 -> none left: step_up() by ".." and rmdir
 *
 * A folder that somebody moves meanwhile is noticed at step_up() by its device and inode. Mount
 * points are refused: what is bound into an attempt's folder is not ours to remove.
 */
#include "base/file.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct level {
    char *name; /* in the level above; of the top, the path */
    dev_t dev;
    ino_t ino;
    char **subs; /* owned; folders still to be removed */
    size_t count, cap;
};

struct removal {
    struct level *levels;
    size_t depth, cap;
    int fd; /* the deepest level, open */
};

static void level_done(struct level *level)
{
    for (size_t i = 0; i < level->count; i++)
        free(level->subs[i]);
    free(level->subs);
    free(level->name);
}

static void removal_done(struct removal *r)
{
    for (size_t i = 0; i < r->depth; i++)
        level_done(&r->levels[i]);
    free(r->levels);
    mem_close_fd(&r->fd);
}

/* chmod() of what an O_PATH descriptor shows: fchmod() refuses those, and a name could have become
 * a link since. */
static void make_writable(int path_fd)
{
    char proc[40];
    (void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", path_fd);
    (void)chmod(proc, 0700);
}

static bool is_mount_point(int fd)
{
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, 0, &st) < 0)
        return false;
    return (st.stx_attributes_mask & st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/* Opens a folder for reading and makes it writable where it is not. -1 with errno. */
static int open_folder(int parent, const char *name)
{
    struct stat st;
    AUTO_CLOSE int path_fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (path_fd < 0)
        return -1;
    if (is_mount_point(path_fd)) {
        errno = EBUSY;
        return -1;
    }
    if (fstat(path_fd, &st) == 0 && (st.st_mode & S_IRWXU) != S_IRWXU)
        make_writable(path_fd);
    return openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void note_sub(struct level *level, const char *name)
{
    if (level->count == level->cap) {
        level->cap = level->cap ? level->cap * 2 : 16;
        level->subs = mem_grow(level->subs, level->cap, sizeof(level->subs[0]));
    }
    level->subs[level->count++] = mem_strdup(name);
}

/* Unlinks a file, or notes a folder. unlink() tells which is which where readdir() does not: EISDIR
 * on Linux, where POSIX has EPERM. */
static bool remove_entry(struct removal *r, const struct dirent *entry, struct err *err)
{
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return true;
    int reason = EISDIR;
    if (entry->d_type != DT_DIR)
        reason = unlinkat(r->fd, name, 0) == 0 ? 0 : errno;
    if (reason == EISDIR)
        note_sub(&r->levels[r->depth - 1], name);
    else if (reason != 0 && reason != ENOENT)
        return err_sys(err, reason, "cannot remove %s", name);
    return true;
}

static bool empty_level(struct removal *r, struct err *err)
{
    const char *name = r->levels[r->depth - 1].name;
    int copy = openat(r->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (!dir) {
        (void)err_sys(err, errno, "cannot read the folder %s", name);
        mem_close_fd(&copy);
        return false;
    }
    bool ok = true;
    struct dirent *entry;
    while (ok && (errno = 0, entry = readdir(dir)))
        ok = remove_entry(r, entry, err);
    if (ok && errno != 0)
        ok = err_sys(err, errno, "cannot read the folder %s", name);
    (void)closedir(dir);
    return ok;
}

static bool step_down(struct removal *r, int parent, const char *name, struct err *err)
{
    struct stat st;
    int fd = open_folder(parent, name);
    if (fd < 0 && errno == ENOENT)
        return true; /* somebody else removed it */
    if (fd < 0 && errno == EBUSY)
        return err_set(err, ERR_BUSY, "cannot remove %s: a file system is mounted there", name);
    if (fd < 0 || fstat(fd, &st) < 0) {
        (void)err_sys(err, errno, "cannot open the folder %s", name);
        mem_close_fd(&fd);
        return false;
    }
    if (r->depth == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 16;
        r->levels = mem_grow(r->levels, r->cap, sizeof(r->levels[0]));
    }
    r->levels[r->depth++] =
        (struct level){.name = mem_strdup(name), .dev = st.st_dev, .ino = st.st_ino};
    mem_close_fd(&r->fd);
    r->fd = fd;
    return empty_level(r, err);
}

/* Leaves the empty deepest level and removes it. */
static bool step_up(struct removal *r, struct err *err)
{
    struct level *level = &r->levels[r->depth - 1];
    int parent = AT_FDCWD;
    if (r->depth > 1) {
        struct stat st;
        parent = openat(r->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent < 0 || fstat(parent, &st) < 0) {
            (void)err_sys(err, errno, "cannot open the folder above %s", level->name);
            mem_close_fd(&parent);
            return false;
        }
        if (st.st_dev != level[-1].dev || st.st_ino != level[-1].ino) {
            mem_close_fd(&parent);
            return err_set(err, ERR_BUSY, "%s was moved while it was being removed", level->name);
        }
    }
    mem_close_fd(&r->fd);
    r->fd = r->depth > 1 ? parent : -1;
    if (unlinkat(parent, level->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return err_sys(err, errno, "cannot remove the folder %s", level->name);
    level_done(level);
    r->depth--;
    return true;
}

static bool remove_folder(const char *path, struct err *err)
{
    struct removal r = {.fd = -1};
    bool ok = step_down(&r, AT_FDCWD, path, err);
    while (ok && r.depth > 0) {
        struct level *level = &r.levels[r.depth - 1];
        if (level->count == 0) {
            ok = step_up(&r, err);
            continue;
        }
        AUTO_FREE char *name = level->subs[--level->count];
        ok = step_down(&r, r.fd, name, err);
    }
    removal_done(&r);
    return ok;
}

bool file_remove_tree(const char *path, struct err *err)
{
    AUTO_FREE char *absolute = file_absolute(path);
    struct stat st;
    if (!*path || strcmp(absolute, "/") == 0)
        return err_set(err, ERR_INVALID, "will not remove '%s'", path);
    /* As given, but without slashes at the end: they would follow a link. */
    AUTO_FREE char *plain = mem_strdup(path);
    for (size_t len = strlen(plain); len > 1 && plain[len - 1] == '/'; len--)
        plain[len - 1] = '\0';
    if (lstat(plain, &st) < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return true;
        return err_sys(err, errno, "cannot look at %s", path);
    }
    if (!S_ISDIR(st.st_mode)) {
        if (unlink(plain) < 0 && errno != ENOENT)
            return err_sys(err, errno, "cannot remove %s", path);
        return true;
    }
    if (!remove_folder(plain, err))
        return err_wrap(err, "cannot remove the tree %s", path);
    return true;
}
