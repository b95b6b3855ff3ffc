/* Making a graph, first third: taking in vertices, paths and edges in the order of the document. See build.h; order.c and paths.c finish it. */
#include "build.h"

static const char *const builtin_types[] = {
#define ROW(name) #name,
    FG_BUILTIN_TYPES(ROW)
#undef ROW
};

int fgb_open(fgb_builder *builder, const char *base, const fg_allocator *allocator, fg_error *error) {
    *builder = (fgb_builder){.error = error, .base = base ? base : ""};
    fg_allocator memory = fgm_allocator(allocator);
    fg_graph *graph = fgm_zeroed(&memory, 1, sizeof *graph);
    if (!graph) return fge_no_memory(error);
    builder->graph = graph;
    graph->memory = memory;
    fgs_open(&graph->strings, &graph->memory);
    fgs_open(&graph->types, &graph->memory);
    fgs_open(&graph->subsystems, &graph->memory);
    fgs_open(&builder->texts, &graph->memory);
    for (uint32_t i = 0; i < FG_MAX_SUBSYSTEMS; i++) graph->root[i] = FG_NONE;
    for (size_t i = 0; i < FGG_BUILTIN_TYPES; i++)
        if (fgb_type(builder, builtin_types[i], strlen(builtin_types[i]), 0) < 0) return FG_NO_MEMORY;
    return fgb_subsystem(builder, "containment", 11, 0);
}

void fgb_close(fgb_builder *builder) {
    fg_graph *graph = builder->graph;
    if (!graph) return;
    const fg_allocator *memory = &graph->memory;
    fgm_free(memory, builder->path);
    fgm_free(memory, builder->hash);
    fgm_free(memory, builder->offset);
    fgm_free(memory, builder->others);
    fgm_free(memory, builder->source);
    fgm_free(memory, builder->target);
    fgm_free(memory, builder->subsystem);
    fgm_free(memory, builder->slots);
    fgs_close(&builder->texts);
    fg_graph_free(graph);
    builder->graph = NULL;
}

static int number(fgb_builder *builder, fgs_table *table, const char *text, size_t length, uint32_t limit, const char *what,
                  uint64_t offset) {
    uint32_t string = fgs_intern(table, text, length);
    if (!string) return fge_no_memory(builder->error);
    if (string <= limit) return (int)(string - 1);
    fge_set(builder->error, FG_LIMIT, offset);
    fge_detail(builder->error, "more than %u %s", (unsigned)limit, what);
    return FG_LIMIT;
}

int fgb_type(fgb_builder *builder, const char *text, size_t length, uint64_t offset) {
    return number(builder, &builder->graph->types, text, length, FG_MAX_TYPES, "types", offset);
}

int fgb_subsystem(fgb_builder *builder, const char *text, size_t length, uint64_t offset) {
    return number(builder, &builder->graph->subsystems, text, length, FG_MAX_SUBSYSTEMS, "subsystems", offset);
}

uint32_t fgb_string(fgb_builder *builder, const char *text, size_t length) {
    uint32_t string = fgs_intern(&builder->graph->strings, text, length);
    if (!string) fge_no_memory(builder->error);
    return string;
}

/* ---- References: offset 40 bits, length 20 bits, whether it is in `texts`, 1 */

fgb_text fgb_reference(fgb_builder *builder, const char *text, size_t length, bool stays) {
    uint64_t offset;
    if (stays)
        offset = (uint64_t)(text - builder->base);
    else {
        offset = builder->texts.size;
        if (!fgs_append(&builder->texts, text, length)) {
            fge_no_memory(builder->error);
            return 0;
        }
    }
    if (offset > FG_MAX_TEXT || length > FG_MAX_STRING) {
        fge_set(builder->error, FG_LIMIT, stays ? offset : 0);
        fge_detail(builder->error, "a path is too long");
        return 0;
    }
    return offset << 22 | (uint64_t)length << 2 | (stays ? 0u : 2u) | 1u;
}

const char *fgb_text_at(const fgb_builder *builder, fgb_text text, size_t *length) {
    *length = (size_t)(text >> 2 & FG_MAX_STRING);
    return (text & 2 ? builder->texts.data : builder->base) + (text >> 22);
}

/* ---- Vertices */

/* Room for one more vertex in every column. A column that grew keeps what it got when the next one cannot; `capacity` is that of the least. */
static bool widen(fgb_builder *builder) {
    fg_graph *graph = builder->graph;
    if (graph->count < graph->capacity) return true;
    uint32_t wanted = graph->capacity + graph->capacity / 2 + 64;
    const fg_allocator *memory = &graph->memory;
#define GROW(type_, name_)                                                            \
    {                                                                                 \
        type_ *moved = fgm_resize(memory, graph->name_, wanted * sizeof *moved);      \
        if (!moved) return false;                                                     \
        graph->name_ = moved;                                                         \
    }
#define GROW_IF(type_, name_)                                                              \
    if (graph->name_) {                                                                    \
        GROW(type_, name_)                                                                 \
        memset(graph->name_ + graph->capacity, 0, (wanted - graph->capacity) * sizeof *graph->name_); \
    }
    FGG_COLUMNS(GROW)
    FGG_OPTIONAL(GROW_IF)
#undef GROW
#undef GROW_IF
    fgb_text *path = fgm_resize(memory, builder->path, wanted * sizeof *path);
    if (!path) return false;
    builder->path = path;
    uint32_t *hash = fgm_resize(memory, builder->hash, wanted * sizeof *hash);
    if (!hash) return false;
    builder->hash = hash;
    graph->capacity = wanted;
    return true;
}

/* Whether the name is the basename and the id. */
static bool usual_name(const fg_graph *graph, const fgb_vertex *fields) {
    if (!fields->name) return true;
    char space[20];
    size_t digits;
    const char *id = fgg_digits(fields->id, space, &digits);
    const fgs_table *table = fields->basename ? &graph->strings : &graph->types;
    uint32_t string = fields->basename ? fields->basename : fields->type + 1u;
    size_t length = fgs_length(table, string);
    return fields->name_length == length + digits && memcmp(fields->name, fgs_text(table, string), length) == 0 &&
           memcmp(fields->name + length, id, digits) == 0;
}

int fgb_add_vertex(fgb_builder *builder, const fgb_vertex *fields, uint64_t offset) {
    fg_graph *graph = builder->graph;
    if (graph->count >= FG_MAX_VERTICES) {
        fge_set(builder->error, FG_LIMIT, offset);
        fge_detail(builder->error, "more than %u vertices", FG_MAX_VERTICES);
        return FG_LIMIT;
    }
    if (!widen(builder)) return fge_no_memory(builder->error);
    uint32_t name = 0;
    if (!usual_name(graph, fields)) {
        name = fgb_string(builder, fields->name, fields->name_length);
        if (!name) return FG_NO_MEMORY;
    }
    if (fields->unit && !fgg_want_unit(graph)) return fge_no_memory(builder->error);
    if (fields->properties && !fgg_want_properties(graph)) return fge_no_memory(builder->error);
    uint32_t vertex = graph->count++, base = fields->basename;
    graph->type[vertex] = fields->type;
    bool as_type = base && strcmp(fgs_text(&graph->strings, base), fgs_text(&graph->types, fields->type + 1u)) == 0;
    graph->basename[vertex] = as_type ? 0 : base;
    graph->name[vertex] = name;
    graph->id[vertex] = fields->id;
    graph->uniq_id[vertex] = fields->uniq_id;
    graph->size[vertex] = fields->size;
    graph->rank[vertex] = fields->rank;
    graph->flags[vertex] = fields->down ? FGG_DOWN : 0;
    if (graph->unit) graph->unit[vertex] = fields->unit;
    if (graph->properties) graph->properties[vertex] = fields->properties;
    builder->path[vertex] = 0;
    return FG_OK;
}

/* ---- Paths */

static bool is_root(const char *path, size_t length) {
    size_t slashes = 0;
    for (size_t i = 0; i < length && slashes < 2; i++) slashes += path[i] == '/';
    return slashes == 1;
}

int fgb_add_path(fgb_builder *builder, uint32_t subsystem, fgb_text text, uint32_t hash, uint64_t offset) {
    fg_graph *graph = builder->graph;
    uint32_t vertex = graph->count - 1;
    const char *name = fg_subsystem_name(graph, subsystem);
    size_t length;
    const char *path = fgb_text_at(builder, text, &length);
    if (subsystem != FG_CONTAINMENT) {
        bool ok;
        fgb_path one = {.vertex = vertex, .hash = hash, .subsystem = (uint8_t)subsystem, .text = text};
        FGM_PUSH(ok, &graph->memory, builder->others, builder->other_count, builder->other_capacity, one);
        if (!ok) return fge_no_memory(builder->error);
    } else if (builder->path[vertex]) {
        fge_set(builder->error, FG_DUPLICATE, offset);
        fge_detail(builder->error, "key paths.%s twice", name);
        return FG_DUPLICATE;
    } else {
        builder->path[vertex] = text;
        builder->hash[vertex] = hash;
    }
    if (!is_root(path, length)) return FG_OK;
    if (graph->root[subsystem] != FG_NONE) {
        fge_set(builder->error, FG_DUPLICATE, offset);
        fge_text(builder->error,
                 "add_graph_metadata: failed to add root metadata for %s subsystem. Possible duplicate root.", name);
        fge_detail(builder->error, "key paths.%s: a second root, %.*s", name, fge_width(length), path);
        return FG_DUPLICATE;
    }
    graph->root[subsystem] = vertex;
    return FG_OK;
}

/* Paths that many ranks share do not end up in one place. */
static uint32_t with_rank(uint32_t hash, int32_t rank) {
    return (uint32_t)fgs_mix(hash + ((uint64_t)(uint32_t)rank << 32));
}

/* The vertex of an entry of the slots, and its path. */
static uint32_t entry_of(const fgb_builder *builder, uint32_t entry, fgb_text *text) {
    if (entry & FGB_OTHER) {
        const fgb_path *other = &builder->others[(entry & ~FGB_OTHER) - 1];
        *text = other->text;
        return other->vertex;
    }
    *text = builder->path[entry - 1];
    return entry - 1;
}

void fgb_expect(const fgb_builder *builder, uint32_t hash, int32_t rank) {
#if defined(__GNUC__)
    if (builder->slots) __builtin_prefetch(&builder->slots[with_rank(hash, rank) & builder->slot_mask], 1);
#else
    (void)builder, (void)hash, (void)rank;
#endif
}

uint32_t fgb_find(const fgb_builder *builder, fgb_text text, uint32_t hash, int32_t rank) {
    if (!builder->slots) return FG_NONE;
    hash = with_rank(hash, rank);
    uint32_t slot = hash & builder->slot_mask;
    for (; builder->slots[slot].entry; slot = (slot + 1) & builder->slot_mask) {
        if (builder->slots[slot].hash != hash) continue;
        fgb_text other;
        size_t length, have;
        uint32_t vertex = entry_of(builder, builder->slots[slot].entry, &other);
        const char *path = fgb_text_at(builder, text, &length), *found = fgb_text_at(builder, other, &have);
        if (builder->graph->rank[vertex] == rank && have == length && memcmp(found, path, length) == 0) return vertex;
    }
    return FG_NONE;
}

static void place(fgb_slot *slots, uint32_t mask, fgb_slot one) {
    uint32_t slot = one.hash & mask;
    while (slots[slot].entry) slot = (slot + 1) & mask;
    slots[slot] = one;
}

int fgb_note_path(fgb_builder *builder, uint32_t subsystem) {
    const fg_allocator *memory = &builder->graph->memory;
    uint64_t slots = builder->slots ? (uint64_t)builder->slot_mask + 1 : 0;
    if ((builder->slot_count + UINT64_C(1)) * 4 > slots * 3) {
        uint64_t wanted = slots ? slots * 2 : 64;
        fgb_slot *wider = wanted > UINT64_C(1) << 31 ? NULL : fgm_zeroed(memory, (size_t)wanted, sizeof *wider);
        if (!wider) return fge_no_memory(builder->error);
        for (uint64_t i = 0; i < slots; i++)
            if (builder->slots[i].entry) place(wider, (uint32_t)(wanted - 1), builder->slots[i]);
        fgm_free(memory, builder->slots);
        builder->slots = wider;
        builder->slot_mask = (uint32_t)(wanted - 1);
    }
    uint32_t vertex = builder->graph->count - 1;
    bool contained = subsystem == FG_CONTAINMENT;
    fgb_slot one = {.entry = contained ? vertex + 1 : FGB_OTHER | builder->other_count};
    uint32_t hash = contained ? builder->hash[vertex] : builder->others[builder->other_count - 1].hash;
    one.hash = with_rank(hash, builder->graph->rank[vertex]);
    place(builder->slots, builder->slot_mask, one);
    builder->slot_count++;
    return FG_OK;
}

/* ---- Edges */

int fgb_add_edge(fgb_builder *builder, uint32_t source, uint32_t target, uint32_t subsystem, uint64_t offset) {
    const fg_allocator *memory = &builder->graph->memory;
    if (builder->edges >= FG_MAX_EDGES) {
        fge_set(builder->error, FG_LIMIT, offset);
        fge_detail(builder->error, "more than %u edges", FG_MAX_EDGES);
        return FG_LIMIT;
    }
    uint32_t count = builder->edges, counts[4] = {count, count, count, count};
    bool ok;
    FGM_PUSH(ok, memory, builder->source, counts[0], builder->source_capacity, source);
    if (ok) FGM_PUSH(ok, memory, builder->target, counts[1], builder->target_capacity, target);
    if (ok) FGM_PUSH(ok, memory, builder->subsystem, counts[2], builder->subsystem_capacity, (uint8_t)subsystem);
    if (ok) FGM_PUSH(ok, memory, builder->offset, counts[3], builder->offset_capacity, offset);
    if (!ok) return fge_no_memory(builder->error);
    builder->edges++;
    return FG_OK;
}

fg_graph *fgb_finish(fgb_builder *builder) {
    fg_graph *graph = builder->graph;
    fgm_free(&graph->memory, builder->slots);
    builder->slots = NULL;
    if (!fgb_order(builder) || !fgb_paths(builder)) return NULL;
    if (!fgg_index_vertices(graph)) {
        fge_no_memory(builder->error);
        return NULL;
    }
#define TRIM(type_, name_) graph->name_ = fgm_trim(&graph->memory, graph->name_, graph->count, sizeof *graph->name_);
    FGG_COLUMNS(TRIM)
    FGG_OPTIONAL(TRIM)
#undef TRIM
    graph->capacity = graph->count ? graph->count : 1;
    fgs_trim(&graph->strings);
    fgs_trim(&graph->types);
    fgs_trim(&graph->subsystems);
    builder->graph = NULL; /* fgb_close must not touch it any more */
    fg_allocator memory = graph->memory;
    fgm_free(&memory, builder->path);
    fgm_free(&memory, builder->hash);
    fgm_free(&memory, builder->offset);
    fgm_free(&memory, builder->others);
    fgm_free(&memory, builder->source);
    fgm_free(&memory, builder->target);
    fgm_free(&memory, builder->subsystem);
    fgs_close(&builder->texts);
    return graph;
}
