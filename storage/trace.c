/*
 * trace.c - a back end around a back end: each call becomes a log line with its duration and
 * outcome. ORCH_TRACE_STORAGE=1 ORCH_LOG=debug switches it on.
 */
#include "base/log.h"
#include "base/mem.h"
#include "storage/backend.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

struct traced_db {
    struct store_db base;
    struct store_db *inner; /* owned */
};

struct call {
    const char *name;
    struct timespec start;
};

static struct store_db *inner_of(struct store_db *db)
{
    return ((struct traced_db *)(void *)db)->inner;
}

static struct call begin(const char *name)
{
    struct call call = {.name = name};
    clock_gettime(CLOCK_MONOTONIC, &call.start);
    return call;
}

/* `about` may be NULL; `count` what was read or written, -1 = does not apply. */
static bool end(const struct call *call, const char *about, int64_t count, bool ok)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t us = (int64_t)(now.tv_sec - call->start.tv_sec) * 1000000 +
                 (now.tv_nsec - call->start.tv_nsec) / 1000;
    log_debug("storage call=%s about=%s count=%" PRId64 " us=%" PRId64 " ok=%d", call->name,
              about ? about : "-", ok ? count : -1, us, ok);
    return ok;
}

static void trace_close(struct store_db *db)
{
    struct store_db *inner = inner_of(db);
    inner->ops->close(inner);
    log_debug("storage call=close");
    free(db);
}

static bool trace_commit(struct store_db *db, struct store_batch *const *batches, size_t count,
                         struct err *err)
{
    struct store_db *inner = inner_of(db);
    struct call call = begin("commit");
    size_t events = 0;
    for (size_t i = 0; i < count; i++)
        events += batches[i]->count;
    return end(&call, NULL, (int64_t)events, inner->ops->commit(inner, batches, count, err));
}

static void trace_rest(struct store_db *db)
{
    struct store_db *inner = inner_of(db);
    struct call call = begin("rest");
    if (inner->ops->rest)
        inner->ops->rest(inner);
    end(&call, NULL, -1, true);
}

static bool trace_rebuild(struct store_db *db, struct err *err)
{
    struct store_db *inner = inner_of(db);
    struct call call = begin("rebuild");
    bool ok = inner->ops->rebuild ? inner->ops->rebuild(inner, err)
                                  : err_set(err, ERR_UNSUPPORTED, "no rebuild in this back end");
    return end(&call, NULL, -1, ok);
}

static bool trace_newest(struct store_db *db, char ret_id[ID_SIZE], struct err *err)
{
    struct store_db *inner = inner_of(db);
    struct call call = begin("newest");
    return end(&call, NULL, -1, inner->ops->newest(inner, ret_id, err));
}

static bool trace_by_number(struct store_db *db, const char *pipeline, int64_t number,
                            char ret_id[ID_SIZE], int64_t *ret_last, struct err *err)
{
    struct store_db *inner = inner_of(db);
    struct call call = begin("by_number");
    return end(&call, pipeline, number,
               inner->ops->by_number(inner, pipeline, number, ret_id, ret_last, err));
}

static bool trace_by_prefix(struct store_db *db, const char *prefix, char (*ret_ids)[ID_SIZE],
                            size_t max, size_t *ret_count, struct err *err)
{
    struct store_db *inner = inner_of(db);
    struct call call = begin("by_prefix");
    bool ok = inner->ops->by_prefix(inner, prefix, ret_ids, max, ret_count, err);
    return end(&call, prefix, ok ? (int64_t)*ret_count : -1, ok);
}

static bool trace_get_run(struct store_db *db, const char *id, struct arena *a,
                          struct store_run *ret, struct err *err)
{
    struct store_db *inner = inner_of(db);
    struct call call = begin("get_run");
    return end(&call, id, -1, inner->ops->get_run(inner, id, a, ret, err));
}

static bool trace_list_runs(struct store_db *db, const struct store_list *list, struct arena *a,
                            struct store_run **ret, size_t *ret_count, struct err *err)
{
    struct store_db *inner = inner_of(db);
    struct call call = begin("list_runs");
    bool ok = inner->ops->list_runs(inner, list, a, ret, ret_count, err);
    return end(&call, list->pipeline, ok ? (int64_t)*ret_count : -1, ok);
}

static bool trace_get_steps(struct store_db *db, const char *run, struct arena *a,
                            struct store_step **ret, size_t *ret_count, struct err *err)
{
    struct store_db *inner = inner_of(db);
    struct call call = begin("get_steps");
    bool ok = inner->ops->get_steps(inner, run, a, ret, ret_count, err);
    return end(&call, run, ok ? (int64_t)*ret_count : -1, ok);
}

/* The reads of a run's step differ in what they return alone. */
#define TRACE_READ(verb, type)                                                                     \
    static bool trace_##verb(struct store_db *db, const char *run, const char *step,               \
                             struct arena *a, type **ret, size_t *ret_count, struct err *err)      \
    {                                                                                              \
        struct store_db *inner = inner_of(db);                                                     \
        struct call call = begin(#verb);                                                           \
        bool ok = inner->ops->verb(inner, run, step, a, ret, ret_count, err);                      \
        return end(&call, run, ok ? (int64_t)*ret_count : -1, ok);                                 \
    }
TRACE_READ(get_attempts, struct store_attempt)
TRACE_READ(get_outputs, struct store_step_output)
TRACE_READ(get_artifacts, struct store_step_artifact)
TRACE_READ(get_metrics, struct store_step_metric)

static bool trace_each_row(struct store_db *db,
                           bool (*visit)(void *arg, const struct store_row *row, struct err *err),
                           void *arg, struct err *err)
{
    struct store_db *inner = inner_of(db);
    struct call call = begin("each_row");
    return end(&call, NULL, -1, inner->ops->each_row(inner, visit, arg, err));
}

static bool trace_each_text(struct store_db *db,
                            bool (*visit)(void *arg, const char *digest, struct store_text text,
                                          struct err *err),
                            void *arg, struct err *err)
{
    struct store_db *inner = inner_of(db);
    struct call call = begin("each_text");
    return end(&call, NULL, -1, inner->ops->each_text(inner, visit, arg, err));
}

static bool trace_get_facts(struct store_db *db, struct arena *a, struct store_facts *ret,
                            struct err *err)
{
    struct store_db *inner = inner_of(db);
    struct call call = begin("get_facts");
    return end(&call, NULL, -1, inner->ops->get_facts(inner, a, ret, err));
}

// clang-format off
static const struct store_backend traced = {
    .version       = STORE_BACKEND_VERSION,
    .name          = "trace",
    .close         = trace_close,
    .commit        = trace_commit,
    .rest          = trace_rest,
    .rebuild       = trace_rebuild,
    .newest        = trace_newest,
    .by_number     = trace_by_number,
    .by_prefix     = trace_by_prefix,
    .get_run       = trace_get_run,
    .list_runs     = trace_list_runs,
    .get_steps     = trace_get_steps,
    .get_attempts  = trace_get_attempts,
    .get_outputs   = trace_get_outputs,
    .get_artifacts = trace_get_artifacts,
    .get_metrics   = trace_get_metrics,
    .each_row      = trace_each_row,
    .each_text     = trace_each_text,
    .get_facts     = trace_get_facts,
};
// clang-format on

struct store_db *store_trace(struct store_db *db)
{
    struct traced_db *t = mem_alloc(sizeof *t);
    *t = (struct traced_db){.base = {.ops = &traced}, .inner = db};
    return &t->base;
}
