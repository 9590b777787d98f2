/*
 * verdict.c - how an attempt ended, in a word and in a sentence.
 */
#include "executor/step/verdict.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

void verdict_explain(struct step_end *end, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(end->message, sizeof(end->message), fmt, args);
    va_end(args);
}

void verdict_stopped(struct step_end *end, enum step_how cause, bool killed,
                     const struct step_spec *spec, int64_t log_limit)
{
    char text[32];
    const char *how = killed ? "was killed" : "ended on request";
    end->how = cause;
    if (cause == STEP_TIMEOUT) {
        verdict_explain(end, "the timeout of %s was reached; the command was %s",
                        text_format_duration(spec->timeout_ms, text),
                        killed ? "killed" : "stopped");
    } else if (cause == STEP_LIMIT) {
        verdict_explain(end, "the log's limit of %s was reached",
                        text_format_size(log_limit, text));
    } else if (cause == STEP_SHUTDOWN) {
        verdict_explain(end, "the host shuts down; the command %s", how);
    } else {
        verdict_explain(end, "cancelled; the command %s", how);
    }
}

void verdict_ended(struct step_end *end, int status)
{
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        end->how = STEP_SIGNAL;
        verdict_explain(end, "the command was killed by signal %d (%s%s)", WTERMSIG(status),
                        name != NULL ? "SIG" : "", name != NULL ? name : "unnamed");
    } else if (WEXITSTATUS(status) != 0) {
        end->how = STEP_EXIT;
        verdict_explain(end, "the command ended with exit code %d", WEXITSTATUS(status));
    } else {
        end->how = STEP_OK;
    }
}

void verdict_oom(struct step_end *end, const struct step_spec *spec, int64_t kills)
{
    char limit[32], peak[32];
    end->how = STEP_OOM;
    if (spec->limits.memory == 0) {
        verdict_explain(end, "the host ran out of memory and killed %s of it; its peak was %s",
                        kills == 1 ? "a process" : "processes",
                        text_format_size(end->usage.peak_bytes, peak));
        return;
    }
    verdict_explain(end,
                    "it was killed by its memory limit of %s; its peak was %s: raise "
                    "resources.memory, or let it take less",
                    text_format_size(spec->limits.memory, limit),
                    text_format_size(end->usage.peak_bytes, peak));
}

void verdict_add_pids(struct step_end *end, const struct step_spec *spec, int64_t refused)
{
    size_t len = strlen(end->message);
    if (refused <= 0 || end->how == STEP_OK || len + 1 >= sizeof(end->message)) {
        return;
    }
    (void)snprintf(end->message + len, sizeof(end->message) - len,
                   "; its limit of %" PRId64 " processes and threads (resources.pids) refused %s",
                   spec->limits.pids, refused == 1 ? "it one" : "it more");
}
