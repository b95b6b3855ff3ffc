/* Sibling slots as alternatives: the most slots over all of them together, by a dynamic programme (fluxion.md 6.7). */
#include "match.h"

#define NOTHING UINT32_MAX

/* A state is how much is left of each type of the content. `best` is the most slots from there, `slot` the first alternative that gets there, by its
 * place among the slots; `next` the state that it leaves. */
typedef struct state {
    uint32_t best, slot, next;
    bool known;
} state;

typedef struct programme {
    fgx_walk *walk;
    const fgx_list *content;
    uint32_t *slots, slot_count; /* entries */
    FGX_ARRAY(state, states);
    FGX_ARRAY(int64_t, amounts);  /* `content->count` a state */
    uint32_t *table, mask;        /* by amounts: 1 + state */
    FGX_ARRAY(uint32_t, stack);
} programme;

static const fgx_entry *entry_at(const programme *p, uint32_t i) {
    return &p->walk->request->entries[p->walk->request->items[p->content->first + i]];
}

static uint32_t place_of(const programme *p, uint32_t type) {
    uint32_t i = 0;
    while (entry_at(p, i)->type != type) i++;
    return i;
}

static bool no_memory(programme *p) {
    p->walk->code = FG_NO_MEMORY;
    return false;
}

static bool widen(programme *p) {
    const fg_matcher *m = p->walk->m;
    uint32_t mask = p->mask ? p->mask * 2 + 1 : 63, width = p->content->count;
    uint32_t *table = fgm_zeroed(&m->memory, (size_t)mask + 1, sizeof *table);
    if (!table) return no_memory(p);
    for (uint32_t s = 0; s < p->states_count; s++) {
        uint32_t at = (uint32_t)fgs_hash((const char *)(p->amounts + (size_t)s * width), width * sizeof(int64_t)) & mask;
        while (table[at]) at = (at + 1) & mask;
        table[at] = s + 1;
    }
    fgm_free(&m->memory, p->table);
    p->table = table;
    p->mask = mask;
    return true;
}

/* The state with the last amounts, which are kept only if it is new; NOTHING when there is no memory. */
static uint32_t intern(programme *p) {
    uint32_t width = p->content->count;
    size_t bytes = width * sizeof(int64_t);
    if ((!p->table || p->states_count > p->mask / 2) && !widen(p)) return NOTHING;
    const int64_t *last = p->amounts + p->amounts_count - width;
    uint32_t at = (uint32_t)fgs_hash((const char *)last, bytes) & p->mask;
    for (; p->table[at]; at = (at + 1) & p->mask) {
        if (memcmp(p->amounts + (size_t)(p->table[at] - 1) * width, last, bytes)) continue;
        p->amounts_count -= width;
        return p->table[at] - 1;
    }
    bool ok;
    state fresh = {.slot = NOTHING, .next = NOTHING};
    FGM_PUSH(ok, &p->walk->m->memory, p->states, p->states_count, p->states_capacity, fresh);
    if (!ok) {
        no_memory(p);
        return NOTHING;
    }
    p->table[at] = p->states_count;
    return p->states_count - 1;
}

/* The state after one more slot; NOTHING where it does not fit. */
static uint32_t after(programme *p, uint32_t from, uint32_t slot) {
    const fg_request *request = p->walk->request;
    const fgx_list *list = &request->lists[request->entries[p->slots[slot]].list];
    uint32_t width = p->content->count;
    if (list->count == 0) return NOTHING;
    if (!fgx_room(p->walk->m, (void **)&p->amounts, p->amounts_count, &p->amounts_capacity, width, sizeof *p->amounts)) {
        no_memory(p);
        return NOTHING;
    }
    int64_t *left = p->amounts + p->amounts_count;
    const int64_t *had = p->amounts + (size_t)from * width;
    memcpy(left, had, width * sizeof *left);
    for (uint32_t i = 0; i < list->count; i++) {
        const fgx_entry *entry = &request->entries[request->items[list->first + i]];
        uint32_t place = place_of(p, entry->type);
        int64_t per = fgx_fit(entry, had[place]);
        if (per <= 0) return NOTHING;
        left[place] -= per;
    }
    p->amounts_count += width;
    return intern(p);
}

/* Solves the first state: each on the stack waits until all that can follow it are known. */
static bool solve(programme *p) {
    bool ok = true;
    uint32_t start = 0;
    FGM_PUSH(ok, &p->walk->m->memory, p->stack, p->stack_count, p->stack_capacity, start);
    while (ok && p->stack_count) {
        uint32_t now = p->stack[p->stack_count - 1], best = 0, slot = NOTHING, next = NOTHING;
        bool waits = false;
        for (uint32_t i = 0; ok && i < p->slot_count; i++) {
            uint32_t then = after(p, now, i);
            ok = p->walk->code == FG_OK;
            if (!ok || then == NOTHING) continue;
            if (!p->states[then].known) {
                FGM_PUSH(ok, &p->walk->m->memory, p->stack, p->stack_count, p->stack_capacity, then);
                waits = true;
            } else if (p->states[then].best + 1 > best) {
                best = p->states[then].best + 1;
                slot = i;
                next = then;
            }
        }
        if (!ok || waits) continue;
        p->stack_count--;
        p->states[now] = (state){.best = best, .slot = slot, .next = next, .known = true};
    }
    return ok || no_memory(p);
}

/* One slot of an alternative from the candidates at `places`, which move on; false if they run out. */
static bool fill(programme *p, uint32_t slot, const int64_t *whole, const uint32_t *firsts, const uint32_t *counts, uint32_t *places) {
    fgx_walk *walk = p->walk;
    fg_matcher *m = walk->m;
    const fgx_list *list = &walk->request->lists[walk->request->entries[p->slots[slot]].list];
    fgx_group made = {.score = 1, .amount = 1, .type = FGG_TYPE_slot, .part = m->parts_count};
    for (uint32_t i = 0; i < list->count; i++) {
        const fgx_entry *entry = &walk->request->entries[walk->request->items[list->first + i]];
        uint32_t place = place_of(p, entry->type);
        int64_t per = fgx_fit(entry, whole[place]);
        if (per <= 0) return false;
        for (int64_t have = 0; have < per;) {
            if (places[place] >= counts[place]) return false;
            fgx_group group = m->groups[m->keys[firsts[place] + places[place]++].group];
            have = fgx_add(have, group.amount);
            made.score = (int64_t)((uint64_t)made.score + (uint64_t)group.score);
            made.parts += group.parts;
            for (uint32_t k = 0; k < group.parts; k++)
                if (!fgx_push_part(walk, m->parts[group.part + k])) return false;
        }
    }
    return fgx_push_group(walk, made);
}

/* Slots for as long as the solution says; false: the candidates ran out ("not enough slots"). */
static bool fill_all(programme *p, uint32_t base, uint32_t *work) {
    fg_matcher *m = p->walk->m;
    uint32_t width = p->content->count, *firsts = work, *counts = work + width, *places = work + 2 * (size_t)width;
    int64_t *whole = NULL;
    if (!fgx_room(m, (void **)&p->amounts, 0, &p->amounts_capacity, width, sizeof *p->amounts)) return no_memory(p);
    for (uint32_t i = 0; i < width; i++) {
        firsts[i] = m->keys_count;
        counts[i] = fgx_order(p->walk, base, entry_at(p, i)->type, FGX_IN_SLOT, UINT32_MAX);
        p->amounts[i] = fgx_qualified(m, base, entry_at(p, i)->type);
        if (p->walk->code != FG_OK) return false;
    }
    p->amounts_count = width;
    whole = fgm_zeroed(&m->memory, width, sizeof *whole);
    if (!whole) return no_memory(p);
    memcpy(whole, p->amounts, width * sizeof *whole);
    bool ok = true;
    if (p->slot_count == 1) {
        const fgx_entry *slot = &p->walk->request->entries[p->slots[0]];
        const fgx_list *list = &p->walk->request->lists[slot->list];
        int64_t number = list->count ? slot->most : 0;
        for (uint32_t i = 0; i < list->count; i++) {
            const fgx_entry *entry = &p->walk->request->entries[p->walk->request->items[list->first + i]];
            int64_t have = whole[place_of(p, entry->type)], per = fgx_fit(entry, have);
            int64_t fits = per > 0 ? have / per : 0;
            if (fits < number) number = fits;
        }
        for (int64_t i = 0; ok && i < number; i++) ok = fill(p, 0, whole, firsts, counts, places);
    } else {
        ok = intern(p) != NOTHING && solve(p);
        for (uint32_t now = 0; ok && p->states[now].slot != NOTHING; now = p->states[now].next)
            ok = fill(p, p->states[now].slot, whole, firsts, counts, places);
    }
    fgm_free(&m->memory, whole);
    return ok;
}

void fgx_make_either(fgx_walk *walk, uint32_t base, uint32_t part_base, uint32_t number, uint32_t content) {
    fg_matcher *m = walk->m;
    const fgx_list *list = &walk->request->lists[number];
    programme p = {.walk = walk, .content = &walk->request->lists[content]};
    uint32_t first = m->groups_count, first_part = m->parts_count, keys = m->keys_count;
    uint32_t *work = fgm_zeroed(&m->memory, (size_t)p.content->count * 3, sizeof *work);
    p.slots = fgm_zeroed(&m->memory, list->slots, sizeof *p.slots);
    bool ok = work && p.slots;
    if (!ok) no_memory(&p);
    for (uint32_t i = 0; ok && i < list->count; i++) {
        uint32_t entry = walk->request->items[list->first + i];
        if (walk->request->entries[entry].type == FGG_TYPE_slot) p.slots[p.slot_count++] = entry;
    }
    if (ok && !fill_all(&p, base, work)) {
        bool pushed;
        fg_event event = {.kind = FG_NOT_ENOUGH};
        FGX_PUSH(m, events, pushed, event);
        if (!pushed) no_memory(&p);
        m->groups_count = first;
        m->parts_count = first_part;
    }
    m->keys_count = keys;
    fgx_only_slots(m, base, part_base, first, first_part);
    fgm_free(&m->memory, work);
    fgm_free(&m->memory, p.slots);
    fgm_free(&m->memory, p.states);
    fgm_free(&m->memory, p.amounts);
    fgm_free(&m->memory, p.table);
    fgm_free(&m->memory, p.stack);
}
