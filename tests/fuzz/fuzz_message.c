/* A message on a control channel. */
#include "base/limits.h"
#include "executor/step/step.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct step_msg msg, again;
    AUTO_BUF struct buf bytes = BUF_INIT(LIMIT_MESSAGE);
    if (size > LIMIT_MESSAGE / 2 || !step_msg_decode(data, size, &msg, NULL)) {
        return 0;
    }
    if (!step_msg_encode(&msg, &bytes, NULL) ||
        !step_msg_decode(bytes.data, bytes.len, &again, NULL)) {
        abort();
    }
    if (again.kind != msg.kind || again.token != msg.token || again.spec_len != msg.spec_len ||
        (msg.kind == MSG_END && again.end.how != msg.end.how)) {
        abort();
    }
    step_msg_done(&again);
    step_msg_done(&msg);
    return 0;
}
