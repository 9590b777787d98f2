/*
 * mem.h - small allocations cannot fail: they end the process with a message, since recovery after
 * a crash is the normal start-up path. What a user's input sizes is checked against a limit first.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull)); /* zeroed */
void *mem_array(size_t count, size_t size)
    __attribute__((returns_nonnull)); /* zeroed, overflow checked */
void *mem_grow(void *ptr, size_t count, size_t size)
    __attribute__((returns_nonnull)); /* realloc, overflow checked */
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull));
char *mem_strndup(const char *text, size_t len) __attribute__((malloc, returns_nonnull));
char *mem_printf(const char *fmt, ...)
    __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

/* Cleanup by attribute: `AUTO_FREE char *text = ...;`. mem_steal() hands the pointer out. */
void mem_free_ptr(void *ptr_to_ptr);
void mem_close_fd(int *fd); /* closes if >= 0, keeps errno */
#define AUTO_FREE __attribute__((cleanup(mem_free_ptr)))
#define AUTO_CLOSE __attribute__((cleanup(mem_close_fd)))
#define mem_steal(ptr)                                                                             \
    __extension__({                                                                                \
        __typeof__(ptr) stolen_ = (ptr);                                                           \
        (ptr) = NULL;                                                                              \
        stolen_;                                                                                   \
    })

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
