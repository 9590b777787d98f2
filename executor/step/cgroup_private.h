/*
 * cgroup_private.h - what cgroup*.c share. A tree is one hierarchy with our own folder in it; on v1
 * each controller has its own (some share one), on v2 all have the same.
 *
 *   cgroup.c         finds the hierarchies by libcgroup, makes the folders
 *   cgroup_v2.c      where on v2 children may be made, and what has to move for it
 *   cgroup_facts.c   which limits hold
 *   cgroup_limits.c  limits and their files, in one table
 *   cgroup_usage.c   figures and their files, in one table
 *   cgroup_place.c   the life of a place
 *   cgroup_kill.c    emptying, removing, what dead launchers left
 *   cgroup_resume.c  a launcher that goes on as another program
 *   cgroup_file.c    reading and writing the files
 */
#ifndef EXECUTOR_STEP_CGROUP_PRIVATE_H
#define EXECUTOR_STEP_CGROUP_PRIVATE_H

#include "executor/step/cgroup.h"

#include <sys/types.h>

#define CG_TEXT 8192 /* the longest file of figures that is read; what is beyond is not seen */

/* "none" is for what needs no controller. */
enum cg_ctl {
    CTL_NONE,
    CTL_PIDS,
    CTL_CPU,
    CTL_CPUACCT,
    CTL_CPUSET,
    CTL_MEMORY,
    CTL_IO,
    CTL_FREEZER,
    CTL_COUNT
};

enum cg_fact {
    FACT_CPU,
    FACT_MEMORY,
    FACT_PIDS,
    FACT_IO_WEIGHT,
    FACT_IO_READ,
    FACT_IO_WRITE,
    FACT_CORES,
    FACT_TREE,
    FACT_COUNT
};

struct cg_tree {
    bool v2;
    char *path; /* of our folder in it, absolute; owned */
    int fd;     /* the same, O_PATH */
};

struct cg_lack { /* why something cannot be had */
    char *why;   /* owned; NULL = it can */
    const char *fix;
};

struct cg_disk {
    unsigned major, minor;
};

struct cg {
    const char *mode;
    char name[64]; /* orchd.PID.START */
    struct cg_tree trees[CG_ENTRIES];
    size_t tree_count;
    int tree_of[CTL_COUNT]; /* an index; -1 = that controller cannot be used */
    int kill_tree;          /* where all processes of a place are found; -1 = none */
    struct cg_lack lacks[CTL_COUNT];
    struct cg_lack facts[FACT_COUNT];
    struct cg_disk *disks; /* owned */
    size_t disk_count;
    bool moved; /* v2: the launcher is in a leaf of its own */
    int64_t next_number;
    struct cg_place *taken, *pooled; /* lists */
    size_t pooled_count;
};

/* What can only grow and was not zero when the place was given out. */
enum cg_count {
    COUNT_CPU,
    COUNT_THROTTLED,
    COUNT_READ,
    COUNT_WRITE,
    COUNT_OOM,
    COUNT_REFUSED,
    COUNT_PIDS_PEAK,
    COUNT_COUNT
};

struct cg_place {
    const struct cg *cg;
    char name[24];
    char *path;               /* owned */
    unsigned joined;          /* a bit for each tree */
    struct step_limits had;   /* what its files say; no texts */
    struct step_limits wants; /* what the step that has it now was given; no texts */
    bool fresh;               /* its folders have never been made */
    bool handed;              /* made before its supervisor lost the right to */
    bool adopted;             /* of the program that was here before: not for the pool */
    /* in the supervisor */
    int entries[CG_ENTRIES]; /* by tree; -1 = none */
    int folder;              /* v2; -1 = none */
    bool made;               /* in all joined trees */
    bool odd;                /* its files say something else than `wants`: not for the pool */
    bool stopped;            /* pids.max is 0 for the time of a kill */
    int64_t refused;         /* before that */
    int64_t base[COUNT_COUNT];
    int64_t seen_pids, seen_bytes; /* the largest that was sampled */
    struct cg_place *prev, *next;
};

/* ---- cgroup_file.c: `folder` below the tree's own folder, NULL = that one itself */

bool cg_file_write(const struct cg_tree *tree, const char *folder, const char *file,
                   const char *text, struct err *err) MUST_CHECK;
bool cg_file_write_at(int dir, const char *file, const char *text) MUST_CHECK; /* sets errno */
bool cg_file_read(const struct cg_tree *tree, const char *folder, const char *file,
                  char ret[CG_TEXT]) MUST_CHECK;
bool cg_file_read_at(int dir, const char *file, char ret[CG_TEXT]) MUST_CHECK;
bool cg_file_exists(const struct cg_tree *tree, const char *file); /* and may be written */
/* Replaces the list by what /sys/block has now. */
void cg_disks_read(struct cg *cg);
/* In ticks since boot, -1 where there is no such process. */
int64_t cg_start_time(pid_t pid);
/* True for orchd.PID.START. */
bool cg_name_parse(const char *name, int64_t *ret_pid, int64_t *ret_start);
bool cg_is_number(const char *name);

/* ---- cgroup_v2.c: makes the folder of `cg` below the mount point `mount`, where `own` is the path
 * of this process in it; the tree, or false with `ret_lack`. */
bool cg_v2_open(struct cg *cg, const char *mount, const char *own, struct cg_tree *ret,
                struct cg_lack *ret_lack) MUST_CHECK;
void cg_v2_close(const struct cg *cg, const struct cg_tree *tree);

/* ---- cgroup_facts.c */
void cg_facts_find(struct cg *cg);

/* ---- cgroup_limits.c */

/* Takes out what does not hold, and the texts. `cores` stays 1 where any are asked for. */
struct step_limits cg_limits_held(const struct cg *cg, const struct step_limits *limits);
unsigned cg_limits_trees(const struct cg *cg, const struct step_limits *held);
/* `fresh`: the trees whose folder is new. */
bool cg_limits_write(const struct cg *cg, const struct cg_place *place,
                     const struct step_limits *held, unsigned fresh, struct err *err) MUST_CHECK;
bool cg_limits_write_cores(const struct cg *cg, const struct cg_place *place, const char *list,
                           struct err *err) MUST_CHECK;
bool cg_limits_same(const struct step_limits *a, const struct step_limits *b);
/* May a place with these limits be used again? */
bool cg_limits_poolable(const struct step_limits *held);
void cg_limits_pids_restore(const struct cg_place *place);

/* ---- cgroup_usage.c */
void cg_usage_reset(struct cg_place *place, unsigned fresh);

/* ---- cgroup_place.c */
struct cg_place *cg_place_new(struct cg *cg, unsigned joined, const char *name);
void cg_place_free(struct cg_place *place, bool remove); /* `remove`: its folders too */

/* ---- cgroup_kill.c */

/* Kills all below the folder; `suffix`: the end of its path, "orchd.1.2/3". Returns how many were
 * alive. */
size_t cg_kill_at(int dir, const char *suffix);
bool cg_is_empty_at(int dir);
/* False with errno where it could not be removed. Missing is fine. */
bool cg_remove_at(int parent, const char *name) MUST_CHECK;
/* Our own folder, where nothing is in it. */
void cg_tree_remove(const struct cg *cg, const struct cg_tree *tree);
/* Removes what dead launchers left beside us. */
void cg_remove_stale(const struct cg_tree *tree, const char *own_name);

#endif
