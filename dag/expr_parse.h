/*
 * expr_parse.h - private to expr_parse.c, expr_name.c and expr_call.c: the state of parsing.
 *
 * A syntax error ends the work (`failed`); a wrong name or type is reported and counts as DAG_ANY
 * from there on, so that further ones are found too (`wrong`).
 */
#ifndef DAG_EXPR_PARSE_H
#define DAG_EXPR_PARSE_H

#include "dag/expr_code.h"

struct parser {
    struct expr_lexer lexer;
    struct expr_token tok; /* the one to be looked at */
    uint32_t last;         /* where the one before it ended */
    const struct expr_names *names;
    struct expr_ins *code; /* owned */
    uint32_t count, cap;
    int depth;
    bool failed, wrong;
    bool asks, secret;
};

/* What was parsed: its type and its text. */
struct part {
    enum dag_type type;
    uint32_t from, to;
};

/* ---- expr_parse.c */
void parse_advance(struct parser *p);
void parse_advance_name(struct parser *p); /* behind a dot */
bool parse_at(const struct parser *p, enum expr_symbol symbol);
bool parse_take(struct parser *p, enum expr_symbol symbol); /* consumes it where it stands next */
void parse_expect(struct parser *p, enum expr_symbol symbol, const char *wanted);
void parse_unexpected(struct parser *p, const char *wanted);
/* Returns the instruction's index, for jumps to be given their target by parse_land(). */
uint32_t parse_emit(struct parser *p, struct expr_ins ins, struct part part);
uint32_t parse_emit_op(struct parser *p, enum expr_op op, struct part part);
void parse_land(struct parser *p, uint32_t jump);
/* "WHY, but A is a string and B is an integer" */
void parse_pair_error(struct parser *p, const char *why, struct part a, struct part b);
/* For "%.*s": what a message quotes of a part. */
int parse_shown(struct part part);
const char *parse_start(const struct parser *p, struct part part);
/* A whole expression with all operators; counts as one level of nesting. */
struct part parse_choice(struct parser *p);

/* ---- expr_name.c */
struct part parse_name(struct parser *p); /* a name is next: a reference or a call */
/* .name or ["name"] where one stands next; false (nothing consumed) where not. */
bool parse_member(struct parser *p, const char **ret);

/* ---- expr_call.c */
struct part parse_call(struct parser *p, struct expr_token name); /* behind NAME( */

#endif
