/*
 * err.h - an error is a code for decisions and a sentence for people.
 *
 * A function that can fail returns bool (false = failed) or a pointer (NULL = failed) and takes
 * `struct err *err` last. The struct lives on the caller's stack; each caller on the way up may put
 * what it knows in front (err_wrap). Only who handles an error prints it, once.
 * `err` may be NULL where the caller does not care.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

enum err_code {
    ERR_NONE = 0,
    ERR_USAGE,       /* the command line */
    ERR_INVALID,     /* a user's document or value */
    ERR_NOT_FOUND,   /* what was named does not exist */
    ERR_DENIED,      /* not allowed: permissions, read-only file system */
    ERR_UNAVAILABLE, /* a daemon, a store or a host does not answer */
    ERR_EXISTS,      /* already there */
    ERR_BUSY,        /* somebody else holds it */
    ERR_LIMIT,       /* a bound of ours is exceeded */
    ERR_NO_SPACE,    /* disk full, quota */
    ERR_IO,          /* any other system error */
    ERR_CORRUPT,     /* stored bytes are not what was written */
    ERR_NEWER,       /* written by a newer version */
    ERR_UNSUPPORTED, /* promised, but not in this version */
    ERR_INTERNAL,    /* a bug of ours */
    ERR_CODE_COUNT
};

struct err {
    enum err_code code;
    int sys; /* errno where one was the cause, else 0 */
    char msg[1000];
};

#define ERR_INIT ((struct err){0})

/* Sets code and sentence; always returns false, so that `return err_set(...)` reads well. */
bool err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Sets the sentence to "<text>: <strerror(sysno)>" and the code to what sysno means (ENOSPC and
 * EDQUOT: ERR_NO_SPACE; EACCES, EPERM, EROFS: ERR_DENIED; ENOENT: ERR_NOT_FOUND; EEXIST:
 * ERR_EXISTS; EWOULDBLOCK: ERR_BUSY; else ERR_IO). Always returns false. */
bool err_sys(struct err *err, int sysno, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "<text>: " in front of the sentence, the code stays. Always returns false. */
bool err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The exit code of the command-line contract for a failure of this kind (2, 3, 4, 5, 6 or 70). */
int err_exit_code(enum err_code code);

/* A stable lower-case word for the code ("not_found"), for JSON. */
const char *err_code_name(enum err_code code);

#endif
