/*
 * attempt.c - one attempt, from its folder to its end.
 *
 *   prepare: folder, record, lock, spec
 *   launch:  channel ─LAUNCH─▶ launcher ─fork─▶ supervisor
 *   then:    BEGAN, END from the supervisor's channel; STOP and ACK to it
 *
 * Where the channel closes without an END the supervisor has died. Once the record's lock is free:
 * an end in the record is the end; else what it left is killed (REAP), and the attempt is lost.
 */
#include "executor/internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_AGAIN_MS 5
#define TRIES 3

/* ---- making and freeing
 * --------------------------------------------------------------------------------- */

struct exec_attempt *attempt_new(struct exec *e, const char *folder, const char *run,
                                 const char *step, int64_t number, const struct exec_events *events,
                                 void *owner)
{
    struct exec_attempt *a = mem_alloc(sizeof(*a));
    a->exec = e;
    a->token = e->next_token++;
    a->folder = mem_strdup(folder);
    a->run = mem_strdup(run);
    a->step = mem_strdup(step);
    a->number = number;
    a->events = events;
    a->owner = owner;
    a->channel = a->spec_fd = a->folder_fd = a->record_fd = -1;
    a->launch = BUF_INIT(LIMIT_MESSAGE);
    HASH_ADD(hh, e->attempts, token, sizeof(a->token), a);
    return a;
}

static void disconnect(struct exec_attempt *a)
{
    if (a->watch != NULL) {
        a->exec->loop->ops->watch_close(a->watch);
        a->watch = NULL;
    }
    mem_close_fd(&a->channel);
    a->channel = -1;
}

/* From now on it cannot be launched again. */
static void forget_launch(struct exec_attempt *a)
{
    buf_done(&a->launch);
    mem_close_fd(&a->spec_fd);
    a->spec_fd = -1;
}

void attempt_free(struct exec_attempt *a)
{
    if (a == NULL) {
        return;
    }
    disconnect(a);
    if (a->timer != NULL) {
        a->exec->loop->ops->timer_close(a->timer);
    }
    forget_launch(a);
    mem_close_fd(&a->folder_fd);
    mem_close_fd(&a->record_fd);
    HASH_DELETE(hh, a->exec->attempts, a);
    free(a->folder);
    free(a->run);
    free(a->step);
    free(a);
}

/* ---- launching
 * ------------------------------------------------------------------------------------ */

enum { FD_FOLDER, FD_RECORD, FD_CHANNEL, FD_SPEC };

/* Takes folder and record in every case. */
static bool send_launch(struct exec_attempt *a, int folder, int record, struct err *err)
{
    int fds[] = {[FD_FOLDER] = folder, [FD_RECORD] = record, [FD_CHANNEL] = -1, [FD_SPEC] = -1};
    int pair[2];
    size_t count = a->spec_fd < 0 ? FD_SPEC : FD_SPEC + 1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        (void)err_sys(err, errno, "cannot make a socket to the supervisor");
        close(folder);
        close(record);
        return false;
    }
    fds[FD_CHANNEL] = pair[1];
    a->exec->used = true;
    fds[FD_SPEC] = a->spec_fd < 0 ? -1 : fcntl(a->spec_fd, F_DUPFD_CLOEXEC, 3);
    if (!launcher_send(a->exec, &a->launch, fds, count, err)) {
        close(pair[0]);
        return false;
    }
    attempt_connect(a, pair[0]);
    return true;
}

/* ---- what is said to the supervisor
 * ------------------------------------------------------------------ */

static void say(struct exec_attempt *a, enum step_msg_kind kind, int64_t number)
{
    struct step_msg msg = {.kind = kind, .number = number};
    struct err err = ERR_INIT;
    if (a->channel >= 0 && !step_send(a->channel, &msg, NULL, 0, &err)) {
        return; /* it is gone, which its channel will tell */
    }
}

static void say_stop(struct exec_attempt *a)
{
    if (a->stopping != STOP_NO) {
        say(a, MSG_STOP, a->stopping == STOP_KILL ? 0 : -1);
    }
}

/* ---- how it ends
 * ------------------------------------------------------------------------------------------ */

static void end(struct exec_attempt *a, const struct step_end *how)
{
    if (!a->ended) {
        a->ended = true;
        a->events->ended(a->owner, how);
    }
}

static void look_at_record(struct exec_attempt *a);

static void on_timer(void *arg)
{
    struct exec_attempt *a = arg;
    if (a->due) {
        struct step_end result = a->result; /* the owner may free the attempt */
        end(a, &result);
    } else if (!a->ended) {
        look_at_record(a);
    }
}

static void start_timer(struct exec_attempt *a, int64_t delay_ms)
{
    const struct loop_ops *ops = a->exec->loop->ops;
    if (a->timer == NULL) {
        a->timer = ops->timer_open(a->exec->loop, on_timer, a);
    }
    ops->timer_start(a->timer, delay_ms);
}

/* Told by the timer: this may be called from inside exec_launch or exec_reap. */
static void end_without_supervisor(struct exec_attempt *a, enum step_how how, const char *why)
{
    if (a->due || a->ended) {
        return;
    }
    a->due = true;
    a->result = (struct step_end){.how = how, .exit_code = -1};
    a->result.began_ms = a->began_ms;
    a->result.ended_ms = clock_wall_ms(clock_system());
    snprintf(a->result.message, sizeof(a->result.message), "%s", why == NULL ? "" : why);
    start_timer(a, 0);
}

void attempt_refused(struct exec_attempt *a, const char *why)
{
    end_without_supervisor(a, STEP_SPAWN, why);
}

void attempt_reaped(struct exec_attempt *a)
{
    if (a->reaping) {
        a->reaping = false;
        end_without_supervisor(a, STEP_LOST,
                               "the step's supervisor died; what it left has been killed");
    }
}

/* The new launcher is asked again, after a look at the record. */
void attempt_launcher_lost(struct exec_attempt *a)
{
    if (!a->reaping) {
        return;
    }
    a->reaping = false;
    if (++a->tries < TRIES) {
        start_timer(a, LOOK_AGAIN_MS);
    } else {
        end_without_supervisor(a, STEP_LOST,
                               "the step's supervisor died, and no launcher lives "
                               "long enough to kill what it left");
    }
}

static void ask_reap(struct exec_attempt *a)
{
    a->reaping = launcher_ask_reap(a->exec, a->token, a->folder, a->run, a->step, a->number, NULL);
    if (!a->reaping) {
        start_timer(a, LOOK_AGAIN_MS); /* no launcher could be started now */
    }
}

/* The record's lock is ours and no command has begun: the launcher died with the LAUNCH unread, or
 * the supervisor right after its fork. So the same attempt is started again. Takes `record`. */
static void launch_again(struct exec_attempt *a, int record)
{
    struct err err = ERR_INIT;
    if (a->stopping != STOP_NO) {
        close(record);
        end_without_supervisor(a, STEP_CANCELLED, "cancelled before the command began");
        return;
    }
    int folder = open(a->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    bool again = ++a->tries < TRIES;
    if (again && folder >= 0 && send_launch(a, folder, record, &err)) {
        return;
    }
    if (!again || folder < 0) {
        mem_close_fd(&folder);
        close(record);
        (void)launcher_refuse(a->exec, &err);
    }
    end_without_supervisor(a, STEP_SPAWN, err.msg);
}

/* A supervisor that took another connection for its engine's, one of an engine that has died since,
 * listens again. */
static bool connect_again(struct exec_attempt *a)
{
    int sock = file_socket_connect(a->folder, "control", NULL);
    if (sock >= 0) {
        attempt_connect(a, sock);
        say_stop(a);
    }
    return sock >= 0;
}

/* The channel has closed without an END. While the lock is held the supervisor is on its way out (a
 * dying process closes its descriptors one after the other), or it dropped us. */
static void look_at_record(struct exec_attempt *a)
{
    struct err err = ERR_INIT;
    struct record record = {0};
    bool missing = false;
    launcher_hear(a->exec); /* a refusal was said before the channel was closed */
    if (a->due) {
        return;
    }
    AUTO_CLOSE int fd = recover_open_record(a->folder, &missing, &err);
    bool locked = fd >= 0 && file_lock(fd, &err);
    bool readable = locked && record_read(fd, &record, &err);
    a->began_ms = readable && record.began ? record.began_ms : a->began_ms;
    if (fd >= 0 && !locked) {
        if (!connect_again(a)) {
            start_timer(a, LOOK_AGAIN_MS);
        }
    } else if (readable && record.ended) {
        end(a, &record.end);
    } else if (readable && !record.began && a->launch.len > 0) {
        int taken = fd;
        fd = -1;
        launch_again(a, taken);
    } else {
        ask_reap(a);
    }
}

/* ---- the supervisor's words
 * --------------------------------------------------------------------------------- */

static void handle(struct exec_attempt *a, const struct step_msg *msg)
{
    if (msg->kind == MSG_BEGAN && !a->began && !a->ended) {
        a->began = true;
        a->began_ms = msg->number;
        forget_launch(a);
        a->events->began(a->owner, msg->number);
    } else if (msg->kind == MSG_END) {
        end(a, &msg->end);
    }
}

/* One message a call: the owner may have freed the attempt in the middle of it. */
static void on_channel(void *arg, int events)
{
    (void)events;
    struct exec_attempt *a = arg;
    struct step_msg msg;
    int fds[STEP_MSG_FDS];
    struct err err = ERR_INIT;
    int got = step_recv(a->channel, &a->exec->raw, &msg, fds, &err);
    if (got < 0) {
        disconnect(a);
        if (!a->ended) {
            look_at_record(a);
        }
    } else if (got > 0) {
        for (size_t i = 0; i < STEP_MSG_FDS; i++) {
            mem_close_fd(&fds[i]);
        }
        handle(a, &msg);
        step_msg_done(&msg);
    }
}

void attempt_connect(struct exec_attempt *a, int channel)
{
    a->channel = channel;
    a->watch = a->exec->loop->ops->watch_open(a->exec->loop, channel, LOOP_READ, on_channel, a);
}

/* ---- starting
 * ------------------------------------------------------------------------------------- */

static bool make_dir(const char *folder, struct err *err)
{
    if (mkdir(folder, 0700) == 0) {
        return true;
    }
    if (errno != EEXIST) {
        return err_sys(err, errno, "cannot make %s", folder);
    }
    return recover_clear(folder, err) &&
           (mkdir(folder, 0700) == 0 || err_sys(err, errno, "cannot make %s", folder));
}

/* The folder with its two sub-folders and its locked record. */
static bool make_folder(struct exec_attempt *a, struct err *err)
{
    if (!make_dir(a->folder, err)) {
        return false;
    }
    a->folder_fd = open(a->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (a->folder_fd < 0 || mkdirat(a->folder_fd, "out", 0700) != 0 ||
        mkdirat(a->folder_fd, "artifacts", 0700) != 0) {
        return err_sys(err, errno, "cannot make %s", a->folder);
    }
    a->record_fd = record_create(a->folder_fd, a->run, a->step, a->number, clock_boot_id(), err);
    return a->record_fd >= 0 && file_lock(a->record_fd, err);
}

/* A spec that fits goes in the message; a larger one in a sealed memfd. */
static bool pack_spec(struct exec_attempt *a, const struct buf *spec, struct step_msg *msg,
                      struct err *err)
{
    if (spec->len <= LIMIT_MESSAGE - 1024) {
        msg->spec = spec->data;
        msg->spec_len = spec->len;
        return true;
    }
    a->spec_fd = memfd_create("orch-spec", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (a->spec_fd < 0) {
        return err_sys(err, errno, "cannot pass a spec of %zu bytes", spec->len);
    }
    if (!file_write_all(a->spec_fd, spec->data, spec->len, err)) {
        return false;
    }
    int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    return fcntl(a->spec_fd, F_ADD_SEALS, seals) == 0 || err_sys(err, errno, "cannot seal a spec");
}

struct exec_attempt *attempt_prepare(struct exec *e, const char *folder,
                                     const struct step_spec *spec, const struct exec_events *events,
                                     void *owner, struct err *err)
{
    AUTO_BUF struct buf bytes = BUF_INIT(LIMIT_SPEC);
    struct step_msg msg = {.kind = MSG_LAUNCH};
    if (!step_spec_encode(spec, &bytes, err)) {
        return NULL;
    }
    struct exec_attempt *a =
        attempt_new(e, folder, spec->run, spec->step, spec->attempt, events, owner);
    msg.token = a->token;
    if (pack_spec(a, &bytes, &msg, err) && step_msg_encode(&msg, &a->launch, err) &&
        make_folder(a, err)) {
        return a;
    }
    attempt_free(a);
    return NULL;
}

/* ---- public
 * --------------------------------------------------------------------------------------------------------
 */

bool exec_launch(struct exec_attempt *a, struct err *err)
{
    int folder = a->folder_fd, record = a->record_fd;
    a->folder_fd = a->record_fd = -1;
    return send_launch(a, folder, record, err);
}

void exec_stop(struct exec_attempt *a, bool kill)
{
    a->stopping = kill || a->stopping == STOP_KILL ? STOP_KILL : STOP_TERM;
    say_stop(a);
}

void exec_finish(struct exec_attempt *a)
{
    if (a != NULL) {
        say(a, MSG_ACK, 0);
        attempt_free(a);
    }
}
