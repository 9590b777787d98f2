/*
 * doctor_store.h - is what lies in the artifact store what was stored?
 */
#ifndef CLI_DOCTOR_STORE_H
#define CLI_DOCTOR_STORE_H

#include "cli/cli.h"

struct doctor_store {
    size_t objects; /* in the store */
    size_t checked, damaged;
    int64_t checked_bytes;
    const char *first; /* what is wrong with one of the damaged; in the arena */
};

/* Reads the newest objects, up to some hundred and some megabytes, or all of them (`deep`), and
 * compares their bytes with their names. No store is no objects. Blocks. */
bool doctor_store(const char *data_dir, bool deep, struct arena *a, struct doctor_store *ret,
                  struct err *err) MUST_CHECK;

#endif
