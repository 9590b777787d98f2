/*
 * cgroup_facts.c - which limits hold here, and why the others do not. Each row names the files that
 * a limit needs; what a file alone does not tell is asked by a function.
 */
#include "base/mem.h"
#include "executor/step/cgroup_private.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIX_V2                                                                                     \
    "boot with cgroup v2 (kernel parameter systemd.unified_cgroup_hierarchy=1, without "           \
    "cgroup_no_v1)"

/* Sets the lack where there is one. */
static void check_swap(const struct cg *cg, const struct cg_tree *tree, struct cg_lack *ret);
static void check_weight(const struct cg *cg, const struct cg_tree *tree, struct cg_lack *ret);
static void check_disks(const struct cg *cg, const struct cg_tree *tree, struct cg_lack *ret);
static void check_writes(const struct cg *cg, const struct cg_tree *tree, struct cg_lack *ret);

/* clang-format off */
static const struct need {
    enum cg_ctl ctl;
    const char *v1, *v2; /* files that must be there; NULL: asked otherwise */
    void (*check)(const struct cg *cg, const struct cg_tree *tree, struct cg_lack *ret);
    const char *name;
} needs[FACT_COUNT] = {
    [FACT_CPU]       = {CTL_CPU,    "cpu.cfs_quota_us",                "cpu.max",     NULL, "cpu"},
    [FACT_MEMORY]    = {CTL_MEMORY, "memory.limit_in_bytes",           "memory.max",  check_swap, "memory"},
    [FACT_PIDS]      = {CTL_PIDS,   "pids.max",                        "pids.max",    NULL, "pids"},
    [FACT_IO_WEIGHT] = {CTL_IO,     NULL,                              NULL,          check_weight, "io.weight"},
    [FACT_IO_READ]   = {CTL_IO,     "blkio.throttle.read_bps_device",  "io.max",      check_disks, "io.read"},
    [FACT_IO_WRITE]  = {CTL_IO,     "blkio.throttle.write_bps_device", "io.max",      check_writes, "io.write"},
    [FACT_CORES]     = {CTL_CPUSET, "cpuset.cpus",                     "cpuset.cpus", NULL, "cores"},
};
/* clang-format on */

/* ---- what a file does not tell
 * ------------------------------------------------------------------------------ */

static bool is_swap_on(void)
{
    char line[512];
    int lines = 0;
    FILE *file = fopen("/proc/swaps", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        lines++;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return lines > 1;
}

static void check_swap(const struct cg *cg, const struct cg_tree *tree, struct cg_lack *ret)
{
    (void)cg;
    if (!cg_file_exists(tree, tree->v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes") &&
        is_swap_on()) {
        ret->why = mem_strdup("swap is on, and this kernel does not count it in a cgroup's memory");
        ret->fix = "boot with the kernel parameter swapaccount=1, or switch swap off (swapoff -a)";
    }
}

static void check_disks(const struct cg *cg, const struct cg_tree *tree, struct cg_lack *ret)
{
    (void)tree;
    if (cg->disk_count == 0) {
        ret->why = mem_strdup("there is no disk in /sys/block whose speed could be limited");
        ret->fix = "";
    }
}

static void check_writes(const struct cg *cg, const struct cg_tree *tree, struct cg_lack *ret)
{
    check_disks(cg, tree, ret);
    if (ret->why == NULL && !tree->v2) {
        ret->why = mem_strdup("cgroup v1 does not slow down writes that go through the page cache, "
                              "and nearly all do");
        ret->fix = FIX_V2;
    }
}

static bool is_bfq_used(void)
{
    bool found = false;
    DIR *dir = opendir("/sys/block");
    for (struct dirent *entry; dir != NULL && !found && (entry = readdir(dir)) != NULL;) {
        char path[300], text[CG_TEXT];
        (void)snprintf(path, sizeof(path), "%s/queue/scheduler", entry->d_name);
        found = cg_file_read_at(dirfd(dir), path, text) && strstr(text, "[bfq]") != NULL;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return found;
}

/* The file is in the root only, which is some folders above ours. */
static bool is_iocost_on(const struct cg_tree *tree)
{
    char text[CG_TEXT], path[256] = "";
    for (size_t len = 0; len + 20 < sizeof(path); len += 3) {
        memcpy(path + len, "io.cost.qos", 12);
        if (cg_file_read(tree, NULL, path, text)) {
            return strstr(text, "enable=1") != NULL;
        }
        memcpy(path + len, "../", 4);
    }
    return false;
}

static void check_weight(const struct cg *cg, const struct cg_tree *tree, struct cg_lack *ret)
{
    (void)cg;
    const char *bfq = tree->v2 ? "io.bfq.weight" : "blkio.bfq.weight";
    if ((cg_file_exists(tree, bfq) && is_bfq_used()) ||
        (tree->v2 && cg_file_exists(tree, "io.weight") && is_iocost_on(tree))) {
        return;
    }
    ret->why = mem_strdup("no disk shares itself out by weight: none uses the scheduler bfq, and "
                          "io.cost is off");
    ret->fix = "echo bfq > /sys/block/DISK/queue/scheduler";
}

/* ---- all of them
 * ---------------------------------------------------------------------------------------------- */

static struct cg_lack find_lack(const struct cg *cg, const struct need *need)
{
    struct cg_lack lack = {0};
    int index = cg->tree_of[need->ctl];
    if (index < 0) {
        lack.why = mem_strdup(cg->lacks[need->ctl].why);
        lack.fix = cg->lacks[need->ctl].fix;
        return lack;
    }
    const struct cg_tree *tree = &cg->trees[index];
    const char *file = tree->v2 ? need->v2 : need->v1;
    if (file != NULL && !cg_file_exists(tree, file)) {
        lack.why =
            mem_printf("this kernel has no %s, or it may not be written in %s", file, tree->path);
        lack.fix = "";
    } else if (need->check != NULL) {
        need->check(cg, tree, &lack);
    }
    return lack;
}

void cg_facts_find(struct cg *cg)
{
    for (int i = 0; i < FACT_COUNT; i++) {
        if (needs[i].name != NULL) {
            cg->facts[i] = find_lack(cg, &needs[i]);
        }
    }
    if (cg->kill_tree < 0) {
        cg->facts[FACT_TREE] = (struct cg_lack){
            .why = mem_strdup(cg->lacks[CTL_PIDS].why != NULL ? cg->lacks[CTL_PIDS].why : ""),
            .fix = cg->lacks[CTL_PIDS].fix};
    }
}

static const char *tree_means(const struct cg *cg)
{
    if (cg->trees[cg->kill_tree].v2) {
        return "cgroup v2: cgroup.kill";
    }
    return cg->tree_of[CTL_PIDS] == cg->kill_tree ? "cgroup v1: pids.max=0, then SIGKILL"
                                                  : "cgroup v1: the freezer, then SIGKILL";
}

void cg_facts(const struct cg *cg, struct step_facts *ret)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    bool known = sched_getaffinity(0, sizeof(cpus), &cpus) == 0;
    for (int i = 0; i < FACT_COUNT; i++) {
        const struct cg_lack *lack = &cg->facts[i];
        bool holds = lack->why == NULL;
        if (i == FACT_TREE) {
            facts_add(ret, "tree", holds, 0, holds ? tree_means(cg) : lack->why, lack->fix);
        } else {
            facts_add(ret, needs[i].name, holds, i == FACT_CORES && known ? CPU_COUNT(&cpus) : 0,
                      lack->why, lack->fix);
        }
    }
}
