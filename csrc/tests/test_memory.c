/* Every allocation fails once, during load, build, change, write and planning: an error code each time, and nothing left behind. */
#include <stdlib.h>

#include "harness.h"

static const char document[] =
    "{'graph':{'edges':[{'source':'0','target':'1'},{'source':'0','target':'b\\u0031'},{'source':'1','target':'3'},"
    "{'source':'b1','target':'3','metadata':{'subsystem':'power'}},{'source':'9999999','target':'3','metadata':{'subsystem':'net'}}],"
    "'nodes':[{'id':'3','metadata':{'type':'gpu','name':'odd','id':4,'size':3,'paths':{'containment':'/c0/\\u0072ack0/x','power':'/a/b'}}},"
    "{'id':'1','metadata':{'type':'rack','id':0,'rank':0,'properties':{'k':'v','a':'b'},'paths':{'containment':'/c0/rack0'}}},"
    "{'id':'b1','metadata':{'type':'node','basename':'n','uniq_id':12,'rank':1,'paths':{'containment':'/c0/rack0'}}},"
    "{'id':'9999999','metadata':{'type':'switch','paths':{'net':'/s'}}},"
    "{'id':'0','metadata':{'type':'cluster','basename':'c','id':0,'paths':{'containment':'/c0'}}}]}}";

/* Load, change and write; FG_OK or the code. */
static int life_of_a_graph(const char *text, size_t length, const fg_allocator *allocator) {
    fg_error error;
    fg_graph *graph = fg_load_jgf(text, length, allocator, &error);
    if (!graph) return error.code;
    int code = fg_set_property(graph, 2, "new", "value");
    if (code == FG_OK) code = fg_check(graph, &error);
    fg_buffer *buffer = fg_buffer_new(allocator);
    if (!buffer) code = FG_NO_MEMORY;
    if (code == FG_OK) code = fg_write_jgf(graph, buffer);
    fg_buffer_free(buffer);
    fg_graph_free(graph);
    return code;
}

static int life_of_tables(const char *text, size_t length, const fg_allocator *allocator) {
    (void)text;
    (void)length;
    static const uint32_t zeros[40] = {0}, path_text[40] = {1, 2, 3};
    static const int64_t ids[40] = {0};
    static const int32_t ranks[40] = {0};
    static const uint8_t up[40] = {0};
    static const uint32_t vertices[3] = {0, 1, 2}, subsystem[3] = {4, 4, 5}, target[2] = {2, 1}, keys[3] = {1, 2, 3};
    fg_tables in = {
        .text = "a/a/a/b/ccontainmentpower", .start = (const uint64_t[]){0, 1, 3, 7, 9, 20, 25}, .strings = 6, .vertices = 40, .type = zeros, .basename = path_text,
        .name = zeros, .unit = path_text, .id = ids, .uniq_id = ids, .size = ids, .rank = ranks, .down = up, .paths = 3, .path_vertex = vertices,
        .path_subsystem = subsystem, .path_text = path_text, .properties = 3, .property_vertex = vertices, .property_key = keys,
        .property_value = keys, .edges = 2, .source = vertices, .target = target, .edge_subsystem = subsystem + 1,
    };
    fg_error error;
    fg_graph *graph = fg_build(&in, allocator, &error);
    int code = graph ? FG_OK : error.code;
    if (code != FG_OK && code != FG_NO_MEMORY) fprintf(stderr, "%s\n", error.detail);
    fg_graph_free(graph);
    return code;
}

/* A planner that fails in the middle is as it was before. */
static int life_of_a_planner(const char *text, size_t length, const fg_allocator *allocator) {
    (void)text;
    (void)length;
    int code = FG_OK;
    int64_t taken = 0;
    fg_planner *planner = fg_planner_new(allocator, 1000000);
    if (!planner) return FG_NO_MEMORY;
    for (int64_t i = 0; i < 400; i++) {
        uint32_t points = fg_planner_points(planner);
        int now = fg_planner_add(planner, i * 7919 % 4001, 10000, i);
        if (now == FG_OK) taken += i;
        else {
            CHECK(now == FG_NO_MEMORY && fg_planner_points(planner) == points);
            code = now;
        }
        if (i % 16 == 0 || now != FG_OK) CHECK(fg_planner_check(planner) == FG_OK);
        CHECK(fg_planner_available(planner, 5000, 1) == 1000000 - taken);
    }
    fg_planner_free(planner);
    return code;
}

static void fail_each(int (*life)(const char *, size_t, const fg_allocator *), const char *name) {
    size_t length;
    char *text = quoted(document, &length);
    counting state = {0};
    fg_allocator allocator = counting_allocator(&state);
    CHECK(life(text, length, &allocator) == FG_OK);
    CHECK(state.live == 0);
    size_t calls = state.calls, refused = 0;
    for (size_t i = 1; i <= calls; i++) {
        state = (counting){.fail_at = i};
        int code = life(text, length, &allocator);
        refused += code != FG_OK;
        if (code != FG_OK && code != FG_NO_MEMORY) fprintf(stderr, "%s: allocation %zu of %zu: %d\n", name, i, calls, code);
        CHECK(code == FG_OK || code == FG_NO_MEMORY); /* FG_OK: giving memory back may fail without harm */
        CHECK(state.live == 0);
    }
    CHECK(refused * 2 > calls);
    free(text);
}

void test_memory(void) {
    fail_each(life_of_a_graph, "graph");
    fail_each(life_of_tables, "tables");
    fail_each(life_of_a_planner, "planner");
}
