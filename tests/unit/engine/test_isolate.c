/*
 * test_isolate.c - from a step to its limits, its sandbox and its user; what a host can and cannot
 * hold, with facts that are made up.
 */
#include "engine/isolate.h"

#include "base/file.h"
#include "base/mem.h"
#include "executor/step/facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct dag_pipeline *pipeline;
    struct engine_plan_step *plan;
    struct step_facts facts;
    struct users users;
    struct engine_outlook outlook;
    struct arena arena;
    struct err err;
};

static void open_world(struct world *w, const char *text)
{
    AUTO_DIAGS struct diags diags;
    *w = (struct world){.arena = ARENA_INIT};
    diags_init(&diags, "p.yaml");
    w->pipeline = dag_parse("p.yaml", text, strlen(text), &diags);
    if (w->pipeline == NULL) {
        diags_print(&diags, text, strlen(text), false, stderr);
        fail();
    }
    w->plan = arena_array(&w->arena, w->pipeline->step_count, sizeof(*w->plan));
    for (uint32_t i = 0; i < w->pipeline->step_count; i++) {
        w->plan[i] = (struct engine_plan_step){.what = ENGINE_PLAN_RUN};
    }
}

static void close_world(struct world *w)
{
    step_facts_done(&w->facts);
    dag_free(w->pipeline);
    arena_done(&w->arena);
}

static const struct dag_step *step(const struct world *w, const char *name)
{
    const struct dag_step *found = dag_find_step(w->pipeline, name);
    assert_non_null(found);
    return found;
}

static bool look(struct world *w, bool with_facts)
{
    w->err = ERR_INIT;
    outlook_make(w->pipeline, w->plan, with_facts ? &w->facts : NULL, &w->users, &w->arena,
                 &w->outlook);
    return engine_outlook_check(&w->outlook, w->pipeline, &w->err);
}

static void expect(const struct world *w, enum err_code code, const char *part)
{
    assert_int_equal(w->err.code, code);
    if (strstr(w->err.msg, part) == NULL) {
        fail_msg("'%s' is not in: %s", part, w->err.msg);
    }
}

/* ---- limits and sandbox */

static void test_limits(void **state)
{
    (void)state;
    struct world w;
    struct step_limits l;
    open_world(&w, "name: p\n"
                   "steps:\n"
                   "  a: {run: x}\n"
                   "  b:\n"
                   "    run: x\n"
                   "    isolation: best-effort\n"
                   "    resources: {cpu: 1.5, memory: 1GiB, pids: 9, cores: 2, gpu: [3, 1],\n"
                   "      io: {weight: 7, read: 1KB, write: 2KB, read_iops: 3, write_iops: 4}}\n"
                   "  c: {run: x, resources: {cores: [5], gpu: 2}}\n");
    isolate_limits(step(&w, "a"), &w.arena, &l);
    assert_false(step_limits_any(&l) || l.best_effort || l.gpus || l.gpu_list);
    assert_false(isolate_asks(step(&w, "a")));
    isolate_limits(step(&w, "b"), &w.arena, &l);
    assert_true(l.cpu_milli == 1500 && l.memory == 1 << 30 && l.pids == 9 && l.best_effort);
    assert_true(l.io_weight == 7 && l.io_read == 1000 && l.io_write == 2000);
    assert_true(l.io_read_ops == 3 && l.io_write_ops == 4);
    assert_true(l.cores == 2 && l.core_list == NULL && l.gpus == 0);
    assert_string_equal(l.gpu_list, "1,3");
    isolate_limits(step(&w, "c"), &w.arena, &l);
    assert_true(l.cores == 0 && l.gpus == 2 && l.gpu_list == NULL && !l.best_effort);
    assert_string_equal(l.core_list, "5");
    close_world(&w);
}

static void test_sandbox(void **state)
{
    (void)state;
    struct world w;
    struct step_sandbox s;
    open_world(&w, "name: p\n"
                   "steps:\n"
                   "  a: {run: x}\n"
                   "  b:\n"
                   "    run: x\n"
                   "    network: none\n"
                   "    sandbox: {privileged: true, private_tmp: true, read_only: [/a, /b],\n"
                   "      hidden: [/c], writable: [/d], umask: '0027', core: 0, open_files: 64}\n"
                   "  c: {run: x, sandbox: {writable: []}}\n");
    isolate_sandbox(step(&w, "a"), NULL, true, &w.arena, &s);
    assert_true(s.shared && !s.has_user && !s.has_umask && !s.has_core && !s.has_open_files);
    assert_true(s.umask == 0 && s.core == 0 && s.open_files == 0); /* what the spec's checks take */
    assert_true(s.writable_count == 0 && s.read_only_count == 0 && !s.no_network);
    isolate_sandbox(step(&w, "b"), NULL, false, &w.arena, &s);
    assert_true(s.privileged && s.private_tmp && s.no_network && !s.shared);
    assert_true(s.has_umask && s.umask == 027 && s.has_core && s.core == 0);
    assert_true(s.has_open_files && s.open_files == 64);
    assert_true(s.read_only_count == 2 && s.hidden_count == 1 && s.writable_count == 1);
    assert_string_equal(s.read_only[1], "/b");
    assert_string_equal(s.writable[0], "/d");
    isolate_sandbox(step(&w, "c"), NULL, false, &w.arena, &s);
    assert_int_equal(s.writable_count, 1); /* nowhere: but that is asked for */
    assert_true(isolate_asks(step(&w, "c")));
    close_world(&w);
}

/* ---- users */

static void test_users(void **state)
{
    (void)state;
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct users users = {0};
    const struct user *root, *again, *user;
    struct err err = ERR_INIT;
    assert_true(user_find(&users, "root", &a, &root, &err));
    assert_true(root->uid == 0 && root->gid == 0 && root->home[0] == '/');
    assert_string_equal(root->name, "root");
    assert_true(user_is_other(root)); /* also for root: it is told to the supervisor */
    assert_true(user_find(&users, "root", &a, &again, &err) && again == root);
    assert_true(user_find(&users, "0", &a, &user, &err));
    assert_string_equal(user->name, "root");
    assert_true(user_find(&users, "root:12345", &a, &user, &err) && user->gid == 12345);
    for (size_t i = 0; i < user->group_count; i++) {
        assert_string_not_equal(user->groups[i], "12345");
    }
    assert_true(user_find(&users, "3999999:77", &a, &user, &err));
    assert_true(user->uid == 3999999 && user->gid == 77 && user->group_count == 0);
    assert_string_equal(user->home, "/");

    static const char *const bad[][2] = {
        {"no-such-user", "there is no user 'no-such-user'"},
        {"root:no-such-group", "there is no group 'no-such-group'"},
        {"3999999", "3999999:GROUP"},
        {"4294967295", "there is no user"}, /* (uid_t)-1 means: leave as it is */
        {"root:4294967295", "there is no group"},
        {"99999999999999999999", "there is no user"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        for (int twice = 0; twice < 2; twice++) {
            err = ERR_INIT;
            assert_false(user_find(&users, bad[i][0], &a, &user, &err));
            assert_int_equal(err.code, ERR_INVALID);
            assert_non_null(strstr(err.msg, bad[i][1]));
        }
    }
}

static void test_own_user(void **state)
{
    (void)state;
    if (geteuid() == 0) {
        return; /* root is always another one: see above */
    }
    AUTO_ARENA struct arena a = ARENA_INIT;
    struct users users = {0};
    struct err err = ERR_INIT;
    const struct user *own;
    AUTO_FREE char *text = mem_printf("%u:%u", (unsigned)geteuid(), (unsigned)getegid());
    assert_true(user_find(&users, text, &a, &own, &err));
    assert_false(user_is_other(own));
}

/* ---- what the host has */

static void test_takes(void **state)
{
    (void)state;
    struct world w;
    int64_t takes[SCHED_RESOURCES];
    open_world(&w, "name: p\n"
                   "steps:\n"
                   "  a: {run: x}\n"
                   "  b: {run: x, resources: {cpu: 500m, memory: 1KB, cores: 3, gpu: [0, 4]}}\n"
                   "  c: {run: x, resources: {cpu: 8, memory: 9KB, cores: 3,\n"
                   "                          reserve: {cpu: 2, memory: 1KB}}}\n"
                   "  d: {run: x, resources: {memory: 1KB}}\n");
    host_takes(step(&w, "a"), takes);
    assert_true(takes[SCHED_CPU] == 1000 && takes[SCHED_MEMORY] == 0);
    host_takes(step(&w, "b"), takes); /* its own cores are taken from everybody */
    assert_true(takes[SCHED_CPU] == 3000 && takes[SCHED_MEMORY] == 1000);
    assert_true(takes[SCHED_CORES] == 3 && takes[SCHED_GPUS] == 2);
    host_takes(step(&w, "c"), takes);
    assert_true(takes[SCHED_CPU] == 2000 && takes[SCHED_MEMORY] == 1000);
    host_takes(step(&w, "d"), takes);
    assert_int_equal(takes[SCHED_CPU], 1000);
    close_world(&w);
}

static void test_more_than_there_is(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, "name: p\nsteps:\n  a: {run: x}\n  b: {run: x, resources: {cpu: 9999}}\n");
    assert_false(look(&w, false));
    expect(&w, ERR_INVALID, "step 'b' cannot run here: `resources.cpu` asks for 9999, but");
    w.plan[1].what = ENGINE_PLAN_SKIP; /* what does not run is not asked */
    assert_true(look(&w, false));
    close_world(&w);

    open_world(&w, "name: p\nisolation: best-effort\nsteps:\n"
                   "  a: {run: x, resources: {memory: 900TiB}}\n"
                   "  b: {run: x, user: no-such-user}\n"
                   "  c: {run: x, resources: {gpu: 3}}\n");
    assert_false(look(&w, false));
    expect(&w, ERR_INVALID, "`resources.memory` asks for 900TiB, but this host has");
    expect(&w, ERR_INVALID, "another step cannot either");
    assert_string_equal(w.outlook.never[1], "`user`: there is no user 'no-such-user' on this host");
    assert_null(w.outlook.never[2]); /* nobody has said how many there are */
    facts_add(&w.facts, "gpus", true, 2, NULL, NULL);
    facts_add(&w.facts, "memory", true, 0, NULL, NULL);
    assert_false(look(&w, true));
    assert_string_equal(w.outlook.never[2], "`resources.gpu` asks for 3, but this host has 2");
    expect(&w, ERR_INVALID, "2 other steps cannot either");
    close_world(&w);
}

/* ---- what it can enforce */

static void test_isolation(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, "name: p\nsteps:\n"
                   "  a: {run: x}\n"
                   "  b: {run: x, resources: {memory: 1KB}}\n"
                   "  c: {run: x, resources: {memory: 1KB, pids: 5}, isolation: best-effort}\n"
                   "  d: {run: x, network: none}\n"
                   "  e: {run: x, resources: {pids: 5}}\n");
    assert_true(outlook_asks(w.pipeline, w.plan));
    facts_add(&w.facts, "memory", false, 0, "no cgroups", "mount them");
    facts_add(&w.facts, "pids", true, 0, NULL, NULL);
    assert_false(look(&w, true));
    expect(&w, ERR_UNSUPPORTED, "step 'b': `resources.memory` cannot be enforced: no cgroups");
    expect(&w, ERR_UNSUPPORTED, "what would help: mount them");
    expect(&w, ERR_UNSUPPORTED, "step 'd': `network` cannot be enforced: this host cannot do it");
    expect(&w, ERR_UNSUPPORTED, "or say `isolation: best-effort`");
    assert_int_equal(w.outlook.lack_count, 3);
    assert_true(w.outlook.lacking[2]->left_out && w.outlook.lacking[2]->steps[0] == 2);
    assert_true(w.outlook.lacking[0] == NULL && w.outlook.lacking[4] == NULL);
    w.plan[1].what = w.plan[3].what = ENGINE_PLAN_REUSE;
    assert_true(look(&w, true)); /* what is left out keeps nothing from starting */
    w.plan[4].what = ENGINE_PLAN_REUSE;
    assert_false(outlook_asks(w.pipeline, w.plan));
    close_world(&w);
}

static void test_user_cannot_be_left_out(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, "name: p\nisolation: best-effort\n"
                   "steps: {a: {run: x, user: root}, b: {run: x}}\n");
    assert_true(outlook_asks(w.pipeline, w.plan));
    facts_add(&w.facts, "user", false, 0, "orch-step is not root", "");
    assert_false(look(&w, true));
    expect(&w, ERR_UNSUPPORTED, "step 'a': `user` cannot be enforced: orch-step is not root");
    assert_null(strstr(w.err.msg, "best-effort"));
    close_world(&w);
}

/* Thousands of steps, and texts without end: the message stays one, with its advice. */
static void test_many(void **state)
{
    (void)state;
    struct world w;
    AUTO_BUF struct buf text = BUF_INIT(1U << 20);
    char why[3000];
    buf_adds(&text, "name: p\ndefaults: {resources: {memory: 1KB}}\nsteps:\n");
    for (int i = 0; i < 2000; i++) {
        buf_addf(&text, "  a-step-with-a-long-name-%d: {run: x}\n", i);
    }
    open_world(&w, buf_str(&text));
    memset(why, 'w', sizeof(why) - 1);
    why[sizeof(why) - 1] = '\0';
    facts_add(&w.facts, "memory", false, 0, "no cgroups", "");
    assert_false(look(&w, true));
    expect(&w, ERR_UNSUPPORTED, "'a-step-with-a-long-name-4' and 1995 more: `resources.memory`");
    assert_int_equal(w.outlook.lacks[0].step_count, 2000);
    assert_int_equal(w.outlook.most[SCHED_MEMORY], 2000 * 1000);
    step_facts_done(&w.facts);
    facts_add(&w.facts, "memory", false, 0, why, why);
    assert_false(look(&w, true));
    expect(&w, ERR_UNSUPPORTED, "to run without what cannot be enforced");
    close_world(&w);
}

/* By level of the graph, and only what runs. */
static void test_most(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, "name: p\nsteps:\n"
                   "  a: {run: x, resources: {memory: 5KB}}\n"
                   "  b: {run: x, needs: a, resources: {memory: 2KB, gpu: 1}}\n"
                   "  c: {run: x, needs: a, resources: {memory: 4KB, gpu: 1}}\n"
                   "  d: {run: x, needs: [b, a], resources: {gpu: 1}}\n");
    (void)look(&w, false);
    assert_int_equal(w.outlook.most[SCHED_MEMORY], 6000);
    assert_int_equal(w.outlook.most[SCHED_GPUS], 2);
    assert_int_equal(w.outlook.most[SCHED_CPU], 2000);
    w.plan[1].what = ENGINE_PLAN_SKIP;
    (void)look(&w, false);
    assert_int_equal(w.outlook.most[SCHED_MEMORY], 5000);
    close_world(&w);
}

/* ---- folders */

static mode_t mode_of(const char *dir, const char *name)
{
    struct stat st;
    AUTO_FREE char *path = mem_printf("%s%s", dir, name);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void test_share(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char dir[] = "/tmp/orch-share-XXXXXX";
    assert_non_null(mkdtemp(dir));
    AUTO_FREE char *run = mem_printf("%s/runs/1", dir);
    AUTO_FREE char *secrets = mem_printf("%s/secrets", dir);
    AUTO_FREE char *db = mem_printf("%s/orch.db", dir);
    assert_true(file_make_dirs(run, 0700, &err) && file_make_dirs(secrets, 0755, &err));
    assert_true(file_replace(db, "x", 1, 0644, &err));
    assert_true(isolate_share(dir, run, &err));
    assert_int_equal(mode_of(dir, ""), 0711);
    assert_int_equal(mode_of(dir, "/runs"), 0711);
    assert_int_equal(mode_of(dir, "/runs/1"), 0711);
    assert_int_equal(mode_of(dir, "/secrets"), 0700);
    assert_int_equal(mode_of(dir, "/orch.db"), 0600);
    assert_true(isolate_share(dir, run, &err)); /* once more changes nothing */
    assert_int_equal(mode_of(dir, ""), 0711);
    assert_true(file_remove_tree(dir, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_sandbox),
        cmocka_unit_test(test_users),     cmocka_unit_test(test_own_user),
        cmocka_unit_test(test_takes),     cmocka_unit_test(test_more_than_there_is),
        cmocka_unit_test(test_isolation), cmocka_unit_test(test_user_cannot_be_left_out),
        cmocka_unit_test(test_many),      cmocka_unit_test(test_most),
        cmocka_unit_test(test_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
