/*
 * record.c - the attempt's record: three sections, each written once by one pwrite.
 *
 *   0     identity   by the engine, with all RECORD_SIZE bytes, so that the file has its space
 *   1024  began      by the supervisor, just before the command starts
 *   1536  end        by the supervisor
 *
 * What is true after a kill -9 at any point: a section is there completely or reads as not there,
 * since its checksum covers all of it; a later section never touches an earlier one, and each
 * begins at a sector of its own, so that a torn write by a power failure stays inside it.
 */
#include "base/mem.h"
#include "base/wire.h"
#include "executor/step/step.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTION_HEADER 20 /* magic, section, length of the payload: u32 each; checksum: u64 */
#define MAGIC UINT32_C(0x31434552) /* "REC1" */

enum section { SECTION_IDENTITY, SECTION_BEGAN, SECTION_END };
static const struct {
    size_t at, size;
} places[] = {{0, 1024}, {1024, 512}, {1536, 2560}};

enum { ID_RUN = 1, ID_STEP = 2, ID_ATTEMPT = 3, ID_BOOT = 4 };
enum { BEGAN_AT = 1, BEGAN_PID = 2, BEGAN_START = 3, BEGAN_CGROUP = 4 };

enum end_tag {
    END_HOW = 1,
    END_EXIT_CODE = 2,
    END_SIGNAL = 3,
    END_BEGAN = 4,
    END_ENDED = 5,
    END_USAGE = 6, /* 6, 7 and from 13 on: step_usage_fields[] */
    END_HAS_OUTPUT = 8,
    END_HAS_METRICS = 9,
    END_HAS_FILES = 10,
    END_LOG_CUT = 11,
    END_MESSAGE = 12,
};

/* ---- how an attempt ended
 * ------------------------------------------------------------------------- */

enum type { TYPE_INT64, TYPE_INT, TYPE_BOOL };

/* clang-format off */
static const struct end_field {
    uint16_t tag;
    enum type type;
    size_t offset;
} end_fields[] = {
    {END_EXIT_CODE,   TYPE_INT,   offsetof(struct step_end, exit_code)},
    {END_SIGNAL,      TYPE_INT,   offsetof(struct step_end, signal)},
    {END_BEGAN,       TYPE_INT64, offsetof(struct step_end, began_ms)},
    {END_ENDED,       TYPE_INT64, offsetof(struct step_end, ended_ms)},
    {END_HAS_OUTPUT,  TYPE_BOOL,  offsetof(struct step_end, has_output)},
    {END_HAS_METRICS, TYPE_BOOL,  offsetof(struct step_end, has_metrics)},
    {END_HAS_FILES,   TYPE_BOOL,  offsetof(struct step_end, has_files)},
    {END_LOG_CUT,     TYPE_BOOL,  offsetof(struct step_end, log_cut)},
};
/* clang-format on */

/* clang-format off */
const struct step_usage_field step_usage_fields[] = {
    {"cpu_us",       offsetof(struct step_usage, cpu_us),       END_USAGE,     true,  true},
    {"peak_bytes",   offsetof(struct step_usage, peak_bytes),   END_USAGE + 1, true,  true},
    {"read_bytes",   offsetof(struct step_usage, read_bytes),   13,            true,  true},
    {"write_bytes",  offsetof(struct step_usage, write_bytes),  14,            true,  true},
    {"throttled_us", offsetof(struct step_usage, throttled_us), 15,            true,  true},
    {"pids_peak",    offsetof(struct step_usage, pids_peak),    16,            false, true},
    {"memory_bytes", offsetof(struct step_usage, memory_bytes), 17,            true,  false},
    {"pids",         offsetof(struct step_usage, pids),         18,            true,  false},
};
/* clang-format on */
const size_t step_usage_field_count = COUNT_OF(step_usage_fields);

void step_end_encode(const struct step_end *end, struct buf *ret)
{
    wire_put_int(ret, END_HOW, (int64_t)end->how);
    for (size_t i = 0; i < COUNT_OF(end_fields); i++) {
        const void *member = (const char *)end + end_fields[i].offset;
        int64_t value = end_fields[i].type == TYPE_INT64 ? *(const int64_t *)member
                        : end_fields[i].type == TYPE_INT ? *(const int *)member
                                                         : *(const bool *)member;
        wire_put_int(ret, end_fields[i].tag, value);
    }
    for (size_t i = 0; i < step_usage_field_count; i++) {
        const struct step_usage_field *f = &step_usage_fields[i];
        if (f->ends) {
            wire_put_int(ret, (uint16_t)f->tag,
                         *(const int64_t *)((const char *)&end->usage + f->offset));
        }
    }
    wire_put_text(ret, END_MESSAGE, end->message);
}

static void read_end_number(struct wire *w, struct step_end *end)
{
    int64_t value;
    for (size_t i = 0; i < step_usage_field_count; i++) {
        const struct step_usage_field *f = &step_usage_fields[i];
        if (f->ends && f->tag == w->tag && wire_int(w, &value)) {
            *(int64_t *)((char *)&end->usage + f->offset) = value;
        }
    }
    for (size_t i = 0; i < COUNT_OF(end_fields); i++) {
        if (end_fields[i].tag != w->tag || !wire_int(w, &value)) {
            continue;
        }
        void *member = (char *)end + end_fields[i].offset;
        if (end_fields[i].type == TYPE_INT64) {
            *(int64_t *)member = value;
        } else if (end_fields[i].type == TYPE_INT && value == (int)value) {
            *(int *)member = (int)value;
        } else if (end_fields[i].type == TYPE_BOOL) {
            *(bool *)member = value != 0;
        }
    }
}

bool step_end_decode(const void *data, size_t len, struct step_end *ret)
{
    struct step_end end = {.exit_code = -1, .usage = STEP_USAGE_NONE};
    int64_t how = 0;
    struct wire w;
    wire_read(&w, data, len);
    while (wire_next(&w)) {
        if (w.tag == END_HOW) {
            (void)wire_int(&w, &how);
        } else if (w.tag == END_MESSAGE) {
            size_t room = sizeof(end.message) - 1;
            memcpy(end.message, w.data, w.len < room ? w.len : room);
            end.message[w.len < room ? w.len : room] = '\0';
        } else {
            read_end_number(&w, &end);
        }
    }
    if (w.bad || how < STEP_OK || how > STEP_HOW_LAST) {
        return false;
    }
    end.how = (enum step_how)how;
    *ret = end;
    return true;
}

/* ---- sections
 * ------------------------------------------------------------------------------------- */

/* FNV-1a, 64 bits: against torn writes, not against attackers (who could write the file anyway). */
static uint64_t checksum(const unsigned char *data, size_t len)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++) {
        sum = (sum ^ data[i]) * UINT64_C(0x100000001b3);
    }
    return sum;
}

static void put_little(unsigned char *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
}

static uint64_t get_little(const unsigned char *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

/* The section's bytes in `block`, which has room for any section; how many they are, 0 = too many.
 */
static size_t make_section(enum section section, const struct buf *payload, unsigned char *block)
{
    size_t total = SECTION_HEADER + payload->len;
    if (payload->full || total > places[section].size) {
        return 0;
    }
    memcpy(block + SECTION_HEADER, buf_str(payload), payload->len);
    put_little(block, MAGIC, 4);
    put_little(block + 4, (uint64_t)section, 4);
    put_little(block + 8, payload->len, 4);
    memset(block + 12, 0, 8);
    put_little(block + 12, checksum(block, total), 8);
    return total;
}

static bool write_at(int fd, const void *data, size_t len, size_t at, struct err *err)
{
    ssize_t wrote;
    do {
        wrote = pwrite(fd, data, len, (off_t)at);
    } while (wrote < 0 && errno == EINTR);
    if (wrote < 0) {
        return err_sys(err, errno, "cannot write the attempt's record");
    }
    return (size_t)wrote == len ||
           err_set(err, ERR_NO_SPACE, "cannot write the attempt's record: no space left");
}

static bool write_section(int fd, enum section section, const struct buf *payload, bool sync,
                          struct err *err)
{
    unsigned char block[RECORD_SIZE];
    size_t len = make_section(section, payload, block);
    if (len == 0) {
        return err_set(err, ERR_LIMIT, "a section of the attempt's record is too large");
    }
    if (!write_at(fd, block, len, places[section].at, err)) {
        return false;
    }
    return !sync || fdatasync(fd) == 0 || err_sys(err, errno, "cannot sync the attempt's record");
}

/* The payload inside `file`, or false. */
static bool find_section(const unsigned char *file, enum section section, struct wire *ret)
{
    unsigned char copy[RECORD_SIZE];
    const unsigned char *at = file + places[section].at;
    size_t len = (size_t)get_little(at + 8, 4);
    if (get_little(at, 4) != MAGIC || get_little(at + 4, 4) != (uint64_t)section ||
        len > places[section].size - SECTION_HEADER) {
        return false;
    }
    memcpy(copy, at, SECTION_HEADER + len);
    memset(copy + 12, 0, 8);
    if (checksum(copy, SECTION_HEADER + len) != get_little(at + 12, 8)) {
        return false;
    }
    wire_read(ret, at + SECTION_HEADER, len);
    return true;
}

/* ---- writing
 * -------------------------------------------------------------------------------------- */

int record_create(int dir_fd, const char *run, const char *step, int64_t attempt,
                  const char *boot_id, struct err *err)
{
    unsigned char file[RECORD_SIZE] = {0};
    AUTO_BUF struct buf payload = BUF_INIT(RECORD_SIZE);
    wire_put_text(&payload, ID_RUN, run);
    wire_put_text(&payload, ID_STEP, step);
    wire_put_int(&payload, ID_ATTEMPT, attempt);
    wire_put_text(&payload, ID_BOOT, boot_id);
    if (make_section(SECTION_IDENTITY, &payload, file) == 0) {
        err_set(err, ERR_LIMIT, "the names of run and step are too long for a record");
        return -1;
    }
    AUTO_CLOSE int fd = openat(dir_fd, "record", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        err_sys(err, errno, "cannot make the attempt's record");
        return -1;
    }
    if (!write_at(fd, file, sizeof(file), 0, err)) {
        return -1;
    }
    int result = fd;
    fd = -1;
    return result;
}

bool record_write_began(int fd, int64_t began_ms, int64_t pid, int64_t start, const char *cgroup,
                        bool sync, struct err *err)
{
    AUTO_BUF struct buf payload = BUF_INIT(RECORD_SIZE);
    wire_put_int(&payload, BEGAN_AT, began_ms);
    wire_put_int(&payload, BEGAN_PID, pid);
    wire_put_int(&payload, BEGAN_START, start);
    if (cgroup != NULL && strlen(cgroup) < sizeof(((struct record *)0)->cgroup)) {
        wire_put_text(&payload, BEGAN_CGROUP, cgroup);
    }
    return write_section(fd, SECTION_BEGAN, &payload, sync, err);
}

bool record_write_end(int fd, const struct step_end *end, bool sync, struct err *err)
{
    AUTO_BUF struct buf payload = BUF_INIT(RECORD_SIZE);
    step_end_encode(end, &payload);
    return write_section(fd, SECTION_END, &payload, sync, err);
}

/* ---- reading
 * -------------------------------------------------------------------------------------- */

static void copy_text(const struct wire *w, char *to, size_t size)
{
    size_t len = w->len < size - 1 ? w->len : size - 1;
    memcpy(to, w->data, len);
    to[len] = '\0';
}

static bool read_identity(struct wire *w, struct record *r)
{
    while (wire_next(w)) {
        if (w->tag == ID_RUN) {
            copy_text(w, r->run, sizeof(r->run));
        } else if (w->tag == ID_STEP) {
            copy_text(w, r->step, sizeof(r->step));
        } else if (w->tag == ID_BOOT) {
            copy_text(w, r->boot_id, sizeof(r->boot_id));
        } else if (w->tag == ID_ATTEMPT) {
            (void)wire_int(w, &r->attempt);
        }
    }
    return !w->bad;
}

static bool read_began(struct wire *w, struct record *r)
{
    while (wire_next(w)) {
        if (w->tag == BEGAN_AT) {
            (void)wire_int(w, &r->began_ms);
        } else if (w->tag == BEGAN_PID) {
            (void)wire_int(w, &r->supervisor_pid);
        } else if (w->tag == BEGAN_START) {
            (void)wire_int(w, &r->supervisor_start);
        } else if (w->tag == BEGAN_CGROUP) {
            copy_text(w, r->cgroup, sizeof(r->cgroup));
        }
    }
    return !w->bad;
}

bool record_read(int fd, struct record *ret, struct err *err)
{
    unsigned char file[RECORD_SIZE] = {0};
    struct record r = {0};
    struct wire w;
    ssize_t got = pread(fd, file, sizeof(file), 0);
    if (got < 0) {
        return err_sys(err, errno, "cannot read the attempt's record");
    }
    if (!find_section(file, SECTION_IDENTITY, &w) || !read_identity(&w, &r)) {
        return err_set(err, ERR_CORRUPT,
                       "the attempt's record is damaged: it does not say whose "
                       "it is");
    }
    r.began = find_section(file, SECTION_BEGAN, &w) && read_began(&w, &r);
    r.ended = find_section(file, SECTION_END, &w) &&
              step_end_decode(w.at, (size_t)(w.end - w.at), &r.end);
    *ret = r;
    return true;
}
