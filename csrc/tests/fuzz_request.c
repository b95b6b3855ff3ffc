/* The fuzz target of requests: bytes are choices of what its tables have; what is accepted is matched, found and asked for on a fixed machine. */
#include <stdlib.h>
#include <string.h>

#include "fluxplug_graph.h"
#include "fuzz.h"
#include "machine.h"
#include "state.h"

const char *const fuzz_documents[] = {NULL};
const char *const fuzz_pieces[] = {NULL};

enum { ENTRIES = 14, VARIANTS = 3 };

static const char *const types[] = {"slot", "core", "node", "gpu", "memory", "rack", "cluster", "socket", "widget"};

typedef struct tables {
    uint32_t variant_first[VARIANTS], variant_count[VARIANTS], type[ENTRIES], label[ENTRIES], first[ENTRIES], count[ENTRIES];
    int64_t least[ENTRIES], most[ENTRIES], operand[ENTRIES];
    uint8_t operator_[ENTRIES], accepts[4];
    int8_t exclusive[ENTRIES];
} tables;

static fg_request *read_request(fuzz_bytes *bytes, const fg_graph *graph) {
    static tables t;
    fg_request_tables in = {.entries = 1 + fuzz_below(bytes, ENTRIES), .variants = 1 + fuzz_below(bytes, VARIANTS)};
    bool wild = fuzz_below(bytes, 4) == 0;
    uint32_t end = 0; /* of what has a place, if they are to stand as they should */
    for (uint32_t i = 0; i < in.variants; i++) {
        t.variant_count[i] = fuzz_below(bytes, 3);
        t.variant_first[i] = wild ? fuzz_below(bytes, ENTRIES) : end;
        end += t.variant_count[i];
    }
    for (uint32_t e = 0; e < in.entries; e++) {
        t.type[e] = fg_type_number(graph, types[fuzz_below(bytes, sizeof types / sizeof *types)]);
        t.label[e] = fuzz_below(bytes, 2);
        t.count[e] = e < end || wild ? fuzz_below(bytes, 3) : 0;
        t.first[e] = wild ? fuzz_below(bytes, ENTRIES + 2) : end;
        end += t.count[e];
        t.least[e] = fuzz_below(bytes, 4) ? fuzz_below(bytes, 4) : fuzz_number(bytes);
        t.most[e] = fuzz_below(bytes, 4) ? t.least[e] : fuzz_number(bytes);
        t.operand[e] = fuzz_below(bytes, 4) ? 1 : fuzz_number(bytes);
        t.operator_[e] = (uint8_t) "+*^?"[fuzz_byte(bytes) == 255 ? 3 : fuzz_below(bytes, 3)];
        t.exclusive[e] = (int8_t)((int8_t)fuzz_below(bytes, 3) - 1);
    }
    for (size_t i = 0; i < sizeof t.accepts; i++) t.accepts[i] = (uint8_t)(255 - fuzz_byte(bytes));
    in.variant_first = t.variant_first, in.variant_count = t.variant_count, in.type = t.type, in.label = t.label, in.first = t.first, in.count = t.count;
    in.least = t.least, in.most = t.most, in.operand = t.operand, in.operator_ = t.operator_, in.exclusive = t.exclusive;
    if (fuzz_below(bytes, 4) == 1) in.accepts = t.accepts, in.accept_bytes = fuzz_below(bytes, 5);
    if (!wild && in.entries < end) in.entries = end < ENTRIES ? end : ENTRIES;
    int code;
    fg_request *request = fg_request_new(&in, NULL, &code);
    if (!request != (code != FG_OK)) abort();
    return request;
}

static void check(const fg_matcher *m) {
    uint32_t vertex;
    if (fg_matcher_check(m, &vertex) != FG_OK || !is_exclusive(m)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static fg_graph *graphs[2];
    if (!graphs[0]) graphs[0] = make_machine(&(machine){.racks = 2, .nodes = 2, .cores = 2, .gpus = 1, .memory = 4});
    if (!graphs[1]) graphs[1] = make_machine(&(machine){.racks = 1, .nodes = 2, .sockets = 2, .cores = 2, .gpus = 1, .memory = 4});
    fuzz_bytes bytes = {data, size};
    fg_graph *graph = graphs[fuzz_below(&bytes, 2)];
    fg_matcher *m = make_matcher(graph, (int)fuzz_below(&bytes, POLICIES), (int)fuzz_below(&bytes, 2), NULL);
    fg_request *request = read_request(&bytes, graph);
    for (int64_t job = 1; request && job <= 4; job++) {
        fg_outcome out;
        int64_t from = fuzz_below(&bytes, 9), duration = 1 + fuzz_below(&bytes, 9), until = from + fuzz_below(&bytes, 30);
        int quick = (int)fuzz_below(&bytes, 2), operation = (int)fuzz_below(&bytes, 6);
        uint64_t before = state_of(m);
        int64_t bound = fg_bound(m, request, job, from, until, duration), room = fg_room(m, request, from);
        if (bound < 0 && bound != FG_NOT_FOUND) abort();
        if ((room >= duration) != (bound == from) && room != FG_TIME_END) abort();
        if (fg_feasible(m, request, quick, &out) != FG_OK || state_of(m) != before) abort();
        int feasible = out.verdict, matches = fuzz_below(&bytes, 4) == 0;
        int code = matches ? fg_match(m, request, operation, quick, job, duration, NULL, 0, &out)
                 : fuzz_below(&bytes, 3) == 0 ? fg_find_amounts(m, request, job, from, until, duration, &out)
                                              : fg_find(m, request, quick, job, from, until, duration, &out);
        if (code != FG_OK) abort();
        if (out.verdict != FG_DONE && state_of(m) != before) abort();
        if (out.verdict == FG_DONE && out.rows && feasible == FG_NEVER && !matches) abort(); /* fg_match reads requests in another way */
        check(m);
    }
    fg_request_free(request);
    fg_matcher_free(m);
    return 0;
}
