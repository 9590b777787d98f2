/*
 * cas_restore.c - from objects back to a file or a folder.
 *
 *   read the manifest, if it is one -> check every object -> build beside the place -> compare
 *   digests -> remove what stands there -> rename
 */
#include "base/cas.h"
#include "base/cas_store.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST_MAX (1L << 30)
#define HEAD (DIGEST_TEXT + 2) /* "<digest> <mode> " */
#define CHUNK (64 << 10)

struct line {
    char digest[DIGEST_TEXT];
    bool executable;
    int64_t size;
    char *path; /* owned; relative, unescaped */
};

struct manifest {
    struct line *lines;
    size_t count, cap;
};

static void manifest_done(struct manifest *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->lines[i].path);
    free(m->lines);
    *m = (struct manifest){0};
}

/* ---- reading a manifest: false, without an error, where it is none */

static bool is_head(const char *text, size_t len)
{
    return len > HEAD && strspn(text, "0123456789abcdef") == DIGEST_TEXT - 1 &&
           text[DIGEST_TEXT - 1] == ' ' && strchr("-x", text[DIGEST_TEXT]) &&
           text[DIGEST_TEXT + 1] == ' ';
}

static char *unescape(const char *text, size_t len)
{
    char *out = mem_alloc(len + 1), *to = out;
    for (size_t i = 0; i < len; i++) {
        char digits[3] = {0};
        if (text[i] == '%' && i + 2 < len) {
            memcpy(digits, text + i + 1, 2);
            *to++ = (char)strtol(digits, NULL, 16);
            i += 2;
        } else {
            *to++ = text[i];
        }
    }
    *to = '\0';
    return out;
}

static bool stays_below(const char *path)
{
    bool ok = *path && *path != '/';
    for (const char *at = path; ok && *at;) {
        size_t len = strcspn(at, "/");
        ok = len > 0 && !(len == 1 && at[0] == '.') && !(len == 2 && at[0] == '.' && at[1] == '.');
        at += len + (at[len] == '/');
    }
    return ok;
}

static bool read_line(const char *text, size_t len, struct line *ret)
{
    char *end;
    if (!is_head(text, len))
        return false;
    errno = 0;
    ret->size = strtoll(text + HEAD, &end, 10);
    if (errno || ret->size < 0 || *end != ' ' || end + 1 >= text + len)
        return false;
    memcpy(ret->digest, text, DIGEST_TEXT - 1);
    ret->digest[DIGEST_TEXT - 1] = '\0';
    ret->executable = text[DIGEST_TEXT] == 'x';
    ret->path = unescape(end + 1, (size_t)(text + len - end - 1));
    if (stays_below(ret->path))
        return true;
    free(ret->path);
    return false;
}

static bool read_lines(const struct buf *text, struct manifest *m)
{
    const char *at = buf_str(text), *end = at + text->len;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        struct line line;
        if (!newline || !read_line(at, (size_t)(newline - at), &line))
            return false;
        if (m->count == m->cap) {
            m->cap = m->cap ? m->cap * 2 : 16;
            m->lines = mem_grow(m->lines, m->cap, sizeof(m->lines[0]));
        }
        m->lines[m->count++] = line;
        at = newline + 1;
    }
    return true;
}

/* An object does not say whether it is a folder's manifest. It is one where it reads like one whose
 * files have `size` bytes together; no file that somebody means has its own size in it like that.
 */
static bool read_manifest(int fd, int64_t size, struct manifest *m)
{
    char head[HEAD + 2] = "";
    AUTO_BUF struct buf text = BUF_INIT(MANIFEST_MAX);
    ssize_t got = pread(fd, head, HEAD + 1, 0);
    if (got == 0)
        return false; /* an empty file; an empty folder is told apart by what was there */
    char chunk[CHUNK];
    bool ok = got > 0 && is_head(head, (size_t)got);
    for (off_t at = 0; ok && (got = pread(fd, chunk, sizeof(chunk), at)) != 0; at += got)
        ok = got > 0 && buf_add(&text, chunk, (size_t)got);
    ok = ok && !memchr(buf_str(&text), '\0', text.len) && read_lines(&text, m);
    int64_t sum = 0;
    for (size_t i = 0; ok && i < m->count; i++)
        ok = !__builtin_add_overflow(sum, m->lines[i].size, &sum);
    if (ok && sum == size)
        return true;
    manifest_done(m);
    return false;
}

/* ---- building */

static bool copy_to(int from, const char *path, mode_t mode, struct err *err)
{
    char chunk[CHUNK];
    AUTO_CLOSE int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0)
        return err_sys(err, errno, "cannot make %s", path);
    for (off_t at = 0;;) {
        ssize_t got = pread(from, chunk, sizeof(chunk), at);
        if (got < 0)
            return err_sys(err, errno, "cannot read an object");
        if (got == 0)
            break;
        if (!file_write_all(to, chunk, (size_t)got, err))
            return err_wrap(err, "%s", path);
        at += got;
    }
    if (fchmod(to, mode) < 0 || fsync(to) < 0)
        return err_sys(err, errno, "cannot finish %s", path);
    return true;
}

/* A link where that may be, as a put makes one: what is executable has a mode of its own. */
static bool place_file(const char *store, const char *digest, bool executable, const char *path,
                       struct err *err)
{
    AUTO_FREE char *object = cas_path(store, digest);
    if (!executable && chmod(object, 0444) == 0 && link(object, path) == 0)
        return true;
    AUTO_CLOSE int fd = cas_open(store, digest, err);
    return fd >= 0 && copy_to(fd, path, executable ? 0555 : 0444, err);
}

static bool make_parent(const char *path, struct err *err)
{
    AUTO_FREE char *parent = mem_strdup(path);
    *strrchr(parent, '/') = '\0';
    return file_make_dirs(*parent ? parent : "/", 0755, err);
}

static bool place_folder(const char *store, const struct manifest *m, const char *path,
                         struct err *err)
{
    bool ok = file_make_dirs(path, 0755, err);
    for (size_t i = 0; ok && i < m->count; i++) {
        AUTO_FREE char *file = mem_printf("%s/%s", path, m->lines[i].path);
        ok = make_parent(file, err) &&
             place_file(store, m->lines[i].digest, m->lines[i].executable, file, err);
    }
    return ok;
}

/* Gives what has been built its place. */
static bool move_in(const char *built, const char *path, const char *digest, struct err *err)
{
    struct cas_object object;
    AUTO_FREE char *parent = mem_strdup(path);
    *strrchr(parent, '/') = '\0';
    if (!cas_look(built, NULL, true, &object, err))
        return false;
    if (strcmp(object.digest, digest) != 0)
        return err_set(err, ERR_CORRUPT, "what was restored has the digest %s instead of %s",
                       object.digest, digest);
    /* A folder that may not be written cannot be renamed: its ".." would change. */
    if (object.folder)
        (void)chmod(built, 0755);
    if (!file_remove_tree(path, err))
        return false;
    if (rename(built, path) < 0)
        return err_sys(err, errno, "cannot put it at %s", path);
    if (object.folder)
        (void)chmod(path, 0555);
    return file_sync_dir(*parent ? parent : "/", err);
}

static bool check_objects(const char *store, const struct manifest *m, struct err *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < m->count; i++) {
        AUTO_CLOSE int fd = cas_open(store, m->lines[i].digest, err);
        ok = fd >= 0 || err_wrap(err, "%s", m->lines[i].path);
    }
    return ok;
}

bool cas_restore(const char *store_dir, const char *digest, int64_t size, const char *path,
                 struct err *err)
{
    struct manifest m = {0};
    struct stat st;
    AUTO_CLOSE int fd = cas_open(store_dir, digest, err);
    if (fd < 0)
        return false;
    bool exists = path && lstat(path, &st) == 0;
    bool folder = read_manifest(fd, size, &m) || (size == 0 && exists && S_ISDIR(st.st_mode));
    bool ok = check_objects(store_dir, &m, err);
    if (ok && path) {
        AUTO_FREE char *built = mem_printf("%s.restored-%d", path, (int)getpid());
        bool executable = exists && S_ISREG(st.st_mode) && (st.st_mode & S_IXUSR) != 0;
        ok = make_parent(path, err) && file_remove_tree(built, err) &&
             (folder ? place_folder(store_dir, &m, built, err)
                     : place_file(store_dir, digest, executable, built, err)) &&
             move_in(built, path, digest, err);
        if (!ok && !file_remove_tree(built, NULL))
            ok = false;
    }
    manifest_done(&m);
    return ok;
}
