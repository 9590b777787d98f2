/*
 * text.c - units are tables; numbers are read in integers wherever they are exact, and in the C
 * locale wherever they are not.
 */
#include "base/text.h"

#include "base/mem.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

struct unit {
    const char *name;
    int64_t size;
};

// clang-format off
static const struct unit durations[] = {
    {"w", 604800000}, {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};
static const struct unit sizes[] = {
    {"", 1}, {"B", 1},
    {"KB", 1000}, {"MB", 1000000}, {"GB", 1000000000}, {"TB", INT64_C(1000000000000)},
    {"PB", INT64_C(1000000000000000)},
    {"KiB", INT64_C(1) << 10}, {"MiB", INT64_C(1) << 20}, {"GiB", INT64_C(1) << 30},
    {"TiB", INT64_C(1) << 40}, {"PiB", INT64_C(1) << 50},
};
// clang-format on

#define DURATION_MAX (INT64_C(365250) * 86400000) /* 1,000 years of 365.25 days */
#define FRACTION_DIGITS 9
#define NAME_MAX_BYTES 128

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "12.5": whole and fraction / scale. */
struct amount {
    int64_t whole, fraction, scale;
};

static bool take_amount(const char **at, struct amount *ret)
{
    *ret = (struct amount){.scale = 1};
    if (!is_digit(**at))
        return false;
    for (; is_digit(**at); (*at)++) {
        if (__builtin_mul_overflow(ret->whole, 10, &ret->whole) ||
            __builtin_add_overflow(ret->whole, **at - '0', &ret->whole))
            return false;
    }
    if (**at != '.')
        return true;
    (*at)++;
    int digits = 0;
    for (; is_digit(**at); (*at)++, digits++) {
        if (digits == FRACTION_DIGITS)
            return false;
        ret->fraction = ret->fraction * 10 + (**at - '0');
        ret->scale *= 10;
    }
    return digits > 0;
}

/* The unit whose name is all the letters at `at`; moves past them. */
static const struct unit *take_unit(const char **at, const struct unit *units, size_t count)
{
    size_t len = 0;
    while (is_letter((*at)[len]))
        len++;
    for (size_t i = 0; i < count; i++) {
        if (strlen(units[i].name) == len && memcmp(units[i].name, *at, len) == 0) {
            *at += len;
            return &units[i];
        }
    }
    return NULL;
}

/* amount * unit, rounded down; false where more than `max`. */
static bool multiply(const struct amount *amount, int64_t unit, int64_t max, int64_t *ret)
{
    wide value = (wide)(uint64_t)amount->whole * (uint64_t)unit;
    value += (wide)(uint64_t)amount->fraction * (uint64_t)unit / (uint64_t)amount->scale;
    if (value > (wide)(uint64_t)max)
        return false;
    *ret = (int64_t)value;
    return true;
}

bool text_duration(const char *text, int64_t *ret_ms)
{
    int64_t total = 0;
    const struct unit *last = NULL;
    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return true;
    }
    do { /* larger units first, each at most once: "1m1m" is a slip of the finger */
        struct amount amount;
        int64_t part;
        if (!take_amount(&text, &amount))
            return false;
        const struct unit *unit = take_unit(&text, durations, COUNT_OF(durations));
        if (!unit || (last && unit <= last) ||
            !multiply(&amount, unit->size, DURATION_MAX - total, &part))
            return false;
        total += part;
        last = unit;
    } while (*text);
    *ret_ms = total;
    return true;
}

bool text_size(const char *text, int64_t *ret_bytes)
{
    struct amount amount;
    int64_t bytes;
    if (!take_amount(&text, &amount))
        return false;
    const struct unit *unit = take_unit(&text, sizes, COUNT_OF(sizes));
    if (!unit || *text || (unit->size == 1 && amount.scale > 1))
        return false;
    if (!multiply(&amount, unit->size, INT64_MAX, &bytes))
        return false;
    *ret_bytes = bytes;
    return true;
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

const char *text_format_duration(int64_t ms, char out[32])
{
    uint64_t left = magnitude(ms);
    char *at = out, *end = out + 32;
    if (ms < 0)
        *at++ = '-';
    if (left < 1000) {
        (void)snprintf(at, (size_t)(end - at), left ? "%ums" : "%us", (unsigned)left);
        return out;
    }
    if (left < 60000) {
        int len = snprintf(at, (size_t)(end - at), "%u.%03u", (unsigned)(left / 1000),
                           (unsigned)(left % 1000));
        at += len;
        while (at[-1] == '0')
            at--;
        at -= at[-1] == '.';
        memcpy(at, "s", 2);
        return out;
    }
    for (size_t i = 1; i < COUNT_OF(durations) - 1; i++) { /* no weeks, no fraction */
        uint64_t unit = (uint64_t)durations[i].size;
        if (left >= unit)
            at += snprintf(at, (size_t)(end - at), "%llu%s", (unsigned long long)(left / unit),
                           durations[i].name);
        left %= unit;
    }
    return out;
}

const char *text_format_size(int64_t bytes, char out[32])
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    const char *sign = bytes < 0 ? "-" : "";
    wide value = magnitude(bytes);
    size_t at = 0;
    unsigned tenths = 0;
    for (;; at++) {
        wide unit = (wide)1 << (10 * at);
        wide rounded = (value * 10 + unit / 2) / unit;
        if (rounded < 10240 || at + 1 == COUNT_OF(names)) {
            tenths = (unsigned)rounded;
            break;
        }
    }
    if (tenths % 10 == 0)
        (void)snprintf(out, 32, "%s%u%s", sign, tenths / 10, names[at]);
    else
        (void)snprintf(out, 32, "%s%u.%u%s", sign, tenths / 10, tenths % 10, names[at]);
    return out;
}

bool text_int(const char *text, int64_t *ret)
{
    bool negative = *text == '-';
    int64_t value = 0;
    text += negative;
    if (!*text)
        return false;
    for (; *text; text++) { /* downwards: the least integer has no positive twin */
        if (!is_digit(*text) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, *text - '0', &value))
            return false;
    }
    if (!negative && value == INT64_MIN)
        return false;
    *ret = negative ? value : -value;
    return true;
}

static locale_t c_locale;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
}

/* Switches this thread to a decimal point; the result goes to uselocale() afterwards. */
static locale_t use_c_locale(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_c_locale);
    return c_locale ? uselocale(c_locale) : (locale_t)0;
}

static void leave_c_locale(locale_t before)
{
    if (before)
        (void)uselocale(before);
}

static const char *skip_digits(const char *at)
{
    while (is_digit(*at))
        at++;
    return at;
}

/* -?[0-9]+(.[0-9]+)?([eE][+-]?[0-9]+)? : strtod() would also take "inf", "0x1p3", " 1". */
static bool looks_like_double(const char *at)
{
    at += *at == '-';
    if (!is_digit(*at))
        return false;
    at = skip_digits(at);
    if (*at == '.') {
        if (!is_digit(at[1]))
            return false;
        at = skip_digits(at + 1);
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '-' || *at == '+';
        if (!is_digit(*at))
            return false;
        at = skip_digits(at);
    }
    return *at == '\0';
}

bool text_double(const char *text, double *ret)
{
    if (!looks_like_double(text))
        return false;
    locale_t before = use_c_locale();
    double value = strtod(text, NULL);
    leave_c_locale(before);
    if (!isfinite(value))
        return false;
    *ret = value;
    return true;
}

const char *text_format_double(double value, char out[32])
{
    locale_t before = use_c_locale();
    if (fabs(value) < 1e15 && value == (double)(int64_t)value) {
        (void)snprintf(out, 32, "%.0f", value);
    } else {
        for (int digits = 1; digits <= 17; digits++) {
            (void)snprintf(out, 32, "%.*g", digits, value);
            if (!isfinite(value) || strtod(out, NULL) == value)
                break;
        }
    }
    leave_c_locale(before);
    return out;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Optimal string alignment over three rows: insert, delete, replace, swap of neighbours. Both words
 * have at most NAME_MAX_BYTES bytes. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned rows[3][NAME_MAX_BYTES + 1];
    for (unsigned j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            char x = lower(a[i - 1]), y = lower(b[j - 1]);
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2]))
                row[j] = least(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

const char *text_nearest(const char *word, const char *const *names, size_t count)
{
    size_t len = strlen(word);
    const char *nearest = NULL;
    unsigned bound = len <= 3 ? 1 : len <= 7 ? 2 : 3;
    if (len > NAME_MAX_BYTES)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t name_len = strlen(names[i]);
        if (name_len > len + bound || len > name_len + bound || name_len > NAME_MAX_BYTES)
            continue;
        unsigned d = distance(word, len, names[i], name_len);
        if (d > bound || (nearest && d == bound))
            continue;
        nearest = names[i];
        bound = d;
        if (d == 0)
            break;
    }
    return nearest;
}

/* The length of the well-formed sequence at `at` (Unicode table 3-7), 0 where it is none. */
static size_t utf8_sequence(const unsigned char *at, size_t left)
{
    unsigned char lead = at[0], low = 0x80, high = 0xBF;
    size_t len = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4 || left < len)
        return 0;
    if (lead == 0xE0)
        low = 0xA0; /* overlong */
    else if (lead == 0xED)
        high = 0x9F; /* surrogates */
    else if (lead == 0xF0)
        low = 0x90; /* overlong */
    else if (lead == 0xF4)
        high = 0x8F; /* beyond U+10FFFF */
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    }
    return len;
}

size_t text_utf8_valid(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        size_t step = utf8_sequence((const unsigned char *)text + at, len - at);
        if (step == 0)
            break;
        at += step;
    }
    return at;
}

size_t text_utf8_count(const char *text, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool is_name(const char *text, const char *first, const char *rest)
{
    if (!*text || !strchr(first, *text))
        return false;
    size_t len = strnlen(text, NAME_MAX_BYTES + 1);
    return len <= NAME_MAX_BYTES && strspn(text, rest) == len;
}

bool text_is_pipeline_name(const char *text)
{
    return is_name(text, LOWER DIGITS, LOWER DIGITS "._-");
}

bool text_is_step_name(const char *text)
{
    return is_name(text, LOWER UPPER DIGITS "_", LOWER UPPER DIGITS "_-");
}

bool text_is_param_name(const char *text)
{
    return is_name(text, LOWER UPPER "_", LOWER UPPER DIGITS "_");
}
