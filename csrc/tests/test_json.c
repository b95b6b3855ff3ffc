/* The JSON reader: what is accepted, and where it says that it is not. */
#include <stdlib.h>

#include "harness.h"
#include "../src/json.h"
#include "../src/alloc.h"

/* The code of reading any value, and the offset. */
static int skip(const char *document, uint64_t *offset) {
    size_t length;
    char *text = quoted(document, &length);
    fg_allocator memory = fgm_allocator(NULL);
    fg_error error = {.code = FG_OK};
    fgj_reader reader;
    fgj_open(&reader, text, length, &memory, &error);
    bool ok = fgj_skip(&reader) && fgj_finished(&reader);
    CHECK(ok == (error.code == FG_OK));
    fgj_close(&reader);
    free(text);
    *offset = error.offset;
    return error.code;
}

static void test_syntax(void) {
    static const char *const fine[] = {
        "{}", "[]", " [ ] ", "{'a':{'b':[1,-2,3.5,1e9,-0.25E-3,0]}}", "'x'", "true", "false", "null", "[[],[[]],{}]", "'\\u00e9\\ud83d\\ude00'",
        "'caf\xc3\xa9 long enough for words \xf0\x9f\x98\x80'", "['\\'\\\\\\/\\b\\f\\n\\r\\t']", "\t\r\n1 ", "123456789012345678901234567890",
    };
    static const struct { const char *text; uint64_t offset; } bad[] = {
        {"", 0}, {"  ", 2}, {"{", 1}, {"[1", 2}, {"[1,", 3}, {"[1,]", 3}, {"[1 2]", 3}, {"{'a'}", 4}, {"{'a':}", 5}, {"{'a':1,}", 7},
        {"{a:1}", 1}, {"01", 1}, {"-", 1}, {"1.", 2}, {"1e", 2}, {"1e+", 3}, {"tru", 0}, {"nul", 0}, {"nope", 0}, {"'", 1}, {"'a", 2}, {"'\\x'", 1},
        {"'\\u12g4'", 1}, {"'\\u0000'", 1}, {"'\\ud800'", 1}, {"'\\ud800\\u0041'", 1}, {"'\\udc00'", 1}, {"'a\nb'", 2}, {"[1]]", 3}, {"{}{}", 2},
        {"'\xff'", 1}, {"'\xc3('", 1}, {"'\xed\xa0\x80'", 1}, {"'\xc0\x80'", 1}, {"'\xe2\x82'", 1}, {"'\xf5\x80\x80\x80'", 1}, {"+1", 0}, {"]", 0},
    };
    uint64_t offset;
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        /* "'" cannot be written inside: \' stands for an escaped quote, which is \" in JSON too. */
        int code = skip(fine[i], &offset);
        if (code != FG_OK) fprintf(stderr, "%s at %llu\n", fine[i], (unsigned long long)offset);
        CHECK(code == FG_OK);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int code = skip(bad[i].text, &offset);
        if (code != FG_SYNTAX || offset != bad[i].offset) fprintf(stderr, "%s: %d at %llu\n", bad[i].text, code, (unsigned long long)offset);
        CHECK(code == FG_SYNTAX && offset == bad[i].offset);
    }
}

static void test_depth(void) {
    char text[400] = "";
    uint64_t offset;
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    CHECK(skip(text, &offset) == FG_OK);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    CHECK(skip(text, &offset) == FG_LIMIT && offset == 64);
}

static int integer(const char *text, int64_t *out) {
    fg_allocator memory = fgm_allocator(NULL);
    fg_error error = {.code = FG_OK};
    fgj_reader reader;
    fgj_open(&reader, text, strlen(text), &memory, &error);
    bool ok = fgj_integer(&reader, out);
    CHECK(ok == (error.code == FG_OK));
    fgj_close(&reader);
    return error.code;
}

static void test_integers(void) {
    int64_t out;
    CHECK(integer("0", &out) == FG_OK && out == 0);
    CHECK(integer("-0", &out) == FG_OK && out == 0);
    CHECK(integer(" 9223372036854775807", &out) == FG_OK && out == INT64_MAX);
    CHECK(integer("-9223372036854775808", &out) == FG_OK && out == INT64_MIN);
    CHECK(integer("9223372036854775808", &out) == FG_LIMIT);
    CHECK(integer("-9223372036854775809", &out) == FG_LIMIT);
    CHECK(integer("99999999999999999999999999", &out) == FG_LIMIT);
    CHECK(integer("1.0", &out) == FG_FORMAT);
    CHECK(integer("1e3", &out) == FG_FORMAT);
    CHECK(integer("\"1\"", &out) == FG_FORMAT);
    CHECK(integer("x", &out) == FG_SYNTAX);
}

static void test_strings(void) {
    static const char text[] = "[\"plain\", \"a\\u00e9\\ud83d\\ude00\\n\", \"\"]";
    fg_allocator memory = fgm_allocator(NULL);
    fg_error error;
    fgj_reader reader;
    fgj_slice slice;
    fgj_open(&reader, text, sizeof text - 1, &memory, &error);
    CHECK(fgj_enter(&reader, '['));
    CHECK(fgj_element(&reader) && fgj_string(&reader, &slice) && !slice.escaped && fgj_is(slice, "plain"));
    CHECK(fgj_element(&reader) && fgj_string(&reader, &slice) && slice.escaped && fgj_is(slice, "a\xc3\xa9\xf0\x9f\x98\x80\n"));
    CHECK(fgj_element(&reader) && fgj_string(&reader, &slice) && slice.length == 0);
    CHECK(!fgj_element(&reader) && fgj_finished(&reader));
    fgj_close(&reader);
}

void test_json(void) {
    test_syntax();
    test_depth();
    test_integers();
    test_strings();
}
