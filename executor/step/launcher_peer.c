/*
 * launcher_peer.c - the engines that this launcher serves: one that it was born with, or all that
 * connect to its socket and may. What an engine says is taken for hostile (message.c); who it is,
 * the kernel says.
 */
#include "executor/step/launcher_internal.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUPS_MAX 65536 /* NGROUPS_MAX of the kernel */
#define FULL_MS 100      /* where no descriptor is left for one who connects */

/* ---- listening
 * ------------------------------------------------------------------------------------- */

/* One launcher a socket: the lock is beside it, since a socket's file says nothing about who is
 * behind it. */
static int take_lock(const char *path, struct err *err)
{
    AUTO_FREE char *name = mem_printf("%s.lock", path);
    struct err why = ERR_INIT;
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        (void)err_sys(err, errno, "cannot make %s", name);
        return -1;
    }
    if (file_lock(fd, &why)) {
        return fd;
    }
    if (why.code == ERR_BUSY) {
        err_set(err, ERR_EXISTS, "another launcher listens on %s", path);
    } else if (err != NULL) {
        *err = why;
    }
    close(fd);
    return -1;
}

/* Who may connect is looked at when they do; so where others are allowed, all may try. */
bool peer_listen(struct launcher *l, const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    if (path[0] != '/' || slash[1] == '\0') {
        return err_set(err, ERR_USAGE, "the socket's path '%s' is not absolute", path);
    }
    AUTO_FREE char *dir = mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
    l->lock = take_lock(path, err);
    if (l->lock < 0) {
        return false;
    }
    l->listener = file_socket_listen(dir, slash + 1, err);
    if (l->listener < 0) {
        return false;
    }
    bool open_to_all = l->conf->allow_count > 0;
    return chmod(path, open_to_all ? 0666 : 0600) == 0 || err_sys(err, errno, "chmod %s", path);
}

/* ---- who it is
 * ------------------------------------------------------------------------------------- */

static bool read_groups(struct peer *p)
{
    socklen_t len = 0;
    if (getsockopt(p->sock, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0) {
        return true; /* none */
    }
    if (errno != ERANGE || len > GROUPS_MAX * sizeof(gid_t)) {
        return false;
    }
    p->groups = mem_array(len / sizeof(gid_t), sizeof(gid_t));
    p->group_count = len / sizeof(gid_t);
    return getsockopt(p->sock, SOL_SOCKET, SO_PEERGROUPS, p->groups, &len) == 0;
}

/* A socketpair says who made it, so this holds for the engine that a launcher is born with, too. */
static bool identify(struct peer *p)
{
    struct ucred who;
    socklen_t len = sizeof(who);
    if (getsockopt(p->sock, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0) {
        return false;
    }
    p->uid = who.uid;
    p->gid = who.gid;
    return read_groups(p);
}

static void peer_done(struct peer *p)
{
    close(p->sock);
    free(p->groups);
}

struct peer *peer_add(struct launcher *l, int sock, int64_t id)
{
    struct peer p = {.id = id, .sock = sock, .is_born = l->listener < 0};
    bool ok = identify(&p) && l->peer_count < LAUNCHER_PEERS &&
              (p.is_born || policy_admits(&l->policy, &p));
    if (!ok) {
        peer_done(&p);
        return NULL;
    }
    l->peers = mem_grow(l->peers, l->peer_count + 1, sizeof(*l->peers));
    l->peers[l->peer_count] = p;
    return &l->peers[l->peer_count++];
}

void peer_accept(struct launcher *l)
{
    int sock = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (sock >= 0) {
        (void)peer_add(l, sock, l->next_peer++);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
        (void)poll(NULL, 0, FULL_MS); /* it waits in the queue, and so do we */
    }
}

struct peer *peer_find(struct launcher *l, int64_t id)
{
    for (size_t i = 0; i < l->peer_count; i++) {
        if (l->peers[i].id == id && !l->peers[i].gone) {
            return &l->peers[i];
        }
    }
    return NULL;
}

void peer_purge(struct launcher *l)
{
    for (size_t i = 0; i < l->peer_count;) {
        if (l->peers[i].gone) {
            child_forget_reaps(l, l->peers[i].id);
            peer_done(&l->peers[i]);
            l->peers[i] = l->peers[--l->peer_count];
        } else {
            i++;
        }
    }
}

/* ---- what is said
 * ---------------------------------------------------------------------------------- */

/* The engine that a launcher was born with is waited for; where there are others, one that does not
 * read what it asked for has to go, so that they need not wait: it may come again. */
static bool has_room(const struct peer *p)
{
    struct pollfd fd = {.fd = p->sock, .events = POLLOUT};
    return p->is_born && poll(&fd, 1, GIVE_UP_MS) > 0;
}

void peer_answer(struct peer *p, const struct step_msg *msg)
{
    struct err err = ERR_INIT;
    while (!step_send(p->sock, msg, NULL, 0, &err)) {
        if (err.code != ERR_BUSY || !has_room(p)) {
            p->gone = p->gone || !p->is_born;
            return; /* an engine that does not read asks again after its own time-out */
        }
    }
}

void peer_refuse(struct peer *p, int64_t token, const char *why)
{
    AUTO_FREE char *text = mem_strdup(why);
    peer_answer(p, &(struct step_msg){.kind = MSG_REFUSED, .token = token, .text = text});
}

static void tell_facts(struct launcher *l, struct peer *p, int64_t token)
{
    AUTO_BUF struct buf bytes = BUF_INIT(LIMIT_MESSAGE);
    step_facts_encode(&l->host.facts, &bytes);
    peer_answer(
        p, &(struct step_msg){
               .kind = MSG_PROBED, .token = token, .spec = buf_str(&bytes), .spec_len = bytes.len});
}

/* For a peer with less rights a child finds out that has become its user. */
static void on_probe(struct launcher *l, struct peer *p, int64_t token)
{
    host_need_limits(&l->host);
    host_need_sandbox(&l->host);
    pid_t pid = policy_binds(p) ? _Fork() : 0;
    if (pid > 0) {
        child_add(l, &(struct child){.pid = pid, .peer = p->id, .is_helper = true});
    } else if (pid < 0) {
        peer_refuse(p, token, "cannot make a process that looks what this host holds");
    } else if (!policy_binds(p)) {
        tell_facts(l, p, token);
    } else {
        if (policy_become(p)) {
            host_rebind(&l->host);
            tell_facts(l, p, token);
        }
        _exit(0);
    }
}

void peer_hear(struct launcher *l, struct peer *p)
{
    struct step_msg msg = {0};
    struct err err = ERR_INIT;
    int fds[STEP_MSG_FDS];
    int got = step_recv(p->sock, &l->raw, &msg, fds, &err);
    if (got > 0 && msg.kind == MSG_LAUNCH) {
        launch(l, p, &msg, fds);
    } else if (got > 0 && msg.kind == MSG_REAP) {
        child_on_reap(l, p, &msg);
    } else if (got > 0 && msg.kind == MSG_PROBE) {
        on_probe(l, p, msg.token);
    }
    for (size_t i = 0; i < STEP_MSG_FDS; i++) {
        mem_close_fd(&fds[i]);
    }
    step_msg_done(&msg);
    /* A malformed message is dropped: the channel that came with it is closed, which tells. */
    bool dropped = got < 0 && (err.code == ERR_CORRUPT || err.code == ERR_LIMIT);
    p->gone = p->gone || (got < 0 && !dropped);
}
