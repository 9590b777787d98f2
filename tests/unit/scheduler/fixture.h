/*
 * fixture.h - a small run by hand, and the actions as one line of text, so that a test reads like
 * the story it tells:
 *
 *   0:starting, launch 0.1, run:running      step 0 starts its attempt 1
 *   0:waiting(retry)@130                     and is ready again at 130 ms
 *   stop 0.1, kill 0.1, run:failed(timeout)
 */
#ifndef TESTS_SCHEDULER_FIXTURE_H
#define TESTS_SCHEDULER_FIXTURE_H

#include "scheduler/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIX_STEPS 12

struct fix {
    struct sched_step steps[FIX_STEPS];
    uint32_t needs[FIX_STEPS][FIX_STEPS];
    struct sched_def def;
    enum sched_verdict verdicts[FIX_STEPS]; /* of conditions that do not ask */
    enum dag_question questions[FIX_STEPS]; /* of those that do */
    bool negate[FIX_STEPS];
    uint32_t asked[FIX_STEPS]; /* how often the condition was evaluated */
    struct sched *s;
    char text[4000];
};

static inline enum sched_verdict fix_condition(void *arg, uint32_t step)
{
    struct fix *f = arg;
    f->asked[step]++;
    if (!f->steps[step].condition_asks)
        return f->verdicts[step];
    bool yes = sched_ask(f->s, step, f->questions[step]) != f->negate[step];
    return yes ? SCHED_YES : SCHED_NO;
}

/* `count` steps of one cpu each on four cpus, without needs. */
static inline void fix_init(struct fix *f, uint32_t count)
{
    memset(f, 0, sizeof *f);
    f->def = (struct sched_def){
        .steps = f->steps, .count = count, .capacity = {[SCHED_CPU] = 4000}, .seed = 1};
    for (uint32_t i = 0; i < count; i++) {
        f->steps[i].needs = f->needs[i];
        f->steps[i].takes[SCHED_CPU] = 1000;
    }
}

static inline void fix_need(struct fix *f, uint32_t step, uint32_t need)
{
    f->needs[step][f->steps[step].need_count++] = need;
}

static inline void fix_condition_is(struct fix *f, uint32_t step, enum sched_verdict verdict)
{
    f->steps[step].has_condition = true;
    f->verdicts[step] = verdict;
}

static inline void fix_condition_asks(struct fix *f, uint32_t step, enum dag_question question,
                                      bool negate)
{
    f->steps[step].has_condition = f->steps[step].condition_asks = true;
    f->questions[step] = question;
    f->negate[step] = negate;
}

static inline void fix_new(struct fix *f)
{
    sched_free(f->s);
    f->s = sched_new(&f->def, &(struct sched_ops){.arg = f, .condition = fix_condition});
}

static inline void fix_start(struct fix *f)
{
    fix_new(f);
    sched_start(f->s, 0);
}

static inline void fix_done(struct fix *f)
{
    sched_free(f->s);
    f->s = NULL;
}

static inline int fix_print(const struct sched_action *a, char *out, size_t size)
{
    const char *reason = sched_reason_name(a->reason);
    char tail[80] = "";
    if (reason)
        (void)snprintf(tail, sizeof tail, "(%s)", reason);
    switch (a->kind) {
    case SCHED_ACT_RECORD:
        if (a->state == SCHED_WAITING && a->reason == SCHED_RETRY)
            (void)snprintf(tail, sizeof tail, "(retry)@%lld", (long long)a->due_ms);
        return snprintf(out, size, "%u:%s%s", a->step, sched_state_name(a->state), tail);
    case SCHED_ACT_LAUNCH:
        return snprintf(out, size, "launch %u.%u", a->step, a->attempt);
    case SCHED_ACT_STOP:
        return snprintf(out, size, "%s %u.%u", a->kill ? "kill" : "stop", a->step, a->attempt);
    case SCHED_ACT_RUN:
    default:
        return snprintf(out, size, "run:%s%s", sched_run_state_name(a->run_state), tail);
    }
}

/* The drained actions, compared with `right`. */
static inline void fix_expect_at(struct fix *f, const char *right, const char *file, int line)
{
    size_t len = 0;
    struct sched_action a;
    f->text[0] = '\0';
    while (sched_next(f->s, &a)) {
        len += (size_t)snprintf(f->text + len, sizeof f->text - len, "%s", len ? ", " : "");
        len += (size_t)fix_print(&a, f->text + len, sizeof f->text - len);
        assert_true(len < sizeof f->text);
    }
    _assert_string_equal(f->text, right, file, line);
}
#define fix_expect(f, right) fix_expect_at(f, right, __FILE__, __LINE__)

static inline void fix_ok(struct fix *f, uint32_t step, int64_t now)
{
    const struct sched_end end = {.ok = true};
    sched_ended(f->s, step, sched_step_attempts(f->s, step), &end, now);
}

static inline void fix_bad(struct fix *f, uint32_t step, enum sched_reason reason, int code,
                           int64_t now)
{
    const struct sched_end end = {.reason = reason, .exit_code = code};
    sched_ended(f->s, step, sched_step_attempts(f->s, step), &end, now);
}

static inline void fix_drop(struct fix *f)
{
    struct sched_action a;
    while (sched_next(f->s, &a))
        ;
}

#endif
