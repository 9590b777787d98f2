/*
 * live.c - see live.h. The status line is removed before anything else is printed and drawn again
 * at most every DRAW_MS, so that thousands of short steps cost no redraws.
 */
#include "cli/live.h"

#include "base/mem.h"
#include "base/text.h"
#include "executor/executor.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <uthash.h>

#define DRAW_MS 100
#define TAIL_LINES 10
#define TAILS_MAX 20 /* failing steps whose log is shown; a run of thousands must stay readable */
#define LINE_MAX_BYTES (64UL << 10)

struct live_step {
    char *name, *folder; /* owned */
    int64_t started_ms;
    UT_hash_handle hh;
};

static int64_t now_ms(void)
{
    return clock_wall_ms(clock_system());
}

void live_init(struct live *l, struct cli *c)
{
    *l = (struct live){.c = c, .started_ms = now_ms()};
    l->redraw = !c->json && !c->quiet && term_can_redraw(STDOUT_FILENO);
}

static void forget(struct live *l, struct live_step *s)
{
    HASH_DEL(l->running, s);
    free(s->name);
    free(s->folder);
    free(s);
}

void live_done(struct live *l)
{
    live_clear(l);
    free(l->line);
    l->line = NULL;
    struct live_step *s, *next;
    HASH_ITER(hh, l->running, s, next)
    forget(l, s);
}

/* ---- the status line */

void live_clear(struct live *l)
{
    if (l->shown)
        fputs("\r\033[K", stdout);
    l->shown = false;
}

static void add_running(struct live *l, struct buf *line, struct arena *a, int64_t now)
{
    struct live_step *s, *next;
    const char *separator = "  running: ";
    HASH_ITER(hh, l->running, s, next)
    {
        buf_addf(line, "%s%s %s", separator, term_safe(a, s->name),
                 cli_duration(a, (now - s->started_ms) / 1000 * 1000));
        separator = ", ";
    }
}

void live_tick(struct live *l)
{
    int64_t now = now_ms();
    if (!l->redraw || l->step_count == 0 || now - l->drawn_ms < DRAW_MS)
        return;
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_BUF struct buf line = BUF_INIT(LINE_MAX_BYTES);
    uint32_t ended = 0;
    for (int state = 0; state < SCHED_STATE_COUNT; state++)
        if (sched_state_ended((enum sched_state)state))
            ended += l->counts.by_state[state];
    buf_addf(&line, "[%s] %" PRIu32 "/%" PRIu32 " steps",
             cli_duration(&a, (now - l->started_ms) / 1000 * 1000), ended, l->step_count);
    if (l->counts.by_state[SCHED_FAILED] > 0)
        buf_addf(&line, ", %" PRIu32 " failed", l->counts.by_state[SCHED_FAILED]);
    if (l->counts.by_state[SCHED_WAITING] > 0)
        buf_addf(&line, ", %" PRIu32 " waiting", l->counts.by_state[SCHED_WAITING]);
    add_running(l, &line, &a, now);
    if (l->shown && l->line && strcmp(l->line, buf_str(&line)) == 0)
        return;
    free(l->line);
    l->line = mem_strdup(buf_str(&line));
    /* One column stays free: writing into the last one would wrap on some terminals. */
    size_t fits = term_fit(buf_str(&line), (size_t)term_width(STDOUT_FILENO) - 1);
    bool colour = l->c->colour;
    printf("\r%s%.*s%s\033[K", term_on(colour, TERM_DIM), (int)fits, buf_str(&line),
           term_off(colour, TERM_DIM));
    fflush(stdout);
    l->shown = true;
    l->drawn_ms = now;
}

void live_hang_up(struct live *l)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
        if (isatty(fd))
            dup2(null, fd);
    if (null > STDERR_FILENO)
        close(null);
    l->redraw = l->shown = false;
}

/* ---- lines */

static void say_line(struct live *l, int64_t at_ms, const char *subject, enum term_style style,
                     const char *text)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    char clock[16] = "--:--:--";
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm local;
    if (localtime_r(&seconds, &local))
        strftime(clock, sizeof(clock), "%H:%M:%S", &local);
    bool colour = l->c->colour;
    live_clear(l);
    printf("%s%s%s ", term_on(colour, TERM_DIM), clock, term_off(colour, TERM_DIM));
    if (subject)
        printf("%s: ", term_safe(&a, subject));
    printf("%s%s%s\n", term_on(colour, style), text, term_off(colour, style));
}

void live_say(struct live *l, enum term_style style, const char *fmt, ...)
{
    if (l->c->json || l->c->quiet)
        return;
    char text[1000];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    say_line(l, now_ms(), NULL, style, text);
    live_tick(l);
    fflush(stdout);
}

/* ---- the end of a failing step's log */

static void print_log_line(struct live *l, const struct exec_log_line *line)
{
    AUTO_BUF struct buf text = BUF_INIT(LINE_MAX_BYTES * 4);
    term_escape(&text, line->text, line->len, true);
    printf("    %s|%s %s\n", term_on(l->c->colour, TERM_DIM), term_off(l->c->colour, TERM_DIM),
           buf_str(&text));
}

static void print_tail(struct live *l, const struct engine_event *ev)
{
    if (ev->attempt == 0 || ++l->tails > TAILS_MAX)
        return;
    AUTO_FREE char *folder =
        engine_attempt_dir(cli_data_dir(l->c), ev->run, ev->folder, ev->attempt);
    struct err err = ERR_INIT;
    struct exec_log *log = exec_log_open(folder, &err);
    struct exec_log_line line;
    bool any = false;
    if (log && exec_log_tail(log, TAIL_LINES, &err))
        for (; exec_log_next(log, &line); any = true)
            print_log_line(l, &line);
    if (any)
        printf("    all of it: orchctl logs %.12s %s\n", ev->run, ev->folder);
    if (log)
        exec_log_close(log);
}

/* ---- what is said about a step, by its status */

static const char *why_text(struct arena *a, const struct engine_event *ev)
{
    return ev->detail && *ev->detail ? term_safe(a, ev->detail) : cli_reason_text(ev->reason);
}

static const char *ended_text(struct arena *a, const struct engine_event *ev)
{
    const char *why = why_text(a, ev);
    const char *after =
        ev->duration_ms >= 0 ? arena_printf(a, " after %s", cli_duration(a, ev->duration_ms)) : "";
    return arena_printf(a, "%s%s%s%s", ev->status, after, *why ? ": " : "", why);
}

static const char *running_text(struct arena *a, const struct engine_event *ev)
{
    return arena_printf(a, "running (attempt %" PRIu32 ")", ev->attempt);
}

/* Nothing goes on before somebody has said how the step ended. */
static bool waits_for_word(const struct engine_event *ev)
{
    return strcmp(ev->status, "waiting") == 0 && ev->reason && strcmp(ev->reason, "resolve") == 0;
}

static const char *waiting_text(struct arena *a, const struct engine_event *ev)
{
    const char *why = why_text(a, ev);
    if (ev->reason && strcmp(ev->reason, "retry") == 0) {
        int64_t delay = ev->due_ms > ev->at_ms ? ev->due_ms - ev->at_ms : 0;
        return arena_printf(a, "attempt %" PRIu32 " failed: %s; retry in %s", ev->attempt, why,
                            cli_duration(a, delay));
    }
    if (waits_for_word(ev))
        return arena_printf(a,
                            "waiting: nobody knows how attempt %" PRIu32 " ended; look, and say\n"
                            "    orchctl resolve %.12s %s rerun|succeeded|failed --reason TEXT",
                            ev->attempt, ev->run, ev->folder);
    return arena_printf(a, "waiting: %s", why);
}

static const struct {
    const char *status;
    const char *(*text)(struct arena *a, const struct engine_event *ev);
} SAYINGS[] = {
    /* what is not listed is not worth a line */
    {"running", running_text}, {"waiting", waiting_text}, {"succeeded", ended_text},
    {"failed", ended_text},    {"cancelled", ended_text}, {"skipped", ended_text},
    {"reused", ended_text},
};

static void say_step(struct live *l, const struct engine_event *ev)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    for (size_t i = 0; i < COUNT_OF(SAYINGS); i++) {
        if (strcmp(SAYINGS[i].status, ev->status) != 0)
            continue;
        const char *text = SAYINGS[i].text(&a, ev);
        bool failed = strcmp(ev->status, "failed") == 0;
        if (l->c->quiet) {
            if (failed || waits_for_word(ev))
                fprintf(stderr, "orchctl: %s: %s\n", term_safe(&a, ev->step), text);
            return;
        }
        say_line(l, ev->at_ms, ev->step, term_status_style(ev->status), text);
        if (failed)
            print_tail(l, ev);
        return;
    }
}

void live_waiting(struct live *l, const struct store_step *step)
{
    struct engine_event ev = {
        .kind = ENGINE_STEP,
        .at_ms = now_ms(),
        .run = l->id,
        .step = step->name,
        .folder = step->folder,
        .attempt = step->attempt,
        .status = step->status,
        .reason = step->reason,
        .exit_code = -1,
        .duration_ms = -1,
    };
    say_step(l, &ev);
    fflush(stdout);
}

static void track(struct live *l, const struct engine_event *ev)
{
    struct live_step *s;
    HASH_FIND_STR(l->running, ev->folder, s);
    bool running = strcmp(ev->status, "running") == 0;
    if (s && !running)
        forget(l, s);
    if (s || !running)
        return;
    s = mem_alloc(sizeof(*s));
    s->name = mem_strdup(ev->step);
    s->folder = mem_strdup(ev->folder);
    s->started_ms = ev->at_ms;
    HASH_ADD_KEYPTR(hh, l->running, s->folder, strlen(s->folder), s);
}

void live_event(void *live, const struct engine_event *ev)
{
    struct live *l = live;
    if (l->id[0] && strcmp(l->id, ev->run) != 0)
        return;
    if (l->c->json) {
        cli_print_json(engine_event_json(ev), true);
        fflush(stdout);
        return;
    }
    if (ev->kind == ENGINE_NOTE) {
        AUTO_ARENA struct arena a = ARENA_INIT;
        if (!l->c->quiet)
            say_line(l, ev->at_ms, ev->step, TERM_PLAIN, term_safe(&a, ev->detail));
    } else {
        l->counts = ev->counts;
        l->step_count = ev->step_count;
        if (ev->kind == ENGINE_STEP) {
            track(l, ev);
            say_step(l, ev);
        }
    }
    live_tick(l);
    fflush(stdout);
}
