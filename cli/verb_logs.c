/*
 * verb_logs.c - orchctl logs: what steps printed. Lines are filtered, shaped, and either printed or
 * kept in a ring of the last N (--tail).
 */
#include "cli/cli.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/logs.h"

#include <inttypes.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_MS 200
#define LINE_MAX_BYTES (1UL << 20)
#define TAIL_MAX 1000000

struct printer {
    struct cli *c;
    bool prefix; /* several steps: say whose line it is */
    bool timestamps, raw;
    int64_t since_ms; /* 0 = all */
    bool has_grep;
    regex_t grep;
    struct buf *ring; /* the last lines; NULL without --tail */
    size_t ring_size, ring_at, ring_count;
    bool open;             /* the last line has no newline yet */
    struct logs_line last; /* whose it is; its text is not kept */
};

/* ---- --since */

static bool parse_local(const char *text, int64_t now_ms, int64_t *ret_ms)
{
    static const char *const FORMATS[] = {
        "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
        "%Y-%m-%d",          "%H:%M:%S",          "%H:%M"};
    for (size_t i = 0; i < COUNT_OF(FORMATS); i++) {
        time_t now = (time_t)(now_ms / 1000);
        struct tm local;
        if (!localtime_r(&now, &local))
            return false;
        local.tm_hour = local.tm_min = local.tm_sec = 0;
        local.tm_isdst = -1;
        const char *end = strptime(text, FORMATS[i], &local);
        time_t when = end && !*end ? mktime(&local) : -1;
        if (when != -1) {
            *ret_ms = (int64_t)when * 1000;
            return true;
        }
    }
    return false;
}

static bool parse_since(const char *text, int64_t *ret_ms)
{
    int64_t now = clock_wall_ms(clock_system()), span;
    if (text_duration(text, &span)) {
        *ret_ms = now - span;
        return true;
    }
    return clock_parse(text, ret_ms) || parse_local(text, now, ret_ms);
}

/* ---- a line */

static bool passes(const struct printer *p, const struct exec_log_line *line)
{
    if (line->at_ms < p->since_ms)
        return false;
    if (!p->has_grep)
        return true;
    AUTO_FREE char *text = mem_strndup(line->text, line->len); /* ends at a NUL; there is none */
    return regexec(&p->grep, text, 0, NULL, 0) == 0;
}

static json_t *line_json(const struct logs_line *l)
{
    static const struct {
        char letter;
        const char *name;
    } STREAMS[] = {{'o', "stdout"}, {'e', "stderr"}, {'s', "orch"}};
    json_t *one = json_object();
    AUTO_FREE char *text = mem_strndup(l->line.text, l->line.len);
    json_object_set_new(one, "at", cli_json_time(l->line.at_ms));
    json_object_set_new(one, "step", cli_json_text(l->step));
    json_object_set_new(one, "attempt", json_integer(l->attempt));
    for (size_t i = 0; i < COUNT_OF(STREAMS); i++)
        if (STREAMS[i].letter == l->line.stream)
            json_object_set_new(one, "stream", json_string(STREAMS[i].name));
    json_object_set_new(one, "text", cli_json_text(text));
    if (l->line.unended)
        json_object_set_new(one, "unended", json_true()); /* the next one goes on with it */
    return one;
}

static void add_head(const struct printer *p, const struct logs_line *l, struct buf *out)
{
    bool colour = p->c->colour;
    char at[CLOCK_TEXT_SIZE];
    if (p->timestamps)
        buf_addf(out, "%s%s%s ", term_on(colour, TERM_DIM), clock_format(l->line.at_ms, at),
                 term_off(colour, TERM_DIM));
    if (p->prefix) {
        buf_adds(out, term_on(colour, TERM_BUSY));
        term_escape(out, l->step, strlen(l->step), false);
        buf_addf(out, "%s: ", term_off(colour, TERM_BUSY));
    }
    if (l->line.stream == 's')
        buf_adds(out, "orch: ");
}

static void add_text(const struct printer *p, const struct logs_line *l, struct buf *out)
{
    enum term_style style = l->line.stream == 's' ? TERM_WARN : TERM_PLAIN;
    buf_adds(out, term_on(p->c->colour, style));
    if (p->c->terminal && !p->raw)
        term_escape(out, l->line.text, l->line.len, true);
    else
        buf_add(out, l->line.text, l->line.len);
    buf_adds(out, term_off(p->c->colour, style));
}

static void add_json(const struct logs_line *l, struct buf *out)
{
    json_t *one = line_json(l);
    char *text = json_dumps(one, JSON_COMPACT);
    buf_adds(out, text ? text : "");
    free(text);
    json_decref(one);
}

/* ---- printing, or keeping for --tail */

static void put(struct printer *p, const char *text, size_t len)
{
    if (p->ring)
        buf_add(&p->ring[(p->ring_at + p->ring_count - 1) % p->ring_size], text, len);
    else
        fwrite(text, 1, len, stdout);
}

static void begin_line(struct printer *p)
{
    if (!p->ring)
        return;
    size_t at = (p->ring_at + p->ring_count) % p->ring_size;
    if (p->ring_count == p->ring_size)
        p->ring_at = (p->ring_at + 1) % p->ring_size;
    else
        p->ring_count++;
    buf_done(&p->ring[at]);
    p->ring[at] = BUF_INIT(LINE_MAX_BYTES);
}

static void end_line(struct printer *p)
{
    if (p->open)
        put(p, "\n", 1);
    p->open = false;
}

/* A long line comes in parts; they are joined where nothing comes between. */
static bool goes_on(const struct printer *p, const struct logs_line *l)
{
    return p->open && p->last.folder == l->folder && p->last.attempt == l->attempt &&
           p->last.line.stream == l->line.stream;
}

static void print_line(struct printer *p, const struct logs_line *l)
{
    if (!passes(p, &l->line))
        return;
    AUTO_BUF struct buf out = BUF_INIT(LINE_MAX_BYTES);
    if (!goes_on(p, l)) {
        end_line(p);
        begin_line(p);
        if (!p->c->json)
            add_head(p, l, &out);
    }
    if (p->c->json)
        add_json(l, &out);
    else
        add_text(p, l, &out);
    put(p, buf_str(&out), out.len);
    p->open = true;
    p->last = *l;
    if (!l->line.unended || p->c->json)
        end_line(p);
}

/* What follows the tail is printed as it comes. */
static void flush_ring(struct printer *p)
{
    end_line(p);
    for (size_t i = 0; i < p->ring_count; i++) {
        const struct buf *line = &p->ring[(p->ring_at + i) % p->ring_size];
        fwrite(buf_str(line), 1, line->len, stdout);
    }
    for (size_t i = 0; p->ring && i < p->ring_size; i++)
        buf_done(&p->ring[i]);
    free(p->ring);
    p->ring = NULL;
    p->ring_count = 0;
}

/* ---- reading */

static bool run_ended(struct store *s, const char *id, struct store_run *run, struct arena *a)
{
    struct err err = ERR_INIT;
    enum sched_run_state state;
    return !store_get_run(s, id, a, run, &err) || !sched_run_state_from_name(run->status, &state) ||
           sched_run_state_ended(state);
}

static bool follow(struct printer *p, struct logs *l, struct store *s, const char *id,
                   struct err *err)
{
    for (bool last = false; !last;) {
        AUTO_ARENA struct arena a = ARENA_INIT;
        struct store_run run;
        struct logs_line line;
        last = run_ended(s, id, &run, &a);
        bool nobody = !last && cli_interrupted(p->c, &run);
        if (!logs_refresh(l, s, err))
            return false;
        while (logs_next(l, &line))
            print_line(p, &line);
        if (last || nobody)
            end_line(p);
        fflush(stdout);
        if (ferror(stdout))
            return true;
        if (nobody) {
            cli_note(p->c, "no orchctl drives this run now: orchctl resume %.12s", id);
            return true;
        }
        struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
        if (!last)
            nanosleep(&pause, NULL);
    }
    return true;
}

static bool print_logs(struct printer *p, struct logs *l, struct store *s, const char *id,
                       struct err *err)
{
    int64_t tail = args_count(&p->c->args, "tail", 0);
    struct logs_line line;
    if (!logs_refresh(l, s, err))
        return false;
    if (tail > 0 && !p->has_grep && p->since_ms == 0)
        logs_tail(l, (uint64_t)tail);
    if (tail > 0) {
        p->ring_size = (size_t)tail;
        p->ring = mem_array(p->ring_size, sizeof(*p->ring));
    }
    while (logs_next(l, &line))
        print_line(p, &line);
    flush_ring(p);
    return !args_flag(&p->c->args, "follow") || follow(p, l, s, id, err);
}

static bool find_attempt(struct cli *c, struct store *s, const char *id, struct arena *a,
                         const char **ret_step, struct err *err)
{
    struct store_step *steps;
    size_t count;
    if (c->args.operand_count < 2)
        return true;
    if (!store_get_steps(s, id, a, &steps, &count, err))
        return false;
    const struct store_step *step = cli_find_step(steps, count, c->args.operands[1], err);
    if (!step)
        return false;
    *ret_step = step->folder;
    int64_t attempt = args_count(&c->args, "attempt", 0);
    if (attempt > step->attempt)
        return err_set(err, ERR_NOT_FOUND, "step '%s' has %" PRIu32 " attempt%s, not %" PRId64,
                       step->name, step->attempt, step->attempt == 1 ? "" : "s", attempt);
    if (step->attempt == 0 && !args_flag(&c->args, "follow"))
        cli_note(c, "step '%s' is %s and has not run", step->name, step->status);
    return true;
}

static int show_logs(struct printer *p)
{
    struct cli *c = p->c;
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct err err = ERR_INIT;
    char id[ID_SIZE];
    struct store *s = cli_open_run(c, c->args.operands[0], id, &err);
    if (!s)
        return cli_fail(c, &err);
    const char *step = NULL;
    bool ok = find_attempt(c, s, id, &a, &step, &err);
    if (ok) {
        struct logs *l = logs_open(c, id, step, (uint32_t)args_count(&c->args, "attempt", 0));
        p->prefix = !step;
        ok = print_logs(p, l, s, id, &err);
        logs_close(l);
    }
    store_close(s);
    return ok ? EXIT_DONE : cli_fail(c, &err);
}

static int run(struct cli *c)
{
    struct printer p = {
        .c = c, .timestamps = args_flag(&c->args, "timestamps"), .raw = args_flag(&c->args, "raw")};
    const char *since = args_text(&c->args, "since"), *grep = args_text(&c->args, "grep");
    if (args_text(&c->args, "attempt") && c->args.operand_count < 2)
        return cli_usage(c, "--attempt needs a STEP");
    if (args_count(&c->args, "tail", 0) > TAIL_MAX)
        return cli_usage(c, "--tail is at most %d", TAIL_MAX);
    if (since && !parse_since(since, &p.since_ms))
        return cli_usage(c,
                         "--since is a duration (10m), a time (14:30), or a date and time "
                         "(2026-11-21T08:00:00Z), not '%s'",
                         since);
    if (grep) {
        int bad = regcomp(&p.grep, grep, REG_EXTENDED | REG_NOSUB);
        char why[200];
        if (bad != 0) {
            regerror(bad, &p.grep, why, sizeof(why));
            return cli_usage(c, "--grep '%s': %s", grep, why);
        }
        p.has_grep = true;
    }
    int code = show_logs(&p);
    if (p.has_grep)
        regfree(&p.grep);
    return code;
}

static const struct option OPTIONS[] = {
    {"follow", 'f', NULL, OPTION_FLAG, "go on printing until the run ends"},
    {"tail", 'n', "N", OPTION_COUNT, "only the last N lines (of those that pass the filters)"},
    {"since", 0, "DURATION|TIME", OPTION_TEXT,
     "only lines since then: 10m, 14:30, 2026-11-21T08:00:00Z"},
    {"grep", 0, "ERE", OPTION_TEXT, "only lines that match an extended regular expression"},
    {"attempt", 0, "N", OPTION_COUNT, "this attempt of the step (default: the last)"},
    {"timestamps", 't', NULL, OPTION_FLAG, "put the time (UTC) before each line"},
    {"raw", 0, NULL, OPTION_FLAG, "print control characters as they are, also to a terminal"},
    {NULL, 0, NULL, OPTION_FLAG, NULL},
};

const struct verb cli_verb_logs = {
    .name = "logs",
    .group = "What happened",
    .usage = "RUN [STEP]",
    .summary = "Print what the steps of a run printed.",
    .text = "Without STEP the lines of all attempts are merged in the order of time, each with its "
            "step's name. Lines that begin with 'orch: ' are the supervisor's own. On a terminal, "
            "control characters are shown as ^[ and the like; a file or a pipe gets the bytes as "
            "they were written, but for NUL, which logs keep as U+2400.",
    .examples = "  orchctl logs last\n"
                "  orchctl logs last train -f\n"
                "  orchctl logs scrap-detector#12 train --attempt 1 --tail 50\n"
                "  orchctl logs last --since 10m --grep 'error|warn' --timestamps\n",
    .options = OPTIONS,
    .min_operands = 1,
    .max_operands = 2,
    .run = run,
};
