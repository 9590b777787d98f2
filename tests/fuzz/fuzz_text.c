/* Small texts of users: units, times, numbers, names, UTF-8. What is accepted keeps its promises.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

static void numbers(const char *text)
{
    char out[32];
    int64_t value;
    double number, back;
    if (text_duration(text, &value))
        check(value >= 0 && strlen(text_format_duration(value, out)) < sizeof(out));
    if (text_size(text, &value))
        check(value >= 0 && strlen(text_format_size(value, out)) < sizeof(out));
    if (text_int(text, &value)) {
        check(strlen(text_format_duration(value, out)) < sizeof(out));
        check(strlen(text_format_size(value, out)) < sizeof(out));
    }
    if (text_double(text, &number)) {
        check(text_double(text_format_double(number, out), &back));
        check(memcmp(&number, &back, sizeof(back)) == 0);
    }
}

static void times(const char *text)
{
    /* What four digits of a year can say; an offset may lead out of it. */
    const int64_t earliest = INT64_C(-62167219200000), latest = INT64_C(253402300799999);
    char out[CLOCK_TEXT_SIZE];
    int64_t ms, back;
    if (!clock_parse(text, &ms) || ms < earliest || ms > latest)
        return;
    check(clock_parse(clock_format(ms, out), &back) && ms == back);
}

static void characters(const char *text, size_t len)
{
    static const char *const names[] = {"name", "steps", "timeout", "environment"};
    check(text_utf8_valid(text, len) <= len && text_utf8_count(text, len) <= len);
    (void)text_nearest(text, names, COUNT_OF(names));
    (void)(text_is_pipeline_name(text) || text_is_step_name(text) || text_is_param_name(text));
    AUTO_BUF struct buf json = BUF_INIT(len * 6 + 2);
    check(buf_add_json(&json, text));
    check(text_utf8_valid(json.data, json.len) == json.len);
}

/* The document is its own diagnosis; each of its first bytes is a place. */
static void diagnostics(const char *text, size_t len)
{
    AUTO_DIAGS struct diags d;
    diags_init(&d, text);
    for (size_t i = 0; i < len && i < 16; i++) {
        struct diag_pos pos = {(unsigned char)text[i] % 8, (unsigned char)text[i] / 4};
        (void)diag_add(&d, DIAG_ERROR, "fuzz", pos, (unsigned char)text[i] % 5, text, "%s", text);
    }
    diags_sort(&d);
    char *printed = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&printed, &size);
    check(out != NULL);
    diags_print(&d, text, len, false, out);
    (void)fclose(out);
    check(text_utf8_valid(printed, size) == size);
    free(printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = mem_strndup((const char *)data, size);
    size_t len = strlen(text);
    numbers(text);
    times(text);
    characters(text, len);
    diagnostics(text, len);
    return 0;
}
