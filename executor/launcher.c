/*
 * launcher.c - the launcher (orch-step serve) and the socket to it: one of our own, or one that
 * lives by itself. One that died is started or connected to again when it is next needed;
 * supervisors do not mind.
 */
#include "executor/internal.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void on_launcher(void *arg, int events);
static void launcher_lost(struct exec *e);

#define RESTART_MS 1000 /* how long a launcher that is being restarted is waited for */
#define TRY_MS 10

static void on_launcher(void *arg, int events);

/* ---- the link
 * ------------------------------------------------------------------------------------------ */

/* One that lives by itself. One that has answered before may just be restarted, so it is waited for
 * a moment. */
static int connect_to(const struct exec *e, struct err *err)
{
    const char *path = e->socket, *slash = strrchr(path, '/');
    if (path[0] != '/') {
        err_set(err, ERR_USAGE, "the launcher's socket '%s' is no absolute path", path);
        return -1;
    }
    AUTO_FREE char *dir = mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
    struct err why = ERR_INIT;
    int sock = file_socket_connect(dir, slash + 1, &why);
    for (int waited = 0; sock < 0 && e->linked && waited < RESTART_MS; waited += TRY_MS) {
        (void)poll(NULL, 0, TRY_MS);
        sock = file_socket_connect(dir, slash + 1, &why);
    }
    if (sock < 0) {
        err_set(err, ERR_UNAVAILABLE,
                "no launcher answers: %s (does its service run? `systemctl status orch-launch`)",
                why.msg);
    }
    return sock;
}

static int start_own(struct exec *e, struct err *err)
{
    int pair[2];
    if (e->pid > 0) {
        (void)waitpid(e->pid, NULL, 0); /* the one before: it has closed its socket, or sees ours */
        e->pid = 0;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        (void)err_sys(err, errno, "cannot make a socket to the launcher");
        return -1;
    }
    int failed = spawn_launcher(e->program, e->scoped, pair[1], &e->pid);
    close(pair[1]);
    if (failed != 0) {
        close(pair[0]);
        (void)err_sys(err, failed, "cannot start %s", e->program);
        return -1;
    }
    return pair[0];
}

bool launcher_start(struct exec *e, struct err *err)
{
    if (e->sock < 0) {
        e->sock = e->socket != NULL ? connect_to(e, err) : start_own(e, err);
        if (e->sock < 0) {
            return false;
        }
        e->linked = true;
        e->watch = e->loop->ops->watch_open(e->loop, e->sock, LOOP_READ, on_launcher, e);
    }
    return true;
}

/* ---- sending
 * ------------------------------------------------------------------------------------------ */

static void close_all(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        mem_close_fd(&fds[i]);
    }
}

static void pending_free(struct exec_pending *p)
{
    close_all(p->fds, p->fd_count);
    buf_done(&p->bytes);
    free(p);
}

static void keep_for_later(struct exec *e, const struct buf *bytes, const int *fds, size_t fd_count)
{
    struct exec_pending *p = mem_alloc(sizeof(*p));
    p->bytes = BUF_INIT(LIMIT_MESSAGE);
    (void)buf_add(&p->bytes, bytes->data, bytes->len);
    if (fd_count > 0) {
        memcpy(p->fds, fds, fd_count * sizeof(*fds));
    }
    p->fd_count = fd_count;
    if (e->pending_last != NULL) {
        e->pending_last->next = p;
    } else {
        e->pending = p;
    }
    e->pending_last = p;
    e->loop->ops->watch_set(e->watch, LOOP_READ | LOOP_WRITE);
}

static bool send_now(struct exec *e, const struct buf *bytes, const int *fds, size_t fd_count,
                     struct err *err)
{
    if (!launcher_start(e, err)) {
        return false;
    }
    if (e->pending != NULL) {
        return err_set(err, ERR_BUSY, "others wait");
    }
    return step_send_bytes(e->sock, bytes->data, bytes->len, fds, fd_count, err);
}

bool launcher_refuse(const struct exec *e, struct err *err)
{
    if (e->socket != NULL) {
        return err_set(err, ERR_UNAVAILABLE,
                       "the launcher on %s does not talk to us: does it allow this user (--allow)?",
                       e->socket);
    }
    return err_set(err, ERR_UNAVAILABLE,
                   "%s ends as soon as it is started: is it the program of this version?",
                   e->program);
}

bool launcher_send(struct exec *e, const struct buf *bytes, int *fds, size_t fd_count,
                   struct err *err)
{
    struct err why = ERR_INIT;
    bool sent = send_now(e, bytes, fds, fd_count, &why);
    if (!sent && why.code != ERR_BUSY && e->sock >= 0) {
        launcher_lost(e); /* it died before it was heard to */
        sent = send_now(e, bytes, fds, fd_count, &why);
        if (!sent && why.code != ERR_BUSY && e->sock >= 0) {
            (void)launcher_refuse(e, &why);
        }
    }
    if (!sent && why.code == ERR_BUSY) {
        keep_for_later(e, bytes, fds, fd_count);
        return true;
    }
    close_all(fds, fd_count);
    if (!sent && err != NULL) {
        *err = why;
    }
    return sent || err_wrap(err, "the launcher");
}

bool launcher_ask_reap(struct exec *e, int64_t token, const char *folder, const char *run,
                       const char *step, int64_t attempt, struct err *err)
{
    AUTO_BUF struct buf bytes = BUF_INIT(LIMIT_MESSAGE);
    AUTO_FREE char *run_copy = mem_strdup(run);
    AUTO_FREE char *step_copy = mem_strdup(step);
    AUTO_FREE char *cgroup = recover_cgroup(folder);
    struct step_msg msg = {.kind = MSG_REAP,
                           .token = token,
                           .run = run_copy,
                           .step = step_copy,
                           .attempt = attempt,
                           .text = cgroup};
    return step_msg_encode(&msg, &bytes, err) && launcher_send(e, &bytes, NULL, 0, err);
}

static void send_pending(struct exec *e)
{
    while (e->pending != NULL) {
        struct exec_pending *p = e->pending;
        struct err err = ERR_INIT;
        bool sent =
            step_send_bytes(e->sock, p->bytes.data, p->bytes.len, p->fds, p->fd_count, &err);
        if (!sent && err.code == ERR_BUSY) {
            return;
        }
        /* Where it failed for good, the channel in its fds closes, and the attempt hears of it. */
        e->pending = p->next;
        pending_free(p);
    }
    e->pending_last = NULL;
    e->loop->ops->watch_set(e->watch, LOOP_READ);
}

/* ---- hearing
 * ------------------------------------------------------------------------------------------- */

void launcher_stop(struct exec *e)
{
    if (e->watch != NULL) {
        e->loop->ops->watch_close(e->watch);
        e->watch = NULL;
    }
    mem_close_fd(&e->sock);
    e->sock = -1;
    while (e->pending != NULL) {
        struct exec_pending *p = e->pending;
        e->pending = p->next;
        pending_free(p);
    }
    e->pending_last = NULL;
}

static void launcher_lost(struct exec *e)
{
    log_warn("the launcher %s; it is %s again when needed",
             e->socket == NULL ? "has died" : "has left us",
             e->socket == NULL ? "started" : "connected to");
    launcher_stop(e);
    for (struct exec_attempt *a = e->attempts, *next; a != NULL; a = next) {
        next = a->hh.next;
        attempt_launcher_lost(a);
    }
}

static void handle(struct exec *e, const struct step_msg *msg)
{
    struct exec_attempt *a = NULL;
    HASH_FIND(hh, e->attempts, &msg->token, sizeof(msg->token), a);
    if (msg->kind == MSG_REFUSED && a != NULL) {
        attempt_refused(a, msg->text);
    } else if (msg->kind == MSG_REAPED) {
        e->reaped_token = msg->token;
        e->reaped_count = msg->number;
        if (a != NULL) {
            attempt_reaped(a);
        }
    } else if (msg->kind == MSG_PROBED) {
        facts_heard(e, msg);
    }
}

static void hear(struct exec *e)
{
    for (;;) {
        struct step_msg msg;
        int fds[STEP_MSG_FDS];
        struct err err = ERR_INIT;
        buf_clear(&e->raw);
        int got = step_recv(e->sock, &e->raw, &msg, fds, &err);
        if (got == 0) {
            return;
        }
        if (got < 0) {
            launcher_lost(e);
            return;
        }
        close_all(fds, STEP_MSG_FDS);
        handle(e, &msg);
        step_msg_done(&msg);
    }
}

static void on_launcher(void *arg, int events)
{
    struct exec *e = arg;
    if ((events & LOOP_WRITE) != 0) {
        send_pending(e);
    }
    if ((events & (LOOP_READ | LOOP_HANGUP)) != 0) {
        hear(e);
    }
}

void launcher_hear(struct exec *e)
{
    if (e->sock >= 0) {
        hear(e);
    }
}

bool launcher_wait(struct exec *e, int timeout_ms)
{
    struct pollfd fd = {.fd = e->sock, .events = POLLIN};
    if (e->sock < 0 || poll(&fd, 1, timeout_ms) <= 0) {
        return false;
    }
    hear(e);
    return true;
}

/* ---- public
 * --------------------------------------------------------------------------------------------- */

struct exec *exec_open(const struct exec_conf *conf, struct err *err)
{
    struct exec *e = mem_alloc(sizeof(*e));
    e->loop = conf->loop;
    e->sock = -1;
    e->next_token = 1;
    e->raw = BUF_INIT(LIMIT_MESSAGE);
    e->socket = conf->launcher != NULL ? mem_strdup(conf->launcher) : NULL;
    if (e->socket == NULL) {
        e->program =
            conf->step_program != NULL ? mem_strdup(conf->step_program) : exec_find_program(err);
    }
    if ((e->socket == NULL && e->program == NULL) || !launcher_start(e, err)) {
        exec_close(e);
        return NULL;
    }
    return e;
}

void exec_close(struct exec *e)
{
    if (e == NULL) {
        return;
    }
    struct exec_attempt *a, *next;
    HASH_ITER(hh, e->attempts, a, next)
    {
        attempt_free(a);
    }
    launcher_stop(e);
    if (e->pid > 0) {
        (void)waitpid(e->pid, NULL, 0);
    }
    step_facts_done(&e->facts);
    buf_done(&e->raw);
    free(e->program);
    free(e->socket);
    free(e);
}
