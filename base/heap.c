/*
 * heap.c - an array heap; every placement goes through put(), which keeps the nodes' positions.
 */
#include "base/heap.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

void heap_init(struct heap *h, bool (*before)(const struct heap_node *, const struct heap_node *))
{
    *h = (struct heap){.before = before};
}

void heap_done(struct heap *h)
{
    for (size_t i = 0; i < h->count; i++)
        h->items[i]->at = 0;
    free(h->items);
    *h = (struct heap){.before = h->before};
}

static void put(struct heap *h, size_t at, struct heap_node *node)
{
    h->items[at] = node;
    node->at = at + 1;
}

static size_t sift_up(struct heap *h, size_t at, const struct heap_node *node)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!h->before(node, h->items[parent]))
            break;
        put(h, at, h->items[parent]);
        at = parent;
    }
    return at;
}

static size_t sift_down(struct heap *h, size_t at, const struct heap_node *node)
{
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= h->count)
            return at;
        if (child + 1 < h->count && h->before(h->items[child + 1], h->items[child]))
            child++;
        if (!h->before(h->items[child], node))
            return at;
        put(h, at, h->items[child]);
        at = child;
    }
}

/* Places `node` in the hole at `at`. */
static void settle(struct heap *h, size_t at, struct heap_node *node)
{
    size_t up = sift_up(h, at, node);
    put(h, up == at ? sift_down(h, at, node) : up, node);
}

void heap_push(struct heap *h, struct heap_node *node)
{
    assert(node->at == 0);
    if (h->count == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 16;
        h->items = mem_grow(h->items, h->cap, sizeof(h->items[0]));
    }
    h->count++;
    put(h, sift_up(h, h->count - 1, node), node);
}

struct heap_node *heap_first(const struct heap *h)
{
    return h->count > 0 ? h->items[0] : NULL;
}

struct heap_node *heap_pop(struct heap *h)
{
    struct heap_node *first = heap_first(h);
    if (first)
        heap_remove(h, first);
    return first;
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    if (node->at == 0)
        return;
    size_t at = node->at - 1;
    assert(at < h->count && h->items[at] == node);
    struct heap_node *last = h->items[--h->count];
    node->at = 0;
    if (last != node)
        settle(h, at, last);
}

void heap_moved(struct heap *h, struct heap_node *node)
{
    if (node->at != 0)
        settle(h, node->at - 1, node);
}
