/*
 * digest.h - SHA-256 (FIPS 180-4) by libcrypto.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32
#define DIGEST_TEXT 65 /* 64 lower-case hex digits and the NUL */

struct digest {
    uint64_t state[16]; /* opaque; large enough for libcrypto's SHA256_CTX */
};

void digest_init(struct digest *d);
void digest_add(struct digest *d, const void *data, size_t len);
void digest_end(struct digest *d, char ret[DIGEST_TEXT]);
void digest_bytes(const void *data, size_t len, char ret[DIGEST_TEXT]);

/* Of an open regular file from its start; `ret_size` may be NULL. Blocks. */
bool digest_file(int fd, char ret[DIGEST_TEXT], int64_t *ret_size, struct err *err) MUST_CHECK;

/* Asked every few megabytes by what reads a file of any size: false ends it with ERR_BUSY. */
struct digest_ask {
    bool (*go_on)(void *arg);
    void *arg;
};
#define DIGEST_ASK_BYTES (4 << 20)

/* True where `ask` is NULL or says so; else ERR_BUSY. */
bool digest_may_go_on(const struct digest_ask *ask, struct err *err) MUST_CHECK;
bool digest_file_asking(int fd, const struct digest_ask *ask, char ret[DIGEST_TEXT],
                        int64_t *ret_size, struct err *err) MUST_CHECK;

#endif
