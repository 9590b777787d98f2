/* A record, an end and a list of files with any bytes in them. */
#include "executor/step/step.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    struct record record;
    struct step_end end, again;
    struct step_files files;
    if (fd < 0) {
        fd = memfd_create("record", MFD_CLOEXEC);
    }
    if (ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size) {
        abort();
    }
    (void)!record_read(fd, &record, NULL);
    if (step_end_decode(data, size, &end)) {
        AUTO_BUF struct buf bytes = BUF_INIT(4096);
        step_end_encode(&end, &bytes);
        if (!step_end_decode(bytes.data, bytes.len, &again) || again.how != end.how ||
            again.ended_ms != end.ended_ms) {
            abort();
        }
    }
    if (step_files_decode(data, size, &files, NULL)) {
        step_files_done(&files);
    }
    return 0;
}
