/*
 * arena.h - memory of one document, one evaluation or one request: many small pieces, freed at
 * once.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena_chunk;
struct arena {
    struct arena_chunk *chunks; /* owned; newest first */
    size_t used;                /* bytes handed out, for limits */
};

#define ARENA_INIT ((struct arena){0})
#define AUTO_ARENA __attribute__((cleanup(arena_done)))

void arena_done(struct arena *a);
void *arena_alloc(struct arena *a, size_t size)
    __attribute__((returns_nonnull)); /* zeroed, aligned for any type */
void *arena_array(struct arena *a, size_t count, size_t size) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *a, const char *text) __attribute__((returns_nonnull));
char *arena_strndup(struct arena *a, const char *text, size_t len) __attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((returns_nonnull, format(printf, 2, 3)));

#endif
