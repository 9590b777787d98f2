/*
 * clock.c - the system's clocks, and RFC 3339 in the proleptic Gregorian calendar. Conversions are
 * by day counts: no time zone of the environment has a say.
 */
#include "base/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DAY_MS INT64_C(86400000)
/* 0000-01-01 and the last millisecond of 9999: what four digits of a year can say. */
#define EARLIEST_MS INT64_C(-62167219200000)
#define LATEST_MS INT64_C(253402300799999)

static int64_t read_clock(clockid_t id)
{
    struct timespec now = {0};
    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_wall_ms(void *arg)
{
    (void)arg;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_boot_ms(void *arg)
{
    (void)arg;
    return read_clock(CLOCK_BOOTTIME);
}

const struct clock *clock_system(void)
{
    static const struct clock system = {system_wall_ms, system_boot_ms, NULL};
    return &system;
}

int64_t clock_wall_ms(const struct clock *c)
{
    return c->wall_ms(c->arg);
}

int64_t clock_boot_ms(const struct clock *c)
{
    return c->boot_ms(c->arg);
}

static char boot_id[33];

/* Zeroes where there is no /proc: every boot then looks the same, and locks alone decide. */
static void read_boot_id(void)
{
    char text[64] = "";
    size_t len = 0;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t got = read(fd, text, sizeof(text) - 1);
        close(fd);
        text[got > 0 ? got : 0] = '\0';
    }
    for (const char *at = text; *at && len < sizeof(boot_id) - 1; at++) {
        if ((*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'f'))
            boot_id[len++] = *at;
    }
    if (len < sizeof(boot_id) - 1)
        memset(boot_id, '0', sizeof(boot_id) - 1);
}

const char *clock_boot_id(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, read_boot_id);
    return boot_id;
}

struct date {
    int year, month, day;
};

/* Days since 1970-01-01 of a date, with years that begin in March (so the leap day comes last). */
static int64_t days_of(struct date date)
{
    int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t month = date.month > 2 ? date.month - 3 : date.month + 9;
    int64_t of_year = (153 * month + 2) / 5 + date.day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static struct date date_of(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    struct date date = {.day = (int)(of_year - (153 * month + 2) / 5 + 1)};
    date.month = (int)(month < 10 ? month + 3 : month - 9);
    date.year = (int)(year + era * 400 + (date.month <= 2));
    return date;
}

static char *put_digits(char *at, int64_t value, int count, char after)
{
    for (int i = count - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    at[count] = after;
    return at + count + 1;
}

const char *clock_format(int64_t wall_ms, char out[CLOCK_TEXT_SIZE])
{
    if (wall_ms < EARLIEST_MS)
        wall_ms = EARLIEST_MS;
    if (wall_ms > LATEST_MS)
        wall_ms = LATEST_MS;
    int64_t of_day = (wall_ms % DAY_MS + DAY_MS) % DAY_MS;
    struct date date = date_of((wall_ms - of_day) / DAY_MS);
    char *at = put_digits(out, date.year, 4, '-');
    at = put_digits(at, date.month, 2, '-');
    at = put_digits(at, date.day, 2, 'T');
    at = put_digits(at, of_day / 3600000, 2, ':');
    at = put_digits(at, of_day / 60000 % 60, 2, ':');
    at = put_digits(at, of_day / 1000 % 60, 2, '.');
    at = put_digits(at, of_day % 1000, 3, 'Z');
    *at = '\0';
    return out;
}

/* Exactly `count` digits; moves on. */
static bool take_digits(const char **at, int count, int *ret)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        char c = (*at)[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *at += count;
    *ret = value;
    return true;
}

static bool take_char(const char **at, char upper)
{
    char c = **at;
    if (c != upper && !(upper >= 'A' && c == upper - 'A' + 'a'))
        return false;
    (*at)++;
    return true;
}

static bool take_date(const char **at, int64_t *ret_days)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct date d;
    if (!take_digits(at, 4, &d.year) || !take_char(at, '-') || !take_digits(at, 2, &d.month) ||
        !take_char(at, '-') || !take_digits(at, 2, &d.day))
        return false;
    if (d.month < 1 || d.month > 12 || d.day < 1)
        return false;
    bool leap = d.year % 4 == 0 && (d.year % 100 != 0 || d.year % 400 == 0);
    if (d.day > lengths[d.month - 1] + (d.month == 2 && leap))
        return false;
    *ret_days = days_of(d);
    return true;
}

/* Up to 9 digits after the point; what is finer than a millisecond is dropped. */
static bool take_fraction(const char **at, int *ret_ms)
{
    int scale = 100, count = 0;
    *ret_ms = 0;
    if (**at != '.')
        return true;
    for ((*at)++; **at >= '0' && **at <= '9'; (*at)++, count++) {
        *ret_ms += (**at - '0') * scale;
        scale /= 10;
    }
    return count >= 1 && count <= 9;
}

static bool take_offset(const char **at, int *ret_minutes)
{
    *ret_minutes = 0;
    if (take_char(at, 'Z'))
        return true;
    int sign = **at == '-' ? -1 : 1, hours, minutes;
    if (**at != '-' && **at != '+')
        return false;
    (*at)++;
    if (!take_digits(at, 2, &hours) || !take_char(at, ':') || !take_digits(at, 2, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

bool clock_parse(const char *text, int64_t *ret_wall_ms)
{
    const char *at = text;
    int64_t days;
    int hour, minute, second, ms, offset;
    if (!take_date(&at, &days) || !take_char(&at, 'T') || !take_digits(&at, 2, &hour) ||
        !take_char(&at, ':') || !take_digits(&at, 2, &minute) || !take_char(&at, ':') ||
        !take_digits(&at, 2, &second) || !take_fraction(&at, &ms) || !take_offset(&at, &offset) ||
        *at != '\0')
        return false;
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    int64_t utc_minute = days * 1440 + hour * 60 + minute - offset;
    /* A leap second is the last one of a day of UTC; it counts as the first of the next. */
    if (second == 60 && (utc_minute % 1440 + 1440) % 1440 != 1439)
        return false;
    *ret_wall_ms = utc_minute * 60000 + second * 1000 + ms;
    return true;
}
