/*
 * life_end.c - from the command's end to the record: what is left is killed, pipes are drained,
 * what it took is read, results are stored, the end is recorded and told.
 */
#include "executor/step/life.h"

#include "base/mem.h"
#include "base/text.h"
#include "executor/step/store.h"
#include "executor/step/tree.h"
#include "executor/step/verdict.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#define ACK_MS 20      /* how long the end waits for the engine's commit */
#define CLEAN_MS 10000 /* what SIGKILL has not ended by then hangs in the kernel */
#define DRAIN_MS 1000  /* for a pipe that somebody outside the tree holds */
#define STORE_MS 60000 /* with a timeout, storing results may take as long again, and this */

/* Kills whatever is left; SIGKILL is final, but for what hangs in the kernel. */
static void clear_tree(struct supervisor *s)
{
    size_t killed = 0;
    int64_t give_up = boot_now() + CLEAN_MS;
    for (int wait = 1; !s->childless && boot_now() < give_up; wait = wait < 50 ? wait * 2 : 50) {
        size_t alive = confine_kill(&s->confine);
        alive = alive > 0 ? alive : tree_kill(NULL, NULL);
        killed = alive > killed ? alive : killed;
        (void)poll(NULL, 0, wait);
        life_reap(s);
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
                life_on_output(s, i, fds[i].revents);
            }
        }
    }
}

/* What a command left may take hours to store (or for ever, where a file is nothing but a hole), so
 * the engine is heard meanwhile. */
static bool may_store_on(void *arg)
{
    struct supervisor *s = arg;
    life_turn(s, 0);
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
    life_set_deadline(s, 0);
    if (s->spec.timeout_ms > 0) {
        int64_t most = s->spec.timeout_ms > STORE_MS ? s->spec.timeout_ms : STORE_MS;
        s->store_until_ms = boot_now() + most;
    }
    bool stored = confine_take_back(&s->confine, &ask, &err) &&
                  store_results(s->folder, &s->spec, ok, &ask, &s->log, &s->end, &err);
    if (!stored && ok) {
        explain_unstored(s, &err);
    }
}

static void conclude(struct supervisor *s)
{
    s->end.exit_code = WIFEXITED(s->status) ? WEXITSTATUS(s->status) : -1;
    s->end.signal = WIFSIGNALED(s->status) ? WTERMSIG(s->status) : 0;
    s->end.began_ms = s->began_ms;
    if (s->cause == 0 && s->oom_kills > 0) {
        s->cause = STEP_OOM;
    }
    if (s->cause == STEP_OOM) {
        verdict_oom(&s->end, &s->spec, s->oom_kills);
    } else if (s->cause != 0) {
        verdict_stopped(&s->end, s->cause, s->killed, &s->spec, s->log.limit);
    } else {
        verdict_ended(&s->end, s->status);
        verdict_add_pids(&s->end, &s->spec, s->pids_refused);
    }
    store(s);
}

/* The place is read a last time and given back; nothing of the step's lives any more. */
static void let_go(struct supervisor *s)
{
    confine_measure(&s->confine, &s->end.usage);
    s->oom_kills = confine_oom_kills(&s->confine);
    s->pids_refused = confine_pids_refused(&s->confine);
    samples_done(&s->samples);
    confine_end(&s->confine, getppid() == s->launcher);
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

_Noreturn void life_end(struct supervisor *s)
{
    clear_tree(s);
    drain(s);
    life_close_fd(&s->pipes[STREAM_OUT]);
    life_close_fd(&s->pipes[STREAM_ERR]);
    let_go(s);
    capture_end(&s->log, wall_now());
    conclude(s);
    life_finish(s);
}

/* Records the end, tells it, and sees that one of the two is on the disk. */
_Noreturn void life_finish(struct supervisor *s)
{
    struct step_msg msg = {.kind = MSG_END};
    struct err err = ERR_INIT;
    if (s->pid == 0) { /* no command ran: nothing can have been left in its folders */
        let_go(s);
        (void)!confine_take_back(&s->confine, NULL, &err);
        capture_end(&s->log, wall_now());
    }
    if (s->channel < 0 && s->control >= 0) {
        life_on_connect(s); /* an engine that has just come */
    }
    s->end.log_cut = s->log.cut || s->log.lossy;
    s->end.ended_ms = wall_now();
    life_close_control(s); /* who comes now waits for the lock */
    bool recorded = record_write_end(s->record, &s->end, false, NULL);
    msg.end = s->end;
    life_send(s, &msg);
    if (!is_acknowledged(s)) {
        recorded = recorded && fdatasync(s->record) == 0;
    }
    _exit(recorded ? 0 : 1);
}
