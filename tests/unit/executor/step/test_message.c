/* Specs, messages and lists of files: there and back, cut at every byte, and over a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "executor/step/step.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void make_spec(struct step_spec *spec)
{
    *spec = (struct step_spec){0};
    spec->run = mem_strdup("run");
    spec->step = mem_strdup("train.2");
    spec->attempt = 3;
    spec->argc = 2;
    spec->argv = mem_array(3, sizeof(char *));
    spec->argv[0] = mem_strdup("/bin/sh");
    spec->argv[1] = mem_strdup("");
    spec->script = mem_strdup("echo \"hello\"\n");
    spec->env_count = 2;
    spec->env = mem_array(3, sizeof(char *));
    spec->env[0] = mem_strdup("PATH=/bin");
    spec->env[1] = mem_strdup("EMPTY=");
    spec->cwd = mem_strdup("/tmp");
    spec->store = mem_strdup("/tmp/store");
    spec->output_count = 1;
    spec->outputs = mem_array(1, sizeof(*spec->outputs));
    spec->outputs[0] = (struct step_want){mem_strdup("model"), mem_strdup("a/model.pkl"), true};
    spec->secret_count = 1;
    spec->secrets = mem_array(1, sizeof(char *));
    spec->secrets[0] = mem_strdup("hunter22");
    spec->timeout_ms = 5;
    spec->grace_ms = 6;
    spec->log_limit = 7;
    spec->log_fail = true;
    spec->sync_began = true;
}

static void a_spec_comes_back(void **state)
{
    (void)state;
    struct step_spec spec, got;
    struct err err = ERR_INIT;
    AUTO_BUF struct buf bytes = BUF_INIT(LIMIT_SPEC);
    make_spec(&spec);
    assert_true(step_spec_encode(&spec, &bytes, &err));
    assert_true(step_spec_decode(bytes.data, bytes.len, &got, &err));
    assert_string_equal(got.step, "train.2");
    assert_int_equal(got.attempt, 3);
    assert_int_equal(got.argc, 2);
    assert_string_equal(got.argv[1], "");
    assert_null(got.argv[2]); /* ready for execve */
    assert_null(got.env[2]);
    assert_string_equal(got.env[1], "EMPTY=");
    assert_string_equal(got.script, spec.script);
    assert_string_equal(got.outputs[0].path, "a/model.pkl");
    assert_true(got.outputs[0].optional && got.log_fail && got.sync_began);
    assert_string_equal(got.secrets[0], "hunter22");
    assert_int_equal(got.timeout_ms + got.grace_ms + got.log_limit, 18);
    step_spec_done(&got);
    /* A spec that is cut anywhere is refused or complete enough to pass all checks; never a crash.
     */
    for (size_t cut = 0; cut < bytes.len; cut++) {
        if (step_spec_decode(bytes.data, cut, &got, &err)) {
            step_spec_done(&got);
        }
    }
    step_spec_done(&spec);
}

static void a_spec_is_checked(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    for (int i = 0; i < 11; i++) {
        struct step_spec spec;
        AUTO_BUF struct buf bytes = BUF_INIT(LIMIT_SPEC);
        make_spec(&spec);
        char *kept = NULL;
        size_t argc = spec.argc;
        switch (i) {
        case 0:
            spec.argc = 0;
            break;
        case 1:
            spec.argv[0][0] = '\0';
            break;
        case 2:
            spec.cwd[0] = 'x';
            break;
        case 3:
            spec.store[0] = 'x';
            break;
        case 4:
            spec.attempt = 0;
            break;
        case 5:
            spec.env[0][4] = 'x';
            break;
        case 6:
            memcpy(spec.outputs[0].path, "../x", 5);
            break;
        case 7:
            spec.secrets[0][3] = '\0';
            break;
        case 8:
            spec.grace_ms = -1;
            break;
        case 9:
            spec.run[0] = '\0';
            break;
        default:
            kept = spec.step;
            spec.step = mem_alloc(200);
            memset(spec.step, 'x', 199);
            break;
        }
        assert_false(step_spec_encode(&spec, &bytes, &err));
        assert_true(err.code == ERR_INVALID || err.code == ERR_LIMIT);
        spec.argc = argc;
        free(kept);
        step_spec_done(&spec);
    }
}

static void a_spec_has_a_bound(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct step_spec spec;
    AUTO_BUF struct buf bytes = BUF_INIT(LIMIT_SPEC);
    make_spec(&spec);
    free(spec.script);
    spec.script = mem_alloc(LIMIT_SPEC + 1);
    memset(spec.script, 'x', LIMIT_SPEC);
    assert_false(step_spec_encode(&spec, &bytes, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    step_spec_done(&spec);
}

static void files_come_back(void **state)
{
    (void)state;
    struct step_files files = {0}, got;
    AUTO_BUF struct buf bytes = BUF_INIT(1 << 20);
    for (int i = 0; i < 5; i++) {
        struct step_file *file = step_files_add(&files);
        file->artifact = i > 0;
        file->name = mem_printf("name %d", i);
        file->path = mem_printf("out/%d", i);
        memset(file->digest, 'a', DIGEST_TEXT - 1);
        file->size = i;
        file->files = 1;
        file->folder = i == 3;
    }
    step_files_encode(&files, &bytes);
    assert_true(step_files_decode(bytes.data, bytes.len, &got, NULL));
    assert_int_equal(got.count, 5);
    assert_string_equal(got.items[4].path, "out/4");
    assert_true(got.items[3].folder && got.items[3].artifact && !got.items[0].artifact);
    step_files_done(&got);
    for (size_t cut = 1; cut < bytes.len; cut++) {
        if (step_files_decode(bytes.data, cut, &got, NULL)) {
            assert_true(got.count < 5); /* a cut between two files is a shorter list */
            step_files_done(&got);
        }
    }
    step_files_done(&files);
}

static void messages_travel_with_descriptors(void **state)
{
    (void)state;
    int pair[2], fds[STEP_MSG_FDS], pipe_fds[2];
    struct err err = ERR_INIT;
    AUTO_BUF struct buf raw = BUF_INIT(LIMIT_MESSAGE);
    char run[] = "run", step[] = "step";
    struct step_msg msg = {.kind = MSG_REAP, .token = 5, .run = run, .step = step, .attempt = 2},
                    got;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    assert_int_equal(step_recv(pair[1], &raw, &got, fds, &err), 0);
    assert_true(step_send(pair[0], &msg, pipe_fds, 2, &err));
    assert_int_equal(step_recv(pair[1], &raw, &got, fds, &err), 1);
    assert_int_equal(got.kind, MSG_REAP);
    assert_int_equal(got.token, 5);
    assert_string_equal(got.step, "step");
    assert_true(fds[0] >= 0 && fds[1] >= 0 && fds[2] == -1 && fds[3] == -1);
    assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(read(pipe_fds[0], run, 1), 1);
    close(fds[0]);
    close(fds[1]);
    step_msg_done(&got);

    assert_int_equal(send(pair[0], "garbage", 7, 0), 7);
    assert_int_equal(step_recv(pair[1], &raw, &got, fds, &err), -1);
    assert_int_equal(err.code, ERR_CORRUPT);

    size_t sent = 0;
    while (step_send(pair[0], &msg, NULL, 0, &err)) {
        sent++;
    }
    assert_int_equal(err.code, ERR_BUSY);
    assert_true(sent > 10);
    close(pair[0]); /* what was sent before is still read */
    for (size_t i = 0; i < sent; i++) {
        assert_int_equal(step_recv(pair[1], &raw, &got, fds, &err), 1);
        step_msg_done(&got);
    }
    assert_int_equal(step_recv(pair[1], &raw, &got, fds, &err), -1);
    assert_false(step_send(pair[1], &msg, NULL, 0, &err)); /* and no SIGPIPE */
    close(pair[1]);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_spec_comes_back),
        cmocka_unit_test(a_spec_is_checked),
        cmocka_unit_test(a_spec_has_a_bound),
        cmocka_unit_test(files_come_back),
        cmocka_unit_test(messages_travel_with_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
