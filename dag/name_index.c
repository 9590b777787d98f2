/*
 * name_index.c - names to numbers: steps, parameters.
 */
#include "base/arena.h"
#include "dag/reader.h"

#include <string.h>
#include <uthash.h>

struct name_item {
    const char *name;
    uint32_t value;
    UT_hash_handle hh;
};

void name_index_init(struct name_index *index, struct arena *arena)
{
    *index = (struct name_index){.arena = arena};
}

void name_index_done(struct name_index *index)
{
    HASH_CLEAR(hh, index->head);
}

bool name_index_add(struct name_index *index, const char *name, uint32_t value)
{
    struct name_item *item = NULL;
    size_t len = strlen(name);
    unsigned hash = 0;
    HASH_VALUE(name, len, hash);
    HASH_FIND_BYHASHVALUE(hh, index->head, name, len, hash, item);
    if (item != NULL) {
        return false;
    }
    item = arena_alloc(index->arena, sizeof *item);
    item->name = name;
    item->value = value;
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, index->head, item->name, len, hash, item);
    return true;
}

bool name_index_get(const struct name_index *index, const char *name, uint32_t *ret)
{
    struct name_item *item = NULL;
    HASH_FIND(hh, index->head, name, strlen(name), item);
    if (item != NULL) {
        *ret = item->value;
    }
    return item != NULL;
}
