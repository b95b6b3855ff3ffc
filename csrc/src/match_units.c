/* Cores and GPUs by rank: what a job holds of them as ranges, which is what R version 1 says, and bookings that are made from such ranges. */
#include "match.h"
#include "sort.h"

static bool is_unit(const fg_matcher *m, uint32_t v) {
    uint32_t type = m->graph->type[v];
    return (type == FGG_TYPE_core || type == FGG_TYPE_gpu) && m->graph->rank[v] >= 0;
}

static bool push(fg_matcher *m, uint32_t v) {
    int64_t type = m->graph->type[v] == FGG_TYPE_gpu, rank = m->graph->rank[v], id = m->graph->id[v];
    fg_units *last = m->units_count ? &m->units[m->units_count - 1] : NULL;
    if (last && last->rank == rank && last->type == type && id > INT64_MIN && last->high == id - 1) {
        last->high = id;
        return true;
    }
    bool ok;
    fg_units one = {.rank = rank, .type = type, .low = id, .high = id};
    FGX_PUSH(m, units, ok, one);
    return ok;
}

static int before(const void *context, const void *a, const void *b) {
    const fg_units *one = a, *two = b;
    (void)context;
    if (one->rank != two->rank) return one->rank < two->rank;
    return one->type != two->type ? one->type < two->type : one->low < two->low;
}

static void merge(fg_matcher *m) {
    if (m->units_count) fgg_sort(m->units, m->units_count, sizeof *m->units, before, NULL);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->units_count; i++) {
        fg_units *last = kept ? &m->units[kept - 1] : NULL;
        const fg_units *one = &m->units[i];
        if (last && last->rank == one->rank && last->type == one->type && (last->high >= one->low || last->high == one->low - 1)) {
            if (one->high > last->high) last->high = one->high;
        } else m->units[kept++] = *one;
    }
    m->units_count = kept;
}

int64_t fg_units_of(fg_matcher *m, const int64_t *id, const fg_units **units) {
    const fgx_job *job = id ? fgx_find_job(m, *id) : NULL;
    bool ok = true;
    m->units_count = 0;
    for (uint32_t i = 0; job && i < job->hold_count; i++) {
        const fgx_hold *hold = &job->holds[i];
        uint32_t count = hold->has & FGX_WHOLE ? m->graph->subtree[hold->vertex] : 1;
        if (!(hold->has & (FGX_ALLOCATED | FGX_RESERVED))) continue;
        for (uint32_t v = hold->vertex; ok && v < hold->vertex + count; v++)
            if (is_unit(m, v)) ok = push(m, v);
    }
    for (uint32_t link = 0; ok && !id && link < m->kid_start[m->vertices]; link++)
        if (is_unit(m, m->kid[link])) ok = push(m, m->kid[link]);
    if (!ok) return FG_NO_MEMORY;
    merge(m);
    *units = m->units;
    return m->units_count;
}

/* The edge of containment to a vertex; FG_NONE at the root. O(log children) in a tree. */
static uint32_t link_into(const fg_matcher *m, uint32_t v) {
    uint32_t parent = m->graph->parent[v];
    if (v == m->root || parent == FG_NONE) return FG_NONE;
    uint32_t low = m->kid_start[parent], high = m->kid_start[parent + 1];
    while (m->graph->tree && low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (m->kid[middle] < v) low = middle + 1;
        else high = middle;
    }
    while (low < m->kid_start[parent + 1] && m->kid[low] != v) low++;
    return low < m->kid_start[parent + 1] ? low : FG_NONE;
}

/* Whether the root leads to a vertex. O(1) in a tree. */
static bool is_reached(const fg_matcher *m, uint32_t v) {
    if (m->graph->tree) return fgg_is_below(m->graph, v, m->root);
    while (v != m->root && link_into(m, v) != FG_NONE) v = m->graph->parent[v];
    return v == m->root;
}

/* Marks the way from the root to a vertex, which is taken whole. False when there is no memory. */
static bool mark(fg_matcher *m, uint32_t v) {
    for (bool exclusive = true; v != m->root; v = m->graph->parent[v], exclusive = false) {
        uint32_t link = link_into(m, v);
        if (m->mark[link] == m->walk) {
            m->mark_exclusive[link] = m->mark_exclusive[link] || exclusive;
            return true;
        }
        bool ok;
        FGX_PUSH(m, marked, ok, link);
        if (!ok) return false;
        m->mark[link] = m->walk;
        m->mark_exclusive[link] = exclusive;
        m->needs[link] = m->graph->size[v];
    }
    return true;
}

static int smaller(const void *context, const void *a, const void *b) {
    (void)context;
    return *(const int64_t *)a < *(const int64_t *)b;
}

/* Marks the units of one range: FG_OK, FG_NOT_FOUND where one of them is not there, FG_NO_MEMORY. */
static int mark_range(fg_matcher *m, const fg_units *range) {
    const uint32_t *vertices;
    uint32_t count = fg_by_rank(m->graph, range->rank, &vertices), type = range->type ? FGG_TYPE_gpu : FGG_TYPE_core;
    m->numbers_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t v = vertices[i];
        if (m->graph->type[v] != type || m->graph->id[v] < range->low || m->graph->id[v] > range->high) continue;
        if (v == m->root || !is_reached(m, v)) continue;
        bool ok;
        FGX_PUSH(m, numbers, ok, m->graph->id[v]);
        if (!ok || !mark(m, v)) return FG_NO_MEMORY;
    }
    if (m->numbers_count) fgg_sort(m->numbers, m->numbers_count, sizeof *m->numbers, smaller, NULL);
    uint64_t missing = (uint64_t)range->high - (uint64_t)range->low; /* but for one */
    for (uint32_t i = 1; i < m->numbers_count; i++) missing -= m->numbers[i] != m->numbers[i - 1];
    return m->numbers_count && missing == 0 ? FG_OK : FG_NOT_FOUND;
}

int fg_enter(fg_matcher *m, const fg_span *span, const fg_units *units, uint32_t count, const uint32_t *others, uint32_t other_count) {
    if (m->dominant != FG_CONTAINMENT || !fgx_is_window(span->start, span->start, span->duration)) return FG_INVALID;
    if (fgx_find_job(m, span->job)) return FG_INVALID;
    fgx_rewind(m);
    fgx_next_walk(m);
    m->marked_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (units[i].low > units[i].high || units[i].type < 0 || units[i].type > 1) return FG_INVALID;
        int code = mark_range(m, &units[i]);
        if (code != FG_OK) return code;
    }
    for (uint32_t i = 0; i < other_count; i++) {
        uint32_t v = others[i] < m->places ? m->at[others[i]] : FG_NONE;
        if (v == FG_NONE || v == m->root || !is_reached(m, v)) return FG_NOT_FOUND;
        if (!mark(m, v)) return FG_NO_MEMORY;
    }
    fgx_root root = {.needs = m->graph->size[m->root], .exclusive = false};
    m->strict = true;
    int code = fgx_commit(m, span, span->start > m->now ? FGX_RESERVATION : FGX_ALLOCATION, root);
    m->strict = false;
    return code;
}
