/* Records of any bytes: nothing is read out of bounds, and what was bad stays bad. */
#include "base/mem.h"
#include "base/wire.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads the current field in every way there is; each on a copy, since a wrong one sets bad. */
static void read_field(const struct wire *w)
{
    struct wire number = *w, text = *w;
    int64_t value;
    char *owned = NULL;
    if (wire_int(&number, &value) == number.bad)
        abort();
    if (wire_text(&text, &owned) == text.bad || (owned && strlen(owned) != w->len))
        abort();
    free(owned);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire levels[DEPTH_MAX];
    size_t depth = 1;
    wire_read(&levels[0], data, size);
    while (depth > 0) {
        struct wire *w = &levels[depth - 1];
        if (!wire_next(w)) {
            if (wire_next(w))
                abort();
            depth--;
            continue;
        }
        if (w->data < data || w->len > size || w->data + w->len > data + size)
            abort();
        read_field(w);
        if (depth < DEPTH_MAX && wire_sub(w, &levels[depth]))
            depth++;
    }
    return 0;
}
