/* A matcher's inside. Section numbers are those of fluxion.md; the header has the contracts.
 *
 *   match_new     building, priming                                match_slots   from candidates to slots (5.5)
 *   match_request requests, counts, aggregates                     match_either  alternatives (6.7)
 *   match_walk    one select at one time (5.4 to 5.8, 6.4)         match_commit  from marks to bookings (7.1)
 *   match_adopt   taking over from another matcher (7.5)           match_update  updates (7.4)
 *   match_choose  candidates and the order of choice               match_jobs    what jobs hold, and giving it back
 *   match_quick   selects without a walk of the whole graph
 *   match_run     operations (5.1 to 5.3)                          match_time    plans of vertices, and filters
 *   match_plan    what moves with time: lifting, renaming, room    match_copy    copies, and the check
 *   match_units   cores and GPUs by rank
 *
 * What a walk notes of vertices and edges carries the number of that walk, so that nothing is ever cleared. Its candidates are on one stack:
 * what was gathered below a vertex is the piece of the stack from where it began; a vertex that fails cuts the stack back.
 */
#ifndef FG_MATCH_H
#define FG_MATCH_H

#include "graph.h"
#include "planner.h"

#define FGX_CHECKERS 0x40000000
#define FGX_FAR (FG_TIME_END - 2) /* nothing is booked for then, so it tells what is possible at all */
#define FGX_UNTOUCHED UINT64_MAX /* the weight of an edge that no commit has walked */

/* An item is wanted: an entry of a request. `most` is the effective maximum. */
typedef struct fgx_entry {
    uint32_t type, label, list; /* list: of what is wanted below it */
    int8_t exclusive;           /* -1 where the request does not say */
    uint8_t step;           /* "+", "*" or "^" */
    int64_t least, maximum, operand, most;
} fgx_entry;

/* Siblings: items[first] up to first + count are entries. `slots` of them are slots, `union_list` has what is in these (FG_NONE: none). */
typedef struct fgx_list {
    uint32_t first, count, slots, union_list;
} fgx_list;

/* Lists: one a variant, one an entry, then unions. `needs` has the least amounts of each counted type below an entry, and in all of a variant;
 * it is made for the types that a matcher counts, and again when these change. */
struct fg_request {
    fg_allocator memory;
    uint32_t entry_count, variants, list_count, item_count, list_capacity, item_capacity;
    fgx_entry *entries;
    fgx_list *lists;
    uint32_t *items;
    int64_t *needs;
    uint32_t *needs_for, needs_count, needs_types; /* the types that are counted, in order; and how many there are */
    bool needs_flexible;
    uint8_t *named;     /* of each type of the graph: whether an entry names it; made with the needs */
    uint8_t *accepts;   /* one bit a vertex, by the caller's numbers; NULL: no constraint */
    size_t accept_bytes;
};

typedef struct fgx_filter {
    uint32_t layout; /* which types */
    uint32_t first;  /* of its totals and planners */
    uint32_t spans;  /* planners are made with the first one */
} fgx_filter;

typedef struct fgx_layout {
    uint32_t first, count; /* in layout_types */
} fgx_layout;

enum fgx_has { FGX_TAG = 1, FGX_CHECK = 2, FGX_COUNT = 4, FGX_ALLOCATED = 8, FGX_RESERVED = 16, FGX_WHOLE = 32, FGX_CLOSED = 64 };

/* What a job has of a vertex. `counts` is where the amounts of its filter are in fgx_job.counts, `counted` how many. */
typedef struct fgx_hold {
    int64_t start, duration, amount;
    uint32_t vertex, counts, counted;
    uint8_t has; /* fgx_has */
} fgx_hold;

typedef struct fgx_job {
    int64_t id;
    fgx_hold *holds;
    int64_t *counts;
    uint32_t hold_count, hold_capacity, count_count, count_capacity;
    bool lifted; /* its spans are in no plan */
} fgx_job;

typedef struct fgx_part {
    int64_t needs;
    uint32_t link, exclusive;
} fgx_part;

/* A candidate: one vertex, or a slot with all its parts. */
typedef struct fgx_group {
    int64_t score, amount;
    uint32_t type, part, parts;
} fgx_group;

typedef struct fgx_key {
    int64_t key; /* larger ones come first */
    uint32_t group;
} fgx_key;

/* One vertex of a commit, before it is shown. */
typedef struct fgx_taken {
    int64_t amount;
    uint32_t vertex, source, level, counts, counted;
    bool exclusive, shown, whole, closed; /* closed: filters count all below it as taken; whole: and it is the job's, and not listed */
} fgx_taken;

typedef struct fgx_quick fgx_quick; /* match_quick.c */

#define FGX_ARRAY(type, name) \
    type *name;               \
    uint32_t name##_count, name##_capacity

struct fg_matcher {
    fg_allocator memory;
    fg_graph *graph; /* the caller's */
    uint32_t vertices;
    fg_match_options options;
    uint32_t dominant, root;
    int64_t nodes_up, now;
    uint8_t *down;  /* status of each vertex; the graph's follows unless this matcher is a copy */
    bool is_copy, strict, keeps_order; /* keeps_order: commits leave the order in which edges are tried as it is; strict: commits take nothing that does not fit into a filter */
    bool single;    /* each vertex has at most one edge of the dominant subsystem to it */
    uint32_t *place, *at, places; /* caller's number of a vertex, and back */

    /* Edges of the dominant subsystem: those of v are kid_start[v] up to kid_start[v + 1]. `order` has the same edges as first* policies try
     * them, each vertex's as a circle that begins at its `turn` (fgx_in_order); both are NULL for other policies. */
    uint32_t *kid_start, *kid, *source, *order, *turn;
    uint64_t *weight;
    uint32_t *mark;
    int64_t *needs;
    uint8_t *mark_exclusive;
    uint32_t *child_set; /* of a vertex: which set of types its direct children have */
    uint32_t *set_start, set_count;
    uint16_t *set_types;

    /* Plans: NULL while nothing was booked. */
    fg_planner **plan, **checker;
    uint32_t *filter; /* 0: none */
    uint32_t *allocated, *reserved; /* jobs that hold the vertex exclusively */

    uint32_t *counted_index; /* of a type: its place among the counted ones, or FG_NONE */
    uint32_t type_limit;     /* of the graph */
    uint32_t *type_gathered, *type_counts; /* the walk in which a type was gathered, and could be chosen */
    uint8_t *whole;          /* types that a commit takes with all below */
    FGX_ARRAY(uint32_t, counted);       /* counted types */
    FGX_ARRAY(uint32_t, everywhere);    /* of ALL, in order */
    FGX_ARRAY(fg_type_pair, specific);
    FGX_ARRAY(fgx_layout, layouts);
    FGX_ARRAY(uint32_t, layout_types);
    FGX_ARRAY(fgx_filter, filters);     /* number 0 is none */
    FGX_ARRAY(int64_t, filter_totals);
    fg_planner **filter_plans; /* as filter_totals */

    FGX_ARRAY(fgx_quick *, quick); /* a type that was asked for */

    fgx_job **jobs; /* open addressing by id; NULL: free */
    uint32_t job_count, job_mask;

    /* Of the walk or commit under way. */
    uint32_t walk; /* its number */
    uint32_t *seen, *way;
    FGX_ARRAY(fgx_group, groups);
    FGX_ARRAY(fgx_part, parts);
    FGX_ARRAY(fgx_key, keys);
    FGX_ARRAY(int64_t, numbers);
    FGX_ARRAY(uint32_t, marked); /* edges */
    FGX_ARRAY(fgx_taken, taken);
    FGX_ARRAY(int64_t, counts);  /* of taken */
    FGX_ARRAY(uint32_t, walked); /* edges of a commit */
    FGX_ARRAY(fg_label, labels);
    FGX_ARRAY(fg_event, events);
    FGX_ARRAY(fg_row, rows);
    FGX_ARRAY(fg_hold, shown_holds);
    FGX_ARRAY(fg_units, units);
    int32_t *classes; /* performance class of each set of properties, -1: not read yet */
    uint32_t classes_capacity;
};

#define FGX_PUSH(m, name, ok, item) FGM_PUSH(ok, &(m)->memory, (m)->name, (m)->name##_count, (m)->name##_capacity, item)
/* Room for `more` items. */
#define FGX_ROOM(m, name, more) fgx_room(m, (void **)&(m)->name, (m)->name##_count, &(m)->name##_capacity, more, sizeof *(m)->name)
bool fgx_room(const fg_matcher *m, void **array, uint32_t count, uint32_t *capacity, uint64_t more, size_t size);

static inline int64_t fgx_add(int64_t a, int64_t b) {
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/* Whether all windows that begin in [from, until] end before the far future. */
static inline bool fgx_is_window(int64_t from, int64_t until, int64_t duration) {
    return from >= 0 && until >= from && until < FGX_FAR && duration >= 1 && duration <= FGX_FAR - until;
}

static inline int64_t fgx_size(const fg_matcher *m, uint32_t v) {
    return m->graph->size[v] < FG_MAX_TOTAL ? m->graph->size[v] : FG_MAX_TOTAL;
}

static inline uint32_t fgx_counted_index(const fg_matcher *m, uint32_t type) {
    return type < m->type_limit ? m->counted_index[type] : FG_NONE;
}

/* The next walk's number; and beginning anew before there are no more, between operations. */
uint32_t fgx_next_walk(fg_matcher *m);
void fgx_rewind(fg_matcher *m);

/* match_time.c. Of vertex v; codes are those of planners. */
int64_t fgx_available(const fg_matcher *m, uint32_t v, int64_t at, int64_t duration);
bool fgx_is_untouched(const fg_matcher *m, uint32_t v, int64_t at, int64_t duration);
/* Whether a vertex may be taken: as a whole, or shared, whatever is wanted below it. */
bool fgx_is_open(const fg_matcher *m, uint32_t v, bool whole, int64_t at, int64_t duration);
bool fgx_filter_fits(const fg_matcher *m, uint32_t v, const int64_t *needs, int64_t at, int64_t duration);
/* How much of a type is left below v by its filter; INT64_MAX where that does not count the type. */
int64_t fgx_filter_left(const fg_matcher *m, uint32_t v, uint32_t type, int64_t at, int64_t duration);
int64_t fgx_filter_earliest(const fg_matcher *m, uint32_t v, const int64_t *needs, int64_t from, int64_t duration);
int fgx_book(fg_matcher *m, uint32_t v, int64_t at, int64_t duration, int64_t amount);
int fgx_check_in(fg_matcher *m, uint32_t v, int64_t at, int64_t duration);
int fgx_count(fg_matcher *m, uint32_t v, int64_t at, int64_t duration, const int64_t *amounts, uint32_t counted);
void fgx_unbook(fg_matcher *m, uint32_t v, int64_t at, int64_t duration, int64_t amount);
void fgx_check_out(fg_matcher *m, uint32_t v, int64_t at, int64_t duration);
void fgx_uncount(fg_matcher *m, uint32_t v, int64_t at, int64_t duration, const int64_t *amounts, uint32_t counted);
void fgx_resize(fg_planner *planner, int64_t total);
/* What is left now of the last type of the filter. */
int64_t fgx_last_left(const fg_matcher *m, const fgx_filter *filter);

/* match_new.c */
int fgx_prime(fg_matcher *m);
/* Appends the types that the filter of a vertex of some type counts, in order, without those from `first` on that are there already. */
bool fgx_append_types(fg_matcher *m, uint32_t type, uint32_t first);
/* The number of the layout made of the types from `first` on, which are kept only if it is new; FG_NONE when there is no memory. */
uint32_t fgx_find_layout(fg_matcher *m, uint32_t first);
void fgx_make_order(fg_matcher *m);
/* The edge of v that a first* policy tries in this place. */
static inline uint32_t fgx_in_order(const fg_matcher *m, uint32_t v, uint32_t place) {
    uint32_t first = m->kid_start[v], count = m->kid_start[v + 1] - first, at = m->turn[v] + place;
    return m->order[first + (at < count ? at : at - count)];
}
/* Whether the order is that of weights; also where there is none. */
bool fgx_is_ordered(const fg_matcher *m, uint32_t v);
/* Gives an edge its weight, and its place. O(log edges) where it becomes the last that is tried, at most O(edges of its source). */
void fgx_weigh(fg_matcher *m, uint32_t link, uint64_t weight);

/* match_request.c */
int64_t fgx_fit(const fgx_entry *entry, int64_t available);
int fgx_prepare(const fg_matcher *m, fg_request *request);
static inline const int64_t *fgx_needs_below(const fg_matcher *m, const fg_request *request, uint32_t entry) {
    return request->needs + (size_t)(request->variants + entry) * m->counted_count;
}

/* match_walk.c */
enum fgx_mode { FGX_NOW, FGX_LATER, FGX_EVER };
typedef struct fgx_walk {
    fg_matcher *m;
    const fg_request *request;
    uint32_t variant;
    int64_t at, duration;
    enum fgx_mode mode;
    bool deep; /* levels that the request does not name may lie between what it names, below a node (match_walk.c) */
    uint64_t entered, succeeded;
    int failure; /* errno of the last check that failed */
    int code;    /* FG_OK, or why the walk cannot go on */
    int64_t factors;
    uint32_t level, nodes; /* nodes: of this type are how many above */
    int64_t multiplier;    /* how many times the list at hand is wanted, for levels that are passed through */
    int64_t root_needs;
    bool root_exclusive;
} fgx_walk;
bool fgx_walk_run(fgx_walk *walk);
bool fgx_accepts(const fg_matcher *m, const fg_request *request, uint32_t v);
void fgx_fail(fgx_walk *walk, int failure);

/* For match_quick.c: parts of a walk. */
void fgx_walk_begin(fgx_walk *walk);
bool fgx_passes(fgx_walk *walk, uint32_t v, uint32_t wanted, bool exclusive);
bool fgx_visit_one(fgx_walk *walk, uint32_t v, uint32_t wanted, bool pristine, bool above, fgx_part *part);
bool fgx_climb(fgx_walk *walk, uint32_t v);
int64_t fgx_node_factor(const fg_graph *graph, uint32_t v);

/* match_quick.c */
bool fgx_quick_applies(fg_matcher *m, const fg_request *request, uint32_t variant);
bool fgx_quick_run(fgx_walk *walk);
void fgx_reopen(fg_matcher *m, uint32_t v, bool whole);
void fgx_free_quick(fg_matcher *m);

/* match_choose.c */
enum fgx_where { FGX_AT_VERTEX, FGX_IN_SLOT, FGX_AT_ROOT };
int64_t fgx_score(fgx_walk *walk, uint32_t v);
/* How much there is of a type from `base` on; candidates without a positive score do not count (5.8). */
int64_t fgx_qualified(const fg_matcher *m, uint32_t base, uint32_t type);
/* Appends the candidates of a type from `base` on to keys, best first; `sorted` of them are enough. How many there are. */
uint32_t fgx_order(fgx_walk *walk, uint32_t base, uint32_t type, enum fgx_where where, uint32_t sorted);
/* Puts candidates of a type into the order of keys[first...]. */
bool fgx_keep_order(fgx_walk *walk, uint32_t base, uint32_t type, uint32_t first);
bool fgx_choose(fgx_walk *walk, uint32_t v, uint32_t base, uint32_t list, uint32_t skip_type, enum fgx_where where);
void fgx_introsort(fgx_key *keys, uint32_t count, uint32_t sorted);

/* match_slots.c, match_either.c: replace what is on the stack from `base` and `part_base` on by slots. */
void fgx_make_slots(fgx_walk *walk, uint32_t base, uint32_t part_base, uint32_t slot);
void fgx_make_either(fgx_walk *walk, uint32_t base, uint32_t part_base, uint32_t list, uint32_t content);
void fgx_only_slots(fg_matcher *m, uint32_t base, uint32_t part_base, uint32_t first, uint32_t first_part);
bool fgx_push_part(fgx_walk *walk, fgx_part part);
bool fgx_push_group(fgx_walk *walk, fgx_group group);

/* match_commit.c */
enum fgx_booking { FGX_ALLOCATION, FGX_RESERVATION, FGX_NOTHING, FGX_STATEMENT };
typedef struct fgx_root {
    int64_t needs;
    bool exclusive;
} fgx_root;
/* Walks what is marked with the current walk's number. FG_OK, FG_BUSY, or an error, and then nothing was taken. */
int fgx_commit(fg_matcher *m, const fg_span *span, enum fgx_booking booking, fgx_root root);

/* match_jobs.c */
fgx_job *fgx_find_job(const fg_matcher *m, int64_t id);
/* The job, made if need be, with room for holds and counts; NULL when there is no memory. */
fgx_job *fgx_want_job(fg_matcher *m, int64_t id, uint32_t holds, uint32_t counts);
/* Only to be put in again, under another id. */
void fgx_take_job_out(fg_matcher *m, const fgx_job *job);
void fgx_put_job_in(fg_matcher *m, fgx_job *job);
void fgx_drop_if_empty(fg_matcher *m, fgx_job *job);
void fgx_free_job(fg_matcher *m, fgx_job *job);
void fgx_release(fg_matcher *m, fgx_job *job, fgx_hold *hold, uint8_t what);
/* Puts a hold of a lifted job into the plans, from its start on. FG_OK, FG_BUSY or FG_NO_MEMORY, and then none of it is there. */
int fgx_put(fg_matcher *m, const fgx_job *job, const fgx_hold *hold);
/* Takes it out of them again. */
void fgx_take_out(fg_matcher *m, const fgx_job *job, const fgx_hold *hold);

#endif
