/* Interned strings: see intern.h. */
#include "intern.h"

uint64_t fgs_hash(const char *text, size_t length) {
    uint64_t hash = 0x9e3779b97f4a7c15u ^ length;
    for (; length >= 8; text += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, text, 8);
        hash = (hash ^ word) * 0xd6e8feb86659fd93u;
        hash ^= hash >> 29;
    }
    uint64_t word = 0;
    memcpy(&word, text, length);
    return fgs_mix(hash ^ word);
}

void fgs_open(fgs_table *table, const fg_allocator *memory) {
    *table = (fgs_table){.memory = memory};
}

void fgs_close(fgs_table *table) {
    fgm_free(table->memory, table->data);
    fgm_free(table->memory, table->start);
    fgm_free(table->memory, table->slots);
    fgs_open(table, table->memory);
}

static bool same(const fgs_table *table, uint32_t string, const char *text, size_t length) {
    return fgs_length(table, string) == length && memcmp(fgs_text(table, string), text, length) == 0;
}

uint32_t fgs_find(const fgs_table *table, const char *text, size_t length) {
    if (!table->slots) return 0;
    uint32_t slot = (uint32_t)fgs_hash(text, length) & table->slot_mask;
    for (; table->slots[slot]; slot = (slot + 1) & table->slot_mask)
        if (same(table, table->slots[slot], text, length)) return table->slots[slot];
    return 0;
}

static void place(fgs_table *table, uint32_t string) {
    uint32_t slot = (uint32_t)fgs_hash(fgs_text(table, string), fgs_length(table, string)) & table->slot_mask;
    while (table->slots[slot]) slot = (slot + 1) & table->slot_mask;
    table->slots[slot] = string;
}

/* Room for one more string among the slots; those that fgs_append made are rehashed too, which does no harm. */
static bool widen(fgs_table *table) {
    uint64_t slots = table->slots ? (uint64_t)table->slot_mask + 1 : 0;
    if ((table->count + 1) * UINT64_C(4) <= slots * 3) return true;
    uint64_t wanted = slots ? slots * 2 : 16;
    while ((table->count + 1) * UINT64_C(4) > wanted * 3) wanted *= 2;
    if (wanted > UINT64_C(1) << 31) return false;
    uint32_t *wider = fgm_zeroed(table->memory, (size_t)wanted, sizeof *wider);
    if (!wider) return false;
    fgm_free(table->memory, table->slots);
    table->slots = wider;
    table->slot_mask = (uint32_t)(wanted - 1);
    for (uint32_t string = 1; string <= table->count; string++) place(table, string);
    return true;
}

uint32_t fgs_append(fgs_table *table, const char *text, size_t length) {
    if (table->count >= UINT32_MAX - 2) return 0;
    size_t *start = fgm_reserve(table->memory, table->start, &table->start_capacity, table->count + 2, sizeof *start);
    if (!start) return 0;
    table->start = start;
    if (length >= table->capacity - table->size) {
        size_t wanted = table->capacity + table->capacity / 2 + length + 64;
        char *data = fgm_resize(table->memory, table->data, wanted);
        if (!data) return 0;
        table->data = data;
        table->capacity = wanted;
    }
    memcpy(table->data + table->size, text, length);
    table->data[table->size + length] = '\0';
    start[table->count] = table->size;
    table->size += length + 1;
    start[++table->count] = table->size;
    return table->count;
}

uint32_t fgs_intern(fgs_table *table, const char *text, size_t length) {
    uint32_t found = fgs_find(table, text, length);
    if (found) return found;
    if (!widen(table)) return 0;
    found = fgs_append(table, text, length);
    if (found) place(table, found);
    return found;
}

void fgs_trim(fgs_table *table) {
    table->data = fgm_trim(table->memory, table->data, table->size, 1);
    table->capacity = table->data ? (table->size ? table->size : 1) : 0;
    table->start = fgm_trim(table->memory, table->start, (size_t)table->count + 1, sizeof *table->start);
    table->start_capacity = table->start ? table->count + 1 : 0;
}

size_t fgs_bytes(const fgs_table *table) {
    return table->capacity + table->start_capacity * sizeof *table->start +
           (table->slots ? ((size_t)table->slot_mask + 1) * sizeof *table->slots : 0);
}
