/* A copy of a matcher: a bare one over the same graph, with the filters, plans and jobs of the other; and the check of all plans, which are made again
 * from what jobs hold. */
#include "match.h"

static fg_matcher *make_bare(const fg_matcher *from, const fg_allocator *allocator, int *code) {
    uint32_t count = from->vertices;
    fg_match_options options = from->options;
    uint32_t *numbers = fgm_zeroed(&from->memory, count, sizeof *numbers);
    *code = FG_NO_MEMORY;
    if (!numbers) return NULL;
    for (uint32_t k = 0; k < count; k++) numbers[k] = from->place[fg_created(from->graph, k)];
    options.numbers = numbers;
    options.everywhere = from->everywhere;
    options.everywhere_count = from->everywhere_count;
    options.specific = from->specific;
    options.specific_count = from->specific_count;
    fg_matcher *m = fg_matcher_new(from->graph, &options, allocator, code);
    fgm_free(&from->memory, numbers);
    return m;
}

static bool copy_array(const fg_matcher *m, void **to, uint32_t *capacity, const void *from, uint32_t count, size_t size) {
    if (!fgx_room(m, to, 0, capacity, count, size)) return false;
    if (count) memcpy(*to, from, count * size);
    return true;
}

/* Over whatever the new one has. */
#define COPY(to, from, name)                                                                                                        \
    (copy_array(to, (void **)&(to)->name, &(to)->name##_capacity, (from)->name, (from)->name##_count, sizeof *(to)->name) &&        \
     ((to)->name##_count = (from)->name##_count, true))

/* Filters, without their plans: one that was taken over from a machine of other vertices is not what a new matcher would make. */
static bool copy_filters(fg_matcher *m, const fg_matcher *from) {
    if (!COPY(m, from, counted) || !COPY(m, from, specific) || !COPY(m, from, layouts) || !COPY(m, from, layout_types)) return false;
    fg_planner **plans = fgm_zeroed(&m->memory, from->filter_totals_count, sizeof *plans);
    if (!plans) return false;
    fgm_free(&m->memory, m->filter_plans); /* none was made yet */
    m->filter_plans = plans;
    m->filter_totals_count = 0;
    if (!COPY(m, from, filters) || !COPY(m, from, filter_totals)) return false;
    memcpy(m->counted_index, from->counted_index, m->type_limit * sizeof *m->counted_index);
    memcpy(m->filter, from->filter, m->vertices * sizeof *m->filter);
    for (uint32_t i = 0; i < m->filters_count; i++) m->filters[i].spans = 0;
    return true;
}

/* A matcher with everything but jobs and plans; NULL and *code. */
static fg_matcher *make_free(const fg_matcher *from, const fg_allocator *allocator, int *code) {
    fg_matcher *m = make_bare(from, allocator, code);
    if (!m) return NULL;
    if (!copy_filters(m, from)) {
        *code = FG_NO_MEMORY;
        fg_matcher_free(m);
        return NULL;
    }
    memcpy(m->down, from->down, from->vertices * sizeof *m->down);
    memcpy(m->weight, from->weight, from->kid_start[from->vertices] * sizeof *m->weight);
    fgx_make_order(m);
    m->is_copy = true;
    m->nodes_up = from->nodes_up;
    m->now = from->now;
    return m;
}

/* ---- Copies */

static bool copy_plan(const fg_matcher *m, const fg_planner *from, fg_planner **to) {
    if (from) *to = fgp_copy(from, &m->memory);
    return !from || *to;
}

static bool copy_plans(fg_matcher *m, const fg_matcher *from) {
    for (uint32_t v = 0; v < m->vertices; v++)
        if (!copy_plan(m, from->plan[v], &m->plan[v]) || !copy_plan(m, from->checker[v], &m->checker[v])) return false;
    for (uint32_t i = 0; i < m->filter_totals_count; i++)
        if (!copy_plan(m, from->filter_plans[i], &m->filter_plans[i])) return false;
    for (uint32_t i = 0; i < m->filters_count; i++) m->filters[i].spans = from->filters[i].spans;
    memcpy(m->allocated, from->allocated, m->vertices * sizeof *m->allocated);
    memcpy(m->reserved, from->reserved, m->vertices * sizeof *m->reserved);
    return true;
}

static fgx_job *copy_job(fg_matcher *m, const fgx_job *from) {
    fgx_job *job = fgx_want_job(m, from->id, from->hold_count, from->count_count);
    if (!job) return NULL;
    if (from->count_count) memcpy(job->counts, from->counts, from->count_count * sizeof *job->counts);
    memcpy(job->holds, from->holds, from->hold_count * sizeof *job->holds);
    job->count_count = from->count_count;
    job->hold_count = from->hold_count;
    job->lifted = from->lifted;
    return job;
}

fg_matcher *fg_matcher_copy(const fg_matcher *from, const fg_allocator *allocator, int *code) {
    fg_matcher *m = make_free(from, allocator, code);
    if (!m) return NULL;
    bool ok = copy_plans(m, from);
    for (uint32_t slot = 0; ok && from->jobs && slot <= from->job_mask; slot++)
        if (from->jobs[slot]) ok = copy_job(m, from->jobs[slot]) != NULL;
    if (ok) return m;
    *code = FG_NO_MEMORY;
    fg_matcher_free(m);
    return NULL;
}

/* ---- Check */

static bool is_same(const fg_planner *one, const fg_planner *two) {
    if (!one || !two) return !one && !two;
    if (fg_planner_check(one) != FG_OK || fg_planner_points(one) != fg_planner_points(two) || fg_planner_total(one) != fg_planner_total(two)) return false;
    int64_t time = -1;
    for (uint32_t i = fg_planner_points(one); i > 0; i--) {
        int64_t first, second;
        if (fg_planner_next(one, time, &first) != fg_planner_next(two, time, &second) || first != second) return false;
        time = fg_planner_next(one, time, &first);
    }
    return true;
}

static bool is_same_filter(const fg_matcher *m, const fg_matcher *again, uint32_t v) {
    if (!m->filter[v] || !again->filter[v]) return !m->filter[v] && !again->filter[v];
    const fgx_filter *one = &m->filters[m->filter[v]], *two = &again->filters[again->filter[v]];
    if (one->spans != two->spans || m->layouts[one->layout].count != again->layouts[two->layout].count) return false;
    for (uint32_t i = 0; i < m->layouts[one->layout].count; i++) {
        /* Planners of a filter are kept when the last span is gone. */
        const fg_planner *first = m->filter_plans[one->first + i], *second = again->filter_plans[two->first + i];
        if (!first != !second && fg_planner_points(first ? first : second) == 1) continue;
        if (!is_same(first, second)) return false;
    }
    return true;
}

/* Books all that jobs hold. FG_OK, FG_NO_MEMORY, or another code where it does not fit. */
static int book_again(fg_matcher *m, const fg_matcher *from) {
    int code = FG_OK;
    for (uint32_t slot = 0; code == FG_OK && from->jobs && slot <= from->job_mask; slot++) {
        if (!from->jobs[slot]) continue;
        fgx_job *job = copy_job(m, from->jobs[slot]);
        if (!job) return FG_NO_MEMORY;
        for (uint32_t i = 0; i < job->hold_count && !job->lifted && code == FG_OK; i++) code = fgx_put(m, job, &job->holds[i]);
    }
    return code;
}

int fg_matcher_check(const fg_matcher *m, uint32_t *vertex) {
    int code;
    *vertex = FG_NONE;
    fg_matcher *again = make_free(m, &m->memory, &code);
    if (!again) return code;
    code = book_again(again, m);
    for (uint32_t v = 0; v < m->vertices && code == FG_OK; v++) {
        bool same = is_same(m->plan[v], again->plan[v]) && is_same(m->checker[v], again->checker[v]) && is_same_filter(m, again, v) &&
                    m->allocated[v] == again->allocated[v] && m->reserved[v] == again->reserved[v] && fgx_is_ordered(m, v);
        if (same) continue;
        *vertex = m->place[v];
        code = FG_INVALID;
    }
    fg_matcher_free(again);
    return code == FG_OK || code == FG_NO_MEMORY ? code : FG_INVALID;
}
