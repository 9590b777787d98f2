/*
 * paths.c - where things are: the data folder and what lies below it.
 */
#include "engine/engine.h"
#include "engine/internal.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The nearest folder at or above `from` that has `name` in it and satisfies `fits`; NULL where
 * there is none. */
static char *nearest_above(const char *from, const char *name, bool (*fits)(const struct stat *))
{
    AUTO_FREE char *dir = mem_strdup(from);
    for (;;) {
        AUTO_FREE char *path = mem_printf("%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name);
        struct stat st;
        if (stat(path, &st) == 0 && fits(&st)) {
            return mem_steal(dir);
        }
        char *slash = strrchr(dir, '/');
        if (slash == NULL || strcmp(dir, "/") == 0) {
            return NULL;
        }
        slash[slash == dir ? 1 : 0] = '\0';
    }
}

static bool is_own_folder(const struct stat *st)
{
    return S_ISDIR(st->st_mode) && st->st_uid == geteuid();
}

static bool is_anything(const struct stat *st)
{
    (void)st;
    return true;
}

char *path_git_root(const char *dir)
{
    return nearest_above(dir, ".git", is_anything);
}

char *engine_data_dir(const char *given)
{
    const char *home = getenv("ORCH_HOME");
    if (given != NULL || (home != NULL && *home != '\0')) {
        return file_absolute(given != NULL ? given : home);
    }
    AUTO_FREE char *here = file_absolute(".");
    AUTO_FREE char *base = nearest_above(here, ".orch", is_own_folder);
    if (base == NULL) {
        base = path_git_root(here);
    }
    const char *root = base != NULL ? base : here;
    return mem_printf("%s/.orch", strcmp(root, "/") == 0 ? "" : root);
}

char *engine_run_dir(const char *data_dir, const char *run)
{
    return mem_printf("%s/runs/%s", data_dir, run);
}

char *engine_attempt_dir(const char *data_dir, const char *run, const char *step, uint32_t attempt)
{
    return mem_printf("%s/runs/%s/%s@%u", data_dir, run, step, attempt);
}

bool engine_alive(const char *data_dir, const char *run)
{
    AUTO_FREE char *path = mem_printf("%s/runs/%s/engine.lock", data_dir, run);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    /* A shared lock, so that two who ask at once do not take each other for an engine. */
    return flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}
