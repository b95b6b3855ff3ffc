/* What the JGF reader refuses: code, place, and both texts. */
#include <stdlib.h>

#include "harness.h"

#define META(id) "fill_fetcher: malformed metadata in an JGF node for " id
#define ONE(metadata) "{'graph':{'nodes':[{'id':'4','metadata':{" metadata "}}],'edges':[]}}"
#define FULL(more) ONE("'type':'node','paths':{'containment':'/a'}," more)
#define TWO(edges)                                                                                          \
    "{'graph':{'nodes':[{'id':'1','metadata':{'type':'a','paths':{}}},{'id':'2','metadata':{'type':'a','paths':{}}}],'edges':[" edges "]}}"

static const struct {
    const char *document;
    int code;
    int64_t offset; /* -1: not checked */
    const char *text, *detail;
} cases[] = {
    {"", FG_SYNTAX, 0, "fetch_jgf: json_loads returned an error: '[' or '{' expected near end of file: <string>@1:0.", NULL},
    {"x", FG_SYNTAX, 0, "fetch_jgf: json_loads returned an error: '[' or '{' expected near 'x': <string>@1:1.", NULL},
    {"version: 1", FG_SYNTAX, 0, "fetch_jgf: json_loads returned an error: '[' or '{' expected near 'version': <string>@1:7.", NULL},
    {"{'graph':\n {'nodes' []}}", FG_SYNTAX, 20, "fetch_jgf: json_loads returned an error: \":\" is expected: <string>@2:10.", NULL},
    {"{}", FG_FORMAT, 0, "fetch_jgf: JGF does not contain a required key (graph).", NULL},
    {"{'graph':{}}", FG_FORMAT, -1, "fetch_jgf: JGF does not contain a required key (nodes).", NULL},
    {"{'graph':{'nodes':[]}}", FG_FORMAT, -1, "fetch_jgf: JGF does not contain a required key (edges).", NULL},
    {"{'graph':{'nodes':[],'edges':{}}}", FG_FORMAT, 29, "fetch_jgf: JGF does not contain a required key (edges).", NULL},
    {"{'graph':{'nodes':[],'edges':[]}} x", FG_SYNTAX, 34, NULL, NULL},
    {"{'graph':{'nodes':[],'edges':[],'nodes':[]}}", FG_DUPLICATE, 32, "", "key nodes twice"},
    {"{'graph':{'nodes':[{'metadata':{}}],'edges':[]}}", FG_FORMAT, -1, NULL, NULL},
    {"{'graph':{'nodes':[{'metadata':{'type':'a','paths':{}}}],'edges':[]}}", FG_FORMAT, 19,
     "fill_fetcher: JGF vertex id key is not found in a node.", "vertex number 0: key id: it is missing"},
    {"{'graph':{'nodes':[{'id':4}],'edges':[]}}", FG_FORMAT, 25, "fill_fetcher: JGF vertex id key is not found in a node.",
     "vertex number 0: key id: a string is expected"},
    {"{'graph':{'nodes':[{'id':'4'}],'edges':[]}}", FG_FORMAT, 19, "fill_fetcher: key (metadata) is not found in an JGF node for 4.",
     "vertex 4: key metadata: it is missing"},
    {"{'graph':{'nodes':[{'id':'4','metadata':7}],'edges':[]}}", FG_FORMAT, 40, META("4"), "vertex 4: key metadata: an object is expected"},
    {ONE("'type':'node'"), FG_FORMAT, -1, META("4"), "vertex 4: key paths: it is missing"},
    {ONE("'paths':{}"), FG_FORMAT, -1, META("4"), "vertex 4: key type: it is missing"},
    {ONE("'type':'','paths':{}"), FG_FORMAT, 48, META("4"), "vertex 4: key type: a name is expected"},
    {ONE("'type':1,'paths':{}"), FG_FORMAT, 48, META("4"), "vertex 4: key type: a string is expected"},
    {ONE("'type':'a','paths':{'containment':1}"), FG_FORMAT, -1, META("4"), "vertex 4: key paths: a string is expected"},
    {ONE("'type':'a','paths':{'x':'/a','x':'/b'}"), FG_DUPLICATE, -1, META("4"), "vertex 4: key paths: a subsystem twice"},
    {FULL("'id':1.5"), FG_FORMAT, -1, META("4"), "vertex 4: key id: an integer is expected"},
    {FULL("'id':'1'"), FG_FORMAT, -1, META("4"), "vertex 4: key id: an integer is expected"},
    {FULL("'id':99999999999999999999"), FG_LIMIT, -1, META("4"), "vertex 4: key id: the integer does not fit into 64 bits"},
    {FULL("'rank':2147483648"), FG_FORMAT, -1, META("4"), "vertex 4: key rank: the rank does not fit into 32 bits"},
    {FULL("'status':2"), FG_FORMAT, -1, META("4"), "vertex 4: key status: 0 or 1 is expected"},
    {FULL("'exclusive':1"), FG_FORMAT, -1, META("4"), "vertex 4: key exclusive: true or false is expected"},
    {FULL("'unit':1"), FG_FORMAT, -1, META("4"), "vertex 4: key unit: a string is expected"},
    {FULL("'size':-1"), FG_FORMAT, -1, META("4"), "vertex 4: key size: the size must not be negative"},
    {FULL("'size':1,'size':2"), FG_DUPLICATE, -1, META("4"), "vertex 4: key size: twice"},
    {FULL("'properties':null"), FG_FORMAT, -1, "fill_fetcher: key (properties) must be an object or null for 4.",
     "vertex 4: key properties: an object is expected"},
    {FULL("'properties':{'a':1}"), FG_FORMAT, -1, META("4"), "vertex 4: key properties: a string is expected"},
    {FULL("'properties':{'a':'','a':''}"), FG_DUPLICATE, -1, META("4"), "vertex 4: key properties: a property twice"},
    {FULL("'name':'n99999999999999999999'"), FG_LIMIT, -1, META("4"), "vertex 4: key name: the number at its end does not fit into 64 bits"},
    {"{'graph':{'nodes':[{'id':'x','metadata':{'type':'a','paths':{}}}],'edges':[]}}", FG_FORMAT, 19, META("x"),
     "vertex x: key id: no uniq_id, and the id does not begin with digits"},
    {"{'graph':{'nodes':[{'id':'1','metadata':{'type':'a','paths':{}}},{'id':'1','metadata':{'type':'a','paths':{}}}],'edges':[]}}", FG_DUPLICATE,
     65, "", "vertex 1: key id: there is a vertex with this id already"},
    {"{'graph':{'nodes':[{'id':'1','metadata':{'type':'a','paths':{'containment':'/a'}}},"
     "{'id':'2','metadata':{'type':'a','paths':{'containment':'/b'}}}],'edges':[]}}",
     FG_DUPLICATE, -1, "add_graph_metadata: failed to add root metadata for containment subsystem. Possible duplicate root.",
     "vertex 2: key paths.containment: a second root, /b"},
    {TWO("{'source':'1','target':'77'}"), FG_UNKNOWN, -1, "unpack_edge: source and/or target vertex not found1 -> 77.",
     "edge 1 -> 77: key target: no vertex has this id"},
    {TWO("{'source':'1'}"), FG_FORMAT, -1, "", "edge number 0: key target: it is missing"},
    {TWO("{'source':'1','target':2}"), FG_FORMAT, -1, "", "edge number 0: key target: a string is expected"},
    {TWO("{'source':'1','target':'2','metadata':{'subsystem':1}}"), FG_FORMAT, -1, "", "edge number 0: key metadata: a string is expected"},
    {TWO("{'source':'1','target':'2','metadata':{'subsystem':''}}"), FG_FORMAT, -1, "", "edge number 0: key metadata: a name is expected"},
    {TWO("{'source':'1','target':'2'},{'source':'1','target':'2','metadata':{'subsystem':'power'}}"), FG_DUPLICATE, -1,
     "error inserting an edge to outedge metadata map", "edge 1 -> 2: there is one between them already"},
    {"{'graph':{'nodes':[{'id':'4','metadata':{'type':1}}],'edges':[]}", FG_SYNTAX, 64, NULL, NULL}, /* syntax first, wherever */
};

static void test_cases(void) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fg_error error;
        fg_graph *graph = load(cases[i].document, &error);
        if (graph || error.code != cases[i].code || (cases[i].offset >= 0 && error.offset != (uint64_t)cases[i].offset))
            fprintf(stderr, "%s\n  %s at %llu\n", cases[i].document, fg_code_name(error.code), (unsigned long long)error.offset);
        CHECK(!graph && error.code == cases[i].code);
        CHECK(cases[i].offset < 0 || error.offset == (uint64_t)cases[i].offset);
        if (cases[i].text) CHECK_TEXT(error.text, cases[i].text);
        if (cases[i].detail) CHECK_TEXT(error.detail, cases[i].detail);
        fg_graph_free(graph);
    }
}

/* A chain of vertices is as deep as it may be, or one deeper. */
static void test_depth(void) {
    for (uint32_t depth = FG_MAX_DEPTH; depth <= FG_MAX_DEPTH + 1; depth++) {
        char *text = malloc(depth * 200), *at = text;
        if (!text) abort();
        at += sprintf(at, "{\"graph\":{\"nodes\":[");
        for (uint32_t i = 0; i < depth; i++)
            at += sprintf(at, "%s{\"id\":\"%u\",\"metadata\":{\"type\":\"a\",\"paths\":{}}}", i ? "," : "", i);
        at += sprintf(at, "],\"edges\":[");
        for (uint32_t i = 1; i < depth; i++) at += sprintf(at, "%s{\"source\":\"%u\",\"target\":\"%u\"}", i > 1 ? "," : "", i - 1, i);
        at += sprintf(at, "]}}");
        fg_error error;
        fg_graph *graph = fg_load_jgf(text, (size_t)(at - text), NULL, &error);
        CHECK((graph != NULL) == (depth == FG_MAX_DEPTH));
        CHECK(error.code == (graph ? FG_OK : FG_LIMIT));
        if (graph) CHECK(fg_check(graph, &error) == FG_OK);
        fg_graph_free(graph);
        free(text);
    }
}

void test_jgf_errors(void) {
    test_cases();
    test_depth();
    CHECK(fg_load_jgf(NULL, 0, NULL, NULL) == NULL && fg_load_jgf("{}", 2, NULL, NULL) == NULL);
    CHECK_TEXT(fg_code_name(FG_BUSY), "FG_BUSY");
    CHECK_TEXT(fg_code_name(7), "FG_?");
    CHECK_TEXT(fg_code_text(FG_NO_MEMORY), "the allocator refused");
}
