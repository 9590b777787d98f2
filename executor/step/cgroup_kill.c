/*
 * cgroup_kill.c - emptying and removing folders. What is in a place may have made folders of its
 * own below it (a container engine that runs as a step), so all below counts.
 *
 * A process is killed by its pidfd, and only where /proc still shows it in the place after that was
 * opened: a number that was given to somebody else meanwhile is not theirs to die for.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "executor/step/cgroup_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STALE_MS 60000 /* an empty place this young may be one whose command is about to start */

/* ---- all folders below one
 * ---------------------------------------------------------------------------------- */

/* Calls for each folder below `dir`, itself included, the inner ones first. */
static void walk(int dir, void (*on_folder)(void *arg, const char *path, bool top), void *arg)
{
    char root[48];
    (void)snprintf(root, sizeof(root), "/proc/self/fd/%d/.", dir);
    char *roots[] = {root, NULL};
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT | FTS_XDEV, NULL);
    if (fts == NULL) {
        return;
    }
    for (FTSENT *entry; (entry = fts_read(fts)) != NULL;) {
        if (entry->fts_info == FTS_DP) {
            on_folder(arg, entry->fts_path, entry->fts_level == FTS_ROOTLEVEL);
        }
    }
    (void)fts_close(fts);
}

/* A folder's link count tells whether it has folders in it, without a look at each entry. */
static bool has_folders(int dir)
{
    struct stat st;
    return fstat(dir, &st) == 0 && st.st_nlink > 2;
}

/* ---- killing
 * --------------------------------------------------------------------------------------------------
 */

struct victims {
    const char *suffix;
    bool only_count; /* the kernel kills */
    size_t alive;
};

static bool is_in(pid_t pid, const char *suffix)
{
    char path[32], text[CG_TEXT];
    size_t len = strlen(suffix);
    (void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    if (!cg_file_read_at(AT_FDCWD, path, text)) {
        return false;
    }
    for (const char *at = text; (at = strstr(at, suffix)) != NULL; at += len) {
        if (at > text && at[-1] == '/' && (at[len] == '\n' || at[len] == '/')) {
            return true;
        }
    }
    return false;
}

static bool kill_member(pid_t pid, const char *suffix)
{
    AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pid == getpid() || pid <= 1 || (pidfd < 0 && errno == ESRCH) || !is_in(pid, suffix)) {
        return false;
    }
    return pidfd >= 0 ? syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0
                      : kill(pid, SIGKILL) == 0;
}

static void on_victims(void *arg, const char *path, bool top)
{
    struct victims *v = arg;
    char procs[PATH_MAX], line[32];
    (void)top;
    (void)snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
    FILE *file = fopen(procs, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        pid_t pid = (pid_t)strtol(line, NULL, 10);
        v->alive += v->only_count || kill_member(pid, v->suffix);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

bool cg_is_empty_at(int dir)
{
    char text[2];
    struct victims all = {.only_count = true};
    AUTO_CLOSE int procs = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    if (procs < 0 || read(procs, text, 1) > 0) {
        return procs < 0;
    }
    if (has_folders(dir)) {
        walk(dir, on_victims, &all);
    }
    return all.alive == 0;
}

/* cgroup.kill (v2) does it at once. Else nothing may fork meanwhile: with no room for processes,
 * or frozen, which holds them until they are thawed with the signal pending. */
size_t cg_kill_at(int dir, const char *suffix)
{
    struct victims all = {.suffix = suffix};
    AUTO_CLOSE int kernel = openat(dir, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    all.only_count = kernel >= 0;
    if (kernel < 0) {
        (void)!cg_file_write_at(dir, "pids.max", "0");
        (void)!cg_file_write_at(dir, "freezer.state", "FROZEN");
    }
    walk(dir, on_victims, &all);
    if (kernel < 0) {
        (void)!cg_file_write_at(dir, "freezer.state", "THAWED");
    } else if (all.alive > 0) {
        (void)!write(kernel, "1", 1);
    }
    return all.alive;
}

/* ---- removing
 * -------------------------------------------------------------------------------------------------
 */

static void remove_inner(void *arg, const char *path, bool top)
{
    (void)arg;
    if (!top) {
        (void)rmdir(path);
    }
}

bool cg_remove_at(int parent, const char *name)
{
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
        return true;
    }
    AUTO_CLOSE int dir =
        errno == EBUSY ? openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (dir < 0 || !has_folders(dir)) {
        return false;
    }
    walk(dir, remove_inner, NULL);
    return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

/* By its descriptor: where the cgroups have become read-only for us, that still is not. */
void cg_tree_remove(const struct cg *cg, const struct cg_tree *tree)
{
    char path[80];
    (void)snprintf(path, sizeof(path), "../%s", cg->name);
    (void)unlinkat(tree->fd, path, AT_REMOVEDIR);
}

/* ---- of dead launchers
 * ---------------------------------------------------------------------------------------- */

static void remove_stale_place(int launcher, const char *name)
{
    struct stat st;
    AUTO_CLOSE int dir = openat(launcher, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0 || fstat(dir, &st) < 0 || !cg_is_empty_at(dir)) {
        return;
    }
    if (clock_wall_ms(clock_system()) - (int64_t)st.st_mtim.tv_sec * 1000 >= STALE_MS) {
        (void)!cg_remove_at(launcher, name);
    }
}

static void remove_stale_launcher(int base, const char *name)
{
    int fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        mem_close_fd(&fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (cg_is_number(entry->d_name) || strcmp(entry->d_name, "launcher") == 0) {
            remove_stale_place(fd, entry->d_name);
        }
    }
    closedir(dir);
    (void)unlinkat(base, name, AT_REMOVEDIR); /* where it is empty */
}

void cg_remove_stale(const struct cg_tree *tree, const char *own_name)
{
    int64_t pid, start;
    int base = openat(tree->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = base < 0 ? NULL : fdopendir(base);
    if (dir == NULL) {
        mem_close_fd(&base);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, own_name) != 0 && cg_name_parse(entry->d_name, &pid, &start) &&
            cg_start_time((pid_t)pid) != start) {
            remove_stale_launcher(base, entry->d_name);
        }
    }
    closedir(dir);
}

/* ---- by the path of a record
 * ---------------------------------------------------------------------------------- */

/* The record is a file in somebody's data folder: believe nothing. "/…/orchd.N.N/N" */
static const char *find_suffix(const char *path)
{
    char parent[64];
    int64_t pid, start;
    const char *leaf = strrchr(path, '/'), *at = leaf;
    if (path[0] != '/' || leaf == path || !cg_is_number(leaf + 1)) {
        return NULL;
    }
    while (at > path && at[-1] != '/') {
        at--;
    }
    size_t len = (size_t)(leaf - at);
    if (at == path || len >= sizeof(parent)) {
        return NULL;
    }
    memcpy(parent, at, len);
    parent[len] = '\0';
    return cg_name_parse(parent, &pid, &start) ? at : NULL;
}

static bool is_cgroup_fs(int fd)
{
    struct statfs fs;
    return fd >= 0 && fstatfs(fd, &fs) == 0 &&
           ((unsigned long)fs.f_type == CGROUP_SUPER_MAGIC ||
            (unsigned long)fs.f_type == CGROUP2_SUPER_MAGIC);
}

size_t cg_kill_path(const char *path)
{
    const char *suffix = find_suffix(path);
    size_t len = strlen(path);
    if (suffix == NULL || len >= PATH_MAX || strstr(path, "/../") != NULL) {
        return 0;
    }
    AUTO_FREE char *above = mem_strndup(path, (size_t)(strrchr(path, '/') - path));
    const char *name = strrchr(path, '/') + 1;
    const int flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    AUTO_CLOSE int parent = open(above, flags);
    AUTO_CLOSE int dir = is_cgroup_fs(parent) ? openat(parent, name, flags) : -1;
    if (!is_cgroup_fs(dir)) {
        return 0;
    }
    size_t alive = cg_is_empty_at(dir) ? 0 : cg_kill_at(dir, suffix);
    if (alive == 0) {
        (void)!cg_remove_at(parent, name);
    }
    return alive;
}
