/*
 * verb_run.c - orchctl run: load, check, bind, create, drive to the end.
 *
 * --detach forks after everything about the file is known and before the engine (which has threads)
 * is opened. The child makes the run, tells its id through a pipe and goes on in a session of its
 * own; the parent prints the id. Where the run cannot be made the child has said why, and the
 * parent ends with its exit code.
 */
#include "cli/cli.h"

#include "base/mem.h"
#include "cli/drive.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* A NAME is a daemon's. Most who type one mean a file that lies here. */
static int no_daemon(struct cli *c, const char *name)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *yaml = mem_printf("%s.yaml", name), *yml = mem_printf("%s.yml", name),
                   *plain = mem_printf("./%s", name);
    const char *here = exists(yaml) ? yaml : exists(yml) ? yml : exists(plain) ? plain : NULL;
    if (here)
        err_set(&err, ERR_UNAVAILABLE,
                "no daemon answers for the name '%s'; there is a file: orchctl run %s", name, here);
    else
        err_set(&err, ERR_UNAVAILABLE,
                "no daemon answers for the name '%s'; to run a file here, write ./%s or %s.yaml",
                name, name, name);
    return cli_fail(c, &err);
}

/* ---- detached */

static bool redirect(const char *log_path, struct err *err)
{
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0)
        return err_sys(err, errno, "%s", log_path);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    fflush(stdout);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    close(log);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        close(null);
    }
    return true;
}

/* The run exists: its words go to a file from here on, and the parent may leave. */
static void leave(struct drive *d, const char *id, int pipe_fd)
{
    AUTO_FREE char *dir = engine_run_dir(cli_data_dir(d->c), id);
    AUTO_FREE char *log = mem_printf("%s/engine.log", dir);
    struct err err = ERR_INIT;
    if (!redirect(log, &err) && !redirect("/dev/null", &err))
        cli_note(d->c, "%s", err.msg);
    d->c->terminal = d->c->colour = d->c->json = d->c->quiet = false;
    d->live.redraw = false;
    if (write(pipe_fd, id, ID_SIZE - 1) < 0)
        live_say(&d->live, TERM_WARN,
                 "the starting orchctl has gone"); /* the run goes on all the same */
    close(pipe_fd);
}

static int wait_for_child(struct cli *c, pid_t child, int pipe_fd)
{
    char id[ID_SIZE] = "";
    size_t len = 0;
    ssize_t got;
    while (len < ID_SIZE - 1 &&
           ((got = read(pipe_fd, id + len, ID_SIZE - 1 - len)) > 0 || (got < 0 && errno == EINTR)))
        len += got > 0 ? (size_t)got : 0;
    close(pipe_fd);
    if (len == ID_SIZE - 1) {
        if (c->json) {
            json_t *top = json_object();
            json_object_set_new(top, "id", json_string(id));
            cli_print_json(top, true);
        } else {
            puts(id);
        }
        return EXIT_DONE;
    }
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        return WEXITSTATUS(status); /* it has said why */
    struct err err = ERR_INIT;
    err_set(&err, ERR_INTERNAL, "the orchctl in the background died before it had made the run");
    return cli_fail(c, &err);
}

/* ---- in the foreground or in the child */

static int drive_request(struct cli *c, const struct engine_request *req, int detached_fd)
{
    struct drive d;
    struct err err = ERR_INIT;
    char id[ID_SIZE];
    int code;
    if (!drive_open(&d, c, &err)) {
        dag_free(req->pipeline);
        code = cli_fail(c, &err);
    } else if (!engine_create_run(d.engine, req, id, &err)) {
        code = cli_fail(c, &err);
    } else {
        if (detached_fd >= 0)
            leave(&d, id, detached_fd);
        drive_begin(&d, id, "run");
        code = drive_to_end(&d);
    }
    fflush(stdout);
    drive_close(&d);
    return code;
}

static int detach(struct cli *c, const struct engine_request *req)
{
    int fds[2];
    struct err err = ERR_INIT;
    fflush(stdout);
    if (pipe2(fds, O_CLOEXEC) < 0) {
        err_sys(&err, errno, "pipe");
        return cli_fail(c, &err);
    }
    pid_t child = fork();
    if (child < 0) {
        err_sys(&err, errno, "fork");
        close(fds[0]);
        close(fds[1]);
        return cli_fail(c, &err);
    }
    if (child > 0) {
        close(fds[1]);
        return wait_for_child(c, child, fds[0]);
    }
    close(fds[0]);
    setsid();
    return drive_request(c, req, fds[1]);
}

static int run_file(struct cli *c, struct cli_file *f, const char *path)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    int code = cli_load_runnable(c, path, f);
    if (code != EXIT_DONE)
        return code;
    struct engine_request req = {.pipeline = f->pipeline, .trigger_type = "manual"};
    req.params = cli_bind(c, f->pipeline, &a, &code);
    if (!req.params)
        return code;
    cli_selection(c, &a, &req);
    if (args_flag(&c->args, "dry-run"))
        return cli_plan(c, &req, path);
    if (!args_flag(&c->args, "detach")) {
        f->pipeline = NULL; /* the engine takes it */
        return drive_request(c, &req, -1);
    }
    pid_t parent = getpid();
    code = detach(c, &req);
    if (getpid() != parent)
        f->pipeline = NULL;
    return code;
}

static int run(struct cli *c)
{
    const char *path = c->args.operands[0];
    if (!options_is_file(path))
        return no_daemon(c, path);
    if (args_text(&c->args, "from") && args_text(&c->args, "only"))
        return cli_usage(c, "--from and --only exclude each other");
    struct cli_file f = {0};
    int code = run_file(c, &f, path);
    cli_file_done(&f);
    return code;
}

static const struct option OPTIONS[] = {
    {"param", 'p', "NAME=VALUE", OPTION_PAIR, "a parameter of the pipeline; may be repeated"},
    {"params-file", 0, "FILE", OPTION_TEXT,
     "parameters from a YAML or JSON mapping; -p goes before it"},
    {"jobs", 'j', "N", OPTION_COUNT,
     "cpus that steps may take together; a step without resources takes one (default: all)"},
    {"from", 0, "STEP", OPTION_TEXT,
     "run this step and all that need it; reuse the rest from the newest run"},
    {"only", 0, "STEP...", OPTION_STEPS,
     "run these steps alone; reuse what they need from the newest run"},
    {"dry-run", 'n', NULL, OPTION_FLAG, "check everything and show the plan; run nothing"},
    {"detach", 'd', NULL, OPTION_FLAG, "run in the background and print the run's id"},
    {NULL, 0, NULL, OPTION_FLAG, NULL},
};

const struct verb cli_verb_run = {
    .name = "run",
    .group = "Runs",
    .usage = "FILE",
    .summary = "Run a pipeline file here, and record what happens.",
    .text =
        "Steps run under supervisors of their own: when orchctl is killed they go on, and 'orchctl "
        "resume' picks them up with their exit codes. Ctrl-C cancels the run, giving steps their "
        "grace time; a second Ctrl-C kills. With --json each event is a line of JSON, and the last "
        "line is what 'orchctl show --json' prints.\n\nThe exit code is 0 where the run succeeded, "
        "1 "
        "where it failed, 124 where it ran into its timeout and 130 after Ctrl-C.",
    .examples = "  orchctl run pipeline.yaml\n"
                "  orchctl run pipeline.yaml -p days=30 -p algo=gbm -j 4\n"
                "  orchctl run ./pipeline.yaml --from train\n"
                "  orchctl run pipeline.yaml --only train,gate --dry-run\n"
                "  id=$(orchctl run pipeline.yaml --detach) && orchctl logs $id -f\n",
    .options = OPTIONS,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
