/* Without libFuzzer: from a fixed seed, mutates the documents of a target, or makes bytes up where it has none. fuzz_TARGET ROUNDS SEED */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static uint64_t state;

static size_t below(size_t limit) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % limit);
}

static const char *any_of(const char *const *texts) {
    size_t count = 0;
    while (texts[count]) count++;
    return texts[below(count)];
}

static size_t insert(char *text, size_t length, size_t at, const char *piece, size_t piece_length) {
    memmove(text + at + piece_length, text + at, length - at);
    memcpy(text + at, piece, piece_length);
    return length + piece_length;
}

static size_t mutate(char *text, size_t length, size_t room) {
    size_t at = below(length + 1), span = below(16) + 1;
    if (at + span > length) span = length - at;
    const char *piece = any_of(fuzz_pieces);
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

static size_t mutated(char *text, size_t room) {
    const char *document = any_of(fuzz_documents);
    size_t length = strlen(document);
    memcpy(text, document, length);
    for (size_t changes = below(6); changes > 0; changes--) length = mutate(text, length, room);
    return length;
}

/* Small numbers more often than not, since most bytes stand for a choice among few. */
static size_t made_up(char *text, size_t room) {
    size_t length = below(below(room / 4) + 1), limit = below(3) ? 256 : 8;
    for (size_t i = 0; i < length; i++) text[i] = (char)below(below(2) ? limit : 4);
    return length;
}

int main(int count, char **words) {
    unsigned long rounds = count > 1 ? strtoul(words[1], NULL, 10) : 2000;
    state = (count > 2 ? strtoul(words[2], NULL, 10) : 1) * 0x9e3779b97f4a7c15u + 1;
    static char text[4096];
    for (unsigned long round = 0; round < rounds; round++) {
        size_t length = fuzz_documents[0] ? mutated(text, sizeof text) : made_up(text, sizeof text);
        char *exact = malloc(length ? length : 1); /* as long as the text is, so that reading past it is found */
        if (!exact) return 1;
        memcpy(exact, text, length);
        LLVMFuzzerTestOneInput((const uint8_t *)exact, length);
        free(exact);
    }
    printf("%lu rounds of fuzzing\n", rounds);
    return 0;
}
