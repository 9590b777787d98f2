/*
 * body.h - writes the body of an event: a JSON object with sorted keys and no spaces. Keys are
 * given in sorted order (asserted); what is NULL is left out. Private to storage/.
 */
#ifndef STORAGE_BODY_H
#define STORAGE_BODY_H

#include "base/buf.h"

#include <stdint.h>

struct body {
    struct buf *buf;  /* borrowed */
    const char *last; /* the key before, of the object that is open */
    struct err *err;  /* borrowed; set at the first value that is no JSON */
    bool bad;
};

void body_open(struct body *b);  /* { */
void body_close(struct body *b); /* } */
void body_text(struct body *b, const char *key, const char *text);
void body_int(struct body *b, const char *key, int64_t value);
void body_flag(struct body *b, const char *key, bool value); /* left out where false */
/* A caller's JSON, made canonical. */
void body_json(struct body *b, const char *key, const char *json);
void body_numbers(struct body *b, const char *key, const uint32_t *numbers, size_t count);
/* Opens an array of objects: then body_item() before each, and body_list_end(). */
void body_list(struct body *b, const char *key);
void body_item(struct body *b, bool first);
void body_list_end(struct body *b, const char *key);

#endif
