/*
 * drive.h - driving a run in the foreground: the engine, the display, signals, the closing words
 * and the exit code. Shared by run, resume, and by cancel and resolve where no engine lives.
 */
#ifndef CLI_DRIVE_H
#define CLI_DRIVE_H

#include "cli/live.h"

struct drive {
    struct cli *c;
    struct engine *engine;
    struct live live;
    char id[ID_SIZE]; /* "" before there is a run */
    int signals;      /* how often the user asked to stop */
};

/* Opens the engine for the data folder. `d` must stay where it is until drive_close(). */
bool drive_open(struct drive *d, struct cli *c, struct err *err) MUST_CHECK;
/* The run is known from here on: its first words. */
void drive_begin(struct drive *d, const char *id, const char *verb);
/* Turns until the run has ended, prints the end, returns the exit code. */
int drive_to_end(struct drive *d);
void drive_close(struct drive *d);

#endif
