/*
 * test_pipeline.c - from text to struct dag_pipeline: what lands where, defaults, the graph against
 * a plain search, names, size, hostile files.
 */
#include "dag/dag.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct dag_pipeline *parse(const char *text, struct diags *diags)
{
    diags_init(diags, "t.yaml");
    return dag_parse("t.yaml", text, strlen(text), diags);
}

static struct dag_pipeline *parse_good(const char *text)
{
    AUTO_DIAGS struct diags diags;
    struct dag_pipeline *p = parse(text, &diags);
    if (p == NULL) {
        diags_print(&diags, text, strlen(text), false, stderr);
        fail();
    }
    return p;
}

static const char *text_of(const struct dag_tmpl *tmpl)
{
    return dag_tmpl_source(tmpl);
}

static void test_everything(void **state)
{
    (void)state;
    struct dag_pipeline *p = parse_good(
        "name: all\ndescription: d\ntimeout: 2h\nisolation: best-effort\nlabels: {l: m}\n"
        "params: {days: 14, rate: {type: number, default: 1, min: 0, max: 2, help: h},\n"
        "  must: {type: string, pattern: '[a-z]+'}, pick: {enum: [a, b], default: b}}\n"
        "secrets: [S, T]\n"
        "steps:\n"
        "  a:\n"
        "    kind: deploy\n"
        "    run: [prog, --x, 5, '${{ params.days }}']\n"
        "    retry: {limit: 3, delay: 2s, factor: 2, max_delay: 1m, jitter: 0.2,\n"
        "            exit_codes: [1, 75]}\n"
        "    resources: {cpu: 500m, memory: 4GiB, pids: 7, reserve: {cpu: 1, memory: 1KB}}\n"
        "    log: {limit: 2MiB, on_limit: fail}\n"
        "    outputs: {o: {path: ./x//y/, dataset: ds, optional: true}, n: {type: integer},\n"
        "              m: {path: m.pkl, model: mod}}\n"
        "    pass_env: [A, B]\n"
        "    labels: {k: v}\n"
        "  b:\n"
        "    needs: [a]\n"
        "    run: echo\n"
        "    shell: bash\n"
        "    if: failure()\n"
        "    inputs: {i: '${{ steps.a.outputs.o }}'}\n"
        "    params: [rate, days]\n"
        "    workdir: w\n"
        "    timeout: 90s\n    grace: 3s\n    priority: -5\n    continue_on_error: true\n"
        "    fail_fast: true\n    on_lost: fail\n    isolation: strict\n"
        "  c: {needs: b, run: x, retry: 2, shell: [python3, -u], if: steps.a.outputs.n > 1}\n");
    const struct dag_step *a = dag_find_step(p, "a");
    const struct dag_step *b = dag_find_step(p, "b");
    const struct dag_step *c = dag_find_step(p, "c");
    assert_null(dag_find_step(p, "d"));
    assert_string_equal(dag_nearest_step(p, "bb"), "b");
    assert_int_equal(p->step_count, 3);
    assert_int_equal(p->timeout_ms, 7200000);
    assert_int_equal(p->isolation, DAG_ISOLATION_BEST_EFFORT);
    assert_string_equal(text_of(p->labels[0].value), "m");
    assert_int_equal(p->secret_count, 2);
    assert_string_equal(p->secrets[1], "T");
    assert_int_equal(p->param_count, 4);
    assert_int_equal(p->params[0].type, DAG_INT);
    assert_int_equal(p->params[0].def.u.integer, 14);
    assert_int_equal(p->params[1].type, DAG_NUMBER);
    assert_true(p->params[1].def.type == DAG_NUMBER && p->params[1].has_max);
    assert_string_equal(p->params[1].help, "h");
    assert_true(p->params[2].required && !p->params[3].required);
    assert_int_equal(p->params[3].choice_count, 2);

    assert_int_equal(a->kind, DAG_KIND_DEPLOY);
    assert_int_equal(a->on_lost, DAG_LOST_ASK);
    assert_int_equal(a->action, DAG_ACTION_EXEC);
    assert_int_equal(a->argc, 4);
    assert_string_equal(text_of(a->argv[2]), "5");
    assert_string_equal(text_of(a->argv[3]), "${{ params.days }}");
    assert_int_equal(a->retry.limit, 3);
    assert_int_equal(a->retry.delay_ms, 2000);
    assert_int_equal(a->retry.max_delay_ms, 60000);
    assert_true(a->retry.factor == 2 && a->retry.jitter == 0.2);
    assert_int_equal(a->retry.exit_codes[1], 75);
    assert_int_equal(a->resources.cpu_milli, 500);
    assert_true(a->resources.memory == (int64_t)4 << 30);
    assert_int_equal(a->resources.pids, 7);
    assert_int_equal(a->resources.reserve_cpu_milli, 1000);
    assert_int_equal(a->resources.reserve_memory, 1000);
    assert_int_equal(a->log_limit, 2 << 20);
    assert_int_equal(a->log_on_limit, DAG_LOG_FAIL);
    assert_int_equal(a->output_count, 3);
    assert_string_equal(a->outputs[0].path, "x/y");
    assert_string_equal(a->outputs[0].dataset, "ds");
    assert_true(a->outputs[0].optional);
    assert_true(a->outputs[1].path == NULL && a->outputs[1].type == DAG_INT);
    assert_string_equal(a->outputs[2].model, "mod");
    assert_string_equal(a->pass_env[1], "B");
    assert_string_equal(text_of(a->labels[0].value), "v");
    assert_false(a->narrows_params);
    assert_int_equal(a->isolation, DAG_ISOLATION_BEST_EFFORT);

    assert_int_equal(b->action, DAG_ACTION_SHELL);
    assert_string_equal(b->shell[0], "bash");
    assert_string_equal(b->shell[1], "-e");
    assert_string_equal(dag_script_source(b->script), "echo");
    assert_true(b->condition != NULL && b->condition_asks);
    assert_string_equal(b->inputs[0].name, "i");
    assert_true(b->narrows_params && b->param_count == 2);
    assert_int_equal(b->params[0], 1);
    assert_string_equal(text_of(b->workdir), "w");
    assert_int_equal(b->timeout_ms, 90000);
    assert_int_equal(b->grace_ms, 3000);
    assert_int_equal(b->priority, -5);
    assert_true(b->continue_on_error && b->fail_fast);
    assert_int_equal(b->on_lost, DAG_LOST_FAIL);
    assert_int_equal(b->isolation, DAG_ISOLATION_STRICT);
    assert_int_equal(b->log_limit, LIMIT_LOG_DEFAULT);
    assert_int_equal(b->need_count, 1);

    assert_int_equal(c->retry.limit, 2);
    assert_int_equal(c->retry.delay_ms, 1000);
    assert_int_equal(c->retry.max_delay_ms, 3600000);
    assert_int_equal(c->shell_count, 2);
    assert_string_equal(c->shell[1], "-u");
    assert_true(c->condition != NULL && !c->condition_asks);
    assert_int_equal(c->resources.reserve_memory, -1);
    dag_free(p);
}

/* Limits and sandbox: key by key over the defaults, lists and shares as a whole. */
static void test_isolation(void **state)
{
    (void)state;
    struct dag_pipeline *p = parse_good(
        "name: i\n"
        "defaults:\n"
        "  user: bob:staff\n"
        "  resources: {cpu: 2, io: {read: 10MiB}, gpu: 1, cores: 2}\n"
        "  sandbox: {private_tmp: true, hidden: [/home, /root], umask: '0077'}\n"
        "steps:\n"
        "  a: {run: x}\n"
        "  b:\n"
        "    run: x\n"
        "    user: 1000\n"
        "    network: none\n"
        "    resources: {memory: 1GiB, io: 50, cores: [10, 2, 0], gpu: 0}\n"
        "    sandbox: {hidden: [], writable: [], core: 0, open_files: 16, privileged: true,\n"
        "              read_only: [/etc]}\n"
        "  c: {run: x, resources: {io: {write: 1KiB, read_iops: 2, write_iops: 3}, gpu: [7]}}\n");
    const struct dag_step *a = &p->steps[0], *b = &p->steps[1], *c = &p->steps[2];
    assert_string_equal(a->user, "bob:staff");
    assert_true(a->network == DAG_NETWORK_HOST && b->network == DAG_NETWORK_NONE);
    assert_true(a->resources.io.read == 10 << 20 && a->resources.io.weight == 0);
    assert_true(a->resources.gpu.count == 1 && a->resources.gpu.list == NULL);
    assert_true(a->resources.cores.count == 2 && a->resources.cores.list == NULL);
    assert_true(a->sandbox.private_tmp && a->sandbox.hidden_count == 2);
    assert_string_equal(a->sandbox.hidden[1], "/root");
    assert_true(a->sandbox.writable == NULL && a->sandbox.read_only_count == 0);
    assert_int_equal(a->sandbox.umask, 077);
    assert_true(a->sandbox.core == -1 && a->sandbox.open_files == -1);

    assert_string_equal(b->user, "1000");
    assert_true(b->resources.cpu_milli == 2000 && b->resources.memory == 1 << 30);
    assert_true(b->resources.io.read == 10 << 20 && b->resources.io.weight == 50);
    assert_int_equal(b->resources.cores.count, 3);
    assert_string_equal(b->resources.cores.list, "0,2,10");
    assert_true(b->resources.gpu.count == 0 && b->resources.gpu.list == NULL);
    assert_true(b->sandbox.private_tmp && b->sandbox.privileged && b->sandbox.hidden_count == 0);
    assert_true(b->sandbox.writable != NULL && b->sandbox.writable_count == 0);
    assert_true(b->sandbox.core == 0 && b->sandbox.open_files == 16 && b->sandbox.umask == 077);

    assert_true(c->resources.io.write == 1024 && c->resources.io.read == 10 << 20);
    assert_true(c->resources.io.read_iops == 2 && c->resources.io.write_iops == 3);
    assert_true(c->resources.gpu.count == 1);
    assert_string_equal(c->resources.gpu.list, "7");
    dag_free(p);
}

static void test_defaults(void **state)
{
    (void)state;
    struct dag_pipeline *p = parse_good(
        "steps:\n"
        "  a: {run: x, retry: {limit: 1}, env: {B: s, C: s}, timeout: 1m}\n"
        "  b: {run: x, on_lost: ask}\n"
        "name: t\n"
        "defaults: {timeout: 5m, retry: {limit: 4, delay: 7s}, env: {A: d, B: d}, on_lost: fail,\n"
        "  shell: dash, log: {on_limit: fail}}\n"
        "env: {P: p, A: p}\n");
    const struct dag_step *a = &p->steps[0];
    const struct dag_step *b = &p->steps[1];
    static const char *const names[] = {"P", "A", "B", "C"};
    static const char *const values[] = {"p", "d", "s", "s"};
    assert_int_equal(a->env_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(a->env[i].name, names[i]);
        assert_string_equal(text_of(a->env[i].value), values[i]);
    }
    assert_int_equal(b->env_count, 3);
    assert_int_equal(a->retry.limit, 1);
    assert_int_equal(a->retry.delay_ms, 7000); /* merged key by key */
    assert_int_equal(b->retry.limit, 4);
    assert_int_equal(a->timeout_ms, 60000);
    assert_int_equal(b->timeout_ms, 300000);
    assert_int_equal(a->on_lost, DAG_LOST_FAIL);
    assert_int_equal(b->on_lost, DAG_LOST_ASK);
    assert_string_equal(a->shell[0], "dash");
    assert_int_equal(b->log_on_limit, DAG_LOG_FAIL);
    dag_free(p);
}

/* ---- the graph */

enum { NODES = 60 };

/* needs[i][k]: i needs k. */
static void write_graph(struct buf *b, bool needs[NODES][NODES], bool reads)
{
    buf_adds(b, "name: t\nsteps:\n");
    for (int i = 0; i < NODES; i++) {
        buf_addf(b, "  s%d:\n    needs: [", i);
        for (int k = 0, n = 0; k < NODES; k++) {
            if (needs[i][k]) {
                buf_addf(b, "%ss%d", n++ > 0 ? ", " : "", k);
            }
        }
        buf_adds(b, "]\n    run: |\n      x\n");
        for (int k = 0; reads && k < NODES; k++) {
            if (k != i) {
                buf_addf(b, "      ${{ steps.s%d.status }}\n", k);
            }
        }
    }
}

static void close_graph(bool needs[NODES][NODES], bool all[NODES][NODES])
{
    memcpy(all, needs, sizeof(bool[NODES][NODES]));
    for (int k = 0; k < NODES; k++) {
        for (int i = 0; i < NODES; i++) {
            for (int j = 0; j < NODES; j++) {
                all[i][j] |= all[i][k] && all[k][j];
            }
        }
    }
}

/* Each step reads all others; errors must be exactly those that a plain closure misses. */
static void test_reach(void **state)
{
    static bool needs[NODES][NODES];
    static bool all[NODES][NODES];
    (void)state;
    for (unsigned seed = 1; seed <= 6; seed++) {
        AUTO_BUF struct buf text = BUF_INIT(16U << 20);
        AUTO_DIAGS struct diags diags;
        size_t missing = 0;
        srand(seed);
        memset(needs, 0, sizeof needs);
        int place[NODES]; /* a random order of which needs point backwards */
        for (int i = 0; i < NODES; i++) {
            int k = rand() % (i + 1);
            place[i] = place[k];
            place[k] = i;
        }
        for (int i = 1; i < NODES; i++) {
            /* nearly a chain: few pairs are unrelated, so that all errors are kept */
            needs[place[i]][place[i - 1 - (i > 1 && rand() % 8 == 0)]] = true;
            if (rand() % 3 == 0) {
                needs[place[i]][place[rand() % i]] = true;
            }
        }
        close_graph(needs, all);
        for (int i = 0; i < NODES; i++) {
            for (int k = 0; k < NODES; k++) {
                missing += i != k && !all[i][k];
            }
        }
        write_graph(&text, needs, true);
        struct dag_pipeline *p = parse(buf_str(&text), &diags);
        assert_null(p);
        assert_int_equal(diags.cut, missing > DIAG_MAX);
        assert_int_equal(diags.count, missing > DIAG_MAX ? DIAG_MAX : missing);
    }
}

static void test_order(void **state)
{
    (void)state;
    struct dag_pipeline *p = parse_good("name: t\nsteps:\n"
                                        "  d: {run: x, needs: [b, c]}\n"
                                        "  c: {run: x, needs: a}\n"
                                        "  b: {run: x, needs: a}\n"
                                        "  z: {run: x}\n"
                                        "  a: {run: x}\n");
    static const uint32_t want[] = {3, 4, 1, 2, 0}; /* z a c b d: ties in file order */
    assert_memory_equal(p->order, want, sizeof want);
    dag_free(p);
}

/* ---- size */

static void test_many_steps(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(64U << 20);
    AUTO_DIAGS struct diags diags;
    buf_adds(&text, "name: t\nparams: {days: 1}\nsteps:\n  s0: {run: x}\n");
    for (int i = 1; i < 100000; i++) {
        buf_addf(&text, "  s%d:\n    needs: s%d\n    run: x ${{ params.days }}\n", i, i - 1);
        buf_addf(&text, "    env: {A: '${{ steps.s%d.status }}'}\n", i / 2);
    }
    struct dag_pipeline *p = parse(buf_str(&text), &diags);
    assert_non_null(p);
    assert_int_equal(p->step_count, 100000);
    assert_string_equal(dag_find_step(p, "s99999")->name, "s99999");
    dag_free(p);
}

static void expect_code(const struct buf *text, const char *code)
{
    AUTO_DIAGS struct diags diags;
    struct dag_pipeline *p = parse(buf_str(text), &diags);
    assert_null(p);
    assert_true(diags.count > 0);
    if (strcmp(diags.items[0].code, code) != 0) {
        fail_msg("%s, not %s: %s", diags.items[0].code, code, diags.items[0].message);
    }
}

static void test_hostile(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(64U << 20);
    buf_adds(&text, "name: t\nsteps:\n"); /* a million steps */
    for (int i = 0; i < 1000000; i++) {
        buf_addf(&text, " s%d: {}\n", i);
    }
    expect_code(&text, "too-large");
    buf_clear(&text);
    while (text.len <= LIMIT_PIPELINE_FILE) { /* more than 16 MB */
        buf_adds(&text, "# a comment that goes on and on and on\n");
    }
    expect_code(&text, "too-large");
    buf_clear(&text);
    buf_adds(&text, "name: t\nsteps:\n"); /* a circle of 100,000 steps */
    for (int i = 0; i < 100000; i++) {
        buf_addf(&text, " s%d: {run: x, needs: s%d}\n", i, (i + 1) % 100000);
    }
    expect_code(&text, "cycle");
    buf_clear(&text);
    buf_adds(&text, "name: t\nsteps:\n"); /* 5,000 names that are nearly right */
    for (int i = 0; i < 5000; i++) {
        buf_addf(&text, " step%d: {run: x, needs: sttep%d}\n", i, i);
    }
    expect_code(&text, "unknown-step");
    buf_clear(&text);
    buf_adds(&text, "name: t\nx: &n ["); /* 3,000 x 3,000 needs */
    for (int i = 0; i < 3000; i++) {
        buf_addf(&text, "%ss%d", i > 0 ? "," : "", i);
    }
    buf_adds(&text, "]\nsteps:\n");
    for (int i = 0; i < 3000; i++) {
        buf_addf(&text, " s%d: {run: x, needs: *n}\n", i);
    }
    expect_code(&text, "too-large");
    buf_clear(&text);
    buf_adds(&text, "name: t\nsteps: {a: {uses: wait/x, with: {x: &x ['${{ run.id }}'");
    for (int i = 0; i < 2000; i++) {
        buf_adds(&text, ", '${{ run.id }}'");
    }
    buf_adds(&text, "], y: [");
    for (int i = 0; i < 1500; i++) { /* three million expressions by aliases */
        buf_adds(&text, "*x, ");
    }
    buf_adds(&text, "]}}}\n");
    expect_code(&text, "too-large");
}

/* What finds one mistake in a shared mapping says it once. */
static void test_said_once(void **state)
{
    AUTO_DIAGS struct diags diags;
    (void)state;
    assert_null(
        parse("name: t\nsteps:\n  a: &a {run: x, timeout: 5}\n  b: *a\n  c: {<<: *a}\n", &diags));
    assert_int_equal(diags.count, 1);
    assert_int_equal(diags.errors, 1);
}

static void test_load(void **state)
{
    AUTO_DIAGS struct diags diags;
    (void)state;
    diags_init(&diags, "none.yaml");
    assert_null(dag_load("/nonexistent/none.yaml", &diags));
    assert_string_equal(diags.items[0].code, "unreadable");
    diags_done(&diags);
    diags_init(&diags, "example");
    struct dag_pipeline *p = dag_load(SOURCE_DIR "/tests/golden/dag/design-example.yaml", &diags);
    assert_non_null(p);
    assert_int_equal(diags.count, 0);
    assert_int_equal(p->steps[2].argc, 4);
    assert_false(dag_can_run(p, &diags));
    dag_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything), cmocka_unit_test(test_isolation),
        cmocka_unit_test(test_defaults),   cmocka_unit_test(test_reach),
        cmocka_unit_test(test_order),      cmocka_unit_test(test_many_steps),
        cmocka_unit_test(test_hostile),    cmocka_unit_test(test_said_once),
        cmocka_unit_test(test_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
