/*
 * scratch.h - for tests that need a real folder: one under $TMPDIR, removed afterwards; and cmocka
 * with what it needs before it.
 */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Group setup and teardown: *state is the folder's path. */
static inline int scratch_open(void **state)
{
    const char *parent = getenv("TMPDIR");
    char *path = mem_printf("%s/orch-test-XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(path))
        return -1;
    *state = path;
    return 0;
}

static inline int scratch_close(void **state)
{
    struct err err = ERR_INIT;
    bool ok = file_remove_tree(*state, &err);
    if (!ok)
        print_error("%s\n", err.msg);
    free(*state);
    return ok ? 0 : -1;
}

/* A path in the scratch folder; the caller owns. */
static inline char *scratch_path(void **state, const char *name)
{
    return mem_printf("%s/%s", (const char *)*state, name);
}

static inline void write_file(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_true(file_write_all(fd, data, len, NULL));
    assert_int_equal(close(fd), 0);
}

static inline bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

#define assert_ok(call, err)                                                                       \
    do {                                                                                           \
        if (!(call))                                                                               \
            fail_msg("%s: %s", #call, (err).msg);                                                  \
    } while (0)

#endif
