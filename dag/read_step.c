/*
 * read_step.c - a step's rows that are read in their own way, and the checks between its keys.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "dag/formats.h"
#include "dag/reader.h"

#include <string.h>

static const char *const default_shell[] = {"/bin/sh", "-e"};

struct dag_step step_built_in(void)
{
    return (struct dag_step){
        .shell = default_shell,
        .shell_count = COUNT_OF(default_shell),
        .grace_ms = 10000,
        .retry = {.delay_ms = 1000, .max_delay_ms = -1, .factor = 1},
        .resources = {.reserve_cpu_milli = -1, .reserve_memory = -1},
        .sandbox = {.umask = -1, .core = -1, .open_files = -1},
        .log_limit = LIMIT_LOG_DEFAULT,
    };
}

/* ---- run and shell */

static bool not_blank(struct reader *r, const struct schema_entry *e)
{
    if (e->value->u.text[strspn(e->value->u.text, " \t\r\n")] != '\0') {
        return true;
    }
    return diag_add(r->diags, DIAG_ERROR, "no-value", node_pos(e->value), node_width(e->value),
                    NULL, "`%s` is empty", e->key->u.text);
}

void read_run(struct reader *r, const struct schema_entry *e, void *target)
{
    struct dag_step *step = target;
    if (e->value->kind == NODE_SCALAR) {
        step->action = DAG_ACTION_SHELL;
        if (not_blank(r, e)) {
            read_late(r, LATE_SCRIPT, e->row, e->value, (void *)&step->script);
        }
        return;
    }
    const struct dag_tmpl **argv = arena_array(r->arena, e->value->count, sizeof *argv);
    for (size_t i = 0; i < e->value->count; i++) {
        struct schema_entry word = {e->row->item, e->key, &e->value->u.items[i]};
        if (read_shape(r, &word) && (i > 0 || not_blank(r, &word))) {
            read_late(r, LATE_TMPL, word.row, word.value, (void *)&argv[i]);
        }
    }
    step->action = DAG_ACTION_EXEC;
    step->argv = argv;
    step->argc = e->value->count;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

bool shell_is_posix(const char *const *words, size_t count)
{
    static const char *const shells[] = {"sh", "bash", "dash", "ksh", "mksh", "zsh", "ash"};
    static const char *const wrappers[] = {"busybox", "env"};
    const char *name = count > 0 ? base_name(words[0]) : "";
    for (size_t i = 0; i < COUNT_OF(wrappers); i++) {
        if (strcmp(name, wrappers[i]) == 0) {
            name = count > 1 ? base_name(words[1]) : "";
            break;
        }
    }
    for (size_t i = 0; i < COUNT_OF(shells); i++) {
        if (strcmp(name, shells[i]) == 0) {
            return true;
        }
    }
    return false;
}

void read_shell(struct reader *r, const struct schema_entry *e, void *target)
{
    struct dag_step *step = target;
    bool list = e->value->kind == NODE_LIST;
    size_t count = list ? e->value->count : 2;
    const char **words = arena_array(r->arena, count, sizeof *words);
    if (!list) {
        words[0] = e->value->u.text;
        words[1] = "-e";
        if (!not_blank(r, e)) {
            return;
        }
        if (strpbrk(words[0], " \t") != NULL) {
            diag_add(r->diags, DIAG_ERROR, "value", node_pos(e->value), node_width(e->value),
                     "Write its words as a list: shell: [bash, -eu].",
                     "`shell` is one word, or a list of words");
        }
        count = shell_is_posix(words, 1) ? 2 : 1;
    }
    for (size_t i = 0; list && i < count; i++) {
        struct schema_entry word = {e->row->item, e->key, &e->value->u.items[i]};
        if (!read_shape(r, &word)) {
            return;
        }
        read_value(r, &word, NULL);
        words[i] = word.value->u.text;
    }
    step->shell = words;
    step->shell_count = count;
}

/* ---- small ones */

void read_needs(struct reader *r, const struct schema_entry *e, void *target)
{
    (void)r;
    (void)e;
    (void)target; /* finish_step() takes it from the marks; needs.c reports bad names */
}

void read_retry(struct reader *r, const struct schema_entry *e, void *target)
{
    struct dag_step *step = target;
    if (e->value->kind == NODE_MAP) {
        read_map(r, e->row->sub, e->value, &step->retry);
        return;
    }
    static const struct schema_row limit = {
        .takes = V_INT, .max = 1000, .stored = true, .at = offsetof(struct dag_retry, limit)};
    struct schema_entry number = {&limit, e->key, e->value};
    read_value(r, &number, &step->retry);
}

void read_exit_codes(struct reader *r, const struct schema_entry *e, void *target)
{
    struct dag_retry *retry = target;
    size_t errors = r->diags->errors;
    read_value(r, e, NULL);
    if (retry == NULL || r->diags->errors > errors) {
        return;
    }
    int *codes = arena_array(r->arena, e->value->count, sizeof *codes);
    for (size_t i = 0; i < e->value->count; i++) {
        struct dag_value value = {.type = DAG_NULL};
        if (node_value(&e->value->u.items[i], r->arena, r->diags, &value)) {
            codes[i] = (int)value.u.integer; /* 1 to 255, checked above */
        }
    }
    retry->exit_codes = codes;
    retry->exit_code_count = e->value->count;
}

/* Ascending. False after a diagnostic where an index stands twice. */
static bool sort_indices(struct reader *r, const struct schema_entry *e, int64_t *indices)
{
    for (size_t i = 0; i < e->value->count; i++) {
        struct dag_value value = {.type = DAG_NULL};
        const struct dag_node *item = &e->value->u.items[i];
        if (!node_value(item, r->arena, r->diags, &value)) {
            return false;
        }
        size_t at = i;
        for (; at > 0 && indices[at - 1] > value.u.integer; at--) {
            indices[at] = indices[at - 1];
        }
        if (at > 0 && indices[at - 1] == value.u.integer) {
            return diag_add(r->diags, DIAG_ERROR, "conflict", node_pos(item), node_width(item),
                            "Name each one once.", "`%s` names %lld twice", e->key->u.text,
                            (long long)value.u.integer);
        }
        indices[at] = value.u.integer;
    }
    return true;
}

/* A count, or which ones. */
void read_share(struct reader *r, const struct schema_entry *e, void *target)
{
    size_t errors = r->diags->errors;
    struct dag_share count = {0};
    struct schema_row row = *e->row;
    row.at = offsetof(struct dag_share, count);
    bool list = e->value->kind == NODE_LIST;
    read_value(r, &(struct schema_entry){&row, e->key, e->value}, list ? NULL : &count);
    if (list && r->diags->errors == errors) {
        int64_t *indices = arena_array(r->arena, e->value->count, sizeof *indices);
        AUTO_BUF struct buf text = BUF_INIT(LIMIT_MESSAGE);
        bool ok = sort_indices(r, e, indices);
        for (size_t i = 0; ok && i < e->value->count; i++) {
            buf_addf(&text, "%s%lld", i > 0 ? "," : "", (long long)indices[i]);
        }
        count = (struct dag_share){.count = e->value->count,
                                   .list = arena_strdup(r->arena, buf_str(&text))};
    }
    if (target != NULL) {
        memcpy((char *)target + e->row->at, &count, sizeof count);
    }
}

void read_step_params(struct reader *r, const struct schema_entry *e, void *target)
{
    struct dag_step *step = target;
    uint32_t *params = arena_array(r->arena, e->value->count, sizeof *params);
    for (size_t i = 0; i < e->value->count; i++) {
        struct schema_entry item = {e->row->item, e->key, &e->value->u.items[i]};
        if (!read_shape(r, &item)) {
            continue;
        }
        if (!name_index_get(&r->params, item.value->u.text, &params[step->param_count])) {
            param_unknown(r, item.value);
            continue;
        }
        step->param_count++;
    }
    step->params = params;
    step->narrows_params = true;
}

/* ---- env: the pipeline's, then the defaults', then the step's own */

/* Not those that the engine sets itself: who would win would be a riddle. */
static void refuse_engines_own(struct reader *r, const struct dag_node *key)
{
    static const char *const own[] = {"ORCH_RUN_ID",  "ORCH_PIPELINE", "ORCH_STEP",
                                      "ORCH_ATTEMPT", "ORCH_ROOT",     "ORCH_OUT",
                                      "ORCH_OUTPUT",  "ORCH_METRICS",  "ORCH_ARTIFACTS",
                                      "ORCH_PARAM_",  "ORCH_INPUT_",   "ORCH_SCHEDULED_AT"};
    const char *name = key->u.text;
    for (size_t i = 0; i < COUNT_OF(own); i++) {
        size_t len = strlen(own[i]);
        bool is_prefix = own[i][len - 1] == '_';
        if (is_prefix ? strncmp(name, own[i], len) == 0 : strcmp(name, own[i]) == 0) {
            diag_add(r->diags, DIAG_ERROR, "bad-name", node_pos(key), node_width(key),
                     "Give the variable another name.", "`%s` is set by the engine itself", name);
            return;
        }
    }
}

void read_env(struct reader *r, const struct schema_entry *e, void *target)
{
    struct dag_step *step = target == r->p ? &r->base : target;
    const struct dag_node *map = e->value;
    struct dag_pair *env = arena_array(r->arena, step->env_count + map->count, sizeof *env);
    size_t inherited = step->env_count;
    size_t count = inherited;
    if (inherited > 0) {
        memcpy(env, step->env, inherited * sizeof *env);
    }
    for (size_t i = 0; i < inherited; i++) { /* their values are not there yet */
        read_late_copy(r, &step->env[i].value, (void *)&env[i].value);
    }
    for (size_t i = 0; i < map->count; i++) {
        const struct node_entry *entry = &map->u.entries[i];
        struct schema_entry item = {e->row->item, &entry->key, &entry->value};
        if (!read_name(r, e->row->names, &entry->key, e->key->u.text) || !read_shape(r, &item)) {
            continue;
        }
        refuse_engines_own(r, &entry->key);
        size_t at = 0;
        while (at < inherited && strcmp(env[at].name, entry->key.u.text) != 0) {
            at++;
        }
        at = at < inherited ? at : count++;
        env[at] = (struct dag_pair){.name = entry->key.u.text, .pos = node_pos(&entry->key)};
        read_late(r, LATE_TMPL, item.row, item.value, (void *)&env[at].value);
    }
    step->env = env;
    step->env_count = count;
}

/* ---- outputs */

static void check_output(struct reader *r, const struct dag_node *node,
                         const struct dag_output *out)
{
    const struct dag_node *type = node_get(node, "type");
    if (out->path != NULL && type != NULL) {
        diag_add(r->diags, DIAG_ERROR, "conflict", node_pos(type), node_width(type),
                 "Remove one: `path` is a file, `type` alone a value written to ORCH_OUTPUT.",
                 "the output `%s` has both a `path` and a `type`", out->name);
    }
    if (out->path == NULL && (out->dataset != NULL || out->model != NULL)) {
        diag_add(r->diags, DIAG_ERROR, "missing-key", node_pos(node), 1,
                 "Only files become datasets and models.", "the output `%s` needs a `path`",
                 out->name);
    }
}

void read_outputs(struct reader *r, const struct schema_entry *e, void *target)
{
    struct dag_step *step = target;
    struct dag_output *outputs = arena_array(r->arena, e->value->count, sizeof *outputs);
    struct name_index paths = {0};
    for (size_t i = 0; i < e->value->count; i++) {
        const struct node_entry *entry = &e->value->u.entries[i];
        struct schema_entry item = {e->row->item, &entry->key, &entry->value};
        struct dag_output *out = &outputs[i];
        *out = (struct dag_output){
            .name = entry->key.u.text, .pos = node_pos(&entry->key), .type = DAG_STRING};
        if (!read_name(r, e->row->names, &entry->key, e->key->u.text) || !read_shape(r, &item)) {
            continue;
        }
        if (entry->value.kind == NODE_MAP) {
            read_map(r, &schema_output, &entry->value, out);
            check_output(r, &entry->value, out);
        } else {
            read_value(r, &item, NULL);
            out->path = entry->value.u.text;
        }
        if (out->path != NULL && format_path(out->path, r->arena, &out->path) &&
            !name_index_add(&paths, out->path, 0, NULL)) {
            diag_add(r->diags, DIAG_ERROR, "conflict", node_pos(&entry->value),
                     node_width(&entry->value), "Read the one output in both places.",
                     "the output `%s` has the path of another one: %s", out->name, out->path);
        }
    }
    name_index_done(&paths);
    step->outputs = outputs;
    step->output_count = e->value->count;
}

/* ---- between the keys */

static void conflict(struct reader *r, enum schema_mark mark, const char *why, const char *hint)
{
    const struct dag_node *key = r->marks[mark].key;
    if (key != NULL) {
        diag_add(r->diags, DIAG_ERROR, "conflict", node_pos(key), node_width(key), hint, "`%s` %s",
                 key->u.text, why);
    }
}

static void finish_action(struct reader *r, struct dag_step *step)
{
    const struct mark *marks = r->marks;
    if (marks[MARK_USES].key != NULL) {
        step->action = DAG_ACTION_USES;
    } else if (marks[MARK_GATE].key != NULL) {
        step->action = DAG_ACTION_GATE;
    } else if (marks[MARK_APPROVAL].key != NULL) {
        step->action = DAG_ACTION_APPROVAL;
        if (marks[MARK_KIND].key == NULL) {
            step->kind = DAG_KIND_APPROVAL;
        }
        conflict(r, MARK_MATRIX, "cannot stand beside `approval`", NULL);
        conflict(r, MARK_FOREACH, "cannot stand beside `approval`", NULL);
        conflict(r, MARK_RETRY, "cannot stand beside `approval`", NULL);
    }
    if (step->kind == DAG_KIND_APPROVAL && step->action != DAG_ACTION_APPROVAL) {
        conflict(r, MARK_KIND, "is approval, but the step has no `approval:`",
                 "Add `approval: {roles: […]}`, or choose another kind.");
    }
    if (marks[MARK_USES].key == NULL) {
        conflict(r, MARK_WITH, "belongs to `uses`, which is not here",
                 "Use `env` or `inputs` for a command.");
    }
    if (marks[MARK_RUN].key == NULL || marks[MARK_RUN].value->kind == NODE_LIST) {
        conflict(r, MARK_SHELL, "has no effect: only a `run` that is a text has a shell",
                 "Write the command as a text, or remove `shell`.");
    }
}

static void finish_group(struct reader *r)
{
    if (r->marks[MARK_MATRIX].key != NULL) {
        conflict(r, MARK_FOREACH, "cannot stand beside `matrix`",
                 "Make the items a key of the matrix.");
    } else if (r->marks[MARK_FOREACH].key == NULL) {
        conflict(r, MARK_MAX_PARALLEL, "needs a `matrix` or a `foreach`", NULL);
    }
}

static void finish_executor(struct reader *r, struct dag_step *step)
{
    if (r->marks[MARK_CONTAINER].key == NULL) {
        return;
    }
    if (r->marks[MARK_EXECUTOR].key == NULL) {
        step->executor = DAG_EXEC_CONTAINER;
    } else if (step->executor == DAG_EXEC_PROCESS) {
        conflict(r, MARK_EXECUTOR, "is process, but the step has a `container`",
                 "Remove one of them.");
    }
}

void finish_step(struct reader *r, const struct dag_node *node, void *target)
{
    struct dag_step *step = target;
    (void)node;
    finish_action(r, step);
    finish_group(r);
    finish_executor(r, step);
    if (r->marks[MARK_ON_LOST].key == NULL && !r->base_on_lost && step->kind == DAG_KIND_DEPLOY) {
        step->on_lost = DAG_LOST_ASK;
    }
    if (step->retry.max_delay_ms < 0) {
        step->retry.max_delay_ms = step->retry.delay_ms > 3600000 ? step->retry.delay_ms : 3600000;
    }
    struct draft *draft = &r->block->drafts[r->step];
    draft->needs = r->marks[MARK_NEEDS].value;
    draft->matrix = r->marks[MARK_MATRIX].value;
    draft->foreach = r->marks[MARK_FOREACH].value;
    draft->run = r->marks[MARK_RUN].value;
}

/* ---- the blocks */

void read_defaults(struct reader *r, const struct schema_entry *e, void *target)
{
    (void)target;
    r->base.isolation = r->p->isolation;
    r->has_defaults = true;
    memset(r->marks, 0, sizeof r->marks);
    read_map(r, &schema_defaults, e->value, &r->base);
    r->base_on_lost = r->marks[MARK_ON_LOST].key != NULL;
    finish_executor(r, &r->base);
}

void read_block(struct reader *r, const struct schema_entry *e, struct block *block)
{
    const struct dag_node *map = e->value;
    block->what = e->key->u.text;
    if (map->count > LIMIT_STEPS) {
        diag_add(r->diags, DIAG_ERROR, "too-large", node_pos(map), 1, NULL,
                 "`%s` has more than %d steps", e->key->u.text, LIMIT_STEPS);
        return;
    }
    block->steps = arena_array(r->arena, map->count, sizeof *block->steps);
    block->drafts = arena_array(r->arena, map->count, sizeof *block->drafts);
    block->count = map->count;
    r->block = block;
    for (uint32_t i = 0; i < map->count; i++) {
        const struct node_entry *entry = &map->u.entries[i];
        struct schema_entry item = {e->row->item, &entry->key, &entry->value};
        struct dag_step *step = &block->steps[i];
        *step = r->base;
        step->name = entry->key.u.text;
        step->index = i;
        step->pos = node_pos(&entry->key);
        r->step = i;
        block->drafts[i].key = &entry->key;
        memset(r->marks, 0, sizeof r->marks);
        (void)name_index_add(&block->index, step->name, i, NULL); /* keys are unique */
        if (read_name(r, e->row->names, &entry->key, e->key->u.text) && read_shape(r, &item)) {
            read_map(r, &schema_step, &entry->value, step);
        }
    }
    r->block = NULL;
    r->step = NO_STEP;
}

void read_steps(struct reader *r, const struct schema_entry *e, void *target)
{
    (void)target;
    if (!r->has_defaults) {
        r->base.isolation = r->p->isolation;
    }
    read_block(r, e, &r->main);
}

void read_hook(struct reader *r, const struct schema_entry *e, void *target)
{
    (void)target;
    read_block(r, e, &r->hooks[r->hook_count++]);
}
