/* Planners: what is available, and when. See fluxplug_graph.h for the contracts and planner.h for the tree. */
#include "planner.h"

/* The least sum of changes at points in (after, before), where `sum` is that of the points before this subtree. */
static int64_t low_between(const fgp_child *child, uint32_t levels, int64_t after, int64_t before, int64_t sum) {
    int64_t low = INT64_MAX;
    if (child->first > after && child->last < before) return sum + child->low;
    if (levels == 0) {
        const fgp_leaf *leaf = child->node;
        for (uint32_t i = 0; i < leaf->count && leaf->points[i].time < before; i++) {
            sum += leaf->points[i].change;
            if (leaf->points[i].time > after && sum < low) low = sum;
        }
        return low;
    }
    const fgp_inner *inner = child->node;
    for (uint32_t i = 0; i < inner->count && inner->children[i].first < before; i++) {
        const fgp_child *below = &inner->children[i];
        if (below->last > after) {
            int64_t found = low_between(below, levels - 1, after, before, sum);
            if (found < low) low = found;
        }
        sum += below->sum;
    }
    return low;
}

/* The sum of the changes at points up to and including a time. */
static int64_t sum_at(const fg_planner *planner, int64_t time) {
    const fgp_child *child = &planner->top;
    int64_t sum = 0;
    for (uint32_t levels = planner->levels; levels > 0; levels--) {
        const fgp_inner *inner = child->node;
        uint32_t i = 0;
        for (; i + 1 < inner->count && inner->children[i + 1].first <= time; i++) sum += inner->children[i].sum;
        child = &inner->children[i];
    }
    const fgp_leaf *leaf = child->node;
    for (uint32_t i = 0; i < leaf->count && leaf->points[i].time <= time; i++) sum += leaf->points[i].change;
    return sum;
}

int64_t fg_planner_available(const fg_planner *planner, int64_t at, int64_t duration) {
    if (at < 0 || duration < 1) return FG_INVALID;
    if (duration > FG_TIME_END - at) return FG_RANGE;
    int64_t low = sum_at(planner, at);
    int64_t between = low_between(&planner->top, planner->levels, at, at + duration, 0);
    return planner->total + (between < low ? between : low);
}

int fg_planner_fits(const fg_planner *planner, int64_t at, int64_t duration, int64_t amount) {
    if (amount < 0) return FG_INVALID;
    int64_t available = fg_planner_available(planner, at, duration);
    if (available < 0) return (int)available;
    if (amount > planner->total) return FG_RANGE;
    return available >= amount ? FG_OK : FG_BUSY;
}

/* The sweep for the earliest time: `start` is the point from which on the amount has been there, or -1. */
typedef struct fgp_sweep {
    int64_t from, duration, need; /* need: the least sum of changes that will do */
    int64_t start;
} fgp_sweep;

/* Whether the window from `start` is over when the next point is at `time`. */
static inline bool is_long_enough(const fgp_sweep *sweep, int64_t time) {
    return sweep->start >= 0 && time - sweep->start >= sweep->duration;
}

static bool sweep_below(const fgp_child *child, uint32_t levels, int64_t sum, fgp_sweep *state) {
    if (is_long_enough(state, child->first)) return true;
    if (sum + child->high < state->need) {
        state->start = -1;
        return false;
    }
    if (sum + child->low >= state->need) {
        if (state->start >= 0 || child->last < state->from) return false;
        if (child->first >= state->from) {
            state->start = child->first;
            return is_long_enough(state, child->last);
        }
    }
    if (levels == 0) {
        const fgp_leaf *leaf = child->node;
        for (uint32_t i = 0; i < leaf->count; i++) {
            int64_t time = leaf->points[i].time;
            if (is_long_enough(state, time)) return true;
            sum += leaf->points[i].change;
            if (sum < state->need) state->start = -1;
            else if (state->start < 0 && time >= state->from) state->start = time;
        }
        return false;
    }
    const fgp_inner *inner = child->node;
    for (uint32_t i = 0; i < inner->count; i++) {
        const fgp_child *below = &inner->children[i];
        if (below->last >= state->from && sweep_below(below, levels - 1, sum, state)) return true;
        sum += below->sum;
    }
    return false;
}

int64_t fg_planner_earliest(const fg_planner *planner, int64_t from, int64_t duration, int64_t amount) {
    if (duration < 1 || amount < 0 || from < 0) return FG_INVALID;
    if (amount > planner->total) return FG_RANGE;
    fgp_sweep state = {.from = from, .duration = duration, .need = amount - planner->total, .start = -1};
    sweep_below(&planner->top, planner->levels, 0, &state);
    return state.start >= 0 && duration <= FG_TIME_END - state.start ? state.start : FG_NOT_FOUND;
}

/* The first point after a time at which the sum of changes is below `need`; FG_TIME_END where there is none. */
static int64_t first_below(const fgp_child *child, uint32_t levels, int64_t after, int64_t need, int64_t sum) {
    if (child->last <= after || sum + child->low >= need) return FG_TIME_END;
    if (levels == 0) {
        const fgp_leaf *leaf = child->node;
        for (uint32_t i = 0; i < leaf->count; i++) {
            sum += leaf->points[i].change;
            if (leaf->points[i].time > after && sum < need) return leaf->points[i].time;
        }
        return FG_TIME_END;
    }
    const fgp_inner *inner = child->node;
    int64_t found = FG_TIME_END;
    for (uint32_t i = 0; i < inner->count && found == FG_TIME_END; i++) {
        found = first_below(&inner->children[i], levels - 1, after, need, sum);
        sum += inner->children[i].sum;
    }
    return found;
}

int64_t fg_planner_below(const fg_planner *planner, int64_t from, int64_t amount) {
    if (amount < 0 || from < 0) return FG_INVALID;
    if (planner->total + sum_at(planner, from) < amount) return from;
    return first_below(&planner->top, planner->levels, from, amount - planner->total, 0);
}

int64_t fg_planners_earliest(fg_planner *const *planners, const int64_t *amounts, size_t count, int64_t from, int64_t duration) {
    int64_t time = from;
    for (size_t agreed = 0, i = 0; agreed < count; i = (i + 1) % count) {
        int64_t found = fg_planner_earliest(planners[i], time, duration, amounts[i]);
        if (found < 0) return found;
        agreed = found == time ? agreed + 1 : 1;
        time = found;
    }
    return count ? time : FG_INVALID;
}

int64_t fg_planner_next(const fg_planner *planner, int64_t time, int64_t *available) {
    const fgp_child *child = &planner->top;
    int64_t sum = planner->total;
    if (child->last <= time) return FG_NOT_FOUND;
    for (uint32_t levels = planner->levels; levels > 0; levels--) {
        const fgp_inner *inner = child->node;
        uint32_t i = 0;
        for (; inner->children[i].last <= time; i++) sum += inner->children[i].sum;
        child = &inner->children[i];
    }
    const fgp_leaf *leaf = child->node;
    uint32_t i = 0;
    for (;; i++) {
        sum += leaf->points[i].change;
        if (leaf->points[i].time > time) break;
    }
    *available = sum;
    return leaf->points[i].time;
}
