/*
 * The writer thread: answers in the order of the calls, merging, what a failure does to what comes
 * after it, closing. With a loop of our own and, where only the order matters, a back end that
 * notes what it is given.
 */
#include "help.h"
#include "storage/writer.h"

#include <pthread.h>

/* ---- a loop that only knows doorbells */

struct fake_loop {
    struct loop base;
    void (*cb)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t rang;
    bool ringing, closed;
};

static struct loop_post *fake_post_open(struct loop *l, void (*cb)(void *arg), void *arg)
{
    struct fake_loop *f = (struct fake_loop *)(void *)l;
    f->cb = cb;
    f->arg = arg;
    return (struct loop_post *)(void *)f;
}

static void fake_post_ring(struct loop_post *p)
{
    struct fake_loop *f = (struct fake_loop *)(void *)p;
    pthread_mutex_lock(&f->lock);
    f->ringing = true;
    pthread_cond_signal(&f->rang);
    pthread_mutex_unlock(&f->lock);
}

static void fake_post_close(struct loop_post *p)
{
    ((struct fake_loop *)(void *)p)->closed = true;
}

static const struct loop_ops fake_ops = {
    .version = LOOP_OPS_VERSION,
    .post_open = fake_post_open,
    .post_ring = fake_post_ring,
    .post_close = fake_post_close,
};

static void init_loop(struct fake_loop *f)
{
    *f = (struct fake_loop){.base = {&fake_ops}};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->rang, NULL);
}

/* Waits for one ring and answers it. */
static void turn(struct fake_loop *f)
{
    pthread_mutex_lock(&f->lock);
    while (!f->ringing)
        pthread_cond_wait(&f->rang, &f->lock);
    f->ringing = false;
    pthread_mutex_unlock(&f->lock);
    f->cb(f->arg);
}

/* ---- a back end that notes */

struct noting_db {
    struct store_db base;
    pthread_mutex_t lock;
    bool holds; /* commits wait until it is let go */
    pthread_cond_t let_go;
    int64_t seen[1000]; /* at_ms of each batch's event, in order of commit */
    size_t seen_count, calls, largest;
    int64_t bad; /* a batch with this time fails */
};

static bool note_commit(struct store_db *base, struct store_batch *const *batches, size_t count,
                        struct err *err)
{
    struct noting_db *db = (struct noting_db *)(void *)base;
    bool ok = true;
    pthread_mutex_lock(&db->lock);
    while (db->holds)
        pthread_cond_wait(&db->let_go, &db->lock);
    db->calls++;
    if (count > db->largest)
        db->largest = count;
    for (size_t i = 0; i < count; i++)
        ok = ok && batches[i]->events[0].at_ms != db->bad;
    for (size_t i = 0; ok && i < count; i++)
        db->seen[db->seen_count++] = batches[i]->events[0].at_ms;
    pthread_mutex_unlock(&db->lock);
    return ok || err_set(err, ERR_IO, "bad batch");
}

static const struct store_backend noting = {.commit = note_commit};

static void init_db(struct noting_db *db)
{
    *db = (struct noting_db){.base = {&noting}, .bad = -1};
    pthread_mutex_init(&db->lock, NULL);
    pthread_cond_init(&db->let_go, NULL);
}

static void hold(struct noting_db *db, bool holds)
{
    pthread_mutex_lock(&db->lock);
    db->holds = holds;
    pthread_cond_broadcast(&db->let_go);
    pthread_mutex_unlock(&db->lock);
}

static struct store_batch *batch_at(int64_t at)
{
    struct store_batch *b = store_batch_new();
    store_add_run_state(b, at, "r", "running", NULL);
    return b;
}

/* ---- what the callbacks saw */

struct answers {
    int64_t next; /* expected */
    int64_t failed_from;
    enum err_code code;
    struct store_writer *close; /* in the callback */
};

struct question {
    struct answers *answers;
    int64_t at;
};

static void on_done(void *arg, const struct err *failed)
{
    struct question *q = arg;
    struct answers *a = q->answers;
    assert_int_equal(q->at, a->next);
    a->next++;
    if (failed && !a->failed_from) {
        a->failed_from = q->at;
        a->code = failed->code;
    }
    assert_int_equal(failed != NULL, a->failed_from != 0);
    if (a->close)
        writer_close(a->close);
}

static void test_answers_in_order_and_merged(void **state)
{
    (void)state;
    struct noting_db db;
    struct fake_loop loop;
    struct answers answers = {.next = 1};
    struct question q[300];
    init_db(&db);
    init_loop(&loop);
    struct store_writer *w = writer_open(&db.base, &loop.base);
    hold(&db, true);
    for (int i = 0; i < 300; i++) {
        q[i] = (struct question){&answers, i + 1};
        writer_commit(w, batch_at(i + 1), on_done, &q[i]);
    }
    assert_int_equal(answers.next, 1); /* never from inside the call */
    hold(&db, false);
    while (answers.next <= 300)
        turn(&loop);
    assert_int_equal(db.seen_count, 300);
    for (int i = 0; i < 300; i++)
        assert_int_equal(db.seen[i], i + 1);
    assert_true(db.calls <= 4);
    assert_true(db.largest >= 100);
    writer_close(w);
    assert_true(loop.closed);
}

static void test_failure_is_final(void **state)
{
    (void)state;
    struct noting_db db;
    struct fake_loop loop;
    struct answers answers = {.next = 1};
    struct question q[20];
    struct err err = ERR_INIT;
    init_db(&db);
    init_loop(&loop);
    db.bad = 8;
    struct store_writer *w = writer_open(&db.base, &loop.base);
    hold(&db, true);
    for (int i = 0; i < 20; i++) {
        q[i] = (struct question){&answers, i + 1};
        writer_commit(w, batch_at(i + 1), on_done, &q[i]);
    }
    hold(&db, false);
    assert_false(writer_commit_now(w, batch_at(99), &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.msg, "earlier"));
    while (answers.next <= 20)
        turn(&loop);
    assert_int_equal(answers.failed_from, 8); /* its predecessors were committed one by one */
    assert_int_equal(answers.code, ERR_IO);
    assert_int_equal(db.seen_count, 7);
    writer_close(w);
}

static void test_closing_commits_and_calls_nobody(void **state)
{
    (void)state;
    struct noting_db db;
    struct fake_loop loop;
    struct answers answers = {.next = 1};
    struct question q[50];
    init_db(&db);
    init_loop(&loop);
    struct store_writer *w = writer_open(&db.base, &loop.base);
    for (int i = 0; i < 50; i++) {
        q[i] = (struct question){&answers, i + 1};
        writer_commit(w, batch_at(i + 1), on_done, &q[i]);
    }
    writer_close(w);
    assert_int_equal(db.seen_count, 50);
    assert_int_equal(answers.next, 1);
    writer_close(writer_open(&db.base, NULL)); /* no thread was ever started */
}

static void test_closing_in_a_callback(void **state)
{
    (void)state;
    struct noting_db db;
    struct fake_loop loop;
    init_db(&db);
    init_loop(&loop);
    struct store_writer *w = writer_open(&db.base, &loop.base);
    struct answers answers = {.next = 1, .close = w};
    struct question q[5];
    hold(&db, true);
    for (int i = 0; i < 5; i++) {
        q[i] = (struct question){&answers, i + 1};
        writer_commit(w, batch_at(i + 1), on_done, &q[i]);
    }
    hold(&db, false);
    turn(&loop);
    assert_int_equal(answers.next, 2);
    assert_int_equal(db.seen_count, 5);
}

/* ---- with the real back end: commits and reads from both sides at once */

static void on_committed(void *arg, const struct err *failed)
{
    assert_null(failed);
    (*(int *)arg)++;
}

static void test_commits_and_reads_together(void **state)
{
    (void)state;
    struct fake_loop loop;
    init_loop(&loop);
    struct store *s = open_store_tuned(&loop.base, NULL);
    char id[ID_SIZE];
    int done = 0, sent = 0;
    struct store_batch *b = store_batch_new();
    add_run(b, make_id(id), "p");
    commit(s, b);
    for (int i = 0; i < 100; i++) {
        AUTO_ARENA struct arena a = ARENA_INIT;
        struct store_run run;
        b = store_batch_new();
        add_step_life(b, id, i % 2 ? "a" : "b");
        store_commit(s, b, on_committed, &done);
        sent++;
        if (i % 10 == 5) {
            b = store_batch_new();
            store_add_run_state(b, T0 + i, id, i % 20 == 5 ? "running" : "waiting", NULL);
            commit(s, b);
            assert_true(store_get_run(s, id, &a, &run, NULL)); /* what is committed is seen */
            assert_string_equal(run.status, i % 20 == 5 ? "running" : "waiting");
        }
        while (sent - done > 3)
            turn(&loop);
    }
    while (done < sent)
        turn(&loop);
    store_close(s);
    check_chain(1 + 100 * 5 + 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answers_in_order_and_merged),      TEST(test_failure_is_final),
        TEST(test_closing_commits_and_calls_nobody), TEST(test_closing_in_a_callback),
        TEST(test_commits_and_reads_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
