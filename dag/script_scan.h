/*
 * script_scan.h - private to script_{scan,quote,command,word,risk,doc}.c: the state of a scan.
 *
 * The scan copies the text to `out` and keeps a stack of frames: what the shell is inside of. An
 * expression becomes "${v}", ${v} or '"${v}"' by the frame it stands in. Where shells differ, or
 * where the context cannot be known without running the script, the scan is `lost`: it goes on
 * copying, and an expression behind that place is an error. So what is accepted is always right.
 *
 *   COMMANDS   the script, $( ), ( ), case: words, comments, here-documents
 *   QUOTED     "…"
 *   PARAM      ${…}    no expressions inside: rules of quoting differ
 *   ARITH      $((…))  no expressions inside: a value would be evaluated
 *   HEREDOC    the body of an unquoted here-document
 *
 * '…', comments and `…` without expressions are passed over in one go. The grammar is that of POSIX
 * (Shell Command Language, 2.2 and 2.3) as dash, bash, busybox sh, mksh, ksh and zsh read it.
 */
#ifndef DAG_SCRIPT_SCAN_H
#define DAG_SCRIPT_SCAN_H

#include "dag/script.h"

#define SCRIPT_DEPTH LIMIT_EXPR_DEPTH /* frames */
#define SCRIPT_USE_ENV                                                                               \
    "put it into env: (env: {X: ${{ … }}}) and write \"$X\", or set a variable on a line before: " \
    "x=${{ … }}"
#define SCRIPT_DOCS 16 /* here-documents announced on one line */

enum frame_kind {
    FRAME_TOP,
    FRAME_SUBST,    /* $( ), <( ), >( ) */
    FRAME_BACKTICK, /* `…` outside quotes that holds an expression */
    FRAME_PAREN,    /* ( ) */
    FRAME_LIST,     /* a=( ), @( ): words that are no commands */
    FRAME_CASE,     /* from the word case to esac */
    FRAME_TEST,     /* [[ ]] */
    FRAME_QUOTED,
    FRAME_PARAM,
    FRAME_ARITH,
    FRAME_HEREDOC,
    FRAME_COUNT
};

enum case_step { CASE_WORD, CASE_IN, CASE_PATTERN, CASE_BODY };

/* What is evaluated although it is quoted. */
enum risk {
    RISK_NONE,
    RISK_CODE,     /* arguments are commands or arithmetic */
    RISK_NAMES,    /* arguments are names of variables, where bash and ksh evaluate a[…] */
    RISK_DECLARES, /* the same, and options can make later assignments arithmetic */
    RISK_TEST,     /* operands of -eq and its kin are arithmetic in [[ and in ksh */
    RISK_NUMBER,   /* arguments are arithmetic in ksh */
    RISK_PRINTF    /* -v NAME */
};

struct frame {
    enum frame_kind kind;
    size_t end; /* BACKTICK, HEREDOC: where it ends, whatever is open inside */
    enum case_step step;
    bool pattern_start; /* CASE: `esac` or '(' may stand here */
    bool arithmetic;    /* PAREN: opened by (( */
    bool data_is_code;  /* HEREDOC: read by a shell */
    unsigned parens;    /* ARITH */

    /* words of a COMMANDS frame */
    bool in_word;
    bool mixed;   /* the word holds quotes or expansions: no keyword */
    size_t word;  /* where it begins */
    bool command; /* the next word may be a reserved one */
    bool name;    /* the next word may be the name of the command */
    bool skip;    /* the next word is the name of a function */

    /* what the command makes of its words (script_risk.c) */
    enum risk risk;
    const char *command_name; /* of a command with a risk */
    int shell;                /* 1: a shell's name was seen, 2: and -c: the next word is code */
    bool target;              /* the word belongs to a redirection */
    bool numeric;             /* the next word is evaluated as a number */
    bool variable;            /* the next word is the name of a variable */
    size_t before, within;    /* first expressions of the word before and of this one */
};

struct doc {
    char *delimiter; /* owned */
    bool quoted, strip, code;
    unsigned level; /* substitutions around it */
};

struct scan {
    struct arena *arena;
    const struct expr_source *src;
    const struct expr_names *names;
    struct diags *diags;
    const char *text;
    size_t len, pos;
    size_t limit; /* the end of the innermost frame that has one, or len */
    struct buf out;
    struct script_var *vars; /* owned */
    size_t count, cap;
    struct frame stack[SCRIPT_DEPTH];
    unsigned depth; /* frames */
    struct doc docs[SCRIPT_DOCS];
    unsigned doc_count, doc_next;
    const char *lost; /* why the context is no longer known; NULL = it is */
    size_t lost_at;
    bool failed;
};

/* ---- script_scan.c */
struct frame *scan_top(struct scan *s);
bool scan_is_commands(enum frame_kind kind);
struct frame *scan_push(struct scan *s, enum frame_kind kind);
void scan_pop(struct scan *s);
void scan_lose(struct scan *s, const char *why);
bool scan_sees(const struct scan *s, const char *what);
void scan_copy(struct scan *s, size_t count);
/* Copies verbatim up to `to`; an expression there is an error with `message`. */
void scan_copy_plain(struct scan *s, size_t to, const char *message, const char *hint);
/* How many substitutions are open. */
unsigned scan_level(const struct scan *s);
bool scan_error(struct scan *s, size_t at, const char *hint, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

char scan_peek(const struct scan *s, size_t ahead); /* NUL at the limit */
/* Copies `width` bytes and pushes a frame. */
void scan_open(struct scan *s, enum frame_kind kind, size_t width);
/* The expression at s->pos becomes a variable between `open` and `close`. */
void scan_expression(struct scan *s, const char *open, const char *close);
void scan_escaped(struct scan *s); /* at $${{: the text ${{ itself */

/* ---- script_quote.c: what is quoted or substituted */
void scan_single_quoted(struct scan *s);
void scan_backslash(struct scan *s); /* a backslash and what it escapes */
/* $ ` \: what all but '…' and comments have in common; false where `c` is none of them. */
bool scan_common(struct scan *s, char c);
void read_quoted(struct scan *s, char c);
void read_heredoc(struct scan *s, char c);
void read_param(struct scan *s, char c);
void read_arith(struct scan *s, char c);

/* ---- script_command.c: words and operators of commands */
void read_commands(struct scan *s, char c);

/* ---- script_word.c */
void word_begin(struct scan *s); /* a character of a word is next */
void word_mixed(struct scan *s); /* a quote or an expansion is next */
void word_end(struct scan *s);   /* something that ends a word is next */
void word_command_start(struct frame *f);

/* ---- script_risk.c */
void risk_command_start(struct frame *f);
/* A word of a command ended: its name, or another one. */
void risk_name(struct scan *s, struct frame *f, const char *text, size_t len);
void risk_word(struct scan *s, struct frame *f, const char *text, size_t len);
/* Whether an expression may stand at s->pos, as far as the commands of this frame go; adds an
 * error where not. `own` = no other commands stand between. */
bool risk_allows(struct scan *s, const struct frame *f, bool own);

/* ---- script_doc.c */
void doc_announce(struct scan *s);  /* at << */
void doc_begin_all(struct scan *s); /* behind the end of a line */
void doc_close(struct scan *s);     /* at the end of the body of a HEREDOC frame */

#endif
