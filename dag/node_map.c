/*
 * node_map.c - mappings: unique keys and merge keys.
 *
 * `<<: *base` and `<<: [*a, *b]` add the entries of other mappings that are not given here; an
 * earlier one wins. Small mappings, the usual case, are searched by comparing; large ones by hash.
 */
#include "base/mem.h"
#include "base/text.h"
#include "dag/name_index.h"
#include "dag/node_build.h"

#include <string.h>

#define SMALL 16     /* entries that are searched by comparing */
#define KEY_MAX 1024 /* bytes; keys stand in messages */

struct maker {
    struct arena *arena;
    struct diags *diags;
    struct node_entry *entries;
    size_t count;
    bool large;
    struct name_index index; /* of a large mapping: keys to entries */
};

static bool is_merge(const struct dag_node *key)
{
    return key->style == NODE_PLAIN && !key->string && strcmp(key->u.text, "<<") == 0;
}

static const struct dag_node *find_key(const struct maker *m, const struct dag_node *key)
{
    uint32_t at = 0;
    if (m->large) {
        return name_index_get(&m->index, key->u.text, &at) ? &m->entries[at].key : NULL;
    }
    for (size_t i = 0; i < m->count; i++) {
        const struct dag_node *other = &m->entries[i].key;
        if (other->count == key->count && memcmp(other->u.text, key->u.text, key->count) == 0) {
            return other;
        }
    }
    return NULL;
}

static void add_entry(struct maker *m, const struct dag_node *key, const struct dag_node *value)
{
    struct node_entry *entry = &m->entries[m->count];
    *entry = (struct node_entry){*key, *value};
    if (m->large) {
        (void)name_index_add(&m->index, entry->key.u.text, (uint32_t)m->count, NULL);
    }
    m->count++;
}

static bool add_own(struct maker *m, const struct dag_node *pair)
{
    const struct dag_node *key = &pair[0];
    if (key->kind != NODE_SCALAR) {
        return diag_add(m->diags, DIAG_ERROR, "yaml-key", node_pos(key), 1,
                        "Put the text in quotes if the brackets belong to it.",
                        "the key of a mapping must be a simple text");
    }
    if (key->count > KEY_MAX) {
        return diag_add(m->diags, DIAG_ERROR, "too-large", node_pos(key), 1, NULL,
                        "the key of a mapping has %u bytes; at most %d are allowed", key->count,
                        KEY_MAX);
    }
    if (is_merge(key)) {
        return true;
    }
    const struct dag_node *first = find_key(m, key);
    if (first == NULL) {
        add_entry(m, key, &pair[1]);
        return true;
    }
    AUTO_FREE char *hint =
        mem_printf("The first one is on line %u. Remove one of them.", first->line);
    diag_add(m->diags, DIAG_ERROR, "duplicate-key", node_pos(key), node_width(key), hint,
             "the key `%s` stands here a second time", key->u.text);
    return true;
}

/* The mappings that a `<<` names: one, or a list of them. */
static bool merge_sources(struct maker *m, const struct dag_node *value,
                          const struct dag_node **ret, size_t *ret_count)
{
    bool list = value->kind == NODE_LIST;
    *ret = list ? value->u.items : value;
    *ret_count = list ? value->count : 1;
    for (size_t i = 0; i < *ret_count; i++) {
        if ((*ret)[i].kind != NODE_MAP) {
            return diag_add(m->diags, DIAG_ERROR, "yaml-merge", node_pos(value), node_width(value),
                            "Write `<<: *anchor` or `<<: [*a, *b]`.",
                            "the merge key `<<` needs a mapping or a list of mappings");
        }
    }
    return true;
}

static bool count_merged(struct maker *m, const struct dag_node *pairs, size_t count,
                         size_t *ret_extra)
{
    const struct dag_node *merge = NULL;
    for (size_t i = 0; i < count; i++) {
        if (pairs[2 * i].kind != NODE_SCALAR || !is_merge(&pairs[2 * i])) {
            continue;
        }
        if (merge != NULL) {
            return diag_add(m->diags, DIAG_ERROR, "duplicate-key", node_pos(&pairs[2 * i]), 2,
                            "Write `<<: [*a, *b]`.",
                            "the merge key `<<` stands here a second time");
        }
        merge = &pairs[2 * i];
        const struct dag_node *sources = NULL;
        size_t source_count = 0;
        if (!merge_sources(m, merge + 1, &sources, &source_count)) {
            return false;
        }
        for (size_t k = 0; k < source_count; k++) {
            *ret_extra += sources[k].count; /* bounded: weights have been counted */
        }
    }
    return true;
}

static void add_merged(struct maker *m, const struct dag_node *value)
{
    const struct dag_node *sources = NULL;
    size_t count = 0;
    if (!merge_sources(m, value, &sources, &count)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < sources[i].count; k++) {
            const struct node_entry *entry = &sources[i].u.entries[k];
            if (find_key(m, &entry->key) == NULL) {
                add_entry(m, &entry->key, &entry->value);
            }
        }
    }
}

static bool add_all(struct maker *m, const struct dag_node *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!add_own(m, pairs + 2 * i)) {
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (is_merge(&pairs[2 * i])) {
            add_merged(m, &pairs[2 * i + 1]);
        }
    }
    return true;
}

bool node_build_map(struct arena *a, const struct dag_node *pairs, size_t count,
                    struct diags *diags, struct dag_node *map)
{
    struct maker m = {.arena = a, .diags = diags};
    size_t room = count;
    if (!count_merged(&m, pairs, count, &room)) {
        return false;
    }
    map->count = 0;
    map->u.entries = NULL;
    if (room == 0) {
        return true;
    }
    m.entries = arena_array(a, room, sizeof *m.entries);
    m.large = room > SMALL;
    bool ok = add_all(&m, pairs, count);
    name_index_done(&m.index);
    map->u.entries = m.entries;
    map->count = (uint32_t)m.count;
    return ok;
}

const struct dag_node *node_get(const struct dag_node *map, const char *key)
{
    if (map == NULL || map->kind != NODE_MAP) {
        return NULL;
    }
    for (size_t i = 0; i < map->count; i++) {
        if (strcmp(map->u.entries[i].key.u.text, key) == 0) {
            return &map->u.entries[i].value;
        }
    }
    return NULL;
}
