/* Masking: the first line is the secret, the rest the stream, in chunks of a size that it decides.
 * However it is cut, the same comes out. */
#include "base/mask.h"

#include "base/limits.h"
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mask_all(const struct mask_set *set, const uint8_t *data, size_t size, size_t chunk,
                     struct buf *ret)
{
    struct mask *m = mask_new(set);
    for (size_t at = 0; at < size; at += chunk) {
        mask_add(m, data + at, size - at < chunk ? size - at : chunk, ret);
    }
    mask_end(m, ret);
    mask_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = memchr(data, '\n', size);
    size_t len = newline != NULL ? (size_t)(newline - data) : 0;
    /* Newlines are transparent: a secret of nothing else hides nothing. */
    if (newline == NULL || len < LIMIT_SECRET_MIN || len > 1000 || memchr(data, 0, len) != NULL ||
        memchr(data, '\r', len) != NULL) {
        return 0;
    }
    AUTO_FREE char *secret = mem_strndup((const char *)data, len);
    char *secrets[] = {secret};
    struct mask_set *set = mask_set_new(secrets, 1);
    AUTO_BUF struct buf whole = BUF_INIT(SIZE_MAX / 2), cut = BUF_INIT(SIZE_MAX / 2);
    mask_all(set, newline + 1, size - len - 1, size, &whole);
    mask_all(set, newline + 1, size - len - 1, 1 + data[0] % 7, &cut);
    if (whole.len != cut.len || (whole.len > 0 && memcmp(whole.data, cut.data, whole.len) != 0) ||
        (whole.data != NULL && memmem(whole.data, whole.len, secret, len) != NULL &&
         strstr(secret, "***") == NULL)) {
        abort();
    }
    mask_set_free(set);
    return 0;
}
