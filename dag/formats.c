/*
 * formats.c - the forms of texts in a pipeline file: durations, sizes, names, paths, ...
 */
#include "dag/formats.h"
#include "base/mem.h"
#include "base/text.h"
#include "dag/schema.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_BYTES 128
#define REGEX_MAX_BYTES 1000
#define REGEX_MAX_SIZE 700 /* atoms, counted repeats written out: regcomp() takes their square */

/* ---- amounts */

static bool check_duration(const char *text, int64_t *ret, const char **ret_hint)
{
    if (text_duration(text, ret)) {
        return true;
    }
    int64_t bare = 0;
    *ret_hint = text_int(text, &bare) ? "Give it a unit: ms, s, m, h, d or w."
                                      : "Units are ms, s, m, h, d and w: 250ms, 90s, 2h30m.";
    return false;
}

const struct schema_format schema_duration = {
    .what = "a duration such as 90s or 2h",
    .pattern = "^(0|([0-9]+(\\.[0-9]+)?(ms|s|m|h|d|w))+)$",
    .check = check_duration,
    .gives_int = true,
};

static bool check_size(const char *text, int64_t *ret, const char **ret_hint)
{
    if (text_size(text, ret)) {
        return true;
    }
    *ret_hint = "Units are KiB, MiB, GiB (of 1024) and KB, MB, GB (of 1000).";
    return false;
}

const struct schema_format schema_size = {
    .what = "a size such as 512MiB or 4GiB",
    .pattern = "^[0-9]+(\\.[0-9]+)?(B|KB|MB|GB|TB|PB|KiB|MiB|GiB|TiB|PiB)?$",
    .check = check_size,
    .gives_int = true,
    .number = true,
};

/* 2, 0.5 or 500m; a thousandth is the least. */
static bool check_cpu(const char *text, int64_t *ret, const char **ret_hint)
{
    char number[32];
    size_t len = strlen(text);
    bool milli = len > 0 && text[len - 1] == 'm';
    double value = 0;
    *ret_hint = "Write a number of cpus (2, 0.5) or thousandths (500m).";
    if (len >= sizeof number) {
        return false;
    }
    memcpy(number, text, len - milli);
    number[len - milli] = '\0';
    if (!text_double(number, &value)) {
        return false;
    }
    value = milli ? value : value * 1000;
    if (value < 1 || value > 1e9) {
        *ret_hint = "It must be more than 0 and at most 1000000.";
        return false;
    }
    *ret = (int64_t)llround(value);
    return true;
}

const struct schema_format schema_cpu = {
    .what = "a number of cpus such as 2, 0.5 or 500m",
    .pattern = "^[0-9]+(\\.[0-9]+)?m?$",
    .check = check_cpu,
    .gives_int = true,
    .number = true,
};

static bool check_budget(const char *text, int64_t *ret, const char **ret_hint)
{
    static const char *const units[] = {"hour", "day", "week", "month"};
    int64_t count = 0;
    size_t digits = strspn(text, "0123456789");
    char number[16];
    (void)ret;
    *ret_hint = "Units are hour, day, week and month.";
    if (digits == 0 || digits >= sizeof number || text[digits] != '/') {
        return false;
    }
    memcpy(number, text, digits);
    number[digits] = '\0';
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (strcmp(text + digits + 1, units[i]) == 0) {
            return text_int(number, &count) && count > 0;
        }
    }
    return false;
}

const struct schema_format schema_budget = {
    .what = "a count for a time such as 2/day",
    .pattern = "^[1-9][0-9]*/(hour|day|week|month)$",
    .check = check_budget,
};

static bool take_time(const char **text)
{
    const char *t = *text;
    bool ok = isdigit((unsigned char)t[0]) && isdigit((unsigned char)t[1]) && t[2] == ':' &&
              isdigit((unsigned char)t[3]) && isdigit((unsigned char)t[4]);
    if (!ok || (t[0] - '0') * 10 + (t[1] - '0') > 24 || t[3] > '5') {
        return false;
    }
    *text += 5;
    return true;
}

static bool check_quiet(const char *text, int64_t *ret, const char **ret_hint)
{
    (void)ret;
    (void)ret_hint;
    return take_time(&text) && *text++ == '-' && take_time(&text) && *text == '\0';
}

const struct schema_format schema_quiet = {
    .what = "hours such as 22:00-06:00",
    .pattern = "^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$",
    .check = check_quiet,
};

/* ---- names */

static bool check_pipeline_name(const char *text, int64_t *ret, const char **ret_hint)
{
    (void)ret;
    (void)ret_hint;
    return text_is_pipeline_name(text);
}

const struct schema_format schema_pipeline_name = {
    .what = "a name of lower-case letters, digits, `.`, `_` and `-`, at most 128",
    .pattern = "^[a-z0-9][a-z0-9._-]{0,127}$",
    .check = check_pipeline_name,
};

static bool check_step_name(const char *text, int64_t *ret, const char **ret_hint)
{
    (void)ret;
    (void)ret_hint;
    return text_is_step_name(text);
}

const struct schema_format schema_step_name = {
    .what = "a name of letters, digits, `_` and `-`",
    .pattern = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,127}$",
    .check = check_step_name,
};

static bool check_variable_name(const char *text, int64_t *ret, const char **ret_hint)
{
    (void)ret;
    (void)ret_hint;
    return text_is_param_name(text);
}

const struct schema_format schema_variable_name = {
    .what = "a name of letters, digits and `_`",
    .pattern = "^[A-Za-z_][A-Za-z0-9_]{0,127}$",
    .check = check_variable_name,
};

static bool check_filled(const char *text, int64_t *ret, const char **ret_hint)
{
    (void)ret;
    (void)ret_hint;
    return text[0] != '\0';
}

const struct schema_format schema_filled = {
    .what = "a text that is not empty", .pattern = "^[\\s\\S]", .check = check_filled};

/* The name or number of a user or group that `text` begins with; 0 = none. */
static size_t account_len(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-$");
    return len <= NAME_MAX_BYTES && text[0] != '-' ? len : 0;
}

static bool check_user(const char *text, int64_t *ret, const char **ret_hint)
{
    (void)ret;
    *ret_hint = "Write a name or a number, or either with a group: `bob`, `1000`, `bob:staff`.";
    size_t len = account_len(text);
    if (len == 0 || text[len] == '\0') {
        return len > 0;
    }
    size_t group = text[len] == ':' ? account_len(text + len + 1) : 0;
    return group > 0 && text[len + 1 + group] == '\0';
}

#define ACCOUNT_PATTERN "[A-Za-z0-9._$][A-Za-z0-9._$-]{0,127}"

const struct schema_format schema_user = {
    .what = "a user, or user:group",
    .pattern = "^" ACCOUNT_PATTERN "(:" ACCOUNT_PATTERN ")?$",
    .check = check_user,
};

/* ---- what is around a step */

static bool check_absolute(const char *text, int64_t *ret, const char **ret_hint)
{
    (void)ret;
    if (text[0] == '~' || text[0] == '$') {
        *ret_hint = "Write the path out: neither ~ nor variables are expanded here.";
        return false;
    }
    if (text[0] != '/') {
        *ret_hint = "It is a path of the host and begins with /.";
        return false;
    }
    *ret_hint = "Write the path without `..`, in at most 4000 bytes.";
    for (const char *at = text; *at != '\0';) {
        size_t part = strcspn(at, "/");
        if (part == 2 && memcmp(at, "..", 2) == 0) {
            return false;
        }
        at += part + (at[part] == '/');
    }
    return strlen(text) <= 4000;
}

const struct schema_format schema_absolute = {
    .what = "an absolute path",
    .pattern = "^/(?!(.*/)?\\.\\.(/|$))",
    .check = check_absolute,
};

static bool check_umask(const char *text, int64_t *ret, const char **ret_hint)
{
    size_t len = strspn(text, "01234567");
    *ret_hint = "Write three or four octal digits in quotes, at most \"0777\".";
    if (len < 3 || len > 4 || text[len] != '\0') {
        return false;
    }
    *ret = strtol(text, NULL, 8);
    return *ret <= 0777;
}

const struct schema_format schema_umask = {
    .what = "octal digits in quotes such as \"0027\"",
    .pattern = "^0?[0-7]{3}$",
    .check = check_umask,
    .gives_int = true,
    .quoted = true,
};

static bool any_name(const char *text)
{
    return text[0] != '\0' && strlen(text) <= NAME_MAX_BYTES;
}

const struct schema_names schema_step_names = {
    .what = "letters, digits, `_` and `-`, at most 128, not `-` first",
    .pattern = "^[A-Za-z0-9_][A-Za-z0-9_-]{0,127}$",
    .ok = text_is_step_name,
};
const struct schema_names schema_variable_names = {
    .what = "letters, digits and `_`, at most 128, no digit first",
    .pattern = "^[A-Za-z_][A-Za-z0-9_]{0,127}$",
    .ok = text_is_param_name,
};
const struct schema_names schema_any_names = {
    .what = "1 to 128 bytes", .pattern = "^[\\s\\S]{1,128}$", .ok = any_name};

/* ---- paths: below ORCH_OUT */

bool format_path(const char *text, struct arena *a, const char **ret)
{
    char *out = arena_strdup(a, text);
    size_t len = 0;
    if (text[0] == '/' || strlen(text) > 4000) {
        return false;
    }
    while (*text != '\0') {
        size_t part = strcspn(text, "/");
        if (part == 2 && memcmp(text, "..", 2) == 0) {
            return false;
        }
        bool counts = part > 0 && !(part == 1 && text[0] == '.');
        if (counts && part > 255) {
            return false;
        }
        if (counts) {
            if (len > 0) {
                out[len++] = '/';
            }
            memmove(out + len, text, part);
            len += part;
        }
        text += part + (text[part] == '/');
    }
    out[len] = '\0';
    *ret = out;
    return len > 0;
}

static bool check_path(const char *text, int64_t *ret, const char **ret_hint)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    const char *out = NULL;
    (void)ret;
    *ret_hint = "It is relative to the folder ORCH_OUT, and must stay in it.";
    return format_path(text, &a, &out);
}

const struct schema_format schema_path = {
    .what = "a relative path without ..",
    .pattern = "^(?!/)(?!(.*/)?\\.\\.(/|$)).+",
    .check = check_path,
};

/* ---- uses */

static const struct family {
    const char *name;
    const char *const *members; /* NULL = any */
} families[] = {
    {"check", (const char *const[]){"dataset", NULL}},
    {"deploy", (const char *const[]){"release", NULL}},
    {"ingest", NULL},
    {"notify", NULL},
    {"pipeline", NULL},
    {"wait", NULL},
};

static bool known_member(const struct family *family, const char *member, const char **ret_hint)
{
    size_t count = 0;
    while (family->members != NULL && family->members[count] != NULL) {
        if (strcmp(family->members[count], member) == 0) {
            return true;
        }
        count++;
    }
    if (family->members == NULL) {
        return text_is_pipeline_name(member);
    }
    static const char *const hints[][2] = {{"check", "There is `check/dataset`."},
                                           {"deploy", "There is `deploy/release`."}};
    for (size_t i = 0; i < COUNT_OF(hints); i++) {
        if (strcmp(hints[i][0], family->name) == 0) {
            *ret_hint = hints[i][1];
        }
    }
    return false;
}

static bool check_uses(const char *text, int64_t *ret, const char **ret_hint)
{
    static const char *const hints[] = {
        "Did you mean `check/dataset`?", "Did you mean `deploy/release`?",
        "Did you mean `ingest/…`?",      "Did you mean `notify/…`?",
        "Did you mean `pipeline/NAME`?", "Did you mean `wait/…`?",
    };
    const char *names[COUNT_OF(families)];
    char family[32] = "";
    size_t len = strcspn(text, "/");
    (void)ret;
    snprintf(family, sizeof family, "%.*s", (int)(len < 31 ? len : 31), text);
    for (size_t i = 0; i < COUNT_OF(families); i++) {
        names[i] = families[i].name;
        if (strcmp(family, names[i]) == 0) {
            return text[len] == '/' && known_member(&families[i], text + len + 1, ret_hint);
        }
    }
    const char *near = text_nearest(family, names, COUNT_OF(names));
    *ret_hint = "Families are check, deploy, ingest, notify, pipeline and wait.";
    for (size_t i = 0; near != NULL && i < COUNT_OF(names); i++) {
        if (near == names[i]) {
            *ret_hint = hints[i];
        }
    }
    return false;
}

const struct schema_format schema_uses = {
    .what = "a built-in step such as check/dataset, or pipeline/NAME",
    .pattern = "^(check|deploy|ingest|notify|pipeline|wait)/[a-z0-9][a-z0-9._-]*$",
    .check = check_uses,
};

/* ---- zones */

#define ZONEINFO "/usr/share/zoneinfo"

static bool check_zone(const char *text, int64_t *ret, const char **ret_hint)
{
    (void)ret;
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/");
    *ret_hint = "Zones are named as in the IANA database: Europe/Berlin, America/New_York, UTC.";
    if (len == 0 || text[len] != '\0' || len > 100 || text[0] == '/' || text[len - 1] == '/' ||
        strstr(text, "//") != NULL) {
        return false;
    }
    if (access(ZONEINFO "/", X_OK) != 0) {
        return true; /* no database here: nothing to check against */
    }
    char path[160];
    char magic[4] = "";
    snprintf(path, sizeof path, ZONEINFO "/%s", text);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return fd >= 0 && read(fd, magic, sizeof magic) == (ssize_t)sizeof magic &&
           memcmp(magic, "TZif", 4) == 0;
}

const struct schema_format schema_zone = {
    .what = "a time zone such as Europe/Berlin",
    .pattern = "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$",
    .check = check_zone,
};

/* ---- regular expressions: those of users must not be able to eat memory or time */

struct regex_size {
    size_t group[REGEX_MAX_BYTES + 1]; /* size of each open group so far */
    size_t depth;
    size_t last; /* size of the last atom */
};

static void add_atom(struct regex_size *s, size_t size)
{
    s->last = size;
    s->group[s->depth] += size;
}

/* {m,n} writes the last atom out n times. False where that is too much or malformed. */
static bool repeat_atom(struct regex_size *s, const char **at)
{
    char *end = NULL;
    unsigned long low = strtoul(*at + 1, &end, 10);
    unsigned long high = low;
    if (*end == ',') {
        high = strtoul(end + 1, &end, 10);
    }
    if (*end != '}' || low > 1000 || high > 1000) {
        return false;
    }
    size_t times = high > low ? high : low;
    s->group[s->depth] += s->last * times;
    s->last *= times > 0 ? times : 1;
    *at = end;
    return s->group[s->depth] <= REGEX_MAX_SIZE;
}

static const char *skip_class(const char *at)
{
    at++;
    at += *at == '^';
    at += *at == ']';
    while (*at != '\0' && *at != ']') {
        if (at[0] == '[' && (at[1] == ':' || at[1] == '.' || at[1] == '=')) {
            char close[3] = {at[1], ']', '\0'};
            const char *stop = strstr(at + 2, close);
            at = stop != NULL ? stop + 1 : at;
        }
        at++;
    }
    return at;
}

static bool regex_bounded(const char *text, const char **ret_hint)
{
    struct regex_size s = {.depth = 0};
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\\' && at[1] >= '1' && at[1] <= '9') {
            *ret_hint = "References back (\\1) are not supported.";
            return false;
        }
        if (*at == '(') {
            s.group[++s.depth] = 0;
        } else if (*at == ')' && s.depth > 0) {
            size_t inner = s.group[s.depth--];
            add_atom(&s, inner + 1);
        } else if (*at == '{') {
            if (!repeat_atom(&s, &at)) {
                *ret_hint = "Counted repeats must be well-formed, and must not multiply to more "
                            "than 700 characters.";
                return false;
            }
        } else {
            at += *at == '\\' && at[1] != '\0';
            at = *at == '[' ? skip_class(at) : at;
            add_atom(&s, 1);
            if (*at == '\0') {
                break;
            }
        }
    }
    return true;
}

static bool check_regex(const char *text, int64_t *ret, const char **ret_hint)
{
    regex_t compiled;
    (void)ret;
    if (strlen(text) > REGEX_MAX_BYTES) {
        *ret_hint = "It may have at most 1000 bytes.";
        return false;
    }
    if (!regex_bounded(text, ret_hint)) {
        return false;
    }
    if (regcomp(&compiled, text, REG_EXTENDED | REG_NOSUB) != 0) {
        *ret_hint = "Check brackets and parentheses.";
        return false;
    }
    regfree(&compiled);
    return true;
}

const struct schema_format schema_regex = {.what = "a POSIX extended regular expression",
                                           .check = check_regex};

/* ---- formulas of monitors: checked for shape only; they are evaluated where samples are */

static bool check_formula(const char *text, int64_t *ret, const char **ret_hint)
{
    int depth = 0;
    bool compares = false;
    (void)ret;
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        depth += c == '(';
        depth -= c == ')';
        compares |=
            c == '<' || c == '>' || (c == '=' && at[1] == '=') || (c == '!' && at[1] == '=');
        if (depth < 0) {
            *ret_hint = "A `)` without a `(`.";
            return false;
        }
        if (!isalnum(c) && strchr(" _.,()<>=!&|+-*/%@'\"\t\n", c) == NULL) {
            *ret_hint = "It holds a character that has no meaning there.";
            return false;
        }
    }
    *ret_hint = depth != 0 ? "A `(` is not closed." : "It needs a comparison such as `>`.";
    return depth == 0 && compares;
}

const struct schema_format schema_formula = {
    .what = "a comparison such as avg(scrap_rate, 1h) > 0.03", .check = check_formula};
