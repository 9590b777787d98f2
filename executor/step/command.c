/*
 * command.c - a child by clone(CLONE_VM | CLONE_VFORK): the supervisor waits until the program is
 * loaded, nothing is copied, and a failure comes back in plain memory; on cgroup v2 by clone3()
 * into its cgroup, where only what it tells is shared.
 *
 * The child shares our memory until it has called execve: it may use system calls and its own
 * stack, and write to struct launch, and nothing else. That holds for a sandbox too: namespaces,
 * also one of users, belong to the process, and not to its memory.
 *
 * What is true after a kill -9 of the supervisor: before PR_SET_PDEATHSIG is set, the child finds
 * itself with another parent and exits; after, the kernel kills it. So no command outlives its
 * supervisor, and none starts without one. A change of user clears the mark: it is set again, and
 * the parent looked at again. (A setuid program clears it too; only a privileged step can run one.)
 */
#include "executor/step/command.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK (128 << 10)
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

enum stage { STAGE_NONE, STAGE_SETUP, STAGE_CGROUP, STAGE_SANDBOX, STAGE_CWD, STAGE_EXEC };

struct launch {
    const struct step_spec *spec;
    char *const *argv;
    char *const *env;
    const char *path;                  /* the search path */
    const struct command_place *place; /* or NULL */
    pid_t parent;
    int out, err;
    bool inside; /* it was born in its cgroup */
    /* by the child, where it failed */
    volatile enum stage stage;
    volatile int error;
    struct sandbox_failure failure; /* of STAGE_SANDBOX */
};

static const char *find_env(const struct step_spec *spec, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < spec->env_count; i++) {
        if (strncmp(spec->env[i], name, len) == 0 && spec->env[i][len] == '=') {
            return spec->env[i] + len + 1;
        }
    }
    return NULL;
}

/* ---- in the child
 * --------------------------------------------------------------------------------- */

/* The next entry of a search path as "entry/name" in `to`; what follows it, or NULL at the end. An
 * empty entry is the working directory. */
static const char *next_candidate(const char *path, const char *name, char to[PATH_MAX])
{
    size_t len = strcspn(path, ":"), name_len = strlen(name);
    to[0] = '\0';
    if (len + name_len + 2 <= PATH_MAX) {
        memcpy(to, path, len);
        if (len > 0) {
            to[len++] = '/';
        }
        memcpy(to + len, name, name_len + 1);
        len -= len > 0;
    }
    path += strcspn(path, ":");
    return *path == ':' ? path + 1 : NULL;
}

/* Returns only on failure, with the errno that tells most: one candidate that exists but may not
 * be run says more than all that do not exist. */
static int exec_search(const struct launch *l)
{
    char candidate[PATH_MAX];
    int error = ENOENT;
    if (strchr(l->argv[0], '/') != NULL) {
        execve(l->argv[0], l->argv, l->env);
        return errno;
    }
    for (const char *path = l->path; path != NULL;) {
        path = next_candidate(path, l->argv[0], candidate);
        execve(candidate, l->argv, l->env);
        if (errno == ENOENT || errno == ENOTDIR) {
            continue;
        }
        error = errno;
        if (errno != EACCES) {
            break;
        }
    }
    return error;
}

static bool set_up(const struct launch *l)
{
    sigset_t none;
    sigemptyset(&none);
    /* A group of its own, so that TERM reaches all of the command and not us; no session of its
     * own: a command that opens a serial line must not get it as its controlling terminal. */
    return setpgid(0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == l->parent &&
           dup2(l->out, STDOUT_FILENO) >= 0 && dup2(l->err, STDERR_FILENO) >= 0 &&
           sigprocmask(SIG_SETMASK, &none, NULL) == 0;
}

static bool enter_cgroups(const struct command_place *place)
{
    for (size_t i = 0; i < place->entry_count; i++) {
        if (write(place->entries[i], "0", 1) != 1) {
            return false;
        }
    }
    return true;
}

/* A change of user clears what set_up() asked for. */
static bool enter_sandbox(struct launch *l)
{
    const struct command_place *place = l->place;
    return sandbox_enter(place->sandbox, l->spec, place->folder, place->limited, &l->failure) &&
           (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == l->parent);
}

_Noreturn static void fail(struct launch *l)
{
    l->error = errno != 0 ? errno : EIO;
    _exit(127);
}

static int child(void *arg)
{
    struct launch *l = arg;
    l->stage = STAGE_SETUP;
    if (!set_up(l)) {
        fail(l);
    }
    l->stage = STAGE_CGROUP;
    if (l->place != NULL && !l->inside && !enter_cgroups(l->place)) {
        fail(l);
    }
    l->stage = STAGE_SANDBOX;
    if (l->place != NULL && l->place->sandbox != NULL && !enter_sandbox(l)) {
        fail(l);
    }
    l->stage = STAGE_CWD;
    if (chdir(l->spec->cwd) < 0) {
        fail(l);
    }
    l->stage = STAGE_EXEC;
    l->error = exec_search(l);
    _exit(127);
}

/* ---- what went wrong, for people
 * ------------------------------------------------------------------ */

/* The program that was meant, relative to the folder `cwd`: the first candidate that exists. */
static bool find_program(const struct launch *l, int cwd, char ret[PATH_MAX])
{
    struct stat st;
    if (strchr(l->argv[0], '/') != NULL) {
        (void)snprintf(ret, PATH_MAX, "%s", l->argv[0]);
        return fstatat(cwd, ret, &st, 0) == 0;
    }
    for (const char *path = l->path; path != NULL;) {
        path = next_candidate(path, l->argv[0], ret);
        if (fstatat(cwd, ret, &st, 0) == 0 && S_ISREG(st.st_mode)) {
            return true;
        }
    }
    return false;
}

/* The program named after #! in the first line; empty where there is none. */
static void read_interpreter(int cwd, const char *program, char ret[PATH_MAX])
{
    char line[PATH_MAX] = "";
    ret[0] = '\0';
    AUTO_CLOSE int fd = openat(cwd, program, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return;
    }
    ssize_t got = read(fd, line, sizeof(line) - 1);
    if (got < 2 || line[0] != '#' || line[1] != '!') {
        return;
    }
    line[got] = '\0';
    const char *start = line + 2 + strspn(line + 2, " \t");
    (void)snprintf(ret, PATH_MAX, "%.*s", (int)strcspn(start, " \t\r\n"), start);
    if (start[strlen(ret)] == '\r') {
        strncat(ret, "\\r", PATH_MAX - strlen(ret) - 1);
    }
}

static bool explain_missing(const struct launch *l, int cwd, struct err *err)
{
    char program[PATH_MAX], interpreter[PATH_MAX];
    if (!find_program(l, cwd, program)) {
        if (strchr(l->argv[0], '/') != NULL) {
            return err_set(err, ERR_NOT_FOUND, "the command '%s' does not exist%s%s", l->argv[0],
                           l->argv[0][0] == '/' ? "" : " in the working directory ",
                           l->argv[0][0] == '/' ? "" : l->spec->cwd);
        }
        return err_set(err, ERR_NOT_FOUND, "command '%s' was not found in PATH (%s)", l->argv[0],
                       l->path);
    }
    read_interpreter(cwd, program, interpreter);
    if (l->place != NULL && l->place->sandbox != NULL &&
        (l->spec->sandbox.private_tmp || l->spec->sandbox.hidden_count > 0)) {
        return err_set(err, ERR_NOT_FOUND,
                       "'%s', or what it is run by, is not to be seen in the step's sandbox "
                       "(`private_tmp`, `hidden`)",
                       program);
    }
    if (interpreter[0] == '\0') {
        return err_set(err, ERR_NOT_FOUND,
                       "'%s' could not be loaded: the loader it needs does not exist here",
                       program);
    }
    const char *line_end = strstr(interpreter, "\\r") != NULL
                               ? ": the file has Windows line ends; convert it (dos2unix)"
                               : "";
    return err_set(err, ERR_NOT_FOUND,
                   "the interpreter '%s', named in the first line of '%s', does not exist%s",
                   interpreter, program, line_end);
}

static bool explain_exec(const struct launch *l, struct err *err)
{
    char program[PATH_MAX];
    AUTO_CLOSE int cwd = open(l->spec->cwd, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (l->error == ENOENT || l->error == ENOTDIR) {
        return explain_missing(l, cwd, err);
    }
    if (!find_program(l, cwd, program)) {
        (void)snprintf(program, sizeof(program), "%s", l->argv[0]);
    }
    if (l->error == EACCES) {
        return err_set(err, ERR_DENIED,
                       "'%s' is not executable: make it so with chmod +x, or name its interpreter",
                       program);
    }
    if (l->error == ENOEXEC) {
        return err_set(err, ERR_INVALID,
                       "'%s' is not executable: it is no program, and its first line names no "
                       "interpreter (#!)",
                       program);
    }
    if (l->error == E2BIG) {
        return err_set(err, ERR_LIMIT,
                       "the arguments and environment of '%s' are too large: pass large values in "
                       "files",
                       program);
    }
    return err_sys(err, l->error, "cannot start '%s'", program);
}

static bool explain(const struct launch *l, struct err *err)
{
    if (l->stage == STAGE_EXEC) {
        return explain_exec(l, err);
    }
    if (l->stage == STAGE_SANDBOX && l->failure.what != NULL) {
        return sandbox_explain(&l->failure, err);
    }
    if (l->stage == STAGE_CGROUP) {
        const struct sandbox_failure failure = {.error = l->error,
                                                .what = "cannot enter the step's cgroup"};
        return sandbox_explain(&failure, err);
    }
    if (l->stage != STAGE_CWD) {
        return err_sys(err, l->error, "cannot set up the command's process");
    }
    if (l->error == ENOENT || l->error == ENOTDIR) {
        return err_set(err, ERR_NOT_FOUND, "the working directory %s does not exist", l->spec->cwd);
    }
    return err_sys(err, l->error, "cannot enter the working directory %s", l->spec->cwd);
}

/* ---- starting it
 * -------------------------------------------------------------------------------------------- */

/* True where some text of `extra` gives the variable of `text` a value. */
static bool is_replaced(const struct command_place *place, const char *text)
{
    size_t len = strcspn(text, "=");
    for (size_t i = 0; i < place->extra_env_count; i++) {
        if (strncmp(place->extra_env[i], text, len + 1) == 0) {
            return true;
        }
    }
    return false;
}

/* The variables of the spec, and those of the place instead of and after them. The array is owned
 * by the caller, the texts are borrowed. */
static char **make_env(const struct step_spec *spec, const struct command_place *place)
{
    size_t extra = place != NULL ? place->extra_env_count : 0, count = 0;
    char **env = mem_array(spec->env_count + extra + 1, sizeof(*env));
    for (size_t i = 0; i < spec->env_count; i++) {
        if (extra == 0 || !is_replaced(place, spec->env[i])) {
            env[count++] = spec->env[i];
        }
    }
    for (size_t i = 0; i < extra; i++) {
        env[count++] = place->extra_env[i];
    }
    return env;
}

/* Born in the cgroup, the child need not move there, which on v2 waits for the whole host. Its
 * memory is a copy then, so `l` is to be shared memory. -1: the kernel cannot do that. */
static pid_t clone_into(struct launch *l, int cgroup)
{
    struct clone_args args = {.flags = CLONE_INTO_CGROUP | CLONE_VFORK,
                              .exit_signal = SIGCHLD,
                              .cgroup = (unsigned)cgroup};
    l->inside = true;
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0) {
        _exit(child(l));
    }
    l->inside = pid > 0;
    return pid;
}

static pid_t clone_beside(struct launch *l)
{
    static char stack[STACK] __attribute__((aligned(16)));
    return clone(child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, l);
}

static pid_t start_child(struct launch *l, struct err *err)
{
    pid_t pid = l->place != NULL && l->place->cgroup > 0 ? clone_into(l, l->place->cgroup) : -1;
    pid = pid < 0 ? clone_beside(l) : pid;
    if (pid < 0) {
        err_sys(err, errno, "cannot make a process for the command");
        return -1;
    }
    if (l->error == 0) {
        return pid;
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    (void)explain(l, err);
    return -1;
}

/* As long as this process, which starts one command. */
static struct launch *share_memory(void)
{
    void *page = mmap(NULL, sizeof(struct launch), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? NULL : page;
}

pid_t command_start(const struct step_spec *spec, const char *last,
                    const struct command_place *place, int out, int err_fd, struct err *err)
{
    AUTO_FREE char **argv = mem_array(spec->argc + 2, sizeof(*argv));
    AUTO_FREE char **env = make_env(spec, place);
    AUTO_FREE char *owned = last != NULL ? mem_strdup(last) : NULL;
    const char *path = find_env(spec, "PATH");
    memcpy(argv, spec->argv, spec->argc * sizeof(*argv));
    argv[spec->argc] = owned;
    struct launch own, *l = place != NULL && place->cgroup > 0 ? share_memory() : &own;
    if (l == NULL) {
        err_sys(err, errno, "cannot make a process for the command");
        return -1;
    }
    *l = (struct launch){.spec = spec,
                         .argv = argv,
                         .env = env,
                         .path = path != NULL && path[0] != '\0' ? path : DEFAULT_PATH,
                         .place = place,
                         .parent = getpid(),
                         .out = out,
                         .err = err_fd};
    return start_child(l, err);
}
