/* fg_build: the same graph as from JGF, and tables that are refused. */
#include <stdlib.h>

#include "harness.h"

/* 0 cluster0 -> 1 rack0 -> 2 node0 -> 3 memory; strings by number below. */
static const char text[] = "cluster" "cluster0" "rack" "rack0" "node" "host" "memory" "mem" "GB" "containment" "power"
                           "/cluster0" "/cluster0/rack0" "/cluster0/rack0/host" "/cluster0/rack0/host/mem" "/power0" "key" "value" "xpu";
static const uint64_t start[] = {0, 7, 15, 19, 24, 28, 32, 38, 41, 43, 54, 59, 68, 83, 103, 127, 134, 137, 142, 145};
static const uint32_t type_order[] = {18}, type[] = {0, 2, 4, 6}, basename[] = {0, 2, 4, 7}, name[] = {1, 3, 5, 7}, unit[] = {20, 20, 20, 8};
static const int64_t id[] = {0, 0, 0, -1}, uniq_id[] = {0, 1, 2, 3}, size[] = {1, 1, 1, 64};
static const int32_t rank[] = {-1, -1, 0, 0};
static const uint8_t down[] = {0, 0, 1, 0};
static const uint32_t path_vertex[] = {0, 1, 1, 2, 3}, path_subsystem[] = {9, 9, 10, 9, 9}, path_text[] = {11, 12, 15, 13, 14};
static const uint32_t property_vertex[] = {2}, property_key[] = {16}, property_value[] = {17};
static const uint32_t source[] = {0, 1, 2, 1}, target[] = {1, 2, 3, 3}, edge_subsystem[] = {9, 9, 9, 10};

static fg_tables tables(void) {
    return (fg_tables){
        .text = text, .start = start, .strings = 19, .types = 1, .type_order = type_order, .vertices = 4, .type = type, .basename = basename,
        .name = name, .unit = NULL, .id = id, .uniq_id = uniq_id, .size = size, .rank = rank, .down = down, .paths = 5, .path_vertex = path_vertex,
        .path_subsystem = path_subsystem, .path_text = path_text, .properties = 1, .property_vertex = property_vertex, .property_key = property_key,
        .property_value = property_value, .edges = 4, .source = source, .target = target, .edge_subsystem = edge_subsystem,
    };
}

static void refused(const fg_tables *in, int code, const char *detail) {
    fg_error error;
    CHECK(fg_build(in, NULL, &error) == NULL);
    CHECK(error.code == code);
    CHECK_TEXT(error.detail, detail);
}

static void test_good(void) {
    fg_tables in = tables();
    fg_error error;
    fg_graph *graph = fg_build(&in, NULL, &error);
    CHECK(graph != NULL);
    if (!graph) {
        fprintf(stderr, "%s\n", error.detail);
        return;
    }
    CHECK(fg_check(graph, &error) == FG_OK);
    CHECK(fg_type_number(graph, "xpu") == 10 && fg_type_number(graph, "memory") == 11);
    fg_info info;
    fg_graph_info(graph, &info);
    CHECK(info.tree && info.several_parents == 0 && info.edges == 4);
    char *jgf = written(graph);
    fg_graph *again = good(jgf);
    char *once_more = written(again);
    CHECK_TEXT(once_more, jgf);
    free(jgf);
    free(once_more);
    fg_graph_free(again);
    fg_graph_free(graph);
}

static void test_refused(void) {
    static const uint32_t far[] = {0, 1, 2, 99}, one[] = {1}, roots[] = {11, 12, 15, 13, 11}, same[] = {1, 2, 3, 2}, twice[] = {0, 1, 1, 2, 2};
    static const uint64_t backwards[] = {0, 7, 3};
    static const int64_t negative[] = {1, 1, 1, -1};
    fg_tables in = tables();
    in.name = far;
    refused(&in, FG_INVALID, "vertex 3: no such string");
    in = tables();
    in.type = far;
    refused(&in, FG_INVALID, "type of vertex 3: no such string");
    in = tables();
    in.target = far;
    refused(&in, FG_UNKNOWN, "edge 3: no such vertex");
    in = tables();
    in.property_vertex = far + 3;
    refused(&in, FG_INVALID, "property 0: not in the order of the vertices");
    in = tables();
    in.property_key = far + 3;
    in.property_vertex = one;
    refused(&in, FG_INVALID, "property 0: no such string");
    in = tables();
    in.path_text = roots;
    refused(&in, FG_DUPLICATE, "key paths.containment: a second root, /cluster0");
    in = tables();
    in.path_vertex = twice;
    in.path_subsystem = edge_subsystem;
    in.paths = 3;
    refused(&in, FG_DUPLICATE, "key paths.containment twice");
    in = tables();
    in.target = same;
    refused(&in, FG_DUPLICATE, "edge 1 -> 2: there is one between them already");
    in = tables();
    in.size = negative;
    refused(&in, FG_FORMAT, "vertex 3: the size must not be negative");
    in = tables();
    in.start = backwards;
    in.strings = 2;
    refused(&in, FG_INVALID, "string 1: ends before it begins");
    in = tables();
    in.unit = unit;
    refused(&in, FG_INVALID, "vertex 0: no such string");
}

static void test_strings(void) {
    fg_tables in = {.text = "a\0b\xff", .start = (const uint64_t[]){0, 2, 4}, .strings = 2};
    refused(&in, FG_SYNTAX, "string 0: not UTF-8 without NUL");
    in.start = (const uint64_t[]){0, 1, 1};
    fg_graph *graph = fg_build(&in, NULL, NULL);
    CHECK(graph != NULL);
    fg_graph_free(graph);
}

void test_tables(void) {
    test_good();
    test_refused();
    test_strings();
}
