/* The matcher: what a request takes, in time, and what is left when it ends. That it decides as the original does is tested from Python. */
#include <stdlib.h>

#include "harness.h"

#include "../src/match.h"

static const char machine[] =
    "{'graph':{'nodes':["
    "{'id':'0','metadata':{'type':'cluster','id':0,'paths':{'containment':'/cluster0'}}},"
    "{'id':'1','metadata':{'type':'node','id':0,'rank':0,'paths':{'containment':'/cluster0/node0'}}},"
    "{'id':'2','metadata':{'type':'core','id':0,'rank':0,'paths':{'containment':'/cluster0/node0/core0'}}},"
    "{'id':'3','metadata':{'type':'core','id':1,'rank':0,'paths':{'containment':'/cluster0/node0/core1'}}},"
    "{'id':'4','metadata':{'type':'memory','id':0,'rank':0,'size':4,'paths':{'containment':'/cluster0/node0/memory0'}}},"
    "{'id':'5','metadata':{'type':'node','id':1,'rank':1,'paths':{'containment':'/cluster0/node1'}}},"
    "{'id':'6','metadata':{'type':'core','id':0,'rank':1,'paths':{'containment':'/cluster0/node1/core0'}}},"
    "{'id':'7','metadata':{'type':'core','id':1,'rank':1,'properties':{'perf_class':'3'},'paths':{'containment':'/cluster0/node1/core1'}}}],"
    "'edges':[{'source':'0','target':'1'},{'source':'1','target':'2'},{'source':'1','target':'3'},{'source':'1','target':'4'},"
    "{'source':'0','target':'5'},{'source':'5','target':'6'},{'source':'5','target':'7'}]}}";

enum { CORE = 1, NODE = 4, SLOT = 6 };

static const uint32_t numbers[] = {0, 1, 2, 3, 4, 5, 6, 7};
static const uint32_t everywhere[] = {CORE, NODE};

static fg_match_options options(int order, int early, int flexible) {
    return (fg_match_options){.order = order, .node_centric = early, .stop_early = early, .flexible = flexible, .lifetime = 1000, .numbers = numbers,
                              .everywhere_count = 2, .everywhere = everywhere};
}

/* slot[slots] -> type[each], or, with `either`, the same slot beside one of another size. */
static fg_request *slots_of(uint32_t type, int64_t slots, int64_t each, int either, const fg_allocator *allocator, int *code) {
    const uint32_t zero = 0, two = 2, one = 1;
    uint32_t types[] = {SLOT, SLOT, type, type}, plain_types[] = {SLOT, type}, labels[4] = {0}, first[] = {2, 3, 4, 4}, count[] = {1, 1, 0, 0};
    uint32_t plain_first[] = {1, 2}, plain_count[] = {1, 0};
    int64_t least[] = {slots, 1, each, 1}, operand[] = {1, 1, 1, 1}, plain_least[] = {slots, each};
    uint8_t steps[] = {'+', '+', '+', '+'};
    int8_t exclusive[] = {-1, -1, -1, -1};
    fg_request_tables in = {.entries = either ? 4 : 2, .variants = 1, .variant_first = &zero, .variant_count = either ? &two : &one,
                            .type = either ? types : plain_types, .label = labels, .first = either ? first : plain_first,
                            .count = either ? count : plain_count, .least = either ? least : plain_least, .most = either ? least : plain_least,
                            .operand = operand, .operator_ = steps, .exclusive = exclusive};
    return fg_request_new(&in, allocator, code);
}

static fg_matcher *matcher_of(fg_graph *graph, int order, int early, int flexible) {
    int code;
    fg_match_options how = options(order, early, flexible);
    fg_matcher *matcher = fg_matcher_new(graph, &how, NULL, &code);
    CHECK(matcher && code == FG_OK);
    return matcher;
}

static void takes_and_gives_back(void) {
    fg_graph *graph = good(machine);
    fg_matcher *m = matcher_of(graph, FG_ORDER_LOW, 0, 0);
    int code;
    fg_request *one_core = slots_of(CORE, 1, 1, 0, NULL, &code), *all = slots_of(NODE, 2, 1, 0, NULL, &code);
    fg_request *three = slots_of(NODE, 3, 1, 0, NULL, &code);
    fg_outcome out;
    CHECK(fg_match(m, one_core, FG_ALLOCATE, 0, 1, 100, NULL, 0, &out) == FG_OK && out.verdict == FG_DONE);
    CHECK(out.rows == 3 && out.row[0].vertex == 2 && out.row[0].exclusive && out.row[2].parent == -1);
    CHECK(fg_match(m, all, FG_ALLOCATE, 0, 2, 10, NULL, 0, &out) == FG_OK && out.verdict == FG_LATER && out.rows == 0);
    CHECK(fg_match(m, all, FG_OR_RESERVE, 0, 2, 10, NULL, 0, &out) == FG_OK && out.verdict == FG_DONE && out.at == 100);
    CHECK(fg_match(m, three, FG_WITH_SATISFIABILITY, 0, 3, 10, NULL, 0, &out) == FG_OK && out.verdict == FG_NEVER);
    CHECK(fg_match(m, three, FG_SATISFIABILITY, 0, 3, 10, NULL, 0, &out) == FG_OK && out.verdict == FG_NEVER);
    CHECK(fg_match(m, all, FG_WITHOUT_FUTURE, 0, 3, 10, NULL, 0, &out) == FG_OK && out.at == 110 && fg_jobs(m, NULL, 0) == 2);
    CHECK(fg_match(m, all, 99, 0, 3, 10, NULL, 0, &out) == FG_INVALID && fg_match(m, all, FG_ALLOCATE, 0, 3, 1001, NULL, 0, &out) == FG_INVALID);
    CHECK(fg_vertex_held(m, 2) == FG_HAS_ALLOCATION && fg_vertex_held(m, 1) == FG_HAS_RESERVATION && fg_vertex_held(m, 8) == FG_NOT_FOUND);
    fg_released released;
    fg_cancel(m, 1, &released);
    CHECK(released.known && released.succeeded == 3);
    fg_cancel(m, 7, &released);
    CHECK(!released.known);
    CHECK(fg_match(m, all, FG_ALLOCATE, 0, 4, 101, NULL, 0, &out) == FG_OK && out.verdict == FG_LATER);
    CHECK(fg_match(m, all, FG_ALLOCATE, 0, 4, 100, NULL, 0, &out) == FG_OK && out.verdict == FG_DONE);
    fg_request_free(one_core);
    fg_request_free(all);
    fg_request_free(three);
    fg_matcher_free(m);
    fg_graph_free(graph);
}

/* Walks are numbered, and what they noted is never cleared: so a long life must begin anew at some time. */
static void lives_long(void) {
    fg_graph *graph = good(machine);
    fg_matcher *m = matcher_of(graph, FG_ORDER_HIGH, 1, 0);
    int code;
    fg_request *cores = slots_of(CORE, 2, 1, 0, NULL, &code);
    fg_outcome out;
    fg_released released;
    for (uint32_t i = 0; i < 12; i++) {
        m->walk = UINT32_MAX / 2 - 60 + 10 * i; /* none of these was there before */
        CHECK(fg_match(m, cores, FG_OR_RESERVE, 0, 1, 10, NULL, 0, &out) == FG_OK && out.verdict == FG_DONE && out.at == 0 && out.rows == 4);
        fg_cancel(m, 1, &released);
        CHECK(released.known && released.succeeded == 4 && fg_jobs(m, NULL, 0) == 0);
    }
    fg_request_free(cores);
    fg_matcher_free(m);
    fg_graph_free(graph);
}

static void refuses(void) {
    fg_graph *graph = good(machine);
    fg_match_options how = options(FG_ORDER_LOW, 0, 0);
    int code;
    how.order = 9;
    CHECK(!fg_matcher_new(graph, &how, NULL, &code) && code == FG_INVALID);
    how = options(FG_ORDER_LOW, 0, 0);
    how.dominant = 3;
    CHECK(!fg_matcher_new(graph, &how, NULL, &code) && code == FG_NOT_FOUND);
    CHECK(!slots_of(CORE, -1, 1, 0, NULL, &code) && code == FG_INVALID);
    fg_matcher *m = matcher_of(graph, FG_ORDER_HIGH, 1, 0);
    int64_t amounts[4] = {0};
    const uint32_t bad[] = {99}, good_one[] = {1};
    CHECK(fg_release(m, 1, good_one, 1, amounts) == FG_NOT_FOUND && fg_release(m, 1, bad, 1, amounts) == FG_NOT_FOUND);
    CHECK(fg_release_above(m, 1, 99, amounts) == FG_NOT_FOUND && fg_matcher_set_down(m, 99, 1) == FG_NOT_FOUND);
    fg_step step = {.kind = 9};
    fg_span span = {.job = 1, .start = 0, .duration = 5};
    fg_outcome out;
    CHECK(fg_update(m, &span, &step, 1, 0, 1, NULL, 0, &out) == FG_INVALID);
    fg_matcher_free(m);
    fg_graph_free(graph);
}

/* Everything that may ask for memory, until something cannot have it. */
static int life(fg_graph *graph, const fg_allocator *allocator, int order, int early, int flexible) {
    fg_match_options how = options(order, early, flexible);
    int code, other;
    fg_matcher *m = fg_matcher_new(graph, &how, allocator, &code);
    if (!m) return code;
    fg_request *two = slots_of(CORE, 2, 1, flexible, allocator, &code), *node = slots_of(NODE, 2, 1, 0, allocator, &other);
    fg_outcome out;
    fg_matcher *next = NULL;
    if (code == FG_OK) code = other;
    int64_t jobs = 0;
    for (int64_t job = 1; job <= 4 && code == FG_OK; job++) {
        code = fg_match(m, job % 2 ? two : node, FG_OR_RESERVE, job > 2, job, 10 * job, NULL, 0, &out);
        if (code == FG_OK) jobs += out.verdict == FG_DONE;
        CHECK(fg_jobs(m, NULL, 0) == jobs); /* a failure takes nothing */
    }
    const fg_step steps[] = {{FG_STEP_BOOK, 4, 0}, {FG_STEP_MARK, 0, 1}, {FG_STEP_MARK_EXCLUSIVE, 1, 4}};
    fg_span span = {.job = 9, .start = 500, .duration = 5};
    if (code == FG_OK) {
        code = fg_update(m, &span, steps, 3, 0, 1, NULL, 0, &out);
        jobs += code == FG_OK && out.verdict == FG_DONE;
        CHECK(fg_jobs(m, NULL, 0) == jobs);
    }
    if (code == FG_OK) {
        next = fg_matcher_new(graph, &how, allocator, &code);
        if (next) code = fg_matcher_adopt(next, m);
        CHECK(fg_jobs(code == FG_OK ? next : m, NULL, 0) == jobs);
        if (code == FG_OK) {
            fg_released released;
            const fg_hold *holds;
            int64_t count = fg_job_holds(next, 9, &holds);
            if (count < 0) code = (int)count;
            for (int64_t job = 1; job <= 9; job++) fg_cancel(next, job, &released);
            CHECK(fg_jobs(next, NULL, 0) == 0);
        }
    }
    fg_matcher_free(m);
    fg_matcher_free(next);
    fg_request_free(two);
    fg_request_free(node);
    return code;
}

static void survives_without_memory(int order, int early, int flexible) {
    fg_graph *graph = good(machine);
    counting state = {0};
    fg_allocator allocator = counting_allocator(&state);
    CHECK(life(graph, &allocator, order, early, flexible) == FG_OK);
    CHECK(state.live == 0);
    size_t calls = state.calls;
    for (size_t i = 1; i <= calls; i++) {
        state = (counting){.fail_at = i};
        int code = life(graph, &allocator, order, early, flexible);
        if (code != FG_OK && code != FG_NO_MEMORY) fprintf(stderr, "matcher: allocation %zu of %zu: %d\n", i, calls, code);
        CHECK(code == FG_OK || code == FG_NO_MEMORY);
        CHECK(state.live == 0);
    }
    fg_graph_free(graph);
}

void test_match(void) {
    takes_and_gives_back();
    lives_long();
    refuses();
    survives_without_memory(FG_ORDER_HIGH, 1, 0);
    survives_without_memory(FG_ORDER_LOW, 0, 0);
    survives_without_memory(FG_ORDER_LOCALITY, 0, 1);
    survives_without_memory(FG_ORDER_VARIATION, 0, 0);
}
