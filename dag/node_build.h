/*
 * node_build.h - private to node*.c: finishing a mapping, and saying what libyaml did not like.
 */
#ifndef DAG_NODE_BUILD_H
#define DAG_NODE_BUILD_H

#include "dag/node.h"

/* Makes the entries of `map` from `count` pairs of key and value: keys must be scalars and unique
 * (an error at the second one), `<<` is resolved. Duplicate keys are reported but do not stop. */
bool node_build_map(struct arena *a, const struct dag_node *pairs, size_t count,
                    struct diags *diags, struct dag_node *map) MUST_CHECK;

struct node_syntax {
    const char *problem, *context; /* of libyaml; may be NULL */
    struct diag_pos pos;
    unsigned context_line;
    size_t at; /* byte in the source */
};
/* Adds the diagnostic; returns false. */
bool node_syntax_error(const struct node_source *src, const struct node_syntax *bad,
                       struct diags *diags);

#endif
