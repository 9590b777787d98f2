/*
 * needs.c - the edges of the graph: needs by name to indices, a topological order, cycles as paths,
 * and the question whether one step is needed, directly or through others, by another.
 *
 * Nothing here is recursive or worse than (steps + edges) * log, but for the last question: it is
 * answered for 256 targets at a time in one pass over the edges.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "dag/reader.h"

#include <stdlib.h>
#include <string.h>

#define PATH_SHOWN 20 /* steps of a cycle in a message */

/* ---- names to indices */

static const char *suggest_step(struct reader *r, struct block *block, const char *word)
{
    if (block->names == NULL) {
        block->names = arena_array(r->arena, block->count, sizeof *block->names);
        for (uint32_t i = 0; i < block->count; i++) {
            block->names[i] = block->steps[i].name;
        }
    }
    return read_suggest(r, word, block->names, block->count);
}

struct edges {
    struct reader *r;
    struct block *block;
    uint32_t *seen; /* by step: 1 + the last step that needed it */
    size_t total;
};

static bool add_need(struct edges *e, uint32_t at, const struct dag_node *node, uint32_t *needs)
{
    struct dag_step *step = &e->block->steps[at];
    struct diags *diags = e->r->diags;
    uint32_t need = 0;
    if (node->kind != NODE_SCALAR || node_type(node) == DAG_NULL) {
        return diag_add(diags, DIAG_ERROR, "type", node_pos(node), node_width(node), NULL,
                        "`needs` of `%s` must be a step's name, or a list of them", step->name);
    }
    if (!name_index_get(&e->block->index, node->u.text, &need)) {
        return diag_add(diags, DIAG_ERROR, "unknown-step", node_pos(node), node_width(node),
                        suggest_step(e->r, e->block, node->u.text),
                        "`needs` of `%s`: there is no step `%.128s`", step->name, node->u.text);
    }
    if (need == at) {
        return diag_add(diags, DIAG_ERROR, "cycle", node_pos(node), node_width(node), NULL,
                        "the step `%s` needs itself", step->name);
    }
    if (e->seen[need] == at + 1) {
        return diag_add(diags, DIAG_WARNING, "duplicate-need", node_pos(node), node_width(node),
                        NULL, "`needs` of `%s` names `%s` twice", step->name, node->u.text);
    }
    e->seen[need] = at + 1;
    needs[step->need_count++] = need;
    return true;
}

static bool add_needs(struct edges *e, uint32_t at)
{
    const struct dag_node *node = e->block->drafts[at].needs;
    if (node == NULL) {
        return true;
    }
    bool list = node->kind == NODE_LIST;
    size_t count = list ? node->count : 1;
    e->total += count;
    if (e->total > LIMIT_NEEDS) {
        return diag_add(e->r->diags, DIAG_ERROR, "too-large", node_pos(node), 1, NULL,
                        "the steps have more than %d needs together", LIMIT_NEEDS);
    }
    uint32_t *needs = arena_array(e->r->arena, count, sizeof *needs);
    for (size_t i = 0; i < count; i++) {
        (void)add_need(e, at, list ? &node->u.items[i] : node, needs);
    }
    e->block->steps[at].needs = needs;
    return true;
}

/* ---- order: Kahn's algorithm; of the free steps the first in the file comes first */

struct queue { /* a binary heap, least index first */
    uint32_t *items;
    uint32_t count;
};

static void queue_push(struct queue *q, uint32_t value)
{
    uint32_t at = q->count++;
    while (at > 0 && q->items[(at - 1) / 2] > value) {
        q->items[at] = q->items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    q->items[at] = value;
}

static uint32_t queue_pop(struct queue *q)
{
    uint32_t first = q->items[0];
    uint32_t last = q->items[--q->count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < q->count && q->items[child + 1] < q->items[child]) {
            child++;
        }
        if (child >= q->count || q->items[child] >= last) {
            break;
        }
        q->items[at] = q->items[child];
        at = child;
    }
    q->items[at] = last;
    return first;
}

/* Edges the other way round: who needs a step. */
struct users {
    uint32_t *start; /* by step, count + 1 of them: where its users begin in `list` */
    uint32_t *list;
};

static struct users find_users(const struct block *block)
{
    struct users users = {.start = mem_array(block->count + 2U, sizeof *users.start)};
    for (uint32_t i = 0; i < block->count; i++) {
        for (uint32_t k = 0; k < block->steps[i].need_count; k++) {
            users.start[block->steps[i].needs[k] + 2]++;
        }
    }
    for (uint32_t i = 2; i < block->count + 2; i++) {
        users.start[i] += users.start[i - 1];
    }
    users.list = mem_array(users.start[block->count + 1] + 1U, sizeof *users.list);
    for (uint32_t i = 0; i < block->count; i++) {
        for (uint32_t k = 0; k < block->steps[i].need_count; k++) {
            users.list[users.start[block->steps[i].needs[k] + 1]++] = i;
        }
    }
    return users;
}

static void sort_steps(struct reader *r, struct block *block)
{
    struct users users = find_users(block);
    uint32_t *open = mem_array(block->count + 1U, sizeof *open); /* needs not in the order yet */
    struct queue queue = {.items = mem_array(block->count + 1U, sizeof *queue.items)};
    block->order = arena_array(r->arena, block->count, sizeof *block->order);
    block->rank = arena_array(r->arena, block->count, sizeof *block->rank);
    for (uint32_t i = 0; i < block->count; i++) {
        open[i] = block->steps[i].need_count;
        if (open[i] == 0) {
            queue_push(&queue, i);
        }
    }
    while (queue.count > 0) {
        uint32_t at = queue_pop(&queue);
        block->rank[at] = block->order_count;
        block->order[block->order_count++] = at;
        for (uint32_t k = users.start[at]; k < users.start[at + 1]; k++) {
            if (--open[users.list[k]] == 0) {
                queue_push(&queue, users.list[k]);
            }
        }
    }
    free(queue.items);
    free(open);
    free(users.start);
    free(users.list);
}

/* ---- cycles */

static void report_cycle(struct reader *r, const struct block *block, const uint32_t *next,
                         uint32_t first)
{
    AUTO_BUF struct buf path = BUF_INIT(64U << 10);
    uint32_t at = first;
    uint32_t length = 0;
    do {
        if (length < PATH_SHOWN) {
            buf_addf(&path, "%s -> ", block->steps[at].name);
        } else if (length == PATH_SHOWN) {
            buf_adds(&path, "… -> ");
        }
        length++;
        at = next[at];
    } while (at != first);
    buf_adds(&path, block->steps[first].name);
    const struct dag_node *key = block->drafts[first].key;
    diag_add(r->diags, DIAG_ERROR, "cycle", node_pos(key), node_width(key),
             "Each of these steps needs the next one. Remove one of the needs.",
             "`needs` go round in a circle: %s", buf_str(&path));
}

/* Every step that is not in the order needs another one that is not: following these needs ends in
 * a cycle, and each cycle found is reported once. */
static void find_cycles(struct reader *r, struct block *block)
{
    uint8_t *ordered = mem_array(block->count, sizeof *ordered);
    uint32_t *walk = mem_array(block->count, sizeof *walk); /* 1 + who began the walk */
    uint32_t *next = mem_array(block->count, sizeof *next);
    for (uint32_t i = 0; i < block->order_count; i++) {
        ordered[block->order[i]] = 1;
    }
    for (uint32_t i = 0; i < block->count; i++) {
        const struct dag_step *step = &block->steps[i];
        for (uint32_t k = 0; !ordered[i] && k < step->need_count; k++) {
            if (!ordered[step->needs[k]]) {
                next[i] = step->needs[k];
                break;
            }
        }
    }
    for (uint32_t i = 0; i < block->count; i++) {
        uint32_t at = i;
        while (!ordered[at] && walk[at] == 0) {
            walk[at] = i + 1;
            at = next[at];
        }
        if (!ordered[at] && walk[at] == i + 1) {
            report_cycle(r, block, next, at);
        }
    }
    free(next);
    free(walk);
    free(ordered);
}

void needs_resolve(struct reader *r, struct block *block)
{
    struct edges edges = {
        .r = r, .block = block, .seen = mem_array(block->count + 1U, sizeof *edges.seen)};
    for (uint32_t i = 0; i < block->count; i++) {
        if (!add_needs(&edges, i)) {
            break;
        }
    }
    free(edges.seen);
    sort_steps(r, block);
    if (block->order_count < block->count) {
        find_cycles(r, block);
    }
}

/* ---- is it needed at all? */

bool needs_directly(const struct dag_step *step, uint32_t target)
{
    for (uint32_t i = 0; i < step->need_count; i++) {
        if (step->needs[i] == target) {
            return true;
        }
    }
    return false;
}

#define BATCH_WORDS 4
#define BATCH (BATCH_WORDS * 64U)

struct reached {
    uint64_t bits[BATCH_WORDS]; /* which targets of the batch it needs */
};

static int by_target(const void *a, const void *b)
{
    const struct reach *x = a;
    const struct reach *y = b;
    return x->target < y->target ? -1 : x->target > y->target;
}

static void not_needed(struct reader *r, const struct reach *q)
{
    const char *target = r->main.steps[q->target].name;
    const char *from = r->main.steps[q->from].name;
    const char *hint =
        r->main.rank[q->target] > r->main.rank[q->from] && r->main.steps[q->from].need_count > 0
            ? "A step can only read what ran before it."
            : arena_printf(r->arena, "Add `%s` to the needs of `%s`.", target, from);
    diag_add(r->diags, DIAG_ERROR, "not-needed", q->pos, q->width, hint,
             "`steps.%s` is read, but `%s` does not need it, neither itself nor through others",
             target, from);
}

/* One pass in topological order for the targets of questions [first, end). */
static void answer(struct reader *r, struct reached *reached, size_t first, size_t end)
{
    const struct block *block = &r->main;
    memset(reached, 0, block->count * sizeof *reached);
    uint32_t slot = 0;
    for (size_t q = first; q < end; q++) {
        slot += q > first && r->reach[q].target != r->reach[q - 1].target;
        reached[r->reach[q].target].bits[slot / 64] |= UINT64_C(1) << (slot % 64);
    }
    for (uint32_t i = 0; i < block->order_count; i++) {
        uint32_t at = block->order[i];
        for (uint32_t k = 0; k < block->steps[at].need_count; k++) {
            for (size_t w = 0; w < BATCH_WORDS; w++) {
                reached[at].bits[w] |= reached[block->steps[at].needs[k]].bits[w];
            }
        }
    }
    slot = 0;
    for (size_t q = first; q < end; q++) {
        slot += q > first && r->reach[q].target != r->reach[q - 1].target;
        const struct reached *from = &reached[r->reach[q].from];
        if ((from->bits[slot / 64] >> (slot % 64) & 1) == 0) {
            not_needed(r, &r->reach[q]);
        }
    }
}

/* Who stands in a circle, or needs a step of one, has no place in the order, and what it needs is
 * not known before the circle is gone. */
static void drop_circular(struct reader *r)
{
    if (r->main.order_count == r->main.count) {
        return;
    }
    uint8_t *ordered = mem_array(r->main.count, sizeof *ordered);
    for (uint32_t i = 0; i < r->main.order_count; i++) {
        ordered[r->main.order[i]] = 1;
    }
    size_t kept = 0;
    for (size_t i = 0; i < r->reach_count; i++) {
        if (ordered[r->reach[i].from]) {
            r->reach[kept++] = r->reach[i];
        }
    }
    r->reach_count = kept;
    free(ordered);
}

void needs_check_reach(struct reader *r)
{
    drop_circular(r);
    if (r->reach_count == 0) {
        return;
    }
    struct reached *reached = mem_array(r->main.count, sizeof *reached);
    qsort(r->reach, r->reach_count, sizeof *r->reach, by_target);
    for (size_t first = 0; first < r->reach_count;) {
        size_t end = first;
        uint32_t targets = 0;
        while (end < r->reach_count) {
            targets += end == first || r->reach[end].target != r->reach[end - 1].target;
            if (targets > BATCH) {
                break;
            }
            end++;
        }
        answer(r, reached, first, end);
        first = end;
    }
    free(reached);
}
