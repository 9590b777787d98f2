/*
 * cgroup_limits.c - limits and the files they are written to. A row is a limit; on each version it
 * has up to three files, written in their order. A place that is used again has only those written
 * whose text differs from what the last step had.
 */
#include "base/mem.h"
#include "executor/step/cgroup_private.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define PERIOD_US 100000
#define QUOTA_MIN_US 1000 /* the kernel takes no less */
#define MILLI_MIN 10      /* that many thousandths of a period are the least quota */
#define PERIOD_MAX_US 1000000
#define BFQ_MAX 1000

struct text {
    char at[64];
};

/* ---- how a value is written
 * ----------------------------------------------------------------------------------- */

static int64_t period_us(int64_t milli)
{
    int64_t us = milli >= MILLI_MIN ? PERIOD_US : QUOTA_MIN_US * 1000 / milli;
    return us > PERIOD_MAX_US ? PERIOD_MAX_US : us;
}

static int64_t quota_us(int64_t milli)
{
    /* The kernel's own bound is far above any machine, and far below INT64_MAX / 1000. */
    int64_t most = INT64_C(1) << 30, us = milli > most ? most : period_us(milli) * milli / 1000;
    return us < QUOTA_MIN_US ? QUOTA_MIN_US : us;
}

static void put_number(int64_t value, struct text *to)
{
    (void)snprintf(to->at, sizeof(to->at), "%lld", (long long)value);
}

static void put_period(int64_t milli, struct text *to)
{
    put_number(period_us(milli), to);
}

static void put_quota(int64_t milli, struct text *to)
{
    put_number(quota_us(milli), to);
}

static void put_quota_period(int64_t milli, struct text *to)
{
    (void)snprintf(to->at, sizeof(to->at), "%lld %lld", (long long)quota_us(milli),
                   (long long)period_us(milli));
}

static void put_zero(int64_t value, struct text *to)
{
    (void)value;
    put_number(0, to);
}

static void put_one(int64_t value, struct text *to)
{
    put_number(value != 0, to);
}

static void put_bfq(int64_t weight, struct text *to)
{
    put_number(weight > BFQ_MAX ? BFQ_MAX : weight, to);
}

/* ---- the table
 * ------------------------------------------------------------------------------------------------
 */

struct way {
    enum cg_ctl ctl; /* CTL_NONE: no such file */
    const char *file;
    void (*put)(int64_t value, struct text *to);
    const char *none;   /* what says that there is no limit */
    const char *prefix; /* NULL, or: once for each disk, "MAJOR:MINOR " and this in front */
    bool optional;      /* not every kernel has it */
};

/* clang-format off */
static const struct limit {
    enum cg_fact fact;
    size_t offset;
    bool upward; /* a higher limit is written from the last file to the first */
    struct way v1[3], v2[3];
} limits_table[] = {
    {FACT_CPU, offsetof(struct step_limits, cpu_milli), false,
     {{CTL_CPU, "cpu.cfs_period_us", put_period, "100000", NULL, false},
      {CTL_CPU, "cpu.cfs_quota_us", put_quota, "-1", NULL, false}},
     {{CTL_CPU, "cpu.max", put_quota_period, "max 100000", NULL, false}}},
    /* memsw may never be below the other */
    {FACT_MEMORY, offsetof(struct step_limits, memory), true,
     {{CTL_MEMORY, "memory.limit_in_bytes", put_number, "-1", NULL, false},
      {CTL_MEMORY, "memory.memsw.limit_in_bytes", put_number, "-1", NULL, true}},
     {{CTL_MEMORY, "memory.max", put_number, "max", NULL, false},
      {CTL_MEMORY, "memory.swap.max", put_zero, "max", NULL, true},
      {CTL_MEMORY, "memory.oom.group", put_one, "0", NULL, true}}},
    {FACT_PIDS, offsetof(struct step_limits, pids), false,
     {{CTL_PIDS, "pids.max", put_number, "max", NULL, false}},
     {{CTL_PIDS, "pids.max", put_number, "max", NULL, false}}},
    {FACT_IO_WEIGHT, offsetof(struct step_limits, io_weight), false,
     {{CTL_IO, "blkio.bfq.weight", put_bfq, "100", NULL, false}},
     {{CTL_IO, "io.weight", put_number, "100", NULL, true},
      {CTL_IO, "io.bfq.weight", put_bfq, "100", NULL, true}}},
    {FACT_IO_READ, offsetof(struct step_limits, io_read), false,
     {{CTL_IO, "blkio.throttle.read_bps_device", put_number, "0", "", false}},
     {{CTL_IO, "io.max", put_number, "max", "rbps=", false}}},
    {FACT_IO_READ, offsetof(struct step_limits, io_read_ops), false,
     {{CTL_IO, "blkio.throttle.read_iops_device", put_number, "0", "", false}},
     {{CTL_IO, "io.max", put_number, "max", "riops=", false}}},
    {FACT_IO_WRITE, offsetof(struct step_limits, io_write), false,
     {{CTL_IO, "blkio.throttle.write_bps_device", put_number, "0", "", false}},
     {{CTL_IO, "io.max", put_number, "max", "wbps=", false}}},
    {FACT_IO_WRITE, offsetof(struct step_limits, io_write_ops), false,
     {{CTL_IO, "blkio.throttle.write_iops_device", put_number, "0", "", false}},
     {{CTL_IO, "io.max", put_number, "max", "wiops=", false}}},
};
/* clang-format on */

static int64_t value_of(const struct step_limits *limits, const struct limit *row)
{
    int64_t value;
    memcpy(&value, (const char *)limits + row->offset, sizeof(value));
    return value;
}

static bool is_v2(const struct cg *cg, enum cg_ctl ctl)
{
    return cg->tree_of[ctl] >= 0 && cg->trees[cg->tree_of[ctl]].v2;
}

/* Both versions of a row use the same controller. */
static const struct way *ways(const struct cg *cg, const struct limit *row)
{
    return is_v2(cg, row->v2[0].ctl) ? row->v2 : row->v1;
}

/* ---- which trees
 * ---------------------------------------------------------------------------------------------- */

struct step_limits cg_limits_held(const struct cg *cg, const struct step_limits *limits)
{
    struct step_limits held = {0};
    for (size_t i = 0; i < COUNT_OF(limits_table); i++) {
        const struct limit *row = &limits_table[i];
        if (cg->facts[row->fact].why == NULL) {
            memcpy((char *)&held + row->offset, (const char *)limits + row->offset,
                   sizeof(int64_t));
        }
    }
    held.cores =
        (limits->cores != 0 || limits->core_list != NULL) && cg->facts[FACT_CORES].why == NULL;
    return held;
}

unsigned cg_limits_trees(const struct cg *cg, const struct step_limits *held)
{
    unsigned trees = 0;
    for (size_t i = 0; i < COUNT_OF(limits_table); i++) {
        const struct limit *row = &limits_table[i];
        int tree = cg->tree_of[row->v1[0].ctl];
        if (value_of(held, row) != 0 && tree >= 0) {
            trees |= 1U << tree;
        }
    }
    if (held->cores != 0) {
        trees |= 1U << cg->tree_of[CTL_CPUSET];
    }
    if (trees != 0 && cg->kill_tree >= 0) {
        trees |= 1U << cg->kill_tree;
    }
    return trees;
}

bool cg_limits_same(const struct step_limits *a, const struct step_limits *b)
{
    bool same = a->cores == b->cores;
    for (size_t i = 0; i < COUNT_OF(limits_table); i++) {
        same = same && value_of(a, &limits_table[i]) == value_of(b, &limits_table[i]);
    }
    return same;
}

bool cg_limits_poolable(const struct step_limits *held)
{
    /* A period of its own is not changed back: the kernel checks it against the quota. */
    return held->cpu_milli == 0 || held->cpu_milli >= MILLI_MIN;
}

/* ---- writing
 * --------------------------------------------------------------------------------------------------
 */

static void put(const struct way *way, int64_t value, struct text *to)
{
    if (value == 0) {
        (void)snprintf(to->at, sizeof(to->at), "%s", way->none);
    } else {
        way->put(value, to);
    }
}

static bool write_disks(const struct cg *cg, const struct cg_place *place, const struct way *way,
                        const struct text *text, struct err *err)
{
    const struct cg_tree *tree = &cg->trees[cg->tree_of[way->ctl]];
    for (size_t i = 0; i < cg->disk_count; i++) {
        struct err failed = ERR_INIT;
        char line[128];
        (void)snprintf(line, sizeof(line), "%u:%u %s%s", cg->disks[i].major, cg->disks[i].minor,
                       way->prefix, text->at);
        if (!cg_file_write(tree, place->name, way->file, line, &failed) && failed.sys != ENODEV) {
            *err = failed; /* ENODEV: unplugged meanwhile */
            return false;
        }
    }
    return true;
}

static bool write_way(const struct cg *cg, const struct cg_place *place, const struct way *way,
                      int64_t old, int64_t value, struct err *err)
{
    struct text was, text;
    struct err failed = ERR_INIT;
    if (way->ctl == CTL_NONE) {
        return true;
    }
    put(way, old, &was);
    put(way, value, &text);
    if (strcmp(was.at, text.at) == 0) {
        return true;
    }
    if (way->prefix != NULL) {
        return write_disks(cg, place, way, &text, err);
    }
    if (cg_file_write(&cg->trees[cg->tree_of[way->ctl]], place->name, way->file, text.at,
                      &failed) ||
        (way->optional && failed.sys == ENOENT)) {
        return true;
    }
    *err = failed;
    return false;
}

static bool write_limit(const struct cg *cg, const struct cg_place *place, const struct limit *row,
                        int64_t old, int64_t value, struct err *err)
{
    const struct way *way = ways(cg, row);
    const size_t count = COUNT_OF(row->v1);
    bool up = row->upward && old != 0 && (value == 0 || value > old);
    for (size_t i = 0; i < count; i++) {
        if (!write_way(cg, place, &way[up ? count - 1 - i : i], old, value, err)) {
            return false;
        }
    }
    return true;
}

bool cg_limits_write(const struct cg *cg, const struct cg_place *place,
                     const struct step_limits *held, unsigned fresh, struct err *err)
{
    struct err failed = ERR_INIT;
    for (size_t i = 0; i < COUNT_OF(limits_table); i++) {
        const struct limit *row = &limits_table[i];
        int tree = cg->tree_of[row->v1[0].ctl];
        if (tree < 0 || (place->joined & 1U << tree) == 0) {
            continue;
        }
        int64_t old = (fresh & 1U << tree) != 0 ? 0 : value_of(&place->had, row);
        if (!write_limit(cg, place, row, old, value_of(held, row), &failed)) {
            if (err != NULL) {
                *err = failed;
            }
            return false;
        }
    }
    return true;
}

void cg_limits_pids_restore(const struct cg_place *place)
{
    const struct cg *cg = place->cg;
    struct text text = {"max"};
    if (cg->tree_of[CTL_PIDS] < 0) {
        return;
    }
    if (place->wants.pids != 0) {
        put_number(place->wants.pids, &text);
    }
    (void)!cg_file_write(&cg->trees[cg->tree_of[CTL_PIDS]], place->name, "pids.max", text.at, NULL);
}

/* On v1 a new folder has no cpus and no memory nodes, and nothing may enter it. */
bool cg_limits_write_cores(const struct cg *cg, const struct cg_place *place, const char *list,
                           struct err *err)
{
    const struct cg_tree *tree = &cg->trees[cg->tree_of[CTL_CPUSET]];
    char mems[CG_TEXT];
    if (!tree->v2) {
        if (!cg_file_read(tree, NULL, "cpuset.mems", mems)) {
            return err_sys(err, errno, "cannot read %s/cpuset.mems", tree->path);
        }
        mems[strcspn(mems, "\n")] = '\0';
        if (!cg_file_write(tree, place->name, "cpuset.mems", mems, err)) {
            return false;
        }
    }
    return cg_file_write(tree, place->name, "cpuset.cpus", list, err);
}
