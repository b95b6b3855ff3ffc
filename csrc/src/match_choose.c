/* Candidates: their scores, and which are the best (fluxion.md 5.7, 6.2, 6.3). */
#include <errno.h>

#include "match.h"

#define WORST_CLASS 9999 /* what `variation` assumes of a vertex without a readable class */

/* The number at the beginning of a text; the worst class where there is none. */
static int32_t read_class(const char *text) {
    while (*text == ' ' || (*text >= '\t' && *text <= '\r')) text++;
    bool negative = *text == '-';
    if (*text == '-' || *text == '+') text++;
    if (*text < '0' || *text > '9') return WORST_CLASS;
    int32_t value = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        if (value <= WORST_CLASS) value = value * 10 + (*text - '0');
    return (negative && value) || value > WORST_CLASS ? WORST_CLASS : value;
}

/* Vertices with equal properties share a set: its class is read once. */
static int64_t performance_class(fgx_walk *walk, uint32_t v) {
    fg_matcher *m = walk->m;
    uint32_t set = m->graph->properties ? m->graph->properties[v] : 0;
    if (!set) return WORST_CLASS;
    if (set >= m->classes_capacity) {
        uint32_t had = m->classes_capacity;
        if (!fgx_room(m, (void **)&m->classes, 0, &m->classes_capacity, (uint64_t)set + 1, sizeof *m->classes)) {
            walk->code = FG_NO_MEMORY;
            return WORST_CLASS;
        }
        for (uint32_t i = had; i < m->classes_capacity; i++) m->classes[i] = -1;
    }
    if (m->classes[set] >= 0) return m->classes[set];
    uint32_t count;
    const fgg_pair *pairs = fgg_pairs(m->graph, v, &count);
    int32_t class = WORST_CLASS;
    for (uint32_t i = 0; i < count; i++)
        if (!strcmp(fgs_text(&m->graph->strings, pairs[i].key), "perf_class")) class = read_class(fgs_text(&m->graph->strings, pairs[i].value));
    return m->classes[set] = class;
}

/* Numbers wrap around: ids may be anything. */
int64_t fgx_score(fgx_walk *walk, uint32_t v) {
    const fg_matcher *m = walk->m;
    if (m->options.order == FG_ORDER_VARIATION) return 1 + performance_class(walk, v);
    uint64_t score = (uint64_t)m->graph->id[v] + 2;
    if (m->options.order != FG_ORDER_LOCALITY) score += (uint64_t)walk->factors;
    return (int64_t)score;
}

int64_t fgx_qualified(const fg_matcher *m, uint32_t base, uint32_t type) {
    int64_t sum = 0;
    for (uint32_t i = base; i < m->groups_count; i++)
        if (m->groups[i].type == type && m->groups[i].score > 0) sum = fgx_add(sum, m->groups[i].amount);
    return sum;
}

/* From scores to numbers of runs of consecutive scores, counted from below (6.3). */
static bool to_runs(fgx_walk *walk, uint32_t first) {
    fg_matcher *m = walk->m;
    uint32_t count = m->keys_count - first, begin = m->keys_count;
    if (!FGX_ROOM(m, keys, count)) return false;
    fgx_key *keys = m->keys + first, *scores = m->keys + begin;
    memcpy(scores, keys, count * sizeof *keys);
    fgx_introsort(scores, count, count); /* falling */
    uint32_t run = 0;
    for (uint32_t i = count; i-- > 0;) {
        if (i + 1 == count || (scores[i].key != scores[i + 1].key && scores[i].key - 1 != scores[i + 1].key)) run++;
        scores[i].group = run;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t low = 0, high = count - 1;
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            if (scores[middle].key > keys[i].key) low = middle + 1;
            else high = middle;
        }
        keys[i].key = scores[low].group;
    }
    return true;
}

uint32_t fgx_order(fgx_walk *walk, uint32_t base, uint32_t type, enum fgx_where where, uint32_t sorted) {
    fg_matcher *m = walk->m;
    int order = m->options.order;
    uint32_t first = m->keys_count;
    bool smaller = order == FG_ORDER_LOW || (order == FG_ORDER_VARIATION && where != FGX_IN_SLOT);
    if (!FGX_ROOM(m, keys, m->groups_count - base)) {
        walk->code = FG_NO_MEMORY;
        return 0;
    }
    for (uint32_t i = base; i < m->groups_count; i++)
        if (m->groups[i].type == type) m->keys[m->keys_count++] = (fgx_key){.key = smaller ? ~m->groups[i].score : m->groups[i].score, .group = i};
    uint32_t count = m->keys_count - first;
    if (count == 0) return 0;
    if (order == FG_ORDER_LOCALITY && where == FGX_AT_ROOT && !to_runs(walk, first)) {
        walk->code = FG_NO_MEMORY;
        return 0;
    }
    fgx_introsort(m->keys + first, count, sorted < count ? sorted : count);
    return count;
}

bool fgx_keep_order(fgx_walk *walk, uint32_t base, uint32_t type, uint32_t first) {
    fg_matcher *m = walk->m;
    uint32_t count = m->keys_count - first, at = m->groups_count;
    if (!FGX_ROOM(m, groups, count)) {
        walk->code = FG_NO_MEMORY;
        return false;
    }
    for (uint32_t i = 0; i < count; i++) m->groups[at + i] = m->groups[m->keys[first + i].group];
    for (uint32_t i = base, k = 0; i < at; i++) {
        if (m->groups[i].type != type) continue;
        m->groups[i] = m->groups[at + k];
        m->keys[first + k++].group = i;
    }
    return true;
}

/* Marks the way from a vertex to what was chosen there and lies further below. */
static bool mark_way(fgx_walk *walk, uint32_t v, uint32_t link) {
    fg_matcher *m = walk->m;
    for (uint32_t at = m->source[link]; at != v && at != m->root; at = m->source[m->way[at]]) {
        uint32_t way = m->way[at];
        if (m->mark[way] == m->walk) return true;
        bool ok;
        FGX_PUSH(m, marked, ok, way);
        if (!ok) return false;
        m->mark[way] = m->walk;
        m->needs[way] = m->graph->size[at];
        m->mark_exclusive[way] = 0;
    }
    return true;
}

/* Chooses at a vertex for each entry of a list but those of `skip_type`, best first until the count is covered, and marks what was chosen. The groups are
 * left in numbers: those of the chosen ones, as parts. False: the vertex fails. */
bool fgx_choose(fgx_walk *walk, uint32_t v, uint32_t base, uint32_t number, uint32_t skip_type, enum fgx_where where) {
    fg_matcher *m = walk->m;
    const fgx_list *list = &walk->request->lists[number];
    uint32_t first = m->numbers_count, first_key = m->keys_count;
    for (uint32_t i = 0; i < list->count; i++) {
        const fgx_entry *entry = &walk->request->entries[walk->request->items[list->first + i]];
        if (entry->type == skip_type) continue;
        int64_t amount = fgx_fit(entry, fgx_qualified(m, base, entry->type));
        if (amount <= 0) {
            fgx_fail(walk, EBUSY);
            m->numbers_count = first;
            return false;
        }
        /* Every candidate counts for one at least, so that no more than `amount` have to be in order. Of sibling slots the last one decides, and
         * each sorts anew, what the one before left (6.7). */
        bool again = entry->type == FGG_TYPE_slot && list->slots > 1;
        uint32_t sorted = amount < UINT32_MAX && !again ? (uint32_t)amount : UINT32_MAX;
        uint32_t count = fgx_order(walk, base, entry->type, where, sorted);
        if (again && walk->code == FG_OK && fgx_keep_order(walk, base, entry->type, first_key))
            for (uint32_t k = first; k < m->numbers_count; k++)
                if (m->numbers[k] >= 0 && m->groups[m->numbers[k]].type == FGG_TYPE_slot) m->numbers[k] = -1;
        if (walk->code != FG_OK || !FGX_ROOM(m, numbers, count)) {
            walk->code = FG_NO_MEMORY;
            return false;
        }
        for (uint32_t k = 0; k < count && amount > 0; k++) {
            uint32_t group = m->keys[first_key + k].group;
            m->numbers[m->numbers_count++] = group;
            amount -= m->groups[group].amount;
        }
        m->keys_count = first_key;
    }
    for (uint32_t k = first; k < m->numbers_count; k++) {
        if (m->numbers[k] < 0) continue;
        const fgx_group *group = &m->groups[m->numbers[k]];
        for (uint32_t p = group->part; p < group->part + group->parts; p++) {
            const fgx_part *part = &m->parts[p];
            if (m->mark[part->link] != m->walk) {
                bool ok;
                FGX_PUSH(m, marked, ok, part->link);
                if (!ok) {
                    walk->code = FG_NO_MEMORY;
                    return false;
                }
            }
            m->mark[part->link] = m->walk;
            m->needs[part->link] = part->needs;
            m->mark_exclusive[part->link] = part->exclusive != 0;
            if (walk->deep && where == FGX_AT_VERTEX && !mark_way(walk, v, part->link)) {
                walk->code = FG_NO_MEMORY;
                return false;
            }
        }
    }
    return true; /* the numbers of the groups stay, from `first` on, for whoever needs them */
}
