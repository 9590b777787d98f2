/*
 * names.c - what a name in ${{ }} means: pass 3 of reading.
 *
 * names_check_late() -> expr_parse/template/script() -> resolve() for each reference -> the row of
 * its space in `spaces`. Where in the file it stands decides which spaces may be read (`allowed`).
 */
#include "base/mem.h"
#include "base/text.h"
#include "dag/reader.h"

#include <stdio.h>
#include <string.h>

#define FEW_NEEDS 32 /* so many are compared one by one */

/* A reference while it is resolved. */
struct look {
    struct reader *r;
    const struct late *late;
    struct dag_ref *ref;
    const char *step_name;
    struct diag_pos pos;
    unsigned width;
    enum dag_type *ret_type;
};

struct known {
    const char *name;
    enum dag_type type;
};

static const struct dag_step *own_step(const struct look *l)
{
    return l->late->step == NO_STEP ? NULL : &l->late->block->steps[l->late->step];
}

static bool unknown(const struct look *l, const char *space, const char *hint)
{
    return diag_add(l->r->diags, DIAG_ERROR, "unknown-name", l->pos, l->width, hint,
                    "there is no `%s.%s`", space, l->ref->name != NULL ? l->ref->name : "");
}

/* For names in arrays of structs that begin with the name. */
static const char *suggest_from(const struct look *l, const void *items, size_t count, size_t size)
{
    const char **names = arena_array(l->r->arena, count, sizeof *names);
    for (size_t i = 0; i < count; i++) {
        memcpy(&names[i], (const char *)items + i * size, sizeof names[i]);
    }
    return read_suggest(l->r, l->ref->name, names, count);
}

static bool needs_name(const struct look *l, const char *space)
{
    if (l->ref->name != NULL) {
        return true;
    }
    return diag_add(l->r->diags, DIAG_ERROR, "unknown-name", l->pos, l->width, NULL,
                    "`%s` needs a name: `%s.NAME`", space, space);
}

/* ---- one function for each space */

static bool look_params(struct look *l)
{
    const struct dag_pipeline *p = l->r->p;
    uint32_t at = 0;
    if (l->ref->name == NULL) {
        *l->ret_type = DAG_MAP;
        return true;
    }
    if (!name_index_get(&l->r->params, l->ref->name, &at) || at >= p->param_count) {
        return unknown(l, "params",
                       p->param_count == 0
                           ? "The pipeline has no parameters; declare it under `params`."
                           : suggest_from(l, p->params, p->param_count, sizeof *p->params));
    }
    *l->ret_type = p->params[at].type;
    const struct dag_step *step = own_step(l);
    if (step == NULL || !step->narrows_params) {
        return true;
    }
    for (size_t i = 0; i < step->param_count; i++) {
        if (step->params[i] == at) {
            return true;
        }
    }
    return diag_add(l->r->diags, DIAG_ERROR, "unknown-name", l->pos, l->width,
                    "Add it to `params` of the step.",
                    "the step `%s` is narrowed to some parameters, and `%s` is not among them",
                    step->name, l->ref->name);
}

static const struct dag_pair *find_pair(const struct dag_pair *pairs, size_t count,
                                        const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(pairs[i].name, name) == 0) {
            return &pairs[i];
        }
    }
    return NULL;
}

/* The value of a variable may read variables of the levels above that its own level leaves as they
 * are, so that no variable can depend on itself. */
static bool readable_env(const struct look *l, const struct dag_pair *found)
{
    if (l->late->row->mark != MARK_ENV_VALUE) {
        return true;
    }
    const struct dag_step *base = &l->r->base;
    const struct dag_pair *above =
        own_step(l) != NULL ? find_pair(base->env, base->env_count, l->ref->name) : NULL;
    return above != NULL && above->pos.line == found->pos.line &&
           above->pos.column == found->pos.column;
}

static bool look_env(struct look *l)
{
    const struct dag_step *step = own_step(l) != NULL ? own_step(l) : &l->r->base;
    if (!needs_name(l, "env")) {
        return false;
    }
    *l->ret_type = DAG_STRING;
    for (size_t i = 0; i < step->pass_env_count; i++) {
        if (strcmp(step->pass_env[i], l->ref->name) == 0) {
            return true;
        }
    }
    const struct dag_pair *found = find_pair(step->env, step->env_count, l->ref->name);
    if (found == NULL) {
        const char *hint = suggest_from(l, step->env, step->env_count, sizeof *step->env);
        return unknown(l, "env",
                       hint != NULL ? hint
                                    : "Variables come from `env`; take one over from outside with "
                                      "`pass_env`.");
    }
    if (readable_env(l, found)) {
        return true;
    }
    return diag_add(l->r->diags, DIAG_ERROR, "env-order", l->pos, l->width,
                    "Only the env of a step may read variables, and only those of the pipeline or "
                    "of defaults that it leaves as they are.",
                    "`env.%s` cannot be read here", l->ref->name);
}

static bool look_secrets(struct look *l)
{
    const struct dag_pipeline *p = l->r->p;
    if (!needs_name(l, "secrets")) {
        return false;
    }
    *l->ret_type = DAG_STRING;
    for (size_t i = 0; i < p->secret_count; i++) {
        if (strcmp(p->secrets[i], l->ref->name) == 0) {
            return true;
        }
    }
    const char *hint = read_suggest(l->r, l->ref->name, p->secrets, p->secret_count);
    return unknown(l, "secrets", hint != NULL ? hint : "Name it under `secrets` of the pipeline.");
}

static bool look_known(struct look *l, const char *space, const struct known *known)
{
    const char *names[SCHEMA_MAX_ROWS];
    size_t count = 0;
    if (!needs_name(l, space)) {
        return false;
    }
    for (; known[count].name != NULL; count++) {
        if (strcmp(known[count].name, l->ref->name) == 0) {
            *l->ret_type = known[count].type;
            return true;
        }
        names[count] = known[count].name;
    }
    return unknown(l, space, read_suggest(l->r, l->ref->name, names, count));
}

static bool look_run(struct look *l)
{
    static const struct known known[] = {
        {"id", DAG_STRING},           {"pipeline", DAG_STRING},
        {"number", DAG_INT},          {"root", DAG_STRING},
        {"scheduled_at", DAG_STRING}, {"created_at", DAG_STRING},
        {"status", DAG_STRING},       {NULL, DAG_NULL},
    };
    bool ended = l->late->place == PLACE_HOOK || l->late->place == PLACE_NOTIFY ||
                 l->late->place == PLACE_OUTPUTS;
    if (!look_known(l, "run", known)) {
        return false;
    }
    if (ended || strcmp(l->ref->name, "status") != 0) {
        return true;
    }
    return diag_add(l->r->diags, DIAG_ERROR, "name-not-here", l->pos, l->width,
                    "In a step, `if: failure()` asks how the steps before it ended.",
                    "`run.status` is known only in finally, on_success, on_failure and notify");
}

static bool look_trigger(struct look *l)
{
    static const struct known known[] = {
        {"type", DAG_STRING},    {"id", DAG_STRING},       {"name", DAG_STRING},
        {"at", DAG_STRING},      {"path", DAG_STRING},     {"paths", DAG_LIST},
        {"payload", DAG_ANY},    {"headers", DAG_MAP},     {"topic", DAG_STRING},
        {"message", DAG_ANY},    {"pipeline", DAG_STRING}, {"run", DAG_STRING},
        {"status", DAG_STRING},  {"dataset", DAG_STRING},  {"version", DAG_ANY},
        {"monitor", DAG_STRING}, {"evidence", DAG_MAP},    {"commit", DAG_STRING},
        {"branch", DAG_STRING},  {NULL, DAG_NULL},
    };
    return look_known(l, "trigger", known);
}

static bool look_inputs(struct look *l)
{
    const struct dag_step *step = own_step(l);
    *l->ret_type = DAG_STRING;
    if (!needs_name(l, "inputs")) {
        return false;
    }
    if (step != NULL && find_pair(step->inputs, step->input_count, l->ref->name) != NULL) {
        return true;
    }
    const char *hint = step != NULL
                           ? suggest_from(l, step->inputs, step->input_count, sizeof *step->inputs)
                           : NULL;
    return unknown(l, "inputs",
                   hint != NULL ? hint : "Inputs are declared under `inputs` of the step.");
}

static bool look_matrix(struct look *l)
{
    const struct draft *draft = &l->late->block->drafts[l->late->step];
    if (l->ref->name == NULL) {
        *l->ret_type = DAG_MAP;
        return true;
    }
    const struct dag_node *values = node_get(draft->matrix, l->ref->name);
    if (values == NULL) {
        size_t count = draft->matrix->count;
        const char **names = arena_array(l->r->arena, count, sizeof *names);
        for (size_t i = 0; i < count; i++) {
            names[i] = draft->matrix->u.entries[i].key.u.text;
        }
        return unknown(l, "matrix", read_suggest(l->r, l->ref->name, names, count));
    }
    *l->ret_type = DAG_ANY;
    for (size_t i = 0; values->kind == NODE_LIST && i < values->count; i++) {
        const struct dag_node *value = &values->u.items[i];
        bool expression = value->kind == NODE_SCALAR && strstr(value->u.text, "${{") != NULL;
        enum dag_type type = expression ? DAG_ANY : node_type(value);
        if (type == DAG_ANY || (i > 0 && type != *l->ret_type)) {
            *l->ret_type = DAG_ANY;
            break;
        }
        *l->ret_type = type;
    }
    return true;
}

/* ---- steps */

static const struct known gate_outputs[] = {
    {"promote", DAG_BOOL},  {"best", DAG_ANY},      {"model", DAG_STRING},
    {"metric", DAG_NUMBER}, {"reason", DAG_STRING}, {NULL, DAG_NULL},
};

static bool gate_output(struct look *l, const struct dag_step *step)
{
    const char *names[COUNT_OF(gate_outputs)];
    size_t count = 0;
    for (; gate_outputs[count].name != NULL; count++) {
        names[count] = gate_outputs[count].name;
        if (strcmp(names[count], l->ref->name) == 0) {
            *l->ret_type = gate_outputs[count].type;
            return true;
        }
    }
    const char *hint = read_suggest(l->r, l->ref->name, names, count);
    return diag_add(l->r->diags, DIAG_ERROR, "unknown-name", l->pos, l->width,
                    hint != NULL ? hint : "It puts out promote, best, model, metric and reason.",
                    "the gate `%s` has no output `%s`", step->name, l->ref->name);
}

/* What a step writes to ORCH_OUTPUT needs no declaration: a string, checked when it is read. */
static bool step_output(struct look *l, const struct dag_step *step)
{
    if (l->ref->name == NULL) {
        *l->ret_type = DAG_MAP;
        return true;
    }
    if (step->action == DAG_ACTION_GATE) {
        return gate_output(l, step);
    }
    *l->ret_type = step->action == DAG_ACTION_USES ? DAG_ANY : DAG_STRING;
    for (size_t i = 0; i < step->output_count; i++) {
        if (strcmp(step->outputs[i].name, l->ref->name) == 0) {
            *l->ret_type = step->outputs[i].type;
        }
    }
    return true;
}

static bool step_field(struct look *l, const struct dag_step *step, bool group)
{
    static const enum dag_type types[] = {
        [DAG_STATUS] = DAG_STRING, [DAG_OUTPUTS] = DAG_MAP,    [DAG_METRICS] = DAG_MAP,
        [DAG_EXIT_CODE] = DAG_INT, [DAG_INSTANCES] = DAG_LIST,
    };
    *l->ret_type = types[l->ref->field];
    if (l->ref->field == DAG_OUTPUTS && !step_output(l, step)) {
        return false;
    }
    if (l->ref->field == DAG_METRICS && l->ref->name != NULL) {
        *l->ret_type = DAG_NUMBER;
    }
    bool listed = l->ref->name != NULL || l->ref->field == DAG_EXIT_CODE;
    if (group && listed && l->ref->field != DAG_STATUS) {
        *l->ret_type = DAG_LIST; /* one for each instance */
    }
    return true;
}

static void ask_reach(const struct look *l)
{
    struct reader *r = l->r;
    if (r->reach_count == r->reach_cap) {
        r->reach_cap = r->reach_cap > 0 ? r->reach_cap * 2 : 64;
        r->reach = mem_grow(r->reach, r->reach_cap, sizeof *r->reach);
    }
    r->reach[r->reach_count++] = (struct reach){l->late->step, l->ref->step, l->pos, l->width};
}

static bool unknown_step(struct look *l, struct block *block)
{
    const char **names = block->names;
    if (names == NULL) {
        names = block->names = arena_array(l->r->arena, block->count, sizeof *names);
        for (uint32_t i = 0; i < block->count; i++) {
            names[i] = block->steps[i].name;
        }
    }
    return diag_add(l->r->diags, DIAG_ERROR, "unknown-step", l->pos, l->width,
                    read_suggest(l->r, l->step_name, names, block->count),
                    "`steps.%s`: there is no step `%s`", l->step_name, l->step_name);
}

static bool look_steps(struct look *l)
{
    struct reader *r = l->r;
    struct block *block = &r->main;
    if (l->step_name == NULL) {
        return diag_add(r->diags, DIAG_ERROR, "unknown-name", l->pos, l->width, NULL,
                        "`steps` needs a name: `steps.NAME.outputs.OUTPUT`");
    }
    if (!name_index_get(&block->index, l->step_name, &l->ref->step)) {
        return unknown_step(l, block);
    }
    const struct dag_step *step = &block->steps[l->ref->step];
    const struct draft *draft = &block->drafts[l->ref->step];
    if (!step_field(l, step, draft->matrix != NULL || draft->foreach != NULL)) {
        return false;
    }
    if (l->late->block != block) {
        return true; /* a hook or the pipeline's outputs: all steps have ended */
    }
    if (l->late->step == l->ref->step) {
        return diag_add(r->diags, DIAG_ERROR, "not-needed", l->pos, l->width, NULL,
                        "the step `%s` reads itself", step->name);
    }
    const struct dag_step *reading = &block->steps[l->late->step];
    if (reading->need_count > FEW_NEEDS || !needs_directly(reading, l->ref->step)) {
        ask_reach(l);
    }
    return true;
}

/* ---- the tables */

static bool look_item(struct look *l)
{
    *l->ret_type = DAG_ANY;
    return true;
}

static const struct space {
    const char *name;
    bool (*look)(struct look *l);
} spaces[] = {
    [DAG_PARAMS] = {"params", look_params},    [DAG_ENV] = {"env", look_env},
    [DAG_SECRETS] = {"secrets", look_secrets}, [DAG_RUN] = {"run", look_run},
    [DAG_INPUTS] = {"inputs", look_inputs},    [DAG_STEPS] = {"steps", look_steps},
    [DAG_MATRIX] = {"matrix", look_matrix},    [DAG_ITEM] = {"item", look_item},
    [DAG_TRIGGER] = {"trigger", look_trigger},
};

#define BIT(space) (1U << (space))
#define ALWAYS (BIT(DAG_PARAMS) | BIT(DAG_RUN) | BIT(DAG_TRIGGER))

static const struct {
    unsigned spaces;
    const char *where;
} allowed[PLACE_COUNT] = {
    [PLACE_PIPELINE] = {ALWAYS | BIT(DAG_SECRETS) | BIT(DAG_ENV), "at the level of the pipeline"},
    [PLACE_DEFAULTS] = {ALWAYS | BIT(DAG_SECRETS) | BIT(DAG_ENV),
                        "in defaults, which are for every step"},
    [PLACE_STEP] = {ALWAYS | BIT(DAG_SECRETS) | BIT(DAG_ENV) | BIT(DAG_INPUTS) | BIT(DAG_STEPS) |
                        BIT(DAG_MATRIX) | BIT(DAG_ITEM),
                    "in this step"},
    [PLACE_HOOK] = {ALWAYS | BIT(DAG_SECRETS) | BIT(DAG_ENV) | BIT(DAG_INPUTS) | BIT(DAG_STEPS) |
                        BIT(DAG_MATRIX) | BIT(DAG_ITEM),
                    "in this step"},
    [PLACE_OUTPUTS] = {ALWAYS | BIT(DAG_STEPS), "in outputs of the pipeline"},
    [PLACE_TRIGGER] = {BIT(DAG_PARAMS) | BIT(DAG_TRIGGER), "before a run exists"},
    [PLACE_NOTIFY] = {ALWAYS | BIT(DAG_SECRETS) | BIT(DAG_STEPS), "in notify"},
};

/* matrix and item exist only where the step has one. */
static bool in_group(const struct look *l)
{
    const struct draft *draft =
        l->late->step != NO_STEP ? &l->late->block->drafts[l->late->step] : NULL;
    if (l->ref->space == DAG_MATRIX) {
        return draft != NULL && draft->matrix != NULL && draft->matrix->kind == NODE_MAP;
    }
    return l->ref->space != DAG_ITEM || (draft != NULL && draft->foreach != NULL);
}

static bool resolve(void *arg, struct dag_ref *ref, const char *step_name, struct diag_pos pos,
                    unsigned width, enum dag_type *ret_type, struct diags *diags)
{
    struct look l = *(struct look *)arg;
    const struct space *space = &spaces[ref->space];
    l.ref = ref;
    l.step_name = step_name;
    l.pos = pos;
    l.width = width;
    l.ret_type = ret_type;
    if ((allowed[l.late->place].spaces & BIT(ref->space)) == 0) {
        return diag_add(diags, DIAG_ERROR, "name-not-here", pos, width, NULL,
                        "`%s` cannot be read %s", space->name, allowed[l.late->place].where);
    }
    if (!in_group(&l)) {
        return diag_add(diags, DIAG_ERROR, "name-not-here", pos, width, NULL,
                        "`%s` is known only in a step with `%s`", space->name,
                        ref->space == DAG_ITEM ? "foreach" : "matrix");
    }
    return space->look(&l);
}

/* ---- pass 3 */

/* `const` on the way from a late entry's target to the pointer it names. */
static void put(void *target, const void *value)
{
    if (target != NULL) {
        memcpy(target, &value, sizeof value);
    }
}

static void check_condition(const struct late *late, const struct dag_expr *expr)
{
    if (late->step != NO_STEP && late->target != NULL && expr != NULL) {
        late->block->steps[late->step].condition_asks = expr_asks(expr);
    }
}

static void check_one(struct reader *r, const struct late *late)
{
    if (late->kind == LATE_COPY) {
        memcpy(late->target, late->from, sizeof(void *));
        return;
    }
    struct look look = {.r = r, .late = late};
    bool is_if = late->kind == LATE_EXPR;
    struct expr_names names = {
        .arg = &look,
        .resolve = resolve,
        .allow_secrets = (late->row->flags & ROW_SECRETS) != 0,
        .allow_questions = is_if && late->step != NO_STEP,
    };
    struct node_scalar at = {&r->src, late->node};
    struct expr_source src = node_expr_source(&at);
    if (is_if) {
        const struct dag_expr *expr = expr_parse(r->arena, &src, &names, DAG_BOOL, r->diags);
        put(late->target, expr);
        check_condition(late, expr);
    } else if (late->kind == LATE_SCRIPT) {
        const struct dag_step *step = &late->block->steps[late->step];
        bool posix = shell_is_posix(step->shell, step->shell_count);
        put(late->target, expr_script(r->arena, &src, &names, posix, r->diags));
    } else {
        put(late->target, expr_template(r->arena, &src, &names, r->diags));
    }
}

void names_check_late(struct reader *r)
{
    for (size_t i = 0; i < r->late_count && !r->diags->cut; i++) {
        check_one(r, &r->late[i]);
    }
    needs_check_reach(r);
}
