/* A copy of a matcher, made by telling a new one what the jobs of the old one hold; and with it the check of all plans. */
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

static int copy_job(fg_matcher *m, const fgx_job *from) {
    fgx_job *job = fgx_want_job(m, from->id, from->hold_count, from->count_count);
    if (!job) return FG_NO_MEMORY;
    if (from->count_count) memcpy(job->counts, from->counts, from->count_count * sizeof *job->counts);
    job->count_count = from->count_count;
    job->lifted = from->lifted;
    int code = FG_OK;
    for (uint32_t i = 0; i < from->hold_count && code == FG_OK; i++) {
        job->holds[i] = from->holds[i];
        if (!from->lifted) code = fgx_put(m, job, &from->holds[i]);
        if (code == FG_OK) job->hold_count++;
    }
    return code;
}

fg_matcher *fg_matcher_copy(const fg_matcher *from, const fg_allocator *allocator, int *code) {
    fg_matcher *m = make_bare(from, allocator, code);
    if (!m) return NULL;
    memcpy(m->down, from->down, from->vertices * sizeof *m->down);
    memcpy(m->weight, from->weight, from->kid_start[from->vertices] * sizeof *m->weight);
    fgx_make_order(m);
    m->is_copy = true;
    m->nodes_up = from->nodes_up;
    m->now = from->now;
    for (uint32_t slot = 0; *code == FG_OK && from->jobs && slot <= from->job_mask; slot++)
        if (from->jobs[slot]) *code = copy_job(m, from->jobs[slot]);
    if (*code == FG_OK) return m;
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

int fg_matcher_check(const fg_matcher *m, uint32_t *vertex) {
    int code;
    *vertex = FG_NONE;
    fg_matcher *again = fg_matcher_copy(m, &m->memory, &code);
    if (!again) return code == FG_BUSY ? FG_INVALID : code;
    for (uint32_t v = 0; v < m->vertices && *vertex == FG_NONE; v++) {
        bool same = is_same(m->plan[v], again->plan[v]) && is_same(m->checker[v], again->checker[v]) && is_same_filter(m, again, v) &&
                    m->allocated[v] == again->allocated[v] && m->reserved[v] == again->reserved[v];
        if (!same) *vertex = m->place[v];
    }
    fg_matcher_free(again);
    return *vertex == FG_NONE ? FG_OK : FG_INVALID;
}
