/*
 * verb_resume.c - orchctl resume, cancel and resolve: words to a run that is open. A living engine
 * is asked; where none lives, this process takes the run over.
 */
#include "cli/cli.h"

#include "cli/drive.h"

#include <string.h>
#include <time.h>

#define TRIES                                                                                      \
    100 /* to reach an engine that has just taken the run over, and does not listen yet            \
         */
#define TRY_MS 50

/* Finds the run without changing anything. */
static bool find_run(struct cli *c, char ret_id[ID_SIZE], struct err *err)
{
    struct store *s = cli_open_run(c, c->args.operands[0], ret_id, err);
    if (s)
        store_close(s);
    return s != NULL;
}

/* Takes the run over, does `act` (may be NULL), and goes on with it to its end. `ret_busy`: another
 * has it, and nothing was said. */
static int adopt(struct cli *c, const char *id, const char *verb,
                 bool (*act)(struct drive *d, struct err *err), bool *ret_busy)
{
    struct drive d;
    struct err err = ERR_INIT;
    int code;
    *ret_busy = false;
    if (!drive_open(&d, c, &err)) {
        code = cli_fail(c, &err);
    } else if (!engine_adopt_run(d.engine, id, &err)) {
        *ret_busy = err.code == ERR_BUSY && engine_alive(cli_data_dir(c), id);
        code = *ret_busy ? EXIT_DONE : cli_fail(c, &err);
    } else if (!act && !engine_check_run(d.engine, id, &err)) {
        code = cli_fail(c, &err);
    } else {
        drive_begin(&d, id, verb);
        code = !act || act(&d, &err) ? drive_to_end(&d) : cli_fail(c, &err);
    }
    drive_close(&d);
    return code;
}

static int say_asked(struct cli *c, const char *id, const char *text)
{
    if (c->json) {
        json_t *top = json_object();
        json_object_set_new(top, "id", json_string(id));
        json_object_set_new(top, "asked", json_string(text));
        cli_print_json(top, false);
    } else if (!c->quiet) {
        printf("%s %.12s\n", text, id);
    }
    return EXIT_DONE;
}

/* Says the word to the engine that has the run; where none has, takes the run over and acts. */
static int ask_or_adopt(struct cli *c, const char *id, const char *verb, json_t *detail,
                        const char *said, bool (*act)(struct drive *d, struct err *err))
{
    int code = EXIT_DONE;
    bool again = true;
    for (int i = 0; again && i < TRIES; i++) {
        struct err err = ERR_INIT;
        if (i > 0)
            nanosleep(&(struct timespec){.tv_nsec = TRY_MS * 1000000}, NULL);
        if (engine_ask(cli_data_dir(c), id, verb, detail, &err))
            return say_asked(c, id, said);
        if (err.code != ERR_UNAVAILABLE)
            return cli_fail(c, &err);
        code = adopt(c, id, strcmp(verb, "cancel") == 0 ? verb : "resume", act, &again);
    }
    if (again) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_BUSY, "run %s is owned by another engine, which does not answer", id);
        return cli_fail(c, &err);
    }
    return code;
}

/* ---- resume */

static int resume(struct cli *c)
{
    struct err err = ERR_INIT;
    char id[ID_SIZE];
    if (!find_run(c, id, &err))
        return cli_fail(c, &err);
    bool busy;
    int code = adopt(c, id, "resume", NULL, &busy);
    if (!busy)
        return code;
    err_set(&err, ERR_BUSY,
            "run %s needs no resuming: another orchctl drives it; 'orchctl logs %.12s -f' follows "
            "it, 'orchctl cancel %.12s' ends it",
            id, id, id);
    return cli_fail_code(c, &err, EXIT_USAGE);
}

static const struct option RESUME_OPTIONS[] = {
    {"jobs", 'j', "N", OPTION_COUNT,
     "cpus that steps may take together; a step without resources takes one (default: all)"},
    {NULL, 0, NULL, OPTION_FLAG, NULL},
};

const struct verb cli_verb_resume = {
    .name = "resume",
    .group = "Runs",
    .usage = "RUN",
    .summary = "Go on with a run whose orchctl has gone.",
    .text =
        "Steps that still run are picked up again, steps that ended meanwhile are taken in with "
        "their exit codes, and nothing runs twice. After a reboot, steps that were running are "
        "lost and run again, unless the pipeline says otherwise (on_lost). Exit codes are those "
        "of 'orchctl run'.",
    .examples = "  orchctl resume last\n  orchctl resume scrap-detector#12 -j 2\n",
    .options = RESUME_OPTIONS,
    .min_operands = 1,
    .max_operands = 1,
    .run = resume,
};

/* ---- cancel */

static bool act_cancel(struct drive *d, struct err *err)
{
    char actor[32];
    return engine_cancel(d->engine, d->id, cli_actor(actor), args_flag(&d->c->args, "kill"), err);
}

/* A run that this command cancelled is what it was asked for. */
static int cancelled_code(int code)
{
    return code == EXIT_RUN_FAILED || code == EXIT_INTERRUPTED ? EXIT_DONE : code;
}

static int cancel(struct cli *c)
{
    struct err err = ERR_INIT;
    char id[ID_SIZE];
    if (!find_run(c, id, &err))
        return cli_fail(c, &err);
    json_t *detail = json_object();
    bool kill = args_flag(&c->args, "kill");
    json_object_set_new(detail, "kill", json_boolean(kill));
    int code = ask_or_adopt(c, id, "cancel", detail, kill ? "killing" : "cancelling", act_cancel);
    json_decref(detail);
    return cancelled_code(code);
}

static const struct option CANCEL_OPTIONS[] = {
    {"kill", 0, NULL, OPTION_FLAG, "kill steps at once, without their grace time"},
    {NULL, 0, NULL, OPTION_FLAG, NULL},
};

const struct verb cli_verb_cancel = {
    .name = "cancel",
    .group = "Runs",
    .usage = "RUN",
    .summary = "Cancel a run.",
    .text =
        "Running steps get SIGTERM and, when their grace time is over, SIGKILL; steps that have "
        "not started do not start. The command returns when the run has been told; where no "
        "orchctl drives the run, this one takes it over and sees it to its end.",
    .examples = "  orchctl cancel last\n  orchctl cancel scrap-detector#12 --kill\n",
    .options = CANCEL_OPTIONS,
    .min_operands = 1,
    .max_operands = 1,
    .run = cancel,
};

/* ---- resolve */

static bool act_resolve(struct drive *d, struct err *err)
{
    char actor[32];
    const char *const *words = d->c->args.operands;
    return engine_resolve(d->engine, d->id, words[1], words[2], cli_actor(actor),
                          args_text(&d->c->args, "reason"), err);
}

static int resolve(struct cli *c)
{
    const char *verdict = c->args.operands[2];
    if (strcmp(verdict, "rerun") != 0 && strcmp(verdict, "succeeded") != 0 &&
        strcmp(verdict, "failed") != 0)
        return cli_usage(c, "'%s' is none of rerun, succeeded, failed", verdict);
    if (!args_text(&c->args, "reason"))
        return cli_usage(c, "--reason TEXT is needed: it is recorded with the decision");
    struct err err = ERR_INIT;
    char id[ID_SIZE];
    if (!find_run(c, id, &err))
        return cli_fail(c, &err);
    json_t *detail = json_object();
    json_object_set_new(detail, "step", cli_json_text(c->args.operands[1]));
    json_object_set_new(detail, "verdict", json_string(verdict));
    json_object_set_new(detail, "why", cli_json_text(args_text(&c->args, "reason")));
    int code = ask_or_adopt(c, id, "resolve", detail, "resolved", act_resolve);
    json_decref(detail);
    return code;
}

static const struct option RESOLVE_OPTIONS[] = {
    {"reason", 0, "TEXT", OPTION_TEXT, "why; recorded with your name (needed)"},
    {"jobs", 'j', "N", OPTION_COUNT, "as for resume, where no orchctl drives the run"},
    {NULL, 0, NULL, OPTION_FLAG, NULL},
};

const struct verb cli_verb_resolve = {
    .name = "resolve",
    .group = "Runs",
    .usage = "RUN STEP rerun|succeeded|failed",
    .summary = "Say how a step ended that nobody knows about.",
    .text =
        "A step with 'on_lost: ask' (the default of deploy steps) waits after a crash or a "
        "reboot until somebody has looked. rerun starts it again, succeeded and failed take it "
        "as ended. Where no orchctl drives the run, this one takes it over and goes on with it.",
    .examples = "  orchctl resolve last deploy succeeded --reason 'the line runs model 12'\n",
    .options = RESOLVE_OPTIONS,
    .min_operands = 3,
    .max_operands = 3,
    .run = resolve,
};
