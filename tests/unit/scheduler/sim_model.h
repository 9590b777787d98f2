/*
 * sim_model.h - what the end must be, written from the rules of flow and as naively as they read:
 * look at every step again and again until nothing changes, and answer questions over transitive
 * needs by looking at all of them. Shares nothing with the scheduler but the enums.
 */
#ifndef TESTS_SCHEDULER_SIM_MODEL_H
#define TESTS_SCHEDULER_SIM_MODEL_H

#include "tests/unit/scheduler/sim_script.h"

struct sim_final {
    enum sched_state state;
    enum sched_reason reason;
    uint32_t ended; /* attempts that ended and were not lost */
};

static bool model_over(enum sched_state state)
{
    return state == SCHED_SUCCEEDED || state == SCHED_FAILED || state == SCHED_CANCELLED ||
           state == SCHED_SKIPPED || state == SCHED_REUSED;
}

/* "every need succeeded, was reused, or failed under continue_on_error" */
static bool model_fine(const struct sim_script *t, const struct sim_final *now, uint32_t need)
{
    return now[need].state == SCHED_SUCCEEDED || now[need].state == SCHED_REUSED ||
           (now[need].state == SCHED_FAILED && t->steps[need].continue_on_error);
}

static bool model_needs_over(const struct sim_script *t, const struct sim_final *now, uint32_t step)
{
    for (uint32_t k = 0; k < t->steps[step].need_count; k++)
        if (!model_over(now[t->steps[step].needs[k]].state))
            return false;
    return true;
}

static bool model_needs_fine(const struct sim_script *t, const struct sim_final *now, uint32_t step)
{
    for (uint32_t k = 0; k < t->steps[step].need_count; k++)
        if (!model_fine(t, now, t->steps[step].needs[k]))
            return false;
    return true;
}

static enum sched_verdict model_condition(const struct sim_script *t, const struct sim_final *now,
                                          uint32_t step)
{
    bool success = true, failure = false, cancelled = false;
    for (uint32_t j = 0; j < t->count; j++) {
        if (!t->reach[step][j])
            continue;
        bool fine = model_fine(t, now, j);
        success = success && fine;
        failure = failure || (now[j].state == SCHED_FAILED && !fine);
        cancelled = cancelled || now[j].state == SCHED_CANCELLED;
    }
    switch (t->condition[step]) {
    case COND_NO:
        return SCHED_NO;
    case COND_BAD:
        return SCHED_BAD;
    case COND_SUCCESS:
        return success ? SCHED_YES : SCHED_NO;
    case COND_FAILURE:
        return failure ? SCHED_YES : SCHED_NO;
    case COND_NOT_FAILURE:
        return failure ? SCHED_NO : SCHED_YES;
    case COND_CANCELLED:
        return cancelled ? SCHED_YES : SCHED_NO;
    case COND_NONE:
    case COND_YES:
    case COND_ALWAYS:
    case COND_COUNT:
    default:
        return SCHED_YES;
    }
}

static bool model_retries(const struct dag_retry *retry, const struct sched_end *end, uint32_t used)
{
    if (used >= retry->limit || end->reason == SCHED_EXPR || end->reason == SCHED_CANCEL)
        return false;
    if (retry->exit_code_count == 0)
        return true;
    bool listed = false;
    for (size_t i = 0; i < retry->exit_code_count; i++)
        listed = listed || retry->exit_codes[i] == end->exit_code;
    return end->reason == SCHED_EXIT && listed;
}

/* How a step that runs ends, all its attempts played through. */
static struct sim_final model_run(const struct sim_script *t, uint32_t step)
{
    const struct sched_step *def = &t->steps[step];
    for (uint32_t ended = 0, lost = 0;;) {
        struct sched_end end = sim_outcome(t, step, ended, lost).end;
        if (end.ok)
            return (struct sim_final){SCHED_SUCCEEDED, SCHED_NO_REASON, ended + 1};
        if (end.reason == SCHED_CANCEL)
            return (struct sim_final){SCHED_CANCELLED, SCHED_CANCEL, ended + 1};
        if (end.reason != SCHED_LOST) {
            if (!model_retries(&def->retry, &end, ended))
                return (struct sim_final){SCHED_FAILED, end.reason, ended + 1};
            ended++;
            continue;
        }
        lost++;
        enum sched_state verdict = SCHED_FAILED;
        if (def->on_lost == DAG_LOST_ASK)
            verdict = sim_verdict(t, step, ended, lost);
        else if (def->on_lost == DAG_LOST_RERUN && lost < 3)
            verdict = SCHED_READY;
        if (verdict == SCHED_SUCCEEDED)
            return (struct sim_final){SCHED_SUCCEEDED, SCHED_NO_REASON, ended};
        if (verdict == SCHED_FAILED)
            return (struct sim_final){SCHED_FAILED, SCHED_LOST, ended};
    }
}

static struct sim_final model_step(const struct sim_script *t, const struct sim_final *now,
                                   uint32_t step, bool lost_for_good)
{
    if (!t->steps[step].condition_asks && !model_needs_fine(t, now, step))
        return (struct sim_final){SCHED_SKIPPED, SCHED_UPSTREAM, 0};
    enum sched_verdict verdict = model_condition(t, now, step);
    if (verdict == SCHED_NO)
        return (struct sim_final){SCHED_SKIPPED, SCHED_CONDITION, 0};
    if (verdict == SCHED_BAD)
        return (struct sim_final){SCHED_FAILED, SCHED_EXPR, 0};
    if (lost_for_good)
        return (struct sim_final){SCHED_FAILED, SCHED_LOST, 0};
    return model_run(t, step);
}

/* `lost_for_good`: steps whose attempts crashes took away until the rules say that they fail. */
static void model_end(const struct sim_script *t, const bool *lost_for_good, struct sim_final *ret)
{
    for (uint32_t i = 0; i < t->count; i++)
        ret[i] = (struct sim_final){t->given[i], SCHED_NO_REASON, 0};
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < t->count; i++)
            if (!model_over(ret[i].state) && model_needs_over(t, ret, i)) {
                ret[i] = model_step(t, ret, i, lost_for_good[i]);
                changed = true;
            }
    }
}

/* "The run fails if and only if a step failed without continue_on_error." */
static enum sched_run_state model_run_state(const struct sim_script *t, const struct sim_final *end)
{
    enum sched_run_state state = SCHED_RUN_SUCCEEDED;
    for (uint32_t i = 0; i < t->count; i++) {
        if (end[i].state == SCHED_FAILED && !t->steps[i].continue_on_error)
            return SCHED_RUN_FAILED;
        if (end[i].state == SCHED_CANCELLED)
            state = SCHED_RUN_CANCELLED;
    }
    return state;
}

#endif
