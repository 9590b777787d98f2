/*
 * store.c - the order in which results become durable, and so what is true after a kill -9 or a
 * power failure at any point:
 *
 *   objects (complete and synced before they get a name) ─▶ output, metrics synced ─▶ files written
 *   and synced ─▶ the folder's own names synced ─▶ only then the end is written
 *
 * Before the end is written the attempt counts as lost, whatever is there already.
 */
#include "executor/step/store.h"

#include "base/cas.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mask.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct results {
    int dir; /* of the attempt */
    const struct step_spec *spec;
    const struct digest_ask *ask;
    struct capture *log;
    bool strict; /* an artifact that cannot be stored is an error */
    struct step_files files;
    char **folders; /* in artifacts/, still to be read; relative paths, owned */
    size_t folder_count, folder_cap;
    size_t seen;
};

static void say(struct results *r, const char *text, const char *path, const char *why)
{
    capture_say(r->log, clock_wall_ms(clock_system()), "%s: %s%s", path, text, why);
}

static void add_file(struct results *r, bool artifact, const char *name, char *path_owned,
                     const struct cas_object *object)
{
    struct step_file *file = step_files_add(&r->files);
    file->artifact = artifact;
    file->name = mem_strdup(name);
    file->path = path_owned;
    memcpy(file->digest, object->digest, sizeof(file->digest));
    file->size = object->size;
    file->files = object->files;
    file->folder = object->folder;
}

/* ---- declared outputs
 * ----------------------------------------------------------------------------- */

static bool store_output(struct results *r, int out, const struct step_want *want, struct err *err)
{
    struct cas_object object;
    struct stat st;
    if (fstatat(out, want->path, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
        (errno == ENOENT || errno == ENOTDIR)) {
        return want->optional ||
               err_set(err, ERR_NOT_FOUND, "output '%s' was not written: expected $ORCH_OUT/%s",
                       want->name, want->path);
    }
    if (!cas_put_asking(r->spec->store, out, want->path, r->ask, &object, err)) {
        return err_wrap(err, "output '%s'", want->name);
    }
    add_file(r, false, want->name, mem_printf("out/%s", want->path), &object);
    return true;
}

static bool store_outputs(struct results *r, struct err *err)
{
    if (r->spec->output_count == 0) {
        return true;
    }
    AUTO_CLOSE int out = openat(r->dir, "out", FOLDER_FLAGS);
    if (out < 0) {
        return err_sys(err, errno, "the folder ORCH_OUT cannot be opened any more");
    }
    for (size_t i = 0; i < r->spec->output_count; i++) {
        if (!store_output(r, out, &r->spec->outputs[i], err)) {
            return false;
        }
    }
    return true;
}

/* ---- artifacts
 * ------------------------------------------------------------------------------------ */

static void push_folder(struct results *r, char *path_owned)
{
    if (r->folder_count == r->folder_cap) {
        r->folder_cap = r->folder_cap == 0 ? 16 : r->folder_cap * 2;
        r->folders = mem_grow(r->folders, r->folder_cap, sizeof(*r->folders));
    }
    r->folders[r->folder_count++] = path_owned;
}

/* One name in the open folder `fd`; `path` is relative to artifacts/. */
static bool store_artifact(struct results *r, int fd, const char *name, const char *path,
                           struct err *err)
{
    struct cas_object object;
    struct err why = ERR_INIT;
    struct stat st;
    if (++r->seen > LIMIT_ARTIFACTS) {
        return err_set(err, ERR_LIMIT, "more than %d files in $ORCH_ARTIFACTS: pack them into one",
                       LIMIT_ARTIFACTS);
    }
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        return err_sys(err, errno, "artifact '%s'", path);
    }
    if (S_ISDIR(st.st_mode)) {
        push_folder(r, mem_strdup(path));
        return true;
    }
    if (!S_ISREG(st.st_mode)) {
        say(r, "not kept as an artifact: it is ", path,
            S_ISLNK(st.st_mode) ? "a symbolic link" : "a device, pipe or socket");
        return true;
    }
    if (cas_put_asking(r->spec->store, fd, name, r->ask, &object, &why)) {
        add_file(r, true, path, mem_printf("artifacts/%s", path), &object);
        return true;
    }
    if (r->strict || !digest_may_go_on(r->ask, NULL)) {
        *err = why;
        return err_wrap(err, "artifact '%s'", path);
    }
    say(r, "not kept as an artifact: ", path, why.msg);
    return true;
}

static bool store_name(struct results *r, int fd, const char *prefix, const char *name,
                       struct err *err)
{
    AUTO_FREE char *path = mem_printf("%s%s%s", prefix, prefix[0] != '\0' ? "/" : "", name);
    return strlen(path) < PATH_MAX
               ? store_artifact(r, fd, name, path, err)
               : err_set(err, ERR_LIMIT, "artifact '%.100s...': its path is longer than %d bytes",
                         path, PATH_MAX);
}

/* All names are read before the first is stored: storing may give a name to another file, and a
 * folder that changes while it is read may show a name twice. */
static bool store_folder(struct results *r, int fd, const char *prefix, struct err *err)
{
    AUTO_BUF struct buf names = BUF_INIT((size_t)LIMIT_ARTIFACTS * (NAME_MAX + 1));
    DIR *dir = fdopendir(fd); /* takes fd */
    if (dir == NULL) {
        close(fd);
        return err_sys(err, errno, "artifacts");
    }
    for (struct dirent *entry; !names.full && (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)buf_add(&names, entry->d_name, strlen(entry->d_name) + 1);
        }
    }
    bool ok = true;
    for (size_t at = 0; ok && at < names.len; at += strlen(names.data + at) + 1) {
        ok = store_name(r, fd, prefix, names.data + at, err);
    }
    closedir(dir);
    return ok;
}

/* The case of every no-op step, so without a buffer from the heap: nothing but the two dots. */
static bool is_empty_folder(int fd)
{
    _Alignas(struct dirent64) char entries[512];
    int count = 0;
    for (ssize_t got; (got = getdents64(fd, entries, sizeof(entries))) > 0;) {
        for (ssize_t at = 0; at < got; count++) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(entries + at);
            at += entry->d_reclen;
        }
        if (count > 2) {
            break;
        }
    }
    return count <= 2 || lseek(fd, 0, SEEK_SET) < 0;
}

static int by_name(const void *left, const void *right)
{
    const struct step_file *a = left, *b = right;
    return strcmp(a->name, b->name);
}

static bool store_artifacts(struct results *r, struct err *err)
{
    int top = openat(r->dir, "artifacts", FOLDER_FLAGS);
    if (top < 0) {
        return errno == ENOENT || err_sys(err, errno, "the folder ORCH_ARTIFACTS");
    }
    if (is_empty_folder(top)) {
        close(top);
        return true;
    }
    size_t outputs = r->files.count;
    bool ok = store_folder(r, top, "", err);
    while (ok && r->folder_count > 0) {
        AUTO_FREE char *path = r->folders[--r->folder_count];
        AUTO_FREE char *below = mem_printf("artifacts/%s", path);
        int fd = openat(r->dir, below, FOLDER_FLAGS);
        ok = fd >= 0 ? store_folder(r, fd, path, err) : err_sys(err, errno, "%s", below);
    }
    if (r->files.count > outputs) {
        qsort(r->files.items + outputs, r->files.count - outputs, sizeof(*r->files.items), by_name);
    }
    return ok;
}

/* ---- the folder itself
 * ---------------------------------------------------------------------------- */

/* Whether the file is there and not empty; then it has been synced. What is no regular file is left
 * for the reader to complain about. */
static bool sync_file(int dir, const char *name, bool *ret_there, struct err *err)
{
    struct stat st;
    AUTO_CLOSE int fd =
        openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    *ret_there = fd >= 0 || errno != ENOENT;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        return true;
    }
    *ret_there = st.st_size > 0;
    return st.st_size == 0 || fsync(fd) == 0 || err_sys(err, errno, "cannot sync %s", name);
}

static bool write_files(struct results *r, struct step_end *end, struct err *err)
{
    AUTO_BUF struct buf list = BUF_INIT(STEP_FILES_BYTES);
    if (r->files.count == 0) {
        return true;
    }
    step_files_encode(&r->files, &list);
    if (list.full) {
        return err_set(err, ERR_LIMIT, "the list of stored files is larger than %d bytes",
                       STEP_FILES_BYTES);
    }
    AUTO_CLOSE int fd = openat(r->dir, "files", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        return err_sys(err, errno, "cannot write the list of stored files");
    }
    if (!file_write_all(fd, list.data, list.len, err) ||
        (fsync(fd) < 0 && !err_sys(err, errno, "cannot sync it"))) {
        (void)unlinkat(r->dir, "files", 0);
        return err_wrap(err, "the list of stored files");
    }
    end->has_files = true;
    return true;
}

/* The names of what was synced, and the folder's own name. */
static bool sync_names(int dir, struct err *err)
{
    AUTO_CLOSE int self = openat(dir, ".", FOLDER_FLAGS), parent = openat(dir, "..", FOLDER_FLAGS);
    if (self < 0 || parent < 0 || (fsync(self) < 0 && errno != EINVAL) ||
        (fsync(parent) < 0 && errno != EINVAL)) {
        return err_sys(err, errno, "cannot sync the attempt's folder");
    }
    return true;
}

bool store_results(int dir, const struct step_spec *spec, bool outputs,
                   const struct digest_ask *ask, struct capture *log, struct step_end *end,
                   struct err *err)
{
    struct results r = {.dir = dir, .spec = spec, .ask = ask, .log = log, .strict = outputs};
    struct err why = ERR_INIT;
    bool ok = (!outputs || store_outputs(&r, &why)) && store_artifacts(&r, &why);
    if (!ok && !r.strict) {
        say(&r, "artifacts are not complete: ", "artifacts", why.msg);
        ok = true;
    }
    /* What was stored before a failure is listed too: it is there. */
    ok = sync_file(dir, "output", &end->has_output, ok ? &why : NULL) && ok;
    ok = sync_file(dir, "metrics", &end->has_metrics, ok ? &why : NULL) && ok;
    ok = write_files(&r, end, ok ? &why : NULL) && ok;
    if (end->has_output || end->has_metrics || end->has_files) {
        ok = sync_names(dir, ok ? &why : NULL) && ok;
    }
    for (size_t i = 0; i < r.folder_count; i++) {
        free(r.folders[i]);
    }
    free(r.folders);
    step_files_done(&r.files);
    if (!ok && err != NULL) { /* it quotes names that the command chose */
        mask_hide(log->secrets, why.msg, sizeof(why.msg));
        *err = why;
    }
    return ok;
}
