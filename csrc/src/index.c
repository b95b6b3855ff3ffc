/* Finding vertices by type, rank and path. */
#include "graph.h"
#include "sort.h"

static int earlier(const void *context, const void *a, const void *b) {
    const fg_graph *graph = context;
    const uint32_t *one = a, *two = b;
    int32_t first = graph->rank[*one], second = graph->rank[*two];
    return first != second ? first < second : *one < *two;
}

bool fgg_index_vertices(fg_graph *graph) {
    uint32_t types = graph->types.count, sum = 0, ranked = 0;
    for (uint32_t v = 0; v < graph->count; v++) ranked += graph->rank[v] >= 0;
    graph->type_start = fgm_zeroed(&graph->memory, (size_t)types + 1, sizeof *graph->type_start);
    graph->by_type = fgm_zeroed(&graph->memory, graph->count, sizeof *graph->by_type);
    graph->by_rank = fgm_zeroed(&graph->memory, ranked, sizeof *graph->by_rank);
    if (!graph->type_start || !graph->by_type || !graph->by_rank) return false;
    uint32_t *start = graph->type_start;
    for (uint32_t v = 0; v < graph->count; v++) start[graph->type[v]]++;
    for (uint32_t t = 0; t <= types; t++) {
        uint32_t count = start[t];
        start[t] = sum;
        sum += count;
    }
    for (uint32_t v = 0; v < graph->count; v++) {
        graph->by_type[start[graph->type[v]]++] = v;
        if (graph->rank[v] >= 0) graph->by_rank[graph->ranked++] = v;
    }
    for (uint32_t t = types; t > 0; t--) start[t] = start[t - 1];
    start[0] = 0;
    fgg_sort(graph->by_rank, graph->ranked, sizeof *graph->by_rank, earlier, graph);
    return true;
}

uint32_t fg_by_type(const fg_graph *graph, uint32_t type, const uint32_t **vertices) {
    if (type >= graph->types.count) return 0;
    *vertices = graph->by_type + graph->type_start[type];
    return graph->type_start[type + 1] - graph->type_start[type];
}

/* The place of the first vertex whose rank is at least this. */
static uint32_t at_least(const fg_graph *graph, int64_t rank) {
    uint32_t low = 0, high = graph->ranked;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (graph->rank[graph->by_rank[middle]] < rank) low = middle + 1;
        else high = middle;
    }
    return low;
}

uint32_t fg_by_rank(const fg_graph *graph, int64_t rank, const uint32_t **vertices) {
    if (rank < 0 || rank > INT32_MAX) return 0;
    uint32_t first = at_least(graph, rank);
    *vertices = graph->by_rank + first;
    return at_least(graph, rank + 1) - first;
}

/* Whether `*length` bytes end in the text; takes it off. */
static bool strip(const char *path, size_t *length, const char *text, size_t text_length) {
    if (*length < text_length || memcmp(path + *length - text_length, text, text_length) != 0) return false;
    *length -= text_length;
    return true;
}

/* Whether the containment path of a vertex is this one: compared from the back, nothing is put together. */
static bool has_path(const fg_graph *graph, uint32_t vertex, const char *path, size_t length) {
    fgg_name name;
    for (; vertex != FG_NONE && (graph->flags[vertex] & FGG_PLAIN_PATH); vertex = graph->parent[vertex]) {
        fgg_name_of(graph, vertex, &name);
        if (!strip(path, &length, name.second, name.second_length) || !strip(path, &length, name.first, name.first_length) ||
            !strip(path, &length, "/", 1))
            return false;
    }
    const fgg_path *stored = vertex == FG_NONE ? NULL : fgg_stored_path(graph, vertex, FG_CONTAINMENT);
    if (stored && !strip(path, &length, fgs_text(&graph->strings, stored->string), fgs_length(&graph->strings, stored->string)))
        return false;
    return length == 0;
}

uint32_t fg_find_path(const fg_graph *graph, const char *path, size_t length, uint32_t from) {
    uint32_t slot = (uint32_t)fgs_hash(path, length) & graph->path_mask;
    for (; graph->path_slots[slot]; slot = (slot + 1) & graph->path_mask) {
        uint32_t entry = graph->path_slots[slot] - 1;
        if (entry < graph->count) {
            if (!has_path(graph, entry, path, length)) continue;
        } else {
            uint32_t string = graph->paths[entry - graph->count].string;
            if (fgs_length(&graph->strings, string) != length || memcmp(fgs_text(&graph->strings, string), path, length) != 0) continue;
        }
        while (entry != FG_NONE) {
            uint32_t vertex = entry < graph->count ? entry : graph->paths[entry - graph->count].vertex;
            if (vertex >= from) return vertex;
            entry = graph->path_next ? graph->path_next[entry] : FG_NONE;
        }
        return FG_NONE;
    }
    return FG_NONE;
}
