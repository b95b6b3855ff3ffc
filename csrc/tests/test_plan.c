/* Plans over time: the contract of each call, random histories against slow answers, and calls that cannot have their memory. */
#include <stdlib.h>

#include "harness.h"
#include "machine.h"
#include "state.h"

static const machine small = {.racks = 2, .nodes = 2, .sockets = 0, .cores = 2, .gpus = 1, .memory = 4};
enum { CLUSTER = 0, RACK0 = 1, NODE0 = 2, VERTICES = 23 }; /* of `small`: numbers in the order in which they were made */

#define LAST (FG_TIME_END - 3) /* windows end before FG_TIME_END - 1 */

static int check(const fg_matcher *m) {
    uint32_t vertex;
    int code = fg_matcher_check(m, &vertex);
    if (code != FG_OK) fprintf(stderr, "%s: plans of vertex %u\n", fg_code_name(code), (unsigned)vertex);
    return code;
}

static fg_matcher *copy_of(const fg_matcher *m) {
    int code;
    fg_matcher *copy = fg_matcher_copy(m, NULL, &code);
    if (!copy) abort();
    CHECK(code == FG_OK);
    return copy;
}

/* Finds at one of the times and tells which; FG_NOT_FOUND if at none, and other codes. */
static int64_t find_at(fg_matcher *m, fg_request *request, int64_t job, int64_t from, int64_t until, int64_t duration) {
    fg_outcome out;
    int code = fg_find(m, request, 0, job, from, until, duration, &out);
    if (code != FG_OK) return code;
    CHECK(out.verdict == FG_DONE || out.verdict == FG_LATER || out.verdict == FG_NOTHING);
    CHECK(out.verdict != FG_DONE || (out.duration == duration && out.rows > 0));
    return out.verdict == FG_DONE ? out.at : FG_NOT_FOUND;
}

static int64_t count_at(fg_matcher *m, fg_request *request, int64_t job, int64_t from, int64_t until, int64_t duration) {
    fg_outcome out;
    int code = fg_find_amounts(m, request, job, from, until, duration, &out);
    if (code != FG_OK) return code;
    CHECK(out.verdict == FG_DONE || out.verdict == FG_LATER);
    CHECK(out.rows == 0);
    return out.verdict == FG_DONE ? out.at : FG_NOT_FOUND;
}

static void finds(fg_matcher *m, fg_graph *graph) {
    fg_request *node = make_request(graph, "slot[node]", NULL), *all = make_request(graph, "slot4[node]", NULL);
    fg_request *nothing = make_request(graph, "widget", NULL), *five = make_request(graph, "slot5[node]", NULL);
    fg_outcome out;
    fg_released released;
    CHECK(fg_matcher_set_now(m, 10) == FG_OK && fg_matcher_set_now(m, 10) == FG_OK && fg_matcher_set_now(m, 9) == FG_INVALID);
    CHECK(find_at(m, node, 1, 9, 20, 5) == FG_INVALID && find_at(m, node, 1, 20, 19, 5) == FG_INVALID);
    CHECK(find_at(m, node, 1, 10, 20, 0) == FG_INVALID && find_at(m, node, 1, 10, LAST, 2) == FG_INVALID);
    CHECK(find_at(m, node, 1, 10, LAST, 1) == 10 && find_at(m, node, 1, 10, 10, 1) == FG_INVALID);
    int held = 0;
    for (uint32_t v = 0; v < VERTICES; v++) held += fg_vertex_held(m, v) == FG_HAS_ALLOCATION;
    CHECK(held == 1);
    CHECK(find_at(m, all, 2, 10, 10, 5) == FG_NOT_FOUND && find_at(m, all, 2, 10, 20, 5) == 11 && fg_vertex_held(m, NODE0) & FG_HAS_RESERVATION);
    CHECK(find_at(m, node, 3, 12, 15, 5) == FG_NOT_FOUND && find_at(m, node, 3, 12, 16, 5) == 16);
    CHECK(find_at(m, five, 4, 10, 1000, 5) == FG_NOT_FOUND && find_at(m, nothing, 4, 10, 1000, 5) == FG_NOT_FOUND);
    CHECK(fg_jobs(m, NULL, 0) == 3 && check(m) == FG_OK && is_exclusive(m));
    for (int64_t job = 1; job <= 3; job++) fg_cancel(m, job, &released);
    CHECK(find_at(m, all, 5, 10, 10, LAST - 10) == 10);
    CHECK(fg_feasible(m, all, 0, &out) == FG_OK && out.verdict == FG_DONE); /* held for as long as can be */
    CHECK(fg_feasible(m, five, 1, &out) == FG_OK && out.verdict == FG_NEVER);
    fg_cancel(m, 5, &released);
    for (uint32_t v = 0; v <= NODE0; v++) CHECK(fg_matcher_set_down(m, v, 1) == FG_OK);
    CHECK(find_at(m, all, 5, 10, 1000, 5) == FG_NOT_FOUND && fg_feasible(m, all, 0, &out) == FG_OK && out.verdict == FG_DONE);
    for (uint32_t v = 0; v <= NODE0; v++) CHECK(fg_matcher_set_down(m, v, 0) == FG_OK);
    CHECK(fg_jobs(m, NULL, 0) == 0 && fg_vertex_held(m, NODE0) == 0 && check(m) == FG_OK);
    fg_request_free(node), fg_request_free(all), fg_request_free(nothing), fg_request_free(five);
}

static void counts(fg_matcher *m, fg_graph *graph) {
    fg_request *three = make_request(graph, "slot3[core]", NULL), *many = make_request(graph, "slot9[core]", NULL);
    fg_released released;
    CHECK(count_at(m, three, 1, 9, 20, 5) == FG_INVALID && count_at(m, three, 1, 10, 9, 5) == FG_INVALID);
    CHECK(count_at(m, three, 1, 10, 20, 0) == FG_INVALID && count_at(m, three, 1, 10, LAST, 2) == FG_INVALID);
    CHECK(count_at(m, three, 1, 10, 20, 10) == 10 && count_at(m, three, 1, 10, 20, 10) == FG_INVALID && count_at(m, three, 2, 10, 20, 10) == 10);
    CHECK(count_at(m, three, 3, 10, 19, 10) == FG_NOT_FOUND && count_at(m, three, 3, 10, 20, 10) == 20 && count_at(m, many, 4, 10, 90, 1) == FG_NOT_FOUND);
    CHECK(fg_vertex_held(m, NODE0) == 0 && find_at(m, three, 4, 10, 19, 5) == FG_NOT_FOUND && find_at(m, three, 4, 10, 20, 5) == 20);
    CHECK(fg_room(m, three, 9) == 1 && fg_room(m, three, 10) == -1 && fg_room(m, three, 20) == -1 && fg_room(m, three, 25) == FG_TIME_END);
    CHECK(fg_room(m, three, -1) == FG_INVALID && fg_room(m, many, 1000) == -1);
    CHECK(fg_bound(m, three, 9, -1, 5, 1) == FG_INVALID && fg_bound(m, three, 9, 5, 4, 1) == FG_INVALID && fg_bound(m, three, 9, 5, 5, 0) == FG_INVALID);
    CHECK(fg_bound(m, three, 9, 5, LAST, 2) == FG_INVALID && fg_bound(m, three, 9, 5, LAST, 1) == 5 && fg_bound(m, three, 9, 10, 24, 1) == FG_NOT_FOUND);
    CHECK(fg_bound(m, three, 1, 10, 24, 10) == 10 && fg_bound(m, three, 4, 10, 24, 1) == 20 && fg_bound(m, many, 1, 0, 99, 1) == FG_NOT_FOUND);
    CHECK(check(m) == FG_OK);
    for (int64_t job = 1; job <= 4; job++) fg_cancel(m, job, &released);
    CHECK(fg_jobs(m, NULL, 0) == 0 && check(m) == FG_OK);
    fg_request_free(three), fg_request_free(many);
}

static void lifts(fg_matcher *m, fg_graph *graph) {
    fg_request *node = make_request(graph, "slot4[node]", NULL), *core = make_request(graph, "slot[core]", NULL);
    fg_released released;
    fg_outcome out;
    int64_t amounts[16] = {0};
    const uint32_t first[] = {NODE0};
    CHECK(fg_lift(m, 1) == FG_NOT_FOUND && fg_put_back(m, 1, 10, 5) == FG_NOT_FOUND && fg_rename(m, 1, 2) == FG_NOT_FOUND);
    CHECK(find_at(m, node, 1, 10, 10, 10) == 10);
    uint64_t before = state_of(m);
    CHECK(fg_put_back(m, 1, 10, 5) == FG_INVALID && fg_lift(m, 1) == FG_OK && fg_lift(m, 1) == FG_OK && check(m) == FG_OK);
    CHECK(fg_put_back(m, 1, 10, 0) == FG_INVALID && fg_put_back(m, 1, -1, 5) == FG_INVALID && fg_put_back(m, 1, LAST, 2) == FG_INVALID);
    CHECK(fg_put_back(m, 1, 10, 10) == FG_OK && state_of(m) == before);
    /* Somebody shares a node that was taken as a whole, and the reverse. */
    CHECK(fg_lift(m, 1) == FG_OK && find_at(m, core, 2, 10, 10, 5) == 10);
    before = state_of(m);
    CHECK(fg_put_back(m, 1, 10, 10) == FG_BUSY && fg_put_back(m, 1, 14, 1) == FG_BUSY && state_of(m) == before);
    CHECK(fg_put_back(m, 1, 15, 10) == FG_OK && is_exclusive(m) && check(m) == FG_OK && fg_vertex_held(m, NODE0) & FG_HAS_RESERVATION);
    CHECK(fg_lift(m, 2) == FG_OK && fg_put_back(m, 2, 10, 6) == FG_BUSY && fg_put_back(m, 2, 10, 5) == FG_OK && check(m) == FG_OK);
    /* Lifted jobs take nothing more, may be renamed, and give up what they have. */
    CHECK(fg_lift(m, 1) == FG_OK && fg_match(m, core, FG_ALLOCATE, 0, 1, 5, NULL, 0, &out) == FG_INVALID);
    CHECK(fg_update(m, &(fg_span){1, 10, 5}, NULL, 0, 0, 1, NULL, 0, &out) == FG_INVALID);
    CHECK(fg_rename(m, 1, 2) == FG_INVALID && fg_rename(m, 1, 1) == FG_INVALID && fg_rename(m, 1, 7) == FG_OK && fg_lift(m, 1) == FG_NOT_FOUND);
    CHECK(fg_release(m, 7, first, 1, amounts) == FG_OK && fg_release_above(m, 7, NODE0, amounts) == FG_OK && check(m) == FG_OK);
    CHECK(fg_put_back(m, 7, 20, 1) == FG_OK && check(m) == FG_OK && fg_vertex_held(m, NODE0) == 0);
    fg_cancel(m, 7, &released);
    fg_cancel(m, 2, &released);
    const fg_hold *holds;
    for (int64_t left; (left = fg_job_holds(m, 7, &holds)) > 0;) { /* what the root does not know any more */
        int64_t had = left;
        fg_cancel(m, 7, &released);
        CHECK(fg_job_holds(m, 7, &holds) < had);
    }
    CHECK(fg_jobs(m, NULL, 0) == 0 && check(m) == FG_OK);
    fg_request_free(node), fg_request_free(core);
}

/* A job that is told twice keeps what was booked first, though not all that goes with it. */
static void lifts_what_was_told_twice(void) {
    fg_graph *graph = make_machine(&small);
    fg_matcher *m = make_matcher(graph, 5, 0, NULL);
    fg_request *core = make_request(graph, "slot[core]", NULL), *node = make_request(graph, "slot[node]", NULL);
    fg_outcome out;
    CHECK(find_at(m, core, 1, 0, 0, 10) == 0 && find_at(m, node, 2, 60, 60, 10) == 60); /* both on the first node */
    CHECK(fg_match(m, core, FG_ALLOCATE, 0, 2, 10, NULL, 0, &out) == FG_OK && out.verdict == FG_DONE && fg_lift(m, 2) == FG_OK);
    uint64_t before = state_of(m);
    CHECK(fg_put_back(m, 2, 0, 10) == FG_BUSY && fg_put_back(m, 2, 9, 1) == FG_BUSY && state_of(m) == before);
    CHECK(fg_put_back(m, 2, 10, 10) == FG_OK && is_exclusive(m));
    fg_request_free(core), fg_request_free(node);
    fg_matcher_free(m);
    fg_graph_free(graph);
}

static void enters(fg_matcher *m, fg_graph *graph) {
    fg_request *node = make_request(graph, "slot[node]", NULL);
    fg_released released;
    const fg_units *units;
    const fg_units cores = {0, 0, 0, 1}, gpu = {3, 1, 0, 0}, both[] = {{0, 0, 0, 1}, {3, 1, 0, 0}};
    const fg_span span = {1, 10, 5}, bad[] = {{1, -1, 5}, {1, 10, 0}, {1, LAST, 2}};
    int64_t one = 1, other = 2;
    for (int i = 0; i < 3; i++) CHECK(fg_enter(m, &bad[i], &cores, 1, NULL, 0) == FG_INVALID);
    const fg_units wrong[] = {{0, 0, 1, 0}, {0, 2, 0, 0}, {0, -1, 0, 0}}, missing[] = {{0, 0, 0, 2}, {9, 0, 0, 0}, {-1, 0, 0, 0}, {0, 0, INT64_MIN, INT64_MAX}};
    uint64_t before = state_of(m);
    for (int i = 0; i < 3; i++) CHECK(fg_enter(m, &span, &wrong[i], 1, NULL, 0) == FG_INVALID);
    for (int i = 0; i < 4; i++) CHECK(fg_enter(m, &span, &missing[i], 1, NULL, 0) == FG_NOT_FOUND);
    CHECK(state_of(m) == before);
    CHECK(fg_enter(m, &span, both, 2, NULL, 0) == FG_OK && fg_enter(m, &span, both, 2, NULL, 0) == FG_INVALID && check(m) == FG_OK);
    CHECK(fg_units_of(m, &one, &units) == 2 && !memcmp(units, both, sizeof both) && fg_units_of(m, &other, &units) == 0);
    CHECK(fg_units_of(m, NULL, &units) == 8 && units[0].high == 1 && units[1].type == 1 && units[7].rank == 3);
    before = state_of(m);
    CHECK(fg_enter(m, &(fg_span){2, 14, 5}, &gpu, 1, NULL, 0) == FG_BUSY && state_of(m) == before && fg_enter(m, &(fg_span){2, 15, 5}, &gpu, 1, NULL, 0) == FG_OK);
    fg_cancel(m, 1, &released);
    fg_cancel(m, 2, &released);
    CHECK(find_at(m, node, 3, 10, 10, 5) == 10);
    fg_units all[8];
    CHECK(fg_units_of(m, NULL, &units) == 8);
    memcpy(all, units, sizeof all);
    int busy = 0;
    for (int i = 0; i < 8; i++) { /* cores of a node that is held as a whole */
        int code = fg_enter(m, &(fg_span){10 + i, 12, 1}, &all[i], 1, NULL, 0);
        CHECK(code == FG_OK || code == FG_BUSY);
        busy += code == FG_BUSY;
    }
    CHECK(busy == 2 && is_exclusive(m) && check(m) == FG_OK);
    for (int64_t job = 3; job < 20; job++) fg_cancel(m, job, &released);
    CHECK(fg_jobs(m, NULL, 0) == 0);
    fg_request_free(node);
}

/* Ids that two sockets share, and a core that the root does not lead to. */
static void enters_odd_machines(void) {
    fg_graph *graph = good(
        "{'graph':{'nodes':[{'id':'0','metadata':{'type':'cluster','id':0,'paths':{'containment':'/cluster0'}}},"
        "{'id':'1','metadata':{'type':'socket','id':0,'rank':0,'paths':{'containment':'/cluster0/socket0'}}},"
        "{'id':'2','metadata':{'type':'socket','id':1,'rank':0,'paths':{'containment':'/cluster0/socket1'}}},"
        "{'id':'3','metadata':{'type':'core','id':0,'rank':0,'paths':{'containment':'/cluster0/socket0/core0'}}},"
        "{'id':'4','metadata':{'type':'core','id':0,'rank':0,'paths':{'containment':'/cluster0/socket1/core0'}}},"
        "{'id':'5','metadata':{'type':'core','id':9,'rank':0,'paths':{'containment':'/cluster0/core9'}}},"
        "{'id':'6','metadata':{'type':'core','id':9223372036854775807,'rank':0,'paths':{'containment':'/cluster0/socket1/c'}}}],"
        "'edges':[{'source':'0','target':'1'},{'source':'0','target':'2'},{'source':'1','target':'3'},{'source':'2','target':'4'},"
        "{'source':'2','target':'6'}]}}");
    fg_matcher *m = make_matcher(graph, 0, 0, NULL);
    const fg_units *units;
    int64_t one = 1;
    CHECK(fg_units_of(m, NULL, &units) == 2 && units[0].low == 0 && units[0].high == 0 && units[1].low == INT64_MAX);
    CHECK(fg_enter(m, &(fg_span){1, 0, 5}, &(fg_units){0, 0, 0, 1}, 1, NULL, 0) == FG_NOT_FOUND);
    CHECK(fg_enter(m, &(fg_span){1, 0, 5}, &(fg_units){0, 0, 9, 9}, 1, NULL, 0) == FG_NOT_FOUND && fg_jobs(m, NULL, 0) == 0);
    CHECK(fg_enter(m, &(fg_span){1, 0, 5}, &(fg_units){0, 0, 0, 0}, 1, NULL, 0) == FG_OK && fg_units_of(m, &one, &units) == 1);
    CHECK(fg_vertex_held(m, 3) && fg_vertex_held(m, 4) && check(m) == FG_OK);
    fg_matcher_free(m);
    fg_graph_free(graph);
}

/* No filter at the root, which is a leaf; and another subsystem. */
static void without_filter(void) {
    fg_graph *graph = good("{'graph':{'nodes':[{'id':'0','metadata':{'type':'core','id':0,'rank':0,'paths':{'containment':'/core0','power':'/core0'}}}],'edges':[]}}");
    fg_matcher *m = make_matcher(graph, 0, 0, NULL);
    fg_request *core = make_request(graph, "core!", NULL);
    const fg_units *units, unit = {0, 0, 0, 0};
    CHECK(find_at(m, core, 1, 0, 5, 5) == 0 && find_at(m, core, 2, 0, 5, 5) == FG_NOT_FOUND);
    CHECK(find_at(m, core, 2, 5, 5, 5) == 5 && count_at(m, core, 3, 0, 5, 5) == FG_NOT_FOUND);
    CHECK(fg_room(m, core, 0) == FG_TIME_END && fg_bound(m, core, 1, 3, 4, 5) == 3);
    CHECK(fg_units_of(m, NULL, &units) == 0 && fg_enter(m, &(fg_span){3, 50, 1}, &unit, 1, NULL, 0) == FG_NOT_FOUND && check(m) == FG_OK);
    fg_match_options power = {.order = FG_ORDER_LOW, .lifetime = 10, .numbers = (const uint32_t[]){0}, .dominant = fg_subsystem_number(graph, "power")};
    int code;
    fg_matcher *other = fg_matcher_new(graph, &power, NULL, &code);
    CHECK(other && fg_enter(other, &(fg_span){3, 50, 1}, &unit, 1, NULL, 0) == FG_INVALID);
    fg_matcher_free(other);
    fg_request_free(core);
    fg_matcher_free(m);
    fg_graph_free(graph);
}

/* A request serves any number of matchers, whatever they count. */
static void shares_requests(void) {
    fg_graph *graph = make_machine(&small), *flat = make_machine(&(machine){.racks = 1, .nodes = 1, .cores = 3});
    fg_request *cores = make_request(graph, "slot2[core]", NULL);
    fg_match_options none = {.order = FG_ORDER_LOW, .lifetime = 10, .numbers = (const uint32_t[]){0, 1, 2, 3, 4, 5}};
    int code;
    fg_matcher *both[] = {make_matcher(graph, 1, 0, NULL), fg_matcher_new(flat, &none, NULL, &code)};
    CHECK(both[1] && code == FG_OK && fg_counted_types(both[0]) != fg_counted_types(both[1]));
    for (int64_t i = 0; both[1] && i < 6; i++) CHECK(count_at(both[i % 2], cores, i, 0, 0, 5) == (i == 3 || i == 5 ? FG_NOT_FOUND : 0));
    for (int i = 0; i < 2; i++) fg_matcher_free(both[i]);
    fg_request_free(cores);
    fg_graph_free(graph);
    fg_graph_free(flat);
}

/* Copies of what was taken over from a machine of other vertices, and types that came meanwhile. */
static void copies_what_was_adopted(void) {
    fg_graph *graph = make_machine(&(machine){.racks = 1, .nodes = 2, .cores = 2}), *grown = make_machine(&(machine){.racks = 1, .nodes = 2, .cores = 2, .memory = 4});
    fg_matcher *old = make_matcher(graph, 1, 0, NULL), *m = make_matcher(grown, 1, 0, NULL), *less = make_matcher(graph, 1, 0, NULL);
    fg_request *core = make_request(graph, "slot[core]", NULL), *memory = make_request(grown, "node[slot[core,memory]]", NULL);
    fg_released released;
    fg_outcome out;
    CHECK(find_at(old, core, 1, 0, 0, 10) == 0 && find_at(old, core, 2, 0, 0, 10) == 0 && fg_lift(old, 2) == FG_OK);
    CHECK(find_at(old, core, 3, 0, 0, 10) == 0);
    fg_cancel(old, 3, &released);
    CHECK(fg_matcher_adopt(m, old) == FG_OK);
    fg_matcher_free(old);
    fg_matcher *copy = copy_of(m);
    CHECK(state_of(copy) == state_of(m) && fg_put_back(copy, 2, 5, 10) == FG_OK && fg_put_back(m, 2, 5, 10) == FG_OK && state_of(copy) == state_of(m));
    for (int64_t job = 4; job < 9; job++) CHECK(find_at(copy, memory, job, 0, 40, 7) == find_at(m, memory, job, 0, 40, 7) && state_of(copy) == state_of(m));
    fg_cancel(m, 1, &released);
    CHECK(fg_match(m, memory, FG_OR_RESERVE, 0, 1, 7, NULL, 0, &out) == FG_OK && state_of(copy) != state_of(m));
    CHECK(fg_matcher_adopt(less, m) == FG_INVALID); /* it does not count memory */
    fg_matcher_free(copy);
    fg_matcher_free(m);
    fg_matcher_free(less);
    fg_request_free(core), fg_request_free(memory);
    fg_graph_free(graph);
    fg_graph_free(grown);
}

/* Everything was given back before the machine grew: there are plans without a span. */
static void searches_after_growth(void) {
    fg_graph *graph = make_machine(&(machine){.racks = 1, .nodes = 2, .cores = 2}), *grown = make_machine(&(machine){.racks = 1, .nodes = 2, .cores = 2, .memory = 4});
    fg_matcher *old = make_matcher(graph, 1, 0, NULL), *m = make_matcher(grown, 1, 0, NULL);
    fg_request *core = make_request(graph, "slot[core]", NULL);
    fg_released released;
    CHECK(find_at(old, core, 1, 0, 0, 10) == 0);
    fg_cancel(old, 1, &released);
    CHECK(fg_matcher_adopt(m, old) == FG_OK && fg_matcher_set_down(m, CLUSTER, 1) == FG_OK && find_at(m, core, 1, 0, 40, 10) == FG_NOT_FOUND);
    CHECK(check(m) == FG_OK);
    fg_matcher_free(old);
    fg_matcher_free(m);
    fg_request_free(core);
    fg_graph_free(graph);
    fg_graph_free(grown);
}

static void copies(fg_matcher *m, fg_graph *graph) {
    fg_request *core = make_request(graph, "slot[core]", NULL);
    fg_released released;
    fg_vertex fields;
    CHECK(find_at(m, core, 1, 10, 10, 5) == 10 && find_at(m, core, 2, 12, 12, 5) == 12 && fg_lift(m, 2) == FG_OK);
    fg_matcher *copy = copy_of(m), *again = copy_of(copy);
    CHECK(state_of(copy) == state_of(m) && state_of(again) == state_of(m) && check(copy) == FG_OK);
    uint64_t before = state_of(m);
    fg_cancel(copy, 1, &released);
    CHECK(fg_matcher_set_down(copy, NODE0, 1) == FG_OK && fg_get(graph, NODE0, &fields) == FG_OK && !fields.down);
    CHECK(fg_matcher_set_now(copy, 20) == FG_OK && fg_put_back(copy, 2, 30, 5) == FG_OK && check(copy) == FG_OK);
    CHECK(state_of(m) == before && state_of(again) == before);
    fg_matcher_free(copy);
    CHECK(fg_put_back(m, 2, 12, 5) == FG_OK && state_of(again) == before);
    CHECK(fg_put_back(again, 2, 12, 5) == FG_OK && state_of(again) == state_of(m));
    fg_matcher_free(again);
    fg_cancel(m, 1, &released);
    fg_cancel(m, 2, &released);
    fg_request_free(core);
}

/* ---- Random histories */

static const char *const wanted[] = {"slot[core]", "slot3[core]", "slot[node]", "node2[slot[core]]", "node[slot[core,gpu]]", "rack!", "node!", "slot[core2,memory4]",
                                     "rack[slot2[node[core]]]", "slot4[node]", "slot[socket]", "gpu2", "slot[gpu]|slot[node]", "slot9[node]"};
enum { REQUESTS = sizeof wanted / sizeof *wanted, JOBS = 12, HORIZON = 30 };

typedef struct history {
    fg_matcher *m;
    fg_graph *graph;
    fg_request *requests[REQUESTS];
    unsigned random;
    int64_t now, end[JOBS]; /* of what a job has, in or out of the plans; 0: nothing */
    bool lifted[JOBS];
} history;

static int64_t below(history *h, unsigned limit) {
    return next_random(&h->random) % limit;
}

/* The first time at which a copy finds the request, trying every one. */
static int64_t slowly(const fg_matcher *m, int amounts, fg_request *request, int64_t job, int64_t from, int64_t until, int64_t duration) {
    int64_t found = FG_NOT_FOUND;
    for (int64_t time = from; time <= until && found == FG_NOT_FOUND; time++) {
        fg_matcher *copy = copy_of(m);
        found = (amounts ? count_at : find_at)(copy, request, job, time, time, duration);
        fg_matcher_free(copy);
    }
    return found;
}

static void find_something(history *h, int64_t job, bool slow) {
    fg_request *request = h->requests[below(h, REQUESTS)];
    int64_t from = h->now + below(h, 6), until = from + below(h, HORIZON), duration = 1 + below(h, 9);
    int amounts = below(h, 4) == 0, quick = below(h, 2) != 0;
    fg_outcome out;
    int64_t expected = slow ? slowly(h->m, amounts, request, job, from, until, duration) : -1;
    uint64_t before = state_of(h->m);
    fg_outcome feasible;
    CHECK(fg_feasible(h->m, request, quick, &feasible) == FG_OK && state_of(h->m) == before);
    int code = amounts ? fg_find_amounts(h->m, request, job, from, until, duration, &out)
                       : fg_find(h->m, request, quick, job, from, until, duration, &out);
    CHECK(code == (h->end[job] ? FG_INVALID : FG_OK));
    if (code != FG_OK || out.verdict != FG_DONE) {
        CHECK(state_of(h->m) == before && (!slow || code != FG_OK || expected == FG_NOT_FOUND));
        return;
    }
    CHECK(out.at >= from && out.at <= until && out.duration == duration && (amounts || feasible.verdict == FG_DONE));
    CHECK(!slow || out.at == expected);
    h->end[job] = out.at + duration;
    h->lifted[job] = false;
}

/* What bound and room say, against trying every time. */
static void ask(history *h, int64_t job) {
    fg_request *request = h->requests[below(h, REQUESTS)];
    int64_t from = h->now + below(h, HORIZON), until = from + below(h, HORIZON), duration = 1 + below(h, 9);
    uint64_t before = state_of(h->m);
    int64_t bound = fg_bound(h->m, request, job, from, until, duration), room = fg_room(h->m, request, from);
    CHECK(state_of(h->m) == before);
    fg_matcher *copy = copy_of(h->m);
    fg_lift(copy, job);
    CHECK(bound == slowly(copy, 1, request, JOBS, from, until, duration));
    fg_matcher_free(copy);
    if (room == -1) CHECK(slowly(h->m, 1, request, JOBS, from, from, 1) == FG_NOT_FOUND);
    else CHECK(slowly(h->m, 1, request, JOBS, from, from, room < 1000 ? room : 1000) == from);
    if (room >= 0 && room < FG_TIME_END) CHECK(slowly(h->m, 1, request, JOBS, from, from, room + 1) == FG_NOT_FOUND);
}

static void lift_and_put_back(history *h, int64_t job) {
    uint64_t before = state_of(h->m);
    int code = fg_lift(h->m, job);
    CHECK(code == (h->end[job] ? FG_OK : FG_NOT_FOUND));
    if (code == FG_OK) h->lifted[job] = true;
    CHECK(code == FG_OK || state_of(h->m) == before);
    if (below(h, 4) == 0) return;
    int64_t start = h->now + below(h, HORIZON), duration = 1 + below(h, 9);
    before = state_of(h->m);
    code = fg_put_back(h->m, job, start, duration);
    CHECK(h->end[job] ? code == FG_OK || code == FG_BUSY : code == FG_NOT_FOUND);
    CHECK(code == FG_OK || state_of(h->m) == before);
    if (code != FG_OK) return;
    h->lifted[job] = false;
    h->end[job] = start + duration;
}

static void rename_one(history *h, int64_t job) {
    int64_t heir = below(h, JOBS);
    uint64_t before = state_of(h->m);
    int code = fg_rename(h->m, job, heir);
    CHECK(code == (!h->end[job] ? FG_NOT_FOUND : h->end[heir] ? FG_INVALID : FG_OK));
    CHECK(code == FG_OK || state_of(h->m) == before);
    if (code != FG_OK) return;
    h->end[heir] = h->end[job];
    h->lifted[heir] = h->lifted[job];
    h->end[job] = 0;
}

/* What one holds is entered for another, at another time; or any units. */
static void enter_units(history *h, int64_t job) {
    int64_t other = below(h, JOBS), start = h->now + below(h, HORIZON), duration = 1 + below(h, 9);
    fg_units mine[32];
    const fg_units *units;
    int64_t count = fg_units_of(h->m, &other, &units);
    if (count == 0 || below(h, 2)) {
        count = 1;
        mine[0] = (fg_units){.rank = below(h, 5), .type = below(h, 2), .low = below(h, 2)};
        mine[0].high = mine[0].low + below(h, 2);
    } else {
        if (count > 32) abort();
        memcpy(mine, units, (size_t)count * sizeof *mine);
    }
    uint64_t before = state_of(h->m);
    int code = fg_enter(h->m, &(fg_span){job, start, duration}, mine, (uint32_t)count, NULL, 0);
    CHECK(h->end[job] ? code == FG_INVALID : code == FG_OK || code == FG_BUSY || code == FG_NOT_FOUND);
    CHECK(code == FG_OK || state_of(h->m) == before);
    if (code != FG_OK) return;
    h->end[job] = start + duration;
    h->lifted[job] = false;
    fg_units had[32];
    memcpy(had, mine, sizeof had);
    CHECK(fg_units_of(h->m, &job, &units) == count && !memcmp(units, had, (size_t)count * sizeof *had));
}

/* Goes on with a copy, and whatever happens to the other is not felt. */
static void use_copy(history *h) {
    fg_matcher *copy = copy_of(h->m);
    uint64_t before = state_of(h->m);
    fg_released released;
    CHECK(state_of(copy) == before);
    for (int64_t job = 0; job < JOBS; job += 2) fg_cancel(h->m, job, &released);
    fg_matcher_set_now(h->m, h->now + 1);
    CHECK(state_of(copy) == before && check(h->m) == FG_OK);
    fg_matcher_free(h->m);
    h->m = copy;
}

/* Nobody is booked until a time that has passed. */
static void advance(history *h) {
    h->now += below(h, 4);
    CHECK(fg_matcher_set_now(h->m, h->now) == FG_OK);
    for (int64_t job = 0; job < JOBS; job++) {
        fg_released released;
        if (!h->end[job] || h->lifted[job] || h->end[job] > h->now) continue;
        fg_cancel(h->m, job, &released);
        h->end[job] = 0;
    }
}

static void random_history(unsigned seed, int policy, int flexible, unsigned steps) {
    const machine shape = {.racks = 2, .nodes = 2, .sockets = seed % 2 ? 2 : 0, .cores = 2, .gpus = 1, .memory = 4};
    history h = {.graph = make_machine(&shape), .random = seed * 2654435761u + 1};
    h.m = make_matcher(h.graph, policy, flexible, NULL);
    for (int i = 0; i < REQUESTS; i++) h.requests[i] = make_request(h.graph, wanted[i], NULL);
    for (unsigned step = 0; step < steps; step++) {
        int64_t job = below(&h, JOBS);
        fg_released released;
        switch (below(&h, 16)) {
            case 0: case 1: case 2: case 3: case 4: find_something(&h, job, step % 8 == 0); break;
            case 5: case 6: case 7: lift_and_put_back(&h, job); break;
            case 8: rename_one(&h, job); break;
            case 9: fg_cancel(h.m, job, &released); h.end[job] = 0; break;
            case 10: case 11: enter_units(&h, job); break;
            case 12: use_copy(&h); break;
            case 13: fg_matcher_set_down(h.m, (uint32_t)below(&h, 20), (int)below(&h, 3) == 0); break;
            case 14: advance(&h); break;
            default: ask(&h, job);
        }
        uint32_t jobs = 0;
        for (int64_t k = 0; k < JOBS; k++) jobs += h.end[k] != 0;
        CHECK(fg_jobs(h.m, NULL, 0) == jobs && check(h.m) == FG_OK && is_exclusive(h.m));
    }
    for (int i = 0; i < REQUESTS; i++) fg_request_free(h.requests[i]);
    fg_matcher_free(h.m);
    fg_graph_free(h.graph);
}

/* ---- Without memory */

/* What is done before a call is tried, with memory; the number of the call. */
typedef struct trial {
    fg_matcher *m;
    fg_request *core, *nodes;
    const fg_allocator *allocator;
} trial;

enum { FIND, FIND_LATER, AMOUNTS, FEASIBLE, ROOM, BOUND, LIFT, PUT_BACK, RENAME, UNITS, ENTER, COPY, CHECKS, CALLS };

static int attempt(trial *t, int call) {
    fg_outcome out;
    uint32_t vertex;
    int code = FG_OK;
    int64_t found;
    const fg_units *units, range = {1, 0, 0, 1};
    switch (call) {
        case FIND: return fg_find(t->m, t->nodes, 1, 5, 40, 40, 10, &out);
        case FIND_LATER: return fg_find(t->m, t->core, 0, 5, 0, 50, 10, &out);
        case AMOUNTS: return fg_find_amounts(t->m, t->core, 5, 0, 50, 10, &out);
        case FEASIBLE: return fg_feasible(t->m, t->nodes, 1, &out);
        case ROOM: return fg_room(t->m, t->core, 0) < 0;
        case BOUND: return (found = fg_bound(t->m, t->nodes, 1, 0, 90, 10)) < 0 ? (int)found : FG_OK;
        case LIFT: return fg_lift(t->m, 1);
        case PUT_BACK: return fg_put_back(t->m, 2, 200, 7);
        case RENAME: return fg_rename(t->m, 1, 77);
        case UNITS: return (found = fg_units_of(t->m, NULL, &units)) < 0 ? (int)found : FG_OK;
        case ENTER: return fg_enter(t->m, &(fg_span){5, 60, 3}, &range, 1, NULL, 0);
        case COPY: fg_matcher_free(fg_matcher_copy(t->m, t->allocator, &code)); return code;
        default: return fg_matcher_check(t->m, &vertex);
    }
}

/* One allocation after another fails, each in a life of its own. */
static void fails_cleanly(fg_graph *graph, int policy, int call) {
    size_t refused = 0;
    for (size_t i = 1;; i++) {
        counting state = {0};
        fg_allocator allocator = counting_allocator(&state);
        trial t = {.m = make_matcher(graph, policy, 0, &allocator), .allocator = &allocator};
        t.core = make_request(graph, "slot3[core]", &allocator);
        t.nodes = make_request(graph, "slot3[node]", &allocator);
        fg_request *first = make_request(graph, "node2[slot[core]]", NULL);
        CHECK(find_at(t.m, first, 1, 0, 0, 10) == 0 && find_at(t.m, first, 2, 0, 0, 20) == 0 && fg_lift(t.m, 2) == FG_OK);
        CHECK(find_at(t.m, first, 3, 5, 90, 20) >= 5);
        fg_request_free(first);
        uint64_t before = state_of(t.m);
        state.calls = 0;
        state.fail_at = i;
        int code = attempt(&t, call);
        bool failed = state.calls >= i;
        state.fail_at = 0;
        CHECK(code == FG_OK || (failed && code == FG_NO_MEMORY));
        CHECK(code == FG_OK || state_of(t.m) == before);
        refused += code != FG_OK;
        CHECK(check(t.m) == FG_OK);
        if (code != FG_OK) CHECK(attempt(&t, call) == FG_OK && check(t.m) == FG_OK);
        fg_matcher_free(t.m);
        fg_request_free(t.core);
        fg_request_free(t.nodes);
        CHECK(state.live == 0);
        if (!failed) break;
    }
    CHECK((call == LIFT || call == RENAME || call == ROOM) == (refused == 0));
}

void test_plan(void) {
#ifdef QUICK
    unsigned seeds = 2, steps = 60;
#else
    unsigned seeds = 10, steps = 300;
#endif
    for (int policy = 0; policy < POLICIES; policy++) {
        fg_graph *graph = make_machine(&small);
        fg_matcher *m = make_matcher(graph, policy, 0, NULL);
        finds(m, graph);
        counts(m, graph);
        lifts(m, graph);
        enters(m, graph);
        copies(m, graph);
        fg_matcher_free(m);
        for (int call = 0; call < CALLS; call++) fails_cleanly(graph, policy, call);
        fg_graph_free(graph);
        for (unsigned seed = 1; seed <= seeds; seed++) random_history(seed, policy, seed % 5 == 0, steps);
    }
    lifts_what_was_told_twice();
    enters_odd_machines();
    without_filter();
    shares_requests();
    copies_what_was_adopted();
    searches_after_growth();
}
