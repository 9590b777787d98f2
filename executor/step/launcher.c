/*
 * launcher.c - turn(): a message from the engine (LAUNCH: fork a supervisor; REAP: see that an
 * attempt's leftovers are gone), or a child's death.
 *
 * Its children are the supervisors, and, since it is a child subreaper, what a supervisor that died
 * left behind. So any child that is no supervisor is a leftover, and is killed (sweep()).
 *
 * What is true when this process is killed: supervisors go on, they need it no more. A launch that
 * it had not read is closed with its socket, so that the engine sees the channel's end and the
 * record's lock is free. A supervisor that dies later leaves its orphans to init; the next
 * launcher finds them by their environment when it is asked to REAP.
 */
#include "executor/step/launcher.h"

#include "base/clock.h"
#include "base/mem.h"
#include "executor/step/step.h"
#include "executor/step/supervisor.h"
#include "executor/step/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SWEEP_MS 10     /* between two looks at what should be dying */
#define GIVE_UP_MS 5000 /* what SIGKILL has not ended by then hangs in the kernel */

struct child {
    pid_t pid;
    int64_t token;
};

struct reap { /* a REAP that has not been answered */
    int64_t token, attempt, killed, give_up_ms;
    char *run, *step; /* owned */
};

struct launcher {
    int sock, signals;
    struct child *children; /* the living supervisors */
    size_t count, cap;
    struct reap *reaps;
    size_t reap_count, reap_cap;
    bool orphans; /* there may be children that are no supervisors */
    struct buf raw;
};

/* ---- children
 * ------------------------------------------------------------------------------------- */

static void add_child(struct launcher *l, pid_t pid, int64_t token)
{
    if (l->count == l->cap) {
        l->cap = l->cap == 0 ? 64 : l->cap * 2;
        l->children = mem_grow(l->children, l->cap, sizeof(*l->children));
    }
    l->children[l->count++] = (struct child){.pid = pid, .token = token};
}

static bool remove_child(struct launcher *l, pid_t pid)
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->children[i].pid == pid) {
            l->children[i] = l->children[--l->count];
            return true;
        }
    }
    return false;
}

static bool is_supervisor(void *arg, pid_t pid)
{
    const struct launcher *l = arg;
    for (size_t i = 0; i < l->count; i++) {
        if (l->children[i].pid == pid) {
            return true;
        }
    }
    return false;
}

static bool is_supervised(const struct launcher *l, int64_t token)
{
    for (size_t i = 0; i < l->count; i++) {
        if (l->children[i].token == token) {
            return true;
        }
    }
    return false;
}

/* A supervisor that ended well has cleared its tree itself. One that was stopped, be it by its own
 * command, is needed: it holds the timeout. */
static void reap_children(struct launcher *l)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0;) {
        if (WIFSTOPPED(status)) {
            (void)kill(pid, SIGCONT);
        } else if (!remove_child(l, pid) || status != 0) {
            l->orphans = true;
        }
    }
}

/* ---- answers
 * -------------------------------------------------------------------------------------- */

static void answer(struct launcher *l, enum step_msg_kind kind, int64_t token, int64_t number,
                   const char *text)
{
    struct step_msg msg = {.kind = kind, .token = token, .number = number};
    AUTO_FREE char *copy = text != NULL ? mem_strdup(text) : NULL;
    struct err err = ERR_INIT;
    msg.text = copy;
    while (!step_send(l->sock, &msg, NULL, 0, &err) && err.code == ERR_BUSY) {
        struct pollfd fd = {.fd = l->sock, .events = POLLOUT};
        if (poll(&fd, 1, GIVE_UP_MS) <= 0) {
            return; /* an engine that does not read asks again after its own time-out */
        }
    }
}

/* ---- leftovers
 * ------------------------------------------------------------------------------------ */

static void on_reap(struct launcher *l, struct step_msg *msg)
{
    if (l->reap_count == l->reap_cap) {
        l->reap_cap = l->reap_cap == 0 ? 8 : l->reap_cap * 2;
        l->reaps = mem_grow(l->reaps, l->reap_cap, sizeof(*l->reaps));
    }
    l->reaps[l->reap_count++] =
        (struct reap){.token = msg->token,
                      .attempt = msg->attempt,
                      .give_up_ms = clock_boot_ms(clock_system()) + GIVE_UP_MS,
                      .run = mem_steal(msg->run),
                      .step = mem_steal(msg->step)};
}

/* True where nothing of the attempt is alive any more (or it never will be gone). */
static bool is_reaped(struct launcher *l, struct reap *r)
{
    bool give_up = clock_boot_ms(clock_system()) >= r->give_up_ms;
    if (is_supervised(l, r->token)) {
        return give_up; /* it is about to die: its channel and its lock are closed already */
    }
    size_t alive = tree_kill_marked(r->run, r->step, r->attempt);
    r->killed += (int64_t)alive;
    return give_up || (alive == 0 && !l->orphans);
}

/* One look; what was killed now is looked for again after SWEEP_MS. */
static void sweep(struct launcher *l)
{
    reap_children(l);
    l->orphans = l->orphans && tree_kill(is_supervisor, l) > 0;
    for (size_t i = 0; i < l->reap_count;) {
        struct reap *r = &l->reaps[i];
        if (!is_reaped(l, r)) {
            i++;
            continue;
        }
        answer(l, MSG_REAPED, r->token, r->killed, NULL);
        free(r->run);
        free(r->step);
        *r = l->reaps[--l->reap_count];
    }
}

/* ---- launching
 * ------------------------------------------------------------------------------------ */

/* In the child. What is the launcher's is closed; the signals stay blocked, and the signalfd shows
 * those of who reads it. */
_Noreturn static void become_supervisor(struct launcher *l, const struct step_msg *msg,
                                        const int fds[STEP_MSG_FDS])
{
    close(l->sock);
    supervise(&(struct supervisor_launch){.folder = fds[0],
                                          .record = fds[1],
                                          .channel = fds[2],
                                          .spec_fd = msg->spec == NULL ? fds[3] : -1,
                                          .spec = msg->spec,
                                          .spec_len = msg->spec_len,
                                          .signals = l->signals});
}

static void on_launch(struct launcher *l, const struct step_msg *msg, const int fds[STEP_MSG_FDS])
{
    if (fds[2] < 0 || (msg->spec == NULL && fds[3] < 0)) {
        answer(l, MSG_REFUSED, msg->token, 0, "the launch came without its descriptors");
        return;
    }
    pid_t pid = _Fork(); /* no handlers to run: this process has one thread and no libraries */
    if (pid == 0) {
        become_supervisor(l, msg, fds);
    }
    if (pid < 0) {
        struct err err = ERR_INIT;
        err_sys(&err, errno, "cannot make a process for the step's supervisor");
        answer(l, MSG_REFUSED, msg->token, 0, err.msg);
        return;
    }
    add_child(l, pid, msg->token);
}

/* False where the engine is gone. What it sent before is still read first. */
static bool on_message(struct launcher *l)
{
    struct step_msg msg = {0};
    struct err err = ERR_INIT;
    int fds[STEP_MSG_FDS];
    int got = step_recv(l->sock, &l->raw, &msg, fds, &err);
    if (got > 0 && msg.kind == MSG_LAUNCH) {
        on_launch(l, &msg, fds);
    } else if (got > 0 && msg.kind == MSG_REAP) {
        on_reap(l, &msg);
    }
    for (size_t i = 0; i < STEP_MSG_FDS; i++) {
        mem_close_fd(&fds[i]);
    }
    step_msg_done(&msg);
    /* A malformed message is dropped: the channel that came with it is closed, which tells. */
    return got >= 0 || err.code == ERR_CORRUPT || err.code == ERR_LIMIT;
}

/* ---- the loop
 * ------------------------------------------------------------------------------------- */

/* False where it is to end: TERM. */
static bool on_signal(struct launcher *l)
{
    struct signalfd_siginfo info;
    if (read(l->signals, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
        return true;
    }
    if (info.ssi_signo == SIGCHLD) {
        reap_children(l);
    }
    return info.ssi_signo != SIGTERM;
}

static bool turn(struct launcher *l)
{
    struct pollfd fds[] = {{.fd = l->sock, .events = POLLIN}, {.fd = l->signals, .events = POLLIN}};
    bool sweeping = l->orphans || l->reap_count > 0;
    if (poll(fds, COUNT_OF(fds), sweeping ? SWEEP_MS : -1) < 0 && errno != EINTR) {
        return true;
    }
    if (fds[1].revents != 0 && !on_signal(l)) {
        return false;
    }
    if (fds[0].revents != 0 && !on_message(l)) {
        return false;
    }
    if (l->orphans || l->reap_count > 0) {
        sweep(l);
    }
    return true;
}

/* All to their defaults, also the two that the C library keeps to itself and posix_spawn leaves
 * ignored; so by the system call, whose structure is all zeroes then. */
static void reset_signals(void)
{
    static const unsigned long defaults[8];
    for (int i = 1; i <= 64; i++) {
        (void)syscall(SYS_rt_sigaction, i, defaults, NULL, 8);
    }
}

/* Nothing of the starter stays: no signal it ignored, no descriptor, no terminal, no folder. */
static bool detach(struct launcher *l, int sock, struct err *err)
{
    sigset_t watched;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    reset_signals();
    sigemptyset(&watched);
    static const int signals[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        sigaddset(&watched, signals[i]);
    }
    (void)setsid();
    if (null < 0 || sigprocmask(SIG_SETMASK, &watched, NULL) < 0 ||
        prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || chdir("/") < 0) {
        return err_sys(err, errno, "cannot set up the launcher");
    }
    for (int fd = 0; fd <= 2; fd++) {
        (void)dup2(null, fd);
    }
    if (dup3(sock, 3, O_CLOEXEC) < 0 && errno != EINVAL) { /* EINVAL: it is 3 already */
        return err_sys(err, errno, "cannot set up the launcher");
    }
    l->sock = 3;
    (void)fcntl(l->sock, F_SETFD, FD_CLOEXEC);
    (void)close_range(4, ~0U, 0);
    l->signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    return l->signals >= 0 || err_sys(err, errno, "cannot watch signals");
}

bool launcher_serve(int sock, struct err *err)
{
    struct launcher l = {0};
    int type = 0;
    socklen_t len = sizeof(type);
    if (getsockopt(sock, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET) {
        return err_set(err, ERR_USAGE, "descriptor %d is no sequenced packet socket", sock);
    }
    if (!detach(&l, sock, err)) {
        return false;
    }
    while (turn(&l)) {
    }
    if (l.orphans) {
        sweep(&l);
    }
    _exit(0);
}
