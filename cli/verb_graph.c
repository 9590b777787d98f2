/*
 * verb_graph.c - orchctl graph: the steps and what needs what.
 */
#include "cli/cli.h"

#define GRAPH_MAX (256UL << 20)

static int run(struct cli *c)
{
    const char *word = args_text(&c->args, "format");
    enum dag_graph_format format = DAG_GRAPH_TEXT;
    if (c->json && word && !(dag_graph_format_from_name(word, &format) && format == DAG_GRAPH_JSON))
        return cli_usage(c, "--json and --format %s contradict each other", word);
    if (!dag_graph_format_from_name(word ? word : c->json ? "json" : "text", &format))
        return cli_usage(c, "--format is one of text, dot, mermaid, json");

    struct cli_file f;
    struct err err = ERR_INIT;
    AUTO_BUF struct buf out = BUF_INIT(GRAPH_MAX);
    int code = EXIT_DONE;
    if (!cli_file_load(&f, c->args.operands[0], &err))
        code = cli_fail(c, &err);
    else if (!f.pipeline)
        code = cli_fail_diags(c, &f.diags, buf_str(&f.text), f.text.len, EXIT_INVALID);
    else if (!dag_graph(f.pipeline, format, &out, &err))
        code = cli_fail(c, &err);
    else
        fwrite(buf_str(&out), 1, out.len, stdout);
    if (out.len > 0 && out.data[out.len - 1] != '\n')
        putchar('\n');
    cli_file_done(&f);
    return code;
}

static const struct option OPTIONS[] = {
    {"format", 0, "text|dot|mermaid|json", OPTION_CHOICE, "how to draw (default: text)"},
    {NULL, 0, NULL, OPTION_FLAG, NULL},
};

const struct verb cli_verb_graph = {
    .name = "graph",
    .group = "Files",
    .usage = "FILE",
    .summary = "Draw the steps of a pipeline file and what needs what.",
    .text = "'-' reads standard input.",
    .examples = "  orchctl graph pipeline.yaml\n"
                "  orchctl graph pipeline.yaml --format dot | dot -Tsvg > pipeline.svg\n",
    .options = OPTIONS,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
