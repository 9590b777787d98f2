/*
 * mask_set.c - the patterns as one trie with failure links (Aho and Corasick, 1975): one walk over
 * the stream finds all of them at once.
 */
#include "base/mask_set.h"

#include "base/limits.h"
#include "base/mask.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

unsigned char mask_fold(unsigned char c)
{
    return c == '-' || c == ' ' ? '+' : c == '_' ? '/' : c;
}

static uint32_t find_child(const struct mask_set *set, uint32_t node, unsigned char c)
{
    if (node == 0) {
        return set->first[c];
    }
    uint32_t child = set->nodes[node].child;
    while (child != 0 && set->nodes[child].byte != c) {
        child = set->nodes[child].sibling;
    }
    return child;
}

static uint32_t add_child(struct mask_set *set, uint32_t node, unsigned char c)
{
    if (set->count == set->cap) {
        set->cap = set->cap == 0 ? 256 : set->cap * 2;
        set->nodes = mem_grow(set->nodes, set->cap, sizeof(*set->nodes));
    }
    uint32_t child = (uint32_t)set->count++;
    set->nodes[child] = (struct mask_node){
        .sibling = set->nodes[node].child, .depth = set->nodes[node].depth + 1, .byte = c};
    set->nodes[node].child = child;
    if (node == 0) {
        set->first[c] = child;
    }
    return child;
}

/* Newlines are no part of a pattern, as they are none of the stream. */
static void add_pattern(struct mask_set *set, const char *text, size_t len)
{
    uint32_t node = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n' || text[i] == '\r') {
            continue;
        }
        unsigned char c = mask_fold((unsigned char)text[i]);
        uint32_t child = find_child(set, node, c);
        node = child != 0 ? child : add_child(set, node, c);
    }
    set->nodes[node].match = set->nodes[node].depth;
    if (set->nodes[node].depth > set->longest) {
        set->longest = set->nodes[node].depth;
    }
}

/* The base64 digits that `len` bytes cause when the first stands at `skip` bytes into a group of
 * three: those that hold bits of other bytes too are left out, so that the pattern holds whatever
 * stands beside the secret. */
static void add_base64(struct mask_set *set, const char *text, size_t len, size_t skip)
{
    char *out = mem_alloc(len * 4 / 3 + 8);
    size_t count = 0, bit = skip == 0 ? 0 : skip == 1 ? 4 : 2;
    for (; bit + 6 <= len * 8; bit += 6) {
        unsigned high = (unsigned char)text[bit / 8];
        unsigned low = bit / 8 + 1 < len ? (unsigned char)text[bit / 8 + 1] : 0;
        unsigned pair = high << 8 | low;
        out[count++] = base64_digits[pair >> (10 - bit % 8) & 63];
    }
    add_pattern(set, out, count);
    if (skip == 0 && bit < len * 8) { /* the secret alone, to its last bit */
        unsigned last = (unsigned)(unsigned char)text[len - 1] << 8;
        out[count++] = base64_digits[last >> (10 - bit % 8) & 63];
        add_pattern(set, out, count);
    }
    free(out);
}

static void add_secret(struct mask_set *set, const char *secret)
{
    size_t len = strlen(secret);
    add_pattern(set, secret, len);
    for (size_t skip = 0; skip < 3; skip++) {
        add_base64(set, secret, len, skip);
    }
    for (const char *line = secret; *line != '\0';) {
        size_t line_len = strcspn(line, "\r\n");
        if (line_len >= LIMIT_SECRET_MIN && line_len < len) {
            add_pattern(set, line, line_len);
        }
        line += line_len + (line[line_len] != '\0');
    }
}

/* Breadth first: a node's failure is shallower than it, so it is done by then. `queue` links the
 * nodes in that order. */
static void link_failures(struct mask_set *set)
{
    uint32_t *queue = mem_array(set->count, sizeof(*queue));
    size_t head = 0, tail = 1; /* the root */
    while (head < tail) {
        uint32_t node = queue[head++];
        for (uint32_t child = set->nodes[node].child; child != 0;
             child = set->nodes[child].sibling) {
            struct mask_node *c = &set->nodes[child];
            c->fail = node == 0 ? 0 : mask_set_next(set, set->nodes[node].fail, c->byte);
            if (c->match == 0) {
                c->match = set->nodes[c->fail].match;
            }
            queue[tail++] = child;
        }
    }
    free(queue);
}

uint32_t mask_set_next(const struct mask_set *set, uint32_t node, unsigned char c)
{
    for (;;) {
        uint32_t child = find_child(set, node, c);
        if (child != 0 || node == 0) {
            return child;
        }
        node = set->nodes[node].fail;
    }
}

struct mask_set *mask_set_new(char *const *secrets, size_t count)
{
    if (count == 0) {
        return NULL;
    }
    struct mask_set *set = mem_alloc(sizeof(*set));
    set->nodes = mem_array(256, sizeof(*set->nodes));
    set->cap = 256;
    set->count = 1;
    for (size_t i = 0; i < count; i++) {
        add_secret(set, secrets[i]);
    }
    set->nodes[0].match = 0; /* a secret of newlines alone hides nothing */
    link_failures(set);
    for (unsigned c = 0; c < 256; c++) {
        set->starts[c] = set->first[mask_fold((unsigned char)c)] != 0 || c == '%' || c == '\\';
    }
    return set;
}

void mask_set_free(struct mask_set *set)
{
    if (set != NULL) {
        free(set->nodes);
        free(set);
    }
}
