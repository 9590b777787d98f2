/*
 * reference.c - the table and the codes of diagnostics as Markdown, for docs/.
 */
#include "base/mem.h"
#include "dag/schema.h"

#include <string.h>

/* ---- keys */

static void add_cell(struct buf *b, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            buf_addc(b, '\\');
        }
        buf_addc(b, *text);
    }
}

/* Where a mapping or the items of a list are explained. */
static void add_links(struct buf *b, const struct schema_row *row)
{
    const struct schema_kind *item = row->item != NULL ? row->item->sub : NULL;
    const struct schema_kind *sub = row->sub != NULL ? row->sub : item;
    if (sub != NULL) {
        buf_addf(b, " ([%s](#%s))", sub->name, sub->name);
    }
}

static void add_value(struct buf *b, const struct schema_row *row)
{
    AUTO_BUF struct buf words = BUF_INIT(4000);
    if (row->takes & (V_ANY | V_DATA)) {
        buf_adds(&words, "any value");
    } else {
        schema_describe(row, &words);
    }
    add_cell(b, buf_str(&words));
    add_links(b, row);
}

static void add_reference_row(struct buf *b, const struct schema_row *row)
{
    static const char *const notes[] = {
        [RUNS] = "",
        [RUNS_LATER] = " *Checked, but not run by this version.*",
        [RUNS_DAEMON] = " *Acted upon by a daemon.*",
    };
    buf_addf(b, "| `%s`%s | ", row->key, row->flags & ROW_REQUIRED ? " (required)" : "");
    add_value(b, row);
    buf_adds(b, " | ");
    add_cell(b, row->def != NULL ? row->def : "");
    buf_adds(b, " | ");
    add_cell(b, row->help);
    buf_addf(b, "%s |\n", notes[row->runs]);
}

static void add_choices(struct buf *b, const struct schema_kind *kind)
{
    for (size_t i = 0; i < kind->choices; i++) {
        buf_addf(b, "%s`%s`", i == 0 ? "\nExactly one of " : ", ", kind->rows[i].key);
    }
    buf_adds(b, kind->choices > 0 ? " must be given.\n" : "");
}

bool dag_reference(struct buf *ret, struct err *err)
{
    const struct schema_kind *kinds[SCHEMA_MAX_KINDS];
    size_t count = schema_collect(kinds);
    buf_adds(ret, "# Pipeline files\n\nPrinted from the table that reads them.\n");
    for (size_t i = 0; i < count; i++) {
        buf_addf(ret, "\n## %s\n\n%s\n", kinds[i]->name, kinds[i]->help);
        add_choices(ret, kinds[i]);
        buf_adds(ret, "\n| key | value | default | meaning |\n|---|---|---|---|\n");
        for (size_t k = 0; k < kinds[i]->count; k++) {
            if (schema_has(kinds[i], &kinds[i]->rows[k])) {
                add_reference_row(ret, &kinds[i]->rows[k]);
            }
        }
    }
    buf_adds(ret, "\n## Expressions\n\n`${{ … }}` in a text. Functions:\n\n");
    return (expr_reference(ret) && !ret->full) ||
           err_set(err, ERR_LIMIT, "the reference is longer than %zu bytes", ret->max);
}

/* ---- codes */

static const struct {
    const char *code, *meaning;
} codes[] = {
    {"bad-name", "A name with characters that names of its sort do not have."},
    {"character", "A character that may not stand in a YAML file, such as NUL."},
    {"conflict", "Keys that contradict each other, or a key without the one it belongs to."},
    {"cycle", "Steps that need each other in a circle; the path is named."},
    {"daemon-only", "Warning: a key that a daemon acts upon; a manual run does not."},
    {"duplicate-key", "A key that stands twice in one mapping; reported at the second one."},
    {"duplicate-need", "Warning: a step is named twice in `needs`."},
    {"empty", "There is no document in the file."},
    {"encoding", "The file is not UTF-8."},
    {"env-order", "A variable whose value would depend on a variable of the same level."},
    {"expr-call", "A function called with the wrong number of arguments."},
    {"expr-function", "An unknown function."},
    {"expr-limit", "An expression that is too long or nested too deeply."},
    {"expr-name", "A name in an expression that cannot stand there."},
    {"expr-secret", "A secret read where none may stand: only in env, with and run."},
    {"expr-syntax", "An expression that cannot be read."},
    {"expr-type", "An expression whose types do not fit."},
    {"expression-not-here", "`${{ }}` in a value that must be known before the run."},
    {"missing-key", "A mapping without a key that it needs."},
    {"name-not-here", "A name that is known, but not at this place."},
    {"no-value", "A key without a value, or with an empty one."},
    {"not-needed", "A step reads another one that it does not need, even through others."},
    {"not-yet",
     "A valid key that this version cannot run: a warning of `validate`, an error of `run`."},
    {"number", "A number that does not fit: not finite, or beyond 64 bits."},
    {"param-missing", "A parameter without a default that was not given."},
    {"param-type", "A value whose type is not the parameter's."},
    {"param-unknown", "A value for a parameter that does not exist."},
    {"param-value", "A value outside enum, min, max or pattern of its parameter."},
    {"range", "A number outside its bounds."},
    {"script-context", "`${{ }}` in a script where no quoted variable can stand for it."},
    {"too-deep", "Lists and mappings nested too deeply."},
    {"too-large", "A bound on size or count is exceeded."},
    {"type", "A value of the wrong shape: a list where a text belongs, and the like."},
    {"unknown-key", "A key that does not exist there; often a word of another tool."},
    {"unknown-name", "A parameter, variable, secret or output that does not exist."},
    {"unknown-step", "A step that does not exist."},
    {"unreadable", "The file cannot be read."},
    {"value", "A text that is not of its form: durations, sizes, cron, zones, words."},
    {"weak-evidence", "Warning: a drift monitor that starts a run without a look at the model."},
    {"yaml", "Not valid YAML."},
    {"yaml-alias", "An alias without its anchor before it, or inside it."},
    {"yaml-documents", "More than one document in a file."},
    {"yaml-key", "A key of a mapping that is a list or a mapping."},
    {"yaml-merge", "A merge key whose value is no mapping."},
    {"yaml-tab", "A tab used for indentation."},
    {"yaml-tag", "A YAML tag."},
};

bool dag_diagnostic_reference(struct buf *ret, struct err *err)
{
    buf_adds(ret, "# Diagnostics\n\nThe code stands in brackets at the end of each message; "
                  "codes do not change.\n\n| code | meaning |\n|---|---|\n");
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        buf_addf(ret, "| `%s` | ", codes[i].code);
        add_cell(ret, codes[i].meaning);
        buf_adds(ret, " |\n");
    }
    return !ret->full ||
           err_set(err, ERR_LIMIT, "the reference is longer than %zu bytes", ret->max);
}
