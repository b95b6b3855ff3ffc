/* The fuzz target of everything that a matcher does over time: bytes are calls, updates and changes of the machine among them. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fluxplug_graph.h"
#include "fuzz.h"
#include "machine.h"
#include "state.h"

const char *const fuzz_documents[] = {NULL};
const char *const fuzz_pieces[] = {NULL};

static const machine shapes[] = {{.racks = 2, .nodes = 2, .cores = 2, .gpus = 1, .memory = 4}, {.racks = 2, .nodes = 2, .cores = 1, .gpus = 1, .memory = 4},
                                 {.racks = 1, .nodes = 2, .cores = 2, .memory = 4}}; /* the first one has all */
static const char *const wanted[] = {"slot[core]", "slot3[core]", "slot[node]", "node2[slot[core]]", "node[slot[core,gpu]]", "rack!", "node!", "core",
                                     "rack[slot2[node[core]]]", "slot4[node]", "gpu2", "slot[gpu]|slot[node]"};
enum { SHAPES = 3, REQUESTS = sizeof wanted / sizeof *wanted, STEPS = 6, VERTICES = 24 };

typedef struct life {
    fuzz_bytes bytes;
    fg_graph *graphs[SHAPES];
    fg_request *requests[REQUESTS];
    fg_matcher *m;
    bool known, exclusive; /* jobs know all that is booked; nobody is in another's way */
    int policy, flexible;
} life;

static int64_t any_job(life *l) {
    return fuzz_below(&l->bytes, 6);
}

static bool has_something(const life *l, int64_t job) {
    int64_t ids[16];
    uint32_t count = fg_jobs(l->m, ids, 16);
    for (uint32_t i = 0; i < count && i < 16; i++)
        if (ids[i] == job) return true;
    return false;
}

static int update(life *l) {
    fg_step steps[STEPS];
    fg_span span = {any_job(l), fuzz_number(&l->bytes), fuzz_number(&l->bytes)};
    uint32_t count = fuzz_below(&l->bytes, STEPS + 1), whole[] = {fuzz_below(&l->bytes, 12)};
    for (uint32_t i = 0; i < count; i++)
        steps[i] = (fg_step){fuzz_below(&l->bytes, 33) % 5, fuzz_below(&l->bytes, VERTICES + 1), fuzz_below(&l->bytes, VERTICES + 1)};
    if (has_something(l, span.job)) l->known = false; /* it may be told twice */
    l->exclusive = false;                             /* whatever is stated is booked */
    fg_outcome out;
    return fg_update(l->m, &span, steps, count, (int)fuzz_below(&l->bytes, 2), (int)fuzz_below(&l->bytes, 2), whole, 1, &out);
}

static int release(life *l) {
    int64_t amounts[32] = {0}, job = any_job(l);
    uint32_t vertices[3] = {fuzz_below(&l->bytes, VERTICES + 2), fuzz_below(&l->bytes, VERTICES), fuzz_below(&l->bytes, VERTICES)};
    if (fg_counted_types(l->m) > 32) abort();
    int code = fg_release(l->m, job, vertices, fuzz_below(&l->bytes, 4), amounts);
    return fuzz_below(&l->bytes, 2) ? fg_release_above(l->m, job, vertices[0], amounts) : code;
}

/* Another machine takes over: vertices come or go. */
static void change_machine(life *l) {
    fg_matcher *next = make_heir(l->graphs[fuzz_below(&l->bytes, SHAPES)], l->graphs[0], l->policy, l->flexible, l->m);
    if (fg_matcher_adopt(next, l->m) != FG_OK) abort();
    fg_matcher_free(l->m);
    l->m = next;
    l->known = l->exclusive = false;
}

static void change_to_copy(life *l) {
    int code;
    fg_matcher *copy = fg_matcher_copy(l->m, NULL, &code);
    if (!copy || state_of(copy) != state_of(l->m)) abort();
    fg_matcher_free(l->m);
    l->m = copy;
}

static int enter(life *l) {
    int64_t job = any_job(l), other = any_job(l), start = fuzz_number(&l->bytes), duration = fuzz_number(&l->bytes);
    const fg_units *units;
    fg_units mine[40] = {{.rank = fuzz_below(&l->bytes, 5), .type = fuzz_below(&l->bytes, 3), .low = fuzz_number(&l->bytes), .high = fuzz_number(&l->bytes)}};
    int64_t count = fg_units_of(l->m, &other, &units);
    if (count < 0 || count > 40) abort();
    if (fuzz_below(&l->bytes, 2)) count = 1;
    else if (count) memcpy(mine, units, (size_t)count * sizeof *mine);
    return fg_enter(l->m, &(fg_span){job, start, duration}, mine, (uint32_t)count, NULL, 0);
}

/* One call; its code, where what an error leaves is told. */
static int step(life *l) {
    fg_request *request = l->requests[fuzz_below(&l->bytes, REQUESTS)];
    int64_t job = any_job(l), from, until, duration;
    fg_outcome out;
    fg_released released;
    int quick = (int)fuzz_below(&l->bytes, 2), code;
    switch (fuzz_below(&l->bytes, 18)) {
        case 0: case 1:
            if (has_something(l, job)) l->known = false;
            return fg_match(l->m, request, (int)fuzz_below(&l->bytes, 7), quick, job, fuzz_number(&l->bytes), NULL, 0, &out);
        case 2: case 3: case 4:
            from = fuzz_number(&l->bytes), until = from < 1 << 20 ? from + fuzz_below(&l->bytes, 64) : fuzz_number(&l->bytes);
            code = fg_find(l->m, request, quick, job, from, until, fuzz_number(&l->bytes), &out);
            return code;
        case 5:
            from = fuzz_number(&l->bytes), until = from < 1 << 20 ? from + fuzz_below(&l->bytes, 64) : fuzz_number(&l->bytes);
            return fg_find_amounts(l->m, request, job, from, until, fuzz_number(&l->bytes), &out);
        case 6: case 7: return fg_lift(l->m, job);
        case 8: case 9: case 10:
            from = fuzz_number(&l->bytes), duration = fuzz_number(&l->bytes);
            return fg_put_back(l->m, job, from, duration);
        case 11: return fg_rename(l->m, job, any_job(l));
        case 12: return enter(l);
        case 13: fg_cancel(l->m, job, &released); return FG_OK;
        case 14:
            if (fuzz_below(&l->bytes, 2)) return fg_matcher_set_now(l->m, fuzz_below(&l->bytes, 64));
            return fg_matcher_set_down(l->m, fuzz_below(&l->bytes, VERTICES + 1), (int)fuzz_below(&l->bytes, 2));
        case 15: return update(l);
        case 16: release(l); l->exclusive = false; return FG_OK;
        default:
            if (fuzz_below(&l->bytes, 4) == 0) change_machine(l);
            else change_to_copy(l);
            return FG_OK;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static life l;
    for (int i = 0; i < SHAPES; i++)
        if (!l.graphs[i]) l.graphs[i] = make_machine(&shapes[i]);
    for (int i = 0; i < REQUESTS; i++)
        if (!l.requests[i]) l.requests[i] = make_request(l.graphs[0], wanted[i], NULL);
    l.bytes = (fuzz_bytes){data, size};
    l.policy = (int)fuzz_below(&l.bytes, POLICIES), l.flexible = (int)fuzz_below(&l.bytes, 2);
    l.known = l.exclusive = true;
    l.m = make_heir(l.graphs[fuzz_below(&l.bytes, SHAPES)], l.graphs[0], l.policy, l.flexible, NULL);
    for (int calls = 0; l.bytes.left && calls < 40; calls++) {
        uint64_t before = state_of(l.m);
        uint32_t vertex;
        if (step(&l) != FG_OK && state_of(l.m) != before) abort();
        int code = fg_matcher_check(l.m, &vertex);
        if (l.known && code != FG_OK) abort();
        if (l.exclusive && !is_exclusive(l.m)) abort();
    }
    fg_matcher_free(l.m);
    /* The graphs are the same for every input. */
    for (int i = 0; i < SHAPES; i++)
        for (uint32_t v = 0; fg_set_down(l.graphs[i], v, 0) == FG_OK; v++) {}
    return 0;
}
