/*
 * facts.c - what the launcher's host can hold, asked once. The plain launcher is asked first; a
 * scope is only tried where it would help, since it costs a word with the service manager.
 */
#include "executor/internal.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

#include <signal.h>

#define ANSWER_MS 10000

void facts_heard(struct exec *e, const struct step_msg *msg)
{
    struct step_facts facts;
    e->probed_token = msg->token;
    if (step_facts_decode(msg->spec, msg->spec_len, &facts, NULL)) {
        step_facts_done(&e->facts);
        e->facts = facts;
        e->has_facts = true;
    }
}

static const char *launcher_name(const struct exec *e)
{
    return e->socket != NULL ? e->socket : e->program;
}

static bool ask(struct exec *e, struct err *err)
{
    AUTO_BUF struct buf bytes = BUF_INIT(LIMIT_MESSAGE);
    struct step_msg msg = {.kind = MSG_PROBE, .token = e->next_token++};
    if (!step_msg_encode(&msg, &bytes, err) || !launcher_send(e, &bytes, NULL, 0, err)) {
        return false;
    }
    int64_t until = clock_boot_ms(clock_system()) + ANSWER_MS;
    while (e->probed_token != msg.token) {
        int64_t left = until - clock_boot_ms(clock_system());
        if (left <= 0 || !launcher_wait(e, (int)left)) {
            if (e->sock < 0) {
                return launcher_refuse(e, err);
            }
            return err_set(err, ERR_UNAVAILABLE,
                           "%s does not say what this host can hold: is it the program of this "
                           "version?",
                           launcher_name(e));
        }
    }
    return e->has_facts ||
           err_set(err, ERR_CORRUPT, "what %s says of this host is damaged", launcher_name(e));
}

/* What cgroups that are ours to divide would give on nearly all hosts. */
static bool lacks_cgroups(const struct step_facts *facts)
{
    static const char *const names[] = {"cpu", "memory", "pids"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct step_fact *fact = step_facts_find(facts, names[i]);
        if (fact != NULL && !fact->holds) {
            return true;
        }
    }
    return false;
}

static size_t count_holding(const struct step_facts *facts)
{
    size_t count = 0;
    for (size_t i = 0; i < facts->count; i++) {
        count += facts->items[i].holds;
    }
    return count;
}

static void restart(struct exec *e, bool scoped)
{
    launcher_stop(e);
    if (e->pid > 0 && e->scoped) {
        (void)kill(e->pid, SIGTERM); /* it may still wait for the manager */
    }
    e->scoped = scoped;
}

/* The better answer stays, and the launcher that gave it. */
static void try_scope(struct exec *e)
{
    struct err err = ERR_INIT;
    struct step_facts plain = e->facts;
    e->facts = (struct step_facts){0};
    e->has_facts = false;
    restart(e, true);
    if (ask(e, &err) && count_holding(&e->facts) > count_holding(&plain)) {
        step_facts_done(&plain);
        return;
    }
    log_info("no scope of the service manager for the launcher: %s",
             err.code != ERR_NONE ? err.msg : "it has no more cgroups there");
    step_facts_done(&e->facts);
    e->facts = plain;
    e->has_facts = true;
    restart(e, false);
}

bool exec_facts(struct exec *e, const struct step_facts **ret, struct err *err)
{
    if (!e->has_facts) {
        if (!ask(e, err)) {
            return false;
        }
        if (e->socket == NULL && !e->used && lacks_cgroups(&e->facts) && spawn_can_scope()) {
            try_scope(e);
        }
    }
    *ret = &e->facts;
    return true;
}
