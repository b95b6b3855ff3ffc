/* Plans of single vertices, and filters (fluxion.md section 4). Planners are made with the first span and freed after the last. */
#include "match.h"

bool fgx_room(const fg_matcher *m, void **array, uint32_t count, uint32_t *capacity, uint64_t more, size_t size) {
    if (more > UINT32_MAX - count) return false;
    void *moved = fgm_reserve(&m->memory, *array, capacity, count + (uint32_t)more, size);
    if (moved) *array = moved;
    return moved != NULL;
}

int64_t fgx_available(const fg_matcher *m, uint32_t v, int64_t at, int64_t duration) {
    return m->plan[v] ? fg_planner_available(m->plan[v], at, duration) : m->graph->size[v];
}

bool fgx_is_untouched(const fg_matcher *m, uint32_t v, int64_t at, int64_t duration) {
    return !m->checker[v] || fg_planner_available(m->checker[v], at, duration) == FGX_CHECKERS;
}

bool fgx_is_open(const fg_matcher *m, uint32_t v, bool whole, int64_t at, int64_t duration) {
    if (whole) return fgx_is_untouched(m, v, at, duration);
    return !m->plan[v] || fg_planner_available(m->plan[v], at, duration) > 0;
}

static const fgx_layout *layout_of(const fg_matcher *m, const fgx_filter *filter) {
    return &m->layouts[filter->layout];
}

bool fgx_filter_fits(const fg_matcher *m, uint32_t v, const int64_t *needs, int64_t at, int64_t duration) {
    if (!m->filter[v]) return true;
    const fgx_filter *filter = &m->filters[m->filter[v]];
    const fgx_layout *layout = layout_of(m, filter);
    for (uint32_t i = 0; i < layout->count; i++) {
        int64_t need = needs[m->layout_types[layout->first + i]];
        if (need == 0) continue;
        if (need > m->filter_totals[filter->first + i]) return false;
        const fg_planner *planner = m->filter_plans[filter->first + i];
        if (planner && fg_planner_available(planner, at, duration) < need) return false;
    }
    return true;
}

int64_t fgx_filter_left(const fg_matcher *m, uint32_t v, uint32_t type, int64_t at, int64_t duration) {
    const fgx_filter *filter = &m->filters[m->filter[v]];
    const fgx_layout *layout = layout_of(m, filter);
    uint32_t index = fgx_counted_index(m, type), i = 0;
    while (i < layout->count && m->layout_types[layout->first + i] != index) i++;
    if (!m->filter[v] || index == FG_NONE || i == layout->count) return INT64_MAX;
    const fg_planner *planner = m->filter_plans[filter->first + i];
    return planner ? fg_planner_available(planner, at, duration) : m->filter_totals[filter->first + i];
}

int64_t fgx_filter_earliest(const fg_matcher *m, uint32_t v, const int64_t *needs, int64_t from, int64_t duration) {
    const fgx_filter *filter = &m->filters[m->filter[v]];
    const fgx_layout *layout = layout_of(m, filter);
    int64_t time = from;
    if (layout->count == 0 || !m->filter_plans[filter->first]) return FG_NOT_FOUND;
    for (uint32_t i = 0; i < layout->count; i++)
        if (needs[m->layout_types[layout->first + i]] > m->filter_totals[filter->first + i]) return FG_NOT_FOUND;
    /* Each planner says its own first time from here on, until all say the same: all have the same points. */
    for (uint32_t agreed = 0, i = 0; agreed < layout->count; i = (i + 1) % layout->count) {
        int64_t need = needs[m->layout_types[layout->first + i]];
        int64_t found = fg_planner_earliest(m->filter_plans[filter->first + i], time, duration, need);
        if (found < 0) return FG_NOT_FOUND;
        agreed = found == time ? agreed + 1 : 1;
        time = found;
    }
    return time;
}

static int book(const fg_matcher *m, fg_planner **planner, int64_t total, int64_t at, int64_t duration, int64_t amount) {
    bool made = !*planner;
    if (made) *planner = fg_planner_new(&m->memory, total);
    if (!*planner) return FG_NO_MEMORY;
    int code = fg_planner_add(*planner, at, duration, amount);
    if (code != FG_OK && made) {
        fg_planner_free(*planner);
        *planner = NULL;
    }
    return code;
}

static void unbook(fg_planner **planner, int64_t at, int64_t duration, int64_t amount) {
    fgp_take_back(*planner, at, duration, amount);
    if (fg_planner_points(*planner) > 1) return;
    fg_planner_free(*planner);
    *planner = NULL;
}

int fgx_book(fg_matcher *m, uint32_t v, int64_t at, int64_t duration, int64_t amount) {
    return book(m, &m->plan[v], fgx_size(m, v), at, duration, amount < FG_MAX_TOTAL ? amount : FG_MAX_TOTAL);
}

void fgx_unbook(fg_matcher *m, uint32_t v, int64_t at, int64_t duration, int64_t amount) {
    unbook(&m->plan[v], at, duration, amount < FG_MAX_TOTAL ? amount : FG_MAX_TOTAL);
}

int fgx_check_in(fg_matcher *m, uint32_t v, int64_t at, int64_t duration) {
    return book(m, &m->checker[v], FGX_CHECKERS, at, duration, 1);
}

void fgx_check_out(fg_matcher *m, uint32_t v, int64_t at, int64_t duration) {
    unbook(&m->checker[v], at, duration, 1);
}

static bool want_planners(const fg_matcher *m, const fgx_filter *filter) {
    const fgx_layout *layout = layout_of(m, filter);
    for (uint32_t i = 0; i < layout->count; i++) {
        fg_planner **planner = &m->filter_plans[filter->first + i];
        if (!*planner) *planner = fg_planner_new(&m->memory, m->filter_totals[filter->first + i]);
        if (!*planner) {
            while (i-- > 0) {
                fg_planner_free(m->filter_plans[filter->first + i]);
                m->filter_plans[filter->first + i] = NULL;
            }
            return false;
        }
    }
    return true;
}

/* `amounts` in the order of the filter's types; of those that it has had since, nothing. FG_RANGE and FG_BUSY: it does not fit, and nothing was booked. */
int fgx_count(fg_matcher *m, uint32_t v, int64_t at, int64_t duration, const int64_t *amounts, uint32_t counted) {
    fgx_filter *filter = &m->filters[m->filter[v]];
    const fgx_layout *layout = layout_of(m, filter);
    bool made = layout->count && !m->filter_plans[filter->first];
    int code = FG_OK;
    if (!want_planners(m, filter)) return FG_NO_MEMORY;
    uint32_t done = 0;
    for (; done < layout->count && code == FG_OK; done++)
        code = fg_planner_add(m->filter_plans[filter->first + done], at, duration, done < counted ? amounts[done] : 0);
    if (code == FG_OK) {
        filter->spans++;
        return FG_OK;
    }
    for (done--; done-- > 0;) fgp_take_back(m->filter_plans[filter->first + done], at, duration, done < counted ? amounts[done] : 0);
    for (uint32_t i = 0; made && i < layout->count; i++) {
        fg_planner_free(m->filter_plans[filter->first + i]);
        m->filter_plans[filter->first + i] = NULL;
    }
    return code;
}

void fgx_uncount(fg_matcher *m, uint32_t v, int64_t at, int64_t duration, const int64_t *amounts, uint32_t counted) {
    fgx_filter *filter = &m->filters[m->filter[v]];
    const fgx_layout *layout = layout_of(m, filter);
    for (uint32_t i = 0; i < layout->count; i++)
        fgp_take_back(m->filter_plans[filter->first + i], at, duration, i < counted ? amounts[i] : 0);
    filter->spans--;
}

int64_t fgx_last_left(const fg_matcher *m, const fgx_filter *filter) {
    uint32_t last = filter->first + layout_of(m, filter)->count - 1;
    return m->filter_plans[last] ? fg_planner_available(m->filter_plans[last], m->now, 1) : m->filter_totals[last];
}

/* What remains at a point goes down by a loss, but not below 0; a gain reaches the first point alone (7.5). */
static void resize_below(fg_planner *planner, fgp_child *child, uint32_t levels, int64_t total, int64_t *was, int64_t *is) {
    if (levels) {
        fgp_inner *inner = child->node;
        for (uint32_t i = 0; i < inner->count; i++) resize_below(planner, &inner->children[i], levels - 1, total, was, is);
    } else {
        fgp_leaf *leaf = child->node;
        int64_t difference = total - planner->total;
        for (uint32_t i = 0; i < leaf->count; i++) {
            *was += leaf->points[i].change;
            int64_t left = *was;
            if (difference < 0 || leaf->points[i].time == 0) left = left + difference > 0 ? left + difference : 0;
            leaf->points[i].change = left - *is;
            *is = left;
        }
    }
    fgp_sum_up(child, levels);
}

void fgx_resize(fg_planner *planner, int64_t total) {
    int64_t was = planner->total, is = total;
    if (total == planner->total) return;
    resize_below(planner, &planner->top, planner->levels, total, &was, &is);
    planner->total = total;
}
