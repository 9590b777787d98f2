/*
 * cron.c - checks a cron expression: five fields (minute hour day month weekday) of numbers, names,
 * ranges, steps and lists, `L` and `#`, or @daily and its kin.
 */
#include "base/mem.h"
#include "base/text.h"
#include "dag/schema.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                     "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const days[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

struct field {
    unsigned low, high;
    const char *const *names; /* the first has the number `low` */
    const char *hint;
    bool last, nth; /* L; and 5L, 5#3 */
};

enum { DAY = 2, MONTH = 3, WEEKDAY = 4, FIELDS = 5 };

static const struct field fields[FIELDS] = {
    {0, 59, NULL, "The first field is the minute: 0 to 59.", false, false},
    {0, 23, NULL, "The second field is the hour: 0 to 23.", false, false},
    {1, 31, NULL, "The third field is the day of the month: 1 to 31, or L.", true, false},
    {1, 12, months, "The fourth field is the month: 1 to 12, or JAN to DEC.", false, false},
    {0, 7, days, "The fifth field is the day of the week: 0 to 7, SUN to SAT, 5L or 5#3.", false,
     true},
};

static bool take_number(const struct field *f, const char **at, unsigned *ret)
{
    unsigned value = 0;
    size_t digits = strspn(*at, "0123456789");
    if (digits > 0 && digits <= 3) {
        for (size_t i = 0; i < digits; i++) {
            value = value * 10 + (unsigned)((*at)[i] - '0');
        }
        *at += digits;
        *ret = value;
        return value >= f->low && value <= f->high;
    }
    for (unsigned i = 0; f->names != NULL && f->names[i] != NULL; i++) {
        if (strncasecmp(*at, f->names[i], 3) == 0) {
            *at += 3;
            *ret = f->low + i;
            return true;
        }
    }
    return false;
}

static bool take_step(const char **at)
{
    static const struct field any = {1, 999, NULL, NULL, false, false};
    unsigned step = 0;
    if (**at != '/') {
        return true;
    }
    (*at)++;
    return take_number(&any, at, &step);
}

/* One item of a list; sets the bits of its numbers. */
static bool take_item(const struct field *f, const char **at, uint64_t *bits)
{
    unsigned from = f->low;
    unsigned to = f->high;
    if (f->last && (*at)[0] == 'L') {
        (*at)++;
        *bits |= UINT64_C(1) << 28; /* every month has a last day */
        return true;
    }
    if (**at == '*') {
        (*at)++;
    } else {
        if (!take_number(f, at, &from)) {
            return false;
        }
        to = from;
        if (**at == '-') {
            (*at)++;
            if (!take_number(f, at, &to) || to < from) {
                return false;
            }
        } else if (f->nth && **at == 'L') {
            (*at)++;
        } else if (f->nth && **at == '#') {
            (*at)++;
            if (**at < '1' || **at > '5') {
                return false;
            }
            (*at)++;
        } else if (**at == '/') {
            to = f->high;
        }
    }
    for (unsigned i = from; i <= to; i++) {
        *bits |= UINT64_C(1) << i;
    }
    return take_step(at);
}

static bool take_field(const struct field *f, const char *text, uint64_t *bits)
{
    for (;;) {
        if (!take_item(f, &text, bits)) {
            return false;
        }
        if (*text == '\0') {
            return true;
        }
        if (*text++ != ',') {
            return false;
        }
    }
}

/* 30 February and its like: no month of the set has a day of the set. */
static bool never(uint64_t day_bits, uint64_t month_bits)
{
    static const unsigned lengths[] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (unsigned month = 1; month <= 12; month++) {
        for (unsigned day = 1; (month_bits >> month & 1) && day <= lengths[month]; day++) {
            if (day_bits >> day & 1) {
                return false;
            }
        }
    }
    return true;
}

static bool check_word(const char *text, const char **ret_hint)
{
    static const char *const words[] = {"@yearly", "@annually", "@monthly", "@weekly",
                                        "@daily",  "@midnight", "@hourly"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            return true;
        }
    }
    *ret_hint = strncmp(text, "@every", 6) == 0
                    ? "Write a trigger of its own: `every: 15m`."
                    : "There are @yearly, @monthly, @weekly, @daily and @hourly.";
    return false;
}

static bool check_cron(const char *text, int64_t *ret, const char **ret_hint)
{
    char copy[200];
    char *parts[FIELDS];
    size_t count = 0;
    uint64_t bits[FIELDS] = {0};
    (void)ret;
    if (text[0] == '@') {
        return check_word(text, ret_hint);
    }
    if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy) {
        *ret_hint = "It is longer than 199 bytes.";
        return false;
    }
    char *save = NULL;
    for (char *part = strtok_r(copy, " \t", &save); part; part = strtok_r(NULL, " \t", &save)) {
        if (count == FIELDS) {
            *ret_hint = "It has more than five fields; there is no field for seconds.";
            return false;
        }
        parts[count++] = part;
    }
    if (count < FIELDS) {
        *ret_hint = "It needs five fields: minute, hour, day, month, day of the week.";
        return false;
    }
    for (size_t i = 0; i < FIELDS; i++) {
        if (!take_field(&fields[i], parts[i], &bits[i])) {
            *ret_hint = fields[i].hint;
            return false;
        }
    }
    if (parts[WEEKDAY][0] == '*' && never(bits[DAY], bits[MONTH])) {
        *ret_hint = "There is no such day in any of these months: it would never fire.";
        return false;
    }
    return true;
}

const struct schema_format schema_cron = {
    .what = "a cron expression such as \"30 2 * * 1-5\"",
    .pattern = "^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)"
               "|\\s*\\S+(\\s+\\S+){4}\\s*)$",
    .check = check_cron,
};
