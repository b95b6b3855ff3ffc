/* fg_check: what is derived, recomputed from what is not. For tests, and for whoever suspects memory. */
#include "errors.h"
#include "graph.h"

static int wrong(fg_error *error, uint32_t vertex, const char *what) {
    fge_set(error, FG_INVALID, vertex);
    fge_detail(error, "at %u: %s", (unsigned)vertex, what);
    return FG_INVALID;
}

static int check_tree(const fg_graph *graph, fg_error *error) {
    uint32_t stack[FG_MAX_DEPTH], level = 0; /* the vertices that the current one lies below */
    for (uint32_t v = 0; v < graph->count; v++) {
        while (level && v - stack[level - 1] >= graph->subtree[stack[level - 1]]) level--;
        if (graph->parent[v] != (level ? stack[level - 1] : FG_NONE)) return wrong(error, v, "the parent is not what the ranges say");
        if (graph->depth[v] != level) return wrong(error, v, "the depth is not what the ranges say");
        if (graph->subtree[v] == 0 || graph->subtree[v] > graph->count - v) return wrong(error, v, "the subtree ends behind the graph");
        if (level && v + graph->subtree[v] > stack[level - 1] + graph->subtree[stack[level - 1]])
            return wrong(error, v, "the subtree ends behind that of the parent");
        if (level == FG_MAX_DEPTH) return wrong(error, v, "too deep");
        stack[level++] = v;
    }
    return FG_OK;
}

static int check_edges(const fg_graph *graph, fg_error *error) {
    if (graph->out_start[0] != 0) return wrong(error, 0, "out-edges do not begin at 0");
    for (uint32_t v = 0; v < graph->count; v++) {
        uint32_t next = v + 1; /* where the next child of v in preorder has to be */
        for (uint32_t e = graph->out_start[v]; e < graph->out_start[v + 1]; e++) {
            uint32_t target = graph->out_target[e];
            if (target >= graph->count) return wrong(error, v, "an edge out of the graph");
            if (!fgg_same_subsystem(graph, e, FG_CONTAINMENT) || target != next) {
                if (graph->tree && fgg_same_subsystem(graph, e, FG_CONTAINMENT)) return wrong(error, v, "children not in the order of edges");
                continue;
            }
            if (graph->parent[target] != v) return wrong(error, v, "an edge to the child of another");
            next += graph->subtree[target];
        }
        if (next != v + graph->subtree[v]) return wrong(error, v, "the subtree is not that of the edges");
    }
    return FG_OK;
}

static int check_indexes(const fg_graph *graph, fg_error *error) {
    uint32_t ranked = 0;
    for (uint32_t v = 0; v < graph->count; v++) {
        if (graph->type[v] >= graph->types.count) return wrong(error, v, "no such type");
        ranked += graph->rank[v] >= 0;
    }
    for (uint32_t t = 0; t < graph->types.count; t++)
        for (uint32_t i = graph->type_start[t]; i < graph->type_start[t + 1]; i++)
            if (graph->type[graph->by_type[i]] != t || (i > graph->type_start[t] && graph->by_type[i] <= graph->by_type[i - 1]))
                return wrong(error, graph->by_type[i], "the index by type");
    if (graph->type_start[graph->types.count] != graph->count || ranked != graph->ranked) return wrong(error, 0, "the size of an index");
    for (uint32_t i = 1; i < ranked; i++) {
        uint32_t v = graph->by_rank[i], before = graph->by_rank[i - 1];
        if (graph->rank[v] < graph->rank[before] || (graph->rank[v] == graph->rank[before] && v <= before))
            return wrong(error, v, "the index by rank");
    }
    return FG_OK;
}

/* Each vertex is found by each of its paths. */
static int check_paths(const fg_graph *graph, fg_error *error) {
    char *space = NULL;
    size_t room = 0;
    int code = FG_OK;
    for (uint32_t v = 0; code == FG_OK && v < graph->count; v++)
        for (uint32_t s = 0; code == FG_OK && s < graph->subsystems.count; s++) {
            size_t length = fg_path(graph, v, s, NULL, 0);
            if (length == 0) continue;
            if (length >= room) {
                char *moved = fgm_resize(&graph->memory, space, length * 2 + 1);
                if (!moved) {
                    code = fge_no_memory(error);
                    break;
                }
                space = moved;
                room = length * 2 + 1;
            }
            fg_path(graph, v, s, space, room);
            uint32_t first = fg_find_path(graph, space, length, 0);
            if (first > v || fg_find_path(graph, space, length, v) != v) code = wrong(error, v, "not found by its path");
        }
    fgm_free(&graph->memory, space);
    return code;
}

int fg_check(const fg_graph *graph, fg_error *error) {
    fge_set(error, FG_OK, 0);
    int code = check_tree(graph, error);
    if (code == FG_OK) code = check_edges(graph, error);
    if (code == FG_OK) code = check_indexes(graph, error);
    if (code == FG_OK) code = check_paths(graph, error);
    return code;
}
