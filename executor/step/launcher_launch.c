/*
 * launcher_launch.c - LAUNCH: the step's limits are read, a place for it is taken, and a supervisor
 * is forked. All that may block or take long (the spec, the folder) is left to the supervisor; what
 * an engine that is not root may have is looked at there too, before anything else.
 */
#include "executor/step/launcher_internal.h"

#include "base/limits.h"
#include "base/mem.h"
#include "executor/step/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OOM_SCORE 500

enum { FD_FOLDER, FD_RECORD, FD_CHANNEL, FD_SPEC };

/* ---- the spec
 * -------------------------------------------------------------------------------------- */

/* Only memory that nobody can change or shorten any more is read here: a file could block, and
 * could be another one when the supervisor reads it. */
static bool read_spec(int fd, struct buf *ret, struct err *err)
{
    const int sealed = F_SEAL_WRITE | F_SEAL_SHRINK;
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & sealed) != sealed || fstat(fd, &st) < 0 || st.st_size > LIMIT_SPEC) {
        return err_set(err, ERR_INVALID, "the launch's spec is no sealed memory of at most %ld MiB",
                       LIMIT_SPEC >> 20);
    }
    ret->data = mem_grow(ret->data, (size_t)st.st_size + 1, 1);
    ret->cap = (size_t)st.st_size + 1;
    ssize_t got = pread(fd, ret->data, (size_t)st.st_size, 0);
    if (got != st.st_size) {
        return err_set(err, ERR_IO, "the launch's spec cannot be read");
    }
    ret->len = (size_t)got;
    ret->data[ret->len] = '\0';
    return true;
}

/* What the step's place has to hold. A damaged spec has no limits: its supervisor will say so. */
static bool read_limits(const struct peer *p, const void *spec, size_t len, struct step_limits *ret)
{
    if (!step_spec_limits(spec, len, ret)) {
        return false;
    }
    if (policy_binds(p)) { /* cores are not for these (host_rebind()) */
        ret->cores = 0;
        free(ret->core_list);
        ret->core_list = NULL;
    }
    return true;
}

static struct cg_place *take_place(struct host *host, const struct peer *p, const void *spec,
                                   size_t len)
{
    struct step_limits limits = {0};
    struct cg_place *place = NULL;
    host_need_sandbox(host);
    if (read_limits(p, spec, len, &limits)) {
        bool needs_place = step_limits_any(&limits);
        if (needs_place || limits.gpus != 0 || limits.gpu_list != NULL) {
            host_need_limits(host);
        }
        place = needs_place ? cg_take(host->cg, &limits) : NULL;
        step_limits_done(&limits);
    }
    return place;
}

/* ---- the child
 * ------------------------------------------------------------------------------------- */

static bool hand_place(const struct peer *p, const struct supervisor_launch *launch,
                       struct err *err)
{
    struct step_limits limits = {0};
    if (launch->place == NULL || !read_limits(p, launch->spec, launch->spec_len, &limits)) {
        return true;
    }
    bool ok = cg_hand(launch->cg, launch->place, &limits, err);
    step_limits_done(&limits);
    return ok;
}

/* A peer with less rights than ours gets a supervisor that is its user, or nothing. */
static bool bind_to_peer(struct launcher *l, const struct peer *p, const int fds[STEP_MSG_FDS],
                         struct supervisor_launch *launch, struct err *err)
{
    static struct buf spec = {.max = LIMIT_SPEC}; /* as long as this process */
    if (!policy_spec(p, fds[FD_FOLDER], fds[FD_RECORD], launch->spec, launch->spec_len, &spec,
                     err) ||
        !hand_place(p, launch, err)) {
        return false;
    }
    if (!policy_become(p)) {
        return err_sys(err, errno, "cannot become user %u", (unsigned)p->uid);
    }
    host_rebind(&l->host);
    launch->sandbox = l->host.sandbox;
    if (spec.len > 0) {
        launch->spec = spec.data;
        launch->spec_len = spec.len;
    }
    return true;
}

/* Where the host has no memory left, steps go before what runs beside them. They inherit their
 * score from the fork of their supervisor, which so has it too, but less memory than they: to set
 * it in each command would cost a look-up in /proc, and could not be done by who has changed its
 * user. */
static pid_t fork_as_victim(struct launcher *l)
{
    if (l->oom_score < 0) {
        l->oom_score = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
        ssize_t got = l->oom_score < 0
                          ? -1
                          : read(l->oom_score, l->own_oom_score, sizeof(l->own_oom_score) - 1);
        l->own_oom_score[got < 0 ? 0 : got] = '\0';
    }
    bool raise = l->oom_score >= 0 && strtol(l->own_oom_score, NULL, 10) < OOM_SCORE;
    if (raise) {
        (void)!dprintf(l->oom_score, "%d", OOM_SCORE);
    }
    pid_t pid = _Fork(); /* no handlers to run: this process has one thread and no libraries */
    if (raise && pid != 0) {
        (void)!write(l->oom_score, l->own_oom_score, strlen(l->own_oom_score));
    }
    return pid;
}

/* What is the launcher's is closed; the signals stay blocked, and the signalfd shows those of who
 * reads it. */
static void close_launchers(const struct launcher *l)
{
    for (size_t i = 0; i < l->peer_count; i++) {
        close(l->peers[i].sock);
    }
    if (l->listener >= 0) {
        close(l->listener);
        close(l->lock);
    }
}

_Noreturn static void become_supervisor(struct launcher *l, struct peer *p, int64_t token,
                                        struct supervisor_launch *launch,
                                        const int fds[STEP_MSG_FDS])
{
    struct err err = ERR_INIT;
    if (policy_binds(p) && !bind_to_peer(l, p, fds, launch, &err)) {
        peer_refuse(p, token, err.msg);
        _exit(0);
    }
    close_launchers(l);
    if (fds[FD_SPEC] >= 0) {
        close(fds[FD_SPEC]); /* it has been read */
    }
    supervise(launch);
}

void launch(struct launcher *l, struct peer *p, const struct step_msg *msg,
            const int fds[STEP_MSG_FDS])
{
    struct err err = ERR_INIT;
    AUTO_BUF struct buf large = BUF_INIT(LIMIT_SPEC);
    if (fds[FD_CHANNEL] < 0 || (msg->spec == NULL && fds[FD_SPEC] < 0)) {
        peer_refuse(p, msg->token, "the launch came without its descriptors");
        return;
    }
    if (msg->spec == NULL && !read_spec(fds[FD_SPEC], &large, &err)) {
        peer_refuse(p, msg->token, err.msg);
        return;
    }
    struct supervisor_launch to = {
        .folder = fds[FD_FOLDER],
        .record = fds[FD_RECORD],
        .channel = fds[FD_CHANNEL],
        .spec_fd = -1,
        .spec = msg->spec == NULL ? large.data : msg->spec,
        .spec_len = msg->spec == NULL ? large.len : msg->spec_len,
        .signals = l->signals,
    };
    to.place = take_place(&l->host, p, to.spec, to.spec_len);
    to.cg = l->host.cg;
    to.sandbox = l->host.sandbox;
    to.facts = &l->host.facts;
    pid_t pid = fork_as_victim(l);
    if (pid == 0) {
        become_supervisor(l, p, msg->token, &to, fds);
    }
    struct child child = {.pid = pid, .peer = p->id, .token = msg->token, .place = to.place};
    if (pid > 0) {
        child_add(l, &child);
        return;
    }
    err_sys(&err, errno, "cannot make a process for the step's supervisor");
    if (child.place != NULL) {
        (void)!cg_give(l->host.cg, child.place, true);
    }
    peer_refuse(p, msg->token, err.msg);
}
