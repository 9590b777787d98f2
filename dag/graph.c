/*
 * graph.c - the graph drawn: text for terminals, Graphviz, Mermaid, JSON. Names are checked
 * ([A-Za-z0-9_-]), but each format still quotes what it prints.
 */
#include "base/mem.h"
#include "dag/dag.h"

#include <stdlib.h>
#include <string.h>

static const char *const action_words[] = {
    [DAG_ACTION_SHELL] = "run", [DAG_ACTION_EXEC] = "run",          [DAG_ACTION_USES] = "uses",
    [DAG_ACTION_GATE] = "gate", [DAG_ACTION_APPROVAL] = "approval",
};

/* The level of a step is one more than the highest of its needs. */
static uint32_t *find_levels(const struct dag_pipeline *p, uint32_t *ret_count)
{
    uint32_t *levels = mem_array(p->step_count + 1U, sizeof *levels);
    *ret_count = 0;
    for (uint32_t i = 0; i < p->step_count; i++) {
        const struct dag_step *step = &p->steps[p->order[i]];
        for (uint32_t k = 0; k < step->need_count; k++) {
            uint32_t above = levels[step->needs[k]] + 1;
            levels[step->index] = above > levels[step->index] ? above : levels[step->index];
        }
        *ret_count = levels[step->index] + 1 > *ret_count ? levels[step->index] + 1 : *ret_count;
    }
    return levels;
}

/* Step indices by level, in file order within a level. */
static uint32_t *sort_by_level(const struct dag_pipeline *p, const uint32_t *levels, uint32_t count)
{
    uint32_t *starts = mem_array(count + 1U, sizeof *starts);
    uint32_t *sorted = mem_array(p->step_count + 1U, sizeof *sorted);
    for (uint32_t i = 0; i < p->step_count; i++) {
        starts[levels[i] + 1]++;
    }
    for (uint32_t i = 1; i <= count; i++) {
        starts[i] += starts[i - 1];
    }
    for (uint32_t i = 0; i < p->step_count; i++) {
        sorted[starts[levels[i]]++] = i;
    }
    free(starts);
    return sorted;
}

static void draw_text(const struct dag_pipeline *p, struct buf *b)
{
    uint32_t count = 0;
    uint32_t *levels = find_levels(p, &count);
    uint32_t *sorted = sort_by_level(p, levels, count);
    buf_addf(b, "%s (%u step%s)\n", p->name, p->step_count, p->step_count == 1 ? "" : "s");
    for (uint32_t i = 0; i < p->step_count; i++) {
        const struct dag_step *step = &p->steps[sorted[i]];
        uint32_t level = levels[step->index];
        if (i == 0 || level != levels[sorted[i - 1]]) {
            buf_addf(b, "\n%u\n", level + 1);
        }
        buf_addf(b, "  %s", step->name);
        if (step->kind != DAG_KIND_TASK) {
            buf_addf(b, " [%s]", dag_kind_name(step->kind));
        }
        for (uint32_t k = 0; k < step->need_count; k++) {
            buf_addf(b, "%s%s", k == 0 ? " <- " : ", ", p->steps[step->needs[k]].name);
        }
        buf_addc(b, '\n');
    }
    free(sorted);
    free(levels);
}

/* ---- dot */

static void add_dot(struct buf *b, const char *text)
{
    buf_addc(b, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            buf_addc(b, '\\');
        }
        buf_addc(b, *text);
    }
    buf_addc(b, '"');
}

static void draw_dot(const struct dag_pipeline *p, struct buf *b)
{
    static const char *const shapes[] = {
        [DAG_KIND_TASK] = "box",        [DAG_KIND_INGEST] = "cylinder",
        [DAG_KIND_TRAIN] = "component", [DAG_KIND_VALIDATE] = "diamond",
        [DAG_KIND_DEPLOY] = "house",    [DAG_KIND_APPROVAL] = "octagon",
    };
    buf_adds(b, "digraph ");
    add_dot(b, p->name);
    buf_adds(b, " {\n  rankdir=LR;\n");
    for (uint32_t i = 0; i < p->step_count; i++) {
        buf_adds(b, "  ");
        add_dot(b, p->steps[i].name);
        buf_addf(b, " [shape=%s];\n", shapes[p->steps[i].kind]);
    }
    for (uint32_t i = 0; i < p->step_count; i++) {
        for (uint32_t k = 0; k < p->steps[i].need_count; k++) {
            buf_adds(b, "  ");
            add_dot(b, p->steps[p->steps[i].needs[k]].name);
            buf_adds(b, " -> ");
            add_dot(b, p->steps[i].name);
            buf_adds(b, ";\n");
        }
    }
    buf_adds(b, "}\n");
}

/* ---- mermaid: nodes are numbered, since a name such as `end` is a word of its language */

static void add_mermaid(struct buf *b, const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("\"#<>&;`", *text) != NULL) {
            buf_addf(b, "#%d;", (unsigned char)*text);
        } else {
            buf_addc(b, *text);
        }
    }
}

static void draw_mermaid(const struct dag_pipeline *p, struct buf *b)
{
    buf_adds(b, "flowchart LR\n");
    for (uint32_t i = 0; i < p->step_count; i++) {
        buf_addf(b, "  s%u[\"", i);
        add_mermaid(b, p->steps[i].name);
        buf_adds(b, "\"]\n");
    }
    for (uint32_t i = 0; i < p->step_count; i++) {
        for (uint32_t k = 0; k < p->steps[i].need_count; k++) {
            buf_addf(b, "  s%u --> s%u\n", p->steps[i].needs[k], i);
        }
    }
}

/* ---- json */

static void draw_json(const struct dag_pipeline *p, struct buf *b)
{
    uint32_t count = 0;
    uint32_t *levels = find_levels(p, &count);
    buf_adds(b, "{\"pipeline\":");
    buf_add_json(b, p->name);
    buf_adds(b, ",\"steps\":[");
    for (uint32_t i = 0; i < p->step_count; i++) {
        const struct dag_step *step = &p->steps[i];
        buf_addf(b, "%s\n{\"name\":", i > 0 ? "," : "");
        buf_add_json(b, step->name);
        buf_addf(b, ",\"kind\":\"%s\",\"action\":\"%s\",\"level\":%u,\"line\":%u,\"needs\":[",
                 dag_kind_name(step->kind), action_words[step->action], levels[i] + 1,
                 step->pos.line);
        for (uint32_t k = 0; k < step->need_count; k++) {
            buf_adds(b, k > 0 ? "," : "");
            buf_add_json(b, p->steps[step->needs[k]].name);
        }
        buf_adds(b, "]}");
    }
    buf_adds(b, "]}\n");
    free(levels);
}

static const struct format {
    const char *name;
    void (*draw)(const struct dag_pipeline *p, struct buf *b);
} formats[] = {
    [DAG_GRAPH_TEXT] = {"text", draw_text},
    [DAG_GRAPH_DOT] = {"dot", draw_dot},
    [DAG_GRAPH_MERMAID] = {"mermaid", draw_mermaid},
    [DAG_GRAPH_JSON] = {"json", draw_json},
};

bool dag_graph_format_from_name(const char *name, enum dag_graph_format *ret)
{
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        if (strcmp(formats[i].name, name) == 0) {
            *ret = (enum dag_graph_format)i;
            return true;
        }
    }
    return false;
}

bool dag_graph(const struct dag_pipeline *p, enum dag_graph_format format, struct buf *ret,
               struct err *err)
{
    formats[format].draw(p, ret);
    if (ret->full) {
        return err_set(err, ERR_LIMIT, "the drawing of %s is longer than %zu bytes", p->name,
                       ret->max);
    }
    return true;
}
