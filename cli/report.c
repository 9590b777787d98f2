/*
 * report.c - how errors, JSON, times and sizes are put.
 */
#include "cli/cli.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX (64UL << 20)

/* ---- JSON */

json_t *cli_json_text(const char *text)
{
    if (!text)
        return json_null();
    size_t len = strlen(text);
    if (text_utf8_valid(text, len) == len)
        return json_stringn(text, len);
    AUTO_BUF struct buf out = BUF_INIT(TEXT_MAX);
    while (len > 0) {
        size_t valid = text_utf8_valid(text, len);
        buf_add(&out, text, valid);
        if (valid == len)
            break;
        buf_adds(&out, "\xef\xbf\xbd");
        text += valid + 1;
        len -= valid + 1;
    }
    return json_string(buf_str(&out));
}

json_t *cli_json_time(int64_t wall_ms)
{
    char out[CLOCK_TEXT_SIZE];
    return wall_ms > 0 ? json_string(clock_format(wall_ms, out)) : json_null();
}

/* ---- errors */

static void print_stderr(const char *text)
{
    AUTO_BUF struct buf out = BUF_INIT(TEXT_MAX);
    buf_adds(&out, "orchctl: ");
    for (;;) { /* our own sentences may have several lines */
        size_t len = strcspn(text, "\n");
        term_escape(&out, text, len, true);
        buf_addc(&out, '\n');
        if (!text[len])
            break;
        text += len + 1;
    }
    fflush(stdout); /* what was said before stands before */
    fputs(buf_str(&out), stderr);
}

int cli_fail_code(struct cli *c, const struct err *err, int exit_code)
{
    if (!c->json) {
        print_stderr(err->msg);
        return exit_code;
    }
    json_t *body = json_object();
    json_object_set_new(body, "code", json_string(err_code_name(err->code)));
    json_object_set_new(body, "message", cli_json_text(err->msg));
    json_t *top = json_object();
    json_object_set_new(top, "error", body);
    cli_print_json(top, true);
    return exit_code;
}

int cli_fail(struct cli *c, const struct err *err)
{
    return cli_fail_code(c, err, err_exit_code(err->code));
}

int cli_usage(struct cli *c, const char *fmt, ...)
{
    char text[sizeof(((struct err *)0)->msg)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    struct err err = ERR_INIT;
    err_set(&err, ERR_USAGE, "%s", text);
    int code = cli_fail(c, &err);
    if (!c->json && c->verb)
        fprintf(stderr, "Usage: orchctl %s [OPTION]...%s%s\n'orchctl %s --help' says more.\n",
                c->verb->name, *c->verb->usage ? " " : "", c->verb->usage, c->verb->name);
    return code;
}

void cli_note(struct cli *c, const char *fmt, ...)
{
    if (c->json || c->quiet)
        return;
    char text[2000];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    print_stderr(text);
}

/* ---- for people */

const char *cli_local_time(struct arena *a, int64_t wall_ms)
{
    if (wall_ms <= 0)
        return "-";
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local;
    char out[64];
    if (!localtime_r(&seconds, &local) ||
        strftime(out, sizeof(out), "%Y-%m-%d %H:%M:%S", &local) == 0)
        return "-";
    return arena_strdup(a, out);
}

/* As precise as a person cares: 87ms, 3.2s, 2m5s. */
const char *cli_duration(struct arena *a, int64_t ms)
{
    if (ms < 0)
        return "-";
    char out[32];
    int64_t unit = ms < 1000 ? 1 : ms < 60000 ? 100 : 1000;
    return arena_strdup(a, text_format_duration((ms + unit / 2) / unit * unit, out));
}

const char *cli_size(struct arena *a, int64_t bytes)
{
    char out[32];
    return bytes < 0 ? "-" : arena_strdup(a, text_format_size(bytes, out));
}
