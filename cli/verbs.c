/*
 * verbs.c - the table of verbs, those that are known but not in this version, and the words of
 * other tools; --help is printed from them.
 */
#include "cli/cli.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define VERB_COLUMN 12

const struct verb *const CLI_VERBS[] = {
    &cli_verb_run,    &cli_verb_resume, &cli_verb_cancel,   &cli_verb_resolve, &cli_verb_runs,
    &cli_verb_show,   &cli_verb_logs,   &cli_verb_validate, &cli_verb_plan,    &cli_verb_graph,
    &cli_verb_schema, &cli_verb_doctor, &cli_verb_version,  &cli_verb_help,    NULL,
};

/* clang-format off */
const struct option CLI_COMMON_OPTIONS[] = {
    {"data", 0, "DIR", OPTION_TEXT, "the data folder (default: ORCH_HOME, else the nearest .orch/ upward, else .orch in the git root or here)"},
    {"storage", 0, "URL", OPTION_TEXT, "the database, sqlite:PATH (default: ORCH_STORAGE, else orch.db in the data folder)"},
    {"json", 0, NULL, OPTION_FLAG, "print JSON on standard output, also for errors"},
    {"color", 0, "auto|always|never", OPTION_CHOICE, "colours (default: auto; NO_COLOR switches them off)"},
    {"quiet", 'q', NULL, OPTION_FLAG, "say nothing but errors"},
    {"server", 0, "URL", OPTION_TEXT, "ask a daemon elsewhere (not in this version)"},
    {"help", 'h', NULL, OPTION_FLAG, "show this help"},
    {NULL, 0, NULL, OPTION_FLAG, NULL},
};

const struct option CLI_NO_OPTIONS[] = {{NULL, 0, NULL, OPTION_FLAG, NULL}};

static const char *const LATER[] = {
    "approve", "artifacts", "audit", "backfill", "bundle", "completion", "context", "datasets", "deployments", "diff", "drift",
    "feedback", "gc", "hosts", "maturity", "metrics", "models", "monitors", "note", "pipelines", "plugins", "projects",
    "reject", "reproduce", "retry", "schedule", "token", "top", "trigger", "why",
};

/* What other tools call it. */
static const struct { const char *word, *verb; } ELSEWHERE[] = {
    {"start", "run"},       {"submit", "run"},      {"exec", "run"},       {"execute", "run"},
    {"ls", "runs"},         {"list", "runs"},       {"ps", "runs"},        {"history", "runs"},
    {"status", "show"},     {"get", "show"},        {"describe", "show"},  {"inspect", "show"},
    {"log", "logs"},        {"tail", "logs"},       {"stop", "cancel"},    {"kill", "cancel"},
    {"terminate", "cancel"},{"abort", "cancel"},    {"lint", "validate"},  {"check", "validate"},
    {"dry", "plan"},        {"dry-run", "plan"},    {"dag", "graph"},      {"continue", "resume"},
    {"restart", "resume"},  {"info", "doctor"},     {"diagnose", "doctor"},
};
/* clang-format on */

const struct verb *cli_find_verb(const char *name)
{
    for (size_t i = 0; CLI_VERBS[i]; i++)
        if (strcmp(CLI_VERBS[i]->name, name) == 0)
            return CLI_VERBS[i];
    return NULL;
}

static const char *nearest_verb(const char *word)
{
    for (size_t i = 0; i < COUNT_OF(ELSEWHERE); i++)
        if (strcmp(ELSEWHERE[i].word, word) == 0)
            return ELSEWHERE[i].verb;
    const char *names[COUNT_OF(CLI_VERBS) + COUNT_OF(LATER)];
    size_t count = 0;
    for (size_t i = 0; CLI_VERBS[i]; i++)
        names[count++] = CLI_VERBS[i]->name;
    for (size_t i = 0; i < COUNT_OF(LATER); i++)
        names[count++] = LATER[i];
    return text_nearest(word, names, count);
}

bool cli_no_such_verb(const char *word, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(LATER); i++)
        if (strcmp(LATER[i], word) == 0)
            return err_set(err, ERR_UNSUPPORTED, "'orchctl %s' is not in this version (%s)", word,
                           ORCH_VERSION);
    if (options_is_file(word))
        return err_set(err, ERR_USAGE, "'%s' is a file, not a verb: orchctl run %s", word, word);
    const char *near = nearest_verb(word);
    if (near)
        return err_set(err, ERR_USAGE, "unknown verb '%s': did you mean 'orchctl %s'?", word, near);
    return err_set(err, ERR_USAGE, "unknown verb '%s'; 'orchctl help' lists them", word);
}

/* ---- help */

static void help_group(struct buf *ret, const char *group, int width)
{
    buf_addf(ret, "\n%s\n", group);
    for (size_t i = 0; CLI_VERBS[i]; i++) {
        if (strcmp(CLI_VERBS[i]->group, group) != 0)
            continue;
        buf_addf(ret, "  %-*s", VERB_COLUMN - 2, CLI_VERBS[i]->name);
        options_wrap(ret, CLI_VERBS[i]->summary, VERB_COLUMN, VERB_COLUMN, width);
    }
}

void cli_help(struct buf *ret, int width)
{
    buf_adds(ret,
             "orchctl runs pipelines of ingest, train, validate and deploy steps, and tells what "
             "happened.\n\nUsage: orchctl VERB [OPTION]... [ARGUMENT]...\n");
    const char *last = "";
    for (size_t i = 0; CLI_VERBS[i]; i++) {
        if (strcmp(last, CLI_VERBS[i]->group) != 0)
            help_group(ret, CLI_VERBS[i]->group, width);
        last = CLI_VERBS[i]->group;
    }
    buf_adds(ret, "\nNot in this version\n  ");
    AUTO_BUF struct buf words = BUF_INIT(4096);
    for (size_t i = 0; i < COUNT_OF(LATER); i++)
        buf_addf(&words, "%s%s", i ? " " : "", LATER[i]);
    options_wrap(ret, buf_str(&words), 2, 2, width);
    buf_adds(ret, "\nOptions of every verb\n");
    options_help(CLI_COMMON_OPTIONS, width, ret);
    buf_adds(ret, "      --version           print the version\n\n");
    options_wrap(ret,
                 "A RUN is an id, the beginning of one (4 digits or more), NAME#N, or last. A FILE "
                 "ends in .yaml or .yml or holds a /.",
                 0, 0, width);
    options_wrap(ret,
                 "\nExit codes: 0 done, 1 the run failed or was cancelled, 2 usage, 3 the file is "
                 "invalid, 4 no daemon or no storage, 5 not allowed, 6 not found, 70 internal or "
                 "disk full, 124 the run's timeout, 130 interrupted.",
                 0, 0, width);
    buf_adds(ret, "\n'orchctl VERB --help' says more about a verb.\n");
}

void cli_help_verb(const struct verb *verb, struct buf *ret, int width)
{
    buf_addf(ret, "Usage: orchctl %s [OPTION]...%s%s\n\n", verb->name, *verb->usage ? " " : "",
             verb->usage);
    options_wrap(ret, verb->summary, 0, 0, width);
    if (verb->text) {
        buf_addc(ret, '\n');
        options_wrap(ret, verb->text, 0, 0, width);
    }
    if (verb->options[0].name) {
        buf_adds(ret, "\nOptions\n");
        options_help(verb->options, width, ret);
    }
    buf_adds(ret, "\nOptions of every verb\n");
    options_help(CLI_COMMON_OPTIONS, width, ret);
    buf_addf(ret, "\nExamples\n%s", verb->examples);
}
