/* edit.h: a line editor for conversations on a terminal. Read edit.c's beginning. */
#ifndef MOTE_EDIT_H
#define MOTE_EDIT_H

#include "cli/cli.h"

typedef struct cli_editor cli_editor;

/* NULL: stdin and stderr are no terminal that can be drawn on, or there is no memory. history: a
 * file that keeps entries between programs; NULL: none. */
cli_editor *cli_editor_new(const char *history);
void cli_editor_free(cli_editor *e);

typedef enum cli_edit_end {
    CLI_EDIT_ENTRY,     /* *entry is one, malloc'ed */
    CLI_EDIT_END,       /* Ctrl-D, or the terminal is gone */
    CLI_EDIT_INTERRUPT, /* Ctrl-C on an empty entry */
    CLI_EDIT_SIGNAL     /* cli_interrupted() says which */
} cli_edit_end;

/* One entry, which may have several lines. mark: what stands in front of it. */
cli_edit_end cli_editor_read(cli_editor *e, const char *mark, cli_text *entry);

/* ---- the screen (edit_screen.c) -------------------------------------------------------------- */

/* What is drawn: text with a cursor. */
typedef struct cli_screen {
    size_t up;           /* rows from the first drawn one to the cursor */
    size_t width;        /* of the terminal when it was drawn */
    size_t widths[1024]; /* columns of the drawn rows down to the cursor's */
} cli_screen;

/* Draws text [n] anew with the cursor before text[at]. */
void cli_screen_draw(cli_screen *s, const char *mark, const char *text, size_t n, size_t at);
/* Leaves the text as it is and goes below. */
void cli_screen_leave(cli_screen *s, const char *mark, const char *text, size_t n);
/* Columns of a character. */
size_t cli_columns(const char *text, size_t bytes);

#endif
