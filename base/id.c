/*
 * id.c - UUIDv7: 48 bits of milliseconds, version, 12 bits of counter, variant, 62 random bits.
 */
#include "base/id.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define COUNTER_MAX 0xFFF
#define MS_MAX ((INT64_C(1) << 48) - 1)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t last_ms = -1;
static unsigned counter;

/* The time and the counter of the next id. Where the clock stands still or goes back, or the
 * counter is used up, ids run ahead of it. */
static int64_t next_instant(int64_t wall_ms, unsigned *ret_counter)
{
    (void)pthread_mutex_lock(&lock);
    if (wall_ms > last_ms) {
        last_ms = wall_ms;
        counter = 0;
    } else if (++counter > COUNTER_MAX) {
        last_ms++;
        counter = 0;
    }
    int64_t ms = last_ms;
    *ret_counter = counter;
    (void)pthread_mutex_unlock(&lock);
    return ms;
}

static void fill_random(unsigned char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t got = getrandom(bytes, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort(); /* a kernel older than 3.17 */
        bytes += got;
        len -= (size_t)got;
    }
}

void id_make(int64_t wall_ms, char ret[ID_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char bytes[16];
    unsigned count;
    wall_ms = wall_ms < 0 ? 0 : wall_ms > MS_MAX ? MS_MAX : wall_ms;
    uint64_t ms = (uint64_t)next_instant(wall_ms, &count);
    for (unsigned i = 0; i < 6; i++)
        bytes[i] = (unsigned char)(ms >> (40 - 8 * i));
    bytes[6] = (unsigned char)(0x70 | count >> 8);
    bytes[7] = (unsigned char)count;
    fill_random(bytes + 8, 8);
    bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3F));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        ret[2 * i] = hex[bytes[i] >> 4];
        ret[2 * i + 1] = hex[bytes[i] & 15];
    }
    ret[ID_SIZE - 1] = '\0';
}

bool id_valid(const char *text)
{
    return strspn(text, "0123456789abcdef") == ID_SIZE - 1 && text[ID_SIZE - 1] == '\0';
}
