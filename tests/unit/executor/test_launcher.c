/* orch-step spoken to directly, by an engine that means no good. */
#include "workshop.h"

#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>

extern char **environ;

struct wire_end {
    int sock;
    pid_t pid;
};

static int enter(void **state)
{
    static struct wire_end w;
    int pair[2];
    posix_spawn_file_actions_t actions;
    char program[] = PROGRAM, serve[] = "serve", fd[] = "--fd", three[] = "3";
    char *argv[] = {program, serve, fd, three, NULL};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return -1;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pair[1], 3);
    int failed = posix_spawn(&w.pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pair[1]);
    w.sock = pair[0];
    *state = &w;
    return failed;
}

static int leave(void **state)
{
    struct wire_end *w = *state;
    int status;
    close(w->sock);
    return waitpid(w->pid, &status, 0) == w->pid && status == 0 ? 0 : -1;
}

static bool await_message(int sock, struct step_msg *msg)
{
    static struct buf raw;
    struct pollfd fd = {.fd = sock, .events = POLLIN};
    int fds[STEP_MSG_FDS];
    return poll(&fd, 1, 10000) == 1 && step_recv(sock, &raw, msg, fds, NULL) == 1;
}

static void garbage_is_dropped(void **state)
{
    struct wire_end *w = *state;
    char big[70000];
    struct step_msg msg = {.kind = MSG_LAUNCH, .token = 7}, got = {0};
    memset(big, 'x', sizeof(big));
    assert_int_equal(send(w->sock, "hello", 5, 0), 5);
    assert_int_equal(send(w->sock, big, sizeof(big), 0), sizeof(big)); /* longer than any message */
    msg.kind = MSG_STOP;                                               /* not for a launcher */
    assert_true(step_send(w->sock, &msg, NULL, 0, NULL));
    msg.kind = MSG_LAUNCH; /* without descriptors */
    assert_true(step_send(w->sock, &msg, NULL, 0, NULL));
    assert_true(await_message(w->sock, &got));
    assert_int_equal(got.kind, MSG_REFUSED);
    assert_int_equal(got.token, 7);
    assert_contains(got.text, "descriptors");
    step_msg_done(&got);
}

static void a_damaged_spec_is_told_by_the_supervisor(void **state)
{
    struct wire_end *w = *state;
    char top[] = "/tmp/orch-launch-XXXXXX";
    struct step_msg msg = {.kind = MSG_LAUNCH, .token = 8, .spec = "junk", .spec_len = 4},
                    got = {0};
    int pair[2];
    assert_non_null(mkdtemp(top));
    int dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int record = record_create(dir, "r", "s", 1, clock_boot_id(), NULL);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_true(step_send(w->sock, &msg, (int[]){dir, record, pair[1]}, 3, NULL));
    close(pair[1]);
    assert_true(await_message(pair[0], &got));
    assert_int_equal(got.kind, MSG_END);
    assert_int_equal(got.end.how, STEP_SPAWN);
    assert_contains(got.end.message, "damaged");
    step_msg_done(&got);
    close(pair[0]);
    close(dir);
    close(record);
    assert_true(file_remove_tree(top, NULL));
}

static void wrong_descriptors_end_one_supervisor_alone(void **state)
{
    struct wire_end *w = *state;
    struct step_msg msg = {.kind = MSG_LAUNCH, .token = 9, .spec = "junk", .spec_len = 4},
                    got = {0};
    int pair[2], pipes[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    assert_true(step_send(w->sock, &msg, (int[]){pipes[0], pipes[1], pipes[0]}, 3, NULL));
    assert_true(step_send(w->sock, &msg, (int[]){pair[0], pair[0], pair[1], pipes[0]}, 4, NULL));
    close(pair[1]);
    assert_true(await_message(pair[0], &got)); /* it can still speak */
    assert_int_equal(got.kind, MSG_END);
    step_msg_done(&got);
    /* A spec beside the message is sealed memory or nothing: what could change is not read. */
    int memory = memfd_create("spec", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(memory >= 0);
    const int specs[] = {pipes[0], memory};
    for (size_t i = 0; i < COUNT_OF(specs); i++) {
        msg = (struct step_msg){.kind = MSG_LAUNCH, .token = 10};
        int fds[] = {pipes[0], pipes[1], pair[0], specs[i]};
        assert_true(step_send(w->sock, &msg, fds, 4, NULL));
        assert_true(await_message(w->sock, &got));
        assert_int_equal(got.kind, MSG_REFUSED);
        assert_contains(got.text, "no sealed memory");
        step_msg_done(&got);
    }
    close(memory);
    msg = (struct step_msg){
        .kind = MSG_REAP, .token = 11, .run = (char[]){"r"}, .step = (char[]){"s"}, .attempt = 1};
    assert_true(step_send(w->sock, &msg, NULL, 0, NULL));
    assert_true(await_message(w->sock, &got));
    assert_int_equal(got.kind, MSG_REAPED);
    assert_int_equal(got.token, 11);
    assert_int_equal(got.number, 0);
    step_msg_done(&got);
    close(pair[0]);
    close(pipes[0]);
    close(pipes[1]);
}

static void a_spec_without_limits_says_nothing_of_them(void **state)
{
    (void)state;
    char *argv[] = {(char[]){"true"}, NULL};
    char run[] = "r", step[] = "s", cwd[] = "/", list[] = "0,2";
    struct step_spec spec = {
        .run = run, .step = step, .attempt = 1, .argv = argv, .argc = 1, .cwd = cwd, .store = cwd};
    AUTO_BUF struct buf plain = BUF_INIT(LIMIT_SPEC);
    AUTO_BUF struct buf limited = BUF_INIT(LIMIT_SPEC);
    struct step_limits limits = {.memory = 1};
    assert_true(step_spec_encode(&spec, &plain, NULL));
    assert_true(plain.len < 60); /* six members, each with its head */
    assert_true(step_spec_limits(plain.data, plain.len, &limits));
    assert_false(step_limits_any(&limits) || limits.gpus != 0 || limits.best_effort);
    spec.limits = (struct step_limits){
        .memory = 64 << 20, .io_write_ops = 5, .core_list = list, .best_effort = true};
    assert_true(step_spec_encode(&spec, &limited, NULL));
    assert_true(step_spec_limits(limited.data, limited.len, &limits));
    assert_int_equal(limits.memory, 64 << 20);
    assert_int_equal(limits.io_write_ops, 5);
    assert_int_equal(limits.pids, 0);
    assert_string_equal(limits.core_list, list);
    assert_true(limits.best_effort);
    step_limits_done(&limits);
    assert_null(limits.core_list);
    /* Damaged: nothing is taken for it, its supervisor says so. */
    for (size_t cut = 1; cut < limited.len; cut++) {
        if (step_spec_limits(limited.data, cut, &limits)) {
            step_limits_done(&limits);
        }
    }
    assert_false(step_spec_limits("junk", 4, &limits));
}

static int run_program(char *const *argv)
{
    pid_t pid;
    int status;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    assert_int_equal(posix_spawn(&pid, argv[0], &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void the_command_line_is_checked(void **state)
{
    (void)state;
    static const struct {
        const char *words[4];
        int code;
    } cases[] = {
        {{"--version"}, 0},
        {{"--help"}, 0},
        {{NULL}, 2},
        {{"serve"}, 2},
        {{"serve", "--fd", "x"}, 2},
        {{"serve", "--fd", "1"}, 2},
        {{"serve", "--fd", "99"}, 2},
        {{"serve", "--socket"}, 2},
        {{"serve", "--socket", "relative"}, 2},
        {{"serve", "--allow", "root"}, 2},
        {{"--can-resume", "1"}, 0},
        {{"--can-resume", "2"}, 1},
        {{"serve", "--fd", "99999999999999999999"}, 2},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *argv[6] = {mem_strdup(PROGRAM)};
        for (size_t k = 0; k < 4 && cases[i].words[k] != NULL; k++) {
            argv[k + 1] = mem_strdup(cases[i].words[k]);
        }
        assert_int_equal(run_program(argv), cases[i].code);
        for (size_t k = 0; k < 6; k++) {
            free(argv[k]);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(garbage_is_dropped),
        TEST(a_damaged_spec_is_told_by_the_supervisor),
        TEST(wrong_descriptors_end_one_supervisor_alone),
        cmocka_unit_test(a_spec_without_limits_says_nothing_of_them),
        cmocka_unit_test(the_command_line_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
