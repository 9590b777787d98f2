/*
 * loop_uv.h - private to engine: the loop table of base/loop.h over libuv, and the hooks the engine
 * itself needs.
 */
#ifndef ENGINE_LOOP_UV_H
#define ENGINE_LOOP_UV_H

#include "base/err.h"
#include "base/loop.h"

struct loop_uv;

/* `turn` is called before the loop would sleep: after every round of callbacks. The caller owns. */
struct loop_uv *loop_uv_open(void (*turn)(void *arg), void *arg, struct err *err) MUST_CHECK;
void loop_uv_close(struct loop_uv *l); /* closes what is left open, frees */
struct loop *loop_uv_base(struct loop_uv *l);
void loop_uv_run(struct loop_uv *l); /* until loop_uv_stop() */
void loop_uv_stop(struct loop_uv *l);
bool loop_uv_signal(struct loop_uv *l, int signo, void (*cb)(void *arg, int signo), void *arg,
                    struct err *err) MUST_CHECK;

#endif
