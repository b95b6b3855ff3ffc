/* Thousands of vertices in any order, with what a document may have besides; and fg_check on graphs that were tampered with. */
#include <stdio.h>
#include <stdlib.h>

#include "../src/graph.h"
#include "harness.h"

enum { RACKS = 7, NODES = 30, CORES = 5, COUNT = 1 + RACKS * (1 + NODES * (1 + CORES)) };

typedef struct made {
    char path[80], id[24], parent[24];
    const char *type;
    int number, rank;
} made;

static void make(made *out, const char *parent_id, const char *above, const char *type, int number, int rank, unsigned k) {
    out->type = type;
    out->number = number;
    out->rank = rank;
    /* Some paths are not what the names say, and have plain ones below. */
    snprintf(out->path, sizeof out->path, "%s/%s%s%d", above, k % 11 == 5 ? "odd-" : "", type, number);
    snprintf(out->id, sizeof out->id, k % 3 == 0 ? "%u" : k % 3 == 1 ? "%ux" : "%u000000", k);
    snprintf(out->parent, sizeof out->parent, "%s", parent_id);
}

static unsigned make_machine(made *all) {
    unsigned k = 1;
    make(&all[0], "", "", "cluster", 0, -1, 0);
    for (int r = 0; r < RACKS; r++) {
        const made *rack = &all[k];
        make(&all[k], all[0].id, all[0].path, "rack", r, -1, k);
        k++;
        for (int n = 0; n < NODES; n++) {
            const made *node = &all[k];
            int rank = r * NODES + n;
            make(&all[k], rack->id, rack->path, "node", rank, rank, k);
            k++;
            for (int c = 0; c < CORES; c++, k++) make(&all[k], node->id, node->path, "core", c, rank, k);
        }
    }
    return k;
}

static char *document(const made *all, unsigned count, unsigned seed) {
    unsigned *order = malloc(count * sizeof *order);
    char *text = malloc(count * 420 + 100), *at = text;
    if (!order || !text) abort();
    for (unsigned i = 0; i < count; i++) order[i] = i;
    for (unsigned i = count - 1; i > 0; i--) {
        unsigned k = next_random(&seed) % (i + 1), kept = order[i];
        order[i] = order[k];
        order[k] = kept;
    }
    at += sprintf(at, "{'version':[1,{'a':null}],'graph':{'comment':'\\u00fc','nodes':[");
    for (unsigned i = 0; i < count; i++) {
        const made *one = &all[order[i]];
        at += sprintf(at,
                      "%s{'label':{'x':[1.5,true]},'metadata':{'type':'%s','ignored':[[],{}],'id':%d,'rank':%d,'uniq_id':%d,"
                      "'properties':{'k':'%u','shared':''},'paths':{'containment':'%s'}},'id':'%s'}",
                      i ? "," : "", one->type, one->number, one->rank, order[i] == 9 ? -5 : (int)order[i], order[i] % 40, one->path, one->id);
    }
    at += sprintf(at, "],'edges':[");
    for (unsigned i = 1; i < count; i++)
        at += sprintf(at, "%s{'relation':'in','source':'%s','target':'%s','metadata':{'name':{'containment':'has'}}}", i > 1 ? "," : "", all[i].parent,
                      all[i].id);
    sprintf(at, "]}}");
    free(order);
    return text;
}

static void test_shuffled(unsigned seed) {
    static made all[COUNT];
    unsigned count = make_machine(all);
    char *text = document(all, count, seed);
    fg_graph *graph = good(text);
    fg_info info;
    fg_graph_info(graph, &info);
    CHECK(count == COUNT && info.vertices == count && info.edges == count - 1 && info.tree);
    for (unsigned i = 0; i < count; i++) { /* edges were in preorder, so that is the numbering */
        char path[100];
        const char *key, *value;
        fg_vertex v;
        fg_path(graph, i, 0, path, sizeof path);
        CHECK_TEXT(path, all[i].path);
        CHECK(fg_find_path(graph, path, strlen(path), 0) == i && fg_get(graph, i, &v) == FG_OK);
        CHECK(v.rank == all[i].rank && v.id == all[i].number && v.uniq_id == (i == 9 ? -5 : (int)i) && v.properties == 2);
        CHECK(fg_property(graph, i, 0, &key, &value) == FG_OK && atoi(value) == (int)(i % 40));
    }
    CHECK(graph->sets.count == 40);
    const uint32_t *found = NULL;
    CHECK(fg_by_rank(graph, 17, &found) == 1 + CORES && graph->type[found[0]] == FGG_TYPE_node);
    CHECK(fg_by_type(graph, FGG_TYPE_core, &found) == RACKS * NODES * CORES);
    char *once = written(graph);
    fg_graph *again = good(once);
    char *twice = written(again);
    CHECK_TEXT(twice, once);
    free(once);
    free(twice);
    free(text);
    fg_graph_free(again);
    fg_graph_free(graph);
}

static void test_odd_text(void) {
    fg_graph *graph = good("{'graph':{'nodes':[{'id':'0','metadata':{'type':'a','name':'\\u0001\\b\\u001f','unit':'x','paths':{'containment':'/a/b'}}},"
                           "{'id':'1','metadata':{'type':'c','id':0,'paths':{'containment':'/a/b/c0'}}}],'edges':[{'source':'0','target':'1'}]}}");
    char *text = written(graph);
    CHECK(strstr(text, "\\u0001\\b\\u001f") && strstr(text, "'/a/b/c0'"));
    free(text);
    fg_graph_free(graph);
    fg_buffer *buffer = fg_buffer_new(NULL);
    if (!buffer) abort();
    CHECK(fg_buffer_size(buffer) == 0);
    CHECK_TEXT(fg_buffer_data(buffer), "");
    fg_buffer_clear(buffer);
    fg_buffer_free(buffer);
    fg_buffer_free(NULL);
}

/* A message that is cut is cut between characters. */
static void test_long_messages(void) {
    for (size_t shift = 0; shift < 4; shift++) {
        char text[1200] = "{'graph':{'nodes':[{'id':'", *at = text + strlen(text);
        for (size_t i = 0; i < shift; i++) *at++ = 'a';
        for (size_t i = 0; i < 200; i++, at += 4) memcpy(at, "\xf0\x9f\x98\x80", 4);
        memcpy(at, "'}],'edges':[]}}", 17);
        fg_error error;
        CHECK(load(text, &error) == NULL && error.code == FG_FORMAT);
        size_t length = strlen(error.text);
        CHECK(length < FG_ERROR_TEXT && length > FG_ERROR_TEXT - 5);
        CHECK(memcmp(error.text + length - 4, "\xf0\x9f\x98\x80", 4) == 0);
    }
}

static void test_check(void) {
    static made all[COUNT];
    make_machine(all);
    char *text = document(all, 60, 3);
    fg_graph *graph = good(text);
    fg_error error;
#define TAMPER(place, wrong)                                 \
    do {                                                     \
        uint32_t kept = (place);                             \
        (place) = (wrong);                                   \
        CHECK(fg_check(graph, &error) == FG_INVALID);        \
        CHECK(error.detail[0] != '\0');                      \
        (place) = kept;                                      \
        CHECK(fg_check(graph, &error) == FG_OK);             \
    } while (0)
    TAMPER(graph->parent[5], 0);
    TAMPER(graph->subtree[2], 1);
    TAMPER(graph->subtree[59], 9);
    TAMPER(graph->out_target[3], 59);
    TAMPER(graph->out_target[3], 9999);
    TAMPER(graph->by_type[4], 0);
    TAMPER(graph->by_rank[0], 50);
    TAMPER(graph->ranked, 3);
    uint32_t used = 0;
    while (!graph->path_slots[used]) used++;
    TAMPER(graph->path_slots[used], 0);
    free(text);
    fg_graph_free(graph);
}

void test_large(void) {
    for (unsigned seed = 1; seed <= 3; seed++) test_shuffled(seed);
    test_odd_text();
    test_long_messages();
    test_check();
}
