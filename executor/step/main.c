/*
 * main.c - orch-step: what runs beside every step. Small, static and without libraries, since it is
 * forked for every attempt.
 */
#include "executor/step/launcher.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "orch-step runs steps for orchctl and orchd; it is not meant to be called by hand.\n"
    "\n"
    "  orch-step serve --fd N    serve an engine on the connected SOCK_SEQPACKET socket N\n"
    "  orch-step --version\n";

static int complain(const char *what)
{
    fprintf(stderr, "orch-step: %s\n\n%s", what, usage);
    return 2;
}

static int serve(const char *number)
{
    char *end;
    struct err err = ERR_INIT;
    errno = 0;
    long fd = strtol(number, &end, 10);
    if (errno != 0 || *end != '\0' || end == number || fd < 3 || fd > INT_MAX) {
        return complain("--fd takes the number of an open socket, at least 3");
    }
    if (launcher_serve((int)fd, &err)) {
        return 0;
    }
    fprintf(stderr, "orch-step: %s\n", err.msg);
    return err_exit_code(err.code);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("orch-step " ORCH_VERSION);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "serve") == 0 && strcmp(argv[2], "--fd") == 0) {
        return serve(argv[3]);
    }
    return complain("what should it do?");
}
