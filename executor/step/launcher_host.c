/*
 * launcher_host.c - what this host holds, looked at when it is first needed: a launcher whose steps
 * have no limits makes no cgroup.
 */
#include "executor/step/launcher_internal.h"
#include "executor/step/pool.h"

#include <stdio.h>
#include <string.h>

void host_need_sandbox(struct host *host)
{
    if (host->sandbox == NULL) {
        host->sandbox = sandbox_open();
        sandbox_facts(host->sandbox, &host->facts);
    }
}

static void take_cgroups(struct host *host, struct cg *cg)
{
    host->cg = cg;
    cg_facts(cg, &host->facts);
    pool_facts(&host->facts);
}

void host_need_limits(struct host *host)
{
    if (host->cg == NULL) {
        take_cgroups(host, cg_open());
    }
}

void host_restore(struct host *host, const void *cgroups, size_t len)
{
    take_cgroups(host, cg_restore(cgroups, len));
}

/* A core is given to a step by writing it to its cgroup, when the step has it: that takes rights
 * that the supervisor of another user has not. */
static void bind_facts(const struct step_facts *facts, struct step_facts *ret)
{
    for (size_t i = 0; i < facts->count; i++) {
        const struct step_fact *fact = &facts->items[i];
        bool taken = fact->holds && strcmp(fact->name, "cores") == 0;
        facts_add(ret, fact->name, fact->holds && !taken, fact->amount,
                  taken ? "this launcher gives cores to the engines of root alone" : fact->why,
                  taken ? "run the engine as root" : fact->fix);
    }
}

void host_rebind(struct host *host)
{
    struct step_facts cgroups = {0};
    struct host own = {.cg = host->cg};
    if (own.cg != NULL) {
        cg_facts(own.cg, &cgroups);
        pool_facts(&cgroups);
        bind_facts(&cgroups, &own.facts);
        step_facts_done(&cgroups);
    }
    host_need_sandbox(&own);
    *host = own; /* what was there is the other user's, and goes with this process */
}

void host_close(struct host *host)
{
    if (host->cg != NULL) {
        cg_close(host->cg);
    }
    if (host->sandbox != NULL) {
        sandbox_close(host->sandbox);
    }
    step_facts_done(&host->facts);
    *host = (struct host){0};
}

/* A fact stands on one line, whatever is in its sentences. */
static void print_text(const char *text)
{
    for (; *text != '\0'; text++) {
        putchar((unsigned char)*text < ' ' ? ' ' : *text);
    }
}

void launcher_probe(void)
{
    struct host host = {0};
    host_need_limits(&host);
    host_need_sandbox(&host);
    const struct step_fact *tree = step_facts_find(&host.facts, "tree");
    printf("cgroups\t%s\t0\t%s\t\n", tree != NULL && tree->holds ? "yes" : "no", cg_mode(host.cg));
    for (size_t i = 0; i < host.facts.count; i++) {
        const struct step_fact *fact = &host.facts.items[i];
        printf("%s\t%s\t%lld\t", fact->name, fact->holds ? "yes" : "no", (long long)fact->amount);
        print_text(fact->why);
        putchar('\t');
        print_text(fact->fix);
        putchar('\n');
    }
    host_close(&host);
}
