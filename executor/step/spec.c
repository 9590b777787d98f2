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
    TAG_LIMITS = 100,  /* and what follows: one for each member, in the order of the table below */
    TAG_SANDBOX = 200, /* likewise */
};
enum { OUTPUT_NAME = 1, OUTPUT_PATH = 2, OUTPUT_OPTIONAL = 3 };

enum type { TYPE_TEXT, TYPE_INT, TYPE_BOOL };
struct field {
    uint16_t tag;
    enum type type;
    size_t offset;
};
struct list { /* of texts */
    uint16_t tag;
    size_t offset, count_offset;
};

#define LIMIT(member) offsetof(struct step_spec, limits.member)
#define SANDBOX(member) offsetof(struct step_spec, sandbox.member)
#define LIST(list, count) offsetof(struct step_spec, list), offsetof(struct step_spec, count)

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

    {TAG_LIMITS + 0,  TYPE_INT,  LIMIT(cpu_milli)},
    {TAG_LIMITS + 1,  TYPE_INT,  LIMIT(memory)},
    {TAG_LIMITS + 2,  TYPE_INT,  LIMIT(pids)},
    {TAG_LIMITS + 3,  TYPE_INT,  LIMIT(io_weight)},
    {TAG_LIMITS + 4,  TYPE_INT,  LIMIT(io_read)},
    {TAG_LIMITS + 5,  TYPE_INT,  LIMIT(io_write)},
    {TAG_LIMITS + 6,  TYPE_INT,  LIMIT(io_read_ops)},
    {TAG_LIMITS + 7,  TYPE_INT,  LIMIT(io_write_ops)},
    {TAG_LIMITS + 8,  TYPE_INT,  LIMIT(cores)},
    {TAG_LIMITS + 9,  TYPE_INT,  LIMIT(gpus)},
    {TAG_LIMITS + 10, TYPE_TEXT, LIMIT(core_list)},
    {TAG_LIMITS + 11, TYPE_TEXT, LIMIT(gpu_list)},
    {TAG_LIMITS + 12, TYPE_BOOL, LIMIT(best_effort)},

    {TAG_SANDBOX + 0,  TYPE_BOOL, SANDBOX(privileged)},
    {TAG_SANDBOX + 1,  TYPE_BOOL, SANDBOX(no_network)},
    {TAG_SANDBOX + 2,  TYPE_BOOL, SANDBOX(private_tmp)},
    {TAG_SANDBOX + 3,  TYPE_BOOL, SANDBOX(has_umask)},
    {TAG_SANDBOX + 4,  TYPE_INT,  SANDBOX(umask)},
    {TAG_SANDBOX + 5,  TYPE_BOOL, SANDBOX(has_core)},
    {TAG_SANDBOX + 6,  TYPE_INT,  SANDBOX(core)},
    {TAG_SANDBOX + 7,  TYPE_BOOL, SANDBOX(has_open_files)},
    {TAG_SANDBOX + 8,  TYPE_INT,  SANDBOX(open_files)},
    {TAG_SANDBOX + 9,  TYPE_BOOL, SANDBOX(has_user)},
    {TAG_SANDBOX + 10, TYPE_INT,  SANDBOX(uid)},
    {TAG_SANDBOX + 11, TYPE_INT,  SANDBOX(gid)},
    {TAG_SANDBOX + 12, TYPE_BOOL, SANDBOX(shared)},
};

static const struct list lists[] = {
    {TAG_ARG,    LIST(argv, argc)},
    {TAG_ENV,    LIST(env, env_count)},
    {TAG_SECRET, LIST(secrets, secret_count)},
    {TAG_SANDBOX + 50, LIST(sandbox.groups, sandbox.group_count)},
    {TAG_SANDBOX + 51, LIST(sandbox.read_only, sandbox.read_only_count)},
    {TAG_SANDBOX + 52, LIST(sandbox.hidden, sandbox.hidden_count)},
    {TAG_SANDBOX + 53, LIST(sandbox.writable, sandbox.writable_count)},
};
/* clang-format on */

static char ***list_texts(const struct step_spec *spec, const struct list *list)
{
    return (char ***)((uintptr_t)spec + list->offset);
}

static size_t *list_count(const struct step_spec *spec, const struct list *list)
{
    return (size_t *)((uintptr_t)spec + list->count_offset);
}

static const struct field *find_field(uint16_t tag)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (fields[i].tag == tag) {
            return &fields[i];
        }
    }
    return NULL;
}

static const struct list *find_list(uint16_t tag)
{
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        if (lists[i].tag == tag) {
            return &lists[i];
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
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (fields[i].type == TYPE_TEXT) {
            free(*(char **)((char *)spec + fields[i].offset));
        }
    }
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        free_texts(*list_texts(spec, &lists[i]), *list_count(spec, &lists[i]));
    }
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

/* Numbers of limits that no kernel would take, or that would mean something else. */
static bool check_limits(const struct step_limits *l, struct err *err)
{
    const int64_t numbers[] = {l->cpu_milli, l->memory,   l->pids,        l->io_weight,
                               l->io_read,   l->io_write, l->io_read_ops, l->io_write_ops,
                               l->cores,     l->gpus};
    const char *const texts[] = {l->core_list, l->gpu_list};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (numbers[i] < 0 || numbers[i] > STEP_LIMIT_MAX) {
            return err_set(err, ERR_INVALID, "a limit in the launch spec is out of bounds");
        }
    }
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (texts[i] != NULL && texts[i][strspn(texts[i], "0123456789,")] != '\0') {
            return err_set(err, ERR_INVALID, "'%.100s' is no list of indices", texts[i]);
        }
    }
    return true;
}

static bool check_paths(char *const *paths, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (paths[i][0] != '/') {
            return err_set(err, ERR_INVALID, "the path '%.200s' of the sandbox is not absolute",
                           paths[i]);
        }
    }
    return true;
}

static bool check_sandbox(const struct step_sandbox *s, struct err *err)
{
    bool id_ok =
        !s->has_user || (s->uid >= 0 && s->uid < UINT32_MAX && s->gid >= 0 && s->gid < UINT32_MAX);
    if (!id_ok || s->group_count > STEP_GROUPS || s->umask < 0 || s->umask > 0777 || s->core < 0 ||
        s->open_files < 0) {
        return err_set(err, ERR_INVALID, "a number of the sandbox is out of bounds");
    }
    for (size_t i = 0; i < s->group_count; i++) {
        size_t len = strlen(s->groups[i]);
        if (len == 0 || len > 10 || s->groups[i][strspn(s->groups[i], "0123456789")] != '\0') {
            return err_set(err, ERR_INVALID, "'%.100s' is no group's number", s->groups[i]);
        }
    }
    return check_paths(s->read_only, s->read_only_count, err) &&
           check_paths(s->hidden, s->hidden_count, err) &&
           check_paths(s->writable, s->writable_count, err);
}

static bool check(const struct step_spec *spec, struct err *err)
{
    if (spec->timeout_ms < 0 || spec->grace_ms < 0 || spec->log_limit < 0) {
        return err_set(err, ERR_INVALID, "timeout, grace and the log's limit cannot be negative");
    }
    return check_identity(spec, err) && check_command(spec, err) && check_outputs(spec, err) &&
           check_secrets(spec, err) && check_limits(&spec->limits, err) &&
           check_sandbox(&spec->sandbox, err);
}

bool step_limits_any(const struct step_limits *l)
{
    return (l->cpu_milli | l->memory | l->pids | l->io_weight | l->io_read | l->io_write |
            l->io_read_ops | l->io_write_ops | l->cores) != 0 ||
           l->core_list != NULL;
}

/* ---- encode
 * --------------------------------------------------------------------------------------- */

static int64_t number_of(const struct field *field, const void *member)
{
    return field->type == TYPE_INT ? *(const int64_t *)member : *(const bool *)member;
}

/* What is zero, false or NULL is not written: a reader starts with that. */
static void put_fields(const struct step_spec *spec, struct buf *ret)
{
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const void *member = (const char *)spec + fields[i].offset;
        if (fields[i].type == TYPE_TEXT) {
            wire_put_text(ret, fields[i].tag, *(char *const *)member);
        } else if (number_of(&fields[i], member) != 0) {
            wire_put_int(ret, fields[i].tag, number_of(&fields[i], member));
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
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        put_texts(ret, lists[i].tag, *list_texts(spec, &lists[i]), *list_count(spec, &lists[i]));
    }
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
    size_t counts[COUNT_OF(lists)] = {0}, outputs = 0, all = 0;
    struct wire w;
    wire_read(&w, data, len);
    while (wire_next(&w)) {
        const struct list *list = find_list(w.tag);
        if (list != NULL) {
            counts[list - lists]++;
        }
        outputs += w.tag == TAG_OUTPUT;
        all += list != NULL || w.tag == TAG_OUTPUT;
    }
    if (all > STEP_WORDS + LIMIT_SECRETS) {
        return err_set(err, ERR_LIMIT, "a launch spec of more than %d words", STEP_WORDS);
    }
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        *list_texts(spec, &lists[i]) = mem_array(counts[i] + 1, sizeof(char *));
    }
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
    const struct list *list = find_list(w->tag);
    if (field != NULL) {
        read_scalar(w, field, spec);
    } else if (list != NULL) {
        size_t *count = list_count(spec, list);
        *count += wire_text(w, &(*list_texts(spec, list))[*count]);
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

/* ---- the limits alone
 * ----------------------------------------------------------------------------- */

void step_limits_done(struct step_limits *limits)
{
    free(limits->core_list);
    free(limits->gpu_list);
    *limits = (struct step_limits){0};
}

bool step_spec_limits(const void *data, size_t len, struct step_limits *ret)
{
    struct step_spec spec = {0};
    struct wire w;
    wire_read(&w, data, len);
    while (wire_next(&w)) {
        if (w.tag >= TAG_LIMITS && w.tag < TAG_SANDBOX) {
            const struct field *field = find_field(w.tag);
            if (field != NULL) {
                read_scalar(&w, field, &spec);
            }
        }
    }
    if (w.bad || !check_limits(&spec.limits, NULL)) {
        step_limits_done(&spec.limits);
        return false;
    }
    *ret = spec.limits;
    return true;
}
