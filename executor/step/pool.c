/*
 * pool.c - cores and GPUs as files with a lock: core.0 core.1 … gpu.0 … in one folder. Who has the
 * lock has the device; the kernel gives it back when the process ends, however it ends.
 *
 * A step that asks for several takes them one by one and gives all back where one is missing, so
 * two that wait for each other's cannot be: nobody waits with a lock in hand.
 */
#include "executor/step/pool.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX_MAX 4096 /* of a core or a GPU */
#define GRANT_MAX 1024

struct set { /* indices, as bits */
    unsigned char has[INDEX_MAX / 8];
};

static bool has(const struct set *set, size_t index)
{
    return (set->has[index / 8] & 1U << index % 8) != 0;
}

static void add(struct set *set, size_t index)
{
    set->has[index / 8] = (unsigned char)(set->has[index / 8] | 1U << index % 8);
}

static int64_t count(const struct set *set)
{
    int64_t sum = 0;
    for (size_t i = 0; i < sizeof(set->has); i++) {
        sum += __builtin_popcount(set->has[i]);
    }
    return sum;
}

/* ---- lists
 * ----------------------------------------------------------------------------------------------------
 */

/* A number at *at, below INDEX_MAX; what follows it in *at. */
static bool take_index(const char **at, size_t *ret)
{
    size_t value = 0, digits = 0;
    for (; isdigit((unsigned char)**at) && value < INDEX_MAX; (*at)++, digits++) {
        value = value * 10 + (size_t)(**at - '0');
    }
    *ret = value;
    return digits > 0 && value < INDEX_MAX;
}

/* "0,2,5" or "0-3,6" */
static bool parse_list(const char *text, struct set *ret)
{
    struct set set = {0};
    for (const char *at = text;; at++) {
        size_t first, last;
        if (!take_index(&at, &first)) {
            return false;
        }
        last = first;
        if (*at == '-') {
            at++;
            if (!take_index(&at, &last) || last < first) {
                return false;
            }
        }
        for (size_t i = first; i <= last; i++) {
            add(&set, i);
        }
        if (*at == '\0') {
            *ret = set;
            return true;
        }
        if (*at != ',') {
            return false;
        }
    }
}

/* ---- what there is
 * ------------------------------------------------------------------------------------------ */

static struct set find_cores(void)
{
    struct set set = {0};
    cpu_set_t *cpus = CPU_ALLOC(INDEX_MAX);
    size_t size = CPU_ALLOC_SIZE(INDEX_MAX);
    if (cpus != NULL && sched_getaffinity(0, size, cpus) == 0) {
        for (size_t i = 0; i < INDEX_MAX; i++) {
            if (CPU_ISSET_S(i, size, cpus)) {
                add(&set, i);
            }
        }
    }
    CPU_FREE(cpus);
    return set;
}

/* Nodes "PREFIXnumber" in a folder that pass. */
static struct set find_nodes(const char *folder, const char *prefix, bool (*passes)(const char *))
{
    struct set set = {0};
    size_t index;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        const char *at = entry->d_name + strlen(prefix);
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && take_index(&at, &index) &&
            *at == '\0' && (passes == NULL || passes(entry->d_name))) {
            add(&set, index);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return set;
}

static bool is_amd(const char *name)
{
    AUTO_FREE char *path = mem_printf("/sys/class/drm/%s/device/vendor", name);
    char vendor[8] = "";
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, vendor, sizeof(vendor) - 1) > 0 && strncmp(vendor, "0x1002", 6) == 0;
}

static struct set first_of(int64_t number)
{
    struct set set = {0};
    for (size_t i = 0; i < INDEX_MAX && (int64_t)i < number; i++) {
        add(&set, i);
    }
    return set;
}

/* ORCH_GPUS="4" is how many, "0,2,3" is which. */
static struct set find_gpus(void)
{
    const char *told = getenv("ORCH_GPUS");
    struct set set = {0};
    int64_t number;
    if (told != NULL && told[0] != '\0') {
        if (text_int(told, &number)) {
            return first_of(number);
        }
        (void)!parse_list(told, &set);
        return set;
    }
    set = find_nodes("/dev", "nvidia", NULL);
    if (count(&set) == 0 && access("/dev/kfd", F_OK) == 0) {
        set = find_nodes("/dev/dri", "renderD", is_amd);
        set = first_of(count(&set)); /* ROCm counts from 0 */
    }
    return set;
}

/* ---- the folder
 * ------------------------------------------------------------------------------------------------
 */

/* Owned by the caller. */
static char *pool_folder(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (geteuid() == 0) {
        return mem_strdup("/run/orchd/pool");
    }
    if (runtime != NULL && runtime[0] == '/') {
        return mem_printf("%s/orchd/pool", runtime);
    }
    return mem_printf("/tmp/orchd-%u/pool", (unsigned)geteuid());
}

/* Ours, and nobody else may write to it: another could hold our locks for ever. */
static bool is_ours(int fd, const char *path, struct err *err)
{
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        return err_sys(err, errno, "cannot open the folder %s", path);
    }
    return (st.st_uid == geteuid() && (st.st_mode & 022) == 0) ||
           err_set(err, ERR_DENIED,
                   "the folder %s belongs to somebody else, or others may write to it", path);
}

/* The open folder, or -1. Both its levels are checked, since /tmp is everybody's; but /run/orchd
 * may be the daemon's, who could at worst take the folder away. */
static int open_folder(struct err *err)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    AUTO_FREE char *path = pool_folder();
    AUTO_FREE char *above = mem_strndup(path, (size_t)(strrchr(path, '/') - path));
    if (mkdir(above, geteuid() == 0 ? 0755 : 0700) < 0 && errno != EEXIST) {
        err_sys(err, errno, "cannot make the folder %s", above);
        return -1;
    }
    AUTO_CLOSE int parent = open(above, flags);
    if (geteuid() != 0 && !is_ours(parent, above, err)) {
        return -1;
    }
    if (mkdirat(parent, "pool", 0700) < 0 && errno != EEXIST) {
        err_sys(err, errno, "cannot make the folder %s", path);
        return -1;
    }
    int fd = openat(parent, "pool", flags);
    if (!is_ours(fd, path, err)) {
        mem_close_fd(&fd);
        return -1;
    }
    return fd;
}

/* ---- facts
 * ----------------------------------------------------------------------------------------------------
 */

/* Cores need their cgroup too: where that has spoken already, its word stands unless ours is no. */
static void say(struct step_facts *facts, const char *name, int64_t amount, const char *why,
                const char *fix)
{
    for (size_t i = 0; i < facts->count; i++) {
        struct step_fact *fact = &facts->items[i];
        if (strcmp(fact->name, name) != 0) {
            continue;
        }
        fact->amount = amount;
        if (fact->holds && why != NULL) {
            free(fact->why);
            free(fact->fix);
            fact->holds = false;
            fact->why = mem_strdup(why);
            fact->fix = mem_strdup(fix);
        }
        return;
    }
    facts_add(facts, name, why == NULL, amount, why, fix);
}

void pool_facts(struct step_facts *ret)
{
    struct err err = ERR_INIT;
    struct set cores = find_cores(), gpus = find_gpus();
    AUTO_CLOSE int folder = open_folder(&err);
    const char *why = folder < 0 ? err.msg : NULL;
    say(ret, "cores", count(&cores), why, folder < 0 ? "remove it, or set XDG_RUNTIME_DIR" : NULL);
    if (count(&gpus) == 0) {
        say(ret, "gpus", 0, "this host has no GPU that is known here",
            "install its driver (/dev/nvidia0, /dev/kfd), or name them: ORCH_GPUS=0,1");
        return;
    }
    say(ret, "gpus", count(&gpus), why, folder < 0 ? "remove it, or set XDG_RUNTIME_DIR" : NULL);
}

/* ---- taking
 * ---------------------------------------------------------------------------------------------------
 */

struct ask {
    const char *kind; /* "core": of the files */
    int64_t number;
    const char *list; /* NULL = any */
    struct set all;
    char *to; /* GRANT_MAX bytes */
};

/* False: somebody else has it, or it failed (err is set then). */
static bool lock_one(int folder, const char *kind, size_t index, struct pool_grant *grant,
                     struct err *err)
{
    char name[32];
    struct err failed = ERR_INIT;
    (void)snprintf(name, sizeof(name), "%s.%zu", kind, index);
    int fd = openat(folder, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_sys(err, errno, "cannot open the lock %s", name);
    }
    if (!file_lock(fd, &failed)) {
        if (failed.code != ERR_BUSY) {
            *err = failed;
        }
        mem_close_fd(&fd);
        return false;
    }
    grant->fds = mem_grow(grant->fds, grant->fd_count + 1, sizeof(*grant->fds));
    grant->fds[grant->fd_count++] = fd;
    return true;
}

static bool note(const struct ask *ask, size_t index, struct err *err)
{
    size_t len = strlen(ask->to);
    int more = snprintf(ask->to + len, GRANT_MAX - len, "%s%zu", len > 0 ? "," : "", index);
    return (more > 0 && (size_t)more < GRANT_MAX - len) ||
           err_set(err, ERR_LIMIT, "a step may have no more %ss than can be named in %d letters",
                   ask->kind, GRANT_MAX);
}

/* Which are asked for by their index, all of which must be had; else all may be looked at. */
static bool choose(const struct ask *ask, struct set *ret, int64_t *ret_number, struct err *err)
{
    *ret = ask->all;
    *ret_number = ask->number;
    if (ask->list == NULL) {
        return ask->number <= count(&ask->all) ||
               err_set(err, ERR_INVALID, "the step asks for %lld %ss, and this host has %lld",
                       (long long)ask->number, ask->kind, (long long)count(&ask->all));
    }
    if (!parse_list(ask->list, ret)) {
        return err_set(err, ERR_INVALID, "'%s' is no list of %ss such as 0,2,5", ask->list,
                       ask->kind);
    }
    *ret_number = count(ret);
    for (size_t i = 0; i < INDEX_MAX; i++) {
        if (has(ret, i) && !has(&ask->all, i)) {
            return err_set(err, ERR_INVALID, "this host has no %s %zu", ask->kind, i);
        }
    }
    return true;
}

static bool take(int folder, const struct ask *ask, struct pool_grant *grant, struct err *err)
{
    struct set set;
    struct err failed = ERR_INIT;
    int64_t missing;
    if (!choose(ask, &set, &missing, err)) {
        return false;
    }
    for (size_t i = 0; i < INDEX_MAX && missing > 0; i++) {
        if (has(&set, i) && lock_one(folder, ask->kind, i, grant, &failed)) {
            if (!note(ask, i, err)) {
                return false;
            }
            missing--;
        }
        if (failed.code != ERR_NONE) {
            if (err != NULL) {
                *err = failed;
            }
            return false;
        }
    }
    return missing == 0 ||
           err_set(err, ERR_BUSY, "other steps have the %ss that it asks for", ask->kind);
}

bool pool_take(const struct step_limits *limits, struct pool_grant *ret, struct err *err)
{
    struct pool_grant grant = {0};
    bool cores = limits->cores > 0 || limits->core_list != NULL;
    bool gpus = limits->gpus > 0 || limits->gpu_list != NULL;
    if (!cores && !gpus) {
        *ret = grant;
        return true;
    }
    AUTO_CLOSE int folder = open_folder(err);
    bool got = folder >= 0;
    if (got && cores) {
        struct ask ask = {"core", limits->cores, limits->core_list, find_cores(), grant.cores};
        got = take(folder, &ask, &grant, err);
    }
    if (got && gpus) {
        struct ask ask = {"gpu", limits->gpus, limits->gpu_list, find_gpus(), grant.gpus};
        got = take(folder, &ask, &grant, err);
    }
    if (!got) {
        pool_give(&grant);
        return false;
    }
    *ret = grant;
    return true;
}

void pool_give(struct pool_grant *grant)
{
    for (size_t i = 0; i < grant->fd_count; i++) {
        mem_close_fd(&grant->fds[i]);
    }
    free(grant->fds);
    *grant = (struct pool_grant){0};
}

size_t pool_env(const struct step_limits *limits, const struct pool_grant *grant, char *ret[4])
{
    static const char *const names[] = {"CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
                                        "ORCH_GPUS"};
    size_t made = 0;
    for (size_t i = 0; (limits->gpus > 0 || limits->gpu_list != NULL) && i < COUNT_OF(names); i++) {
        ret[made++] = mem_printf("%s=%s", names[i], grant->gpus);
    }
    if (limits->cores > 0 || limits->core_list != NULL) {
        ret[made++] = mem_printf("ORCH_CORES=%s", grant->cores);
    }
    return made;
}
