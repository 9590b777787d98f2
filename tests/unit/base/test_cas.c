/* The artifact store: links and copies, folders and their manifest, what is refused, damage, a full
 * disk. Each test has its own folder with a "work" folder and a "store". */
#include "scratch.h"

#include "base/cas.h"
#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

struct room {
    char *top, *work, *store;
    int dir; /* work, open */
};

static void leave(struct room *r)
{
    struct err err = ERR_INIT;
    close(r->dir);
    assert_ok(file_remove_tree(r->top, &err), err);
    free(r->top);
    free(r->work);
    free(r->store);
}

#define ROOM __attribute__((cleanup(leave))) struct room

static struct room enter(void **state)
{
    static int number;
    struct err err = ERR_INIT;
    struct room r = {.top = mem_printf("%s/%d", (const char *)*state, number++)};
    r.work = mem_printf("%s/work", r.top);
    r.store = mem_printf("%s/store", r.top);
    assert_ok(file_make_dirs(r.work, 0755, &err), err);
    r.dir = open(r.work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(r.dir >= 0);
    return r;
}

static char *in_work(const struct room *r, const char *name)
{
    return mem_printf("%s/%s", r->work, name);
}

static void put_text(const struct room *r, const char *name, const char *text)
{
    AUTO_FREE char *path = in_work(r, name);
    write_file(path, text, strlen(text));
}

static void make_folder(const struct room *r, const char *name)
{
    AUTO_FREE char *path = in_work(r, name);
    assert_true(file_make_dirs(path, 0755, NULL));
}

static struct stat stat_of(const char *path)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st;
}

static struct stat stat_in_work(const struct room *r, const char *name)
{
    AUTO_FREE char *path = in_work(r, name);
    return stat_of(path);
}

static struct stat stat_object(const struct room *r, const char *digest)
{
    AUTO_FREE char *path = cas_path(r->store, digest);
    return stat_of(path);
}

static void check_object(const struct room *r, const char *digest, const char *text)
{
    struct err err = ERR_INIT;
    AUTO_CLOSE int fd = cas_open(r->store, digest, &err);
    assert_ok(fd >= 0, err);
    AUTO_FREE char *got = mem_alloc(strlen(text) + 10);
    assert_int_equal(read(fd, got, strlen(text) + 9), strlen(text));
    assert_string_equal(got, text);
    assert_int_equal(stat_object(r, digest).st_mode & 07777, 0444);
}

/* Objects in the store; anything else in it is a failure. */
static size_t count_objects(const char *store)
{
    size_t count = 0;
    DIR *top = opendir(store);
    struct dirent *slot, *object;
    while (top && (slot = readdir(top))) {
        if (slot->d_name[0] == '.' && strchr("./", slot->d_name[1]))
            continue;
        if (slot->d_name[0] == '.' && !slot->d_name[1])
            continue;
        assert_int_equal(strlen(slot->d_name), 2);
        AUTO_FREE char *path = mem_printf("%s/%s", store, slot->d_name);
        DIR *dir = opendir(path);
        assert_non_null(dir);
        while ((object = readdir(dir))) {
            if (object->d_name[0] == '.')
                continue;
            assert_int_equal(strlen(object->d_name), 64);
            count++;
        }
        (void)closedir(dir);
    }
    if (top)
        (void)closedir(top);
    return count;
}

static struct cas_object put(const struct room *r, const char *name)
{
    struct err err = ERR_INIT;
    struct cas_object object = {0};
    assert_ok(cas_put(r->store, r->dir, name, &object, &err), err);
    return object;
}

static void check_refused(const struct room *r, const char *name, enum err_code code,
                          const char *words)
{
    struct err err = ERR_INIT;
    struct cas_object object = {.size = -7};
    assert_false(cas_put(r->store, r->dir, name, &object, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.msg, words))
        fail_msg("'%s' does not say '%s'", err.msg, words);
    assert_int_equal(object.size, -7); /* untouched */
}

static void a_file_becomes_its_object(void **state)
{
    ROOM r = enter(state);
    put_text(&r, "model.bin", "weights");
    struct cas_object object = put(&r, "model.bin");
    char digest[DIGEST_TEXT];
    digest_bytes("weights", 7, digest);
    assert_string_equal(object.digest, digest);
    assert_int_equal(object.size, 7);
    assert_int_equal(object.files, 1);
    assert_false(object.folder);
    check_object(&r, digest, "weights");
    assert_int_equal(stat_in_work(&r, "model.bin").st_ino, stat_object(&r, digest).st_ino);
    assert_int_equal(stat_in_work(&r, "model.bin").st_mode & 07777, 0444);
    /* Again, as after a crash before the record was written. */
    assert_string_equal(put(&r, "model.bin").digest, digest);
    assert_string_equal(put(&r, "./model.bin").digest, digest);
    assert_int_equal(count_objects(r.store), 1);
}

static void empty_files_are_objects_too(void **state)
{
    ROOM r = enter(state);
    put_text(&r, "empty", "");
    struct cas_object object = put(&r, "empty");
    assert_int_equal(object.size, 0);
    check_object(&r, object.digest, "");
}

static void same_bytes_are_stored_once(void **state)
{
    ROOM r = enter(state);
    put_text(&r, "a", "same");
    put_text(&r, "b", "same");
    struct cas_object a = put(&r, "a"), b = put(&r, "b");
    assert_string_equal(a.digest, b.digest);
    assert_int_equal(count_objects(r.store), 1);
    assert_int_not_equal(stat_in_work(&r, "b").st_ino, stat_object(&r, b.digest).st_ino);
}

static void files_with_two_names_are_copied(void **state)
{
    ROOM r = enter(state);
    put_text(&r, "a", "shared");
    AUTO_FREE char *a = in_work(&r, "a"), *b = in_work(&r, "b");
    assert_int_equal(link(a, b), 0);
    struct cas_object object = put(&r, "a");
    check_object(&r, object.digest, "shared");
    /* The other name's owner keeps what he has; this name is no longer his. */
    assert_int_not_equal(stat_of(b).st_ino, stat_object(&r, object.digest).st_ino);
    assert_int_equal(stat_of(b).st_mode & 07777, 0644);
    assert_int_equal(stat_of(a).st_ino, stat_object(&r, object.digest).st_ino);
    write_file(b, "changed", 7);
    check_object(&r, object.digest, "shared");
    assert_string_equal(put(&r, "a").digest, object.digest);
    assert_int_equal(count_objects(r.store), 1);
}

/* Names below a folder, programs, and an object that is damaged already. */
static void names_of_others_are_replaced_everywhere(void **state)
{
    static const char *const names[] = {"out/a", "out/deep/b", "out/deep/run.sh"};
    ROOM r = enter(state);
    make_folder(&r, "out/deep");
    make_folder(&r, "mine");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO_FREE char *out = in_work(&r, names[i]);
        AUTO_FREE char *mine = mem_printf("%s/mine/%zu", r.work, i);
        write_file(mine, "bytes", 5);
        assert_int_equal(chmod(mine, i == 2 ? 0755 : 0644), 0);
        assert_int_equal(link(mine, out), 0);
    }
    char digest[DIGEST_TEXT];
    digest_bytes("bytes", 5, digest);
    AUTO_FREE char *damaged = cas_path(r.store, digest);
    AUTO_FREE char *slot = mem_strndup(damaged, strlen(damaged) - DIGEST_TEXT);
    assert_true(file_make_dirs(slot, 0755, NULL));
    write_file(damaged, "bites", 5);
    struct cas_object first = put(&r, "out");
    check_object(&r, digest, "bytes");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO_FREE char *mine = mem_printf("%s/mine/%zu", r.work, i);
        struct stat was = stat_of(mine), is = stat_in_work(&r, names[i]);
        assert_int_not_equal(was.st_ino, is.st_ino);
        assert_int_equal(was.st_mode & 07777, i == 2 ? 0755 : 0644);
        assert_int_equal(is.st_mode & 07777, i == 2 ? 0555 : 0444);
        write_file(mine, "other", 5);
    }
    assert_int_equal(stat_in_work(&r, "out/deep").st_mode & 07777, 0555);
    assert_string_equal(put(&r, "out").digest, first.digest);
}

static void check_restored(const struct room *r, const char *name, const struct cas_object *was)
{
    struct err err = ERR_INIT;
    struct cas_object is;
    AUTO_FREE char *path = in_work(r, name);
    assert_ok(cas_restore(r->store, was->digest, was->size, path, &err), err);
    assert_ok(cas_digest(path, NULL, &is, &err), err);
    assert_string_equal(is.digest, was->digest);
    assert_int_equal(is.size, was->size);
    assert_int_equal(is.folder, was->folder);
    assert_int_equal(stat_of(path).st_mode & 0222, 0);
}

static void what_was_stored_can_be_restored(void **state)
{
    ROOM r = enter(state);
    struct err err = ERR_INIT;
    struct cas_object object;
    make_folder(&r, "out/deep");
    put_text(&r, "out/deep/a", "one");
    put_text(&r, "out/new\nline%", "two");
    put_text(&r, "out/run.sh", "#!/bin/sh\n");
    AUTO_FREE char *program = in_work(&r, "out/run.sh"), *out = in_work(&r, "out");
    AUTO_FREE char *file = in_work(&r, "file"), *inner = in_work(&r, "out/deep/a");
    AUTO_FREE char *deep = in_work(&r, "out/deep");
    assert_int_equal(chmod(program, 0755), 0);
    put_text(&r, "file", "alone");
    struct cas_object folder = put(&r, "out"), alone = put(&r, "file");
    assert_ok(cas_digest(out, NULL, &object, &err), err);
    assert_string_equal(object.digest, folder.digest);
    /* Changed, gone, and something else in its place. */
    assert_int_equal(chmod(deep, 0755), 0);
    assert_int_equal(unlink(inner), 0);
    check_restored(&r, "out", &folder);
    assert_int_equal(stat_in_work(&r, "out/run.sh").st_mode & 07777, 0555);
    assert_int_equal(stat_in_work(&r, "out/deep").st_mode & 07777, 0555);
    assert_true(file_remove_tree(out, NULL));
    assert_false(cas_digest(out, NULL, &object, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    check_restored(&r, "out", &folder);
    assert_int_equal(unlink(file), 0);
    make_folder(&r, "file");
    check_restored(&r, "file", &alone);
    check_restored(&r, "else/where", &alone);
    /* A damaged object is found before anything is touched. */
    char digest[DIGEST_TEXT];
    digest_bytes("one", 3, digest);
    AUTO_FREE char *stored = cas_path(r.store, digest);
    assert_int_equal(unlink(stored), 0);
    assert_false(cas_restore(r.store, folder.digest, folder.size, out, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, "deep/a"));
    assert_true(cas_digest(out, NULL, &object, &err));
    assert_string_equal(object.digest, folder.digest);
    assert_false(cas_restore(r.store, folder.digest, folder.size, NULL, &err));
    assert_true(cas_restore(r.store, alone.digest, alone.size, NULL, &err));
}

static void folders_become_read_only(void **state)
{
    ROOM r = enter(state);
    make_folder(&r, "out/deep/er");
    put_text(&r, "out/deep/er/a", "x");
    (void)put(&r, "out");
    static const char *const folders[] = {"out", "out/deep", "out/deep/er"};
    for (size_t i = 0; i < COUNT_OF(folders); i++)
        assert_int_equal(stat_in_work(&r, folders[i]).st_mode & 07777, 0555);
    assert_int_equal(stat_in_work(&r, "out/deep/er/a").st_mode & 07777, 0444);
}

static void files_of_another_file_system_are_copied(void **state)
{
    ROOM r = enter(state);
    char memory[] = "/dev/shm/orch-test-XXXXXX";
    if (!mkdtemp(memory) || stat_of(memory).st_dev == stat_of(r.work).st_dev) {
        print_message("skipped: /dev/shm is no second file system here\n");
        skip();
    }
    put_text(&r, "a", "far away");
    struct err err = ERR_INIT;
    struct cas_object object;
    bool ok = cas_put(memory, r.dir, "a", &object, &err);
    int fd = cas_open(memory, object.digest, &err);
    close(fd);
    assert_true(file_remove_tree(memory, NULL));
    assert_ok(ok, err);
    assert_ok(fd >= 0, err);
    assert_int_equal(stat_in_work(&r, "a").st_mode & 07777, 0444);
}

static void executables_are_copied_and_keep_their_mode(void **state)
{
    ROOM r = enter(state);
    make_folder(&r, "out");
    put_text(&r, "out/run.sh", "#!/bin/sh\n");
    AUTO_FREE char *path = in_work(&r, "out/run.sh");
    assert_int_equal(chmod(path, 0755), 0);
    struct cas_object first = put(&r, "out"), second = put(&r, "out");
    assert_string_equal(first.digest, second.digest);
    assert_int_equal(stat_of(path).st_mode & 07777, 0555);
    char digest[DIGEST_TEXT];
    digest_bytes("#!/bin/sh\n", 10, digest);
    AUTO_FREE char *manifest = mem_printf("%s x 10 run.sh\n", digest);
    check_object(&r, first.digest, manifest);
}

/* The same manifest whatever the order the folder was filled in, sorted by bytes: "a-b" lies before
 * "a/x", which lies before "b". */
static void folders_have_a_manifest(void **state)
{
    static const char *const names[] = {"a-b", "a/x", "a/y/z", "b", "new%0Aline%25%0D"};
    static const char *const raw[] = {"a-b", "a/x", "a/y/z", "b", "new\nline%\r"};
    ROOM r = enter(state);
    AUTO_BUF struct buf manifest = BUF_INIT(10000);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char digest[DIGEST_TEXT];
        digest_bytes(raw[i], strlen(raw[i]), digest);
        assert_true(buf_addf(&manifest, "%s - %zu %s\n", digest, strlen(raw[i]), names[i]));
    }
    make_folder(&r, "one/nested/a/y");
    make_folder(&r, "one/nested/empty");
    make_folder(&r, "two/a/y");
    for (size_t i = 0; i < COUNT_OF(raw); i++) {
        AUTO_FREE char *one = mem_printf("one/nested/%s", raw[i]);
        AUTO_FREE char *two = mem_printf("two/%s", raw[COUNT_OF(raw) - 1 - i]);
        put_text(&r, one, raw[i]);
        put_text(&r, two, raw[COUNT_OF(raw) - 1 - i]);
    }
    struct cas_object one = put(&r, "one/nested"), two = put(&r, "two/");
    assert_true(one.folder);
    assert_int_equal(one.files, 5);
    assert_int_equal(one.size, 3 + 3 + 5 + 1 + 10);
    assert_string_equal(one.digest, two.digest);
    check_object(&r, one.digest, buf_str(&manifest));
    check_object(&r, two.digest, buf_str(&manifest));
    assert_int_equal(count_objects(r.store), 6);
    for (size_t i = 0; i < COUNT_OF(raw); i++) {
        char digest[DIGEST_TEXT];
        digest_bytes(raw[i], strlen(raw[i]), digest);
        check_object(&r, digest, raw[i]);
    }
}

static void empty_folders_have_an_empty_manifest(void **state)
{
    ROOM r = enter(state);
    make_folder(&r, "out/nothing");
    struct cas_object object = put(&r, "out");
    assert_int_equal(object.files, 0);
    assert_int_equal(object.size, 0);
    check_object(&r, object.digest, "");
}

static void the_folder_itself_may_be_put(void **state)
{
    ROOM r = enter(state);
    put_text(&r, "a", "x");
    assert_int_equal(put(&r, ".").files, 1);
}

static void names_outside_are_refused(void **state)
{
    ROOM r = enter(state);
    static const char *const names[] = {"..",          "../secret", "a/../../secret", "a/..",
                                        "/etc/passwd", "/",         "./../x",         "a//../b"};
    make_folder(&r, "a");
    for (size_t i = 0; i < COUNT_OF(names); i++)
        check_refused(&r, names[i], ERR_INVALID, "lies outside the folder");
    check_refused(&r, "", ERR_INVALID, "name");
    check_refused(&r, "none", ERR_NOT_FOUND, "'none'");
    check_refused(&r, "a/none", ERR_NOT_FOUND, "'a/none'");
    assert_int_equal(put(&r, "a").files, 0);
    put_text(&r, "..a", "dots"); /* only looks like it */
    (void)put(&r, "..a");
    put_text(&r, "file", "x");
    check_refused(&r, "file/x", ERR_IO, "file/x");
}

static void links_are_not_followed(void **state)
{
    ROOM r = enter(state);
    AUTO_FREE char *secret = mem_printf("%s/secret", r.top);
    AUTO_FREE char *last = in_work(&r, "last"), *way = in_work(&r, "way");
    AUTO_FREE char *inner = in_work(&r, "out/deep/link");
    write_file(secret, "secret", 6);
    make_folder(&r, "out/deep");
    put_text(&r, "out/a", "x");
    assert_int_equal(symlink(secret, last), 0);
    assert_int_equal(symlink("..", way), 0);
    check_refused(&r, "last", ERR_INVALID, "'last' is a symbolic link");
    check_refused(&r, "way/secret", ERR_INVALID, "'way' is a symbolic link");
    check_refused(&r, "way/", ERR_INVALID, "'way' is a symbolic link");
    assert_int_equal(symlink("../a", inner), 0); /* even one that stays inside */
    check_refused(&r, "out", ERR_INVALID, "'out/deep/link' is a symbolic link");
    check_refused(&r, "out/deep/link", ERR_INVALID, "is a symbolic link");
    char digest[DIGEST_TEXT];
    digest_bytes("secret", 6, digest);
    AUTO_FREE char *object = cas_path(r.store, digest);
    assert_false(exists(object));
}

static void only_files_are_stored(void **state)
{
    ROOM r = enter(state);
    AUTO_FREE char *fifo = in_work(&r, "out/fifo");
    make_folder(&r, "out");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    check_refused(&r, "out/fifo", ERR_INVALID, "only files are stored");
    check_refused(&r, "out", ERR_INVALID, "'out/fifo'");
    struct err err = ERR_INIT;
    AUTO_CLOSE int sock = file_socket_listen(r.work, "sock", &err);
    assert_ok(sock >= 0, err);
    check_refused(&r, "sock", ERR_INVALID, "only files are stored");
}

static void deep_folders_are_refused(void **state)
{
    ROOM r = enter(state);
    AUTO_BUF struct buf path = BUF_INIT(1000);
    assert_true(buf_adds(&path, "d"));
    for (int i = 1; i < 64; i++)
        assert_true(buf_adds(&path, "/d"));
    make_folder(&r, buf_str(&path));
    AUTO_FREE char *file = mem_printf("%s/f", buf_str(&path));
    put_text(&r, file, "deep");
    assert_int_equal(put(&r, "d").files, 1);
    AUTO_FREE char *last = in_work(&r, buf_str(&path));
    assert_int_equal(chmod(last, 0755), 0);
    assert_true(buf_adds(&path, "/d"));
    make_folder(&r, buf_str(&path));
    check_refused(&r, "d", ERR_LIMIT, "64");
}

static void damaged_objects_are_found_and_replaced(void **state)
{
    ROOM r = enter(state);
    struct err err = ERR_INIT;
    put_text(&r, "a", "good bytes");
    struct cas_object object = put(&r, "a");
    AUTO_FREE char *path = cas_path(r.store, object.digest);
    AUTO_FREE char *copy = in_work(&r, "a");
    char wrong[DIGEST_TEXT];
    digest_bytes("good", 4, wrong);

    assert_int_equal(unlink(path), 0);
    write_file(path, "good", 4); /* half of it */
    assert_int_equal(cas_open(r.store, object.digest, &err), -1);
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_non_null(strstr(err.msg, object.digest));
    assert_non_null(strstr(err.msg, wrong));
    (void)put(&r, "a"); /* by a link */
    check_object(&r, object.digest, "good bytes");
    assert_int_equal(stat_of(copy).st_ino, stat_of(path).st_ino);

    assert_int_equal(unlink(path), 0);
    write_file(path, "good", 4);
    AUTO_FREE char *other = in_work(&r, "b");
    assert_int_equal(link(copy, other), 0);
    (void)put(&r, "a"); /* by a copy */
    check_object(&r, object.digest, "good bytes");
    assert_int_equal(count_objects(r.store), 1);
}

static void opening_says_what_is_wrong(void **state)
{
    ROOM r = enter(state);
    struct err err = ERR_INIT;
    char digest[DIGEST_TEXT];
    digest_bytes("never stored", 12, digest);
    assert_int_equal(cas_open(r.store, digest, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    static const char *const names[] = {"", "abc", "../../../../etc/passwd"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(cas_open(r.store, names[i], &err), -1);
        assert_int_equal(err.code, ERR_INVALID);
    }
    AUTO_FREE char *path = cas_path("/s/../store", digest);
    AUTO_FREE char *expected = mem_printf("/store/%.2s/%s", digest, digest);
    assert_string_equal(path, expected);
}

/* A store of 256 KiB and a megabyte to put: an error that says so, and no trace. */
static void a_full_disk_leaves_no_half_object(void **state)
{
    ROOM r = enter(state);
    enum { SIZE = 1 << 20 };
    assert_int_equal(mkdir(r.store, 0755), 0);
    if (mount("orch-test", r.store, "tmpfs", 0, "size=256k") < 0) {
        print_message("skipped: cannot mount here: %s\n", strerror(errno));
        skip();
    }
    AUTO_FREE char *data = mem_alloc(SIZE);
    AUTO_FREE char *path = in_work(&r, "large");
    memset(data, 'x', SIZE);
    write_file(path, data, SIZE);
    put_text(&r, "small", "fits");
    struct err err = ERR_INIT;
    struct cas_object object = {0}, small = {0};
    bool stored = cas_put(r.store, r.dir, "large", &object, &err);
    size_t left = count_objects(r.store);
    struct err other = ERR_INIT;
    bool fits = cas_put(r.store, r.dir, "small", &small, &other);
    size_t then = count_objects(r.store);
    assert_int_equal(umount(r.store), 0);
    assert_false(stored);
    assert_int_equal(err.code, ERR_NO_SPACE);
    assert_non_null(strstr(err.msg, "'large'"));
    assert_int_equal(left, 0);
    assert_ok(fits, other); /* the room was given back */
    assert_int_equal(then, 1);
}

static void many_files(void **state)
{
    ROOM r = enter(state);
    make_folder(&r, "out");
    for (int i = 0; i < 300; i++) {
        AUTO_FREE char *name = mem_printf("out/%d", i);
        AUTO_FREE char *text = mem_printf("%d", i / 2);
        put_text(&r, name, text);
    }
    struct cas_object object = put(&r, "out");
    assert_int_equal(object.files, 300);
    assert_int_equal(count_objects(r.store), 151);
}

static void unreadable_files_of_ours_are_stored(void **state)
{
    ROOM r = enter(state);
    put_text(&r, "a", "shy");
    AUTO_FREE char *path = in_work(&r, "a");
    assert_int_equal(chmod(path, 0), 0);
    check_object(&r, put(&r, "a").digest, "shy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_becomes_its_object),
        cmocka_unit_test(empty_files_are_objects_too),
        cmocka_unit_test(same_bytes_are_stored_once),
        cmocka_unit_test(files_with_two_names_are_copied),
        cmocka_unit_test(names_of_others_are_replaced_everywhere),
        cmocka_unit_test(folders_become_read_only),
        cmocka_unit_test(what_was_stored_can_be_restored),
        cmocka_unit_test(files_of_another_file_system_are_copied),
        cmocka_unit_test(executables_are_copied_and_keep_their_mode),
        cmocka_unit_test(folders_have_a_manifest),
        cmocka_unit_test(empty_folders_have_an_empty_manifest),
        cmocka_unit_test(the_folder_itself_may_be_put),
        cmocka_unit_test(names_outside_are_refused),
        cmocka_unit_test(links_are_not_followed),
        cmocka_unit_test(only_files_are_stored),
        cmocka_unit_test(deep_folders_are_refused),
        cmocka_unit_test(damaged_objects_are_found_and_replaced),
        cmocka_unit_test(opening_says_what_is_wrong),
        cmocka_unit_test(a_full_disk_leaves_no_half_object),
        cmocka_unit_test(many_files),
        cmocka_unit_test(unreadable_files_of_ours_are_stored),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
