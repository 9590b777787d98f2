/*
 * Whose the files of an attempt are, before and after its command; with all that a user may try to
 * keep a hand on a result, or to have a file taken that he may not read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sandbox_run.h"

#define TOP "/var/lib"
#define USER 1234

static struct run as_user(void)
{
    return (struct run){.sandbox = {.has_user = true, .uid = USER, .gid = USER}, .fact = "user"};
}

static bool begin(struct run *r, struct place *at)
{
    if (geteuid() != 0) {
        print_message("skipped: needs root\n");
        return false;
    }
    *r = as_user();
    *at = place_make(TOP);
    AUTO_FREE char *home = below(at, "home");
    assert_int_equal(mkdir(home, 0700), 0);
    assert_int_equal(chown(home, USER, USER), 0);
    return true;
}

/* What is at base/path says `text`, and has this owner, mode and number of links. */
static void is(const struct place *at, const char *path, const char *text, uid_t owner, mode_t mode,
               nlink_t links)
{
    AUTO_FREE char *full = below(at, path);
    AUTO_BUF struct buf bytes = BUF_INIT(1000);
    struct stat st;
    assert_int_equal(lstat(full, &st), 0);
    assert_int_equal(st.st_uid, owner);
    assert_int_equal(st.st_mode & 07777, mode);
    assert_int_equal(st.st_nlink, links);
    if (text != NULL) {
        assert_true(file_read(full, &bytes, NULL));
        assert_string_equal(buf_str(&bytes), text);
    }
}

#define OUT "runs/r/s@1/out"

static void results_become_ours(void **state)
{
    struct run r;
    struct place at;
    (void)state;
    if (!begin(&r, &at)) {
        skip();
    }
    assert_true(run(&r, &at,
                    "umask 0; cd $ORCH_OUT; mkdir -p a/b/c; echo x >a/b/c/f; echo x >g; chmod 6755 "
                    "g; chmod 2777 a; "
                    "ln -s /etc/passwd link; mkfifo fifo; echo k=v >../output; echo m >../metrics; "
                    "echo x >../artifacts/h; chmod 000 a/b; echo 1"));
    said(&r, "1\n");
    assert_true(r.unshared);
    is(&at, OUT, NULL, 0, 0700, 3);
    is(&at, OUT "/a", NULL, 0, 0755, 3);
    is(&at, OUT "/a/b", NULL, 0, 0700, 3);
    is(&at, OUT "/a/b/c/f", "x\n", 0, 0644, 1);
    is(&at, OUT "/g", "x\n", 0, 0755, 1);
    is(&at, "runs/r/s@1/artifacts/h", "x\n", 0, 0644, 1);
    is(&at, "runs/r/s@1/output", "k=v\n", 0, 0600, 1);
    is(&at, "runs/r/s@1/metrics", "m\n", 0, 0600, 1);
    is(&at, "runs/r/s@1", NULL, 0, 0700, 4);
    struct stat passwd;
    assert_int_equal(stat("/etc/passwd", &passwd), 0);
    assert_int_equal(passwd.st_uid, 0);
    place_remove(&at);
}

/* A second name of a result, kept elsewhere: what is recorded is a copy. */
static void a_hard_link_outside_changes_nothing(void **state)
{
    struct run r;
    struct place at;
    (void)state;
    if (!begin(&r, &at)) {
        skip();
    }
    assert_true(run(&r, &at, "cd $ORCH_OUT; echo x >f; ln f $BASE/home/f; ln f g; echo 1"));
    said(&r, "1\n");
    assert_true(r.unshared);
    is(&at, OUT "/f", "x\n", 0, 0644, 1);
    is(&at, OUT "/g", "x\n", 0, 0644, 1);
    is(&at, "home/f", "x\n", USER, 0644, 1);
    place_remove(&at);
}

/* A descriptor that somebody outside of the step has: the file it writes to is not the result. */
static void a_writer_outside_changes_nothing(void **state)
{
    struct run r;
    struct place at;
    (void)state;
    if (!begin(&r, &at)) {
        skip();
    }
    r.keep = true; /* sandbox_unshare() is called here, when the writer is there */
    assert_true(run(&r, &at, "cd $ORCH_OUT; echo x >f; echo 1"));
    said(&r, "1\n");
    AUTO_FREE char *path = below(&at, OUT "/f");
    AUTO_CLOSE int writer = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    AUTO_CLOSE int dir = open(at.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct step_spec spec = {.sandbox = r.sandbox};
    assert_true(writer >= 0 && sandbox_unshare(&spec, dir, NULL, NULL));
    assert_int_equal(write(writer, "evil\n", 5), 5);
    is(&at, OUT "/f", "x\n", 0, 0644, 1);
    place_remove(&at);
}

/* As a container's daemon leaves it, or a link that the kernel allows to files of others. */
/* `links`: that the file which the user may not read has then. */
static void a_foreign_file(const char *make, bool taken, nlink_t links)
{
    struct run r;
    struct place at;
    if (!begin(&r, &at)) {
        skip();
    }
    r.keep = true;
    assert_true(run(&r, &at, "echo 1"));
    AUTO_FREE char *command =
        mem_printf("cd %s && echo secret >foreign && chmod 600 foreign && echo open "
                   ">open && chmod 644 open && cd " OUT " && %s",
                   at.base, make);
    assert_int_equal(system(command), 0); /* NOLINT: a test's own path */
    AUTO_CLOSE int dir = open(at.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct step_spec spec = {.sandbox = r.sandbox};
    struct err err = ERR_INIT;
    assert_int_equal(sandbox_unshare(&spec, dir, NULL, &err), taken);
    if (taken) {
        is(&at, OUT "/f", "open\n", 0, 0644, 1);
        is(&at, "open", "open\n", 0, 0644, 1);
    } else {
        assert_int_equal(err.code, ERR_DENIED);
        assert_non_null(strstr(err.msg, "out/f"));
        is(&at, "foreign", "secret\n", 0, 0600, links);
    }
    AUTO_FREE char *undo = mem_printf("umount %s/" OUT "/f 2>/dev/null; true", at.base);
    assert_int_equal(system(undo), 0); /* NOLINT */
    place_remove(&at);
}

static void a_link_to_what_the_user_may_not_read_is_refused(void **state)
{
    (void)state;
    a_foreign_file("ln ../../../../foreign f", false, 2);
}

static void a_link_to_what_everybody_reads_becomes_a_copy(void **state)
{
    (void)state;
    a_foreign_file("ln ../../../../open f", true, 1);
}

static void what_is_mounted_is_refused(void **state)
{
    (void)state;
    a_foreign_file("mkdir f && mount --bind ../../../../home f", false, 1);
}

static void a_foreign_folder_is_refused_where_it_is_closed(void **state)
{
    (void)state;
    a_foreign_file(
        "ln ../../../../foreign x && rm x && mkdir -m 700 f && ln ../../../../foreign f/f", false,
        2);
}

/* Others of this run read what it leaves, and pass through. */
static void what_is_shared_can_be_read(void **state)
{
    struct run r;
    struct place at;
    (void)state;
    if (!begin(&r, &at)) {
        skip();
    }
    r.sandbox.shared = true;
    AUTO_FREE char *run_folder = below(&at, "runs/r");
    assert_int_equal(chmod(run_folder, 0711), 0);
    assert_true(run(&r, &at, "umask 077; mkdir $ORCH_OUT/d; echo x >$ORCH_OUT/d/f; echo 1"));
    said(&r, "1\n");
    assert_true(r.unshared);
    is(&at, OUT "/d", NULL, 0, 0755, 2);
    struct run other = {.sandbox = {.has_user = true, .uid = 77, .gid = 77}};
    struct place next = at;
    (void)snprintf(next.folder, sizeof(next.folder), "%s/runs/r/t@1", at.base);
    AUTO_FREE char *command = mem_printf("mkdir -p %s/out %s/artifacts", next.folder, next.folder);
    assert_int_equal(system(command), 0); /* NOLINT */
    assert_true(run(&other, &next,
                    "cat $BASE/" OUT "/d/f; (echo y >$BASE/" OUT "/d/f) 2>/dev/null && echo bad; "
                    "ls $BASE/runs/r/s@1 2>/dev/null && echo bad; true"));
    said(&other, "x\n");
    place_remove(&at);
}

/* Deep and wide, neither descriptors nor the stack run out. */
static void a_deep_tree_is_taken(void **state)
{
    struct run r;
    struct place at;
    (void)state;
    if (!begin(&r, &at)) {
        skip();
    }
    assert_true(run(&r, &at,
                    "cd $ORCH_OUT; i=0; while [ $i -lt 1500 ]; do mkdir d && cd d; i=$((i + 1)); "
                    "done; echo x >f; "
                    "seq 2000 | (cd $ORCH_OUT && xargs touch); echo 1"));
    said(&r, "1\n");
    assert_true(r.unshared);
    AUTO_FREE char *command = mem_printf("test -z \"$(find %s -user %d)\"", at.base, USER);
    AUTO_FREE char *home = below(&at, "home");
    assert_int_equal(rmdir(home), 0);
    assert_int_equal(system(command), 0); /* NOLINT */
    place_remove(&at);
}

static bool never(void *arg)
{
    ++*(int *)arg;
    return false;
}

static void taking_back_can_be_stopped(void **state)
{
    struct run r;
    struct place at;
    int asked = 0;
    (void)state;
    if (!begin(&r, &at)) {
        skip();
    }
    r.keep = true;
    assert_true(run(&r, &at, "echo x >$ORCH_OUT/f; ln $ORCH_OUT/f $ORCH_OUT/g; echo 1"));
    AUTO_CLOSE int dir = open(at.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct step_spec spec = {.sandbox = r.sandbox};
    struct digest_ask ask = {.go_on = never, .arg = &asked};
    struct err err = ERR_INIT;
    assert_false(sandbox_unshare(&spec, dir, &ask, &err));
    assert_int_equal(err.code, ERR_BUSY);
    assert_true(asked > 0);
    place_remove(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_become_ours),
        cmocka_unit_test(a_hard_link_outside_changes_nothing),
        cmocka_unit_test(a_writer_outside_changes_nothing),
        cmocka_unit_test(a_link_to_what_the_user_may_not_read_is_refused),
        cmocka_unit_test(a_link_to_what_everybody_reads_becomes_a_copy),
        cmocka_unit_test(what_is_mounted_is_refused),
        cmocka_unit_test(a_foreign_folder_is_refused_where_it_is_closed),
        cmocka_unit_test(what_is_shared_can_be_read),
        cmocka_unit_test(a_deep_tree_is_taken),
        cmocka_unit_test(taking_back_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
