/*
 * name_index.c - names to numbers: keys of large mappings, steps, parameters.
 */
#include "dag/name_index.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 64U

/* FNV-1a from a start that differs from process to process, so that no file can be written whose
 * names all collide. */
static uint32_t hash_name(const char *name)
{
    static const char here;
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ (uint64_t)(uintptr_t)&here;
    for (; *name != '\0'; name++) {
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    }
    return (uint32_t)(hash ^ (hash >> 32));
}

/* The slot of the name, or the free one where it would go. */
static struct name_slot *find_slot(const struct name_index *index, const char *name, uint32_t hash)
{
    uint32_t at = hash & index->mask;
    for (;; at = (at + 1) & index->mask) {
        struct name_slot *slot = &index->slots[at];
        if (slot->name == NULL || (slot->hash == hash && strcmp(slot->name, name) == 0)) {
            return slot;
        }
    }
}

static void grow(struct name_index *index)
{
    struct name_index larger = {.count = index->count};
    uint32_t size = index->slots != NULL ? (index->mask + 1) * 4 : FIRST_SLOTS;
    larger.slots = mem_array(size, sizeof *larger.slots);
    larger.mask = size - 1;
    for (uint32_t i = 0; index->slots != NULL && i <= index->mask; i++) {
        const struct name_slot *slot = &index->slots[i];
        if (slot->name != NULL) {
            *find_slot(&larger, slot->name, slot->hash) = *slot;
        }
    }
    free(index->slots);
    *index = larger;
}

void name_index_done(struct name_index *index)
{
    free(index->slots);
    *index = (struct name_index){0};
}

bool name_index_add(struct name_index *index, const char *name, uint32_t value, uint32_t *ret)
{
    if (index->slots == NULL || index->count >= index->mask / 4 * 3) {
        grow(index);
    }
    uint32_t hash = hash_name(name);
    struct name_slot *slot = find_slot(index, name, hash);
    if (slot->name != NULL) {
        if (ret != NULL) {
            *ret = slot->value;
        }
        return false;
    }
    *slot = (struct name_slot){name, hash, value};
    index->count++;
    return true;
}

bool name_index_get(const struct name_index *index, const char *name, uint32_t *ret)
{
    if (index->slots == NULL) {
        return false;
    }
    const struct name_slot *slot = find_slot(index, name, hash_name(name));
    if (slot->name != NULL) {
        *ret = slot->value;
    }
    return slot->name != NULL;
}
