/*
 * confine.c - see confine.h. Order matters: what a step has is taken before anything is made for
 * it, and everything is made before `began` is recorded, so that a failure is one of isolation and
 * no command has run.
 */
#include "executor/step/confine.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "executor/step/sandbox.h"
#include "executor/step/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void confine_init(struct confine *c, const struct supervisor_launch *launch, struct step_spec *spec)
{
    *c = (struct confine){.cg = launch->cg,
                          .place = launch->place,
                          .facts = launch->facts,
                          .spec = spec,
                          .folder = launch->folder,
                          .where = {.sandbox = launch->sandbox, .cgroup = -1}};
}

/* ---- before the command
 * --------------------------------------------------------------------------- */

bool confine_ask(struct confine *c, struct capture *log, struct err *err)
{
    static const struct step_facts nothing;
    AUTO_BUF struct buf notes = BUF_INIT(LIMIT_MESSAGE);
    if (!facts_apply(c->facts != NULL ? c->facts : &nothing, c->spec, &notes, err)) {
        return false;
    }
    for (char *line = notes.data, *end; line != NULL && *line != '\0'; line = end + 1) {
        end = line + strcspn(line, "\n");
        capture_say(log, clock_wall_ms(clock_system()), "%.*s", (int)(end - line), line);
    }
    return true;
}

static bool wants_devices(const struct step_limits *l)
{
    return l->cores != 0 || l->gpus != 0 || l->core_list != NULL || l->gpu_list != NULL;
}

bool confine_take(struct confine *c, struct err *err)
{
    if (c->granted || !wants_devices(&c->spec->limits)) {
        return true;
    }
    c->granted = pool_take(&c->spec->limits, &c->grant, err);
    return c->granted;
}

/* Of the attempt's folder, where the sandbox has to do with paths. */
static bool read_path(struct confine *c, struct err *err)
{
    const struct step_sandbox *s = &c->spec->sandbox;
    char link[40];
    if (!s->has_user && !s->private_tmp &&
        s->read_only_count + s->hidden_count + s->writable_count == 0) {
        return true;
    }
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", c->folder);
    ssize_t len = readlink(link, c->path, sizeof(c->path) - 1);
    if (len < 0) {
        return err_set(err, ERR_IO, "cannot tell the path of the attempt's folder");
    }
    c->path[len] = '\0';
    return true;
}

bool confine_begin(struct confine *c, struct err *err)
{
    const char *cores = c->granted && c->grant.cores[0] != '\0' ? c->grant.cores : NULL;
    if (c->place != NULL && !cg_make(c->cg, c->place, &c->spec->limits, cores, err)) {
        return false;
    }
    if (!read_path(c, err) || !sandbox_share(c->spec, c->folder, err)) {
        return false;
    }
    c->shared = true;
    if (c->place != NULL) {
        c->where.entry_count = cg_entries(c->place, c->entries);
        c->where.cgroup = cg_folder(c->place);
        c->where.limited = true;
    }
    c->where.entries = c->entries;
    c->where.folder = c->path;
    c->where.extra_env_count = c->granted ? pool_env(&c->spec->limits, &c->grant, c->env) : 0;
    c->where.extra_env = c->env;
    return true;
}

const char *confine_path(const struct confine *c)
{
    return c->place != NULL ? cg_path(c->place) : "";
}

/* ---- while it runs
 * -------------------------------------------------------------------------------- */

/* Members that are measured in `from` go to `to`; `over`: also where that has one. */
static void fill(struct step_usage *to, const struct step_usage *from, bool over)
{
    for (size_t i = 0; i < step_usage_field_count; i++) {
        size_t offset = step_usage_fields[i].offset;
        int64_t value = *(const int64_t *)((const char *)from + offset);
        int64_t *target = (int64_t *)((char *)to + offset);
        if (value >= 0 && (over || *target < 0)) {
            *target = value;
        }
    }
}

/* What the hierarchies of the place do not measure, the processes tell. */
void confine_sample(struct confine *c, struct step_usage *ret)
{
    if (c->place != NULL) {
        cg_usage(c->place, ret);
    }
    if (ret->cpu_us < 0 || ret->memory_bytes < 0) {
        struct step_usage tree = STEP_USAGE_NONE;
        tree_usage(&tree);
        fill(ret, &tree, false);
    }
    c->peak_bytes = ret->memory_bytes > c->peak_bytes ? ret->memory_bytes : c->peak_bytes;
}

void confine_measure(struct confine *c, struct step_usage *ret)
{
    struct step_usage place = STEP_USAGE_NONE;
    if (c->place == NULL) {
        return;
    }
    cg_usage(c->place, &place);
    fill(ret, &place, true);
    if (place.peak_bytes < 0 && c->peak_bytes > ret->peak_bytes) {
        ret->peak_bytes = c->peak_bytes;
    }
}

int64_t confine_oom_kills(const struct confine *c)
{
    return c->place != NULL ? cg_oom_kills(c->place) : 0;
}

int64_t confine_pids_refused(const struct confine *c)
{
    return c->place != NULL ? cg_pids_refused(c->place) : 0;
}

size_t confine_kill(const struct confine *c)
{
    return c->place != NULL ? cg_kill(c->place) : 0;
}

/* ---- after it
 * ------------------------------------------------------------------------------------- */

void confine_end(struct confine *c, bool launcher_lives)
{
    if (c->place != NULL) {
        cg_leave(c->cg, c->place, launcher_lives);
        c->place = NULL;
    }
    if (c->granted) {
        pool_give(&c->grant);
        c->granted = false;
    }
    for (size_t i = 0; i < c->where.extra_env_count; i++) {
        free(c->env[i]);
    }
    c->where.extra_env_count = 0;
}

bool confine_take_back(struct confine *c, const struct digest_ask *ask, struct err *err)
{
    bool shared = c->shared;
    c->shared = false;
    return !shared || sandbox_unshare(c->spec, c->folder, ask, err);
}
