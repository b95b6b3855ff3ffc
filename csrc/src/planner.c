/* Planners: adding and removing spans. fluxplug_graph.h says what they are, and why B+ trees; the queries are in search.c. */
#include "planner.h"

#define SMALLEST_LEAF 3u /* point 0 and one span */

static fgp_leaf *resize_leaf(const fg_planner *planner, fgp_leaf *leaf, uint32_t capacity) {
    leaf = fgm_resize(&planner->memory, leaf, sizeof *leaf + capacity * sizeof(fgp_point));
    if (leaf) leaf->capacity = (uint16_t)capacity;
    return leaf;
}

/* Summaries from what is below. */

static void sum_leaf(const fgp_leaf *leaf, fgp_child *out) {
    int64_t sum = 0, low = INT64_MAX, high = INT64_MIN;
    for (uint32_t i = 0; i < leaf->count; i++) {
        sum += leaf->points[i].change;
        if (sum < low) low = sum;
        if (sum > high) high = sum;
    }
    out->first = leaf->points[0].time;
    out->last = leaf->points[leaf->count - 1].time;
    out->sum = sum;
    out->low = low;
    out->high = high;
}

static void sum_inner(const fgp_inner *inner, fgp_child *out) {
    int64_t sum = 0, low = INT64_MAX, high = INT64_MIN;
    for (uint32_t i = 0; i < inner->count; i++) {
        const fgp_child *child = &inner->children[i];
        if (sum + child->low < low) low = sum + child->low;
        if (sum + child->high > high) high = sum + child->high;
        sum += child->sum;
    }
    out->first = inner->children[0].first;
    out->last = inner->children[inner->count - 1].last;
    out->sum = sum;
    out->low = low;
    out->high = high;
}

void fgp_sum_up(fgp_child *child, uint32_t levels) {
    if (levels) sum_inner(child->node, child);
    else sum_leaf(child->node, child);
}

fg_planner *fg_planner_new(const fg_allocator *allocator, int64_t total) {
    if (total < 0 || total > FG_MAX_TOTAL) return NULL;
    fg_allocator memory = fgm_allocator(allocator);
    fg_planner *planner = fgm_zeroed(&memory, 1, sizeof *planner);
    if (!planner) return NULL;
    planner->memory = memory;
    planner->total = total;
    fgp_leaf *leaf = resize_leaf(planner, NULL, SMALLEST_LEAF);
    if (!leaf) {
        fgm_free(&memory, planner);
        return NULL;
    }
    leaf->points[0] = (fgp_point){.time = 0, .change = 0, .spans = 1};
    leaf->count = 1;
    planner->points = 1;
    planner->top.node = leaf;
    sum_leaf(leaf, &planner->top);
    return planner;
}

static void free_below(const fg_planner *planner, const fgp_child *child, uint32_t levels) {
    if (levels) {
        fgp_inner *inner = child->node;
        for (uint32_t i = 0; i < inner->count; i++) free_below(planner, &inner->children[i], levels - 1);
    }
    fgm_free(&planner->memory, child->node);
}

void fg_planner_free(fg_planner *planner) {
    if (!planner) return;
    fg_allocator memory = planner->memory;
    free_below(planner, &planner->top, planner->levels);
    fgm_free(&memory, planner);
}

/* Copies what is below; on failure nothing of it is left. */
static bool copy_below(const fg_planner *planner, const fgp_child *from, fgp_child *to, uint32_t levels) {
    *to = *from;
    if (levels == 0) {
        const fgp_leaf *leaf = from->node;
        size_t size = sizeof *leaf + leaf->capacity * sizeof *leaf->points;
        to->node = fgm_resize(&planner->memory, NULL, size);
        if (to->node) memcpy(to->node, leaf, sizeof *leaf + leaf->count * sizeof *leaf->points);
        return to->node != NULL;
    }
    const fgp_inner *inner = from->node;
    fgp_inner *made = to->node = fgm_resize(&planner->memory, NULL, sizeof *made);
    if (!made) return false;
    for (made->count = 0; made->count < inner->count; made->count++) {
        if (copy_below(planner, &inner->children[made->count], &made->children[made->count], levels - 1)) continue;
        free_below(planner, to, levels);
        return false;
    }
    return true;
}

fg_planner *fgp_copy(const fg_planner *planner, const fg_allocator *allocator) {
    fg_planner *made = fgm_resize(allocator, NULL, sizeof *made);
    if (!made) return NULL;
    *made = *planner;
    made->memory = *allocator;
    if (copy_below(made, &planner->top, &made->top, planner->levels)) return made;
    fgm_free(allocator, made);
    return NULL;
}

int64_t fg_planner_total(const fg_planner *planner) {
    return planner->total;
}

uint32_t fg_planner_points(const fg_planner *planner) {
    return planner->points;
}

int fg_planner_set_total(fg_planner *planner, int64_t total) {
    if (total < 0 || total > FG_MAX_TOTAL || planner->top.low < -total) return FG_RANGE;
    planner->total = total;
    return FG_OK;
}

/* ---- Points */

/* The child in which a time belongs: the last that begins at or before it. */
static uint32_t child_at(const fgp_inner *inner, int64_t time) {
    uint32_t i = 0;
    while (i + 1 < inner->count && inner->children[i + 1].first <= time) i++;
    return i;
}

/* The place of the first point at or after a time. */
static uint32_t point_at(const fgp_leaf *leaf, int64_t time) {
    uint32_t i = 0;
    while (i < leaf->count && leaf->points[i].time < time) i++;
    return i;
}

/* Splits child `at` of an inner node that has room; nothing changes when there is no memory. */
static bool split(const fg_planner *planner, fgp_inner *inner, uint32_t at, uint32_t levels) {
    fgp_child *child = &inner->children[at], right = {0};
    if (levels) {
        fgp_inner *from = child->node, *to = fgm_resize(&planner->memory, NULL, sizeof *to);
        if (!to) return false;
        to->count = (uint16_t)(from->count / 2);
        from->count = (uint16_t)(from->count - to->count);
        memcpy(to->children, from->children + from->count, to->count * sizeof *to->children);
        right.node = to;
    } else {
        fgp_leaf *from = child->node, *to = resize_leaf(planner, NULL, FGP_FANOUT);
        if (!to) return false;
        to->count = (uint16_t)(from->count / 2);
        from->count = (uint16_t)(from->count - to->count);
        memcpy(to->points, from->points + from->count, to->count * sizeof *to->points);
        right.node = to;
    }
    memmove(child + 2, child + 1, (inner->count - at - 1u) * sizeof *child);
    child[1] = right;
    inner->count++;
    fgp_sum_up(child, levels);
    fgp_sum_up(child + 1, levels);
    return true;
}

static bool is_full(const fgp_child *child, uint32_t levels) {
    if (levels) return ((const fgp_inner *)child->node)->count == FGP_FANOUT;
    return ((const fgp_leaf *)child->node)->count == FGP_FANOUT;
}

/* Makes room in the root: a small leaf grows, a full root gets a parent. */
static bool make_room(fg_planner *planner) {
    if (planner->levels == 0) {
        fgp_leaf *leaf = planner->top.node;
        if (leaf->count < leaf->capacity) return true;
        if (leaf->capacity < FGP_FANOUT) {
            uint32_t capacity = leaf->capacity * 2u + 1;
            leaf = resize_leaf(planner, leaf, capacity < FGP_FANOUT ? capacity : FGP_FANOUT);
            if (leaf) planner->top.node = leaf;
            return leaf != NULL;
        }
    }
    if (!is_full(&planner->top, planner->levels)) return true;
    if (planner->levels + 1 == FGP_LEVELS) return false;
    fgp_inner *root = fgm_resize(&planner->memory, NULL, sizeof *root);
    if (!root) return false;
    root->count = 1;
    root->children[0] = planner->top;
    if (!split(planner, root, 0, planner->levels)) {
        fgm_free(&planner->memory, root);
        return false;
    }
    planner->top.node = root;
    planner->levels++;
    return true;
}

/* Changes what is available from a time on, and the number of spans at that point, which is made if need be. Full nodes are split on the
 * way down, so that a split always finds room above; each split leaves a whole tree, and so does running out of memory. */
static bool put_point(fg_planner *planner, int64_t time, int64_t change, uint32_t spans) {
    fgp_child *path[FGP_LEVELS];
    if (!make_room(planner)) return false;
    path[0] = &planner->top;
    uint32_t levels = planner->levels;
    for (uint32_t i = 0; i < levels; i++) {
        fgp_inner *inner = path[i]->node;
        uint32_t at = child_at(inner, time);
        if (is_full(&inner->children[at], levels - i - 1)) {
            if (!split(planner, inner, at, levels - i - 1)) return false;
            at = child_at(inner, time);
        }
        path[i + 1] = &inner->children[at];
    }
    fgp_leaf *leaf = path[levels]->node;
    uint32_t at = point_at(leaf, time);
    if (at == leaf->count || leaf->points[at].time != time) {
        memmove(leaf->points + at + 1, leaf->points + at, (leaf->count - at) * sizeof *leaf->points);
        leaf->points[at] = (fgp_point){.time = time};
        leaf->count++;
        planner->points++;
    }
    leaf->points[at].change += change;
    leaf->points[at].spans += spans;
    for (uint32_t i = levels + 1; i-- > 0;) fgp_sum_up(path[i], levels - i);
    return true;
}

/* Whether a span begins or ends at a time. */
static bool has_point(const fg_planner *planner, int64_t time) {
    const fgp_child *child = &planner->top;
    for (uint32_t i = planner->levels; i > 0; i--) {
        const fgp_inner *inner = child->node;
        child = &inner->children[child_at(inner, time)];
    }
    const fgp_leaf *leaf = child->node;
    uint32_t at = point_at(leaf, time);
    return at < leaf->count && leaf->points[at].time == time && leaf->points[at].spans > (time == 0);
}

/* The reverse of put_point; the point is there. Nodes that become empty are freed, and a root with one child gives way to it. */
static void take_point(fg_planner *planner, int64_t time, int64_t change, uint32_t spans) {
    fgp_child *path[FGP_LEVELS];
    uint32_t places[FGP_LEVELS];
    path[0] = &planner->top;
    uint32_t levels = planner->levels;
    for (uint32_t i = 0; i < levels; i++) {
        fgp_inner *inner = path[i]->node;
        places[i] = child_at(inner, time);
        path[i + 1] = &inner->children[places[i]];
    }
    fgp_leaf *leaf = path[levels]->node;
    uint32_t at = point_at(leaf, time);
    leaf->points[at].change += change;
    leaf->points[at].spans -= spans;
    bool empty = false;
    if (leaf->points[at].spans == 0) {
        leaf->count--;
        memmove(leaf->points + at, leaf->points + at + 1, (leaf->count - at) * sizeof *leaf->points);
        planner->points--;
        empty = leaf->count == 0;
    }
    for (uint32_t i = levels + 1; i-- > 0;) {
        if (!empty) {
            fgp_sum_up(path[i], levels - i);
            continue;
        }
        /* Never the root: point 0 stays. */
        fgm_free(&planner->memory, path[i]->node);
        fgp_inner *above = path[i - 1]->node;
        above->count--;
        memmove(path[i], path[i] + 1, (above->count - places[i - 1]) * sizeof *path[i]);
        empty = above->count == 0;
    }
    while (planner->levels && ((fgp_inner *)planner->top.node)->count == 1) {
        fgp_inner *root = planner->top.node;
        planner->top = root->children[0];
        planner->levels--;
        fgm_free(&planner->memory, root);
    }
}

/* ---- Spans */

int fg_planner_add(fg_planner *planner, int64_t at, int64_t duration, int64_t amount) {
    int code = fg_planner_fits(planner, at, duration, amount);
    if (code != FG_OK) return code;
    if (!put_point(planner, at, -amount, 1)) return FG_NO_MEMORY;
    if (put_point(planner, at + duration, amount, 1)) return FG_OK;
    take_point(planner, at, amount, 1);
    return FG_NO_MEMORY;
}

/* Gives an amount back during a window between two points, if that leaves no more than the total. The points go last, since only keeping
 * them can be undone without memory. */
static int give_back(fg_planner *planner, int64_t at, int64_t duration, int64_t amount, uint32_t spans) {
    if (at < 0 || duration < 1 || amount < 0) return FG_INVALID;
    if (duration > FG_TIME_END - at || amount > planner->total) return FG_RANGE;
    if (!has_point(planner, at) || !has_point(planner, at + duration)) return FG_NOT_FOUND;
    if (amount) {
        take_point(planner, at, amount, 0);
        take_point(planner, at + duration, -amount, 0);
        if (planner->top.high > 0) {
            take_point(planner, at, -amount, 0);
            take_point(planner, at + duration, amount, 0);
            return FG_NOT_FOUND;
        }
    }
    if (spans) {
        take_point(planner, at, 0, spans);
        take_point(planner, at + duration, 0, spans);
    }
    return FG_OK;
}

int fg_planner_remove(fg_planner *planner, int64_t at, int64_t duration, int64_t amount) {
    return give_back(planner, at, duration, amount, 1);
}

void fgp_take_back(fg_planner *planner, int64_t at, int64_t duration, int64_t amount) {
    take_point(planner, at, amount, 1);
    take_point(planner, at + duration, -amount, 1);
}

void fgp_give_back(fg_planner *planner, int64_t at, int64_t duration, int64_t amount) {
    take_point(planner, at, amount, 0);
    take_point(planner, at + duration, -amount, 0);
}

int fg_planner_reduce(fg_planner *planner, int64_t at, int64_t duration, int64_t amount) {
    return give_back(planner, at, duration, amount, 0);
}

/* ---- Check */

static bool check_below(const fg_planner *planner, const fgp_child *child, uint32_t levels, int64_t *time, uint32_t *points) {
    fgp_child again = {.node = child->node};
    if (levels) {
        const fgp_inner *inner = child->node;
        if (inner->count == 0 || inner->count > FGP_FANOUT) return false;
        for (uint32_t i = 0; i < inner->count; i++)
            if (!check_below(planner, &inner->children[i], levels - 1, time, points)) return false;
    } else {
        const fgp_leaf *leaf = child->node;
        if (leaf->count == 0 || leaf->count > leaf->capacity || leaf->capacity > FGP_FANOUT) return false;
        for (uint32_t i = 0; i < leaf->count; i++) {
            if (leaf->points[i].time <= *time || leaf->points[i].spans == 0) return false;
            *time = leaf->points[i].time;
        }
        *points += leaf->count;
    }
    fgp_sum_up(&again, levels);
    return again.first == child->first && again.last == child->last && again.sum == child->sum && again.low == child->low &&
           again.high == child->high;
}

int fg_planner_check(const fg_planner *planner) {
    int64_t time = -1;
    uint32_t points = 0;
    if (!check_below(planner, &planner->top, planner->levels, &time, &points)) return FG_INVALID;
    if (points != planner->points || planner->top.first != 0 || planner->top.sum != 0) return FG_INVALID;
    return planner->top.low >= -planner->total && planner->top.high <= 0 ? FG_OK : FG_INVALID;
}
