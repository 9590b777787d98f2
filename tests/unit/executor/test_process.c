/* Steps under a real orch-step: how they end, what they may do, how they are stopped. */
#include "workshop.h"

static void ends_as_the_command_ended(void **state)
{
    static const struct {
        const char *script;
        enum step_how how;
        int exit_code, signal;
        const char *message;
    } cases[] = {
        {"exit 0", STEP_OK, 0, 0, ""},
        {"exit 1", STEP_EXIT, 1, 0, "the command ended with exit code 1"},
        {"exit 255", STEP_EXIT, 255, 0, "exit code 255"},
        {"false; echo not reached", STEP_EXIT, 1, 0, "exit code 1"},
        {"kill -9 $$", STEP_SIGNAL, -1, SIGKILL, "killed by signal 9 (SIGKILL)"},
        {"kill -SEGV $$", STEP_SIGNAL, -1, SIGSEGV, "killed by signal 11 (SIGSEGV)"},
        {"kill -TERM $$", STEP_SIGNAL, -1, SIGTERM, "killed by signal 15 (SIGTERM)"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct job *j = do_job(*state, &(struct recipe){.script = cases[i].script});
        assert_int_equal(j->end.how, cases[i].how);
        assert_int_equal(j->end.exit_code, cases[i].exit_code);
        assert_int_equal(j->end.signal, cases[i].signal);
        assert_contains(j->end.message, cases[i].message);
        assert_true(j->end.began_ms > 0 && j->end.ended_ms >= j->end.began_ms);
        assert_true(j->end.usage.peak_bytes > 0);
        assert_false(j->end.has_output || j->end.has_metrics || j->end.has_files);
        free_job(j);
    }
}

static void a_list_runs_without_a_shell(void **state)
{
    const char *argv[] = {"printf", "%s|", "a b", "$HOME", "", "*", NULL};
    struct job *j = do_job(*state, &(struct recipe){.argv = argv});
    AUTO_FREE char *log = read_text(j->folder, "log");
    assert_int_equal(j->end.how, STEP_OK);
    assert_contains(log, " O a b|$HOME||*|\n");
    free_job(j);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    assert_true(fd >= 0 && file_write_all(fd, text, strlen(text), NULL));
    close(fd);
}

static void what_cannot_start_says_why(void **state)
{
    struct workshop *s = *state;
    AUTO_FREE char *plain = mem_printf("%s/plain", s->top);
    AUTO_FREE char *script = mem_printf("%s/script.sh", s->top);
    AUTO_FREE char *dos = mem_printf("%s/dos.sh", s->top);
    AUTO_FREE char *bare = mem_printf("%s/bare", s->top);
    write_file(plain, "x", 0644);
    write_file(script, "#!/no/such/shell -e\n", 0755);
    write_file(dos, "#!/bin/sh\r\necho\r\n", 0755);
    write_file(bare, "echo hello\n", 0755);
    const struct {
        const char *program, *cwd, *message;
    } cases[] = {
        {"pyhton3", NULL, "command 'pyhton3' was not found in PATH (/usr/bin:/bin)"},
        {"./nothing", NULL, "the command './nothing' does not exist in the working directory"},
        {"/no/such/program", NULL, "the command '/no/such/program' does not exist"},
        {plain, NULL, "is not executable: make it so with chmod +x"},
        {script, NULL, "the interpreter '/no/such/shell', named in the first line of"},
        {dos, NULL, "Windows line ends"},
        {bare, NULL, "names no interpreter (#!)"},
        {"true", "/no/such/folder", "the working directory /no/such/folder does not exist"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *argv[] = {cases[i].program, NULL};
        struct job *j = do_job(s, &(struct recipe){.argv = argv, .cwd = cases[i].cwd});
        assert_int_equal(j->end.how, STEP_SPAWN);
        assert_int_equal(j->end.exit_code, -1);
        assert_int_equal(j->end.began_ms, 0);
        assert_contains(j->end.message, cases[i].message);
        assert_int_equal(j->began, 0);
        free_job(j);
    }
}

static void the_command_inherits_nothing(void **state)
{
    /* Descriptors 0, 1, 2 and the one of ls; no blocked or ignored signals; a group of its own. */
    struct job *j = do_job(
        *state, &(struct recipe){
                    .script = "ls /proc/self/fd | tr '\\n' ' '; echo\n"
                              "readlink /proc/self/fd/0\n"
                              "grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\\t\\n'; echo\n"
                              "env | wc -l; pwd\n"});
    AUTO_FREE char *log = read_text(j->folder, "log");
    assert_contains(log, " o 0 1 2 3 \n");
    assert_contains(log, " o /dev/null\n");
    assert_contains(log, "SigBlk:0000000000000000SigIgn:0000000000000000\n");
    assert_contains(log, j->shop->top);
    free_job(j);
}

static void large_specs_travel_in_a_memfd(void **state)
{
    char *env = mem_alloc(120001);
    memset(env, 'x', 120000);
    memcpy(env, "BIG=", 4);
    struct job *j = do_job(*state, &(struct recipe){.script = "echo ${#BIG}", .env = env});
    AUTO_FREE char *log = read_text(j->folder, "log");
    assert_int_equal(j->end.how, STEP_OK);
    assert_contains(log, " o 119996\n");
    free(env);
    free_job(j);
}

static void long_steps_tell_that_they_began(void **state)
{
    struct job *j = do_job(*state, &(struct recipe){.script = "sleep 0.1", .sync_began = true});
    assert_int_equal(j->began, 1);
    assert_int_equal(j->began_ms, j->end.began_ms);
    free_job(j);
}

static void a_timeout_terminates_then_kills(void **state)
{
    struct job *j = do_job(*state, &(struct recipe){.script = "sleep 60", .timeout_ms = 100});
    assert_int_equal(j->end.how, STEP_TIMEOUT);
    assert_int_equal(j->end.signal, SIGTERM);
    assert_contains(j->end.message, "the timeout of 100ms was reached; the command was stopped");
    free_job(j);

    struct recipe stubborn = {
        .script = "trap '' TERM; while :; do sleep 0.05; done", .timeout_ms = 100, .grace_ms = 200};
    j = do_job(*state, &stubborn);
    assert_int_equal(j->end.how, STEP_TIMEOUT);
    assert_int_equal(j->end.signal, SIGKILL);
    assert_true(j->end.ended_ms - j->end.began_ms >= 295);
    assert_true(j->end.ended_ms - j->end.began_ms < 5000);
    assert_contains(j->end.message, "was killed");
    free_job(j);

    j = do_job(*state, &(struct recipe){.script = "sleep 60", .timeout_ms = 1});
    assert_int_equal(j->end.how, STEP_TIMEOUT);
    free_job(j);
}

static void grace_is_for_the_children_of_a_shell_too(void **state)
{
    /* The shell dies of TERM at once; its child writes its checkpoint first. */
    struct job *j = run_job(
        *state, &(struct recipe){
                    .script = "sh -c 'trap \"sleep 0.3; echo saved; exit 0\" TERM; echo ready; "
                              "while :; do sleep 0.05; done'\necho never",
                    .grace_ms = 5000});
    await_began(j);
    sleep_ms(200);
    exec_stop(j->attempt, false);
    await_end(j);
    AUTO_FREE char *log = read_text(j->folder, "log");
    assert_int_equal(j->end.how, STEP_CANCELLED);
    assert_contains(log, " o saved\n");
    assert_true(j->end.ended_ms - j->end.began_ms < 4000);
    free_job(j);
}

static void cancel_stops_and_a_second_kills(void **state)
{
    struct recipe stubborn = {.script = "trap '' TERM; echo up; while :; do sleep 0.05; done",
                              .grace_ms = 60000};
    struct job *j = run_job(*state, &stubborn);
    await_began(j);
    sleep_ms(100);
    exec_stop(j->attempt, false);
    turn_until(*state, &j->ended, 300);
    assert_int_equal(j->ended, 0);
    exec_stop(j->attempt, true);
    await_end(j);
    assert_int_equal(j->end.how, STEP_CANCELLED);
    assert_int_equal(j->end.signal, SIGKILL);
    free_job(j);

    j = run_job(*state, &(struct recipe){.script = "sleep 60"});
    exec_stop(j->attempt, false); /* before it has been heard of */
    await_end(j);
    assert_int_equal(j->end.how, STEP_CANCELLED);
    free_job(j);
}

static void a_stopped_process_hears_of_its_end(void **state)
{
    struct job *j = run_job(*state, &(struct recipe){.script = "kill -STOP $$; echo on"});
    await_began(j);
    exec_stop(j->attempt, false);
    await_end(j);
    assert_int_equal(j->end.how, STEP_CANCELLED);
    assert_int_equal(j->end.signal, SIGTERM);
    free_job(j);
}

static void a_shutdown_is_no_cancel(void **state)
{
    struct job *j = run_job(*state, &(struct recipe){.script = "sleep 60"});
    await_began(j);
    assert_int_equal(kill(supervisor_of(j), SIGTERM), 0);
    await_end(j);
    assert_int_equal(j->end.how, STEP_SHUTDOWN);
    free_job(j);
}

static void daemons_are_killed_at_the_end(void **state)
{
    struct job *j = do_job(
        *state, &(struct recipe){.script = "setsid sh -c 'echo $$ >\"$TOP/daemon.tmp\"; "
                                           "mv \"$TOP/daemon.tmp\" \"$TOP/daemon\"; "
                                           "trap \"\" TERM HUP; sleep 300 & wait' &\n"
                                           "while ! test -s \"$TOP/daemon\"; do sleep 0.01; done"});
    AUTO_FREE char *log = read_text(j->folder, "log");
    pid_t pid = await_number(j->shop->top, "daemon");
    assert_int_equal(j->end.how, STEP_OK);
    assert_false(is_alive(pid));
    assert_contains(log, " s 2 processes that the command left running were killed\n");
    free_job(j);
}

static void many_at_once(void **state)
{
    enum { COUNT = 300 };
    struct job *jobs[COUNT];
    const char *argv[] = {"true", NULL};
    for (int i = 0; i < COUNT; i++) {
        jobs[i] = run_job(*state, &(struct recipe){.argv = argv});
    }
    for (int i = 0; i < COUNT; i++) {
        await_end(jobs[i]);
        assert_int_equal(jobs[i]->end.how, STEP_OK);
    }
    for (int i = 0; i < COUNT; i++) {
        free_job(jobs[i]);
    }
}

static void usage_is_measured(void **state)
{
    struct job *j =
        do_job(*state,
               &(struct recipe){.script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; "
                                          "head -c 30000000 /dev/zero | tail -c 20000000 | wc -c"});
    assert_int_equal(j->end.how, STEP_OK);
    assert_true(j->end.usage.cpu_us > 20000);
    assert_true(j->end.usage.peak_bytes > 15000000);
    free_job(j);
}

/* An engine that dies between preparing and launching leaves a folder in which nothing began. */
static void a_prepared_folder_is_made_anew_but_a_used_one_is_kept(void **state)
{
    struct workshop *s = *state;
    struct err err = ERR_INIT;
    struct job *j = new_job(s);
    assert_int_equal(mkdir(j->folder, 0755), 0);
    const char *argv[] = {"true", NULL};
    j->attempt = start_job(j, &(struct recipe){.argv = argv}, &err);
    assert_non_null(j->attempt);
    await_end(j);
    assert_int_equal(j->end.how, STEP_OK);
    exec_finish(mem_steal(j->attempt));
    assert_null(start_job(j, &(struct recipe){.argv = argv}, &err));
    assert_int_equal(err.code, ERR_EXISTS);
    free_job(j);
}

static void a_wrong_program_is_named(void **state)
{
    struct workshop *s = *state;
    struct err err = ERR_INIT;
    exec_close(s->exec);
    struct exec_conf conf = {.step_program = "/bin/true", .loop = &s->loop.loop};
    s->exec = exec_open(&conf, &err);
    assert_non_null(s->exec);
    const char *argv[] = {"true", NULL};
    struct job *j = new_job(s);
    j->attempt = start_job(j, &(struct recipe){.argv = argv}, &err);
    if (j->attempt != NULL) { /* it was quicker than the death of the program */
        await_end(j);
        assert_int_equal(j->end.how, STEP_SPAWN);
    }
    assert_contains(j->attempt != NULL ? j->end.message : err.msg,
                    "/bin/true ends as soon as it is started");
    free_job(j);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_workshop, leave_workshop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ends_as_the_command_ended),
        TEST(a_list_runs_without_a_shell),
        TEST(what_cannot_start_says_why),
        TEST(the_command_inherits_nothing),
        TEST(large_specs_travel_in_a_memfd),
        TEST(long_steps_tell_that_they_began),
        TEST(a_timeout_terminates_then_kills),
        TEST(grace_is_for_the_children_of_a_shell_too),
        TEST(cancel_stops_and_a_second_kills),
        TEST(a_stopped_process_hears_of_its_end),
        TEST(a_shutdown_is_no_cancel),
        TEST(daemons_are_killed_at_the_end),
        TEST(many_at_once),
        TEST(usage_is_measured),
        TEST(a_prepared_folder_is_made_anew_but_a_used_one_is_kept),
        TEST(a_wrong_program_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
