/*
 * test_script.c - run: strings. What they become, what is refused, and, with every shell of the
 * machine, that hostile values arrive byte for byte and are never run.
 *
 * ORCH_SEEDS=N runs N random scripts instead of the default.
 */
#include "tests/unit/dag/expr_world.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define V "${{ params.v }}"

/* ---- the text */

static char *script_text(struct arena *a, const char *source, struct diags *diags,
                         struct dag_script_run *ret)
{
    struct expr_source src = world_source(source);
    struct dag_script *script = expr_script(a, &src, &world, true, diags);
    assert_true((script == NULL) == (diags->errors > 0));
    if (script == NULL) {
        return NULL;
    }
    assert_string_equal(dag_script_source(script), source);
    struct err err = ERR_INIT;
    struct dag_script_run run;
    if (!dag_script_eval(script, &world_scope, a, &run, &err)) {
        fail_msg("%s: %s", source, err.msg);
    }
    *ret = run;
    return arena_strdup(a, run.text);
}

static void becomes(void **state)
{
    (void)state;
    static const struct {
        const char *source, *text;
    } cases[] = {
        {"", ""},
        {"echo hi", "echo hi"},
        {"echo $${{ no }} '$${{ x }}'", "echo ${{ no }} '${{ x }}'"},
        {"echo " V, "ORCH_X1='v'; echo \"${ORCH_X1}\""},
        {"echo \"a" V "b\"", "ORCH_X1='v'; echo \"a${ORCH_X1}b\""},
        {"echo 'a" V "b'", "ORCH_X1='v'; echo 'a'\"${ORCH_X1}\"'b'"},
        {"echo --days=${{ params.days }}", "ORCH_X1='14'; echo --days=\"${ORCH_X1}\""},
        {"echo ${{ params.days }} ${{ params.algo }}",
         "ORCH_X1='14'; ORCH_X2='rf'; echo \"${ORCH_X1}\" \"${ORCH_X2}\""},
        {"#!/bin/bash\necho " V, "#!/bin/bash\nORCH_X1='v'; echo \"${ORCH_X1}\""},
        {"# it's " V "\necho " V, "ORCH_X1='v'; # it's " V "\necho \"${ORCH_X1}\""},
        {"echo a#b" V, "ORCH_X1='v'; echo a#b\"${ORCH_X1}\""},
        {"echo $# " V, "ORCH_X1='v'; echo $# \"${ORCH_X1}\""},
        {"cat <<EOF\nit's \"" V "\"\nEOF\necho " V,
         "ORCH_X1='v'; ORCH_X2='v'; cat <<EOF\nit's \"${ORCH_X1}\"\nEOF\necho \"${ORCH_X2}\""},
        {"cat <<'EOF'\nit's $${{ x }}\nEOF\necho " V,
         "ORCH_X1='v'; cat <<'EOF'\nit's ${{ x }}\nEOF\necho \"${ORCH_X1}\""},
        {"echo '$${{ x }}' " V, "ORCH_X1='v'; echo '${{ x }}' \"${ORCH_X1}\""},
        {"echo \"$(echo \"" V "\")\"", "ORCH_X1='v'; echo \"$(echo \"${ORCH_X1}\")\""},
        {"echo \"$(echo " V ")\"", "ORCH_X1='v'; echo \"$(echo \"${ORCH_X1}\")\""},
        {"echo `echo " V "`", "ORCH_X1='v'; echo `echo \"${ORCH_X1}\"`"},
        {"x=\"$(case a in a) echo '\"';; (b|c) echo ')';; esac)\" y=" V,
         "ORCH_X1='v'; x=\"$(case a in a) echo '\"';; (b|c) echo ')';; esac)\" y=\"${ORCH_X1}\""},
        {"echo \"$(echo case in)\" " V, "ORCH_X1='v'; echo \"$(echo case in)\" \"${ORCH_X1}\""},
        {"echo ${x:-'a}b'} ${x#\"}\"} " V,
         "ORCH_X1='v'; echo ${x:-'a}b'} ${x#\"}\"} \"${ORCH_X1}\""},
        {"echo $((1 << 2)) $(( (1 + 2) * 3 )) " V,
         "ORCH_X1='v'; echo $((1 << 2)) $(( (1 + 2) * 3 )) \"${ORCH_X1}\""},
        {"a=(x 'y' # it's\n" V ") b+=(" V ")",
         "ORCH_X1='v'; ORCH_X2='v'; a=(x 'y' # it's\n\"${ORCH_X1}\") b+=(\"${ORCH_X2}\")"},
        {"f() { case $1 in a) echo " V ";; esac; }; f a",
         "ORCH_X1='v'; f() { case $1 in a) echo \"${ORCH_X1}\";; esac; }; f a"},
        {"echo $'a\\n' $\"b\" " V, "ORCH_X1='v'; echo $'a\\n' $\"b\" \"${ORCH_X1}\""},
        {"[[ -n " V " && x == x ]] && echo " V,
         "ORCH_X1='v'; ORCH_X2='v'; [[ -n \"${ORCH_X1}\" && x == x ]] && echo \"${ORCH_X2}\""},
        {"a[1]=" V, "ORCH_X1='v'; a[1]=\"${ORCH_X1}\""},
        {"sh -c 'echo \"$1\"' sh " V, "ORCH_X1='v'; sh -c 'echo \"$1\"' sh \"${ORCH_X1}\""},
        {"./train.sh -c " V, "ORCH_X1='v'; ./train.sh -c \"${ORCH_X1}\""},
        {"echo \"${x%\"a\"}\" " V, "ORCH_X1='v'; echo \"${x%\"a\"}\" \"${ORCH_X1}\""},
        {"cat <<A <<-\"B\"\n" V "\nA\n\tit's\n\tB\necho " V,
         "ORCH_X1='v'; ORCH_X2='v'; cat <<A <<-\"B\"\n${ORCH_X1}\nA\n\tit's\n\tB\necho "
         "\"${ORCH_X2}\""},
        {"function f { case x in x) echo ')';; esac; }\n(echo " V ")",
         "ORCH_X1='v'; function f { case x in x) echo ')';; esac; }\n(echo \"${ORCH_X1}\")"},
    };
    world_value = "v";
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_ARENA struct arena a = ARENA_INIT;
        AUTO_DIAGS struct diags diags;
        diags_init(&diags, "x");
        struct dag_script_run run;
        const char *text = script_text(&a, cases[i].source, &diags, &run);
        if (text == NULL) {
            fail_msg("%s: %s", cases[i].source, diags.items[0].message);
        }
        assert_string_equal(text, cases[i].text);
    }
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *source, *error;
    } cases[] = {
        {"cat <<'EOF'\n" V "\nEOF", "here-document is quoted"},
        {"cat <<\\EOF\n" V "\nEOF", "here-document is quoted"},
        {"cat <<E'O'F\n" V "\nEOF", "here-document is quoted"},
        {"cat <<" V "\nx\n", "end word"},
        {"echo ${x:-" V "}", "inside ${…}"},
        {"echo \"${x:-" V "}\"", "inside ${…}"},
        {"echo ${x:-$(echo " V ")}", "inside ${…}"},
        {"echo $((" V " + 1))", "inside $((…))"},
        {"echo $(( $(echo " V ") + 1))", "inside $((…))"},
        {"(( x = " V " ))", "inside ((…))"},
        {"for ((i = 0; i < " V "; i++)); do :; done", "inside ((…))"},
        {"echo \"`echo " V "`\"", "inside `…`"},
        {"echo `echo \\`echo " V "\\``", "inside `…`"},
        {"echo $'a" V "'", "inside $'…'"},
        {"echo $'it\\'s' " V, "escaped quote"},
        {"echo \\" V, "backslash stands before"},
        {"echo \"\\" V "\"", "backslash stands before"},
        {"eval echo " V, "'eval' evaluates its arguments"},
        {"A=1 command eval \"echo " V "\"", "'eval' evaluates its arguments"},
        {"trap 'echo " V "' EXIT", "'trap' evaluates its arguments"},
        {"let x=" V, "'let' evaluates its arguments"},
        {"eval \"$(echo " V ")\"", "'eval' evaluates its arguments"},
        {"sh -c 'echo " V "'", "the word behind -c"},
        {"sudo /bin/bash -lc \"echo " V "\"", "the word behind -c"},
        {"bash <<EOF\necho " V "\nEOF", "a shell reads this here-document"},
        {"a[" V "]=1", "behind a name"},
        {"[[ -v " V " ]]", "name of a variable"},
        {"if [ -v \"" V "\" ]; then :; fi", "name of a variable"},
        {"printf -v " V " x", "name of a variable"},
        {"unset " V, "name of a variable"},
        {"2>/dev/null read -r " V " <x", "name of a variable"},
        {"export " V "=1", "name of a variable"},
        {"declare -i n\nn=" V, "evaluates what is assigned"},
        {"typeset -rn n=" V, "evaluates what is assigned"},
        {"integer n=" V, "'integer' evaluates its arguments"},
        {"\\eval " V, "'eval' evaluates its arguments"},
        {"'eva'\"l\" " V, "'eval' evaluates its arguments"},
        {"\"/bin/sh\" '-c' " V, "the word behind -c"},
        {"2>&1 eval " V, "'eval' evaluates its arguments"},
        {">x command eval " V, "'eval' evaluates its arguments"},
        {"sh >x -c " V, "the word behind -c"},
        {"echo \"${x:-'a}\" " V, "quotes inside"},
        {"echo ) " V, "a ')' without its '('"},
        {"echo \"$(cat <<EOF)\"\nx\nEOF\necho " V, "here-document"},
        {"echo $$${{ x }}", ""},
        {"echo ${{ params.v", "not closed"},
        {"echo ${{ params.nope }}", "no 'nope'"},
        {"echo $[1+" V "]", "$[…]"},
        {"coproc case x in x) echo " V ";; esac", "shells disagree"},
        {"ca\\\nse x in " V ") ;; esac", "goes on behind a backslash"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_ARENA struct arena a = ARENA_INIT;
        AUTO_DIAGS struct diags diags;
        diags_init(&diags, "x");
        struct expr_source src = world_source(cases[i].source);
        struct dag_script *script = expr_script(&a, &src, &world, true, &diags);
        if (cases[i].error[0] == '\0') {
            assert_non_null(script);
        } else if (script != NULL || strstr(diags.items[0].message, cases[i].error) == NULL) {
            fail_msg("%s: expected '%s', got '%s'", cases[i].source, cases[i].error,
                     script != NULL ? "nothing" : diags.items[0].message);
        }
    }
}

/* Shells disagree on whether operands of -eq are evaluated: only numbers get there. */
static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        bool guarded;
    } cases[] = {
        {"[ " V " -gt 3 ]", true},
        {"[ 3 -gt \"" V "\" ]", true},
        {"test x = " V " -o '" V "' -eq 3", true},
        {"if [[ " V " -lt 3 ]]; then :; fi", true},
        {"[[ x == x && 1 -lt " V " ]]", true},
        {"shift " V, true},
        {"RANDOM=" V, true},
        {"export SECONDS=" V, true},
        {"[ " V " = 3 ]", false},
        {"[ \"$(echo " V ")\" -gt 3 ]", false},
        {"[[ " V " == 3 ]]", false},
        {"echo " V " -gt 3", false},
        {"[ -n " V " ] && [ 1 -eq 1 ]", false},
        {"read -r x <" V, false},
        {"read -r x <<<" V, false},
        {"export A=" V " B=\"" V "\"", false},
        {"printf -v x %s " V, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_ARENA struct arena a = ARENA_INIT;
        AUTO_DIAGS struct diags diags;
        diags_init(&diags, "x");
        struct expr_source src = world_source(cases[i].source);
        struct dag_script *script = expr_script(&a, &src, &world, true, &diags);
        struct dag_script_run run;
        struct err err = ERR_INIT;
        if (script == NULL) {
            fail_msg("%s: %s", cases[i].source, diags.items[0].message);
        }
        world_value = "-12";
        assert_true(dag_script_eval(script, &world_scope, &a, &run, &err));
        world_value = "a[$(touch CANARY)]";
        bool done = dag_script_eval(script, &world_scope, &a, &run, &err);
        if (done == cases[i].guarded) {
            fail_msg("%s: guarded: %d", cases[i].source, !done);
        }
        assert_true(done || strstr(err.msg, "must be a number") != NULL);
    }
    world_value = "";
}

static void not_posix(void **state)
{
    (void)state;
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, "x");
    struct expr_source src = world_source("print(" V ", " V ", '$${{ x }}')");
    assert_null(expr_script(&a, &src, &world, false, &diags));
    assert_int_equal(diags.errors, 2);
    assert_int_equal(diags.items[1].pos.column, 24);
    assert_non_null(strstr(diags.items[0].hint, "ORCH_PARAM_"));
    assert_non_null(strstr(diags.items[0].hint, "env:"));
    diags_done(&diags);
    diags_init(&diags, "x");
    src = world_source("print('hi')");
    assert_non_null(expr_script(&a, &src, &world, false, &diags));
    src = world_source("print('$${{ x }}')");
    struct dag_script *script = expr_script(&a, &src, &world, false, &diags);
    struct dag_script_run run;
    assert_true(dag_script_eval(script, &world_scope, &a, &run, NULL));
    assert_string_equal(run.text, "print('${{ x }}')");
}

static void secrets(void **state)
{
    (void)state;
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, "x");
    struct dag_script_run run;
    world_value = "";
    const char *text = script_text(&a, "curl -u '${{ 'u:' + secrets.TOKEN }}' " V, &diags, &run);
    assert_string_equal(text, "ORCH_X2=''; curl -u ''\"${ORCH_X1}\"'' \"${ORCH_X2}\"");
    assert_int_equal(run.var_count, 1);
    assert_string_equal(run.vars[0].key, "ORCH_X1");
    assert_string_equal(run.vars[0].value.u.string.text, "u:s3cret-value");
}

/* What could take a time that grows with the square of the length. */
static void long_scripts(void **state)
{
    (void)state;
    static const struct {
        const char *before, *part;
    } cases[] = {
        {"", "${{ 1 }}"},       {"aaaa[", "${{ 1 }}"}, {"`", "${{ '"},    {"export ", "a${{ 1 }}"},
        {"x", "$(`\"\"$(( ${"}, {"", "<<E "},          {"", "'${{1}}\n"}, {"\"", "${x:-\"a\"}"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO_ARENA struct arena a = ARENA_INIT;
        AUTO_DIAGS struct diags diags;
        diags_init(&diags, "x");
        AUTO_BUF struct buf source = BUF_INIT(4U << 20);
        buf_adds(&source, cases[i].before);
        for (size_t k = 0; k < 60000; k++) {
            buf_adds(&source, k == 0 ? "aaaaaaaaaaaaaaaaaaaaaaaaaaaa" : cases[i].part);
        }
        struct expr_source src = world_source(buf_str(&source));
        struct dag_script *script = expr_script(&a, &src, &world, true, &diags);
        assert_true((script == NULL) == (diags.errors > 0));
    }
}

/* ---- shells */

static const char *const shells[] = {"/bin/dash",     "/bin/bash",    "/usr/bin/busybox",
                                     "/usr/bin/mksh", "/usr/bin/ksh", "/usr/bin/zsh"};

/* bin/ is all the PATH there is, cwd/ is where the shells run: random scripts reach nothing else.
 */
static char folder[] = "/tmp/orch-script-XXXXXX";

static void exec_shell(const char *shell, const char *path, const struct dag_script_run *run,
                       int out)
{
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(out, 1);
    dup2(null, 2);
    const struct rlimit cpu = {2, 2}, size = {64 << 20, 64 << 20};
    setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_FSIZE, &size);
    alarm(20);
    for (size_t i = 0; i < run->var_count; i++) {
        setenv(run->vars[i].key, run->vars[i].value.u.string.text, 1);
    }
    AUTO_FREE char *bin = mem_printf("%s/bin", folder), *cwd = mem_printf("%s/cwd", folder);
    setenv("x", "not-empty", 1); /* so that ${x#…}eval is no eval */
    if (chdir(cwd) != 0 || setenv("PATH", bin, 1) != 0) {
        _exit(126);
    }
    const char *slash = strrchr(shell, '/') + 1;
    execl(shell, strcmp(slash, "busybox") == 0 ? "sh" : slash,
          strcmp(slash, "zsh") == 0 ? "-fe" : "-e", path, NULL);
    _exit(127);
}

static void run_shell(const char *shell, const struct dag_script_run *run, struct buf *out)
{
    AUTO_FREE char *path = mem_printf("%s/script", folder);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600), pipes[2];
    size_t len = strlen(run->text);
    assert_true(file >= 0 && write(file, run->text, len) == (ssize_t)len);
    close(file);
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        exec_shell(shell, path, run, pipes[1]);
    }
    close(pipes[1]);
    char chunk[65536];
    for (ssize_t n; (n = read(pipes[0], chunk, sizeof chunk)) > 0;) {
        buf_add(out, chunk, (size_t)n);
    }
    close(pipes[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

#define CUT "printf '\\n-----\\n'\n"

/* Every context prints the value and nothing else, apart from what `tail` adds. */
static const struct {
    const char *script, *tail;
} contexts[] = {
    {"printf %s " V "\n", ""},
    {"printf '%s' \"" V "\"\n", ""},
    {"printf '%s' '" V "'\n", ""},
    {"printf '%s' a" V "b\"" V "\"'" V "c'\n", NULL},
    {"x=" V "\nprintf %s \"$x\"\n", ""},
    {"# it's a \"comment\" with " V " and `\nprintf %s '" V "' # and 'another\n", ""},
    {"cat <<EOF\n" V "\nEOF\n", "\n"},
    {"cat <<-EOF # it's\n\t" V "\n\tEOF\n", "\n"},
    {"cat <<EOF; cat <<'END'\n" V "\nEOF\nit's\nEND\n", "\nit's\n"},
    {"cat <<EOF\n$(printf '%s' \"" V "\"; echo x)\nEOF\n", "x\n"},
    {"x=\"$(printf '%sX' " V ")\"; printf %s \"${x%X}\"\n", ""},
    {"x=$(printf '%sX' \"" V "\"); printf %s \"${x%X}\"\n", ""},
    {"x=`printf '%sX' " V "`; printf %s \"${x%X}\"\n", ""},
    {"x=\"$(printf '%sX' \"$(printf '%sX' '" V "')\")\"; printf %s \"${x%XX}\"\n", ""},
    {"case " V " in '" V "') printf %s \"" V "\";; *) echo no;; esac\n", ""},
    {"x=\"$(case x in (x) printf '%sX' '" V "' ;; esac)\"; printf %s \"${x%X}\"\n", ""},
    {"f() { printf %s \"$1\"; }; f " V "\n", ""},
    {"( printf %s " V " )\n", ""},
    {"{ printf %s " V "; }\n", ""},
    {"if [ x" V " = x'" V "' ]; then printf %s " V "; else echo no; fi\n", ""},
    {"for i in " V "; do printf %s \"$i\"; done\n", ""},
    {"printf %s \\\n  " V "\n", ""},
    {"x=1; printf %s \"${x:+}\"" V "\"$((x - 1))\"\n", "0"},
    {"printf %s " V " | cat\n", ""},
    {"set -- " V " '" V "'; [ $# = 2 ]; printf %s \"$2\"\n", ""},
    {"printf %s \"it's\"" V "'a\"b'\n", NULL},
    {"sh -c 'printf %s \"$1\"' sh " V "\n", ""},
    {"printf %s ${{ secrets.TOKEN }}\n", ""},
    {"cat <<EOF\n${{ secrets.TOKEN }}\nEOF\n", "\n"},
};

static const char *const hostile[] = {
    "plain",
    "two words",
    " ",
    "-n",
    "--help",
    "'",
    "\"",
    "'\\''",
    "\\",
    "a\\",
    "\\\\n\\c%s",
    "$(touch CANARY)",
    "`touch CANARY`",
    "';touch CANARY;'",
    "\";touch CANARY;\"",
    "\n touch CANARY\n",
    "$((a[$(touch CANARY)]))",
    "a[$(touch CANARY)]",
    "${x:=y}$HOME$$$1",
    "*",
    "~ ? [a-z] {a,b}",
    "; rm -f x & | < > ( ) # !",
    "EOF",
    "x\nEOF\ntouch CANARY\ncat <<EOF\n",
    "\n\n",
    "trailing\n",
    "\ttab\r",
    "Grün ✓ \xf0\x9f\x8f\xad",
    "\x01\x02\x7f\x1b[31m",
    "\xc2\x81\xc2\x82\xc2\x88\xc2\x9d", /* bytes that dash uses inside for quoting */
    "${{ params.v }} $${{",
    "}}",
};

static bool canary(void)
{
    AUTO_FREE char *path = mem_printf("%s/cwd/CANARY", folder);
    return access(path, F_OK) == 0;
}

static void expected(struct buf *out, size_t context, const char *value)
{
    if (contexts[context].tail == NULL) {
        bool first = strstr(contexts[context].script, "it's") == NULL;
        buf_addf(out, first ? "a%sb%s%sc" : "it's%sa\"b", value, value, value);
    } else {
        buf_addf(out, "%s%s", value, contexts[context].tail);
    }
    buf_adds(out, "\n-----\n");
}

static void check_value(const char *shell, const char *value)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, "x");
    AUTO_BUF struct buf script = BUF_INIT(64U << 20), want = BUF_INIT(64U << 20);
    AUTO_BUF struct buf got = BUF_INIT(64U << 20);
    world_value = value;
    for (size_t i = 0; i < COUNT_OF(contexts); i++) {
        buf_adds(&script, contexts[i].script);
        buf_adds(&script, CUT);
        expected(&want, i, value);
    }
    struct dag_script_run run;
    const char *text = script_text(&a, buf_str(&script), &diags, &run);
    if (text == NULL) {
        fail_msg("column %u: %s", diags.items[0].pos.column, diags.items[0].message);
    }
    run_shell(shell, &run, &got);
    if (got.len != want.len || memcmp(got.data, want.data, want.len) != 0 || canary()) {
        fail_msg("%s, value <%s>:\n%s\n---- got:\n%s", shell, value, text, buf_str(&got));
    }
}

static void values_arrive(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shells); i++) {
        for (size_t k = 0; access(shells[i], X_OK) == 0 && k < COUNT_OF(hostile); k++) {
            check_value(shells[i], hostile[k]);
        }
    }
}

static uint64_t random_state = 88172645463325252U;

static unsigned pick(unsigned count)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 11) % count;
}

static void random_values_arrive(void **state)
{
    (void)state;
    static const char letters[] = "'\"`$(){}\\\n\t #;&|<>*?[]~!=-%ab1\x01\x7f";
    for (int round = 0; round < 6; round++) {
        char value[200];
        unsigned len = pick(sizeof value - 1);
        for (unsigned i = 0; i < len; i++) {
            value[i] = letters[pick(sizeof letters - 1)];
        }
        value[len] = '\0';
        for (size_t i = 0; i < COUNT_OF(shells); i++) {
            if (access(shells[i], X_OK) == 0) {
                check_value(shells[i], value);
            }
        }
    }
}

static void large_value(void **state)
{
    (void)state;
    size_t len = 1 << 20;
    AUTO_FREE char *value = mem_alloc(len + 1);
    for (size_t i = 0; i < len; i++) {
        value[i] = "'\"$(x)`\n\\ "[i % 10];
    }
    world_value = value;
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, "x");
    struct dag_script_run run;
    assert_non_null(script_text(&a, "x=" V "; printf %s \"$x\"", &diags, &run));
    for (size_t i = 0; i < 2; i++) {
        AUTO_BUF struct buf got = BUF_INIT(4U << 20);
        run_shell(shells[i], &run, &got);
        assert_int_equal(got.len, len);
        assert_memory_equal(got.data, value, len);
    }
    world_value = "";
}

/* ---- random scripts: whatever is accepted must never run a value */

static const char *const tokens[] = {
    V,
    V,
    V,
    V,
    "\"",
    "\"",
    "'",
    "'",
    "`",
    "$(",
    "$(",
    ")",
    ")",
    "(",
    "${x:-",
    "${x#",
    "${x%",
    "}",
    "$((",
    "))",
    "((",
    "\\",
    "\\\n",
    "#",
    " ",
    " ",
    " ",
    "\n",
    "\n",
    ";",
    "|",
    "&&",
    "y=",
    "echo ",
    "a",
    "[",
    "]",
    "a[",
    "case ",
    "case x in ",
    " in ",
    "esac",
    ";;",
    "x)",
    "<<E\n",
    "<<'E'\n",
    "<<-E\n",
    "<<E;",
    "E\n",
    "\tE\n",
    "{ ",
    "}\n",
    "if ",
    "then ",
    "fi\n",
    "f()",
    "[[ ",
    " ]]",
    " -eq 1",
    "eval ",
    "let ",
    "$'",
    "$\"",
    "$",
    "$[",
    "!",
    "~",
    "*",
    "<",
    "<<<",
    "<(",
    "=",
    ":",
    "test ",
    "for i in ",
    "do ",
    "done\n",
    "alias x=",
    "typeset ",
    "export ",
    "local ",
    "time ",
    "unset ",
    "read ",
    "declare -i ",
    "declare ",
    " -v ",
    "shift ",
    "[ ",
    " ]",
    "RANDOM=",
    "2>&1 ",
    "command ",
    "printf -v ",
    "OPTIND=",
    " -gt ",
    "@(",
    "a=(",
    "$${{",
    "0",
    "1",
    "+",
    "-",
    "sh -c ",
    "printf %s ",
    "cat ",
    "function f ",
    "\t",
};

static const char *const payloads[] = {
    "a[$(touch CANARY)]",
    "$(touch CANARY)",
    "`touch CANARY`",
    "';touch CANARY;'\";touch CANARY;\"",
    "\ntouch CANARY\n",
    "x\nE\ntouch CANARY\n",
    "});touch CANARY;({",
    ") touch CANARY;; x) touch CANARY;; esac; touch CANARY; }; touch CANARY; fi",
    " ]] ; touch CANARY; ",
};

/* What a script does with its own variables is its own affair: `x=${{ v }}; eval "$x"`. */
static bool keeps_to_itself(const char *script)
{
    return strstr(script, "x=") == NULL && strstr(script, "set --") == NULL &&
           strstr(script, "for ") == NULL && strstr(script, "$1") == NULL;
}

/* Tokens at random, or sound scripts with some tokens put in at random. */
static void random_script(struct buf *out)
{
    AUTO_BUF struct buf sound = BUF_INIT(10000);
    for (unsigned i = pick(4); i > 0; i--) {
        const char *script = contexts[pick(COUNT_OF(contexts))].script;
        buf_adds(&sound, keeps_to_itself(script) ? script : "echo \"$(echo " V ")\"\n");
    }
    unsigned at = 0, left = sound.len > 0 ? 1 + pick(4) : 3 + pick(22);
    while (left > 0) {
        if (sound.len > 0) {
            unsigned next = at + pick((unsigned)sound.len - at + 1);
            buf_add(out, sound.data + at, next - at);
            at = next;
        }
        buf_adds(out, tokens[pick(COUNT_OF(tokens))]);
        left--;
    }
    buf_add(out, buf_str(&sound) + at, sound.len - at);
}

/* True where the script was accepted and run. */
static bool try_random(void)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    AUTO_DIAGS struct diags diags;
    diags_init(&diags, "x");
    AUTO_BUF struct buf source = BUF_INIT(10000);
    random_script(&source);
    if (strstr(buf_str(&source), V) == NULL) {
        return false;
    }
    struct expr_source src = world_source(buf_str(&source));
    struct dag_script *script = expr_script(&a, &src, &world, true, &diags);
    if (script == NULL) {
        return false;
    }
    world_value = payloads[pick(COUNT_OF(payloads))];
    struct dag_script_run run;
    if (!dag_script_eval(script, &world_scope, &a, &run, NULL)) {
        return false; /* not a number where one is needed */
    }
    for (size_t i = 0; i < COUNT_OF(shells); i++) {
        AUTO_BUF struct buf got = BUF_INIT(1 << 20);
        if (access(shells[i], X_OK) == 0) {
            run_shell(shells[i], &run, &got);
        }
        if (canary()) {
            fail_msg("%s ran the value:\n%s\n---- as\n%s", shells[i], buf_str(&source), run.text);
        }
    }
    return true;
}

static void random_scripts_run_nothing(void **state)
{
    (void)state;
    const char *seeds = getenv("ORCH_SEEDS");
    int64_t wanted = 100;
    if (seeds != NULL) {
        assert_true(text_int(seeds, &wanted));
        random_state += (uint64_t)wanted * 7919;
    }
    for (int64_t ran = 0; ran < wanted;) {
        ran += try_random();
    }
    world_value = "";
}

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    AUTO_FREE char *command = mem_printf(
        "cd %s && mkdir bin cwd && ln -s \"$(command -v touch)\" \"$(command -v cat)\" /bin/sh bin "
        "&& { [ ! -x /usr/bin/printf ] || ln -s /usr/bin/printf bin; }", /* mksh has none built in
                                                                          */
        folder);
    return system(command);
}

static int remove_folder(void **state)
{
    (void)state;
    AUTO_FREE char *command = mem_printf("rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(becomes),       cmocka_unit_test(refused),
        cmocka_unit_test(numbers),       cmocka_unit_test(not_posix),
        cmocka_unit_test(secrets),       cmocka_unit_test(long_scripts),
        cmocka_unit_test(values_arrive), cmocka_unit_test(random_values_arrive),
        cmocka_unit_test(large_value),   cmocka_unit_test(random_scripts_run_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
