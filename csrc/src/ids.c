/* The nodes of a JGF document by their ids: see ids.h. */
#include "ids.h"

void fgi_open(fgi_ids *ids, const fg_allocator *memory) {
    *ids = (fgi_ids){.memory = memory};
    fgs_open(&ids->names, memory);
}

void fgi_close(fgi_ids *ids) {
    fgm_free(ids->memory, ids->direct);
    fgm_free(ids->memory, ids->slots);
    fgm_free(ids->memory, ids->key);
    fgm_free(ids->memory, ids->node);
    fgs_close(&ids->names);
    fgi_open(ids, ids->memory);
}

/* Whether the id is a number in its shortest form, of at most 18 digits. */
static bool plain_number(const char *text, size_t length, uint64_t *number) {
    if (length == 0 || length > 18 || (*text == '0' && length > 1)) return false;
    *number = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        *number = *number * 10 + (uint64_t)(text[i] - '0');
    }
    return true;
}

static uint32_t find_key(const fgi_ids *ids, uint64_t key) {
    if (!ids->slots) return FG_NONE;
    uint32_t slot = (uint32_t)fgs_mix(key) & ids->slot_mask;
    for (; ids->slots[slot]; slot = (slot + 1) & ids->slot_mask)
        if (ids->key[ids->slots[slot] - 1] == key) return ids->node[ids->slots[slot] - 1];
    return FG_NONE;
}

uint32_t fgi_find(const fgi_ids *ids, const char *text, size_t length) {
    uint64_t number;
    if (plain_number(text, length, &number)) {
        if (number < ids->direct_size && ids->direct[number]) return ids->direct[number] - 1;
        return find_key(ids, number * 2);
    }
    uint32_t string = fgs_find(&ids->names, text, length);
    return string ? find_key(ids, (uint64_t)string * 2 + 1) : FG_NONE;
}

static void place(fgi_ids *ids, uint32_t entry) {
    uint32_t slot = (uint32_t)fgs_mix(ids->key[entry]) & ids->slot_mask;
    while (ids->slots[slot]) slot = (slot + 1) & ids->slot_mask;
    ids->slots[slot] = entry + 1;
}

static bool add_key(fgi_ids *ids, uint64_t key, uint32_t node) {
    uint64_t slots = ids->slots ? (uint64_t)ids->slot_mask + 1 : 0;
    if ((ids->hashed + UINT64_C(1)) * 4 > slots * 3) {
        uint64_t wanted = slots ? slots * 2 : 64;
        uint32_t *wider = wanted > UINT64_C(1) << 31 ? NULL : fgm_zeroed(ids->memory, (size_t)wanted, sizeof *wider);
        if (!wider) return false;
        fgm_free(ids->memory, ids->slots);
        ids->slots = wider;
        ids->slot_mask = (uint32_t)(wanted - 1);
        for (uint32_t entry = 0; entry < ids->hashed; entry++) place(ids, entry);
    }
    bool ok;
    uint32_t keys = ids->hashed, nodes = ids->hashed;
    FGM_PUSH(ok, ids->memory, ids->key, keys, ids->key_capacity, key);
    if (ok) FGM_PUSH(ok, ids->memory, ids->node, nodes, ids->node_capacity, node);
    if (ok) place(ids, ids->hashed++);
    return ok;
}

bool fgi_add(fgi_ids *ids, const char *text, size_t length, uint32_t node, uint32_t count) {
    uint64_t number;
    if (!plain_number(text, length, &number)) {
        uint32_t string = fgs_intern(&ids->names, text, length);
        return string && add_key(ids, (uint64_t)string * 2 + 1, node);
    }
    /* The array is never more than some four times as long as there are nodes. */
    if (number >= UINT64_C(4) * count + 4096) return add_key(ids, number * 2, node);
    if (number >= ids->direct_size) {
        uint32_t before = ids->direct_size;
        uint32_t *wider = fgm_reserve(ids->memory, ids->direct, &ids->direct_size, (uint32_t)number + 1, sizeof *wider);
        if (!wider) return false;
        memset(wider + before, 0, (ids->direct_size - before) * sizeof *wider);
        ids->direct = wider;
    }
    ids->direct[number] = node + 1;
    return true;
}
