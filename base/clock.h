/*
 * clock.h - time is always asked of an injected clock, once a turn. `wall` is for people and
 * records (may jump), `boot` for deadlines (CLOCK_BOOTTIME: never jumps, counts suspend, restarts
 * with the machine).
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct clock {
    int64_t (*wall_ms)(void *arg); /* since 1970-01-01T00:00:00Z */
    int64_t (*boot_ms)(void *arg); /* since this machine's boot */
    void *arg;
};

const struct clock *clock_system(void);
int64_t clock_wall_ms(const struct clock *c);
int64_t clock_boot_ms(const struct clock *c);

/* This boot's id as 32 hex digits (/proc/sys/kernel/random/boot_id without dashes); static. */
const char *clock_boot_id(void);

#define CLOCK_TEXT_SIZE 32
/* "2026-11-21T08:00:00.123Z" (RFC 3339, UTC, milliseconds) into `out`; returns `out`. */
const char *clock_format(int64_t wall_ms, char out[CLOCK_TEXT_SIZE]);
/* Reads RFC 3339 with any offset, 0 to 9 fraction digits; false where malformed. */
bool clock_parse(const char *text, int64_t *ret_wall_ms);

#endif
