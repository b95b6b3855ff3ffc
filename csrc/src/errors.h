/* Filling in an fg_error. */
#ifndef FG_ERRORS_H
#define FG_ERRORS_H

#include "fluxplug_graph.h"

#if defined(__GNUC__)
#define FGE_PRINTF(a, b) __attribute__((format(printf, a, b)))
#else
#define FGE_PRINTF(a, b)
#endif

/* Sets code and offset, and clears both texts; returns the code. `error` may be NULL in every function here. */
int fge_set(fg_error *error, int code, uint64_t offset);
/* Appends to a text; what does not fit is cut between two characters. */
FGE_PRINTF(2, 3) void fge_text(fg_error *error, const char *format, ...);
FGE_PRINTF(2, 3) void fge_detail(fg_error *error, const char *format, ...);

int fge_no_memory(fg_error *error);

/* For "%.*s" of a slice that may be huge. */
int fge_width(size_t length);

#endif
