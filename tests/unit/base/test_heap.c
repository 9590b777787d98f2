/* Random pushes, pops, removals and moves, against an array that is searched for its least. */
#include "scratch.h"

#include "base/heap.h"

struct item {
    int key;
    unsigned number;
    struct heap_node node;
};

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    const struct item *x = heap_item(a, const struct item, node);
    const struct item *y = heap_item(b, const struct item, node);
    return x->key != y->key ? x->key < y->key : x->number < y->number;
}

static uint64_t seed = 12345;

static unsigned pick(unsigned bound)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % bound;
}

static void check_order(const struct heap *h)
{
    for (size_t i = 0; i < h->count; i++) {
        assert_int_equal(h->items[i]->at, i + 1);
        if (i > 0)
            assert_false(before(h->items[i], h->items[(i - 1) / 2]));
    }
}

static struct item *least_of(struct item *items, size_t count)
{
    struct item *least = NULL;
    for (size_t i = 0; i < count; i++) {
        if (items[i].node.at && (!least || before(&items[i].node, &least->node)))
            least = &items[i];
    }
    return least;
}

static void agrees_with_an_array(void **state)
{
    (void)state;
    enum { COUNT = 200, STEPS = 20000 };
    static struct item items[COUNT];
    struct heap h;
    heap_init(&h, before);
    for (unsigned i = 0; i < COUNT; i++)
        items[i] = (struct item){.number = i};
    for (int step = 0; step < STEPS; step++) {
        struct item *item = &items[pick(COUNT)];
        unsigned action = pick(4);
        if (action == 0 && heap_first(&h)) {
            struct item *expected = least_of(items, COUNT);
            assert_ptr_equal(heap_pop(&h), &expected->node);
            assert_int_equal(expected->node.at, 0);
        } else if (action == 1) {
            heap_remove(&h, &item->node); /* also where it is in none */
            assert_int_equal(item->node.at, 0);
        } else if (item->node.at == 0) {
            item->key = (int)pick(50);
            heap_push(&h, &item->node);
        } else {
            item->key = (int)pick(50);
            heap_moved(&h, &item->node);
        }
        if (step % 16 == 0)
            check_order(&h);
        struct item *least = least_of(items, COUNT);
        assert_ptr_equal(heap_first(&h), least ? &least->node : NULL);
    }
    int last = -1;
    while (heap_first(&h)) {
        struct item *item = heap_item(heap_pop(&h), struct item, node);
        assert_true(item->key >= last);
        last = item->key;
    }
    assert_null(heap_pop(&h));
    heap_done(&h);
}

static void ties_go_by_the_owner(void **state)
{
    (void)state;
    struct item items[100];
    struct heap h;
    heap_init(&h, before);
    for (unsigned i = 0; i < COUNT_OF(items); i++) {
        items[i] = (struct item){.key = 1, .number = i};
        heap_push(&h, &items[i].node);
    }
    for (unsigned i = 0; i < COUNT_OF(items); i++)
        assert_ptr_equal(heap_pop(&h), &items[i].node);
    heap_done(&h);
}

static void done_lets_items_go(void **state)
{
    (void)state;
    struct item item = {.key = 1};
    struct heap h;
    heap_init(&h, before);
    heap_moved(&h, &item.node);
    heap_push(&h, &item.node);
    heap_done(&h);
    assert_int_equal(item.node.at, 0);
    heap_push(&h, &item.node);
    assert_ptr_equal(heap_first(&h), &item.node);
    heap_done(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_an_array),
        cmocka_unit_test(ties_go_by_the_owner),
        cmocka_unit_test(done_lets_items_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
