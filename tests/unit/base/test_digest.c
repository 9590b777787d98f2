/* Known answers of FIPS 180-4, pieces of any size, files. */
#include "scratch.h"

#include "base/digest.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void known_answers(void **state)
{
    (void)state;
    static const struct {
        const char *text, *digest;
    } table[] = {
        {"", EMPTY},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char got[DIGEST_TEXT];
        digest_bytes(table[i].text, strlen(table[i].text), got);
        assert_string_equal(got, table[i].digest);
    }
}

static void pieces_make_the_whole(void **state)
{
    (void)state;
    char data[500], whole[DIGEST_TEXT];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 31);
    digest_bytes(data, sizeof(data), whole);
    for (size_t step = 1; step < 200; step++) {
        struct digest d;
        char got[DIGEST_TEXT];
        digest_init(&d);
        for (size_t at = 0; at < sizeof(data); at += step)
            digest_add(&d, data + at, at + step > sizeof(data) ? sizeof(data) - at : step);
        digest_end(&d, got);
        assert_string_equal(got, whole);
    }
}

static void files_from_their_start(void **state)
{
    AUTO_FREE char *path = scratch_path(state, "million");
    static char data[1000000];
    struct err err = ERR_INIT;
    char got[DIGEST_TEXT];
    int64_t size = 0;
    memset(data, 'a', sizeof(data));
    write_file(path, data, sizeof(data));
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(lseek(fd, 500, SEEK_SET), 500);
    assert_ok(digest_file(fd, got, &size, &err), err);
    assert_string_equal(got, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    assert_int_equal(size, 1000000);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 500);
    assert_ok(digest_file(fd, got, NULL, &err), err);
}

static void refuses_what_is_no_file(void **state)
{
    struct err err = ERR_INIT;
    char got[DIGEST_TEXT];
    AUTO_CLOSE int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_false(digest_file(dir, got, NULL, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_false(digest_file(null, got, NULL, &err));
    assert_false(digest_file(-1, got, NULL, &err));
    assert_int_equal(err.code, ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(pieces_make_the_whole),
        cmocka_unit_test(files_from_their_start),
        cmocka_unit_test(refuses_what_is_no_file),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
