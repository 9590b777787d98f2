/*
 * cgroup_file.c - the files of cgroups: small texts, each read and written whole by one call.
 */
#include "base/mem.h"
#include "base/text.h"
#include "executor/step/cgroup_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- reading and writing
 * -------------------------------------------------------------------------------------- */

bool cg_file_write_at(int dir, const char *file, const char *text)
{
    AUTO_CLOSE int fd = openat(dir, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && write(fd, text, strlen(text)) >= 0;
}

bool cg_file_read_at(int dir, const char *file, char ret[CG_TEXT])
{
    AUTO_CLOSE int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t len = 0;
    ssize_t got = fd < 0 ? -1 : 0;
    while (fd >= 0 && len < CG_TEXT - 1 && (got = read(fd, ret + len, CG_TEXT - 1 - len)) > 0) {
        len += (size_t)got;
    }
    ret[len] = '\0';
    return got >= 0;
}

/* "FOLDER/FILE"; false where it is too long. */
static bool join(const char *folder, const char *file, char ret[256])
{
    int len =
        folder == NULL ? snprintf(ret, 256, "%s", file) : snprintf(ret, 256, "%s/%s", folder, file);
    errno = ENAMETOOLONG;
    return len > 0 && len < 256;
}

bool cg_file_write(const struct cg_tree *tree, const char *folder, const char *file,
                   const char *text, struct err *err)
{
    char path[256];
    return (join(folder, file, path) && cg_file_write_at(tree->fd, path, text)) ||
           err_sys(err, errno, "cannot write '%s' to %s/%s", text, tree->path, path);
}

bool cg_file_read(const struct cg_tree *tree, const char *folder, const char *file,
                  char ret[CG_TEXT])
{
    char path[256];
    ret[0] = '\0';
    return join(folder, file, path) && cg_file_read_at(tree->fd, path, ret);
}

bool cg_file_exists(const struct cg_tree *tree, const char *file)
{
    return faccessat(tree->fd, file, W_OK, AT_EACCESS) == 0;
}

/* ---- disks
 * ----------------------------------------------------------------------------------------------------
 */

/* What stands on other disks would count, and be slowed down, twice. */
static bool is_real_disk(const char *name)
{
    static const char *const others[] = {"loop", "ram", "zram", "dm-", "md", "sr", "fd", "."};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (strncmp(name, others[i], strlen(others[i])) == 0) {
            return false;
        }
    }
    return true;
}

void cg_disks_read(struct cg *cg)
{
    cg->disk_count = 0;
    DIR *dir = opendir("/sys/block");
    if (dir == NULL) {
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[300], text[CG_TEXT];
        struct cg_disk disk;
        (void)snprintf(path, sizeof(path), "%s/dev", entry->d_name);
        if (is_real_disk(entry->d_name) && cg_file_read_at(dirfd(dir), path, text) &&
            sscanf(text, "%u:%u", &disk.major, &disk.minor) == 2) { // NOLINT(cert-err34-c)
            cg->disks = mem_grow(cg->disks, cg->disk_count + 1, sizeof(*cg->disks));
            cg->disks[cg->disk_count++] = disk;
        }
    }
    closedir(dir);
}

/* ---- names
 * ----------------------------------------------------------------------------------------------------
 */

int64_t cg_start_time(pid_t pid)
{
    char path[32], text[CG_TEXT];
    unsigned long long start = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (!cg_file_read_at(AT_FDCWD, path, text)) {
        return -1;
    }
    const char *at = strrchr(text, ')'); /* the program's name may have anything in it */
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    if (at != NULL) {
        start = strtoull(at, NULL, 10);
    }
    return at == NULL ? -1 : (int64_t)start;
}

bool cg_is_number(const char *name)
{
    size_t len = strspn(name, "0123456789");
    return len > 0 && len < 19 && name[len] == '\0';
}

bool cg_name_parse(const char *name, int64_t *ret_pid, int64_t *ret_start)
{
    char copy[64];
    if (strncmp(name, "orchd.", 6) != 0 || strlen(name) >= sizeof(copy)) {
        return false;
    }
    (void)snprintf(copy, sizeof(copy), "%s", name + 6);
    char *dot = strchr(copy, '.');
    if (dot == NULL) {
        return false;
    }
    *dot = '\0';
    return cg_is_number(copy) && cg_is_number(dot + 1) && text_int(copy, ret_pid) &&
           text_int(dot + 1, ret_start);
}
