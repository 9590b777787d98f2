/*
 * cgroup_usage.c - figures and the files they are read from, in one table. Some files only count
 * up and cannot be reset, so a place that is used again remembers where they stood.
 */
#include "base/mem.h"
#include "executor/step/cgroup_private.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_COUNT COUNT_COUNT

struct source {
    enum cg_ctl ctl; /* CTL_NONE: no controller is needed for it */
    const char *file;
    const char *key; /* NULL: the file is a number; "key": a line "key NUMBER"; " key": on each line
                        of a disk, before the number */
    int64_t unit;    /* divides */
};

/* clang-format off */
#define USAGE(member) offsetof(struct step_usage, member)
static const struct figure {
    size_t offset;
    enum cg_count count; /* NO_COUNT: as it is */
    struct source v1, v2;
} figures[] = {
    {USAGE(cpu_us),       COUNT_CPU,       {CTL_CPUACCT, "cpuacct.usage", NULL, 1000},
                                           {CTL_NONE, "cpu.stat", "usage_usec", 1}},
    {USAGE(throttled_us), COUNT_THROTTLED, {CTL_CPU, "cpu.stat", "throttled_time", 1000},
                                           {CTL_CPU, "cpu.stat", "throttled_usec", 1}},
    {USAGE(peak_bytes),   NO_COUNT,        {CTL_MEMORY, "memory.max_usage_in_bytes", NULL, 1},
                                           {CTL_MEMORY, "memory.peak", NULL, 1}},
    {USAGE(memory_bytes), NO_COUNT,        {CTL_MEMORY, "memory.usage_in_bytes", NULL, 1},
                                           {CTL_MEMORY, "memory.current", NULL, 1}},
    {USAGE(read_bytes),   COUNT_READ,      {CTL_IO, "blkio.throttle.io_service_bytes_recursive", " Read ", 1},
                                           {CTL_IO, "io.stat", " rbytes=", 1}},
    {USAGE(write_bytes),  COUNT_WRITE,     {CTL_IO, "blkio.throttle.io_service_bytes_recursive", " Write ", 1},
                                           {CTL_IO, "io.stat", " wbytes=", 1}},
    {USAGE(pids),         NO_COUNT,        {CTL_PIDS, "pids.current", NULL, 1},
                                           {CTL_PIDS, "pids.current", NULL, 1}},
    {USAGE(pids_peak),    NO_COUNT,        {CTL_PIDS, "pids.peak", NULL, 1},
                                           {CTL_PIDS, "pids.peak", NULL, 1}},
};
static const struct event {
    enum cg_count count;
    struct source v1, v2;
} oom_kills = {COUNT_OOM,     {CTL_MEMORY, "memory.oom_control", "oom_kill", 1},
                              {CTL_MEMORY, "memory.events", "oom_kill", 1}},
  refusals =  {COUNT_REFUSED, {CTL_PIDS, "pids.events", "max", 1},
                              {CTL_PIDS, "pids.events", "max", 1}};
/* clang-format on */

/* Files that hold several figures are read once in a row. */
struct reader {
    const struct cg_place *place;
    const char *file;
    char text[CG_TEXT];
};

/* ---- reading
 * --------------------------------------------------------------------------------------------------
 */

static bool is_real_disk(const struct cg *cg, const char *line)
{
    unsigned major, minor;
    if (sscanf(line, "%u:%u ", &major, &minor) != 2) { // NOLINT(cert-err34-c)
        return false;
    }
    for (size_t i = 0; i < cg->disk_count; i++) {
        if (cg->disks[i].major == major && cg->disks[i].minor == minor) {
            return true;
        }
    }
    return false;
}

static int64_t sum_disks(const struct cg *cg, const char *text, const char *key)
{
    int64_t sum = 0;
    for (const char *line = text; *line != '\0';) {
        const char *end = strchrnul(line, '\n'), *at = strstr(line, key);
        if (at != NULL && at < end && is_real_disk(cg, line)) {
            sum += strtoll(at + strlen(key), NULL, 10);
        }
        line = *end == '\0' ? end : end + 1;
    }
    return sum;
}

static bool find_line(const char *text, const char *key, int64_t *ret)
{
    size_t len = strlen(key);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, key, len) == 0 && line[len] == ' ') {
            *ret = strtoll(line + len, NULL, 10);
            return true;
        }
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return false;
}

/* Where a figure is found for this place; NULL = nowhere. */
static const struct source *choose(const struct cg_place *place, const struct source *v1,
                                   const struct source *v2, const struct cg_tree **ret_tree)
{
    const struct cg *cg = place->cg;
    int tree = v2->ctl == CTL_NONE ? cg->kill_tree : cg->tree_of[v2->ctl];
    const struct source *source = v2;
    if (tree < 0 || !cg->trees[tree].v2) {
        source = v1;
        tree = cg->tree_of[v1->ctl];
    }
    if (tree < 0 || (place->joined & 1U << tree) == 0) {
        return NULL;
    }
    *ret_tree = &cg->trees[tree];
    return source;
}

/* What the file says, without regard to where it stood. */
static bool read_source(struct reader *r, const struct source *v1, const struct source *v2,
                        int64_t *ret)
{
    const struct cg_tree *tree = NULL;
    const struct source *source = choose(r->place, v1, v2, &tree);
    if (source == NULL) {
        return false;
    }
    if (r->file == NULL || strcmp(r->file, source->file) != 0) {
        r->file = NULL;
        if (!cg_file_read(tree, r->place->name, source->file, r->text)) {
            return false;
        }
        r->file = source->file;
    }
    int64_t value = 0;
    if (source->key == NULL) {
        value = strtoll(r->text, NULL, 10);
    } else if (source->key[0] == ' ') {
        value = sum_disks(r->place->cg, r->text, source->key);
    } else if (!find_line(r->text, source->key, &value)) {
        return false;
    }
    *ret = value / source->unit;
    return true;
}

static int64_t read_event(const struct cg_place *place, const struct event *event)
{
    struct reader r = {.place = place};
    int64_t value;
    return read_source(&r, &event->v1, &event->v2, &value) ? value - place->base[event->count] : 0;
}

/* ---- public
 * ---------------------------------------------------------------------------------------------------
 */

/* A peak of an earlier step says nothing; then the largest that was seen does. */
static void settle_peaks(struct cg_place *place, const struct step_usage *now,
                         struct step_usage *ret)
{
    if (now->pids >= 0) {
        place->seen_pids = now->pids > place->seen_pids ? now->pids : place->seen_pids;
        bool own = now->pids_peak > place->base[COUNT_PIDS_PEAK];
        ret->pids_peak = own ? now->pids_peak : place->seen_pids;
    }
    if (now->memory_bytes >= 0) {
        place->seen_bytes =
            now->memory_bytes > place->seen_bytes ? now->memory_bytes : place->seen_bytes;
        ret->peak_bytes = now->peak_bytes >= 0 ? now->peak_bytes : place->seen_bytes;
    }
}

void cg_usage(struct cg_place *place, struct step_usage *ret)
{
    struct reader r = {.place = place};
    struct step_usage now = STEP_USAGE_NONE;
    for (size_t i = 0; i < COUNT_OF(figures); i++) {
        const struct figure *row = &figures[i];
        int64_t value;
        if (!read_source(&r, &row->v1, &row->v2, &value)) {
            continue;
        }
        if (row->count != NO_COUNT) {
            value -= place->base[row->count];
        }
        memcpy((char *)&now + row->offset, &value, sizeof(value));
        memcpy((char *)ret + row->offset, &value, sizeof(value));
    }
    settle_peaks(place, &now, ret);
}

int64_t cg_oom_kills(const struct cg_place *place)
{
    return read_event(place, &oom_kills);
}

int64_t cg_pids_refused(const struct cg_place *place)
{
    return place->refused >= 0 ? place->refused : read_event(place, &refusals);
}

/* On what is new everything stands at 0. */
void cg_usage_reset(struct cg_place *place, unsigned fresh)
{
    struct reader r = {.place = place};
    memset(place->base, 0, sizeof(place->base));
    place->seen_pids = place->seen_bytes = 0;
    place->refused = -1;
    if ((place->joined & ~fresh) == 0) {
        return;
    }
    for (size_t i = 0; i < COUNT_OF(figures); i++) {
        enum cg_count count =
            figures[i].offset == USAGE(pids_peak) ? COUNT_PIDS_PEAK : figures[i].count;
        if (count != NO_COUNT) {
            (void)read_source(&r, &figures[i].v1, &figures[i].v2, &place->base[count]);
        }
    }
    place->base[COUNT_OOM] = read_event(place, &oom_kills);
    place->base[COUNT_REFUSED] = read_event(place, &refusals);
    int memory = place->cg->tree_of[CTL_MEMORY];
    if (memory >= 0 && (place->joined & ~fresh & 1U << memory) != 0) {
        (void)!cg_file_write(&place->cg->trees[memory], place->name, "memory.max_usage_in_bytes",
                             "0", NULL);
    }
}
