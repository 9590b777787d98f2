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

/* How many waiting steps are looked at behind the first: bounds the work of one event. */
#define LOOK_BEHIND 16

#define NODE(heap_node) heap_item(heap_node, struct sched_node, at)

bool sched_queue_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct sched_node *x = sched_node_of(a), *y = sched_node_of(b);
    /* All nodes are items of one array, so their addresses are in index order. */
    return x->priority != y->priority ? x->priority > y->priority : x < y;
}

void sched_admit_init(struct sched *s)
{
    const struct sched_def *def = &s->def;
    assert(def->cpu_milli > 0 && def->memory >= 0);
    s->least_cpu = def->cpu_milli;
    for (uint32_t i = 0; i < def->count; i++) {
        const struct sched_step *step = &def->steps[i];
        struct sched_node *n = &s->nodes[i];
        assert(step->cpu_milli >= 0 && step->memory >= 0);
        n->priority = step->priority;
        n->cpu = step->cpu_milli < def->cpu_milli ? step->cpu_milli : def->cpu_milli;
        n->memory = step->memory < def->memory ? step->memory : def->memory;
        if (n->cpu < s->least_cpu)
            s->least_cpu = n->cpu;
    }
}

void sched_admit_take(struct sched *s, const struct sched_node *n)
{
    s->held_cpu += n->cpu;
    s->held_memory += n->memory;
}

void sched_admit_give_back(struct sched *s, struct sched_node *n)
{
    s->held_cpu -= n->cpu;
    s->held_memory -= n->memory;
    assert(s->held_cpu >= 0 && s->held_memory >= 0);
    if (n->overtook) {
        s->beside_cpu -= n->cpu;
        s->beside_memory -= n->memory;
    }
    n->overtook = false;
}

/* Where memory is not bounded, every step's clamped share of it is 0. */
static bool fits(const struct sched *s, const struct sched_node *n)
{
    return s->held_cpu + n->cpu <= s->def.cpu_milli && s->held_memory + n->memory <= s->def.memory;
}

static bool fits_beside(const struct sched *s, const struct sched_node *first,
                        const struct sched_node *n)
{
    return s->beside_cpu + first->cpu + n->cpu <= s->def.cpu_milli &&
           s->beside_memory + first->memory + n->memory <= s->def.memory;
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
    if (s->held_cpu + s->least_cpu > s->def.cpu_milli)
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
        s->beside_cpu += n->cpu;
        s->beside_memory += n->memory;
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
