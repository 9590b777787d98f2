/*
 * cgroup_resume.c - a launcher that goes on as another program, by exec: it is the same process, so
 * its folders have the name that cg_open() looks for, and it finds itself in its own leaf. What has
 * to be handed on is how far the numbers of places have come, and which of them are taken.
 *
 * What the files of a place say is not handed on: it is removed when it is given back.
 */
#include "base/mem.h"
#include "base/wire.h"
#include "executor/step/cgroup_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

/* Read by other versions: never renumbered. */
enum { TAG_NEXT = 1 };

void cg_save(struct cg *cg, struct buf *ret)
{
    for (struct cg_place *place; (place = cg->pooled) != NULL;) {
        DL_DELETE(cg->pooled, place);
        cg_place_free(place, true);
    }
    cg->pooled_count = 0;
    wire_put_int(ret, TAG_NEXT, cg->next_number);
}

struct cg *cg_restore(const void *data, size_t len)
{
    struct cg *cg = cg_open();
    struct wire w;
    wire_read(&w, data, len);
    while (wire_next(&w)) {
        if (w.tag == TAG_NEXT) {
            (void)wire_int(&w, &cg->next_number);
        }
    }
    return cg;
}

const char *cg_place_name(const struct cg_place *place)
{
    return place->name;
}

struct cg_place *cg_adopt(struct cg *cg, const char *name)
{
    unsigned joined = 0;
    struct stat st;
    for (size_t i = 0; cg_is_number(name) && i < cg->tree_count; i++) {
        bool there = fstatat(cg->trees[i].fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
        joined |= there ? 1U << i : 0;
    }
    if (joined == 0) {
        return NULL;
    }
    struct cg_place *place = cg_place_new(cg, joined, name);
    place->made = true;
    place->adopted = true;
    DL_APPEND(cg->taken, place);
    return place;
}
