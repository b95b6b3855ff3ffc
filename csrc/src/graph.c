/* Reading a graph, and its status. See fluxplug_graph.h for the contracts. */
#include "graph.h"

void fg_graph_free(fg_graph *graph) {
    if (!graph) return;
    fg_allocator memory = graph->memory;
    fgs_close(&graph->strings);
    fgs_close(&graph->types);
    fgs_close(&graph->subsystems);
    fgm_free(&memory, graph->sets.pairs);
    fgm_free(&memory, graph->sets.start);
    fgm_free(&memory, graph->sets.slots);
#define FREE(type_, name_) fgm_free(&memory, graph->name_);
    FGG_COLUMNS(FREE)
    FGG_OPTIONAL(FREE)
#undef FREE
    fgm_free(&memory, graph->parent);
    fgm_free(&memory, graph->subtree);
    fgm_free(&memory, graph->depth);
    fgm_free(&memory, graph->created);
    fgm_free(&memory, graph->out_start);
    fgm_free(&memory, graph->out_target);
    fgm_free(&memory, graph->out_subsystem);
    fgm_free(&memory, graph->in_start);
    fgm_free(&memory, graph->in_source);
    fgm_free(&memory, graph->in_subsystem);
    fgm_free(&memory, graph->type_start);
    fgm_free(&memory, graph->by_type);
    fgm_free(&memory, graph->by_rank);
    fgm_free(&memory, graph->paths);
    fgm_free(&memory, graph->path_slots);
    fgm_free(&memory, graph->path_next);
    fgm_free(&memory, graph);
}

static size_t bytes(const fg_graph *graph) {
    size_t count = graph->count, edges = graph->out_start[count], row = 0, sum = sizeof *graph;
#define ADD(type_, name_) row += graph->name_ ? sizeof *graph->name_ : 0;
    FGG_COLUMNS(ADD)
    FGG_OPTIONAL(ADD)
#undef ADD
    row += sizeof *graph->parent + sizeof *graph->subtree + sizeof *graph->depth + sizeof *graph->out_start;
    row += sizeof *graph->by_type + (graph->created ? sizeof *graph->created : 0);
    sum += count * row + graph->ranked * sizeof *graph->by_rank;
    sum += edges * (sizeof *graph->out_target + (graph->out_subsystem ? 1 : 0));
    if (graph->in_start) sum += count * sizeof *graph->in_start + edges * (sizeof *graph->in_source + 1);
    sum += graph->path_count * sizeof *graph->paths + ((size_t)graph->path_mask + 1) * sizeof *graph->path_slots;
    if (graph->path_next) sum += (count + graph->path_count) * sizeof *graph->path_next;
    const fgg_sets *sets = &graph->sets;
    sum += sets->pair_capacity * sizeof *sets->pairs + sets->start_capacity * sizeof *sets->start;
    if (sets->slots) sum += ((size_t)sets->slot_mask + 1) * sizeof *sets->slots;
    return sum + fgs_bytes(&graph->strings) + fgs_bytes(&graph->types) + fgs_bytes(&graph->subsystems);
}

void fg_graph_info(const fg_graph *graph, fg_info *info) {
    *info = (fg_info){
        .vertices = graph->count,
        .edges = graph->out_start[graph->count],
        .types = graph->types.count,
        .subsystems = graph->subsystems.count,
        .root = graph->root[FG_CONTAINMENT],
        .tree = graph->tree,
        .several_parents = graph->several,
        .bytes = bytes(graph),
    };
}

int fg_get(const fg_graph *graph, uint32_t vertex, fg_vertex *fields) {
    if (vertex >= graph->count) return FG_NOT_FOUND;
    uint32_t properties;
    fgg_pairs(graph, vertex, &properties);
    uint32_t unit = graph->unit ? graph->unit[vertex] : 0;
    *fields = (fg_vertex){
        .type = fgg_type_text(graph, vertex),
        .basename = fgg_basename(graph, vertex),
        .unit = unit ? fgs_text(&graph->strings, unit) : "",
        .id = graph->id[vertex],
        .uniq_id = graph->uniq_id[vertex],
        .size = graph->size[vertex],
        .rank = graph->rank[vertex],
        .type_number = graph->type[vertex],
        .properties = properties,
        .parent = graph->parent[vertex],
        .subtree = graph->subtree[vertex],
        .depth = graph->depth[vertex],
        .out_edges = graph->out_start[vertex + 1] - graph->out_start[vertex],
        .down = (graph->flags[vertex] & FGG_DOWN) != 0,
    };
    return FG_OK;
}

const char *fgg_digits(int64_t number, char out[20], size_t *length) {
    char *at = out + 20;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (number < 0) *--at = '-';
    *length = (size_t)(out + 20 - at);
    return at;
}

void fgg_name_of(const fg_graph *graph, uint32_t vertex, fgg_name *name) {
    uint32_t string = graph->name[vertex];
    if (string) {
        name->first = fgs_text(&graph->strings, string);
        name->first_length = fgs_length(&graph->strings, string);
        name->second = name->digits;
        name->second_length = 0;
        return;
    }
    uint32_t base = graph->basename[vertex];
    const fgs_table *table = base ? &graph->strings : &graph->types;
    if (!base) base = graph->type[vertex] + 1u;
    name->first = fgs_text(table, base);
    name->first_length = fgs_length(table, base);
    name->second = fgg_digits(graph->id[vertex], name->digits, &name->second_length);
}

/* Copies what fits before `end`, at a place that counts what did not. */
static void put(char *out, size_t size, size_t at, const char *text, size_t length) {
    if (at >= size) return;
    memcpy(out + at, text, length < size - at ? length : size - at);
}

size_t fg_name(const fg_graph *graph, uint32_t vertex, char *out, size_t size) {
    if (vertex >= graph->count) return 0;
    fgg_name name;
    fgg_name_of(graph, vertex, &name);
    put(out, size, 0, name.first, name.first_length);
    put(out, size, name.first_length, name.second, name.second_length);
    size_t length = name.first_length + name.second_length;
    if (size) out[length < size ? length : size - 1] = '\0';
    return length;
}

const fgg_path *fgg_stored_path(const fg_graph *graph, uint32_t vertex, uint32_t subsystem) {
    uint32_t low = 0, high = graph->path_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const fgg_path *path = &graph->paths[middle];
        if (path->vertex < vertex || (path->vertex == vertex && path->subsystem < subsystem)) low = middle + 1;
        else high = middle;
    }
    if (low == graph->path_count) return NULL;
    const fgg_path *path = &graph->paths[low];
    return path->vertex == vertex && path->subsystem == subsystem ? path : NULL;
}

/* The length of the path of a vertex, and its text when `out` is not NULL: from the back, parts of the plain vertices, then what is stored. */
static size_t plain_path(const fg_graph *graph, uint32_t vertex, char *out, size_t size, size_t total) {
    size_t length = 0;
    fgg_name name;
    while (vertex != FG_NONE && (graph->flags[vertex] & FGG_PLAIN_PATH)) {
        fgg_name_of(graph, vertex, &name);
        length += 1 + name.first_length + name.second_length;
        if (out) {
            size_t at = total - length;
            put(out, size, at, "/", 1);
            put(out, size, at + 1, name.first, name.first_length);
            put(out, size, at + 1 + name.first_length, name.second, name.second_length);
        }
        vertex = graph->parent[vertex];
    }
    const fgg_path *stored = vertex == FG_NONE ? NULL : fgg_stored_path(graph, vertex, FG_CONTAINMENT);
    if (!stored) return length;
    size_t above = fgs_length(&graph->strings, stored->string);
    if (out) put(out, size, 0, fgs_text(&graph->strings, stored->string), above);
    return length + above;
}

size_t fg_path(const fg_graph *graph, uint32_t vertex, uint32_t subsystem, char *out, size_t size) {
    if (size) *out = '\0';
    if (vertex >= graph->count) return 0;
    size_t length = 0;
    if (subsystem == FG_CONTAINMENT && (graph->flags[vertex] & FGG_PLAIN_PATH)) {
        length = plain_path(graph, vertex, NULL, 0, 0);
        if (size) plain_path(graph, vertex, out, size, length);
    } else if (graph->flags[vertex] & FGG_HAS_PATHS) {
        const fgg_path *stored = fgg_stored_path(graph, vertex, subsystem);
        if (!stored) return 0;
        length = fgs_length(&graph->strings, stored->string);
        put(out, size, 0, fgs_text(&graph->strings, stored->string), length);
    }
    if (size) out[length < size ? length : size - 1] = '\0';
    return length;
}

int fg_edge(const fg_graph *graph, uint32_t vertex, uint32_t index, uint32_t *target, uint32_t *subsystem) {
    if (vertex >= graph->count || index >= graph->out_start[vertex + 1] - graph->out_start[vertex]) return FG_NOT_FOUND;
    uint32_t edge = graph->out_start[vertex] + index;
    *target = graph->out_target[edge];
    *subsystem = graph->out_subsystem ? graph->out_subsystem[edge] : FG_CONTAINMENT;
    return FG_OK;
}

uint32_t fg_created(const fg_graph *graph, uint32_t k) {
    if (k >= graph->count) return FG_NONE;
    return graph->created ? graph->created[k] : k;
}

const char *fg_type_name(const fg_graph *graph, uint32_t type) {
    return type < graph->types.count ? fgs_text(&graph->types, type + 1) : NULL;
}

const char *fg_subsystem_name(const fg_graph *graph, uint32_t subsystem) {
    return subsystem < graph->subsystems.count ? fgs_text(&graph->subsystems, subsystem + 1) : NULL;
}

uint32_t fg_type_number(const fg_graph *graph, const char *name) {
    return fgs_find(&graph->types, name, strlen(name)) - 1u; /* 0 becomes FG_NONE */
}

uint32_t fg_subsystem_number(const fg_graph *graph, const char *name) {
    return fgs_find(&graph->subsystems, name, strlen(name)) - 1u;
}

uint32_t fg_root(const fg_graph *graph, uint32_t subsystem) {
    return subsystem < graph->subsystems.count ? graph->root[subsystem] : FG_NONE;
}

int fg_set_down(fg_graph *graph, uint32_t vertex, int down) {
    if (vertex >= graph->count) return FG_NOT_FOUND;
    graph->flags[vertex] = (uint8_t)((graph->flags[vertex] & ~FGG_DOWN) | (down ? FGG_DOWN : 0));
    return FG_OK;
}
