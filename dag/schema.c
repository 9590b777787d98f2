/*
 * schema.c - looking things up in the table, and the words of other tools.
 */
#include "dag/schema.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

const struct schema_row *schema_find(const struct schema_kind *kind, const char *key)
{
    for (size_t i = 0; i < kind->count; i++) {
        const char *name = kind->rows[i].key;
        if (name[0] == key[0] && strcmp(name, key) == 0) {
            return &kind->rows[i];
        }
    }
    return NULL;
}

/* What other tools call it. `kind` NULL = wherever the word stands. The kinds are compared by
 * address; defaults count as steps. */
static const struct meant {
    const char *word;
    const struct schema_kind *kind;
    const char *hint;
} meant[] = {
    {"depends", &schema_step, "Did you mean `needs`?"},
    {"depends_on", &schema_step, "Did you mean `needs`?"},
    {"dependsOn", &schema_step, "Did you mean `needs`?"},
    {"depends-on", &schema_step, "Did you mean `needs`?"},
    {"dependencies", &schema_step, "Did you mean `needs`?"},
    {"after", &schema_step, "Did you mean `needs`?"},
    {"requires", &schema_step, "Did you mean `needs`?"},
    {"upstream", &schema_step, "Did you mean `needs`?"},
    {"deps", &schema_step, "Did you mean `needs` (steps) or `inputs` (files)?"},
    {"command", &schema_step, "Did you mean `run`?"},
    {"commands", &schema_step, "Did you mean `run`?"},
    {"cmd", &schema_step, "Did you mean `run`?"},
    {"script", &schema_step, "Did you mean `run`?"},
    {"exec", &schema_step, "Did you mean `run` with a list?"},
    {"args", &schema_step, "Did you mean `run` with a list: [command, argument, ...]?"},
    {"bash_command", &schema_step, "Did you mean `run`?"},
    {"action", &schema_step, "Did you mean `uses`?"},
    {"type", &schema_step, "Did you mean `kind`, or `uses`?"},
    {"timeout-minutes", NULL, "Did you mean `timeout`, with a unit: `timeout: 30m`?"},
    {"timeout_minutes", NULL, "Did you mean `timeout`, with a unit: `timeout: 30m`?"},
    {"timeout_sec", NULL, "Did you mean `timeout`, with a unit: `timeout: 90s`?"},
    {"timeout_seconds", NULL, "Did you mean `timeout`, with a unit: `timeout: 90s`?"},
    {"execution_timeout", NULL, "Did you mean `timeout`?"},
    {"activeDeadlineSeconds", NULL, "Did you mean `timeout`, with a unit: `timeout: 90s`?"},
    {"when", &schema_step, "Did you mean `if`?"},
    {"condition", &schema_step, "Did you mean `if`?"},
    {"preconditions", &schema_step, "Did you mean `if`?"},
    {"precondition", &schema_step, "Did you mean `if`?"},
    {"runIf", &schema_step, "Did you mean `if`?"},
    {"run_if", &schema_step, "Did you mean `if`?"},
    {"trigger_rule", &schema_step, "Did you mean `if` with `always()` or `failure()`?"},
    {"strategy", &schema_step, "Did you mean `matrix`? It stands in the step itself."},
    {"parallel", &schema_step, "Did you mean `foreach`, or `matrix`?"},
    {"withItems", &schema_step, "Did you mean `foreach`?"},
    {"withParam", &schema_step, "Did you mean `foreach`?"},
    {"with_items", &schema_step, "Did you mean `foreach`?"},
    {"for_each", &schema_step, "Did you mean `foreach`?"},
    {"loop", &schema_step, "Did you mean `foreach`?"},
    {"max-parallel", &schema_step, "Did you mean `max_parallel`?"},
    {"parallelism", &schema_step, "Did you mean `max_parallel`?"},
    {"environment", NULL, "Did you mean `env`?"},
    {"env_vars", NULL, "Did you mean `env`?"},
    {"envs", NULL, "Did you mean `env`?"},
    {"variables", NULL, "Did you mean `env`, or `params`?"},
    {"vars", NULL, "Did you mean `env`, or `params`?"},
    {"image", &schema_step, "Did you mean `container: {image: …}`?"},
    {"docker", &schema_step, "Did you mean `container: {image: …}`?"},
    {"runs-on", &schema_step, "Did you mean `executor`?"},
    {"runs_on", &schema_step, "Did you mean `executor`?"},
    {"working_dir", &schema_step, "Did you mean `workdir`?"},
    {"working-directory", &schema_step, "Did you mean `workdir`?"},
    {"working_directory", &schema_step, "Did you mean `workdir`?"},
    {"workingDir", &schema_step, "Did you mean `workdir`?"},
    {"cwd", &schema_step, "Did you mean `workdir`?"},
    {"dir", &schema_step, "Did you mean `workdir`?"},
    {"retries", &schema_step, "Did you mean `retry: {limit: N}`?"},
    {"retry_policy", &schema_step, "Did you mean `retry`?"},
    {"retryStrategy", &schema_step, "Did you mean `retry`?"},
    {"max_retries", &schema_step, "Did you mean `retry: {limit: N}`?"},
    {"retry_delay", &schema_step, "Did you mean `retry: {delay: …}`?"},
    {"attempts", &schema_retry, "Did you mean `limit`? It counts the retries, not the first try."},
    {"max_attempts", &schema_retry,
     "Did you mean `limit`? It counts the retries, not the first try."},
    {"maxAttempt", &schema_retry,
     "Did you mean `limit`? It counts the retries, not the first try."},
    {"count", &schema_retry, "Did you mean `limit`?"},
    {"interval", &schema_retry, "Did you mean `delay`?"},
    {"interval_sec", &schema_retry, "Did you mean `delay`, with a unit: `delay: 30s`?"},
    {"backoff", &schema_retry, "Did you mean `factor`?"},
    {"continue-on-error", &schema_step, "Did you mean `continue_on_error`?"},
    {"continueOn", &schema_step, "Did you mean `continue_on_error`?"},
    {"continue_on", &schema_step, "Did you mean `continue_on_error`?"},
    {"allow_failure", &schema_step, "Did you mean `continue_on_error`?"},
    {"allowFailure", &schema_step, "Did you mean `continue_on_error`?"},
    {"ignore_errors", &schema_step, "Did you mean `continue_on_error`?"},
    {"fail-fast", &schema_step, "Did you mean `fail_fast`?"},
    {"failFast", &schema_step, "Did you mean `fail_fast`?"},
    {"output", &schema_step, "Did you mean `outputs`?"},
    {"outs", &schema_step, "Did you mean `outputs`?"},
    {"artifacts", &schema_step,
     "Did you mean `outputs`? Files left in `ORCH_ARTIFACTS` are kept too."},
    {"input", &schema_step, "Did you mean `inputs`?"},
    {"memoize", &schema_step, "Did you mean `cache`?"},
    {"priority_weight", &schema_step, "Did you mean `priority`?"},
    {"limits", &schema_step, "Did you mean `resources`?"},
    {"cpu", &schema_step, "Did you mean `resources: {cpu: …}`?"},
    {"memory", &schema_step, "Did you mean `resources: {memory: …}`?"},
    {"secrets", &schema_step, "Secrets are named at the top; read them with ${{ secrets.NAME }}."},
    {"id", &schema_step, "The key under `steps` is the step's name."},
    {"name", &schema_step, "The key under `steps` is the step's name."},
    {"description", &schema_step, "Write a comment, or use `labels`."},
    {"security", &schema_step, "Did you mean `sandbox`?"},
    {"security_opt", &schema_step, "Did you mean `sandbox`?"},
    {"securityContext", &schema_step, "Did you mean `sandbox`, or `user`?"},
    {"security_context", &schema_step, "Did you mean `sandbox`, or `user`?"},
    {"confinement", &schema_step, "Did you mean `sandbox`?"},
    {"permissions", &schema_step, "Did you mean `sandbox`, or `user`?"},
    {"privileged", &schema_step, "Did you mean `sandbox: {privileged: true}`?"},
    {"private_tmp", &schema_step, "Did you mean `sandbox: {private_tmp: true}`?"},
    {"read_only", &schema_step, "Did you mean `sandbox: {read_only: [/path]}`?"},
    {"umask", &schema_step, "Did you mean `sandbox: {umask: \"0027\"}`?"},
    {"ulimits", &schema_step, "Did you mean `sandbox: {open_files: N}`, or `resources`?"},
    {"ulimit", &schema_step, "Did you mean `sandbox: {open_files: N}`, or `resources`?"},
    {"cap_drop", &schema_step, "Dangerous ones are dropped unless `sandbox: {privileged: true}`."},
    {"cap_add", &schema_step, "Did you mean `sandbox: {privileged: true}`?"},
    {"no_new_privileges", &schema_step, "It is so unless `sandbox: {privileged: true}`."},
    {"runAsUser", &schema_step, "Did you mean `user`?"},
    {"run_as", &schema_step, "Did you mean `user`?"},
    {"run_as_user", &schema_step, "Did you mean `user`?"},
    {"become_user", &schema_step, "Did you mean `user`?"},
    {"uid", &schema_step, "Did you mean `user`?"},
    {"group", &schema_step, "Did you mean `user: NAME:GROUP`?"},
    {"gid", &schema_step, "Did you mean `user: NAME:GROUP`?"},
    {"network_mode", &schema_step, "Did you mean `network`?"},
    {"networks", &schema_step, "Did you mean `network`?"},
    {"net", &schema_step, "Did you mean `network`?"},
    {"gpu", &schema_step, "Did you mean `resources: {gpu: N}`?"},
    {"gpus", &schema_step, "Did you mean `resources: {gpu: N}`?"},
    {"cores", &schema_step, "Did you mean `resources: {cores: N}`?"},
    {"mem_limit", &schema_step, "Did you mean `resources: {memory: …}`?"},
    {"pids_limit", &schema_step, "Did you mean `resources: {pids: N}`?"},
    {"cpuset", &schema_step, "Did you mean `resources: {cores: [0, 1]}`?"},
    {"mem", &schema_resources, "Did you mean `memory`?"},
    {"mem_limit", &schema_resources, "Did you mean `memory`?"},
    {"memory_limit", &schema_resources, "Did you mean `memory`?"},
    {"cpus", &schema_resources, "Did you mean `cpu`, or `cores` for cpus of its own?"},
    {"cpu_limit", &schema_resources, "Did you mean `cpu`?"},
    {"cpuset", &schema_resources, "Did you mean `cores`: a number, or a list such as [0, 1]?"},
    {"cpuset_cpus", &schema_resources, "Did you mean `cores`: a number, or a list such as [0, 1]?"},
    {"cpuset-cpus", &schema_resources, "Did you mean `cores`: a number, or a list such as [0, 1]?"},
    {"core", &schema_resources, "Did you mean `cores`?"},
    {"processes", &schema_resources, "Did you mean `pids`?"},
    {"tasks_max", &schema_resources, "Did you mean `pids`?"},
    {"nproc", &schema_resources, "Did you mean `pids`?"},
    {"disk", &schema_resources, "Did you mean `io`?"},
    {"blkio", &schema_resources, "Did you mean `io`?"},
    {"blkio_weight", &schema_resources, "Did you mean `io: {weight: N}`?"},
    {"bps", &schema_io, "Did you mean `read` or `write`?"},
    {"rbps", &schema_io, "Did you mean `read`?"},
    {"wbps", &schema_io, "Did you mean `write`?"},
    {"riops", &schema_io, "Did you mean `read_iops`?"},
    {"wiops", &schema_io, "Did you mean `write_iops`?"},
    {"read_bps", &schema_io, "Did you mean `read`?"},
    {"write_bps", &schema_io, "Did you mean `write`?"},
    {"user", &schema_sandbox, "It stands in the step itself, beside `sandbox`."},
    {"network", &schema_sandbox, "It stands in the step itself, beside `sandbox`."},
    {"resources", &schema_sandbox, "It stands in the step itself, beside `sandbox`."},
    {"cap_drop", &schema_sandbox, "Dangerous ones are dropped unless `privileged: true`."},
    {"cap_add", &schema_sandbox, "Did you mean `privileged: true`?"},
    {"capabilities", &schema_sandbox, "Did you mean `privileged: true`?"},
    {"no_new_privileges", &schema_sandbox, "It is so unless `privileged: true`."},
    {"no_new_privs", &schema_sandbox, "It is so unless `privileged: true`."},
    {"seccomp", &schema_sandbox, "There is a filter unless `privileged: true`."},
    {"read_only_paths", &schema_sandbox, "Did you mean `read_only`?"},
    {"readonly", &schema_sandbox, "Did you mean `read_only`?"},
    {"ReadOnlyPaths", &schema_sandbox, "Did you mean `read_only`?"},
    {"read_write_paths", &schema_sandbox, "Did you mean `writable`?"},
    {"ReadWritePaths", &schema_sandbox, "Did you mean `writable`?"},
    {"inaccessible_paths", &schema_sandbox, "Did you mean `hidden`?"},
    {"InaccessiblePaths", &schema_sandbox, "Did you mean `hidden`?"},
    {"masked_paths", &schema_sandbox, "Did you mean `hidden`?"},
    {"private-tmp", &schema_sandbox, "Did you mean `private_tmp`?"},
    {"PrivateTmp", &schema_sandbox, "Did you mean `private_tmp`?"},
    {"tmpfs", &schema_sandbox, "Did you mean `private_tmp: true`?"},
    {"ulimits", &schema_sandbox, "Did you mean `open_files` or `core`?"},
    {"nofile", &schema_sandbox, "Did you mean `open_files`?"},
    {"core_dump", &schema_sandbox, "Did you mean `core`?"},
    {"pids", &schema_sandbox, "Did you mean `resources: {pids: N}` in the step?"},
    {"gpus", &schema_resources, "Did you mean `gpu`?"},
    {"requests", &schema_resources, "Did you mean `reserve`?"},
    {"limits", &schema_resources, "The limits stand in `resources` itself."},
    {"jobs", &schema_pipeline, "Did you mean `steps`?"},
    {"tasks", &schema_pipeline, "Did you mean `steps`?"},
    {"stages", &schema_pipeline, "Did you mean `steps`?"},
    {"nodes", &schema_pipeline, "Did you mean `steps`?"},
    {"on", &schema_pipeline, "Did you mean `triggers`?"},
    {"schedule", &schema_pipeline, "Did you mean `triggers: [{cron: …}]`?"},
    {"schedules", &schema_pipeline, "Did you mean `triggers: [{cron: …}]`?"},
    {"schedule_interval", &schema_pipeline, "Did you mean `triggers: [{cron: …}]`?"},
    {"cron", &schema_pipeline, "Did you mean `triggers: [{cron: …}]`?"},
    {"dag_id", &schema_pipeline, "Did you mean `name`?"},
    {"id", &schema_pipeline, "Did you mean `name`?"},
    {"inputs", &schema_pipeline, "Did you mean `params`?"},
    {"parameters", &schema_pipeline, "Did you mean `params`?"},
    {"arguments", &schema_pipeline, "Did you mean `params`?"},
    {"default_args", &schema_pipeline, "Did you mean `defaults`?"},
    {"tags", &schema_pipeline, "Did you mean `labels`?"},
    {"tags", &schema_step, "Did you mean `labels`?"},
    {"onExit", &schema_pipeline, "Did you mean `finally`?"},
    {"handler_on", &schema_pipeline, "Did you mean `finally`, `on_success` or `on_failure`?"},
    {"handlerOn", &schema_pipeline, "Did you mean `finally`, `on_success` or `on_failure`?"},
    {"errors", &schema_pipeline, "Did you mean `on_failure`?"},
    {"version", &schema_pipeline, "Did you mean `format`?"},
    {"apiVersion", &schema_pipeline, "Did you mean `format: 1`?"},
    {"max_active_runs", &schema_pipeline, "Did you mean `concurrency: {limit: N}`?"},
    {"overlap_policy", &schema_pipeline, "Did you mean `concurrency: {policy: …}`?"},
    {"concurrencyPolicy", &schema_pipeline, "Did you mean `concurrency: {policy: …}`?"},
    {"run", &schema_pipeline, "It belongs to a step, under `steps`."},
    {"needs", &schema_pipeline, "It belongs to a step, under `steps`."},
    {"retry", &schema_pipeline, "Did you mean `defaults: {retry: …}`?"},
    {"resources", &schema_pipeline, "Did you mean `defaults: {resources: …}`?"},
    {"shell", &schema_pipeline, "Did you mean `defaults: {shell: …}`?"},
    {"workdir", &schema_pipeline, "Did you mean `defaults: {workdir: …}`?"},
    {"schedule", &schema_trigger, "Did you mean `cron`?"},
    {"interval", &schema_trigger, "Did you mean `every`?"},
    {"tz", &schema_trigger, "Did you mean `timezone`?"},
    {"zone", &schema_trigger, "Did you mean `timezone`?"},
    {"required", &schema_param, "A parameter without a default is required."},
    {"description", &schema_param, "Did you mean `help`?"},
    {"options", &schema_param, "Did you mean `enum`?"},
    {"choices", &schema_param, "Did you mean `enum`?"},
    {"value", &schema_param, "Did you mean `default`?"},
    {"defaults", &schema_param, "Did you mean `default`?"},
    {"cancel-in-progress", &schema_concurrency, "Did you mean `policy: replace`?"},
    {"behavior", &schema_concurrency, "Did you mean `policy`?"},
    {"max_size", &schema_log, "Did you mean `limit`?"},
};

const char *schema_meant(const struct schema_kind *kind, const char *word)
{
    if (kind == &schema_defaults) {
        kind = &schema_step;
    }
    for (size_t i = 0; i < COUNT_OF(meant); i++) {
        if ((meant[i].kind == NULL || meant[i].kind == kind) && strcmp(meant[i].word, word) == 0) {
            return meant[i].hint;
        }
    }
    return NULL;
}

/* ---- in words */

static const struct {
    unsigned bit;
    const char *words;
} shape_words[] = {
    {V_BOOL, "true or false"}, {V_EXPR, "an expression"}, {V_TEXT, "a text"},
    {V_TMPL, "a text"},        {V_LIST, "a list"},        {V_MAP, "a mapping"},
    {V_NAMED, "a mapping"},
};

static void add_words(struct buf *b, const struct schema_row *row)
{
    buf_adds(b, "one of ");
    for (const struct schema_word *w = row->words; w->word != NULL; w++) {
        buf_addf(b, "%s%s", w == row->words ? "" : ", ", w->word);
    }
}

static void add_or(struct buf *b)
{
    if (b->len > 0) {
        buf_adds(b, " or ");
    }
}

void schema_describe(const struct schema_row *row, struct buf *b)
{
    if (row->takes & (V_INT | V_NUM)) {
        char low[32];
        char high[32];
        buf_adds(b, row->takes & V_INT ? "an integer" : "a number");
        if (schema_bounded(row)) {
            buf_addf(b, " from %s to %s", text_format_double(row->min, low),
                     text_format_double(row->max, high));
        }
    }
    if (row->takes & V_WORD) {
        add_or(b);
        add_words(b, row);
    }
    if (row->takes & V_FORMAT) {
        add_or(b);
        buf_adds(b, row->format->what);
    }
    for (size_t i = 0; i < COUNT_OF(shape_words); i++) {
        if ((row->takes & shape_words[i].bit) == 0) {
            continue;
        }
        bool again = i > 0 && (row->takes & shape_words[i - 1].bit) != 0 &&
                     strcmp(shape_words[i].words, shape_words[i - 1].words) == 0;
        if (!again) {
            add_or(b);
            buf_adds(b, shape_words[i].words);
        }
    }
}

/* The kinds in the order in which they are first named, from the root. */
size_t schema_collect(const struct schema_kind *kinds[SCHEMA_MAX_KINDS])
{
    size_t count = 0;
    kinds[count++] = &schema_pipeline;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < kinds[i]->count; k++) {
            const struct schema_row *row = &kinds[i]->rows[k];
            const struct schema_kind *subs[] = {row->sub,
                                                row->item != NULL ? row->item->sub : NULL};
            for (size_t s = 0; s < COUNT_OF(subs) && schema_has(kinds[i], row); s++) {
                size_t at = 0;
                while (at < count && kinds[at] != subs[s]) {
                    at++;
                }
                if (subs[s] != NULL && at == count) {
                    kinds[count++] = subs[s];
                }
            }
        }
    }
    return count;
}
