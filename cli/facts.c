/*
 * facts.c - see facts.h. The facts themselves are orch-step's; which belong together is one table
 * here, and one that it does not know is told as well.
 */
#include "cli/facts.h"

#include "base/mem.h"
#include "base/text.h"
#include "executor/step/step.h"

#include <inttypes.h>
#include <string.h>

#define FACTS_MAX 100
#define FACT_FIELDS 5

/* What is said of a fact that holds. */
enum tell { TELL_NAME, TELL_AMOUNT, TELL_WHY };

/* clang-format off */
static const struct group {
    const char *name;
    enum tell tell;
    const char *before; /* the list of those that hold */
    const char *facts[12];
} GROUPS[] = {
    {"cgroups", TELL_WHY,    "mode ",        {"cgroups", "tree"}}, /* orch-step gives the mode as the why */
    {"limits",  TELL_NAME,   "enforced: ",   {"cpu", "memory", "pids", "io.weight", "io.read", "io.write"}},
    {"sandbox", TELL_NAME,   "can be had: ", {"user", "network", "private_tmp", "read_only", "hidden", "writable",
                                              "privileges", "seccomp", "landlock", "guard"}},
    {"pool",    TELL_AMOUNT, "",             {"cores", "gpus"}},
    {"more",    TELL_NAME,   "can be had: ", {NULL}}, /* whatever has no group */
};
/* clang-format on */

struct rows {
    struct arena *a;
    struct step_fact facts[FACTS_MAX]; /* texts in the arena */
    size_t fact_count;
    struct fact_row *items;
    size_t count;
};

/* ---- reading */

/* One line, without its newline; false: not a fact. */
static bool read_fact(struct arena *a, const char *line, size_t len, struct step_fact *ret)
{
    char *rest = arena_strndup(a, line, len), *fields[FACT_FIELDS];
    for (size_t i = 0; i < FACT_FIELDS; i++)
        if (!(fields[i] = strsep(&rest, "\t")))
            return false;
    *ret = (struct step_fact){.name = fields[0],
                              .holds = strcmp(fields[1], "yes") == 0,
                              .why = fields[3],
                              .fix = fields[4]};
    return !rest && *ret->name && (ret->holds || strcmp(fields[1], "no") == 0) &&
           text_int(fields[2], &ret->amount);
}

static void read_facts(struct rows *r, const char *probe)
{
    while (*probe && r->fact_count < FACTS_MAX) {
        size_t len = strcspn(probe, "\n");
        r->fact_count += read_fact(r->a, probe, len, &r->facts[r->fact_count]);
        probe += len + (probe[len] != '\0');
    }
}

/* ---- groups */

static const struct group *group_of(const struct step_fact *fact)
{
    const struct group *g = GROUPS;
    for (; g < GROUPS + COUNT_OF(GROUPS) - 1; g++)
        for (size_t i = 0; i < COUNT_OF(g->facts) && g->facts[i]; i++)
            if (strcmp(g->facts[i], fact->name) == 0)
                return g;
    return g;
}

static const char *told(struct arena *a, const struct group *g, const struct step_fact *fact)
{
    if (g->tell == TELL_AMOUNT)
        return arena_printf(a, "%" PRId64 " %s", fact->amount, fact->name);
    if (g->tell == TELL_NAME || !*fact->why)
        return fact->name;
    return strcmp(fact->name, g->name) == 0 ? fact->why
                                            : arena_printf(a, "%s (%s)", fact->name, fact->why);
}

static const char *join(struct arena *a, const char *list, const char *text)
{
    return *list ? arena_printf(a, "%s, %s", list, text) : text;
}

static void add_row(struct rows *r, const struct group *g, bool holds, const char *message,
                    const char *fix)
{
    r->items[r->count++] = (struct fact_row){
        .name = g->name, .holds = holds, .message = message, .fix = fix && *fix ? fix : NULL};
}

static void add_holding(struct rows *r, const struct group *g)
{
    const char *list = "";
    for (size_t i = 0; i < r->fact_count; i++)
        if (r->facts[i].holds && group_of(&r->facts[i]) == g)
            list = join(r->a, list, told(r->a, g, &r->facts[i]));
    if (*list)
        add_row(r, g, true, arena_printf(r->a, "%s%s", g->before, list), NULL);
}

/* The fact at `first` and those after it that do not hold for the same reason. */
static void add_lacking(struct rows *r, const struct group *g, size_t first, bool *done)
{
    const struct step_fact *fact = &r->facts[first];
    const char *list = "";
    for (size_t i = first; i < r->fact_count; i++) {
        const struct step_fact *other = &r->facts[i];
        if (other->holds || group_of(other) != g || strcmp(fact->why, other->why) != 0 ||
            strcmp(fact->fix, other->fix) != 0)
            continue;
        list = join(r->a, list, other->name);
        done[i] = true;
    }
    bool same = strcmp(list, g->name) == 0;
    const char *why = *fact->why ? fact->why : "this host cannot do it";
    add_row(r, g, false,
            same ? arena_printf(r->a, "%s%s", g->before, why)
                 : arena_printf(r->a, "%s: %s", list, why),
            fact->fix);
}

struct fact_row *facts_rows(struct arena *a, const char *probe, size_t *ret_count)
{
    struct rows r = {.a = a};
    bool done[FACTS_MAX] = {false};
    read_facts(&r, probe);
    r.items = arena_array(a, r.fact_count + COUNT_OF(GROUPS), sizeof(*r.items));
    for (const struct group *g = GROUPS; g < GROUPS + COUNT_OF(GROUPS); g++) {
        add_holding(&r, g);
        for (size_t i = 0; i < r.fact_count; i++)
            if (!r.facts[i].holds && !done[i] && group_of(&r.facts[i]) == g)
                add_lacking(&r, g, i, done);
    }
    *ret_count = r.count;
    return r.items;
}
