/*
 * pipeline.c - pipeline files as arguments: reading, checking, telling what is wrong, binding
 * parameters.
 */
#include "cli/cli.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define STDIN_NAME "<standard input>"

/* ---- loading */

static bool read_stdin(struct buf *ret, struct err *err)
{
    char block[64 << 10];
    for (;;) {
        ssize_t got = read(STDIN_FILENO, block, sizeof(block));
        if (got < 0)
            return err_sys(err, errno, "standard input");
        if (got == 0)
            return true;
        if (!buf_add(ret, block, (size_t)got))
            return err_set(err, ERR_LIMIT, "standard input is larger than %ld bytes",
                           (long)LIMIT_PIPELINE_FILE);
    }
}

void cli_file_done(struct cli_file *f)
{
    dag_free(f->pipeline);
    diags_done(&f->diags);
    buf_done(&f->text);
    *f = (struct cli_file){0};
}

/* That a document is too large is a fault of the document, as any other that is found in it. */
static bool add_too_large(struct diags *d, const struct err *err)
{
    if (err->code != ERR_LIMIT)
        return false;
    diag_add(d, DIAG_ERROR, "too-large", (struct diag_pos){0, 0}, 1,
             "Pipelines and parameters name data, they do not hold it: leave it in files of its "
             "own.",
             "%s", err->msg);
    return true;
}

bool cli_file_load(struct cli_file *f, const char *path, struct err *err)
{
    bool from_stdin = strcmp(path, "-") == 0;
    const char *name = from_stdin ? STDIN_NAME : path;
    struct err why = ERR_INIT;
    *f = (struct cli_file){.text = BUF_INIT(LIMIT_PIPELINE_FILE)};
    diags_init(&f->diags, name);
    if (from_stdin ? !read_stdin(&f->text, &why) : !file_read(path, &f->text, &why)) {
        *err = why;
        return add_too_large(&f->diags, &why);
    }
    f->pipeline = dag_parse(name, buf_str(&f->text), f->text.len, &f->diags);
    diags_sort(&f->diags);
    return true;
}

/* ---- telling */

void cli_file_print(struct cli *c, const struct cli_file *f)
{
    fflush(stdout);
    diags_print(&f->diags, buf_str(&f->text), f->text.len,
                term_wants_colour(args_text(&c->args, "color"), STDERR_FILENO), stderr);
}

static json_t *diag_json(const struct diags *d, const struct diag *item)
{
    json_t *one = json_object();
    json_object_set_new(one, "severity",
                        json_string(item->severity == DIAG_ERROR ? "error" : "warning"));
    json_object_set_new(one, "file", cli_json_text(d->file));
    json_object_set_new(one, "line", json_integer(item->pos.line));
    json_object_set_new(one, "column", json_integer(item->pos.column));
    json_object_set_new(one, "code", json_string(item->code));
    json_object_set_new(one, "message", cli_json_text(item->message));
    json_object_set_new(one, "hint", cli_json_text(item->hint));
    return one;
}

json_t *cli_diags_json(const struct diags *d)
{
    json_t *list = json_array();
    for (size_t i = 0; i < d->count; i++)
        json_array_append_new(list, diag_json(d, &d->items[i]));
    return list;
}

static const char *first_error(const struct diags *d)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->items[i].severity == DIAG_ERROR)
            return d->items[i].message;
    return "";
}

int cli_fail_diags(struct cli *c, const struct diags *d, const char *text, size_t len,
                   int exit_code)
{
    if (!c->json) {
        fflush(stdout);
        diags_print(d, text, len, term_wants_colour(args_text(&c->args, "color"), STDERR_FILENO),
                    stderr);
        return exit_code;
    }
    json_t *body = json_object();
    json_object_set_new(
        body, "code",
        json_string(err_code_name(exit_code == EXIT_USAGE ? ERR_USAGE : ERR_INVALID)));
    AUTO_FREE char *message = d->errors > 1 ? mem_printf("%s: %zu errors, the first: %s", d->file,
                                                         d->errors, first_error(d))
                                            : mem_printf("%s: %s", d->file, first_error(d));
    json_object_set_new(body, "message", cli_json_text(message));
    json_object_set_new(body, "diagnostics", cli_diags_json(d));
    json_t *top = json_object();
    json_object_set_new(top, "error", body);
    cli_print_json(top, true);
    return exit_code;
}

int cli_load_runnable(struct cli *c, const char *path, struct cli_file *ret)
{
    struct err err = ERR_INIT;
    if (!cli_file_load(ret, path, &err))
        return cli_fail(c, &err);
    bool runnable = ret->pipeline && dag_can_run(ret->pipeline, &ret->diags);
    diags_sort(&ret->diags);
    if (!runnable)
        return cli_fail_diags(c, &ret->diags, buf_str(&ret->text), ret->text.len, EXIT_INVALID);
    if (!c->json && !c->quiet && ret->diags.count > 0)
        cli_file_print(c, ret);
    return EXIT_DONE;
}

/* ---- parameters and selection */

static struct dag_given *given_params(struct cli *c, struct arena *a, size_t *ret_count)
{
    size_t count = 0;
    while (args_nth(&c->args, "param", count))
        count++;
    struct dag_given *given = arena_array(a, count ? count : 1, sizeof(*given));
    for (size_t i = 0; i < count; i++) {
        const char *pair = args_nth(&c->args, "param", i);
        const char *equals = strchr(pair, '=');
        given[i].name = arena_strndup(a, pair, (size_t)(equals - pair));
        given[i].text = equals + 1;
    }
    *ret_count = count;
    return given;
}

const struct dag_value *cli_bind(struct cli *c, const struct dag_pipeline *p, struct arena *a,
                                 int *ret_exit)
{
    const char *path = args_text(&c->args, "params-file");
    AUTO_BUF struct buf text = BUF_INIT(LIMIT_PIPELINE_FILE);
    struct err err = ERR_INIT;
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, path ? path : "-p");
    if (path && !file_read(path, &text, &err)) {
        *ret_exit = add_too_large(&diags, &err) ? cli_fail_diags(c, &diags, NULL, 0, EXIT_INVALID)
                                                : cli_fail(c, &err);
        return NULL;
    }
    size_t count;
    const struct dag_given *given = given_params(c, a, &count);
    const struct dag_value *values =
        dag_bind_params(p, given, count, path, path ? buf_str(&text) : NULL, text.len, a, &diags);
    if (values)
        return values;
    /* Without a params file the command line is what is wrong. */
    *ret_exit = cli_fail_diags(c, &diags, path ? buf_str(&text) : NULL, text.len,
                               path ? EXIT_INVALID : EXIT_USAGE);
    return NULL;
}

void cli_selection(struct cli *c, struct arena *a, struct engine_request *ret)
{
    size_t count = 0;
    while (args_nth(&c->args, "only", count))
        count++;
    const char **only = arena_array(a, count ? count : 1, sizeof(*only));
    for (size_t i = 0; i < count; i++)
        only[i] = args_nth(&c->args, "only", i);
    ret->only = only;
    ret->only_count = count;
    ret->from = args_text(&c->args, "from");
}
