/*
 * cas_store.c - how one object gets its name. Whatever happens, a name in the store belongs to
 * complete bytes that are on the disk:
 *
 *   a link:  chmod 0444 -> fsync -> digest -> link(name)                       -> fsync folder
 *   a copy:  write .tmp-* in the store, digesting -> chmod -> fsync -> rename  -> fsync folder
 *
 * Folders are synced once for all files of a put (cas_store_sync).
 *
 * What has been stored is read-only under its own name too: made so where it is ours alone; where
 * somebody else has a name for it (`ln data.csv $ORCH_OUT`), its name there goes to a link to the
 * object, or to a copy (cas_store_own).
 */
#include "base/cas_store.h"

#include "base/cas.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (64 << 10)
#define OBJECT_MODE 0444
#define PROGRAM_MODE 0555
#define PROC_PATH_SIZE 40
#define TEMPORARY_SIZE 32
#define TEMPORARY_PREFIX ".tmp-"
#define ABANDONED_S 3600 /* no put leaves its file unlocked for long */

/* "ab/<64 digits>" */
typedef char object_name[3 + DIGEST_TEXT];

static void name_object(object_name ret, const char *digest)
{
    (void)snprintf(ret, sizeof(object_name), "%.2s/%.64s", digest, digest);
}

static unsigned slot_of(const char *digest)
{
    static const char hex[] = "0123456789abcdef";
    return (unsigned)((strchr(hex, digest[0]) - hex) << 4 | (strchr(hex, digest[1]) - hex));
}

bool cas_store_open(struct cas_store *s, const char *dir, struct err *err)
{
    struct stat st;
    *s = (struct cas_store){.fd = -1};
    if (!file_make_dirs(dir, 0755, err))
        return err_wrap(err, "cannot open the artifact store");
    s->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->fd < 0 || fstat(s->fd, &st) < 0) {
        (void)err_sys(err, errno, "cannot open the artifact store %s", dir);
        cas_store_done(s);
        return false;
    }
    s->dev = st.st_dev;
    return true;
}

void cas_store_done(struct cas_store *s)
{
    mem_close_fd(&s->fd);
    s->fd = -1;
}

/* Reads it all. */
static bool is_right(const struct cas_store *s, const object_name name, const char *digest)
{
    char found[DIGEST_TEXT];
    AUTO_CLOSE int fd = openat(s->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 && digest_file_asking(fd, s->ask, found, NULL, NULL) &&
           strcmp(found, digest) == 0;
}

/* Where the object already stands. Other bytes under its name are damage: then the name is to be
 * replaced (`*ret_damaged`). They are read, since an edit may leave the size as it was, and whoever
 * stores the right bytes again heals it. */
static bool has_object(const struct cas_store *s, const object_name name, const char *digest,
                       int64_t size, bool *ret_damaged)
{
    struct stat st;
    *ret_damaged = false;
    if (fstatat(s->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    *ret_damaged = !S_ISREG(st.st_mode) || st.st_size != size || !is_right(s, name, digest);
    return !*ret_damaged;
}

static bool make_slot(struct cas_store *s, const char *digest, struct err *err)
{
    const char folder[] = {digest[0], digest[1], '\0'};
    if (mkdirat(s->fd, folder, 0755) < 0)
        return errno == EEXIST || err_sys(err, errno, "cannot make a folder in the artifact store");
    s->new_slots = true;
    return true;
}

static bool make_temporary_name(char ret[TEMPORARY_SIZE], struct err *err)
{
    uint64_t number;
    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        return err_sys(err, errno, "cannot get random bytes");
    (void)snprintf(ret, TEMPORARY_SIZE, TEMPORARY_PREFIX "%016llx", (unsigned long long)number);
    return true;
}

/* Gives a finished temporary file the name of the object. */
static bool rename_object(struct cas_store *s, const char *temporary, const char *digest,
                          struct err *err)
{
    object_name name;
    name_object(name, digest);
    if (!make_slot(s, digest, err))
        return false;
    if (renameat(s->fd, temporary, s->fd, name) < 0)
        return err_sys(err, errno, "cannot name an object in the artifact store");
    s->unsynced[slot_of(digest)] = true;
    return true;
}

static bool finish_temporary(int fd, struct err *err)
{
    if (fchmod(fd, OBJECT_MODE) < 0)
        return err_sys(err, errno, "cannot make an object read-only");
    if (fsync(fd) < 0)
        return err_sys(err, errno, "cannot sync an object");
    return true;
}

static bool copy_digesting(int from, int to, const struct digest_ask *ask,
                           char ret_digest[DIGEST_TEXT], struct err *err)
{
    unsigned char chunk[CHUNK];
    struct digest d;
    off_t at = 0;
    digest_init(&d);
    for (;;) {
        ssize_t got = pread(from, chunk, sizeof(chunk), at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_sys(err, errno, "cannot read");
        if (got == 0)
            break;
        digest_add(&d, chunk, (size_t)got);
        if (!file_write_all(to, chunk, (size_t)got, err))
            return err_wrap(err, "artifact store");
        at += got;
        if (at % DIGEST_ASK_BYTES < got && !digest_may_go_on(ask, err))
            return false;
    }
    digest_end(&d, ret_digest);
    return true;
}

/* Writes a temporary file by copying `from`, or from memory where that is -1, and renames it. */
static bool store_copy(struct cas_store *s, int from, const void *data, size_t len,
                       const char *digest, struct err *err)
{
    char temporary[TEMPORARY_SIZE], copied[DIGEST_TEXT];
    if (!make_temporary_name(temporary, err))
        return false;
    AUTO_CLOSE int fd = openat(s->fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(err, errno, "cannot write to the artifact store");
    (void)!file_lock(fd, NULL); /* says that it is not abandoned: cas_sweep() */
    bool ok;
    if (from < 0)
        ok = file_write_all(fd, data, len, err) || err_wrap(err, "artifact store");
    else
        ok = copy_digesting(from, fd, s->ask, copied, err);
    if (ok && from >= 0 && strcmp(copied, digest) != 0)
        ok = err_set(err, ERR_INVALID, "it changed while it was being stored");
    ok = ok && finish_temporary(fd, err) && rename_object(s, temporary, digest, err);
    if (!ok)
        (void)unlinkat(s->fd, temporary, 0);
    return ok;
}

enum linked { LINK_DONE, LINK_IMPOSSIBLE, LINK_FAILED };

/* Links the inode behind `fd`, not a name that could have changed hands. */
static enum linked link_object(struct cas_store *s, int fd, const char *digest, bool damaged,
                               struct err *err)
{
    char proc[PROC_PATH_SIZE], temporary[TEMPORARY_SIZE];
    object_name name;
    name_object(name, digest);
    (void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
    if (!make_slot(s, digest, err) || !make_temporary_name(temporary, err))
        return LINK_FAILED;
    if (linkat(AT_FDCWD, proc, s->fd, damaged ? temporary : name, AT_SYMLINK_FOLLOW) < 0) {
        static const int impossible[] = {EXDEV, EPERM, EMLINK, ENOENT, EACCES, ENOTSUP};
        for (size_t i = 0; i < COUNT_OF(impossible); i++) {
            if (errno == impossible[i])
                return LINK_IMPOSSIBLE;
        }
        if (errno != EEXIST) { /* EEXIST: another put of the same bytes was faster */
            (void)err_sys(err, errno, "cannot name an object in the artifact store");
            return LINK_FAILED;
        }
    }
    if (damaged && !rename_object(s, temporary, digest, err)) {
        (void)unlinkat(s->fd, temporary, 0);
        return LINK_FAILED;
    }
    s->unsynced[slot_of(digest)] = true;
    return LINK_DONE;
}

/* Whether nobody else has a name for the file, and it could be made ours and read-only. */
static bool make_ours(const struct stat *st, int fd, bool executable)
{
    if (st->st_nlink != 1)
        return false;
    if (st->st_uid != geteuid() && fchown(fd, geteuid(), getegid()) < 0)
        return false;
    return fchmod(fd, executable ? PROGRAM_MODE : OBJECT_MODE) == 0;
}

/* Opens for reading exactly what `fd` shows (it may be O_PATH). An owner may have taken himself
 * the right to read. */
static int reopen(int fd)
{
    char proc[PROC_PATH_SIZE];
    (void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
    int opened = open(proc, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (opened < 0 && errno == EACCES && chmod(proc, OBJECT_MODE) == 0)
        opened = open(proc, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    return opened;
}

/* It may become the object itself where it is ours and lies on the store's file system. Executables
 * are copied, since their mode is part of a folder's digest and a link would take it from the
 * original. */
static bool store_open_file(struct cas_store *s, int fd, const struct stat *st,
                            struct cas_source *from, char digest[DIGEST_TEXT], int64_t *ret_size,
                            struct err *err)
{
    object_name name;
    bool damaged;
    from->executable = (st->st_mode & S_IXUSR) != 0;
    from->foreign = !make_ours(st, fd, from->executable);
    bool linkable = !from->foreign && !from->executable && st->st_dev == s->dev;
    if (linkable && fsync(fd) < 0)
        return err_sys(err, errno, "cannot sync it");
    if (!digest_file_asking(fd, s->ask, digest, ret_size, err))
        return false;
    name_object(name, digest);
    if (has_object(s, name, digest, *ret_size, &damaged)) {
        s->unsynced[slot_of(digest)] = true; /* who named it may not have synced the name yet */
        return true;
    }
    if (linkable) {
        enum linked linked = link_object(s, fd, digest, damaged, err);
        if (linked != LINK_IMPOSSIBLE)
            return linked == LINK_DONE;
    }
    return store_copy(s, fd, NULL, 0, digest, err);
}

bool cas_store_file(struct cas_store *s, struct cas_source *from, char ret_digest[DIGEST_TEXT],
                    int64_t *ret_size, struct err *err)
{
    struct stat st, after;
    char digest[DIGEST_TEXT];
    int64_t size = 0;
    if (!digest_may_go_on(s->ask, err))
        return err_wrap(err, "cannot store '%s'", from->name);
    AUTO_CLOSE int fd = reopen(from->fd);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(err, errno, "cannot read '%s'", from->name);
    if (!store_open_file(s, fd, &st, from, digest, &size, err))
        return err_wrap(err, "cannot store '%s'", from->name);
    if (fstat(fd, &after) < 0 || after.st_size != size ||
        after.st_mtim.tv_sec != st.st_mtim.tv_sec || after.st_mtim.tv_nsec != st.st_mtim.tv_nsec)
        return err_set(err, ERR_INVALID, "'%s' changed while it was being stored", from->name);
    memcpy(ret_digest, digest, sizeof(digest));
    *ret_size = size;
    return true;
}

/* Writes the bytes of an object as a new file. */
static bool copy_object(const struct cas_store *s, const object_name object, int parent,
                        const char *name, mode_t mode, struct err *err)
{
    char digest[DIGEST_TEXT];
    AUTO_CLOSE int from = openat(s->fd, object, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0)
        return err_sys(err, errno, "cannot open an object of the artifact store");
    AUTO_CLOSE int to = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0)
        return err_sys(err, errno, "cannot make a copy");
    if (!copy_digesting(from, to, s->ask, digest, err))
        return false;
    if (fchmod(to, mode) < 0 || fsync(to) < 0)
        return err_sys(err, errno, "cannot finish a copy");
    return true;
}

static bool is_object(const struct cas_store *s, const object_name object, int parent,
                      const char *name)
{
    struct stat a, b;
    return fstatat(s->fd, object, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(parent, name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* By a link where that may be: a program needs a mode of its own. */
static bool replace_name(struct cas_store *s, int parent, const char *name,
                         const object_name object, bool executable, struct err *err)
{
    char temporary[TEMPORARY_SIZE];
    if (!make_temporary_name(temporary, err))
        return false;
    bool ok =
        (!executable && linkat(s->fd, object, parent, temporary, 0) == 0) ||
        copy_object(s, object, parent, temporary, executable ? PROGRAM_MODE : OBJECT_MODE, err);
    if (ok && renameat(parent, temporary, parent, name) < 0)
        ok = err_sys(err, errno, "cannot give it its name");
    if (!ok)
        (void)unlinkat(parent, temporary, 0);
    else if (fsync(parent) < 0 && errno != EINVAL)
        ok = err_sys(err, errno, "cannot sync its folder");
    return ok;
}

bool cas_store_own(struct cas_store *s, int parent, const char *name, const char *digest,
                   bool executable, struct err *err)
{
    object_name object;
    struct stat st;
    struct err why = ERR_INIT;
    name_object(object, digest);
    if (!executable && is_object(s, object, parent, name))
        return true;
    if (fstat(parent, &st) < 0)
        return err_sys(err, errno, "cannot look at the folder of '%s'", name);
    bool locked = (st.st_mode & S_IRWXU) != S_IRWXU && fchmod(parent, 0700) == 0;
    bool ok = replace_name(s, parent, name, object, executable, &why);
    if (locked)
        (void)fchmod(parent, st.st_mode & 07777);
    if (ok || why.code == ERR_DENIED) /* in another user's folder nobody here can do better */
        return true;
    if (err)
        *err = why;
    return err_wrap(err, "cannot make '%s' read-only", name);
}

bool cas_store_bytes(struct cas_store *s, const void *data, size_t len,
                     char ret_digest[DIGEST_TEXT], struct err *err)
{
    char digest[DIGEST_TEXT];
    object_name name;
    bool damaged;
    digest_bytes(data, len, digest);
    name_object(name, digest);
    if (has_object(s, name, digest, (int64_t)len, &damaged))
        s->unsynced[slot_of(digest)] = true;
    else if (!store_copy(s, -1, data, len, digest, err))
        return false;
    memcpy(ret_digest, digest, sizeof(digest));
    return true;
}

static bool sync_folder(int fd, struct err *err)
{
    if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL)) /* EINVAL: it has nothing to sync */
        return err_sys(err, errno, "cannot sync the artifact store");
    return true;
}

bool cas_store_sync(struct cas_store *s, struct err *err)
{
    for (unsigned i = 0; i < COUNT_OF(s->unsynced); i++) {
        char folder[3];
        if (!s->unsynced[i])
            continue;
        (void)snprintf(folder, sizeof(folder), "%02x", i & 0xFF);
        AUTO_CLOSE int fd = openat(s->fd, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (!sync_folder(fd, err))
            return false;
        s->unsynced[i] = false;
    }
    if (s->new_slots && !sync_folder(s->fd, err))
        return false;
    s->new_slots = false;
    return true;
}

/* ---- what killed puts have left */

static bool is_abandoned(int store, const char *name)
{
    struct stat st;
    AUTO_CLOSE int fd = openat(store, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
           time(NULL) - st.st_mtim.tv_sec >= ABANDONED_S && file_lock(fd, NULL);
}

void cas_sweep(const char *store_dir)
{
    DIR *dir = opendir(store_dir);
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (strncmp(entry->d_name, TEMPORARY_PREFIX, strlen(TEMPORARY_PREFIX)) == 0 &&
            is_abandoned(dirfd(dir), entry->d_name))
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    (void)closedir(dir);
}
