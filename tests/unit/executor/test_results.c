/* What a real step leaves behind: its log, its outputs, its artifacts; and a full disk. */
#include "workshop.h"

#include "base/cas.h"

#include <sys/mount.h>

/* ---- the log
 * -------------------------------------------------------------------------------------- */

static void lines_have_time_and_stream(void **state)
{
    struct job *j = do_job(
        *state, &(struct recipe){.script = "echo out; echo err >&2; printf 'a\\000b\\nno end'"});
    AUTO_FREE char *log = read_text(j->folder, "log");
    assert_contains(log, "Z o out\n");
    assert_contains(log, "Z e err\n");
    assert_contains(log, "Z o a\xE2\x90\x80"
                         "b\n");
    assert_contains(log, "Z O no end\n");
    assert_false(j->end.log_cut);

    struct exec_log *reader = exec_log_open(j->folder, NULL);
    struct exec_log_line line;
    int count = 0;
    while (exec_log_next(reader, &line)) {
        count++;
        assert_true(line.at_ms >= j->end.began_ms && line.at_ms <= j->end.ended_ms);
        assert_int_equal(line.unended, line.len == 6 && memcmp(line.text, "no end", 6) == 0);
    }
    assert_int_equal(count, 4);
    exec_log_close(reader);
    free_job(j);
}

static void a_silent_step_has_no_log(void **state)
{
    struct err err = ERR_INIT;
    struct job *j = do_job(*state, &(struct recipe){.script = "true"});
    assert_false(is_there(j->folder, "log"));
    assert_null(exec_log_open(j->folder, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    free_job(j);
}

static void the_log_can_be_read_along(void **state)
{
    struct workshop *s = *state;
    struct job *j =
        run_job(s, &(struct recipe){.script = "echo first; while ! test -e \"$TOP/go\"; do "
                                              "sleep 0.01; done; echo second"});
    await_began(j);
    struct exec_log *reader = NULL;
    struct exec_log_line line;
    for (int i = 0; i < 500 && reader == NULL; i++) {
        sleep_ms(10);
        reader = exec_log_open(j->folder, NULL);
    }
    assert_non_null(reader);
    while (!exec_log_next(reader, &line)) {
        sleep_ms(5);
    }
    assert_int_equal(line.len, 5);
    assert_false(exec_log_next(reader, &line));
    AUTO_FREE char *go = mem_printf("%s/go", s->top);
    close(open(go, O_WRONLY | O_CREAT, 0644));
    await_end(j);
    assert_true(exec_log_next(reader, &line));
    assert_memory_equal(line.text, "second", 6);
    exec_log_close(reader);
    free_job(j);
}

static void the_limit_is_told(void **state)
{
    struct job *j =
        do_job(*state, &(struct recipe){.script = "seq 1 100000; exit 3", .log_limit = 64 << 10});
    AUTO_FREE char *log = read_text(j->folder, "log");
    assert_int_equal(j->end.how, STEP_EXIT);
    assert_true(j->end.log_cut);
    assert_contains(log,
                    " s log limit of 64KiB reached; the rest is dropped (log: {limit: ...})\n");
    assert_true(strlen(log) < (64 << 10) + 200);
    assert_true(strlen(log) > (63 << 10));
    free_job(j);

    j = do_job(*state, &(struct recipe){.script = "yes", .log_limit = 64 << 10, .log_fail = true});
    assert_int_equal(j->end.how, STEP_LIMIT);
    assert_contains(j->end.message, "the log's limit of 64KiB was reached");
    free_job(j);
}

static void a_gigabyte_is_swallowed_quickly(void **state)
{
    int64_t before = clock_boot_ms(clock_system());
    struct job *j =
        do_job(*state, &(struct recipe){.script = "yes some words of output | head -c 1000000000"});
    int64_t took = clock_boot_ms(clock_system()) - before;
    assert_int_equal(j->end.how, STEP_OK);
    assert_true(j->end.log_cut);
    print_message("1 GB of output in %lld ms\n", (long long)took);
    assert_true(took < 20000);
    free_job(j);
}

static void long_lines_are_cut_into_parts(void **state)
{
    struct job *j =
        do_job(*state, &(struct recipe){.script = "head -c 40000 /dev/zero | tr '\\0' x; echo; "
                                                  "head -c 16384 /dev/zero | tr '\\0' y; echo"});
    struct exec_log *reader = exec_log_open(j->folder, NULL);
    struct exec_log_line line;
    static const struct {
        size_t len;
        bool unended;
    } parts[] = {{16384, true}, {16384, true}, {40000 - 2 * 16384, false}};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        assert_true(exec_log_next(reader, &line));
        assert_int_equal(line.len, parts[i].len);
        assert_int_equal(line.unended, parts[i].unended);
    }
    /* The line of exactly the limit is whole, unless its newline came in a later read. */
    assert_true(exec_log_next(reader, &line));
    assert_int_equal(line.len, 16384);
    exec_log_close(reader);
    free_job(j);
}

static void secrets_do_not_reach_the_log(void **state)
{
    struct job *j = do_job(
        *state, &(struct recipe){.script = "echo \"key=$PASSWORD\"; printf 'hunt'; sleep 0.1; "
                                           "printf 'er22!x\\n'; printf %s \"$PASSWORD\" | base64; "
                                           "echo \"$PASSWORD\" >&2",
                                 .env = "PASSWORD=hunter22!x",
                                 .secret = "hunter22!x"});
    AUTO_FREE char *log = read_text(j->folder, "log");
    assert_contains(log, " o key=***\n");
    assert_contains(log, " e ***\n");
    assert_null(strstr(log, "hunt"));
    assert_null(strstr(log, "er22"));
    assert_null(strstr(log, "aHVudGVy"));
    free_job(j);
}

static void a_pipe_held_from_outside_does_not_hold_the_end(void **state)
{
    /* A process that is not below the supervisor keeps the write end open: this one. */
    struct workshop *s = *state;
    struct job *j = run_job(
        s,
        &(struct recipe){.script = "echo $$ >\"$TOP/pid.tmp\"; mv \"$TOP/pid.tmp\" \"$TOP/pid\"; "
                                   "while ! test -e \"$TOP/go\"; do sleep 0.01; done; echo bye"});
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/fd/1", (int)await_number(s->top, "pid"));
    int held = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(held >= 0);
    AUTO_FREE char *go = mem_printf("%s/go", s->top);
    close(open(go, O_WRONLY | O_CREAT, 0644));
    await_end(j);
    close(held);
    AUTO_FREE char *log = read_text(j->folder, "log");
    assert_int_equal(j->end.how, STEP_OK);
    assert_contains(log, " o bye\n");
    free_job(j);
}

/* ---- outputs and artifacts
 * ------------------------------------------------------------------------ */

static void outputs_are_stored(void **state)
{
    struct workshop *s = *state;
    struct job *j = do_job(
        s, &(struct recipe){
               .script =
                   "echo data >\"$ORCH_OUT/raw.csv\"; echo rows=3 >\"$ORCH_OUTPUT\"; "
                   "echo 'f1 0.5' >\"$ORCH_METRICS\"; mkdir -p \"$ORCH_ARTIFACTS/b/c\"; "
                   "echo 1 >\"$ORCH_ARTIFACTS/b/c/plot.txt\"; echo 2 >\"$ORCH_ARTIFACTS/a.txt\"; "
                   "ln -s /etc/passwd \"$ORCH_ARTIFACTS/link\"",
               .output = "raw.csv"});
    struct step_files files;
    struct exec_outputs outputs;
    struct exec_metrics metrics;
    struct err err = ERR_INIT;
    assert_int_equal(j->end.how, STEP_OK);
    assert_true(j->end.has_files && j->end.has_output && j->end.has_metrics);
    assert_true(exec_read_files(j->folder, &files, &err));
    assert_int_equal(files.count, 3);
    assert_string_equal(files.items[0].name, "raw.csv");
    assert_string_equal(files.items[0].path, "out/raw.csv");
    assert_false(files.items[0].artifact);
    assert_string_equal(files.items[1].name, "a.txt");
    assert_string_equal(files.items[2].name, "b/c/plot.txt");
    assert_string_equal(files.items[2].path, "artifacts/b/c/plot.txt");
    assert_true(files.items[2].artifact);
    AUTO_FREE char *store = mem_printf("%s/store", s->top);
    for (size_t i = 0; i < files.count; i++) {
        int fd = cas_open(store, files.items[i].digest, &err);
        assert_true(fd >= 0);
        close(fd);
    }
    AUTO_FREE char *log = read_text(j->folder, "log");
    assert_contains(log, " s link: not kept as an artifact: it is a symbolic link\n");
    assert_true(exec_read_outputs(j->folder, &outputs, &err));
    assert_string_equal(outputs.items[0].value, "3");
    assert_true(exec_read_metrics(j->folder, &metrics, &err));
    assert_int_equal(metrics.count, 1);
    exec_outputs_done(&outputs);
    exec_metrics_done(&metrics);
    step_files_done(&files);
    free_job(j);
}

static void outputs_must_be_there_and_inside(void **state)
{
    static const struct {
        const char *script, *message;
        bool optional;
        enum step_how how;
    } cases[] = {
        {"true", "output 'model' was not written: expected $ORCH_OUT/model", false, STEP_OUTPUT},
        {"true", "", true, STEP_OK},
        {"ln -s /etc/passwd \"$ORCH_OUT/model\"", "is a symbolic link", false, STEP_OUTPUT},
        {"mkfifo \"$ORCH_OUT/model\"", "is a device, pipe or socket", false, STEP_OUTPUT},
        {"mkdir \"$ORCH_OUT/model\"; ln -s / \"$ORCH_OUT/model/root\"",
         "'model/root' is a symbolic link", false, STEP_OUTPUT},
        {"rmdir \"$ORCH_OUT\"; ln -s /etc \"$ORCH_OUT\"", "ORCH_OUT cannot be opened", false,
         STEP_OUTPUT},
        {"exit 4", "exit code 4", false, STEP_EXIT},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct job *j = do_job(*state, &(struct recipe){.script = cases[i].script,
                                                        .output = "model",
                                                        .optional = cases[i].optional});
        assert_int_equal(j->end.how, cases[i].how);
        assert_contains(j->end.message, cases[i].message);
        assert_false(j->end.has_files);
        free_job(j);
    }
}

static void a_path_outside_starts_nothing(void **state)
{
    static const char *const paths[] = {"../x", "/etc/passwd", "a/../../x", ".."};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct err err = ERR_INIT;
        struct job *j = new_job(*state);
        assert_null(start_job(j, &(struct recipe){.script = "true", .output = paths[i]}, &err));
        assert_int_equal(err.code, ERR_INVALID);
        assert_contains(err.msg, "lies outside ORCH_OUT");
        assert_false(is_there(j->folder, ""));
        free_job(j);
    }
}

static void artifacts_of_a_failed_step_are_kept(void **state)
{
    struct job *j =
        do_job(*state, &(struct recipe){.script = "echo x >\"$ORCH_ARTIFACTS/core\"; exit 1",
                                        .output = "model"});
    struct step_files files;
    assert_int_equal(j->end.how, STEP_EXIT);
    assert_true(j->end.has_files);
    assert_true(exec_read_files(j->folder, &files, NULL));
    assert_int_equal(files.count, 1);
    step_files_done(&files);
    free_job(j);
}

/* ---- a full disk
 * ---------------------------------------------------------------------------------- */

static bool mount_small(const char *dir)
{
    struct err err = ERR_INIT;
    return file_make_dirs(dir, 0755, &err) && mount("tmpfs", dir, "tmpfs", 0, "size=1m") == 0;
}

static void a_full_store_fails_the_output(void **state)
{
    struct workshop *s = *state;
    AUTO_FREE char *store = mem_printf("%s/small", s->top);
    if (!mount_small(store)) {
        print_message("no tmpfs can be mounted here: %s\n", strerror(errno));
        skip();
    }
    struct job *j =
        do_job(s, &(struct recipe){.script = "head -c 3000000 /dev/zero >\"$ORCH_OUT/model\"",
                                   .output = "model",
                                   .store = store});
    AUTO_FREE char *command = mem_printf("find '%s' -type f | wc -l >'%s/count'", store, s->top);
    assert_int_equal(system(command), 0);
    assert_int_equal(await_number(s->top, "count"), 0);
    assert_int_equal(umount(store), 0);
    assert_int_equal(j->end.how, STEP_OUTPUT);
    assert_contains(j->end.message, "output 'model'");
    assert_contains(j->end.message, "No space left on device");
    assert_false(j->end.has_files);
    free_job(j);
}

static void a_full_disk_loses_log_lines_and_no_end(void **state)
{
    struct workshop *s = *state;
    AUTO_FREE char *runs = mem_printf("%s/runs", s->top);
    if (!mount_small(runs)) {
        print_message("no tmpfs can be mounted here: %s\n", strerror(errno));
        skip();
    }
    struct job *j = do_job(s, &(struct recipe){.script = "seq 1 300000; exit 7"});
    AUTO_FREE char *path = mem_printf("%s/record", j->folder);
    struct record record;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(record_read(fd, &record, NULL));
    close(fd);
    assert_true(record.ended);
    assert_int_equal(record.end.exit_code, 7);
    assert_int_equal(j->end.how, STEP_EXIT);
    assert_int_equal(j->end.exit_code, 7);
    assert_true(j->end.log_cut);
    struct exec_log *log = exec_log_open(j->folder, NULL);
    struct exec_log_line line;
    int64_t next = 1;
    while (exec_log_next(log, &line) && line.stream == 'o') {
        char number[24]; /* the line is not NUL-terminated */
        snprintf(number, sizeof number, "%.*s", (int)line.len, line.text);
        assert_int_equal(strtol(number, NULL, 10), next++);
    }
    assert_true(next > 1000);
    assert_int_equal(line.stream, 's');
    assert_true(memmem(line.text, line.len, "bytes of the log are missing here: No space left",
                       48) != NULL);
    exec_log_close(log);

    /* And a step that finds the disk full from the start is not started. */
    AUTO_FREE char *fill = mem_printf("cat /dev/zero >'%s/fill' 2>/dev/null", runs);
    assert_int_not_equal(system(fill), 0);
    struct err err = ERR_INIT;
    struct job *second = new_job(s);
    assert_null(start_job(second, &(struct recipe){.script = "true"}, &err));
    assert_int_equal(err.code, ERR_NO_SPACE);
    assert_contains(err.msg, "No space left on device");
    free_job(second);
    free_job(j);
    assert_int_equal(umount2(runs, MNT_DETACH), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, enter_workshop, leave_workshop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_have_time_and_stream),
        TEST(a_silent_step_has_no_log),
        TEST(the_log_can_be_read_along),
        TEST(the_limit_is_told),
        TEST(a_gigabyte_is_swallowed_quickly),
        TEST(long_lines_are_cut_into_parts),
        TEST(secrets_do_not_reach_the_log),
        TEST(a_pipe_held_from_outside_does_not_hold_the_end),
        TEST(outputs_are_stored),
        TEST(outputs_must_be_there_and_inside),
        TEST(a_path_outside_starts_nothing),
        TEST(artifacts_of_a_failed_step_are_kept),
        TEST(a_full_store_fails_the_output),
        TEST(a_full_disk_loses_log_lines_and_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
