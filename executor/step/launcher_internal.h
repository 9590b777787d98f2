/*
 * launcher_internal.h - private to the launcher's files:
 *
 *   launcher.c         the loop, signals, the beginning and the end
 *   launcher_peer.c    the engines: their sockets, who may come, what is said
 *   launcher_launch.c  LAUNCH: limits read, place taken, supervisor forked
 *   launcher_child.c   children that end, and what they leave: places, orphans, REAP
 *   launcher_host.c    what the host holds: cgroups, sandbox, facts
 *   launcher_policy.c  what an engine that is not root may have done by a launcher that is
 *   launcher_resume.c  going on as a newer program
 */
#ifndef EXECUTOR_STEP_LAUNCHER_INTERNAL_H
#define EXECUTOR_STEP_LAUNCHER_INTERNAL_H

#include "executor/step/cgroup.h"
#include "executor/step/launcher.h"
#include "executor/step/sandbox.h"
#include "executor/step/step.h"

#include <sys/types.h>

#define LAUNCHER_PEERS 200
#define GIVE_UP_MS 5000 /* what SIGKILL has not ended by then hangs in the kernel */

struct peer {     /* an engine */
    int64_t id;   /* never used twice, so that its children stay its own when it has gone */
    int sock;     /* owned */
    bool is_born; /* it started this launcher, which leaves with it */
    bool gone;    /* removed at the end of the turn */
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* owned; supplementary ones */
    size_t group_count;
};

struct child {
    pid_t pid;
    int64_t peer, token;
    struct cg_place *place; /* NULL = none */
    bool is_helper;         /* no supervisor: it does something for a peer, with its rights */
};

struct leftover { /* a place whose supervisor did not end well */
    struct cg_place *place;
    int64_t peer, token;
};

struct reap { /* a REAP that has not been answered */
    int64_t peer, token, attempt, killed, give_up_ms;
    char *run, *step, *cgroup; /* owned; cgroup: NULL = none */
    pid_t reaper;              /* the child that does it; 0 = this process */
    bool done;                 /* the reaper has ended */
};

struct host { /* all NULL or empty until they are needed */
    struct cg *cg;
    struct sandbox *sandbox;
    struct step_facts facts;
};

struct policy {  /* who may come beside root and our own user */
    uid_t *uids; /* owned */
    gid_t *gids; /* owned */
    size_t uid_count, gid_count;
};

struct launcher {
    const struct launcher_conf *conf;
    char *program; /* owned; absolute; what HUP starts */
    int signals;   /* a signalfd */
    int listener;  /* -1: it serves the engine that started it */
    int lock;      /* held while we listen; -1 = none */
    int oom_score; /* its own file in /proc; -1 until the first launch */
    char own_oom_score[16];
    struct policy policy;
    struct host host;
    struct peer *peers;
    size_t peer_count;
    int64_t next_peer;
    struct child *children;
    size_t child_count, child_cap;
    struct leftover *leftovers;
    size_t leftover_count;
    struct reap *reaps;
    size_t reap_count;
    bool orphans;              /* there may be children that are no supervisors */
    int64_t sweeping_since_ms; /* boot clock; 0 = there is nothing to sweep */
    struct buf raw;            /* the message being handled */
};

/* launcher_peer.c */
bool peer_listen(struct launcher *l, const char *path, struct err *err) MUST_CHECK;
/* Takes the socket. NULL where its peer may not, or there are too many. */
struct peer *peer_add(struct launcher *l, int sock, int64_t id);
void peer_accept(struct launcher *l);
struct peer *peer_find(struct launcher *l, int64_t id); /* NULL = gone */
/* Reads one message and acts on it; where the engine is gone, says so in `gone`. */
void peer_hear(struct launcher *l, struct peer *p);
void peer_answer(struct peer *p, const struct step_msg *msg);
void peer_refuse(struct peer *p, int64_t token, const char *why);
void peer_purge(struct launcher *l); /* removes those that are gone */

/* launcher_launch.c */
void launch(struct launcher *l, struct peer *p, const struct step_msg *msg,
            const int fds[STEP_MSG_FDS]);

/* launcher_child.c */
void child_add(struct launcher *l, const struct child *child);
void child_reap(struct launcher *l); /* those that have ended */
/* Its place is killed empty; its pid does not count. */
void child_leave_over(struct launcher *l, const struct child *child);
void child_add_reap(struct launcher *l, const struct reap *reap); /* takes its texts */
void child_on_reap(struct launcher *l, const struct peer *p, struct step_msg *msg);
bool child_has_leftovers(const struct launcher *l);
void child_sweep(struct launcher *l); /* one look; to be called again after some ms */
void child_forget_reaps(struct launcher *l, int64_t peer); /* it will not hear the answers */

/* launcher_host.c */
void host_need_sandbox(struct host *host);
void host_need_limits(struct host *host);                              /* cgroups and pools */
void host_restore(struct host *host, const void *cgroups, size_t len); /* of cg_save() */
/* This process has become another user: what that may do is looked at, with the cgroups as they
 * are. */
void host_rebind(struct host *host);
void host_close(struct host *host);

/* launcher_policy.c */
bool policy_read(const char *const *allow, size_t count, struct policy *ret,
                 struct err *err) MUST_CHECK;
bool policy_admits(const struct policy *policy, const struct peer *p);
/* This launcher is root and the peer is not: what it asks for is done with its rights. */
bool policy_binds(const struct peer *p);
/* Of a peer that is bound: whether it may launch that in this folder. Where the spec names the
 * peer's own user it is encoded again, without: the supervisor is that user. Else `ret` stays
 * empty. */
bool policy_spec(const struct peer *p, int folder, int record, const void *spec, size_t spec_len,
                 struct buf *ret, struct err *err) MUST_CHECK;
/* This process becomes the peer for good. */
bool policy_become(const struct peer *p) MUST_CHECK;

/* launcher_resume.c */
/* Goes on as the program at l->program; returns where that could not be done, and says why. */
void resume_exec(struct launcher *l);
bool resume_read(struct launcher *l, int fd, struct err *err) MUST_CHECK;

/* launcher.c: a line on standard error, which is the journal of a service. */
void launcher_say(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
