/*
 * main.c - orch-step: what runs beside every step. Small, static and without libraries, since it is
 * forked for every attempt.
 */
#include "base/mem.h"
#include "base/text.h"
#include "executor/step/launcher.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "orch-step runs steps for orchctl and orchd; it is not meant to be called by hand.\n"
    "\n"
    "  orch-step serve --fd N          serve an engine on the connected SOCK_SEQPACKET socket N\n"
    "  orch-step serve --socket PATH [--allow USER|UID|%GROUP]...\n"
    "                                  serve the engines of root, of this user, and of those\n"
    "                                  allowed; HUP: go on as the program that is there now\n"
    "  orch-step probe                 what this host holds: name, yes or no, amount, why not,\n"
    "                                  what would help\n"
    "  orch-step --version\n";

static int complain(const char *what)
{
    fprintf(stderr, "orch-step: %s\n\n%s", what, usage);
    return 2;
}

/* ---- serve
 * ----------------------------------------------------------------------------------------- */

static bool take_fd(const char *value, int *ret)
{
    int64_t number;
    if (!text_int(value, &number) || number < 3 || number > INT_MAX) {
        return false;
    }
    *ret = (int)number;
    return true;
}

static bool take_option(struct launcher_conf *conf, const char **allow, const char *name,
                        const char *value)
{
    if (strcmp(name, "--fd") == 0) {
        return take_fd(value, &conf->engine);
    }
    if (strcmp(name, "--resume") == 0) {
        return take_fd(value, &conf->resume);
    }
    if (strcmp(name, "--socket") == 0) {
        conf->socket = value;
        return value[0] == '/';
    }
    if (strcmp(name, "--allow") == 0) {
        allow[conf->allow_count++] = value;
        return value[0] != '\0';
    }
    return false;
}

static int serve(int argc, char **argv)
{
    struct err err = ERR_INIT;
    AUTO_FREE const char **allow = mem_array((size_t)argc, sizeof(*allow));
    struct launcher_conf conf = {.program = argv[0], .engine = -1, .allow = allow, .resume = -1};
    for (int i = 2; i < argc; i += 2) {
        if (i + 1 == argc || !take_option(&conf, allow, argv[i], argv[i + 1])) {
            return complain("serve takes --fd with the number of an open socket, at least 3, or "
                            "--socket with an absolute path");
        }
    }
    bool born = conf.engine >= 0;
    if (born == (conf.socket != NULL) || (born && (conf.allow_count > 0 || conf.resume >= 0))) {
        return complain("serve takes either --fd or --socket");
    }
    if (launcher_serve(&conf, &err)) {
        return 0;
    }
    fprintf(stderr, "orch-step: %s\n", err.msg);
    return err_exit_code(err.code);
}

/* ---- main
 * ------------------------------------------------------------------------------------------ */

static bool is_called(int argc, char **argv, int count, const char *name)
{
    return argc == count && strcmp(argv[1], name) == 0;
}

int main(int argc, char **argv)
{
    if (is_called(argc, argv, 2, "--version")) {
        puts("orch-step " ORCH_VERSION);
        return 0;
    }
    if (is_called(argc, argv, 2, "--help")) {
        fputs(usage, stdout);
        return 0;
    }
    if (is_called(argc, argv, 2, "probe")) {
        launcher_probe();
        return 0;
    }
    if (is_called(argc, argv, 3,
                  "--can-resume")) { /* asked by the program that is to be replaced */
        return launcher_can_resume(argv[2]) ? 0 : 1;
    }
    if (argc > 2 && strcmp(argv[1], "serve") == 0) {
        return serve(argc, argv);
    }
    return complain("what should it do?");
}
