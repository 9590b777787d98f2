/* Reading, replacing, folders, removal, locks, sockets, paths. */
#include "scratch.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void reads_up_to_its_limit(void **state)
{
    AUTO_FREE char *path = scratch_path(state, "read");
    static char data[200000];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7);
    write_file(path, data, sizeof(data));
    struct err err = ERR_INIT;
    AUTO_BUF struct buf exact = BUF_INIT(sizeof(data) + 2);
    assert_true(buf_adds(&exact, "ab"));
    assert_ok(file_read(path, &exact, &err), err);
    assert_int_equal(exact.len, sizeof(data) + 2);
    assert_memory_equal(exact.data + 2, data, sizeof(data));

    AUTO_BUF struct buf small = BUF_INIT(102400);
    assert_true(buf_adds(&small, "ab"));
    assert_false(file_read(path, &small, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.msg, "100KiB"));
    assert_string_equal(buf_str(&small), "ab");
    assert_false(small.full);
}

static void reads_only_regular_files(void **state)
{
    AUTO_FREE char *fifo = scratch_path(state, "fifo");
    AUTO_FREE char *none = scratch_path(state, "none");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    struct err err = ERR_INIT;
    AUTO_BUF struct buf b = BUF_INIT(100);
    assert_false(file_read(*state, &b, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_false(file_read(fifo, &b, &err)); /* and does not wait for a writer */
    assert_int_equal(err.code, ERR_INVALID);
    assert_false(file_read("/dev/zero", &b, &err));
    assert_false(file_read(none, &b, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, none));
    assert_ok(file_read("/proc/self/comm", &b, &err), err); /* says it has 0 bytes */
    assert_true(b.len > 0);
}

static void reads_below_a_folder(void **state)
{
    AUTO_FREE char *path = scratch_path(state, "below");
    AUTO_FREE char *link = scratch_path(state, "below-link");
    write_file(path, "text", 4);
    assert_int_equal(symlink("below", link), 0);
    AUTO_CLOSE int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct err err = ERR_INIT;
    AUTO_BUF struct buf b = BUF_INIT(4);
    assert_ok(file_read_at(dir, "below", &b, &err), err);
    assert_string_equal(buf_str(&b), "text");
    assert_false(file_read_at(dir, "below-link", &b, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_false(file_read_at(dir, "none", &b, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void writes_over_short_writes(void **state)
{
    (void)state;
    int ends[2];
    struct err err = ERR_INIT;
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    static char data[1 << 20];
    assert_false(file_write_all(ends[1], data, sizeof(data), &err)); /* full: an error, no loop */
    assert_int_equal(err.code, ERR_BUSY);
    close(ends[0]);
    close(ends[1]);
    assert_false(file_write_all(-1, "x", 1, &err));
    assert_true(file_write_all(-1, "x", 0, &err));
}

static void replaces(void **state)
{
    AUTO_FREE char *path = scratch_path(state, "replaced");
    struct err err = ERR_INIT;
    struct stat before, after;
    assert_ok(file_replace(path, "one", 3, 0640, &err), err);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(before.st_mode & 07777, 0640);
    assert_ok(file_replace(path, "second", 6, 0600, &err), err);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_mode & 07777, 0600);
    assert_int_not_equal(before.st_ino, after.st_ino);
    AUTO_BUF struct buf b = BUF_INIT(100);
    assert_ok(file_read(path, &b, &err), err);
    assert_string_equal(buf_str(&b), "second");

    AUTO_FREE char *nowhere = scratch_path(state, "no/such/folder");
    assert_false(file_replace(nowhere, "x", 1, 0600, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void leaves_no_temporary_file(void **state)
{
    AUTO_FREE char *folder = scratch_path(state, "target");
    AUTO_FREE char *inside = scratch_path(state, "target/full");
    struct err err = ERR_INIT;
    assert_ok(file_make_dirs(inside, 0755, &err), err);
    assert_false(file_replace(inside, "x", 1, 0600, &err)); /* a folder stands there */
    assert_int_equal(rmdir(inside), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void replaces_in_the_working_folder(void **state)
{
    AUTO_FREE char *back = getcwd(NULL, 0);
    struct err err = ERR_INIT;
    assert_int_equal(chdir(*state), 0);
    assert_ok(file_replace("plain", "x", 1, 0600, &err), err);
    assert_true(exists("plain"));
    assert_ok(file_make_dirs("here/and//there/", 0755, &err), err);
    assert_true(exists("here/and/there"));
    assert_ok(file_remove_tree("here/", &err), err);
    assert_false(exists("here"));
    assert_int_equal(chdir(back), 0);
}

static void makes_folders(void **state)
{
    AUTO_FREE char *path = scratch_path(state, "a/b//c/./d/");
    AUTO_FREE char *file = scratch_path(state, "a/file");
    AUTO_FREE char *under = scratch_path(state, "a/file/x");
    struct err err = ERR_INIT;
    assert_ok(file_make_dirs(path, 0755, &err), err);
    assert_ok(file_make_dirs(path, 0755, &err), err);
    assert_ok(file_make_dirs("/", 0755, &err), err);
    assert_ok(file_sync_dir(path, &err), err);
    write_file(file, "", 0);
    assert_false(file_make_dirs(file, 0755, &err));
    assert_int_equal(err.code, ERR_EXISTS);
    assert_false(file_make_dirs(under, 0755, &err));
    assert_false(file_sync_dir(under, &err));
}

static void removes_trees(void **state)
{
    AUTO_FREE char *kept = scratch_path(state, "kept");
    AUTO_FREE char *kept_file = scratch_path(state, "kept/file");
    AUTO_FREE char *tree = scratch_path(state, "tree");
    struct err err = ERR_INIT;
    assert_ok(file_remove_tree(tree, &err), err); /* missing is fine */
    assert_ok(file_make_dirs(kept, 0755, &err), err);
    write_file(kept_file, "x", 1);
    for (int i = 0; i < 30; i++) {
        AUTO_FREE char *folder = mem_printf("%s/%d/sub/%d", tree, i % 5, i);
        AUTO_FREE char *file = mem_printf("%s/file", folder);
        AUTO_FREE char *link = mem_printf("%s/link", folder);
        assert_ok(file_make_dirs(folder, 0755, &err), err);
        write_file(file, "x", 1);
        assert_int_equal(chmod(file, 0), 0);
        assert_int_equal(symlink(kept, link), 0);
        assert_int_equal(chmod(folder, i % 3 ? 0500 : 0), 0); /* as an artifact folder may be */
    }
    assert_ok(file_remove_tree(tree, &err), err);
    assert_false(exists(tree));
    assert_true(exists(kept_file));

    AUTO_FREE char *link = scratch_path(state, "link");
    AUTO_FREE char *slashed = scratch_path(state, "link/");
    assert_int_equal(symlink("kept", link), 0);
    assert_ok(file_remove_tree(slashed, &err), err); /* the link, not what it shows */
    assert_false(exists(link));
    assert_true(exists(kept_file));
    assert_ok(file_remove_tree(kept_file, &err), err);
    assert_false(exists(kept_file));
}

/* As a user to whom permissions apply. */
static void removes_read_only_trees(void **state)
{
    AUTO_FREE char *top = scratch_path(state, "locked");
    assert_int_equal(mkdir(top, 0755), 0);
    assert_int_equal(chmod(top, 0777), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (chdir(top) != 0 || (getuid() == 0 && setuid(65534) != 0) ||
            !file_make_dirs("tree/a/b", 0755, NULL))
            _exit(3);
        write_file("tree/a/b/file", "x", 1);
        if (chmod("tree/a/b/file", 0444) != 0 || chmod("tree/a/b", 0555) != 0 ||
            chmod("tree/a", 0555) != 0 || chmod("tree", 0555) != 0)
            _exit(4);
        _exit(file_remove_tree("tree", NULL) && access("tree", F_OK) != 0 ? 0 : 5);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Deeper than there are descriptors, and longer than any path may be. */
static void removes_deep_trees(void **state)
{
    enum { DEPTH = 3000 };
    AUTO_FREE char *top = scratch_path(state, "deep");
    struct err err = ERR_INIT;
    assert_int_equal(mkdir(top, 0755), 0);
    int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < DEPTH; i++) {
        assert_int_equal(mkdirat(fd, "deeper", 0755), 0);
        int next = openat(fd, "deeper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(fd);
        fd = next;
    }
    close(fd);
    assert_ok(file_remove_tree(top, &err), err);
    assert_false(exists(top));
}

static void will_not_remove(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    static const char *const paths[] = {"", "/", "//", "/tmp/..", "/./"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        assert_false(file_remove_tree(paths[i], &err));
        assert_int_equal(err.code, ERR_INVALID);
    }
}

static void will_not_empty_a_mount(void **state)
{
    AUTO_FREE char *tree = scratch_path(state, "mounted");
    AUTO_FREE char *point = scratch_path(state, "mounted/point");
    AUTO_FREE char *file = scratch_path(state, "mounted/point/file");
    struct err err = ERR_INIT;
    assert_ok(file_make_dirs(point, 0755, &err), err);
    if (mount("orch-test", point, "tmpfs", 0, "size=64k") < 0) {
        print_message("skipped: cannot mount here: %s\n", strerror(errno));
        skip();
    }
    write_file(file, "x", 1);
    bool removed = file_remove_tree(tree, &err), kept = exists(file);
    assert_int_equal(umount(point), 0);
    assert_false(removed);
    assert_int_equal(err.code, ERR_BUSY);
    assert_true(kept);
    assert_ok(file_remove_tree(tree, &err), err);
}

static void locks(void **state)
{
    AUTO_FREE char *path = scratch_path(state, "lock");
    struct err err = ERR_INIT;
    AUTO_CLOSE int first = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    AUTO_CLOSE int second = open(path, O_RDWR | O_CLOEXEC);
    assert_ok(file_lock(first, &err), err);
    assert_ok(file_lock(first, &err), err);
    assert_false(file_lock(second, &err));
    assert_int_equal(err.code, ERR_BUSY);
    mem_close_fd(&first);
    first = -1;
    assert_ok(file_lock(second, &err), err);
    assert_false(file_lock(-1, &err));
    assert_int_equal(err.code, ERR_IO);
}

/* A folder whose path alone is longer than a socket address. */
static char *long_folder(void **state)
{
    char part[120];
    memset(part, 'd', sizeof(part) - 1);
    part[sizeof(part) - 1] = '\0';
    return mem_printf("%s/%s/%s", (const char *)*state, part, part);
}

static void sockets_at_long_paths(void **state)
{
    AUTO_FREE char *folder = long_folder(state);
    struct err err = ERR_INIT;
    assert_ok(file_make_dirs(folder, 0755, &err), err);
    assert_int_equal(file_socket_connect(folder, "control", &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);

    int server = file_socket_listen(folder, "control", &err);
    assert_ok(server >= 0, err);
    AUTO_CLOSE int client = file_socket_connect(folder, "control", &err);
    assert_ok(client >= 0, err);
    AUTO_CLOSE int peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    assert_true(peer >= 0);
    assert_int_equal(send(client, "one", 3, 0), 3);
    assert_int_equal(send(client, "two", 3, 0), 3);
    char text[10];
    assert_int_equal(recv(peer, text, sizeof(text), 0), 3); /* messages stay apart */
    assert_memory_equal(text, "one", 3);
    assert_int_equal(fcntl(server, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(client, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    close(server);

    assert_int_equal(file_socket_connect(folder, "control", &err), -1);
    assert_int_equal(err.code, ERR_UNAVAILABLE);
    AUTO_CLOSE int again = file_socket_listen(folder, "control", &err); /* over the stale one */
    assert_ok(again >= 0, err);
}

static void sockets_refuse(void **state)
{
    AUTO_FREE char *path = scratch_path(state, "no-socket");
    AUTO_FREE char *nowhere = scratch_path(state, "nowhere");
    struct err err = ERR_INIT;
    write_file(path, "mine", 4);
    assert_int_equal(file_socket_listen(*state, "no-socket", &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_true(exists(path));
    static const char *const names[] = {"", "a/b", "../x"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(file_socket_listen(*state, names[i], &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
    }
    char longest[200];
    memset(longest, 'n', sizeof(longest));
    longest[199] = '\0';
    assert_int_equal(file_socket_connect(*state, longest, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(file_socket_listen(nowhere, "x", &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void absolute_paths(void **state)
{
    static const struct {
        const char *path, *expected;
    } table[] = {
        {"/", "/"},
        {"//", "/"},
        {"/a", "/a"},
        {"/a/", "/a"},
        {"//a///b//", "/a/b"},
        {"/a/./b/.", "/a/b"},
        {"/a/../b", "/b"},
        {"/a/b/../../c", "/c"},
        {"/..", "/"},
        {"/../../a", "/a"},
        {"/a/..", "/"},
        {"/a/...", "/a/..."},
        {"/.a/..b", "/.a/..b"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        AUTO_FREE char *got = file_absolute(table[i].path);
        assert_string_equal(got, table[i].expected);
    }
    AUTO_FREE char *back = getcwd(NULL, 0);
    assert_int_equal(chdir(*state), 0);
    AUTO_FREE char *here = getcwd(NULL, 0);
    AUTO_FREE char *expected = mem_printf("%s/x", here);
    AUTO_FREE char *joined = file_absolute("y/../x");
    AUTO_FREE char *dot = file_absolute(".");
    AUTO_FREE char *empty = file_absolute("");
    assert_int_equal(chdir(back), 0);
    assert_string_equal(joined, expected);
    assert_string_equal(dot, here);
    assert_string_equal(empty, here);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_up_to_its_limit),
        cmocka_unit_test(reads_only_regular_files),
        cmocka_unit_test(reads_below_a_folder),
        cmocka_unit_test(writes_over_short_writes),
        cmocka_unit_test(replaces),
        cmocka_unit_test(leaves_no_temporary_file),
        cmocka_unit_test(replaces_in_the_working_folder),
        cmocka_unit_test(makes_folders),
        cmocka_unit_test(removes_trees),
        cmocka_unit_test(removes_read_only_trees),
        cmocka_unit_test(removes_deep_trees),
        cmocka_unit_test(will_not_remove),
        cmocka_unit_test(will_not_empty_a_mount),
        cmocka_unit_test(locks),
        cmocka_unit_test(sockets_at_long_paths),
        cmocka_unit_test(sockets_refuse),
        cmocka_unit_test(absolute_paths),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
