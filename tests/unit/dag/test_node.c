/*
 * test_node.c - texts to nodes: types, places, anchors, merge keys, bounds, what is refused.
 */
#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "dag/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct doc {
    struct arena arena;
    struct diags diags;
    struct node_source src;
    struct dag_node root;
    bool ok;
};

static struct doc read_doc(const char *text, size_t len)
{
    struct doc d = {.arena = ARENA_INIT, .src = {.text = text, .len = len}};
    diags_init(&d.diags, "t");
    d.ok = node_check_text(&d.src, &d.diags) && node_parse(&d.arena, &d.src, &d.diags, &d.root);
    return d;
}

static struct doc read_text(const char *text)
{
    return read_doc(text, strlen(text));
}

static void done(struct doc *d)
{
    diags_done(&d->diags);
    arena_done(&d->arena);
}

static void expect_error(const char *text, size_t len, const char *code)
{
    struct doc d = read_doc(text, len);
    assert_int_equal(d.diags.errors, 1);
    assert_string_equal(d.diags.items[0].code, code);
    done(&d);
}

/* The core schema of YAML 1.2 without 0o, and what 1.1 would have made of it. */
static void test_types(void **state)
{
    static const struct {
        const char *text;
        enum dag_type type;
    } rows[] = {
        {"true", DAG_BOOL},       {"False", DAG_BOOL},      {"yes", DAG_STRING},
        {"on", DAG_STRING},       {"No", DAG_STRING},       {"~", DAG_NULL},
        {"null", DAG_NULL},       {"nil", DAG_STRING},      {"tRue", DAG_STRING},
        {"12", DAG_INT},          {"-12", DAG_INT},         {"+12", DAG_INT},
        {"007", DAG_INT},         {"0o17", DAG_STRING},     {"0x1F", DAG_INT},
        {"0x", DAG_STRING},       {"0xG", DAG_STRING},      {"0X1F", DAG_STRING},
        {"-0x1F", DAG_STRING},    {"'0x1F'", DAG_STRING},   {"1_000", DAG_STRING},
        {"12:30", DAG_STRING},    {"12:30:45", DAG_STRING}, {"2024-01-01", DAG_STRING},
        {"1.5", DAG_NUMBER},      {".5", DAG_NUMBER},       {"5.", DAG_NUMBER},
        {"1e3", DAG_NUMBER},      {"1e", DAG_STRING},       {"-.5e-3", DAG_NUMBER},
        {".", DAG_STRING},        {"1.2.3", DAG_STRING},    {".inf", DAG_NUMBER},
        {"-.INF", DAG_NUMBER},    {".nan", DAG_NUMBER},     {"'12'", DAG_STRING},
        {"\"true\"", DAG_STRING}, {"!!str 12", DAG_STRING}, {"- a", DAG_LIST},
        {"a: b", DAG_MAP},        {"[]", DAG_LIST},         {"{}", DAG_MAP},
        {"-", DAG_LIST},          {"+", DAG_STRING},        {"|\n 12", DAG_STRING},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct doc d = read_text(rows[i].text);
        assert_true(d.ok);
        if (node_type(&d.root) != rows[i].type) {
            fail_msg("%s is %s", rows[i].text, dag_type_name(node_type(&d.root)));
        }
        done(&d);
    }
}

static void test_places(void **state)
{
    (void)state;
    struct doc d = read_text("\xef\xbb\xbfname: x\n\"kä\": &a   # why\n   - 1\n   - ü: z\n");
    assert_true(d.ok);
    const struct node_entry *entry = &d.root.u.entries[1];
    assert_int_equal(entry->key.line, 2);
    assert_int_equal(entry->key.column, 1);
    assert_int_equal(node_width(&entry->key), 4);
    assert_int_equal(entry->value.line, 3); /* behind the anchor and the comment */
    assert_int_equal(entry->value.column, 4);
    const struct node_entry *inner = &entry->value.u.items[1].u.entries[0];
    assert_int_equal(inner->value.line, 4);
    assert_int_equal(inner->value.column, 9); /* ü is one column */
    done(&d);
}

/* For each marker M in the text, the place of M in the file is the place of M in the value. */
static void check_markers(const char *text)
{
    struct doc d = read_text(text);
    assert_true(d.ok);
    const struct dag_node *value = node_get(&d.root, "k");
    size_t found = 0;
    for (size_t i = 0; i < value->count; i++) {
        if (value->u.text[i] < 'A' || value->u.text[i] > 'Z') {
            continue;
        }
        const char *at = strchr(text, value->u.text[i]);
        struct diag_pos want = {1, 1};
        for (const char *p = text; p < at; p++) {
            want.column = *p == '\n' ? 1 : want.column + ((*p & '\xc0') != '\x80');
            want.line += *p == '\n';
        }
        struct diag_pos got = node_pos_at(&d.src, value, i);
        if (got.line != want.line || got.column != want.column) {
            fail_msg("%s\n%c is at %u:%u, not %u:%u", text, value->u.text[i], want.line,
                     want.column, got.line, got.column);
        }
        found++;
    }
    assert_true(found > 0);
    done(&d);
}

static void test_offsets(void **state)
{
    static const char *const texts[] = {
        "k: abc A def B\n",
        "k: über A ü B\n",
        "k: a A\n  b B\n  c\n\n  d C # E\n",
        "k: 'it''s A ''B'' ü C'\n",
        "k: 'a A\n   b B\n\n   c C'\n",
        "k: \"\\t A \\\" B \\u00fc C \\x61\\\n    D \\\\ E\"\n",
        "k: \"a A\n  b B\n\n\n  c C\"\n",
        "k: |\n  a A\n    b B\n\n  ü C\n",
        "k: |2-\n    a A\n   b B\n",
        "x: 1\nk: |+\n   A\n\n   B\n\n\ny: 2\n",
        "k: &x !!str |  # note\n\n\n  A\n  B\n",
        "k: |\r\n  a A\r\n  b B\r\n",
        "k: >\n  a A\n  b B\n\n  c C\n    d D\n  e E\n",
        "k: >-\n\n  a A\n  b B\n",
        "k: &x  a A\n",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        check_markers(texts[i]);
    }
}

static void test_merge(void **state)
{
    (void)state;
    struct doc d = read_text("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\n"
                             "c: {y: 5, <<: [*a, *b], w: 6}\nd: {'<<': 7}\n");
    assert_true(d.ok);
    const struct dag_node *c = node_get(&d.root, "c");
    assert_int_equal(c->count, 4);
    assert_string_equal(node_get(c, "x")->u.text, "1");
    assert_string_equal(node_get(c, "y")->u.text, "5"); /* its own wins */
    assert_string_equal(node_get(c, "z")->u.text, "4");
    assert_string_equal(node_get(node_get(&d.root, "d"), "<<")->u.text, "7");
    done(&d);
    d = read_text("a: &a {x: 1}\nb: {<<: *a, <<: *a}\n");
    assert_int_equal(d.diags.errors, 1);
    assert_string_equal(d.diags.items[0].code, "duplicate-key");
    done(&d);
}

static void test_duplicates(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(1U << 20);
    for (int i = 0; i < 1000; i++) {
        buf_addf(&text, "k%d: %d\n", i, i);
    }
    buf_adds(&text, "k500: again\n\"k7\": again\n");
    struct doc d = read_doc(buf_str(&text), text.len);
    assert_int_equal(d.diags.errors, 2);
    assert_int_equal(d.diags.items[0].pos.line, 1001);
    assert_int_equal(d.diags.items[1].pos.line, 1002);
    assert_string_equal(node_get(&d.root, "k500")->u.text, "500");
    done(&d);
}

static void test_bomb(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(1U << 20);
    buf_adds(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 60; i++) {
        buf_addf(&text, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++) {
            buf_addf(&text, "%s*a%d", k > 0 ? ", " : "", i - 1);
        }
        buf_adds(&text, "]\n");
    }
    struct doc d = read_doc(buf_str(&text), text.len);
    assert_int_equal(d.diags.errors, 1);
    assert_string_equal(d.diags.items[0].code, "too-large");
    assert_true(d.arena.used < 100000);
    done(&d);
}

static void test_alias_depth(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(1U << 20);
    buf_adds(&text, "a0: &a0 [x]\n");
    for (int i = 1; i < 70; i++) {
        buf_addf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    }
    expect_error(buf_str(&text), text.len, "too-deep");
}

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        const char *code;
    } rows[] = {
        {"a\0b", 3, "character"},
        {"a: \"\\0\"", 7, "character"},
        {"a: \xff", 4, "encoding"},
        {"\xff\xfe"
         "a\0",
         4, "encoding"},
        {"a: \xed\xa0\x80", 6, "encoding"},
        {"a: b\xef\xbb\xbf", 7, "character"},
        {"a: \xc2\x85", 5, "character"},
        {"a: \x7f", 4, "character"},
        {"a\rb", 3, "character"},
        {"", 0, "empty"},
        {"# only", 6, "empty"},
        {"a: 1\n---\nb: 2\n", 14, "yaml-documents"},
        {"a: [*a]", 7, "yaml-alias"},
        {"&a a: &b [*b]", 13, "yaml-alias"},
        {"a: !foo b", 9, "yaml-tag"},
        {"a: !!int 5", 10, "yaml-tag"},
        {"[a]: b", 6, "yaml-key"},
        {"a: b\n\tc: d", 10, "yaml-tab"},
        {"a: 'b", 5, "yaml"},
        {"a: {b", 5, "yaml"},
        {"a: @b", 5, "yaml"},
        {"a: %b\n%", 7, "yaml"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *copy = mem_alloc(rows[i].len + 1); /* so that sanitizers see its end */
        memcpy(copy, rows[i].text, rows[i].len);
        expect_error(copy, rows[i].len, rows[i].code);
    }
}

static void test_values(void **state)
{
    (void)state;
    struct doc d = read_text("{a: [1, -2.5, true, ~, x], b: {c: '5'}}");
    AUTO_BUF struct buf json = BUF_INIT(1000);
    struct dag_value value;
    struct err err = ERR_INIT;
    assert_true(node_value(&d.root, &d.arena, &d.diags, &value));
    assert_true(dag_value_to_json(&value, &json, &err));
    assert_string_equal(buf_str(&json), "{\"a\":[1,-2.5,true,null,\"x\"],\"b\":{\"c\":\"5\"}}");
    done(&d);
    d = read_text("[9223372036854775807, -9223372036854775808, 9223372036854775808, .inf, -.nan]");
    assert_false(node_value(&d.root, &d.arena, &d.diags, &value));
    assert_int_equal(d.diags.errors, 3);
    assert_non_null(strstr(d.diags.items[1].hint, "quotes"));
    assert_int_equal(value.u.list.items[1].u.integer == INT64_MIN, 1);
    done(&d);
    d = read_text("[0x1F, 0x0, 0x00007fffFFFFffffFFFF, 0x8000000000000000, 0x10000000000000000]");
    assert_false(node_value(&d.root, &d.arena, &d.diags, &value));
    assert_int_equal(d.diags.errors, 2);
    assert_int_equal(value.u.list.items[0].u.integer, 31);
    assert_int_equal(value.u.list.items[1].u.integer, 0);
    assert_int_equal(value.u.list.items[2].u.integer, INT64_MAX);
    done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),       cmocka_unit_test(test_places),
        cmocka_unit_test(test_offsets),     cmocka_unit_test(test_merge),
        cmocka_unit_test(test_duplicates),  cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_alias_depth), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
