/* Without libFuzzer: mutates documents from a fixed seed. fuzz ROUNDS SEED */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const documents[] = {
    "{\"graph\": {\"nodes\": [{\"id\": \"0\", \"metadata\": {\"type\": \"cluster\", \"id\": 0, \"rank\": -1, \"paths\": {\"containment\": \"/cluster0\"}}}, "
    "{\"id\": \"1\", \"metadata\": {\"type\": \"node\", \"basename\": \"n\", \"name\": \"n01\", \"id\": 1, \"rank\": 0, \"status\": 1, \"properties\": "
    "{\"a\": \"\\u00e9\", \"b\": \"2\"}, \"size\": 4, \"paths\": {\"containment\": \"/cluster0/n01\", \"power\": \"/p/n\"}}}, "
    "{\"id\": \"2\", \"metadata\": {\"type\": \"core\", \"id\": 0, \"uniq_id\": 17, \"paths\": {\"containment\": \"/cluster0/n01/core0\"}}}], "
    "\"edges\": [{\"source\": \"0\", \"target\": \"1\"}, {\"source\": \"1\", \"target\": \"2\", \"metadata\": {\"subsystem\": \"containment\"}}]}}",
    "{\"graph\":{\"edges\":[{\"source\":\"a9\",\"target\":\"7\"},{\"source\":\"7\",\"target\":\"a9\"}],\"nodes\":[{\"metadata\":{\"paths\":{},\"type\":\"x\","
    "\"uniq_id\":-3},\"id\":\"a9\"},{\"id\":\"7\",\"metadata\":{\"type\":\"\xf0\x9f\x98\x80\",\"paths\":{\"ib\":\"/q\"}}}]},\"free_ranks\":\"0-3\"}",
};
static const char *const pieces[] = {
    "\"", "\\", "\\u0000", "\\ud83d", "{", "}", "[", "]", ",", ":", "null", "-1", "-2", "9223372036854775807", "99999999999999999999", "1.5", "\"id\"",
    "\"0\"", "\"1\"", "\"2\"", "\"paths\": {\"containment\": \"/x\"}", "\"type\": \"node\"", "\"properties\": {}", "\xff", "\xc3", "0", "/",
    "{\"source\": \"0\", \"target\": \"2\"},", "{\"source\": \"2\", \"target\": \"0\", \"metadata\": {\"subsystem\": \"power\"}},",
    "{\"id\": \"3\", \"metadata\": {\"type\": \"gpu\", \"paths\": {\"containment\": \"/cluster0/n01/gpu3\"}}},",
};

static uint64_t state;

static size_t below(size_t limit) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % limit);
}

static size_t insert(char *text, size_t length, size_t at, const char *piece, size_t piece_length) {
    memmove(text + at + piece_length, text + at, length - at);
    memcpy(text + at, piece, piece_length);
    return length + piece_length;
}

static size_t mutate(char *text, size_t length, size_t room) {
    size_t at = below(length + 1), span = below(16) + 1;
    if (at + span > length) span = length - at;
    const char *piece = pieces[below(sizeof pieces / sizeof *pieces)];
    char copy[64];
    switch (below(6)) {
        case 0: /* a bit */
            if (at < length) text[at] = (char)(text[at] ^ (1 << below(8)));
            break;
        case 1: /* cut out */
            memmove(text + at, text + at + span, length - at - span);
            length -= span;
            break;
        case 2: /* double */
            memcpy(copy, text + at, span);
            if (length + span < room) length = insert(text, length, at, copy, span);
            break;
        case 3: /* cut off */
            if (below(8) == 0) length = at;
            break;
        case 4: { /* swap a digit */
            for (size_t i = at; i < length; i++)
                if (text[i] >= '0' && text[i] <= '9') {
                    text[i] = (char)('0' + (char)below(10));
                    break;
                }
            break;
        }
        default:
            if (length + strlen(piece) < room) length = insert(text, length, at, piece, strlen(piece));
    }
    return length;
}

int main(int count, char **words) {
    unsigned long rounds = count > 1 ? strtoul(words[1], NULL, 10) : 2000;
    state = (count > 2 ? strtoul(words[2], NULL, 10) : 1) * 0x9e3779b97f4a7c15u + 1;
    static char text[4096];
    for (unsigned long round = 0; round < rounds; round++) {
        const char *document = documents[below(sizeof documents / sizeof *documents)];
        size_t length = strlen(document);
        memcpy(text, document, length);
        for (size_t changes = below(6); changes > 0; changes--) length = mutate(text, length, sizeof text);
        char *exact = malloc(length ? length : 1); /* as long as the text is, so that reading past it is found */
        if (!exact) return 1;
        memcpy(exact, text, length);
        LLVMFuzzerTestOneInput((const uint8_t *)exact, length);
        free(exact);
    }
    printf("%lu rounds of fuzzing\n", rounds);
    return 0;
}
