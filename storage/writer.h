/*
 * writer.h - the thread that commits. Batches wait in a queue; what waits is merged into one
 * transaction (group commit); answers come on the loop in the order of the calls. Private to
 * storage/.
 */
#ifndef STORAGE_WRITER_H
#define STORAGE_WRITER_H

#include "storage/backend.h"

struct store_writer;

/* `db` and `loop` are borrowed until writer_close(); the thread starts with the first batch. `loop`
 * may be NULL where writer_commit() is not used. */
struct store_writer *writer_open(struct store_db *db, struct loop *loop);
/* Commits what is queued, ends the thread, calls nobody any more. May be called from a callback. */
void writer_close(struct store_writer *w);

void writer_commit(struct store_writer *w, struct store_batch *b,
                   void (*done)(void *arg, const struct err *failed), void *arg); /* takes b */
bool writer_commit_now(struct store_writer *w, struct store_batch *b,
                       struct err *err) MUST_CHECK; /* takes b */

#endif
