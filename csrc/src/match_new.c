/* Building a matcher over a graph, giving filters their totals (fluxion.md 4.3), and taking over what another matcher knows. */
#include "match.h"
#include "sort.h"

#define ZEROED(m, name, count) ((m)->name = fgm_zeroed(&(m)->memory, (count), sizeof *(m)->name))

/* ---- Edges */

/* Edges of the dominant subsystem, and whether each vertex has at most one to it. */
static bool make_links(fg_matcher *m) {
    const fg_graph *graph = m->graph;
    uint32_t links = 0, count = graph->count;
    for (uint32_t e = 0; e < graph->out_start[count]; e++) links += fgg_same_subsystem(graph, e, m->dominant);
    ZEROED(m, kid_start, (size_t)count + 1);
    ZEROED(m, kid, links);
    ZEROED(m, source, links);
    ZEROED(m, weight, links);
    ZEROED(m, mark, links);
    ZEROED(m, needs, links);
    ZEROED(m, mark_exclusive, links);
    if (m->options.stop_early) ZEROED(m, order, links), ZEROED(m, turn, count);
    if (!m->kid_start || !m->kid || !m->source || !m->weight || !m->mark || !m->needs || !m->mark_exclusive) return false;
    if (m->options.stop_early && (!m->order || !m->turn)) return false;
    m->single = true;
    for (uint32_t v = 0, link = 0; v < count; v++) {
        for (uint32_t e = graph->out_start[v]; e < graph->out_start[v + 1]; e++) {
            if (!fgg_same_subsystem(graph, e, m->dominant)) continue;
            uint32_t target = graph->out_target[e];
            m->kid[link] = target;
            m->source[link] = v;
            m->weight[link] = FGX_UNTOUCHED;
            if (m->seen[target] || target == m->root) m->single = false;
            m->seen[target] = 1;
            link++;
        }
        m->kid_start[v + 1] = link;
    }
    memset(m->seen, 0, count * sizeof *m->seen);
    return true;
}

/* The order in which first* policies try edges: by weight, then uniq_id, both falling; then as they were made (6.4). */
static int tried_before(const void *context, const void *a, const void *b) {
    const fg_matcher *m = context;
    uint32_t one = *(const uint32_t *)a, two = *(const uint32_t *)b;
    if (m->weight[one] != m->weight[two]) return m->weight[one] > m->weight[two];
    int64_t first = m->graph->uniq_id[m->kid[one]], second = m->graph->uniq_id[m->kid[two]];
    return first != second ? first > second : one < two;
}

void fgx_make_order(fg_matcher *m) {
    if (!m->order) return;
    for (uint32_t v = 0; v < m->graph->count; v++) {
        uint32_t first = m->kid_start[v], count = m->kid_start[v + 1] - first;
        for (uint32_t i = 0; i < count; i++) m->order[first + i] = first + count - 1 - i; /* usually in order */
        fgg_sort(m->order + first, count, sizeof *m->order, tried_before, m);
        m->turn[v] = 0;
    }
}

bool fgx_is_ordered(const fg_matcher *m, uint32_t v) {
    for (uint32_t place = 1; m->order && place < m->kid_start[v + 1] - m->kid_start[v]; place++) {
        uint32_t before = fgx_in_order(m, v, place - 1), link = fgx_in_order(m, v, place);
        if (!tried_before(m, &before, &link)) return false;
    }
    return true;
}

/* The first place from `low` on whose edge does not come before this one; `high` if there is none before that. O(log places), O(1) at the end. */
static uint32_t order_place(const fg_matcher *m, uint32_t link, uint32_t low, uint32_t high) {
    for (uint32_t middle = high - 1; low < high; middle = low + (high - low) / 2) {
        uint32_t other = fgx_in_order(m, m->source[link], middle);
        if (tried_before(m, &other, &link)) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* The item at `from` goes some steps up a circle, or down; each that it passes goes one the other way. */
static void move_up(uint32_t *circle, uint32_t count, uint32_t from, uint32_t steps) {
    uint32_t item = circle[from];
    while (steps > 0) {
        uint32_t straight = steps < count - 1 - from ? steps : count - 1 - from;
        memmove(circle + from, circle + from + 1, straight * sizeof *circle);
        from += straight;
        steps -= straight;
        if (steps-- == 0) break;
        circle[from] = circle[0];
        from = 0;
    }
    circle[from] = item;
}

static void move_down(uint32_t *circle, uint32_t count, uint32_t from, uint32_t steps) {
    uint32_t item = circle[from];
    while (steps > 0) {
        uint32_t straight = steps < from ? steps : from;
        from -= straight;
        memmove(circle + from + 1, circle + from, straight * sizeof *circle);
        steps -= straight;
        if (steps-- == 0) break;
        circle[from] = circle[count - 1];
        from = count - 1;
    }
    circle[from] = item;
}

/* Moves what is tried in place `was` to place `is`, past those between, or past all others where these are fewer: so what was tried first becomes the last at
 * once, and that is what becomes of most. */
static void move_in_order(fg_matcher *m, uint32_t v, uint32_t was, uint32_t is) {
    uint32_t first = m->kid_start[v], count = m->kid_start[v + 1] - first, *circle = m->order + first, *turn = &m->turn[v];
    uint32_t from = *turn + was < count ? *turn + was : *turn + was - count, between = is > was ? is - was : was - is, others = count - 1 - between;
    if (is > was && between <= others) move_up(circle, count, from, between);
    else if (is > was) {
        move_down(circle, count, from, others);
        *turn = *turn + 1 < count ? *turn + 1 : 0;
    } else if (between <= others) move_down(circle, count, from, between);
    else {
        move_up(circle, count, from, others);
        *turn = *turn > 0 ? *turn - 1 : count - 1;
    }
}

void fgx_weigh(fg_matcher *m, uint32_t link, uint64_t weight) {
    if (!m->order || m->weight[link] == weight) {
        m->weight[link] = weight;
        return;
    }
    uint32_t v = m->source[link], count = m->kid_start[v + 1] - m->kid_start[v], was = 0;
    if (fgx_in_order(m, v, 0) != link) was = order_place(m, link, 1, count);
    bool falls = weight < m->weight[link];
    m->weight[link] = weight;
    uint32_t is = falls ? order_place(m, link, was + 1, count) - 1 : order_place(m, link, 0, was);
    if (is != was) move_in_order(m, v, was, is);
}

/* ---- Types of direct children, in whatever subsystem: each distinct set once */

typedef struct type_sets {
    uint32_t *slots, mask, start_capacity, types_capacity, types_count, stamp;
    uint32_t *stamps; /* of a type */
} type_sets;

static uint32_t find_set(fg_matcher *m, type_sets *sets, const uint16_t *types, uint32_t count) {
    uint32_t slot = (uint32_t)fgs_hash((const char *)types, count * sizeof *types) & sets->mask;
    for (; sets->slots[slot]; slot = (slot + 1) & sets->mask) {
        uint32_t set = sets->slots[slot] - 1, first = m->set_start[set];
        if (m->set_start[set + 1] - first == count && !memcmp(m->set_types + first, types, count * sizeof *types)) return set;
    }
    bool ok = fgx_room(m, (void **)&m->set_types, sets->types_count, &sets->types_capacity, count, sizeof *m->set_types) &&
              fgx_room(m, (void **)&m->set_start, m->set_count, &sets->start_capacity, 2, sizeof *m->set_start);
    if (!ok) return FG_NONE;
    memcpy(m->set_types + sets->types_count, types, count * sizeof *types);
    m->set_start[m->set_count++] = sets->types_count;
    sets->types_count += count;
    m->set_start[m->set_count] = sets->types_count;
    sets->slots[slot] = m->set_count;
    return m->set_count - 1;
}

static int by_number(const void *context, const void *a, const void *b) {
    (void)context;
    return *(const uint16_t *)a < *(const uint16_t *)b;
}

static bool sets_of_all(fg_matcher *m, type_sets *sets) {
    const fg_graph *graph = m->graph;
    uint16_t *types = NULL;
    uint32_t capacity = 0;
    bool ok = true;
    for (uint32_t v = 0; ok && v < graph->count; v++) {
        uint32_t count = 0;
        sets->stamp++;
        for (uint32_t e = graph->out_start[v]; ok && e < graph->out_start[v + 1]; e++) {
            uint16_t type = graph->type[graph->out_target[e]];
            if (sets->stamps[type] == sets->stamp) continue;
            sets->stamps[type] = sets->stamp;
            FGM_PUSH(ok, &m->memory, types, count, capacity, type);
        }
        if (!ok) break;
        if (count) fgg_sort(types, count, sizeof *types, by_number, NULL);
        uint32_t set = count ? find_set(m, sets, types, count) : 0;
        m->child_set[v] = set;
        ok = set != FG_NONE;
    }
    fgm_free(&m->memory, types);
    return ok;
}

static bool make_type_sets(fg_matcher *m) {
    type_sets sets = {0};
    sets.mask = 15;
    while (sets.mask / 2 < m->graph->count && sets.mask < UINT32_MAX / 2) sets.mask = sets.mask * 2 + 1;
    sets.slots = fgm_zeroed(&m->memory, (size_t)sets.mask + 1, sizeof *sets.slots);
    sets.stamps = fgm_zeroed(&m->memory, m->graph->types.count, sizeof *sets.stamps);
    bool ok = sets.slots && sets.stamps && ZEROED(m, child_set, m->graph->count) &&
              fgx_room(m, (void **)&m->set_start, 0, &sets.start_capacity, 2, sizeof *m->set_start);
    if (ok) {
        m->set_start[0] = m->set_start[1] = 0; /* set 0 is empty */
        m->set_count = 1;
        ok = sets_of_all(m, &sets);
    }
    fgm_free(&m->memory, sets.slots);
    fgm_free(&m->memory, sets.stamps);
    return ok;
}

/* ---- Filters */

static bool is_counted(const fg_matcher *m, uint32_t type) {
    return fgx_counted_index(m, type) != FG_NONE;
}

static bool count_type(fg_matcher *m, uint32_t type) {
    bool ok = true;
    if (is_counted(m, type)) return true;
    FGX_PUSH(m, counted, ok, type);
    if (ok) m->counted_index[type] = m->counted_count - 1;
    return ok;
}

bool fgx_append_types(fg_matcher *m, uint32_t type, uint32_t first) {
    uint32_t begin = m->layout_types_count;
    for (int everywhere = 0; everywhere <= 1; everywhere++) {
        uint32_t part = m->layout_types_count;
        for (uint32_t i = 0; i < (everywhere ? m->everywhere_count : m->specific_count); i++) {
            uint32_t low = everywhere ? m->everywhere[i] : m->specific[i].low, index = fgx_counted_index(m, low), known = first;
            if (everywhere ? low == type : m->specific[i].high != type) continue;
            while (known < begin && m->layout_types[known] != index) known++;
            if (known < begin) continue;
            bool ok;
            FGX_PUSH(m, layout_types, ok, index);
            if (!ok) return false;
            uint32_t *types = m->layout_types + part, at = m->layout_types_count - 1 - part;
            for (; at > 0 && m->counted[types[at - 1]] > low; at--) types[at] = types[at - 1];
            types[at] = index;
        }
    }
    return true;
}

uint32_t fgx_find_layout(fg_matcher *m, uint32_t first) {
    uint32_t count = m->layout_types_count - first;
    for (uint32_t i = 0; i < m->layouts_count; i++) {
        const fgx_layout *layout = &m->layouts[i];
        if (layout->count != count || memcmp(m->layout_types + layout->first, m->layout_types + first, count * sizeof *m->layout_types)) continue;
        m->layout_types_count = first;
        return i;
    }
    bool ok;
    fgx_layout made = {.first = first, .count = count};
    FGX_PUSH(m, layouts, ok, made);
    return ok ? m->layouts_count - 1 : FG_NONE;
}

/* A filter for a vertex that has none. */
static bool make_filter(fg_matcher *m, uint32_t v, const int64_t *below) {
    uint32_t first = m->layout_types_count;
    if (!fgx_append_types(m, m->graph->type[v], first)) return false;
    if (m->layout_types_count == first) return true;
    uint32_t layout = fgx_find_layout(m, first);
    if (layout == FG_NONE) return false;
    fgx_filter filter = {.layout = layout, .first = m->filter_totals_count};
    for (uint32_t i = 0; i < m->layouts[layout].count; i++) {
        bool ok;
        int64_t total = below[m->layout_types[m->layouts[layout].first + i]];
        FGX_PUSH(m, filter_totals, ok, total < FG_MAX_TOTAL ? total : FG_MAX_TOTAL);
        if (!ok) return false;
    }
    bool ok;
    FGX_PUSH(m, filters, ok, filter);
    if (ok) m->filter[v] = m->filters_count - 1;
    return ok;
}

/* Sums up what is below each vertex, into numbers[row...], and makes its filter. */
static int prime(fg_matcher *m, uint32_t v, uint32_t level) {
    const fg_graph *graph = m->graph;
    uint32_t width = m->type_limit, type = graph->type[v];
    if (level > FG_MAX_DEPTH) return FG_LIMIT;
    m->numbers_count = 0;
    if (!FGX_ROOM(m, numbers, (uint64_t)(level + 2) * width)) return FG_NO_MEMORY;
    memset(m->numbers + (size_t)level * width, 0, width * sizeof *m->numbers);
    m->seen[v] = m->walk;
    for (uint32_t link = m->kid_start[v]; link < m->kid_start[v + 1]; link++) {
        if (m->seen[m->kid[link]] == m->walk) continue;
        int code = prime(m, m->kid[link], level + 1);
        if (code != FG_OK) return code;
        int64_t *sum = m->numbers + (size_t)level * width, *part = sum + width;
        for (uint32_t t = 0; t < m->counted_count; t++) sum[t] = fgx_add(sum[t], part[t]);
    }
    int64_t *below = m->numbers + (size_t)level * width;
    bool leaf = graph->out_start[v] == graph->out_start[v + 1];
    if (leaf && !is_counted(m, type)) {
        bool ok;
        fg_type_pair pair = {.high = FGG_TYPE_cluster, .low = type};
        FGX_PUSH(m, specific, ok, pair);
        if (!ok || !count_type(m, type)) return FG_NO_MEMORY;
    } else if (!leaf && !make_filter(m, v, below)) return FG_NO_MEMORY;
    if (is_counted(m, type)) below[fgx_counted_index(m, type)] = fgx_add(below[fgx_counted_index(m, type)], graph->size[v]);
    return FG_OK;
}

/* Makes all filters; the planners are room for pointers only. */
int fgx_prime(fg_matcher *m) {
    fgx_next_walk(m);
    m->filters_count = 0;
    bool ok;
    fgx_filter none = {0};
    FGX_PUSH(m, filters, ok, none);
    int code = ok ? prime(m, m->root, 0) : FG_NO_MEMORY;
    if (code != FG_OK) return code;
    m->filter_plans = fgm_zeroed(&m->memory, m->filter_totals_count, sizeof *m->filter_plans);
    return m->filter_plans ? FG_OK : FG_NO_MEMORY;
}

uint32_t fgx_next_walk(fg_matcher *m) {
    return ++m->walk;
}

void fgx_rewind(fg_matcher *m) {
    if (m->walk < UINT32_MAX / 2) return;
    m->walk = 0;
    memset(m->seen, 0, m->vertices * sizeof *m->seen);
    memset(m->type_gathered, 0, m->type_limit * sizeof *m->type_gathered);
    memset(m->type_counts, 0, m->type_limit * sizeof *m->type_counts);
    memset(m->mark, 0, m->kid_start[m->vertices] * sizeof *m->mark);
}

/* ---- The whole */

static bool make_types(fg_matcher *m) {
    const fg_match_options *options = &m->options;
    m->type_limit = m->graph->types.count;
    ZEROED(m, counted_index, m->type_limit);
    ZEROED(m, whole, m->type_limit);
    ZEROED(m, type_gathered, m->type_limit);
    ZEROED(m, type_counts, m->type_limit);
    if (!m->type_gathered || !m->type_counts || !m->counted_index || !m->whole) return false;
    for (uint32_t t = 0; t < m->type_limit; t++) m->counted_index[t] = FG_NONE;
    bool ok = true;
    for (uint32_t i = 0; ok && i < options->everywhere_count; i++) {
        FGX_PUSH(m, everywhere, ok, options->everywhere[i]);
        ok = ok && count_type(m, options->everywhere[i]);
    }
    for (uint32_t i = 0; ok && i < options->specific_count; i++) {
        FGX_PUSH(m, specific, ok, options->specific[i]);
        ok = ok && count_type(m, options->specific[i].low);
    }
    return ok;
}

static bool make_numbers(fg_matcher *m) {
    uint32_t count = m->graph->count;
    for (uint32_t k = 0; k < count; k++)
        if (m->options.numbers[k] >= m->places) m->places = m->options.numbers[k] + 1;
    if (!ZEROED(m, place, count) || !ZEROED(m, at, m->places)) return false;
    for (uint32_t k = 0; k < m->places; k++) m->at[k] = FG_NONE;
    for (uint32_t k = 0; k < count; k++) {
        uint32_t v = fg_created(m->graph, k);
        m->place[v] = m->options.numbers[k];
        m->at[m->place[v]] = v;
    }
    return true;
}

static int make(fg_matcher *m) {
    uint32_t count = m->graph->count;
    if (!ZEROED(m, seen, count) || !ZEROED(m, way, count) || !ZEROED(m, plan, count) || !ZEROED(m, checker, count)) return FG_NO_MEMORY;
    if (!ZEROED(m, down, count)) return FG_NO_MEMORY;
    for (uint32_t v = 0; v < count; v++) m->down[v] = (m->graph->flags[v] & FGG_DOWN) != 0;
    if (!ZEROED(m, filter, count) || !ZEROED(m, allocated, count) || !ZEROED(m, reserved, count)) return FG_NO_MEMORY;
    if (!make_numbers(m) || !make_links(m) || !make_type_sets(m) || !make_types(m)) return FG_NO_MEMORY;
    fgx_make_order(m);
    const uint32_t *nodes;
    uint32_t all = fg_by_type(m->graph, FGG_TYPE_node, &nodes);
    for (uint32_t i = 0; i < all; i++) m->nodes_up += m->down[nodes[i]] ? -1 : 1;
    return fgx_prime(m);
}

static bool is_valid(const fg_match_options *options, uint32_t types) {
    if (options->order < FG_ORDER_HIGH || options->order > FG_ORDER_VARIATION || options->lifetime < 1) return false;
    for (uint32_t i = 0; i < options->everywhere_count; i++)
        if (options->everywhere[i] >= types) return false;
    for (uint32_t i = 0; i < options->specific_count; i++)
        if (options->specific[i].high >= types || options->specific[i].low >= types) return false;
    return true;
}

static bool are_distinct(const fg_graph *graph, const uint32_t *numbers) {
    /* The last one, UINT32_MAX, is FG_NONE. */
    uint32_t highest = 0;
    for (uint32_t k = 0; k < graph->count; k++)
        if (numbers[k] > highest) highest = numbers[k];
    return highest <= FG_MAX_VERTICES;
}

fg_matcher *fg_matcher_new(fg_graph *graph, const fg_match_options *options, const fg_allocator *allocator, int *code) {
    *code = FG_INVALID;
    if (!is_valid(options, graph->types.count) || !are_distinct(graph, options->numbers)) return NULL;
    *code = FG_NOT_FOUND;
    uint32_t root = fg_root(graph, options->dominant);
    if (root == FG_NONE) return NULL;
    fg_allocator memory = fgm_allocator(allocator);
    fg_matcher *m = fgm_zeroed(&memory, 1, sizeof *m);
    *code = FG_NO_MEMORY;
    if (!m) return NULL;
    m->memory = memory;
    m->graph = graph;
    m->vertices = graph->count;
    m->options = *options;
    m->dominant = options->dominant;
    m->root = root;
    *code = make(m);
    m->options.numbers = m->options.everywhere = NULL; /* the caller's */
    m->options.specific = NULL;
    if (*code == FG_OK) return m;
    fg_matcher_free(m);
    return NULL;
}

void fg_matcher_free(fg_matcher *m) {
    if (!m) return;
    fg_allocator memory = m->memory;
    fgx_free_quick(m);
    for (uint32_t v = 0; v < m->vertices; v++) { /* the graph may be gone */
        if (m->plan) fg_planner_free(m->plan[v]);
        if (m->checker) fg_planner_free(m->checker[v]);
    }
    for (uint32_t i = 0; m->filter_plans && i < m->filter_totals_count; i++) fg_planner_free(m->filter_plans[i]);
    for (uint32_t i = 0; m->jobs && i <= m->job_mask; i++)
        if (m->jobs[i]) fgx_free_job(m, m->jobs[i]);
#define FREE(name) fgm_free(&memory, m->name)
    FREE(place), FREE(at), FREE(kid_start), FREE(kid), FREE(source), FREE(order), FREE(turn), FREE(weight), FREE(mark), FREE(needs), FREE(mark_exclusive);
    FREE(child_set), FREE(set_start), FREE(set_types), FREE(plan), FREE(checker), FREE(filter), FREE(allocated), FREE(reserved);
    FREE(counted_index), FREE(whole), FREE(type_gathered), FREE(type_counts), FREE(counted), FREE(everywhere), FREE(specific);
    FREE(layouts), FREE(layout_types);
    FREE(filters), FREE(filter_totals), FREE(filter_plans), FREE(jobs), FREE(seen), FREE(way), FREE(groups), FREE(parts), FREE(keys);
    FREE(numbers), FREE(marked), FREE(taken), FREE(counts), FREE(walked), FREE(labels), FREE(events), FREE(rows), FREE(shown_holds), FREE(classes);
    FREE(down), FREE(units);
#undef FREE
    fgm_free(&memory, m);
}

/* Walks what is below a vertex, each once, and counts its nodes. */
static int64_t nodes_below(fg_matcher *m, uint32_t v) {
    int64_t sum = m->graph->type[v] == FGG_TYPE_node ? fgx_size(m, v) : 0;
    m->seen[v] = m->walk;
    for (uint32_t link = m->kid_start[v]; link < m->kid_start[v + 1]; link++)
        if (m->seen[m->kid[link]] != m->walk) sum += nodes_below(m, m->kid[link]);
    return sum;
}

int fg_matcher_set_down(fg_matcher *m, uint32_t vertex, int down) {
    uint32_t v = vertex < m->places ? m->at[vertex] : FG_NONE;
    if (v == FG_NONE) return FG_NOT_FOUND;
    if ((m->down[v] != 0) == (down != 0)) return FG_OK;
    fgx_next_walk(m);
    m->nodes_up += down ? -nodes_below(m, v) : nodes_below(m, v);
    m->down[v] = down != 0;
    return m->is_copy ? FG_OK : fg_set_down(m->graph, v, down);
}
