/*
 * life_start.c - from the spec to the running command.
 *
 * What can be refused is refused before `began` is recorded, but for what only the child can try:
 * a host that cannot hold a step has not run it.
 */
#include "executor/step/life.h"

#include "base/mem.h"
#include "executor/step/command.h"
#include "executor/step/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#define FIRST_SAMPLE_MS 1000

/* What is synced for on_lost ask and fail: that the command began must outlive a power failure, so
 * the record's name must too. */
static bool record_began(struct supervisor *s, struct err *err)
{
    s->began_ms = wall_now();
    s->began_boot_ms = boot_now();
    if (!record_write_began(s->record, s->began_ms, getpid(), s->began_boot_ms,
                            confine_path(&s->confine), s->spec.sync_began, err)) {
        return false;
    }
    if (!s->spec.sync_began) {
        return true;
    }
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    AUTO_CLOSE int self = openat(s->folder, ".", flags), parent = openat(s->folder, "..", flags);
    return (fsync(s->record) == 0 && fsync(self) == 0 && fsync(parent) == 0) ||
           err_sys(err, errno, "cannot sync the attempt's record");
}

static bool make_pipes(int out[2], int err_pipe[2], struct err *err)
{
    if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err_pipe, O_CLOEXEC) < 0) {
        return err_sys(err, errno, "cannot make the pipes for the command's output");
    }
    /* A command may open its own pipe and read what we were told is there. */
    return (fcntl(out[0], F_SETFL, O_NONBLOCK) == 0 &&
            fcntl(err_pipe[0], F_SETFL, O_NONBLOCK) == 0) ||
           err_sys(err, errno, "cannot set up the pipes for the command's output");
}

/* From here on it runs, and is measured. */
static void on_started(struct supervisor *s, pid_t pid)
{
    s->pid = pid;
    s->end.how = 0;
    s->end.usage = (struct step_usage){.throttled_us = -1, .pids_peak = -1};
    samples_init(&s->samples, s->folder, s->began_boot_ms + FIRST_SAMPLE_MS);
    if (s->spec.timeout_ms > 0) {
        s->deadline_ms = s->began_boot_ms + s->spec.timeout_ms;
    }
}

static bool start_command(struct supervisor *s, const char *script, int out, int err_fd,
                          struct err *err)
{
    s->end.how = STEP_SPAWN;
    pid_t pid = command_start(&s->spec, script[0] != '\0' ? script : NULL, &s->confine.where, out,
                              err_fd, err);
    if (pid > 0) {
        on_started(s, pid);
    } else if (err->code == ERR_UNSUPPORTED) {
        s->end.how = STEP_ISOLATION;
    }
    return pid > 0;
}

bool life_start(struct supervisor *s, struct err *err)
{
    int out[2] = {-1, -1}, err_pipe[2] = {-1, -1};
    char script[PATH_MAX];
    s->end.how = STEP_SPAWN;
    if (!prepare_script(s->folder, &s->spec, script, err)) {
        return false;
    }
    if (!confine_begin(&s->confine, err)) {
        s->end.how = STEP_ISOLATION;
        return false;
    }
    bool started = make_pipes(out, err_pipe, err) && record_began(s, err) &&
                   start_command(s, script, out[1], err_pipe[1], err);
    life_close_fd(&out[1]);
    life_close_fd(&err_pipe[1]);
    s->pipes[STREAM_OUT] = out[0];
    s->pipes[STREAM_ERR] = err_pipe[0];
    return started;
}
