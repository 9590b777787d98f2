/*
 * manifest.c - what a run was made of, written down before its first step: the code, the values,
 * the host.
 */
#include "engine/internal.h"

#include "base/digest.h"
#include "base/mem.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define GIT_ANSWER 4096

/* Runs git in the run's folder and returns its first GIT_ANSWER bytes, or NULL where git is missing
 * or refuses. Blocks. */
static char *git(const struct run *run, const char *const *words, size_t count)
{
    const char *argv[12] = {"git", "-C", run->workdir};
    for (size_t i = 0; i < count; i++) {
        argv[3 + i] = words[i];
    }
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return NULL;
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    pid_t pid;
    int rc = posix_spawnp(&pid, "git", &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    struct buf text = BUF_INIT(GIT_ANSWER);
    char chunk[1024];
    for (ssize_t n; rc == 0 && (n = read(fds[0], chunk, sizeof(chunk))) > 0;) {
        buf_add(&text, chunk, (size_t)n); /* past the maximum it is read and dropped */
    }
    close(fds[0]);
    int status = -1;
    if (rc == 0) {
        waitpid(pid, &status, 0);
    }
    if (rc != 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        buf_done(&text);
        return NULL;
    }
    return text.len == 0 ? mem_strdup("") : buf_take(&text);
}

static void find_commit(const struct run *run, const char **ret_commit, bool *ret_dirty,
                        struct arena *a)
{
    static const char *const head[] = {"rev-parse", "--verify", "-q", "HEAD"};
    static const char *const status[] = {"status", "--porcelain", "--untracked-files=no"};
    AUTO_FREE char *repository = path_git_root(run->workdir);
    AUTO_FREE char *commit = repository == NULL ? NULL : git(run, head, COUNT_OF(head));
    if (commit == NULL) {
        return;
    }
    commit[strcspn(commit, "\n")] = '\0';
    *ret_commit = arena_strdup(a, commit);
    AUTO_FREE char *changes = git(run, status, COUNT_OF(status));
    *ret_dirty = changes != NULL && changes[0] != '\0';
}

json_t *manifest_make(struct engine *e, const struct run *run, const char **ret_commit,
                      bool *ret_dirty, struct arena *a)
{
    char digest[DIGEST_TEXT];
    digest_bytes(run->pipeline->text, run->pipeline->text_len, digest);
    struct utsname host = {0};
    uname(&host);
    find_commit(run, ret_commit, ret_dirty, a);
    json_t *secrets = json_array();
    for (size_t i = 0; i < run->pipeline->secret_count; i++) {
        json_array_append_new(secrets, json_string(run->pipeline->secrets[i]));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s?, s:b, s:o}", "version",
                     ORCH_VERSION, "file", run->file, "root", run->root, "pipeline_sha256", digest,
                     "host", e->host, "kernel", host.release, "machine", host.machine, "user",
                     e->actor, "commit", *ret_commit, "dirty", (int)*ret_dirty, "secrets", secrets);
}

void manifest_add_reused(json_t *manifest, const struct dag_pipeline *p,
                         const struct engine_plan_step *plan)
{
    json_t *reused = json_object();
    for (uint32_t i = 0; i < p->step_count; i++) {
        if (plan[i].what != ENGINE_PLAN_REUSE) {
            continue;
        }
        json_t *changed = json_array();
        for (size_t k = 0; k < plan[i].changed_count; k++) {
            json_array_append_new(changed, json_string(plan[i].changed[k]));
        }
        json_object_set_new(reused, p->steps[i].name,
                            json_pack("{s:s, s:o}", "run", plan[i].origin_run, "changed", changed));
    }
    if (json_object_size(reused) > 0) {
        json_object_set(manifest, "reused", reused);
    }
    json_decref(reused);
}
