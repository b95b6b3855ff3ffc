/* Selects without the whole walk, for policies by id (high, low and their kin).
 *
 * Under these policies the score of a vertex is its id plus what its node weighs: it never changes. So vertices of a type are put into the order of
 * their scores once, and the best free ones are the first free ones. It is done for requests of one thing at the top, n of a type, or n slots of one
 * of a type, whatever is wanted below; each candidate is visited as the walk does it. The result is that of the whole walk, but for two things: of
 * candidates with equal scores the first in preorder is taken (the walk's choice among them is an accident of its sort), and visits are not counted.
 *
 *   order       best  . . . . . . . .  worst      open: not held as a whole, nor is anything above
 *   open          0 0 1 1 0 1 1 1 1               untouched: nor is anything below held
 *   untouched     0 0 0 1 0 0 1 1 1
 *
 * Bits are cleared when a candidate turns out to be held now, and set when a job gives back what could be the reason: so a match looks at what
 * it takes, and what has been taken since. (A reservation whose time has passed is given back by the caller, or its bits stay.) At later times the bits say nothing, and candidates are tried from the best on. */
#include <errno.h>

#include "match.h"
#include "sort.h"

struct fgx_quick {
    uint32_t type, count;
    bool usable;
    const uint32_t *vertices; /* the graph's, ascending */
    uint32_t *order;          /* places in vertices, best first */
    uint32_t *rank;           /* place in order of each of them */
    uint64_t *open, *untouched;
    uint32_t words, first_open, first_untouched; /* no bit is set in the words before these */
};

typedef struct scored {
    int64_t score;
    uint32_t place;
} scored;

static int better(const void *context, const void *a, const void *b) {
    const scored *one = a, *two = b;
    (void)context;
    return one->score != two->score ? one->score > two->score : one->place < two->place;
}

static void set_bit(uint64_t *words, uint32_t *first, uint32_t bit) {
    words[bit / 64] |= UINT64_C(1) << (bit % 64);
    if (bit / 64 < *first) *first = bit / 64;
}

static uint32_t lowest_bit(uint64_t word) {
    uint32_t bit = 0;
    for (uint32_t half = 32; half; half /= 2) {
        if (word & ((UINT64_C(1) << half) - 1)) continue;
        word >>= half;
        bit += half;
    }
    return bit;
}

void fgx_free_quick(fg_matcher *m) {
    for (uint32_t i = 0; i < m->quick_count; i++) {
        fgm_free(&m->memory, m->quick[i]->order);
        fgm_free(&m->memory, m->quick[i]->rank);
        fgm_free(&m->memory, m->quick[i]->open);
        fgm_free(&m->memory, m->quick[i]->untouched);
        fgm_free(&m->memory, m->quick[i]);
    }
    fgm_free(&m->memory, m->quick);
    m->quick = NULL;
    m->quick_count = m->quick_capacity = 0;
}

/* Whether the vertices of a type are as the order needs them: in a tree, all on one level (so none is below another, and slots are filled on the
 * level above), of size 1. Ids below -1 have rules of their own. */
static bool is_regular(const fg_matcher *m, const uint32_t *vertices, uint32_t count) {
    const fg_graph *graph = m->graph;
    if (!m->single || m->dominant != FG_CONTAINMENT || !graph->tree || count == 0) return false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t v = vertices[i];
        if (graph->depth[v] != graph->depth[vertices[0]] || graph->size[v] != 1 || !fgg_is_below(graph, v, m->root)) return false;
    }
    for (uint32_t v = 0; v < graph->count; v++)
        if (graph->id[v] < -1 || graph->id[v] > INT64_MAX / 100000) return false;
    return graph->depth[vertices[0]] > 0;
}

/* The factors of all nodes above a vertex, and how many these are. */
static int64_t factors_above(const fg_matcher *m, uint32_t v, uint32_t *nodes) {
    int64_t sum = 0;
    *nodes = 0;
    for (v = m->graph->parent[v]; v != FG_NONE; v = m->graph->parent[v]) {
        if (m->graph->type[v] != FGG_TYPE_node) continue;
        if (m->options.node_centric) sum += fgx_node_factor(m->graph, v);
        ++*nodes;
    }
    return sum;
}

static bool fill(fg_matcher *m, fgx_quick *q) {
    uint32_t size = q->count ? q->count : 1;
    q->words = (size + 63) / 64;
    q->order = fgm_zeroed(&m->memory, size, sizeof *q->order);
    q->rank = fgm_zeroed(&m->memory, size, sizeof *q->rank);
    q->open = fgm_zeroed(&m->memory, q->words, sizeof *q->open);
    q->untouched = fgm_zeroed(&m->memory, q->words, sizeof *q->untouched);
    scored *all = fgm_zeroed(&m->memory, size, sizeof *all);
    bool ok = q->order && q->rank && q->open && q->untouched && all;
    for (uint32_t i = 0; ok && i < q->count; i++) {
        uint32_t nodes;
        int64_t score = factors_above(m, q->vertices[i], &nodes) + m->graph->id[q->vertices[i]];
        all[i] = (scored){.score = m->options.order == FG_ORDER_LOW ? ~score : score, .place = i};
    }
    if (ok) fgg_sort(all, q->count, sizeof *all, better, NULL);
    for (uint32_t i = 0; ok && i < q->count; i++) {
        q->order[i] = all[i].place;
        q->rank[all[i].place] = i;
        set_bit(q->open, &q->first_open, i);
        set_bit(q->untouched, &q->first_untouched, i);
    }
    fgm_free(&m->memory, all);
    return ok;
}

/* The order of a type, made when it is first needed; NULL when there is no memory. */
static fgx_quick *want(fg_matcher *m, uint32_t type) {
    for (uint32_t i = 0; i < m->quick_count; i++)
        if (m->quick[i]->type == type) return m->quick[i];
    fgx_quick *q = fgm_zeroed(&m->memory, 1, sizeof *q);
    if (!q) return NULL;
    q->type = type;
    q->count = fg_by_type(m->graph, type, &q->vertices);
    q->usable = is_regular(m, q->vertices, q->count);
    if (!q->usable) q->count = 0;
    bool ok = fill(m, q);
    if (ok) FGX_PUSH(m, quick, ok, q);
    if (ok) return q;
    fgm_free(&m->memory, q->order);
    fgm_free(&m->memory, q->rank);
    fgm_free(&m->memory, q->open);
    fgm_free(&m->memory, q->untouched);
    fgm_free(&m->memory, q);
    return NULL;
}

/* Something was given back: of the vertex as a whole, or of what shares it. */
void fgx_reopen(fg_matcher *m, uint32_t v, bool whole) {
    for (uint32_t i = 0; i < m->quick_count; i++) {
        fgx_quick *q = m->quick[i];
        uint32_t end = whole ? v + m->graph->subtree[v] : v + 1;
        for (uint32_t place = fgg_first_from(q->vertices, q->count, v); place < q->count && q->vertices[place] < end; place++) {
            set_bit(q->open, &q->first_open, q->rank[place]);
            set_bit(q->untouched, &q->first_untouched, q->rank[place]);
        }
    }
}

/* The entry whose vertices are to be found, with the list that it is wanted in; NULL where the request is of another shape. */
static const fgx_entry *shape(const fg_matcher *m, const fg_request *request, uint32_t variant, uint32_t *list, int64_t *count) {
    const fgx_list *top = &request->lists[variant];
    if (top->count != 1 || m->options.flexible || m->options.stop_early || m->options.order > FG_ORDER_LOW) return NULL;
    const fgx_entry *entry = &request->entries[request->items[top->first]];
    if (entry->least != entry->maximum || entry->least < 1) return NULL;
    *list = variant;
    *count = entry->least;
    if (entry->type == FGG_TYPE_slot) {
        const fgx_list *content = &request->lists[entry->list];
        *list = entry->list;
        if (content->count != 1) return NULL;
        entry = &request->entries[request->items[content->first]];
        if (entry->least != 1 || entry->maximum != 1 || entry->type == FGG_TYPE_slot) return NULL;
    }
    return entry->type < m->type_limit && entry->type != m->graph->type[m->root] ? entry : NULL;
}

bool fgx_quick_applies(fg_matcher *m, const fg_request *request, uint32_t variant) {
    uint32_t list;
    int64_t count;
    const fgx_entry *entry = shape(m, request, variant, &list, &count);
    const fgx_quick *q = entry ? want(m, entry->type) : NULL;
    return q && q->usable;
}

static uint32_t link_to(const fg_matcher *m, uint32_t v) {
    uint32_t parent = m->graph->parent[v], low = m->kid_start[parent], high = m->kid_start[parent + 1];
    while (low < high) { /* children are in preorder */
        uint32_t middle = low + (high - low) / 2;
        if (m->kid[middle] < v) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Whether the walk would come down to a vertex. */
static bool reaches(fgx_walk *walk, uint32_t v) {
    fg_matcher *m = walk->m;
    if (m->seen[v] == m->walk) return true;
    if (v != m->root && !reaches(walk, m->graph->parent[v])) return false;
    if (!fgx_passes(walk, v, walk->variant, false)) return false;
    m->seen[v] = m->walk;
    m->type_gathered[m->graph->type[v]] = m->walk;
    if (v != m->root) m->way[v] = link_to(m, v);
    return true;
}

/* Whether the vertex or one above is held as a whole now. */
static bool is_held(const fg_matcher *m, uint32_t v) {
    for (; v != FG_NONE; v = m->graph->parent[v])
        if (fgx_available(m, v, m->now, 1) <= 0) return true;
    return false;
}

/* Notes why a candidate is none, where that lasts until something is given back. */
static void close(const fg_matcher *m, fgx_quick *q, uint32_t rank) {
    uint32_t v = q->vertices[q->order[rank]];
    uint64_t bit = UINT64_C(1) << (rank % 64);
    bool held = is_held(m, v);
    if (held) q->open[rank / 64] &= ~bit;
    if (held || m->allocated[v] || !fgx_is_untouched(m, v, m->now, 1)) q->untouched[rank / 64] &= ~bit;
}

static bool take(fgx_walk *walk, uint32_t v, uint32_t list, bool exclusive, const fgx_entry *entry) {
    fg_matcher *m = walk->m;
    uint32_t groups = m->groups_count, parts = m->parts_count;
    if (!reaches(walk, m->graph->parent[v])) return false;
    walk->factors = factors_above(m, v, &walk->nodes);
    walk->level = m->graph->depth[v];
    fgx_part part;
    bool ok = fgx_visit_one(walk, v, list, list == walk->variant, exclusive, &part);
    m->groups_count = groups;
    m->parts_count = parts;
    if (!ok) return false;
    uint32_t link = m->way[v] = part.link = link_to(m, v);
    FGX_PUSH(m, marked, ok, link);
    fg_label label = {.vertex = m->place[v], .label = entry->label};
    if (ok && entry->label) FGX_PUSH(m, labels, ok, label);
    if (!ok) {
        walk->code = FG_NO_MEMORY;
        return false;
    }
    m->mark[link] = m->walk;
    m->needs[link] = part.needs;
    m->mark_exclusive[link] = part.exclusive != 0;
    return fgx_climb(walk, m->source[link]);
}

static uint64_t all_bits(const fgx_quick *q, uint32_t word) {
    uint32_t rest = q->count - word * 64;
    return rest < 64 ? (UINT64_C(1) << rest) - 1 : UINT64_MAX;
}

/* As fgx_walk_run, where fgx_quick_applies. O(what is taken and what lies above, and candidates that are refused for this time alone). */
bool fgx_quick_run(fgx_walk *walk) {
    fg_matcher *m = walk->m;
    uint32_t list;
    int64_t count;
    const fgx_entry *entry = shape(m, walk->request, walk->variant, &list, &count);
    fgx_quick *q = want(m, entry->type);
    bool in_slot = list != walk->variant, exclusive = in_slot || entry->exclusive == 1;
    fgx_walk_begin(walk);
    walk->root_needs = m->graph->size[m->root];
    walk->root_exclusive = false;
    walk->failure = EBUSY;
    uint64_t *bits = exclusive ? q->untouched : q->open;
    uint32_t *first = exclusive ? &q->first_untouched : &q->first_open;
    bool now = walk->mode == FGX_NOW;
    if (!reaches(walk, m->root)) return false;
    for (uint32_t word = now ? *first : 0; word < q->words; word++) {
        for (uint64_t left = now ? bits[word] : all_bits(q, word); left; left &= left - 1) {
            uint32_t rank = word * 64 + lowest_bit(left);
            if (take(walk, q->vertices[q->order[rank]], list, in_slot, entry)) {
                if (--count > 0) continue;
                walk->failure = 0;
                return true;
            }
            if (walk->code != FG_OK) return false;
            if (now) close(m, q, rank);
        }
        if (now && !bits[word] && word == *first) ++*first;
    }
    return false;
}
