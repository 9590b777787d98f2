/* ORCH_OUTPUT. */
#include "executor/executor.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exec_outputs outputs;
    if (exec_parse_outputs((const char *)data, size, &outputs, NULL)) {
        size_t total = 0;
        for (size_t i = 0; i < outputs.count; i++) {
            total += strlen(outputs.items[i].name) + strlen(outputs.items[i].value);
        }
        if (total > size) {
            abort();
        }
        exec_outputs_done(&outputs);
    }
    return 0;
}
