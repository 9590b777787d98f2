/*
 * node.h - private to dag: a YAML (or JSON) text as a tree of nodes that know their place.
 *
 * Nodes are values of 32 bytes: a list is an array of nodes, a mapping an array of key/value pairs.
 * An alias is a copy of its anchor's node and shares what lies below it, so that an alias costs 32
 * bytes; `weight` counts what it stands for, and the sum is bounded. Merge keys are already
 * resolved, keys are unique scalars. Everything lives in the arena given to node_parse().
 */
#ifndef DAG_NODE_H
#define DAG_NODE_H

#include "base/arena.h"
#include "base/diag.h"
#include "dag/dag.h"
#include "dag/expr.h"

#include <stdint.h>

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };
enum node_style { NODE_PLAIN, NODE_SINGLE, NODE_DOUBLE, NODE_LITERAL, NODE_FOLDED };

struct node_entry;

struct dag_node {
    union {
        const char *text; /* NODE_SCALAR: the value, NUL-terminated, without NUL inside */
        struct dag_node *items;
        struct node_entry *entries;
    } u;
    uint32_t count;  /* bytes of the text, items or entries */
    uint32_t offset; /* byte of the source where it begins, behind anchor and tag */
    uint32_t line, column;
    uint32_t weight; /* nodes in it, itself included, aliases expanded */
    uint8_t kind;    /* enum node_kind */
    uint8_t style;   /* enum node_style of a scalar */
    uint8_t height;  /* levels below it */
    uint8_t string;  /* tagged !!str: text even where it looks like a number */
};

struct node_entry {
    struct dag_node key, value;
};

/* The text the nodes came from; offsets count from its first byte. */
struct node_source {
    const char *text;
    size_t len;
    bool ascii; /* set by node_check_text(): code points are bytes */
};

/* Skips a byte order mark and checks that the text is UTF-8 without characters that YAML forbids
 * or that end a line in YAML 1.1 only. Adds a diagnostic and returns false where it is not. */
bool node_check_text(struct node_source *src, struct diags *diags) MUST_CHECK;

/* Parses one document. The text must have passed node_check_text(). Adds diagnostics and returns
 * false where it is no YAML or exceeds a bound. A duplicate key is an error too, but the nodes are
 * given (with its first value), so that the rest of the document can be checked. */
bool node_parse(struct arena *a, const struct node_source *src, struct diags *diags,
                struct dag_node *ret) MUST_CHECK;

static inline struct diag_pos node_pos(const struct dag_node *node)
{
    return (struct diag_pos){node->line, node->column};
}

/* Code points to underline; 1 for what spans lines. */
unsigned node_width(const struct dag_node *node);

/* The value of a key, or NULL. Linear. */
const struct dag_node *node_get(const struct dag_node *map, const char *key);

/* The type of a node by the core schema of YAML 1.2, without 0o. */
enum dag_type node_type(const struct dag_node *node);
/* "a list", "the number 0.5", "the string \"x\"", for messages; in `out`. */
const char *node_describe(const struct dag_node *node, char out[64]);

/* The node as a value in the arena (strings are borrowed from the nodes). False after adding a
 * diagnostic for a number that is not finite or an integer beyond 64 bits. */
bool node_value(const struct dag_node *node, struct arena *a, struct diags *diags,
                struct dag_value *ret) MUST_CHECK;

/* The place of byte `offset` of a scalar's value: exact in plain and quoted scalars and in literal
 * blocks, the right line in folded ones. */
struct diag_pos node_pos_at(const struct node_source *src, const struct dag_node *node,
                            size_t offset);

/* A scalar as the source of an expression. `at` is filled and must outlive the result. */
struct node_scalar {
    const struct node_source *src;
    const struct dag_node *node;
};
struct expr_source node_expr_source(struct node_scalar *at);

#endif
