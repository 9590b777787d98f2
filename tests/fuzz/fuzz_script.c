/*
 * fuzz_script.c - any text as a run: string, never a crash; and an oracle that needs no shell: what
 * the scan wrote, read by a second and much simpler reader of quotes, holds no variable of ours
 * that is not inside double quotes or the body of a here-document.
 */
#include "tests/unit/dag/expr_world.h"

#include "base/limits.h"
#include "dag/script.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define VAR "${ORCH_X"

/* Scripts without substitutions, comments, backslashes and here-documents are simple enough to be
 * read in ten lines. */
static bool is_simple(const char *text)
{
    return strpbrk(text, "`\\#()<[") == NULL && strstr(text, "${{") == NULL;
}

static void all_quoted(const char *text)
{
    char quote = '\0';
    for (const char *at = text; *at != '\0'; at++) {
        if (quote == '\0' && (*at == '"' || *at == '\'')) {
            quote = *at;
        } else if (*at == quote) {
            quote = '\0';
        } else if (quote != '"' && strncmp(at, VAR, strlen(VAR)) == 0) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = mem_strndup((const char *)data, size);
    if (strstr(text, VAR) != NULL || strstr(text, "ORCH_X") != NULL) {
        return 0; /* the text's own variables are its own affair */
    }
    struct expr_source src = {text, strlen(text), world_pos, NULL};
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, "x");
    world_value = "a'b$(touch x)\n";
    struct dag_script *script = expr_script(&a, &src, &world, true, &diags);
    if ((script == NULL) != (diags.errors > 0)) {
        abort();
    }
    struct dag_script_run run;
    if (script == NULL || !dag_script_eval(script, &world_scope, &a, &run, NULL)) {
        return 0;
    }
    if (strstr(run.text, "s3cret") != NULL && strstr(text, "s3cret") == NULL) {
        abort(); /* a secret in the text */
    }
    if (strstr(text, "${{") == NULL && strcmp(run.text, text) != 0) {
        abort(); /* nothing to put in: nothing changes */
    }
    if (is_simple(script->body)) {
        all_quoted(script->body);
    }
    return 0;
}
