/*
 * drivers.c - the words of `executor:`, and where orch-step is.
 */
#include "executor/internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct exec_driver drivers[] = {
    {2, "process", attempt_prepare},
    {2, "container", NULL},
    {2, "slurm", NULL},
    {2, "kubernetes", NULL},
};

const struct exec_driver *exec_find_driver(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(drivers); i++) {
        if (strcmp(drivers[i].name, name) == 0) {
            return &drivers[i];
        }
    }
    return NULL;
}

/* The folder of this program, or NULL. */
static char *own_folder(void)
{
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (len <= 0) {
        return NULL;
    }
    path[len] = '\0';
    char *slash = strrchr(path, '/');
    return slash == NULL ? NULL : mem_strndup(path, (size_t)(slash - path));
}

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *exec_find_program(struct err *err)
{
    const char *given = getenv("ORCH_STEP");
    /* In the environment of a step this is the step's name, which holds no slash: an orchctl that
     * a step calls finds its own. */
    if (given != NULL && strchr(given, '/') != NULL) {
        if (is_program(given)) {
            return mem_strdup(given);
        }
        err_set(err, ERR_UNAVAILABLE, "orch-step is not at %s, where ORCH_STEP points", given);
        return NULL;
    }
    AUTO_FREE char *own = own_folder();
    const char *base = own == NULL ? "/usr/bin" : own;
    AUTO_FREE char *beside = mem_printf("%s/orch-step", base);
    AUTO_FREE char *libexec = mem_printf("%s/../libexec/orchd/orch-step", base);
    if (is_program(beside)) {
        return mem_steal(beside);
    }
    if (is_program(libexec)) {
        return mem_steal(libexec);
    }
    err_set(
        err, ERR_UNAVAILABLE,
        "orch-step was not found at %s nor at %s: install it there, or set ORCH_STEP to its path",
        beside, libexec);
    return NULL;
}
