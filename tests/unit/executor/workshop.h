/*
 * workshop.h - a scratch folder, an executor on a poll loop, and steps to run in it: what the tests
 * with the real orch-step share.
 */
#ifndef TESTS_WORKSHOP_H
#define TESTS_WORKSHOP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/limits.h"
#include "executor/executor.h"
#include "poll_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM BINARY_DIR "/orch-step"
/* The run's id, of this process and its forks alone: what is left of an attempt is found by its id,
 * so two tests at the same time on one machine must not share one. */
static char RUN[33];

__attribute__((constructor)) static void name_run(void)
{
    snprintf(RUN, sizeof RUN, "0123456789abcdef%08x%08x", (unsigned)getpid(), (unsigned)time(NULL));
}

struct workshop {
    char *top;
    struct poll_loop loop;
    struct exec *exec;
    int number; /* of the last step */
};

struct job {
    struct workshop *shop;
    char *folder, *name;
    struct exec_attempt *attempt;
    int began, ended;
    int64_t began_ms;
    struct step_end end;
};

static inline void sleep_ms(int64_t ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static inline void open_exec(struct workshop *s)
{
    struct err err = ERR_INIT;
    struct exec_conf conf = {.step_program = PROGRAM, .loop = &s->loop.loop};
    s->exec = exec_open(&conf, &err);
    if (s->exec == NULL) {
        fail_msg("%s", err.msg);
    }
}

static inline int enter_workshop(void **state)
{
    struct workshop *s = mem_alloc(sizeof(*s));
    char top[] = "/tmp/orch-exec-XXXXXX";
    struct err err = ERR_INIT;
    if (mkdtemp(top) == NULL) {
        return -1;
    }
    s->top = mem_strdup(top);
    AUTO_FREE char *runs = mem_printf("%s/runs", top);
    if (!file_make_dirs(runs, 0755, &err)) {
        return -1;
    }
    pl_init(&s->loop);
    open_exec(s);
    *state = s;
    return 0;
}

static inline int leave_workshop(void **state)
{
    struct workshop *s = *state;
    struct err err = ERR_INIT;
    exec_close(s->exec);
    pl_done(&s->loop);
    bool ok = file_remove_tree(s->top, &err);
    free(s->top);
    free(s);
    return ok ? 0 : -1;
}

static inline void on_job_began(void *owner, int64_t at_ms)
{
    struct job *j = owner;
    j->began++;
    j->began_ms = at_ms;
}

static inline void on_job_ended(void *owner, const struct step_end *end)
{
    struct job *j = owner;
    j->ended++;
    j->end = *end;
}

static const struct exec_events job_events = {on_job_began, on_job_ended};

/* What a step is made of; the rest has defaults. */
struct recipe {
    const char *script;      /* run by /bin/sh -e; NULL: argv */
    const char *const *argv; /* NULL-terminated */
    const char *cwd;
    const char *env;    /* one more NAME=value */
    const char *output; /* name of a path output, which is its path too */
    bool optional;
    const char *secret;
    const char *store;
    int64_t timeout_ms, grace_ms, log_limit;
    bool log_fail, sync_began;
};

static inline struct exec_attempt *start_job(struct job *j, const struct recipe *r, struct err *err)
{
    struct workshop *s = j->shop;
    char *argv[16] = {0}, *env[16] = {0};
    char sh[] = "/bin/sh", dash_e[] = "-e";
    size_t argc = 0, envc = 0;
    for (; r->argv != NULL && r->argv[argc] != NULL; argc++) {
        argv[argc] = mem_strdup(r->argv[argc]);
    }
    if (r->argv == NULL) {
        argv[argc++] = mem_strdup(sh);
        argv[argc++] = mem_strdup(dash_e);
    }
    env[envc++] = mem_strdup("PATH=/usr/bin:/bin");
    env[envc++] = mem_printf("ORCH_RUN_ID=%s", RUN);
    env[envc++] = mem_printf("ORCH_STEP=%s", j->name);
    env[envc++] = mem_strdup("ORCH_ATTEMPT=1");
    env[envc++] = mem_printf("ORCH_OUT=%s/out", j->folder);
    env[envc++] = mem_printf("ORCH_OUTPUT=%s/output", j->folder);
    env[envc++] = mem_printf("ORCH_METRICS=%s/metrics", j->folder);
    env[envc++] = mem_printf("ORCH_ARTIFACTS=%s/artifacts", j->folder);
    env[envc++] = mem_printf("TOP=%s", s->top);
    if (r->env != NULL) {
        env[envc++] = mem_strdup(r->env);
    }
    char *output = r->output != NULL ? mem_strdup(r->output) : NULL;
    char *secret = r->secret != NULL ? mem_strdup(r->secret) : NULL;
    char *run = mem_strdup(RUN);
    char *script = r->argv == NULL ? mem_strdup(r->script) : NULL;
    char *cwd = mem_strdup(r->cwd != NULL ? r->cwd : s->top);
    char *store = r->store != NULL ? mem_strdup(r->store) : mem_printf("%s/store", s->top);
    struct step_want want = {.name = output, .path = output, .optional = r->optional};
    struct step_spec spec = {
        .run = run,
        .step = j->name,
        .attempt = 1,
        .argv = argv,
        .argc = argc,
        .script = script,
        .env = env,
        .env_count = envc,
        .cwd = cwd,
        .store = store,
        .outputs = &want,
        .output_count = output != NULL,
        .secrets = &secret,
        .secret_count = secret != NULL,
        .timeout_ms = r->timeout_ms,
        .grace_ms = r->grace_ms != 0 ? r->grace_ms : 2000,
        .log_limit = r->log_limit,
        .log_fail = r->log_fail,
        .sync_began = r->sync_began,
    };
    struct exec_attempt *a =
        exec_find_driver("process")->prepare(s->exec, j->folder, &spec, &job_events, j, err);
    if (a != NULL && !exec_launch(a, err)) {
        exec_finish(a);
        a = NULL;
    }
    for (size_t i = 0; i < 16; i++) {
        free(argv[i]);
        free(env[i]);
    }
    free(output);
    free(secret);
    free(run);
    free(script);
    free(cwd);
    free(store);
    return a;
}

static inline struct job *new_job(struct workshop *s)
{
    struct job *j = mem_alloc(sizeof(*j));
    j->shop = s;
    j->name = mem_printf("step%d", ++s->number);
    j->folder = mem_printf("%s/runs/%s@1", s->top, j->name);
    return j;
}

static inline struct job *run_job(struct workshop *s, const struct recipe *r)
{
    struct err err = ERR_INIT;
    struct job *j = new_job(s);
    j->attempt = start_job(j, r, &err);
    if (j->attempt == NULL) {
        fail_msg("%s", err.msg);
    }
    return j;
}

static inline void turn_until(struct workshop *s, const int *flag, int64_t limit_ms)
{
    int64_t until = clock_boot_ms(clock_system()) + limit_ms;
    while (*flag == 0 && clock_boot_ms(clock_system()) < until) {
        pl_turn(&s->loop, 100);
    }
}

static inline void await_began(struct job *j)
{
    turn_until(j->shop, &j->began, 10000);
    assert_int_equal(j->began, 1);
}

static inline void await_end(struct job *j)
{
    turn_until(j->shop, &j->ended, 30000);
    assert_int_equal(j->ended, 1);
}

static inline void free_job(struct job *j)
{
    exec_finish(j->attempt);
    free(j->folder);
    free(j->name);
    free(j);
}

/* Runs a step to its end and gives back how it ended; the folder stays. */
static inline struct job *do_job(struct workshop *s, const struct recipe *r)
{
    struct job *j = run_job(s, r);
    await_end(j);
    return j;
}

/* The engine dies: everything is dropped without a word. */
static inline void crash(struct workshop *s)
{
    exec_close(s->exec);
    pl_sweep(&s->loop);
    s->exec = NULL;
}

static inline char *read_text(const char *folder, const char *name)
{
    AUTO_FREE char *path = mem_printf("%s/%s", folder, name);
    struct buf text = BUF_INIT(64U << 20);
    if (!file_read(path, &text, NULL)) {
        buf_done(&text);
        return mem_strdup("");
    }
    return buf_take(&text);
}

static inline bool is_there(const char *folder, const char *name)
{
    AUTO_FREE char *path = mem_printf("%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

/* Waits until the file is there and not empty; it holds one number. */
static inline pid_t await_number(const char *folder, const char *name)
{
    for (int i = 0; i < 1000; i++) {
        AUTO_FREE char *text = read_text(folder, name);
        if (strchr(text, '\n') != NULL) {
            return (pid_t)strtol(text, NULL, 10);
        }
        sleep_ms(10);
    }
    fail_msg("%s/%s was not written", folder, name);
    return -1;
}

/* A zombie of somebody else is dead too. */
static inline bool is_alive(pid_t pid)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    AUTO_FREE char *stat = read_text(path, "stat");
    const char *after = strrchr(stat, ')');
    return after != NULL && after[2] != 'Z' && after[2] != 'X';
}

static inline bool dies(pid_t pid)
{
    for (int i = 0; i < 500 && is_alive(pid); i++) {
        sleep_ms(10);
    }
    return !is_alive(pid);
}

static inline pid_t supervisor_of(const struct job *j)
{
    AUTO_FREE char *path = mem_printf("%s/record", j->folder);
    struct record r = {0};
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(record_read(fd, &r, NULL));
    assert_true(r.began);
    return (pid_t)r.supervisor_pid;
}

static inline pid_t parent_of(pid_t pid)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    AUTO_FREE char *stat = read_text(path, "stat");
    int parent = 0;
    assert_int_equal(sscanf(strrchr(stat, ')') + 1, " %*c %d", &parent), 1);
    return parent;
}

#define assert_contains(text, part)                                                                \
    do {                                                                                           \
        if (strstr((text), (part)) == NULL) {                                                      \
            fail_msg("'%s' is not in: %s", (part), (text));                                        \
        }                                                                                          \
    } while (0)

#endif
