/*
 * user.c - who a step runs as. Names are looked up here, by NSS: orch-step takes numbers alone.
 */
#include "engine/isolate.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "executor/step/step.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENTRY_BYTES (1UL << 20) /* of a line of passwd or group, however long its list */
#define NO_ID UINT32_MAX

struct known_user {
    const char *text;
    const struct user *user; /* NULL = there is none: */
    const char *why;
    enum err_code code;
    struct known_user *next;
};

/* What the look-ups say where there is none. */
static bool is_absent(int sys)
{
    return sys == 0 || sys == ENOENT || sys == ESRCH || sys == EBADF || sys == EPERM;
}

static bool parse_id(const char *text, int64_t *ret)
{
    return text[strspn(text, "0123456789")] == '\0' && text_int(text, ret) && *ret < NO_ID;
}

static int look_up_user(const char *name, int64_t id, struct passwd *ret, char *room, size_t size,
                        struct passwd **ret_found)
{
    return name != NULL ? getpwnam_r(name, ret, room, size, ret_found)
                        : getpwuid_r((uid_t)id, ret, room, size, ret_found);
}

/* The entry of a user by name, or by number where `name` is NULL; texts in the arena. */
static bool find_entry(const char *name, int64_t id, struct arena *a, struct passwd *ret,
                       bool *ret_found, struct err *err)
{
    for (size_t size = 1024; size <= ENTRY_BYTES; size *= 4) {
        struct passwd *found = NULL;
        int sys = look_up_user(name, id, ret, arena_alloc(a, size), size, &found);
        if (sys != ERANGE) {
            *ret_found = found != NULL;
            return found != NULL || is_absent(sys) || err_sys(err, sys, "looking up the user");
        }
    }
    return err_set(err, ERR_LIMIT, "the entry of the user has more than %lu bytes", ENTRY_BYTES);
}

static bool find_group(const char *name, struct arena *a, int64_t *ret, struct err *err)
{
    if (parse_id(name, ret)) {
        return true;
    }
    for (size_t size = 1024; size <= ENTRY_BYTES; size *= 4) {
        struct group entry, *found = NULL;
        int sys = getgrnam_r(name, &entry, arena_alloc(a, size), size, &found);
        if (found != NULL) {
            *ret = entry.gr_gid;
            return true;
        }
        if (sys != ERANGE) {
            return is_absent(sys)
                       ? err_set(err, ERR_INVALID, "there is no group '%s' on this host", name)
                       : err_sys(err, sys, "looking up the group '%s'", name);
        }
    }
    return err_set(err, ERR_LIMIT, "the group '%s' has too many members", name);
}

/* All groups of a user but the one that is passed beside them. */
static bool find_groups(const char *name, struct arena *a, struct user *user, struct err *err)
{
    int count = 64;
    gid_t *ids = arena_array(a, (size_t)count, sizeof(*ids));
    if (getgrouplist(name, (gid_t)user->gid, ids, &count) < 0 && count > 0) {
        ids = arena_array(a, (size_t)count, sizeof(*ids));
        if (getgrouplist(name, (gid_t)user->gid, ids, &count) < 0) {
            return err_set(err, ERR_UNAVAILABLE, "the groups of user '%s' cannot be read", name);
        }
    }
    if (count > STEP_GROUPS) {
        return err_set(err, ERR_LIMIT, "user '%s' is in more than %d groups", name, STEP_GROUPS);
    }
    user->groups = arena_array(a, (size_t)count + 1, sizeof(*user->groups));
    for (int i = 0; i < count; i++) {
        if (ids[i] != user->gid) {
            user->groups[user->group_count++] = arena_printf(a, "%u", (unsigned)ids[i]);
        }
    }
    return true;
}

/* A number without an entry is a user too, of whom nothing else is known. */
static bool bare_number(const char *name, bool has_group, int64_t id, struct user *user,
                        struct err *err)
{
    if (!has_group) {
        return err_set(err, ERR_INVALID,
                       "user %s has no entry on this host, so its group is not known: name one, "
                       "%s:GROUP",
                       name, name);
    }
    user->uid = id;
    user->name = name;
    user->home = "/";
    user->shell = "/bin/sh";
    return true;
}

static bool look_up(const char *text, struct arena *a, const struct user **ret, struct err *err)
{
    struct user *user = arena_alloc(a, sizeof(*user));
    size_t len = strcspn(text, ":");
    const char *name = arena_strndup(a, text, len);
    const char *group = text[len] == ':' ? text + len + 1 : NULL;
    struct passwd entry;
    int64_t id = 0;
    bool found = false;
    bool number = parse_id(name, &id);
    *user = (struct user){.text = text};
    if (!find_entry(number ? NULL : name, id, a, &entry, &found, err) ||
        (group != NULL && !find_group(group, a, &user->gid, err))) {
        return false;
    }
    if (!found) {
        bool ok = number ? bare_number(name, group != NULL, id, user, err)
                         : err_set(err, ERR_INVALID, "there is no user '%s' on this host", name);
        *ret = user;
        return ok;
    }
    user->uid = entry.pw_uid;
    user->gid = group != NULL ? user->gid : entry.pw_gid;
    user->name = entry.pw_name;
    user->home = entry.pw_dir[0] != '\0' ? entry.pw_dir : "/";
    user->shell = entry.pw_shell[0] != '\0' ? entry.pw_shell : "/bin/sh";
    *ret = user;
    return find_groups(entry.pw_name, a, user, err);
}

bool user_find(struct users *users, const char *text, struct arena *a, const struct user **ret,
               struct err *err)
{
    struct known_user *known = users->first;
    while (known != NULL && strcmp(known->text, text) != 0) {
        known = known->next;
    }
    if (known == NULL) {
        struct err why = ERR_INIT;
        known = arena_alloc(a, sizeof(*known));
        *known = (struct known_user){.text = text, .next = users->first};
        if (!look_up(text, a, &known->user, &why)) {
            known->user = NULL;
            known->why = arena_strdup(a, why.msg);
            known->code = why.code;
        }
        users->first = known;
    }
    *ret = known->user;
    return known->user != NULL || err_set(err, known->code, "%s", known->why);
}

bool user_is_other(const struct user *user)
{
    return geteuid() == 0 || user->uid != geteuid() || user->gid != getegid();
}
