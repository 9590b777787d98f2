/*
 * step.c - the one writer of a step's state, and the list of actions it leaves for the caller.
 * Everything that depends on a state alone happens here, on leaving the old and entering the new
 * one: the queues, the capacity, the counts, the record, and telling those who need the step.
 */
#include "base/mem.h"
#include "scheduler/internal.h"

#include <assert.h>

void sched_act(struct sched *s, const struct sched_action *action)
{
    if (s->action_count == s->action_cap) {
        s->action_cap = s->action_cap ? s->action_cap * 2 : 64;
        s->actions = mem_grow(s->actions, s->action_cap, sizeof *s->actions);
    }
    s->actions[s->action_count++] = *action;
}

bool sched_next(struct sched *s, struct sched_action *ret)
{
    if (s->action_head == s->action_count) {
        s->action_head = s->action_count = 0;
        return false;
    }
    *ret = s->actions[s->action_head++];
    return true;
}

static void leave(struct sched *s, struct sched_node *n)
{
    s->counts.by_state[n->state]--;
    if (n->state == SCHED_READY)
        heap_remove(&s->ready, &n->at);
    if (n->state == SCHED_WAITING && n->reason == SCHED_RETRY)
        heap_remove(&s->due, &n->at);
    if (n->state == SCHED_WAITING && n->reason == SCHED_RESOLVE)
        s->asking--;
}

static void arrive(struct sched *s, uint32_t step)
{
    struct sched_node *n = &s->nodes[step];
    s->counts.by_state[n->state]++;
    if (n->state == SCHED_READY)
        heap_push(&s->ready, &n->at);
    if (n->state == SCHED_WAITING && n->reason == SCHED_RETRY)
        heap_push(&s->due, &n->at);
    if (n->state == SCHED_WAITING && n->reason == SCHED_RESOLVE)
        s->asking++;
    if (n->state == SCHED_FAILED && !s->def.steps[step].continue_on_error)
        s->failures++;
}

static void record(struct sched *s, uint32_t step)
{
    const struct sched_node *n = &s->nodes[step];
    bool due = n->state == SCHED_WAITING && n->reason == SCHED_RETRY;
    sched_act(s, &(struct sched_action){.kind = SCHED_ACT_RECORD,
                                        .step = step,
                                        .attempt = n->attempts,
                                        .state = n->state,
                                        .reason = n->reason,
                                        .due_ms = due ? n->due_ms : 0});
}

void sched_enter(struct sched *s, uint32_t step, enum sched_state state, enum sched_reason reason)
{
    struct sched_node *n = &s->nodes[step];
    assert(!s->started || sched_state_may_follow(n->state, state));
    assert(state != SCHED_WAITING || reason == SCHED_RETRY || reason == SCHED_RESOLVE);
    bool held = sched_state_holds(n->state), holds = sched_state_holds(state);
    leave(s, n);
    n->state = state;
    n->reason = reason;
    arrive(s, step);
    if (holds && !held)
        sched_admit_take(s, n);
    if (held && !holds)
        sched_admit_give_back(s, n);
    if (!s->started)
        return;
    if (state != SCHED_READY)
        record(s, step);
    if (sched_state_ended(state))
        sched_graph_spread(s, step);
}

void sched_launch(struct sched *s, uint32_t step)
{
    assert(s->nodes[step].state == SCHED_STARTING && s->stop == SCHED_STOP_NONE);
    sched_act(s, &(struct sched_action){.kind = SCHED_ACT_LAUNCH,
                                        .step = step,
                                        .attempt = s->nodes[step].attempts,
                                        .state = SCHED_STARTING});
}
