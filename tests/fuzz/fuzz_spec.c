/* A launch spec from a hostile engine: what decodes passes all checks and encodes again. */
#include "base/limits.h"
#include "executor/step/step.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct step_spec spec, again;
    AUTO_BUF struct buf bytes = BUF_INIT(LIMIT_SPEC);
    if (!step_spec_decode(data, size, &spec, NULL)) {
        return 0;
    }
    if (!step_spec_encode(&spec, &bytes, NULL) ||
        !step_spec_decode(bytes.data, bytes.len, &again, NULL)) {
        abort();
    }
    if (spec.argc != again.argc || again.argv[again.argc] != NULL) {
        abort();
    }
    step_spec_done(&again);
    step_spec_done(&spec);
    return 0;
}
