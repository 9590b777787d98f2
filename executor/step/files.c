/*
 * files.c - the list of what was stored, as it lies in the attempt's `files`.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "base/wire.h"
#include "executor/step/step.h"

#include <stdlib.h>
#include <string.h>

enum { TAG_FILE = 1 };
enum {
    FILE_ARTIFACT = 1,
    FILE_NAME = 2,
    FILE_PATH = 3,
    FILE_DIGEST = 4,
    FILE_SIZE = 5,
    FILE_COUNT = 6,
    FILE_FOLDER = 7,
};

static void file_done(struct step_file *file)
{
    free(file->name);
    free(file->path);
}

void step_files_done(struct step_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        file_done(&files->items[i]);
    }
    free(files->items);
    *files = (struct step_files){0};
}

void step_files_encode(const struct step_files *files, struct buf *ret)
{
    AUTO_BUF struct buf inner = BUF_INIT(ret->max);
    for (size_t i = 0; i < files->count; i++) {
        const struct step_file *file = &files->items[i];
        buf_clear(&inner);
        wire_put_int(&inner, FILE_ARTIFACT, file->artifact);
        wire_put_text(&inner, FILE_NAME, file->name);
        wire_put_text(&inner, FILE_PATH, file->path);
        wire_put_text(&inner, FILE_DIGEST, file->digest);
        wire_put_int(&inner, FILE_SIZE, file->size);
        wire_put_int(&inner, FILE_COUNT, file->files);
        wire_put_int(&inner, FILE_FOLDER, file->folder);
        wire_put_bytes(ret, TAG_FILE, buf_str(&inner), inner.len);
        ret->full = ret->full || inner.full;
    }
}

static bool is_digest(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f'))) {
            return false;
        }
    }
    return len == DIGEST_TEXT - 1;
}

static void read_text(struct wire *w, char **member)
{
    char *text;
    if (wire_text(w, &text)) {
        free(*member);
        *member = text;
    }
}

static void read_digest(struct wire *w, struct step_file *file)
{
    if (is_digest((const char *)w->data, w->len)) {
        memcpy(file->digest, w->data, w->len);
        file->digest[w->len] = '\0';
    } else {
        w->bad = true;
    }
}

static void read_flag(struct wire *w, bool *member)
{
    int64_t value;
    if (wire_int(w, &value)) {
        *member = value != 0;
    }
}

static bool read_file(struct wire *w, struct step_file *file)
{
    while (wire_next(w)) {
        /* clang-format off */
        switch (w->tag) {
        case FILE_ARTIFACT: read_flag(w, &file->artifact); break;
        case FILE_NAME:     read_text(w, &file->name); break;
        case FILE_PATH:     read_text(w, &file->path); break;
        case FILE_DIGEST:   read_digest(w, file); break;
        case FILE_SIZE:     (void)wire_int(w, &file->size); break;
        case FILE_COUNT:    (void)wire_int(w, &file->files); break;
        case FILE_FOLDER:   read_flag(w, &file->folder); break;
        default:            break;
        }
        /* clang-format on */
    }
    return !w->bad && file->name != NULL && file->path != NULL && file->digest[0] != '\0' &&
           file->size >= 0 && file->files >= 0;
}

struct step_file *step_files_add(struct step_files *files)
{
    /* Room doubles at powers of two, so no capacity needs to be kept. */
    if ((files->count & (files->count - 1)) == 0) {
        size_t room = files->count == 0 ? 1 : files->count * 2;
        files->items = mem_grow(files->items, room, sizeof(*files->items));
    }
    files->items[files->count] = (struct step_file){0};
    return &files->items[files->count++];
}

bool step_files_decode(const void *data, size_t len, struct step_files *ret, struct err *err)
{
    struct step_files files = {0};
    struct wire w, inner;
    bool ok = true;
    wire_read(&w, data, len);
    while (ok && wire_next(&w)) {
        if (w.tag == TAG_FILE) {
            ok = wire_sub(&w, &inner) && read_file(&inner, step_files_add(&files));
        }
    }
    if (!ok || w.bad) {
        step_files_done(&files);
        return err_set(err, ERR_CORRUPT, "the list of stored files is damaged");
    }
    *ret = files;
    return true;
}
