/*
 * sandbox_run.h - runs a shell script as a step in a sandbox, as root or as nobody, and tells what
 * it said. Each run is a process of its own with its own sandbox_open(), so that users do not mix.
 */
#ifndef TESTS_SANDBOX_RUN_H
#define TESTS_SANDBOX_RUN_H

#include "base/file.h"
#include "base/mem.h"
#include "executor/step/command.h"
#include "executor/step/sandbox_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

struct run {
    struct step_sandbox sandbox;
    bool nobody; /* the launcher is nobody */
    bool limited;
    bool by_landlock; /* as if there were no mounts */
    bool keep;        /* sandbox_unshare() is not called */
    const char *fact; /* skipped where this does not hold */
    const char *cwd;  /* NULL = base */
    char **argv;      /* instead of the script */
    /* results */
    bool skipped, started, unshared;
    int status;
    enum err_code code;
    char out[16384], msg[1000];
};

/* A folder for a test, with an attempt in it: base/runs/r/s@1. */
struct place {
    char base[100], folder[160];
};

static inline char *below(const struct place *at, const char *name)
{
    return mem_printf("%s/%s", at->base, name);
}

static inline void make_attempt(const struct place *at)
{
    static const char *const parts[] = {"runs", "runs/r", "runs/r/s@1", "runs/r/s@1/out",
                                        "runs/r/s@1/artifacts"};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        AUTO_FREE char *path = below(at, parts[i]);
        if (mkdir(path, i < 2 ? 0755 : 0700) < 0) {
            abort();
        }
    }
}

/* `top`: "/tmp" where the test is about it, else what is not below it. */
static inline struct place place_make(const char *top)
{
    struct place at;
    (void)snprintf(at.base, sizeof(at.base), "%s/orch-sandbox-XXXXXX", top);
    if (mkdtemp(at.base) == NULL || chmod(at.base, 0755) < 0) {
        abort();
    }
    (void)snprintf(at.folder, sizeof(at.folder), "%s/runs/r/s@1", at.base);
    make_attempt(&at);
    return at;
}

static inline void place_remove(const struct place *at)
{
    (void)!file_remove_tree(at->base, NULL);
}

/* All below base gets the owner that the run has. */
static inline void place_own(const struct place *at, bool nobody)
{
    if (nobody && geteuid() == 0) {
        AUTO_FREE char *command = mem_printf("chown -R %d:%d %s", NOBODY, NOBODY, at->base);
        if (system(command) != 0) { /* NOLINT: a test's own path */
            abort();
        }
    }
}

static inline void become_nobody(void)
{
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                           setresuid(NOBODY, NOBODY, NOBODY) < 0)) {
        abort();
    }
    (void)prctl(PR_SET_DUMPABLE, 1); /* as after an exec: /proc/self is ours */
}

static inline void read_all(int fd, char *ret, size_t size)
{
    size_t len = 0;
    for (ssize_t got; len + 1 < size && (got = read(fd, ret + len, size - 1 - len)) > 0;) {
        len += (size_t)got;
    }
    ret[len] = '\0';
}

static inline bool fact_holds(const struct sandbox *sb, const char *name)
{
    struct step_facts facts = {0};
    sandbox_facts(sb, &facts);
    const struct step_fact *fact = name != NULL ? step_facts_find(&facts, name) : NULL;
    bool ok = name == NULL || (fact != NULL && fact->holds);
    if (!ok) {
        print_message("skipped: no %s here: %s (%s)\n", name, fact != NULL ? fact->why : "?",
                      fact != NULL ? fact->fix : "?");
    }
    step_facts_done(&facts);
    return ok;
}

static inline void start_and_wait(struct run *r, struct step_spec *spec, const struct sandbox *sb,
                                  const char *folder)
{
    int pipes[2];
    struct err err = ERR_INIT;
    struct command_place place = {.sandbox = sb, .folder = folder, .limited = r->limited};
    if (pipe2(pipes, O_CLOEXEC) < 0) {
        abort();
    }
    pid_t pid = command_start(spec, NULL, &place, pipes[1], pipes[1], &err);
    close(pipes[1]);
    r->started = pid > 0;
    r->code = err.code;
    (void)snprintf(r->msg, sizeof(r->msg), "%s", err.msg);
    if (r->started) {
        read_all(pipes[0], r->out, sizeof(r->out));
        (void)waitpid(pid, &r->status, 0);
    }
}

static inline void run_child(struct run *r, const struct place *at, const char *script)
{
    char *argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, mem_strdup(script)};
    char *env[] = {mem_strdup("PATH=/usr/sbin:/usr/bin:/sbin:/bin"),
                   mem_printf("BASE=%s", at->base), mem_printf("ORCH_OUT=%s/out", at->folder)};
    struct step_spec spec = {
        .argv = argv, .argc = 3, .env = env, .env_count = 3, .sandbox = r->sandbox};
    AUTO_CLOSE int dir = open(at->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct err err = ERR_INIT;
    spec.cwd = mem_strdup(r->cwd != NULL ? r->cwd : at->base);
    spec.store = mem_printf("%s/store", at->base);
    if (r->nobody) {
        become_nobody();
    }
    struct sandbox *sb = sandbox_open();
    r->skipped = !fact_holds(sb, r->fact);
    if (r->by_landlock) {
        sb->trees_error = ENOSYS;
    }
    if (r->skipped) {
        return;
    }
    if (!sandbox_share(&spec, dir, &err)) {
        (void)snprintf(r->msg, sizeof(r->msg), "share: %.900s", err.msg);
        return;
    }
    start_and_wait(r, &spec, sb, at->folder);
    r->unshared = r->keep || sandbox_unshare(&spec, dir, NULL, &err);
    if (!r->unshared) {
        r->code = err.code;
        (void)snprintf(r->msg, sizeof(r->msg), "%s", err.msg);
    }
}

/* Fills in the results; false where it was skipped. */
static inline bool run(struct run *r, const struct place *at, const char *script)
{
    int flags = MAP_SHARED | MAP_ANONYMOUS;
    struct run *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, flags, -1, 0);
    place_own(at, r->nobody);
    *shared = *r;
    pid_t pid = fork();
    if (pid == 0) {
        run_child(shared, at, script);
        (void)fflush(NULL);
        _exit(0);
    }
    int status = 0;
    (void)waitpid(pid, &status, 0);
    *r = *shared;
    (void)munmap(shared, sizeof(*shared));
    assert_int_equal(status, 0);
    return !r->skipped;
}

/* It ran, ended with 0, and said exactly this. */
static inline void said(const struct run *r, const char *expected)
{
    if (!r->started || r->status != 0 || strcmp(r->out, expected) != 0) {
        print_message("status %d, said \"%s\", %s\n", r->status, r->out, r->msg);
    }
    assert_true(r->started);
    assert_string_equal(r->out, expected);
    assert_int_equal(r->status, 0);
}

#endif
