/*
 * attempt.c - one attempt, from its folder to its end.
 *
 *   start: folder, record, lock, channel, spec ─LAUNCH─▶ launcher ─fork─▶ supervisor
 *   then:  BEGAN, END from the supervisor's channel; STOP and ACK to it
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
#define REAP_TRIES 3

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
    a->channel = -1;
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

void attempt_free(struct exec_attempt *a)
{
    if (a == NULL) {
        return;
    }
    disconnect(a);
    if (a->timer != NULL) {
        a->exec->loop->ops->timer_close(a->timer);
    }
    HASH_DELETE(hh, a->exec->attempts, a);
    free(a->folder);
    free(a->run);
    free(a->step);
    free(a);
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

/* Told by the timer: this may be called from inside exec_start or exec_reap. */
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
        end_without_supervisor(
            a, STEP_LOST,
            a->began_ms != 0 ? "the step's supervisor died; what it left has been killed"
                             : "the launcher or the supervisor died before the command began");
    }
}

/* The new launcher is asked again, after a look at the record. */
void attempt_launcher_lost(struct exec_attempt *a)
{
    if (!a->reaping) {
        return;
    }
    a->reaping = false;
    if (++a->reap_tries < REAP_TRIES) {
        start_timer(a, LOOK_AGAIN_MS);
    } else if (a->began_ms != 0) {
        end_without_supervisor(a, STEP_LOST,
                               "the step's supervisor died, and no launcher lives "
                               "long enough to kill what it left");
    } else {
        AUTO_FREE char *why =
            mem_printf("%s ends as soon as it is started: is it the program of this version?",
                       a->exec->program);
        end_without_supervisor(a, STEP_SPAWN, why);
    }
}

static bool ask_reap(struct exec_attempt *a)
{
    struct step_msg msg = {
        .kind = MSG_REAP, .token = a->token, .run = a->run, .step = a->step, .attempt = a->number};
    bool asked = launcher_send(a->exec, &msg, NULL, 0, NULL);
    a->reaping = asked;
    return asked;
}

/* The channel has closed without an END. While the lock is held the supervisor is on its way out:
 * a dying process closes its descriptors one after the other. */
static void look_at_record(struct exec_attempt *a)
{
    struct err err = ERR_INIT;
    struct record record;
    bool missing = false;
    AUTO_CLOSE int fd = recover_open_record(a->folder, &missing, &err);
    bool locked = fd >= 0 && file_lock(fd, &err);
    bool readable = locked && record_read(fd, &record, &err);
    if (fd >= 0 && !locked) {
        start_timer(a, LOOK_AGAIN_MS);
    } else if (readable && record.ended) {
        end(a, &record.end);
    } else {
        a->began_ms = readable && record.began ? record.began_ms : a->began_ms;
        if (!ask_reap(a)) {
            start_timer(a, LOOK_AGAIN_MS); /* no launcher could be started now */
        }
    }
}

/* ---- the supervisor's words
 * --------------------------------------------------------------------------------- */

static void handle(struct exec_attempt *a, const struct step_msg *msg)
{
    if (msg->kind == MSG_BEGAN && !a->began && !a->ended) {
        a->began = true;
        a->began_ms = msg->number;
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
 * --------------------------------------------------------------------------------------------------
 */

enum { FD_FOLDER, FD_RECORD, FD_CHANNEL, FD_SPEC };

/* The folder with its two sub-folders and its locked record. */
static bool make_folder(const char *folder, const struct step_spec *spec, int fds[STEP_MSG_FDS],
                        struct err *err)
{
    if (mkdir(folder, 0700) != 0) {
        return err_sys(err, errno, "cannot make %s", folder);
    }
    fds[FD_FOLDER] = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fds[FD_FOLDER] < 0 || mkdirat(fds[FD_FOLDER], "out", 0700) != 0 ||
        mkdirat(fds[FD_FOLDER], "artifacts", 0700) != 0) {
        return err_sys(err, errno, "cannot make %s", folder);
    }
    fds[FD_RECORD] =
        record_create(fds[FD_FOLDER], spec->run, spec->step, spec->attempt, clock_boot_id(), err);
    return fds[FD_RECORD] >= 0 && file_lock(fds[FD_RECORD], err);
}

/* A spec that fits goes in the message; a larger one in a sealed memfd. */
static bool pack_spec(const struct buf *spec, struct step_msg *msg, int fds[STEP_MSG_FDS],
                      size_t *ret_count, struct err *err)
{
    *ret_count = 3;
    if (spec->len <= LIMIT_MESSAGE - 1024) {
        msg->spec = spec->data;
        msg->spec_len = spec->len;
        return true;
    }
    *ret_count = 4;
    fds[FD_SPEC] = memfd_create("orch-spec", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fds[FD_SPEC] < 0) {
        return err_sys(err, errno, "cannot pass a spec of %zu bytes", spec->len);
    }
    if (!file_write_all(fds[FD_SPEC], spec->data, spec->len, err)) {
        return false;
    }
    if (fcntl(fds[FD_SPEC], F_ADD_SEALS,
              F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        return err_sys(err, errno, "cannot seal a spec");
    }
    return true;
}

struct exec_attempt *attempt_start(struct exec *e, const char *folder, const struct step_spec *spec,
                                   const struct exec_events *events, void *owner, struct err *err)
{
    int fds[STEP_MSG_FDS] = {-1, -1, -1, -1};
    int pair[2] = {-1, -1};
    size_t count = 0;
    AUTO_BUF struct buf bytes = BUF_INIT(LIMIT_SPEC);
    struct step_msg msg = {.kind = MSG_LAUNCH};
    bool ok = step_spec_encode(spec, &bytes, err) && make_folder(folder, spec, fds, err) &&
              pack_spec(&bytes, &msg, fds, &count, err);
    if (ok && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        ok = err_sys(err, errno, "cannot make a socket to the supervisor");
    }
    if (!ok) {
        for (size_t i = 0; i < STEP_MSG_FDS; i++) {
            mem_close_fd(&fds[i]);
        }
        return NULL;
    }
    fds[FD_CHANNEL] = pair[1];
    struct exec_attempt *a =
        attempt_new(e, folder, spec->run, spec->step, spec->attempt, events, owner);
    msg.token = a->token;
    if (!launcher_send(e, &msg, fds, count, err)) {
        close(pair[0]);
        attempt_free(a);
        return NULL;
    }
    attempt_connect(a, pair[0]);
    return a;
}

/* ---- public
 * --------------------------------------------------------------------------------------------------------
 */

static void say(struct exec_attempt *a, enum step_msg_kind kind, int64_t number)
{
    struct step_msg msg = {.kind = kind, .number = number};
    struct err err = ERR_INIT;
    if (a->channel >= 0 && !step_send(a->channel, &msg, NULL, 0, &err)) {
        return; /* it is gone, which its channel will tell */
    }
}

void exec_stop(struct exec_attempt *a, bool kill)
{
    say(a, MSG_STOP, kill ? 0 : -1);
}

void exec_finish(struct exec_attempt *a)
{
    if (a != NULL) {
        say(a, MSG_ACK, 0);
        attempt_free(a);
    }
}
