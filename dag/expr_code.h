/*
 * expr_code.h - private to expr*.c, template.c and script.c: what a checked expression is made of.
 *
 * An expression is compiled in one pass, while its types are checked, to a program in postfix order
 * for a stack machine. Jumps only go forward, so a program of n instructions ends after at most n
 * steps, without recursion.
 *
 *   a && b        a AND(end) b BOOL end:
 *   c ? x : y     c BRANCH(else) x JUMP(end) else: y end:
 *   default(x,y)  TRY(miss) x END_TRY JUMP(end) miss: y end:
 */
#ifndef DAG_EXPR_CODE_H
#define DAG_EXPR_CODE_H

#include "base/limits.h"
#include "dag/expr.h"
#include "dag/value.h"

#define EXPR_ARGS_MAX 1000            /* items of a list literal, arguments of a call */
#define EXPR_WORK (256L << 20)        /* bytes looked at or made by one evaluation */
#define EXPR_MEMORY (4 * LIMIT_VALUE) /* bytes one evaluation may add to the arena */

/* ---- words ---- */

enum expr_token_kind {
    TOKEN_END,
    TOKEN_BAD, /* reported already */
    TOKEN_VALUE,
    TOKEN_NAME,
    TOKEN_OP
};

enum expr_symbol {
    SYM_NONE,
    SYM_OPEN,
    SYM_CLOSE,
    SYM_LIST,
    SYM_LIST_END,
    SYM_COMMA,
    SYM_DOT,
    SYM_ASK,
    SYM_COLON,
    SYM_NOT,
    SYM_OR,
    SYM_AND,
    SYM_EQUAL,
    SYM_UNEQUAL,
    SYM_LESS,
    SYM_LESS_EQUAL,
    SYM_GREATER,
    SYM_GREATER_EQUAL,
    SYM_IN,
    SYM_PLUS,
    SYM_MINUS,
    SYM_TIMES,
    SYM_DIVIDE,
    SYM_MODULO,
    SYM_COUNT
};

struct expr_token {
    enum expr_token_kind kind;
    enum expr_symbol symbol; /* TOKEN_OP */
    uint32_t from, to;       /* in the expression's text */
    const char *name;        /* TOKEN_NAME; in the arena */
    struct dag_value value;  /* TOKEN_VALUE */
    bool min_int;            /* TOKEN_VALUE 2^63: an integer only after a minus */
};

/* Places: diagnostics are given for offsets in the expression's text. */
struct expr_place {
    const struct expr_source *src;
    size_t base; /* where the expression's text begins in the scalar */
    struct diags *diags;
};

struct expr_lexer {
    struct arena *arena;
    struct expr_place place;
    const char *text;
    uint32_t len, pos;
};

/* Adds an error for the text [from, to); returns false. */
bool expr_error(const struct expr_place *place, const char *code, uint32_t from, uint32_t to,
                const char *hint, const char *fmt, ...) PRINTF_LIKE(6, 7);

struct expr_token expr_lex(struct expr_lexer *l);
struct expr_token expr_lex_name(struct expr_lexer *l); /* after a dot, where '-' belongs to names */

/* ---- operators ---- */

struct expr_eval;

/* Types and values of one binary operator; `symbol` must be one that expr_precedence() knows. */
int expr_precedence(enum expr_symbol symbol); /* 0 = not a binary operator; higher binds tighter */
const char *expr_symbol_text(enum expr_symbol symbol);
/* DAG_ANY may meet anything. False where the types do not fit; `ret_why` then says what would. */
bool expr_binary_type(enum expr_symbol symbol, enum dag_type left, enum dag_type right,
                      enum dag_type *ret, const char **ret_why);
bool expr_binary_value(struct expr_eval *ev, enum expr_symbol symbol, const struct dag_value *left,
                       const struct dag_value *right, struct dag_value *ret);
bool expr_minus(struct expr_eval *ev, const struct dag_value *value, struct dag_value *ret);
bool expr_index(struct expr_eval *ev, const struct dag_value *value, const struct dag_value *key,
                struct dag_value *ret);
/* The one type of two alternatives; false where there is none. */
bool expr_unify(enum dag_type a, enum dag_type b, enum dag_type *ret);
/* "a string", "an integer", "null" */
const char *expr_type_phrase(enum dag_type type);

/* ---- functions ---- */

struct expr_call {
    struct expr_eval *ev;
    const struct dag_value *args;
    uint32_t count;
    struct dag_value *ret;
};

enum expr_form { /* how a function is called */
                 FORM_PLAIN,
                 FORM_DEFAULT,
                 FORM_COALESCE,
                 FORM_QUESTION
};
enum expr_result { /* what type a call has */
                   RESULT_FIXED,
                   RESULT_NUMERIC, /* integer where all arguments are, else number */
                   RESULT_ROUND    /* integer for one argument, number for two */
};

#define EXPR_PARAMS 3
struct expr_func {
    const char *name;
    const char *params; /* for people: "text, part" */
    const char *help;
    bool (*run)(struct expr_call *call);
    unsigned types[EXPR_PARAMS]; /* sets of bits 1 << type; the last one repeats */
    uint32_t min, max;           /* arguments */
    enum dag_type type;
    enum expr_result result;
    enum expr_form form;
    enum dag_question question;
};

const struct expr_func *expr_find_func(const char *name);
const char *expr_nearest_func(const char *name);
enum dag_type expr_call_type(const struct expr_func *func, const enum dag_type *args,
                             uint32_t count);
/* Whether an argument of this type fits parameter `index`. */
bool expr_fits(const struct expr_func *func, uint32_t index, enum dag_type type);
/* "a string or a list" for parameter `index`, into `out`. */
void expr_wanted(const struct expr_func *func, uint32_t index, struct buf *out);

/* The groups of implementations (expr_text.c, expr_math.c). */
bool expr_fn_contains(struct expr_call *c);
bool expr_fn_starts_with(struct expr_call *c);
bool expr_fn_ends_with(struct expr_call *c);
bool expr_fn_format(struct expr_call *c);
bool expr_fn_join(struct expr_call *c);
bool expr_fn_split(struct expr_call *c);
bool expr_fn_replace(struct expr_call *c);
bool expr_fn_lower(struct expr_call *c);
bool expr_fn_upper(struct expr_call *c);
bool expr_fn_trim(struct expr_call *c);
bool expr_fn_basename(struct expr_call *c);
bool expr_fn_dirname(struct expr_call *c);
bool expr_fn_to_json(struct expr_call *c);
bool expr_fn_from_json(struct expr_call *c);
bool expr_fn_hash(struct expr_call *c);
bool expr_fn_string(struct expr_call *c);
bool expr_fn_length(struct expr_call *c);
bool expr_fn_keys(struct expr_call *c);
bool expr_fn_values(struct expr_call *c);
bool expr_fn_int(struct expr_call *c);
bool expr_fn_number(struct expr_call *c);
bool expr_fn_bool(struct expr_call *c);
bool expr_fn_min(struct expr_call *c);
bool expr_fn_max(struct expr_call *c);
bool expr_fn_abs(struct expr_call *c);
bool expr_fn_round(struct expr_call *c);
bool expr_fn_floor(struct expr_call *c);
bool expr_fn_ceil(struct expr_call *c);
bool expr_fn_range(struct expr_call *c);

/* ---- programs ---- */

enum expr_op {
    OP_VALUE,
    OP_REF,
    OP_QUESTION,
    OP_CALL, /* arg: number of arguments */
    OP_LIST, /* arg: number of items */
    OP_INDEX,
    OP_NOT,
    OP_MINUS,
    OP_BINARY,
    OP_BOOL,   /* checks that the top is a boolean */
    OP_AND,    /* false stays and jumps to arg; true is popped */
    OP_OR,     /* true stays and jumps; false is popped */
    OP_BRANCH, /* pops; false jumps */
    OP_JUMP,   /* arg: target */
    OP_TRY,    /* a missing value from here to END_TRY jumps to arg with the stack as it was */
    OP_END_TRY,
    OP_COALESCE, /* null is popped; anything else stays and jumps */
    OP_COUNT
};

struct expr_ins {
    enum expr_op op;
    uint32_t arg;
    uint32_t from, to; /* the text it stands for, for messages */
    union {
        const struct dag_value *value;
        const struct dag_ref *ref;
        const struct expr_func *func;
        enum expr_symbol symbol;
        enum dag_question question;
    } u;
};

struct dag_expr {
    const char *source; /* without ${{ }} and blanks around */
    const struct expr_ins *code;
    uint32_t count;
    enum dag_type type;
    bool asks;    /* calls success() or its kin */
    bool secret;  /* reads secrets. */
    bool literal; /* one literal: can be looked at while checking */
};

/* Compiles the text [from, to) of the scalar; NULL after adding diagnostics. */
struct dag_expr *expr_compile(struct arena *a, const struct expr_source *src, size_t from,
                              size_t to, const struct expr_names *names, struct diags *diags);

/* ---- evaluation ---- */

struct expr_eval {
    const struct dag_expr *expr;
    const struct dag_scope *scope;
    struct arena *arena;
    struct err *err;
    size_t work;  /* bytes looked at so far */
    size_t start; /* arena->used at the beginning */
};

/* Sets the error; a message must not hold a value where expr_hides() says so. Returns false. */
bool expr_fail(struct expr_eval *ev, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Counts `bytes` of work; false with an error where the budget is spent. */
bool expr_work(struct expr_eval *ev, size_t bytes);
/* The same for memory about to be taken from the arena. */
bool expr_take(struct expr_eval *ev, size_t bytes);
/* A text of `len` bytes as a value; copied, bounded by LIMIT_VALUE. */
bool expr_give_text(struct expr_eval *ev, const char *text, size_t len, struct dag_value *ret);
/* The value for a message: short, quoted, or "(hidden)" where the expression reads secrets. */
const char *expr_show(struct expr_eval *ev, const struct dag_value *value);

/* ---- templates ---- */

#define EXPR_OPEN "${{"
#define EXPR_ESCAPED "$${{"
/* The offset of the }} that ends the expression whose text begins at `from`; a }} inside a string
 * literal does not. False where there is none. */
bool expr_find_end(const char *text, size_t len, size_t from, size_t *ret);
bool expr_starts(const char *text, size_t len, size_t pos, const char *what);

#endif
