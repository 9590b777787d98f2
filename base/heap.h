/*
 * heap.h - a binary heap of pointers, least first by the owner's comparison. Items embed a
 * `struct heap_node` so that they can be moved or removed in O(log n). The heap borrows its items.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    size_t at; /* position + 1; 0 = in no heap */
};

struct heap {
    struct heap_node **items;
    size_t count, cap;
    bool (*before)(const struct heap_node *a, const struct heap_node *b); /* strict order */
};

void heap_init(struct heap *h, bool (*before)(const struct heap_node *, const struct heap_node *));
void heap_done(struct heap *h);
void heap_push(struct heap *h, struct heap_node *node);   /* the node must be in no heap */
struct heap_node *heap_first(const struct heap *h);       /* NULL where empty */
struct heap_node *heap_pop(struct heap *h);               /* NULL where empty */
void heap_remove(struct heap *h, struct heap_node *node); /* no effect where it is in no heap */
void heap_moved(struct heap *h, struct heap_node *node);  /* call after its order changed */

/* The item of a node; in a comparison, `type` is `const struct x`. (By way of an integer, since the
 * node may be const where the compiler watches casts.) */
#define heap_item(node, type, member) ((type *)((uintptr_t)(node)-offsetof(type, member)))

#endif
