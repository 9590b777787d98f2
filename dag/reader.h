/*
 * reader.h - private to dag: what is known while a pipeline file is read.
 *
 * Reading has three passes. 1: the table is walked over the nodes; shapes are checked and values
 * stored; what depends on names of other steps is put on the `late` list. 2: needs become edges,
 * cycles are found. 3: the late list: expressions are parsed with all names known.
 */
#ifndef DAG_READER_H
#define DAG_READER_H

#include "dag/dag.h"
#include "dag/expr.h"
#include "dag/name_index.h"
#include "dag/node.h"
#include "dag/schema.h"

#include <stdint.h>

#define NO_STEP UINT32_MAX
#define DAG_LIMIT_EXPRESSIONS 2000000 /* texts that may hold ${{ }}, aliases expanded */

/* What the later passes need of a step beside struct dag_step. */
struct draft {
    const struct dag_node *key;
    const struct dag_node *needs, *matrix, *foreach;
    const struct dag_node *run;
};

/* A set of steps with edges between them: the pipeline's, or those of a hook. */
struct block {
    const char *what; /* "steps", "finally", ... */
    struct dag_step *steps;
    struct draft *drafts;
    uint32_t count;
    struct name_index index;
    const char **names; /* for suggestions; made when first needed */
    uint32_t *order;    /* topological; complete only where there is no cycle */
    uint32_t order_count;
    uint32_t *rank; /* position in `order` */
};

enum late_kind { LATE_TMPL, LATE_EXPR, LATE_SCRIPT, LATE_COPY };

struct late {
    const struct schema_row *row;
    union {
        const struct dag_node *node;
        const void *from; /* LATE_COPY: an earlier target, whose result is taken over */
    };
    void *target; /* pointer to the result pointer, or NULL where only checked */
    const struct block *block;
    uint32_t step; /* in the block, or NO_STEP */
    uint8_t kind;  /* enum late_kind */
    uint8_t place; /* enum schema_place */
};

/* steps.X was read by a step that does not need X directly: is X needed by what it needs? */
struct reach {
    uint32_t from, target;
    struct diag_pos pos;
    unsigned width;
};

enum { HOOK_COUNT = 3 };

struct reader {
    struct arena *arena;
    struct dag_pipeline *p;
    struct node_source src;
    struct diags *diags;
    struct block main, hooks[HOOK_COUNT];
    size_t hook_count;
    struct name_index params;
    const char **param_names; /* for suggestions; made when first needed */
    struct dag_step base;     /* a step before its own keys: built-in defaults, then defaults: */
    bool base_on_lost;        /* defaults: says on_lost */
    bool has_defaults;
    /* while walking */
    struct block *block;
    uint32_t step;
    enum schema_place place;
    struct mark {
        const struct dag_node *key, *value;
    } marks[MARK_COUNT];
    /* collected */
    struct late *late;
    size_t late_count, late_cap;
    bool too_many;
    struct reach *reach;
    size_t reach_count, reach_cap;
    long suggestions; /* comparisons left for did-you-mean: many errors times many names */
};

/* read.c: the walk by the table. */
void read_map(struct reader *r, const struct schema_kind *kind, const struct dag_node *node,
              void *target);
/* One value of a row, without the row's `read`; `target` is the struct of the kind or NULL. */
void read_value(struct reader *r, const struct schema_entry *e, void *target);
/* False after a diagnostic where the node has none of the shapes of the row. */
bool read_shape(struct reader *r, const struct schema_entry *e);
void read_late(struct reader *r, enum late_kind kind, const struct schema_row *row,
               const struct dag_node *node, void *target);
/* What stands at `from` when it has been read is what `target` gets. */
void read_late_copy(struct reader *r, const void *from, void *target);
/* Checks the name of an entry; false after a diagnostic. */
bool read_name(struct reader *r, const struct schema_names *names, const struct dag_node *key,
               const char *what);
/* "Did you mean `x`?" in the arena, or NULL. */
const char *read_suggest(struct reader *r, const char *word, const char *const *names,
                         size_t count);

/* read_step.c, read_param.c: rows that are read in their own way. */
void read_version(struct reader *r, const struct schema_entry *e, void *target);
void read_params(struct reader *r, const struct schema_entry *e, void *target);
void read_env(struct reader *r, const struct schema_entry *e, void *target);
void read_defaults(struct reader *r, const struct schema_entry *e, void *target);
void read_steps(struct reader *r, const struct schema_entry *e, void *target);
void read_hook(struct reader *r, const struct schema_entry *e, void *target);
void read_run(struct reader *r, const struct schema_entry *e, void *target);
void read_shell(struct reader *r, const struct schema_entry *e, void *target);
void read_needs(struct reader *r, const struct schema_entry *e, void *target);
void read_retry(struct reader *r, const struct schema_entry *e, void *target);
void read_exit_codes(struct reader *r, const struct schema_entry *e, void *target);
void read_share(struct reader *r, const struct schema_entry *e, void *target);
void read_outputs(struct reader *r, const struct schema_entry *e, void *target);
void read_step_params(struct reader *r, const struct schema_entry *e, void *target);
void finish_step(struct reader *r, const struct dag_node *node, void *target);
void finish_trigger(struct reader *r, const struct dag_node *node, void *target);
void finish_monitor(struct reader *r, const struct dag_node *node, void *target);
void finish_param(struct reader *r, const struct dag_node *node, void *target);
/* Reads the steps of a block; the graph is checked by needs_resolve(). */
void read_block(struct reader *r, const struct schema_entry *e, struct block *block);
/* A step before anything was read. */
struct dag_step step_built_in(void);
bool shell_is_posix(const char *const *words, size_t count);

/* Adds the error that there is no such parameter; `name` is where it stands. */
void param_unknown(struct reader *r, const struct dag_node *name);
/* A value for a parameter: type, enum, min, max, pattern. `pos` is where it was given. */
bool param_check(const struct dag_param *param, const struct dag_value *value, struct diag_pos pos,
                 unsigned width, struct diags *diags);
/* Makes 3 a 3.0 where a number is wanted; false where the type does not fit. */
bool param_fit(const struct dag_param *param, struct dag_value *value);

/* needs.c */
void needs_resolve(struct reader *r, struct block *block);
/* Answers r->reach for the main block. */
void needs_check_reach(struct reader *r);
bool needs_directly(const struct dag_step *step, uint32_t target);

/* names.c: pass 3. */
void names_check_late(struct reader *r);

#endif
