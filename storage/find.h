/*
 * find.h - which run a word means (store_find_run). Private to storage/.
 */
#ifndef STORAGE_FIND_H
#define STORAGE_FIND_H

#include "storage/backend.h"

bool store_find(struct store_db *db, const char *word, char ret_id[ID_SIZE],
                struct err *err) MUST_CHECK;

#endif
