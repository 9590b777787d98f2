/*
 * step.h - what the engine's side and orch-step agree on: the launch spec, the attempt's record,
 * the messages. The only public header of executor/step; all of it is plain data, encoded by
 * base/wire.h, and fuzzed.
 *
 * An attempt folder (runs/<run>/<step>@<attempt>/, made by the engine) holds
 *   record     RECORD_SIZE bytes, written in full at the start so that the file has its space;
 *              carries the flock that says "a supervisor lives"; three sections, each written once
 *              by one pwrite with its own checksum: identity (engine), began, end (supervisor)
 *   log        the captured output (format below), capped; made with its first line
 *   script     the shell script, where the step has one
 *   out/       ORCH_OUT        artifacts/  ORCH_ARTIFACTS
 *   output     ORCH_OUTPUT     metrics     ORCH_METRICS
 *   files      what was stored: wire list of struct step_file, fsynced before the end is written
 *   usage      samples of what it takes while it runs: a line of names, then lines of numbers; made
 *              with its first sample, thinned out so that it stays below some hundred lines
 *   control    a socket, made by the supervisor only when its engine has gone
 *
 * log: one line per line of output, "2026-11-21T08:00:00.123Z o text": the time of its first byte,
 * then the stream (o stdout, e stderr, s the supervisor's own words), upper case (O, E) where the
 * line was not ended there (cut at LIMIT_LOG_LINE, or no newline at the end). Bytes are kept as
 * written but for NUL (shown as U+2400). A line is there when it has ended; readers may read along.
 */
#ifndef EXECUTOR_STEP_STEP_H
#define EXECUTOR_STEP_STEP_H

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"

#include <stdint.h>

/* ---- the launch spec
 * ------------------------------------------------------------------------------------------- */

struct step_want {     /* a declared path output */
    char *name, *path; /* path relative to out/, no "..", no leading slash */
    bool optional;
};

/* What bounds a step: limits, not reservations. 0 = none. */
struct step_limits {
    int64_t cpu_milli;                 /* thousandths of a cpu */
    int64_t memory;                    /* bytes, swap included */
    int64_t pids;                      /* processes and threads */
    int64_t io_weight;                 /* 1..10000, 100 = as everybody */
    int64_t io_read, io_write;         /* bytes a second, of each disk */
    int64_t io_read_ops, io_write_ops; /* operations a second, of each disk */
    int64_t cores, gpus;               /* so many of the host's, for this step alone (pool.h) */
    char *core_list, *gpu_list;        /* or these: "0,2,5"; NULL = any */
    bool best_effort; /* what cannot be enforced is left out, and the log says so */
};

/* What is around a step. */
struct step_sandbox {
    bool privileged;  /* nothing is taken away: sudo, mounts, all system calls */
    bool no_network;  /* a network namespace with nothing but its own loopback */
    bool private_tmp; /* /tmp and /var/tmp of its own */
    bool has_umask, has_core, has_open_files, has_user; /* the numbers below count */
    int64_t umask, core, open_files;                    /* core: bytes of a core dump */
    int64_t uid, gid;
    bool shared;   /* steps of this run have different users: each must reach what others left */
    char **groups; /* decimal group ids beside gid */
    size_t group_count;
    char **read_only, **hidden; /* absolute paths; one that does not exist is none */
    size_t read_only_count, hidden_count;
    char **writable; /* where given: it can write nowhere else but in its own folders */
    size_t writable_count;
};

#define STEP_SECRETS_BYTES                                                                         \
    (256 << 10)           /* all secrets of a step together: each is masked in many forms */
#define STEP_WORDS 100000 /* arguments, variables and outputs of a step together */

#define STEP_GROUPS 1000
#define STEP_LIMIT_MAX (INT64_C(1) << 60) /* of any number of struct step_limits */

struct step_spec {
    char *run, *step; /* step: the folder's name, NAME or NAME.2 */
    int64_t attempt;
    char **argv; /* at least one; argv[0] without a slash is looked up in the PATH of `env` */
    size_t argc;
    char *script; /* NULL, or: written to `script` in the attempt folder, whose path becomes the
                     last argument */
    char **env;   /* NAME=value; all of it */
    size_t env_count;
    char *cwd;   /* absolute */
    char *store; /* absolute: the cas folder */
    struct step_want *outputs;
    size_t output_count;
    char **secrets; /* values to mask in the log, each LIMIT_SECRET_MIN..LIMIT_SECRET_SIZE bytes */
    size_t secret_count;
    int64_t timeout_ms; /* 0 = none */
    int64_t grace_ms;
    int64_t log_limit; /* 0 = LIMIT_LOG_DEFAULT */
    bool log_fail; /* at the limit: end the step with reason limit; else drop what follows, and say
                      so in the log */
    bool sync_began; /* fsync the began section before the command starts (on_lost ask or fail) */
    struct step_limits limits;
    struct step_sandbox sandbox;
};

/* True where the limits need a cgroup. */
bool step_limits_any(const struct step_limits *limits);

void step_spec_done(
    struct step_spec *spec); /* frees what it owns; for decoded specs (all members owned) */
bool step_spec_encode(const struct step_spec *spec, struct buf *ret,
                      struct err *err) MUST_CHECK; /* checks the bounds */
bool step_spec_decode(const void *data, size_t len, struct step_spec *ret,
                      struct err *err) MUST_CHECK; /* hostile input welcome */
/* Reads nothing but the limits, which are owned: for the launcher, which needs them before it
 * forks. False where they are damaged: then the whole spec is, too. */
bool step_spec_limits(const void *data, size_t len, struct step_limits *ret) MUST_CHECK;
void step_limits_done(struct step_limits *limits);

/* ---- what the host can hold
 * ------------------------------------------------------------------------------------- */

struct step_fact {
    char *name; /* "memory", "io.write", "user" … (facts.c has them all) */
    bool holds;
    int64_t amount; /* of cores and gpus: how many there are; else 0 */
    char *why;      /* a sentence where it does not hold; "" */
    char *fix;      /* a command or a sentence; "" = nothing is known */
};
struct step_facts {
    struct step_fact *items; /* owned */
    size_t count;
};
void step_facts_done(struct step_facts *facts);
void step_facts_encode(const struct step_facts *facts, struct buf *ret);
bool step_facts_decode(const void *data, size_t len, struct step_facts *ret,
                       struct err *err) MUST_CHECK; /* hostile input welcome */
/* NULL = nobody said. */
const struct step_fact *step_facts_find(const struct step_facts *facts, const char *name);
/* The first thing that is asked for and does not hold: its key in a pipeline file
 * ("resources.memory"), and the fact (NULL where the host does not know of it). False: all holds.
 */
bool step_facts_lacks(const struct step_facts *facts, const struct step_limits *limits,
                      const struct step_sandbox *sandbox, const char **ret_key,
                      const struct step_fact **ret_fact);

/* ---- how an attempt ended
 * -------------------------------------------------------------------------------------- */

enum step_how { /* stored and sent: never renumber */
                STEP_OK = 1,
                STEP_EXIT = 2,   /* exit_code != 0 */
                STEP_SIGNAL = 3, /* signal */
                STEP_TIMEOUT = 4,
                STEP_LIMIT = 5,  /* the log's limit with log_fail */
                STEP_OUTPUT = 6, /* exit 0, but a declared output is missing, lies outside, or could
                                    not be stored */
                STEP_SPAWN = 7,  /* the command could not be started */
                STEP_CANCELLED = 8,  /* stopped on request */
                STEP_SHUTDOWN = 9,   /* the host shut down: the engine takes it as lost */
                STEP_LOST = 10,      /* never written: what a reader concludes */
                STEP_OOM = 11,       /* the memory limit killed it, or a part of it */
                STEP_ISOLATION = 12, /* a limit, or what is to be around it, cannot be had here */
                STEP_HOW_LAST = STEP_ISOLATION,
};

/* What an attempt took; -1 = not measured. Live samples have the same members. */
struct step_usage {
    int64_t cpu_us;     /* user and system, of the whole tree */
    int64_t peak_bytes; /* of a cgroup; else the largest resident size of one process */
    int64_t read_bytes, write_bytes; /* from and to disks */
    int64_t throttled_us;            /* for how long the cpu limit held it */
    int64_t pids_peak;
    int64_t memory_bytes, pids; /* now: of samples only */
};

/* The members by name, for records, files and JSON: one row here is a new figure everywhere. */
struct step_usage_field {
    const char *name; /* "read_bytes" */
    size_t offset;    /* of the int64_t in struct step_usage */
    int tag;          /* on the wire: never renumbered */
    bool sampled;     /* stands in samples */
    bool ends;        /* stands in the record of the end */
};
extern const struct step_usage_field step_usage_fields[];
extern const size_t step_usage_field_count;
#define STEP_USAGE_NONE ((struct step_usage){-1, -1, -1, -1, -1, -1, -1, -1})

struct step_end {
    enum step_how how;
    int exit_code;              /* -1 = none */
    int signal;                 /* 0 = none */
    int64_t began_ms, ended_ms; /* wall clock; began_ms 0 = never began */
    struct step_usage usage;
    bool has_output, has_metrics, has_files; /* the files exist and are not empty */
    bool log_cut;
    char message[512]; /* a sentence for people where how is not OK; may be empty */
};

/* ---- the record file
 * ------------------------------------------------------------------------------------------- */

#define RECORD_SIZE 4096

struct record {
    char run[64], step[160]; /* identity */
    int64_t attempt;
    char boot_id[40];
    bool began;
    int64_t began_ms;
    /* For people and for `doctor`: whether a supervisor lives is what the lock says, so a recycled
     * pid is never taken for ours. The start is on CLOCK_BOOTTIME, in ms. */
    int64_t supervisor_pid, supervisor_start;
    char cgroup[400]; /* of the tree, an absolute path in a file system of cgroups; "" = none */
    bool ended;
    struct step_end end;
};

/* Creates `record` in the open folder, RECORD_SIZE bytes with the identity written; returns
 * the fd, or -1. Not locked. */
int record_create(int dir_fd, const char *run, const char *step, int64_t attempt,
                  const char *boot_id, struct err *err) MUST_CHECK;
bool record_write_began(int fd, int64_t began_ms, int64_t pid, int64_t start, const char *cgroup,
                        bool sync, struct err *err) MUST_CHECK;
bool record_write_end(int fd, const struct step_end *end, bool sync, struct err *err) MUST_CHECK;
/* A section that is absent, torn or foreign reads as not there. False (ERR_CORRUPT) only where the
 * identity cannot be read. */
bool record_read(int fd, struct record *ret, struct err *err) MUST_CHECK;
void step_end_encode(const struct step_end *end, struct buf *ret);
bool step_end_decode(const void *data, size_t len, struct step_end *ret) MUST_CHECK;

/* ---- stored files
 * ---------------------------------------------------------------------------------------------- */

#define STEP_FILES_BYTES (128 << 20) /* of the encoded list */

struct step_file {
    bool artifact; /* left in artifacts/; else a declared output */
    char *name;    /* the output's name, or the artifact's relative path */
    char *path;    /* relative to the attempt folder: out/raw.csv */
    char digest[DIGEST_TEXT];
    int64_t size, files;
    bool folder;
};
struct step_files {
    struct step_file *items; /* owned */
    size_t count;
};
void step_files_done(struct step_files *files);
struct step_file *step_files_add(struct step_files *files); /* a new, empty one; borrowed */
void step_files_encode(const struct step_files *files, struct buf *ret);
bool step_files_decode(const void *data, size_t len, struct step_files *ret,
                       struct err *err) MUST_CHECK;

/* ---- messages
 * --------------------------------------------------------------------------------------------------
 * SOCK_SEQPACKET, one wire-encoded message each. fds travel by SCM_RIGHTS in the order named.
 *
 *   engine -> launcher
 *     LAUNCH   token, spec (absent: it is the 4th fd, a sealed memfd); fds: folder, record
 * (locked), channel[, spec] REAP     token of the launch, or one of its own; run, step, attempt;
 * text: the cgroup of the record, if any: waits until that launch's supervisor has ended, kills
 * what it left PROBE    token: what does this host hold? launcher -> engine REFUSED  token, text:
 * nothing was started REAPED   token, count PROBED   token, spec: struct step_facts supervisor ->
 * engine BEGAN    at_ms; only where the command runs for some ms END      struct step_end engine ->
 * supervisor STOP     grace_ms (-1: the spec's; 0: KILL at once) ACK      the end is committed: no
 * fsync needed
 *
 * That a launch worked needs no word: its supervisor holds the channel's other end, and nobody else
 * does. So the channel's end without an END means: never started, refused, or died; the record says
 * which. A newly connected engine (control socket) is told BEGAN and END where they have happened.
 */
enum step_msg_kind {
    MSG_LAUNCH = 1,
    MSG_REAP = 2,
    MSG_REFUSED = 3,
    MSG_REAPED = 4,
    MSG_BEGAN = 5,
    MSG_END = 6,
    MSG_STOP = 7,
    MSG_ACK = 8,
    MSG_PROBE = 9,
    MSG_PROBED = 10,
    MSG_LAST = MSG_PROBED,
};

struct step_msg {
    enum step_msg_kind kind;
    int64_t token;
    int64_t number;          /* count, at_ms or grace_ms */
    char *run, *step, *text; /* owned after decode */
    int64_t attempt;
    const void *spec; /* borrowed from the message's bytes */
    size_t spec_len;
    struct step_end end;
};
void step_msg_done(struct step_msg *msg);
bool step_msg_encode(const struct step_msg *msg, struct buf *ret, struct err *err) MUST_CHECK;
bool step_msg_decode(const void *data, size_t len, struct step_msg *ret,
                     struct err *err) MUST_CHECK;

#define STEP_MSG_FDS 4
/* One datagram with its fds; fds are not consumed. false with ERR_BUSY where the socket is full.
 * Never raises SIGPIPE. */
bool step_send(int sock, const struct step_msg *msg, const int *fds, size_t fd_count,
               struct err *err) MUST_CHECK;
/* The same for a message that is encoded already. */
bool step_send_bytes(int sock, const void *data, size_t len, const int *fds, size_t fd_count,
                     struct err *err) MUST_CHECK;
/* 1: got one (raw bytes in `raw`, `ret` borrows from it; fds are the caller's), 0: nothing there
 * now, -1: the peer is gone or it failed. Unused fds are set to -1. */
int step_recv(int sock, struct buf *raw, struct step_msg *ret, int fds[STEP_MSG_FDS],
              struct err *err) MUST_CHECK;

#endif
