/*
 * doctor_store.c - see doctor_store.h. Objects are listed with their times, the newest are read.
 */
#include "cli/doctor_store.h"

#include "base/cas.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAMPLE_OBJECTS 500
#define SAMPLE_BYTES (256LL << 20)

struct object {
    char digest[DIGEST_TEXT];
    int64_t size, at;
};

struct list {
    struct object *items;
    size_t count, cap;
};

static bool is_digest(const char *name)
{
    return strlen(name) == DIGEST_TEXT - 1 && strspn(name, "0123456789abcdef") == DIGEST_TEXT - 1;
}

/* One of the store's 256 folders; what is no object in it is nothing of ours. */
static void list_slot(int top, const char *slot, struct list *l)
{
    int fd = openat(top, slot, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct stat st;
    if (!dir) {
        mem_close_fd(&fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!is_digest(entry->d_name) ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (l->count == l->cap) {
            l->cap = l->cap ? l->cap * 2 : 256;
            l->items = mem_grow(l->items, l->cap, sizeof(l->items[0]));
        }
        struct object *o = &l->items[l->count++];
        memcpy(o->digest, entry->d_name, DIGEST_TEXT);
        o->size = st.st_size;
        o->at = st.st_mtim.tv_sec;
    }
    closedir(dir);
}

static int newest_first(const void *left, const void *right)
{
    const struct object *a = left, *b = right;
    return a->at < b->at ? 1 : a->at > b->at ? -1 : strcmp(a->digest, b->digest);
}

static void check(const char *store, const struct list *l, bool deep, struct arena *a,
                  struct doctor_store *ret)
{
    for (size_t i = 0; i < l->count; i++) {
        struct err why = ERR_INIT;
        bool fits =
            ret->checked < SAMPLE_OBJECTS && ret->checked_bytes + l->items[i].size <= SAMPLE_BYTES;
        if (!deep && !fits)
            continue;
        AUTO_CLOSE int fd = cas_open(store, l->items[i].digest, &why);
        ret->checked++;
        ret->checked_bytes += l->items[i].size;
        if (fd < 0 && ret->damaged++ == 0)
            ret->first = arena_strdup(a, why.msg);
    }
}

bool doctor_store(const char *data_dir, bool deep, struct arena *a, struct doctor_store *ret,
                  struct err *err)
{
    struct list l = {0};
    AUTO_FREE char *store = store_artifact_dir(data_dir);
    *ret = (struct doctor_store){0};
    AUTO_CLOSE int top = open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return errno == ENOENT || errno == ENOTDIR || err_sys(err, errno, "%s", store);
    for (unsigned i = 0; i < 256; i++) {
        char slot[3];
        (void)snprintf(slot, sizeof(slot), "%02x", i);
        list_slot(top, slot, &l);
    }
    if (l.count > 1)
        qsort(l.items, l.count, sizeof(l.items[0]), newest_first);
    ret->objects = l.count;
    check(store, &l, deep, a, ret);
    free(l.items);
    return true;
}
