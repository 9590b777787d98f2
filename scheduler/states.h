/*
 * states.h - the tables of the state machines (private to scheduler/ and its tests).
 */
#ifndef SCHEDULER_STATES_H
#define SCHEDULER_STATES_H

#include "scheduler/scheduler.h"

/* Whether a step (a run) may go from one state to the other in one move. */
bool sched_state_may_follow(enum sched_state from, enum sched_state to);
bool sched_run_state_may_follow(enum sched_run_state from, enum sched_run_state to);
/* Whether a step in this state takes its share of the capacity. */
bool sched_state_holds(enum sched_state state);
/* Whether an attempt that ended for this reason may be tried again where retry.limit allows. */
bool sched_reason_retried(enum sched_reason reason);

#endif
