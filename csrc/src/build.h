/* Making a graph, for the readers: open, types and vertices and edges in any order in which an edge's ends are there before it, finish. Each
 * function that fails has filled in the error, by fge_set with the offset that the caller passed; the caller then closes the builder. */
#ifndef FG_BUILD_H
#define FG_BUILD_H

#include "errors.h"
#include "graph.h"

/* A text that stays where it is until fgb_finish (part of the document), or a string of the builder: 40 bits of offset, 20 of length. */
typedef uint64_t fgb_text;

typedef struct fgb_vertex {
    uint16_t type;
    uint32_t basename, unit, properties; /* as in fg_graph */
    const char *name;                    /* NULL: basename and id */
    size_t name_length;
    int64_t id, uniq_id, size;
    int32_t rank;
    bool down;
} fgb_vertex;

typedef struct fgb_path {
    uint32_t vertex;
    uint32_t hash;
    uint8_t subsystem;
    fgb_text text;
} fgb_path;

#define FGB_OTHER 0x80000000u

typedef struct fgb_slot {
    uint32_t hash, entry; /* 0: free; 1 + the vertex, for its containment path; or FGB_OTHER and 1 + the place in `others` */
} fgb_slot;

typedef struct fgb_builder {
    fg_graph *graph;
    fg_error *error;
    const char *base;    /* what offsets of fgb_text count from */
    fgb_text *path;      /* of each vertex in containment; 0: none */
    uint32_t *hash;      /* of that path, so that indexes need not read the text again */
    uint64_t *offset;    /* where each edge stands, for errors */
    fgb_path *others;    /* paths in other subsystems */
    uint32_t *source, *target;
    uint8_t *subsystem;
    fgs_table texts;     /* paths that had escapes */
    fgb_slot *slots;     /* by path, when asked for */
    uint32_t slot_mask, slot_count;
    uint32_t path_capacity, offset_capacity, other_count, other_capacity;
    uint32_t source_capacity, target_capacity, subsystem_capacity, edges;
} fgb_builder;

/* FG_OK or FG_NO_MEMORY. `base` is the document; NULL counts as an empty one. */
int fgb_open(fgb_builder *builder, const char *base, const fg_allocator *allocator, fg_error *error);
/* Frees all but a finished graph. */
void fgb_close(fgb_builder *builder);

/* Numbers for names; a negative code when there are too many or no memory. */
int fgb_type(fgb_builder *builder, const char *text, size_t length, uint64_t offset);
int fgb_subsystem(fgb_builder *builder, const char *text, size_t length, uint64_t offset);
/* A string of the graph; 0 when there is no memory, with the error filled in. */
uint32_t fgb_string(fgb_builder *builder, const char *text, size_t length);

/* A reference to a path; 0 on an error. */
fgb_text fgb_reference(fgb_builder *builder, const char *text, size_t length, bool stays);

int fgb_add_vertex(fgb_builder *builder, const fgb_vertex *fields, uint64_t offset);
/* The hash of a path, for what follows. */
static inline uint32_t fgb_hash(const char *path, size_t length) {
    return (uint32_t)fgs_hash(path, length);
}

/* A path of the vertex that was added last. */
int fgb_add_path(fgb_builder *builder, uint32_t subsystem, fgb_text text, uint32_t hash, uint64_t offset);
/* The vertex that has this path and rank, of those whose paths were noted; FG_NONE. */
uint32_t fgb_find(const fgb_builder *builder, fgb_text text, uint32_t hash, int32_t rank);
/* Says that fgb_find will be asked soon: it waits for memory mostly. */
void fgb_expect(const fgb_builder *builder, uint32_t hash, int32_t rank);
/* Notes the path that was added last, for fgb_find. */
int fgb_note_path(fgb_builder *builder, uint32_t subsystem);
int fgb_add_edge(fgb_builder *builder, uint32_t source, uint32_t target, uint32_t subsystem, uint64_t offset);

/* Numbers the vertices, makes the indexes, hands over the graph; NULL on an error. */
fg_graph *fgb_finish(fgb_builder *builder);

const char *fgb_text_at(const fgb_builder *builder, fgb_text text, size_t *length);

/* Steps of fgb_finish: out-edges and preorder (order.c), paths and their index (paths.c). False with the error filled in. */
bool fgb_order(fgb_builder *builder);
bool fgb_paths(fgb_builder *builder);

#endif
