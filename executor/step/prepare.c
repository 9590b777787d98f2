/*
 * prepare.c - what a supervisor reads and writes before its command can start.
 */
#include "executor/step/prepare.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool prepare_spec(const struct supervisor_launch *launch, struct step_spec *ret, struct err *err)
{
    struct stat st;
    AUTO_BUF struct buf bytes = BUF_INIT(LIMIT_SPEC);
    if (launch->spec_fd < 0) {
        return step_spec_decode(launch->spec, launch->spec_len, ret, err);
    }
    if (fstat(launch->spec_fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > LIMIT_SPEC) {
        return err_set(err, ERR_LIMIT, "the launch spec cannot be read");
    }
    bytes.data = mem_alloc((size_t)st.st_size + 1);
    bytes.cap = (size_t)st.st_size + 1;
    ssize_t got = pread(launch->spec_fd, bytes.data, (size_t)st.st_size, 0);
    if (got != st.st_size) {
        return err_set(err, ERR_IO, "the launch spec cannot be read");
    }
    bytes.len = (size_t)got;
    return step_spec_decode(bytes.data, bytes.len, ret, err);
}

bool prepare_script(int folder, const struct step_spec *spec, char ret[PATH_MAX], struct err *err)
{
    ret[0] = '\0';
    if (spec->script == NULL) {
        return true;
    }
    char link[40];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", folder);
    ssize_t len = readlink(link, ret, PATH_MAX - sizeof("/script"));
    AUTO_CLOSE int fd =
        openat(folder, "script", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (len < 0 || fd < 0) {
        return err_sys(err, errno, "cannot write the step's script");
    }
    memcpy(ret + len, "/script", sizeof("/script"));
    return file_write_all(fd, spec->script, strlen(spec->script), err) ||
           err_wrap(err, "the step's script");
}
