/* Codes and errors: see fluxplug_graph.h and errors.h. */
#include "errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct code {
    int value;
    const char *name, *text;
};

static const struct code codes[] = {
#define ROW(name, value, text) {value, #name, text},
    FG_CODES(ROW)
#undef ROW
};

static const struct code *find(int value) {
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].value == value) return &codes[i];
    return NULL;
}

const char *fg_code_name(int code) {
    const struct code *found = find(code);
    return found ? found->name : "FG_?";
}

const char *fg_code_text(int code) {
    const struct code *found = find(code);
    return found ? found->text : "unknown code";
}

int fge_set(fg_error *error, int code, uint64_t offset) {
    if (error) {
        error->code = code;
        error->offset = offset;
        error->text[0] = error->detail[0] = '\0';
    }
    return code;
}

FGE_PRINTF(2, 0) static void append(char *out, const char *format, va_list arguments) {
    size_t used = strlen(out);
    int written = vsnprintf(out + used, FG_ERROR_TEXT - used, format, arguments);
    if (written < 0 || (size_t)written < FG_ERROR_TEXT - used) return;
    /* Cut: the last character may have lost its tail. */
    size_t end = FG_ERROR_TEXT - 1, start = end;
    while (start > 0 && ((unsigned char)out[start - 1] & 0xc0) == 0x80) start--;
    if (start == 0) return;
    unsigned char lead = (unsigned char)out[start - 1];
    size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (start - 1 + length > end) out[start - 1] = '\0';
}

void fge_text(fg_error *error, const char *format, ...) {
    if (!error) return;
    va_list arguments;
    va_start(arguments, format);
    append(error->text, format, arguments);
    va_end(arguments);
}

void fge_detail(fg_error *error, const char *format, ...) {
    if (!error) return;
    va_list arguments;
    va_start(arguments, format);
    append(error->detail, format, arguments);
    va_end(arguments);
}

int fge_no_memory(fg_error *error) {
    fge_set(error, FG_NO_MEMORY, 0);
    fge_text(error, "%s", fg_code_text(FG_NO_MEMORY));
    return FG_NO_MEMORY;
}

int fge_width(size_t length) {
    return length < FG_ERROR_TEXT ? (int)length : FG_ERROR_TEXT;
}
