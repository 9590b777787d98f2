/*
 * test_paths.c - which folder is the data folder.
 */
#include "engine/engine.h"

#include "base/file.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char top[64];

static int set_up(void **state)
{
    (void)state;
    struct err err;
    snprintf(top, sizeof(top), "/tmp/orch-paths-XXXXXX");
    assert_non_null(mkdtemp(top));
    assert_int_equal(chdir(top), 0);
    assert_true(file_make_dirs("repo/.git", 0755, &err));
    assert_true(file_make_dirs("repo/deep/er", 0755, &err));
    assert_true(file_make_dirs("plain/sub", 0755, &err));
    unsetenv("ORCH_HOME");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(chdir("/"), 0);
    assert_true(file_remove_tree(top, &err));
    return 0;
}

/* The data folder seen from a folder below `top`, without `top`. */
static void expect(const char *from, const char *given, const char *want)
{
    AUTO_FREE char *dir = mem_printf("%s/%s", top, from);
    assert_int_equal(chdir(dir), 0);
    AUTO_FREE char *got = engine_data_dir(given);
    AUTO_FREE char *full = want[0] == '/' ? mem_strdup(want) : mem_printf("%s/%s", top, want);
    assert_string_equal(got, full);
}

static void where_nothing_is_it_lies_here_or_in_the_repository(void **state)
{
    (void)state;
    expect("plain/sub", NULL, "plain/sub/.orch");
    expect("repo/deep/er", NULL, "repo/.orch");
}

static void the_nearest_one_upward_wins(void **state)
{
    (void)state;
    struct err err;
    AUTO_FREE char *near = mem_printf("%s/repo/deep/.orch", top);
    assert_true(file_make_dirs(near, 0755, &err));
    expect("repo/deep/er", NULL, "repo/deep/.orch");
    expect("repo", NULL, "repo/.orch");
}

static void a_foreign_one_is_passed_over(void **state)
{
    (void)state;
    if (getuid() != 0) {
        puts("skipped: giving a folder to another user needs root");
        skip();
    }
    struct err err;
    AUTO_FREE char *foreign = mem_printf("%s/plain/.orch", top);
    assert_true(file_make_dirs(foreign, 0755, &err));
    assert_int_equal(chown(foreign, 65534, 65534), 0);
    expect("plain/sub", NULL, "plain/sub/.orch");
}

static void what_is_named_wins(void **state)
{
    (void)state;
    setenv("ORCH_HOME", "/srv/orch/", 1);
    expect("plain", NULL, "/srv/orch");
    expect("plain", "../x", "x");
    setenv("ORCH_HOME", "", 1);
    expect("plain", NULL, "plain/.orch");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(where_nothing_is_it_lies_here_or_in_the_repository, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_nearest_one_upward_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_foreign_one_is_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_named_wins, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
