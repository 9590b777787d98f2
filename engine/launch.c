/*
 * launch.c - from a step to what its supervisor is told: environment, command, folder, secrets.
 */
#include "engine/internal.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/mask.h"
#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- secrets
 * --------------------------------------------------------------------------------------- */

static bool read_secret_file(struct engine *e, const char *name, struct buf *ret, bool *ret_found,
                             struct err *err)
{
    AUTO_FREE char *path = mem_printf("%s/secrets/%s", e->data_dir, name);
    struct stat st;
    *ret_found = stat(path, &st) == 0;
    if (!*ret_found) {
        return errno == ENOENT || errno == ENOTDIR || err_sys(err, errno, "%s", path);
    }
    if ((st.st_mode & 077) != 0) {
        return err_set(err, ERR_DENIED, "%s may be read by others (mode %04o): run chmod 600 on it",
                       path, (unsigned)(st.st_mode & 07777));
    }
    if (!file_read(path, ret, err)) {
        return false;
    }
    /* An editor's newline at the end is not part of the secret. */
    while (ret->len > 0 && (ret->data[ret->len - 1] == '\n' || ret->data[ret->len - 1] == '\r')) {
        ret->data[--ret->len] = '\0';
    }
    return true;
}

static bool read_secret(struct engine *e, struct run *run, const char *name, const char **ret,
                        struct err *err)
{
    AUTO_FREE char *variable = mem_printf("ORCH_SECRET_%s", name);
    AUTO_BUF struct buf value = BUF_INIT(LIMIT_SECRET_SIZE);
    const char *given = getenv(variable);
    bool found = given != NULL;
    if (found ? !buf_adds(&value, given) : !read_secret_file(e, name, &value, &found, err)) {
        return err->code != ERR_NONE ? false
                                     : err_set(err, ERR_LIMIT, "secret %s is longer than %ld bytes",
                                               name, LIMIT_SECRET_SIZE);
    }
    if (!found) {
        return err_set(err, ERR_NOT_FOUND,
                       "secret %s has no value: set %s, or write it to %s/secrets/%s (mode 0600)",
                       name, variable, e->data_dir, name);
    }
    if (value.len < LIMIT_SECRET_MIN || strlen(buf_str(&value)) != value.len) {
        return err_set(err, ERR_INVALID, "secret %s is %s: it could not be masked in logs", name,
                       value.len < LIMIT_SECRET_MIN ? "shorter than 6 characters" : "not text");
    }
    *ret = arena_strdup(&run->arena, buf_str(&value));
    return true;
}

bool launch_secrets(struct engine *e, struct run *run, struct err *err)
{
    const struct dag_pipeline *p = run->pipeline;
    run->secrets = arena_array(&run->arena, p->secret_count, sizeof(*run->secrets));
    for (size_t i = 0; i < p->secret_count; i++) {
        run->secrets[i].name = p->secrets[i];
        struct err why = ERR_INIT;
        if (!read_secret(e, run, p->secrets[i], &run->secrets[i].value, &why)) {
            if (err != NULL) {
                *err = why;
            }
            return false;
        }
        run->secret_count = i + 1;
    }
    leak_prepare(run);
    return true;
}

/* A message quotes what a step wrote, at times cut off: the beginning of a secret goes too. */
void launch_mask_secrets(const struct run *run, char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0';) {
        size_t len = mask_begins(run->masks, from);
        if (len < LIMIT_SECRET_MIN) {
            *to++ = *from++;
            continue;
        }
        memcpy(to, "***", 3); /* not longer than what it stands for */
        to += 3;
        from += len;
    }
    *to = '\0';
}

/* ---- the environment
 * -------------------------------------------------------------------------------- */

struct env {
    char **items;
    size_t count, cap;
    struct arena *arena;
};

/* A later value for a name replaces an earlier one. */
static void env_put(struct env *env, const char *name, const char *value)
{
    size_t len = strlen(name);
    size_t value_len = strlen(value);
    char *item = arena_alloc(env->arena, len + value_len + 2);
    memcpy(item, name, len);
    item[len] = '=';
    memcpy(item + len + 1, value, value_len);
    for (size_t i = 0; i < env->count; i++) {
        if (strncmp(env->items[i], name, len) == 0 && env->items[i][len] == '=') {
            env->items[i] = item;
            return;
        }
    }
    if (env->count == env->cap) {
        size_t cap = env->cap == 0 ? 32 : env->cap * 2;
        char **items = arena_array(env->arena, cap, sizeof(*items));
        if (env->count > 0) {
            memcpy(items, env->items, env->count * sizeof(*items));
        }
        env->items = items;
        env->cap = cap;
    }
    env->items[env->count++] = item;
}

static void env_put_upper(struct env *env, const char *prefix, const char *name, const char *value)
{
    char *upper = arena_printf(env->arena, "%s%s", prefix, name);
    for (char *c = upper + strlen(prefix); *c != '\0'; c++) {
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    }
    env_put(env, upper, value);
}

static void put_inherited(struct env *env, const struct dag_step *step)
{
    static const char *const always[] = {"PATH", "HOME", "LANG", "TZ"};
    for (size_t i = 0; i < COUNT_OF(always); i++) {
        const char *value = getenv(always[i]);
        if (value != NULL) {
            env_put(env, always[i], value);
        }
    }
    for (size_t i = 0; i < step->pass_env_count; i++) {
        const char *value = getenv(step->pass_env[i]);
        if (value != NULL) {
            env_put(env, step->pass_env[i], value);
        }
    }
}

/* What belongs to a user is that of the step's own. */
static void put_user(struct env *env, const struct user *user)
{
    if (user != NULL) {
        env_put(env, "HOME", user->home);
        env_put(env, "USER", user->name);
        env_put(env, "LOGNAME", user->name);
        env_put(env, "SHELL", user->shell);
    }
}

static void put_identity(struct env *env, const struct attempt *a, const char *folder)
{
    const struct run *run = a->run;
    env_put(env, "ORCH_RUN_ID", run->id);
    env_put(env, "ORCH_PIPELINE", run->pipeline->name);
    env_put(env, "ORCH_STEP", run->pipeline->steps[a->step].name);
    env_put(env, "ORCH_ATTEMPT", arena_printf(env->arena, "%u", a->number));
    env_put(env, "ORCH_ROOT", run->root);
    env_put(env, "ORCH_OUT", arena_printf(env->arena, "%s/out", folder));
    env_put(env, "ORCH_OUTPUT", arena_printf(env->arena, "%s/output", folder));
    env_put(env, "ORCH_METRICS", arena_printf(env->arena, "%s/metrics", folder));
    env_put(env, "ORCH_ARTIFACTS", arena_printf(env->arena, "%s/artifacts", folder));
}

static bool put_params(struct env *env, const struct run *run, const struct dag_step *step,
                       struct err *err)
{
    size_t count = step->narrows_params ? step->param_count : run->pipeline->param_count;
    for (size_t i = 0; i < count; i++) {
        size_t at = step->narrows_params ? step->params[i] : i;
        AUTO_BUF struct buf text = BUF_INIT(LIMIT_VALUE);
        if (!dag_value_text(&run->params[at], &text, err)) {
            return err_wrap(err, "parameter %s", run->pipeline->params[at].name);
        }
        env_put_upper(env, "ORCH_PARAM_", run->pipeline->params[at].name, buf_str(&text));
    }
    return true;
}

/* An input is a path: relative to the pipeline's folder, and there when the step starts. */
static bool put_inputs(struct env *env, const struct run *run, const struct dag_step *step,
                       const struct dag_scope *scope, struct err *err)
{
    for (size_t i = 0; i < step->input_count; i++) {
        const char *path;
        if (!dag_tmpl_text(step->inputs[i].value, scope, env->arena, &path, err)) {
            return err_wrap(err, "inputs.%s", step->inputs[i].name);
        }
        if (path[0] != '/') {
            path = arena_printf(env->arena, "%s/%s", run->workdir, path);
        }
        if (access(path, F_OK) != 0) {
            return err_sys(err, errno, "inputs.%s: %s", step->inputs[i].name, path);
        }
        env_put_upper(env, "ORCH_INPUT_", step->inputs[i].name, path);
    }
    return true;
}

static bool put_own(struct env *env, const struct dag_step *step, const struct dag_scope *scope,
                    struct err *err)
{
    for (size_t i = 0; i < step->env_count; i++) {
        const char *value;
        if (!dag_tmpl_text(step->env[i].value, scope, env->arena, &value, err)) {
            return err_wrap(err, "env.%s", step->env[i].name);
        }
        env_put(env, step->env[i].name, value);
    }
    return true;
}

/* ---- the command
 * ------------------------------------------------------------------------------------- */

static bool make_exec(const struct dag_step *step, const struct dag_scope *scope, struct arena *a,
                      struct step_spec *spec, struct err *err)
{
    spec->argv = arena_array(a, step->argc, sizeof(*spec->argv));
    for (size_t i = 0; i < step->argc; i++) {
        const char *word;
        if (!dag_tmpl_text(step->argv[i], scope, a, &word, err)) {
            return err_wrap(err, "run, word %zu", i + 1);
        }
        spec->argv[i] = arena_strdup(a, word);
    }
    spec->argc = step->argc;
    return true;
}

static bool make_shell(const struct dag_step *step, const struct dag_scope *scope, struct arena *a,
                       struct env *env, struct step_spec *spec, struct err *err)
{
    struct dag_script_run script;
    if (!dag_script_eval(step->script, scope, a, &script, err)) {
        return err_wrap(err, "run");
    }
    for (size_t i = 0; i < script.var_count; i++) {
        env_put(env, script.vars[i].key, script.vars[i].value.u.string.text);
    }
    spec->script = arena_strdup(a, script.text);
    spec->argv = arena_array(a, step->shell_count, sizeof(*spec->argv));
    for (size_t i = 0; i < step->shell_count; i++) {
        spec->argv[i] = arena_strdup(a, step->shell[i]);
    }
    spec->argc = step->shell_count;
    return true;
}

static bool make_workdir(const struct run *run, const struct dag_step *step,
                         const struct dag_scope *scope, struct arena *a, struct step_spec *spec,
                         struct err *err)
{
    const char *dir = ".";
    if (step->workdir != NULL && !dag_tmpl_text(step->workdir, scope, a, &dir, err)) {
        return err_wrap(err, "workdir");
    }
    spec->cwd = dir[0] == '/'           ? arena_strdup(a, dir)
                : strcmp(dir, ".") == 0 ? arena_strdup(a, run->workdir)
                                        : arena_printf(a, "%s/%s", run->workdir, dir);
    return true;
}

static void make_outputs(const struct dag_step *step, struct arena *a, struct step_spec *spec)
{
    spec->outputs = arena_array(a, step->output_count, sizeof(*spec->outputs));
    for (size_t i = 0; i < step->output_count; i++) {
        const struct dag_output *output = &step->outputs[i];
        if (output->path != NULL) {
            spec->outputs[spec->output_count++] = (struct step_want){
                .name = arena_strdup(a, output->name),
                .path = arena_strdup(a, output->path),
                .optional = output->optional,
            };
        }
    }
}

static bool make_spec(struct attempt *at, const char *folder, const struct user *user,
                      struct arena *a, struct step_spec *spec, struct err *err)
{
    struct run *run = at->run;
    const struct dag_step *step = &run->pipeline->steps[at->step];
    struct scope asker = {.run = run, .step = at->step};
    struct dag_scope scope = scope_of(&asker);
    struct env env = {.arena = a};
    put_inherited(&env, step);
    put_user(&env, user);
    put_identity(&env, at, folder);
    if (!put_params(&env, run, step, err) || !put_inputs(&env, run, step, &scope, err) ||
        !put_own(&env, step, &scope, err) || !make_workdir(run, step, &scope, a, spec, err) ||
        !(step->action == DAG_ACTION_SHELL ? make_shell(step, &scope, a, &env, spec, err)
                                           : make_exec(step, &scope, a, spec, err))) {
        return false;
    }
    make_outputs(step, a, spec);
    spec->run = run->id;
    spec->step = arena_strdup(a, step->name);
    spec->attempt = at->number;
    spec->env = env.items;
    spec->env_count = env.count;
    spec->store = run->engine->store_dir;
    spec->secrets = arena_array(a, run->secret_count, sizeof(*spec->secrets));
    for (size_t i = 0; i < run->secret_count; i++) {
        spec->secrets[i] = arena_strdup(a, run->secrets[i].value);
    }
    spec->secret_count = run->secret_count;
    spec->timeout_ms = step->timeout_ms;
    spec->grace_ms = step->grace_ms;
    spec->log_limit = step->log_limit;
    spec->log_fail = step->log_on_limit == DAG_LOG_FAIL;
    spec->sync_began = step->on_lost != DAG_LOST_RERUN;
    isolate_limits(step, a, &spec->limits);
    isolate_sandbox(step, user, run->shared, a, &spec->sandbox);
    return true;
}

bool launch_prepare(struct attempt *at, enum sched_reason *ret_reason, struct err *err)
{
    static const char *const drivers[] = {"process", "container", "slurm", "kubernetes"};
    struct run *run = at->run;
    const struct dag_step *step = &run->pipeline->steps[at->step];
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_FREE char *folder =
        engine_attempt_dir(run->engine->data_dir, run->id, step->name, at->number);
    struct step_spec spec = {0};
    const struct user *user = NULL;
    *ret_reason = SCHED_ISOLATION;
    if (step->user != NULL && !user_find(&run->users, step->user, &run->arena, &user, err)) {
        return err_wrap(err, "user");
    }
    if (!make_spec(at, folder, user, &a, &spec, err)) {
        *ret_reason = SCHED_EXPR;
        return false;
    }
    *ret_reason = SCHED_SPAWN;
    const struct exec_driver *driver = exec_find_driver(drivers[step->executor]);
    if (driver == NULL || driver->prepare == NULL) {
        return err_set(err, ERR_UNSUPPORTED, "executor '%s' is not in this version",
                       drivers[step->executor]);
    }
    at->exec = driver->prepare(run->engine->exec, folder, &spec, &engine_exec_events, at, err);
    return at->exec != NULL;
}
