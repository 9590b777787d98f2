/* kill -9 of everybody: the supervisor, the launcher, the engine. */
#include "workshop.h"

static enum exec_found recover(struct job *j)
{
    enum exec_found found = EXEC_LOST;
    struct err err = ERR_INIT;
    j->attempt = NULL;
    if (!exec_recover(j->shop->exec, j->folder, &job_events, j, &found, &j->attempt, &j->end,
                      &err)) {
        fail_msg("%s", err.msg);
    }
    return found;
}

/* ---- the supervisor
 * -------------------------------------------------------------------------------- */

static void a_dead_supervisor_is_a_lost_attempt(void **state)
{
    struct workshop *s = *state;
    struct job *j = run_job(
        s,
        &(struct recipe){
            .script = "setsid sh -c 'echo $$ >\"$TOP/d.tmp\"; mv \"$TOP/d.tmp\" \"$TOP/daemon\"; "
                      "sleep 300' &\n"
                      "env -i setsid sh -c 'echo $$ >\"$1/h.tmp\"; mv \"$1/h.tmp\" \"$1/hidden\"; "
                      "sleep 300' x \"$TOP\" &\n"
                      "echo $$ >\"$TOP/c.tmp\"; mv \"$TOP/c.tmp\" \"$TOP/command\"; sleep 300"});
    await_began(j);
    pid_t command = await_number(s->top, "command"), daemon = await_number(s->top, "daemon"),
          hidden = await_number(s->top, "hidden");
    assert_int_equal(kill(supervisor_of(j), SIGKILL), 0);
    await_end(j);
    assert_int_equal(j->end.how, STEP_LOST);
    assert_int_equal(j->end.exit_code, -1);
    /* All of it is gone when the end is told, also what has an empty environment. */
    assert_false(is_alive(command));
    assert_false(is_alive(daemon));
    assert_false(is_alive(hidden));
    free_job(j);
    j = do_job(s, &(struct recipe){.script = "true"});
    assert_int_equal(j->end.how, STEP_OK);
    free_job(j);
}

static void a_record_with_an_end_counts_though_nobody_told_it(void **state)
{
    struct workshop *s = *state;
    struct job *j = run_job(s, &(struct recipe){.script = "sleep 300"});
    struct step_end end = {.how = STEP_EXIT, .exit_code = 9, .began_ms = 1, .ended_ms = 2};
    await_began(j);
    AUTO_FREE char *path = mem_printf("%s/record", j->folder);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(record_write_end(fd, &end, false, NULL));
    close(fd);
    assert_int_equal(kill(supervisor_of(j), SIGKILL), 0);
    await_end(j);
    assert_int_equal(j->end.how, STEP_EXIT);
    assert_int_equal(j->end.exit_code, 9);
    free_job(j);
}

/* ---- the launcher
 * ---------------------------------------------------------------------------------- */

static void steps_outlive_their_launcher(void **state)
{
    struct workshop *s = *state;
    struct job *j = run_job(s, &(struct recipe){.script = "sleep 0.5; echo done; exit 5"});
    await_began(j);
    pid_t launcher = parent_of(supervisor_of(j));
    assert_int_equal(kill(launcher, SIGKILL), 0);
    struct job *next = do_job(s, &(struct recipe){.script = "exit 6"});
    assert_int_equal(next->end.exit_code, 6);
    await_end(j);
    assert_int_equal(j->end.exit_code, 5);
    free_job(j);
    free_job(next);
}

static void a_launch_that_was_lost_can_be_cancelled(void **state)
{
    struct workshop *s = *state;
    struct job *first = run_job(s, &(struct recipe){.script = "sleep 60"});
    await_began(first);
    pid_t launcher = parent_of(supervisor_of(first));
    assert_int_equal(kill(launcher, SIGSTOP), 0);
    struct job *j = run_job(s, &(struct recipe){.script = "touch \"$TOP/ran\""});
    struct job *again = run_job(s, &(struct recipe){.script = "exit 8"});
    exec_stop(j->attempt, false);
    assert_int_equal(kill(launcher, SIGKILL), 0); /* with two launches unread */
    await_end(j);
    assert_int_equal(j->end.how, STEP_CANCELLED);
    assert_false(is_there(s->top, "ran"));
    await_end(again);
    assert_int_equal(again->end.exit_code, 8);
    exec_stop(first->attempt, true);
    await_end(first);
    free_job(first);
    free_job(again);
    free_job(j);
}

static void leftovers_are_found_without_their_launcher(void **state)
{
    struct workshop *s = *state;
    struct job *j = run_job(
        s,
        &(struct recipe){
            .script = "setsid sh -c 'echo $$ >\"$TOP/d.tmp\"; mv \"$TOP/d.tmp\" \"$TOP/daemon\"; "
                      "sleep 300' &\nsleep 300"});
    await_began(j);
    pid_t supervisor = supervisor_of(j), daemon = await_number(s->top, "daemon");
    assert_int_equal(kill(parent_of(supervisor), SIGKILL), 0);
    assert_int_equal(kill(supervisor, SIGKILL), 0);
    await_end(j);
    assert_int_equal(j->end.how, STEP_LOST);
    assert_false(is_alive(daemon));
    free_job(j);
}

static void a_terminated_launcher_leaves_its_steps(void **state)
{
    struct workshop *s = *state;
    struct job *j = run_job(s, &(struct recipe){.script = "sleep 0.5; exit 5"});
    await_began(j);
    pid_t launcher = parent_of(supervisor_of(j));
    assert_int_equal(kill(launcher, SIGINT), 0); /* a Ctrl-C is not for it */
    assert_int_equal(kill(launcher, SIGHUP), 0);
    sleep_ms(50);
    assert_true(is_alive(launcher));
    assert_int_equal(kill(launcher, SIGTERM), 0);
    assert_true(dies(launcher));
    await_end(j);
    assert_int_equal(j->end.exit_code, 5);
    free_job(j);
}

/* ---- the engine
 * ------------------------------------------------------------------------------------ */

static void a_running_step_is_taken_up_again(void **state)
{
    struct workshop *s = *state;
    for (int round = 0; round < 2; round++) {
        struct job *j =
            run_job(s, &(struct recipe){.script = "echo one; sleep 0.6; echo two; exit 3"});
        if (round == 0) {
            await_began(j);
        } /* else: at once, perhaps before its supervisor exists */
        crash(s);
        open_exec(s);
        assert_int_equal(recover(j), EXEC_RUNNING);
        await_end(j);
        assert_int_equal(j->end.how, STEP_EXIT);
        assert_int_equal(j->end.exit_code, 3);
        assert_true(j->began == 1 || round == 0);
        AUTO_FREE char *log = read_text(j->folder, "log");
        assert_contains(log, " o one\n");
        assert_contains(log, " o two\n");
        free_job(j);
    }
}

static void again_and_again(void **state)
{
    struct workshop *s = *state;
    struct job *j = run_job(s, &(struct recipe){.script = "sleep 30; exit 3"});
    int64_t before = clock_boot_ms(clock_system());
    for (int i = 0; i < 20; i++) {
        crash(s);
        open_exec(s);
        assert_int_equal(recover(j), EXEC_RUNNING);
    }
    print_message("20 restarts of the engine: %lld ms\n",
                  (long long)(clock_boot_ms(clock_system()) - before));
    exec_stop(j->attempt, false);
    await_end(j);
    assert_int_equal(j->end.how, STEP_CANCELLED);
    assert_false(is_there(j->folder, "control"));
    free_job(j);
}

static void only_one_engine_at_a_time(void **state)
{
    struct workshop *s = *state;
    struct err err = ERR_INIT;
    struct job *j = run_job(s, &(struct recipe){.script = "sleep 60"});
    enum exec_found found;
    struct exec_attempt *other;
    await_began(j);
    assert_false(exec_recover(s->exec, j->folder, &job_events, j, &found, &other, &j->end, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    crash(s);
    open_exec(s);
    assert_int_equal(recover(j), EXEC_RUNNING);
    turn_until(s, &j->ended, 100);
    assert_false(exec_recover(s->exec, j->folder, &job_events, j, &found, &other, &j->end, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    exec_stop(j->attempt, true);
    await_end(j);
    free_job(j);
}

static void a_step_that_ended_alone_is_found_ended(void **state)
{
    struct workshop *s = *state;
    struct job *j = run_job(
        s, &(struct recipe){.script = "sleep 0.2; echo 7 >\"$ORCH_OUT/model\"", .output = "model"});
    struct step_files files;
    await_began(j);
    pid_t supervisor = supervisor_of(j);
    crash(s);
    assert_true(dies(supervisor)); /* nobody asks: it does not stay */
    open_exec(s);
    assert_int_equal(recover(j), EXEC_ENDED);
    assert_null(j->attempt);
    assert_int_equal(j->end.how, STEP_OK);
    assert_true(exec_read_files(j->folder, &files, NULL));
    assert_int_equal(files.count, 1);
    step_files_done(&files);
    free_job(j);
}

static void an_end_that_was_not_committed_is_found_again(void **state)
{
    struct workshop *s = *state;
    struct job *j = do_job(s, &(struct recipe){.script = "exit 4"});
    crash(s); /* told, but without ACK */
    open_exec(s);
    assert_int_equal(recover(j), EXEC_ENDED);
    assert_int_equal(j->end.exit_code, 4);
    free_job(j);
}

static void both_dead_is_lost(void **state)
{
    struct workshop *s = *state;
    int64_t killed = 0;
    struct err err = ERR_INIT;
    struct job *j = run_job(
        s,
        &(struct recipe){
            .script = "setsid sh -c 'echo $$ >\"$TOP/d.tmp\"; mv \"$TOP/d.tmp\" \"$TOP/daemon\"; "
                      "sleep 300' &\nsleep 300"});
    await_began(j);
    pid_t supervisor = supervisor_of(j), daemon = await_number(s->top, "daemon");
    pid_t launcher = parent_of(supervisor);
    assert_int_equal(kill(launcher, SIGKILL), 0);
    crash(s);
    assert_int_equal(kill(supervisor, SIGKILL), 0);
    assert_true(dies(supervisor));
    assert_true(is_alive(daemon));
    open_exec(s);
    assert_int_equal(recover(j), EXEC_LOST);
    assert_true(exec_reap(s->exec, j->folder, RUN, j->name, 2, &killed,
                          &err)); /* another attempt: not ours */
    assert_int_equal(killed, 0);
    assert_true(is_alive(daemon));
    assert_true(exec_reap(s->exec, j->folder, RUN, j->name, 1, &killed, &err));
    assert_true(killed >= 1);
    assert_false(is_alive(daemon));
    assert_true(exec_reap(s->exec, j->folder, RUN, j->name, 1, &killed, &err));
    assert_int_equal(killed, 0);
    free_job(j);
}

/* A folder as the engine leaves it at each point of the start. */
static int make_record(struct job *j, const char *boot_id)
{
    assert_int_equal(mkdir(j->folder, 0755), 0);
    int dir = open(j->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = record_create(dir, RUN, j->name, 1, boot_id, NULL);
    assert_true(fd >= 0);
    close(dir);
    return fd;
}

static void what_never_began_may_start_again(void **state)
{
    struct workshop *s = *state;
    struct job *j = new_job(s);
    assert_int_equal(recover(j), EXEC_NEVER_STARTED); /* no folder at all */

    assert_int_equal(mkdir(j->folder, 0755), 0); /* a folder without a record */
    assert_int_equal(recover(j), EXEC_NEVER_STARTED);
    assert_false(is_there(j->folder, ""));

    int fd = make_record(j, clock_boot_id()); /* a record that nobody wrote to */
    assert_int_equal(ftruncate(fd, 0), 0);
    close(fd);
    assert_int_equal(recover(j), EXEC_NEVER_STARTED);

    close(make_record(j, clock_boot_id()));
    assert_int_equal(recover(j), EXEC_NEVER_STARTED);
    assert_false(is_there(j->folder, ""));

    struct err err = ERR_INIT;
    j->attempt = start_job(j, &(struct recipe){.script = "true"}, &err);
    await_end(j);
    assert_int_equal(j->end.how, STEP_OK);
    free_job(j);
}

static void what_began_without_an_end_is_lost(void **state)
{
    struct workshop *s = *state;
    struct job *j = new_job(s), *other = new_job(s), *damaged = new_job(s);
    int fd = make_record(j, clock_boot_id());
    assert_true(record_write_began(fd, 5, 1, 1, NULL, false, NULL));
    close(fd);
    assert_int_equal(recover(j), EXEC_LOST);
    assert_true(is_there(j->folder, "record")); /* its log is of interest */
    close(make_record(other, "00000000000000000000000000000000"));
    assert_int_equal(recover(other), EXEC_LOST);
    fd = make_record(damaged, clock_boot_id());
    assert_int_equal(pwrite(fd, "xx", 2, 30), 2);
    close(fd);
    assert_int_equal(recover(damaged), EXEC_LOST);
    free_job(j);
    free_job(other);
    free_job(damaged);
}

/* At random moments, with all three: whatever was there, the answer is one of the four, and after
 * it nothing of the step is alive. */
static void killed_at_any_moment(void **state)
{
    struct workshop *s = *state;
    unsigned seed = 1;
    int seen[4] = {0};
    for (int i = 0; i < 60; i++) {
        struct job *j =
            run_job(s, &(struct recipe){.script = "echo x >\"$ORCH_OUT/model\"; sleep 0.003",
                                        .output = "model"});
        usleep((useconds_t)(rand_r(&seed) % 12000));
        crash(s);
        AUTO_FREE char *path = mem_printf("%s/record", j->folder);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct record r = {0};
        if (record_read(fd, &r, NULL) && r.began && (i & 1) != 0) {
            kill((pid_t)r.supervisor_pid, SIGKILL);
        }
        close(fd);
        open_exec(s);
        enum exec_found found = recover(j);
        seen[found]++;
        if (found == EXEC_RUNNING) {
            await_end(j);
        }
        if (found == EXEC_ENDED || (found == EXEC_RUNNING && j->end.how != STEP_LOST)) {
            struct step_files files;
            assert_int_equal(j->end.how, STEP_OK);
            assert_true(exec_read_files(j->folder, &files, NULL));
            assert_int_equal(files.count, 1);
            step_files_done(&files);
        }
        int64_t killed;
        assert_true(exec_reap(s->exec, j->folder, RUN, j->name, 1, &killed, NULL));
        free_job(j);
    }
    print_message("running %d, ended %d, never started %d, lost %d\n", seen[EXEC_RUNNING],
                  seen[EXEC_ENDED], seen[EXEC_NEVER_STARTED], seen[EXEC_LOST]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_workshop, leave_workshop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_dead_supervisor_is_a_lost_attempt),
        TEST(a_record_with_an_end_counts_though_nobody_told_it),
        TEST(steps_outlive_their_launcher),
        TEST(a_launch_that_was_lost_can_be_cancelled),
        TEST(leftovers_are_found_without_their_launcher),
        TEST(a_terminated_launcher_leaves_its_steps),
        TEST(a_running_step_is_taken_up_again),
        TEST(again_and_again),
        TEST(only_one_engine_at_a_time),
        TEST(a_step_that_ended_alone_is_found_ended),
        TEST(an_end_that_was_not_committed_is_found_again),
        TEST(both_dead_is_lost),
        TEST(what_never_began_may_start_again),
        TEST(what_began_without_an_end_is_lost),
        TEST(killed_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
