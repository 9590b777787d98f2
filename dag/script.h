/*
 * script.h - private to script*.c: a run: string becomes a shell text that names values as quoted
 * variables.
 */
#ifndef DAG_SCRIPT_H
#define DAG_SCRIPT_H

#include "dag/expr_code.h"

#define SCRIPT_VAR "ORCH_X"        /* ORCH_X1, ORCH_X2, ... */
#define SCRIPT_ENV_MAX (127 << 10) /* Linux takes at most 128 KiB for one variable */

struct script_var {
    const struct dag_expr *expr;
    bool numeric;   /* the shell would evaluate it: anything but a number is an error */
    unsigned owner; /* while scanning: the depth of the commands it stands in */
};

struct dag_script {
    const char *source;
    const char *head; /* a first line "#!…" with its newline, or "" */
    const char *body; /* with ${ORCH_Xn} in place of the expressions */
    size_t body_len;
    const struct script_var *vars; /* ORCH_X1 is the first */
    size_t count;
};

#endif
