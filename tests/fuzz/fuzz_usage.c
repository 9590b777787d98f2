/* The samples of an attempt: never below -1, never more than there are lines. */
#include "executor/executor.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct exec_sample *sample)
{
    if (sample->at_ms < 0) {
        abort();
    }
    for (size_t i = 0; i < step_usage_field_count; i++) {
        if (*exec_usage_member(&sample->usage, &step_usage_fields[i]) < -1) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exec_usage usage;
    size_t lines = 0;
    for (size_t i = 0; i < size; i++) {
        lines += data[i] == '\n';
    }
    if (!exec_parse_usage((const char *)data, size, &usage, NULL)) {
        return 0;
    }
    if (usage.count > lines || exec_usage_cpu_milli(&usage) < -1) {
        abort();
    }
    for (size_t i = 0; i < usage.count; i++) {
        check(&usage.items[i]);
    }
    exec_usage_done(&usage);
    return 0;
}
