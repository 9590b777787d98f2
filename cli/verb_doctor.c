/*
 * verb_doctor.c - orchctl doctor: is this machine fit to run pipelines? One row of the table of
 * checks is one function; each says ok, warn or fail, what it found, and what would fix it. What
 * this host can hold is asked of orch-step, which is what holds it.
 */
#include "cli/cli.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/doctor_store.h"
#include "cli/facts.h"
#include "executor/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define SPACE_FAIL (64LL << 20)
#define SPACE_WARN (1LL << 30)
#define INODES_WARN 10000
#define PRINTED_MAX (64UL << 10)
#define SANE_CLOCK_MS 1735689600000LL /* 2025-01-01: a clock before it has never been set */
#define OLDEST_KERNEL_MAJOR 5         /* pidfds with poll, close_range: 5.11 */
#define OLDEST_KERNEL_MINOR 11

extern char **environ;

enum finding { OK, WARN, FAIL };
static const char *const FINDINGS[] = {[OK] = "ok", [WARN] = "warn", [FAIL] = "fail"};

struct check {
    struct cli *c;
    struct arena *a;
    const char *name; /* of what is being looked at */
    json_t *list;     /* of findings, with --json */
    bool failed;
};

static json_t *finding_json(const char *name, enum finding finding, const char *message,
                            const char *fix)
{
    json_t *one = json_object();
    json_object_set_new(one, "name", json_string(name));
    json_object_set_new(one, "status", json_string(FINDINGS[finding]));
    json_object_set_new(one, "message", cli_json_text(message));
    json_object_set_new(one, "fix", cli_json_text(fix));
    return one;
}

/* Tells a finding. `fix`: a command or a sentence, NULL = nothing to do. */
static void say(struct check *k, enum finding finding, const char *message, const char *fix)
{
    k->failed = k->failed || finding == FAIL;
    if (k->c->json) {
        json_array_append_new(k->list, finding_json(k->name, finding, message, fix));
        return;
    }
    enum term_style style = term_status_style(FINDINGS[finding]);
    bool colour = k->c->colour;
    if (k->c->quiet && finding != FAIL)
        return;
    printf("%s%-4s%s  %-11s  %s\n", term_on(colour, style), FINDINGS[finding],
           term_off(colour, style), k->name, term_safe(k->a, message));
    if (fix)
        printf("      %-11s  -> %s\n", "", term_safe(k->a, fix));
}

/* What a program prints, at most PRINTED_MAX bytes of it; NULL where it cannot be run or fails. */
static const char *printed(struct arena *a, const char *const *argv)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return NULL;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    pid_t pid;
    int failed =
        posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    AUTO_FREE char *text = mem_alloc(PRINTED_MAX + 1);
    size_t len = 0;
    ssize_t got;
    while (failed == 0 && len < PRINTED_MAX &&
           (got = read(fds[0], text + len, PRINTED_MAX - len)) > 0)
        len += (size_t)got;
    close(fds[0]);
    int status = -1;
    if (failed == 0)
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    return status == 0 ? arena_strndup(a, text, len) : NULL;
}

static const char *first_line(struct arena *a, const char *const *argv)
{
    const char *text = printed(a, argv);
    return text ? arena_strndup(a, text, strcspn(text, "\n")) : NULL;
}

/* The nearest folder upward that exists. */
static const char *existing(struct arena *a, const char *path)
{
    char *at = arena_strdup(a, path);
    while (access(at, F_OK) != 0) {
        char *slash = strrchr(at, '/');
        if (!slash || slash == at)
            return "/";
        *slash = '\0';
    }
    return at;
}

/* ---- the checks */

static void check_data(struct check *k)
{
    const char *dir = cli_data_dir(k->c), *there = existing(k->a, dir);
    struct stat st;
    if (stat(there, &st) != 0 || !S_ISDIR(st.st_mode))
        say(k, FAIL, arena_printf(k->a, "%s is not a folder", there), "name another with --data");
    else if (access(there, W_OK | X_OK) != 0)
        say(k, FAIL, arena_printf(k->a, "%s: %s", there, strerror(errno)),
            arena_printf(k->a, "sudo chown %u %s, or name another folder with --data or ORCH_HOME",
                         (unsigned)getuid(), there));
    else if (strcmp(there, dir) != 0)
        say(k, OK, arena_printf(k->a, "%s does not exist yet; the first run makes it", dir), NULL);
    else if (st.st_uid != getuid())
        say(k, WARN, arena_printf(k->a, "%s belongs to uid %u", dir, (unsigned)st.st_uid),
            arena_printf(k->a, "sudo chown -R %u %s", (unsigned)getuid(), dir));
    else
        say(k, OK, dir, NULL);
}

static void check_file_system(struct check *k)
{
    static const struct {
        long magic;
        const char *name;
    } NETWORK[] = {{0x6969, "NFS"},
                   {(long)0xff534d42, "CIFS"},
                   {(long)0xfe534d42, "SMB2"},
                   {0x65735546, "FUSE"},
                   {0x01021997, "9p"}};
    struct statfs fs;
    if (statfs(existing(k->a, cli_data_dir(k->c)), &fs) != 0) {
        say(k, WARN, arena_printf(k->a, "unknown: %s", strerror(errno)), NULL);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(NETWORK); i++)
        if ((fs.f_type & 0xffffffffL) == (NETWORK[i].magic & 0xffffffffL)) {
            say(k, WARN,
                arena_printf(k->a, "the data folder lies on %s, where locks and syncs may not hold",
                             NETWORK[i].name),
                "name a folder on a local disk with --data or ORCH_HOME");
            return;
        }
    say(k, OK, "local", NULL);
}

static void check_database(struct check *k)
{
    struct err err = ERR_INIT;
    struct store_facts facts;
    int64_t rows = 0;
    struct store_conf conf = {.url = cli_storage(k->c),
                              .data_dir = cli_data_dir(k->c),
                              .must_exist = true,
                              .read_only = true};
    struct store *s = store_open(&conf, &err);
    if (!s && err.code == ERR_NOT_FOUND) {
        say(k, OK, "none yet; the first run makes it", NULL);
        return;
    }
    if (!s && err.code == ERR_UNSUPPORTED) { /* an older schema, or a storage not in this version */
        say(k, WARN, arena_strdup(k->a, err.msg), NULL);
        return;
    }
    if (!s || !store_get_facts(s, k->a, &facts, &err) || !store_verify_journal(s, &rows, &err))
        say(k, FAIL, arena_strdup(k->a, err.msg),
            err.code == ERR_NEWER ? "install the version that wrote it, or newer"
            : err.code == ERR_NO_SPACE
                ? "make room on its disk"
                : "restore a backup, or name another data folder with --data");
    else if (facts.schema != facts.schema_newest)
        say(k, WARN,
            arena_printf(k->a, "schema %" PRId64 ", this version's is %" PRId64, facts.schema,
                         facts.schema_newest),
            "the next run migrates it");
    else
        say(k, OK,
            arena_printf(k->a,
                         "%s %s, schema %" PRId64 ", %" PRId64 " runs, %" PRId64
                         " journal rows verified",
                         facts.backend, facts.library, facts.schema, facts.runs, rows),
            NULL);
    if (s)
        store_close(s);
}

static void check_artifacts(struct check *k)
{
    struct doctor_store found;
    struct err err = ERR_INIT;
    char size[32];
    if (!doctor_store(cli_data_dir(k->c), args_flag(&k->c->args, "deep"), k->a, &found, &err))
        say(k, FAIL, arena_strdup(k->a, err.msg), NULL);
    else if (found.damaged > 0)
        say(k, FAIL,
            arena_printf(k->a, "%zu of %zu stored objects are damaged; one of them: %s",
                         found.damaged, found.checked, found.first),
            "run the steps that made them again, or restore a backup");
    else if (found.objects == 0)
        say(k, OK, "none yet", NULL);
    else
        say(k, OK,
            arena_printf(k->a, "%zu of %zu objects verified, %s%s", found.checked, found.objects,
                         text_format_size(found.checked_bytes, size),
                         found.checked < found.objects ? ", the newest; --deep reads all" : ""),
            NULL);
}

static void check_step_program(struct check *k)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *path = exec_find_program(&err);
    if (!path) {
        say(k, FAIL, arena_strdup(k->a, err.msg), "reinstall, or set ORCH_STEP to its path");
        return;
    }
    const char *const argv[] = {path, "--version", NULL};
    const char *line = first_line(k->a, argv);
    if (!line)
        say(k, FAIL, arena_printf(k->a, "%s does not run", path), "reinstall");
    else if (!strstr(line, ORCH_VERSION))
        say(k, FAIL, arena_printf(k->a, "%s is '%s', this is %s", path, line, ORCH_VERSION),
            "install both from the same version, or set ORCH_STEP");
    else
        say(k, OK, arena_printf(k->a, "%s (%s)", path, line), NULL);
}

static void check_kernel(struct check *k)
{
    struct utsname u;
    int major = 0, minor = 0;
    if (uname(&u) != 0 || sscanf(u.release, "%d.%d", &major, &minor) != 2)
        say(k, WARN, "unknown", NULL);
    else if (major < OLDEST_KERNEL_MAJOR ||
             (major == OLDEST_KERNEL_MAJOR && minor < OLDEST_KERNEL_MINOR))
        say(k, WARN, arena_printf(k->a, "Linux %s is older than what this is tested on", u.release),
            "update the kernel to 5.11 or newer");
    else
        say(k, OK, arena_printf(k->a, "Linux %s", u.release), NULL);
}

/* One finding for each group of facts, and one for each reason why something does not hold. */
static void check_facts(struct check *k)
{
    AUTO_FREE char *path = exec_find_program(NULL);
    const char *const argv[] = {path, "probe", NULL};
    const char *text = path ? printed(k->a, argv) : NULL;
    size_t count = 0;
    struct fact_row *rows = text ? facts_rows(k->a, text, &count) : NULL;
    if (count == 0)
        say(k, WARN, "unknown: orch-step does not say what this host can hold",
            "install both from the same version, or set ORCH_STEP");
    for (size_t i = 0; i < count; i++) {
        k->name = rows[i].name;
        say(k, rows[i].holds ? OK : WARN, rows[i].message, rows[i].fix);
    }
}

static void check_space(struct check *k)
{
    struct statvfs fs;
    char text[32];
    const char *dir = existing(k->a, cli_data_dir(k->c));
    if (statvfs(dir, &fs) != 0) {
        say(k, WARN, arena_printf(k->a, "%s: %s", dir, strerror(errno)), NULL);
        return;
    }
    int64_t available = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    bool few_inodes = fs.f_files > 0 && fs.f_favail < INODES_WARN;
    const char *message = few_inodes
                              ? arena_printf(k->a, "%" PRIu64 " inodes free", (uint64_t)fs.f_favail)
                              : arena_printf(k->a, "%s free", text_format_size(available, text));
    bool full = available < SPACE_FAIL, low = available < SPACE_WARN || few_inodes;
    say(k,
        full  ? FAIL
        : low ? WARN
              : OK,
        message, full || low ? arena_printf(k->a, "make room on the disk of %s", dir) : NULL);
}

static void check_clock(struct check *k)
{
    struct timex t = {0};
    int state = adjtimex(&t);
    if (clock_wall_ms(clock_system()) < SANE_CLOCK_MS)
        say(k, FAIL, "the clock has not been set",
            "sudo timedatectl set-ntp true, or set the date");
    else if (state < 0)
        say(k, WARN, arena_printf(k->a, "unknown: %s", strerror(errno)), NULL);
    else if (state == TIME_ERROR || (t.status & STA_UNSYNC))
        say(k, WARN, "the clock is not synchronised", "sudo timedatectl set-ntp true");
    else
        say(k, OK, "synchronised", NULL);
}

static void check_shell(struct check *k)
{
    if (access("/bin/sh", X_OK) == 0)
        say(k, OK, "/bin/sh", NULL);
    else
        say(k, FAIL, arena_printf(k->a, "/bin/sh: %s", strerror(errno)),
            "install a POSIX shell as /bin/sh");
}

static void check_git(struct check *k)
{
    const char *const argv[] = {"git", "--version", NULL};
    const char *line = first_line(k->a, argv);
    if (line)
        say(k, OK, line, NULL);
    else
        say(k, WARN, "not found: runs are recorded without their commit", "apt install git");
}

static const struct {
    const char *name;
    void (*run)(struct check *k);
} CHECKS[] = {
    {"data folder", check_data},
    {"file system", check_file_system},
    {"disk space", check_space},
    {"database", check_database},
    {"artifacts", check_artifacts},
    {"orch-step", check_step_program},
    {"kernel", check_kernel},
    {"limits", check_facts},
    {"clock", check_clock},
    {"shell", check_shell},
    {"git", check_git},
};

static int run(struct cli *c)
{
    struct check k = {.c = c, .list = json_array()};
    for (size_t i = 0; i < COUNT_OF(CHECKS); i++) {
        AUTO_ARENA struct arena a = ARENA_INIT;
        k.a = &a;
        k.name = CHECKS[i].name;
        CHECKS[i].run(&k);
    }
    if (c->json) {
        json_t *top = json_object();
        json_object_set_new(top, "ok", json_boolean(!k.failed));
        json_object_set_new(top, "checks", k.list);
        cli_print_json(top, false);
    } else {
        json_decref(k.list);
    }
    return k.failed ? EXIT_RUN_FAILED : EXIT_DONE;
}

static const struct option OPTIONS[] = {
    {"deep", 0, NULL, OPTION_FLAG, "read all stored artifacts, not the newest alone"},
    {NULL, 0, NULL, OPTION_FLAG, NULL},
};

const struct verb cli_verb_doctor = {
    .name = "doctor",
    .group = "This installation",
    .usage = "",
    .summary = "Check this machine and this data folder, and say what would fix what is wrong.",
    .text = "The exit code is 0 unless something fails; warnings do not fail. Limits and sandboxes "
            "that do not hold here are warnings: a step that asks for one is refused.",
    .examples =
        "  orchctl doctor\n  orchctl doctor --json | jq '.checks[] | select(.status != \"ok\")'\n",
    .options = OPTIONS,
    .run = run,
};
