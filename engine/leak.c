/*
 * leak.c - secrets in what a step left. Outputs, metrics and artifacts are refused where one stands
 * in their names or values (finish.c); then what holds it does not stay in the data folder either.
 */
#include "engine/internal.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/mask.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void leak_prepare(struct run *run)
{
    char **values = mem_array(run->secret_count + 1, sizeof(*values));
    for (size_t i = 0; i < run->secret_count; i++) {
        values[i] = mem_strdup(run->secrets[i].value);
    }
    mask_set_free(run->masks);
    run->masks = mask_set_new(values, run->secret_count);
    for (size_t i = 0; i < run->secret_count; i++) {
        free(values[i]);
    }
    free(values);
}

const char *leak_find(const struct run *run, const char *text)
{
    size_t len = strlen(text);
    if (!mask_finds(run->masks, text, len)) {
        return NULL;
    }
    const char *found = run->secrets[0].name;
    for (size_t i = 0; i < run->secret_count; i++) { /* which one? */
        AUTO_FREE char *value = mem_strdup(run->secrets[i].value);
        struct mask_set *set = mask_set_new(&value, 1);
        bool is_it = mask_finds(set, text, len);
        mask_set_free(set);
        if (is_it) {
            found = run->secrets[i].name;
            break;
        }
    }
    return found;
}

/* ---- what is to be removed
 * ----------------------------------------------------------------------------- */

static void note(struct attempt *a, const char *folder, const char *name, size_t len)
{
    a->leaks = mem_grow(a->leaks, a->leak_count + 1, sizeof(*a->leaks));
    a->leaks[a->leak_count++] = mem_printf("%s/%.*s", folder, (int)len, name);
}

/* Whether a file holds a secret. One that is larger than what is read of it is not looked through:
 * nobody will read it. */
static bool holds_secret(const struct run *run, const char *folder, const char *name, size_t limit)
{
    AUTO_BUF struct buf text = BUF_INIT(limit);
    struct err err = ERR_INIT;
    AUTO_CLOSE int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        return false;
    }
    if (!file_read_at(dir, name, &text, &err)) {
        return err.code == ERR_LIMIT;
    }
    return mask_finds(run->masks, buf_str(&text), text.len);
}

/* The shortest beginning of an artifact's path that has the secret in it: folders count too. */
static size_t leaking_part(const struct run *run, const char *path)
{
    size_t len = strlen(path);
    for (size_t at = 0; at < len; at++) {
        at += strcspn(path + at, "/");
        AUTO_FREE char *part = mem_strndup(path, at);
        if (mask_finds(run->masks, part, at)) {
            return at;
        }
    }
    return len;
}

static void note_artifacts(struct attempt *a, const char *folder, const struct step_files *files)
{
    size_t before = a->leak_count;
    for (size_t i = 0; i < files->count; i++) {
        const struct step_file *file = &files->items[i];
        if (file->artifact && leak_find(a->run, file->name) != NULL) {
            note(a, folder, file->path, leaking_part(a->run, file->path));
        }
    }
    if (a->leak_count > before) {
        note(a, folder, "files", strlen("files")); /* it lists the names */
    }
}

void leak_note(struct attempt *a, const char *folder, const struct step_files *files, bool refused)
{
    static const struct {
        const char *name;
        size_t limit;
    } texts[] = {{"output", LIMIT_OUTPUT_FILE}, {"metrics", LIMIT_METRICS_FILE}};
    if (a->run->masks == NULL) {
        return;
    }
    for (size_t i = 0; refused && i < COUNT_OF(texts); i++) {
        if (holds_secret(a->run, folder, texts[i].name, texts[i].limit)) {
            note(a, folder, texts[i].name, strlen(texts[i].name));
        }
    }
    note_artifacts(a, folder, files);
}

void leak_remove(const struct attempt *a)
{
    for (size_t i = 0; i < a->leak_count; i++) {
        struct err err = ERR_INIT;
        if (!file_remove_tree(a->leaks[i], &err)) {
            engine_note(
                a->run, a->run->pipeline->steps[a->step].name,
                "a file that holds a secret could not be removed from the attempt's folder: "
                "remove it by hand (%s)",
                err.sys != 0 ? strerror(err.sys) : "it is in use");
        }
    }
}

void attempt_drop(struct attempt *a)
{
    if (a == NULL) {
        return;
    }
    for (size_t i = 0; i < a->leak_count; i++) {
        free(a->leaks[i]);
    }
    free(a->leaks);
    free(a->refusal);
    free(a);
}
