/*
 * cgroup.c - finds the hierarchies, and makes a folder of our own in each. The only file that calls
 * libcgroup: it knows which controller is mounted where and where we are in it, and makes the
 * parents on v1. On v2 it knows the mount points of controllers only, so that a hierarchy without
 * any, our place in it, and what has to move there are found without it (cgroup_v2.c).
 */
#include "base/mem.h"
#include "executor/step/cgroup_private.h"

#include <errno.h>
#include <fcntl.h>
#include <libcgroup.h>
#include <limits.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>
#include <utlist.h>

#define PARENT_SHARES 205 /* of 1024: what runs beside us, inference above all, comes first */

/* On v1 two controllers are of use only where they cost nothing: the time of cpuacct where it comes
 * with another, the freezer where there is no pids controller. */
/* clang-format off */
static const struct controller {
    enum cg_ctl ctl;
    const char *v1, *v2; /* what the versions call it; NULL = it is not there */
} controllers[] = {
    {CTL_PIDS,    "pids",    "pids"},
    {CTL_CPU,     "cpu",     "cpu"},
    {CTL_CPUSET,  "cpuset",  "cpuset"},
    {CTL_MEMORY,  "memory",  "memory"},
    {CTL_IO,      "blkio",   "io"},
    {CTL_CPUACCT, "cpuacct", NULL},
    {CTL_FREEZER, "freezer", NULL},
};
/* clang-format on */

static const char *ctl_name(enum cg_ctl ctl)
{
    for (size_t i = 0; i < COUNT_OF(controllers); i++) {
        if (controllers[i].ctl == ctl) {
            return controllers[i].v1;
        }
    }
    return "";
}

static void set_lack(struct cg_lack *lack, char *why, const char *fix)
{
    free(lack->why);
    *lack = (struct cg_lack){.why = why, .fix = fix};
}

/* ---- v1
 * -------------------------------------------------------------------------------------------------------
 */

static const char *fix_of(int sysno)
{
    if (sysno == EROFS) {
        return "give the container its cgroups writable, or start it with cgroup v2 and a cgroup "
               "namespace of its own";
    }
    return geteuid() == 0 ? ""
                          : "run it as root, or boot with cgroup v2 and use systemd-run "
                            "--user --scope -p Delegate=yes";
}

static int find_tree(const struct cg *cg, const char *path)
{
    for (size_t i = 0; i < cg->tree_count; i++) {
        if (strcmp(cg->trees[i].path, path) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static bool is_fs(const char *path, unsigned long magic)
{
    struct statfs fs;
    return statfs(path, &fs) == 0 && (unsigned long)fs.f_type == magic;
}

/* Where this process is in the controller's hierarchy: its mount point, and the path below it; both
 * owned by the caller. What is mounted may begin below the root that the path is told from (a
 * container without a namespace of cgroups): then the mount point is where we are. */
static bool find_own(const char *controller, char **ret_mount, char **ret_own)
{
    AUTO_FREE char *mount = NULL, *own = NULL;
    if (cgroup_get_subsys_mount_point(controller, &mount) != 0) {
        return false;
    }
    if (cgroup_get_current_controller_path(getpid(), controller, &own) != 0) {
        own = NULL;
    }
    AUTO_FREE char *path = own == NULL ? NULL : mem_printf("%s%s", mount, own);
    bool there = path != NULL && access(path, F_OK) == 0 && strstr(own, "/..") == NULL;
    *ret_own = there && strcmp(own, "/") != 0 ? mem_steal(own) : mem_strdup("");
    *ret_mount = mem_steal(mount);
    return true;
}

/* The parents go through libcgroup. Returns 0 or an errno. */
static int make_parent(const struct cg *cg, const char *controller, const char *own)
{
    AUTO_FREE char *name = mem_printf("%s/%s", own, cg->name);
    struct cgroup *group = cgroup_new_cgroup(name[0] == '/' ? name + 1 : name);
    struct cgroup_controller *settings =
        group == NULL ? NULL : cgroup_add_controller(group, controller);
    int failed = settings == NULL ? ENOMEM : 0;
    if (failed == 0 && strcmp(controller, "cpu") == 0) {
        failed = cgroup_add_value_uint64(settings, "cpu.shares", PARENT_SHARES) == 0 ? 0 : ENOMEM;
    }
    if (failed == 0) {
        int code = cgroup_create_cgroup(group, 1);
        failed = code == 0 ? 0 : code == ECGOTHER ? cgroup_get_last_errno() : EIO;
    }
    cgroup_free(&group);
    return failed;
}

/* On v1 nothing may enter a folder without cpus and memory nodes. */
static bool fill_cpuset(const struct cg_tree *tree)
{
    static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char text[CG_TEXT], above[64];
        (void)snprintf(above, sizeof(above), "../%s", files[i]);
        if (!cg_file_read(tree, NULL, above, text)) {
            return false;
        }
        text[strcspn(text, "\n")] = '\0';
        if (!cg_file_write(tree, NULL, files[i], text, NULL)) {
            return false;
        }
    }
    return true;
}

static int add_tree(struct cg *cg, struct cg_tree *tree)
{
    if (cg->tree_count == CG_ENTRIES) {
        return -1;
    }
    cg->trees[cg->tree_count] = *tree;
    return (int)cg->tree_count++;
}

static int open_v1(struct cg *cg, enum cg_ctl ctl, const char *mount, const char *own)
{
    const char *name = ctl_name(ctl);
    AUTO_FREE char *base = mem_printf("%s%s", mount, own);
    struct cg_tree tree = {.fd = -1, .path = mem_printf("%s/%s", base, cg->name)};
    int failed = access(base, W_OK) < 0 ? errno : make_parent(cg, name, own);
    if (failed == 0) {
        tree.fd = open(tree.path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        failed = tree.fd < 0 ? errno : ctl == CTL_CPUSET && !fill_cpuset(&tree) ? errno : 0;
    }
    int index = failed == 0 ? add_tree(cg, &tree) : -1;
    if (index < 0) {
        set_lack(&cg->lacks[ctl],
                 mem_printf("no folder can be made in %s (controller %s): %s", base, name,
                            strerror(failed)),
                 fix_of(failed));
        mem_close_fd(&tree.fd);
        free(tree.path);
    }
    return index;
}

static void use_v1(struct cg *cg, const struct controller *c)
{
    AUTO_FREE char *mount = NULL, *own = NULL;
    if (!find_own(c->v1, &mount, &own) || !is_fs(mount, CGROUP_SUPER_MAGIC)) {
        return;
    }
    AUTO_FREE char *path = mem_printf("%s%s/%s", mount, own, cg->name);
    int tree = find_tree(cg, path);
    bool alone = c->ctl == CTL_CPUACCT || (c->ctl == CTL_FREEZER && cg->tree_of[CTL_PIDS] >= 0);
    cg->tree_of[c->ctl] = tree >= 0 || alone ? tree : open_v1(cg, c->ctl, mount, own);
}

/* ---- v2
 * -------------------------------------------------------------------------------------------------------
 */

/* The first mount of the unified hierarchy; NULL = none; owned by the caller. libcgroup knows it by
 * its controllers only. */
static char *find_v2_mount(void)
{
    char line[PATH_MAX * 2], *mount = NULL;
    struct mntent entry;
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    while (mounts != NULL && mount == NULL &&
           getmntent_r(mounts, &entry, line, sizeof(line)) != NULL) {
        if (strcmp(entry.mnt_type, "cgroup2") == 0) {
            mount = mem_strdup(entry.mnt_dir);
        }
    }
    if (mounts != NULL) {
        (void)endmntent(mounts);
    }
    return mount;
}

/* "0::/path"; owned by the caller. */
static char *find_v2_own(void)
{
    char text[CG_TEXT];
    if (!cg_file_read_at(AT_FDCWD, "/proc/self/cgroup", text)) {
        return mem_strdup("");
    }
    const char *at = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    if (at == NULL) {
        return mem_strdup("");
    }
    at = strchr(at, '/');
    size_t len = at == NULL ? 0 : strcspn(at, "\n");
    return len <= 1 ? mem_strdup("") : mem_strndup(at, len);
}

static bool lists(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = text; (at = strstr(at, name)) != NULL; at += len) {
        if ((at == text || at[-1] == ' ') &&
            (at[len] == '\0' || at[len] == ' ' || at[len] == '\n')) {
            return true;
        }
    }
    return false;
}

/* Of a hybrid host the unified hierarchy is used only for controllers that v1 does not have. */
static bool is_v2_of_use(const struct cg *cg, const char *mount)
{
    char text[CG_TEXT];
    AUTO_FREE char *path = mem_printf("%s/cgroup.controllers", mount);
    if (cg->tree_count == 0) {
        return strcmp(cg->mode, "v2") == 0;
    }
    for (size_t i = 0; cg_file_read_at(AT_FDCWD, path, text) && i < COUNT_OF(controllers); i++) {
        const struct controller *c = &controllers[i];
        if (c->v2 != NULL && cg->tree_of[c->ctl] < 0 && lists(text, c->v2)) {
            return true;
        }
    }
    return false;
}

/* Why a controller that the host has is not among those of our folder. */
static void lack_v2(struct cg *cg, const struct controller *c, const struct cg_tree *tree)
{
    set_lack(&cg->lacks[c->ctl],
             mem_printf("the controller %s is not handed down to %s", c->v2, tree->path),
             "run orchd as a unit, or in a scope, with Delegate=cpu cpuset io memory pids");
}

static void use_v2(struct cg *cg, const char *mount)
{
    struct cg_lack lack = {0};
    struct cg_tree tree;
    char here[CG_TEXT] = "", all[CG_TEXT] = "";
    AUTO_FREE char *own = find_v2_own();
    AUTO_FREE char *path = mem_printf("%s/cgroup.controllers", mount);
    int index = -1;
    (void)!cg_file_read_at(AT_FDCWD, path, all);
    if (cg_v2_open(cg, mount, own, &tree, &lack)) {
        index = add_tree(cg, &tree);
        (void)!cg_file_read(&tree, NULL, "cgroup.subtree_control", here);
    }
    for (size_t i = 0; i < COUNT_OF(controllers); i++) {
        const struct controller *c = &controllers[i];
        if (c->v2 == NULL || cg->tree_of[c->ctl] >= 0 || !lists(all, c->v2)) {
            continue;
        }
        if (index < 0) {
            set_lack(&cg->lacks[c->ctl], mem_strdup(lack.why), lack.fix);
        } else if (lists(here, c->v2)) {
            cg->tree_of[c->ctl] = index;
        } else {
            lack_v2(cg, c, &tree);
        }
    }
    free(lack.why);
}

/* ---- both
 * ----------------------------------------------------------------------------------------------------
 */

static void find_hierarchies(struct cg *cg)
{
    AUTO_FREE char *v2 = find_v2_mount();
    int code = cgroup_init();
    bool v1 = false;
    for (size_t i = 0; i < COUNT_OF(controllers); i++) {
        AUTO_FREE char *mount = NULL;
        v1 = v1 || (code == 0 && cgroup_get_subsys_mount_point(controllers[i].v1, &mount) == 0 &&
                    is_fs(mount, CGROUP_SUPER_MAGIC));
    }
    cg->mode = v1 && v2 != NULL ? "hybrid" : v1 ? "v1" : v2 != NULL ? "v2" : "none";
    for (size_t i = 0; v1 && i < COUNT_OF(controllers); i++) {
        use_v1(cg, &controllers[i]);
    }
    if (v2 != NULL && is_v2_of_use(cg, v2)) {
        use_v2(cg, v2);
    }
    if (code != 0 && v2 == NULL) {
        for (size_t i = 0; i < CTL_COUNT; i++) {
            set_lack(&cg->lacks[i],
                     mem_printf("no cgroups are mounted (%s)", cgroup_strerror(code)),
                     "mount -t cgroup2 none /sys/fs/cgroup");
        }
    }
}

static void choose_kill_tree(struct cg *cg)
{
    static const enum cg_ctl by[] = {CTL_PIDS, CTL_FREEZER};
    cg->kill_tree = -1;
    for (size_t i = 0; i < COUNT_OF(by) && cg->kill_tree < 0; i++) {
        cg->kill_tree = cg->tree_of[by[i]];
    }
    for (size_t i = 0; i < cg->tree_count && cg->kill_tree < 0; i++) {
        cg->kill_tree = cg->trees[i].v2 ? (int)i : -1;
    }
}

struct cg *cg_open(void)
{
    struct cg *cg = mem_alloc(sizeof(*cg));
    (void)snprintf(cg->name, sizeof(cg->name), "orchd.%d.%lld", (int)getpid(),
                   (long long)cg_start_time(getpid()));
    for (size_t i = 0; i < CTL_COUNT; i++) {
        cg->tree_of[i] = -1;
        set_lack(
            &cg->lacks[i],
            mem_printf("this host has no cgroup controller %s", ctl_name((enum cg_ctl)i)),
            "use a kernel that has it switched on (memory: cgroup_enable=memory), and mount it");
    }
    find_hierarchies(cg);
    choose_kill_tree(cg);
    cg_disks_read(cg);
    cg_facts_find(cg);
    for (size_t i = 0; i < cg->tree_count; i++) {
        cg_remove_stale(&cg->trees[i], cg->name);
    }
    return cg;
}

const char *cg_mode(const struct cg *cg)
{
    return cg->mode;
}

static void free_lacks(struct cg_lack *lacks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(lacks[i].why);
    }
}

void cg_close(struct cg *cg)
{
    for (struct cg_place *place; (place = cg->pooled) != NULL;) {
        DL_DELETE(cg->pooled, place);
        cg_place_free(place, true);
    }
    for (struct cg_place *place; (place = cg->taken) != NULL;) {
        DL_DELETE(cg->taken, place);
        cg_place_free(place, false);
    }
    for (size_t i = 0; i < cg->tree_count; i++) {
        struct cg_tree *tree = &cg->trees[i];
        if (tree->v2) {
            cg_v2_close(cg, tree);
        }
        cg_tree_remove(cg, tree);
        mem_close_fd(&tree->fd);
        free(tree->path);
    }
    free_lacks(cg->lacks, CTL_COUNT);
    free_lacks(cg->facts, FACT_COUNT);
    free(cg->disks);
    free(cg);
}
