/*
 * life.h - the state of a supervisor, private to its files: supervisor.c (what happens),
 * life_start.c (until the command runs), life_end.c (from its end to the record).
 */
#ifndef EXECUTOR_STEP_LIFE_H
#define EXECUTOR_STEP_LIFE_H

#include "base/clock.h"
#include "executor/step/capture.h"
#include "executor/step/confine.h"
#include "executor/step/samples.h"
#include "executor/step/step.h"

#include <sys/types.h>

struct supervisor {
    struct step_spec spec;
    int folder, record, signals;
    int channel;        /* the engine; -1 = none */
    int control;        /* where the next engine connects; -1 while there is one */
    int pipes[STREAMS]; /* read ends; -1 = at their end */
    int timer;          /* -1 until a deadline is worth one */
    pid_t launcher;     /* our parent, as long as it lives */
    struct capture log;
    struct confine confine;
    struct samples samples;
    struct buf raw; /* messages */
    pid_t pid;      /* of the command, and its group; 0 until it has been started */
    bool ended;     /* the command itself */
    bool childless; /* wait4 said so */
    int status;     /* of the command */
    bool told_began;
    enum step_how cause;    /* why it was stopped; 0 = it was not */
    bool killed;            /* SIGKILL has been sent */
    bool asked;             /* to stop, since it was last cleared */
    int64_t store_until_ms; /* boot clock: storing the results is given up; 0 = never */
    int64_t deadline_ms;    /* boot clock: timeout, or the end of the grace; 0 = none */
    int64_t began_ms, began_boot_ms;
    int64_t oom_kills, pids_refused; /* read when it has ended */
    struct step_end end;
};

static inline int64_t wall_now(void)
{
    return clock_wall_ms(clock_system());
}

static inline int64_t boot_now(void)
{
    return clock_boot_ms(clock_system());
}

/* supervisor.c */
void life_close_fd(int *fd); /* and sets it to -1 */
void life_send(struct supervisor *s, const struct step_msg *msg);
void life_close_control(struct supervisor *s);
void life_on_connect(struct supervisor *s); /* somebody knocks at `control` */
void life_on_output(struct supervisor *s, int stream, int events);
void life_set_deadline(struct supervisor *s, int64_t at_ms);
/* Waits (ms, -1: for ever) until something happens and acts on it. */
void life_turn(struct supervisor *s, int wait);
/* Takes in every child that has ended. */
void life_reap(struct supervisor *s);

/* life_start.c: false where the command does not run: s->end says how, and err why. */
bool life_start(struct supervisor *s, struct err *err) MUST_CHECK;

/* life_end.c: what is left is killed, results are stored, the end is recorded and told. */
_Noreturn void life_end(struct supervisor *s);
/* The same where nothing was started. */
_Noreturn void life_finish(struct supervisor *s);

#endif
