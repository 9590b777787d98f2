/*
 * graph.c - who needs whom, backwards, in compressed rows: one array of dependents, one of where
 * each step's part begins. All walks are loops over arrays: a chain of 100,000 steps is no deeper
 * than one of two.
 */
#include "base/mem.h"
#include "scheduler/internal.h"

#include <assert.h>
#include <stdlib.h>

void sched_graph_init(struct sched_graph *g, const struct sched_def *def)
{
    g->first = mem_array((size_t)def->count + 1, sizeof *g->first);
    for (uint32_t i = 0; i < def->count; i++)
        for (uint32_t k = 0; k < def->steps[i].need_count; k++) {
            assert(def->steps[i].needs[k] < def->count);
            g->first[def->steps[i].needs[k]]++;
        }
    size_t total = 0;
    for (uint32_t i = 0; i < def->count; i++) {
        total += g->first[i];
        g->first[i] = total;
    }
    g->first[def->count] = total;
    /* Each part is filled from its end, by descending steps: first[i] arrives at its beginning and
     * the dependents stand in ascending order. */
    g->dependents = mem_array(total + 1, sizeof *g->dependents);
    for (uint32_t i = def->count; i-- > 0;)
        for (uint32_t k = def->steps[i].need_count; k-- > 0;)
            g->dependents[--g->first[def->steps[i].needs[k]]] = i;
}

void sched_graph_done(struct sched_graph *g)
{
    free(g->first);
    free(g->dependents);
}

/* What the end of a step tells those who need it. */
static unsigned told(const struct sched *s, uint32_t step)
{
    const struct sched_node *n = &s->nodes[step];
    unsigned below = n->below & ~(unsigned)SCHED_NEED_BAD;
    if (sched_state_good(n->state))
        return below;
    if (n->state == SCHED_FAILED && s->def.steps[step].continue_on_error)
        return below;
    below |= SCHED_BELOW_BAD | SCHED_NEED_BAD;
    if (n->state == SCHED_FAILED)
        below |= SCHED_BELOW_FAILED;
    if (n->state == SCHED_CANCELLED)
        below |= SCHED_BELOW_CANCELLED;
    return below;
}

static void to_decide(struct sched *s, uint32_t step)
{
    assert(s->decide_count < s->def.count);
    s->decide[s->decide_count++] = step;
}

void sched_graph_begin(struct sched *s)
{
    uint32_t *left = mem_array((size_t)s->def.count + 1, sizeof *left);
    uint32_t *order = mem_array((size_t)s->def.count + 1, sizeof *order);
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->def.count; i++) {
        s->nodes[i].open = left[i] = s->def.steps[i].need_count;
        if (left[i] == 0)
            order[count++] = i;
    }
    for (uint32_t at = 0; at < count; at++) {
        uint32_t step = order[at];
        bool ended = sched_state_ended(s->nodes[step].state);
        unsigned bits = ended ? told(s, step) : 0;
        for (size_t k = s->graph.first[step]; k < s->graph.first[step + 1]; k++) {
            uint32_t d = s->graph.dependents[k];
            s->nodes[d].below |= bits;
            if (ended)
                s->nodes[d].open--;
            if (--left[d] == 0)
                order[count++] = d;
        }
    }
    assert(count == s->def.count && "needs go in a circle");
    for (uint32_t i = 0; i < s->def.count; i++)
        if (s->nodes[i].state == SCHED_PENDING && s->nodes[i].open == 0)
            to_decide(s, i);
    free(order);
    free(left);
}

void sched_graph_spread(struct sched *s, uint32_t step)
{
    unsigned bits = told(s, step);
    for (size_t k = s->graph.first[step]; k < s->graph.first[step + 1]; k++) {
        struct sched_node *d = &s->nodes[s->graph.dependents[k]];
        d->below |= bits;
        assert(d->open > 0);
        if (--d->open == 0 && d->state == SCHED_PENDING)
            to_decide(s, s->graph.dependents[k]);
    }
}
