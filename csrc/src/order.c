/* Making a graph, second third: out-edges by source, and the numbering in preorder of containment. See build.h. */
#include "build.h"

/* Out-edges of each vertex in the order in which they were made: a counting sort by source. Works again after renumbering. */
static bool group_edges(fgb_builder *builder) {
    fg_graph *graph = builder->graph;
    const fg_allocator *memory = &graph->memory;
    uint32_t edges = builder->edges;
    bool one_kind = true;
    for (uint32_t e = 0; e < edges && one_kind; e++) one_kind = builder->subsystem[e] == FG_CONTAINMENT;
    if (!graph->out_start) {
        graph->out_start = fgm_zeroed(memory, (size_t)graph->count + 1, sizeof *graph->out_start);
        graph->out_target = fgm_zeroed(memory, edges, sizeof *graph->out_target);
        if (!one_kind) graph->out_subsystem = fgm_zeroed(memory, edges, 1);
        if (!graph->out_start || !graph->out_target || (!one_kind && !graph->out_subsystem)) return false;
    } else
        memset(graph->out_start, 0, ((size_t)graph->count + 1) * sizeof *graph->out_start);
    uint32_t *start = graph->out_start, sum = 0;
    for (uint32_t e = 0; e < edges; e++) start[builder->source[e]]++;
    for (uint32_t v = 0; v <= graph->count; v++) {
        uint32_t count = start[v];
        start[v] = sum;
        sum += count;
    }
    for (uint32_t e = 0; e < edges; e++) {
        uint32_t at = start[builder->source[e]]++;
        graph->out_target[at] = builder->target[e];
        if (!one_kind) graph->out_subsystem[at] = builder->subsystem[e];
    }
    for (uint32_t v = graph->count; v > 0; v--) start[v] = start[v - 1];
    start[0] = 0;
    return true;
}

typedef struct preorder {
    fg_graph *graph;
    uint32_t *number; /* by creation: the place in preorder, or FG_NONE */
    uint32_t *made;   /* by place in preorder: the creation */
    uint32_t count;
} preorder;

static void enter(preorder *walk, uint32_t vertex, uint32_t parent, uint32_t depth) {
    uint32_t place = walk->count++;
    walk->number[vertex] = place;
    walk->made[place] = vertex;
    walk->graph->parent[place] = parent;
    walk->graph->depth[place] = (uint16_t)depth;
}

/* Depth first over containment from one vertex. False when it is too deep: `*deep` is then the vertex. */
static bool descend(preorder *walk, uint32_t from, uint32_t *deep) {
    fg_graph *graph = walk->graph;
    struct { uint32_t vertex, edge; } stack[FG_MAX_DEPTH];
    uint32_t level = 1;
    enter(walk, from, FG_NONE, 0);
    stack[0].vertex = from;
    stack[0].edge = graph->out_start[from];
    while (level) {
        uint32_t vertex = stack[level - 1].vertex, edge = stack[level - 1].edge++;
        uint32_t place = walk->number[vertex];
        if (edge == graph->out_start[vertex + 1]) {
            graph->subtree[place] = walk->count - place;
            level--;
        } else if (fgg_same_subsystem(graph, edge, FG_CONTAINMENT) && walk->number[graph->out_target[edge]] == FG_NONE) {
            uint32_t child = graph->out_target[edge];
            if (level == FG_MAX_DEPTH) {
                *deep = child;
                return false;
            }
            enter(walk, child, place, level);
            stack[level].vertex = child;
            stack[level].edge = graph->out_start[child];
            level++;
        }
    }
    return true;
}

/* All vertices: from the root, then from those that containment does not lead to, then from what is left, which lies on cycles. */
static int number_all(fgb_builder *builder, preorder *walk) {
    fg_graph *graph = walk->graph;
    uint32_t deep = FG_NONE, root = graph->root[FG_CONTAINMENT];
    uint8_t *below = fgm_zeroed(&graph->memory, graph->count, 1);
    if (!below) return fge_no_memory(builder->error);
    for (uint32_t e = 0; e < builder->edges; e++)
        if (builder->subsystem[e] == FG_CONTAINMENT) below[builder->target[e]] = 1;
    bool ok = root == FG_NONE || descend(walk, root, &deep);
    for (int cycles = 0; cycles <= 1; cycles++)
        for (uint32_t v = 0; ok && v < graph->count; v++)
            if (walk->number[v] == FG_NONE && (cycles || !below[v])) ok = descend(walk, v, &deep);
    fgm_free(&graph->memory, below);
    if (ok) return FG_OK;
    fge_set(builder->error, FG_LIMIT, 0);
    fge_detail(builder->error, "vertex %lld lies deeper than %u levels of containment", (long long)graph->uniq_id[deep], FG_MAX_DEPTH);
    return FG_LIMIT;
}

/* Puts every column and every number into the new order. */
static bool permute(fgb_builder *builder, const preorder *walk) {
    fg_graph *graph = builder->graph;
    const fg_allocator *memory = &graph->memory;
#define PERMUTE(type_, name_, owner_)                                                        \
    if (owner_->name_) {                                                                     \
        type_ *moved = fgm_resize(memory, NULL, graph->capacity * sizeof *moved);            \
        if (!moved) return false;                                                            \
        for (uint32_t v = 0; v < graph->count; v++) moved[v] = owner_->name_[walk->made[v]]; \
        fgm_free(memory, owner_->name_);                                                     \
        owner_->name_ = moved;                                                               \
    }
#define COLUMN(type_, name_) PERMUTE(type_, name_, graph)
    FGG_COLUMNS(COLUMN)
    FGG_OPTIONAL(COLUMN)
    PERMUTE(fgb_text, path, builder)
    PERMUTE(uint32_t, hash, builder)
#undef COLUMN
#undef PERMUTE
    for (uint32_t e = 0; e < builder->edges; e++) {
        builder->source[e] = walk->number[builder->source[e]];
        builder->target[e] = walk->number[builder->target[e]];
    }
    for (uint32_t i = 0; i < builder->other_count; i++) builder->others[i].vertex = walk->number[builder->others[i].vertex];
    for (uint32_t i = 0; i < FG_MAX_SUBSYSTEMS; i++)
        if (graph->root[i] != FG_NONE) graph->root[i] = walk->number[graph->root[i]];
    return group_edges(builder);
}

static bool number_vertices(fgb_builder *builder) {
    fg_graph *graph = builder->graph;
    const fg_allocator *memory = &graph->memory;
    graph->parent = fgm_zeroed(memory, graph->count, sizeof *graph->parent);
    graph->subtree = fgm_zeroed(memory, graph->count, sizeof *graph->subtree);
    graph->depth = fgm_zeroed(memory, graph->count, sizeof *graph->depth);
    graph->created = fgm_zeroed(memory, graph->count, sizeof *graph->created);
    preorder walk = {.graph = graph, .number = graph->created};
    walk.made = fgm_zeroed(memory, graph->count, sizeof *walk.made);
    int code = FG_OK;
    if (!graph->parent || !graph->subtree || !graph->depth || !graph->created || !walk.made)
        code = fge_no_memory(builder->error);
    else {
        memset(walk.number, 0xff, graph->count * sizeof *walk.number);
        code = number_all(builder, &walk);
    }
    bool same = true;
    for (uint32_t v = 0; code == FG_OK && same && v < graph->count; v++) same = walk.made[v] == v;
    if (code == FG_OK && !same && !permute(builder, &walk)) code = fge_no_memory(builder->error);
    fgm_free(memory, walk.made);
    if (code == FG_OK && same) {
        fgm_free(memory, graph->created);
        graph->created = NULL;
    }
    return code == FG_OK;
}

/* Two edges between the same two vertices are one too many, whatever their subsystems. */
static int refuse_duplicates(fgb_builder *builder) {
    fg_graph *graph = builder->graph;
    uint32_t *seen = fgm_zeroed(&graph->memory, graph->count, sizeof *seen); /* by target: 1 + the last source */
    if (!seen) return fge_no_memory(builder->error);
    int code = FG_OK;
    for (uint32_t v = 0; code == FG_OK && v < graph->count; v++)
        for (uint32_t e = graph->out_start[v]; code == FG_OK && e < graph->out_start[v + 1]; e++) {
            uint32_t target = graph->out_target[e];
            if (seen[target] != v + 1) {
                seen[target] = v + 1;
                continue;
            }
            uint64_t offset = 0;
            for (uint32_t i = 0, times = 0; i < builder->edges && times < 2; i++)
                if (builder->source[i] == v && builder->target[i] == target) {
                    offset = builder->offset[i];
                    times++;
                }
            code = fge_set(builder->error, FG_DUPLICATE, offset);
            fge_text(builder->error, "error inserting an edge to outedge metadata map");
            fge_detail(builder->error, "edge %lld -> %lld: there is one between them already", (long long)graph->uniq_id[v],
                       (long long)graph->uniq_id[target]);
        }
    fgm_free(&graph->memory, seen);
    return code;
}

/* In-edges, where parents alone do not say it all, and who has several parents. */
static bool group_in_edges(fgb_builder *builder) {
    fg_graph *graph = builder->graph;
    const fg_allocator *memory = &graph->memory;
    uint32_t edges = builder->edges, contained = 0, with_parent = 0, outside = 0;
    for (uint32_t e = 0; e < edges; e++) contained += builder->subsystem[e] == FG_CONTAINMENT;
    uint32_t root = graph->root[FG_CONTAINMENT], within = root == FG_NONE ? 0 : graph->subtree[root];
    for (uint32_t v = 0; v < graph->count; v++) {
        with_parent += graph->parent[v] != FG_NONE;
        outside += v >= within && builder->path[v];
    }
    graph->tree = root != FG_NONE && contained == within - 1 && !outside;
    if (with_parent == edges && contained == edges) return true;
    graph->in_start = fgm_zeroed(memory, (size_t)graph->count + 1, sizeof *graph->in_start);
    graph->in_source = fgm_zeroed(memory, edges, sizeof *graph->in_source);
    graph->in_subsystem = fgm_zeroed(memory, edges, 1);
    if (!graph->in_start || !graph->in_source || !graph->in_subsystem) return false;
    uint32_t *start = graph->in_start, sum = 0;
    for (uint32_t e = 0; e < edges; e++) start[graph->out_target[e]]++;
    for (uint32_t v = 0; v <= graph->count; v++) {
        uint32_t count = start[v];
        start[v] = sum;
        sum += count;
    }
    for (uint32_t v = 0; v < graph->count; v++)
        for (uint32_t e = graph->out_start[v]; e < graph->out_start[v + 1]; e++) {
            uint32_t at = start[graph->out_target[e]]++;
            graph->in_source[at] = v;
            graph->in_subsystem[at] = graph->out_subsystem ? graph->out_subsystem[e] : FG_CONTAINMENT;
        }
    for (uint32_t v = graph->count; v > 0; v--) start[v] = start[v - 1];
    start[0] = 0;
    uint32_t last[FG_MAX_SUBSYSTEMS] = {0}; /* 1 + the vertex that was last seen below a parent in this subsystem */
    for (uint32_t v = 0; v < graph->count; v++) {
        bool several = false;
        for (uint32_t e = start[v]; e < start[v + 1]; e++) {
            several |= last[graph->in_subsystem[e]] == v + 1;
            last[graph->in_subsystem[e]] = v + 1;
        }
        if (several) graph->flags[v] |= FGG_SEVERAL;
        graph->several += several;
    }
    return true;
}

bool fgb_order(fgb_builder *builder) {
    if (!group_edges(builder)) {
        fge_no_memory(builder->error);
        return false;
    }
    if (!number_vertices(builder)) return false;
    if (refuse_duplicates(builder) != FG_OK) return false;
    if (group_in_edges(builder)) return true;
    fge_no_memory(builder->error);
    return false;
}
