/* Taking over plans, jobs and filters from the matcher of the same machine before vertices came or went (fluxion.md 7.5). */
#include "match.h"

/* The filters as they will be. */
typedef struct fresh {
    FGX_ARRAY(fgx_filter, filters);
    FGX_ARRAY(int64_t, totals);
    fg_planner **plans;
    uint32_t *filter; /* of a vertex */
} fresh;

static uint32_t old_vertex(const fg_matcher *m, const fg_matcher *old, uint32_t v) {
    uint32_t k = m->place[v];
    return k < old->places ? old->at[k] : FG_NONE;
}

static uint32_t new_vertex(const fg_matcher *m, const fg_matcher *old, uint32_t v) {
    uint32_t k = old->place[v];
    return k < m->places ? m->at[k] : FG_NONE;
}

static const fgx_filter *old_filter(const fg_matcher *m, const fg_matcher *old, uint32_t v) {
    uint32_t was = old_vertex(m, old, v);
    return was != FG_NONE && old->filter[was] ? &old->filters[old->filter[was]] : NULL;
}

/* What priming found below a vertex of a type. */
static int64_t primed_total(const fg_matcher *m, uint32_t v, uint32_t index) {
    if (!m->filter[v]) return 0;
    const fgx_filter *filter = &m->filters[m->filter[v]];
    const fgx_layout *layout = &m->layouts[filter->layout];
    for (uint32_t i = 0; i < layout->count; i++)
        if (m->layout_types[layout->first + i] == index) return m->filter_totals[filter->first + i];
    return 0;
}

/* Appends the types that priming gave the filter of a vertex, or would give a leaf if leaves had filters, without those that are there already. */
static bool append_new(fg_matcher *m, const fg_matcher *old, uint32_t v, uint32_t first) {
    uint32_t begin = m->layout_types_count, kept = begin, own = fgx_counted_index(m, m->graph->type[v]);
    if (!m->filter[v]) {
        bool is_old = fgx_counted_index(old, m->graph->type[v]) != FG_NONE;
        if (!fgx_append_types(m, m->graph->type[v], first)) return false;
        for (uint32_t i = begin; i < m->layout_types_count; i++) /* a type that is counted from now on because of this leaf */
            if (m->layout_types[i] != own || is_old) m->layout_types[kept++] = m->layout_types[i];
        m->layout_types_count = kept;
        return true;
    }
    const fgx_layout primed = m->layouts[m->filters[m->filter[v]].layout];
    for (uint32_t i = 0; i < primed.count; i++) {
        uint32_t index = m->layout_types[primed.first + i], known = first;
        while (known < begin && m->layout_types[known] != index) known++;
        bool ok = true;
        if (known == begin) FGX_PUSH(m, layout_types, ok, index);
        if (!ok) return false;
    }
    return true;
}

/* The types that the filter had, then those that are new. */
static bool plan_filter(fg_matcher *m, const fg_matcher *old, fresh *to, uint32_t v) {
    const fgx_filter *was = old_filter(m, old, v);
    uint32_t first = m->layout_types_count;
    bool ok = true;
    if (!was && !m->filter[v]) return true;
    for (uint32_t i = 0; was && i < old->layouts[was->layout].count; i++) {
        uint32_t type = old->counted[old->layout_types[old->layouts[was->layout].first + i]], index = fgx_counted_index(m, type);
        FGX_PUSH(m, layout_types, ok, index);
        if (!ok) return false;
    }
    if (!append_new(m, old, v, first)) return false;
    fgx_filter filter = {.layout = fgx_find_layout(m, first), .first = to->totals_count, .spans = was ? was->spans : 0};
    if (filter.layout == FG_NONE) return false;
    const fgx_layout *layout = &m->layouts[filter.layout];
    for (uint32_t i = 0; ok && i < layout->count; i++)
        FGM_PUSH(ok, &m->memory, to->totals, to->totals_count, to->totals_capacity, primed_total(m, v, m->layout_types[layout->first + i]));
    if (ok) FGM_PUSH(ok, &m->memory, to->filters, to->filters_count, to->filters_capacity, filter);
    to->filter[v] = to->filters_count - 1;
    return ok;
}

/* A planner with the points that the others of the filter have: spans of nothing. */
static fg_planner *empty_planner(const fg_matcher *m, const fg_matcher *old, uint32_t was, int64_t total) {
    fg_planner *planner = fg_planner_new(&m->memory, total);
    int code = planner ? FG_OK : FG_NO_MEMORY;
    for (uint32_t slot = 0; code == FG_OK && old->jobs && slot <= old->job_mask; slot++) {
        const fgx_job *job = old->jobs[slot];
        for (uint32_t i = 0; job && !job->lifted && code == FG_OK && i < job->hold_count; i++)
            if (job->holds[i].vertex == was && (job->holds[i].has & FGX_COUNT))
                code = fg_planner_add(planner, job->holds[i].start, job->holds[i].duration, 0);
    }
    if (code == FG_OK) return planner;
    fg_planner_free(planner);
    return NULL;
}

static bool plan_filters(fg_matcher *m, const fg_matcher *old, fresh *to) {
    bool ok;
    fgx_filter none = {0};
    to->filter = fgm_zeroed(&m->memory, m->graph->count, sizeof *to->filter);
    if (!to->filter) return false;
    FGM_PUSH(ok, &m->memory, to->filters, to->filters_count, to->filters_capacity, none);
    for (uint32_t v = 0; ok && v < m->graph->count; v++) ok = plan_filter(m, old, to, v);
    if (ok) to->plans = fgm_zeroed(&m->memory, to->totals_count, sizeof *to->plans);
    if (!ok || !to->plans) return false;
    for (uint32_t v = 0; v < m->graph->count; v++) {
        const fgx_filter *was = old_filter(m, old, v), *is = &to->filters[to->filter[v]];
        if (!was || !old->filter_plans[was->first]) continue; /* all of a filter's planners are there, or none */
        for (uint32_t i = old->layouts[was->layout].count; i < m->layouts[is->layout].count; i++) {
            to->plans[is->first + i] = empty_planner(m, old, old_vertex(m, old, v), to->totals[is->first + i]);
            if (!to->plans[is->first + i]) return false;
        }
    }
    return true;
}

static void forget(const fg_matcher *m, fresh *to) {
    for (uint32_t i = 0; to->plans && i < to->totals_count; i++) fg_planner_free(to->plans[i]);
    fgm_free(&m->memory, to->plans);
    fgm_free(&m->memory, to->totals);
    fgm_free(&m->memory, to->filters);
    fgm_free(&m->memory, to->filter);
}

/* From here on nothing fails. */

static void move_filters(fg_matcher *m, fg_matcher *old, fresh *to) {
    for (uint32_t v = 0; v < m->graph->count; v++) {
        const fgx_filter *was = old_filter(m, old, v), *is = &to->filters[to->filter[v]];
        for (uint32_t i = 0; was && i < old->layouts[was->layout].count; i++) {
            fg_planner *planner = old->filter_plans[was->first + i];
            if (planner) fgx_resize(planner, to->totals[is->first + i]);
            to->plans[is->first + i] = planner;
            old->filter_plans[was->first + i] = NULL;
        }
    }
    fgm_free(&m->memory, m->filter);
    fgm_free(&m->memory, m->filters);
    fgm_free(&m->memory, m->filter_totals);
    fgm_free(&m->memory, m->filter_plans);
    m->filter = to->filter;
    m->filters = to->filters;
    m->filters_count = to->filters_count;
    m->filters_capacity = to->filters_capacity;
    m->filter_totals = to->totals;
    m->filter_totals_count = to->totals_count;
    m->filter_totals_capacity = to->totals_capacity;
    m->filter_plans = to->plans;
}

static void move_vertices(fg_matcher *m, fg_matcher *old) {
    for (uint32_t v = 0; v < m->graph->count; v++) {
        uint32_t was = old_vertex(m, old, v);
        if (was == FG_NONE) continue;
        m->plan[v] = old->plan[was];
        m->checker[v] = old->checker[was];
        old->plan[was] = old->checker[was] = NULL;
        m->allocated[v] = old->allocated[was];
        m->reserved[v] = old->reserved[was];
    }
}

static void move_weights(fg_matcher *m, fg_matcher *old) {
    for (uint32_t v = 0; v < m->graph->count; v++) {
        uint32_t was = old_vertex(m, old, v);
        if (was == FG_NONE) continue;
        fgx_next_walk(old);
        for (uint32_t link = old->kid_start[was]; link < old->kid_start[was + 1]; link++) {
            old->seen[old->kid[link]] = old->walk;
            old->way[old->kid[link]] = link;
        }
        for (uint32_t link = m->kid_start[v]; link < m->kid_start[v + 1]; link++) {
            uint32_t kid = old_vertex(m, old, m->kid[link]);
            if (kid != FG_NONE && old->seen[kid] == old->walk) m->weight[link] = old->weight[old->way[kid]];
        }
    }
    fgx_make_order(m);
}

static void move_jobs(fg_matcher *m, fg_matcher *old) {
    m->jobs = old->jobs;
    m->job_count = old->job_count;
    m->job_mask = old->job_mask;
    old->jobs = NULL;
    old->job_count = old->job_mask = 0;
    for (uint32_t slot = 0; m->jobs && slot <= m->job_mask; slot++) {
        fgx_job *job = m->jobs[slot];
        if (!job) continue;
        uint32_t kept = 0;
        for (uint32_t i = 0; i < job->hold_count; i++) {
            fgx_hold hold = job->holds[i];
            hold.vertex = new_vertex(m, old, hold.vertex);
            if (hold.vertex != FG_NONE) job->holds[kept++] = hold;
        }
        job->hold_count = kept;
    }
    for (uint32_t slot = 0; m->jobs && slot <= m->job_mask;) /* another may move to where one was */
        if (m->jobs[slot] && m->jobs[slot]->hold_count == 0) fgx_drop_if_empty(m, m->jobs[slot]);
        else slot++;
}

int fg_matcher_adopt(fg_matcher *m, fg_matcher *old) {
    fresh to = {0};
    for (uint32_t i = 0; i < old->counted_count; i++)
        if (fgx_counted_index(m, old->counted[i]) == FG_NONE) return FG_INVALID;
    if (!plan_filters(m, old, &to)) {
        forget(m, &to);
        return FG_NO_MEMORY;
    }
    move_filters(m, old, &to);
    move_vertices(m, old);
    move_weights(m, old);
    move_jobs(m, old);
    m->nodes_up = old->nodes_up;
    m->now = old->now;
    return FG_OK;
}

uint32_t fg_matcher_specific(const fg_matcher *m, fg_type_pair *pairs, uint32_t room) {
    for (uint32_t i = 0; i < m->specific_count && i < room; i++) pairs[i] = m->specific[i];
    return m->specific_count;
}
