/*
 * cgroup.h - the host's cgroups (v1, hybrid, v2), as far as this process may use them, and the
 * place of one attempt in them.
 *
 *   launcher    cg_open() once: finds the hierarchies, makes a folder of its own in each
 *               cg_facts(): which limits hold here
 *               cg_take() before a fork: a place, prepared or new       (no system call where
 * pooled) supervisor  cg_make(): its folders are there, empty, with these limits cg_entries(): what
 * the command opens, as it were, before its exec cg_usage(), cg_oom_kills(), cg_kill() while it
 * runs; cg_leave() at the end launcher    cg_give() when the supervisor has ended, well or not
 *
 * Names of places are numbers of ours, so what a step is called never reaches a path. Each launcher
 * has a folder of its own, orchd.PID.START, below the cgroup that it was started in; on v2 it moves
 * itself into a leaf beside its places first, since a cgroup with processes in it has no children
 * with limits. A folder whose launcher is gone is removed by the next one, as far as it is empty.
 *
 * What is true after kill -9 of the supervisor: the command died with it; what it left is in the
 * place, and cg_give() kills it. Of the launcher: places stay where they are, supervisors go on and
 * remove their own; what a supervisor that dies later leaves is found by the path in the record.
 */
#ifndef EXECUTOR_STEP_CGROUP_H
#define EXECUTOR_STEP_CGROUP_H

#include "executor/step/facts.h"

#define CG_ENTRIES 8 /* hierarchies that one place may be in */

struct cg;
struct cg_place;

/* Never NULL: where there are no cgroups that may be used, the facts say so. Blocks for some ms. */
struct cg *cg_open(void);
/* Removes what is empty, closes. Places that are taken stay. */
void cg_close(struct cg *cg);
/* Adds: cpu, memory, pids, io.weight, io.read, io.write, cores (amount: of the host), tree (its
 * `why` says how a tree is killed where it holds). */
void cg_facts(const struct cg *cg, struct step_facts *ret);
/* "v1", "hybrid", "v2" or "none"; borrowed for ever. */
const char *cg_mode(const struct cg *cg);

/* A place for a step with these limits; NULL where they need none. Owned by cg until cg_give(). */
struct cg_place *cg_take(struct cg *cg, const struct step_limits *limits);
/* `clean`: its supervisor said that nothing is left. Else everything in it is killed first; false
 * where something is still alive: to be called again. After true the place is gone. */
bool cg_give(struct cg *cg, struct cg_place *place, bool clean) MUST_CHECK;

/* In the supervisor. `core_list`: the cpus that pool_take() gave, or NULL. False where a limit
 * could not be set: nothing may be started. */
bool cg_make(struct cg *cg, struct cg_place *place, const struct step_limits *limits,
             const char *core_list, struct err *err) MUST_CHECK;
/* Makes it for a supervisor that is about to give up the right to: its own cg_make() has nothing
 * left to do. No cores. */
bool cg_hand(struct cg *cg, struct cg_place *place, const struct step_limits *limits,
             struct err *err) MUST_CHECK;
/* Descriptors (O_CLOEXEC, owned by the place): a process of one thread that writes "0" to each is
 * in the place. Returns how many. */
size_t cg_entries(const struct cg_place *place, int ret[CG_ENTRIES]);
/* v2: the place's folder (owned by it), for clone3(CLONE_INTO_CGROUP), which does not wait for what
 * forks and execs on the host as the write of a "0" does there (some ms); who starts in it need not
 * write to the entry that is its. -1 on v1 and hybrid hosts, whose entries do not wait. */
int cg_folder(const struct cg_place *place);
/* The absolute path that a reader of the record finds the tree by: one hierarchy that has all of
 * its processes. Borrowed. */
const char *cg_path(const struct cg_place *place);
/* What the place has taken; members that its hierarchies do not measure stay as they are. */
void cg_usage(struct cg_place *place, struct step_usage *ret);
/* How many processes in it the memory limit has killed since cg_make(). */
int64_t cg_oom_kills(const struct cg_place *place);
/* How often its pids limit has refused a process since cg_make(). */
int64_t cg_pids_refused(const struct cg_place *place);
/* Stops forking in it and kills everything in it. Returns how many were alive; to be called until
 * that is 0. */
size_t cg_kill(struct cg_place *place);
/* Says that nothing of it is needed any more: removes its folders where its launcher is gone, else
 * leaves them to cg_give(). */
void cg_leave(struct cg *cg, struct cg_place *place, bool launcher_lives);

/* For a launcher that goes on as another program, by exec: what that needs to know of the cgroups,
 * and the name of each place that is taken. cg_save() empties the pool. cg_restore() is never NULL;
 * cg_adopt() is, where nothing is left of the place. */
void cg_save(struct cg *cg, struct buf *ret);
struct cg *cg_restore(const void *data, size_t len);
const char *cg_place_name(const struct cg_place *place); /* borrowed */
struct cg_place *cg_adopt(struct cg *cg, const char *name);

/* Kills everything in the cgroup of a record, wherever its launcher was: only in a file system of
 * cgroups, and only in a folder of ours (orchd.N.N/N). Returns how many were alive, 0 where there
 * is no such folder; removes it where it is empty. */
size_t cg_kill_path(const char *path);

#endif
