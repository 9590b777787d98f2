/*
 * steps.h - the steps of a recorded run for people: the table that `show` and the end of `run`
 * print, and what running steps take at the moment. Private to cli.
 */
#ifndef CLI_STEPS_H
#define CLI_STEPS_H

#include "cli/cli.h"

#include <uthash.h>

/* A step with what belongs to it. */
struct step_row {
    const struct store_step *step;
    const struct store_attempt *attempts; /* in order; all borrowed from the arena */
    size_t attempt_count;
    const char *metrics; /* "f1=0.8 loss=0.1", the first few; never NULL */
    size_t metric_count;
    bool measured;          /* what follows is filled in */
    struct step_usage took; /* by all attempts together; peaks: the highest */
    int64_t ran_ms;         /* all attempts together */
    struct step_usage now;  /* the newest sample of one that runs */
    int64_t cpu_milli;      /* its present share, in thousandths of a cpu; -1 = not known */
    UT_hash_handle hh;
};

struct steps {
    struct cli *c;   /* borrowed, like the next two */
    struct arena *a; /* holds the rows and what they point to */
    const char *run; /* its id */
    struct step_row *rows, *by_folder;
    size_t count;
};

/* Reads them all. Call steps_done() in any case. */
bool steps_load(struct steps *v, struct store *s, struct err *err) MUST_CHECK;
void steps_done(struct steps *v);
const struct store_attempt *steps_last_attempt(const struct step_row *row); /* NULL = none */
/* `brief`: long runs show what did not succeed, and how many did. */
void steps_print(struct steps *v, bool brief);
/* A line for each running step of which there are samples. */
void steps_print_running(struct steps *v);

#endif
