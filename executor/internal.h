/*
 * internal.h - private to executor: the launcher's link and the attempts that hang on it.
 *
 *   launcher.c  the launcher and its socket
 *   spawn.c     the process of a launcher of our own, plain or in a scope of the service manager
 *   facts.c     what the launcher's host can hold
 *   attempt.c   one attempt: start, events, stop, finish
 *   recover.c   attempts of an engine that died
 *   drivers.c   the table of drivers; where orch-step is
 *   outputs.c metrics.c logfile.c   readers of what an attempt left
 */
#ifndef EXECUTOR_INTERNAL_H
#define EXECUTOR_INTERNAL_H

#include "executor/executor.h"

#include <uthash.h>

/* A LAUNCH that found the socket full: sent, in order, when it has room. Owns its descriptors. */
struct exec_pending {
    struct buf bytes;
    int fds[STEP_MSG_FDS];
    size_t fd_count;
    struct exec_pending *next;
};

struct exec {
    struct loop *loop;
    char *program;
    char *socket; /* of a launcher that lives by itself; NULL = one of our own */
    int sock;     /* -1 = no launcher */
    pid_t pid;    /* of our own; 0 = none */
    bool linked;  /* there has been one */
    bool scoped;  /* our own runs in a scope of the service manager */
    bool used;    /* it has been told to launch something */
    struct loop_watch *watch;
    struct exec_pending *pending, *pending_last;
    struct exec_attempt *attempts; /* by token */
    int64_t next_token;
    struct buf raw;                     /* bytes of the message being handled */
    int64_t reaped_token, reaped_count; /* the last answer to a REAP */
    int64_t probed_token;               /* and to a PROBE */
    struct step_facts facts;            /* owned; where has_facts */
    bool has_facts;
};

struct exec_attempt {
    struct exec *exec;
    int64_t token;
    char *folder, *run, *step;
    int64_t number;
    const struct exec_events *events;
    void *owner;
    int channel; /* to the supervisor; -1 = closed */
    struct loop_watch *watch;
    struct loop_timer *timer; /* looks again whether the supervisor is gone */
    int64_t began_ms;         /* 0 = not known to have begun */
    bool began, ended, reaping;
    enum { STOP_NO, STOP_TERM, STOP_KILL } stopping; /* what exec_stop() asked for */
    int folder_fd, record_fd;                        /* prepared and not launched yet; else -1 */
    struct buf launch; /* the LAUNCH, encoded, until the command is known to have begun */
    int spec_fd;       /* what travels with it where it is large; -1 = nothing */
    int tries;         /* launchers that died over this attempt */
    bool due; /* `result` is told by the timer, not from inside a call: nothing else decides */
    struct step_end result; /* where no supervisor is left to tell it */
    UT_hash_handle hh;
};

/* launcher.c */
bool launcher_start(struct exec *e, struct err *err) MUST_CHECK; /* no effect where it lives */
/* Sends a message's bytes, or keeps them for later where the socket is full. Takes the fds in every
 * case. */
bool launcher_send(struct exec *e, const struct buf *bytes, int *fds, size_t fd_count,
                   struct err *err) MUST_CHECK;
/* Says that the program is no launcher; always false. */
bool launcher_refuse(const struct exec *e, struct err *err);
/* `folder`: of the attempt, whose record may say which cgroup its processes were in. */
bool launcher_ask_reap(struct exec *e, int64_t token, const char *folder, const char *run,
                       const char *step, int64_t attempt, struct err *err) MUST_CHECK;
/* Blocks until the launcher has said something, and handles it; false at the deadline (ms). */
bool launcher_wait(struct exec *e, int timeout_ms);
/* Handles what it has said already. */
void launcher_hear(struct exec *e);
/* Closes the link; a launcher of our own leaves. What runs goes on. */
void launcher_stop(struct exec *e);

/* spawn.c: starts `program` as a launcher that serves the socket; an errno, or 0. */
int spawn_launcher(const char *program, bool scoped, int sock, pid_t *ret_pid);
/* Whether a service manager could give us cgroups of our own. */
bool spawn_can_scope(void);

/* facts.c: the launcher has answered a PROBE. */
void facts_heard(struct exec *e, const struct step_msg *msg);

/* attempt.c */
struct exec_attempt *attempt_new(struct exec *e, const char *folder, const char *run,
                                 const char *step, int64_t number, const struct exec_events *events,
                                 void *owner);
void attempt_connect(struct exec_attempt *a, int channel); /* takes the socket and watches it */
void attempt_free(struct exec_attempt *a);
void attempt_refused(struct exec_attempt *a, const char *why); /* by the launcher */
void attempt_reaped(struct exec_attempt *a);
void attempt_launcher_lost(struct exec_attempt *a);
struct exec_attempt *attempt_prepare(struct exec *e, const char *folder,
                                     const struct step_spec *spec, const struct exec_events *events,
                                     void *owner, struct err *err);

/* recover.c: the cgroup of an attempt, from its record; the caller owns it, NULL = none. */
char *recover_cgroup(const char *folder);
/* Opens the record of a folder; -1 where there is none (`ret_missing`) or on failure. */
int recover_open_record(const char *folder, bool *ret_missing, struct err *err);
/* Removes a folder that was prepared by an engine that died before it launched; ERR_EXISTS where
 * more happened in it than that. */
bool recover_clear(const char *folder, struct err *err) MUST_CHECK;

#endif
