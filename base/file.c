/*
 * file.c - reading, replacing, removing, locking; and Unix sockets under paths of any length.
 */
#include "base/file.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CHUNK (64 << 10)

/* Appends what `fd` holds; on failure the buffer is as it was. */
static bool read_open(int fd, const char *path, struct buf *ret, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys(err, errno, "cannot look at %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%s is %s, not a regular file", path,
                       S_ISDIR(st.st_mode) ? "a folder" : "a device, pipe or socket");
    size_t start = ret->len;
    char chunk[CHUNK];
    ssize_t got;
    bool ok = true;
    while (ok && (got = read(fd, chunk, sizeof(chunk))) != 0) {
        char limit[32];
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            ok = err_sys(err, errno, "cannot read %s", path);
        else if (!buf_add(ret, chunk, (size_t)got))
            ok = err_set(err, ERR_LIMIT, "%s is larger than the limit of %s", path,
                         text_format_size((int64_t)ret->max, limit));
    }
    if (!ok) {
        ret->full = false;
        ret->len = start;
        if (ret->data)
            ret->data[start] = '\0';
    }
    return ok;
}

/* O_NONBLOCK: opening a FIFO must not wait for its writer before we see that it is one. */
bool file_read(const char *path, struct buf *ret, struct err *err)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return err_sys(err, errno, "cannot open %s", path);
    return read_open(fd, path, ret, err);
}

bool file_read_at(int dir, const char *name, struct buf *ret, struct err *err)
{
    AUTO_CLOSE int fd =
        openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0 && errno == ELOOP)
        return err_set(err, ERR_INVALID, "%s is a symbolic link, not a regular file", name);
    if (fd < 0)
        return err_sys(err, errno, "cannot open %s", name);
    return read_open(fd, name, ret, err);
}

bool file_write_all(int fd, const void *data, size_t len, struct err *err)
{
    const char *at = data;
    while (len > 0) {
        ssize_t wrote = write(fd, at, len);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return err_sys(err, errno, "cannot write");
        at += wrote;
        len -= (size_t)wrote;
    }
    return true;
}

/* The folder that holds `path`, for fsync and temporary files; the caller owns. */
static char *folder_of(const char *path)
{
    size_t len = strlen(path);
    while (len > 0 && path[len - 1] != '/')
        len--;
    if (len == 0)
        return mem_strdup(".");
    while (len > 1 && path[len - 1] == '/')
        len--;
    return mem_strndup(path, len);
}

static bool write_synced(int fd, const void *data, size_t len, mode_t mode, struct err *err)
{
    if (!file_write_all(fd, data, len, err))
        return false;
    if (fchmod(fd, mode) < 0)
        return err_sys(err, errno, "cannot set its mode");
    if (fsync(fd) < 0)
        return err_sys(err, errno, "cannot sync it");
    return true;
}

bool file_replace(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
    AUTO_FREE char *folder = folder_of(path);
    AUTO_FREE char *temporary = mem_printf("%s/.tmp-XXXXXX", folder);
    AUTO_CLOSE int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, errno, "cannot write %s: no temporary file beside it", path);
    bool ok = write_synced(fd, data, len, mode, err);
    if (!ok)
        (void)err_wrap(err, "cannot write %s", path);
    else if (rename(temporary, path) < 0)
        ok = err_sys(err, errno, "cannot replace %s", path);
    if (!ok) {
        (void)unlink(temporary);
        return false;
    }
    return file_sync_dir(folder, err);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool make_one(const char *path, mode_t mode, struct err *err)
{
    if (mkdir(path, mode) == 0)
        return true;
    int reason = errno;
    if (is_folder(path))
        return true;
    if (reason == EEXIST)
        return err_set(err, ERR_EXISTS, "cannot make the folder %s: a file has that name", path);
    return err_sys(err, reason, "cannot make the folder %s", path);
}

bool file_make_dirs(const char *path, mode_t mode, struct err *err)
{
    if (is_folder(path))
        return true;
    AUTO_FREE char *prefix = mem_strdup(path);
    for (char *slash = strchr(prefix + (*prefix == '/'), '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (!make_one(prefix, mode, err))
            return false;
        *slash = '/';
        while (slash[1] == '/')
            slash++;
    }
    return make_one(path, mode, err);
}

bool file_sync_dir(const char *path, struct err *err)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, errno, "cannot open the folder %s", path);
    if (fsync(fd) < 0 && errno != EINVAL) /* EINVAL: a file system that has nothing to sync */
        return err_sys(err, errno, "cannot sync the folder %s", path);
    return true;
}

bool file_lock(int fd, struct err *err)
{
    int got;
    do
        got = flock(fd, LOCK_EX | LOCK_NB);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EWOULDBLOCK)
        return err_set(err, ERR_BUSY, "another process holds the lock");
    return got == 0 || err_sys(err, errno, "cannot lock");
}

/* Fills the address of `name` in the open folder. */
static bool socket_address(int dir, const char *name, struct sockaddr_un *ret, struct err *err)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (!*name || strchr(name, '/'))
        return err_set(err, ERR_INVALID, "'%s' is no name for a socket", name);
    int len = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", dir, name);
    if (len < 0 || (size_t)len >= sizeof(ret->sun_path))
        return err_set(err, ERR_INVALID, "the socket name '%s' is too long", name);
    return true;
}

static int new_socket(struct err *err)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        (void)err_sys(err, errno, "cannot make a socket");
    return fd;
}

static bool remove_stale_socket(int dir, const char *name, struct err *err)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT || err_sys(err, errno, "cannot look at it");
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, ERR_EXISTS, "something that is no socket has that name");
    if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
        return err_sys(err, errno, "cannot remove the old socket");
    return true;
}

/* Opens the folder, makes the socket and lets `use` bind or connect it. */
static int open_socket(const char *dir, const char *name, struct err *err,
                       bool (*use)(int fd, int folder, const char *name,
                                   const struct sockaddr_un *address, struct err *err))
{
    struct sockaddr_un address;
    AUTO_CLOSE int folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        (void)err_sys(err, errno, "cannot open the folder %s", dir);
        return -1;
    }
    AUTO_CLOSE int fd = new_socket(err);
    if (fd < 0)
        return -1;
    if (!socket_address(folder, name, &address, err))
        return -1;
    if (!use(fd, folder, name, &address, err)) {
        (void)err_wrap(err, "socket %s/%s", dir, name);
        return -1;
    }
    int result = fd;
    fd = -1;
    return result;
}

static bool listen_on(int fd, int folder, const char *name, const struct sockaddr_un *address,
                      struct err *err)
{
    if (!remove_stale_socket(folder, name, err))
        return false;
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
        return err_sys(err, errno, "cannot bind");
    if (listen(fd, SOMAXCONN) < 0)
        return err_sys(err, errno, "cannot listen");
    return true;
}

static bool connect_to(int fd, int folder, const char *name, const struct sockaddr_un *address,
                       struct err *err)
{
    (void)folder, (void)name;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
        return true;
    if (errno == ECONNREFUSED)
        return err_set(err, ERR_UNAVAILABLE, "nobody listens");
    return err_sys(err, errno, "cannot connect");
}

int file_socket_listen(const char *dir, const char *name, struct err *err)
{
    return open_socket(dir, name, err, listen_on);
}

int file_socket_connect(const char *dir, const char *name, struct err *err)
{
    return open_socket(dir, name, err, connect_to);
}

/* Drops ".", ".." with what is before it, and double slashes; in place, `path` is absolute. */
static void normalise(char *path)
{
    char *to = path; /* the end of what is kept, which never ends in a slash */
    const char *at = path;
    while (*at) {
        while (*at == '/')
            at++;
        size_t len = strcspn(at, "/");
        if (len == 2 && at[0] == '.' && at[1] == '.') {
            while (to > path && *--to != '/')
                ;
        } else if (len > 0 && !(len == 1 && at[0] == '.')) {
            *to++ = '/';
            memmove(to, at, len);
            to += len;
        }
        at += len;
    }
    if (to == path)
        *to++ = '/';
    *to = '\0';
}

char *file_absolute(const char *path)
{
    char *absolute;
    if (*path == '/') {
        absolute = mem_strdup(path);
    } else {
        AUTO_FREE char *cwd = getcwd(NULL, 0);
        /* A working folder that was removed has no path any more, but it has this one. */
        absolute = mem_printf("%s/%s", cwd && *cwd == '/' ? cwd : "/proc/self/cwd", path);
    }
    normalise(absolute);
    return absolute;
}
