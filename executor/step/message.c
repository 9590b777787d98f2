/*
 * message.c - one message, one datagram; descriptors travel with it. Whatever comes in is taken for
 * hostile: too long, torn, of an unknown kind, or with more descriptors than named.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "base/wire.h"
#include "executor/step/step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum tag {
    TAG_KIND = 1,
    TAG_TOKEN = 2,
    TAG_NUMBER = 3,
    TAG_RUN = 4,
    TAG_STEP = 5,
    TAG_ATTEMPT = 6,
    TAG_TEXT = 7,
    TAG_SPEC = 8,
    TAG_END = 9,
};

void step_msg_done(struct step_msg *msg)
{
    free(msg->run);
    free(msg->step);
    free(msg->text);
    *msg = (struct step_msg){0};
}

bool step_msg_encode(const struct step_msg *msg, struct buf *ret, struct err *err)
{
    size_t start = ret->len;
    wire_put_int(ret, TAG_KIND, (int64_t)msg->kind);
    if (msg->token != 0) {
        wire_put_int(ret, TAG_TOKEN, msg->token);
    }
    if (msg->number != 0) {
        wire_put_int(ret, TAG_NUMBER, msg->number);
    }
    if (msg->attempt != 0) {
        wire_put_int(ret, TAG_ATTEMPT, msg->attempt);
    }
    wire_put_text(ret, TAG_RUN, msg->run);
    wire_put_text(ret, TAG_STEP, msg->step);
    wire_put_text(ret, TAG_TEXT, msg->text);
    if (msg->spec != NULL) {
        wire_put_bytes(ret, TAG_SPEC, msg->spec, msg->spec_len);
    }
    if (msg->kind == MSG_END) {
        AUTO_BUF struct buf end = BUF_INIT(LIMIT_MESSAGE);
        step_end_encode(&msg->end, &end);
        wire_put_bytes(ret, TAG_END, buf_str(&end), end.len);
    }
    if (ret->full || ret->len - start > LIMIT_MESSAGE) {
        return err_set(err, ERR_LIMIT, "a message of more than %ld bytes", LIMIT_MESSAGE);
    }
    return true;
}

static void read_text(struct wire *w, char **member)
{
    char *text;
    if (wire_text(w, &text)) {
        free(*member);
        *member = text;
    }
}

static void read_field(struct wire *w, struct step_msg *msg, int64_t *kind, bool *has_end)
{
    /* clang-format off */
    switch (w->tag) {
    case TAG_KIND:    (void)wire_int(w, kind); break;
    case TAG_TOKEN:   (void)wire_int(w, &msg->token); break;
    case TAG_NUMBER:  (void)wire_int(w, &msg->number); break;
    case TAG_ATTEMPT: (void)wire_int(w, &msg->attempt); break;
    case TAG_RUN:     read_text(w, &msg->run); break;
    case TAG_STEP:    read_text(w, &msg->step); break;
    case TAG_TEXT:    read_text(w, &msg->text); break;
    case TAG_SPEC:    msg->spec = w->data; msg->spec_len = w->len; break;
    case TAG_END:     *has_end = step_end_decode(w->data, w->len, &msg->end); break;
    default:          break;
    }
    /* clang-format on */
}

bool step_msg_decode(const void *data, size_t len, struct step_msg *ret, struct err *err)
{
    struct step_msg msg = {0};
    int64_t kind = 0;
    bool has_end = false;
    struct wire w;
    wire_read(&w, data, len);
    while (wire_next(&w)) {
        read_field(&w, &msg, &kind, &has_end);
    }
    bool ok = !w.bad && kind >= MSG_LAUNCH && kind <= MSG_LAST && (kind != MSG_END || has_end) &&
              (kind != MSG_REAP || (msg.run != NULL && msg.step != NULL && msg.attempt > 0));
    if (!ok) {
        step_msg_done(&msg);
        return err_set(err, ERR_CORRUPT, "a message between engine and orch-step is malformed");
    }
    msg.kind = (enum step_msg_kind)kind;
    *ret = msg;
    return true;
}

/* ---- sockets
 * -------------------------------------------------------------------------------------- */

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * STEP_MSG_FDS)];
};

bool step_send_bytes(int sock, const void *data, size_t len, const int *fds, size_t fd_count,
                     struct err *err)
{
    struct iovec part = {.iov_len = len};
    memcpy(&part.iov_base, &data, sizeof(data)); /* sendmsg only reads */
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    union control control = {0};
    if (fd_count > 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *c = &control.align; /* the first, by the layout of the union */
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
    }
    ssize_t sent;
    do {
        sent = sendmsg(sock, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        return true;
    }
    /* ETOOMANYREFS: so many descriptors are on their way that the receiver must come first. */
    if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS) {
        return err_set(err, ERR_BUSY, "the socket is full");
    }
    return err_sys(err, errno, "cannot send");
}

bool step_send(int sock, const struct step_msg *msg, const int *fds, size_t fd_count,
               struct err *err)
{
    AUTO_BUF struct buf bytes = BUF_INIT(LIMIT_MESSAGE);
    return step_msg_encode(msg, &bytes, err) &&
           step_send_bytes(sock, bytes.data, bytes.len, fds, fd_count, err);
}

/* All descriptors that came, wherever they stand; what is too much is closed. */
static void take_fds(struct msghdr *header, int fds[STEP_MSG_FDS])
{
    size_t count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < got; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (count < STEP_MSG_FDS) {
                fds[count++] = fd;
            } else {
                close(fd);
            }
        }
    }
}

static void close_fds(int fds[STEP_MSG_FDS])
{
    for (size_t i = 0; i < STEP_MSG_FDS; i++) {
        mem_close_fd(&fds[i]);
        fds[i] = -1;
    }
}

static ssize_t receive(int sock, struct buf *raw, struct msghdr *header)
{
    ssize_t got;
    bool again = true;
    for (;;) {
        header->msg_controllen = sizeof(union control);
        got = recvmsg(sock, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        /* A peer that closed with unread messages of ours resets the connection, but what it said
         * before still waits behind the error. */
        if (got < 0 && (errno == EINTR || (errno == ECONNRESET && again))) {
            again = errno == EINTR && again;
            continue;
        }
        break;
    }
    raw->len = got > 0 ? (size_t)got : 0;
    raw->data[raw->len] = '\0';
    return got;
}

int step_recv(int sock, struct buf *raw, struct step_msg *ret, int fds[STEP_MSG_FDS],
              struct err *err)
{
    for (size_t i = 0; i < STEP_MSG_FDS; i++) {
        fds[i] = -1;
    }
    if (raw->cap <= LIMIT_MESSAGE) {
        raw->data = mem_grow(raw->data, LIMIT_MESSAGE + 1, 1);
        raw->cap = LIMIT_MESSAGE + 1;
        raw->max = LIMIT_MESSAGE;
    }
    union control control;
    struct iovec part = {.iov_base = raw->data, .iov_len = LIMIT_MESSAGE};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes};
    ssize_t got = receive(sock, raw, &header);
    if (got < 0 && errno == EAGAIN) {
        return 0;
    }
    if (got <= 0) {
        if (got < 0) {
            err_sys(err, errno, "cannot receive");
        } else {
            err_set(err, ERR_UNAVAILABLE, "the other side is gone");
        }
        return -1;
    }
    take_fds(&header, fds);
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        close_fds(fds);
        err_set(err, ERR_LIMIT, "a message is too long or has too many descriptors");
        return -1;
    }
    if (!step_msg_decode(raw->data, raw->len, ret, err)) {
        close_fds(fds);
        return -1;
    }
    return 1;
}
