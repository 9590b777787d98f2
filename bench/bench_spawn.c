/*
 * bench_spawn.c - the floor: COUNT times posix_spawn and wait of a program, IN_FLIGHT at a time,
 * with nothing recorded. `bench_spawn COUNT IN_FLIGHT PROGRAM`
 */
#include "base/text.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool wait_one(void)
{
    int status = 0;
    pid_t pid;
    do {
        pid = waitpid(-1, &status, 0);
    } while (pid < 0 && errno == EINTR);
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool run_all(int64_t count, int64_t in_flight, char *program)
{
    char *argv[] = {program, NULL};
    bool good = true;
    for (int64_t started = 0, running = 0; started < count || running > 0;) {
        if (started < count && running < in_flight) {
            pid_t pid;
            int failed = posix_spawn(&pid, program, NULL, NULL, argv, environ);
            if (failed != 0) {
                fprintf(stderr, "%s: %s\n", program, strerror(failed));
                return false;
            }
            started++;
            running++;
        } else {
            good = wait_one() && good;
            running--;
        }
    }
    return good;
}

int main(int argc, char **argv)
{
    int64_t count = 0;
    int64_t in_flight = 0;
    if (argc != 4 || !text_int(argv[1], &count) || !text_int(argv[2], &in_flight)) {
        fprintf(stderr, "usage: bench_spawn COUNT IN_FLIGHT PROGRAM\n");
        return 2;
    }
    return run_all(count, in_flight, argv[3]) ? 0 : 1;
}
