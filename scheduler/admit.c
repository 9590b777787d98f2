/*
 * admit.c - which ready steps may start now.
 *
 * The order is priority, then index. The first ready step starts as soon as it fits into what is
 * free. While it does not, steps behind it may start only beside its share: what such overtakers
 * take, all together, plus what it needs stays within the capacity. So small steps use what would
 * lie idle, and a big step waits at most for those that ran when it came to the front, however many
 * small ones keep coming. With one cpu each (`-j N`) this is plain order.
 */
#include "scheduler/internal.h"

#include <assert.h>
#include <string.h>

/* How many waiting steps are looked at behind the first: bounds the work of one event. */
#define LOOK_BEHIND 16

#define NODE(heap_node) heap_item(heap_node, struct sched_node, at)

bool sched_queue_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct sched_node *x = sched_node_of(a), *y = sched_node_of(b);
    /* All nodes are items of one array, so their addresses are in index order. */
    return x->priority != y->priority ? x->priority > y->priority : x < y;
}

static void add(int64_t *to, const int64_t *takes, int sign)
{
    for (size_t r = 0; r < SCHED_RESOURCES; r++)
        to[r] += sign * takes[r];
}

/* Where something is not bounded, its capacity and every step's clamped share of it are 0. */
static bool room(const struct sched *s, const int64_t *taken, const int64_t *more)
{
    for (size_t r = 0; r < SCHED_RESOURCES; r++)
        if (taken[r] + more[r] > s->def.capacity[r])
            return false;
    return true;
}

void sched_admit_init(struct sched *s)
{
    const int64_t *capacity = s->def.capacity;
    assert(capacity[SCHED_CPU] > 0);
    memcpy(s->least, capacity, sizeof s->least);
    for (uint32_t i = 0; i < s->def.count; i++) {
        const struct sched_step *step = &s->def.steps[i];
        struct sched_node *n = &s->nodes[i];
        n->priority = step->priority;
        for (size_t r = 0; r < SCHED_RESOURCES; r++) {
            assert(step->takes[r] >= 0 && capacity[r] >= 0);
            n->takes[r] = step->takes[r] < capacity[r] ? step->takes[r] : capacity[r];
            if (n->takes[r] < s->least[r])
                s->least[r] = n->takes[r];
        }
    }
}

void sched_admit_take(struct sched *s, const struct sched_node *n)
{
    add(s->held, n->takes, 1);
}

void sched_admit_give_back(struct sched *s, struct sched_node *n)
{
    add(s->held, n->takes, -1);
    if (n->overtook)
        add(s->beside, n->takes, -1);
    n->overtook = false;
    for (size_t r = 0; r < SCHED_RESOURCES; r++)
        assert(s->held[r] >= 0 && s->beside[r] >= 0);
}

static bool fits(const struct sched *s, const struct sched_node *n)
{
    return room(s, s->held, n->takes);
}

static bool fits_beside(const struct sched *s, const struct sched_node *first,
                        const struct sched_node *n)
{
    int64_t taken[SCHED_RESOURCES];
    memcpy(taken, s->beside, sizeof taken);
    add(taken, first->takes, 1);
    return room(s, taken, n->takes);
}

static void start(struct sched *s, struct sched_node *n)
{
    uint32_t step = sched_index(s, n);
    n->attempts++;
    sched_enter(s, step, SCHED_STARTING, SCHED_NO_REASON);
    sched_launch(s, step);
}

static void start_beside(struct sched *s, struct sched_node *first)
{
    struct heap_node *kept[LOOK_BEHIND];
    size_t count = 0;
    if (!room(s, s->held, s->least)) /* nobody fits */
        return;
    heap_remove(&s->ready, &first->at);
    for (struct heap_node *at; count < LOOK_BEHIND && (at = heap_pop(&s->ready));) {
        struct sched_node *n = NODE(at);
        if (!fits(s, n) || !fits_beside(s, first, n)) {
            kept[count++] = at;
            continue;
        }
        start(s, n);
        n->overtook = true;
        add(s->beside, n->takes, 1);
    }
    heap_push(&s->ready, &first->at);
    for (size_t i = 0; i < count; i++)
        heap_push(&s->ready, kept[i]);
}

void sched_admit(struct sched *s)
{
    if (s->stop != SCHED_STOP_NONE)
        return;
    struct heap_node *at;
    while ((at = heap_first(&s->ready)) && fits(s, NODE(at)))
        start(s, NODE(at));
    if (at)
        start_beside(s, NODE(at));
}
