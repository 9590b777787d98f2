/*
 * Cores and GPUs of the host: all or nothing, one holder each, given back by whatever dies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "executor/step/pool.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIST "4000,4001,4002" /* of the tests alone: real steps of this host have lower ones */

static void gpus_are_given_once(void **state)
{
    (void)state;
    struct step_limits two = {.gpus = 2};
    struct pool_grant a, b;
    struct err err = ERR_INIT;
    assert_true(pool_take(&two, &a, NULL));
    assert_string_equal(a.gpus, "4000,4001");
    assert_string_equal(a.cores, "");
    assert_false(pool_take(&two, &b, &err)); /* one is left, and is not kept */
    assert_int_equal(err.code, ERR_BUSY);
    struct step_limits last = {.gpu_list = mem_strdup("4002")};
    assert_true(pool_take(&last, &b, NULL));
    assert_string_equal(b.gpus, "4002");
    pool_give(&a);
    assert_true(pool_take(&two, &a, NULL));
    pool_give(&a);
    pool_give(&b);
    pool_give(&b);
    free(last.gpu_list);
}

static void what_there_is_not(void **state)
{
    (void)state;
    static const char *const lists[] = {
        "4003", "0", "", ",", "4000,", "x", "-1", "1-", "2-1", "4000;", "99999999999999999999",
        " 4000"};
    struct pool_grant grant;
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        struct err err = ERR_INIT;
        struct step_limits limits = {.gpu_list = mem_strdup(lists[i])};
        assert_false(pool_take(&limits, &grant, &err));
        assert_int_equal(err.code, ERR_INVALID);
        limits.core_list = limits.gpu_list;
        limits.gpu_list = NULL;
        if (strcmp(lists[i], "0") != 0) {
            assert_false(pool_take(&limits, &grant, &err));
            assert_int_equal(err.code, ERR_INVALID);
        }
        free(limits.core_list);
    }
    struct err err = ERR_INIT;
    assert_false(pool_take(&(struct step_limits){.gpus = 4}, &grant, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.msg, "4 gpus"));
}

static void a_dead_holder_gives_back(void **state)
{
    (void)state;
    struct step_limits all = {.gpu_list = mem_strdup("4000-4002")};
    struct pool_grant grant;
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        bool good = pool_take(&all, &grant, NULL);
        (void)!write(ends[1], good ? "y" : "n", 1);
        for (;;) {
            (void)pause();
        }
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    assert_false(pool_take(&all, &grant, NULL));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(pool_take(&all, &grant, NULL));
    assert_string_equal(grant.gpus, LIST);
    pool_give(&grant);
    free(all.gpu_list);
    close(ends[0]);
    close(ends[1]);
}

static void the_command_does_not_inherit(void **state)
{
    (void)state;
    struct step_limits one = {.gpus = 1};
    struct pool_grant grant;
    assert_true(pool_take(&one, &grant, NULL));
    for (size_t i = 0; i < grant.fd_count; i++) {
        char command[80];
        (void)snprintf(command, sizeof(command), "test ! -e /proc/self/fd/%d", grant.fds[i]);
        assert_int_equal(system(command), 0);
    }
    pool_give(&grant);
}

static void the_command_is_told(void **state)
{
    (void)state;
    struct step_limits limits = {.gpus = 2, .cores = 1}, none = {0};
    struct pool_grant grant = {.gpus = "4000,4001", .cores = "3"}, nothing;
    char *env[4];
    size_t count = pool_env(&limits, &grant, env);
    assert_int_equal(count, 4);
    assert_string_equal(env[0], "CUDA_VISIBLE_DEVICES=4000,4001");
    assert_string_equal(env[3], "ORCH_CORES=3");
    for (size_t i = 0; i < count; i++) {
        free(env[i]);
    }
    assert_true(pool_take(&none, &nothing, NULL));
    assert_int_equal(pool_env(&none, &nothing, env), 0);
    pool_give(&nothing);
}

static void facts_say_how_many(void **state)
{
    (void)state;
    struct step_facts facts = {0};
    pool_facts(&facts);
    assert_int_equal(step_facts_find(&facts, "gpus")->amount, 3);
    assert_true(step_facts_find(&facts, "cores")->amount >= 1);
    assert_true(step_facts_find(&facts, "cores")->holds);
    step_facts_done(&facts);
    /* What the cgroups have said about cores stands. */
    facts_add(&facts, "cores", false, 0, "no cpuset", "");
    pool_facts(&facts);
    assert_int_equal(facts.count, 2);
    assert_false(facts.items[0].holds);
    assert_string_equal(facts.items[0].why, "no cpuset");
    step_facts_done(&facts);
    assert_int_equal(setenv("ORCH_GPUS", "0", 1), 0);
    pool_facts(&facts);
    assert_false(step_facts_find(&facts, "gpus")->holds);
    step_facts_done(&facts);
    assert_int_equal(setenv("ORCH_GPUS", LIST, 1), 0);
}

static void nobody(const char *folder, mode_t mode, bool good)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct step_facts facts = {0};
        struct pool_grant grant;
        struct step_limits one = {.gpus = 1};
        AUTO_FREE char *orchd = mem_printf("%s/orchd", folder);
        (void)setenv("XDG_RUNTIME_DIR", folder, 1);
        if (mode != 0 && (mkdir(orchd, 0700) != 0 || chmod(orchd, mode) != 0)) {
            _exit(3);
        }
        if (chown(folder, 65534, 65534) != 0 || setgid(65534) != 0 || setuid(65534) != 0) {
            _exit(4);
        }
        pool_facts(&facts);
        bool said = step_facts_find(&facts, "gpus")->holds;
        bool took = pool_take(&one, &grant, NULL);
        _exit(said == good && took == good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* A folder that is somebody else's is not trusted. */
static void folders_of_others(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    char good[] = "/tmp/orchd-test-XXXXXX", foreign[] = "/tmp/orchd-test-XXXXXX";
    char command[200];
    assert_non_null(mkdtemp(good));
    assert_non_null(mkdtemp(foreign));
    nobody(good, 0, true);
    nobody(foreign, 0777, false);
    (void)snprintf(command, sizeof(command), "rm -r %s %s", good, foreign);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpus_are_given_once),      cmocka_unit_test(what_there_is_not),
        cmocka_unit_test(a_dead_holder_gives_back), cmocka_unit_test(the_command_does_not_inherit),
        cmocka_unit_test(the_command_is_told),      cmocka_unit_test(facts_say_how_many),
        cmocka_unit_test(folders_of_others),
    };
    if (setenv("ORCH_GPUS", LIST, 1) != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
