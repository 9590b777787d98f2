/*
 * cgroup_v2.c - on v2 a cgroup that has processes cannot hand controllers to its children, the real
 * root excepted. So before places can be made, what is in our own cgroup moves into leaves:
 *
 *   <base>/                      ours; its controllers are handed down
 *     init/                      what else was in it, where it is ours to move; and we, at the end
 *     orchd.PID.START/           cpu.weight 20
 *       launcher/                the launcher
 *       1/ 2/ …                  places
 *
 * Which base, and what may be moved:
 *   the real root                       that, and nothing moves
 *   we are alone in it                  that, the launcher moves
 *   it was delegated, or it is the      that, all move: a delegated cgroup is managed by who is in
 *   root of a container                 it; in a container only what was started there is in it
 *   else, as root                       the real root: the session's own cgroup is systemd's
 *   else                                none; a delegated scope would help
 */
#include "base/mem.h"
#include "executor/step/cgroup_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PARENT_WEIGHT "20" /* of 100: what runs beside us, inference above all, comes first */
#define ROUNDS 20          /* what starts while we move is moved in the next */
#define FIX_SCOPE                                                                                  \
    "systemd-run --user --scope -p Delegate=yes orchctl run …; or run orchd as a unit with "     \
    "Delegate=yes"

static const char *const wanted[] = {"cpu", "memory", "pids", "io", "cpuset"};

struct site {
    char *base; /* owned */
    bool move_self, move_others;
};

/* ---- looking
 * --------------------------------------------------------------------------------------------------
 */

static bool has_file(const char *folder, const char *file, int mode)
{
    AUTO_FREE char *path = mem_printf("%s/%s", folder, file);
    return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0;
}

static bool may_manage(const char *folder)
{
    return has_file(folder, ".", W_OK) && has_file(folder, "cgroup.procs", W_OK) &&
           has_file(folder, "cgroup.subtree_control", W_OK);
}

/* systemd says so in an attribute of the folder. */
static bool is_delegated(const char *folder)
{
    static const char *const names[] = {"user.delegate", "trusted.delegate"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char value[8];
        if (getxattr(folder, names[i], value, sizeof(value)) == 1 && value[0] == '1') {
            return true;
        }
    }
    return false;
}

/* The real root alone has no type. */
static bool is_real_root(const char *folder)
{
    return !has_file(folder, "cgroup.type", F_OK);
}

/* Calls for each process in the folder but us; returns how many there are. */
static size_t each_other(const char *folder, void (*on_pid)(int procs, pid_t pid), int procs)
{
    char line[32];
    size_t count = 0;
    AUTO_FREE char *path = mem_printf("%s/cgroup.procs", folder);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        pid_t pid = (pid_t)strtol(line, NULL, 10);
        if (pid == getpid()) {
            continue;
        }
        count++;
        if (on_pid != NULL) {
            on_pid(procs, pid);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return count;
}

/* ---- the base
 * -------------------------------------------------------------------------------------------------
 */

/* True for ".../orchd.PID.START/launcher"; `ret_len`: of what is before. */
static bool is_launcher_leaf(const char *path, size_t *ret_len)
{
    static const char leaf[] = "/launcher";
    int64_t pid, start;
    size_t len = strlen(path);
    if (len < sizeof(leaf) || strcmp(path + len - (sizeof(leaf) - 1), leaf) != 0) {
        return false;
    }
    AUTO_FREE char *above = mem_strndup(path, len - (sizeof(leaf) - 1));
    const char *name = strrchr(above, '/');
    *ret_len = name == NULL ? 0 : (size_t)(name - above);
    return name != NULL && cg_name_parse(name + 1, &pid, &start);
}

/* We may be in a leaf that an earlier launcher, or a container's start, has moved us to: then what
 * is above it is the base. */
static void leave_leaf(char *base)
{
    size_t len = strlen(base), end = 0;
    if (len > 5 && strcmp(base + len - 5, "/init") == 0) {
        end = len - 5;
    } else if (!is_launcher_leaf(base, &end)) {
        return;
    }
    char saved = base[end];
    base[end] = '\0';
    if (!may_manage(base)) {
        base[end] = saved;
    }
}

static bool choose(const char *mount, const char *own, struct site *ret, struct cg_lack *ret_lack)
{
    AUTO_FREE char *base = mem_printf("%s%s", mount, own);
    if (access(base, F_OK) < 0 || strstr(own, "/..") != NULL) {
        base[strlen(mount)] = '\0'; /* a container without a namespace of cgroups */
    }
    leave_leaf(base);
    size_t others = each_other(base, NULL, -1);
    bool root = geteuid() == 0, manage = may_manage(base);
    if (manage && is_real_root(base)) {
        *ret = (struct site){.base = mem_steal(base)};
        return true;
    }
    if (manage && (others == 0 || is_delegated(base) || (root && strcmp(base, mount) == 0))) {
        *ret = (struct site){.base = mem_steal(base), .move_self = true, .move_others = others > 0};
        return true;
    }
    if (root && is_real_root(mount) && may_manage(mount)) {
        *ret = (struct site){.base = mem_strdup(mount)};
        return true;
    }
    *ret_lack = (struct cg_lack){
        .why = manage ? mem_printf("the cgroup %s has other processes in it and was not delegated",
                                   base)
                      : mem_printf("this user may not write to the cgroup %s", base),
        .fix = root ? "give the container its cgroups writable (podman run --cgroupns=private "
                      "--security-opt unmask=/sys/fs/cgroup, docker run --privileged)"
                    : FIX_SCOPE};
    return false;
}

/* ---- moving
 * ---------------------------------------------------------------------------------------------------
 */

static void move(int procs, pid_t pid)
{
    char text[16];
    int len = snprintf(text, sizeof(text), "%d", (int)pid);
    (void)!write(procs, text, (size_t)len); /* who has ended meanwhile need not move */
}

static bool move_others(const struct cg_tree *tree, const char *base)
{
    if (mkdirat(tree->fd, "../init", 0755) < 0 && errno != EEXIST) {
        return false;
    }
    AUTO_CLOSE int procs = openat(tree->fd, "../init/cgroup.procs", O_WRONLY | O_CLOEXEC);
    for (int i = 0; procs >= 0 && i < ROUNDS; i++) {
        if (each_other(base, move, procs) == 0) {
            return true;
        }
    }
    errno = procs < 0 ? errno : EBUSY; /* what another pid namespace has in it cannot be named */
    return false;
}

static bool move_self(const struct cg_tree *tree)
{
    return (mkdirat(tree->fd, "launcher", 0755) == 0 || errno == EEXIST) &&
           cg_file_write_at(tree->fd, "launcher/cgroup.procs", "0");
}

/* One by one: what one of them refuses does not take the others along. */
static void hand_down(const struct cg_tree *tree, const char *above)
{
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        char text[16], path[64];
        (void)snprintf(text, sizeof(text), "+%s", wanted[i]);
        (void)snprintf(path, sizeof(path), "%scgroup.subtree_control", above);
        (void)!cg_file_write_at(tree->fd, path, text);
    }
}

static bool settle(const struct site *site, const struct cg_tree *tree)
{
    if ((site->move_self && !move_self(tree)) ||
        (site->move_others && !move_others(tree, site->base))) {
        return false;
    }
    hand_down(tree, "../");
    (void)!cg_file_write_at(tree->fd, "cpu.weight", PARENT_WEIGHT);
    hand_down(tree, "");
    return true;
}

bool cg_v2_open(struct cg *cg, const char *mount, const char *own, struct cg_tree *ret,
                struct cg_lack *ret_lack)
{
    struct site site = {0};
    if (!choose(mount, own, &site, ret_lack)) {
        return false;
    }
    AUTO_FREE char *base = site.base;
    struct cg_tree tree = {.v2 = true, .fd = -1, .path = mem_printf("%s/%s", base, cg->name)};
    if (mkdir(tree.path, 0755) == 0 || errno == EEXIST) {
        tree.fd = open(tree.path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (tree.fd >= 0 && settle(&site, &tree)) {
        cg->moved = site.move_self;
        *ret = tree;
        return true;
    }
    *ret_lack = (struct cg_lack){
        .why = mem_printf("the cgroup %s cannot be set up: %s", tree.path, strerror(errno)),
        .fix = geteuid() == 0 ? "" : FIX_SCOPE};
    (void)rmdir(tree.path);
    mem_close_fd(&tree.fd);
    free(tree.path);
    return false;
}

/* The launcher cannot go back to the base, which hands controllers down; so to the leaf of the
 * others. */
void cg_v2_close(const struct cg *cg, const struct cg_tree *tree)
{
    if (cg->moved && (mkdirat(tree->fd, "../init", 0755) == 0 || errno == EEXIST)) {
        (void)!cg_file_write_at(tree->fd, "../init/cgroup.procs", "0");
    }
    (void)unlinkat(tree->fd, "launcher", AT_REMOVEDIR);
}
