/*
 * id.h - run ids: UUIDv7 (RFC 9562) as 32 lower-case hex digits, so that they sort by time.
 */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#define ID_SIZE 33 /* with the NUL */

/* Ids of one process are strictly increasing (a counter in rand_a within a millisecond). */
void id_make(int64_t wall_ms, char ret[ID_SIZE]);
bool id_valid(const char *text); /* exactly 32 lower-case hex digits */

#endif
