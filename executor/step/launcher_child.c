/*
 * launcher_child.c - the launcher's children: supervisors, and, since it is a child subreaper, what
 * a supervisor that died left behind. So any child that is none of ours is an orphan, and is killed
 * (child_sweep). A supervisor that did not end well leaves its place in the cgroups too: that is
 * killed empty before anybody hears that its attempt is reaped.
 */
#include "executor/step/launcher_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "executor/step/tree.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS 10     /* between two looks of a reaper */
#define REAPED_MAX 250 /* how many killed processes an exit code can tell */
#define REAPER_FAILED 251

static int64_t boot_now(void)
{
    return clock_boot_ms(clock_system());
}

/* ---- children
 * ------------------------------------------------------------------------------------- */

void child_add(struct launcher *l, const struct child *child)
{
    if (l->child_count == l->child_cap) {
        l->child_cap = l->child_cap == 0 ? 64 : l->child_cap * 2;
        l->children = mem_grow(l->children, l->child_cap, sizeof(*l->children));
    }
    l->children[l->child_count++] = *child;
}

static bool take_child(struct launcher *l, pid_t pid, struct child *ret)
{
    for (size_t i = 0; i < l->child_count; i++) {
        if (l->children[i].pid == pid) {
            *ret = l->children[i];
            l->children[i] = l->children[--l->child_count];
            return true;
        }
    }
    return false;
}

static bool is_ours(void *arg, pid_t pid)
{
    const struct launcher *l = arg;
    for (size_t i = 0; i < l->child_count; i++) {
        if (l->children[i].pid == pid) {
            return true;
        }
    }
    return false;
}

static bool is_supervised(const struct launcher *l, int64_t peer, int64_t token)
{
    for (size_t i = 0; i < l->child_count; i++) {
        const struct child *c = &l->children[i];
        if (c->peer == peer && c->token == token && !c->is_helper) {
            return true;
        }
    }
    return false;
}

/* ---- places
 * --------------------------------------------------------------------------------------- */

void child_leave_over(struct launcher *l, const struct child *child)
{
    l->leftovers = mem_grow(l->leftovers, l->leftover_count + 1, sizeof(*l->leftovers));
    l->leftovers[l->leftover_count++] =
        (struct leftover){.place = child->place, .peer = child->peer, .token = child->token};
}

static bool is_left_over(const struct launcher *l, int64_t peer, int64_t token)
{
    for (size_t i = 0; i < l->leftover_count; i++) {
        if (l->leftovers[i].peer == peer && l->leftovers[i].token == token) {
            return true;
        }
    }
    return false;
}

static void sweep_places(struct launcher *l)
{
    for (size_t i = 0; i < l->leftover_count;) {
        if (cg_give(l->host.cg, l->leftovers[i].place, false)) {
            l->leftovers[i] = l->leftovers[--l->leftover_count];
        } else {
            i++;
        }
    }
}

/* ---- the end of a child
 * --------------------------------------------------------------------------- */

static void on_reaper_end(struct launcher *l, pid_t pid, int status)
{
    for (size_t i = 0; i < l->reap_count; i++) {
        if (l->reaps[i].reaper == pid) {
            l->reaps[i].done = true;
            l->reaps[i].killed = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        }
    }
}

/* A supervisor that ended well has cleared its tree itself. */
static void on_end(struct launcher *l, pid_t pid, int status)
{
    struct child child = {0};
    bool known = take_child(l, pid, &child);
    if (known && child.is_helper) {
        on_reaper_end(l, pid, status);
        return;
    }
    l->orphans = l->orphans || !known || status != 0;
    if (child.place != NULL && !cg_give(l->host.cg, child.place, status == 0)) {
        child_leave_over(l, &child);
    }
}

/* One that was stopped, be it by its own command, is needed: it holds the timeout. */
void child_reap(struct launcher *l)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0;) {
        if (WIFSTOPPED(status)) {
            (void)kill(pid, SIGCONT);
        } else {
            on_end(l, pid, status);
        }
    }
}

/* ---- REAP
 * ----------------------------------------------------------------------------------------- */

void child_add_reap(struct launcher *l, const struct reap *reap)
{
    l->reaps = mem_grow(l->reaps, l->reap_count + 1, sizeof(*l->reaps));
    l->reaps[l->reap_count++] = *reap;
    l->sweeping_since_ms = 0;
}

void child_on_reap(struct launcher *l, const struct peer *p, struct step_msg *msg)
{
    child_add_reap(l, &(struct reap){.peer = p->id,
                                     .token = msg->token,
                                     .attempt = msg->attempt,
                                     .give_up_ms = boot_now() + GIVE_UP_MS,
                                     .run = mem_steal(msg->run),
                                     .step = mem_steal(msg->step),
                                     .cgroup = mem_steal(msg->text)});
}

/* Returns how many were alive. What is in the cgroup is most likely found by its environment too,
 * so that the larger number is how many there were. */
static size_t kill_attempt(const struct reap *r)
{
    size_t placed = r->cgroup != NULL ? cg_kill_path(r->cgroup) : 0;
    size_t marked = tree_kill_marked(r->run, r->step, r->attempt);
    return placed > marked ? placed : marked;
}

/* For a peer that may not kill what it likes: a child with its rights looks and kills, and the
 * kernel says what it may. */
_Noreturn static void be_reaper(const struct peer *p, const struct reap *r)
{
    size_t killed = 0, alive;
    (void)close_range(3, ~0U, 0);
    if (!policy_become(p)) {
        _exit(REAPER_FAILED);
    }
    while ((alive = kill_attempt(r)) > 0 && boot_now() < r->give_up_ms) {
        killed = alive > killed ? alive : killed;
        (void)poll(NULL, 0, LOOK_MS);
    }
    _exit(killed > REAPED_MAX ? REAPED_MAX : (int)killed);
}

static void start_reaper(struct launcher *l, const struct peer *p, struct reap *r)
{
    pid_t pid = _Fork();
    if (pid == 0) {
        be_reaper(p, r);
    }
    if (pid > 0) {
        r->reaper = pid;
        child_add(l, &(struct child){.pid = pid, .peer = r->peer, .is_helper = true});
    }
}

/* True where nothing of the attempt is alive any more (or it never will be gone). */
static bool is_reaped(struct launcher *l, struct reap *r)
{
    bool give_up = boot_now() >= r->give_up_ms;
    const struct peer *p = peer_find(l, r->peer);
    if (p == NULL) {
        return true;
    }
    if (is_supervised(l, r->peer, r->token) || is_left_over(l, r->peer, r->token)) {
        return give_up; /* it is about to die: its channel and its lock are closed already */
    }
    if (policy_binds(p)) {
        if (r->reaper == 0) {
            start_reaper(l, p, r);
        }
        return give_up || (r->done && !l->orphans);
    }
    size_t alive = kill_attempt(r);
    r->killed += (int64_t)alive;
    return give_up || (alive == 0 && !l->orphans);
}

static void reap_done(struct reap *r)
{
    free(r->run);
    free(r->step);
    free(r->cgroup);
}

void child_forget_reaps(struct launcher *l, int64_t peer)
{
    for (size_t i = 0; i < l->reap_count;) {
        if (l->reaps[i].peer == peer) {
            reap_done(&l->reaps[i]);
            l->reaps[i] = l->reaps[--l->reap_count];
        } else {
            i++;
        }
    }
}

/* ---- the sweep
 * ------------------------------------------------------------------------------------ */

bool child_has_leftovers(const struct launcher *l)
{
    return l->orphans || l->leftover_count > 0 || l->reap_count > 0;
}

void child_sweep(struct launcher *l)
{
    child_reap(l);
    sweep_places(l);
    l->orphans = l->orphans && tree_kill(is_ours, l) > 0;
    for (size_t i = 0; i < l->reap_count;) {
        struct reap *r = &l->reaps[i];
        if (!is_reaped(l, r)) {
            i++;
            continue;
        }
        struct peer *p = peer_find(l, r->peer);
        if (p != NULL) {
            peer_answer(
                p, &(struct step_msg){.kind = MSG_REAPED, .token = r->token, .number = r->killed});
        }
        reap_done(r);
        *r = l->reaps[--l->reap_count];
    }
}
