/*
 * executor.h - makes steps happen. The engine's side: it talks to the launcher (orch-step serve)
 * and to one supervisor per attempt; nothing here blocks but where said, and nothing decides: what
 * an end means is the scheduler's business.
 *
 * Calling sequence: exec_open(); for each attempt prepare() and exec_launch() (new) or
 * exec_recover() (after a crash); events arrive on the loop; after the end has been committed
 * exec_finish(). exec_close() leaves running supervisors alone.
 *
 * Rules of ownership
 * 1. An attempt belongs to the engine from prepare/exec_recover until exec_finish(), which frees
 * it.
 * 2. `began` comes at most once, `ended` exactly once, never from inside a call of this header.
 * 3. Supervisors outlive this process: dropping everything without a word (kill -9) is a legal way
 * to end.
 */
#ifndef EXECUTOR_EXECUTOR_H
#define EXECUTOR_EXECUTOR_H

#include "base/arena.h"
#include "base/err.h"
#include "base/loop.h"
#include "executor/step/step.h"

struct exec;
struct exec_attempt;

struct exec_conf {
    const char *step_program; /* path of orch-step; NULL = exec_find_program() */
    struct loop *loop;        /* borrowed */
    /* The socket of a launcher that lives by itself (orch-step serve --socket), absolute; NULL =
     * one of our own is started. One that is lost is connected to again when it is next needed. */
    const char *launcher;
};

struct exec_events {
    void (*began)(void *owner, int64_t at_ms);
    /* how = STEP_LOST where the supervisor died without an end (whatever it left has been killed by
     * then). */
    void (*ended)(void *owner, const struct step_end *end);
};

/* ORCH_STEP, else beside this program, else ../libexec/orchd/. The caller owns; NULL and
 * ERR_UNAVAILABLE that lists where it looked. */
char *exec_find_program(struct err *err) MUST_CHECK;

/* Starts the launcher, in its own session, so that a Ctrl-C of the terminal does not reach it; or
 * connects to the one that conf names: ERR_UNAVAILABLE where nobody answers there. Blocks for a
 * fork and exec. */
struct exec *exec_open(const struct exec_conf *conf, struct err *err) MUST_CHECK;
void exec_close(struct exec *e);

/* A driver of steps, by the word of `executor:`. */
struct exec_driver {
    int version; /* 2 */
    const char *name;
    /* NULL where this version has no such driver. Makes everything ready, and starts nothing: so it
     * may be called while the transaction that records the start is still under way. `folder` is
     * the attempt's folder, absolute; it is created here (with out/ and artifacts/ inside; parents
     * must exist); one that an engine left before it launched anything is made anew. NULL on
     * failure: the attempt may be ended with reason spawn. */
    struct exec_attempt *(*prepare)(struct exec *e, const char *folder,
                                    const struct step_spec *spec, const struct exec_events *events,
                                    void *owner, struct err *err);
};
const struct exec_driver *
exec_find_driver(const char *name); /* process, container, slurm, kubernetes; NULL = no such word */

/* Launches what was prepared: once, and only after its start has been committed. False: nothing was
 * started; no event will come, exec_finish() frees it. */
bool exec_launch(struct exec_attempt *a, struct err *err) MUST_CHECK;

enum exec_found {
    EXEC_RUNNING,       /* its supervisor lives: *ret_attempt is attached, events follow */
    EXEC_ENDED,         /* *ret_end is how; *ret_attempt NULL */
    EXEC_NEVER_STARTED, /* no folder, or no command ever began: the folder has been removed, the
                           same attempt may be started again */
    EXEC_LOST, /* it began and nobody knows how it ended (or another boot): call exec_reap() before
                  anything else starts */
};
/* Looks at an attempt that was in flight when its engine died: takes the record's lock first. May
 * block some milliseconds, and up to 5 s where a supervisor lives but does not answer
 * (ERR_UNAVAILABLE). */
bool exec_recover(struct exec *e, const char *folder, const struct exec_events *events, void *owner,
                  enum exec_found *ret, struct exec_attempt **ret_attempt, struct step_end *ret_end,
                  struct err *err) MUST_CHECK;
/* Kills whatever a dead supervisor of that attempt left behind; blocks until it is gone. It is
 * found by the record in `folder` (absolute; what is not there says nothing), and by what its
 * environment names. */
bool exec_reap(struct exec *e, const char *folder, const char *run, const char *step,
               int64_t attempt, int64_t *ret_killed, struct err *err) MUST_CHECK;

/* What the launcher's host can hold; borrowed until exec_close(). Blocks for some ms, the first
 * time. Where cgroups are not ours to divide, but a service manager could change that, a launcher
 * of our own that has launched nothing yet is started again in a scope of its own. */
bool exec_facts(struct exec *e, const struct step_facts **ret, struct err *err) MUST_CHECK;

void exec_stop(struct exec_attempt *a,
               bool kill); /* TERM, grace, KILL; or KILL at once. The end still comes by `ended`. */
void exec_finish(struct exec_attempt *a); /* acknowledges the end and frees; also for attempts whose
                                             end came as LOST */

/* ---- what an attempt left behind: readers of the files in its folder, all bounded, all
 * hostile-proof ------------------------- */

struct exec_pair {
    char *name, *value;
};
struct exec_outputs {
    struct exec_pair
        *items; /* in the order written; a later line for the same name replaces the value */
    size_t count;
};
/* Reads ORCH_OUTPUT: lines `name=value`, blocks `name<<WORD` ... `WORD`; blank lines are skipped;
 * names as parameters are. ERR_INVALID with the line's number where malformed, not UTF-8, with NUL,
 * too large. A missing file is empty. */
bool exec_read_outputs(const char *folder, struct exec_outputs *ret, struct err *err) MUST_CHECK;
bool exec_parse_outputs(const char *text, size_t len, struct exec_outputs *ret,
                        struct err *err) MUST_CHECK;
void exec_outputs_done(struct exec_outputs *o);

struct exec_metric {
    char *name;
    double value; /* may be NaN or infinite */
    int64_t step;
    bool has_step;
};
struct exec_metrics {
    struct exec_metric *items; /* all points in order */
    size_t count;
};
/* Reads ORCH_METRICS: lines `name value [step]` (value: a decimal, nan, inf, -inf) or JSON objects
 * {"name": value, ..., "step": n}. */
bool exec_read_metrics(const char *folder, struct exec_metrics *ret, struct err *err) MUST_CHECK;
bool exec_parse_metrics(const char *text, size_t len, struct exec_metrics *ret,
                        struct err *err) MUST_CHECK;
void exec_metrics_done(struct exec_metrics *m);

/* What an attempt takes while it runs. */
struct exec_sample {
    int64_t at_ms; /* wall clock, not below 0 */
    struct step_usage usage;
};
struct exec_usage {
    struct exec_sample *items; /* in the order written, the newest last */
    size_t count;
};
/* Reads the samples, also while they are being written. Columns that are not ours are passed over,
 * lines that do not fit are skipped, an unfinished last one is not read. A missing file is empty.
 */
bool exec_read_usage(const char *folder, struct exec_usage *ret, struct err *err) MUST_CHECK;
bool exec_parse_usage(const char *text, size_t len, struct exec_usage *ret,
                      struct err *err) MUST_CHECK;
void exec_usage_done(struct exec_usage *u);
/* Thousandths of a cpu between the last two samples; -1 = not known. */
int64_t exec_usage_cpu_milli(const struct exec_usage *u);
/* The member that a row of step_usage_fields[] names; borrowed. */
int64_t *exec_usage_member(struct step_usage *u, const struct step_usage_field *f);

bool exec_read_files(const char *folder, struct step_files *ret,
                     struct err *err) MUST_CHECK; /* a missing file is empty */

/* The log of an attempt, also while it grows. */
struct exec_log;
struct exec_log_line {
    int64_t at_ms;
    char stream;  /* 'o', 'e' or 's' */
    bool unended; /* the next line of the same stream goes on with it, or the output ended without a
                     newline */
    const char *
        text; /* borrowed until the next call; without the newline; not NUL-terminated beyond len */
    size_t len;
};
struct exec_log *exec_log_open(const char *folder, struct err *err)
    MUST_CHECK; /* NULL with ERR_NOT_FOUND where there is none yet */
bool exec_log_next(
    struct exec_log *log,
    struct exec_log_line *ret); /* false: nothing more now; call again later for a growing one */
bool exec_log_tail(struct exec_log *log, uint64_t lines,
                   struct err *err) MUST_CHECK; /* seeks so that the last `lines` lines follow */
void exec_log_close(struct exec_log *log);

#endif
