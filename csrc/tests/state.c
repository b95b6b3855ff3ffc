/* See state.h. */
#include "state.h"

#include "../src/match.h"

static uint64_t mix(uint64_t state, uint64_t value) {
    state = (state ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return state ^ state >> 29;
}

/* A planner without spans is as good as none. */
static uint64_t mix_planner(uint64_t state, const fg_planner *planner) {
    if (!planner || fg_planner_points(planner) == 1) return mix(state, 1);
    int64_t time = -1, available;
    for (uint32_t i = fg_planner_points(planner); i > 0; i--) {
        time = fg_planner_next(planner, time, &available);
        state = mix(mix(state, (uint64_t)time), (uint64_t)available);
    }
    return mix(state, (uint64_t)fg_planner_total(planner));
}

static uint64_t job_state(const fgx_job *job) {
    uint64_t state = mix((uint64_t)job->id, job->lifted);
    for (uint32_t i = 0; i < job->hold_count; i++) {
        const fgx_hold *hold = &job->holds[i];
        state = mix(mix(mix(state, (uint64_t)hold->start), (uint64_t)hold->duration), (uint64_t)hold->amount);
        state = mix(mix(state, hold->vertex), hold->has);
        for (uint32_t k = 0; (hold->has & FGX_COUNT) && k < hold->counted; k++) state = mix(state, (uint64_t)job->counts[hold->counts + k]);
    }
    return state;
}

uint64_t state_of(const fg_matcher *m) {
    uint64_t state = mix((uint64_t)m->now, (uint64_t)m->nodes_up);
    for (uint32_t v = 0; v < m->vertices; v++) {
        state = mix_planner(mix_planner(state, m->plan[v]), m->checker[v]);
        state = mix(mix(mix(state, m->allocated[v]), m->reserved[v]), m->down[v]);
        if (!m->filter[v]) continue;
        const fgx_filter *filter = &m->filters[m->filter[v]];
        state = mix(state, filter->spans);
        for (uint32_t i = 0; i < m->layouts[filter->layout].count; i++) state = mix_planner(state, m->filter_plans[filter->first + i]);
    }
    uint64_t jobs = 0; /* whatever their order */
    for (uint32_t i = 0; m->jobs && i <= m->job_mask; i++)
        if (m->jobs[i]) jobs += job_state(m->jobs[i]);
    return mix(mix(state, jobs), m->job_count);
}

static bool is_in_the_way(const fg_matcher *m, const fgx_hold *whole, const fgx_hold *other) {
    if (!(whole->has & (FGX_ALLOCATED | FGX_RESERVED)) || !(other->has & FGX_TAG)) return false;
    if (whole->start >= other->start + other->duration || other->start >= whole->start + whole->duration) return false;
    return other->vertex - whole->vertex < m->graph->subtree[whole->vertex];
}

bool is_exclusive(const fg_matcher *m) {
    for (uint32_t i = 0; m->jobs && i <= m->job_mask; i++)
        for (uint32_t k = 0; k <= m->job_mask; k++) {
            const fgx_job *one = m->jobs[i], *two = m->jobs[k];
            if (!one || !two || one == two || one->lifted || two->lifted) continue;
            for (uint32_t a = 0; a < one->hold_count; a++)
                for (uint32_t b = 0; b < two->hold_count; b++)
                    if (is_in_the_way(m, &one->holds[a], &two->holds[b])) return false;
        }
    return true;
}
