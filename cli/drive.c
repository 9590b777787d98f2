/*
 * drive.c - see drive.h. Signals arrive on the engine's loop: the first SIGINT or SIGTERM cancels,
 * the second kills; SIGHUP means that nobody looks any more, and the run goes on.
 */
#include "cli/drive.h"

#include "base/mem.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define TICK_US 250000
#define SETTLED_SAID 20

static void stop(struct drive *d)
{
    struct err err = ERR_INIT;
    char actor[32];
    bool kill = d->signals > 1;
    if (kill)
        live_say(&d->live, TERM_WARN, "killing what still runs");
    else
        live_say(&d->live, TERM_WARN,
                 "cancelling: running steps are asked to end and have their grace time; once more "
                 "kills them");
    if (!engine_cancel(d->engine, d->id, cli_actor(actor), kill, &err) && err.code != ERR_NOT_FOUND)
        live_say(&d->live, TERM_BAD, "%s", err.msg);
}

static void on_stop(void *arg, int signo)
{
    (void)signo;
    struct drive *d = arg;
    d->signals++;
    if (d->id[0])
        stop(d);
}

static void on_hang_up(void *arg, int signo)
{
    (void)signo;
    struct drive *d = arg;
    live_hang_up(&d->live);
}

static void on_tick(void *arg, int signo)
{
    (void)signo;
    struct drive *d = arg;
    live_tick(&d->live);
}

/* A reader of our output that went away must not end the run. A handler, and not SIG_IGN, so that
 * steps start with the default. */
static void on_pipe(int signo)
{
    (void)signo;
}

static bool watch_signals(struct drive *d, struct err *err)
{
    static const struct {
        int signo;
        void (*cb)(void *arg, int signo);
    } SIGNALS[] = {{SIGINT, on_stop}, {SIGTERM, on_stop}, {SIGHUP, on_hang_up}, {SIGALRM, on_tick}};
    struct sigaction action = {.sa_handler = on_pipe};
    sigaction(SIGPIPE, &action, NULL);
    for (size_t i = 0; i < COUNT_OF(SIGNALS); i++)
        if (!engine_on_signal(d->engine, SIGNALS[i].signo, SIGNALS[i].cb, d, err))
            return false;
    return true;
}

static void tick_every(long microseconds)
{
    struct itimerval every = {.it_interval.tv_usec = microseconds,
                              .it_value.tv_usec = microseconds};
    setitimer(ITIMER_REAL, &every, NULL);
}

bool drive_open(struct drive *d, struct cli *c, struct err *err)
{
    *d = (struct drive){.c = c};
    live_init(&d->live, c);
    struct engine_conf conf = {
        .data_dir = cli_data_dir(c),
        .storage_url = cli_storage(c),
        .jobs = (int)args_count(&c->args, "jobs", 0),
        .observe = live_event,
        .observe_arg = &d->live,
    };
    d->engine = engine_open(&conf, err);
    if (!d->engine && err && err->code == ERR_UNSUPPORTED)
        err->code = ERR_UNAVAILABLE; /* a storage that this version does not have */
    return d->engine && watch_signals(d, err);
}

/* Steps that got their end with the record of the run: --from and --only reuse and skip. */
static void say_settled(struct drive *d)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store_step *steps;
    size_t count, said = 0;
    struct err err = ERR_INIT;
    if (!store_get_steps(engine_store(d->engine), d->id, &a, &steps, &count, &err))
        return; /* what cannot be read now will be told when the run ends */
    for (size_t i = 0; i < count && said < SETTLED_SAID; i++) {
        bool reused = strcmp(steps[i].status, "reused") == 0;
        if (!reused && strcmp(steps[i].status, "skipped") != 0)
            continue;
        said++;
        live_say(&d->live, term_status_style(steps[i].status), "%s: %s: %s",
                 term_safe(&a, steps[i].name), steps[i].status, cli_step_why(&a, &steps[i], NULL));
    }
}

/* Steps of a run that was taken over, and that wait for a person's word since before. */
static void say_waiting(struct drive *d)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store_step *steps;
    size_t count;
    struct err err = ERR_INIT;
    if (d->c->json || !store_get_steps(engine_store(d->engine), d->id, &a, &steps, &count, &err))
        return; /* 'show' tells */
    for (size_t i = 0; i < count; i++)
        if (strcmp(steps[i].status, "waiting") == 0 && steps[i].reason &&
            strcmp(steps[i].reason, "resolve") == 0)
            live_waiting(&d->live, &steps[i]);
}

void drive_begin(struct drive *d, const char *id, const char *verb)
{
    memcpy(d->id, id, sizeof(d->id));
    memcpy(d->live.id, id, sizeof(d->live.id));
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store_run run;
    struct err err = ERR_INIT;
    if (!d->c->json && !d->c->quiet && store_get_run(engine_store(d->engine), id, &a, &run, &err)) {
        printf("%s %s%s#%" PRId64 "%s (%s)\n", verb, term_on(d->c->colour, TERM_STRONG),
               term_safe(&a, run.pipeline), run.number, term_off(d->c->colour, TERM_STRONG), id);
        fflush(stdout);
    }
    if (args_text(&d->c->args, "from") || args_text(&d->c->args, "only"))
        say_settled(d);
    if (strcmp(verb, "resume") == 0)
        say_waiting(d);
    if (d->signals > 0)
        stop(d); /* asked for while the run was being made */
}

static int exit_code(const struct drive *d, enum sched_run_state state, enum sched_reason reason)
{
    if (state == SCHED_RUN_SUCCEEDED)
        return EXIT_DONE;
    if (reason == SCHED_TIMEOUT)
        return EXIT_TIMEOUT;
    if (state == SCHED_RUN_CANCELLED && d->signals > 0)
        return EXIT_INTERRUPTED;
    return EXIT_RUN_FAILED;
}

static void print_end(struct drive *d, struct err *err)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store *s = engine_store(d->engine);
    struct store_run run;
    if (!store_get_run(s, d->id, &a, &run, err))
        return;
    putchar('\n');
    if (!cli_print_steps(d->c, s, d->id, true, err))
        return;
    bool colour = d->c->colour;
    enum term_style style = term_status_style(run.status);
    printf("\n%s#%" PRId64 " %s%s%s after %s", term_safe(&a, run.pipeline), run.number,
           term_on(colour, style), run.status, term_off(colour, style),
           cli_duration(&a, run.finished_ms - run.created_ms));
    if (run.reason)
        printf(": %s", cli_reason_text(run.reason));
    printf("  (orchctl show %.12s)\n", run.id);
}

static int stopped_short(struct drive *d, struct err *err)
{
    if (d->c->json)
        return cli_fail(d->c, err);
    char why[sizeof(err->msg)];
    memcpy(why, err->msg, sizeof(why));
    snprintf(err->msg, sizeof(err->msg),
             "%.700s\nThe run is not over: steps that run go on under their supervisors. When the "
             "trouble is gone: orchctl resume %s",
             why, d->id);
    return cli_fail(d->c, err);
}

int drive_to_end(struct drive *d)
{
    struct err err = ERR_INIT;
    if (d->live.redraw)
        tick_every(TICK_US);
    bool ended = engine_turn_until_ended(d->engine, &err);
    tick_every(0);
    live_clear(&d->live);
    if (!ended)
        return stopped_short(d, &err);
    enum sched_reason reason = SCHED_NO_REASON;
    enum sched_run_state state = engine_run_state(d->engine, d->id, &reason);
    if (d->c->json) {
        json_t *run =
            engine_run_json(engine_store(d->engine), cli_data_dir(d->c), d->id, false, &err);
        if (run)
            cli_print_json(run, true);
    } else if (!d->c->quiet) {
        print_end(d, &err);
    }
    if (err.code != ERR_NONE)
        return cli_fail(d->c, &err);
    return exit_code(d, state, reason);
}

void drive_close(struct drive *d)
{
    live_done(&d->live);
    if (d->engine)
        engine_close(d->engine);
    d->engine = NULL;
}
