/*
 * facts.c - what can be asked of a host, in one table: each row is a member of the launch spec, the
 * fact that it needs, and what it is called in a pipeline file.
 */
#include "executor/step/facts.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/wire.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FACTS_MAX 100

enum { TAG_FACT = 1 };
enum { FACT_NAME = 1, FACT_HOLDS = 2, FACT_AMOUNT = 3, FACT_WHY = 4, FACT_FIX = 5 };

enum type { TYPE_INT, TYPE_BOOL, TYPE_TEXT, TYPE_COUNT };

/* clang-format off */
#define LIMIT(member) offsetof(struct step_spec, limits.member)
#define SANDBOX(member) offsetof(struct step_spec, sandbox.member)
static const struct ask {
    const char *fact, *key;
    enum type type;
    size_t offset;
    bool always;         /* also best-effort does not go without it */
    size_t texts_offset; /* TYPE_COUNT: of the list itself */
} asks[] = {
    {"cpu",         "resources.cpu",           TYPE_INT,   LIMIT(cpu_milli),            false, 0},
    {"memory",      "resources.memory",        TYPE_INT,   LIMIT(memory),               false, 0},
    {"pids",        "resources.pids",          TYPE_INT,   LIMIT(pids),                 false, 0},
    {"io.weight",   "resources.io.weight",     TYPE_INT,   LIMIT(io_weight),            false, 0},
    {"io.read",     "resources.io.read",       TYPE_INT,   LIMIT(io_read),              false, 0},
    {"io.read",     "resources.io.read_iops",  TYPE_INT,   LIMIT(io_read_ops),          false, 0},
    {"io.write",    "resources.io.write",      TYPE_INT,   LIMIT(io_write),             false, 0},
    {"io.write",    "resources.io.write_iops", TYPE_INT,   LIMIT(io_write_ops),         false, 0},
    {"cores",       "resources.cores",         TYPE_INT,   LIMIT(cores),                false, 0},
    {"cores",       "resources.cores",         TYPE_TEXT,  LIMIT(core_list),            false, 0},
    {"gpus",        "resources.gpu",           TYPE_INT,   LIMIT(gpus),                 false, 0},
    {"gpus",        "resources.gpu",           TYPE_TEXT,  LIMIT(gpu_list),             false, 0},
    {"user",        "user",                    TYPE_BOOL,  SANDBOX(has_user),           true, 0},
    {"network",     "network",                 TYPE_BOOL,  SANDBOX(no_network),         false, 0},
    {"private_tmp", "sandbox.private_tmp",     TYPE_BOOL,  SANDBOX(private_tmp),        false, 0},
    {"read_only",   "sandbox.read_only",       TYPE_COUNT, SANDBOX(read_only_count),    false, SANDBOX(read_only)},
    {"hidden",      "sandbox.hidden",          TYPE_COUNT, SANDBOX(hidden_count),       false, SANDBOX(hidden)},
    {"writable",    "sandbox.writable",        TYPE_COUNT, SANDBOX(writable_count),     false, SANDBOX(writable)},
};
/* clang-format on */

/* ---- facts
 * ---------------------------------------------------------------------------------------- */

void facts_add(struct step_facts *facts, const char *name, bool holds, int64_t amount,
               const char *why, const char *fix)
{
    facts->items = mem_grow(facts->items, facts->count + 1, sizeof(*facts->items));
    facts->items[facts->count++] = (struct step_fact){
        .name = mem_strdup(name),
        .holds = holds,
        .amount = amount,
        .why = mem_strdup(why == NULL ? "" : why),
        .fix = mem_strdup(fix == NULL ? "" : fix),
    };
}

static void fact_done(struct step_fact *fact)
{
    free(fact->name);
    free(fact->why);
    free(fact->fix);
}

void step_facts_done(struct step_facts *facts)
{
    for (size_t i = 0; i < facts->count; i++) {
        fact_done(&facts->items[i]);
    }
    free(facts->items);
    *facts = (struct step_facts){0};
}

const struct step_fact *step_facts_find(const struct step_facts *facts, const char *name)
{
    for (size_t i = 0; i < facts->count; i++) {
        if (strcmp(facts->items[i].name, name) == 0) {
            return &facts->items[i];
        }
    }
    return NULL;
}

/* ---- on the wire
 * ---------------------------------------------------------------------------------- */

void step_facts_encode(const struct step_facts *facts, struct buf *ret)
{
    for (size_t i = 0; i < facts->count; i++) {
        const struct step_fact *fact = &facts->items[i];
        AUTO_BUF struct buf inner = BUF_INIT(LIMIT_MESSAGE);
        wire_put_text(&inner, FACT_NAME, fact->name);
        wire_put_int(&inner, FACT_HOLDS, fact->holds);
        wire_put_int(&inner, FACT_AMOUNT, fact->amount);
        wire_put_text(&inner, FACT_WHY, fact->why);
        wire_put_text(&inner, FACT_FIX, fact->fix);
        wire_put_bytes(ret, TAG_FACT, buf_str(&inner), inner.len);
    }
}

static void take_text(struct wire *w, char **member)
{
    char *text;
    if (wire_text(w, &text)) {
        free(*member);
        *member = text;
    }
}

static void read_fact(struct wire *w, struct step_facts *facts)
{
    int64_t number;
    facts_add(facts, "", false, 0, NULL, NULL);
    struct step_fact *fact = &facts->items[facts->count - 1];
    while (wire_next(w)) {
        if (w->tag == FACT_NAME) {
            take_text(w, &fact->name);
        } else if (w->tag == FACT_WHY) {
            take_text(w, &fact->why);
        } else if (w->tag == FACT_FIX) {
            take_text(w, &fact->fix);
        } else if (w->tag == FACT_HOLDS && wire_int(w, &number)) {
            fact->holds = number != 0;
        } else if (w->tag == FACT_AMOUNT && wire_int(w, &number)) {
            fact->amount = number;
        }
    }
}

bool step_facts_decode(const void *data, size_t len, struct step_facts *ret, struct err *err)
{
    struct step_facts facts = {0};
    struct wire w, inner;
    wire_read(&w, data, len);
    while (wire_next(&w) && facts.count < FACTS_MAX) {
        if (w.tag != TAG_FACT) {
            continue;
        }
        if (!wire_sub(&w, &inner)) {
            break;
        }
        read_fact(&inner, &facts);
        w.bad = w.bad || inner.bad;
    }
    if (w.bad) {
        step_facts_done(&facts);
        return err_set(err, ERR_CORRUPT, "the launcher's answer is damaged");
    }
    *ret = facts;
    return true;
}

/* ---- what is asked
 * -------------------------------------------------------------------------------- */

static bool is_asked(const struct step_spec *spec, const struct ask *ask)
{
    const void *member = (const char *)spec + ask->offset;
    switch (ask->type) {
    case TYPE_INT:
        return *(const int64_t *)member != 0;
    case TYPE_BOOL:
        return *(const bool *)member;
    case TYPE_TEXT:
        return *(char *const *)member != NULL;
    case TYPE_COUNT:
        return *(const size_t *)member != 0;
    }
    return false;
}

/* The array of a list is freed with the spec; its texts here. */
static void drop(struct step_spec *spec, const struct ask *ask)
{
    void *member = (char *)spec + ask->offset;
    switch (ask->type) {
    case TYPE_INT:
        *(int64_t *)member = 0;
        break;
    case TYPE_BOOL:
        *(bool *)member = false;
        break;
    case TYPE_TEXT:
        free(*(char **)member);
        *(char **)member = NULL;
        break;
    case TYPE_COUNT: {
        char **texts = *(char ***)((char *)spec + ask->texts_offset);
        for (size_t i = 0; i < *(size_t *)member; i++) {
            free(texts[i]);
        }
        *(size_t *)member = 0;
        break;
    }
    }
}

/* The first row from `at` on that is asked for and does not hold; NULL = none. */
static const struct ask *next_lack(const struct step_facts *facts, const struct step_spec *spec,
                                   const struct ask *at)
{
    for (; at < asks + COUNT_OF(asks); at++) {
        const struct step_fact *fact = step_facts_find(facts, at->fact);
        if (is_asked(spec, at) && (fact == NULL || !fact->holds)) {
            return at;
        }
    }
    return NULL;
}

bool step_facts_lacks(const struct step_facts *facts, const struct step_limits *limits,
                      const struct step_sandbox *sandbox, const char **ret_key,
                      const struct step_fact **ret_fact)
{
    struct step_spec spec = {.limits = *limits, .sandbox = *sandbox};
    for (const struct ask *ask = asks; (ask = next_lack(facts, &spec, ask)) != NULL; ask++) {
        if (ask->always || !limits->best_effort) {
            *ret_key = ask->key;
            *ret_fact = step_facts_find(facts, ask->fact);
            return true;
        }
    }
    return false;
}

static const char *why_not(const struct step_fact *fact)
{
    return fact == NULL || fact->why[0] == '\0' ? "this host cannot do it" : fact->why;
}

static bool refuse(const struct ask *ask, const struct step_fact *fact, struct err *err)
{
    bool fixable = fact != NULL && fact->fix[0] != '\0';
    err_set(err, ERR_UNSUPPORTED, "`%s` cannot be enforced: %s%s%s%s", ask->key, why_not(fact),
            fixable ? "; what would help: " : "", fixable ? fact->fix : "",
            ask->always ? "" : "; or say `isolation: best-effort`");
    return false;
}

bool facts_apply(const struct step_facts *facts, struct step_spec *spec, struct buf *notes,
                 struct err *err)
{
    for (const struct ask *ask = asks; (ask = next_lack(facts, spec, ask)) != NULL; ask++) {
        const struct step_fact *fact = step_facts_find(facts, ask->fact);
        if (ask->always || !spec->limits.best_effort) {
            return refuse(ask, fact, err);
        }
        buf_addf(notes, "isolation: best-effort: `%s` is not enforced: %s\n", ask->key,
                 why_not(fact));
        drop(spec, ask);
    }
    return true;
}
