/*
 * scope.c - what an expression of a step may ask, answered from the run's state.
 */
#include "engine/internal.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ENV_DEPTH 32 /* env: values that name each other */

static struct dag_value params_map(const struct run *run, struct arena *a)
{
    const struct dag_pipeline *p = run->pipeline;
    struct dag_entry *entries = arena_array(a, p->param_count, sizeof(*entries));
    for (size_t i = 0; i < p->param_count; i++) {
        entries[i] = (struct dag_entry){p->params[i].name, run->params[i]};
    }
    return (struct dag_value){.type = DAG_MAP, .u.map = {entries, p->param_count}};
}

static bool get_param(struct scope *s, const struct dag_ref *ref, struct arena *a,
                      struct dag_value *ret, struct err *err)
{
    const struct dag_pipeline *p = s->run->pipeline;
    if (ref->name == NULL) {
        *ret = params_map(s->run, a);
        return true;
    }
    for (size_t i = 0; i < p->param_count; i++) {
        if (strcmp(p->params[i].name, ref->name) == 0) {
            *ret = s->run->params[i];
            return true;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "there is no parameter '%s'", ref->name);
}

static bool get_pair(struct scope *s, const struct dag_pair *pairs, size_t count, const char *what,
                     const char *name, struct arena *a, struct dag_value *ret, struct err *err)
{
    for (size_t i = count; i-- > 0;) {
        if (strcmp(pairs[i].name, name) != 0) {
            continue;
        }
        if (s->depth >= ENV_DEPTH) {
            return err_set(err, ERR_INVALID, "%s.%s is defined by itself", what, name);
        }
        s->depth++;
        struct dag_scope inner = scope_of(s);
        bool ok = dag_tmpl_eval(pairs[i].value, &inner, a, ret, err) ||
                  err_wrap(err, "%s.%s", what, name);
        s->depth--;
        return ok;
    }
    return err_set(err, ERR_NOT_FOUND, "there is no %s.%s here", what, name);
}

/* The same path as in ORCH_INPUT_NAME. */
static bool get_input(struct scope *s, const struct dag_step *step, const char *name,
                      struct arena *a, struct dag_value *ret, struct err *err)
{
    if (!get_pair(s, step->inputs, step->input_count, "inputs", name, a, ret, err)) {
        return false;
    }
    if (ret->type == DAG_STRING && ret->u.string.text[0] != '/') {
        *ret = dag_string(arena_printf(a, "%s/%s", s->run->workdir, ret->u.string.text));
    }
    return true;
}

static bool get_secret(struct scope *s, const struct dag_ref *ref, struct dag_value *ret,
                       struct err *err)
{
    for (size_t i = 0; i < s->run->secret_count; i++) {
        if (strcmp(s->run->secrets[i].name, ref->name) == 0) {
            *ret = dag_string(s->run->secrets[i].value);
            return true;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "there is no secret '%s'", ref->name);
}

/* ---- run. ---- */

static struct dag_value run_id(const struct scope *s, struct arena *a)
{
    (void)a;
    return dag_string(s->run->id);
}

static struct dag_value run_pipeline(const struct scope *s, struct arena *a)
{
    (void)a;
    return dag_string(s->run->pipeline->name);
}

static struct dag_value run_number(const struct scope *s, struct arena *a)
{
    (void)a;
    return dag_int(s->run->number);
}

static struct dag_value run_status(const struct scope *s, struct arena *a)
{
    (void)a;
    return dag_string(sched_run_state_name(s->run->state));
}

static struct dag_value run_root(const struct scope *s, struct arena *a)
{
    (void)a;
    return dag_string(s->run->root);
}

static struct dag_value run_time(int64_t at_ms, struct arena *a)
{
    char text[CLOCK_TEXT_SIZE];
    return dag_string(arena_strdup(a, clock_format(at_ms, text)));
}

static struct dag_value run_created(const struct scope *s, struct arena *a)
{
    return run_time(s->run->created_ms, a);
}

static const struct {
    const char *name;
    struct dag_value (*get)(const struct scope *s, struct arena *a);
} run_names[] = {
    {"id", run_id},         {"pipeline", run_pipeline}, {"number", run_number},
    {"status", run_status}, {"root", run_root},         {"created_at", run_created},
};

static bool get_run(struct scope *s, const struct dag_ref *ref, struct arena *a,
                    struct dag_value *ret, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(run_names); i++) {
        if (strcmp(run_names[i].name, ref->name) == 0) {
            *ret = run_names[i].get(s, a);
            return true;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "run.%s has no value in this run", ref->name);
}

/* ---- steps. ---- */

static struct dag_value value_of_double(double value, struct arena *a)
{
    if (isfinite(value)) {
        return (struct dag_value){.type = DAG_NUMBER, .u.number = value};
    }
    return dag_string(arena_strdup(a, isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity"));
}

static struct dag_value outputs_map(const struct result *r, struct arena *a)
{
    struct dag_entry *entries = arena_array(a, r->count, sizeof(*entries));
    for (size_t i = 0; i < r->count; i++) {
        entries[i] = (struct dag_entry){r->names[i], r->values[i]};
    }
    return (struct dag_value){.type = DAG_MAP, .u.map = {entries, r->count}};
}

static struct dag_value metrics_map(const struct result *r, struct arena *a)
{
    struct dag_entry *entries = arena_array(a, r->metric_count, sizeof(*entries));
    for (size_t i = 0; i < r->metric_count; i++) {
        entries[i] =
            (struct dag_entry){r->metrics[i].name, value_of_double(r->metrics[i].value, a)};
    }
    return (struct dag_value){.type = DAG_MAP, .u.map = {entries, r->metric_count}};
}

static const struct result no_result;

static bool get_output(const struct result *r, const struct dag_ref *ref, const char *step,
                       struct arena *a, struct dag_value *ret, struct err *err)
{
    if (ref->name == NULL) {
        *ret = outputs_map(r, a);
        return true;
    }
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->names[i], ref->name) == 0) {
            *ret = r->values[i];
            return true;
        }
    }
    return err_set(
        err, ERR_NOT_FOUND,
        "steps.%s.outputs.%s was not written by step '%s'; use default(steps.%s.outputs.%s, …) "
        "where it may be missing",
        step, ref->name, step, step, ref->name);
}

static bool get_metric(const struct result *r, const struct dag_ref *ref, const char *step,
                       struct arena *a, struct dag_value *ret, struct err *err)
{
    if (ref->name == NULL) {
        *ret = metrics_map(r, a);
        return true;
    }
    for (size_t i = 0; i < r->metric_count; i++) {
        if (strcmp(r->metrics[i].name, ref->name) == 0) {
            *ret = value_of_double(r->metrics[i].value, a);
            return true;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "steps.%s.metrics.%s was not written by step '%s'", step,
                   ref->name, step);
}

static bool get_step(struct scope *s, const struct dag_ref *ref, struct arena *a,
                     struct dag_value *ret, struct err *err)
{
    const struct run_step *rs = &s->run->steps[ref->step];
    const char *step = s->run->pipeline->steps[ref->step].name;
    const struct result *r = rs->result != NULL ? rs->result : &no_result;
    switch (ref->field) {
    case DAG_STATUS:
        *ret = dag_string(sched_state_name(sched_step_state(s->run->sched, ref->step)));
        return true;
    case DAG_OUTPUTS:
        return get_output(r, ref, step, a, ret, err);
    case DAG_METRICS:
        return get_metric(r, ref, step, a, ret, err);
    case DAG_EXIT_CODE:
        if (rs->exit_code < 0) {
            return err_set(err, ERR_NOT_FOUND, "step '%s' has no exit code", step);
        }
        *ret = dag_int(rs->exit_code);
        return true;
    case DAG_INSTANCES:
        break;
    }
    return err_set(err, ERR_UNSUPPORTED, "steps.%s.instances: groups are not in this version",
                   step);
}

static bool get_trigger(struct scope *s, const struct dag_ref *ref, struct dag_value *ret,
                        struct err *err)
{
    const struct dag_value *trigger = &s->run->trigger;
    if (ref->name == NULL) {
        *ret = *trigger;
        return true;
    }
    for (size_t i = 0; trigger->type == DAG_MAP && i < trigger->u.map.count; i++) {
        if (strcmp(trigger->u.map.entries[i].key, ref->name) == 0) {
            *ret = trigger->u.map.entries[i].value;
            return true;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "trigger.%s: this run's trigger carries no such value",
                   ref->name);
}

/* A variable of the step's own, or one it takes over from the engine; one that is taken over but
 * not set is missing. */
static bool get_env(struct scope *s, const struct dag_ref *ref, struct arena *a,
                    struct dag_value *ret, struct err *err)
{
    const struct dag_step *step = &s->run->pipeline->steps[s->step];
    for (size_t i = 0; i < step->env_count; i++) {
        if (strcmp(step->env[i].name, ref->name) == 0) {
            return get_pair(s, step->env, step->env_count, "env", ref->name, a, ret, err);
        }
    }
    for (size_t i = 0; i < step->pass_env_count; i++) {
        const char *value = strcmp(step->pass_env[i], ref->name) == 0 ? getenv(ref->name) : NULL;
        if (value != NULL) {
            *ret = dag_string(arena_strdup(a, value));
            return true;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "the variable %s is not set here", ref->name);
}

static bool get(void *arg, const struct dag_ref *ref, struct arena *a, struct dag_value *ret,
                struct err *err)
{
    struct scope *s = arg;
    const struct dag_step *step = &s->run->pipeline->steps[s->step];
    switch (ref->space) {
    case DAG_PARAMS:
        return get_param(s, ref, a, ret, err);
    case DAG_ENV:
        return get_env(s, ref, a, ret, err);
    case DAG_SECRETS:
        return get_secret(s, ref, ret, err);
    case DAG_RUN:
        return get_run(s, ref, a, ret, err);
    case DAG_INPUTS:
        return get_input(s, step, ref->name, a, ret, err);
    case DAG_STEPS:
        return get_step(s, ref, a, ret, err);
    case DAG_TRIGGER:
        return get_trigger(s, ref, ret, err);
    case DAG_MATRIX:
    case DAG_ITEM:
        break;
    }
    return err_set(err, ERR_UNSUPPORTED, "matrix and foreach are not in this version");
}

static bool ask(void *arg, enum dag_question question)
{
    const struct scope *s = arg;
    return sched_ask(s->run->sched, s->step, question);
}

struct dag_scope scope_of(struct scope *s)
{
    return (struct dag_scope){.arg = s, .get = get, .ask = ask};
}
