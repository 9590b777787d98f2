/*
 * verb_schema.c - orchctl schema: the JSON Schema of pipeline files, for editors.
 */
#include "cli/cli.h"

#define SCHEMA_MAX (4UL << 20)

static int run(struct cli *c)
{
    AUTO_BUF struct buf out = BUF_INIT(SCHEMA_MAX);
    struct err err = ERR_INIT;
    if (!dag_schema(&out, &err))
        return cli_fail(c, &err);
    fwrite(buf_str(&out), 1, out.len, stdout);
    if (out.len > 0 && out.data[out.len - 1] != '\n')
        putchar('\n');
    return EXIT_DONE;
}

const struct verb cli_verb_schema = {
    .name = "schema",
    .group = "Files",
    .usage = "",
    .summary = "Print the JSON Schema of pipeline files, for editors.",
    .text = "With the YAML language server, the first line of a pipeline file names it: "
            "# yaml-language-server: $schema=orch.schema.json",
    .examples = "  orchctl schema > orch.schema.json\n",
    .options = CLI_NO_OPTIONS,
    .run = run,
};
