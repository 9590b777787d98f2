/*
 * launcher.c - turn(): a message from an engine (LAUNCH: fork a supervisor; REAP: see that an
 * attempt's leftovers are gone; PROBE: what does this host hold?), an engine that connects, or a
 * child's death.
 *
 * What is true when this process is killed: supervisors go on, they need it no more. A launch that
 * it had not read is closed with its socket, so that the engine sees the channel's end and the
 * record's lock is free. A supervisor that dies later leaves its orphans to init; the next
 * launcher finds them by their cgroup and their environment when it is asked to REAP.
 */
#include "executor/step/launcher_internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define LINGER_MS 50       /* for supervisors that are on their way out */
#define SWEEP_MS 10        /* between two looks at what should be dying */
#define HUNG_MS 1000       /* where it has not died for long */
#define AUTOGROUP_NICE "7" /* steps lose against what runs beside them, also without cgroups */

void launcher_say(const char *fmt, ...)
{
    char text[1200];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)dprintf(STDERR_FILENO, "orch-step: %s\n", text);
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
        child_reap(l);
    } else if (info.ssi_signo == SIGHUP && l->listener >= 0) {
        resume_exec(l);
    }
    return info.ssi_signo != SIGTERM;
}

/* How long to wait for something to happen; what hangs in the kernel is looked at now and then. */
static int wait_ms(struct launcher *l)
{
    if (!child_has_leftovers(l)) {
        l->sweeping_since_ms = 0;
        return -1;
    }
    int64_t now = clock_boot_ms(clock_system());
    if (l->sweeping_since_ms == 0) {
        l->sweeping_since_ms = now;
    }
    return now - l->sweeping_since_ms < GIVE_UP_MS ? SWEEP_MS : HUNG_MS;
}

/* False where the engine that we were born with has left. What it sent before is still read
 * first. */
static bool hear_peers(struct launcher *l, const struct pollfd *fds, size_t count)
{
    bool go_on = true;
    for (size_t i = 0; i < count; i++) {
        if (fds[i].revents != 0) {
            peer_hear(l, &l->peers[i]);
            go_on = go_on && !(l->peers[i].gone && l->peers[i].is_born);
        }
    }
    return go_on;
}

static bool turn(struct launcher *l)
{
    enum { SIGNALS, LISTENER, PEERS };
    struct pollfd fds[PEERS + LAUNCHER_PEERS];
    size_t peers = l->peer_count;
    fds[SIGNALS] = (struct pollfd){.fd = l->signals, .events = POLLIN};
    fds[LISTENER] = (struct pollfd){.fd = l->listener, .events = POLLIN};
    for (size_t i = 0; i < peers; i++) {
        fds[PEERS + i] = (struct pollfd){.fd = l->peers[i].sock, .events = POLLIN};
    }
    if (poll(fds, PEERS + peers, wait_ms(l)) < 0) {
        return true; /* EINTR, or no memory: the next turn */
    }
    if ((fds[SIGNALS].revents != 0 && !on_signal(l)) || !hear_peers(l, fds + PEERS, peers)) {
        return false;
    }
    if (fds[LISTENER].revents != 0) {
        peer_accept(l);
    }
    if (child_has_leftovers(l)) {
        child_sweep(l);
    }
    peer_purge(l);
    return true;
}

/* ---- the beginning
 * --------------------------------------------------------------------------------- */

/* All to their defaults, also the two that the C library keeps to itself and posix_spawn leaves
 * ignored; so by the system call, whose structure is all zeroes then. */
static void reset_signals(void)
{
    static const unsigned long defaults[8];
    for (int i = 1; i <= 64; i++) {
        (void)syscall(SYS_rt_sigaction, i, defaults, NULL, 8);
    }
}

static bool watch_signals(struct launcher *l, struct err *err)
{
    static const int signals[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
    sigset_t watched;
    reset_signals();
    sigemptyset(&watched);
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        sigaddset(&watched, signals[i]);
    }
    if (sigprocmask(SIG_SETMASK, &watched, NULL) < 0) {
        return err_sys(err, errno, "cannot block signals");
    }
    l->signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    return l->signals >= 0 || err_sys(err, errno, "cannot watch signals");
}

/* Without cgroups the kernel's autogroups are what shares out the processor: all steps together are
 * in this process' own. */
static void be_nice(void)
{
    int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, AUTOGROUP_NICE, strlen(AUTOGROUP_NICE));
        close(fd);
    }
}

/* Nothing of the starter stays: no signal it ignored, no descriptor, no terminal, no folder. A
 * service keeps its standard error, for what it has to say. */
static bool detach(int *keep, struct err *err)
{
    AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)setsid();
    if (null < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || chdir("/") < 0) {
        return err_sys(err, errno, "cannot set up the launcher");
    }
    be_nice();
    for (int fd = 0; fd <= (*keep >= 0 ? 2 : 1); fd++) {
        (void)dup2(null, fd);
    }
    if (*keep >= 0) {
        if (dup3(*keep, 3, O_CLOEXEC) < 0 && errno != EINVAL) { /* EINVAL: it is 3 already */
            return err_sys(err, errno, "cannot set up the launcher");
        }
        *keep = 3;
        (void)fcntl(*keep, F_SETFD, FD_CLOEXEC);
    }
    (void)close_range(*keep >= 0 ? 4 : 3, ~0U, 0);
    null = -1;
    return true;
}

/* Of the one engine that started it. */
static bool begin_born(struct launcher *l, int sock, struct err *err)
{
    int type = 0;
    socklen_t len = sizeof(type);
    if (getsockopt(sock, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET) {
        return err_set(err, ERR_USAGE, "descriptor %d is no sequenced packet socket", sock);
    }
    return detach(&sock, err) &&
           (peer_add(l, sock, l->next_peer++) != NULL ||
            err_set(err, ERR_DENIED, "the socket %d does not say whose it is", sock));
}

/* Tells the service manager (sd_notify(3)): a datagram, so that no library is needed for it. */
static void notify(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(to.sun_path)) {
        return;
    }
    AUTO_CLOSE int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memcpy(to.sun_path, path, strlen(path));
    if (path[0] == '@') {
        to.sun_path[0] = '\0';
    }
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (sock >= 0) {
        (void)sendto(sock, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to, len);
    }
}

static bool begin_listening(struct launcher *l, const struct launcher_conf *conf, struct err *err)
{
    if (!policy_read(conf->allow, conf->allow_count, &l->policy, err)) {
        return false;
    }
    if (conf->resume >= 0) {
        return resume_read(l, conf->resume, err);
    }
    int keep = -1;
    return detach(&keep, err) && peer_listen(l, conf->socket, err);
}

/* Where the program is that takes our place on HUP: where it was called by its path that is the one
 * an upgrade replaces, be it by a link. */
static char *own_path(const struct launcher_conf *conf)
{
    char path[4096];
    if (conf->program[0] == '/') {
        return mem_strdup(conf->program);
    }
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path));
    return mem_strndup(path, len > 0 ? (size_t)len : 0);
}

static bool has_places(const struct launcher *l)
{
    for (size_t i = 0; i < l->child_count; i++) {
        if (l->children[i].place != NULL) {
            return true;
        }
    }
    return l->leftover_count > 0;
}

/* An engine that has taken an end in leaves faster than the supervisor that told it: what such have
 * left is cleared here, or nobody would. Those whose step goes on clear up themselves. */
static void linger(struct launcher *l)
{
    int64_t until = clock_boot_ms(clock_system()) + LINGER_MS;
    struct pollfd fd = {.fd = l->signals, .events = POLLIN};
    while (has_places(l) && clock_boot_ms(clock_system()) < until) {
        if (poll(&fd, 1, SWEEP_MS) > 0) {
            (void)on_signal(l);
        }
        child_sweep(l);
    }
}

/* It could not begin; what else it has goes with its process. */
static void give_up(struct launcher *l)
{
    free(l->program);
    free(l->policy.uids);
    free(l->policy.gids);
}

bool launcher_serve(const struct launcher_conf *conf, struct err *err)
{
    struct launcher l = {.conf = conf,
                         .program = own_path(conf),
                         .signals = -1,
                         .listener = -1,
                         .lock = -1,
                         .oom_score = -1,
                         .next_peer = 1};
    bool ok =
        conf->engine >= 0 ? begin_born(&l, conf->engine, err) : begin_listening(&l, conf, err);
    if (!ok || !watch_signals(&l, err)) {
        give_up(&l);
        return false;
    }
    notify("READY=1");
    child_reap(&l); /* who ended while this program took the place of another */
    while (turn(&l)) {
    }
    linger(&l);
    if (child_has_leftovers(&l)) {
        child_sweep(&l);
    }
    if (l.listener >= 0) {
        (void)unlink(conf->socket);
    }
    host_close(&l.host);
    _exit(0);
}
