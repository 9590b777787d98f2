/* The record: what is written is read, and a torn section reads as not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "executor/step/step.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct step_end sample_end(void)
{
    struct step_end end = {.how = STEP_EXIT,
                           .exit_code = 3,
                           .signal = 0,
                           .began_ms = 1700000000123,
                           .ended_ms = 1700000009999,
                           .usage = {.cpu_us = 5,
                                     .peak_bytes = 1 << 20,
                                     .read_bytes = 3,
                                     .write_bytes = 4,
                                     .throttled_us = -1,
                                     .pids_peak = 9,
                                     .memory_bytes = -1,
                                     .pids = -1},
                           .has_output = true,
                           .has_files = true,
                           .log_cut = true};
    memset(end.message, 'm', sizeof(end.message) - 1);
    return end;
}

static int make_record(void)
{
    char top[] = "/tmp/orch-record-XXXXXX";
    assert_non_null(mkdtemp(top));
    int dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = record_create(dir, "run1", "step.2", 7, "0123456789abcdef0123456789abcdef", NULL);
    assert_true(fd >= 0);
    assert_int_equal(lseek(fd, 0, SEEK_END), RECORD_SIZE);
    assert_int_equal(record_create(dir, "run1", "step.2", 7, "", NULL), -1); /* made once */
    unlinkat(dir, "record", 0);
    close(dir);
    rmdir(top);
    return fd;
}

static void sections_are_read_as_written(void **state)
{
    (void)state;
    struct record r;
    struct step_end end = sample_end();
    int fd = make_record();
    assert_true(record_read(fd, &r, NULL));
    assert_string_equal(r.run, "run1");
    assert_string_equal(r.step, "step.2");
    assert_int_equal(r.attempt, 7);
    assert_string_equal(r.boot_id, "0123456789abcdef0123456789abcdef");
    assert_false(r.began || r.ended);
    assert_true(record_write_began(fd, 11, 22, 33, "/sys/fs/cgroup/orchd.1.2/3", true, NULL));
    assert_true(record_read(fd, &r, NULL));
    assert_true(r.began && !r.ended);
    assert_int_equal(r.began_ms, 11);
    assert_int_equal(r.supervisor_pid, 22);
    assert_int_equal(r.supervisor_start, 33);
    assert_string_equal(r.cgroup, "/sys/fs/cgroup/orchd.1.2/3");
    assert_true(record_write_end(fd, &end, true, NULL));
    assert_true(record_read(fd, &r, NULL));
    assert_true(r.began && r.ended);
    assert_memory_equal(&r.end.message, &end.message, sizeof(end.message));
    assert_int_equal(r.end.how, STEP_EXIT);
    assert_int_equal(r.end.exit_code, 3);
    assert_int_equal(r.end.ended_ms, end.ended_ms);
    assert_true(r.end.has_output && !r.end.has_metrics && r.end.has_files && r.end.log_cut);
    assert_int_equal(lseek(fd, 0, SEEK_END), RECORD_SIZE);
    close(fd);
}

/* Writes are cut after every byte, and once more with garbage in place of what was not written. */
static void a_torn_write_reads_as_none(void **state)
{
    (void)state;
    unsigned char before[RECORD_SIZE], after[RECORD_SIZE];
    struct step_end end = sample_end();
    struct record r;
    int fd = make_record();
    for (int section = 0; section < 2; section++) {
        assert_int_equal(pread(fd, before, RECORD_SIZE, 0), RECORD_SIZE);
        if (section == 0) {
            assert_true(record_write_began(fd, 11, 22, 33, NULL, false, NULL));
        } else {
            assert_true(record_write_end(fd, &end, false, NULL));
        }
        assert_int_equal(pread(fd, after, RECORD_SIZE, 0), RECORD_SIZE);
        size_t last = RECORD_SIZE;
        while (before[last - 1] == after[last - 1]) {
            last--;
        }
        for (size_t cut = 0; cut <= last; cut++) {
            for (int garbage = 0; garbage < 2; garbage++) {
                unsigned char torn[RECORD_SIZE];
                memcpy(torn, garbage != 0 ? after : before, RECORD_SIZE);
                memcpy(torn, after, cut);
                if (garbage != 0 && cut < last) {
                    torn[cut] ^= 0x55;
                }
                assert_int_equal(pwrite(fd, torn, RECORD_SIZE, 0), RECORD_SIZE);
                bool whole = cut == last;
                bool readable = record_read(fd, &r, NULL);
                if (!readable) { /* garbage hit the identity */
                    assert_true(garbage != 0 && cut < 1024);
                    continue;
                }
                bool there = section == 0 ? r.began : r.ended;
                if (there && !whole) { /* only bytes that no section covers were touched */
                    assert_true(garbage != 0 || memcmp(torn, after, last) == 0);
                    assert_true(garbage == 0 || before[cut] == after[cut]);
                }
                assert_true(there || !whole || garbage != 0);
                assert_true(section == 0 || r.began || garbage != 0);
            }
        }
        assert_int_equal(pwrite(fd, after, RECORD_SIZE, 0), RECORD_SIZE);
    }
    close(fd);
}

static void a_short_file_is_no_record(void **state)
{
    (void)state;
    struct record r;
    struct err err = ERR_INIT;
    int fd = memfd_create("record", MFD_CLOEXEC);
    assert_false(record_read(fd, &r, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_int_equal(write(fd, "REC1", 4), 4);
    assert_false(record_read(fd, &r, &err));
    close(fd);
}

static void names_have_a_bound(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char name[2000];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(record_create(dir, "run", name, 1, "boot", &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    close(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_are_read_as_written),
        cmocka_unit_test(a_torn_write_reads_as_none),
        cmocka_unit_test(a_short_file_is_no_record),
        cmocka_unit_test(names_have_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
