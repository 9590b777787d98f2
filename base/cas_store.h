/*
 * cas_store.h - private to cas*.c: a store that is open for putting.
 */
#ifndef BASE_CAS_STORE_H
#define BASE_CAS_STORE_H

#include "base/cas.h"
#include "base/digest.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cas_store {
    int fd; /* owned; the folder of the store */
    dev_t dev;
    bool unsynced[256];           /* slots (sub-folders) that got a new name since the last sync */
    bool new_slots;               /* the store got a new slot since */
    const struct digest_ask *ask; /* borrowed; NULL = nobody is asked whether to go on */
};

/* A file to be stored: `fd` may be O_PATH; `name` is for messages. */
struct cas_source {
    int fd;
    const char *name;
    bool executable;
    bool foreign; /* others have it, too: see cas_store_own() */
};

/* cas_digest(), but `seal` makes folders read-only and durable (cas_restore.c). */
bool cas_look(const char *path, const struct digest_ask *ask, bool seal, struct cas_object *ret,
              struct err *err) MUST_CHECK;

/* Opens the store, making it where it is missing. */
bool cas_store_open(struct cas_store *s, const char *dir, struct err *err) MUST_CHECK;
void cas_store_done(struct cas_store *s);

/* Stores a regular file, by a hard link where that is safe, else by a copy, and makes it read-only
 * where nobody else has a name for it. Its name is durable after cas_store_sync().
 * `from->executable` and `from->foreign` are set. */
bool cas_store_file(struct cas_store *s, struct cas_source *from, char ret_digest[DIGEST_TEXT],
                    int64_t *ret_size, struct err *err) MUST_CHECK;
/* A foreign file has been copied into the store, but others can still write what lies under `name`
 * in the open folder `parent`: gives that name to a read-only file with the object's bytes. Must
 * not be called while the folder is being read: it may then show a name twice. */
bool cas_store_own(struct cas_store *s, int parent, const char *name, const char *digest,
                   bool executable, struct err *err) MUST_CHECK;
bool cas_store_bytes(struct cas_store *s, const void *data, size_t len,
                     char ret_digest[DIGEST_TEXT], struct err *err) MUST_CHECK;
bool cas_store_sync(struct cas_store *s, struct err *err) MUST_CHECK;

#endif
