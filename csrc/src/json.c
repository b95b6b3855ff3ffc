/* A streaming JSON reader: see json.h. */
#include "json.h"

#include "errors.h"

void fgj_open(fgj_reader *reader, const char *text, size_t length, const fg_allocator *memory, fg_error *error) {
    *reader = (fgj_reader){.begin = text, .at = text, .end = text + length, .value = text, .memory = memory, .error = error};
}

void fgj_close(fgj_reader *reader) {
    fgm_free(reader->memory, reader->scratch);
    reader->scratch = NULL;
    reader->scratch_capacity = 0;
}

bool fgj_fail(fgj_reader *reader, int code, const char *where, const char *expected) {
    if (reader->failed) return false;
    reader->failed = true;
    if (code == FG_NO_MEMORY)
        fge_no_memory(reader->error);
    else {
        fge_set(reader->error, code, fgj_offset(reader, where));
        fge_detail(reader->error, "%s", expected);
    }
    return false;
}

static inline void skip_blanks(fgj_reader *reader) {
    const char *at = reader->at;
    while (at < reader->end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) at++;
    reader->at = at;
}

static inline bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

char fgj_peek(fgj_reader *reader) {
    skip_blanks(reader);
    if (reader->failed || reader->at >= reader->end) return 0;
    char c = *reader->at;
    switch (c) {
        case '{': case '[': case '"': case 't': case 'n': return c;
        case 'f': return 't';
        default: return is_digit(c) || c == '-' ? '0' : 0;
    }
}

/* A value of another type than was asked for is a format error, what begins no value a syntax error. */
static bool expect(fgj_reader *reader, char kind, const char *expected) {
    char found = fgj_peek(reader);
    if (reader->failed) return false;
    reader->value = reader->at;
    if (found == kind) return true;
    if (reader->at >= reader->end) return fgj_fail(reader, FG_SYNTAX, reader->at, "the text ends where a value is expected");
    return fgj_fail(reader, found ? FG_FORMAT : FG_SYNTAX, reader->at, found ? expected : "a value is expected");
}

/* ---- Arrays and objects */

bool fgj_enter(fgj_reader *reader, char bracket) {
    if (!expect(reader, bracket, bracket == '{' ? "an object is expected" : "an array is expected")) return false;
    if (++reader->depth > FG_MAX_JSON_DEPTH) return fgj_fail(reader, FG_LIMIT, reader->at, "nested too deeply");
    reader->at++;
    reader->fresh = true;
    return true;
}

static bool next(fgj_reader *reader, char closing, const char *expected) {
    if (reader->failed) return false;
    bool fresh = reader->fresh;
    reader->fresh = false;
    skip_blanks(reader);
    if (reader->at < reader->end && *reader->at == closing) {
        reader->at++;
        reader->depth--;
        return false;
    }
    if (fresh) return true;
    if (reader->at < reader->end && *reader->at == ',') {
        reader->at++;
        return true;
    }
    return fgj_fail(reader, FG_SYNTAX, reader->at, expected);
}

bool fgj_element(fgj_reader *reader) {
    return next(reader, ']', "\",\" or \"]\" is expected");
}

bool fgj_member(fgj_reader *reader, fgj_slice *key) {
    if (!next(reader, '}', "\",\" or \"}\" is expected")) return false;
    if (fgj_peek(reader) != '"') return fgj_fail(reader, FG_SYNTAX, reader->at, "a key in quotes is expected");
    if (!fgj_string(reader, key)) return false;
    skip_blanks(reader);
    if (reader->at >= reader->end || *reader->at != ':') return fgj_fail(reader, FG_SYNTAX, reader->at, "\":\" is expected");
    reader->at++;
    return true;
}

/* ---- Strings */

/* The length of the UTF-8 character at `at` beyond ASCII, 0 where there is none: no overlong forms, surrogates, or over U+10FFFF. */
static size_t character(const char *at, const char *end) {
    const unsigned char *u = (const unsigned char *)at;
    size_t length = u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : u[0] < 0xf5 ? 4 : 0;
    if (length == 0 || (size_t)(end - at) < length) return 0;
    for (size_t i = 1; i < length; i++)
        if ((u[i] & 0xc0) != 0x80) return 0;
    if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) || (u[0] == 0xf0 && u[1] < 0x90) ||
        (u[0] == 0xf4 && u[1] > 0x8f))
        return 0;
    return length;
}

bool fgj_is_text(const char *text, size_t length) {
    const char *end = text + length;
    while (text < end) {
        size_t step = (unsigned char)*text < 0x80 ? (*text ? 1 : 0) : character(text, end);
        if (step == 0) return false;
        text += step;
    }
    return true;
}

/* Moves over the bytes that stand for themselves, eight at a time: up to a quote, backslash, control character, or bad UTF-8. */
static const char *plain(const char *at, const char *end) {
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    for (;;) {
        while (end - at >= 8) {
            uint64_t word;
            memcpy(&word, at, 8);
            uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
            uint64_t found = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((word - ones * 0x20) & ~word) | word;
            if (found & tops) break;
            at += 8;
        }
        while (at < end && (unsigned char)*at < 0x80 && (unsigned char)*at >= 0x20 && *at != '"' && *at != '\\') {
            at++;
            if (end - at >= 8 && ((uintptr_t)at & 7) == 0) break;
        }
        if (at >= end || *at == '"' || *at == '\\' || (unsigned char)*at < 0x20) return at;
        if ((unsigned char)*at < 0x80) continue;
        size_t length = character(at, end);
        if (length == 0) return at;
        at += length;
    }
}

static bool hex4(const char *at, const char *end, uint32_t *out) {
    if (end - at < 4) return false;
    *out = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        uint32_t digit;
        if (is_digit(c)) digit = (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f') digit = (uint32_t)(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F') digit = (uint32_t)(c - 'A') + 10;
        else return false;
        *out = *out * 16 + digit;
    }
    return true;
}

static size_t encode(uint32_t c, char *out) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length - 1; i > 0; i--, c >>= 6) out[i] = (char)(unsigned char)(0x80 | (c & 0x3f));
    out[0] = (char)(unsigned char)(leads[length] | c);
    return length;
}

/* The escape at `*at`, which is a backslash: its character, and `*at` behind it. False when it is none. */
static bool escape(const char **at, const char *end, uint32_t *out) {
    const char *from = *at + 1;
    if (from >= end) return false;
    switch (*from) {
        case '"': case '\\': case '/': *out = (uint32_t)*from; break;
        case 'b': *out = '\b'; break;
        case 'f': *out = '\f'; break;
        case 'n': *out = '\n'; break;
        case 'r': *out = '\r'; break;
        case 't': *out = '\t'; break;
        case 'u': {
            uint32_t low;
            if (!hex4(from + 1, end, out) || *out == 0 || (*out >= 0xdc00 && *out < 0xe000)) return false;
            from += 4;
            if (*out >= 0xd800 && *out < 0xdc00) {
                if (end - from < 3 || from[1] != '\\' || from[2] != 'u' || !hex4(from + 3, end, &low)) return false;
                if (low < 0xdc00 || low >= 0xe000) return false;
                *out = 0x10000 + ((*out - 0xd800) << 10) + (low - 0xdc00);
                from += 6;
            }
            break;
        }
        default: return false;
    }
    *at = from + 1;
    return true;
}

/* A string with escapes: `at` is the first of them. */
static bool unescape(fgj_reader *reader, const char *at, fgj_slice *out) {
    const char *copied = reader->at;
    size_t size = 0;
    for (;;) {
        size_t run = (size_t)(at - copied);
        if (size + run > FG_MAX_STRING) return fgj_fail(reader, FG_LIMIT, reader->value, "a string is too long");
        if (reader->scratch_capacity < size + run + 4) {
            size_t wanted = (size + run + 4) * 2;
            char *moved = fgm_resize(reader->memory, reader->scratch, wanted);
            if (!moved) return fgj_fail(reader, FG_NO_MEMORY, at, "");
            reader->scratch = moved;
            reader->scratch_capacity = wanted;
        }
        memcpy(reader->scratch + size, copied, run);
        size += run;
        if (at >= reader->end) return fgj_fail(reader, FG_SYNTAX, at, "the text ends within a string");
        if (*at == '"') break;
        uint32_t c;
        const char *place = at;
        if (*at != '\\') {
            bool control = (unsigned char)*at < 0x20;
            return fgj_fail(reader, FG_SYNTAX, at, control ? "a control character in a string" : "the text is not UTF-8");
        }
        if (!escape(&at, reader->end, &c)) return fgj_fail(reader, FG_SYNTAX, place, "a valid escape is expected");
        size += encode(c, reader->scratch + size);
        copied = at;
        at = plain(at, reader->end);
    }
    reader->at = at + 1;
    *out = (fgj_slice){.text = reader->scratch, .length = size, .escaped = true};
    return true;
}

bool fgj_string(fgj_reader *reader, fgj_slice *out) {
    if (!expect(reader, '"', "a string is expected")) return false;
    reader->at++;
    const char *stop = plain(reader->at, reader->end);
    if (stop >= reader->end || *stop != '"') return unescape(reader, stop, out);
    *out = (fgj_slice){.text = reader->at, .length = (size_t)(stop - reader->at), .escaped = false};
    if (out->length > FG_MAX_STRING) return fgj_fail(reader, FG_LIMIT, reader->value, "a string is too long");
    reader->at = stop + 1;
    return true;
}

/* ---- Numbers and words */

/* Moves over a number; whether it is an integer. */
static bool number(fgj_reader *reader, bool *integer) {
    const char *at = reader->at, *end = reader->end;
    if (*at == '-') at++;
    if (at >= end || !is_digit(*at)) return fgj_fail(reader, FG_SYNTAX, at, "a digit is expected");
    if (*at == '0') at++;
    else
        while (at < end && is_digit(*at)) at++;
    *integer = true;
    if (at < end && *at == '.') {
        *integer = false;
        at++;
        if (at >= end || !is_digit(*at)) return fgj_fail(reader, FG_SYNTAX, at, "a digit is expected");
        while (at < end && is_digit(*at)) at++;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        *integer = false;
        at++;
        if (at < end && (*at == '+' || *at == '-')) at++;
        if (at >= end || !is_digit(*at)) return fgj_fail(reader, FG_SYNTAX, at, "a digit is expected");
        while (at < end && is_digit(*at)) at++;
    }
    reader->at = at;
    return true;
}

bool fgj_integer(fgj_reader *reader, int64_t *out) {
    bool integer;
    if (!expect(reader, '0', "an integer is expected")) return false;
    const char *at = reader->at;
    if (!number(reader, &integer)) return false;
    if (!integer) return fgj_fail(reader, FG_FORMAT, reader->value, "an integer is expected");
    bool negative = *at == '-';
    uint64_t value = 0, limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    for (at += negative; at < reader->at; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (limit - digit) / 10) return fgj_fail(reader, FG_LIMIT, reader->value, "the integer does not fit into 64 bits");
        value = value * 10 + digit;
    }
    if (negative) *out = value == limit ? INT64_MIN : -(int64_t)value;
    else *out = (int64_t)value;
    return true;
}

static bool word(fgj_reader *reader, const char *literal) {
    size_t length = strlen(literal);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, literal, length) != 0)
        return fgj_fail(reader, FG_SYNTAX, reader->at, "a value is expected");
    reader->at += length;
    return true;
}

bool fgj_bool(fgj_reader *reader, bool *out) {
    if (!expect(reader, 't', "true or false is expected")) return false;
    *out = *reader->at == 't';
    return word(reader, *out ? "true" : "false");
}

bool fgj_null(fgj_reader *reader) {
    return expect(reader, 'n', "null is expected") && word(reader, "null");
}

bool fgj_skip(fgj_reader *reader) {
    fgj_slice slice;
    bool unused;
    char closing[FG_MAX_JSON_DEPTH];
    uint32_t level = 0;
    for (;;) { /* one value, then the ends of what it was the last of */
        char kind = fgj_peek(reader);
        switch (kind) {
            case '{':
            case '[':
                if (!fgj_enter(reader, kind)) return false;
                closing[level++] = kind;
                break;
            case '"':
                if (!fgj_string(reader, &slice)) return false;
                break;
            case '0':
                if (!number(reader, &unused)) return false;
                break;
            case 't':
                if (!fgj_bool(reader, &unused)) return false;
                break;
            default:
                if (!(kind == 'n' ? fgj_null(reader) : expect(reader, '?', ""))) return false;
        }
        while (level && !(closing[level - 1] == '{' ? fgj_member(reader, &slice) : fgj_element(reader))) {
            if (reader->failed) return false;
            level--;
        }
        if (!level) return !reader->failed;
    }
}

bool fgj_finished(fgj_reader *reader) {
    if (reader->failed) return false;
    skip_blanks(reader);
    return reader->at == reader->end || fgj_fail(reader, FG_SYNTAX, reader->at, "the end of the text is expected");
}
