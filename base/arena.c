/*
 * arena.c - chunks that double up to a bound; a large piece gets a chunk of its own behind the
 * newest one, so that the room left in that is not lost.
 */
#include "base/arena.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CHUNK ((size_t)1 << 10)
#define LARGEST_CHUNK ((size_t)256 << 10)
#define ALIGNMENT _Alignof(max_align_t)

struct arena_chunk {
    struct arena_chunk *next; /* older */
    size_t used, size;        /* bytes of data */
    max_align_t data[];
};

void arena_done(struct arena *a)
{
    struct arena_chunk *chunk = a->chunks;
    while (chunk) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    *a = ARENA_INIT;
}

/* `size` is at most SIZE_MAX / 2 and a bit: the sum cannot overflow. */
static struct arena_chunk *new_chunk(size_t size)
{
    struct arena_chunk *chunk = mem_alloc(sizeof(struct arena_chunk) + size);
    chunk->size = size;
    return chunk;
}

static struct arena_chunk *chunk_for(struct arena *a, size_t size)
{
    struct arena_chunk *head = a->chunks;
    if (head && head->size - head->used >= size)
        return head;
    size_t next_size = head ? head->size * 2 : FIRST_CHUNK;
    if (next_size > LARGEST_CHUNK)
        next_size = LARGEST_CHUNK;
    if (head && size > next_size / 4) {
        struct arena_chunk *own = new_chunk(size);
        own->next = head->next;
        head->next = own;
        return own;
    }
    struct arena_chunk *chunk = new_chunk(size > next_size ? size : next_size);
    chunk->next = head;
    a->chunks = chunk;
    return chunk;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        return mem_array(SIZE_MAX, size); /* ends the process */
    size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded == 0)
        rounded = ALIGNMENT;
    struct arena_chunk *chunk = chunk_for(a, rounded);
    char *piece = (char *)chunk->data + chunk->used;
    chunk->used += rounded;
    a->used += rounded;
    return piece;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        total = SIZE_MAX;
    return arena_alloc(a, total);
}

char *arena_strdup(struct arena *a, const char *text)
{
    return arena_strndup(a, text, strlen(text));
}

char *arena_strndup(struct arena *a, const char *text, size_t len)
{
    len = strnlen(text, len);
    char *copy = arena_alloc(a, len + 1);
    memcpy(copy, text, len);
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    size_t size = len < 0 ? 1 : (size_t)len + 1;
    char *text = arena_alloc(a, size);
    (void)vsnprintf(text, size, fmt, again);
    va_end(again);
    va_end(args);
    return text;
}
