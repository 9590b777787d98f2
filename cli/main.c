/*
 * main.c - orchctl: finds the verb, parses by its rows, prints help, calls it, and makes sure that
 * what was printed has arrived.
 */
#include "cli/cli.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HELP_MAX (256UL << 10)
#define HELP_WIDTH 100

static const struct option MAIN_OPTIONS[] = {
    {"version", 0, NULL, OPTION_FLAG, "print the version"},
    {NULL, 0, NULL, OPTION_FLAG, NULL},
};

static void print_help(const struct verb *verb)
{
    AUTO_BUF struct buf out = BUF_INIT(HELP_MAX);
    int width = term_width(STDOUT_FILENO);
    width = width > HELP_WIDTH ? HELP_WIDTH : width;
    if (verb)
        cli_help_verb(verb, &out, width);
    else
        cli_help(&out, width);
    fputs(buf_str(&out), stdout);
}

static int run_help(struct cli *c)
{
    if (c->args.operand_count == 0) {
        print_help(NULL);
        return EXIT_DONE;
    }
    const struct verb *verb = cli_find_verb(c->args.operands[0]);
    if (verb) {
        print_help(verb);
        return EXIT_DONE;
    }
    struct err err = ERR_INIT;
    cli_no_such_verb(c->args.operands[0], &err);
    return cli_fail_code(c, &err, EXIT_USAGE);
}

const struct verb cli_verb_help = {
    .name = "help",
    .group = "This installation",
    .usage = "[VERB]",
    .summary = "Show this overview, or the help of a verb.",
    .examples = "  orchctl help run\n",
    .options = CLI_NO_OPTIONS,
    .max_operands = 1,
    .run = run_help,
};

/* Errors of parsing are told as JSON too, so the word is looked for before anything is parsed. */
static bool asks_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

static void settle(struct cli *c)
{
    c->json = args_flag(&c->args, "json");
    c->quiet = args_flag(&c->args, "quiet");
    c->terminal = isatty(STDOUT_FILENO);
    c->colour = !c->json && term_wants_colour(args_text(&c->args, "color"), STDOUT_FILENO);
}

static int check_operands(struct cli *c)
{
    const struct verb *v = c->verb;
    for (size_t i = 0; i < c->args.operand_count; i++)
        if (!*c->args.operands[i])
            return cli_usage(c, "an argument is empty");
    if (c->args.operand_count < v->min_operands)
        return cli_usage(c, "'orchctl %s' needs %s", v->name, v->usage);
    if (c->args.operand_count > v->max_operands)
        return cli_usage(c, "'orchctl %s' does not know what to do with '%s'", v->name,
                         c->args.operands[v->max_operands]);
    const char *server = getenv("ORCH_SERVER");
    const char *asked = args_text(&c->args, "server") ? "--server"
                        : server && *server           ? "ORCH_SERVER"
                                                      : NULL;
    if (asked)
        return cli_usage(c,
                         "%s is not in this version (%s): orchctl works on the data folder of this "
                         "machine",
                         asked, ORCH_VERSION);
    return EXIT_DONE;
}

static int run_verb(struct cli *c, int argc, char **argv)
{
    const struct option *const tables[] = {c->verb->options, CLI_COMMON_OPTIONS, NULL};
    struct err err = ERR_INIT;
    int used;
    bool parsed = options_parse(&c->args, tables, argc, argv, false, &used, &err);
    if (args_flag(&c->args, "help")) {
        print_help(c->verb);
        return EXIT_DONE;
    }
    if (!parsed)
        return cli_usage(c, "%s", err.msg);
    settle(c);
    int code = check_operands(c);
    return code != EXIT_DONE ? code : c->verb->run(c);
}

static int run_words(struct cli *c, int argc, char **argv)
{
    const struct option *const tables[] = {MAIN_OPTIONS, CLI_COMMON_OPTIONS, NULL};
    struct err err = ERR_INIT;
    int used;
    if (!options_parse(&c->args, tables, argc - 1, argv + 1, true, &used, &err))
        return cli_usage(c, "%s; 'orchctl --help' lists verbs and options", err.msg);
    if (args_flag(&c->args, "version")) {
        settle(c);
        return cli_find_verb("version")->run(c);
    }
    if (args_flag(&c->args, "help")) {
        print_help(used + 1 < argc ? cli_find_verb(argv[used + 1]) : NULL);
        return EXIT_DONE;
    }
    if (used + 1 >= argc) {
        if (c->json)
            return cli_usage(c, "no verb given; 'orchctl help' lists them");
        AUTO_BUF struct buf out = BUF_INIT(HELP_MAX);
        cli_help(&out, 80);
        fputs(buf_str(&out), stderr);
        return EXIT_USAGE;
    }
    c->verb = cli_find_verb(argv[used + 1]);
    if (!c->verb) {
        cli_no_such_verb(argv[used + 1], &err);
        return cli_fail_code(c, &err, EXIT_USAGE);
    }
    return run_verb(c, argc - used - 2, argv + used + 2);
}

/* Started with closed standard streams, the next files opened would take their numbers. */
static void fill_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
            _exit(EXIT_INTERNAL);
}

/* Whoever closes a pipe, or a terminal, has seen enough: that is no failure. Where it was an
 * earlier write that failed nobody knows why any more, and the descriptor is asked. */
static bool reader_has_gone(int sys)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return sys == EPIPE || (poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP)) != 0);
}

int main(int argc, char **argv)
{
    fill_standard_streams();
    setlocale(LC_CTYPE, "");
    enum log_level level;
    const char *log = getenv("ORCH_LOG");
    if (log && log_level_from_name(log, &level))
        log_set_level(level);
    struct cli c = {.json = asks_json(argc, argv)};
    int code = run_words(&c, argc, argv);
    errno = 0;
    bool lost = fflush(stdout) != 0 || ferror(stdout);
    int sys = errno;
    if (lost && !reader_has_gone(sys)) {
        fprintf(stderr, "orchctl: could not write to standard output%s%s\n", sys ? ": " : "",
                sys ? strerror(sys) : "");
        code = code == EXIT_DONE ? EXIT_INTERNAL : code;
    }
    free(c.data_dir);
    args_done(&c.args);
    return code;
}
