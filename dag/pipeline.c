/*
 * pipeline.c - the way of a file: text -> nodes -> table -> needs -> expressions -> pipeline.
 */
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"
#include "dag/reader.h"

#include <stdlib.h>
#include <string.h>

/* A pipeline with what only dag needs. */
struct loaded {
    struct dag_pipeline p; /* first: a struct dag_pipeline * is a struct loaded * */
    struct name_index steps;
    const char **names; /* of the steps, for suggestions */
    struct dag_node root;
};

static const struct dag_kind_word {
    const char *word;
} kind_words[] = {
    [DAG_KIND_TASK] = {"task"},     [DAG_KIND_INGEST] = {"ingest"},
    [DAG_KIND_TRAIN] = {"train"},   [DAG_KIND_VALIDATE] = {"validate"},
    [DAG_KIND_DEPLOY] = {"deploy"}, [DAG_KIND_APPROVAL] = {"approval"},
};

const char *dag_kind_name(enum dag_kind kind)
{
    return kind_words[kind].word;
}

void read_version(struct reader *r, const struct schema_entry *e, void *target)
{
    (void)target;
    if (strcmp(e->value->u.text, "1") != 0) {
        diag_add(r->diags, DIAG_ERROR, "value", node_pos(e->value), node_width(e->value),
                 "This version reads `format: 1`.",
                 "`format` is %.40s: not a format of this version", e->value->u.text);
    }
}

/* Merged mappings share nodes, so one mistake may be found many times at one place. */
static void drop_repeated(struct diags *d)
{
    size_t kept = 0;
    diags_sort(d);
    for (size_t i = 0; i < d->count; i++) {
        struct diag *now = &d->items[i];
        bool again = false;
        for (size_t k = kept; k > 0 && !again; k--) {
            const struct diag *old = &d->items[k - 1];
            if (old->pos.line != now->pos.line || old->pos.column != now->pos.column) {
                break;
            }
            again = old->severity == now->severity && strcmp(old->code, now->code) == 0 &&
                    strcmp(old->message, now->message) == 0;
        }
        if (again) {
            d->errors -= now->severity == DIAG_ERROR;
            free(now->message);
            free(now->hint);
        } else {
            d->items[kept++] = *now;
        }
    }
    d->count = kept;
}

static void finish_block(struct reader *r, struct block *block)
{
    if (block->count > 0) {
        needs_resolve(r, block);
    }
}

static void finish_pipeline(struct reader *r, struct loaded *loaded)
{
    struct dag_pipeline *p = &loaded->p;
    finish_block(r, &r->main);
    for (size_t i = 0; i < r->hook_count; i++) {
        finish_block(r, &r->hooks[i]);
    }
    names_check_late(r);
    p->steps = r->main.steps;
    p->step_count = r->main.count;
    p->order = r->main.order;
}

static bool read_document(struct reader *r, struct loaded *loaded)
{
    struct dag_node *root = &loaded->root;
    if (!node_check_text(&r->src, r->diags) || !node_parse(r->arena, &r->src, r->diags, root)) {
        return false;
    }
    if (root->kind != NODE_MAP) {
        char got[64];
        return diag_add(r->diags, DIAG_ERROR, root->count == 0 ? "empty" : "type", node_pos(root),
                        node_width(root), "It begins with `name:` and `steps:`.",
                        "a pipeline file is a mapping, not %s", node_describe(root, got));
    }
    loaded->p.root = root;
    read_map(r, &schema_pipeline, root, &loaded->p);
    finish_pipeline(r, loaded);
    return true;
}

static void reader_done(struct reader *r)
{
    name_index_done(&r->params);
    for (size_t i = 0; i < r->hook_count; i++) {
        name_index_done(&r->hooks[i].index);
    }
    free(r->late);
    free(r->reach);
}

static struct loaded *new_loaded(const char *file, const char *text, size_t len)
{
    struct loaded *loaded = mem_alloc(sizeof *loaded);
    struct dag_pipeline *p = &loaded->p;
    p->arena = ARENA_INIT;
    p->file = arena_strdup(&p->arena, file);
    char *copy = arena_alloc(&p->arena, len + 1);
    memcpy(copy, text, len);
    p->text = copy;
    p->text_len = len;
    return loaded;
}

struct dag_pipeline *dag_parse(const char *file, const char *text, size_t len, struct diags *diags)
{
    if (len > LIMIT_PIPELINE_FILE) {
        diag_add(diags, DIAG_ERROR, "too-large", (struct diag_pos){0, 0}, 1, NULL,
                 "the file has %zu bytes; a pipeline file has at most %ld", len,
                 (long)LIMIT_PIPELINE_FILE);
        return NULL;
    }
    struct loaded *loaded = new_loaded(file, text, len);
    struct reader r = {
        .arena = &loaded->p.arena,
        .p = &loaded->p,
        .src = {.text = loaded->p.text, .len = len},
        .diags = diags,
        .base = step_built_in(),
        .step = NO_STEP,
        .suggestions = 2000000,
    };
    (void)read_document(&r, loaded);
    loaded->steps = r.main.index;
    loaded->p.text = r.src.text; /* behind a byte order mark */
    loaded->p.text_len = r.src.len;
    reader_done(&r);
    drop_repeated(diags);
    if (diags->errors > 0) {
        dag_free(&loaded->p);
        return NULL;
    }
    return &loaded->p;
}

struct dag_pipeline *dag_load(const char *path, struct diags *diags)
{
    AUTO_BUF struct buf text = BUF_INIT(LIMIT_PIPELINE_FILE);
    struct err err = ERR_INIT;
    if (!file_read(path, &text, &err)) {
        diag_add(diags, DIAG_ERROR, err.code == ERR_LIMIT ? "too-large" : "unreadable",
                 (struct diag_pos){0, 0}, 1, NULL, "%s", err.msg);
        return NULL;
    }
    return dag_parse(path, buf_str(&text), text.len, diags);
}

void dag_free(struct dag_pipeline *p)
{
    struct loaded *loaded = (struct loaded *)(void *)p;
    if (loaded == NULL) {
        return;
    }
    name_index_done(&loaded->steps);
    struct arena arena = p->arena; /* nothing of the pipeline itself lies in it */
    arena_done(&arena);
    free(loaded);
}

const struct dag_step *dag_find_step(const struct dag_pipeline *p, const char *name)
{
    const struct loaded *loaded = (const struct loaded *)(const void *)p;
    uint32_t at = 0;
    return name_index_get(&loaded->steps, name, &at) ? &p->steps[at] : NULL;
}

const char *dag_nearest_step(const struct dag_pipeline *p, const char *name)
{
    const char **names = mem_array(p->step_count + 1U, sizeof *names);
    for (uint32_t i = 0; i < p->step_count; i++) {
        names[i] = p->steps[i].name;
    }
    const char *near = text_nearest(name, names, p->step_count);
    free(names);
    return near;
}
