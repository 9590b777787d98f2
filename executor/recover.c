/*
 * recover.c - what became of an attempt whose engine died. The record's lock is taken first: from
 * then on nobody else decides.
 */
#include "executor/internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CONTROL_NAME "control"
#define ANSWER_MS 5000 /* how long a supervisor may take to notice that its engine is gone */
#define TRY_MS 2
#define REAP_MS 30000

int recover_open_record(const char *folder, bool *ret_missing, struct err *err)
{
    AUTO_FREE char *path = mem_printf("%s/record", folder);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    *ret_missing = fd < 0 && (errno == ENOENT || errno == ENOTDIR);
    if (fd < 0) {
        err_sys(err, errno, "%s", path);
    }
    return fd;
}

/* Only of this boot: folders of cgroups are named by pids, which the next boot gives again. */
char *recover_cgroup(const char *folder)
{
    struct record record;
    bool missing = false;
    AUTO_CLOSE int fd = recover_open_record(folder, &missing, NULL);
    bool known = fd >= 0 && record_read(fd, &record, NULL) && record.began &&
                 record.cgroup[0] != '\0' && strcmp(record.boot_id, clock_boot_id()) == 0;
    return known ? mem_strdup(record.cgroup) : NULL;
}

/* Waits until the lock is ours (0) or the supervisor has answered (the connected socket). -1 =
 * neither. */
static int lock_or_connect(int record, const char *folder, struct err *err)
{
    int64_t until = clock_boot_ms(clock_system()) + ANSWER_MS;
    for (;;) {
        struct err why = ERR_INIT;
        if (file_lock(record, &why)) {
            return 0;
        }
        int sock = why.code == ERR_BUSY ? file_socket_connect(folder, CONTROL_NAME, &why) : -1;
        if (sock >= 0) {
            return sock;
        }
        if (clock_boot_ms(clock_system()) >= until) {
            err_set(err, ERR_UNAVAILABLE,
                    "%s: its supervisor lives but does not answer (is another engine attached to "
                    "it?): %s",
                    folder, why.msg);
            return -1;
        }
        nanosleep(&(struct timespec){.tv_nsec = TRY_MS * 1000000}, NULL);
    }
}

static bool never_started(const char *folder, enum exec_found *ret, struct err *err)
{
    *ret = EXEC_NEVER_STARTED;
    return file_remove_tree(folder, err);
}

/* The lock is ours: no supervisor lives, and the record says all that is known. */
static bool judge(int fd, const char *folder, enum exec_found *ret, struct step_end *ret_end,
                  struct err *err)
{
    struct record record;
    struct stat st;
    if (fstat(fd, &st) == 0 && st.st_size == 0) {
        return never_started(folder, ret, err); /* not even its identity had been written */
    }
    if (!record_read(fd, &record, NULL)) {
        *ret = EXEC_LOST; /* a power failure took it: nobody knows */
        return true;
    }
    if (record.ended) {
        *ret = EXEC_ENDED;
        *ret_end = record.end;
        return true;
    }
    if (strcmp(record.boot_id, clock_boot_id()) != 0 || record.began) {
        *ret = EXEC_LOST;
        *ret_end =
            (struct step_end){.how = STEP_LOST, .exit_code = -1, .began_ms = record.began_ms};
        return true;
    }
    return never_started(folder, ret, err);
}

bool recover_clear(const char *folder, struct err *err)
{
    bool missing = false;
    struct err why = ERR_INIT;
    struct record record = {0};
    AUTO_CLOSE int fd = recover_open_record(folder, &missing, &why);
    bool locked = fd >= 0 && file_lock(fd, &why);
    bool used = locked && record_read(fd, &record, &why) && (record.began || record.ended);
    if (!missing && (!locked || used)) {
        return err_set(err, ERR_EXISTS, "%s is there already, and something ran in it", folder);
    }
    return file_remove_tree(folder, err);
}

/* Who the folder is of, for the one who attaches. */
static struct exec_attempt *attach(struct exec *e, int record_fd, int sock, const char *folder,
                                   const struct exec_events *events, void *owner, struct err *err)
{
    struct record record;
    if (!record_read(record_fd, &record, err)) {
        close(sock);
        return NULL;
    }
    struct exec_attempt *a =
        attempt_new(e, folder, record.run, record.step, record.attempt, events, owner);
    attempt_connect(a, sock);
    return a;
}

bool exec_recover(struct exec *e, const char *folder, const struct exec_events *events, void *owner,
                  enum exec_found *ret, struct exec_attempt **ret_attempt, struct step_end *ret_end,
                  struct err *err)
{
    struct err why = ERR_INIT;
    bool missing = false;
    AUTO_CLOSE int record = recover_open_record(folder, &missing, &why);
    if (missing) {
        return never_started(folder, ret, err);
    }
    if (record < 0) {
        if (err != NULL) {
            *err = why;
        }
        return false;
    }
    int sock = lock_or_connect(record, folder, err);
    if (sock < 0) {
        return false;
    }
    if (sock == 0) {
        return judge(record, folder, ret, ret_end, err);
    }
    struct exec_attempt *a = attach(e, record, sock, folder, events, owner, err);
    if (a == NULL) {
        return false;
    }
    *ret = EXEC_RUNNING;
    *ret_attempt = a;
    return true;
}

static bool reap_once(struct exec *e, int64_t token, const char *folder, const char *run,
                      const char *step, int64_t attempt, struct err *err)
{
    if (!launcher_ask_reap(e, token, folder, run, step, attempt, err)) {
        return false;
    }
    int64_t until = clock_boot_ms(clock_system()) + REAP_MS;
    while (e->reaped_token != token) {
        int64_t left = until - clock_boot_ms(clock_system());
        if (left <= 0 || !launcher_wait(e, (int)left)) {
            return err_set(err, ERR_UNAVAILABLE,
                           "the launcher did not say that what the attempt left is gone");
        }
    }
    return true;
}

bool exec_reap(struct exec *e, const char *folder, const char *run, const char *step,
               int64_t attempt, int64_t *ret_killed, struct err *err)
{
    int64_t token = e->next_token++;
    bool ok = reap_once(e, token, folder, run, step, attempt, err);
    if (!ok && e->sock < 0) { /* once more where the launcher died over it */
        ok = reap_once(e, token, folder, run, step, attempt, err);
    }
    if (ok && ret_killed != NULL) {
        *ret_killed = e->reaped_count;
    }
    return ok;
}
