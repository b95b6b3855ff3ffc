/* From what is below a vertex to slots (fluxion.md 5.5). */
#include "match.h"

/* What one slot takes of a type: `per` of it, from keys[first] on; `count` candidates are there, `next` is where the next slot begins. */
typedef struct content {
    uint32_t type, first, count, next;
    int64_t per;
} content;

/* Puts the slots at groups[first...] and parts[first_part...] where their content was. */
void fgx_only_slots(fg_matcher *m, uint32_t base, uint32_t part_base, uint32_t first, uint32_t first_part) {
    uint32_t count = m->groups_count - first;
    memmove(m->groups + base, m->groups + first, count * sizeof *m->groups);
    memmove(m->parts + part_base, m->parts + first_part, (m->parts_count - first_part) * sizeof *m->parts);
    for (uint32_t i = base; i < base + count; i++) m->groups[i].part -= first_part - part_base;
    m->groups_count = base + count;
    m->parts_count -= first_part - part_base;
}

/* Appends the parts of a candidate to those of the slot under way. */
static bool take(fgx_walk *walk, fgx_group *slot, uint32_t group) {
    const fgx_group from = walk->m->groups[group];
    slot->score = (int64_t)((uint64_t)slot->score + (uint64_t)from.score);
    slot->parts += from.parts;
    for (uint32_t p = 0; p < from.parts; p++)
        if (!fgx_push_part(walk, walk->m->parts[from.part + p])) return false;
    return true;
}

/* One slot; false where candidates run out. Types that are named twice move on together: `same` is the first content of the type. */
static bool fill(fgx_walk *walk, content *all, const uint32_t *same, uint32_t count) {
    fg_matcher *m = walk->m;
    fgx_group slot = {.score = 1, .amount = 1, .type = FGG_TYPE_slot, .part = m->parts_count};
    for (uint32_t i = 0; i < count; i++) {
        content *one = &all[same[i]];
        for (int64_t have = 0; have < all[i].per;) {
            if (one->next >= one->count) {
                m->parts_count = slot.part;
                return false;
            }
            uint32_t group = m->keys[one->first + one->next++].group;
            have = fgx_add(have, m->groups[group].amount);
            if (!take(walk, &slot, group)) return false;
        }
    }
    return fgx_push_group(walk, slot);
}

/* How many disjoint bundles of `per` there are in order. */
static uint32_t bundles(const fg_matcher *m, const content *one) {
    uint32_t number = 0;
    int64_t total = 0;
    for (uint32_t i = 0; i < one->count; i++) {
        total = fgx_add(total, m->groups[m->keys[one->first + i].group].amount);
        if (total < one->per) continue;
        number++;
        total = 0;
    }
    return number;
}

static void make(fgx_walk *walk, uint32_t base, const fgx_list *list, content *all, uint32_t *same) {
    fg_matcher *m = walk->m;
    uint32_t number = UINT32_MAX;
    for (uint32_t i = 0; i < list->count; i++) {
        const fgx_entry *entry = &walk->request->entries[walk->request->items[list->first + i]];
        all[i] = (content){.type = entry->type, .per = fgx_fit(entry, fgx_qualified(m, base, entry->type))};
        for (same[i] = 0; all[same[i]].type != entry->type; same[i]++) continue;
        if (all[i].per <= 0) return;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        all[i].first = m->keys_count;
        all[i].count = fgx_order(walk, base, all[i].type, FGX_IN_SLOT, UINT32_MAX);
        if (walk->code != FG_OK) return;
        uint32_t most = bundles(m, &all[i]);
        if (most < number) number = most;
    }
    for (uint32_t i = 0; list->count && i < number && fill(walk, all, same, list->count); i++) continue;
}

/* As many slots as there are disjoint bundles of every type of the content. */
void fgx_make_slots(fgx_walk *walk, uint32_t base, uint32_t part_base, uint32_t slot) {
    fg_matcher *m = walk->m;
    const fgx_list *list = &walk->request->lists[walk->request->entries[slot].list];
    uint32_t first = m->groups_count, first_part = m->parts_count, keys = m->keys_count;
    content few[8], *all = few;
    uint32_t few_same[8], *same = few_same;
    if (list->count > 8) {
        all = fgm_zeroed(&m->memory, list->count, sizeof *all);
        same = fgm_zeroed(&m->memory, list->count, sizeof *same);
    }
    if (all && same) make(walk, base, list, all, same);
    else walk->code = FG_NO_MEMORY;
    if (all != few) fgm_free(&m->memory, all);
    if (same != few_same) fgm_free(&m->memory, same);
    m->keys_count = keys;
    fgx_only_slots(m, base, part_base, first, first_part);
}
