/* One walk of the graph at one time: what of it satisfies the request, and which edges lead there (fluxion.md 5.4 to 5.8). */
#include <errno.h>

#include "match.h"

typedef struct found {
    int64_t score, amount;
    bool exclusive;
} found;

/* How a vertex relates to the wanted list: what to look for below it, and what for. Entries and lists; FG_NONE: none. */
typedef struct relation {
    uint32_t entry, slots, following;
    bool pristine;
} relation;

void fgx_fail(fgx_walk *walk, int failure) {
    walk->failure = failure;
}

static bool fails(fgx_walk *walk, int failure) {
    walk->failure = failure;
    return false;
}

static bool stops(fgx_walk *walk, int code) {
    walk->code = code;
    return false;
}

static bool note(fgx_walk *walk, fg_event event) {
    bool ok;
    FGX_PUSH(walk->m, events, ok, event);
    return ok || stops(walk, FG_NO_MEMORY);
}

bool fgx_push_part(fgx_walk *walk, fgx_part part) {
    bool ok;
    FGX_PUSH(walk->m, parts, ok, part);
    return ok || stops(walk, FG_NO_MEMORY);
}

bool fgx_push_group(fgx_walk *walk, fgx_group group) {
    bool ok;
    FGX_PUSH(walk->m, groups, ok, group);
    return ok || stops(walk, FG_NO_MEMORY);
}

static inline const fgx_entry *item(const fgx_walk *walk, const fgx_list *list, uint32_t i) {
    return &walk->request->entries[walk->request->items[list->first + i]];
}

bool fgx_accepts(const fg_matcher *m, const fg_request *request, uint32_t v) {
    uint32_t type = m->graph->type[v], k = m->place[v];
    if (!request->accepts || (type != FGG_TYPE_node && type != FGG_TYPE_storage_node)) return true;
    return k / 8 < request->accept_bytes && (request->accepts[k / 8] >> (k % 8) & 1);
}

/* Whether the vertex has a direct child of every type in a list. */
static bool has_children(const fgx_walk *walk, uint32_t v, const fgx_list *list) {
    const fg_matcher *m = walk->m;
    uint32_t set = m->child_set[v], first = m->set_start[set], last = m->set_start[set + 1];
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t type = item(walk, list, i)->type, at = first;
        while (at < last && m->set_types[at] != type) at++;
        if (at == last) return false;
    }
    return true;
}

/* Whether some slot of a list could be filled right below the vertex. */
static bool is_slot_match(const fgx_walk *walk, uint32_t v, const fgx_list *list) {
    if (list->slots == 0) return false;
    for (uint32_t i = 0; i < list->count; i++) {
        const fgx_entry *slot = item(walk, list, i);
        if (slot->type == FGG_TYPE_slot && has_children(walk, v, &walk->request->lists[slot->list])) return true;
    }
    return false;
}

/* Whether slots are filled at a vertex from further below. The original fills them right above their contents alone, and then does not find the way from a
 * node to them (12.3), or does not look for them (12.4): so with sockets in a node, usual jobspecs cannot be served. A deep walk passes through what the
 * request does not name, but for nodes; a slot lies within a node. */
static bool is_deep_slot(const fgx_walk *walk, uint32_t v, const fgx_list *list, const relation *how) {
    return walk->deep && list->slots && (walk->m->graph->type[v] == FGG_TYPE_node || (walk->nodes && how->entry != FG_NONE));
}

/* Whether there might be something of a list below a vertex. */
static bool may_have(const fgx_walk *walk, uint32_t v, const fgx_list *list) {
    for (uint32_t i = 0; i < list->count; i++)
        if (fgx_filter_left(walk->m, v, item(walk, list, i)->type, walk->at, walk->duration) > 0) return true;
    return list->count == 0;
}

static bool is_passed(const fgx_walk *walk, uint32_t type) {
    return walk->deep && walk->nodes && !walk->request->named[type];
}

/* 5.4.2 */
static bool relate(fgx_walk *walk, uint32_t v, uint32_t wanted, bool pristine, relation *out) {
    const fg_request *request = walk->request;
    const fgx_list *list = &request->lists[wanted];
    uint32_t type = walk->m->graph->type[v], hits = 0;
    bool flexible = walk->m->options.flexible;
    *out = (relation){.entry = FG_NONE, .slots = FG_NONE, .following = wanted, .pristine = pristine};
    for (uint32_t i = 0; i < list->count; i++) {
        if (item(walk, list, i)->type != type) continue;
        if (hits++ == 0) out->entry = request->items[list->first + i];
    }
    if (hits + (flexible ? list->slots > 0 : list->slots) > 1) {
        note(walk, (fg_event){.kind = FG_SIBLINGS, .number = type});
        return fails(walk, EBUSY);
    }
    uint32_t slots = flexible && !pristine ? FG_NONE : wanted;
    if (out->entry != FG_NONE && request->lists[request->entries[out->entry].list].slots) slots = request->entries[out->entry].list;
    if (slots != FG_NONE) {
        if (request->lists[slots].slots > 1 && !flexible) {
            note(walk, (fg_event){.kind = FG_SIBLINGS, .number = FGG_TYPE_slot});
            return fails(walk, EBUSY);
        }
        if (is_slot_match(walk, v, &request->lists[slots]) || is_deep_slot(walk, v, &request->lists[slots], out)) {
            out->slots = slots;
            out->following = request->lists[slots].union_list;
            out->pristine = false;
            return true;
        }
    }
    if (out->entry != FG_NONE) {
        out->following = request->entries[out->entry].list;
        out->pristine = false;
        return true;
    }
    return pristine || is_passed(walk, type) || fails(walk, EBUSY);
}

static bool check_exclusive(fgx_walk *walk, uint32_t v, uint32_t number, bool exclusive) {
    const fg_matcher *m = walk->m;
    const fgx_entry *entry = &walk->request->entries[number];
    if (exclusive && entry->exclusive == 0) {
        note(walk, (fg_event){.kind = FG_CONFLICT, .number = number, .vertex = m->place[v]});
        return fails(walk, EINVAL);
    }
    if (!exclusive && entry->exclusive != 1) return true;
    if (walk->mode == FGX_NOW && m->allocated[v]) return fails(walk, EBUSY);
    return fgx_is_untouched(m, v, walk->at, walk->duration) || fails(walk, EBUSY);
}

/* 5.4.3 */
bool fgx_passes(fgx_walk *walk, uint32_t v, uint32_t wanted, bool exclusive) {
    const fg_matcher *m = walk->m;
    const fgx_list *list = &walk->request->lists[wanted];
    bool slot_fails = false;
    if (m->down[v] && walk->mode != FGX_EVER) return fails(walk, EBUSY);
    if (!fgx_accepts(m, walk->request, v)) return fails(walk, EBUSY);
    if (fgx_available(m, v, walk->at, walk->duration) <= 0) return fails(walk, EBUSY);
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t number = walk->request->items[list->first + i];
        const fgx_entry *entry = &walk->request->entries[number];
        bool slot = entry->type == FGG_TYPE_slot;
        if (entry->type == m->graph->type[v]) {
            if (!check_exclusive(walk, v, number, exclusive)) return false;
        } else if (!slot) continue;
        slot_fails = m->filter[v] && !fgx_filter_fits(m, v, fgx_needs_below(m, walk->request, number), walk->at, walk->duration);
        if (slot_fails && !(m->options.flexible && slot)) return fails(walk, EBUSY);
    }
    return !slot_fails || fails(walk, EBUSY);
}

/* ---- Below a vertex */

/* When a policy that stops early has enough of each wanted type (6.4): four numbers an item of the list, at numbers[first]. Of siblings of one type
 * the last counts. */
typedef struct tally {
    const fgx_list *list;
    uint32_t first;
    int64_t multiplier;
} tally;
enum { PER, PENDING, SHARES, TALLY_WIDTH };

static bool tally_begin(fgx_walk *walk, tally *t, const fgx_list *list, int64_t multiplier) {
    fg_matcher *m = walk->m;
    *t = (tally){.list = list, .first = m->numbers_count, .multiplier = multiplier};
    if (!FGX_ROOM(m, numbers, (uint64_t)list->count * TALLY_WIDTH)) return stops(walk, FG_NO_MEMORY);
    for (uint32_t i = 0; i < list->count; i++) {
        int64_t *at = m->numbers + m->numbers_count;
        at[PER] = item(walk, list, i)->most;
        at[PENDING] = at[SHARES] = 0;
        m->numbers_count += TALLY_WIDTH;
    }
    return true;
}

static inline int64_t *tally_of(const fgx_walk *walk, const tally *t, uint32_t i) {
    return walk->m->numbers + t->first + (size_t)i * TALLY_WIDTH;
}

static bool is_done(const fgx_walk *walk, const tally *t, uint32_t i) {
    const int64_t *at = tally_of(walk, t, i);
    return at[PER] == 0 || at[SHARES] >= t->multiplier;
}

static bool is_last_of_type(const fgx_walk *walk, const fgx_list *list, uint32_t i) {
    for (uint32_t k = i + 1; k < list->count; k++)
        if (item(walk, list, k)->type == item(walk, list, i)->type) return false;
    return true;
}

/* Whether no more of a type is looked for. */
static bool has_enough(const fgx_walk *walk, const tally *t, uint32_t type) {
    for (uint32_t i = t->list->count; i-- > 0;)
        if (item(walk, t->list, i)->type == type) return is_done(walk, t, i);
    return false;
}

static bool has_all(const fgx_walk *walk, const tally *t) {
    for (uint32_t i = 0; i < t->list->count; i++)
        if (is_last_of_type(walk, t->list, i) && !is_done(walk, t, i)) return false;
    return t->list->count > 0;
}

/* Takes in the candidates from `base` on. */
static void tally_add(fgx_walk *walk, const tally *t, uint32_t base) {
    for (uint32_t i = 0; i < t->list->count; i++) {
        int64_t growth = fgx_qualified(walk->m, base, item(walk, t->list, i)->type), *at = tally_of(walk, t, i);
        at[PENDING] = fgx_add(at[PENDING], growth);
        if (growth && at[PER] > 0 && at[PER] <= at[PENDING]) {
            at[SHARES]++;
            at[PENDING] = 0;
        }
    }
}

static bool visit(fgx_walk *walk, uint32_t v, uint32_t wanted, bool pristine, bool above, found *out);

static bool wants(const fgx_walk *walk, const fgx_list *list, uint32_t type) {
    for (uint32_t i = 0; i < list->count; i++)
        if (item(walk, list, i)->type == type) return true;
    return false;
}

/* One child: its candidates and itself go on the stack. */
static bool try_child(fgx_walk *walk, uint32_t link, const fgx_list *list, uint32_t wanted, bool pristine, bool exclusive) {
    fg_matcher *m = walk->m;
    uint32_t kid = m->kid[link], type = m->graph->type[kid];
    found child;
    if (!visit(walk, kid, wanted, pristine, exclusive, &child)) return false;
    m->way[kid] = link;
    fgx_group group = {.score = child.score, .amount = child.amount, .type = type, .part = m->parts_count, .parts = 1};
    if (!fgx_push_part(walk, (fgx_part){.needs = child.amount, .link = link, .exclusive = child.exclusive})) return false;
    if (!fgx_push_group(walk, group)) return false;
    for (uint32_t i = 0; i < list->count; i++) {
        const fgx_entry *entry = item(walk, list, i);
        if (entry->type != type || !entry->label) continue;
        bool ok;
        fg_label label = {.vertex = m->place[kid], .label = entry->label};
        FGX_PUSH(m, labels, ok, label);
        if (!ok) return stops(walk, FG_NO_MEMORY);
    }
    return true;
}

/* 5.6, 6.4 */
static void explore(fgx_walk *walk, uint32_t v, uint32_t wanted, bool pristine, bool exclusive, int64_t multiplier) {
    fg_matcher *m = walk->m;
    const fgx_list *list = &walk->request->lists[wanted];
    uint32_t first = m->kid_start[v], last = m->kid_start[v + 1], numbers = m->numbers_count;
    /* What no entry names is entered and rejected at once, unless it may be passed through or hold a slot. */
    bool picky = !pristine && (m->options.flexible || !list->slots), early = m->options.stop_early && list->count > 0;
    if (picky && list->count == 0 && m->single) {
        walk->entered += last - first;
        if (last > first) walk->failure = EBUSY;
        return;
    }
    tally t = {0};
    int64_t outer = walk->multiplier;
    if (early && !tally_begin(walk, &t, list, multiplier)) return;
    walk->multiplier = multiplier;
    for (uint32_t i = first; i < last; i++) {
        uint32_t link = m->order ? fgx_in_order(m, v, i - first) : i, kid = m->kid[link], type = m->graph->type[kid], base = m->groups_count;
        if (m->seen[kid] == m->walk || (early && has_enough(walk, &t, type))) continue;
        if (picky && !wants(walk, list, type) && !is_passed(walk, type)) {
            walk->entered++;
            walk->failure = EBUSY;
            continue;
        }
        bool ok = try_child(walk, link, list, wanted, pristine, exclusive);
        if (walk->code != FG_OK) break;
        if (!ok || !early) continue;
        tally_add(walk, &t, base);
        if (has_all(walk, &t)) break;
    }
    walk->multiplier = outer;
    m->numbers_count = numbers;
}

/* 5.5 */
static void explore_slots(fgx_walk *walk, uint32_t v, const relation *how) {
    fg_matcher *m = walk->m;
    const fgx_list *list = &walk->request->lists[how->slots];
    uint32_t base = m->groups_count, parts = m->parts_count, slot = FG_NONE;
    for (uint32_t i = 0; i < list->count; i++)
        if (item(walk, list, i)->type == FGG_TYPE_slot) slot = walk->request->items[list->first + i];
    explore(walk, v, how->following, false, true, walk->request->entries[slot].most);
    if (walk->code != FG_OK || m->groups_count == base) return;
    if (m->options.flexible) fgx_make_either(walk, base, parts, how->slots, how->following);
    else fgx_make_slots(walk, base, parts, slot);
}

/* What a node adds to the scores of all below it (6.2). */
int64_t fgx_node_factor(const fg_graph *graph, uint32_t v) {
    int64_t rest = graph->uniq_id[v] % 10000;
    if (rest < 0) rest += 10000;
    return (int64_t)(((uint64_t)graph->id[v] + 2) * 10000 + (uint64_t)(rest ? rest - 1 : 1));
}

/* 5.4 */
static bool visit(fgx_walk *walk, uint32_t v, uint32_t wanted, bool pristine, bool above, found *out) {
    fg_matcher *m = walk->m;
    const fg_request *request = walk->request;
    const fgx_list *list = &request->lists[wanted];
    uint32_t base = m->groups_count, parts = m->parts_count, type = m->graph->type[v];
    bool exclusive = above;
    relation how;
    walk->entered++;
    if (walk->level > FG_MAX_DEPTH) return stops(walk, FG_LIMIT);
    for (uint32_t i = 0; i < list->count; i++) exclusive = exclusive || (item(walk, list, i)->type == type && item(walk, list, i)->exclusive == 1);
    if (!relate(walk, v, wanted, pristine, &how) || !fgx_passes(walk, v, wanted, exclusive)) return false;
    bool passed = how.entry == FG_NONE && how.slots == FG_NONE && is_passed(walk, type);
    if (passed && !may_have(walk, v, &request->lists[wanted])) return fails(walk, EBUSY);
    m->seen[v] = m->walk;
    int64_t factor = 0;
    if (m->options.node_centric && type == FGG_TYPE_node) {
        if (m->graph->id[v] < -1) return fails(walk, EINVAL);
        factor = fgx_node_factor(m->graph, v);
    }
    walk->factors = (int64_t)((uint64_t)walk->factors + (uint64_t)factor);
    walk->level++;
    walk->nodes += type == FGG_TYPE_node;
    if (how.slots != FG_NONE) explore_slots(walk, v, &how);
    else explore(walk, v, how.following, how.pristine, exclusive, passed ? walk->multiplier : 1);
    walk->level--;
    walk->nodes -= type == FGG_TYPE_node;
    walk->factors = (int64_t)((uint64_t)walk->factors - (uint64_t)factor);
    if (walk->code != FG_OK) return false;
    if (how.entry != FG_NONE) {
        uint32_t numbers = m->numbers_count;
        bool ok = fgx_choose(walk, v, base, request->entries[how.entry].list, FG_NONE, FGX_AT_VERTEX);
        bool any = m->numbers_count > numbers;
        m->numbers_count = numbers;
        if (!ok || any) {
            m->groups_count = base;
            m->parts_count = parts;
        }
        if (!ok) return false;
    }
    *out = (found){.score = fgx_score(walk, v), .amount = fgx_available(m, v, walk->at, walk->duration), .exclusive = exclusive};
    walk->succeeded++;
    return walk->code == FG_OK;
}

/* ---- The root (5.8) */

/* Notes which types were gathered. Every one must have a candidate that counts. */
static bool note_types(const fgx_walk *walk) {
    fg_matcher *m = walk->m;
    for (uint32_t i = 0; i < m->groups_count; i++) {
        m->type_gathered[m->groups[i].type] = m->walk;
        if (m->groups[i].score > 0 && m->groups[i].amount > 0) m->type_counts[m->groups[i].type] = m->walk;
    }
    for (uint32_t i = 0; i < m->groups_count; i++)
        if (m->type_counts[m->groups[i].type] != m->walk) return false;
    return true;
}

/* Marks the way from the root to what was chosen there. */
bool fgx_climb(fgx_walk *walk, uint32_t v) {
    fg_matcher *m = walk->m;
    const fgx_list *list = &walk->request->lists[walk->variant];
    uint32_t root_type = m->graph->type[m->root];
    while (v != m->root) {
        uint32_t link = m->way[v], type = m->graph->type[v];
        if (m->mark[link] == m->walk) return true;
        if ((walk->deep || m->type_gathered[type] == m->walk) && (type == root_type || !wants(walk, list, type))) {
            bool ok;
            FGX_PUSH(m, marked, ok, link);
            if (!ok) return stops(walk, FG_NO_MEMORY);
            m->mark[link] = m->walk;
            m->needs[link] = m->graph->size[v];
            m->mark_exclusive[link] = 0;
        }
        v = m->source[link];
    }
    return true;
}

static bool choose_at_root(fgx_walk *walk, const found *root) {
    fg_matcher *m = walk->m;
    const fgx_list *list = &walk->request->lists[walk->variant];
    uint32_t type = m->graph->type[m->root];
    walk->root_needs = m->graph->size[m->root];
    walk->root_exclusive = root->exclusive;
    for (uint32_t i = 0; i < list->count; i++) {
        if (item(walk, list, i)->type != type) continue;
        walk->root_needs = root->amount;
        if (fgx_fit(item(walk, list, i), root->amount) <= 0) return fails(walk, ENODEV);
    }
    if (!fgx_choose(walk, m->root, 0, walk->variant, type, FGX_AT_ROOT)) return false;
    if (!note_types(walk)) return fails(walk, ENODEV);
    for (uint32_t k = 0; k < m->numbers_count; k++) {
        if (m->numbers[k] < 0) continue;
        const fgx_group *group = &m->groups[m->numbers[k]];
        for (uint32_t p = group->part; p < group->part + group->parts; p++)
            if (!fgx_climb(walk, m->source[m->parts[p].link])) return false;
    }
    return true;
}

void fgx_walk_begin(fgx_walk *walk) {
    fg_matcher *m = walk->m;
    fgx_next_walk(m);
    m->groups_count = m->parts_count = m->keys_count = m->numbers_count = m->marked_count = 0;
}

bool fgx_visit_one(fgx_walk *walk, uint32_t v, uint32_t wanted, bool pristine, bool above, fgx_part *part) {
    found one;
    if (!visit(walk, v, wanted, pristine, above, &one)) return false;
    *part = (fgx_part){.needs = one.amount, .exclusive = one.exclusive};
    return true;
}

bool fgx_walk_run(fgx_walk *walk) {
    fg_matcher *m = walk->m;
    found root;
    fgx_walk_begin(walk);
    return visit(walk, m->root, walk->variant, true, false, &root) && choose_at_root(walk, &root) && walk->code == FG_OK;
}
