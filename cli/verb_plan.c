/*
 * verb_plan.c - orchctl plan: what a run would do with each step, why, what the step takes of this
 * host, and whether the host can hold it. No step is started and nothing recorded; orch-step is
 * asked where a step has limits, and done without where it is not there. `run --dry-run` is the
 * same with the checks of a run.
 */
#include "cli/cli.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const WHAT[] = {
    [ENGINE_PLAN_RUN] = "run", [ENGINE_PLAN_REUSE] = "reuse", [ENGINE_PLAN_SKIP] = "skip"};

/* What the step does, as written in the file. */
static json_t *command_json(const struct dag_step *step)
{
    if (step->action == DAG_ACTION_SHELL)
        return cli_json_text(dag_script_source(step->script));
    if (step->action == DAG_ACTION_USES)
        return cli_json_text(step->uses);
    if (step->action != DAG_ACTION_EXEC)
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < step->argc; i++)
        json_array_append_new(list, cli_json_text(dag_tmpl_source(step->argv[i])));
    return list;
}

static const char *script_text(struct arena *a, const char *script)
{
    script += strspn(script, "\n");
    size_t len = strcspn(script, "\n");
    const char *rest = script + len;
    unsigned more = 0;
    for (; *rest; rest += strcspn(rest, "\n")) {
        rest += strspn(rest, "\n");
        more += *rest != 0;
    }
    const char *first = term_safe(a, arena_strndup(a, script, len));
    return more ? arena_printf(a, "%s  (and %u more line%s)", first, more, more == 1 ? "" : "s")
                : first;
}

static const char *command_text(struct arena *a, const struct dag_step *step)
{
    if (step->action == DAG_ACTION_SHELL)
        return arena_printf(a, "$ %s", script_text(a, dag_script_source(step->script)));
    if (step->action == DAG_ACTION_USES)
        return arena_printf(a, "uses %s", term_safe(a, step->uses));
    if (step->action == DAG_ACTION_GATE)
        return "gate";
    if (step->action == DAG_ACTION_APPROVAL)
        return "approval";
    AUTO_BUF struct buf out = BUF_INIT(1UL << 20);
    buf_adds(&out, "exec");
    for (size_t i = 0; i < step->argc; i++)
        buf_addf(&out, " %s", term_safe(a, dag_tmpl_source(step->argv[i])));
    return arena_strdup(a, buf_str(&out));
}

/* ---- what a step takes */

/* A number of thousandths, as people write it. */
static double cpus(int64_t milli)
{
    return (double)milli / 1000;
}

static json_t *share_json(const struct dag_share *share)
{
    if (!share->list)
        return json_integer(share->count);
    AUTO_FREE char *text = mem_printf("[%s]", share->list);
    return json_loads(text, 0, NULL);
}

static void set_number(json_t *to, const char *key, int64_t number)
{
    if (number > 0)
        json_object_set_new(to, key, json_integer(number));
}

static json_t *io_json(const struct dag_io *io)
{
    json_t *one = json_object();
    set_number(one, "weight", io->weight);
    set_number(one, "read", io->read);
    set_number(one, "write", io->write);
    set_number(one, "read_iops", io->read_iops);
    set_number(one, "write_iops", io->write_iops);
    return one;
}

/* The limits that are given, by the words of a pipeline file; sizes in bytes. */
static json_t *resources_json(const struct dag_resources *r)
{
    json_t *one = json_object(), *io = io_json(&r->io);
    if (r->cpu_milli > 0)
        json_object_set_new(one, "cpu", json_real(cpus(r->cpu_milli)));
    set_number(one, "memory", r->memory);
    set_number(one, "pids", r->pids);
    if (json_object_size(io) > 0)
        json_object_set(one, "io", io);
    if (r->cores.count > 0)
        json_object_set_new(one, "cores", share_json(&r->cores));
    if (r->gpu.count > 0)
        json_object_set_new(one, "gpu", share_json(&r->gpu));
    json_decref(io);
    return one;
}

/* What admission counts. */
static json_t *amounts_json(const int64_t amounts[SCHED_RESOURCES])
{
    json_t *one = json_object();
    json_object_set_new(one, "cpu", json_real(cpus(amounts[SCHED_CPU])));
    json_object_set_new(one, "memory", json_integer(amounts[SCHED_MEMORY]));
    json_object_set_new(one, "cores", json_integer(amounts[SCHED_CORES]));
    json_object_set_new(one, "gpus", json_integer(amounts[SCHED_GPUS]));
    return one;
}

static void add_claim(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void add_claim(struct buf *b, const char *fmt, ...)
{
    char text[200];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    buf_addf(b, "%s%s", b->len > 0 ? ", " : "", text);
}

static void add_amounts(struct buf *b, const int64_t *amounts)
{
    char size[32];
    if (amounts[SCHED_CPU] > 0)
        add_claim(b, "cpu %g", cpus(amounts[SCHED_CPU]));
    if (amounts[SCHED_MEMORY] > 0)
        add_claim(b, "memory %s", text_format_size(amounts[SCHED_MEMORY], size));
    if (amounts[SCHED_CORES] > 0)
        add_claim(b, "cores %lld", (long long)amounts[SCHED_CORES]);
    if (amounts[SCHED_GPUS] > 0)
        add_claim(b, "gpu %lld", (long long)amounts[SCHED_GPUS]);
}

/* "cpu 4, memory 8.0 GiB, pids 512, gpu 1, as bob": what the step says of itself. */
static void add_claims(struct buf *b, const struct dag_step *step)
{
    const struct dag_resources *r = &step->resources;
    const int64_t amounts[SCHED_RESOURCES] = {[SCHED_CPU] = r->cpu_milli,
                                              [SCHED_MEMORY] = r->memory,
                                              [SCHED_CORES] = r->cores.count,
                                              [SCHED_GPUS] = r->gpu.count};
    add_amounts(b, amounts);
    if (r->pids > 0)
        add_claim(b, "pids %lld", (long long)r->pids);
    if (r->reserve_cpu_milli >= 0)
        add_claim(b, "reserves cpu %g", cpus(r->reserve_cpu_milli));
    if (r->reserve_memory >= 0) {
        char size[32];
        add_claim(b, "reserves memory %s", text_format_size(r->reserve_memory, size));
    }
    if (step->network == DAG_NETWORK_NONE)
        add_claim(b, "no network");
    if (step->user)
        add_claim(b, "as %s", step->user);
}

/* ---- a step */

/* Why it could not run here; NULL = it could. */
static const char *step_problem(struct arena *a, const struct engine_outlook *o, uint32_t step)
{
    const struct engine_lack *lack = o->lacking[step];
    if (o->never[step] || !lack || lack->left_out)
        return o->never[step];
    return arena_printf(a, "`%s` cannot be enforced: %s", lack->key, lack->why);
}

static json_t *step_json(const struct dag_pipeline *p, const struct dag_step *step,
                         const struct engine_plan_step *plan, const struct engine_outlook *o)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    json_t *one = json_object(), *needs = json_array();
    for (uint32_t i = 0; i < step->need_count; i++)
        json_array_append_new(needs, json_string(p->steps[step->needs[i]].name));
    json_object_set_new(one, "name", json_string(step->name));
    json_object_set_new(one, "kind", json_string(dag_kind_name(step->kind)));
    json_object_set_new(one, "what", json_string(WHAT[plan->what]));
    json_object_set_new(one, "why", cli_json_text(plan->why));
    json_object_set_new(one, "needs", needs);
    json_object_set_new(
        one, "if", step->condition ? cli_json_text(dag_expr_source(step->condition)) : json_null());
    json_object_set_new(one, "command", command_json(step));
    json_object_set_new(one, "reuse_run", cli_json_text(plan->reuse_run));
    json_object_set_new(one, "resources", resources_json(&step->resources));
    json_object_set_new(one, "reserve", amounts_json(o->takes[step->index]));
    json_object_set_new(one, "user", cli_json_text(step->user));
    json_object_set_new(one, "network",
                        json_string(step->network == DAG_NETWORK_NONE ? "none" : "host"));
    json_object_set_new(one, "problem", cli_json_text(step_problem(&a, o, step->index)));
    json_t *changed = json_array();
    for (size_t i = 0; i < plan->changed_count; i++)
        json_array_append_new(changed, cli_json_text(plan->changed[i]));
    json_object_set_new(one, "changed", changed);
    return one;
}

/* Words below a step, wrapped at spaces so that they stay within the terminal. */
static void print_wrapped(const struct cli *c, enum term_style style, const char *text)
{
    size_t room = c->terminal ? (size_t)term_width(1) : 80;
    room = room > 40 ? room - 8 : 32;
    while (*text) {
        size_t len = strlen(text);
        if (len > room) {
            len = room;
            while (len > 0 && text[len] != ' ')
                len--;
            len = len > 0 ? len : strcspn(text, " ");
        }
        printf("       %s%.*s%s\n", term_on(c->colour, style), (int)len, text,
               term_off(c->colour, style));
        text += len;
        text += strspn(text, " ");
    }
}

static void print_step(struct cli *c, const struct dag_pipeline *p, const struct dag_step *step,
                       const struct engine_plan_step *plan, const struct engine_outlook *o)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    enum term_style style = term_status_style(WHAT[plan->what]);
    printf("%s%-5s%s  %s%s%s", term_on(c->colour, style), WHAT[plan->what],
           term_off(c->colour, style), term_on(c->colour, TERM_STRONG), step->name,
           term_off(c->colour, TERM_STRONG));
    for (uint32_t i = 0; i < step->need_count; i++)
        printf("%s%s", i ? ", " : "  after ", p->steps[step->needs[i]].name);
    putchar('\n');
    if (plan->why && *plan->why)
        printf("       %s\n", term_safe(&a, plan->why));
    for (size_t i = 0; i < plan->changed_count; i++)
        printf("       %swarning:%s since it ran (%.12s) this has changed: %s\n",
               term_on(c->colour, TERM_WARN), term_off(c->colour, TERM_WARN), plan->origin_run,
               term_safe(&a, plan->changed[i]));
    if (plan->what != ENGINE_PLAN_RUN)
        return;
    if (step->condition)
        printf("       if %s\n", term_safe(&a, dag_expr_source(step->condition)));
    const char *command = command_text(&a, step);
    size_t room = c->terminal ? term_fit(command, (size_t)term_width(1) - 8) : strlen(command);
    printf("       %s%.*s%s\n", term_on(c->colour, TERM_DIM), (int)room, command,
           term_off(c->colour, TERM_DIM));
    AUTO_BUF struct buf claims = BUF_INIT(64UL << 10);
    add_claims(&claims, step);
    if (claims.len > 0)
        print_wrapped(c, TERM_PLAIN, term_safe(&a, buf_str(&claims)));
    const char *problem = step_problem(&a, o, step->index);
    if (problem)
        print_wrapped(c, TERM_BAD, term_safe(&a, arena_printf(&a, "error: %s", problem)));
}

/* ---- the host */

static json_t *lack_json(const struct dag_pipeline *p, const struct engine_lack *lack)
{
    json_t *one = json_object(), *steps = json_array();
    for (size_t i = 0; i < lack->step_count; i++)
        json_array_append_new(steps, json_string(p->steps[lack->steps[i]].name));
    json_object_set_new(one, "key", json_string(lack->key));
    json_object_set_new(one, "why", cli_json_text(lack->why));
    json_object_set_new(one, "fix", lack->fix[0] ? cli_json_text(lack->fix) : json_null());
    json_object_set_new(one, "left_out", json_boolean(lack->left_out));
    json_object_set_new(one, "steps", steps);
    return one;
}

/* `have`: cores and GPUs are null where nobody asked for them. */
static json_t *capacity_json(const struct dag_pipeline *p, const struct engine_outlook *o)
{
    json_t *one = amounts_json(o->have), *lacks = json_array();
    for (size_t i = 0; i < o->lack_count; i++)
        json_array_append_new(lacks, lack_json(p, &o->lacks[i]));
    if (!o->asked) {
        json_object_set_new(one, "cores", json_null());
        json_object_set_new(one, "gpus", json_null());
    }
    json_object_set_new(one, "most", amounts_json(o->most));
    json_object_set_new(one, "unenforced", lacks);
    json_object_set_new(one, "unknown", cli_json_text(o->unknown));
    return one;
}

static bool is_exceeded(const struct engine_outlook *o)
{
    bool more = false;
    for (size_t r = 0; r < SCHED_RESOURCES; r++)
        more = more || (o->have[r] > 0 && o->most[r] > o->have[r]);
    return more;
}

static void print_lack(struct cli *c, const struct dag_pipeline *p, const struct engine_lack *lack)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_BUF struct buf text = BUF_INIT(1UL << 20);
    buf_addf(&text, "%s: `%s` ", lack->left_out ? "not enforced" : "error", lack->key);
    buf_addf(&text, "(%s", p->steps[lack->steps[0]].name);
    if (lack->step_count > 1)
        buf_addf(&text, " and %zu more", lack->step_count - 1);
    buf_addf(&text, "): %s", lack->why);
    if (lack->fix[0])
        buf_addf(&text, "; what would help: %s", lack->fix);
    if (!lack->left_out && !lack->user)
        buf_adds(&text, "; or say `isolation: best-effort`");
    print_wrapped(c, lack->left_out ? TERM_WARN : TERM_BAD, term_safe(&a, buf_str(&text)));
}

/* Only where some step says what it takes: else every step takes a cpu, and that is all. */
static void print_capacity(struct cli *c, const struct dag_pipeline *p,
                           const struct engine_plan_step *plan, const struct engine_outlook *o)
{
    bool any = false;
    for (uint32_t i = 0; !any && i < p->step_count; i++) {
        AUTO_BUF struct buf claims = BUF_INIT(64UL << 10);
        add_claims(&claims, &p->steps[i]);
        any = plan[i].what == ENGINE_PLAN_RUN && claims.len > 0;
    }
    if (!any && o->lack_count == 0)
        return;
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_BUF struct buf text = BUF_INIT(64UL << 10);
    add_amounts(&text, o->have);
    printf("\n%sThis host%s\n", term_on(c->colour, TERM_STRONG), term_off(c->colour, TERM_STRONG));
    print_wrapped(c, TERM_PLAIN, arena_printf(&a, "has    %s", buf_str(&text)));
    buf_clear(&text);
    add_amounts(&text, o->most);
    print_wrapped(c, TERM_PLAIN,
                  arena_printf(&a, "asked  %s at a time%s", buf_str(&text),
                               is_exceeded(o) ? ": steps wait for each other" : ", at most"));
    for (size_t i = 0; i < o->lack_count; i++)
        print_lack(c, p, &o->lacks[i]);
    if (o->unknown)
        print_wrapped(c, TERM_WARN,
                      term_safe(&a, arena_printf(&a, "not known: what can be enforced here: %s",
                                                 o->unknown)));
}

static json_t *params_json(const struct engine_request *req)
{
    json_t *params = json_object();
    for (size_t i = 0; i < req->pipeline->param_count; i++) {
        AUTO_BUF struct buf text = BUF_INIT(16UL << 20);
        struct err err = ERR_INIT;
        if (dag_value_to_json(&req->params[i], &text, &err))
            json_object_set_new(params, req->pipeline->params[i].name,
                                json_loadb(buf_str(&text), text.len, JSON_DECODE_ANY, NULL));
    }
    return params;
}

static void print_plan(struct cli *c, const struct engine_request *req, const char *path,
                       const struct engine_plan_step *plan, const struct engine_outlook *o)
{
    const struct dag_pipeline *p = req->pipeline;
    json_t *steps = c->json ? json_array() : NULL;
    for (uint32_t i = 0; i < p->step_count; i++) {
        const struct dag_step *step = &p->steps[p->order[i]];
        if (steps)
            json_array_append_new(steps, step_json(p, step, &plan[step->index], o));
        else if (!c->quiet)
            print_step(c, p, step, &plan[step->index], o);
    }
    if (!steps && !c->quiet)
        print_capacity(c, p, plan, o);
    if (!steps)
        return;
    json_t *top = json_object();
    json_object_set_new(top, "pipeline", json_string(p->name));
    json_object_set_new(top, "file", cli_json_text(path));
    json_object_set_new(top, "params", params_json(req));
    json_object_set_new(top, "steps", steps);
    json_object_set_new(top, "capacity", capacity_json(p, o));
    cli_print_json(top, false);
}

/* A dry run ends as the run would that cannot start. */
static int dry_run_code(struct cli *c, const struct dag_pipeline *p, const struct engine_outlook *o)
{
    struct err err = ERR_INIT;
    if (engine_outlook_check(o, p, &err) && !o->unknown)
        return EXIT_DONE;
    if (err.code == ERR_NONE)
        err_set(&err, ERR_UNAVAILABLE, "steps ask for limits or a sandbox: %s", o->unknown);
    if (c->json) /* the plan has been printed, and says it */
        return err_exit_code(err.code);
    return cli_fail(c, &err);
}

int cli_plan(struct cli *c, const struct engine_request *req, const char *path)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct err err = ERR_INIT;
    struct store *store = NULL;
    if ((req->from || req->only_count > 0) && !(store = cli_open_store(c, &err)) &&
        err.code != ERR_UNAVAILABLE) /* without a record, the plan itself says what it lacks */
        return cli_fail(c, &err);
    err = ERR_INIT;
    struct engine_plan_step *plan;
    int code = EXIT_DONE;
    if (engine_plan(store, req, &a, &plan, &err)) {
        struct engine_outlook outlook;
        engine_look_ahead(NULL, req->pipeline, plan, &a, &outlook);
        print_plan(c, req, path, plan, &outlook);
        if (args_flag(&c->args, "dry-run"))
            code = dry_run_code(c, req->pipeline, &outlook);
    } else {
        code = cli_fail(c, &err);
    }
    if (store)
        store_close(store);
    return code;
}

static int plan_loaded(struct cli *c, struct cli_file *f, const char *path)
{
    if (!f->pipeline)
        return cli_fail_diags(c, &f->diags, buf_str(&f->text), f->text.len, EXIT_INVALID);
    if (f->diags.count > 0 && !c->json && !c->quiet)
        cli_file_print(c, f);
    AUTO_ARENA struct arena a = ARENA_INIT;
    int code = EXIT_DONE;
    struct engine_request req = {.pipeline = f->pipeline, .trigger_type = "manual"};
    req.params = cli_bind(c, f->pipeline, &a, &code);
    if (!req.params)
        return code;
    cli_selection(c, &a, &req);
    return cli_plan(c, &req, path);
}

static int run(struct cli *c)
{
    struct cli_file f;
    struct err err = ERR_INIT;
    const char *path = c->args.operands[0];
    int code = cli_file_load(&f, path, &err) ? plan_loaded(c, &f, path) : cli_fail(c, &err);
    cli_file_done(&f);
    return code;
}

static const struct option OPTIONS[] = {
    {"param", 'p', "NAME=VALUE", OPTION_PAIR, "a parameter of the pipeline; may be repeated"},
    {"params-file", 0, "FILE", OPTION_TEXT, "parameters from a YAML or JSON mapping"},
    {"from", 0, "STEP", OPTION_TEXT, "plan a run of this step and all that need it"},
    {"only", 0, "STEP...", OPTION_STEPS, "plan a run of these steps alone"},
    {NULL, 0, NULL, OPTION_FLAG, NULL},
};

const struct verb cli_verb_plan = {
    .name = "plan",
    .group = "Files",
    .usage = "FILE",
    .summary = "Show for each step whether it would run, be reused or be skipped, and why.",
    .text =
        "Steps stand in the order in which they would run, each with what it takes of this host. "
        "At the end stands what the host has, what is asked for at a time, and what cannot be "
        "enforced here. No step is started and nothing is recorded. '-' reads standard input.",
    .examples = "  orchctl plan pipeline.yaml\n"
                "  orchctl plan pipeline.yaml --from train\n"
                "  orchctl plan pipeline.yaml -p days=30 --json\n",
    .options = OPTIONS,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
