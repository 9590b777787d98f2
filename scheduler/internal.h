/*
 * internal.h - what the files of scheduler/ share (private).
 *
 *   scheduler.c  events: what happened -> which step moves      graph.c  who needs whom, backwards
 *   step.c       the one writer of a step's state; actions      admit.c  ready queue and capacity
 *   states.c     the tables                                     retry.c  whether and when again
 */
#ifndef SCHEDULER_INTERNAL_H
#define SCHEDULER_INTERNAL_H

#include "base/heap.h"
#include "scheduler/scheduler.h"
#include "scheduler/states.h"

#include <stddef.h>

/* What a step knows of its needs. Bits flow along the edges as steps end, so that a question over
 * all transitive needs is a look at one word. A failure under continue_on_error sets none. */
enum {
    SCHED_BELOW_BAD = 1,       /* some transitive need failed, was cancelled or skipped */
    SCHED_BELOW_FAILED = 2,    /* some transitive need failed */
    SCHED_BELOW_CANCELLED = 4, /* some transitive need was cancelled */
    SCHED_NEED_BAD = 8         /* some direct need failed, was cancelled or skipped */
};

struct sched_node {
    struct heap_node at; /* in the ready queue or among the due retries; never in both */
    int64_t priority;
    int64_t takes[SCHED_RESOURCES]; /* while it holds capacity: clamped to it */
    int64_t due_ms;                 /* waiting for a retry: when it is ready again */
    uint32_t attempts, lost, retries;
    uint32_t open; /* edges to needs that have not ended */
    enum sched_state state;
    enum sched_reason reason;
    bool overtook;  /* holds capacity, and was started past a step that did not fit (admit.c) */
    unsigned below; /* SCHED_BELOW_*, SCHED_NEED_BAD */
};

struct sched_graph {
    size_t *first; /* dependents of step i: dependents[first[i]] .. dependents[first[i + 1] - 1] */
    uint32_t *dependents;
};

enum sched_stop { SCHED_STOP_NONE, SCHED_STOP_CANCEL, SCHED_STOP_TIMEOUT, SCHED_STOP_FAIL_FAST };

struct sched {
    struct sched_def def;
    struct sched_ops ops;
    bool started;
    enum sched_stop stop; /* why nothing starts any more; the first cause stays */
    enum sched_run_state run_state;
    int64_t deadline_ms; /* of the run; INT64_MAX = none */

    struct sched_node *nodes;
    struct sched_graph graph;
    struct sched_counts counts;
    uint32_t asking;   /* steps that wait for a person */
    uint32_t failures; /* failed steps without continue_on_error */

    uint32_t *decide; /* steps whose needs have all ended, first come first served; a step enters it
                         once in its life, so an array as long as the run does */
    uint32_t decide_head, decide_count;

    struct heap ready; /* by priority, then index */
    struct heap due;   /* steps that wait for a retry, by due_ms */
    int64_t held[SCHED_RESOURCES];
    int64_t least[SCHED_RESOURCES];  /* no step takes less */
    int64_t beside[SCHED_RESOURCES]; /* of what is held: by steps that overtook */

    struct sched_action *actions;
    size_t action_head, action_count, action_cap;
};

static inline uint32_t sched_index(const struct sched *s, const struct sched_node *n)
{
    return (uint32_t)(n - s->nodes);
}

/* For the orders of the heaps, which see their items as const. */
static inline const struct sched_node *sched_node_of(const struct heap_node *at)
{
    return (const void *)((const char *)at - offsetof(struct sched_node, at));
}

/* graph.c */
void sched_graph_init(struct sched_graph *g, const struct sched_def *def);
void sched_graph_done(struct sched_graph *g);
/* Counts the open needs and carries the bits of ended steps, needs before those who need them, so
 * that it does not matter in which order a restored run's steps had ended. Asserts no cycle. */
void sched_graph_begin(struct sched *s);
/* A step has ended: its dependents learn of it, those without open needs are to be decided. */
void sched_graph_spread(struct sched *s, uint32_t step);

/* step.c */
void sched_act(struct sched *s, const struct sched_action *action);
/* The one writer of a step's state. Before sched_start() it places a step (nothing is recorded,
 * nothing spreads); after it only moves of the table are legal. */
void sched_enter(struct sched *s, uint32_t step, enum sched_state state, enum sched_reason reason);
void sched_launch(struct sched *s, uint32_t step); /* the action for its present attempt */

/* admit.c */
void sched_admit_init(struct sched *s);
bool sched_queue_before(const struct heap_node *a, const struct heap_node *b);
void sched_admit_take(struct sched *s, const struct sched_node *n);
void sched_admit_give_back(struct sched *s, struct sched_node *n);
void sched_admit(struct sched *s); /* starts what may start now */

/* retry.c */
bool sched_retry_allowed(const struct dag_retry *retry, uint32_t used, const struct sched_end *end);
/* The wait before retry number `number` (from 0). A pure function of its arguments: a recovered run
 * waits as long as the one that crashed. */
int64_t sched_retry_delay(const struct dag_retry *retry, uint64_t seed, uint32_t step,
                          uint32_t number);

#endif
