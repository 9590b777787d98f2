/*
 * cas.c - from a name in a folder to objects: the way to it without following a link, the walk
 * through a folder with an explicit stack, its manifest; and opening an object again.
 *
 *   cas_put -> descend (component by component) -> put_file
 *                                               -> put_folder -> walk -> put_entry ... -> manifest
 */
#include "base/cas.h"

#include "base/cas_store.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 64
#define PATH_BYTES_MAX (64L << 10)
#define MANIFEST_MAX (1L << 30)
#define FOLDER_MODE 0555
#define OPEN_PATH (O_PATH | O_NOFOLLOW | O_CLOEXEC)

struct file_entry {
    char *path; /* owned; below the folder that is put */
    char digest[DIGEST_TEXT];
    int64_t size;
    bool executable;
};

/* A file that others have names for, in a folder that is still being read. */
struct foreign {
    size_t depth; /* of its folder */
    char *name;   /* owned; in its folder */
    char digest[DIGEST_TEXT];
    bool executable;
};

struct walk {
    struct cas_store *store; /* NULL: nothing is stored or changed */
    const struct digest_ask *ask;
    bool seal;        /* without a store: folders become read-only, and durable */
    const char *name; /* of the folder, for messages */
    DIR *dirs[DEPTH_MAX];
    size_t path_len[DEPTH_MAX]; /* of the path of each open folder, with its slash */
    size_t depth;
    struct buf path; /* of the entry at hand */
    struct file_entry *files;
    size_t count, cap;
    struct foreign *foreign; /* those of the deepest folder last */
    size_t foreign_count, foreign_cap;
    size_t seen; /* entries of any kind */
    int64_t size;
};

/* ".." and absolute names would leave the folder that the output is promised to lie in. */
static bool check_name(const char *name, struct err *err)
{
    bool inside = *name != '/';
    for (const char *at = name; inside && *at;) {
        size_t len = strcspn(at, "/");
        inside = !(len == 2 && at[0] == '.' && at[1] == '.');
        at += len;
        at += strspn(at, "/");
    }
    if (!inside)
        return err_set(err, ERR_INVALID,
                       "'%s' lies outside the folder: name it relative to the folder, without '..'",
                       name);
    if (!*name)
        return err_set(err, ERR_INVALID, "an output needs a name");
    return true;
}

static bool refuse_kind(mode_t mode, const char *name, struct err *err)
{
    if (S_ISLNK(mode))
        return err_set(err, ERR_INVALID,
                       "'%s' is a symbolic link, which is not followed: put the file itself there",
                       name);
    return err_set(err, ERR_INVALID, "'%s' is a device, pipe or socket: only files are stored",
                   name);
}

/* Opens (O_PATH) what `name` names below `dir_fd`; -1 where a link is on the way. */
static int descend(int dir_fd, const char *name, struct stat *ret_st, struct err *err)
{
    AUTO_CLOSE int fd = openat(dir_fd, ".", OPEN_PATH);
    if (fd < 0 || fstat(fd, ret_st) < 0) {
        (void)err_sys(err, errno, "cannot open the folder of '%s'", name);
        return -1;
    }
    for (const char *at = name + strspn(name, "/"); *at; at += strspn(at, "/")) {
        size_t len = strcspn(at, "/");
        AUTO_FREE char *part = mem_strndup(at, len);
        int next = openat(fd, part, OPEN_PATH);
        at += len;
        if (next < 0 || fstat(next, ret_st) < 0) {
            (void)err_sys(err, errno, "cannot open '%s'", name);
            mem_close_fd(&next);
            return -1;
        }
        mem_close_fd(&fd);
        fd = next;
        if (S_ISLNK(ret_st->st_mode)) {
            AUTO_FREE char *so_far = mem_strndup(name, (size_t)(at - name));
            (void)refuse_kind(ret_st->st_mode, so_far, err);
            return -1;
        }
    }
    int result = fd;
    fd = -1;
    return result;
}

static void walk_done(struct walk *w)
{
    while (w->depth > 0)
        (void)closedir(w->dirs[--w->depth]);
    for (size_t i = 0; i < w->count; i++)
        free(w->files[i].path);
    free(w->files);
    for (size_t i = 0; i < w->foreign_count; i++)
        free(w->foreign[i].name);
    free(w->foreign);
    buf_done(&w->path);
}

static bool open_level(struct walk *w, int path_fd, struct err *err)
{
    if (w->depth == DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "'%s' holds folders deeper than %d levels", w->name,
                       DEPTH_MAX);
    int fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        (void)err_sys(err, errno, "cannot read the folder '%s/%s'", w->name, buf_str(&w->path));
        mem_close_fd(&fd);
        return false;
    }
    w->path_len[w->depth] = w->path.len;
    w->dirs[w->depth++] = dir;
    return true;
}

static void note_foreign(struct walk *w, const struct file_entry *entry)
{
    if (w->foreign_count == w->foreign_cap) {
        w->foreign_cap = w->foreign_cap ? w->foreign_cap * 2 : 16;
        w->foreign = mem_grow(w->foreign, w->foreign_cap, sizeof(w->foreign[0]));
    }
    struct foreign *f = &w->foreign[w->foreign_count++];
    f->depth = w->depth;
    f->name = mem_strdup(entry->path + w->path_len[w->depth - 1]);
    f->executable = entry->executable;
    memcpy(f->digest, entry->digest, sizeof(f->digest));
}

static bool look_at_file(const struct digest_ask *ask, struct cas_source *from,
                         char ret_digest[DIGEST_TEXT], int64_t *ret_size, struct err *err)
{
    struct stat st;
    char proc[40];
    (void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", from->fd);
    AUTO_CLOSE int fd = open(proc, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(err, errno, "cannot read '%s'", from->name);
    from->executable = (st.st_mode & S_IXUSR) != 0;
    return digest_file_asking(fd, ask, ret_digest, ret_size, err) ||
           err_wrap(err, "'%s'", from->name);
}

static bool put_file_entry(struct walk *w, int path_fd, struct err *err)
{
    AUTO_FREE char *name = mem_printf("%s/%s", w->name, buf_str(&w->path));
    struct cas_source source = {.fd = path_fd, .name = name};
    struct file_entry entry = {0};
    if (w->store ? !cas_store_file(w->store, &source, entry.digest, &entry.size, err)
                 : !look_at_file(w->ask, &source, entry.digest, &entry.size, err))
        return false;
    if (__builtin_add_overflow(w->size, entry.size, &w->size)) /* sparse files */
        return err_set(err, ERR_LIMIT, "'%s' is too large", w->name);
    if (w->count == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 16;
        w->files = mem_grow(w->files, w->cap, sizeof(w->files[0]));
    }
    entry.executable = source.executable;
    entry.path = mem_strdup(buf_str(&w->path));
    w->files[w->count++] = entry;
    if (source.foreign)
        note_foreign(w, &entry);
    return true;
}

static bool put_entry(struct walk *w, const char *name, struct err *err)
{
    struct stat st;
    int parent = dirfd(w->dirs[w->depth - 1]);
    if (++w->seen > LIMIT_ARTIFACTS)
        return err_set(err, ERR_LIMIT, "'%s' holds more than %d files: pack them into one", w->name,
                       LIMIT_ARTIFACTS);
    if (!buf_adds(&w->path, name))
        return err_set(err, ERR_LIMIT, "a path in '%s' is longer than %ld bytes", w->name,
                       PATH_BYTES_MAX);
    AUTO_CLOSE int fd = openat(parent, name, OPEN_PATH);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(err, errno, "cannot open '%s/%s'", w->name, buf_str(&w->path));
    if (S_ISDIR(st.st_mode))
        return buf_addc(&w->path, '/') && open_level(w, fd, err);
    if (S_ISREG(st.st_mode))
        return put_file_entry(w, fd, err);
    AUTO_FREE char *full = mem_printf("%s/%s", w->name, buf_str(&w->path));
    return refuse_kind(st.st_mode, full, err);
}

/* All of the deepest folder is stored: what is in it becomes ours, and its names become fixed. That
 * of another user stays as he made it. */
static bool leave_level(struct walk *w, struct err *err)
{
    int folder = dirfd(w->dirs[w->depth - 1]);
    while (w->foreign_count > 0 && w->foreign[w->foreign_count - 1].depth == w->depth) {
        struct foreign *f = &w->foreign[w->foreign_count - 1];
        if (!cas_store_own(w->store, folder, f->name, f->digest, f->executable, err))
            return err_wrap(err, "'%s'", w->name);
        free(f->name);
        w->foreign_count--;
    }
    if (w->store || w->seal)
        (void)fchmod(folder, FOLDER_MODE);
    if (w->seal && fsync(folder) < 0 && errno != EINVAL)
        return err_sys(err, errno, "cannot sync a folder in '%s'", w->name);
    (void)closedir(w->dirs[--w->depth]);
    return true;
}

/* One step: the next entry of the deepest open folder, or back from it. */
static bool walk_step(struct walk *w, struct err *err)
{
    size_t level = w->depth - 1;
    w->path.len = w->path_len[level];
    errno = 0;
    struct dirent *entry = readdir(w->dirs[level]);
    if (entry) {
        bool dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        return dots || put_entry(w, entry->d_name, err);
    }
    if (errno != 0)
        return err_sys(err, errno, "cannot read a folder in '%s'", w->name);
    return leave_level(w, err);
}

static int by_path(const void *left, const void *right)
{
    const struct file_entry *a = left, *b = right;
    return strcmp(a->path, b->path);
}

static bool add_escaped(struct buf *b, const char *path)
{
    static const char special[] = "\n\r%";
    bool ok = true;
    while (ok && *path) {
        size_t plain = strcspn(path, special);
        ok = buf_add(b, path, plain);
        path += plain;
        if (ok && *path)
            ok = buf_addf(b, "%%%02X", (unsigned)(unsigned char)*path++);
    }
    return ok;
}

static bool put_manifest(struct walk *w, char ret_digest[DIGEST_TEXT], struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(MANIFEST_MAX);
    if (w->count > 1)
        qsort(w->files, w->count, sizeof(w->files[0]), by_path);
    bool ok = true;
    for (size_t i = 0; ok && i < w->count; i++) {
        const struct file_entry *file = &w->files[i];
        ok = buf_addf(&text, "%s %c %lld ", file->digest, file->executable ? 'x' : '-',
                      (long long)file->size) &&
             add_escaped(&text, file->path) && buf_addc(&text, '\n');
    }
    if (!ok)
        return err_set(err, ERR_LIMIT, "the manifest of '%s' is larger than %ld bytes", w->name,
                       MANIFEST_MAX);
    if (!w->store)
        digest_bytes(buf_str(&text), text.len, ret_digest);
    else if (!cas_store_bytes(w->store, buf_str(&text), text.len, ret_digest, err))
        return err_wrap(err, "cannot store the manifest of '%s'", w->name);
    return true;
}

static bool walk_folder(struct walk *w, int path_fd, struct cas_object *ret, struct err *err)
{
    w->path = BUF_INIT(PATH_BYTES_MAX);
    bool ok = open_level(w, path_fd, err);
    while (ok && w->depth > 0)
        ok = walk_step(w, err);
    /* The files' names are durable before there is a manifest that tells of them. */
    ok = ok && (!w->store || cas_store_sync(w->store, err)) && put_manifest(w, ret->digest, err);
    ret->size = w->size;
    ret->files = (int64_t)w->count;
    ret->folder = true;
    walk_done(w);
    return ok;
}

bool cas_look(const char *path, const struct digest_ask *ask, bool seal, struct cas_object *ret,
              struct err *err)
{
    struct stat st;
    struct cas_object object = {.files = 1};
    AUTO_CLOSE int fd = open(path, OPEN_PATH);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(err, errno, "cannot open '%s'", path);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return refuse_kind(st.st_mode, path, err);
    struct walk w = {.ask = ask, .name = path, .seal = seal};
    struct cas_source source = {.fd = fd, .name = path};
    bool ok = S_ISDIR(st.st_mode) ? walk_folder(&w, fd, &object, err)
                                  : look_at_file(ask, &source, object.digest, &object.size, err);
    if (ok)
        *ret = object;
    return ok;
}

bool cas_digest(const char *path, const struct digest_ask *ask, struct cas_object *ret,
                struct err *err)
{
    return cas_look(path, ask, false, ret, err);
}

static bool put_file(struct cas_store *store, int dir_fd, int fd, const char *name,
                     struct cas_object *ret, struct err *err)
{
    struct cas_source source = {.fd = fd, .name = name};
    if (!cas_store_file(store, &source, ret->digest, &ret->size, err))
        return false;
    if (!source.foreign)
        return true;
    size_t len = strlen(name);
    while (len > 0 && name[len - 1] != '/') /* a slash at its end names a folder */
        len--;
    struct stat st;
    AUTO_FREE char *above = mem_strndup(name, len);
    AUTO_CLOSE int path_fd = descend(dir_fd, above, &st, err);
    AUTO_CLOSE int parent = path_fd < 0 ? -1 : openat(path_fd, ".", O_RDONLY | O_CLOEXEC);
    if (path_fd >= 0 && parent < 0)
        return err_sys(err, errno, "cannot open the folder of '%s'", name);
    return parent >= 0 &&
           cas_store_own(store, parent, name + len, ret->digest, source.executable, err);
}

bool cas_put(const char *store_dir, int dir_fd, const char *name, struct cas_object *ret,
             struct err *err)
{
    return cas_put_asking(store_dir, dir_fd, name, NULL, ret, err);
}

bool cas_put_asking(const char *store_dir, int dir_fd, const char *name,
                    const struct digest_ask *ask, struct cas_object *ret, struct err *err)
{
    struct stat st;
    struct cas_store store;
    struct cas_object object = {.files = 1};
    if (!check_name(name, err))
        return false;
    AUTO_CLOSE int fd = descend(dir_fd, name, &st, err);
    if (fd < 0)
        return false;
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return refuse_kind(st.st_mode, name, err);
    if (!cas_store_open(&store, store_dir, err))
        return false;
    store.ask = ask;
    struct walk w = {.store = &store, .name = name};
    bool ok = S_ISDIR(st.st_mode) ? walk_folder(&w, fd, &object, err)
                                  : put_file(&store, dir_fd, fd, name, &object, err);
    ok = ok && cas_store_sync(&store, err);
    cas_store_done(&store);
    if (ok)
        *ret = object;
    return ok;
}

static bool is_digest(const char *text)
{
    return strspn(text, "0123456789abcdef") == DIGEST_TEXT - 1 && !text[DIGEST_TEXT - 1];
}

int cas_open(const char *store_dir, const char *digest, struct err *err)
{
    char found[DIGEST_TEXT];
    if (!is_digest(digest)) {
        (void)err_set(err, ERR_INVALID, "'%s' is no digest: 64 digits 0-9 a-f", digest);
        return -1;
    }
    AUTO_FREE char *path = cas_path(store_dir, digest);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) {
        (void)err_set(err, ERR_NOT_FOUND, "the artifact store %s has no object %s", store_dir,
                      digest);
        return -1;
    }
    if (fd < 0) {
        (void)err_sys(err, errno, "cannot open %s", path);
        return -1;
    }
    if (!digest_file(fd, found, NULL, err)) {
        (void)err_wrap(err, "object %s", path);
        return -1;
    }
    if (strcmp(found, digest) != 0) {
        (void)err_set(err, ERR_CORRUPT,
                      "the object %s is damaged: its bytes have the digest %s; restore it from a "
                      "backup or run the step again",
                      path, found);
        return -1;
    }
    int result = fd;
    fd = -1;
    return result;
}

char *cas_path(const char *store_dir, const char *digest)
{
    AUTO_FREE char *absolute = file_absolute(store_dir);
    return mem_printf("%s/%.2s/%s", absolute, digest, digest);
}
