/* The JGF reader: defaults, numbering, paths, indexes, and writing it back. */
#include <stdlib.h>

#include "harness.h"

#define NODE(id, rest) "{'id':'" id "','metadata':{" rest "}}"
#define EDGE(a, b) "{'source':'" a "','target':'" b "'}"
#define GRAPH(nodes, edges) "{'graph':{'nodes':[" nodes "],'edges':[" edges "]}}"
#define AT(path) "'paths':{'containment':'" path "'}"

#define ROOT NODE("0", "'type':'cluster','id':0," AT("/cluster0"))

static void check_name(const fg_graph *graph, uint32_t vertex, const char *wanted) {
    char name[100];
    CHECK(fg_name(graph, vertex, name, sizeof name) == strlen(wanted));
    CHECK_TEXT(name, wanted);
}

static void check_path(const fg_graph *graph, uint32_t vertex, uint32_t subsystem, const char *wanted) {
    char path[100];
    CHECK(fg_path(graph, vertex, subsystem, path, sizeof path) == strlen(wanted));
    CHECK_TEXT(path, wanted);
}

static void test_defaults(void) {
    fg_graph *graph = good(GRAPH(ROOT "," NODE("7x", "'type':'node','name':'host0042','rank':3," AT("/cluster0/host0042")) ","
                                 NODE("8", "'type':'node','basename':'n','id':-1," AT("/cluster0/n-1")) ","
                                 NODE("9", "'type':'memory','id':-2,'size':32,'unit':'GB','status':1,'exclusive':true,'uniq_id':77," AT("/cluster0/m")),
                                 EDGE("0", "7x") "," EDGE("0", "8") "," EDGE("0", "9")));
    fg_vertex v;
    CHECK(fg_get(graph, 1, &v) == FG_OK);
    CHECK_TEXT(v.type, "node");
    CHECK_TEXT(v.basename, "node");
    CHECK(v.id == 42 && v.uniq_id == 7 && v.rank == 3 && v.size == 1 && !v.down && v.depth == 1 && v.parent == 0);
    check_name(graph, 1, "host0042");
    CHECK(fg_get(graph, 2, &v) == FG_OK && v.id == -1 && v.uniq_id == 8 && v.rank == -1);
    check_name(graph, 2, "n-1");
    CHECK(fg_get(graph, 3, &v) == FG_OK && v.id == 77 && v.uniq_id == 77 && v.size == 32 && v.down);
    CHECK_TEXT(v.unit, "");
    check_name(graph, 3, "memory77");
    check_path(graph, 3, 0, "/cluster0/m"); /* not its name: stored */
    check_path(graph, 1, 0, "/cluster0/host0042");
    CHECK(fg_get(graph, 4, &v) == FG_NOT_FOUND);
    CHECK(fg_type_number(graph, "memory") == 10 && fg_type_number(graph, "storage_node") == 9 && fg_type_number(graph, "x") == FG_NONE);
    CHECK_TEXT(fg_type_name(graph, 1), "core");
    CHECK(fg_type_name(graph, 11) == NULL);
    char tiny[4];
    CHECK(fg_path(graph, 1, 0, tiny, sizeof tiny) == 18);
    CHECK_TEXT(tiny, "/cl");
    CHECK(fg_name(graph, 1, tiny, sizeof tiny) == 8);
    CHECK_TEXT(tiny, "hos");
    fg_graph_free(graph);
}

/* Edges first, children before parents: the numbering is that of the tree, the order of the document is kept beside it. */
static void test_order(void) {
    fg_graph *graph = good("{'graph':{'edges':[" EDGE("0", "5") "," EDGE("5", "7") "," EDGE("5", "6") "," EDGE("0", "1") "," EDGE("1", "2")
                           "],'nodes':[" NODE("7", "'type':'core','id':0,'rank':1," AT("/cluster0/node1/core0")) ","
                           NODE("6", "'type':'core','id':1,'rank':1," AT("/cluster0/node1/core1")) ","
                           NODE("2", "'type':'core','id':0,'rank':0," AT("/cluster0/node0/core0")) ","
                           NODE("5", "'type':'node','id':1,'rank':1," AT("/cluster0/node1")) ","
                           NODE("1", "'type':'node','id':0,'rank':0," AT("/cluster0/node0")) "," ROOT "]}}");
    static const int64_t uniq[] = {0, 5, 7, 6, 1, 2};
    static const uint32_t created[] = {2, 3, 5, 1, 4, 0}, sizes[] = {6, 3, 1, 1, 2, 1}, parents[] = {FG_NONE, 0, 1, 1, 0, 4};
    fg_vertex v;
    for (uint32_t i = 0; i < 6; i++) {
        CHECK(fg_get(graph, i, &v) == FG_OK && v.uniq_id == uniq[i] && v.subtree == sizes[i] && v.parent == parents[i]);
        CHECK(fg_created(graph, i) == created[i]);
    }
    fg_info info;
    fg_graph_info(graph, &info);
    CHECK(info.tree && info.root == 0 && info.vertices == 6 && info.edges == 5 && info.several_parents == 0);
    const uint32_t *found = NULL;
    CHECK(fg_by_type(graph, 1, &found) == 3 && found[0] == 2 && found[1] == 3 && found[2] == 5);
    CHECK(fg_by_rank(graph, 1, &found) == 3 && found[0] == 1 && found[2] == 3);
    CHECK(fg_by_rank(graph, 0, &found) == 2 && found[0] == 4);
    CHECK(fg_by_rank(graph, 2, &found) == 0 && fg_by_rank(graph, -1, &found) == 0 && fg_by_type(graph, 99, &found) == 0);
    CHECK(fg_find_path(graph, "/cluster0/node0/core0", 21, 0) == 5);
    CHECK(fg_find_path(graph, "/cluster0/node0/core", 20, 0) == FG_NONE && fg_find_path(graph, "", 0, 0) == FG_NONE);
    uint32_t target, subsystem;
    CHECK(fg_edge(graph, 1, 0, &target, &subsystem) == FG_OK && target == 2 && subsystem == 0);
    CHECK(fg_edge(graph, 1, 2, &target, &subsystem) == FG_NOT_FOUND && fg_edge(graph, 99, 0, &target, &subsystem) == FG_NOT_FOUND);
    fg_graph_free(graph);
}

static void test_several_parents(void) {
    fg_graph *graph = good(GRAPH(ROOT "," NODE("1", "'type':'rack','id':0," AT("/cluster0/rack0")) ","
                                 NODE("2", "'type':'rack','id':1," AT("/cluster0/rack1")) ","
                                 NODE("3", "'type':'node','id':0,'paths':{'containment':'/cluster0/rack0/node0','power':'/power0/node0'}") ","
                                 NODE("4", "'type':'power','id':0,'paths':{'power':'/power0'}"),
                                 EDGE("0", "1") "," EDGE("0", "2") "," EDGE("1", "3") "," EDGE("2", "3") ","
                                 "{'source':'4','target':'3','metadata':{'subsystem':'power','name':'supplies'}}"));
    fg_info info;
    fg_graph_info(graph, &info);
    CHECK(!info.tree && info.several_parents == 1 && info.subsystems == 2);
    uint32_t power = fg_subsystem_number(graph, "power");
    CHECK(power == 1 && fg_root(graph, power) == 4 && fg_root(graph, 0) == 0 && fg_root(graph, 9) == FG_NONE);
    check_path(graph, 2, power, "/power0/node0");
    check_path(graph, 2, 0, "/cluster0/rack0/node0");
    check_path(graph, 4, 0, "");
    check_path(graph, 0, power, "");
    CHECK(fg_find_path(graph, "/power0/node0", 13, 0) == 2);
    char *text = written(graph);
    fg_graph *again = good(text);
    char *once_more = written(again);
    CHECK_TEXT(once_more, text);
    free(text);
    free(once_more);
    fg_graph_free(again);
    fg_graph_free(graph);
}

/* What has path and rank of another is that other; edges between such ends are left out. */
static void test_grafts(void) {
    fg_graph *graph = good(GRAPH(ROOT "," NODE("1", "'type':'node','id':0,'rank':0," AT("/cluster0/node0")) ","
                                 NODE("5", "'type':'node','id':0,'rank':0," AT("/cluster0/node0")) ","
                                 NODE("6", "'type':'node','id':0,'rank':1," AT("/cluster0/node0")),
                                 EDGE("0", "1") "," EDGE("5", "5") "," EDGE("0", "6")));
    fg_info info;
    fg_graph_info(graph, &info);
    CHECK(info.vertices == 3 && info.edges == 2);
    CHECK(fg_find_path(graph, "/cluster0/node0", 15, 0) == 1 && fg_find_path(graph, "/cluster0/node0", 15, 2) == 2);
    CHECK(fg_find_path(graph, "/cluster0/node0", 15, 3) == FG_NONE);
    fg_graph_free(graph);
}

static void test_odd_shapes(void) {
    fg_graph_free(good(GRAPH("", "")));
    fg_graph *graph = good(GRAPH(NODE("1", "'type':'a','paths':{}") "," NODE("2", "'type':'b','paths':{}"), EDGE("1", "2") "," EDGE("2", "1")));
    fg_info info;
    fg_graph_info(graph, &info);
    CHECK(!info.tree && info.root == FG_NONE && info.vertices == 2);
    fg_graph_free(graph);
    graph = good(GRAPH(ROOT "," NODE("1", "'type':'x','id':0," AT("/elsewhere/x0")), ""));
    fg_graph_info(graph, &info);
    CHECK(!info.tree && info.root == 0);
    check_path(graph, 1, 0, "/elsewhere/x0");
    fg_graph_free(graph);
}

static void test_properties(void) {
    fg_graph *graph = good(GRAPH(NODE("0", "'type':'cluster','id':0,'properties':{}," AT("/cluster0")) ","
                                 NODE("1", "'type':'node','id':0,'properties':{'z':'1','a':'\\u00e9\\n'}," AT("/cluster0/node0")) ","
                                 NODE("2", "'type':'node','id':1,'properties':{'a':'\\u00e9\\n','z':'1'}," AT("/cluster0/node1")),
                                 EDGE("0", "1") "," EDGE("0", "2")));
    const char *key, *value;
    fg_vertex v;
    CHECK(fg_get(graph, 1, &v) == FG_OK && v.properties == 2 && fg_get(graph, 0, &v) == FG_OK && v.properties == 0);
    CHECK(fg_property(graph, 1, 0, &key, &value) == FG_OK);
    CHECK_TEXT(key, "a");
    CHECK_TEXT(value, "\xc3\xa9\n");
    CHECK(fg_property(graph, 1, 2, &key, &value) == FG_NOT_FOUND && fg_property(graph, 0, 0, &key, &value) == FG_NOT_FOUND);
    CHECK(fg_set_property(graph, 2, "m", "") == FG_OK && fg_set_property(graph, 2, "z", "2") == FG_OK);
    CHECK(fg_get(graph, 2, &v) == FG_OK && v.properties == 3 && fg_property(graph, 2, 2, &key, &value) == FG_OK);
    CHECK_TEXT(value, "2");
    CHECK(fg_property(graph, 1, 1, &key, &value) == FG_OK);
    CHECK_TEXT(value, "1");
    CHECK(fg_set_property(graph, 9, "m", "") == FG_NOT_FOUND && fg_set_down(graph, 9, 1) == FG_NOT_FOUND);
    CHECK(fg_set_down(graph, 1, 1) == FG_OK && fg_get(graph, 1, &v) == FG_OK && v.down);
    char *text = written(graph);
    CHECK_TEXT(text, "{'graph': {'nodes': [{'id': '0', 'metadata': {'type': 'cluster', 'id': 0, 'rank': -1, 'paths': {'containment': '/cluster0'}}}, "
                     "{'id': '1', 'metadata': {'type': 'node', 'id': 0, 'rank': -1, 'status': 1, 'properties': {'a': '\xc3\xa9\\n', 'z': '1'}, "
                     "'paths': {'containment': '/cluster0/node0'}}}, {'id': '2', 'metadata': {'type': 'node', 'id': 1, 'rank': -1, 'properties': "
                     "{'a': '\xc3\xa9\\n', 'm': '', 'z': '2'}, 'paths': {'containment': '/cluster0/node1'}}}], 'edges': [{'source': '0', 'target': "
                     "'1'}, {'source': '0', 'target': '2'}]}}");
    free(text);
    fg_graph_free(graph);
}

void test_jgf(void) {
    test_defaults();
    test_order();
    test_several_parents();
    test_grafts();
    test_odd_shapes();
    test_properties();
}
