/*
 * artifact.c - where stored files lie: DATA/artifacts, a base/cas.h folder.
 */
#include "base/cas.h"
#include "base/mem.h"
#include "storage/storage.h"

char *store_artifact_dir(const char *data_dir)
{
    return mem_printf("%s/artifacts", data_dir);
}

int store_open_artifact(const char *data_dir, const char *digest, struct err *err)
{
    AUTO_FREE char *dir = store_artifact_dir(data_dir);
    return cas_open(dir, digest, err);
}
