/*
 * live.h - what a user sees while a run goes on: a plain line for each thing that happens, and, on
 * a terminal, one status line below that is redrawn. With --json each event is one line of JSON.
 */
#ifndef CLI_LIVE_H
#define CLI_LIVE_H

#include "cli/cli.h"

struct live_step;

struct live {
    struct cli *c;
    char id[ID_SIZE];          /* the run; other runs' events are not shown */
    struct live_step *running; /* by folder */
    struct sched_counts counts;
    uint32_t step_count;
    uint32_t tails; /* log tails shown so far */
    bool redraw;    /* stdout is a terminal whose last line may be redrawn */
    bool shown;     /* the status line stands there now */
    char *line;     /* as it was drawn last; owned */
    int64_t drawn_ms, started_ms;
};

void live_init(struct live *l, struct cli *c);
void live_done(struct live *l);
/* A step that waits for a person's word, as recorded: says how to give it. */
void live_waiting(struct live *l, const struct store_step *step);
void live_event(void *live, const struct engine_event *event); /* an engine_conf.observe */
void live_tick(struct live *l);                                /* redraws the status line */
void live_clear(struct live *l);                               /* removes it */
/* A line of our own among the others. */
void live_say(struct live *l, enum term_style style, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The terminal has gone: no output any more. */
void live_hang_up(struct live *l);

#endif
