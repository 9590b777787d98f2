/* ORCH_METRICS. */
#include "executor/executor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exec_metrics metrics;
    if (exec_parse_metrics((const char *)data, size, &metrics, NULL)) {
        exec_metrics_done(&metrics);
    }
    return 0;
}
