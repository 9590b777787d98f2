/*
 * read.c - the walk over a document by the schema table: shapes, unknown keys, bounds, storing.
 *
 * read_map() -> read_entry() for each row that stands there, in the order of the table -> the row's
 * own `read`, or read_value(): a scalar, a list of items, a mapping of a kind, or names to items.
 * Recursion is as deep as the table, and as the document (LIMIT_YAML_DEPTH) below V_ANY.
 */
#include "base/mem.h"
#include "base/text.h"
#include "dag/reader.h"

#include <stdio.h>
#include <string.h>

/* ---- messages */

/* The items of a list are read under the list's key. */
static bool is_item(const struct schema_entry *e)
{
    return e->value != e->key + 1; /* key and value of an entry stand side by side */
}

static bool wrong(struct reader *r, const struct schema_entry *e, const char *code,
                  const char *hint)
{
    AUTO_BUF struct buf want = BUF_INIT(2000);
    char got[64];
    schema_describe(e->row, &want);
    return diag_add(r->diags, DIAG_ERROR, code, node_pos(e->value), node_width(e->value), hint,
                    "%s`%s` must be %s, not %s", is_item(e) ? "an item of " : "", e->key->u.text,
                    buf_str(&want), node_describe(e->value, got));
}

const char *read_suggest(struct reader *r, const char *word, const char *const *names, size_t count)
{
    if (r->suggestions < (long)count) {
        return NULL;
    }
    r->suggestions -= (long)count;
    const char *near = text_nearest(word, names, count);
    return near != NULL ? arena_printf(r->arena, "Did you mean `%s`?", near) : NULL;
}

static void unknown_key(struct reader *r, const struct schema_kind *kind,
                        const struct dag_node *key)
{
    const char *names[SCHEMA_MAX_ROWS];
    size_t count = 0;
    for (size_t i = 0; i < kind->count; i++) {
        if (schema_has(kind, &kind->rows[i])) {
            names[count++] = kind->rows[i].key;
        }
    }
    const char *hint = schema_meant(kind, key->u.text);
    if (hint == NULL && schema_find(kind, key->u.text) != NULL) {
        hint = "It belongs to each step of its own."; /* defaults: a row that it filters out */
    }
    if (hint == NULL) {
        hint = read_suggest(r, key->u.text, names, count);
    }
    diag_add(r->diags, DIAG_ERROR, "unknown-key", node_pos(key), node_width(key), hint,
             "`%s` is not a key of %s", key->u.text, kind->title);
}

bool read_name(struct reader *r, const struct schema_names *names, const struct dag_node *key,
               const char *what)
{
    if (names->ok(key->u.text)) {
        return true;
    }
    return diag_add(r->diags, DIAG_ERROR, "bad-name", node_pos(key), node_width(key), NULL,
                    "`%s` cannot be a name in `%s`: %s", key->u.text, what, names->what);
}

/* ---- scalars */

static void store(void *target, const struct schema_row *row, const void *value, size_t size)
{
    if (target != NULL && row->stored) {
        memcpy((char *)target + row->at, value, size);
    }
}

static bool in_bounds(const struct schema_row *row, double value)
{
    return !schema_bounded(row) || (value >= row->min && value <= row->max);
}

static bool has_expression(const struct dag_node *node)
{
    return node->kind == NODE_SCALAR && strstr(node->u.text, "${{") != NULL;
}

static bool read_number(struct reader *r, const struct schema_entry *e, void *target)
{
    struct dag_value value;
    if (!node_value(e->value, r->arena, r->diags, &value)) {
        return false;
    }
    double number = value.type == DAG_INT ? (double)value.u.integer : value.u.number;
    if (!in_bounds(e->row, number)) {
        return wrong(r, e, "range", NULL);
    }
    if (e->row->takes & V_INT) {
        store(target, e->row, &value.u.integer, sizeof value.u.integer);
    } else {
        store(target, e->row, &number, sizeof number);
    }
    return true;
}

/* Words of other tools that are too far from ours for a suggestion by their letters. */
static const char *word_meant(const struct schema_row *row, const char *word)
{
    static const struct {
        const char *word, *ours, *hint;
    } meant[] = {
        {"int", "integer", "Did you mean `integer`?"},
        {"long", "integer", "Did you mean `integer`?"},
        {"float", "number", "Did you mean `number`?"},
        {"double", "number", "Did you mean `number`?"},
        {"bool", "boolean", "Did you mean `boolean`?"},
        {"str", "string", "Did you mean `string`?"},
        {"text", "string", "Did you mean `string`?"},
        {"array", "list", "Did you mean `list`?"},
        {"object", "map", "Did you mean `map`?"},
        {"dict", "map", "Did you mean `map`?"},
        {"docker", "container", "Did you mean `container`?"},
        {"local", "process", "Did you mean `process`?"},
        {"k8s", "kubernetes", "Did you mean `kubernetes`?"},
        {"cancel", "replace", "Did you mean `replace`?"},
        {"forbid", "skip", "Did you mean `skip`?"},
        {"wait", "queue", "Did you mean `queue`?"},
        {"last", "latest", "Did you mean `latest`?"},
        {"off", "none", "Did you mean `none`?"},
        {"private", "none", "Did you mean `none`? The step then has its own loopback only."},
        {"isolated", "none", "Did you mean `none`? The step then has its own loopback only."},
        {"on", "host", "Did you mean `host`?"},
        {"bridge", "host", "Did you mean `host`?"},
    };
    for (size_t i = 0; i < COUNT_OF(meant); i++) {
        for (const struct schema_word *w = row->words; w->word != NULL; w++) {
            if (strcmp(meant[i].word, word) == 0 && strcmp(meant[i].ours, w->word) == 0) {
                return meant[i].hint;
            }
        }
    }
    return NULL;
}

static bool read_word(struct reader *r, const struct schema_entry *e, void *target)
{
    const char *names[SCHEMA_MAX_ROWS];
    size_t count = 0;
    for (const struct schema_word *w = e->row->words; w->word != NULL; w++) {
        if (strcmp(w->word, e->value->u.text) == 0) {
            store(target, e->row, &w->value, sizeof w->value);
            return true;
        }
        names[count++] = w->word;
    }
    if (e->row->takes & V_FORMAT) {
        return false; /* the next alternative */
    }
    const char *hint = word_meant(e->row, e->value->u.text);
    return wrong(r, e, "value",
                 hint != NULL ? hint : read_suggest(r, e->value->u.text, names, count));
}

static bool no_expression(struct reader *r, const struct schema_entry *e)
{
    return diag_add(r->diags, DIAG_ERROR, "expression-not-here", node_pos(e->value),
                    node_width(e->value), "Write the value itself.",
                    "`%s` takes no ${{ }}: it must be known before the run", e->key->u.text);
}

static bool read_format(struct reader *r, const struct schema_entry *e, void *target)
{
    const struct schema_format *format = e->row->format;
    const char *text = e->value->u.text;
    const char *hint = NULL;
    int64_t number = 0;
    if (has_expression(e->value)) {
        return no_expression(r, e);
    }
    if (format->quoted && node_type(e->value) != DAG_STRING) {
        return wrong(r, e, "value", arena_printf(r->arena, "Put it in quotes: \"%s\".", text));
    }
    if (!format->check(text, &number, &hint)) {
        return wrong(r, e, "value", hint);
    }
    if (!format->gives_int) {
        store(target, e->row, &text, sizeof text);
    } else if (in_bounds(e->row, (double)number)) {
        store(target, e->row, &number, sizeof number);
    } else {
        return wrong(r, e, "range", NULL);
    }
    return true;
}

static void *late_target(const struct schema_row *row, void *target)
{
    return target != NULL && row->stored ? (char *)target + row->at : NULL;
}

static void read_scalar(struct reader *r, const struct schema_entry *e, void *target)
{
    const struct schema_row *row = e->row;
    const char *text = e->value->u.text;
    enum dag_type type = node_type(e->value);
    if ((row->takes & V_BOOL) && type == DAG_BOOL) {
        bool value = text[0] == 't' || text[0] == 'T';
        store(target, row, &value, sizeof value);
    } else if (((row->takes & V_INT) && type == DAG_INT) ||
               ((row->takes & V_NUM) && (type == DAG_INT || type == DAG_NUMBER))) {
        read_number(r, e, target);
    } else if ((row->takes & V_WORD) && (read_word(r, e, target) || !(row->takes & V_FORMAT))) {
        return;
    } else if (row->takes & V_FORMAT) {
        read_format(r, e, target);
    } else if (row->takes & V_EXPR) {
        read_late(r, LATE_EXPR, row, e->value, late_target(row, target));
    } else if ((row->takes & V_TMPL) &&
               (!(row->takes & (V_BOOL | V_INT | V_NUM | V_LIST)) || has_expression(e->value))) {
        read_late(r, LATE_TMPL, row, e->value, late_target(row, target));
    } else if (row->takes & V_TEXT) {
        if (has_expression(e->value)) {
            no_expression(r, e);
            return;
        }
        store(target, row, &text, sizeof text);
    } else {
        bool expression = has_expression(e->value) && !(row->takes & V_TMPL);
        if (expression) {
            no_expression(r, e);
        } else {
            wrong(r, e, "type", NULL);
        }
    }
}

static void add_late(struct reader *r, const struct late *late)
{
    if (r->late_count == DAG_LIMIT_EXPRESSIONS) {
        if (!r->too_many) {
            r->too_many = true;
            diag_add(r->diags, DIAG_ERROR, "too-large",
                     late->kind == LATE_COPY ? (struct diag_pos){0} : node_pos(late->node), 1, NULL,
                     "the file has more than %d texts that may hold expressions, aliases expanded",
                     DAG_LIMIT_EXPRESSIONS);
        }
        return;
    }
    if (r->late_count == r->late_cap) {
        r->late_cap = r->late_cap > 0 ? r->late_cap * 2 : 64;
        r->late = mem_grow(r->late, r->late_cap, sizeof *r->late);
    }
    r->late[r->late_count++] = *late;
}

void read_late(struct reader *r, enum late_kind kind, const struct schema_row *row,
               const struct dag_node *node, void *target)
{
    struct late late = {
        .row = row,
        .node = node,
        .target = target,
        .block = r->block,
        .step = r->step,
        .kind = (uint8_t)kind,
        .place = (uint8_t)r->place,
    };
    add_late(r, &late);
}

void read_late_copy(struct reader *r, const void *from, void *target)
{
    struct late late = {.from = from, .target = target, .kind = LATE_COPY};
    add_late(r, &late);
}

/* ---- lists and mappings */

/* Texts below a V_ANY may hold expressions. */
static void read_any(struct reader *r, const struct schema_row *row, const struct dag_node *node)
{
    if (node->kind == NODE_SCALAR) {
        if (has_expression(node)) {
            read_late(r, LATE_TMPL, row, node, NULL);
        }
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        read_any(r, row, node->kind == NODE_LIST ? &node->u.items[i] : &node->u.entries[i].value);
    }
}

static void read_list(struct reader *r, const struct schema_entry *e, void *target)
{
    const struct dag_node *list = e->value;
    for (size_t i = 0; i < list->count; i++) {
        struct schema_entry item = {e->row->item, e->key, &list->u.items[i]};
        if (read_shape(r, &item)) {
            read_value(r, &item, NULL);
        }
    }
    if (target == NULL || !e->row->stored) {
        return;
    }
    const char **texts = arena_array(r->arena, list->count, sizeof *texts);
    for (size_t i = 0; i < list->count; i++) {
        texts[i] = list->u.items[i].kind == NODE_SCALAR ? list->u.items[i].u.text : "";
    }
    size_t count = list->count;
    memcpy((char *)target + e->row->at, &texts, sizeof texts);
    memcpy((char *)target + e->row->at_count, &count, sizeof count);
}

static void read_named(struct reader *r, const struct schema_entry *e, void *target)
{
    const struct dag_node *map = e->value;
    bool stored = target != NULL && e->row->stored;
    struct dag_pair *pairs = stored ? arena_array(r->arena, map->count, sizeof *pairs) : NULL;
    for (size_t i = 0; i < map->count; i++) {
        const struct node_entry *entry = &map->u.entries[i];
        struct schema_entry item = {e->row->item, &entry->key, &entry->value};
        if (!read_name(r, e->row->names, &entry->key, e->key->u.text) || !read_shape(r, &item)) {
            continue;
        }
        if (!stored) {
            read_value(r, &item, NULL);
            continue;
        }
        pairs[i].name = entry->key.u.text;
        pairs[i].pos = node_pos(&entry->key);
        read_late(r, LATE_TMPL, e->row->item, &entry->value, (void *)&pairs[i].value);
    }
    if (stored) {
        size_t count = map->count;
        memcpy((char *)target + e->row->at, &pairs, sizeof pairs);
        memcpy((char *)target + e->row->at_count, &count, sizeof count);
    }
}

void read_value(struct reader *r, const struct schema_entry *e, void *target)
{
    const struct schema_row *row = e->row;
    if (row->takes & (V_ANY | V_DATA)) {
        bool mapping = e->value->kind == NODE_MAP && (row->takes & V_MAP);
        if (!mapping) {
            if (row->takes & V_ANY) {
                read_any(r, row, e->value);
            }
            return;
        }
    }
    if (e->value->kind == NODE_SCALAR) {
        read_scalar(r, e, target);
    } else if (e->value->kind == NODE_LIST) {
        read_list(r, e, target);
    } else if (row->takes & V_MAP) {
        read_map(r, row->sub, e->value,
                 target != NULL && row->stored ? (char *)target + row->at : NULL);
    } else {
        read_named(r, e, target);
    }
}

bool read_shape(struct reader *r, const struct schema_entry *e)
{
    const unsigned takes = e->row->takes;
    const struct dag_node *value = e->value;
    if (takes & (V_ANY | V_DATA)) {
        return true;
    }
    if (value->kind == NODE_SCALAR && node_type(value) == DAG_NULL) {
        AUTO_BUF struct buf want = BUF_INIT(2000);
        schema_describe(e->row, &want);
        const struct dag_node *at = value->count > 0 ? value : e->key;
        return diag_add(r->diags, DIAG_ERROR, "no-value", node_pos(at), node_width(at),
                        "Give it a value or remove the key.", "%s`%s` has no value: it must be %s",
                        is_item(e) ? "an item of " : "", e->key->u.text, buf_str(&want));
    }
    const unsigned lists = V_LIST;
    const unsigned maps = V_MAP | V_NAMED;
    bool fits = value->kind == NODE_LIST  ? (takes & lists) != 0
                : value->kind == NODE_MAP ? (takes & maps) != 0
                                          : (takes & ~(lists | maps)) != 0;
    if (!fits) {
        const char *hint = NULL;
        if (value->kind == NODE_MAP && (takes & (V_TMPL | V_EXPR | V_TEXT))) {
            hint = "Put a text that begins with { in quotes.";
        } else if (value->kind == NODE_LIST && (takes & V_NAMED)) {
            hint = "Write `name: …` entries without `-`: each key is a name.";
        }
        return wrong(r, e, "type", hint);
    }
    if (value->kind != NODE_SCALAR && e->row->most > 0 && value->count > e->row->most) {
        return diag_add(r->diags, DIAG_ERROR, "too-large", node_pos(value), 1, NULL,
                        "`%s` has %u entries; at most %u are allowed", e->key->u.text, value->count,
                        e->row->most);
    }
    if (value->kind != NODE_SCALAR && value->count == 0 && (e->row->flags & ROW_SOME)) {
        return diag_add(r->diags, DIAG_ERROR, "no-value", node_pos(value), 2, NULL,
                        "`%s` must not be empty", e->key->u.text);
    }
    return true;
}

static void read_entry(struct reader *r, const struct schema_entry *e, void *target)
{
    enum schema_place place = r->place;
    if (!read_shape(r, e)) {
        return;
    }
    if (e->row->mark != MARK_NONE) {
        r->marks[e->row->mark] = (struct mark){e->key, e->value};
    }
    if (e->row->place != 0) {
        r->place = e->row->place;
    }
    if (e->row->read != NULL) {
        e->row->read(r, e, target);
    } else {
        read_value(r, e, target);
    }
    r->place = place;
}

/* ---- a mapping of a kind */

static void add_choices(struct buf *b, const struct schema_kind *kind)
{
    for (size_t i = 0; i < kind->choices; i++) {
        const char *join = i == 0 ? "" : i + 1 == kind->choices ? " or " : ", ";
        buf_addf(b, "%s`%s`", join, kind->rows[i].key);
    }
}

static void check_choices(struct reader *r, const struct schema_kind *kind,
                          const struct dag_node *node, const struct node_entry *const *found)
{
    const struct node_entry *first = NULL;
    for (size_t i = 0; i < kind->choices; i++) {
        if (found[i] == NULL) {
            continue;
        }
        if (first == NULL) {
            first = found[i];
            continue;
        }
        AUTO_BUF struct buf names = BUF_INIT(2000);
        add_choices(&names, kind);
        diag_add(r->diags, DIAG_ERROR, "conflict", node_pos(&found[i]->key),
                 node_width(&found[i]->key), "Keep one of them.",
                 "`%s` beside `%s`: %s has exactly one of %s", found[i]->key.u.text,
                 first->key.u.text, kind->title, buf_str(&names));
    }
    if (first == NULL) {
        AUTO_BUF struct buf names = BUF_INIT(2000);
        add_choices(&names, kind);
        diag_add(r->diags, DIAG_ERROR, "missing-key", node_pos(node), 1, NULL, "%s needs %s%s",
                 kind->title, kind->choices > 1 ? "one of " : "", buf_str(&names));
    }
}

static void check_required(struct reader *r, const struct schema_kind *kind,
                           const struct dag_node *node, const struct node_entry *const *found)
{
    for (size_t i = 0; i < kind->count; i++) {
        if (found[i] == NULL && (kind->rows[i].flags & ROW_REQUIRED)) {
            diag_add(r->diags, DIAG_ERROR, "missing-key", node_pos(node), 1, NULL,
                     "%s needs the key `%s`", kind->title, kind->rows[i].key);
        }
    }
}

void read_map(struct reader *r, const struct schema_kind *kind, const struct dag_node *node,
              void *target)
{
    const struct node_entry *found[SCHEMA_MAX_ROWS]; /* by row */
    memset(found, 0, kind->count * sizeof *found);
    for (size_t i = 0; i < node->count; i++) {
        const struct node_entry *entry = &node->u.entries[i];
        const struct schema_row *row = schema_find(kind, entry->key.u.text);
        if (row == NULL || !schema_has(kind, row)) {
            unknown_key(r, kind, &entry->key);
        } else {
            found[row - kind->rows] = entry;
        }
    }
    for (size_t i = 0; i < kind->count; i++) {
        if (found[i] != NULL) {
            read_entry(r, &(struct schema_entry){&kind->rows[i], &found[i]->key, &found[i]->value},
                       target);
        }
    }
    check_required(r, kind, node, found);
    if (kind->choices > 0) {
        check_choices(r, kind, node, found);
    }
    if (kind->finish != NULL) {
        kind->finish(r, node, target);
    }
}
