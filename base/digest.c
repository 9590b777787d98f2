/*
 * digest.c - the low-level SHA-256 calls of libcrypto: they link small into a static orch-step,
 * where the provider machinery of EVP would not.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (64 << 10)

_Static_assert(sizeof(struct digest) >= sizeof(SHA256_CTX), "struct digest is too small");
_Static_assert(_Alignof(struct digest) >= _Alignof(SHA256_CTX), "struct digest is misaligned");
_Static_assert(DIGEST_BYTES == SHA256_DIGEST_LENGTH, "SHA-256 has 32 bytes");

static SHA256_CTX *context(struct digest *d)
{
    return (SHA256_CTX *)(void *)d->state;
}

void digest_init(struct digest *d)
{
    (void)SHA256_Init(context(d));
}

void digest_add(struct digest *d, const void *data, size_t len)
{
    (void)SHA256_Update(context(d), data, len);
}

void digest_end(struct digest *d, char ret[DIGEST_TEXT])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char bytes[DIGEST_BYTES];
    (void)SHA256_Final(bytes, context(d));
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        ret[2 * i] = hex[bytes[i] >> 4];
        ret[2 * i + 1] = hex[bytes[i] & 15];
    }
    ret[DIGEST_TEXT - 1] = '\0';
}

void digest_bytes(const void *data, size_t len, char ret[DIGEST_TEXT])
{
    struct digest d;
    digest_init(&d);
    digest_add(&d, data, len);
    digest_end(&d, ret);
}

bool digest_may_go_on(const struct digest_ask *ask, struct err *err)
{
    return !ask || ask->go_on(ask->arg) || err_set(err, ERR_BUSY, "it was stopped");
}

bool digest_file(int fd, char ret[DIGEST_TEXT], int64_t *ret_size, struct err *err)
{
    return digest_file_asking(fd, NULL, ret, ret_size, err);
}

bool digest_file_asking(int fd, const struct digest_ask *ask, char ret[DIGEST_TEXT],
                        int64_t *ret_size, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys(err, errno, "cannot look at a file to digest");
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "cannot digest what is not a regular file");
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    struct digest d;
    unsigned char chunk[CHUNK];
    off_t at = 0;
    digest_init(&d);
    for (;;) {
        ssize_t got = pread(fd, chunk, sizeof(chunk), at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_sys(err, errno, "cannot read a file to digest");
        if (got == 0)
            break;
        digest_add(&d, chunk, (size_t)got);
        at += got;
        if (at % DIGEST_ASK_BYTES < got && !digest_may_go_on(ask, err))
            return false;
    }
    digest_end(&d, ret);
    if (ret_size)
        *ret_size = at;
    return true;
}
