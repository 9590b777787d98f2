/*
 * bench_run.c - runs a command with its output thrown away and prints what it took:
 * `bench_run COMMAND...` -> "SECONDS PEAK_KB EXIT_CODE". The peak is of the largest process that
 * was waited for. A small program of its own, since a child's peak starts with the memory of who
 * forks it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static _Noreturn void become(char **argv)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDOUT_FILENO); /* errors stay visible */
    }
    execvp(argv[0], argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_run COMMAND...\n");
        return 2;
    }
    double began_s = now_s();
    pid_t pid = fork();
    if (pid == 0) {
        become(argv + 1);
    }
    int status = 0;
    struct rusage usage;
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid) {
        perror("bench_run");
        return 1;
    }
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    printf("%.6f %ld %d\n", now_s() - began_s, usage.ru_maxrss, code);
    return 0;
}
