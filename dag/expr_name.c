/*
 * expr_name.c - references: which names there are, and what may stand behind them. What a name
 * means is asked of the pipeline (struct expr_names).
 */
#include "dag/expr_parse.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

static const struct {
    const char *name;
    enum dag_space space;
    bool whole; /* may stand without a name behind it */
} spaces[] = {
    {"params", DAG_PARAMS, true}, {"env", DAG_ENV, false},      {"secrets", DAG_SECRETS, false},
    {"run", DAG_RUN, false},      {"inputs", DAG_INPUTS, true}, {"steps", DAG_STEPS, false},
    {"matrix", DAG_MATRIX, true}, {"item", DAG_ITEM, true},     {"trigger", DAG_TRIGGER, true},
};

static const struct {
    const char *name;
    enum dag_field field;
    bool named; /* a name may follow */
} fields[] = {
    {"status", DAG_STATUS, false},       {"outputs", DAG_OUTPUTS, true},
    {"metrics", DAG_METRICS, true},      {"exit_code", DAG_EXIT_CODE, false},
    {"instances", DAG_INSTANCES, false},
};

bool parse_member(struct parser *p, const char **ret)
{
    if (parse_at(p, SYM_DOT)) {
        parse_advance_name(p);
        if (p->tok.kind != TOKEN_NAME) {
            parse_unexpected(p, "a name");
            return false;
        }
        *ret = p->tok.name;
        parse_advance(p);
        return true;
    }
    if (!parse_at(p, SYM_LIST)) {
        return false;
    }
    struct expr_token bracket = p->tok;
    uint32_t pos = p->lexer.pos, last = p->last;
    parse_advance(p);
    if (p->tok.kind == TOKEN_VALUE && p->tok.value.type == DAG_STRING) {
        const char *name = p->tok.value.u.string.text;
        parse_advance(p);
        if (parse_take(p, SYM_LIST_END)) {
            *ret = name;
            return true;
        }
    }
    if (!p->failed) { /* an index that only the run knows */
        p->tok = bracket;
        p->lexer.pos = pos;
        p->last = last;
    }
    return false;
}

static void reference_error(struct parser *p, uint32_t from, const char *hint, const char *message)
{
    if (!p->failed) {
        p->wrong = true;
        expr_error(&p->lexer.place, "expr-name", from, p->last, hint, "%s", message);
    }
}

/* steps.NAME.FIELD[.name] behind the word steps. */
static bool parse_step(struct parser *p, uint32_t from, struct dag_ref *ref, const char **ret_step)
{
    const char *field = NULL;
    if (!parse_member(p, ret_step)) {
        reference_error(p, from, "steps.NAME.outputs.o, steps.NAME.status, …",
                        "'steps' needs the name of a step");
        return false;
    }
    if (!parse_member(p, &field)) {
        reference_error(p, from, "it has status, outputs, metrics, exit_code and instances",
                        "a step alone is no value");
        return false;
    }
    const char *known[COUNT_OF(fields)];
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        known[i] = fields[i].name;
        if (strcmp(fields[i].name, field) == 0) {
            ref->field = fields[i].field;
            return !fields[i].named || parse_member(p, &ref->name) || !p->failed;
        }
    }
    const char *near = text_nearest(field, known, COUNT_OF(fields));
    AUTO_FREE char *hint =
        near != NULL ? mem_printf("did you mean '%s'?", near)
                     : mem_printf("an output is read as steps.%s.outputs.%s", *ret_step, field);
    AUTO_FREE char *message = mem_printf("a step has no '%s'", field);
    reference_error(p, from, hint, message);
    return false;
}

static enum dag_type resolve(struct parser *p, struct dag_ref *ref, const char *step, uint32_t from)
{
    if (ref->space == DAG_SECRETS) {
        p->secret = true;
        if (!p->names->allow_secrets) {
            p->wrong = true;
            expr_error(&p->lexer.place, "expr-secret", from, p->last,
                       "hand it to a step by env:, and read the variable there",
                       "secrets may be read only in env:, with: and run: strings");
            return DAG_ANY;
        }
    }
    const struct expr_place *place = &p->lexer.place;
    enum dag_type type = DAG_ANY;
    struct diag_pos pos = place->src->pos(place->src->arg, place->base + from);
    size_t width = text_utf8_count(p->lexer.text + from, p->last - from);
    if (!p->names->resolve(p->names->arg, ref, step, pos, (unsigned)width, &type, place->diags)) {
        p->wrong = true;
        return DAG_ANY;
    }
    return type;
}

static struct part parse_reference(struct parser *p, size_t row, uint32_t from)
{
    struct part part = {DAG_ANY, from, p->last};
    struct dag_ref *ref = arena_alloc(p->lexer.arena, sizeof *ref);
    ref->space = spaces[row].space;
    const char *step = NULL;
    if (ref->space == DAG_STEPS) {
        if (!parse_step(p, from, ref, &step)) {
            return part;
        }
    } else if (!parse_member(p, &ref->name) && !spaces[row].whole) {
        AUTO_FREE char *message = mem_printf("'%s' needs a name that is written out: %s.NAME",
                                             spaces[row].name, spaces[row].name);
        reference_error(p, from, NULL, message);
        return part;
    }
    if (p->failed) {
        return part;
    }
    part.type = resolve(p, ref, step, from);
    part.to = p->last;
    parse_emit(p, (struct expr_ins){.op = OP_REF, .u.ref = ref}, part);
    return part;
}

static void unknown_name(struct parser *p, struct expr_token name)
{
    const char *known[COUNT_OF(spaces)];
    for (size_t i = 0; i < COUNT_OF(spaces); i++) {
        known[i] = spaces[i].name;
    }
    p->tok = name; /* for `and`, `not` and the like */
    const char *near = text_nearest(name.name, known, COUNT_OF(spaces));
    if (strcmp(name.name, "not") == 0 || strcmp(name.name, "if") == 0) {
        parse_unexpected(p, "a value");
        return;
    }
    AUTO_FREE char *hint =
        near != NULL ? mem_printf("did you mean '%s'?", near)
                     : mem_printf("a text stands in quotes: '%s'; a parameter is params.%s",
                                  name.name, name.name);
    p->wrong = true;
    expr_error(&p->lexer.place, "expr-name", name.from, name.to, hint, "unknown name '%s'",
               name.name);
    parse_advance(p);
}

struct part parse_name(struct parser *p)
{
    struct expr_token name = p->tok;
    uint32_t pos = p->lexer.pos;
    parse_advance(p);
    if (parse_take(p, SYM_OPEN)) {
        return parse_call(p, name);
    }
    for (size_t i = 0; i < COUNT_OF(spaces); i++) {
        if (strcmp(spaces[i].name, name.name) == 0) {
            return parse_reference(p, i, name.from);
        }
    }
    if (!p->failed) {
        p->lexer.pos = pos;
        unknown_name(p, name);
    }
    return (struct part){DAG_ANY, name.from, name.to};
}
