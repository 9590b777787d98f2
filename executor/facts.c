/*
 * facts.c - what this host can hold: the launcher knows, and is asked once.
 */
#include "executor/internal.h"

#include "base/clock.h"
#include "base/limits.h"

#define ANSWER_MS 2000

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
            return err_set(err, ERR_UNAVAILABLE,
                           "%s does not say what this host can hold: is it the program of this "
                           "version?",
                           e->program);
        }
    }
    return e->has_facts ||
           err_set(err, ERR_CORRUPT, "what %s says of this host is damaged", e->program);
}

bool exec_facts(struct exec *e, const struct step_facts **ret, struct err *err)
{
    if (!e->has_facts && !ask(e, err)) {
        return false;
    }
    *ret = &e->facts;
    return true;
}
