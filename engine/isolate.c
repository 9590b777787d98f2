/*
 * isolate.c - from a step of the pipeline to the limits and the sandbox that its supervisor is
 * told, and the folders that another user must pass through.
 */
#include "engine/isolate.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* Of any, or the ones named: the spec has one or the other. */
static void take_share(const struct dag_share *share, struct arena *a, int64_t *ret_count,
                       char **ret_list)
{
    *ret_count = share->list != NULL ? 0 : share->count;
    *ret_list = share->list != NULL ? arena_strdup(a, share->list) : NULL;
}

void isolate_limits(const struct dag_step *step, struct arena *a, struct step_limits *ret)
{
    const struct dag_resources *r = &step->resources;
    *ret = (struct step_limits){
        .cpu_milli = r->cpu_milli,
        .memory = r->memory,
        .pids = r->pids,
        .io_weight = r->io.weight,
        .io_read = r->io.read,
        .io_write = r->io.write,
        .io_read_ops = r->io.read_iops,
        .io_write_ops = r->io.write_iops,
        .best_effort = step->isolation == DAG_ISOLATION_BEST_EFFORT,
    };
    take_share(&r->cores, a, &ret->cores, &ret->core_list);
    take_share(&r->gpu, a, &ret->gpus, &ret->gpu_list);
}

static char **copy_paths(const char *const *paths, size_t count, struct arena *a)
{
    char **copy = arena_array(a, count + 1, sizeof(*copy));
    for (size_t i = 0; i < count; i++) {
        copy[i] = arena_strdup(a, paths[i]);
    }
    return copy;
}

static void take_writable(const struct dag_sandbox *box, struct arena *a, struct step_sandbox *ret)
{
    /* Given and empty means: nowhere but in its own folders. The spec knows "given" from there
     * being some; what everybody may write to adds nothing. */
    static const char *const nowhere[] = {"/dev/null"};
    bool empty = box->writable != NULL && box->writable_count == 0;
    ret->writable_count = empty ? 1 : box->writable_count;
    ret->writable = copy_paths(empty ? nowhere : box->writable, ret->writable_count, a);
}

static int64_t given(int64_t number)
{
    return number >= 0 ? number : 0;
}

void isolate_sandbox(const struct dag_step *step, const struct user *user, bool shared,
                     struct arena *a, struct step_sandbox *ret)
{
    const struct dag_sandbox *box = &step->sandbox;
    *ret = (struct step_sandbox){
        .privileged = box->privileged,
        .no_network = step->network == DAG_NETWORK_NONE,
        .private_tmp = box->private_tmp,
        .has_umask = box->umask >= 0,
        .umask = given(box->umask),
        .has_core = box->core >= 0,
        .core = given(box->core),
        .has_open_files = box->open_files >= 0,
        .open_files = given(box->open_files),
        .shared = shared,
        .read_only = copy_paths(box->read_only, box->read_only_count, a),
        .read_only_count = box->read_only_count,
        .hidden = copy_paths(box->hidden, box->hidden_count, a),
        .hidden_count = box->hidden_count,
    };
    take_writable(box, a, ret);
    if (user != NULL && user_is_other(user)) {
        ret->has_user = true;
        ret->uid = user->uid;
        ret->gid = user->gid;
        ret->groups = user->groups;
        ret->group_count = user->group_count;
    }
}

bool isolate_asks(const struct dag_step *step)
{
    const struct dag_resources *r = &step->resources;
    const struct dag_sandbox *box = &step->sandbox;
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct step_limits limits;
    if (step->user != NULL || r->cores.count > 0 || r->gpu.count > 0) {
        return true; /* also with best-effort */
    }
    isolate_limits(step, &a, &limits);
    return !limits.best_effort &&
           (step_limits_any(&limits) || step->network == DAG_NETWORK_NONE || box->private_tmp ||
            box->writable != NULL || box->read_only_count + box->hidden_count > 0);
}

/* ---- folders
 * --------------------------------------------------------------------------------------- */

static bool change_mode(const char *path, mode_t add, mode_t remove, struct err *err)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return errno == ENOENT || err_sys(err, errno, "%s", path);
    }
    mode_t mode = ((st.st_mode & 07777) | add) & ~remove;
    return mode == (st.st_mode & 07777) || chmod(path, mode) == 0 ||
           err_sys(err, errno, "cannot change the permissions of %s", path);
}

bool isolate_share(const char *data_dir, const char *run_dir, struct err *err)
{
    static const char *const closed[] = {"orch.db", "orch.db-wal", "orch.db-shm", "secrets",
                                         "artifacts"};
    static const char *const open[] = {"", "/runs"};
    for (size_t i = 0; i < COUNT_OF(closed); i++) {
        AUTO_FREE char *path = mem_printf("%s/%s", data_dir, closed[i]);
        if (!change_mode(path, 0, 077, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < COUNT_OF(open); i++) {
        AUTO_FREE char *path = mem_printf("%s%s", data_dir, open[i]);
        if (!change_mode(path, 011, 0, err)) {
            return false;
        }
    }
    return change_mode(run_dir, 011, 0, err);
}
