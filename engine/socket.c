/*
 * socket.c - words from other processes: each run's engine listens on runs/ID/engine.sock. One JSON
 * object a datagram:
 * {"verb":"cancel","kill":false} -> {"ok":true} or {"code":"…","message":"…"}. Only the same user
 * and root are heard.
 */
#include "engine/internal.h"

#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKET_NAME "engine.sock"
#define ASK_TIMEOUT_MS 10000
#define PEERS_MAX 64

struct peer {
    struct words *words;
    int fd;
    struct loop_watch *watch;
    char actor[32];
    struct peer *next;
};

struct words {
    struct run *run;
    int fd;
    struct loop_watch *watch;
    struct peer *peers;
    size_t peer_count;
};

static const struct loop_ops *ops_of(const struct words *w)
{
    return loop_uv_base(w->run->engine->loop)->ops;
}

/* ---- verbs ---- */

static bool word_cancel(struct run *run, const char *actor, json_t *word, struct err *err)
{
    return engine_cancel(run->engine, run->id, actor, json_is_true(json_object_get(word, "kill")),
                         err);
}

static bool word_resolve(struct run *run, const char *actor, json_t *word, struct err *err)
{
    const char *step = json_string_value(json_object_get(word, "step"));
    const char *verdict = json_string_value(json_object_get(word, "verdict"));
    const char *why = json_string_value(json_object_get(word, "why"));
    if (step == NULL || verdict == NULL) {
        return err_set(err, ERR_USAGE, "resolve needs a step and a verdict");
    }
    return engine_resolve(run->engine, run->id, step, verdict, actor, why, err);
}

static const struct {
    const char *verb;
    bool (*act)(struct run *run, const char *actor, json_t *word, struct err *err);
} verbs[] = {{"cancel", word_cancel}, {"resolve", word_resolve}};

static bool act_on(struct run *run, const char *actor, json_t *word, struct err *err)
{
    const char *verb = json_string_value(json_object_get(word, "verb"));
    for (size_t i = 0; verb != NULL && i < COUNT_OF(verbs); i++) {
        if (strcmp(verbs[i].verb, verb) == 0) {
            return verbs[i].act(run, actor, word, err);
        }
    }
    return err_set(err, ERR_UNSUPPORTED, "this engine does not know the verb '%s'",
                   verb == NULL ? "" : verb);
}

/* ---- peers ---- */

static void peer_close(struct peer *p)
{
    struct words *w = p->words;
    for (struct peer **at = &w->peers; *at != NULL; at = &(*at)->next) {
        if (*at == p) {
            *at = p->next;
            break;
        }
    }
    ops_of(w)->watch_close(p->watch);
    close(p->fd);
    w->peer_count--;
    free(p);
}

static void answer(struct peer *p, const struct err *failed)
{
    json_t *reply =
        failed == NULL ? json_pack("{s:b}", "ok", 1)
                       : json_pack("{s:i, s:s}", "code", (int)failed->code, "message", failed->msg);
    AUTO_FREE char *text = json_dumps(reply, JSON_COMPACT);
    json_decref(reply);
    if (text == NULL || send(p->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        peer_close(p); /* it did not wait for the answer */
    }
}

static void on_word(void *arg, int events)
{
    (void)events;
    struct peer *p = arg;
    char text[LIMIT_MESSAGE];
    ssize_t len = recv(p->fd, text, sizeof(text), MSG_DONTWAIT);
    if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (len <= 0) {
        peer_close(p);
        return;
    }
    struct err err = ERR_INIT;
    json_t *word = json_loadb(text, (size_t)len, 0, NULL);
    bool ok = word != NULL ? act_on(p->words->run, p->actor, word, &err)
                           : err_set(&err, ERR_USAGE, "not a JSON object");
    json_decref(word);
    answer(p, ok ? NULL : &err);
}

static void on_peer(void *arg, int events)
{
    (void)events;
    struct words *w = arg;
    int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    struct ucred cred = {0};
    socklen_t len = sizeof(cred);
    bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
                 (cred.uid == 0 || cred.uid == geteuid());
    if (!known || w->peer_count >= PEERS_MAX) {
        close(fd);
        return;
    }
    struct peer *p = mem_alloc(sizeof(*p));
    p->words = w;
    p->fd = fd;
    snprintf(p->actor, sizeof(p->actor), "uid:%u", (unsigned)cred.uid);
    p->next = w->peers;
    w->peers = p;
    w->peer_count++;
    p->watch = ops_of(w)->watch_open(loop_uv_base(w->run->engine->loop), fd, LOOP_READ, on_word, p);
}

struct words *words_open(struct run *run, struct err *err)
{
    int fd = file_socket_listen(run->dir, SOCKET_NAME, err);
    if (fd < 0) {
        return NULL;
    }
    struct words *w = mem_alloc(sizeof(*w));
    w->run = run;
    w->fd = fd;
    struct loop *loop = loop_uv_base(run->engine->loop);
    w->watch = loop->ops->watch_open(loop, fd, LOOP_READ, on_peer, w);
    return w;
}

void words_close(struct words *w)
{
    if (w == NULL) {
        return;
    }
    while (w->peers != NULL) {
        peer_close(w->peers);
    }
    ops_of(w)->watch_close(w->watch);
    close(w->fd);
    AUTO_FREE char *path = mem_printf("%s/" SOCKET_NAME, w->run->dir);
    unlink(path);
    free(w);
}

/* ---- the asking side ---- */

static bool receive_answer(int fd, struct err *err)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    char text[LIMIT_MESSAGE];
    ssize_t len = poll(&poll_fd, 1, ASK_TIMEOUT_MS) > 0 ? recv(fd, text, sizeof(text), 0) : 0;
    json_t *reply = len > 0 ? json_loadb(text, (size_t)len, 0, NULL) : NULL;
    if (reply == NULL) {
        return err_set(err, ERR_UNAVAILABLE, "the engine of this run did not answer");
    }
    bool ok = json_is_true(json_object_get(reply, "ok"));
    if (!ok) {
        const char *message = json_string_value(json_object_get(reply, "message"));
        json_int_t code = json_integer_value(json_object_get(reply, "code"));
        bool known = code > ERR_NONE && code < ERR_CODE_COUNT;
        err_set(err, known ? (enum err_code)code : ERR_INTERNAL, "%s",
                message == NULL ? "the engine refused" : message);
    }
    json_decref(reply);
    return ok;
}

bool engine_ask(const char *data_dir, const char *run, const char *verb, json_t *detail,
                struct err *err)
{
    AUTO_FREE char *dir = engine_run_dir(data_dir, run);
    struct err why = ERR_INIT;
    AUTO_CLOSE int fd =
        engine_alive(data_dir, run) ? file_socket_connect(dir, SOCKET_NAME, &why) : -1;
    if (fd < 0) {
        return err_set(err, ERR_UNAVAILABLE, "no engine runs %s now%s%s", run,
                       why.msg[0] == '\0' ? "" : ": ", why.msg);
    }
    json_t *word = detail == NULL ? json_object() : json_copy(detail);
    json_object_set_new(word, "verb", json_string(verb));
    AUTO_FREE char *text = json_dumps(word, JSON_COMPACT);
    json_decref(word);
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0) {
        return err_sys(err, errno, "the engine of run %s", run);
    }
    return receive_answer(fd, err);
}
