/*
 * table.c - see table.h.
 */
#include "cli/table.h"

#include "base/mem.h"

#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <string.h>

struct table {
    struct libscols_table *scols;
    struct libscols_line *line;
    bool colour;
};

struct table *table_new(struct cli *c, const struct table_column *columns, size_t count)
{
    struct table *t = mem_alloc(sizeof(*t));
    t->colour = c->colour;
    t->scols = scols_new_table();
    if (!t->scols)
        abort(); /* memory; small allocations cannot fail */
    scols_table_enable_colors(t->scols, c->colour);
    if (c->terminal)
        scols_table_set_termwidth(t->scols, (size_t)term_width(1));
    for (size_t i = 0; i < count; i++) {
        int flags = (columns[i].right ? SCOLS_FL_RIGHT : 0) | (columns[i].cut ? SCOLS_FL_TRUNC : 0);
        scols_table_new_column(t->scols, columns[i].title, 0, flags);
    }
    return t;
}

void table_row(struct table *t)
{
    t->line = scols_table_new_line(t->scols, NULL);
}

void table_cell(struct table *t, size_t column, const char *text, enum term_style style)
{
    AUTO_ARENA struct arena a = ARENA_INIT;
    scols_line_set_data(t->line, column, term_safe(&a, text));
    if (t->colour && style != TERM_PLAIN)
        scols_cell_set_color(scols_line_get_cell(t->line, column), term_on(true, style));
}

void table_print_free(struct table *t)
{
    scols_print_table(t->scols);
    scols_unref_table(t->scols);
    free(t);
}
