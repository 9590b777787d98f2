/*
 * verb_version.c - orchctl version.
 */
#include "cli/cli.h"

#include "base/mem.h"
#include "executor/executor.h"

#include <stdlib.h>
#include <string.h>

static int run(struct cli *c)
{
    if (!c->json) {
        puts("orchctl " ORCH_VERSION);
        return EXIT_DONE;
    }
    AUTO_FREE char *step = exec_find_program(NULL);
    json_t *top = json_object();
    json_object_set_new(top, "version", json_string(ORCH_VERSION));
    json_object_set_new(top, "orch_step", cli_json_text(step));
    cli_print_json(top, false);
    return EXIT_DONE;
}

const struct verb cli_verb_version = {
    .name = "version",
    .group = "This installation",
    .usage = "",
    .summary = "Print the version.",
    .examples = "  orchctl version\n  orchctl version --json\n",
    .options = CLI_NO_OPTIONS,
    .run = run,
};
