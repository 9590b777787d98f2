/*
 * writer.c - one queue in, one queue out, one thread between.
 *
 *   loop's thread: commit() ─▶ [waiting] ─▶ writer thread: take all, one transaction ─▶ [answered]
 *                  on_answers() ◀──────────────────────────── ring ◀────────────────────┘
 *
 * A failure is final: what is queued after it was decided on the belief that what came before is
 * recorded, so every later commit fails too.
 */
#include "storage/writer.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

#define MERGE_EVENTS 4096 /* so that nobody waits long for a transaction to fill */
#define MERGE_BATCHES 256

struct job {
    struct store_batch *batch; /* owned; NULL once committed or failed */
    void (*done)(void *arg, const struct err *failed);
    void *arg;
    bool waits;    /* writer_commit_now() sleeps on it and owns it */
    bool answered; /* guarded by the lock */
    const struct err *failed;
    struct job *next;
};

struct queue {
    struct job *first, **end;
};

struct store_writer {
    struct store_db *db;
    struct loop *loop;
    struct loop_post *post; /* NULL without a loop */
    pthread_t thread;
    bool started;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t work, answer;
    struct queue waiting, answered;
    bool stopping;
    struct err *failure; /* of the first commit that failed, owned; NULL = none */
    struct err *later;   /* what commits after it are told */
    bool *gone;          /* on_answers() runs: set when the writer is freed by a callback */
};

static void push(struct queue *q, struct job *job)
{
    job->next = NULL;
    *q->end = job;
    q->end = &job->next;
}

static struct job *pop(struct queue *q)
{
    struct job *job = q->first;
    if (job && !(q->first = job->next))
        q->end = &q->first;
    return job;
}

static void free_job(struct job *job)
{
    store_batch_free(job->batch);
    free(job);
}

/* ---- the thread */

/* Commits jobs[0..count) as one transaction; returns how many are committed. What fails together is
 * tried one by one, so that a bad batch does not take its predecessors with it. */
static size_t commit_jobs(struct store_writer *w, struct job *const *jobs, size_t count,
                          struct err *err)
{
    struct store_batch *batches[MERGE_BATCHES];
    for (size_t i = 0; i < count; i++)
        batches[i] = jobs[i]->batch;
    if (w->db->ops->commit(w->db, batches, count, err))
        return count;
    size_t good = 0;
    while (count > 1 && good < count && w->db->ops->commit(w->db, &batches[good], 1, err))
        good++;
    return good;
}

static size_t take_jobs(struct store_writer *w, struct job **ret)
{
    size_t count = 0, events = 0;
    while (w->waiting.first && count < MERGE_BATCHES && events < MERGE_EVENTS) {
        ret[count] = pop(&w->waiting);
        events += ret[count++]->batch->count;
    }
    return count;
}

static void remember_failure(struct store_writer *w, const struct err *err)
{
    w->failure = mem_alloc(sizeof *w->failure);
    w->later = mem_alloc(sizeof *w->later);
    *w->failure = *w->later = *err;
    err_wrap(w->later, "an earlier record could not be written");
}

static void answer_jobs(struct store_writer *w, struct job *const *jobs, size_t count)
{
    bool ring = false;
    for (size_t i = 0; i < count; i++) {
        jobs[i]->answered = true;
        if (jobs[i]->waits)
            continue; /* its owner may free it as soon as the lock is released */
        push(&w->answered, jobs[i]);
        ring = true;
    }
    pthread_cond_broadcast(&w->answer);
    if (ring && w->post)
        w->loop->ops->post_ring(w->post);
}

static void *run_writer(void *arg)
{
    struct store_writer *w = arg;
    struct job *jobs[MERGE_BATCHES];
    pthread_mutex_lock(&w->lock);
    for (;;) {
        size_t count = take_jobs(w, jobs);
        if (!count && w->stopping)
            break;
        if (!count) {
            pthread_cond_wait(&w->work, &w->lock);
            continue;
        }
        size_t good = 0;
        struct err err = ERR_INIT;
        if (!w->failure) {
            pthread_mutex_unlock(&w->lock);
            good = commit_jobs(w, jobs, count, &err);
            for (size_t i = 0; i < count; i++) {
                store_batch_free(jobs[i]->batch);
                jobs[i]->batch = NULL;
            }
            pthread_mutex_lock(&w->lock);
        }
        for (size_t i = good; i < count; i++) {
            bool first = !w->failure;
            if (first)
                remember_failure(w, &err);
            jobs[i]->failed = first ? w->failure : w->later;
        }
        answer_jobs(w, jobs, count);
        if (w->db->ops->rest && !w->failure) {
            pthread_mutex_unlock(&w->lock);
            w->db->ops->rest(w->db);
            pthread_mutex_lock(&w->lock);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- the loop's side */

static void on_answers(void *arg)
{
    struct store_writer *w = arg;
    bool gone = false;
    w->gone = &gone;
    for (;;) {
        pthread_mutex_lock(&w->lock);
        struct job *job = pop(&w->answered);
        pthread_mutex_unlock(&w->lock);
        if (!job)
            break;
        job->done(job->arg, job->failed);
        free_job(job);
        if (gone)
            return;
    }
    w->gone = NULL;
}

static void enqueue(struct store_writer *w, struct job *job)
{
    pthread_mutex_lock(&w->lock);
    if (!w->started && pthread_create(&w->thread, NULL, run_writer, w) != 0)
        abort(); /* as an allocation that fails: nothing can be recorded, recovery is next */
    w->started = true;
    push(&w->waiting, job);
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
}

void writer_commit(struct store_writer *w, struct store_batch *b,
                   void (*done)(void *arg, const struct err *failed), void *arg)
{
    struct job *job = mem_alloc(sizeof *job);
    *job = (struct job){.batch = b, .done = done, .arg = arg};
    enqueue(w, job);
}

bool writer_commit_now(struct store_writer *w, struct store_batch *b, struct err *err)
{
    struct job job = {.batch = b, .waits = true};
    enqueue(w, &job);
    pthread_mutex_lock(&w->lock);
    while (!job.answered)
        pthread_cond_wait(&w->answer, &w->lock);
    if (job.failed && err)
        *err = *job.failed;
    pthread_mutex_unlock(&w->lock);
    store_batch_free(job.batch);
    return !job.failed;
}

struct store_writer *writer_open(struct store_db *db, struct loop *loop)
{
    struct store_writer *w = mem_alloc(sizeof *w);
    *w = (struct store_writer){.db = db, .loop = loop};
    w->waiting.end = &w->waiting.first;
    w->answered.end = &w->answered.first;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    pthread_cond_init(&w->answer, NULL);
    if (loop)
        w->post = loop->ops->post_open(loop, on_answers, w);
    return w;
}

void writer_close(struct store_writer *w)
{
    if (!w)
        return;
    if (w->started) {
        pthread_mutex_lock(&w->lock);
        w->stopping = true;
        pthread_cond_signal(&w->work);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
    }
    if (w->post)
        w->loop->ops->post_close(w->post);
    if (w->gone)
        *w->gone = true;
    for (struct job *job; (job = pop(&w->answered));)
        free_job(job);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->work);
    pthread_cond_destroy(&w->answer);
    free(w->failure);
    free(w->later);
    free(w);
}
