/*
 * fuzz_pipeline.c - any bytes as a pipeline file, and as a params file of a small pipeline. What is
 * accepted must also be drawable, and its places must lie in the text.
 */
#include "base/buf.h"
#include "dag/dag.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_places(const struct diags *diags, size_t size)
{
    for (size_t i = 0; i < diags->count; i++) {
        const struct diag *d = &diags->items[i];
        if (d->pos.line > size + 1 || d->pos.column > size + 1 || d->message[0] == '\0') {
            abort();
        }
    }
}

static void use(const struct dag_pipeline *p, struct diags *diags)
{
    AUTO_BUF struct buf out = BUF_INIT(64U << 20);
    struct err err = ERR_INIT;
    for (uint32_t i = 0; i < p->step_count; i++) {
        const struct dag_step *step = &p->steps[p->order[i]];
        if (dag_find_step(p, step->name) != step) {
            abort();
        }
    }
    for (int format = DAG_GRAPH_TEXT; format <= DAG_GRAPH_JSON; format++) {
        if (!dag_graph(p, (enum dag_graph_format)format, &out, &err)) {
            abort();
        }
    }
    (void)!dag_can_run(p, diags);
}

static void as_pipeline(const uint8_t *data, size_t size)
{
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, "fuzz.yaml");
    struct dag_pipeline *p = dag_parse("fuzz.yaml", (const char *)data, size, &diags);
    if ((p == NULL) != (diags.errors > 0)) {
        abort();
    }
    if (p != NULL) {
        use(p, &diags);
    }
    check_places(&diags, size);
    dag_free(p);
}

static void as_params(const uint8_t *data, size_t size)
{
    static const char text[] =
        "name: t\nsteps: {a: {run: x}}\nparams:\n"
        "  a: 1\n  b: 2.5\n  c: x\n  d: [1]\n  e: {type: map, default: {}}\n"
        "  f: true\n  g: {enum: [a, b]}\n  h: {type: string, pattern: '[a-z]*'}";
    AUTO_DIAGS struct diags diags;
    AUTO_ARENA struct arena arena = ARENA_INIT;
    struct dag_given given = {"d", NULL};
    char *copy = calloc(1, size + 1);
    diags_init(&diags, "params.yaml");
    struct dag_pipeline *p = dag_parse("t", text, strlen(text), &diags);
    if (p == NULL || copy == NULL) {
        abort();
    }
    memcpy(copy, data, size);
    given.text = copy;
    (void)!dag_bind_params(p, &given, size > 0 && data[0] == '[', "params.yaml", (const char *)data,
                           size, &arena, &diags);
    check_places(&diags, size);
    free(copy);
    dag_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_pipeline(data, size);
    as_params(data, size);
    return 0;
}
