/*
 * table.h - a table on standard output, by libsmartcols. Cells are escaped here.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "cli/cli.h"

struct table_column {
    const char *title;
    bool right; /* numbers */
    bool cut;   /* may lose its end on a narrow terminal */
};

struct table;

struct table *table_new(struct cli *c, const struct table_column *columns, size_t count);
void table_row(struct table *t);
/* Fills a cell of the newest row; the text is copied. */
void table_cell(struct table *t, size_t column, const char *text, enum term_style style);
void table_print_free(struct table *t);

#endif
