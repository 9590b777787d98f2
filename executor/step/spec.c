/*
 * spec.c - the launch spec on the wire. One table of scalar fields, and the lists beside it; a
 * decoded spec has passed every check that an encoded one has, so that the supervisor may use it
 * without looking again.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "base/wire.h"
#include "executor/step/step.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Sent and received by different versions: never renumbered. */
enum tag {
    TAG_RUN = 1,
    TAG_STEP = 2,
    TAG_ATTEMPT = 3,
    TAG_ARG = 4,
    TAG_SCRIPT = 5,
    TAG_ENV = 6,
    TAG_CWD = 7,
    TAG_STORE = 8,
    TAG_OUTPUT = 9,
    TAG_SECRET = 10,
    TAG_TIMEOUT = 11,
    TAG_GRACE = 12,
    TAG_LOG_LIMIT = 13,
    TAG_LOG_FAIL = 14,
    TAG_SYNC_BEGAN = 15,
};
enum { OUTPUT_NAME = 1, OUTPUT_PATH = 2, OUTPUT_OPTIONAL = 3 };

enum type { TYPE_TEXT, TYPE_INT, TYPE_BOOL };
struct field {
    uint16_t tag;
    enum type type;
    size_t offset;
};

/* clang-format off */
static const struct field fields[] = {
    {TAG_RUN,        TYPE_TEXT, offsetof(struct step_spec, run)},
    {TAG_STEP,       TYPE_TEXT, offsetof(struct step_spec, step)},
    {TAG_ATTEMPT,    TYPE_INT,  offsetof(struct step_spec, attempt)},
    {TAG_SCRIPT,     TYPE_TEXT, offsetof(struct step_spec, script)},
    {TAG_CWD,        TYPE_TEXT, offsetof(struct step_spec, cwd)},
    {TAG_STORE,      TYPE_TEXT, offsetof(struct step_spec, store)},
    {TAG_TIMEOUT,    TYPE_INT,  offsetof(struct step_spec, timeout_ms)},
    {TAG_GRACE,      TYPE_INT,  offsetof(struct step_spec, grace_ms)},
    {TAG_LOG_LIMIT,  TYPE_INT,  offsetof(struct step_spec, log_limit)},
    {TAG_LOG_FAIL,   TYPE_BOOL, offsetof(struct step_spec, log_fail)},
    {TAG_SYNC_BEGAN, TYPE_BOOL, offsetof(struct step_spec, sync_began)},
};
/* clang-format on */

static const struct field *find_field(uint16_t tag)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (fields[i].tag == tag) {
            return &fields[i];
        }
    }
    return NULL;
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; texts != NULL && i < count; i++) {
        free(texts[i]);
    }
    free(texts);
}

void step_spec_done(struct step_spec *spec)
{
    free(spec->run);
    free(spec->step);
    free(spec->script);
    free(spec->cwd);
    free(spec->store);
    free_texts(spec->argv, spec->argc);
    free_texts(spec->env, spec->env_count);
    free_texts(spec->secrets, spec->secret_count);
    for (size_t i = 0; i < spec->output_count; i++) {
        free(spec->outputs[i].name);
        free(spec->outputs[i].path);
    }
    free(spec->outputs);
    *spec = (struct step_spec){0};
}

/* ---- checks
 * --------------------------------------------------------------------------------------- */

/* A path below out/: relative, and nothing in it leads upward. */
static bool is_inside(const char *path)
{
    if (path[0] == '\0' || path[0] == '/') {
        return false;
    }
    for (const char *at = path; *at != '\0';) {
        size_t len = strcspn(at, "/");
        if (len == 2 && at[0] == '.' && at[1] == '.') {
            return false;
        }
        at += len + (at[len] == '/');
    }
    return true;
}

/* Both name folders and stand in the record, which has room for so much. */
static bool check_identity(const struct step_spec *spec, struct err *err)
{
    const struct record *r = NULL;
    if (spec->run == NULL || spec->run[0] == '\0' || strlen(spec->run) >= sizeof(r->run)) {
        return err_set(err, ERR_INVALID, "the launch spec names no run, or one that is too long");
    }
    if (spec->step == NULL || spec->step[0] == '\0' || strlen(spec->step) >= sizeof(r->step)) {
        return err_set(err, ERR_INVALID,
                       "the name of the step is empty or longer than %zu bytes: shorten it",
                       sizeof(r->step) - 1);
    }
    if (spec->attempt < 1) {
        return err_set(err, ERR_INVALID, "attempts count from 1");
    }
    return true;
}

static bool check_command(const struct step_spec *spec, struct err *err)
{
    if (spec->argc + spec->env_count + spec->output_count > STEP_WORDS) {
        return err_set(err, ERR_LIMIT, "more than %d arguments, variables and outputs in one step",
                       STEP_WORDS);
    }
    if (spec->argc == 0 || spec->argv[0] == NULL || spec->argv[0][0] == '\0') {
        return err_set(err, ERR_INVALID, "the command is empty: its first word names a program");
    }
    for (size_t i = 0; i < spec->env_count; i++) {
        const char *equals = strchr(spec->env[i], '=');
        if (equals == NULL || equals == spec->env[i]) {
            return err_set(err, ERR_INVALID, "'%.100s' in the environment is not NAME=value",
                           spec->env[i]);
        }
    }
    if (spec->cwd == NULL || spec->cwd[0] != '/') {
        return err_set(err, ERR_INVALID, "the working directory is not an absolute path");
    }
    if (spec->store == NULL || spec->store[0] != '/') {
        return err_set(err, ERR_INVALID, "the artifact store is not an absolute path");
    }
    return true;
}

static bool check_outputs(const struct step_spec *spec, struct err *err)
{
    for (size_t i = 0; i < spec->output_count; i++) {
        const struct step_want *want = &spec->outputs[i];
        if (want->name == NULL || want->name[0] == '\0' || want->path == NULL) {
            return err_set(err, ERR_INVALID, "an output has no name or no path");
        }
        if (!is_inside(want->path)) {
            return err_set(err, ERR_INVALID,
                           "output '%s': its path '%.200s' lies outside ORCH_OUT: name it relative "
                           "to that folder, without '..'",
                           want->name, want->path);
        }
    }
    return true;
}

static bool check_secrets(const struct step_spec *spec, struct err *err)
{
    size_t total = 0;
    if (spec->secret_count > LIMIT_SECRETS) {
        return err_set(err, ERR_LIMIT, "more than %d secrets in one step", LIMIT_SECRETS);
    }
    for (size_t i = 0; i < spec->secret_count; i++) {
        size_t len = strlen(spec->secrets[i]);
        if (len < LIMIT_SECRET_MIN || len > LIMIT_SECRET_SIZE) {
            return err_set(err, ERR_LIMIT, "a secret has %zu bytes: at least %d, at most %ld", len,
                           LIMIT_SECRET_MIN, LIMIT_SECRET_SIZE);
        }
        total += len;
    }
    if (total > STEP_SECRETS_BYTES) {
        return err_set(err, ERR_LIMIT,
                       "the secrets of one step have %zu bytes together: at most %d", total,
                       STEP_SECRETS_BYTES);
    }
    return true;
}

static bool check(const struct step_spec *spec, struct err *err)
{
    if (spec->timeout_ms < 0 || spec->grace_ms < 0 || spec->log_limit < 0) {
        return err_set(err, ERR_INVALID, "timeout, grace and the log's limit cannot be negative");
    }
    return check_identity(spec, err) && check_command(spec, err) && check_outputs(spec, err) &&
           check_secrets(spec, err);
}

/* ---- encode
 * --------------------------------------------------------------------------------------- */

static void put_fields(const struct step_spec *spec, struct buf *ret)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const void *member = (const char *)spec + fields[i].offset;
        if (fields[i].type == TYPE_TEXT) {
            wire_put_text(ret, fields[i].tag, *(char *const *)member);
        } else if (fields[i].type == TYPE_INT) {
            wire_put_int(ret, fields[i].tag, *(const int64_t *)member);
        } else {
            wire_put_int(ret, fields[i].tag, *(const bool *)member);
        }
    }
}

static void put_texts(struct buf *ret, uint16_t tag, char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        wire_put_text(ret, tag, texts[i]);
    }
}

static void put_output(const struct step_want *want, struct buf *ret)
{
    AUTO_BUF struct buf inner = BUF_INIT(LIMIT_SPEC);
    wire_put_text(&inner, OUTPUT_NAME, want->name);
    wire_put_text(&inner, OUTPUT_PATH, want->path);
    wire_put_int(&inner, OUTPUT_OPTIONAL, want->optional);
    wire_put_bytes(ret, TAG_OUTPUT, buf_str(&inner), inner.len);
}

bool step_spec_encode(const struct step_spec *spec, struct buf *ret, struct err *err)
{
    if (!check(spec, err)) {
        return false;
    }
    size_t start = ret->len;
    put_fields(spec, ret);
    put_texts(ret, TAG_ARG, spec->argv, spec->argc);
    put_texts(ret, TAG_ENV, spec->env, spec->env_count);
    put_texts(ret, TAG_SECRET, spec->secrets, spec->secret_count);
    for (size_t i = 0; i < spec->output_count; i++) {
        put_output(&spec->outputs[i], ret);
    }
    if (ret->full || ret->len - start > LIMIT_SPEC) {
        return err_set(err, ERR_LIMIT,
                       "the step's command, environment and secrets are larger than %ld MiB "
                       "together: pass large values in files",
                       LIMIT_SPEC >> 20);
    }
    return true;
}

/* ---- decode
 * --------------------------------------------------------------------------------------- */

/* The arrays are made once, with room for the NULL that execve wants. */
static bool make_arrays(const void *data, size_t len, struct step_spec *spec, struct err *err)
{
    size_t args = 0, envs = 0, secrets = 0, outputs = 0;
    struct wire w;
    wire_read(&w, data, len);
    while (wire_next(&w)) {
        args += w.tag == TAG_ARG;
        envs += w.tag == TAG_ENV;
        secrets += w.tag == TAG_SECRET;
        outputs += w.tag == TAG_OUTPUT;
    }
    if (args + envs + secrets + outputs > STEP_WORDS + LIMIT_SECRETS) {
        return err_set(err, ERR_LIMIT, "a launch spec of more than %d words", STEP_WORDS);
    }
    spec->argv = mem_array(args + 1, sizeof(*spec->argv));
    spec->env = mem_array(envs + 1, sizeof(*spec->env));
    spec->secrets = mem_array(secrets + 1, sizeof(*spec->secrets));
    spec->outputs = mem_array(outputs + 1, sizeof(*spec->outputs));
    return true;
}

static void read_text(struct wire *w, char **member)
{
    char *text;
    if (wire_text(w, &text)) {
        free(*member); /* a field may come twice: the last counts */
        *member = text;
    }
}

static void read_output(struct wire *outer, struct step_want *want)
{
    struct wire w;
    if (!wire_sub(outer, &w)) {
        outer->bad = true;
        return;
    }
    while (wire_next(&w)) {
        int64_t optional;
        if (w.tag == OUTPUT_NAME) {
            read_text(&w, &want->name);
        } else if (w.tag == OUTPUT_PATH) {
            read_text(&w, &want->path);
        } else if (w.tag == OUTPUT_OPTIONAL && wire_int(&w, &optional)) {
            want->optional = optional != 0;
        }
    }
    outer->bad = outer->bad || w.bad;
}

static void read_scalar(struct wire *w, const struct field *field, struct step_spec *spec)
{
    void *member = (char *)spec + field->offset;
    int64_t number;
    if (field->type == TYPE_TEXT) {
        read_text(w, member);
    } else if (!wire_int(w, &number)) {
        return;
    } else if (field->type == TYPE_INT) {
        *(int64_t *)member = number;
    } else {
        *(bool *)member = number != 0;
    }
}

static void read_field(struct wire *w, struct step_spec *spec)
{
    const struct field *field = find_field(w->tag);
    if (field != NULL) {
        read_scalar(w, field, spec);
    } else if (w->tag == TAG_ARG && wire_text(w, &spec->argv[spec->argc])) {
        spec->argc++;
    } else if (w->tag == TAG_ENV && wire_text(w, &spec->env[spec->env_count])) {
        spec->env_count++;
    } else if (w->tag == TAG_SECRET && wire_text(w, &spec->secrets[spec->secret_count])) {
        spec->secret_count++;
    } else if (w->tag == TAG_OUTPUT) {
        read_output(w, &spec->outputs[spec->output_count++]);
    }
}

bool step_spec_decode(const void *data, size_t len, struct step_spec *ret, struct err *err)
{
    if (len > LIMIT_SPEC) {
        return err_set(err, ERR_LIMIT, "a launch spec of %zu bytes: at most %ld", len, LIMIT_SPEC);
    }
    struct step_spec spec = {0};
    struct wire w;
    if (!make_arrays(data, len, &spec, err)) {
        return false;
    }
    wire_read(&w, data, len);
    while (wire_next(&w)) {
        read_field(&w, &spec);
    }
    bool ok = !w.bad || err_set(err, ERR_CORRUPT, "the launch spec is damaged");
    if (!ok || !check(&spec, err)) {
        step_spec_done(&spec);
        return false;
    }
    *ret = spec;
    return true;
}
