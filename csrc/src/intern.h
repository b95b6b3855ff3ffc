/* Interned strings: each text once, numbered from 1 in the order of first use; 0 is "none". */
#ifndef FG_INTERN_H
#define FG_INTERN_H

#include "alloc.h"

typedef struct fgs_table {
    const fg_allocator *memory;
    char *data;         /* NUL after each string */
    size_t size, capacity;
    size_t *start;      /* start[i - 1] is where string i begins; one more at the end */
    uint32_t count, start_capacity;
    uint32_t *slots;    /* open addressing, linear probing; at most 3/4 full */
    uint32_t slot_mask; /* slots - 1, a power of two minus one */
} fgs_table;

void fgs_open(fgs_table *table, const fg_allocator *memory);
void fgs_close(fgs_table *table);

/* The number of a string, which is added if it is new; 0 when there is no memory. O(length). */
uint32_t fgs_intern(fgs_table *table, const char *text, size_t length);
/* The number of a string, 0 if it is not there. */
uint32_t fgs_find(const fgs_table *table, const char *text, size_t length);
/* Appends a string that is not looked up again, and shares nothing. */
uint32_t fgs_append(fgs_table *table, const char *text, size_t length);
/* Gives back what is not used. */
void fgs_trim(fgs_table *table);
size_t fgs_bytes(const fgs_table *table);

static inline const char *fgs_text(const fgs_table *table, uint32_t string) {
    return table->data + table->start[string - 1];
}

static inline size_t fgs_length(const fgs_table *table, uint32_t string) {
    return table->start[string] - table->start[string - 1] - 1;
}

/* A hash of bytes: good enough for open addressing, not meant to withstand an attacker. */
uint64_t fgs_hash(const char *text, size_t length);

static inline uint64_t fgs_mix(uint64_t x) {
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ (x >> 32);
}

#endif
