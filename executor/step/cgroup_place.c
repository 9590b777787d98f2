/*
 * cgroup_place.c - the life of a place:
 *
 *   launcher    take ──────────────────────────────────────────────▶ give ─▶ pool, or removed
 *                 │ fork                                              ▲
 *   supervisor    └─▶ make: folders, limits ─▶ … ─▶ leave ─▶ its end ─┘
 *
 * The supervisor works on a copy of the launcher's memory, so the launcher knows what the files of
 * a pooled place say only from what it has handed out (`wants`). Where the supervisor has written
 * something else, or failed, it removes the folders itself: a folder that is missing is made anew
 * by the next one, with all limits.
 */
#include "base/mem.h"
#include "executor/step/cgroup_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#define POOL_MAX 64
#define POOL_BYTES (2 << 20) /* page cache of the last step would count as the next one's peak */

static bool has_tree(const struct cg_place *place, size_t tree)
{
    return (place->joined & 1U << tree) != 0;
}

/* ---- launcher: taking
 * ----------------------------------------------------------------------------------------- */

/* One in the same hierarchies; best one with the same limits, so that nothing has to be written. */
static struct cg_place *find_pooled(const struct cg *cg, unsigned joined,
                                    const struct step_limits *wants)
{
    struct cg_place *found = NULL;
    for (struct cg_place *place = cg->pooled; place != NULL; place = place->next) {
        if (place->joined != joined) {
            continue;
        }
        if (cg_limits_same(&place->had, wants)) {
            return place;
        }
        found = found == NULL ? place : found;
    }
    return found;
}

struct cg_place *cg_place_new(struct cg *cg, unsigned joined, const char *name)
{
    struct cg_place *place = mem_alloc(sizeof(*place));
    int tree = cg->kill_tree >= 0 ? cg->kill_tree : __builtin_ctz(joined);
    place->cg = cg;
    place->joined = joined;
    place->fresh = true;
    place->folder = -1;
    (void)snprintf(place->name, sizeof(place->name), "%s", name);
    place->path = mem_printf("%s/%s", cg->trees[tree].path, place->name);
    for (size_t i = 0; i < CG_ENTRIES; i++) {
        place->entries[i] = -1;
    }
    return place;
}

void cg_place_free(struct cg_place *place, bool remove)
{
    for (size_t i = 0; remove && i < place->cg->tree_count; i++) {
        if (has_tree(place, i)) {
            (void)!cg_remove_at(place->cg->trees[i].fd, place->name);
        }
    }
    for (size_t i = 0; i < CG_ENTRIES; i++) {
        mem_close_fd(&place->entries[i]);
    }
    mem_close_fd(&place->folder);
    free(place->path);
    free(place);
}

struct cg_place *cg_take(struct cg *cg, const struct step_limits *limits)
{
    struct step_limits wants = cg_limits_held(cg, limits);
    unsigned joined = cg_limits_trees(cg, &wants);
    if (joined == 0) {
        return NULL;
    }
    struct cg_place *place = find_pooled(cg, joined, &wants);
    if (place != NULL) {
        DL_DELETE(cg->pooled, place);
        cg->pooled_count--;
    } else {
        char name[sizeof(place->name)];
        (void)snprintf(name, sizeof(name), "%lld", (long long)++cg->next_number);
        place = cg_place_new(cg, joined, name);
    }
    place->wants = wants;
    DL_APPEND(cg->taken, place);
    return place;
}

/* ---- launcher: giving back
 * ------------------------------------------------------------------------------------ */

/* On v2 a peak cannot be reset, and a new folder costs little. */
static bool is_poolable(const struct cg *cg, const struct cg_place *place)
{
    char text[CG_TEXT];
    int memory = cg->tree_of[CTL_MEMORY];
    if (cg->pooled_count >= POOL_MAX || place->adopted || !cg_limits_poolable(&place->wants)) {
        return false;
    }
    for (size_t i = 0; i < cg->tree_count; i++) {
        if (has_tree(place, i) &&
            (cg->trees[i].v2 || !cg_file_read(&cg->trees[i], place->name, "cgroup.procs", text) ||
             text[0] != '\0')) {
            return false;
        }
    }
    return memory < 0 || !has_tree(place, (size_t)memory) ||
           (cg_file_read(&cg->trees[memory], place->name, "memory.usage_in_bytes", text) &&
            strtoll(text, NULL, 10) <= POOL_BYTES);
}

/* Returns how many were alive in all hierarchies together. */
static size_t kill_all(const struct cg *cg, const struct cg_place *place)
{
    char suffix[128];
    size_t alive = 0;
    (void)snprintf(suffix, sizeof(suffix), "%s/%s", cg->name, place->name);
    for (size_t i = 0; i < cg->tree_count; i++) {
        AUTO_CLOSE int dir = has_tree(place, i)
                                 ? openat(cg->trees[i].fd, place->name,
                                          O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                                 : -1;
        if (dir >= 0 && !cg_is_empty_at(dir)) {
            alive += cg_kill_at(dir, suffix);
        }
    }
    return alive;
}

/* False where something is in it still. */
static bool remove_folders(const struct cg *cg, const struct cg_place *place)
{
    bool busy = false;
    for (size_t i = 0; i < cg->tree_count; i++) {
        busy =
            (has_tree(place, i) && !cg_remove_at(cg->trees[i].fd, place->name) && errno == EBUSY) ||
            busy;
    }
    return !busy;
}

bool cg_give(struct cg *cg, struct cg_place *place, bool clean)
{
    if (clean && is_poolable(cg, place)) {
        DL_DELETE(cg->taken, place);
        place->had = place->wants;
        place->fresh = false;
        DL_PREPEND(cg->pooled, place); /* the last one used is the one in the caches */
        cg->pooled_count++;
        return true;
    }
    if ((!clean || !remove_folders(cg, place)) &&
        (kill_all(cg, place) > 0 || !remove_folders(cg, place))) {
        return false;
    }
    DL_DELETE(cg->taken, place);
    cg_place_free(place, false);
    return true;
}

/* ---- supervisor: making
 * --------------------------------------------------------------------------------------- */

static bool open_entry(const struct cg_tree *tree, struct cg_place *place, size_t index,
                       unsigned *fresh, struct err *err)
{
    /* On v1 a thread that moves itself does not wait for all that fork and exec on this host, which
     * a process has to (some ms); a process that is about to exec has one thread. */
    char procs[64];
    const int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW;
    (void)snprintf(procs, sizeof(procs), "%s/%s", place->name, tree->v2 ? "cgroup.procs" : "tasks");
    int fd = place->fresh ? -1 : openat(tree->fd, procs, flags);
    if (fd < 0) {
        if (mkdirat(tree->fd, place->name, 0755) < 0 && errno != EEXIST) {
            return err_sys(err, errno, "cannot make the folder %s/%s", tree->path, place->name);
        }
        *fresh |= 1U << index;
        fd = openat(tree->fd, procs, flags);
    }
    place->entries[index] = fd;
    if (tree->v2) {
        place->folder =
            openat(tree->fd, place->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    return fd >= 0 || err_sys(err, errno, "cannot open %s/%s", tree->path, procs);
}

static bool make(struct cg *cg, struct cg_place *place, const struct step_limits *held,
                 const char *core_list, struct err *err)
{
    unsigned fresh = 0;
    for (size_t i = 0; i < cg->tree_count; i++) {
        if (has_tree(place, i) && !open_entry(&cg->trees[i], place, i, &fresh, err)) {
            return false;
        }
    }
    if (core_list != NULL && !cg_limits_write_cores(cg, place, core_list, err)) {
        return false;
    }
    if (!cg_limits_write(cg, place, held, fresh, err)) {
        return false;
    }
    cg_usage_reset(place, fresh);
    return true;
}

/* What is asked for, and this place cannot hold. */
static bool check(const struct cg *cg, const struct cg_place *place, const struct step_limits *held,
                  const char *core_list, struct err *err)
{
    if ((cg_limits_trees(cg, held) & ~place->joined) != 0) {
        return err_set(err, ERR_INTERNAL, "the step's cgroup was made for other limits");
    }
    if (held->cores != 0 && core_list == NULL) {
        return err_set(err, ERR_INTERNAL, "the step asks for cores, and none were given to it");
    }
    return true;
}

bool cg_make(struct cg *cg, struct cg_place *place, const struct step_limits *limits,
             const char *core_list, struct err *err)
{
    if (place->handed) {
        return true;
    }
    struct step_limits held = cg_limits_held(cg, limits);
    const char *cores = held.cores != 0 ? core_list : NULL;
    if (held.io_read + held.io_write + held.io_read_ops + held.io_write_ops != 0) {
        cg_disks_read(cg); /* one may have been plugged in */
    }
    place->odd = !cg_limits_same(&held, &place->wants);
    place->made = check(cg, place, &held, cores, err) && make(cg, place, &held, cores, err);
    if (!place->made) {
        (void)remove_folders(cg, place);
    }
    return place->made;
}

bool cg_hand(struct cg *cg, struct cg_place *place, const struct step_limits *limits,
             struct err *err)
{
    place->handed = cg_make(cg, place, limits, NULL, err);
    mem_close_fd(&place->folder); /* to start in it needs more rights than to enter by an entry */
    place->folder = -1;
    return place->handed;
}

size_t cg_entries(const struct cg_place *place, int ret[CG_ENTRIES])
{
    size_t count = 0;
    for (size_t i = 0; i < CG_ENTRIES; i++) {
        if (place->entries[i] >= 0) {
            ret[count++] = place->entries[i];
        }
    }
    return count;
}

int cg_folder(const struct cg_place *place)
{
    return place->folder;
}

const char *cg_path(const struct cg_place *place)
{
    return place->path;
}

/* ---- supervisor: the end
 * -------------------------------------------------------------------------------------- */

size_t cg_kill(struct cg_place *place)
{
    const struct cg *cg = place->cg;
    int tree = cg->kill_tree >= 0 ? cg->kill_tree : __builtin_ctz(place->joined);
    AUTO_CLOSE int dir =
        openat(cg->trees[tree].fd, place->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    size_t alive = 0;
    if (dir >= 0 && !cg_is_empty_at(dir)) {
        char suffix[128];
        (void)snprintf(suffix, sizeof(suffix), "%s/%s", cg->name, place->name);
        if (!place->stopped) {
            place->refused = cg_pids_refused(place); /* those that we refuse do not count */
            place->stopped = true;
        }
        alive = cg_kill_at(dir, suffix);
    }
    if (alive == 0 && place->stopped) {
        cg_limits_pids_restore(place);
        place->stopped = false;
    }
    return alive;
}

void cg_leave(struct cg *cg, struct cg_place *place, bool launcher_lives)
{
    for (size_t i = 0; i < CG_ENTRIES; i++) {
        mem_close_fd(&place->entries[i]);
        place->entries[i] = -1;
    }
    mem_close_fd(&place->folder);
    place->folder = -1;
    if (launcher_lives && place->made && !place->odd) {
        return;
    }
    (void)remove_folders(cg, place);
    for (size_t i = 0; !launcher_lives && i < cg->tree_count; i++) {
        if (cg->trees[i].v2) {
            cg_v2_close(cg, &cg->trees[i]); /* we are in the launcher's leaf */
        }
        cg_tree_remove(cg, &cg->trees[i]); /* by who leaves last */
    }
}
