/*
 * retry.c - whether a failed attempt is tried again, and how long to wait before.
 */
#include "scheduler/internal.h"

#include <stdint.h>

#define LONGEST_DELAY 3.1536e13 /* 1,000 years in ms, the bound of text_duration() */

bool sched_retry_allowed(const struct dag_retry *retry, uint32_t used, const struct sched_end *end)
{
    if ((int64_t)used >= retry->limit || !sched_reason_retried(end->reason))
        return false;
    if (retry->exit_code_count == 0)
        return true;
    if (end->reason != SCHED_EXIT)
        return false;
    for (size_t i = 0; i < retry->exit_code_count; i++)
        if (retry->exit_codes[i] == end->exit_code)
            return true;
    return false;
}

/* splitmix64 (Steele, Lea, Flood 2014): one step of it mixes all 64 bits of a counter. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

static double power(double base, uint32_t exponent)
{
    double result = 1;
    for (; exponent > 0; exponent >>= 1) {
        if (exponent & 1)
            result *= base;
        base *= base;
    }
    return result;
}

int64_t sched_retry_delay(const struct dag_retry *retry, uint64_t seed, uint32_t step,
                          uint32_t number)
{
    if (retry->delay_ms <= 0)
        return 0;
    double most = retry->max_delay_ms > 0 ? (double)retry->max_delay_ms : LONGEST_DELAY;
    double delay = (double)retry->delay_ms * power(retry->factor, number);
    if (!(delay < most)) /* also where the power has become infinite */
        delay = most;
    uint64_t random = mix(mix(seed) ^ (((uint64_t)step << 32) | number));
    double even = (double)(random >> 11) * 0x1p-53; /* in [0, 1) */
    delay *= 1 + retry->jitter * (2 * even - 1);
    if (delay > most)
        delay = most;
    return delay > 0 ? (int64_t)delay : 0;
}
