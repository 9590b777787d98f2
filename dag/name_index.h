/*
 * name_index.h - private to dag: names to numbers. Open addressing in one block of 16 bytes a slot:
 * a file of 10,000 steps is read at the speed of memory, and the handles of uthash (56 bytes an
 * item, each touched on its own) were a tenth of the time.
 */
#ifndef DAG_NAME_INDEX_H
#define DAG_NAME_INDEX_H

#include <stdbool.h>
#include <stdint.h>

struct name_slot {
    const char *name; /* borrowed; NULL = free */
    uint32_t hash, value;
};

struct name_index {          /* all zero = empty */
    struct name_slot *slots; /* owned */
    uint32_t count, mask;
};

void name_index_done(struct name_index *index);
/* False where the name is there already: `ret` (may be NULL) gets its number. */
bool name_index_add(struct name_index *index, const char *name, uint32_t value, uint32_t *ret);
bool name_index_get(const struct name_index *index, const char *name, uint32_t *ret);

#endif
