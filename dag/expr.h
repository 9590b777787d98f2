/*
 * expr.h - private to dag: parsing and checking expressions, templates and scripts. Evaluation is
 * in dag.h.
 */
#ifndef DAG_EXPR_H
#define DAG_EXPR_H

#include "dag/dag.h"

/* Where a scalar came from: turns an offset in the scalar's value into a place in the file. */
struct expr_source {
    const char *text; /* the scalar's value */
    size_t len;
    struct diag_pos (*pos)(const void *arg, size_t offset);
    const void *arg;
};

/* What a name means, asked once for each reference while checking. */
struct expr_names {
    void *arg;
    /* Gives the type of a reference (DAG_ANY where only the run knows) and its step index; adds a
     * diagnostic at `pos`, with a did-you-mean, and returns false where the name is unknown or may
     * not be read here. `step_name` is the X of steps.X, NULL elsewhere; for DAG_STEPS it fills
     * ref->step. */
    bool (*resolve)(void *arg, struct dag_ref *ref, const char *step_name, struct diag_pos pos,
                    unsigned width, enum dag_type *ret_type, struct diags *diags);
    bool allow_secrets;   /* env, with and run: strings only; elsewhere an error that says so */
    bool allow_questions; /* success() and its kin: if: only */
};

/* Each returns NULL after adding diagnostics. Results live in `a`. */

/* A bare expression, or one ${{ }} around it (if:, when:). `want` is the type needed (DAG_ANY =
 * any). */
struct dag_expr *expr_parse(struct arena *a, const struct expr_source *src,
                            const struct expr_names *names, enum dag_type want,
                            struct diags *diags);
struct dag_tmpl *expr_template(struct arena *a, const struct expr_source *src,
                               const struct expr_names *names, struct diags *diags);
/* `posix` = the shell is sh, bash, dash, ksh, zsh, busybox sh; otherwise any ${{ }} is an error
 * that names ORCH_PARAM_ and env:. */
struct dag_script *expr_script(struct arena *a, const struct expr_source *src,
                               const struct expr_names *names, bool posix, struct diags *diags);

bool expr_asks(const struct dag_expr *expr);                /* calls success() or its kin */
enum dag_type expr_type(const struct dag_expr *expr);       /* static type */
enum dag_type expr_template_type(const struct dag_tmpl *t); /* STRING unless it is one ${{ }} */
bool expr_template_literal(const struct dag_tmpl *t,
                           const char **ret); /* no ${{ }} in it: its text */

/* The function table, for docs: "name(args) -> type: help" lines as Markdown. */
bool expr_reference(struct buf *ret);

#endif
