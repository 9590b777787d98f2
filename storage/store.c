/*
 * store.c - opening, closing, and handing each call to the back end: writes to the writer thread's
 * connection, reads to one of the caller's, opened with the first read.
 */
#include "base/file.h"
#include "base/mem.h"
#include "storage/backend.h"
#include "storage/find.h"
#include "storage/writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct store {
    const struct store_backend *backend;
    char *path, *data_dir;
    struct store_tuning tuning;
    bool read_only;
    struct loop *loop;           /* borrowed; may be NULL */
    struct store_db *write_db;   /* NULL where read_only */
    struct store_writer *writer; /* NULL where read_only */
    pthread_mutex_t read_lock;   /* guards read_db */
    struct store_db *read_db;    /* NULL until the first read */
};

/* ---- opening */

static bool make_data_dir(const char *dir, struct err *err)
{
    AUTO_FREE char *ignore = mem_printf("%s/.gitignore", dir);
    if (!file_make_dirs(dir, 0700, err))
        return err_wrap(err, "data folder");
    AUTO_CLOSE int fd = open(ignore, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return errno == EEXIST || err_sys(err, errno, "data folder: cannot make %s", ignore);
    return file_write_all(fd, "*\n", 2, err) || err_wrap(err, "data folder: %s", ignore);
}

static struct store_db *open_db(const struct store *s, bool must_exist, bool reader,
                                struct err *err)
{
    struct store_target target = {
        .path = s->path,
        .data_dir = s->data_dir,
        .must_exist = must_exist,
        .read_only = s->read_only,
        .reader = reader,
        .tuning = &s->tuning,
    };
    struct store_db *db = s->backend->open(&target, err);
    return db && getenv("ORCH_TRACE_STORAGE") ? store_trace(db) : db;
}

struct store *store_open_tuned(const struct store_conf *conf, const struct store_tuning *tuning,
                               struct err *err)
{
    const char *path;
    const struct store_backend *backend = store_backend_find(conf->url, &path, err);
    if (!backend)
        return NULL;
    bool makes = !conf->must_exist && !conf->read_only && backend->commit;
    if (makes && !make_data_dir(conf->data_dir, err))
        return NULL;
    struct store *s = mem_alloc(sizeof *s);
    s->backend = backend;
    s->path = mem_strdup(path);
    s->data_dir = mem_strdup(conf->data_dir);
    s->read_only = conf->read_only;
    s->loop = conf->loop;
    if (tuning)
        s->tuning = *tuning;
    pthread_mutex_init(&s->read_lock, NULL);
    struct store_db *db = open_db(s, conf->must_exist || conf->read_only, false, err);
    if (!db) {
        store_close(s);
        return NULL;
    }
    if (s->read_only) {
        s->read_db = db;
    } else {
        s->write_db = db;
        s->writer = writer_open(db, conf->loop);
    }
    return s;
}

struct store *store_open(const struct store_conf *conf, struct err *err)
{
    return store_open_tuned(conf, NULL, err);
}

void store_close(struct store *s)
{
    if (!s)
        return;
    writer_close(s->writer);
    if (s->read_db)
        s->read_db->ops->close(s->read_db);
    if (s->write_db)
        s->write_db->ops->close(s->write_db);
    pthread_mutex_destroy(&s->read_lock);
    free(s->path);
    free(s->data_dir);
    free(s);
}

const char *store_data_dir(const struct store *s)
{
    return s->data_dir;
}

/* ---- writing */

void store_commit(struct store *s, struct store_batch *b,
                  void (*done)(void *arg, const struct err *failed), void *arg)
{
    assert(s->writer); /* not opened read_only */
    writer_commit(s->writer, b, done, arg);
}

bool store_commit_now(struct store *s, struct store_batch *b, struct err *err)
{
    if (s->writer)
        return writer_commit_now(s->writer, b, err);
    store_batch_free(b);
    return err_set(err, ERR_INTERNAL, "the store was opened for reading only");
}

/* The writer's thread is ended for it: it owns the connection while it lives. Answers that have not
 * been given yet are lost, so this is for a test, or a repair. */
bool store_rebuild(struct store *s, struct err *err)
{
    if (!s->write_db || !s->write_db->ops->rebuild)
        return err_set(err, ERR_UNSUPPORTED, "this store cannot be rebuilt from its journal");
    writer_close(s->writer);
    bool ok = s->write_db->ops->rebuild(s->write_db, err);
    s->writer = writer_open(s->write_db, s->loop);
    return ok;
}

/* ---- reading: lock, ask, unlock */

static struct store_db *begin_read(struct store *s, struct err *err)
{
    pthread_mutex_lock(&s->read_lock);
    if (!s->read_db)
        s->read_db = open_db(s, true, true, err);
    return s->read_db;
}

static bool end_read(struct store *s, bool ok)
{
    pthread_mutex_unlock(&s->read_lock);
    return ok;
}

bool store_find_run(struct store *s, const char *word, char ret_id[ID_SIZE], struct err *err)
{
    struct store_db *db = begin_read(s, err);
    return end_read(s, db && store_find(db, word, ret_id, err));
}

bool store_get_run(struct store *s, const char *id, struct arena *a, struct store_run *ret,
                   struct err *err)
{
    struct store_db *db = begin_read(s, err);
    return end_read(s, db && db->ops->get_run(db, id, a, ret, err));
}

bool store_list_runs(struct store *s, const struct store_list *list, struct arena *a,
                     struct store_run **ret, size_t *ret_count, struct err *err)
{
    struct store_db *db = begin_read(s, err);
    return end_read(s, db && db->ops->list_runs(db, list, a, ret, ret_count, err));
}

bool store_get_steps(struct store *s, const char *run, struct arena *a, struct store_step **ret,
                     size_t *ret_count, struct err *err)
{
    struct store_db *db = begin_read(s, err);
    return end_read(s, db && db->ops->get_steps(db, run, a, ret, ret_count, err));
}

bool store_get_attempts(struct store *s, const char *run, const char *step, struct arena *a,
                        struct store_attempt **ret, size_t *ret_count, struct err *err)
{
    struct store_db *db = begin_read(s, err);
    return end_read(s, db && db->ops->get_attempts(db, run, step, a, ret, ret_count, err));
}

bool store_get_outputs(struct store *s, const char *run, const char *step, struct arena *a,
                       struct store_step_output **ret, size_t *ret_count, struct err *err)
{
    struct store_db *db = begin_read(s, err);
    return end_read(s, db && db->ops->get_outputs(db, run, step, a, ret, ret_count, err));
}

bool store_get_artifacts(struct store *s, const char *run, const char *step, struct arena *a,
                         struct store_step_artifact **ret, size_t *ret_count, struct err *err)
{
    struct store_db *db = begin_read(s, err);
    return end_read(s, db && db->ops->get_artifacts(db, run, step, a, ret, ret_count, err));
}

bool store_get_metrics(struct store *s, const char *run, const char *step, struct arena *a,
                       struct store_step_metric **ret, size_t *ret_count, struct err *err)
{
    struct store_db *db = begin_read(s, err);
    return end_read(s, db && db->ops->get_metrics(db, run, step, a, ret, ret_count, err));
}

bool store_get_facts(struct store *s, struct arena *a, struct store_facts *ret, struct err *err)
{
    struct store_db *db = begin_read(s, err);
    return end_read(s, db && db->ops->get_facts(db, a, ret, err));
}

/* ---- verifying */

struct chain {
    unsigned char hash[STORE_HASH_BYTES];
    int64_t rows;
    struct buf scratch;
};

static bool check_row(void *arg, const struct store_row *row, struct err *err)
{
    struct chain *chain = arg;
    unsigned char hash[STORE_HASH_BYTES];
    if (row->seq != chain->rows + 1)
        return err_set(err, ERR_CORRUPT,
                       "the journal does not fit at row %" PRId64 ": row %" PRId64
                       " is missing, it was removed or lost",
                       row->seq, chain->rows + 1);
    store_row_hash(row, chain->hash, &chain->scratch, hash);
    if (memcmp(hash, row->hash, sizeof hash) != 0)
        return err_set(err, ERR_CORRUPT,
                       "the journal does not fit at row %" PRId64
                       ": its hash is not that of what it says and of the rows before; it was "
                       "changed after it was written, or the disk returned other bytes",
                       row->seq);
    memcpy(chain->hash, hash, sizeof hash);
    chain->rows++;
    return true;
}

static bool check_text(void *arg, const char *digest, struct store_text text, struct err *err)
{
    (void)arg;
    char real[DIGEST_TEXT];
    digest_bytes(text.data, text.len, real);
    return strcmp(real, digest) == 0 ||
           err_set(err, ERR_CORRUPT,
                   "a pipeline's recorded source is not what was written: its digest is %s, the "
                   "journal says %s",
                   real, digest);
}

bool store_verify_journal(struct store *s, int64_t *ret_rows, struct err *err)
{
    struct chain chain = {.scratch = BUF_INIT(2 * STORE_BODY_MAX)};
    struct store_db *db = begin_read(s, err);
    bool ok = end_read(s, db && db->ops->each_row(db, check_row, &chain, err) &&
                              db->ops->each_text(db, check_text, NULL, err));
    buf_done(&chain.scratch);
    if (ok)
        *ret_rows = chain.rows;
    return ok;
}
