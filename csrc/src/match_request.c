/* Requests: what is wanted, as lists of entries; counts (fluxion.md 3.1) and least amounts (4.4). */
#include "match.h"

#define UNBOUNDED INT64_C(0xffffffff)
#define MAX_ENTRIES 1000000u
#define MAX_LEVELS 256u

/* base raised to exponent, or limit + 1 where that is more than limit. */
static int64_t power(int64_t base, int64_t exponent, int64_t limit) {
    int64_t value = 1;
    for (int64_t i = 0; i < exponent && i < 64; i++) {
        if (base > limit / value) return limit + 1;
        value *= base;
    }
    return value;
}

int64_t fgx_fit(const fgx_entry *entry, int64_t available) {
    int64_t limit = available < entry->maximum ? available : entry->maximum;
    if (entry->least > limit) return 0;
    if (entry->step == '+') return limit - (limit - entry->least) % entry->operand;
    int64_t value = entry->least;
    while (value) {
        int64_t next = entry->step == '*' ? (value > limit / entry->operand ? limit + 1 : value * entry->operand)
                                             : power(value, entry->operand, limit);
        if (next <= value || next > limit) break;
        value = next;
    }
    return value;
}

void fg_request_free(fg_request *request) {
    if (!request) return;
    fg_allocator memory = request->memory;
    fgm_free(&memory, request->entries);
    fgm_free(&memory, request->lists);
    fgm_free(&memory, request->items);
    fgm_free(&memory, request->needs);
    fgm_free(&memory, request->needs_for);
    fgm_free(&memory, request->named);
    fgm_free(&memory, request->accepts);
    fgm_free(&memory, request);
}

static bool is_range(const fg_request_tables *in, uint32_t first, uint32_t count) {
    return first <= in->entries && count <= in->entries - first;
}

static bool is_valid(const fg_request_tables *in) {
    if (in->entries > MAX_ENTRIES || in->variants == 0 || in->variants > MAX_ENTRIES) return false;
    for (uint32_t i = 0; i < in->variants; i++)
        if (!is_range(in, in->variant_first[i], in->variant_count[i])) return false;
    for (uint32_t e = 0; e < in->entries; e++) {
        char operator_ = (char)in->operator_[e];
        if (!is_range(in, in->first[e], in->count[e]) || (in->count[e] && in->first[e] <= e)) return false;
        if (in->least[e] < 0 || in->least[e] > UNBOUNDED || in->most[e] < 0 || in->most[e] > UNBOUNDED) return false;
        if ((operator_ != '+' && operator_ != '*' && operator_ != '^') || in->operand[e] < 1 || in->operand[e] > UNBOUNDED) return false;
    }
    return true;
}

static bool add_list(fg_request *request, fgx_list list) {
    bool ok;
    FGM_PUSH(ok, &request->memory, request->lists, request->list_count, request->list_capacity, list);
    return ok;
}

static bool add_range(fg_request *request, uint32_t first, uint32_t count) {
    fgx_list list = {.first = request->item_count, .count = count, .union_list = FG_NONE};
    for (uint32_t e = first; e < first + count; e++) {
        bool ok;
        FGM_PUSH(ok, &request->memory, request->items, request->item_count, request->item_capacity, e);
        if (!ok) return false;
        list.slots += request->entries[e].type == FGG_TYPE_slot;
    }
    return add_list(request, list);
}

/* What the slots of a list contain; of a type that several name the entry with the larger minimum (6.7). */
static bool add_union(fg_request *request, uint32_t number) {
    uint32_t first = request->item_count;
    fgx_list *list = &request->lists[number];
    for (uint32_t i = 0; i < list->count; i++) {
        const fgx_entry *slot = &request->entries[request->items[list->first + i]];
        if (slot->type != FGG_TYPE_slot) continue;
        const fgx_list content = request->lists[slot->list];
        if (list->slots == 1) {
            list->union_list = slot->list;
            return true;
        }
        for (uint32_t k = 0; k < content.count; k++) {
            uint32_t entry = request->items[content.first + k], place = first;
            while (place < request->item_count && request->entries[request->items[place]].type != request->entries[entry].type) place++;
            if (place < request->item_count) {
                if (request->entries[entry].least > request->entries[request->items[place]].least) request->items[place] = entry;
                continue;
            }
            bool ok;
            FGM_PUSH(ok, &request->memory, request->items, request->item_count, request->item_capacity, entry);
            if (!ok) return false;
        }
    }
    list->union_list = request->list_count;
    fgx_list made = {.first = first, .count = request->item_count - first, .union_list = FG_NONE};
    for (uint32_t i = first; i < request->item_count; i++) made.slots += request->entries[request->items[i]].type == FGG_TYPE_slot;
    return add_list(request, made);
}

static bool fill(fg_request *request, const fg_request_tables *in) {
    request->entries = fgm_zeroed(&request->memory, in->entries, sizeof *request->entries);
    if (!request->entries) return false;
    request->entry_count = in->entries;
    request->variants = in->variants;
    for (uint32_t e = 0; e < in->entries; e++) {
        fgx_entry *entry = &request->entries[e];
        *entry = (fgx_entry){.type = in->type[e], .label = in->label[e], .list = in->variants + e, .exclusive = in->exclusive[e]};
        entry->step = in->operator_[e];
        entry->least = in->least[e];
        entry->maximum = in->most[e];
        entry->operand = in->operand[e];
        entry->most = fgx_fit(entry, UNBOUNDED);
    }
    for (uint32_t i = 0; i < in->variants; i++)
        if (!add_range(request, in->variant_first[i], in->variant_count[i])) return false;
    for (uint32_t e = 0; e < in->entries; e++)
        if (!add_range(request, in->first[e], in->count[e])) return false;
    uint32_t plain = request->list_count;
    for (uint32_t i = 0; i < plain; i++)
        if (request->lists[i].slots && !add_union(request, i)) return false;
    /* A union of unions: slots directly in slots. */
    for (uint32_t i = plain; i < request->list_count; i++)
        if (request->lists[i].slots && !add_union(request, i)) return false;
    if (!in->accepts) return true;
    request->accepts = fgm_zeroed(&request->memory, in->accept_bytes, 1);
    if (!request->accepts) return false;
    memcpy(request->accepts, in->accepts, in->accept_bytes);
    request->accept_bytes = in->accept_bytes;
    return true;
}

/* Levels below an entry; children come behind their parents, so that one pass from the back knows all. */
static bool is_too_deep(const fg_request *request, uint16_t *levels) {
    for (uint32_t e = request->entry_count; e-- > 0;) {
        const fgx_list *list = &request->lists[request->entries[e].list];
        for (uint32_t i = 0; i < list->count; i++) {
            uint16_t below = levels[request->items[list->first + i]];
            if (below >= levels[e]) levels[e] = (uint16_t)(below + 1);
        }
        if (levels[e] > MAX_LEVELS) return true;
    }
    return false;
}

fg_request *fg_request_new(const fg_request_tables *tables, const fg_allocator *allocator, int *code) {
    *code = FG_INVALID;
    if (!is_valid(tables)) return NULL;
    fg_allocator memory = fgm_allocator(allocator);
    fg_request *request = fgm_zeroed(&memory, 1, sizeof *request);
    *code = FG_NO_MEMORY;
    if (!request) return NULL;
    request->memory = memory;
    uint16_t *levels = fgm_zeroed(&memory, tables->entries, sizeof *levels);
    if (levels && fill(request, tables)) *code = is_too_deep(request, levels) ? FG_LIMIT : FG_OK;
    fgm_free(&memory, levels);
    if (*code == FG_OK) return request;
    fg_request_free(request);
    return NULL;
}

static int64_t times(int64_t a, int64_t b) {
    return b && a > INT64_MAX / b ? INT64_MAX : a * b;
}

/* Adds up what is wanted in a list. Under -T flexible sibling slots are alternatives, so they count by the least of them (6.7). */
static void add_needs(const fg_matcher *m, const fg_request *request, uint32_t number, int64_t *sum) {
    const fgx_list *list = &request->lists[number];
    bool slots = false;
    for (uint32_t t = 0; t < m->counted_count; t++) {
        int64_t least = INT64_MAX;
        for (uint32_t i = 0; i < list->count; i++) {
            uint32_t e = request->items[list->first + i];
            const fgx_entry *entry = &request->entries[e];
            int64_t part = times(fgx_needs_below(m, request, e)[t], entry->least);
            if (m->counted[t] == entry->type) part = fgx_add(part, entry->least);
            if (m->options.flexible && entry->type == FGG_TYPE_slot) {
                slots = true;
                if (part < least) least = part;
            } else sum[t] = fgx_add(sum[t], part);
        }
        if (slots) sum[t] = fgx_add(sum[t], least);
    }
}

int fgx_prepare(const fg_matcher *m, fg_request *request) {
    bool flexible = m->options.flexible != 0;
    size_t rows = (size_t)request->variants + request->entry_count, width = m->counted_count * sizeof *m->counted;
    if (request->needs && request->needs_types == m->type_limit && request->needs_count == m->counted_count && request->needs_flexible == flexible &&
        (width == 0 || memcmp(request->needs_for, m->counted, width) == 0))
        return FG_OK;
    int64_t *needs = fgm_zeroed(&request->memory, rows * (m->counted_count ? m->counted_count : 1), sizeof *needs);
    uint32_t *needs_for = fgm_zeroed(&request->memory, m->counted_count, sizeof *needs_for);
    uint8_t *named = fgm_zeroed(&request->memory, m->type_limit, sizeof *named);
    if (!needs || !needs_for || !named) {
        fgm_free(&request->memory, needs);
        fgm_free(&request->memory, needs_for);
        fgm_free(&request->memory, named);
        return FG_NO_MEMORY;
    }
    if (width) memcpy(needs_for, m->counted, width);
    for (uint32_t e = 0; e < request->entry_count; e++)
        if (request->entries[e].type < m->type_limit) named[request->entries[e].type] = 1;
    fgm_free(&request->memory, request->needs);
    fgm_free(&request->memory, request->needs_for);
    fgm_free(&request->memory, request->named);
    request->named = named;
    request->needs = needs;
    request->needs_for = needs_for;
    request->needs_count = m->counted_count;
    request->needs_types = m->type_limit;
    request->needs_flexible = flexible;
    for (size_t list = rows; list-- > 0;) add_needs(m, request, (uint32_t)list, needs + list * m->counted_count);
    return FG_OK;
}
