/* A growing buffer: see buffer.h. */
#include "buffer.h"

#include "graph.h"

fg_buffer *fg_buffer_new(const fg_allocator *allocator) {
    fg_allocator memory = fgm_allocator(allocator);
    fg_buffer *buffer = fgm_zeroed(&memory, 1, sizeof *buffer);
    if (buffer) buffer->memory = memory;
    return buffer;
}

void fg_buffer_free(fg_buffer *buffer) {
    if (!buffer) return;
    fg_allocator memory = buffer->memory;
    fgm_free(&memory, buffer->data);
    fgm_free(&memory, buffer);
}

const char *fg_buffer_data(const fg_buffer *buffer) {
    return buffer->data ? buffer->data : "";
}

size_t fg_buffer_size(const fg_buffer *buffer) {
    return buffer->size;
}

void fg_buffer_clear(fg_buffer *buffer) {
    buffer->size = 0;
    buffer->failed = false;
}

char *fgw_room(fg_buffer *buffer, size_t length) {
    if (buffer->failed) return NULL;
    if (buffer->capacity - buffer->size < length) {
        size_t wanted = buffer->capacity + buffer->capacity / 2 + length + 256;
        char *moved = fgm_resize(&buffer->memory, buffer->data, wanted);
        if (!moved) {
            buffer->failed = true;
            return NULL;
        }
        buffer->data = moved;
        buffer->capacity = wanted;
    }
    char *room = buffer->data + buffer->size;
    buffer->size += length;
    return room;
}

void fgw_bytes(fg_buffer *buffer, const char *text, size_t length) {
    char *room = fgw_room(buffer, length);
    if (room && length) memcpy(room, text, length);
}

void fgw_integer(fg_buffer *buffer, int64_t number) {
    char space[20];
    size_t length;
    const char *digits = fgg_digits(number, space, &length);
    fgw_bytes(buffer, digits, length);
}

void fgw_escaped(fg_buffer *buffer, const char *text, size_t length) {
    static const char hex[] = "0123456789abcdef", named[] = "btn\0fr"; /* from 8 on; 11 has no name */
    size_t from = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        fgw_bytes(buffer, text + from, i - from);
        from = i + 1;
        char letter = c == '"' || c == '\\' ? (char)c : c >= 8 && c <= 13 ? named[c - 8] : '\0';
        if (letter) fgw_bytes(buffer, (char[]){'\\', letter}, 2);
        else fgw_bytes(buffer, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
    }
    fgw_bytes(buffer, text + from, length - from);
}

void fgw_string(fg_buffer *buffer, const char *text, size_t length) {
    fgw_literal(buffer, "\"");
    fgw_escaped(buffer, text, length);
    fgw_literal(buffer, "\"");
}
