/* A streaming JSON reader (RFC 8259) over text in memory: the caller asks for what it expects, nothing is kept. Strings are checked to be UTF-8
 * and to have neither NUL nor lone surrogates; nesting, string lengths and the text's length are bounded.
 *
 *     fgj_enter(j, '{');                      each function returns false when the text is wrong, or not what was asked for; j->error
 *     while (fgj_member(j, &key)) ...value    then says what and where, and every further call returns false too
 *     if (j->failed) ...
 */
#ifndef FG_JSON_H
#define FG_JSON_H

#include "alloc.h"

/* Bytes of the text, or of the reader's own memory where the string had escapes (valid until the next string is read). */
typedef struct fgj_slice {
    const char *text;
    size_t length;
    bool escaped;
} fgj_slice;

typedef struct fgj_reader {
    const char *begin, *at, *end;
    const char *value;      /* where the value or key that was read last begins */
    uint32_t depth;
    bool fresh;             /* right behind the opening bracket */
    bool failed;
    char *scratch;          /* of the string with escapes that was read last */
    size_t scratch_capacity;
    const fg_allocator *memory;
    fg_error *error;
} fgj_reader;

void fgj_open(fgj_reader *reader, const char *text, size_t length, const fg_allocator *memory, fg_error *error);
void fgj_close(fgj_reader *reader);

/* What the next value is: one of { [ " 0 (a number) t (true or false) n (null), or 0 where nothing of that begins; no error. */
char fgj_peek(fgj_reader *reader);

/* Enters an object or array; then fgj_member or fgj_element before each value, false at its end (which it leaves) and on an error. */
bool fgj_enter(fgj_reader *reader, char bracket);
bool fgj_member(fgj_reader *reader, fgj_slice *key);
bool fgj_element(fgj_reader *reader);

bool fgj_string(fgj_reader *reader, fgj_slice *out);
bool fgj_integer(fgj_reader *reader, int64_t *out);
bool fgj_bool(fgj_reader *reader, bool *out);
bool fgj_null(fgj_reader *reader);
/* Reads any value and forgets it; what it has is checked all the same. */
bool fgj_skip(fgj_reader *reader);
/* Nothing but white space is left. */
bool fgj_finished(fgj_reader *reader);

/* Fails at a place; the detail is printed. Always returns false. */
bool fgj_fail(fgj_reader *reader, int code, const char *where, const char *expected);

static inline uint64_t fgj_offset(const fgj_reader *reader, const char *where) {
    return (uint64_t)(where - reader->begin);
}

#define fgj_is(slice, literal) \
    ((slice).length == sizeof(literal) - 1 && memcmp((slice).text, (literal), sizeof(literal) - 1) == 0)

/* Whether all bytes are UTF-8 without NUL. */
bool fgj_is_text(const char *text, size_t length);

#endif
