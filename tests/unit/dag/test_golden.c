/*
 * test_golden.c - every tests/golden/dag/NAME.yaml is read and, where it is valid, asked whether it
 * can be run; what is printed must be NAME.txt. ORCH_GOLDEN_UPDATE=1 writes the texts anew: look
 * at the difference before committing it.
 */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "dag/dag.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FOLDER SOURCE_DIR "/tests/golden/dag/"

static char *judge(const char *name, const struct buf *text)
{
    AUTO_DIAGS struct diags diags;
    char *out = NULL;
    size_t len = 0;
    diags_init(&diags, name);
    struct dag_pipeline *p = dag_parse(name, buf_str(text), text->len, &diags);
    bool runs = p != NULL && dag_can_run(p, &diags);
    FILE *f = open_memstream(&out, &len);
    assert_non_null(f);
    fprintf(f, "%s\n", p == NULL ? "invalid" : runs ? "valid, runs" : "valid, does not run");
    diags_print(&diags, buf_str(text), text->len, false, f);
    fclose(f);
    dag_free(p);
    return out;
}

static bool check_file(const char *path)
{
    AUTO_BUF struct buf text = BUF_INIT(1U << 20);
    AUTO_BUF struct buf want = BUF_INIT(1U << 20);
    struct err err = ERR_INIT;
    const char *name = strrchr(path, '/') + 1;
    AUTO_FREE char *golden =
        mem_printf(FOLDER "%.*s.txt", (int)(strlen(name) - strlen(".yaml")), name);
    if (!file_read(path, &text, &err)) {
        fail_msg("%s", err.msg);
    }
    AUTO_FREE char *got = judge(name, &text);
    if (getenv("ORCH_GOLDEN_UPDATE") != NULL) {
        assert_true(file_replace(golden, got, strlen(got), 0644, &err));
        return true;
    }
    if (file_read(golden, &want, &err) && strcmp(buf_str(&want), got) == 0) {
        return true;
    }
    print_error("%s: expected\n%s\ngot\n%s\n", name, buf_str(&want), got);
    return false;
}

static void test_golden(void **state)
{
    glob_t files;
    size_t bad = 0;
    (void)state;
    assert_int_equal(glob(FOLDER "*.yaml", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        bad += !check_file(files.gl_pathv[i]);
    }
    assert_true(files.gl_pathc >= 60);
    globfree(&files);
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
