/* A growing buffer. An append that finds no memory makes the buffer `failed`, and so does every later one: writers check once, at the end. */
#ifndef FG_BUFFER_H
#define FG_BUFFER_H

#include "alloc.h"

struct fg_buffer {
    fg_allocator memory;
    char *data;
    size_t size, capacity;
    bool failed;
};

/* Room for `length` more bytes: where they go, or NULL. */
char *fgw_room(fg_buffer *buffer, size_t length);
void fgw_bytes(fg_buffer *buffer, const char *text, size_t length);
void fgw_integer(fg_buffer *buffer, int64_t number);
/* What stands between the quotes of a JSON string: quotes, backslashes and control characters escaped, UTF-8 as it is. */
void fgw_escaped(fg_buffer *buffer, const char *text, size_t length);
void fgw_string(fg_buffer *buffer, const char *text, size_t length);

#define fgw_literal(buffer, literal) fgw_bytes((buffer), (literal), sizeof(literal) - 1)

#endif
