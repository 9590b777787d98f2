/* A log with any bytes in it: each byte is given out at most once, from any tail. */
#include "executor/executor.h"

#include "base/mem.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t read_all(struct exec_log *log)
{
    struct exec_log_line line;
    size_t total = 0;
    while (exec_log_next(log, &line)) {
        total += line.len;
    }
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char folder[] = "/tmp/orch-fuzz-XXXXXX";
    static bool made;
    if (!made && mkdtemp(folder) == NULL) {
        abort();
    }
    made = true;
    AUTO_FREE char *path = mem_printf("%s/log", folder);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (write(fd, data, size) != (ssize_t)size) {
        abort();
    }
    struct exec_log *log = exec_log_open(folder, NULL);
    size_t all = read_all(log);
    uint64_t lines = size > 0 ? data[0] : 0;
    if (!exec_log_tail(log, lines, NULL) || read_all(log) > all || all > size) {
        abort();
    }
    exec_log_close(log);
    unlink(path);
    return 0;
}
