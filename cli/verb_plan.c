/*
 * verb_plan.c - orchctl plan: what a run would do with each step, and why. Nothing is started or
 * recorded. `run --dry-run` is the same with the checks of a run.
 */
#include "cli/cli.h"

#include "base/mem.h"

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

static json_t *step_json(const struct dag_pipeline *p, const struct dag_step *step,
                         const struct engine_plan_step *plan)
{
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
    json_t *changed = json_array();
    for (size_t i = 0; i < plan->changed_count; i++)
        json_array_append_new(changed, cli_json_text(plan->changed[i]));
    json_object_set_new(one, "changed", changed);
    return one;
}

static void print_step(struct cli *c, const struct dag_pipeline *p, const struct dag_step *step,
                       const struct engine_plan_step *plan)
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
                       const struct engine_plan_step *plan)
{
    const struct dag_pipeline *p = req->pipeline;
    json_t *steps = c->json ? json_array() : NULL;
    for (uint32_t i = 0; i < p->step_count; i++) {
        const struct dag_step *step = &p->steps[p->order[i]];
        if (steps)
            json_array_append_new(steps, step_json(p, step, &plan[step->index]));
        else if (!c->quiet)
            print_step(c, p, step, &plan[step->index]);
    }
    if (!steps)
        return;
    json_t *top = json_object();
    json_object_set_new(top, "pipeline", json_string(p->name));
    json_object_set_new(top, "file", cli_json_text(path));
    json_object_set_new(top, "params", params_json(req));
    json_object_set_new(top, "steps", steps);
    cli_print_json(top, false);
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
    if (engine_plan(store, req, &a, &plan, &err))
        print_plan(c, req, path, plan);
    else
        code = cli_fail(c, &err);
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
    .text = "Steps stand in the order in which they would run. Nothing is started or recorded. "
            "'-' reads standard input.",
    .examples = "  orchctl plan pipeline.yaml\n"
                "  orchctl plan pipeline.yaml --from train\n"
                "  orchctl plan pipeline.yaml -p days=30 --json\n",
    .options = OPTIONS,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
