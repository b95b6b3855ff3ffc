/* What a fuzz target has: the entry that libFuzzer calls, documents and pieces to begin with (NULL ends them; none where it takes bytes as choices), and
 * for those choices a reader of bytes. After the end all choices are 0. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const char *const fuzz_documents[], *const fuzz_pieces[];

typedef struct fuzz_bytes {
    const uint8_t *at;
    size_t left;
} fuzz_bytes;

static inline uint8_t fuzz_byte(fuzz_bytes *bytes) {
    if (!bytes->left) return 0;
    bytes->left--;
    return *bytes->at++;
}

/* A number below a limit, which is at most 256. */
static inline uint32_t fuzz_below(fuzz_bytes *bytes, uint32_t limit) {
    return fuzz_byte(bytes) % limit;
}

/* Usually a number from 0 to 63; now and then any other. */
static inline int64_t fuzz_number(fuzz_bytes *bytes) {
    static const int64_t edges[] = {0, 1, -1, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MAX - 2, INT64_MAX / 2, INT64_MAX / 4, UINT32_MAX, INT32_MAX, 1 << 20};
    uint8_t first = fuzz_byte(bytes);
    if (first < 240) return first % 64;
    if (first < 252) return edges[first - 240];
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) value = value << 8 | fuzz_byte(bytes);
    return (int64_t)value;
}

#endif
