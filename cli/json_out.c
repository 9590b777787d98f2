/*
 * json_out.c - prints JSON as jansson would, but for real numbers: jansson knows only a fixed count
 * of digits (0.93 as 0.93000000000000005), here they are the shortest that read back the same.
 */
#include "cli/cli.h"

#include "base/text.h"

#include <string.h>

#define STRING_MAX (1UL << 30)

struct writer {
    FILE *out;
    bool line; /* compact, on one line */
    struct buf text;
};

static void put_string(struct writer *w, const char *text)
{
    buf_clear(&w->text);
    buf_add_json(&w->text, text);
    fwrite(buf_str(&w->text), 1, w->text.len, w->out);
}

static void new_line(struct writer *w, int depth)
{
    if (!w->line) {
        fprintf(w->out, "\n%*s", depth * 2, "");
    }
}

static void put(struct writer *w, json_t *value, int depth);

static void put_list(struct writer *w, json_t *value, int depth)
{
    size_t i;
    json_t *item;
    putc('[', w->out);
    json_array_foreach(value, i, item)
    {
        fputs(i > 0 ? "," : "", w->out);
        new_line(w, depth + 1);
        put(w, item, depth + 1);
    }
    if (json_array_size(value) > 0)
        new_line(w, depth);
    putc(']', w->out);
}

static void put_map(struct writer *w, json_t *value, int depth)
{
    const char *key;
    json_t *item;
    bool first = true;
    putc('{', w->out);
    json_object_foreach(value, key, item)
    {
        fputs(first ? "" : ",", w->out);
        new_line(w, depth + 1);
        put_string(w, key);
        fputs(w->line ? ":" : ": ", w->out);
        put(w, item, depth + 1);
        first = false;
    }
    if (!first)
        new_line(w, depth);
    putc('}', w->out);
}

/* A number that is real stays recognisable as one: 3.0, not 3. */
static void put_real(struct writer *w, double value)
{
    char text[32];
    text_format_double(value, text);
    fputs(text, w->out);
    if (!strpbrk(text, ".e"))
        fputs(".0", w->out);
}

/* As deep as the value: what is printed was made here, or read with jansson's own bound on depth.
 */
static void put(struct writer *w, json_t *value, int depth)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        put_map(w, value, depth);
        break;
    case JSON_ARRAY:
        put_list(w, value, depth);
        break;
    case JSON_STRING:
        put_string(w, json_string_value(value));
        break;
    case JSON_INTEGER:
        fprintf(w->out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        put_real(w, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        fputs(json_is_true(value) ? "true" : "false", w->out);
        break;
    case JSON_NULL:
        fputs("null", w->out);
        break;
    }
}

void cli_print_json(json_t *value, bool line)
{
    struct writer w = {.out = stdout, .line = line, .text = BUF_INIT(STRING_MAX)};
    put(&w, value, 0);
    putchar('\n');
    buf_done(&w.text);
    json_decref(value);
}
