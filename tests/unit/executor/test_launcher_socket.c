/* A launcher that lives by itself: several engines, who may come, what they may have done, and
 * going on as a newer program. */
#include "workshop.h"

#include <grp.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define NOBODY 65534

extern char **environ;

static const char *const quick[] = {"true", NULL};

struct hall {
    char *top, *program, *socket, *log;
    pid_t pid; /* of the launcher */
    struct workshop *shops[2];
};

static void copy_program(const char *from, const char *to)
{
    AUTO_FREE char *next = mem_printf("%s.next", to);
    struct buf bytes = BUF_INIT(64U << 20);
    assert_true(file_read(from, &bytes, NULL));
    int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    assert_true(fd >= 0 && file_write_all(fd, bytes.data, bytes.len, NULL));
    close(fd);
    assert_int_equal(rename(next, to), 0);
    buf_done(&bytes);
}

static void start_launcher(struct hall *h, const char *allow)
{
    char serve[] = "serve", socket[] = "--socket", allowed[] = "--allow";
    AUTO_FREE char *who = allow != NULL ? mem_strdup(allow) : NULL;
    char *argv[] = {h->program, serve, socket, h->socket, who != NULL ? allowed : NULL, who, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, h->log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    assert_int_equal(posix_spawn(&h->pid, h->program, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    int sock = -1;
    for (int i = 0; i < 500 && sock < 0; i++) {
        sleep_ms(10);
        sock = file_socket_connect(h->top, "launcher.sock", NULL);
    }
    mem_close_fd(&sock);
}

static void connect_shop(struct hall *h, size_t i, struct err *err)
{
    struct workshop *s = h->shops[i];
    struct exec_conf conf = {.loop = &s->loop.loop, .launcher = h->socket};
    s->exec = exec_open(&conf, err);
}

static struct workshop *new_shop(struct hall *h, size_t i)
{
    struct workshop *s = mem_alloc(sizeof(*s));
    s->top = mem_printf("%s/shop%zu", h->top, i);
    AUTO_FREE char *runs = mem_printf("%s/runs", s->top);
    assert_true(file_make_dirs(runs, 0755, NULL));
    s->number = (int)i * 100;
    pl_init(&s->loop);
    return s;
}

static int enter_hall(void **state)
{
    struct hall *h = mem_alloc(sizeof(*h));
    char top[] = "/tmp/orch-hall-XXXXXX";
    struct err err = ERR_INIT;
    assert_non_null(mkdtemp(top));
    assert_int_equal(chmod(top, 0755), 0);
    h->top = mem_strdup(top);
    h->program = mem_printf("%s/orch-step", top);
    h->socket = mem_printf("%s/launcher.sock", top);
    h->log = mem_printf("%s/launcher.log", top);
    copy_program(PROGRAM, h->program);
    start_launcher(h, NULL);
    for (size_t i = 0; i < COUNT_OF(h->shops); i++) {
        h->shops[i] = new_shop(h, i);
        connect_shop(h, i, &err);
        if (h->shops[i]->exec == NULL) {
            fail_msg("%s", err.msg);
        }
    }
    *state = h;
    return 0;
}

static int stop_launcher(struct hall *h)
{
    int status = 0;
    bool ok = h->pid == 0 || (kill(h->pid, SIGTERM) == 0 && waitpid(h->pid, &status, 0) == h->pid);
    h->pid = 0;
    return ok ? status : -1;
}

static int leave_hall(void **state)
{
    struct hall *h = *state;
    for (size_t i = 0; i < COUNT_OF(h->shops); i++) {
        exec_close(h->shops[i]->exec);
        pl_done(&h->shops[i]->loop);
        free(h->shops[i]->top);
        free(h->shops[i]);
    }
    int status = stop_launcher(h);
    bool removed = file_remove_tree(h->top, NULL);
    free(h->top);
    free(h->program);
    free(h->socket);
    free(h->log);
    free(h);
    return removed && status == 0 ? 0 : -1;
}

/* ---- several engines
 * ------------------------------------------------------------------------------ */

static void two_engines_do_not_hear_of_each_other(void **state)
{
    struct hall *h = *state;
    struct job *jobs[2][20];
    for (size_t k = 0; k < 20; k++) { /* their tokens are the same */
        for (size_t i = 0; i < 2; i++) {
            jobs[i][k] = run_job(h->shops[i], &(struct recipe){.argv = quick});
        }
    }
    for (size_t k = 0; k < 20; k++) {
        for (size_t i = 0; i < 2; i++) {
            await_end(jobs[i][k]);
            assert_int_equal(jobs[i][k]->end.how, STEP_OK);
            free_job(jobs[i][k]);
        }
    }
}

static void a_reap_waits_for_the_own_child_alone(void **state)
{
    struct hall *h = *state;
    struct job *other = run_job(h->shops[0], &(struct recipe){.script = "sleep 100"});
    struct job *lost = run_job(h->shops[1], &(struct recipe){.script = "sleep 100"});
    await_began(other);
    await_began(lost);
    assert_int_equal(other->attempt != NULL && lost->attempt != NULL, 1);
    assert_int_equal(kill(supervisor_of(lost), SIGKILL), 0);
    await_end(lost);
    assert_int_equal(lost->end.how, STEP_LOST);
    exec_stop(other->attempt, true);
    await_end(other);
    assert_int_equal(other->end.how, STEP_CANCELLED);
    free_job(other);
    free_job(lost);
}

static void an_engine_leaves_and_the_next_goes_on_with_its_step(void **state)
{
    struct hall *h = *state;
    struct err err = ERR_INIT;
    struct workshop *s = h->shops[0];
    struct job *j = run_job(s, &(struct recipe){.script = "sleep 0.5; echo done; exit 3"});
    await_began(j);
    crash(s);
    connect_shop(h, 0, &err);
    assert_non_null(s->exec);
    enum exec_found found;
    j->began = 0;
    assert_true(
        exec_recover(s->exec, j->folder, &job_events, j, &found, &j->attempt, &j->end, &err));
    assert_int_equal(found, EXEC_RUNNING);
    await_end(j);
    assert_int_equal(j->end.exit_code, 3);
    free_job(j);
}

static void a_launcher_leaves_and_its_step_goes_on(void **state)
{
    struct hall *h = *state;
    struct err err = ERR_INIT;
    struct job *j = run_job(h->shops[0], &(struct recipe){.script = "sleep 0.5; exit 4"});
    await_began(j);
    assert_int_equal(stop_launcher(h), 0);
    assert_int_equal(access(h->socket, F_OK), -1);
    await_end(j);
    assert_int_equal(j->end.exit_code, 4);
    free_job(j);
    struct job *next = new_job(h->shops[0]);
    next->attempt = start_job(next, &(struct recipe){.argv = quick}, &err);
    assert_null(next->attempt);
    assert_contains(err.msg, "no launcher answers");
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    free_job(next);
    start_launcher(h, NULL);
    struct job *last = do_job(h->shops[0], &(struct recipe){.argv = quick});
    assert_int_equal(last->end.how, STEP_OK);
    free_job(last);
}

static void one_launcher_a_socket(void **state)
{
    struct hall *h = *state;
    struct hall second = {.top = h->top, .program = h->program, .socket = h->socket, .log = h->log};
    int status;
    start_launcher(&second, NULL);
    assert_int_equal(waitpid(second.pid, &status, 0), second.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
    AUTO_FREE char *log = read_text(h->top, "launcher.log");
    assert_contains(log, "another launcher listens on");
    struct job *j = do_job(h->shops[0], &(struct recipe){.argv = quick});
    assert_int_equal(j->end.how, STEP_OK);
    free_job(j);
}

static void facts_come_from_the_launcher(void **state)
{
    struct hall *h = *state;
    const struct step_facts *facts = NULL, *again = NULL;
    struct err err = ERR_INIT;
    if (!exec_facts(h->shops[0]->exec, &facts, &err)) {
        fail_msg("%s", err.msg);
    }
    assert_non_null(step_facts_find(facts, "memory"));
    assert_non_null(step_facts_find(facts, "gpus"));
    assert_non_null(step_facts_find(facts, "user"));
    assert_true(exec_facts(h->shops[0]->exec, &again, &err));
    assert_ptr_equal(facts, again);
}

/* ---- upgrades
 * ------------------------------------------------------------------------------------- */

static bool runs_deleted_program(pid_t pid)
{
    char path[64], target[4200];
    (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    ssize_t len = readlink(path, target, sizeof(target) - 1);
    assert_true(len > 0);
    target[len] = '\0';
    return strstr(target, "(deleted)") != NULL;
}

static void await_upgrade(const struct hall *h)
{
    for (int i = 0; i < 500 && runs_deleted_program(h->pid); i++) {
        sleep_ms(10);
    }
    assert_false(runs_deleted_program(h->pid));
}

static void children_stay_when_the_program_is_replaced(void **state)
{
    struct hall *h = *state;
    struct job *running = run_job(h->shops[0], &(struct recipe){.script = "sleep 1.5; exit 7"});
    struct job *doomed = run_job(h->shops[1], &(struct recipe){.script = "sleep 100"});
    await_began(running);
    await_began(doomed);
    pid_t supervisor = supervisor_of(running);
    for (int i = 0; i < 3; i++) {
        copy_program(PROGRAM, h->program);
        assert_true(runs_deleted_program(h->pid));
        assert_int_equal(kill(h->pid, SIGHUP), 0);
        await_upgrade(h);
        assert_int_equal(parent_of(supervisor), h->pid);
        struct job *j = do_job(h->shops[i % 2], &(struct recipe){.argv = quick});
        assert_int_equal(j->end.how, STEP_OK); /* over the link that was there before */
        free_job(j);
    }
    /* Its supervisor is known to be one: it is reaped as the link's own. */
    assert_int_equal(kill(supervisor_of(doomed), SIGKILL), 0);
    await_end(doomed);
    assert_int_equal(doomed->end.how, STEP_LOST);
    await_end(running);
    assert_int_equal(running->end.exit_code, 7);
    free_job(running);
    free_job(doomed);
}

static void what_does_not_understand_is_not_become(void **state)
{
    struct hall *h = *state;
    struct job *running = run_job(h->shops[0], &(struct recipe){.script = "sleep 0.5; exit 7"});
    await_began(running);
    copy_program("/bin/false", h->program);
    assert_int_equal(kill(h->pid, SIGHUP), 0);
    struct job *j = do_job(h->shops[1], &(struct recipe){.argv = quick});
    assert_int_equal(j->end.how, STEP_OK);
    free_job(j);
    assert_int_equal(unlink(h->program), 0);
    assert_int_equal(kill(h->pid, SIGHUP), 0);
    await_end(running);
    assert_int_equal(running->end.exit_code, 7);
    free_job(running);
    AUTO_FREE char *log = read_text(h->top, "launcher.log");
    assert_contains(log, "it does not understand");
    assert_contains(log, "cannot start it");
    assert_contains(log, "this version goes on");
}

/* ---- who may come
 * --------------------------------------------------------------------------------- */

/* What `body` returns, done by a process of another user. */
static int as_nobody(struct hall *h, int (*body)(struct hall *h))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        bool ok = setgroups(0, NULL) == 0 && setgid(NOBODY) == 0 && setuid(NOBODY) == 0;
        _exit(ok ? body(h) : 99);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int try_to_connect(struct hall *h)
{
    struct poll_loop loop;
    struct err err = ERR_INIT;
    const struct step_facts *facts;
    pl_init(&loop);
    struct exec *e =
        exec_open(&(struct exec_conf){.loop = &loop.loop, .launcher = h->socket}, &err);
    if (e == NULL) {
        return 1;
    }
    return exec_facts(e, &facts, &err) ? 0 : strstr(err.msg, "--allow") != NULL ? 2 : 3;
}

static void strangers_are_sent_away(void **state)
{
    struct hall *h = *state;
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(as_nobody(h, try_to_connect), 1); /* the socket's mode */
    assert_int_equal(stop_launcher(h), 0);
    start_launcher(h, "daemon"); /* another one: all may knock */
    assert_int_equal(as_nobody(h, try_to_connect), 2);
    assert_int_equal(stop_launcher(h), 0);
    start_launcher(h, "65534");
    assert_int_equal(as_nobody(h, try_to_connect), 0);
    assert_int_equal(stop_launcher(h), 0);
    start_launcher(h, "%65534");
    assert_int_equal(as_nobody(h, try_to_connect), 0);
}

/* ---- what others may have done
 * -------------------------------------------------------------------- */

static struct workshop *open_shop(struct hall *h, const char *name)
{
    struct workshop *s = mem_alloc(sizeof(*s));
    struct err err = ERR_INIT;
    s->top = mem_printf("%s/%s", h->top, name);
    pl_init(&s->loop);
    s->exec = exec_open(&(struct exec_conf){.loop = &s->loop.loop, .launcher = h->socket}, &err);
    return s->exec != NULL ? s : NULL;
}

static bool holds(const struct step_facts *facts, const char *name)
{
    const struct step_fact *fact = step_facts_find(facts, name);
    return fact != NULL && fact->holds;
}

static int run_as_nobody(struct hall *h)
{
    struct workshop *s = open_shop(h, "nobody");
    const struct step_facts *facts;
    if (s == NULL || !exec_facts(s->exec, &facts, NULL) || holds(facts, "user") ||
        holds(facts, "cores")) {
        return 1;
    }
    struct job *j = new_job(s);
    j->attempt = start_job(j, &(struct recipe){.script = "id -u; id -G; sleep 0.1"}, NULL);
    if (j->attempt == NULL) {
        return 2;
    }
    turn_until(s, &j->ended, 10000);
    AUTO_FREE char *log = read_text(j->folder, "log");
    if (j->end.how != STEP_OK || strstr(log, " o 65534\n") == NULL) {
        fprintf(stderr, "%s\n%s\n", j->end.message, log);
        return 3;
    }
    /* What is lost is reaped with its rights. */
    struct job *lost = new_job(s);
    lost->attempt = start_job(lost, &(struct recipe){.script = "setsid sleep 99 & sleep 99"}, NULL);
    turn_until(s, &lost->began, 10000);
    if (kill(supervisor_of(lost), SIGKILL) != 0) {
        return 4;
    }
    turn_until(s, &lost->ended, 10000);
    return lost->end.how == STEP_LOST ? 0 : 5;
}

static void allowed_users_get_what_they_could_do_themselves(void **state)
{
    struct hall *h = *state;
    AUTO_FREE char *top = mem_printf("%s/nobody", h->top);
    AUTO_FREE char *runs = mem_printf("%s/runs", top);
    AUTO_FREE char *store = mem_printf("%s/store", top);
    if (geteuid() != 0) {
        skip();
    }
    assert_true(file_make_dirs(runs, 0755, NULL) && file_make_dirs(store, 0755, NULL));
    assert_int_equal(
        chown(top, NOBODY, NOBODY) | chown(runs, NOBODY, NOBODY) | chown(store, NOBODY, NOBODY), 0);
    assert_int_equal(stop_launcher(h), 0);
    start_launcher(h, "65534");
    assert_int_equal(as_nobody(h, run_as_nobody), 0);
}

/* Asks for what is root's: a folder, a user, somebody else's processes. */
struct theft {
    int folder; /* open */
    int64_t uid;
    const char *expect;
};
static struct theft theft;

static char *refusal(int sock)
{
    static struct buf raw;
    struct step_msg got = {0};
    struct pollfd fd = {.fd = sock, .events = POLLIN};
    int fds[STEP_MSG_FDS];
    bool ok = poll(&fd, 1, 10000) == 1 && step_recv(sock, &raw, &got, fds, NULL) == 1 &&
              got.kind == MSG_REFUSED;
    return ok ? got.text : NULL;
}

static int steal(struct hall *h)
{
    char *argv[] = {(char[]){"/bin/true"}, NULL};
    char run[] = "r", step[] = "s", cwd[] = "/";
    struct step_spec spec = {
        .run = run, .step = step, .attempt = 1, .argv = argv, .argc = 1, .cwd = cwd, .store = cwd};
    AUTO_BUF struct buf bytes = BUF_INIT(LIMIT_SPEC);
    spec.sandbox.has_user = theft.uid >= 0;
    spec.sandbox.uid = theft.uid;
    int pair[2], sock = file_socket_connect(h->top, "launcher.sock", NULL);
    int record = openat(theft.folder, "record", O_RDONLY | O_CLOEXEC);
    if (sock < 0 || record < 0 || !step_spec_encode(&spec, &bytes, NULL) ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return 1;
    }
    struct step_msg msg = {
        .kind = MSG_LAUNCH, .token = 1, .spec = bytes.data, .spec_len = bytes.len};
    if (!step_send(sock, &msg, (int[]){theft.folder, record, pair[1]}, 3, NULL)) {
        return 2;
    }
    const char *said = refusal(sock);
    return said != NULL && strstr(said, theft.expect) != NULL ? 0 : 3;
}

static void and_nothing_more(void **state)
{
    struct hall *h = *state;
    AUTO_FREE char *folder = mem_printf("%s/attempt", h->top);
    AUTO_FREE char *path = mem_printf("%s/record", folder);
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(mkdir(folder, 0755), 0);
    theft.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int record = record_create(theft.folder, "r", "s", 1, clock_boot_id(), NULL);
    assert_true(record >= 0 && fchmod(record, 0644) == 0);
    assert_int_equal(stop_launcher(h), 0);
    start_launcher(h, "65534");
    theft.uid = -1;
    theft.expect = "the attempt's folder does not belong to user 65534";
    assert_int_equal(as_nobody(h, steal), 0);
    assert_int_equal(chown(folder, NOBODY, NOBODY), 0);
    theft.expect = "the attempt's record does not belong to user 65534";
    assert_int_equal(as_nobody(h, steal), 0);
    assert_int_equal(chown(path, NOBODY, NOBODY), 0);
    theft.uid = 0;
    theft.expect = "as that user alone, not as user 0";
    assert_int_equal(as_nobody(h, steal), 0);
    theft.uid = NOBODY;
    theft.expect = "with other groups"; /* gid 0 */
    assert_int_equal(as_nobody(h, steal), 0);
    close(record);
    close(theft.folder);
}

static int reap_others(struct hall *h)
{
    struct workshop *s = open_shop(h, "nobody");
    int64_t killed = -1;
    if (s == NULL) {
        return 1;
    }
    /* It may wait as long as it likes for what it may not kill. */
    return exec_reap(s->exec, "/nowhere", RUN, "step1", 1, &killed, NULL) && killed == 0 ? 0 : 2;
}

static void others_processes_are_not_reaped(void **state)
{
    struct hall *h = *state;
    if (geteuid() != 0) {
        skip();
    }
    struct job *j = run_job(h->shops[0], &(struct recipe){.script = "sleep 1; exit 9"});
    assert_string_equal(j->name, "step1");
    await_began(j);
    assert_int_equal(stop_launcher(h), 0);
    start_launcher(h, "65534");
    assert_int_equal(as_nobody(h, reap_others), 0);
    await_end(j);
    assert_int_equal(j->end.exit_code, 9);
    free_job(j);
}

static void who_is_allowed_must_be_known(void **state)
{
    (void)state;
    char program[] = PROGRAM, serve[] = "serve", socket[] = "--socket", path[] = "/tmp/x.sock",
         allow[] = "--allow", who[] = "no-such-user";
    char *argv[] = {program, serve, socket, path, allow, who, NULL};
    pid_t pid;
    int status;
    assert_int_equal(posix_spawn(&pid, program, NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_hall, leave_hall)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(two_engines_do_not_hear_of_each_other),
        TEST(a_reap_waits_for_the_own_child_alone),
        TEST(an_engine_leaves_and_the_next_goes_on_with_its_step),
        TEST(a_launcher_leaves_and_its_step_goes_on),
        TEST(one_launcher_a_socket),
        TEST(facts_come_from_the_launcher),
        TEST(children_stay_when_the_program_is_replaced),
        TEST(what_does_not_understand_is_not_become),
        TEST(strangers_are_sent_away),
        TEST(allowed_users_get_what_they_could_do_themselves),
        TEST(and_nothing_more),
        TEST(others_processes_are_not_reaped),
        cmocka_unit_test(who_is_allowed_must_be_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
