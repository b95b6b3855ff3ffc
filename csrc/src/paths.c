/* Making a graph, last third: which paths need not be stored, and the index by path. See build.h. */
#include "build.h"
#include "sort.h"

/* Whether the containment path of a vertex is that of its parent, "/", and its name. */
static bool usual_path(const fgb_builder *builder, uint32_t vertex) {
    const fg_graph *graph = builder->graph;
    uint32_t parent = graph->parent[vertex];
    if (parent != FG_NONE && !builder->path[parent]) return false;
    size_t length, above = 0;
    const char *path = fgb_text_at(builder, builder->path[vertex], &length), *prefix = "";
    if (parent != FG_NONE) prefix = fgb_text_at(builder, builder->path[parent], &above);
    fgg_name name;
    fgg_name_of(graph, vertex, &name);
    if (length != above + 1 + name.first_length + name.second_length || memcmp(path, prefix, above) != 0) return false;
    path += above;
    return *path == '/' && memcmp(path + 1, name.first, name.first_length) == 0 &&
           memcmp(path + 1 + name.first_length, name.second, name.second_length) == 0;
}

static int earlier(const void *context, const void *a, const void *b) {
    (void)context;
    const fgg_path *one = a, *two = b;
    return one->vertex != two->vertex ? one->vertex < two->vertex : one->subsystem < two->subsystem;
}

static bool store(fgb_builder *builder, uint32_t *capacity, uint32_t vertex, uint8_t subsystem, fgb_text text) {
    fg_graph *graph = builder->graph;
    size_t length;
    const char *path = fgb_text_at(builder, text, &length);
    fgg_path one = {.vertex = vertex, .subsystem = subsystem, .string = fgs_append(&graph->strings, path, length)};
    bool ok = one.string != 0;
    if (ok) FGM_PUSH(ok, &graph->memory, graph->paths, graph->path_count, *capacity, one);
    graph->flags[vertex] |= FGG_HAS_PATHS;
    return ok;
}

/* FG_OK, FG_NO_MEMORY, or FG_DUPLICATE for a vertex with two paths in one subsystem. */
static int store_paths(fgb_builder *builder) {
    fg_graph *graph = builder->graph;
    uint32_t capacity = 0;
    for (uint32_t v = 0; v < graph->count; v++) {
        if (!builder->path[v]) continue;
        if (usual_path(builder, v)) graph->flags[v] |= FGG_PLAIN_PATH;
        else if (!store(builder, &capacity, v, FG_CONTAINMENT, builder->path[v])) return fge_no_memory(builder->error);
    }
    for (uint32_t i = 0; i < builder->other_count; i++) {
        const fgb_path *other = &builder->others[i];
        if (!store(builder, &capacity, other->vertex, other->subsystem, other->text)) return fge_no_memory(builder->error);
    }
    fgg_sort(graph->paths, graph->path_count, sizeof *graph->paths, earlier, NULL);
    for (uint32_t i = 1; i < graph->path_count; i++)
        if (!earlier(NULL, &graph->paths[i - 1], &graph->paths[i])) {
            fge_set(builder->error, FG_DUPLICATE, 0);
            fge_detail(builder->error, "vertex %lld: key paths.%s twice", (long long)graph->uniq_id[graph->paths[i].vertex],
                       fg_subsystem_name(graph, graph->paths[i].subsystem));
            return FG_DUPLICATE;
        }
    graph->paths = fgm_trim(&graph->memory, graph->paths, graph->path_count, sizeof *graph->paths);
    return FG_OK;
}

/* The text of an entry of the index: see fg_graph.path_slots. */
static const char *entry_text(const fgb_builder *builder, uint32_t entry, size_t *length) {
    const fg_graph *graph = builder->graph;
    if (entry < graph->count) return fgb_text_at(builder, builder->path[entry], length);
    uint32_t string = graph->paths[entry - graph->count].string;
    *length = fgs_length(&graph->strings, string);
    return fgs_text(&graph->strings, string);
}

static uint32_t entry_hash(const fgb_builder *builder, uint32_t entry) {
    const fg_graph *graph = builder->graph;
    if (entry < graph->count) return builder->hash[entry];
    size_t length;
    const char *path = entry_text(builder, entry, &length);
    return (uint32_t)fgs_hash(path, length);
}

static uint32_t entry_vertex(const fg_graph *graph, uint32_t entry) {
    return entry < graph->count ? entry : graph->paths[entry - graph->count].vertex;
}

/* Puts an entry before those with the same path, all of which are of the same or higher vertices. */
static bool insert(fgb_builder *builder, uint32_t entry) {
    fg_graph *graph = builder->graph;
    size_t length, have;
    uint32_t hash = entry_hash(builder, entry), slot = hash & graph->path_mask;
    for (; graph->path_slots[slot]; slot = (slot + 1) & graph->path_mask) {
        uint32_t head = graph->path_slots[slot] - 1;
        if (entry_hash(builder, head) != hash) continue;
        const char *path = entry_text(builder, entry, &length);
        const char *text = entry_text(builder, head, &have);
        if (have != length || memcmp(text, path, length) != 0) continue;
        if (entry_vertex(graph, head) == entry_vertex(graph, entry)) return true; /* one path in two subsystems */
        if (!graph->path_next) {
            size_t entries = (size_t)graph->count + graph->path_count;
            graph->path_next = fgm_resize(&graph->memory, NULL, entries * sizeof *graph->path_next);
            if (!graph->path_next) return false;
            memset(graph->path_next, 0xff, entries * sizeof *graph->path_next);
        }
        graph->path_next[entry] = head;
        break;
    }
    graph->path_slots[slot] = entry + 1;
    return true;
}

static bool index_paths(fgb_builder *builder) {
    fg_graph *graph = builder->graph;
    uint64_t entries = graph->path_count, slots = 16;
    for (uint32_t v = 0; v < graph->count; v++) entries += (graph->flags[v] & FGG_PLAIN_PATH) != 0;
    while (slots * 3 < entries * 4) slots *= 2;
    if (slots > UINT64_C(1) << 31) return false;
    graph->path_slots = fgm_zeroed(&graph->memory, (size_t)slots, sizeof *graph->path_slots);
    if (!graph->path_slots) return false;
    graph->path_mask = (uint32_t)(slots - 1);
    uint32_t stored = graph->path_count;
    for (uint32_t v = graph->count; v-- > 0;) {
        if ((graph->flags[v] & FGG_PLAIN_PATH) && !insert(builder, v)) return false;
        for (; stored && graph->paths[stored - 1].vertex == v; stored--)
            if (!insert(builder, graph->count + stored - 1)) return false;
    }
    return true;
}

bool fgb_paths(fgb_builder *builder) {
    if (store_paths(builder) != FG_OK) return false;
    if (index_paths(builder)) return true;
    fge_no_memory(builder->error);
    return false;
}
