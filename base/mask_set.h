/*
 * mask_set.h - the trie of patterns, between mask_set.c and mask.c.
 */
#ifndef BASE_MASK_SET_H
#define BASE_MASK_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mask_node {
    uint32_t child, sibling; /* 0 = none: the root is nobody's child */
    uint32_t fail;           /* the longest proper suffix that is in the trie */
    uint32_t depth;          /* symbols from the root */
    uint32_t match;          /* length of the longest pattern that ends here; 0 = none */
    unsigned char byte;
};

struct mask_set {
    struct mask_node *nodes; /* owned; 0 is the root */
    size_t count, cap;
    uint32_t longest;
    uint32_t first[256]; /* the root's children */
    bool starts[256];    /* bytes of the stream with which something may begin */
};

/* Bytes that are one to the matcher. */
unsigned char mask_fold(unsigned char c);
/* The node after one more (folded) symbol. */
uint32_t mask_set_next(const struct mask_set *set, uint32_t node, unsigned char c);

#endif
