/* Allocation, its end of the process, and the cleanup attributes. */
#include "scratch.h"

#include <errno.h>
#include <sys/wait.h>

static void memory_is_zeroed(void **state)
{
    (void)state;
    AUTO_FREE unsigned char *a = mem_alloc(1000);
    AUTO_FREE unsigned char *b = mem_array(10, 100);
    for (size_t i = 0; i < 1000; i++)
        assert_true(a[i] == 0 && b[i] == 0);
    AUTO_FREE void *nothing = mem_alloc(0);
    AUTO_FREE void *none = mem_array(0, 8);
    assert_non_null(nothing);
    assert_non_null(none);
}

static void grows(void **state)
{
    (void)state;
    AUTO_FREE int *numbers = NULL;
    for (int i = 0; i < 1000; i++) {
        numbers = mem_grow(numbers, (size_t)i + 1, sizeof(*numbers));
        numbers[i] = i;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(numbers[i], i);
}

static void copies_text(void **state)
{
    (void)state;
    AUTO_FREE char *a = mem_strdup("abc");
    AUTO_FREE char *b = mem_strndup("abcdef", 2);
    AUTO_FREE char *c = mem_strndup("ab", 100);
    AUTO_FREE char *d = mem_printf("%d-%s", 7, "x");
    assert_string_equal(a, "abc");
    assert_string_equal(b, "ab");
    assert_string_equal(c, "ab");
    assert_string_equal(d, "7-x");
}

static void steal_leaves_null(void **state)
{
    (void)state;
    char *taken;
    {
        AUTO_FREE char *text = mem_strdup("kept");
        taken = mem_steal(text);
        assert_null(text);
    }
    assert_string_equal(taken, "kept");
    free(taken);
}

static void close_keeps_errno(void **state)
{
    (void)state;
    int copy;
    {
        AUTO_CLOSE int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        copy = fd;
        errno = EXDEV;
    }
    assert_int_equal(errno, EXDEV);
    assert_int_equal(fcntl(copy, F_GETFD), -1);
    int none = -1;
    mem_close_fd(&none);
}

static size_t huge = SIZE_MAX / 4;

static void overflow_array(void)
{
    free(mem_array(huge, 16));
}

static void overflow_grow(void)
{
    free(mem_grow(NULL, huge, 16));
}

/* In a child: it says why and exits as internal errors do. */
static void no_memory_ends_the_process(void **state)
{
    (void)state;
    static void (*const calls[])(void) = {overflow_array, overflow_grow};
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        int ends[2], status;
        char text[100] = "";
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        if (pid == 0) {
            (void)dup2(ends[1], STDERR_FILENO);
            calls[i]();
            _exit(1);
        }
        close(ends[1]);
        assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
        close(ends[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
#ifndef __SANITIZE_ADDRESS__ /* which has its own way to end here */
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 70);
        assert_string_equal(text, "orchd: out of memory\n");
#endif
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed),  cmocka_unit_test(grows),
        cmocka_unit_test(copies_text),       cmocka_unit_test(steal_leaves_null),
        cmocka_unit_test(close_keeps_errno), cmocka_unit_test(no_memory_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
