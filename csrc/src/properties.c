/* Properties: each distinct set of pairs once. And the optional columns, which come with the first vertex that needs them. */
#include "graph.h"
#include "sort.h"

static bool want(const fg_graph *graph, uint32_t **column) {
    if (!*column) *column = fgm_zeroed(&graph->memory, graph->capacity, sizeof **column);
    return *column != NULL;
}

bool fgg_want_unit(fg_graph *graph) {
    return want(graph, &graph->unit);
}

bool fgg_want_properties(fg_graph *graph) {
    return want(graph, &graph->properties);
}

static uint32_t first_pair(const fgg_sets *sets, uint32_t set) {
    return sets->start[set - 1];
}

const fgg_pair *fgg_pairs(const fg_graph *graph, uint32_t vertex, uint32_t *count) {
    uint32_t set = graph->properties ? graph->properties[vertex] : 0;
    *count = set ? graph->sets.start[set] - first_pair(&graph->sets, set) : 0;
    return set ? graph->sets.pairs + first_pair(&graph->sets, set) : NULL;
}

static int earlier(const void *context, const void *a, const void *b) {
    const fg_graph *graph = context;
    const fgg_pair *one = a, *two = b;
    return strcmp(fgs_text(&graph->strings, one->key), fgs_text(&graph->strings, two->key)) < 0;
}

static uint32_t hash(const fgg_pair *pairs, uint32_t count) {
    return (uint32_t)fgs_hash((const char *)pairs, count * sizeof *pairs);
}

static uint32_t set_hash(const fgg_sets *sets, uint32_t set) {
    return hash(sets->pairs + first_pair(sets, set), sets->start[set] - first_pair(sets, set));
}

static bool widen(const fg_graph *graph, fgg_sets *sets) {
    uint64_t slots = sets->slots ? (uint64_t)sets->slot_mask + 1 : 0;
    if ((sets->count + UINT64_C(1)) * 4 <= slots * 3) return true;
    uint64_t wanted = slots ? slots * 2 : 16;
    uint32_t *wider = wanted > UINT64_C(1) << 31 ? NULL : fgm_zeroed(&graph->memory, (size_t)wanted, sizeof *wider);
    if (!wider) return false;
    fgm_free(&graph->memory, sets->slots);
    sets->slots = wider;
    sets->slot_mask = (uint32_t)(wanted - 1);
    for (uint32_t set = 1; set <= sets->count; set++) {
        uint32_t slot = set_hash(sets, set) & sets->slot_mask;
        while (wider[slot]) slot = (slot + 1) & sets->slot_mask;
        wider[slot] = set;
    }
    return true;
}

uint32_t fgg_set(fg_graph *graph, fgg_pair *pairs, uint32_t count) {
    fgg_sets *sets = &graph->sets;
    const fg_allocator *memory = &graph->memory;
    if (count == 0) return 0;
    fgg_sort(pairs, count, sizeof *pairs, earlier, graph);
    if (!widen(graph, sets)) return FG_NONE;
    uint32_t slot = hash(pairs, count) & sets->slot_mask;
    for (; sets->slots[slot]; slot = (slot + 1) & sets->slot_mask) {
        uint32_t set = sets->slots[slot];
        if (sets->start[set] - first_pair(sets, set) == count &&
            memcmp(sets->pairs + first_pair(sets, set), pairs, count * sizeof *pairs) == 0)
            return set;
    }
    if (UINT32_MAX - sets->pair_count < count) return FG_NONE;
    uint32_t *start = fgm_reserve(memory, sets->start, &sets->start_capacity, sets->count + 2, sizeof *start);
    if (!start) return FG_NONE;
    sets->start = start;
    fgg_pair *room = fgm_reserve(memory, sets->pairs, &sets->pair_capacity, sets->pair_count + count, sizeof *room);
    if (!room) return FG_NONE;
    sets->pairs = room;
    memcpy(room + sets->pair_count, pairs, count * sizeof *pairs);
    start[sets->count] = sets->pair_count;
    sets->pair_count += count;
    start[++sets->count] = sets->pair_count;
    sets->slots[slot] = sets->count;
    return sets->count;
}

int fg_property(const fg_graph *graph, uint32_t vertex, uint32_t index, const char **key, const char **value) {
    if (vertex >= graph->count) return FG_NOT_FOUND;
    uint32_t count;
    const fgg_pair *pairs = fgg_pairs(graph, vertex, &count);
    if (index >= count) return FG_NOT_FOUND;
    *key = fgs_text(&graph->strings, pairs[index].key);
    *value = fgs_text(&graph->strings, pairs[index].value);
    return FG_OK;
}

int fg_set_property(fg_graph *graph, uint32_t vertex, const char *key, const char *value) {
    if (vertex >= graph->count) return FG_NOT_FOUND;
    if (strlen(key) > FG_MAX_STRING || strlen(value) > FG_MAX_STRING) return FG_LIMIT;
    fgg_pair pair = {.key = fgs_intern(&graph->strings, key, strlen(key))};
    if (pair.key) pair.value = fgs_intern(&graph->strings, value, strlen(value));
    if (!pair.key || !pair.value || !fgg_want_properties(graph)) return FG_NO_MEMORY;
    uint32_t count;
    const fgg_pair *old = fgg_pairs(graph, vertex, &count);
    fgg_pair *pairs = fgm_resize(&graph->memory, NULL, ((size_t)count + 1) * sizeof *pairs);
    if (!pairs) return FG_NO_MEMORY;
    uint32_t i = 0;
    for (; i < count; i++) pairs[i] = old[i];
    for (i = 0; i < count && pairs[i].key != pair.key; i++) {}
    pairs[i] = pair;
    int code = FG_LIMIT;
    if (i < count || count < FG_MAX_PROPERTIES) {
        uint32_t set = fgg_set(graph, pairs, i == count ? count + 1 : count);
        code = set == FG_NONE ? FG_NO_MEMORY : FG_OK;
        if (code == FG_OK) graph->properties[vertex] = set;
    }
    fgm_free(&graph->memory, pairs);
    return code;
}
