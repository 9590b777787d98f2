/*
 * cas.h - a folder of objects named by the SHA-256 of their content: DIR/ab/<64 hex digits>.
 * Objects are complete, fsynced and read-only (0444) before they get their name; the same bytes are
 * stored once. Used by orch-step (puts) and by storage (verifies and reads).
 *
 * A folder is stored as its files plus a manifest object: lines "<digest> <mode: - or x> <size>
 * <path>\n" sorted by path (bytes), paths relative, percent-escaped for \n, \r and %; symbolic
 * links "l" with their target's digest are refused (ERR_INVALID). The digest of the folder is the
 * digest of that manifest.
 */
#ifndef BASE_CAS_H
#define BASE_CAS_H

#include "base/digest.h"
#include "base/err.h"

#include <stdint.h>

struct cas_object {
    char digest[DIGEST_TEXT];
    int64_t size;  /* bytes; of a folder: the sum of its files */
    int64_t files; /* 1, or the number of files in a folder */
    bool folder;
};

/* Stores the file or folder `name` in the open folder `dir_fd` (no link is followed anywhere on the
 * way: a symbolic link is ERR_INVALID, so is a device, FIFO or socket). The file is made read-only
 * and hard-linked into the store where it has one link and lies on the same file system, else
 * copied; so are executables, since a link would take the mode from the original. Where somebody
 * else has a link to it, `name` becomes a read-only file of its own; folders become 0555, so that
 * nothing in them can be replaced. fsyncs file and folders. Makes the store where it is missing. A
 * path out of the folder is ERR_INVALID, too many files or levels ERR_LIMIT. Blocks. */
bool cas_put(const char *store_dir, int dir_fd, const char *name, struct cas_object *ret,
             struct err *err) MUST_CHECK;

/* The same, but asks every few megabytes, and with each file of a folder, whether to go on: a step
 * may leave files that take days to read (a sparse one costs it nothing). ERR_BUSY where not. */
bool cas_put_asking(const char *store_dir, int dir_fd, const char *name,
                    const struct digest_ask *ask, struct cas_object *ret,
                    struct err *err) MUST_CHECK;

/* What a put of the file or folder at `path` would say, without storing or changing anything.
 * ERR_NOT_FOUND where there is nothing. Reads it all. */
bool cas_digest(const char *path, const struct digest_ask *ask, struct cas_object *ret,
                struct err *err) MUST_CHECK;

/* Puts what was stored as `digest` back at the absolute `path`, read-only as a put leaves it;
 * whatever stands there goes. `size` is the one that the put said. Every object is checked first,
 * and nothing is changed where one is missing or damaged; that is all where `path` is NULL. Blocks.
 */
bool cas_restore(const char *store_dir, const char *digest, int64_t size, const char *path,
                 struct err *err) MUST_CHECK;

/* Removes what puts that were killed have left half-written in the store: an hour old, and nobody
 * holds its lock. Whatever cannot be removed now stays for the next time. */
void cas_sweep(const char *store_dir);

/* Opens an object for reading after checking its digest (reads it whole): -1 and ERR_NOT_FOUND, or
 * ERR_CORRUPT that names both digests. */
int cas_open(const char *store_dir, const char *digest, struct err *err) MUST_CHECK;

/* The absolute path of an object (it need not exist); the caller owns. */
char *cas_path(const char *store_dir, const char *digest);

#endif
