/*
 * find.c - which run a word means: `last`, NAME#N, an id or the first digits of one.
 */
#include "storage/find.h"

#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#define PREFIX_MIN 4
#define NAMED_RUNS 4 /* of those that a short prefix fits */

static bool not_found(struct err *err, const char *word)
{
    return err_set(err, ERR_NOT_FOUND,
                   "there is no run '%s' here: `orchctl runs` lists them; a run is an id, at least "
                   "%d first digits of one, NAME#N, or last",
                   word, PREFIX_MIN);
}

static bool find_last(struct store_db *db, char ret_id[ID_SIZE], struct err *err)
{
    if (!db->ops->newest(db, ret_id, err))
        return false;
    if (!ret_id[0])
        return err_set(err, ERR_NOT_FOUND,
                       "no run has been recorded here yet: `orchctl run FILE` makes one, --data "
                       "names another data folder");
    return true;
}

static bool find_number(struct store_db *db, const char *word, const char *hash,
                        char ret_id[ID_SIZE], struct err *err)
{
    int64_t number, last;
    AUTO_FREE char *pipeline = mem_strndup(word, (size_t)(hash - word));
    if (!text_int(hash + 1, &number) || number < 1)
        return err_set(err, ERR_NOT_FOUND, "'%s': a run's number comes after the '#', as in %s#1",
                       word, pipeline);
    if (!db->ops->by_number(db, pipeline, number, ret_id, &last, err))
        return false;
    if (ret_id[0])
        return true;
    if (!last)
        return err_set(err, ERR_NOT_FOUND,
                       "no pipeline '%s' has run here: `orchctl runs` lists what has", pipeline);
    return err_set(err, ERR_NOT_FOUND, "there is no run %s: the newest of it is %s#%" PRId64, word,
                   pipeline, last);
}

/* Lower-case hex digits of a word that may be an id's beginning; false where it cannot. */
static bool read_prefix(const char *word, char ret[ID_SIZE])
{
    size_t len = strlen(word);
    if (len < PREFIX_MIN || len >= ID_SIZE)
        return false;
    for (size_t i = 0; i <= len; i++) {
        if (word[i] && !isxdigit((unsigned char)word[i]))
            return false;
        ret[i] = (char)tolower((unsigned char)word[i]);
    }
    return true;
}

static bool find_prefix(struct store_db *db, const char *word, const char *prefix,
                        char ret_id[ID_SIZE], struct err *err)
{
    char ids[NAMED_RUNS][ID_SIZE];
    size_t count;
    if (!db->ops->by_prefix(db, prefix, ids, NAMED_RUNS, &count, err))
        return false;
    if (!count)
        return not_found(err, word);
    if (count == 1) {
        memcpy(ret_id, ids[0], ID_SIZE);
        return true;
    }
    return err_set(err, ERR_INVALID,
                   "'%s' fits several runs, such as %s and %s: give more digits, or NAME#N", word,
                   ids[0], ids[1]);
}

bool store_find(struct store_db *db, const char *word, char ret_id[ID_SIZE], struct err *err)
{
    char prefix[ID_SIZE], id[ID_SIZE];
    const char *hash = strrchr(word, '#');
    bool found;
    if (strcmp(word, "last") == 0)
        found = find_last(db, id, err);
    else if (hash)
        found = find_number(db, word, hash, id, err);
    else if (read_prefix(word, prefix))
        found = find_prefix(db, word, prefix, id, err);
    else
        found = not_found(err, word);
    if (found)
        memcpy(ret_id, id, ID_SIZE);
    return found;
}
