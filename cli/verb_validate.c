/*
 * verb_validate.c - orchctl validate: everything that is wrong with files, in one go.
 */
#include "cli/cli.h"

#include "base/mem.h"

#include <string.h>

/* What is valid but cannot run yet: a note, not an error. */
static void add_not_yet(struct cli_file *f)
{
    AUTO_DIAGS struct diags later;
    diags_init(&later, f->diags.file);
    if (!dag_can_run(f->pipeline, &later))
        for (size_t i = 0; i < later.count; i++)
            if (later.items[i].severity == DIAG_ERROR)
                diag_add(&f->diags, DIAG_WARNING, "not-yet", later.items[i].pos,
                         later.items[i].width, later.items[i].hint, "%s", later.items[i].message);
    diags_sort(&f->diags);
}

static int unreadable(struct cli *c, const char *path, const struct err *err, json_t *list)
{
    if (!c->json)
        return cli_fail(c, err);
    AUTO_DIAGS struct diags d;
    diags_init(&d, path);
    diag_add(&d, DIAG_ERROR, "unreadable", (struct diag_pos){0}, 0, NULL, "%s", err->msg);
    json_t *items = cli_diags_json(&d);
    json_array_extend(list, items);
    json_decref(items);
    return err_exit_code(err->code);
}

static int validate_one(struct cli *c, const char *path, json_t *list)
{
    struct cli_file f;
    struct err err = ERR_INIT;
    int code = EXIT_DONE;
    if (!cli_file_load(&f, path, &err)) {
        code = unreadable(c, path, &err, list);
        cli_file_done(&f);
        return code;
    }
    if (f.pipeline)
        add_not_yet(&f);
    else
        code = EXIT_INVALID;
    if (c->json) {
        json_t *items = cli_diags_json(&f.diags);
        json_array_extend(list, items);
        json_decref(items);
    } else if (!c->quiet || code != EXIT_DONE) {
        cli_file_print(c, &f);
    }
    if (f.pipeline && !c->json && !c->quiet) {
        AUTO_ARENA struct arena a = ARENA_INIT;
        printf("%s: valid: %s, %u step%s\n", term_safe(&a, f.diags.file), f.pipeline->name,
               f.pipeline->step_count, f.pipeline->step_count == 1 ? "" : "s");
    }
    cli_file_done(&f);
    return code;
}

static int run(struct cli *c)
{
    json_t *list = json_array();
    int worst = EXIT_DONE;
    for (size_t i = 0; i < c->args.operand_count; i++) {
        int code = validate_one(c, c->args.operands[i], list);
        if (worst == EXIT_DONE || code == EXIT_INVALID)
            worst = code;
    }
    if (!c->json) {
        json_decref(list);
        return worst;
    }
    json_t *top = json_object();
    json_object_set_new(top, "valid", json_boolean(worst == EXIT_DONE));
    json_object_set_new(top, "diagnostics", list);
    cli_print_json(top, false);
    return worst;
}

const struct verb cli_verb_validate = {
    .name = "validate",
    .group = "Files",
    .usage = "FILE...",
    .summary = "Check pipeline files and report every problem with file, line and column.",
    .text = "Nothing runs. '-' reads standard input. What is valid but cannot run in this version "
            "is noted, and the file is still valid. The exit code is 0 where all files are valid "
            "and 3 where one is not.",
    .examples = "  orchctl validate pipeline.yaml\n"
                "  orchctl validate pipelines/*.yaml --json\n"
                "  git show HEAD:pipeline.yaml | orchctl validate -\n",
    .options = CLI_NO_OPTIONS,
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .run = run,
};
