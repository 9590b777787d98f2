/*
 * outlook.c - what the host has, what the steps of a pipeline take of it, and what it cannot hold.
 *
 * Facts come from orch-step. Only pipelines that ask for something make anybody ask it, so a plain
 * run starts as fast as ever.
 */
#include "engine/isolate.h"

#include "base/mem.h"
#include "base/text.h"
#include "engine/loop_uv.h"
#include "executor/executor.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LACKS_MAX 64  /* distinct keys, twice: more than there are */
#define NAMES_SHOWN 5 /* of steps, in a message */

/* ---- the host
 * -------------------------------------------------------------------------------------- */

int64_t host_cores(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? cores : 1;
}

static int64_t host_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (int64_t)pages * size : 0;
}

static int64_t amount(const struct step_facts *facts, const char *name)
{
    const struct step_fact *fact = facts == NULL ? NULL : step_facts_find(facts, name);
    return fact != NULL && fact->holds && fact->amount > 0 ? fact->amount : 0;
}

void host_has(const struct step_facts *facts, int64_t ret[SCHED_RESOURCES])
{
    ret[SCHED_CPU] = host_cores() * 1000;
    ret[SCHED_MEMORY] = host_memory();
    ret[SCHED_CORES] = amount(facts, "cores");
    ret[SCHED_GPUS] = amount(facts, "gpus");
}

/* ---- a step
 * ---------------------------------------------------------------------------------------- */

void host_takes(const struct dag_step *step, int64_t ret[SCHED_RESOURCES])
{
    const struct dag_resources *r = &step->resources;
    int64_t own = r->cores.count * 1000; /* nobody else has them meanwhile */
    int64_t cpu = r->cpu_milli > own ? r->cpu_milli : own;
    ret[SCHED_CPU] = r->reserve_cpu_milli >= 0 ? r->reserve_cpu_milli : cpu > 0 ? cpu : 1000;
    ret[SCHED_MEMORY] = r->reserve_memory >= 0 ? r->reserve_memory : r->memory;
    ret[SCHED_CORES] = r->cores.count;
    ret[SCHED_GPUS] = r->gpu.count;
}

static const char *show_amount(enum sched_resource what, int64_t number, struct arena *a)
{
    char size[32];
    if (what == SCHED_CPU) {
        return arena_printf(a, "%g", (double)number / 1000);
    }
    return what == SCHED_MEMORY ? arena_strdup(a, text_format_size(number, size))
                                : arena_printf(a, "%lld", (long long)number);
}

/* Why a step can never run here: it asks for more than there is. NULL = it does not. What is not
 * known (0) is not exceeded. */
static const char *exceeded(const struct dag_step *step, const int64_t *have, struct arena *a)
{
    static const char *const keys[SCHED_RESOURCES] = {[SCHED_CPU] = "cpu",
                                                      [SCHED_MEMORY] = "memory",
                                                      [SCHED_CORES] = "cores",
                                                      [SCHED_GPUS] = "gpu"};
    const struct dag_resources *r = &step->resources;
    const int64_t asks[SCHED_RESOURCES] = {[SCHED_CPU] = r->cpu_milli,
                                           [SCHED_MEMORY] = r->memory,
                                           [SCHED_CORES] = r->cores.count,
                                           [SCHED_GPUS] = r->gpu.count};
    for (enum sched_resource i = 0; i < SCHED_RESOURCES; i++) {
        if (have[i] > 0 && asks[i] > have[i]) {
            return arena_printf(a, "`resources.%s` asks for %s, but this host has %s", keys[i],
                                show_amount(i, asks[i], a), show_amount(i, have[i], a));
        }
    }
    return NULL;
}

/* ---- all of them
 * ----------------------------------------------------------------------------------- */

bool outlook_asks(const struct dag_pipeline *p, const struct engine_plan_step *plan)
{
    for (uint32_t i = 0; i < p->step_count; i++) {
        if (plan[i].what == ENGINE_PLAN_RUN && isolate_asks(&p->steps[i])) {
            return true;
        }
    }
    return false;
}

/* Steps of one level may run at the same time: what they take together, at most. */
static void add_up(const struct dag_pipeline *p, const struct engine_plan_step *plan,
                   struct arena *a, struct engine_outlook *o)
{
    uint32_t *level = arena_array(a, p->step_count + 1, sizeof(*level));
    int64_t(*sums)[SCHED_RESOURCES] = arena_array(a, p->step_count + 1, sizeof(*sums));
    memset(sums, 0, (p->step_count + 1) * sizeof(*sums));
    for (uint32_t i = 0; i < p->step_count; i++) {
        const struct dag_step *step = &p->steps[p->order[i]];
        level[step->index] = 0;
        for (uint32_t n = 0; n < step->need_count; n++) {
            uint32_t below = level[step->needs[n]] + 1;
            level[step->index] = below > level[step->index] ? below : level[step->index];
        }
        for (size_t r = 0; plan[step->index].what == ENGINE_PLAN_RUN && r < SCHED_RESOURCES; r++) {
            int64_t *sum = &sums[level[step->index]][r];
            *sum = INT64_MAX - *sum < o->takes[step->index][r] ? INT64_MAX
                                                               : *sum + o->takes[step->index][r];
            o->most[r] = *sum > o->most[r] ? *sum : o->most[r];
        }
    }
}

static struct engine_lack *find_lack(struct engine_outlook *o, const char *key, bool left_out,
                                     uint32_t step_count, struct arena *a)
{
    for (size_t i = 0; i < o->lack_count; i++) {
        if (strcmp(o->lacks[i].key, key) == 0 && o->lacks[i].left_out == left_out) {
            return &o->lacks[i];
        }
    }
    assert(o->lack_count < LACKS_MAX);
    struct engine_lack *lack = &o->lacks[o->lack_count++];
    *lack = (struct engine_lack){.key = key, .left_out = left_out};
    lack->steps = arena_array(a, step_count, sizeof(uint32_t));
    return lack;
}

static void add_lack(struct engine_outlook *o, const struct dag_pipeline *p, uint32_t step,
                     const char *key, const struct step_fact *fact, bool left_out, struct arena *a)
{
    struct engine_lack *lack = find_lack(o, key, left_out, p->step_count, a);
    bool told = fact != NULL && fact->why[0] != '\0';
    lack->why = told ? arena_strdup(a, fact->why) : "this host cannot do it";
    lack->fix = fact == NULL ? "" : arena_strdup(a, fact->fix);
    lack->user = strcmp(key, "user") == 0;
    uint32_t *steps = (uint32_t *)(uintptr_t)lack->steps; /* filled here, read elsewhere */
    steps[lack->step_count++] = step;
    o->lacking[step] = lack;
}

/* What the facts say of a step; its user has been found. */
static void hold_against(struct engine_outlook *o, const struct dag_pipeline *p, uint32_t step,
                         const struct user *user, const struct step_facts *facts, struct arena *a)
{
    struct step_limits limits;
    struct step_sandbox sandbox;
    const struct step_fact *fact;
    const char *key;
    isolate_limits(&p->steps[step], a, &limits);
    isolate_sandbox(&p->steps[step], user, false, a, &sandbox);
    if (step_facts_lacks(facts, &limits, &sandbox, &key, &fact)) {
        add_lack(o, p, step, key, fact, false, a);
        return;
    }
    limits.best_effort = false;
    if (step_facts_lacks(facts, &limits, &sandbox, &key, &fact)) {
        add_lack(o, p, step, key, fact, true, a);
    }
}

void outlook_make(const struct dag_pipeline *p, const struct engine_plan_step *plan,
                  const struct step_facts *facts, struct users *users, struct arena *a,
                  struct engine_outlook *ret)
{
    *ret = (struct engine_outlook){.asked = facts != NULL};
    ret->takes = arena_array(a, p->step_count + 1, sizeof(*ret->takes));
    ret->never = arena_array(a, p->step_count + 1, sizeof(*ret->never));
    ret->lacking = arena_array(a, p->step_count + 1, sizeof(*ret->lacking));
    ret->lacks = arena_array(a, LACKS_MAX, sizeof(*ret->lacks));
    host_has(facts, ret->have);
    for (uint32_t i = 0; i < p->step_count; i++) {
        const struct dag_step *step = &p->steps[i];
        const struct user *user = NULL;
        struct err err = ERR_INIT;
        host_takes(step, ret->takes[i]);
        ret->never[i] = NULL;
        ret->lacking[i] = NULL;
        if (plan[i].what != ENGINE_PLAN_RUN) {
            continue;
        }
        ret->never[i] = exceeded(step, ret->have, a);
        if (step->user != NULL && !user_find(users, step->user, a, &user, &err)) {
            ret->never[i] = arena_printf(a, "`user`: %s", err.msg);
        } else if (facts != NULL) {
            hold_against(ret, p, i, user, facts, a);
        }
    }
    add_up(p, plan, a, ret);
}

/* ---- telling
 * --------------------------------------------------------------------------------------- */

static void add_names(struct buf *b, const struct dag_pipeline *p, const struct engine_lack *lack)
{
    for (size_t i = 0; i < lack->step_count && i < NAMES_SHOWN; i++) {
        buf_addf(b, "%s'%s'", i > 0 ? ", " : "", p->steps[lack->steps[i]].name);
    }
    if (lack->step_count > NAMES_SHOWN) {
        buf_addf(b, " and %zu more", lack->step_count - NAMES_SHOWN);
    }
}

static bool check_never(const struct engine_outlook *o, const struct dag_pipeline *p,
                        struct err *err)
{
    const char *first = NULL, *name = NULL;
    size_t more = 0;
    for (uint32_t i = 0; i < p->step_count; i++) {
        if (o->never[i] != NULL && first == NULL) {
            first = o->never[i];
            name = p->steps[i].name;
        } else {
            more += o->never[i] != NULL;
        }
    }
    if (first == NULL) {
        return true;
    }
    AUTO_FREE char *others =
        more == 0 ? mem_strdup("")
                  : mem_printf("; %zu other steps cannot either (orchctl plan names them)", more);
    return err_set(err, ERR_INVALID, "step '%s' cannot run here: %s%s", name, first,
                   more == 1 ? "; another step cannot either (orchctl plan names it)" : others);
}

bool engine_outlook_check(const struct engine_outlook *o, const struct dag_pipeline *p,
                          struct err *err)
{
    AUTO_BUF struct buf text = BUF_INIT(1UL << 20);
    bool helps = false; /* would best-effort? */
    if (!check_never(o, p, err)) {
        return false;
    }
    for (size_t i = 0; i < o->lack_count; i++) {
        const struct engine_lack *lack = &o->lacks[i];
        if (lack->left_out) {
            continue;
        }
        buf_addf(&text, "%sstep%s ", text.len > 0 ? "; " : "", lack->step_count > 1 ? "s" : "");
        add_names(&text, p, lack);
        buf_addf(&text, ": `%s` cannot be enforced: %s%s%s", lack->key, lack->why,
                 lack->fix[0] != '\0' ? "; what would help: " : "", lack->fix);
        helps = helps || !lack->user;
    }
    if (text.len == 0) {
        return true;
    }
    /* The advice stays, however long the rest is. */
    return err_set(err, ERR_UNSUPPORTED, "%.800s%s", buf_str(&text),
                   helps ? "; or say `isolation: best-effort`, in the step or for the pipeline, to "
                           "run without what cannot be enforced"
                         : "");
}

/* ---- without an engine
 * ------------------------------------------------------------------------------ */

static void no_turn(void *arg)
{
    (void)arg;
}

static const struct step_facts *ask_host(const char *program, struct loop_uv **ret_loop,
                                         struct exec **ret_exec, struct err *err)
{
    const struct step_facts *facts = NULL;
    *ret_loop = loop_uv_open(no_turn, NULL, err);
    if (*ret_loop == NULL) {
        return NULL;
    }
    struct exec_conf conf = {.step_program = program, .loop = loop_uv_base(*ret_loop)};
    *ret_exec = exec_open(&conf, err);
    return *ret_exec != NULL && exec_facts(*ret_exec, &facts, err) ? facts : NULL;
}

void engine_look_ahead(const char *step_program, const struct dag_pipeline *p,
                       const struct engine_plan_step *plan, struct arena *a,
                       struct engine_outlook *ret)
{
    struct loop_uv *loop = NULL;
    struct exec *exec = NULL;
    struct err err = ERR_INIT;
    const struct step_facts *facts = NULL;
    if (outlook_asks(p, plan)) {
        facts = ask_host(step_program, &loop, &exec, &err);
    }
    struct users users = {0};
    outlook_make(p, plan, facts, &users, a, ret);
    ret->unknown = err.code == ERR_NONE ? NULL : arena_strdup(a, err.msg);
    exec_close(exec);
    loop_uv_close(loop);
}
