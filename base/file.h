/*
 * file.h - files and folders, durably. All calls block; paths in errors are as given.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>
#include <sys/types.h>

/* Reads a whole regular file into `ret` (appends), at most ret->max bytes: more is ERR_LIMIT that
 * names the limit. file_read_at() takes no symbolic link for `name` (ERR_INVALID). */
bool file_read(const char *path, struct buf *ret, struct err *err) MUST_CHECK;
bool file_read_at(int dir, const char *name, struct buf *ret, struct err *err) MUST_CHECK;

/* Writes all bytes, also over short writes and EINTR. */
bool file_write_all(int fd, const void *data, size_t len, struct err *err) MUST_CHECK;

/* Replaces `path` atomically: temporary file beside it, fsync, rename, fsync of the folder. */
bool file_replace(const char *path, const void *data, size_t len, mode_t mode,
                  struct err *err) MUST_CHECK;

/* mkdir -p; existing folders are fine. Does not sync: see file_sync_dir(). */
bool file_make_dirs(const char *path, mode_t mode, struct err *err) MUST_CHECK;
bool file_sync_dir(const char *path, struct err *err) MUST_CHECK;

/* rm -rf without following links; missing is fine. Makes read-only folders writable on its way.
 * Refuses "/" (ERR_INVALID) and trees that something is mounted in (ERR_BUSY). */
bool file_remove_tree(const char *path, struct err *err) MUST_CHECK;

/* flock(LOCK_EX|LOCK_NB) on `fd`. false with ERR_BUSY where somebody holds it. */
bool file_lock(int fd, struct err *err) MUST_CHECK;

/* Unix sockets whose path may be longer than sun_path: addressed through /proc/self/fd of the
 * folder. SOCK_SEQPACKET, close-on-exec, non-blocking. Return the fd or -1. */
int file_socket_listen(const char *dir, const char *name, struct err *err) MUST_CHECK;
int file_socket_connect(const char *dir, const char *name, struct err *err) MUST_CHECK;

char *file_absolute(const char *path) __attribute__((
    returns_nonnull)); /* the caller owns; not resolved, only joined with the cwd and normalised */

#endif
