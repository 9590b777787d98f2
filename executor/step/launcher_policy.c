/*
 * launcher_policy.c - who may come, and what an engine that is not root may have done by a launcher
 * that is: nothing that it could not do itself, but for limits, which only take away. So all that
 * is done for it is done by a process that has become its user: supervisors, once their place in
 * the cgroups has been made, and who kills what its steps left.
 *
 * Users and groups are looked up in /etc/passwd and /etc/group alone: this program has no
 * libraries that would ask a directory. Those of a directory are named by their numbers.
 */
#include "executor/step/launcher_internal.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- who may come
 * ---------------------------------------------------------------------------------- */

static bool find_user(const char *name, int64_t *ret)
{
    FILE *file = fopen("/etc/passwd", "re");
    struct passwd *entry = NULL;
    while (file != NULL && (entry = fgetpwent(file)) != NULL && strcmp(entry->pw_name, name) != 0) {
    }
    *ret = entry != NULL ? (int64_t)entry->pw_uid : 0;
    if (file != NULL) {
        (void)fclose(file);
    }
    return entry != NULL;
}

static bool find_group(const char *name, int64_t *ret)
{
    FILE *file = fopen("/etc/group", "re");
    struct group *entry = NULL;
    while (file != NULL && (entry = fgetgrent(file)) != NULL && strcmp(entry->gr_name, name) != 0) {
    }
    *ret = entry != NULL ? (int64_t)entry->gr_gid : 0;
    if (file != NULL) {
        (void)fclose(file);
    }
    return entry != NULL;
}

bool policy_read(const char *const *allow, size_t count, struct policy *ret, struct err *err)
{
    struct policy policy = {.uids = mem_array(count + 1, sizeof(uid_t)),
                            .gids = mem_array(count + 1, sizeof(gid_t))};
    for (size_t i = 0; i < count; i++) {
        bool is_group = allow[i][0] == '%';
        const char *name = allow[i] + is_group;
        int64_t id = 0;
        bool found = text_int(name, &id) ? id >= 0 && id < UINT32_MAX
                     : is_group          ? find_group(name, &id)
                                         : find_user(name, &id);
        if (!found) {
            free(policy.uids);
            free(policy.gids);
            return err_set(err, ERR_USAGE,
                           "--allow %s: /etc/%s knows no such %s: name it by its number", allow[i],
                           is_group ? "group" : "passwd", is_group ? "group" : "user");
        }
        if (is_group) {
            policy.gids[policy.gid_count++] = (gid_t)id;
        } else {
            policy.uids[policy.uid_count++] = (uid_t)id;
        }
    }
    *ret = policy;
    return true;
}

static bool is_member(const struct peer *p, gid_t gid)
{
    bool found = p->gid == gid;
    for (size_t i = 0; i < p->group_count && !found; i++) {
        found = p->groups[i] == gid;
    }
    return found;
}

bool policy_admits(const struct policy *policy, const struct peer *p)
{
    bool found = p->uid == 0 || p->uid == geteuid();
    for (size_t i = 0; i < policy->uid_count && !found; i++) {
        found = policy->uids[i] == p->uid;
    }
    for (size_t i = 0; i < policy->gid_count && !found; i++) {
        found = is_member(p, policy->gids[i]);
    }
    return found;
}

/* ---- what it may
 * ----------------------------------------------------------------------------------- */

bool policy_binds(const struct peer *p)
{
    return p->uid != 0 && geteuid() == 0;
}

static bool check_owner(const struct peer *p, int fd, const char *what, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_uid != p->uid) {
        return err_set(err, ERR_DENIED, "the launcher refused: %s does not belong to user %u", what,
                       (unsigned)p->uid);
    }
    return true;
}

/* A user in the spec must be the peer, with no other groups than it has. */
static bool check_user(const struct peer *p, const struct step_sandbox *s, struct err *err)
{
    if (s->uid != (int64_t)p->uid) {
        return err_set(err, ERR_DENIED,
                       "the launcher refused: an engine of user %u may run steps as that user "
                       "alone, not as user %lld",
                       (unsigned)p->uid, (long long)s->uid);
    }
    bool ok = s->gid == (int64_t)p->gid;
    for (size_t i = 0; i < s->group_count && ok; i++) {
        ok = is_member(p, (gid_t)strtoul(s->groups[i], NULL, 10));
    }
    return ok || err_set(err, ERR_DENIED,
                         "the launcher refused: the step is to run with other groups than the "
                         "engine of user %u has",
                         (unsigned)p->uid);
}

bool policy_spec(const struct peer *p, int folder, int record, const void *spec, size_t spec_len,
                 struct buf *ret, struct err *err)
{
    struct step_spec decoded = {0};
    if (!check_owner(p, folder, "the attempt's folder", err) ||
        !check_owner(p, record, "the attempt's record", err) ||
        !step_spec_decode(spec, spec_len, &decoded, err)) {
        return false;
    }
    bool ok = true;
    if (decoded.sandbox.has_user) {
        ok = check_user(p, &decoded.sandbox, err);
        decoded.sandbox.has_user = false;
        ok = ok && step_spec_encode(&decoded, ret, err);
    }
    step_spec_done(&decoded);
    return ok;
}

bool policy_become(const struct peer *p)
{
    return setgroups(p->group_count, p->groups) == 0 && setresgid(p->gid, p->gid, p->gid) == 0 &&
           setresuid(p->uid, p->uid, p->uid) == 0;
}
