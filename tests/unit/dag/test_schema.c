/*
 * test_schema.c - what is printed from the table: JSON Schema (checked by python3-jsonschema where
 * it is installed), the references, drawings of the graph.
 */
#include "dag/dag.h"
#include "dag/schema.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define GOLDEN SOURCE_DIR "/tests/golden/dag/"
#define MAX (4U << 20)

/* ---- the table itself */

static void check_row(const struct schema_kind *kind, const struct schema_row *row)
{
    bool ok = row->help != NULL && row->key != NULL && row->takes != 0 &&
              (!(row->takes & V_WORD) || row->words != NULL) &&
              (!(row->takes & V_FORMAT) || row->format != NULL) &&
              (!(row->takes & V_MAP) || row->sub != NULL) &&
              (!(row->takes & V_LIST) || row->item != NULL) &&
              (!(row->takes & V_NAMED) || (row->item != NULL && row->names != NULL)) &&
              (row->runs != RUNS_LATER || row->until != NULL);
    if (!ok) {
        fail_msg("%s.%s", kind->name, row->key);
    }
}

static void test_table(void **state)
{
    const struct schema_kind *kinds[SCHEMA_MAX_KINDS];
    (void)state;
    size_t count = schema_collect(kinds);
    assert_true(count > 25 && count <= SCHEMA_MAX_KINDS);
    for (size_t i = 0; i < count; i++) {
        assert_true(kinds[i]->count <= SCHEMA_MAX_ROWS);
        for (size_t k = 0; k < kinds[i]->count; k++) {
            check_row(kinds[i], &kinds[i]->rows[k]);
            /* each key once, and found at its first row */
            assert_ptr_equal(schema_find(kinds[i], kinds[i]->rows[k].key), &kinds[i]->rows[k]);
            assert_null(kinds[i]->filter == 0 ? schema_meant(kinds[i], kinds[i]->rows[k].key)
                                              : NULL);
        }
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(kinds[i]->name, kinds[k]->name);
        }
    }
}

/* ---- JSON Schema */

static void add_file(json_t *list, const char *name, bool valid, const char *yaml)
{
    json_array_append_new(list,
                          json_pack("{s:s, s:b, s:s}", "name", name, "valid", valid, "yaml", yaml));
}

/* python3 with yaml and jsonschema: exit 0 as expected, 77 not installed. */
static const char script[] =
    "import sys, json, re\n"
    "try:\n"
    "    import yaml, jsonschema\n"
    "    V = jsonschema.Draft202012Validator\n"
    "except Exception:\n"
    "    sys.exit(77)\n"
    "schema, cases = json.load(open(sys.argv[1])), json.load(open(sys.argv[2]))\n"
    "V.check_schema(schema)\n"
    "class L(yaml.SafeLoader): pass\n"
    "drop = ('tag:yaml.org,2002:bool', 'tag:yaml.org,2002:timestamp', 'tag:yaml.org,2002:int')\n"
    "L.yaml_implicit_resolvers = {k: [r for r in v if r[0] not in drop]\n"
    "    for k, v in yaml.SafeLoader.yaml_implicit_resolvers.items()}\n"
    "L.add_implicit_resolver(drop[0], re.compile('^(true|false)$'), list('tf'))\n"
    "L.add_implicit_resolver(drop[2], re.compile('^[-+]?[0-9]+$'), list('-+0123456789'))\n"
    "bad = 0\n"
    "for case in cases:\n"
    "    errors = list(V(schema).iter_errors(yaml.load(case['yaml'], Loader=L)))\n"
    "    if (not errors) != case['valid']:\n"
    "        bad += 1\n"
    "        print(case['name'], [(list(e.path), e.message[:100]) for e in errors][:3])\n"
    "sys.exit(1 if bad else 0)\n";

static char *read_golden(const char *name)
{
    struct buf text = BUF_INIT(MAX);
    struct err err = ERR_INIT;
    AUTO_FREE char *path = mem_printf(GOLDEN "%s.yaml", name);
    if (!file_read(path, &text, &err)) {
        fail_msg("%s", err.msg);
    }
    return buf_take(&text);
}

static void write_temp(const char *dir, const char *name, const char *text)
{
    struct err err = ERR_INIT;
    AUTO_FREE char *path = mem_printf("%s/%s", dir, name);
    assert_true(file_replace(path, text, strlen(text), 0600, &err));
}

static json_t *make_cases(void)
{
    static const struct {
        const char *name;
        bool valid;
    } files[] = {
        {"design-example", true}, {"good", true},           {"not-yet", true},
        {"not-yet-daemon", true}, {"best-effort", true},    {"cron-good", true},
        {"keys-unknown", false},  {"keys-missing", false},  {"words", false},
        {"action-none", false},   {"action-two", false},    {"durations", false},
        {"sizes", false},         {"types", false},         {"names", false},
        {"ranges", false},        {"steps-empty", false},   {"steps-list", false},
        {"uses-unknown", false},  {"concurrency", false},   {"monitors", false},
        {"isolation", true},      {"isolation-bad", false}, {"isolation-words", false},
        {"outputs", false},       {"notify", false},        {"triggers", false},
    };
    json_t *cases = json_array();
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        AUTO_FREE char *yaml = read_golden(files[i].name);
        add_file(cases, files[i].name, files[i].valid, yaml);
    }
    add_file(cases, "if", true, "name: t\nsteps: {a: {run: x, if: true, timeout: 0}}");
    add_file(cases, "defaults", false, "name: t\ndefaults: {run: x}\nsteps: {a: {run: x}}");
    return cases;
}

static void test_json_schema(void **state)
{
    AUTO_BUF struct buf schema = BUF_INIT(MAX);
    struct err err = ERR_INIT;
    json_error_t bad;
    char dir[] = "/tmp/orch-schema-XXXXXX";
    (void)state;
    assert_true(dag_schema(&schema, &err));
    json_t *parsed = json_loads(buf_str(&schema), JSON_REJECT_DUPLICATES, &bad);
    assert_non_null(parsed);
    json_decref(parsed);
    assert_non_null(mkdtemp(dir));
    json_t *cases = make_cases();
    AUTO_FREE char *text = json_dumps(cases, 0);
    json_decref(cases);
    write_temp(dir, "schema.json", buf_str(&schema));
    write_temp(dir, "cases.json", text);
    write_temp(dir, "check.py", script);
    AUTO_FREE char *command = mem_printf(
        "ASAN_OPTIONS= /usr/bin/python3 %s/check.py %s/schema.json %s/cases.json", dir, dir, dir);
    int status = access("/usr/bin/python3", X_OK) == 0 ? system(command) : 77 << 8;
    assert_true(file_remove_tree(dir, &err));
    if (status == 77 << 8) {
        print_message("python3-jsonschema is not installed: the schema was not tried\n");
        skip();
    }
    assert_int_equal(status, 0);
}

/* ---- references */

static void test_references(void **state)
{
    AUTO_BUF struct buf keys = BUF_INIT(MAX);
    AUTO_BUF struct buf codes = BUF_INIT(MAX);
    AUTO_BUF struct buf small = BUF_INIT(100);
    struct err err = ERR_INIT;
    (void)state;
    assert_true(dag_reference(&keys, &err));
    assert_non_null(strstr(buf_str(&keys), "\n## step\n"));
    assert_non_null(strstr(buf_str(&keys), "| `max_parallel` |"));
    assert_true(dag_diagnostic_reference(&codes, &err));
    assert_non_null(strstr(buf_str(&codes), "| `unknown-key` |"));
    assert_false(dag_reference(&small, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

/* Every code that the sources add stands in the table of codes. */
static void test_codes(void **state)
{
    AUTO_BUF struct buf codes = BUF_INIT(MAX);
    struct err err = ERR_INIT;
    (void)state;
    assert_true(dag_diagnostic_reference(&codes, &err));
    FILE *found =
        popen("grep -ohE '(DIAG_ERROR|DIAG_WARNING), *\"[a-z-]+\"|\"expr-[a-z]+\"' " SOURCE_DIR
              "/dag/*.c | grep -oE '\"[a-z-]+\"' | tr -d '\"' | sort -u",
              "r");
    assert_non_null(found);
    char line[64];
    size_t count = 0;
    while (fgets(line, sizeof line, found) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        AUTO_FREE char *cell = mem_printf("| `%s` |", line);
        if (strstr(buf_str(&codes), cell) == NULL) {
            fail_msg("the code %s is not explained", line);
        }
        count++;
    }
    pclose(found);
    assert_true(count > 30);
}

/* ---- drawings */

static void test_graph(void **state)
{
    static const char text[] = "name: t\nsteps:\n  a: {run: x}\n  end: {run: x, needs: a}\n"
                               "  b: {kind: train, run: [x], needs: [a, end]}\n";
    static const char *const want[] = {
        [DAG_GRAPH_TEXT] = "t (3 steps)\n\n1\n  a\n\n2\n  end <- a\n\n3\n  b [train] <- a, end\n",
        [DAG_GRAPH_DOT] = "digraph \"t\" {\n  rankdir=LR;\n  \"a\" [shape=box];\n"
                          "  \"end\" [shape=box];\n  \"b\" [shape=component];\n"
                          "  \"a\" -> \"end\";\n  \"a\" -> \"b\";\n  \"end\" -> \"b\";\n}\n",
        [DAG_GRAPH_MERMAID] = "flowchart LR\n  s0[\"a\"]\n  s1[\"end\"]\n  s2[\"b\"]\n"
                              "  s0 --> s1\n  s0 --> s2\n  s1 --> s2\n",
        [DAG_GRAPH_JSON] = NULL,
    };
    static const char *const names[] = {"text", "dot", "mermaid", "json"};
    AUTO_DIAGS struct diags diags;
    struct err err = ERR_INIT;
    (void)state;
    diags_init(&diags, "t");
    struct dag_pipeline *p = dag_parse("t", text, strlen(text), &diags);
    assert_non_null(p);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO_BUF struct buf out = BUF_INIT(MAX);
        enum dag_graph_format format;
        assert_true(dag_graph_format_from_name(names[i], &format));
        assert_true(dag_graph(p, format, &out, &err));
        if (want[i] != NULL) {
            assert_string_equal(buf_str(&out), want[i]);
            continue;
        }
        json_error_t bad;
        json_t *json = json_loads(buf_str(&out), JSON_REJECT_DUPLICATES, &bad);
        json_t *b = json_array_get(json_object_get(json, "steps"), 2);
        assert_string_equal(json_string_value(json_object_get(b, "name")), "b");
        assert_int_equal(json_integer_value(json_object_get(b, "level")), 3);
        assert_int_equal(json_array_size(json_object_get(b, "needs")), 2);
        json_decref(json);
    }
    enum dag_graph_format format;
    assert_false(dag_graph_format_from_name("png", &format));
    dag_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),      cmocka_unit_test(test_json_schema),
        cmocka_unit_test(test_references), cmocka_unit_test(test_codes),
        cmocka_unit_test(test_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
