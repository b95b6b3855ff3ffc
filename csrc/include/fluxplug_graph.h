/* fluxplug_graph: a resource graph in arrays, its readers and writers, and planners over time. C11, no dependency, no globals.
 *
 * The graph
 * ---------
 * Vertices are numbered in preorder of the containment tree, so that what lies below a vertex is a range:
 *
 *        cluster0 (0)                  vertex   0   1   2   3   4   5   6
 *        |        \                    name     cl  n0  c0  c1  n1  c0  c1
 *      node0 (1)   node1 (4)           parent   -   0   1   1   0   4   4
 *      |     \      |     \            subtree  7   3   1   1   3   1   1      below v: [v + 1, v + subtree[v])
 *     (2)    (3)   (5)    (6)          depth    0   1   2   2   1   2   2
 *     core0  core1  core0  core1
 *
 * One array a field. Strings are interned; what can be rebuilt (a path that is the parent's path, "/" and the name; a name that is
 * the basename and the id; a basename that is the type) is not stored. A machine of 490,001 vertices takes some 80 bytes a vertex.
 *
 * Invariants, which fg_check recomputes:
 *   - The containment children of v, in the order in which their edges were made, are v + 1, then each the last one's index + its
 *     subtree, up to v + subtree[v], wherever fg_info.tree is 1: every vertex of containment then has one parent, but for one root.
 *   - Where it is 0, the ranges are those of the depth-first walk that enters each vertex once, through the first parent that
 *     reaches it; the out-edges tell the rest. What containment does not reach comes behind, in the order in which it was made.
 *   - Out-edges of a vertex keep the order in which they were made, over all subsystems; no two lead to the same vertex.
 *   - Types are numbered by first use, the built-in ones first (fg_type_name). Subsystem 0 is "containment".
 *   - The topology of a graph never changes; only status and properties do.
 *
 * Ownership
 * ---------
 * fg_load_jgf and fg_build return a graph that the caller gives back with fg_graph_free. They keep nothing of what they were passed
 * but the allocator's function and context. On an error they return NULL, have filled in *error, and nothing is left behind.
 * A `const char *` that an accessor returns belongs to the graph: it is valid until the next call that takes the graph without const.
 * Planners and buffers belong to the caller. All memory comes from the allocator that the object was made with. A graph may be read by
 * several threads as long as none changes it.
 *
 * Errors
 * ------
 * Functions that can fail return FG_OK or a negative code of FG_CODES. Those that read documents also fill in an fg_error.
 */
#ifndef FLUXPLUG_GRAPH_H
#define FLUXPLUG_GRAPH_H

#include <stddef.h>
#include <stdint.h>

/* code, value, what it means: the one list */
#define FG_CODES(X)                                                                     \
    X(FG_OK, 0, "no error")                                                             \
    X(FG_NO_MEMORY, -1, "the allocator refused")                                        \
    X(FG_INVALID, -2, "an argument that no valid call has")                             \
    X(FG_SYNTAX, -3, "the text is not JSON, or not UTF-8")                              \
    X(FG_FORMAT, -4, "a key is missing, or its value has the wrong type")               \
    X(FG_LIMIT, -5, "a size, depth, count or number beyond the limits")                 \
    X(FG_DUPLICATE, -6, "a vertex, edge, root or key that is there already")            \
    X(FG_UNKNOWN, -7, "an edge to or from a vertex that the document does not have")    \
    X(FG_NOT_FOUND, -8, "no such vertex, span or time")                                 \
    X(FG_RANGE, -9, "more than the total, or past the end of time")                     \
    X(FG_BUSY, -10, "not available during the window")

#define FG_CODE_ENUM(name, value, text) name = value,
enum fg_code { FG_CODES(FG_CODE_ENUM) FG_CODE_LAST_UNUSED = -127 };
#undef FG_CODE_ENUM

/* The name ("FG_BUSY") and the meaning of a code; "FG_?" and "unknown code" for any other number. */
const char *fg_code_name(int code);
const char *fg_code_text(int code);

/* Limits. A reader that meets more says FG_LIMIT. */
#define FG_MAX_VERTICES 0x3fffffffu
#define FG_MAX_EDGES 0x7fffffffu
#define FG_MAX_TYPES 65534u
#define FG_MAX_SUBSYSTEMS 254u
#define FG_MAX_DEPTH 1024u         /* levels of containment */
#define FG_MAX_JSON_DEPTH 64u      /* nested arrays and objects */
#define FG_MAX_STRING 0xfffffu     /* bytes of one string */
#define FG_MAX_TEXT 0xffffffffffu  /* bytes of a document */
#define FG_MAX_PROPERTIES 4096u    /* of one vertex */

#define FG_NONE 0xffffffffu        /* no vertex, no subsystem */
#define FG_CONTAINMENT 0u

/* What went wrong. `text` is what the original scheduler prints in that case (fluxion.md 9.4); `detail` names the vertex (its id in the
 * document) or the edge, the key, and what was expected. `offset` is the byte at which the document was found wrong; for tables given to
 * fg_build it is the index of the vertex, path, property or edge that `detail` names. */
#define FG_ERROR_TEXT 256
typedef struct fg_error {
    int code;
    uint64_t offset;
    char text[FG_ERROR_TEXT];
    char detail[FG_ERROR_TEXT];
} fg_error;

/* resize(context, NULL, n) allocates, (context, p, n) changes the size and may move, (context, p, 0) frees. NULL means no; p is then still
 * valid. NULL in place of an fg_allocator means malloc. */
typedef struct fg_allocator {
    void *(*resize)(void *context, void *block, size_t size);
    void *context;
} fg_allocator;

/* ---- Making a graph ------------------------------------------------------------------------------------------------------------------ */

typedef struct fg_graph fg_graph;

/* Reads a JGF document (fluxion.md 2.1). O(length). */
fg_graph *fg_load_jgf(const char *text, size_t length, const fg_allocator *allocator, fg_error *error);

/* Fields of a whole graph, for readers written in other languages. Strings are numbered: string i is the bytes from start[i] up to
 * start[i + 1] of `text`, UTF-8 without NUL. Vertices are numbered in the order in which they were made. Columns have one item a vertex,
 * path, property or edge; paths and properties stand in the order of their vertices. */
typedef struct fg_tables {
    const char *text;
    const uint64_t *start;          /* strings + 1 */
    uint32_t strings;
    uint32_t types;                 /* in the order in which they are to be numbered, after the built-in ones; others follow as used */
    const uint32_t *type_order;     /* string numbers, as every column of names */
    uint32_t vertices;
    const uint32_t *type, *basename, *name, *unit;
    const int64_t *id, *uniq_id, *size;
    const int32_t *rank;
    const uint8_t *down;
    uint32_t paths;
    const uint32_t *path_vertex, *path_subsystem, *path_text;
    uint32_t properties;
    const uint32_t *property_vertex, *property_key, *property_value;
    uint32_t edges;
    const uint32_t *source, *target, *edge_subsystem;
} fg_tables;

/* Builds a graph from tables. Paths may be shared (an id that repeats under one parent); a second root of a subsystem is an error. */
fg_graph *fg_build(const fg_tables *tables, const fg_allocator *allocator, fg_error *error);

void fg_graph_free(fg_graph *graph);

/* ---- Reading it ---------------------------------------------------------------------------------------------------------------------- */

typedef struct fg_info {
    uint32_t vertices, edges, types, subsystems;
    uint32_t root;                  /* of containment, or FG_NONE */
    int tree;                       /* 1: containment is one tree and has all its vertices below its root */
    uint32_t several_parents;       /* vertices with more than one parent in one subsystem */
    uint64_t bytes;                 /* memory in use for the graph */
} fg_info;
void fg_graph_info(const fg_graph *graph, fg_info *info);

typedef struct fg_vertex {
    const char *type, *basename, *unit;
    int64_t id, uniq_id, size;
    int32_t rank;
    uint32_t type_number, properties;   /* number of properties */
    uint32_t parent, subtree, depth;    /* in containment; parent is FG_NONE at a root and outside of containment */
    uint32_t out_edges;
    int down;
} fg_vertex;

/* FG_NOT_FOUND where there is no such vertex. */
int fg_get(const fg_graph *graph, uint32_t vertex, fg_vertex *fields);

/* Name, and path in a subsystem: the length in bytes; written as far as it fits, with a NUL (as snprintf does). 0 where there is none. */
size_t fg_name(const fg_graph *graph, uint32_t vertex, char *out, size_t size);
size_t fg_path(const fg_graph *graph, uint32_t vertex, uint32_t subsystem, char *out, size_t size);

/* Property number `index`, sorted by key. */
int fg_property(const fg_graph *graph, uint32_t vertex, uint32_t index, const char **key, const char **value);
/* Out-edge number `index` in the order in which they were made. */
int fg_edge(const fg_graph *graph, uint32_t vertex, uint32_t index, uint32_t *target, uint32_t *subsystem);
/* The vertex that was made k-th; the order of the document. FG_NONE past the end. */
uint32_t fg_created(const fg_graph *graph, uint32_t k);

/* NULL, and FG_NONE, where there is none. */
const char *fg_type_name(const fg_graph *graph, uint32_t type);
const char *fg_subsystem_name(const fg_graph *graph, uint32_t subsystem);
uint32_t fg_type_number(const fg_graph *graph, const char *name);
uint32_t fg_subsystem_number(const fg_graph *graph, const char *name);
/* The vertex whose path in the subsystem has one "/". */
uint32_t fg_root(const fg_graph *graph, uint32_t subsystem);

/* Vertices of a type, and of a rank (>= 0), ascending: the count, and where they start in *vertices, which belongs to the graph.
 * O(1), and O(log V). */
uint32_t fg_by_type(const fg_graph *graph, uint32_t type, const uint32_t **vertices);
uint32_t fg_by_rank(const fg_graph *graph, int64_t rank, const uint32_t **vertices);
/* The first vertex from `from` on that has this path in any subsystem; FG_NONE. O(length) but for paths that many share. */
uint32_t fg_find_path(const fg_graph *graph, const char *path, size_t length, uint32_t from);

/* Changes status. */
int fg_set_down(fg_graph *graph, uint32_t vertex, int down);
/* Sets or changes a property; key and value are NUL-terminated UTF-8. O(properties of the vertex). */
int fg_set_property(fg_graph *graph, uint32_t vertex, const char *key, const char *value);

/* Recomputes what is derived. FG_OK, or FG_INVALID with what is wrong in error->detail. O(V + E) and some memory. */
int fg_check(const fg_graph *graph, fg_error *error);

/* ---- Writing it ---------------------------------------------------------------------------------------------------------------------- */

typedef struct fg_buffer fg_buffer;
fg_buffer *fg_buffer_new(const fg_allocator *allocator);
void fg_buffer_free(fg_buffer *buffer);
const char *fg_buffer_data(const fg_buffer *buffer);
size_t fg_buffer_size(const fg_buffer *buffer);
/* Forgets the contents, keeps the memory. */
void fg_buffer_clear(fg_buffer *buffer);

/* Appends the whole graph as one line of JGF (fluxion.md 8.3), vertices in the order in which they were made. Two keys are written beside
 * those of 8.3, where the reader needs them: "status" of what is down, "uniq_id" where it is negative. Read back, it is the same graph (but for
 * `unit`, which the format drops, provided that the uniq_ids differ). */
int fg_write_jgf(const fg_graph *graph, fg_buffer *buffer);

/* ---- Planners ------------------------------------------------------------------------------------------------------------------------ */
/* What of a pool is available over time [0, FG_TIME_END), in whole seconds (fluxion.md 4.1).
 *
 *     total 4 |----+              +-----          spans: [2, 6) of 3 and [4, 9) of 1
 *             |    |       +------+               points: 0 +0, 2 -3, 4 -1, 6 +3, 9 +1
 *           0 |    +---+---+                      available at a point: total + the sum of the changes up to it
 *             0    2   4   6      9
 *
 * A B+ tree of points, each with its change and the number of spans that begin or end there (it goes when that is 0; point 0 stays).
 * Inner nodes keep sum, least and greatest prefix sum of each child: a span changes two points and their ancestors, never what lies between,
 * and a search skips a child that is all too low or all high enough. Why this and not a binary tree: at 200,000 points four nodes are read in
 * place of twenty to forty, and one leaf is at the same time the small form: a planner of one span is 160 bytes.
 * Nodes are split when full and freed when empty, not merged: heights stay logarithmic in what was ever inserted (Sen and Tarjan,
 * "Deletion without rebalancing in multiway search trees", 2014). Priorities, hashes or randomness play no part: same calls, same tree.
 *
 * A planner does not remember its spans: the caller does, a job's in one place, so that their removal is a walk over that place. A vertex
 * without a span has no planner: make one with the first span, free it when fg_planner_points is 1 again, if memory matters.
 * Costs are for p points. */
typedef struct fg_planner fg_planner;
#define FG_TIME_END INT64_MAX
/* Sums of changes stay within 64 bits, whatever is in between. Whoever sums up sizes of vertices, which may be larger, cuts them off here. */
#define FG_MAX_TOTAL (INT64_MAX / 4)

/* NULL when there is no memory, or when the total is not in [0, FG_MAX_TOTAL]. */
fg_planner *fg_planner_new(const fg_allocator *allocator, int64_t total);
void fg_planner_free(fg_planner *planner);
int64_t fg_planner_total(const fg_planner *planner);
/* Points, point 0 among them. */
uint32_t fg_planner_points(const fg_planner *planner);

/* Takes `amount` >= 0 during [at, at + duration). FG_INVALID (duration < 1, at or amount < 0), FG_RANGE (past the end, or more than
 * the total), FG_BUSY, FG_NO_MEMORY; the planner is then as it was. O(log p). */
int fg_planner_add(fg_planner *planner, int64_t at, int64_t duration, int64_t amount);
/* The reverse of one fg_planner_add with the same numbers. FG_NOT_FOUND where no span begins at, or ends at + duration, or where
 * more than the total would be available; spans themselves are not known. O(log p), allocates nothing. */
int fg_planner_remove(fg_planner *planner, int64_t at, int64_t duration, int64_t amount);
/* Gives back `amount` of a larger span and keeps its points. As fg_planner_remove otherwise. */
int fg_planner_reduce(fg_planner *planner, int64_t at, int64_t duration, int64_t amount);
/* Changes the total, and with it what is available at every time; for graphs that grow or shrink. FG_RANGE where that would be below 0,
 * or the total above FG_MAX_TOTAL. */
int fg_planner_set_total(fg_planner *planner, int64_t total);

/* The least that is available during the window, or FG_INVALID, FG_RANGE. O(log p). */
int64_t fg_planner_available(const fg_planner *planner, int64_t at, int64_t duration);
/* FG_OK, FG_BUSY, FG_INVALID or FG_RANGE. O(log p). */
int fg_planner_fits(const fg_planner *planner, int64_t at, int64_t duration, int64_t amount);
/* The first point at or after `from` from which on `amount` is available for the duration; from itself is no candidate unless a point
 * is there. FG_NOT_FOUND, FG_INVALID, FG_RANGE. O(log p + r), r the number of nodes in which availability crosses `amount`. */
int64_t fg_planner_earliest(const fg_planner *planner, int64_t from, int64_t duration, int64_t amount);
/* The same for planners that have the same points (an aggregate filter): the first point at which each has its amount. */
int64_t fg_planners_earliest(fg_planner *const *planners, const int64_t *amounts, size_t count, int64_t from, int64_t duration);
/* The first time at or after `from` at which less than `amount` is available; FG_TIME_END where there is none. FG_INVALID. O(log p) where what is
 * available crosses `amount` rarely. */
int64_t fg_planner_below(const fg_planner *planner, int64_t from, int64_t amount);
/* The first point after `time`, and what is available from it on; FG_NOT_FOUND at the end. For pictures and tests. O(log p). */
int64_t fg_planner_next(const fg_planner *planner, int64_t time, int64_t *available);
/* FG_OK, or FG_INVALID where the tree is not what it should be. O(p). */
int fg_planner_check(const fg_planner *planner);

/* ---- Matching ------------------------------------------------------------------------------------------------------------------------ */
/* A matcher adds time, filters and jobs to a graph: it finds what a request asks for, and books it (fluxion.md sections 3 to 7). The graph is
 * the caller's, and lives as long as the matcher is used (it may be freed first); nobody else changes its status meanwhile.
 *
 * Vertices have the caller's numbers here, fg_match_options.numbers: place[k] is the number of the vertex made k-th. Results hold until the next
 * call that takes the matcher without const. Types are those of the graph; larger numbers are types without a vertex. Inside filters types stand
 * by their numbers.
 * A call that returns an error has changed nothing. Costs are in the comments of csrc/src/match_*.c. */
typedef struct fg_matcher fg_matcher;
typedef struct fg_request fg_request;

enum fg_match_order { FG_ORDER_HIGH, FG_ORDER_LOW, FG_ORDER_LOCALITY, FG_ORDER_VARIATION };

typedef struct fg_type_pair {
    uint32_t high, low;
} fg_type_pair;

typedef struct fg_match_options {
    int order;                   /* fg_match_order */
    int node_centric, node_exclusive, stop_early, flexible;
    uint32_t dominant;           /* subsystem */
    int64_t lifetime;            /* seconds */
    const uint32_t *numbers;     /* one a vertex, all different */
    uint32_t everywhere_count, specific_count;
    const uint32_t *everywhere;  /* types counted at all others */
    const fg_type_pair *specific; /* type `low` counted at type `high` */
} fg_match_options;

/* NULL and *code: FG_NO_MEMORY, FG_INVALID, FG_NOT_FOUND (no root in the dominant subsystem), FG_LIMIT (more than FG_MAX_DEPTH levels). O(V + E). */
fg_matcher *fg_matcher_new(fg_graph *graph, const fg_match_options *options, const fg_allocator *allocator, int *code);
void fg_matcher_free(fg_matcher *matcher);
/* Moves plans, jobs, filters and weights of `old` here, where the numbers say that a vertex is the same, and makes filters anew (7.5). `old` may
 * only be freed after that. FG_INVALID: not all types that `old` counts are counted here (fg_matcher_specific tells them). On an error both are as they
 * were. */
int fg_matcher_adopt(fg_matcher *matcher, fg_matcher *old);
/* The types that are counted at certain others by now, with those that the graph itself added (4.3): how many; written as far as there is room. */
uint32_t fg_matcher_specific(const fg_matcher *matcher, fg_type_pair *pairs, uint32_t room);
/* Changes the status of one vertex, and counts nodes (7.6). */
int fg_matcher_set_down(fg_matcher *matcher, uint32_t vertex, int down);

/* Entries of a request; those of one list stand together. Lists: variant i is entries [variant_first[i], + variant_count[i]), what is wanted
 * below entry e is [first[e], + count[e]) and comes behind e. */
typedef struct fg_request_tables {
    uint32_t entries, variants;
    const uint32_t *variant_first, *variant_count;
    const uint32_t *type, *label, *first, *count; /* label 0: none */
    const int64_t *least, *most, *operand;
    const uint8_t *operator_;                     /* '+', '*', '^' */
    const int8_t *exclusive;                      /* -1: not said */
    const uint8_t *accepts;                       /* a bit a vertex by the caller's number, lowest first: the constraint; or NULL */
    size_t accept_bytes;
} fg_request_tables;
/* For any matchers over graphs with these types, one at a time. */
fg_request *fg_request_new(const fg_request_tables *tables, const fg_allocator *allocator, int *code);
void fg_request_free(fg_request *request);

/* The present, 0 at first: "now" of operations, and when a booking is an allocation and not a reservation. A matcher that serves one instant for ever,
 * as the original does, leaves it at 0. FG_INVALID where it would go back. Whoever is booked until a time that passes is to be cancelled, or lifted and
 * put back with a later end: of what he had, `quick` searches still take for held what they found held before. */
int fg_matcher_set_now(fg_matcher *matcher, int64_t now);

enum fg_operation { FG_ALLOCATE, FG_OR_RESERVE, FG_WITH_SATISFIABILITY, FG_SATISFIABILITY, FG_WITHOUT_ALLOCATING, FG_WITHOUT_FUTURE };
enum fg_verdict { FG_DONE, FG_LATER, FG_NEVER, FG_NOTHING, FG_UNUSABLE };

typedef struct fg_span {
    int64_t job, start, duration;
} fg_span;

/* One vertex of a result, children before parents. `parent` is -1 at the root. */
typedef struct fg_row {
    int64_t vertex, parent, level, amount, exclusive, shown;
} fg_row;
typedef struct fg_label {
    uint32_t vertex, label;
} fg_label;
/* What the original would write to its error text: siblings of one type (number), an exclusivity conflict (entry, vertex), not enough slots. */
enum fg_event_kind { FG_SIBLINGS, FG_CONFLICT, FG_NOT_ENOUGH };
typedef struct fg_event {
    uint32_t kind, number, vertex;
} fg_event;

typedef struct fg_outcome {
    int verdict, failure; /* fg_verdict; errno of the last check that failed, or 0 */
    int64_t at, duration;
    int has_visits;
    uint64_t entered, succeeded, more_entered, more_succeeded;
    uint32_t rows, labels, events;
    const fg_row *row;
    const fg_label *label;
    const fg_event *event;
    uint32_t failed; /* of an update: the step that could not be taken, or FG_NONE */
} fg_outcome;

/* One operation (5.1). `whole` are types to be taken with all below them, beside those of the request. FG_NOT_FOUND: the root has no filter, so
 * later times cannot be searched. With `quick`, visits are not counted, and
 * what has equal scores is taken in the order of the graph: then policies by id need not look at all of it (match_quick.c). FG_LIMIT: deeper than
 * FG_MAX_DEPTH. FG_INVALID: no such operation, a duration below 1 or above the lifetime, or the job was lifted (fg_lift). */
int fg_match(fg_matcher *matcher, fg_request *request, int operation, int quick, int64_t job, int64_t duration, const uint32_t *whole,
             uint32_t whole_count, fg_outcome *outcome);

/* An update (7.4), as steps in order: FG_STEP_CHECK (the vertex must be free), FG_STEP_BOOK (its whole size), FG_STEP_MARK and
 * FG_STEP_MARK_EXCLUSIVE (the edge from `vertex` to `target`). With `commit` 0, or when a step cannot be taken, nothing stays. FG_INVALID: no such
 * step or vertex, no such time, or the job was lifted. */
enum fg_step_kind { FG_STEP_CHECK, FG_STEP_BOOK, FG_STEP_MARK, FG_STEP_MARK_EXCLUSIVE };
typedef struct fg_step {
    uint32_t kind, vertex, target;
} fg_step;
int fg_update(fg_matcher *matcher, const fg_span *span, const fg_step *steps, uint32_t count, int root_exclusive, int commit, const uint32_t *whole,
              uint32_t whole_count, fg_outcome *outcome);

/* ---- Plans: what a scheduler asks that moves with time. fg_find and fg_feasible read a request as fg_match does, but for one thing: below a node,
 * levels that the request does not name may lie between those that it names. */

/* How fg_find searches: FG_QUICK as fg_match does. FG_PROMISE leaves the order in which first* policies try vertices as it is: a promise may be taken back. */
enum fg_how { FG_QUICK = 1, FG_PROMISE = 2 };

/* Books the request for `job` at the first time in [from, until] at which it fits: `from` itself, or a point of the root's filter. `from` is not before
 * the present. The verdict is FG_DONE, FG_LATER (at no such time), or FG_NOTHING (it selects nothing). FG_NOT_FOUND: more than one time is asked for,
 * and the root has no filter. FG_INVALID: the job has something already, or a window that ends after FG_TIME_END - 2. Unlike fg_match it takes nothing that does not
 * fit into every filter above it. */
int fg_find(fg_matcher *matcher, fg_request *request, int how, int64_t job, int64_t from, int64_t until, int64_t duration, fg_outcome *outcome);
/* The same for amounts alone: counts what the request needs at least in the root's filter, on no vertex by name. That is enough where any so many of a
 * type will do. FG_DONE or FG_LATER; FG_NOT_FOUND where the root has no filter; otherwise as fg_find. */
int fg_find_amounts(fg_matcher *matcher, fg_request *request, int64_t job, int64_t from, int64_t until, int64_t duration, fg_outcome *outcome);
/* Whether the machine could serve the request if nothing were held or down: the verdict is FG_DONE, FG_NEVER or FG_NOTHING. */
int fg_feasible(fg_matcher *matcher, fg_request *request, int quick, fg_outcome *outcome);
/* For how long from `from` on the root's filter has room for the request, whatever its duration: an upper bound. -1 where there is none at once,
 * FG_TIME_END where it does not end, or where there is no memory to count what is needed. FG_INVALID. O(counted types * log p). */
int64_t fg_room(fg_matcher *matcher, fg_request *request, int64_t from);
/* The first time in [from, until] at which the root's filter would have room for the request if `job` had nothing: no earlier one can do.
 * FG_NOT_FOUND, FG_INVALID, FG_NO_MEMORY. Changes nothing. O(counted types * log p). */
int64_t fg_bound(fg_matcher *matcher, fg_request *request, int64_t job, int64_t from, int64_t until, int64_t duration);
/* Takes the spans of a job out of all plans and keeps what they were: fg_put_back puts them back, with another window if that is asked for.
 * FG_NOT_FOUND. fg_put_back: FG_BUSY (somebody else has it now, or something below what the job has as a whole, or the whole of what it shares),
 * FG_INVALID (the job was not lifted; as for fg_find), FG_NO_MEMORY; the job then stays lifted, as it was. */
int fg_lift(fg_matcher *matcher, int64_t job);
int fg_put_back(fg_matcher *matcher, int64_t job, int64_t start, int64_t duration);
/* Gives what `job` holds to `heir`, who holds nothing yet (FG_INVALID). FG_NOT_FOUND. */
int fg_rename(fg_matcher *matcher, int64_t job, int64_t heir);

/* Cores, or GPUs, of one rank: ids `low` to `high`. `type` is 0 for cores and 1 for GPUs. */
typedef struct fg_units {
    int64_t rank, type, low, high;
} fg_units;
/* What a job holds of these, or, if `job` is NULL, all there are in the dominant subsystem: the number of ranges, ascending by rank, type and id.
 * FG_NO_MEMORY. The same ids twice on a rank are told once. */
int64_t fg_units_of(fg_matcher *matcher, const int64_t *job, const fg_units **units);
/* Books these units, and vertices by number, for a job, from `start` on, with what lies above them shared. FG_NOT_FOUND (the root leads to no such units), FG_BUSY (one of them
 * is held, or something above as a whole), FG_INVALID (the job has something already; the dominant subsystem is not containment; a range that ends before
 * it begins; as for fg_find), FG_NO_MEMORY. O(n log n) for n vertices of the ranks. */
int fg_enter(fg_matcher *matcher, const fg_span *span, const fg_units *units, uint32_t count, const uint32_t *others, uint32_t other_count);

/* An independent matcher in the same state over the same graph: jobs, spans, filters, status. The graph's own status follows the first matcher alone. O(V +
 * E + holds + points). NULL and *code: FG_NO_MEMORY. */
fg_matcher *fg_matcher_copy(const fg_matcher *matcher, const fg_allocator *allocator, int *code);
/* Recomputes all plans from what jobs hold, and whether edges are in the order in which first* policies try them: FG_OK, or FG_INVALID and a vertex where that
 * is wrong (FG_NONE where what is held does not fit), or FG_NO_MEMORY. Where fg_match or fg_update booked twice for one job, and after an fg_matcher_adopt
 * that changed totals, plans have more than that. O(V + E + holds) and as much memory. */
int fg_matcher_check(const fg_matcher *matcher, uint32_t *vertex);

typedef struct fg_released {
    int known;  /* whether the root knew the job */
    uint64_t entered, succeeded;
} fg_released;
/* Gives back all that a job holds below what the root knows of it, or everywhere where the root does not know it (7.2). Never fails. */
void fg_cancel(fg_matcher *matcher, int64_t job, fg_released *released);
/* Parts of a partial cancel (7.3). fg_release gives back what the job has of these vertices; fg_release_above takes what these had off the filters
 * of all above `vertex`. The amounts, one a counted type, are added up in the caller's array of fg_counted_types items. */
uint32_t fg_counted_types(const fg_matcher *matcher);
int fg_release(fg_matcher *matcher, int64_t job, const uint32_t *vertices, uint32_t count, int64_t *amounts);
int fg_release_above(fg_matcher *matcher, int64_t job, uint32_t vertex, const int64_t *amounts);

/* What a job holds: a bit a kind. FG_HAS_WHOLE: with all that is below the vertex, which is not listed; bookings of fg_find alone have that. */
enum fg_hold_kind { FG_HAS_TAG = 1, FG_HAS_COUNT = 4, FG_HAS_ALLOCATION = 8, FG_HAS_RESERVATION = 16, FG_HAS_WHOLE = 32 };
typedef struct fg_hold {
    int64_t vertex, kinds;
} fg_hold;
/* The number of holds of a job, 0 if it is not known; FG_NO_MEMORY. */
int64_t fg_job_holds(fg_matcher *matcher, int64_t job, const fg_hold **holds);
/* Jobs in no order: the number; ids are written as far as there is room. */
uint32_t fg_jobs(const fg_matcher *matcher, int64_t *ids, uint32_t room);
/* Whether some job holds the vertex exclusively: bits of FG_HAS_ALLOCATION, FG_HAS_RESERVATION. */
int fg_vertex_held(const fg_matcher *matcher, uint32_t vertex);
/* Type `index` of the filter of a vertex: what is taken at time 0 (by all, or by one job if `job` is not NULL), and the total. FG_NOT_FOUND past
 * the end, or where there is no filter. */
int fg_vertex_filter(const fg_matcher *matcher, uint32_t vertex, uint32_t index, const int64_t *job, uint32_t *type, int64_t *used, int64_t *total);

#endif
