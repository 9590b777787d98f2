/*
 * verb_runs.c - orchctl runs and orchctl show: what is recorded.
 */
#include "cli/cli.h"

#include "base/mem.h"

#include "cli/table.h"

#include <inttypes.h>
#include <string.h>

#define INTERRUPTED_TOLD 5

/* clang-format off */
static const struct table_column COLUMNS[] = {
    {"RUN", false, false}, {"ID", false, false}, {"STATUS", false, false}, {"CREATED", false, false}, {"DURATION", true, false},
    {"STEPS", true, false},
};
/* clang-format on */

static int64_t run_duration(const struct store_run *run, bool interrupted)
{
    if (run->finished_ms > 0)
        return run->finished_ms - run->created_ms;
    return interrupted ? -1 : clock_wall_ms(clock_system()) - run->created_ms;
}

static void print_run(struct cli *c, struct arena *a, struct table *t, const struct store_run *run)
{
    bool interrupted = cli_interrupted(c, run);
    const char *status = interrupted ? "interrupted" : run->status;
    table_row(t);
    table_cell(t, 0, arena_printf(a, "%s#%" PRId64, run->pipeline, run->number), TERM_PLAIN);
    table_cell(t, 1, arena_printf(a, "%.12s", run->id), TERM_PLAIN);
    table_cell(t, 2, status, term_status_style(status));
    table_cell(t, 3, cli_local_time(a, run->created_ms), TERM_PLAIN);
    table_cell(t, 4, cli_duration(a, run_duration(run, interrupted)), TERM_PLAIN);
    table_cell(t, 5, arena_printf(a, "%" PRIu32, run->step_count), TERM_PLAIN);
}

static void print_interrupted(struct cli *c, struct arena *a, const struct store_run *runs,
                              size_t count)
{
    size_t told = 0;
    for (size_t i = 0; i < count && told < INTERRUPTED_TOLD; i++) {
        if (!cli_interrupted(c, &runs[i]))
            continue;
        printf("%s%s#%" PRId64 " is interrupted: orchctl resume %.12s\n", told++ ? "" : "\n",
               term_safe(a, runs[i].pipeline), runs[i].number, runs[i].id);
    }
}

static int print_list(struct cli *c, const struct store_list *list, struct store *s)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct store_run *runs;
    size_t count;
    struct err err = ERR_INIT;
    if (!store_list_runs(s, list, &a, &runs, &count, &err))
        return cli_fail(c, &err);
    if (c->json) {
        json_t *array = json_array();
        for (size_t i = 0; i < count; i++)
            json_array_append_new(array, engine_run_summary_json(&runs[i]));
        cli_print_json(array, false);
        return EXIT_DONE;
    }
    if (count == 0) {
        cli_note(c, "no run%s", list->pipeline || list->status ? " matches" : " is recorded yet");
        return EXIT_DONE;
    }
    struct table *t = table_new(c, COLUMNS, COUNT_OF(COLUMNS));
    for (size_t i = 0; i < count; i++)
        print_run(c, &a, t, &runs[i]);
    table_print_free(t);
    print_interrupted(c, &a, runs, count);
    return EXIT_DONE;
}

static int runs(struct cli *c)
{
    struct store_list list = {.pipeline = args_text(&c->args, "pipeline"),
                              .status = args_text(&c->args, "status"),
                              .limit = args_count(&c->args, "limit", 50)};
    struct err err = ERR_INIT;
    struct store *s = cli_open_store(c, &err);
    if (!s)
        return cli_fail(c, &err);
    int code = print_list(c, &list, s);
    store_close(s);
    return code;
}

static const struct option RUNS_OPTIONS[] = {
    {"pipeline", 0, "NAME", OPTION_TEXT, "only runs of this pipeline"},
    {"status", 0, "queued|running|waiting|succeeded|failed|cancelled", OPTION_CHOICE,
     "only runs with this status"},
    {"limit", 'n', "N", OPTION_COUNT, "at most so many (default: 50)"},
    {NULL, 0, NULL, OPTION_FLAG, NULL},
};

const struct verb cli_verb_runs = {
    .name = "runs",
    .group = "What happened",
    .usage = "",
    .summary = "List runs, newest first.",
    .text = "A run that is open but that no orchctl drives is shown as interrupted, with what to "
            "type.",
    .examples = "  orchctl runs\n  orchctl runs --status failed --limit 5 --json\n",
    .options = RUNS_OPTIONS,
    .run = runs,
};

/* ---- show */

static int show(struct cli *c)
{
    struct err err = ERR_INIT;
    char id[ID_SIZE];
    if (args_flag(&c->args, "samples") && !c->json)
        return cli_usage(c, "--samples needs --json");
    struct store *s = cli_open_run(c, c->args.operands[0], id, &err);
    if (!s)
        return cli_fail(c, &err);
    int code = EXIT_DONE;
    json_t *run;
    if (!c->json)
        code = cli_show(c, s, id);
    else if ((run = engine_run_json(s, cli_data_dir(c), id, args_flag(&c->args, "samples"), &err)))
        cli_print_json(run, false);
    else
        code = cli_fail(c, &err);
    store_close(s);
    return code;
}

static const struct option SHOW_OPTIONS[] = {
    {"samples", 0, NULL, OPTION_FLAG,
     "with --json: all that was measured while the attempts ran, for charts"},
    {NULL, 0, NULL, OPTION_FLAG, NULL},
};

const struct verb cli_verb_show = {
    .name = "show",
    .group = "What happened",
    .usage = "RUN",
    .summary = "Show a run: its steps, why they are as they are, and what they left.",
    .examples = "  orchctl show last\n"
                "  orchctl show scrap-detector#12 --json | jq '.steps[].metrics'\n"
                "  orchctl show last --json --samples | jq '.steps[].attempts[].samples'\n",
    .options = SHOW_OPTIONS,
    .min_operands = 1,
    .max_operands = 1,
    .run = show,
};
