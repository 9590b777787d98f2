/*
 * launcher_resume.c - an upgrade: this process execs the program that stands at its path now, and
 * that goes on where this one stopped. Its children stay its children, its sockets stay open, and
 * a message that was not read yet waits.
 *
 *   ask the new program whether it understands our state ─▶ write it to a sealed memfd ─▶ exec
 *          │ no                                                      │ failed
 *          ▼                                                         ▼
 *   go on as before, and say so                              the same
 *
 * What the state does not hold is found again: who a peer is, the kernel says; what a host holds is
 * looked at when it is needed. Descriptors are passed by their number.
 */
#include "executor/step/launcher_internal.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define VERSION "1"
#define STATE_MAX (64L << 20)
#define ANSWER_MS 5000 /* for the new program to say that it understands */

extern char **environ;

/* Read by other versions: never renumbered. */
enum tag {
    TAG_LISTENER = 1,
    TAG_LOCK = 2,
    TAG_NEXT_PEER = 3,
    TAG_ORPHANS = 4,
    TAG_CGROUPS = 5,
    TAG_PEER = 6,
    TAG_CHILD = 7,
    TAG_LEFTOVER = 8,
    TAG_REAP = 9,
};
enum { PEER_ID = 1, PEER_SOCK = 2 };
enum { CHILD_PID = 1, CHILD_PEER = 2, CHILD_TOKEN = 3, CHILD_PLACE = 4, CHILD_IS_HELPER = 5 };
enum {
    REAP_PEER = 1,
    REAP_TOKEN = 2,
    REAP_ATTEMPT = 3,
    REAP_KILLED = 4,
    REAP_GIVE_UP = 5,
    REAP_RUN = 6,
    REAP_STEP = 7,
    REAP_CGROUP = 8,
    REAP_REAPER = 9,
    REAP_DONE = 10,
};

bool launcher_can_resume(const char *version)
{
    return strcmp(version, VERSION) == 0;
}

/* ---- writing
 * --------------------------------------------------------------------------------------- */

static void put_inner(struct buf *ret, uint16_t tag, struct buf *inner)
{
    wire_put_bytes(ret, tag, buf_str(inner), inner->len);
    buf_clear(inner);
}

static void put_peers(const struct launcher *l, struct buf *ret)
{
    AUTO_BUF struct buf inner = BUF_INIT(LIMIT_MESSAGE);
    for (size_t i = 0; i < l->peer_count; i++) {
        wire_put_int(&inner, PEER_ID, l->peers[i].id);
        wire_put_int(&inner, PEER_SOCK, l->peers[i].sock);
        put_inner(ret, TAG_PEER, &inner);
    }
}

static void put_child(struct buf *ret, uint16_t tag, const struct child *c)
{
    AUTO_BUF struct buf inner = BUF_INIT(LIMIT_MESSAGE);
    wire_put_int(&inner, CHILD_PID, c->pid);
    wire_put_int(&inner, CHILD_PEER, c->peer);
    wire_put_int(&inner, CHILD_TOKEN, c->token);
    if (c->place != NULL) {
        wire_put_text(&inner, CHILD_PLACE, cg_place_name(c->place));
    }
    wire_put_int(&inner, CHILD_IS_HELPER, c->is_helper);
    put_inner(ret, tag, &inner);
}

static void put_children(const struct launcher *l, struct buf *ret)
{
    for (size_t i = 0; i < l->child_count; i++) {
        put_child(ret, TAG_CHILD, &l->children[i]);
    }
    for (size_t i = 0; i < l->leftover_count; i++) {
        const struct leftover *left = &l->leftovers[i];
        put_child(ret, TAG_LEFTOVER,
                  &(struct child){.place = left->place, .peer = left->peer, .token = left->token});
    }
}

static void put_reaps(const struct launcher *l, struct buf *ret)
{
    AUTO_BUF struct buf inner = BUF_INIT(LIMIT_MESSAGE * 2);
    for (size_t i = 0; i < l->reap_count; i++) {
        const struct reap *r = &l->reaps[i];
        wire_put_int(&inner, REAP_PEER, r->peer);
        wire_put_int(&inner, REAP_TOKEN, r->token);
        wire_put_int(&inner, REAP_ATTEMPT, r->attempt);
        wire_put_int(&inner, REAP_KILLED, r->killed);
        wire_put_int(&inner, REAP_GIVE_UP, r->give_up_ms);
        wire_put_text(&inner, REAP_RUN, r->run);
        wire_put_text(&inner, REAP_STEP, r->step);
        wire_put_text(&inner, REAP_CGROUP, r->cgroup);
        wire_put_int(&inner, REAP_REAPER, r->reaper);
        wire_put_int(&inner, REAP_DONE, r->done);
        put_inner(ret, TAG_REAP, &inner);
    }
}

/* A sealed memfd, not closed by exec; -1 on failure. */
static int write_state(const struct launcher *l, struct err *err)
{
    AUTO_BUF struct buf state = BUF_INIT(STATE_MAX);
    AUTO_BUF struct buf cgroups = BUF_INIT(STATE_MAX);
    wire_put_int(&state, TAG_LISTENER, l->listener);
    wire_put_int(&state, TAG_LOCK, l->lock);
    wire_put_int(&state, TAG_NEXT_PEER, l->next_peer);
    wire_put_int(&state, TAG_ORPHANS, l->orphans);
    if (l->host.cg != NULL) {
        cg_save(l->host.cg, &cgroups);
        wire_put_bytes(&state, TAG_CGROUPS, buf_str(&cgroups), cgroups.len);
    }
    put_peers(l, &state);
    put_children(l, &state);
    put_reaps(l, &state);
    AUTO_CLOSE int fd = memfd_create("orch-launcher", MFD_ALLOW_SEALING);
    if (state.full || fd < 0) {
        err_sys(err, state.full ? EFBIG : errno, "cannot keep the launcher's state");
        return -1;
    }
    if (!file_write_all(fd, state.data, state.len, err)) {
        return -1;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        err_sys(err, errno, "cannot seal the launcher's state");
        return -1;
    }
    int taken = fd;
    fd = -1;
    return taken;
}

/* ---- exec
 * ------------------------------------------------------------------------------------------ */

static void set_inherited(const struct launcher *l, bool inherited)
{
    int flags = inherited ? 0 : FD_CLOEXEC;
    (void)fcntl(l->listener, F_SETFD, flags);
    (void)fcntl(l->lock, F_SETFD, flags);
    for (size_t i = 0; i < l->peer_count; i++) {
        (void)fcntl(l->peers[i].sock, F_SETFD, flags);
    }
}

/* A program that hangs is no better than one that says no. */
static int wait_for(pid_t pid)
{
    int status = -1;
    for (int waited = 0; waitpid(pid, &status, WNOHANG) == 0; waited += 10) {
        if (waited >= ANSWER_MS) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            return -1;
        }
        (void)poll(NULL, 0, 10);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool understands_us(const char *program, struct err *err)
{
    char flag[] = "--can-resume", version[] = VERSION;
    AUTO_FREE char *name = mem_strdup(program);
    char *argv[] = {name, flag, version, NULL};
    pid_t pid;
    int failed = posix_spawn(&pid, program, NULL, NULL, argv, environ);
    if (failed != 0) {
        return err_sys(err, failed, "cannot start it");
    }
    return wait_for(pid) == 0 ||
           err_set(err, ERR_NEWER, "it does not understand what this version would hand on");
}

static void exec_with(struct launcher *l, int state, struct err *err)
{
    const struct launcher_conf *conf = l->conf;
    AUTO_FREE char *fd = mem_printf("%d", state);
    AUTO_FREE const char **argv = mem_array(conf->allow_count * 2 + 7, sizeof(*argv));
    size_t count = 0;
    argv[count++] = l->program;
    argv[count++] = "serve";
    argv[count++] = "--socket";
    argv[count++] = conf->socket;
    for (size_t i = 0; i < conf->allow_count; i++) {
        argv[count++] = "--allow";
        argv[count++] = conf->allow[i];
    }
    argv[count++] = "--resume";
    argv[count++] = fd;
    set_inherited(l, true);
    (void)execve(l->program, (char *const *)(uintptr_t)argv, environ);
    (void)err_sys(err, errno, "cannot become it");
    set_inherited(l, false);
}

void resume_exec(struct launcher *l)
{
    struct err err = ERR_INIT;
    peer_purge(l);
    if (understands_us(l->program, &err)) {
        AUTO_CLOSE int state = write_state(l, &err);
        if (state >= 0) {
            exec_with(l, state, &err);
        }
    }
    launcher_say("not upgraded to %s: %s; this version goes on", l->program, err.msg);
}

/* ---- reading
 * --------------------------------------------------------------------------------------- */

static bool take_int(const struct wire *w, uint16_t tag, int64_t *ret)
{
    struct wire copy = *w;
    return w->tag == tag && wire_int(&copy, ret);
}

static bool take_text(const struct wire *w, uint16_t tag, char **ret)
{
    struct wire copy = *w;
    char *text;
    if (w->tag != tag || !wire_text(&copy, &text)) {
        return false;
    }
    free(*ret);
    *ret = text;
    return true;
}

static void read_peer(struct launcher *l, struct wire *w)
{
    int64_t id = 0, sock = -1;
    while (wire_next(w)) {
        (void)(take_int(w, PEER_ID, &id) || take_int(w, PEER_SOCK, &sock));
    }
    if (sock >= 0) {
        (void)fcntl((int)sock, F_SETFD, FD_CLOEXEC);
        (void)peer_add(l, (int)sock, id);
    }
}

/* A place that is not there any more needs nothing more to be done. */
static void read_child(struct launcher *l, struct wire *w, bool alive)
{
    int64_t pid = 0, is_helper = 0;
    struct child c = {0};
    AUTO_FREE char *place = NULL;
    while (wire_next(w)) {
        (void)(take_int(w, CHILD_PID, &pid) || take_int(w, CHILD_PEER, &c.peer) ||
               take_int(w, CHILD_TOKEN, &c.token) || take_text(w, CHILD_PLACE, &place) ||
               take_int(w, CHILD_IS_HELPER, &is_helper));
    }
    c.pid = (pid_t)pid;
    c.is_helper = is_helper != 0;
    c.place = place != NULL && l->host.cg != NULL ? cg_adopt(l->host.cg, place) : NULL;
    if (alive) {
        child_add(l, &c);
    } else if (c.place != NULL) {
        child_leave_over(l, &c);
    }
}

static void read_reap(struct launcher *l, struct wire *w)
{
    struct reap r = {0};
    int64_t reaper = 0, done = 0;
    while (wire_next(w)) {
        (void)(take_int(w, REAP_PEER, &r.peer) || take_int(w, REAP_TOKEN, &r.token) ||
               take_int(w, REAP_ATTEMPT, &r.attempt) || take_int(w, REAP_KILLED, &r.killed) ||
               take_int(w, REAP_GIVE_UP, &r.give_up_ms) || take_text(w, REAP_RUN, &r.run) ||
               take_text(w, REAP_STEP, &r.step) || take_text(w, REAP_CGROUP, &r.cgroup) ||
               take_int(w, REAP_REAPER, &reaper) || take_int(w, REAP_DONE, &done));
    }
    r.reaper = (pid_t)reaper;
    r.done = done != 0;
    child_add_reap(l, &r);
}

static void read_field(struct launcher *l, struct wire *w)
{
    struct wire inner;
    int64_t number = 0;
    if (take_int(w, TAG_NEXT_PEER, &l->next_peer)) {
        return;
    }
    if (take_int(w, TAG_LISTENER, &number)) {
        l->listener = (int)number;
    } else if (take_int(w, TAG_LOCK, &number)) {
        l->lock = (int)number;
    } else if (take_int(w, TAG_ORPHANS, &number)) {
        l->orphans = number != 0;
    } else if (w->tag == TAG_CGROUPS) {
        host_restore(&l->host, w->data, w->len);
    } else if (wire_sub(w, &inner)) {
        switch (w->tag) {
        case TAG_PEER:
            read_peer(l, &inner);
            break;
        case TAG_CHILD:
        case TAG_LEFTOVER:
            read_child(l, &inner, w->tag == TAG_CHILD);
            break;
        case TAG_REAP:
            read_reap(l, &inner);
            break;
        default:
            break;
        }
    }
}

bool resume_read(struct launcher *l, int fd, struct err *err)
{
    AUTO_CLOSE int state = fd;
    AUTO_BUF struct buf bytes = BUF_INIT(STATE_MAX);
    AUTO_FREE char *path = mem_printf("/proc/self/fd/%d", state);
    struct wire w;
    if (!file_read(path, &bytes, err)) {
        return err_wrap(err, "the launcher's state");
    }
    wire_read(&w, buf_str(&bytes), bytes.len);
    while (wire_next(&w)) {
        read_field(l, &w);
    }
    if (w.bad || l->listener < 0 || l->lock < 0) {
        return err_set(err, ERR_CORRUPT, "the launcher's state is damaged");
    }
    set_inherited(l, false);
    return true;
}
