/* What keeps a matcher's work from growing with the machine, against the plain way to the same result: the order in which first* policies try edges, and what
 * is counted when a job ends. */
#include <stdlib.h>

#include "harness.h"
#include "machine.h"

#include "../src/match.h"

static fg_graph *flat(int nodes) {
    return make_machine(&(machine){.racks = 1, .nodes = nodes, .cores = 1});
}

/* Weights of all kinds, with many that are equal, on the edges of one vertex; whether the order is that of a sort each time. */
static bool keeps_order(int nodes, uint32_t weights, unsigned seed) {
    fg_graph *graph = flat(nodes);
    fg_matcher *m = make_matcher(graph, 2, 0, NULL);
    uint32_t rack = 1, first = m->kid_start[rack], count = m->kid_start[rack + 1] - first, *found = malloc(count * sizeof *found);
    bool same = found && count == (uint32_t)nodes && fgx_is_ordered(m, rack);
    for (int round = 0; same && round < 400; round++) {
        /* What is tried first, at times another; what is left there most often falls. */
        uint32_t place = round % 3 ? next_random(&seed) % count : 0, link = fgx_in_order(m, rack, place);
        uint64_t fall = next_random(&seed) % weights;
        fgx_weigh(m, link, next_random(&seed) % 8 ? m->weight[link] - fall : UINT64_MAX - fall);
        for (uint32_t i = 0; i < count; i++) found[i] = fgx_in_order(m, rack, i);
        same = fgx_is_ordered(m, rack);
        fgx_make_order(m);
        for (uint32_t i = 0; i < count; i++) same = same && found[i] == fgx_in_order(m, rack, i);
        /* The sort begins the circle anew: bring it to where it was. */
        uint32_t turn = m->turn[rack] = next_random(&seed) % count;
        for (uint32_t i = 0; i < count; i++) m->order[first + (turn + i) % count] = found[i];
    }
    free(found);
    fg_matcher_free(m);
    fg_graph_free(graph);
    return same;
}

static void orders_as_a_sort_does(void) {
    static const int sizes[] = {1, 2, 3, 4, 17, 60};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (unsigned weights = 1; weights <= 1000; weights *= 10) CHECK(keeps_order(sizes[i], weights, 1 + i + weights));
}

/* In turn, as jobs that each take a node come round: the order goes round as well, and nothing else in it moves. */
static void goes_round(void) {
    fg_graph *graph = flat(60);
    fg_matcher *m = make_matcher(graph, 2, 0, NULL);
    uint32_t before[60], rack = 1, first = m->kid_start[rack];
    for (uint64_t round = 0; round < 3; round++) {
        memcpy(before, m->order + first, sizeof before);
        for (uint32_t i = 0; i < 60; i++) fgx_weigh(m, fgx_in_order(m, rack, 0), 100 - round);
        CHECK(!memcmp(before, m->order + first, sizeof before) && fgx_is_ordered(m, rack) && m->turn[rack] == 0);
    }
    fgx_weigh(m, fgx_in_order(m, rack, 7), 50);
    m->weight[fgx_in_order(m, rack, 3)] = 1;
    uint32_t vertex;
    CHECK(fg_matcher_check(m, &vertex) == FG_INVALID && vertex == rack);
    fg_matcher_free(m);
    fg_graph_free(graph);
}

/* What fg_cancel counts from below is what the walk from the root counts; `lost` vertices of the job have no tag any more. */
static void counts_as_the_walk(const char *text, int lost) {
    fg_graph *graph = make_machine(&(machine){.racks = 3, .nodes = 4, .sockets = 2, .cores = 3, .gpus = 1});
    fg_matcher *m = make_matcher(graph, 1, 0, NULL);
    fg_request *request = make_request(graph, text, NULL);
    fg_outcome out;
    CHECK(fg_match(m, request, FG_ALLOCATE, 0, 7, 10, NULL, 0, &out) == FG_OK && out.verdict == FG_DONE && out.rows > (uint32_t)lost);
    fgx_job *job = fgx_find_job(m, 7);
    for (int i = 0; i < lost; i++) job->holds[(unsigned)i * 5 % (job->hold_count - 1)].has &= (uint8_t)~FGX_TAG; /* the root is the last, and keeps it */
    int code;
    fg_matcher *walks = fg_matcher_copy(m, NULL, &code);
    CHECK(walks && code == FG_OK && m->single);
    walks->single = false;
    fg_released one, other;
    fg_cancel(m, 7, &one);
    fg_cancel(walks, 7, &other);
    CHECK(one.known && other.known && one.entered == other.entered && one.succeeded == other.succeeded && one.entered > 3);
    CHECK(fg_jobs(m, NULL, 0) == fg_jobs(walks, NULL, 0) && (fg_jobs(m, NULL, 0) > 0) == (lost > 0));
    fg_request_free(request);
    fg_matcher_free(m);
    fg_matcher_free(walks);
    fg_graph_free(graph);
}

void test_match_order(void) {
    orders_as_a_sort_does();
    goes_round();
    for (int lost = 0; lost <= 3; lost++) {
        counts_as_the_walk("rack2[node2[socket[slot[core2]]]]", lost);
        counts_as_the_walk("slot5[node]", lost);
        counts_as_the_walk("slot3[node[socket2,gpu]]", lost);
    }
}
