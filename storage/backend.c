/*
 * backend.c - which back ends there are. A new one is a row.
 */
#include "storage/backend.h"

#include <string.h>

static struct store_db *open_postgresql(const struct store_target *target, struct err *err)
{
    (void)target;
    err_set(err, ERR_UNSUPPORTED,
            "this version cannot keep its records in PostgreSQL: use sqlite:PATH, or leave the "
            "storage URL out to keep them in the data folder");
    return NULL;
}

static const struct store_backend postgresql = {
    .version = STORE_BACKEND_VERSION,
    .name = "postgresql",
    .scheme = "postgresql:",
    .open = open_postgresql,
};

static const struct store_backend *const backends[] = {&store_sqlite, &postgresql};

const struct store_backend *store_backend_find(const char *url, const char **ret_path,
                                               struct err *err)
{
    if (!url) {
        *ret_path = "";
        return backends[0];
    }
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
        size_t len = strlen(backends[i]->scheme);
        if (strncmp(url, backends[i]->scheme, len) == 0 && url[len]) {
            *ret_path = url + len;
            return backends[i];
        }
    }
    err_set(err, ERR_USAGE, "storage URL '%s': expected sqlite:PATH or postgresql://HOST/DATABASE",
            url);
    return NULL;
}
