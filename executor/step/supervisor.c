/*
 * supervisor.c - the life of an attempt:
 *
 *   decode the spec ─▶ began recorded ─▶ command started ─▶ turn() until it has ended
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
#include "executor/step/supervisor.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "executor/step/capture.h"
#include "executor/step/command.h"
#include "executor/step/prepare.h"
#include "executor/step/step.h"
#include "executor/step/store.h"
#include "executor/step/tree.h"
#include "executor/step/verdict.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANNOUNCE_MS 10      /* a command that is through by then needs no BEGAN */
#define ACK_MS 20           /* how long the end waits for the engine's commit */
#define LISTEN_RETRY_MS 500 /* where the control socket could not be made */
#define CLEAN_MS 10000      /* what SIGKILL has not ended by then hangs in the kernel */
#define DRAIN_MS 1000       /* for a pipe that somebody outside the tree holds */
#define STORE_MS 60000      /* with a timeout, storing results may take as long again, and this */

struct supervisor {
    struct step_spec spec;
    int folder, record, signals;
    int channel;        /* the engine; -1 = none */
    int control;        /* where the next engine connects; -1 while there is one */
    int pipes[STREAMS]; /* read ends; -1 = at their end */
    int timer;          /* -1 until a deadline is worth one */
    struct capture log;
    struct buf raw; /* messages */
    pid_t pid;      /* of the command, and its group */
    bool ended;     /* the command itself */
    bool childless; /* wait4 said so */
    int status;     /* of the command */
    bool told_began;
    enum step_how cause;    /* why it was stopped; 0 = it was not */
    bool killed;            /* SIGKILL has been sent */
    bool asked;             /* to stop, since it was last cleared */
    int64_t store_until_ms; /* boot clock: storing the results is given up; 0 = never */
    int64_t deadline_ms;    /* boot clock: timeout, or the end of the grace; 0 = none */
    int64_t began_ms, began_boot_ms;
    struct step_end end;
};

static int64_t wall_now(void)
{
    return clock_wall_ms(clock_system());
}

static int64_t boot_now(void)
{
    return clock_boot_ms(clock_system());
}

static void close_fd(int *fd)
{
    mem_close_fd(fd);
    *fd = -1;
}

/* ---- the engine
 * ----------------------------------------------------------------------------------- */

/* From now on the next engine finds us by the socket `control`. */
static void lose_engine(struct supervisor *s)
{
    close_fd(&s->channel);
    if (s->control < 0) {
        char dir[40];
        (void)snprintf(dir, sizeof(dir), "/proc/self/fd/%d", s->folder);
        s->control = file_socket_listen(dir, "control", NULL);
    }
}

static void send_message(struct supervisor *s, const struct step_msg *msg)
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
    send_message(s, &msg);
}

static void close_control(struct supervisor *s)
{
    if (s->control >= 0) {
        (void)unlinkat(s->folder, "control", 0);
        close_fd(&s->control);
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

static void on_connect(struct supervisor *s)
{
    int fd = accept4(s->control, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0 && !is_trusted(fd)) {
        close(fd);
        return;
    }
    if (fd >= 0) {
        /* One engine at a time: who comes next finds no socket, and sees the lock held. */
        close_control(s);
        s->channel = fd;
        tell_began(s);
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

static void set_deadline(struct supervisor *s, int64_t at_ms)
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
    set_deadline(s, 0);
    signal_command(s, SIGKILL);
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
        set_deadline(s, until);
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
        close_fd(&fds[i]); /* nobody sends us any */
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

static void reap(struct supervisor *s)
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
        reap(s);
    } else if (info.ssi_signo == SIGTERM) {
        stop(s, STEP_SHUTDOWN, s->spec.grace_ms);
    }
}

static void on_output(struct supervisor *s, int stream, int events)
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

/* The command has run for a moment: tell the engine, and from now on let a timer that counts
 * suspended time as well watch the deadline. */
static void settle(struct supervisor *s)
{
    if (!s->told_began) {
        tell_began(s);
    }
    if (s->timer < 0 && s->deadline_ms != 0) {
        s->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        set_deadline(s, s->deadline_ms);
    }
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
    if (s->timer < 0 && s->deadline_ms != 0) {
        wait = sooner(wait, s->deadline_ms - now);
    }
    if (s->channel < 0 && s->control < 0) {
        wait = sooner(wait, LISTEN_RETRY_MS);
    }
    return wait > INT_MAX ? INT_MAX : (int)wait;
}

/* Waits (ms, -1: for ever) until something happens and acts on it. */
static void turn(struct supervisor *s, int wait)
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
            on_output(s, i, fds[OUT + i].revents);
        }
    }
    if (fds[CHANNEL].revents != 0) {
        on_message(s);
    } else if (fds[CONTROL].revents != 0) {
        on_connect(s);
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
    if ((!s->ended || s->cause != 0) && boot_now() - s->began_boot_ms >= ANNOUNCE_MS) {
        settle(s);
    }
}

/* ---- the start
 * ------------------------------------------------------------------------------------ */

/* What is synced for on_lost ask and fail: that the command began must outlive a power failure, so
 * the record's name must too. */
static bool record_began(struct supervisor *s, struct err *err)
{
    s->began_ms = wall_now();
    s->began_boot_ms = boot_now();
    if (!record_write_began(s->record, s->began_ms, getpid(), s->began_boot_ms, NULL,
                            s->spec.sync_began, err)) {
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

static bool start(struct supervisor *s, struct err *err)
{
    int out[2] = {-1, -1}, err_pipe[2] = {-1, -1};
    char script[PATH_MAX];
    if (!prepare_script(s->folder, &s->spec, script, err)) {
        return false;
    }
    if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err_pipe, O_CLOEXEC) < 0) {
        err_sys(err, errno, "cannot make the pipes for the command's output");
    } else if (fcntl(out[0], F_SETFL, O_NONBLOCK) < 0 ||
               fcntl(err_pipe[0], F_SETFL, O_NONBLOCK) < 0) {
        /* A command may open its own pipe and read what we were told is there. */
        err_sys(err, errno, "cannot set up the pipes for the command's output");
    } else if (record_began(s, err)) {
        pid_t pid = command_start(&s->spec, script[0] != '\0' ? script : NULL, NULL, out[1],
                                  err_pipe[1], err);
        s->pid = pid > 0 ? pid : 0;
    }
    if (s->pid > 0) {
        s->end.usage = (struct step_usage){.throttled_us = -1, .pids_peak = -1};
    }
    close_fd(&out[1]);
    close_fd(&err_pipe[1]);
    s->pipes[STREAM_OUT] = out[0];
    s->pipes[STREAM_ERR] = err_pipe[0];
    if (s->pid > 0 && s->spec.timeout_ms > 0) {
        s->deadline_ms = s->began_boot_ms + s->spec.timeout_ms;
    }
    return s->pid > 0;
}

/* ---- the end
 * -------------------------------------------------------------------------------------- */

/* While the grace of a stop runs, what the command started in its own group has it too: a shell
 * dies of TERM at once, the training below it may be writing its last checkpoint. */
static bool is_winding_down(const struct supervisor *s)
{
    return s->cause != 0 && !s->killed && !s->childless && kill(-s->pid, 0) == 0;
}

/* Kills whatever is left; SIGKILL is final, but for what hangs in the kernel. */
static void clear_tree(struct supervisor *s)
{
    size_t killed = 0;
    int64_t give_up = boot_now() + CLEAN_MS;
    for (int wait = 1; !s->childless && boot_now() < give_up; wait = wait < 50 ? wait * 2 : 50) {
        size_t alive = tree_kill(NULL, NULL);
        killed = alive > killed ? alive : killed;
        (void)poll(NULL, 0, wait);
        reap(s);
    }
    if (killed > 0) {
        capture_say(&s->log, wall_now(), "%zu process%s that the command left running %s killed",
                    killed, killed == 1 ? "" : "es", killed == 1 ? "was" : "were");
    }
    if (!s->childless) {
        capture_say(&s->log, wall_now(),
                    "processes that the command left hang in the kernel and cannot be killed");
    }
}

/* What is still in the pipes. All writers are dead, unless somebody outside holds an end. */
static void drain(struct supervisor *s)
{
    int64_t give_up = boot_now() + DRAIN_MS;
    while ((s->pipes[0] >= 0 || s->pipes[1] >= 0) && boot_now() < give_up) {
        struct pollfd fds[STREAMS] = {{.fd = s->pipes[0], .events = POLLIN},
                                      {.fd = s->pipes[1], .events = POLLIN}};
        if (poll(fds, STREAMS, 0) <= 0) {
            break;
        }
        for (int i = 0; i < STREAMS; i++) {
            if (fds[i].revents != 0) {
                on_output(s, i, fds[i].revents);
            }
        }
    }
}

/* What a command left may take hours to store (or for ever, where a file is nothing but a hole), so
 * the engine is heard meanwhile. */
static bool may_store_on(void *arg)
{
    struct supervisor *s = arg;
    turn(s, 0);
    return !s->asked && (s->store_until_ms == 0 || boot_now() < s->store_until_ms);
}

/* The command had succeeded. */
static void explain_unstored(struct supervisor *s, const struct err *why)
{
    char text[32];
    if (s->cause != 0) {
        s->end.how = s->cause;
        verdict_explain(&s->end, "%s while the step's results were being stored",
                        s->cause == STEP_SHUTDOWN ? "the host shut down" : "cancelled");
    } else if (s->store_until_ms != 0 && boot_now() >= s->store_until_ms) {
        s->end.how = STEP_TIMEOUT;
        verdict_explain(&s->end,
                        "storing the step's results took longer than its timeout of %s: %.300s",
                        text_format_duration(s->spec.timeout_ms, text), why->msg);
    } else {
        s->end.how = STEP_OUTPUT;
        verdict_explain(&s->end, "%s", why->msg);
    }
}

static void store(struct supervisor *s)
{
    struct err err = ERR_INIT;
    struct digest_ask ask = {.go_on = may_store_on, .arg = s};
    bool ok = s->end.how == STEP_OK;
    s->asked = false;
    set_deadline(s, 0);
    if (s->spec.timeout_ms > 0) {
        int64_t most = s->spec.timeout_ms > STORE_MS ? s->spec.timeout_ms : STORE_MS;
        s->store_until_ms = boot_now() + most;
    }
    if (!store_results(s->folder, &s->spec, ok, &ask, &s->log, &s->end, &err) && ok) {
        explain_unstored(s, &err);
    }
}

static void conclude(struct supervisor *s)
{
    s->end.exit_code = WIFEXITED(s->status) ? WEXITSTATUS(s->status) : -1;
    s->end.signal = WIFSIGNALED(s->status) ? WTERMSIG(s->status) : 0;
    s->end.began_ms = s->began_ms;
    if (s->cause != 0) {
        verdict_stopped(&s->end, s->cause, s->killed, &s->spec, s->log.limit);
    } else {
        verdict_ended(&s->end, s->status);
    }
    store(s);
}

/* Whether the engine has committed the end. */
static bool is_acknowledged(struct supervisor *s)
{
    int64_t until = boot_now() + ACK_MS;
    struct pollfd fd = {.fd = s->channel, .events = POLLIN};
    while (s->channel >= 0) {
        int64_t wait = until - boot_now();
        struct step_msg msg = {0};
        int fds[STEP_MSG_FDS];
        if (wait < 0 || poll(&fd, 1, (int)wait) <= 0) {
            return false;
        }
        int got = step_recv(s->channel, &s->raw, &msg, fds, NULL);
        bool acknowledged = got > 0 && msg.kind == MSG_ACK;
        step_msg_done(&msg);
        if (acknowledged || got < 0) {
            return acknowledged;
        }
    }
    return false;
}

/* Records the end, tells it, and sees that one of the two is on the disk. */
_Noreturn static void finish(struct supervisor *s)
{
    struct step_msg msg = {.kind = MSG_END};
    if (s->channel < 0 && s->control >= 0) {
        on_connect(s); /* an engine that has just come */
    }
    s->end.log_cut = s->log.cut || s->log.lossy;
    s->end.ended_ms = wall_now();
    close_control(s); /* who comes now waits for the lock */
    bool recorded = record_write_end(s->record, &s->end, false, NULL);
    msg.end = s->end;
    send_message(s, &msg);
    if (!is_acknowledged(s)) {
        recorded = recorded && fdatasync(s->record) == 0;
    }
    _exit(recorded ? 0 : 1);
}

_Noreturn void supervise(const struct supervisor_launch *launch)
{
    struct err err = ERR_INIT;
    struct supervisor s = {.folder = launch->folder,
                           .record = launch->record,
                           .channel = launch->channel,
                           .signals = launch->signals,
                           .control = -1,
                           .timer = -1,
                           .pipes = {-1, -1},
                           .end = {.exit_code = -1, .usage = STEP_USAGE_NONE}};
    /* A group of its own, so that no signal to the launcher's reaches it. It stays in the
     * launcher's session, which has no terminal: a session for each step would make the kernel's
     * autogroups weigh every step like all that is beside it. */
    (void)setpgid(0, 0);
    bool ok = prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 || err_sys(&err, errno, "subreaper");
    ok = ok && prepare_spec(launch, &s.spec, &err);
    capture_init(&s.log, s.folder, s.spec.log_limit, s.spec.secrets, s.spec.secret_count);
    if (!ok || !start(&s, &err)) {
        s.end.how = STEP_SPAWN;
        verdict_explain(&s.end, "%.*s", (int)sizeof(s.end.message) - 1, err.msg);
        finish(&s);
    }
    while (!s.ended || is_winding_down(&s)) {
        turn(&s, poll_wait(&s));
    }
    clear_tree(&s);
    drain(&s);
    close_fd(&s.pipes[STREAM_OUT]);
    close_fd(&s.pipes[STREAM_ERR]);
    capture_end(&s.log, wall_now());
    conclude(&s);
    finish(&s);
}
