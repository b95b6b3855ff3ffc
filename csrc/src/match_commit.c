/* From the marks of a walk to bookings (fluxion.md 7.1): one pass that changes nothing and finds out what is taken, then the bookings, which are
 * taken back when one of them fails. */
#include "match.h"
#include "sort.h"

typedef struct commit {
    fg_matcher *m;
    const fg_span *span;
    enum fgx_booking booking;
    uint32_t mark; /* of the edges to follow */
    bool search; /* marked edges are looked up in order, not tried one by one */
    int code;
} commit;

static int lower(const void *context, const void *a, const void *b) {
    (void)context;
    return *(const uint32_t *)a < *(const uint32_t *)b;
}

static bool fails(commit *c, int code) {
    c->code = code;
    return false;
}

/* What is below a vertex, a number a counted type: numbers[level * counted...]. */
static int64_t *below_at(const commit *c, uint32_t level) {
    return c->m->numbers + (size_t)level * c->m->counted_count;
}

/* Keeps the amounts for the filter of a vertex, in the order of its types. */
static bool keep_counts(commit *c, uint32_t v, uint32_t level, fgx_taken *taken) {
    fg_matcher *m = c->m;
    bool any = false, ok = true;
    for (uint32_t t = 0; t < m->counted_count; t++) any = any || below_at(c, level)[t] > 0;
    taken->counts = FG_NONE;
    if (!any || !m->filter[v] || c->booking == FGX_NOTHING) return true;
    const fgx_layout *layout = &m->layouts[m->filters[m->filter[v]].layout];
    taken->counts = m->counts_count;
    taken->counted = layout->count;
    for (uint32_t i = 0; ok && i < layout->count; i++) FGX_PUSH(m, counts, ok, below_at(c, level)[m->layout_types[layout->first + i]]);
    return ok || fails(c, FG_NO_MEMORY);
}

/* Whether nobody else gets anything below a vertex that is taken exclusively: whoever comes there meets the vertex first. Strict commits count all of it as taken, since
 * promises by amount go by that, and mark the vertex alone where they take all of it. */
static bool is_closed(const fg_matcher *m, uint32_t v) {
    return m->strict && m->single && m->graph->tree && m->dominant == FG_CONTAINMENT && m->graph->subtree[v] > 1;
}

static void count_below(const commit *c, uint32_t v, uint32_t level) {
    const fg_matcher *m = c->m;
    memset(below_at(c, level), 0, m->counted_count * sizeof(int64_t));
    for (uint32_t u = v + 1; u < v + m->graph->subtree[v]; u++) {
        uint32_t index = fgx_counted_index(m, m->graph->type[u]);
        if (index != FG_NONE) below_at(c, level)[index] = fgx_add(below_at(c, level)[index], m->graph->size[u]);
    }
}

/* Appends what is taken at and below a vertex; *held is how many exclusive vertices there are. */
static bool collect(commit *c, fgx_taken at, bool shadow, uint64_t *held) {
    fg_matcher *m = c->m;
    uint32_t v = at.vertex, width = m->counted_count, level = at.level;
    if (level > FG_MAX_DEPTH + 1) return fails(c, FG_LIMIT);
    if (!fgx_room(m, (void **)&m->numbers, 0, &m->numbers_capacity, (uint64_t)(level + 2) * (width ? width : 1), sizeof *m->numbers))
        return fails(c, FG_NO_MEMORY);
    memset(below_at(c, level), 0, width * sizeof(int64_t));
    m->seen[v] = m->walk;
    shadow = shadow || m->whole[m->graph->type[v]];
    at.exclusive = shadow || at.exclusive;
    if (shadow) at.amount = m->graph->size[v];
    *held = at.exclusive;
    at.closed = at.exclusive && is_closed(m, v);
    at.whole = shadow && at.closed && m->graph->rank[v] >= 0; /* parts of jobs are given back by rank */
    bool search = c->search && !shadow;
    uint32_t first = search ? fgg_first_from(m->marked, m->marked_count, m->kid_start[v]) : m->kid_start[v], last = search ? m->marked_count : m->kid_start[v + 1];
    if (at.whole) last = first;
    for (uint32_t i = first; i < last; i++) {
        uint32_t link = search ? m->marked[i] : i;
        if (link >= m->kid_start[v + 1]) break;
        if (m->seen[m->kid[link]] == m->walk || !(shadow || m->mark[link] == c->mark)) continue;
        fgx_taken kid = {.vertex = m->kid[link], .source = v, .level = level + 1, .amount = m->needs[link]};
        kid.exclusive = m->mark_exclusive[link] != 0;
        uint64_t count;
        if (!collect(c, kid, shadow, &count)) return false;
        *held += count;
        for (uint32_t t = 0; t < width; t++) below_at(c, level)[t] = fgx_add(below_at(c, level)[t], below_at(c, level + 1)[t]);
        bool ok;
        FGX_PUSH(m, walked, ok, link);
        if (!ok) return fails(c, FG_NO_MEMORY);
    }
    if (*held == 0) return true;
    if (at.closed && c->booking != FGX_NOTHING) count_below(c, v, level); /* else nothing is counted (keep_counts) */
    at.shown = true;
    if (!keep_counts(c, v, level, &at)) return false;
    uint32_t own = fgx_counted_index(m, m->graph->type[v]);
    if (own != FG_NONE) below_at(c, level)[own] = fgx_add(below_at(c, level)[own], at.exclusive ? m->graph->size[v] : m->graph->size[v] - at.amount);
    bool ok;
    FGX_PUSH(m, taken, ok, at);
    return ok || fails(c, FG_NO_MEMORY);
}

/* Books one vertex; the job has room. FG_OK, or an error and nothing of it is booked. */
static int take(commit *c, fgx_job *job, fgx_taken *taken) {
    fg_matcher *m = c->m;
    const fg_span *span = c->span;
    uint32_t v = taken->vertex;
    int64_t amount = taken->amount < fgx_size(m, v) ? taken->amount : fgx_size(m, v);
    fgx_hold hold = {.start = span->start, .duration = span->duration, .vertex = v, .has = FGX_TAG | FGX_CHECK};
    bool books = taken->exclusive && c->booking != FGX_STATEMENT;
    if (m->strict && !fgx_is_open(m, v, taken->exclusive, span->start, span->duration)) return FG_BUSY;
    if (books) {
        int code = fgx_book(m, v, span->start, span->duration, amount);
        if (code != FG_OK) return code;
        hold.has |= c->booking == FGX_ALLOCATION ? FGX_ALLOCATED : FGX_RESERVED;
        hold.amount = amount;
        hold.has |= (uint8_t)((taken->whole ? FGX_WHOLE : 0) | (taken->closed ? FGX_CLOSED : 0));
    }
    int code = fgx_check_in(m, v, span->start, span->duration);
    if (code == FG_OK && taken->counts != FG_NONE) {
        const int64_t *counts = m->counts + taken->counts;
        int counted = fgx_count(m, v, span->start, span->duration, counts, taken->counted);
        taken->shown = counted == FG_OK;
        if (counted == FG_OK) {
            hold.has |= FGX_COUNT;
            hold.counts = job->count_count;
            hold.counted = taken->counted;
            memcpy(job->counts + job->count_count, counts, taken->counted * sizeof *counts);
            job->count_count += taken->counted;
        } else if (counted == FG_NO_MEMORY || m->strict) {
            fgx_check_out(m, v, span->start, span->duration);
            code = counted;
        }
    }
    if (code != FG_OK) {
        if (books) fgx_unbook(m, v, span->start, span->duration, amount);
        return code;
    }
    if (books) (c->booking == FGX_ALLOCATION ? m->allocated : m->reserved)[v]++;
    job->holds[job->hold_count++] = hold;
    return FG_OK;
}

/* What an older hold of the same job at a vertex loses to a newer one: its spans stay, and nobody knows them any more (the job was told twice). */
static void replace_older(fg_matcher *m, fgx_job *job, uint32_t had) {
    for (uint32_t i = 0; i < had; i++) {
        fgx_hold *older = &job->holds[i];
        for (uint32_t k = had; k < job->hold_count; k++) {
            uint8_t lost = older->vertex == job->holds[k].vertex ? older->has & job->holds[k].has : 0;
            if (lost & FGX_ALLOCATED) m->allocated[older->vertex]--;
            if (lost & FGX_RESERVED) m->reserved[older->vertex]--;
            older->has &= (uint8_t)~lost;
        }
    }
}

static int book_all(commit *c) {
    fg_matcher *m = c->m;
    uint32_t counts = 0;
    for (uint32_t i = 0; i < m->taken_count; i++) counts += m->taken[i].counts != FG_NONE ? m->taken[i].counted : 0;
    fgx_job *job = fgx_want_job(m, c->span->job, m->taken_count, counts);
    if (!job) return FG_NO_MEMORY;
    uint32_t had = job->hold_count, had_counts = job->count_count;
    int code = FG_OK;
    for (uint32_t i = 0; code == FG_OK && i < m->taken_count; i++) code = take(c, job, &m->taken[i]);
    if (code != FG_OK) {
        while (job->hold_count > had) fgx_release(m, job, &job->holds[--job->hold_count], 0xff);
        job->count_count = had_counts;
        fgx_drop_if_empty(m, job);
    } else if (had) replace_older(m, job, had);
    return code;
}

/* Later walks that stop early try the emptier subtree first (6.4). */
static void weigh_all(const commit *c) {
    fg_matcher *m = c->m;
    for (uint32_t i = 0; i < m->walked_count; i++) {
        uint32_t link = m->walked[i], v = m->kid[link];
        if (!m->filter[v]) continue;
        const fgx_filter *filter = &m->filters[m->filter[v]];
        int64_t weight = c->booking == FGX_STATEMENT ? 0 : fgx_last_left(m, filter);
        if (weight || filter->spans) fgx_weigh(m, link, (uint64_t)weight);
    }
}

/* Whether it pays to sort what is marked: where many more edges would be tried one by one, below the root and below what marked ones lead to. */
static bool is_search_cheaper(const fg_matcher *m) {
    uint64_t tried = m->kid_start[m->root + 1] - m->kid_start[m->root], sorting = 1;
    for (uint32_t i = 0; i < m->marked_count; i++) {
        uint32_t v = m->kid[m->marked[i]];
        tried += m->kid_start[v + 1] - m->kid_start[v];
    }
    for (uint32_t rest = m->marked_count; rest; rest /= 2) sorting += 4 * (uint64_t)m->marked_count;
    return tried > sorting;
}

int fgx_commit(fg_matcher *m, const fg_span *span, enum fgx_booking booking, fgx_root root) {
    commit c = {.m = m, .span = span, .booking = booking, .mark = m->walk};
    uint64_t held;
    c.search = is_search_cheaper(m);
    if (c.search) fgg_sort(m->marked, m->marked_count, sizeof *m->marked, lower, NULL);
    fgx_next_walk(m);
    m->taken_count = m->counts_count = m->walked_count = 0;
    fgx_taken at = {.vertex = m->root, .source = FG_NONE, .level = 1, .amount = root.needs, .exclusive = root.exclusive};
    if (!collect(&c, at, false, &held)) return c.code;
    if (!FGX_ROOM(m, rows, m->taken_count)) return FG_NO_MEMORY; /* to show what was taken must not fail any more */
    if (booking != FGX_NOTHING && m->taken_count) {
        int code = book_all(&c);
        if (code != FG_OK) return code == FG_RANGE ? FG_BUSY : code;
    }
    if (!m->keeps_order) weigh_all(&c);
    return FG_OK;
}
