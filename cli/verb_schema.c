/*
 * verb_schema.c - orchctl schema: what a pipeline file may hold, printed from the tables that read
 * it: the JSON Schema for editors, the keys and the codes of problems as Markdown (docs/pipeline.md
 * and docs/diagnostics.md are these).
 */
#include "cli/cli.h"

#include "base/mem.h"

#define SCHEMA_MAX (4UL << 20)

static const struct {
    const char *flag;
    bool (*print)(struct buf *ret, struct err *err);
} OTHERS[] = {{"keys", dag_reference}, {"codes", dag_diagnostic_reference}};

static int run(struct cli *c)
{
    AUTO_BUF struct buf out = BUF_INIT(SCHEMA_MAX);
    struct err err = ERR_INIT;
    bool (*print)(struct buf *, struct err *) = dag_schema;
    for (size_t i = 0; i < COUNT_OF(OTHERS); i++) {
        if (args_flag(&c->args, OTHERS[i].flag)) {
            print = OTHERS[i].print;
        }
    }
    if (!print(&out, &err))
        return cli_fail(c, &err);
    fwrite(buf_str(&out), 1, out.len, stdout);
    if (out.len > 0 && out.data[out.len - 1] != '\n')
        putchar('\n');
    return EXIT_DONE;
}

static const struct option OPTIONS[] = {
    {"keys", 0, NULL, OPTION_FLAG, "print every key as Markdown instead"},
    {"codes", 0, NULL, OPTION_FLAG, "print every code of 'orchctl validate' as Markdown instead"},
    {NULL, 0, NULL, OPTION_FLAG, NULL},
};

const struct verb cli_verb_schema = {
    .name = "schema",
    .group = "Files",
    .usage = "",
    .summary = "Print the JSON Schema of pipeline files, for editors.",
    .text = "With the YAML language server, the first line of a pipeline file names it: "
            "# yaml-language-server: $schema=orch.schema.json",
    .examples = "  orchctl schema > orch.schema.json\n",
    .options = OPTIONS,
    .run = run,
};
