/*
 * supervisor.c - the life of an attempt:
 *
 *   decode the spec ─▶ began recorded ─▶ command started ─▶ life_turn() until it has ended
 *        │                                                     │ output ─▶ capture
 *        │ cannot be started                                   │ STOP, timeout, SIGTERM ─▶ stop()
 *        ▼                                                     │ engine gone ─▶ listen on control
 *   end recorded, told, acknowledged ◀─ results stored ◀─ tree killed, pipes drained
 *
 * What is true when this process is killed (-9) at any point, as a reader of the record sees it:
 *   before `began`      no command has run: the attempt may be started again
 *   before the end      lost; the command died with us (PR_SET_PDEATHSIG), its descendants are the
 *                       launcher's children now and are killed there
 *   after the end       ended: all results were durable before the end was written
 * The lock on the record is held by this process alone, from its fork until its last moment.
 */
#include "executor/step/life.h"

#include "base/file.h"
#include "base/mem.h"
#include "executor/step/prepare.h"
#include "executor/step/verdict.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANNOUNCE_MS 10      /* a command that is through by then needs no BEGAN */
#define LISTEN_RETRY_MS 500 /* where the control socket could not be made */
#define DEVICES_MS 200      /* between two tries to take cores and GPUs that others have */

void life_close_fd(int *fd)
{
    mem_close_fd(fd);
    *fd = -1;
}

/* ---- the engine
 * ----------------------------------------------------------------------------------- */

/* From now on the next engine finds us by the socket `control`. */
static void lose_engine(struct supervisor *s)
{
    life_close_fd(&s->channel);
    if (s->control < 0) {
        char dir[40];
        (void)snprintf(dir, sizeof(dir), "/proc/self/fd/%d", s->folder);
        s->control = file_socket_listen(dir, "control", NULL);
    }
}

void life_send(struct supervisor *s, const struct step_msg *msg)
{
    struct err err = ERR_INIT;
    /* A full socket is an engine that hangs: it will find the same in the record. */
    if (s->channel >= 0 && !step_send(s->channel, msg, NULL, 0, &err) && err.code != ERR_BUSY) {
        lose_engine(s);
    }
}

static void tell_began(struct supervisor *s)
{
    struct step_msg msg = {.kind = MSG_BEGAN, .number = s->began_ms};
    s->told_began = true;
    life_send(s, &msg);
}

void life_close_control(struct supervisor *s)
{
    if (s->control >= 0) {
        (void)unlinkat(s->folder, "control", 0);
        life_close_fd(&s->control);
    }
}

/* Only our own user and root may stop a step. */
static bool is_trusted(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

void life_on_connect(struct supervisor *s)
{
    int fd = accept4(s->control, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0 && !is_trusted(fd)) {
        close(fd);
        return;
    }
    if (fd >= 0) {
        /* One engine at a time: who comes next finds no socket, and sees the lock held. */
        life_close_control(s);
        s->channel = fd;
        if (s->pid > 0) {
            tell_began(s);
        }
    }
}

/* ---- stopping
 * ------------------------------------------------------------------------------------- */

static void signal_command(const struct supervisor *s, int signo)
{
    if (s->pid > 0 && !(s->ended && s->childless)) {
        (void)kill(-s->pid, signo);
    }
}

void life_set_deadline(struct supervisor *s, int64_t at_ms)
{
    s->deadline_ms = at_ms;
    if (s->timer >= 0) {
        struct itimerspec when = {
            .it_value = {.tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000}};
        (void)timerfd_settime(s->timer, TFD_TIMER_ABSTIME, &when, NULL);
    }
}

static void kill_command(struct supervisor *s)
{
    s->killed = true;
    life_set_deadline(s, 0);
    signal_command(s, SIGKILL);
    (void)confine_kill(&s->confine);
}

/* The first cause is the one that is told. Grace 0 kills at once, also while a longer grace runs.
 */
static void stop(struct supervisor *s, enum step_how cause, int64_t grace_ms)
{
    bool first = s->cause == 0;
    s->asked = true;
    int64_t until = boot_now() + grace_ms;
    if (first) {
        s->cause = cause;
    }
    if (grace_ms <= 0) {
        kill_command(s);
        return;
    }
    if (first) {
        signal_command(s, SIGTERM);
        signal_command(s, SIGCONT); /* a stopped process could not act on it */
    }
    if (!s->killed && (first || until < s->deadline_ms)) {
        life_set_deadline(s, until);
    }
}

static void on_deadline(struct supervisor *s)
{
    if (s->deadline_ms == 0 || boot_now() < s->deadline_ms) {
        return;
    }
    if (s->cause != 0) {
        kill_command(s);
    } else {
        stop(s, STEP_TIMEOUT, s->spec.grace_ms);
    }
}

/* ---- what happens
 * --------------------------------------------------------------------------------- */

static void on_message(struct supervisor *s)
{
    struct step_msg msg = {0};
    int fds[STEP_MSG_FDS];
    int got = step_recv(s->channel, &s->raw, &msg, fds, NULL);
    if (got < 0) {
        lose_engine(s);
        return;
    }
    for (size_t i = 0; i < STEP_MSG_FDS; i++) {
        life_close_fd(&fds[i]); /* nobody sends us any */
    }
    if (got > 0 && msg.kind == MSG_STOP) {
        stop(s, STEP_CANCELLED, msg.number < 0 ? s->spec.grace_ms : msg.number);
    }
    step_msg_done(&msg);
}

static void add_usage(struct supervisor *s, const struct rusage *usage)
{
    struct step_usage *sum = &s->end.usage;
    sum->cpu_us += (int64_t)usage->ru_utime.tv_sec * 1000000 + usage->ru_utime.tv_usec +
                   (int64_t)usage->ru_stime.tv_sec * 1000000 + usage->ru_stime.tv_usec;
    int64_t peak = (int64_t)usage->ru_maxrss * 1024;
    sum->peak_bytes = peak > sum->peak_bytes ? peak : sum->peak_bytes;
    sum->read_bytes += (int64_t)usage->ru_inblock * 512;
    sum->write_bytes += (int64_t)usage->ru_oublock * 512;
}

void life_reap(struct supervisor *s)
{
    struct rusage usage;
    int status;
    pid_t pid;
    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
        add_usage(s, &usage);
        if (pid == s->pid) {
            s->ended = true;
            s->status = status;
        }
    }
    s->childless = pid < 0 && errno == ECHILD;
}

static void on_signal(struct supervisor *s)
{
    struct signalfd_siginfo info;
    if (read(s->signals, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
        return;
    }
    if (info.ssi_signo == SIGCHLD) {
        life_reap(s);
    } else if (info.ssi_signo == SIGTERM) {
        stop(s, STEP_SHUTDOWN, s->spec.grace_ms);
    }
}

void life_on_output(struct supervisor *s, int stream, int events)
{
    /* A pipe that hangs up with nothing in it needs no read to say so; and nobody waits for its
     * being closed before this process ends. */
    if ((events & POLLIN) == 0 || !capture_read(&s->log, stream, s->pipes[stream], wall_now())) {
        s->pipes[stream] = -1;
    }
    if (s->log.cut && s->spec.log_fail && s->cause == 0) {
        stop(s, STEP_LIMIT, s->spec.grace_ms);
    }
}

/* A part of it that the memory limit killed takes all of it along: what is left would go on with a
 * hole in it. */
static void watch_memory(struct supervisor *s)
{
    if (s->cause == 0 && !s->ended && confine_oom_kills(&s->confine) > 0) {
        stop(s, STEP_OOM, 0);
    }
}

static void sample(struct supervisor *s)
{
    struct step_usage usage = STEP_USAGE_NONE;
    int64_t now = boot_now();
    if (now < s->samples.due_ms || s->ended) {
        return;
    }
    confine_sample(&s->confine, &usage);
    samples_add(&s->samples, now, wall_now(), &usage);
    watch_memory(s);
}

/* The command has run for a moment: tell the engine, and from now on let a timer that counts
 * suspended time as well watch the deadline. */
static void settle(struct supervisor *s)
{
    if (!s->told_began) {
        tell_began(s);
    }
    if (s->timer < 0 && s->deadline_ms != 0) {
        s->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        life_set_deadline(s, s->deadline_ms);
    }
    sample(s);
}

/* -1 is never. */
static int64_t sooner(int64_t wait, int64_t other)
{
    other = other < 0 ? 0 : other;
    return wait < 0 || other < wait ? other : wait;
}

static int poll_wait(const struct supervisor *s)
{
    int64_t wait = -1, now = boot_now();
    if (!s->told_began) {
        wait = sooner(wait, s->began_boot_ms + ANNOUNCE_MS - now);
    }
    if (!s->ended) {
        wait = sooner(wait, s->samples.due_ms - now);
    }
    if (s->timer < 0 && s->deadline_ms != 0) {
        wait = sooner(wait, s->deadline_ms - now);
    }
    if (s->channel < 0 && s->control < 0) {
        wait = sooner(wait, LISTEN_RETRY_MS);
    }
    return wait > INT_MAX ? INT_MAX : (int)wait;
}

/* Waits (ms, -1: for ever) until something happens and acts on it. */
void life_turn(struct supervisor *s, int wait)
{
    enum { SIGNALS, CHANNEL, CONTROL, TIMER, OUT, ERR, COUNT };
    struct pollfd fds[COUNT] = {
        [SIGNALS] = {.fd = s->signals, .events = POLLIN},
        [CHANNEL] = {.fd = s->channel, .events = POLLIN},
        [CONTROL] = {.fd = s->channel < 0 ? s->control : -1, .events = POLLIN},
        [TIMER] = {.fd = s->timer, .events = POLLIN},
        [OUT] = {.fd = s->pipes[STREAM_OUT], .events = POLLIN},
        [ERR] = {.fd = s->pipes[STREAM_ERR], .events = POLLIN},
    };
    if (poll(fds, COUNT, wait) < 0) {
        return; /* EINTR, or no memory: the next turn */
    }
    for (int i = 0; i < STREAMS; i++) {
        if (fds[OUT + i].revents != 0) {
            life_on_output(s, i, fds[OUT + i].revents);
        }
    }
    if (fds[CHANNEL].revents != 0) {
        on_message(s);
    } else if (fds[CONTROL].revents != 0) {
        life_on_connect(s);
    } else if (s->channel < 0 && s->control < 0) {
        lose_engine(s);
    }
    if (fds[SIGNALS].revents != 0) {
        on_signal(s);
    }
    if (fds[TIMER].revents != 0) {
        uint64_t count;
        (void)!read(s->timer, &count, sizeof(count));
    }
    on_deadline(s);
    if (s->pid > 0 && (!s->ended || s->cause != 0) &&
        boot_now() - s->began_boot_ms >= ANNOUNCE_MS) {
        settle(s);
    }
}

/* While the grace of a stop runs, what the command started in its own group has it too: a shell
 * dies of TERM at once, the training below it may be writing its last checkpoint. */
static bool is_winding_down(const struct supervisor *s)
{
    return s->cause != 0 && !s->killed && !s->childless && kill(-s->pid, 0) == 0;
}

/* Cores and GPUs may be with others: it waits, as `starting`, and can be stopped. */
static bool wait_for_devices(struct supervisor *s, struct err *err)
{
    bool told = false;
    for (;;) {
        struct err why = ERR_INIT;
        if (confine_take(&s->confine, &why)) {
            return true;
        }
        if (why.code != ERR_BUSY) {
            *err = why;
            s->end.how = STEP_ISOLATION;
            return false;
        }
        if (!told) {
            capture_say(&s->log, wall_now(), "waits: %s", why.msg);
            told = true;
        }
        life_turn(s, DEVICES_MS);
        if (s->cause != 0) {
            verdict_stopped(&s->end, s->cause, false, &s->spec, s->log.limit);
            return false;
        }
    }
}

static bool prepare(struct supervisor *s, const struct supervisor_launch *launch, struct err *err)
{
    bool ok = prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 || err_sys(err, errno, "subreaper");
    ok = ok && prepare_spec(launch, &s->spec, err);
    capture_init(&s->log, s->folder, s->spec.log_limit, s->spec.secrets, s->spec.secret_count);
    confine_init(&s->confine, launch, &s->spec);
    if (!ok) {
        s->end.how = STEP_SPAWN;
        return false;
    }
    if (!confine_ask(&s->confine, &s->log, err)) {
        s->end.how = STEP_ISOLATION;
        return false;
    }
    return wait_for_devices(s, err);
}

_Noreturn void supervise(const struct supervisor_launch *launch)
{
    struct err err = ERR_INIT;
    struct supervisor s = {.folder = launch->folder,
                           .record = launch->record,
                           .channel = launch->channel,
                           .signals = launch->signals,
                           .launcher = getppid(),
                           .control = -1,
                           .timer = -1,
                           .pipes = {-1, -1},
                           .end = {.exit_code = -1, .usage = STEP_USAGE_NONE}};
    /* A group of its own, so that no signal to the launcher's reaches it. It stays in the
     * launcher's session, which has no terminal: a session for each step would make the kernel's
     * autogroups weigh every step like all that is beside it. */
    (void)setpgid(0, 0);
    if (!prepare(&s, launch, &err) || !life_start(&s, &err)) {
        if (s.end.message[0] == '\0') {
            verdict_explain(&s.end, "%.*s", (int)sizeof(s.end.message) - 1, err.msg);
        }
        life_finish(&s);
    }
    while (!s.ended || is_winding_down(&s)) {
        life_turn(&s, poll_wait(&s));
    }
    life_end(&s);
}
