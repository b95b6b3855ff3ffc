/* What jobs hold, and giving it back: cancel and partial cancel (fluxion.md 7.2, 7.3). A job has all its spans in one place, so that giving back
 * costs what was taken, and needs no memory. */
#include "match.h"

static uint32_t slot_of(const fg_matcher *m, int64_t id) {
    uint32_t slot = (uint32_t)fgs_mix((uint64_t)id) & m->job_mask;
    while (m->jobs[slot] && m->jobs[slot]->id != id) slot = (slot + 1) & m->job_mask;
    return slot;
}

fgx_job *fgx_find_job(const fg_matcher *m, int64_t id) {
    return m->jobs ? m->jobs[slot_of(m, id)] : NULL;
}

static bool widen(fg_matcher *m) {
    if (m->jobs && (m->job_count + UINT64_C(1)) * 2 <= m->job_mask + UINT64_C(1)) return true; /* to find an id looks into each job on the way */
    uint32_t mask = m->jobs ? m->job_mask * 2 + 1 : 63, old_mask = m->job_mask;
    fgx_job **old = m->jobs, **jobs = mask == UINT32_MAX ? NULL : fgm_zeroed(&m->memory, (size_t)mask + 1, sizeof *jobs);
    if (!jobs) return false;
    m->jobs = jobs;
    m->job_mask = mask;
    for (uint32_t i = 0; old && i <= old_mask; i++)
        if (old[i]) jobs[slot_of(m, old[i]->id)] = old[i];
    fgm_free(&m->memory, old);
    return true;
}

fgx_job *fgx_want_job(fg_matcher *m, int64_t id, uint32_t holds, uint32_t counts) {
    if (!widen(m)) return NULL;
    fgx_job **slot = &m->jobs[slot_of(m, id)], *job = *slot;
    if (!job) {
        job = fgm_zeroed(&m->memory, 1, sizeof *job);
        if (!job) return NULL;
        job->id = id;
    }
    bool fresh = job->hold_count == 0;
    if (fresh) job->lifted = false;
    bool ok = fgx_room(m, (void **)&job->holds, job->hold_count, &job->hold_capacity, holds, sizeof *job->holds) &&
              fgx_room(m, (void **)&job->counts, job->count_count, &job->count_capacity, counts, sizeof *job->counts);
    if (!ok) {
        if (!*slot) fgx_free_job(m, job);
        return NULL;
    }
    if (fresh) {
        job->holds = fgm_trim(&m->memory, job->holds, job->hold_capacity = holds ? holds : 1, sizeof *job->holds);
        job->counts = fgm_trim(&m->memory, job->counts, job->count_capacity = counts ? counts : 1, sizeof *job->counts);
    }
    m->job_count += !*slot;
    return *slot = job;
}

void fgx_free_job(fg_matcher *m, fgx_job *job) {
    fgm_free(&m->memory, job->holds);
    fgm_free(&m->memory, job->counts);
    fgm_free(&m->memory, job);
}

/* Takes a job out of the table, and closes the gap. */
void fgx_take_job_out(fg_matcher *m, const fgx_job *job) {
    uint32_t gap = slot_of(m, job->id);
    m->jobs[gap] = NULL;
    m->job_count--;
    for (uint32_t i = (gap + 1) & m->job_mask; m->jobs[i]; i = (i + 1) & m->job_mask) {
        uint32_t home = (uint32_t)fgs_mix((uint64_t)m->jobs[i]->id) & m->job_mask;
        if (((i - home) & m->job_mask) < ((i - gap) & m->job_mask)) continue;
        m->jobs[gap] = m->jobs[i];
        m->jobs[i] = NULL;
        gap = i;
    }
}

void fgx_put_job_in(fg_matcher *m, fgx_job *job) {
    m->jobs[slot_of(m, job->id)] = job;
    m->job_count++;
}

void fgx_drop_if_empty(fg_matcher *m, fgx_job *job) {
    if (job->hold_count) return;
    fgx_take_job_out(m, job);
    fgx_free_job(m, job);
}

void fgx_release(fg_matcher *m, fgx_job *job, fgx_hold *hold, uint8_t what) {
    uint8_t gone = hold->has & what;
    uint32_t v = hold->vertex;
    if (job->lifted) {
        hold->has &= (uint8_t)~gone;
        return;
    }
    if (gone & (FGX_ALLOCATED | FGX_RESERVED)) fgx_unbook(m, v, hold->start, hold->duration, hold->amount);
    if (gone & FGX_ALLOCATED) m->allocated[v]--;
    if (gone & FGX_RESERVED) m->reserved[v]--;
    if (gone & FGX_CHECK) fgx_check_out(m, v, hold->start, hold->duration);
    if (gone & FGX_COUNT) fgx_uncount(m, v, hold->start, hold->duration, job->counts + hold->counts, hold->counted);
    hold->has &= (uint8_t)~gone;
    fgx_reopen(m, v, (gone & (FGX_ALLOCATED | FGX_RESERVED)) != 0);
}

static void drop_released(fg_matcher *m, fgx_job *job) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < job->hold_count; i++)
        if (job->holds[i].has) job->holds[kept++] = job->holds[i];
    job->hold_count = kept;
    fgx_drop_if_empty(m, job);
}

static bool root_knows(const fg_matcher *m, const fgx_job *job) {
    for (uint32_t i = job->hold_count; i-- > 0;)
        if (job->holds[i].vertex == m->root && (job->holds[i].has & FGX_TAG)) return true;
    return false;
}

/* Counts as the original walks: into every child of what has the tag. seen: walk - 1 has the tag, walk was reached. */
static void reach(fg_matcher *m, uint32_t v, fg_released *out) {
    out->entered++;
    if (m->seen[v] != m->walk - 1) return;
    m->seen[v] = m->walk;
    for (uint32_t link = m->kid_start[v]; link < m->kid_start[v + 1]; link++) reach(m, m->kid[link], out);
    out->succeeded++;
}

/* The same from below, where there is one way from the root to a vertex: whether that walk reaches it. The children are not looked at. */
static bool is_reached(fg_matcher *m, uint32_t v, fg_released *out) {
    if (v == FG_NONE || m->seen[v] != m->walk - 1) return v != FG_NONE && m->seen[v] == m->walk;
    if (v != m->root && !is_reached(m, m->graph->parent[v], out)) return false;
    m->seen[v] = m->walk;
    out->entered += m->kid_start[v + 1] - m->kid_start[v];
    out->succeeded++;
    return true;
}

/* Marks the vertices of a job that the walk reaches. */
static void reach_all(fg_matcher *m, const fgx_job *job, fg_released *out) {
    uint32_t tagged = fgx_next_walk(m);
    fgx_next_walk(m);
    for (uint32_t i = 0; i < job->hold_count; i++)
        if (job->holds[i].has & FGX_TAG) m->seen[job->holds[i].vertex] = tagged;
    if (!(m->single && m->graph->tree && m->dominant == FG_CONTAINMENT)) {
        reach(m, m->root, out);
        return;
    }
    out->entered = 1; /* the root, which has the tag */
    for (uint32_t i = 0; i < job->hold_count; i++) is_reached(m, job->holds[i].vertex, out);
}

void fg_cancel(fg_matcher *m, int64_t id, fg_released *out) {
    fgx_job *job = fgx_find_job(m, id);
    fgx_rewind(m);
    *out = (fg_released){0};
    if (!job) return;
    out->known = root_knows(m, job);
    if (out->known) reach_all(m, job, out);
    for (uint32_t i = 0; i < job->hold_count; i++)
        if (!out->known || m->seen[job->holds[i].vertex] == m->walk) fgx_release(m, job, &job->holds[i], 0xff);
    drop_released(m, job);
}

uint32_t fg_counted_types(const fg_matcher *m) {
    return m->counted_count;
}

/* Adds what a hold that is given back had in the filters above. `listed` marks vertices that are given back, listed + 1 those of them that are closed and count for all
 * below, listed + 2 those that stay closed. */
static void add_amounts(const fg_matcher *m, const fgx_hold *hold, uint32_t listed, int64_t *amounts) {
    const fg_graph *graph = m->graph;
    uint32_t v = hold->vertex, index = fgx_counted_index(m, graph->type[v]);
    if (!(hold->has & (FGX_ALLOCATED | FGX_RESERVED))) return;
    for (uint32_t p = graph->tree ? graph->parent[v] : FG_NONE; p != FG_NONE; p = graph->parent[p])
        if (m->seen[p] > listed) return;
    if (index != FG_NONE) amounts[index] = fgx_add(amounts[index], hold->amount);
    for (uint32_t u = v + 1; (hold->has & FGX_CLOSED) && u < v + graph->subtree[v]; u++) {
        uint32_t below = fgx_counted_index(m, graph->type[u]);
        if (below != FG_NONE) amounts[below] = fgx_add(amounts[below], graph->size[u]);
    }
}

int fg_release(fg_matcher *m, int64_t id, const uint32_t *vertices, uint32_t count, int64_t *amounts) {
    fgx_job *job = fgx_find_job(m, id);
    for (uint32_t i = 0; i < count; i++)
        if (vertices[i] >= m->places || m->at[vertices[i]] == FG_NONE) return FG_NOT_FOUND;
    if (!job) return FG_NOT_FOUND;
    uint32_t listed = fgx_next_walk(m);
    fgx_next_walk(m), fgx_next_walk(m);
    for (uint32_t i = 0; i < count; i++) m->seen[m->at[vertices[i]]] = listed;
    for (uint32_t i = 0; i < job->hold_count; i++)
        if (job->holds[i].has & FGX_CLOSED) m->seen[job->holds[i].vertex] = listed + (m->seen[job->holds[i].vertex] == listed ? 1 : 2);
    for (uint32_t i = 0; i < job->hold_count; i++)
        if (m->seen[job->holds[i].vertex] - listed <= 1) add_amounts(m, &job->holds[i], listed, amounts);
    for (uint32_t i = 0; i < job->hold_count; i++)
        if (m->seen[job->holds[i].vertex] - listed <= 1) fgx_release(m, job, &job->holds[i], 0xff);
    drop_released(m, job);
    return FG_OK;
}

/* The vertex through which containment, or whatever is dominant, leads here: of several the one with the lowest number of the caller's. */
static uint32_t parent_of(const fg_matcher *m, uint32_t v) {
    const fg_graph *graph = m->graph;
    uint32_t parent = FG_NONE;
    if (!graph->in_start) return graph->parent[v];
    for (uint32_t e = graph->in_start[v]; e < graph->in_start[v + 1]; e++) {
        if ((graph->in_subsystem ? graph->in_subsystem[e] : FG_CONTAINMENT) != m->dominant) continue;
        if (parent == FG_NONE || m->place[graph->in_source[e]] < m->place[parent]) parent = graph->in_source[e];
    }
    return parent;
}

/* Takes amounts off what a job has in a filter; whether anything is left. */
static bool reduce(fg_matcher *m, fgx_job *job, const fgx_hold *hold, const int64_t *amounts) {
    const fgx_filter *filter = &m->filters[m->filter[hold->vertex]];
    const fgx_layout *layout = &m->layouts[filter->layout];
    bool left = false;
    for (uint32_t i = 0; i < hold->counted; i++) {
        int64_t *booked = job->counts + hold->counts + i, amount = amounts[m->layout_types[layout->first + i]];
        if (amount > *booked) amount = *booked;
        if (amount && !job->lifted) fgp_give_back(m->filter_plans[filter->first + i], hold->start, hold->duration, amount);
        *booked -= amount;
        left = left || *booked;
    }
    return left;
}

int fg_release_above(fg_matcher *m, int64_t id, uint32_t vertex, const int64_t *amounts) {
    fgx_job *job = fgx_find_job(m, id);
    uint32_t v = vertex < m->places ? m->at[vertex] : FG_NONE;
    if (v == FG_NONE) return FG_NOT_FOUND;
    if (!job) return FG_OK;
    uint32_t steps = 0;
    for (v = parent_of(m, v); v != FG_NONE && steps++ <= m->graph->count; v = parent_of(m, v)) {
        bool counted = false, left = false;
        for (uint32_t i = 0; i < job->hold_count; i++) {
            fgx_hold *hold = &job->holds[i];
            if (hold->vertex != v) continue;
            fgx_release(m, job, hold, FGX_CHECK);
            if (!(hold->has & FGX_COUNT)) continue;
            counted = true;
            left = reduce(m, job, hold, amounts);
            if (!left) fgx_release(m, job, hold, FGX_COUNT);
        }
        for (uint32_t i = 0; i < job->hold_count && !(counted && left); i++)
            if (job->holds[i].vertex == v) job->holds[i].has &= (uint8_t)~FGX_TAG;
    }
    drop_released(m, job);
    return FG_OK;
}

/* ---- Looking */

int64_t fg_job_holds(fg_matcher *m, int64_t id, const fg_hold **holds) {
    const fgx_job *job = fgx_find_job(m, id);
    *holds = NULL;
    if (!job) return 0;
    m->shown_holds_count = 0;
    if (!FGX_ROOM(m, shown_holds, job->hold_count)) return FG_NO_MEMORY;
    for (uint32_t i = 0; i < job->hold_count; i++)
        m->shown_holds[i] = (fg_hold){.vertex = m->place[job->holds[i].vertex], .kinds = job->holds[i].has & ~(FGX_CHECK | FGX_CLOSED)};
    *holds = m->shown_holds;
    return job->hold_count;
}

uint32_t fg_jobs(const fg_matcher *m, int64_t *ids, uint32_t room) {
    uint32_t count = 0;
    for (uint32_t i = 0; m->jobs && i <= m->job_mask; i++) {
        if (!m->jobs[i]) continue;
        if (count < room) ids[count] = m->jobs[i]->id;
        count++;
    }
    return count;
}

int fg_vertex_held(const fg_matcher *m, uint32_t vertex) {
    uint32_t v = vertex < m->places ? m->at[vertex] : FG_NONE;
    if (v == FG_NONE) return FG_NOT_FOUND;
    return (m->allocated[v] ? FG_HAS_ALLOCATION : 0) | (m->reserved[v] ? FG_HAS_RESERVATION : 0);
}

int fg_vertex_filter(const fg_matcher *m, uint32_t vertex, uint32_t index, const int64_t *id, uint32_t *type, int64_t *used, int64_t *total) {
    uint32_t v = vertex < m->places ? m->at[vertex] : FG_NONE;
    if (v == FG_NONE || !m->filter[v]) return FG_NOT_FOUND;
    const fgx_filter *filter = &m->filters[m->filter[v]];
    const fgx_layout *layout = &m->layouts[filter->layout];
    if (index >= layout->count) return FG_NOT_FOUND;
    const fg_planner *planner = m->filter_plans[filter->first + index];
    *type = m->counted[m->layout_types[layout->first + index]];
    *total = m->filter_totals[filter->first + index];
    *used = planner && !id ? *total - fg_planner_available(planner, 0, 1) : 0;
    const fgx_job *job = id ? fgx_find_job(m, *id) : NULL;
    for (uint32_t i = 0; job && i < job->hold_count; i++) {
        const fgx_hold *hold = &job->holds[i];
        if (hold->vertex == v && (hold->has & FGX_COUNT) && index < hold->counted) *used = job->counts[hold->counts + index];
    }
    return FG_OK;
}
