/*
 * json_schema.c - the table as a JSON Schema (2020-12), for editors.
 */
#include "base/mem.h"
#include "base/text.h"
#include "dag/schema.h"

#include <string.h>

static void add_string(struct buf *b, const char *key, const char *text)
{
    buf_addf(b, "\"%s\":", key);
    buf_add_json(b, text);
}

static void add_bounds(struct buf *b, const struct schema_row *row)
{
    char number[32];
    if (schema_bounded(row)) {
        buf_addf(b, ",\"minimum\":%s", text_format_double(row->min, number));
        buf_addf(b, ",\"maximum\":%s", text_format_double(row->max, number));
    }
}

static void add_number(struct buf *b, const struct schema_row *row)
{
    buf_addf(b, "{\"type\":\"%s\"", row->takes & V_INT ? "integer" : "number");
    add_bounds(b, row);
    buf_addc(b, '}');
}

static void add_format(struct buf *b, const struct schema_row *row)
{
    const struct schema_format *format = row->format;
    const char *type = format->quoted      ? "\"string\""
                       : format->number    ? "[\"string\",\"number\"]"
                       : format->gives_int ? "[\"string\",\"integer\"],\"minimum\":0,\"maximum\":0"
                                           : "[\"string\",\"number\",\"boolean\"]";
    buf_addf(b, "{\"type\":%s", type);
    if (format->pattern != NULL) {
        buf_addc(b, ',');
        add_string(b, "pattern", format->pattern);
    }
    buf_addc(b, '}');
}

static void add_word(struct buf *b, const struct schema_row *row)
{
    buf_adds(b, "{\"enum\":[");
    for (const struct schema_word *w = row->words; w->word != NULL; w++) {
        buf_adds(b, w == row->words ? "" : ",");
        buf_add_json(b, w->word);
    }
    buf_adds(b, "]}");
}

/* A text, as written; beside numbers, booleans or lists it must hold an expression. */
static void add_text(struct buf *b, const struct schema_row *row)
{
    bool other = (row->takes & V_TEXT) == 0 && (row->takes & (V_BOOL | V_INT | V_NUM | V_LIST));
    buf_adds(b, other ? "{\"type\":\"string\",\"pattern\":\"\\\\$\\\\{\\\\{\"}"
                      : "{\"type\":[\"string\",\"number\",\"boolean\"]}");
}

static void add_expression(struct buf *b, const struct schema_row *row)
{
    (void)row;
    buf_adds(b, "{\"type\":[\"string\",\"boolean\"]}");
}

static void add_bool(struct buf *b, const struct schema_row *row)
{
    (void)row;
    buf_adds(b, "{\"type\":\"boolean\"}");
}

static void add_ref(struct buf *b, const struct schema_row *row)
{
    buf_addf(b, "{\"$ref\":\"#/$defs/%s\"}", row->sub->name);
}

static void add_anything(struct buf *b, const struct schema_row *row)
{
    (void)row;
    buf_adds(b, "{}");
}

static const struct alternative {
    unsigned bits;
    void (*add)(struct buf *b, const struct schema_row *row);
} scalars[] = {
    {V_BOOL, add_bool},     {V_INT | V_NUM, add_number},    {V_WORD, add_word},
    {V_FORMAT, add_format}, {V_EXPR, add_expression},       {V_TEXT | V_TMPL, add_text},
    {V_MAP, add_ref},       {V_ANY | V_DATA, add_anything},
};

static void add_alternatives(struct buf *b, const struct schema_row *row, size_t *count)
{
    for (size_t i = 0; i < COUNT_OF(scalars); i++) {
        if (row->takes & scalars[i].bits) {
            buf_adds(b, (*count)++ > 0 ? "," : "");
            scalars[i].add(b, row);
        }
    }
}

/* An item has no items of its own that have items: lists of the table nest twice at most. */
static void add_items(struct buf *b, const struct schema_row *row)
{
    const struct schema_row *item = row->item;
    size_t count = 0;
    buf_adds(b, "{\"anyOf\":[");
    add_alternatives(b, item, &count);
    if (item->takes & V_LIST) {
        size_t inner = 0;
        buf_addf(b, "%s{\"type\":\"array\",\"items\":{\"anyOf\":[", count > 0 ? "," : "");
        add_alternatives(b, item->item, &inner);
        buf_addf(b, "]}%s}", item->flags & ROW_SOME ? ",\"minItems\":1" : "");
    }
    buf_adds(b, "]}");
}

static void add_list(struct buf *b, const struct schema_row *row)
{
    buf_adds(b, "{\"type\":\"array\",\"items\":");
    add_items(b, row);
    buf_adds(b, row->flags & ROW_SOME ? ",\"minItems\":1" : "");
    if (row->most > 0) {
        buf_addf(b, ",\"maxItems\":%u", row->most);
    }
    buf_addc(b, '}');
}

static void add_named(struct buf *b, const struct schema_row *row)
{
    buf_adds(b, "{\"type\":\"object\",\"propertyNames\":{");
    add_string(b, "pattern", row->names->pattern);
    buf_adds(b, "},\"additionalProperties\":");
    add_items(b, row);
    buf_adds(b, row->flags & ROW_SOME ? ",\"minProperties\":1" : "");
    if (row->most > 0) {
        buf_addf(b, ",\"maxProperties\":%u", row->most);
    }
    buf_addc(b, '}');
}

static void add_row(struct buf *b, const struct schema_row *row)
{
    size_t count = 0;
    buf_add_json(b, row->key);
    buf_adds(b, ":{");
    if (row->def != NULL) {
        AUTO_FREE char *text = mem_printf("%s Default: %s.", row->help, row->def);
        add_string(b, "description", text);
    } else {
        add_string(b, "description", row->help);
    }
    buf_adds(b, ",\"anyOf\":[");
    add_alternatives(b, row, &count);
    if (row->takes & V_LIST) {
        buf_adds(b, count++ > 0 ? "," : "");
        add_list(b, row);
    }
    if (row->takes & V_NAMED) {
        buf_adds(b, count++ > 0 ? "," : "");
        add_named(b, row);
    }
    buf_adds(b, "]}");
}

static void add_required(struct buf *b, const struct schema_kind *kind)
{
    bool first = true;
    for (size_t i = 0; i < kind->count && kind->filter == 0; i++) {
        if (kind->rows[i].flags & ROW_REQUIRED) {
            buf_adds(b, first ? ",\"required\":[" : ",");
            buf_add_json(b, kind->rows[i].key);
            first = false;
        }
    }
    buf_adds(b, first ? "" : "]");
    for (size_t i = 0; i < kind->choices; i++) {
        buf_addf(b, "%s{\"required\":[\"%s\"]}", i == 0 ? ",\"oneOf\":[" : ",", kind->rows[i].key);
    }
    buf_adds(b, kind->choices > 0 ? "]" : "");
}

static void add_kind(struct buf *b, const struct schema_kind *kind)
{
    bool first = true;
    buf_adds(b, "\"type\":\"object\",");
    add_string(b, "description", kind->help);
    buf_adds(b, ",\"additionalProperties\":false,\"properties\":{");
    for (size_t i = 0; i < kind->count; i++) {
        if (schema_has(kind, &kind->rows[i])) {
            buf_adds(b, first ? "\n" : ",\n");
            add_row(b, &kind->rows[i]);
            first = false;
        }
    }
    buf_adds(b, "}");
    add_required(b, kind);
}

bool dag_schema(struct buf *ret, struct err *err)
{
    const struct schema_kind *kinds[SCHEMA_MAX_KINDS];
    size_t count = schema_collect(kinds);
    buf_adds(ret, "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\n"
                  "\"title\":\"orchd pipeline\",\n");
    add_kind(ret, kinds[0]);
    buf_adds(ret, ",\n\"$defs\":{");
    for (size_t i = 1; i < count; i++) {
        buf_addf(ret, "%s\n\"%s\":{", i > 1 ? "," : "", kinds[i]->name);
        add_kind(ret, kinds[i]);
        buf_adds(ret, "}");
    }
    buf_adds(ret, "}}\n");
    return !ret->full || err_set(err, ERR_LIMIT, "the schema is longer than %zu bytes", ret->max);
}
