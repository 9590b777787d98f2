/*
 * steps.c - the table of steps. A column is a row of COLUMNS: how it looks, what stands in it, and
 * for which steps it is worth its place: it appears where it is for one of those shown.
 */
#include "cli/steps.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli/table.h"
#include "executor/executor.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BRIEF_ROWS 40
#define METRICS_SHOWN 8
#define METRICS_LEAST 12 /* columns that metrics are left with on a narrow terminal */
#define PIPE_WIDTH 80
#define CPU_WORTH_US 100000
#define IO_WORTH_BYTES (1L << 20)

/* ---- reading */

static struct step_row *find_row(struct steps *v, const char *folder)
{
    struct step_row *row;
    HASH_FIND_STR(v->by_folder, folder, row);
    return row;
}

static void add_metric(struct steps *v, const struct store_step_metric *m)
{
    struct step_row *row = find_row(v, m->step);
    if (!row || ++row->metric_count > METRICS_SHOWN)
        return;
    char number[32];
    row->metrics = arena_printf(v->a, "%s%s%s=%s", row->metrics, *row->metrics ? " " : "",
                                m->metric.name, text_format_double(m->metric.value, number));
}

bool steps_load(struct steps *v, struct store *s, struct err *err)
{
    struct store_step *steps;
    struct store_attempt *attempts;
    struct store_step_metric *metrics;
    size_t attempt_count, metric_count;
    if (!store_get_steps(s, v->run, v->a, &steps, &v->count, err) ||
        !store_get_attempts(s, v->run, NULL, v->a, &attempts, &attempt_count, err) ||
        !store_get_metrics(s, v->run, NULL, v->a, &metrics, &metric_count, err))
        return false;
    v->rows = arena_array(v->a, v->count ? v->count : 1, sizeof(*v->rows));
    for (size_t i = 0; i < v->count; i++) {
        v->rows[i].step = &steps[i];
        v->rows[i].metrics = "";
        HASH_ADD_KEYPTR(hh, v->by_folder, steps[i].folder, strlen(steps[i].folder), &v->rows[i]);
    }
    for (size_t i = 0; i < attempt_count; i++) { /* those of a step come together */
        struct step_row *row = find_row(v, attempts[i].step);
        if (!row)
            continue;
        if (row->attempt_count++ == 0)
            row->attempts = &attempts[i];
    }
    for (size_t i = 0; i < metric_count; i++)
        add_metric(v, &metrics[i]);
    return true;
}

void steps_done(struct steps *v)
{
    HASH_CLEAR(hh, v->by_folder);
}

const struct store_attempt *steps_last_attempt(const struct step_row *row)
{
    return row->attempt_count ? &row->attempts[row->attempt_count - 1] : NULL;
}

static int64_t now_ms(void)
{
    return clock_wall_ms(clock_system());
}

/* ---- what a step took */

static void add(int64_t *sum, int64_t value)
{
    if (value >= 0 && __builtin_add_overflow(*sum < 0 ? 0 : *sum, value, sum))
        *sum = INT64_MAX;
}

static void raise_to(int64_t *highest, int64_t value)
{
    if (value > *highest)
        *highest = value;
}

static void read_live(const struct steps *v, struct step_row *row, const struct store_attempt *at)
{
    struct exec_usage u = {0};
    AUTO_FREE char *folder = engine_attempt_dir(cli_data_dir(v->c), v->run, at->step, at->number);
    /* What cannot be read is not there: the step can write in this folder, too. */
    if (exec_read_usage(folder, &u, NULL) && u.count > 0) {
        row->now = u.items[u.count - 1].usage;
        row->cpu_milli = exec_usage_cpu_milli(&u);
    }
    exec_usage_done(&u);
}

static void add_attempt(struct step_row *row, const struct store_attempt *at,
                        const struct step_usage *usage)
{
    int64_t end = at->ended_ms > 0 ? at->ended_ms : now_ms();
    if (at->started_ms > 0 && end > at->started_ms)
        row->ran_ms += end - at->started_ms;
    add(&row->took.cpu_us, usage->cpu_us);
    add(&row->took.read_bytes, usage->read_bytes);
    add(&row->took.write_bytes, usage->write_bytes);
    add(&row->took.throttled_us, usage->throttled_us);
    raise_to(&row->took.peak_bytes, usage->peak_bytes);
}

/* Only for rows that are shown: a run may have a hundred thousand. */
static void measure(const struct steps *v, struct step_row *row)
{
    if (row->measured)
        return;
    row->measured = true;
    row->took = row->now = STEP_USAGE_NONE;
    row->cpu_milli = -1;
    for (size_t i = 0; i < row->attempt_count; i++) {
        const struct store_attempt *at = &row->attempts[i];
        bool runs = at->ended_ms == 0;
        if (runs)
            read_live(v, row, at);
        struct step_usage usage = runs ? row->now : engine_attempt_usage(at);
        add_attempt(row, at, &usage);
    }
}

/* ---- the columns */

static int64_t duration(const struct store_step *s)
{
    if (s->started_ms <= 0)
        return -1;
    int64_t end = s->finished_ms > 0 ? s->finished_ms : now_ms();
    return end > s->started_ms ? end - s->started_ms : 0;
}

/* Of a limit on several cpus the kernel adds up what each was held: more than all of it is all. */
static int64_t throttled_percent(const struct step_row *row)
{
    int64_t percent = row->ran_ms > 0 ? row->took.throttled_us / 10 / row->ran_ms : 0;
    return percent > 100 ? 100 : percent;
}

static const char *name_text(struct arena *a, const struct step_row *row)
{
    (void)a;
    return row->step->name;
}

static const char *status_text(struct arena *a, const struct step_row *row)
{
    (void)a;
    return row->step->status;
}

static const char *duration_text(struct arena *a, const struct step_row *row)
{
    return cli_duration(a, duration(row->step));
}

static const char *attempts_text(struct arena *a, const struct step_row *row)
{
    return row->step->attempt ? arena_printf(a, "%" PRIu32, row->step->attempt) : "-";
}

static const char *cpu_text(struct arena *a, const struct step_row *row)
{
    return row->took.cpu_us < 0 ? "-" : cli_duration(a, row->took.cpu_us / 1000);
}

static const char *throttled_text(struct arena *a, const struct step_row *row)
{
    int64_t percent = throttled_percent(row);
    return percent > 0 ? arena_printf(a, "%" PRId64 "%%", percent) : "-";
}

static const char *peak_text(struct arena *a, const struct step_row *row)
{
    return row->took.peak_bytes > 0 ? cli_size(a, row->took.peak_bytes) : "-";
}

/* Two in one column: 1.2GiB, and 141MiB for 141.1MiB. */
static const char *short_size(struct arena *a, int64_t bytes)
{
    char out[32];
    if (bytes < 0)
        return "-";
    const char *dot = strchr(text_format_size(bytes, out), '.');
    if (!dot || dot - out < 2)
        return arena_strdup(a, out);
    return arena_printf(a, "%.*s%s", (int)(dot - out), out,
                        dot + 1 + strspn(dot + 1, "0123456789"));
}

static const char *io_text(struct arena *a, const struct step_row *row)
{
    if (row->took.read_bytes < 0 && row->took.write_bytes < 0)
        return "-";
    return arena_printf(a, "%s/%s", short_size(a, row->took.read_bytes),
                        short_size(a, row->took.write_bytes));
}

static const char *metrics_text(struct arena *a, const struct step_row *row)
{
    return row->metric_count > METRICS_SHOWN
               ? arena_printf(a, "%s and %zu more", row->metrics, row->metric_count - METRICS_SHOWN)
               : row->metrics;
}

static bool was_retried(const struct step_row *row)
{
    return row->step->attempt > 1;
}

static bool took_cpu(const struct step_row *row)
{
    return row->took.cpu_us >= CPU_WORTH_US;
}

static bool was_throttled(const struct step_row *row)
{
    return throttled_percent(row) > 0;
}

static bool has_peak(const struct step_row *row)
{
    return row->took.peak_bytes > 0;
}

static bool did_io(const struct step_row *row)
{
    return row->took.read_bytes >= IO_WORTH_BYTES || row->took.write_bytes >= IO_WORTH_BYTES;
}

static bool has_metrics(const struct step_row *row)
{
    return row->metric_count > 0;
}

enum { NAME, STATUS, DURATION, ATTEMPTS, CPU, THROTTLED, PEAK, IO, METRICS, COLUMN_COUNT };

/* clang-format off */
static const struct column {
    struct table_column look;
    const char *(*text)(struct arena *a, const struct step_row *row);
    bool (*worth)(const struct step_row *row); /* NULL: for every step */
    bool fills; /* also shown where it is not worth it, while there is room */
    int narrow; /* where room is short the highest goes first; 0 = stays */
} COLUMNS[COLUMN_COUNT] = {
    [NAME]      = {{"STEP", false, false},      name_text,      NULL,          false, 0},
    [STATUS]    = {{"STATUS", false, false},    status_text,    NULL,          false, 0},
    [DURATION]  = {{"DURATION", true, false},   duration_text,  NULL,          false, 0},
    [ATTEMPTS]  = {{"ATTEMPTS", true, false},   attempts_text,  was_retried,   true,  1},
    [CPU]       = {{"CPU", true, false},        cpu_text,       took_cpu,      false, 2},
    [THROTTLED] = {{"THROTTLED", true, false},  throttled_text, was_throttled, false, 3},
    [PEAK]      = {{"PEAK", true, false},       peak_text,      has_peak,      false, 0},
    [IO]        = {{"READ/WRITE", true, false}, io_text,        did_io,        false, 4},
    [METRICS]   = {{"METRICS", false, true},    metrics_text,   has_metrics,   false, 0},
};
/* clang-format on */

/* ---- which columns */

/* What is going to be printed. */
struct sheet {
    struct step_row **rows;
    size_t count;
    const char *(*cells)[COLUMN_COUNT];
    bool worth[COLUMN_COUNT], shown[COLUMN_COUNT];
    size_t width[COLUMN_COUNT];
};

static size_t text_width(const char *text)
{
    return text_utf8_count(text, strlen(text));
}

static void fill_column(struct steps *v, struct sheet *t, size_t column)
{
    const struct column *c = &COLUMNS[column];
    t->width[column] = strlen(c->look.title);
    for (size_t i = 0; i < t->count; i++) {
        t->cells[i][column] = c->text(v->a, t->rows[i]);
        size_t width = text_width(t->cells[i][column]);
        t->width[column] = width > t->width[column] ? width : t->width[column];
        t->worth[column] = t->worth[column] || !c->worth || c->worth(t->rows[i]);
    }
    t->shown[column] = t->worth[column] || c->fills;
}

/* Metrics are cut on a terminal, and may be long elsewhere: what is searched must be there. */
static size_t total_width(const struct sheet *t, bool terminal)
{
    size_t total = 0;
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        size_t width = t->width[i];
        if (i == METRICS)
            width = !terminal ? 0 : width < METRICS_LEAST ? width : METRICS_LEAST;
        if (t->shown[i])
            total += width + 1;
    }
    return total > 0 ? total - 1 : 0;
}

/* False: nothing is left that could go. */
static bool drop_one(struct sheet *t)
{
    size_t which = COLUMN_COUNT;
    int highest = 0;
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        int narrow = t->worth[i] ? COLUMNS[i].narrow : COLUMN_COUNT;
        if (t->shown[i] && narrow > highest) {
            highest = narrow;
            which = i;
        }
    }
    if (which < COLUMN_COUNT)
        t->shown[which] = false;
    return which < COLUMN_COUNT;
}

static void print_sheet(struct steps *v, const struct sheet *t, bool cut_names)
{
    struct table_column looks[COLUMN_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        if (t->shown[i])
            looks[count++] = COLUMNS[i].look;
    looks[NAME].cut = cut_names;
    struct table *table = table_new(v->c, looks, count);
    for (size_t row = 0; row < t->count; row++) {
        size_t at = 0;
        table_row(table);
        for (size_t i = 0; i < COLUMN_COUNT; i++) {
            const char *text = t->cells[row][i];
            if (t->shown[i])
                table_cell(table, at++, text, i == STATUS ? term_status_style(text) : TERM_PLAIN);
        }
    }
    table_print_free(table);
}

static void print_rows(struct steps *v, struct step_row **rows, size_t count)
{
    struct sheet t = {.rows = rows, .count = count};
    t.cells = arena_array(v->a, count, sizeof(*t.cells));
    for (size_t i = 0; i < count; i++)
        measure(v, rows[i]);
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        fill_column(v, &t, i);
    bool terminal = v->c->terminal;
    size_t width = terminal ? (size_t)term_width(1) : PIPE_WIDTH;
    while (total_width(&t, terminal) > width && drop_one(&t))
        ;
    print_sheet(v, &t, terminal && total_width(&t, terminal) > width);
}

/* ---- which steps */

static bool worth_showing(const struct store_step *s)
{
    enum sched_state state;
    return !sched_state_from_name(s->status, &state) ||
           (!sched_state_good(state) && state != SCHED_SKIPPED);
}

/* "and 9960 more: 9950 succeeded, 10 skipped" */
static void print_rest(const struct steps *v, const bool *shown)
{
    uint32_t counts[SCHED_STATE_COUNT] = {0}, total = 0;
    for (size_t i = 0; i < v->count; i++) {
        enum sched_state state;
        if (shown[i] || !sched_state_from_name(v->rows[i].step->status, &state))
            continue;
        counts[state]++;
        total++;
    }
    if (total == 0)
        return;
    printf(total == v->count ? "%" PRIu32 " steps:" : "and %" PRIu32 " more:", total);
    const char *separator = " ";
    for (int state = 0; state < SCHED_STATE_COUNT; state++) {
        if (counts[state] == 0)
            continue;
        printf("%s%" PRIu32 " %s", separator, counts[state],
               sched_state_name((enum sched_state)state));
        separator = ", ";
    }
    putchar('\n');
}

void steps_print(struct steps *v, bool brief)
{
    AUTO_FREE bool *shown = mem_array(v->count ? v->count : 1, sizeof(*shown));
    struct step_row **rows = arena_array(v->a, v->count ? v->count : 1, sizeof(struct step_row *));
    size_t count = 0;
    brief = brief && v->count > BRIEF_ROWS;
    for (size_t i = 0; i < v->count; i++) {
        shown[i] = !brief || (count < BRIEF_ROWS && worth_showing(v->rows[i].step));
        if (shown[i])
            rows[count++] = &v->rows[i];
    }
    if (count > 0)
        print_rows(v, rows, count);
    print_rest(v, shown);
}

/* ---- what runs */

static const char *live_text(struct arena *a, const struct step_row *row)
{
    const char *text = "";
    if (row->cpu_milli >= 0)
        text = arena_printf(a, ", %.2f cpus", (double)row->cpu_milli / 1000);
    if (row->now.memory_bytes >= 0)
        text = arena_printf(a, "%s, %s of memory", text, cli_size(a, row->now.memory_bytes));
    if (row->now.pids >= 0)
        text = arena_printf(a, "%s, %" PRId64 " %s", text, row->now.pids,
                            row->now.pids == 1 ? "process" : "processes and threads");
    return *text ? text + 2 : text;
}

void steps_print_running(struct steps *v)
{
    bool first = true;
    for (size_t i = 0; i < v->count; i++) {
        struct step_row *row = &v->rows[i];
        const struct store_attempt *last = steps_last_attempt(row);
        if (!last || last->ended_ms != 0)
            continue;
        measure(v, row);
        const char *text = live_text(v->a, row);
        if (!*text)
            continue;
        printf("%s  %s: %s\n", first ? "\nRunning\n" : "", term_safe(v->a, row->step->name), text);
        first = false;
    }
}
