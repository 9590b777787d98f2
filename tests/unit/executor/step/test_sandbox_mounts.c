/*
 * Paths of a sandbox: private /tmp, read-only, hidden and writable ones; as root, as nobody (by a
 * user namespace), and, for writable, by landlock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "sandbox_run.h"

#define TOP "/var/lib"

/* How a launcher may be: each feature is tried in all three ways. */
static const struct way {
    bool nobody, user;
} ways[] = {{false, false}, {true, false}, {false, true}};

static bool begin(const struct way *way, struct run *r, struct place *at, const char *top)
{
    bool root = geteuid() == 0;
    if (!root && !way->nobody) {
        return false;
    }
    *at = place_make(root ? top : "/tmp");
    r->nobody = way->nobody;
    if (way->user) {
        r->sandbox.has_user = true;
        r->sandbox.uid = r->sandbox.gid = 1234;
    }
    return true;
}

/* base/d/{sub,link -> sub}, base/d/sub/f, base/f; writable for whoever the step is. */
static void fill(const struct place *at)
{
    AUTO_FREE char *command =
        mem_printf("cd %s && mkdir -p d/sub && ln -s sub d/link && echo f >d/sub/f && echo f >f && "
                   "chmod -R a+rwX d f && chmod a+rwx .",
                   at->base);
    assert_int_equal(system(command), 0); /* NOLINT: a test's own path */
}

static void write_host(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    (void)fputs(text, f);
    (void)fclose(f);
    (void)chmod(path, 0666);
}

/* ---- private_tmp ---- */

static void private_tmp_at(const char *top)
{
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        struct run r = {.sandbox = {.private_tmp = true}, .fact = "private_tmp"};
        struct place at;
        AUTO_FREE char *outside = mem_printf("/tmp/orch-outside-%d", (int)getpid());
        if (!begin(&ways[i], &r, &at, top)) {
            continue;
        }
        fill(&at);
        write_host(outside, "x");
        AUTO_FREE char *script = mem_printf(
            "test -e %s && echo bad; echo in >/tmp/orch-inside && cat /var/tmp/orch-inside; "
            "stat -c %%a /tmp; echo out >$ORCH_OUT/f && echo cwd >cwd && cat f; "
            "ls -A /tmp | grep -v -e orch- && echo bad; true",
            outside);
        if (run(&r, &at, script)) {
            AUTO_FREE char *left = mem_printf("%s/tmp", at.folder);
            AUTO_FREE char *cwd = below(&at, "cwd"), *out = mem_printf("%s/out/f", at.folder);
            said(&r, "in\n1777\nf\n");
            assert_int_not_equal(access("/tmp/orch-inside", F_OK), 0);
            assert_int_not_equal(access(left, F_OK), 0);
            assert_int_equal(access(cwd, F_OK), 0);
            assert_int_equal(access(out, F_OK), 0);
        }
        (void)unlink(outside);
        place_remove(&at);
    }
}

static void private_tmp(void **state)
{
    (void)state;
    private_tmp_at(TOP);
}

/* The attempt, the store and the working directory are where they were. */
static void private_tmp_with_all_below_it(void **state)
{
    (void)state;
    private_tmp_at("/tmp");
    private_tmp_at("/var/tmp");
}

/* ---- read_only ---- */

static void read_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        struct run r = {.fact = "read_only"};
        struct place at;
        if (!begin(&ways[i], &r, &at, TOP)) {
            continue;
        }
        fill(&at);
        AUTO_FREE char *link = below(&at, "d/link"), *file = below(&at, "f"),
                       *none = below(&at, "none");
        char *paths[] = {link, file, none};
        r.sandbox.read_only = paths;
        r.sandbox.read_only_count = 3;
        if (run(&r, &at,
                "for f in d/sub/f d/sub/new d/link/new f; do (echo x >$f) 2>/dev/null && echo bad "
                "$f; "
                "done; chmod 700 d/sub 2>/dev/null && echo bad; cat d/sub/f f; echo x >d/new && "
                "echo x >$ORCH_OUT/f && echo end")) {
            said(&r, "f\nf\nend\n");
        }
        place_remove(&at);
    }
}

/* Whatever is read-only, the attempt's folder is not. */
static void read_only_root(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        struct run r = {.fact = "read_only"};
        struct place at;
        char *paths[] = {(char[]){"/"}};
        if (!begin(&ways[i], &r, &at, TOP)) {
            continue;
        }
        fill(&at);
        r.sandbox.read_only = paths;
        r.sandbox.read_only_count = 1;
        r.sandbox.private_tmp = i == 0;
        if (run(&r, &at,
                "(echo x >f) 2>/dev/null && echo bad; echo x >$ORCH_OUT/f && echo x >/dev/null && "
                "echo end")) {
            said(&r, "end\n");
        }
        place_remove(&at);
    }
}

/* ---- hidden ---- */

static void hidden(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        struct run r = {.fact = "hidden"};
        struct place at;
        if (!begin(&ways[i], &r, &at, TOP)) {
            continue;
        }
        fill(&at);
        AUTO_FREE char *link = below(&at, "d/link"), *file = below(&at, "f"),
                       *none = below(&at, "none");
        char *paths[] = {link, file, none};
        r.sandbox.hidden = paths;
        r.sandbox.hidden_count = 3;
        if (run(&r, &at,
                "ls d/sub 2>/dev/null; test -e d/sub/f && echo bad; cat f 2>/dev/null; "
                "(echo x >d/sub/x) 2>/dev/null && echo bad; stat -c %a d/sub")) {
            said(&r, "0\n");
        }
        place_remove(&at);
    }
}

static void what_a_step_needs_is_not_hidden(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        for (int cwd = 0; cwd < 2; cwd++) {
            struct run r = {.fact = "hidden"};
            struct place at;
            if (!begin(&ways[i], &r, &at, TOP)) {
                continue;
            }
            fill(&at);
            AUTO_FREE char *sub = below(&at, "d/link"), *d = below(&at, "d"),
                           *runs = below(&at, "runs");
            char *paths[] = {cwd != 0 ? d : runs};
            r.cwd = sub;
            r.sandbox.hidden = paths;
            r.sandbox.hidden_count = 1;
            if (run(&r, &at, "true")) {
                assert_false(r.started);
                assert_int_equal(r.code, ERR_UNSUPPORTED);
                assert_non_null(strstr(r.msg, "sandbox.hidden"));
            }
            place_remove(&at);
        }
    }
}

/* ---- writable ---- */

static const char writable_script[] =
    "for f in f d/new d/sub/ro/f /tmp/orch-bad; do (echo x >$f) 2>/dev/null && echo bad $f; done\n"
    "(truncate -s 0 f) 2>/dev/null && echo bad truncate\n"
    "(rm -f d/f) 2>/dev/null && echo bad rm\n"
    "echo x >d/sub/new && echo x >d/link/f && mkdir d/sub/m && mv d/sub/new d/sub/m/ && "
    "echo x >$ORCH_OUT/f && echo x >$ORCH_OUT/../output && echo x >/dev/null && "
    "if [ -d /dev/shm ]; then echo x >/dev/shm/orch-$$ && rm /dev/shm/orch-$$; fi && "
    "python3 -c 'import multiprocessing as m; print(m.Queue() is not None)' && echo end";

static void writable_in(bool by_landlock)
{
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        struct run r = {.fact = "writable", .by_landlock = by_landlock};
        struct place at;
        if (!begin(&ways[i], &r, &at, TOP)) {
            continue;
        }
        fill(&at);
        AUTO_FREE char *link = below(&at, "d/link"), *none = below(&at, "none"),
                       *ro = below(&at, "d/sub/ro"), *f = below(&at, "d/f"),
                       *rof = below(&at, "d/sub/ro/f");
        assert_int_equal(mkdir(ro, 0777) | chmod(ro, 0777), 0);
        write_host(f, "f");
        write_host(rof, "f");
        char *paths[] = {none, link}, *ros[] = {ro};
        r.sandbox.writable = paths;
        r.sandbox.writable_count = 2;
        r.sandbox.read_only = ros;
        r.sandbox.read_only_count = 1;
        if (by_landlock) {
            r.sandbox.read_only_count = 0;
            assert_int_equal(unlink(rof), 0);
            assert_int_equal(rmdir(ro), 0);
        }
        if (run(&r, &at, writable_script)) {
            said(&r, "True\nend\n");
        }
        place_remove(&at);
    }
}

static void writable(void **state)
{
    (void)state;
    writable_in(false);
}

static void writable_by_landlock(void **state)
{
    (void)state;
    if (sandbox_landlock_version() < SANDBOX_LANDLOCK_MIN) {
        print_message("skipped: landlock of this kernel is version %d\n",
                      sandbox_landlock_version());
        skip();
    }
    writable_in(true);
}

/* The longer path decides. */
static void writable_inside_read_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        struct run r = {.fact = "writable"};
        struct place at;
        if (!begin(&ways[i], &r, &at, TOP)) {
            continue;
        }
        fill(&at);
        AUTO_FREE char *d = below(&at, "d"), *sub = below(&at, "d/sub");
        char *ros[] = {d}, *paths[] = {sub};
        r.sandbox.read_only = ros;
        r.sandbox.writable = paths;
        r.sandbox.read_only_count = r.sandbox.writable_count = 1;
        if (run(&r, &at, "(echo x >d/x) 2>/dev/null && echo bad; echo x >d/sub/x && echo end")) {
            said(&r, "end\n");
        }
        place_remove(&at);
    }
}

/* All at once, below /tmp. */
static void everything_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        struct run r = {.sandbox = {.private_tmp = true, .no_network = true}, .fact = "writable"};
        struct place at;
        if (!begin(&ways[i], &r, &at, "/tmp")) {
            continue;
        }
        fill(&at);
        AUTO_FREE char *sub = below(&at, "d/sub"), *f = below(&at, "f");
        char *paths[] = {sub}, *away[] = {f};
        r.sandbox.writable = paths;
        r.sandbox.hidden = away;
        r.sandbox.writable_count = r.sandbox.hidden_count = 1;
        r.limited = true;
        if (run(&r, &at,
                "cat f 2>/dev/null; (echo x >d/x) 2>/dev/null && echo bad; echo x >d/sub/x && echo "
                "x >/tmp/y && "
                "echo x >$ORCH_OUT/z && cat /var/tmp/y")) {
            said(&r, "x\n");
        }
        place_remove(&at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_tmp),
        cmocka_unit_test(private_tmp_with_all_below_it),
        cmocka_unit_test(read_only),
        cmocka_unit_test(read_only_root),
        cmocka_unit_test(hidden),
        cmocka_unit_test(what_a_step_needs_is_not_hidden),
        cmocka_unit_test(writable),
        cmocka_unit_test(writable_by_landlock),
        cmocka_unit_test(writable_inside_read_only),
        cmocka_unit_test(everything_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
