/* The graph as the matcher sees it: its arrays. fluxplug_graph.h has the picture and the invariants. */
#ifndef FG_GRAPH_H
#define FG_GRAPH_H

#include "intern.h"

/* Built-in types, in the order of their numbers. */
#define FG_BUILTIN_TYPES(X) \
    X(cluster) X(core) X(socket) X(gpu) X(node) X(rack) X(slot) X(xor_slot) X(ssd) X(storage_node)
#define FGG_TYPE_ENUM(name) FGG_TYPE_##name,
enum fgg_type { FG_BUILTIN_TYPES(FGG_TYPE_ENUM) FGG_BUILTIN_TYPES };
#undef FGG_TYPE_ENUM

enum fgg_flag {
    FGG_DOWN = 1,
    FGG_PLAIN_PATH = 2, /* its containment path is its parent's (none at a root), "/", its name */
    FGG_HAS_PATHS = 4,  /* it has entries in fg_graph.paths */
    FGG_SEVERAL = 8,    /* several parents in one subsystem */
};

/* Columns that a reader fills in: type, name. The optional ones are NULL while no vertex has the field. */
#define FGG_COLUMNS(X)                                                            \
    X(uint16_t, type)                                                             \
    X(uint32_t, basename) /* a string; 0: as the type */                          \
    X(uint32_t, name)     /* a string; 0: basename and id */                      \
    X(int64_t, id)                                                                \
    X(int64_t, uniq_id)                                                           \
    X(int64_t, size)                                                              \
    X(int32_t, rank)                                                              \
    X(uint8_t, flags) /* fgg_flag */
#define FGG_OPTIONAL(X)  \
    X(uint32_t, unit)       /* a string or 0 */ \
    X(uint32_t, properties) /* number of a set, or 0: vertices with equal properties share one, so that a constraint is tested once a set */

/* A path that cannot be rebuilt. Sorted by vertex, then subsystem. */
typedef struct fgg_path {
    uint32_t vertex;
    uint32_t string;
    uint8_t subsystem;
} fgg_path;

typedef struct fgg_pair {
    uint32_t key, value; /* strings */
} fgg_pair;

/* Sets of properties: set i (from 1) is pairs[start[i - 1]] up to start[i], sorted by key. Equal sets are one. */
typedef struct fgg_sets {
    fgg_pair *pairs;
    uint32_t *start;
    uint32_t *slots;
    uint32_t pair_count, pair_capacity, count, start_capacity, slot_mask;
} fgg_sets;

struct fg_graph {
    fg_allocator memory;
    fgs_table strings;
    fgs_table types;      /* type t is string t + 1 */
    fgs_table subsystems; /* likewise */
    fgg_sets sets;

    uint32_t count, capacity; /* vertices; room in the columns */
#define FGG_MEMBER(type, name) type *name;
    FGG_COLUMNS(FGG_MEMBER)
    FGG_OPTIONAL(FGG_MEMBER)

    /* Containment, by its spanning tree. */
    uint32_t *parent;  /* FG_NONE at a root */
    uint32_t *subtree; /* vertices at and below */
    uint16_t *depth;
    uint32_t *created; /* the vertex made k-th; NULL when that is k */
    bool tree;
    uint32_t several;  /* vertices with FGG_SEVERAL */

    /* Out-edges of v: out_start[v] up to out_start[v + 1]. */
    uint32_t *out_start, *out_target;
    uint8_t *out_subsystem; /* NULL when all are containment */
    /* In-edges likewise, sources ascending; NULL where `parent` says it all. */
    uint32_t *in_start, *in_source;
    uint8_t *in_subsystem;

    uint32_t root[FG_MAX_SUBSYSTEMS];
    uint32_t *type_start, *by_type; /* vertices of type t: by_type[type_start[t]] up to type_start[t + 1] */
    uint32_t *by_rank, ranked;      /* vertices with rank >= 0, by rank, then number */
    fgg_path *paths;
    uint32_t path_count;
    /* Entries by path: vertex v stands for its plain path, count + i for paths[i]. A slot has 1 + the lowest entry with its path, path_next the
     * next higher one, where paths are shared at all; else it is NULL. */
    uint32_t *path_slots, path_mask, *path_next;
};

static inline bool fgg_same_subsystem(const fg_graph *graph, uint32_t edge, uint32_t subsystem) {
    return graph->out_subsystem ? graph->out_subsystem[edge] == subsystem : subsystem == FG_CONTAINMENT;
}

static inline bool fgg_is_below(const fg_graph *graph, uint32_t vertex, uint32_t ancestor) {
    return vertex - ancestor < graph->subtree[ancestor];
}

static inline const char *fgg_type_text(const fg_graph *graph, uint32_t vertex) {
    return fgs_text(&graph->types, graph->type[vertex] + 1u);
}

static inline const char *fgg_basename(const fg_graph *graph, uint32_t vertex) {
    return graph->basename[vertex] ? fgs_text(&graph->strings, graph->basename[vertex]) : fgg_type_text(graph, vertex);
}

/* The decimal digits of a number, the last at out + 19: where they begin. `out` has 20 bytes. */
const char *fgg_digits(int64_t number, char out[20], size_t *length);

/* The name of a vertex in up to two parts, none copied but the digits. */
typedef struct fgg_name {
    const char *first, *second;
    size_t first_length, second_length;
    char digits[20];
} fgg_name;
void fgg_name_of(const fg_graph *graph, uint32_t vertex, fgg_name *name);

/* Pairs of the set of a vertex, and how many. */
const fgg_pair *fgg_pairs(const fg_graph *graph, uint32_t vertex, uint32_t *count);
/* The number of the set with these pairs, which get sorted; 0 for none, FG_NONE when there is no memory. Keys differ. */
uint32_t fgg_set(fg_graph *graph, fgg_pair *pairs, uint32_t count);
/* The optional columns come with the first vertex that has one. */
bool fgg_want_unit(fg_graph *graph);
bool fgg_want_properties(fg_graph *graph);

/* The stored path of a vertex in a subsystem, or NULL. */
const fgg_path *fgg_stored_path(const fg_graph *graph, uint32_t vertex, uint32_t subsystem);
/* by_type, by_rank: index.c. */
bool fgg_index_vertices(fg_graph *graph);

#endif
