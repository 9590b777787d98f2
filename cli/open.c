/*
 * open.c - the data folder, the store, and the run or step a word names.
 */
#include "cli/cli.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *cli_data_dir(struct cli *c)
{
    if (!c->data_dir)
        c->data_dir = engine_data_dir(args_text(&c->args, "data"));
    return c->data_dir;
}

const char *cli_storage(struct cli *c)
{
    const char *url = args_text(&c->args, "storage");
    if (!url)
        url = getenv("ORCH_STORAGE");
    return url && *url ? url : NULL;
}

const char *cli_actor(char out[32])
{
    snprintf(out, 32, "uid:%u", (unsigned)getuid());
    return out;
}

struct store *cli_open_store(struct cli *c, struct err *err)
{
    struct store_conf conf = {
        .url = cli_storage(c), .data_dir = cli_data_dir(c), .must_exist = true, .read_only = true};
    struct store *s = store_open(&conf, err);
    if (!s && err->code == ERR_UNSUPPORTED)
        err->code = ERR_UNAVAILABLE; /* a storage that this version does not have */
    if (s || err->code != ERR_NOT_FOUND)
        return s;
    const char *url = cli_storage(c);
    err_set(
        err, ERR_UNAVAILABLE,
        "no runs are recorded in %s yet: the first 'orchctl run FILE' makes it (or name another "
        "place with --data, ORCH_HOME or --storage)",
        url ? url : cli_data_dir(c));
    return NULL;
}

struct store *cli_open_run(struct cli *c, const char *word, char ret_id[ID_SIZE], struct err *err)
{
    struct store *s = cli_open_store(c, err);
    if (s && !store_find_run(s, word, ret_id, err)) {
        store_close(s);
        return NULL;
    }
    return s;
}

bool cli_interrupted(struct cli *c, const struct store_run *run)
{
    enum sched_run_state state;
    if (!sched_run_state_from_name(run->status, &state) || sched_run_state_ended(state))
        return false;
    return !engine_alive(cli_data_dir(c), run->id);
}

const struct store_step *cli_find_step(const struct store_step *steps, size_t count,
                                       const char *word, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(steps[i].folder, word) == 0 || strcmp(steps[i].name, word) == 0)
            return &steps[i];
    const char **names = mem_array(count ? count : 1, sizeof(*names));
    for (size_t i = 0; i < count; i++)
        names[i] = steps[i].name;
    const char *near = text_nearest(word, names, count);
    if (near)
        err_set(err, ERR_NOT_FOUND, "the run has no step '%s': did you mean '%s'?", word, near);
    else
        err_set(err, ERR_NOT_FOUND, "the run has no step '%s'; 'orchctl show RUN' lists them",
                word);
    free(names);
    return NULL;
}
