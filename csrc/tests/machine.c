/* See machine.h. */
#include "machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Graphs: JGF, written and read again */

typedef struct page {
    char nodes[1 << 17], edges[1 << 16];
    size_t node_end, edge_end;
    int count, nodes_made, node[64]; /* its number, by rank */
    char path[64][100];
} page;

static void print(char *text, size_t room, size_t *end, const char *format, ...) {
    va_list words;
    va_start(words, format);
    int length = vsnprintf(text + *end, room - *end, format, words);
    va_end(words);
    if (length < 0 || (size_t)length >= room - *end) abort();
    *end += (size_t)length;
}

static int add(page *to, const char *type, int id, int rank, int size, int parent, const char *above, char *path) {
    int number = to->count++;
    if (snprintf(path, 100, "%s/%s%d", above, type, id) >= 100) abort();
    print(to->nodes, sizeof to->nodes, &to->node_end,
          "%s{\"id\":\"%d\",\"metadata\":{\"type\":\"%s\",\"id\":%d,\"uniq_id\":%d,\"rank\":%d,\"size\":%d,\"paths\":{\"containment\":\"%s\"}}}",
          number ? "," : "", number, type, id, number, rank, size, path);
    if (parent >= 0) print(to->edges, sizeof to->edges, &to->edge_end, "%s{\"source\":\"%d\",\"target\":\"%d\"}", to->edge_end ? "," : "", parent, number);
    return number;
}

static void add_node(page *to, const machine *shape, int rank, int parent, const char *above) {
    char *path = to->path[rank], below[100], leaf[100];
    if (rank >= 64) abort();
    int node = to->node[rank] = add(to, "node", rank, rank, 1, parent, above, path), sockets = shape->sockets ? shape->sockets : 1;
    for (int s = 0; s < sockets; s++) {
        int holder = shape->sockets ? add(to, "socket", s, rank, 1, node, path, below) : node;
        for (int c = 0; c < shape->cores; c++) add(to, "core", s * shape->cores + c, rank, 1, holder, shape->sockets ? below : path, leaf);
    }
    for (int g = 0; g < shape->gpus; g++) add(to, "gpu", g, rank, 1, node, path, leaf);
    to->nodes_made = rank + 1;
}

fg_graph *make_machine(const machine *shape) {
    page *to = calloc(1, sizeof *to);
    if (!to) abort();
    char path[100], rack_path[100];
    int cluster = add(to, "cluster", 0, -1, 1, -1, "", path);
    for (int r = 0; r < shape->racks; r++) {
        int rack = add(to, "rack", r, -1, 1, cluster, path, rack_path);
        for (int n = 0; n < shape->nodes; n++) add_node(to, shape, r * shape->nodes + n, rack, rack_path);
    }
    for (int n = 0; n < to->nodes_made && shape->memory; n++) add(to, "memory", 0, n, shape->memory, to->node[n], to->path[n], path);
    size_t room = to->node_end + to->edge_end + 100;
    char *text = malloc(room);
    fg_error error;
    if (!text) abort();
    int length = snprintf(text, room, "{\"graph\":{\"nodes\":[%s],\"edges\":[%s]}}", to->nodes, to->edges);
    fg_graph *graph = fg_load_jgf(text, (size_t)length, NULL, &error);
    if (!graph) abort();
    free(text);
    free(to);
    return graph;
}

static fg_matcher *make(fg_graph *graph, const uint32_t *numbers, int policy, int flexible, const fg_matcher *old, const fg_allocator *allocator) {
    static const int orders[POLICIES] = {FG_ORDER_HIGH, FG_ORDER_LOW, FG_ORDER_HIGH, FG_ORDER_LOCALITY, FG_ORDER_VARIATION, FG_ORDER_LOW};
    const char *const counted[] = {"core", "node", "gpu", "socket", "rack", "memory"};
    uint32_t everywhere[6], count = 0;
    for (int i = 0; i < 6; i++)
        if (fg_type_number(graph, counted[i]) != FG_NONE) everywhere[count++] = fg_type_number(graph, counted[i]);
    fg_type_pair specific[16];
    fg_match_options options = {.order = orders[policy], .node_centric = policy == 5, .stop_early = policy == 2, .flexible = flexible,
                                .lifetime = 100000, .numbers = numbers, .everywhere_count = count, .everywhere = everywhere, .specific = specific};
    if (old) options.specific_count = fg_matcher_specific(old, specific, 16);
    if (options.specific_count > 16) abort();
    int code;
    fg_matcher *m = fg_matcher_new(graph, &options, allocator, &code);
    if (!m && code != FG_NO_MEMORY) abort();
    return m;
}

fg_matcher *make_matcher(fg_graph *graph, int policy, int flexible, const fg_allocator *allocator) {
    fg_info info;
    fg_graph_info(graph, &info);
    uint32_t *numbers = malloc(info.vertices * sizeof *numbers);
    if (!numbers) abort();
    for (uint32_t k = 0; k < info.vertices; k++) numbers[k] = k;
    fg_matcher *m = make(graph, numbers, policy, flexible, NULL, allocator);
    free(numbers);
    return m;
}

fg_matcher *make_heir(fg_graph *graph, const fg_graph *whole, int policy, int flexible, const fg_matcher *old) {
    uint32_t numbers[256], v;
    char path[100];
    for (uint32_t k = 0; (v = fg_created(graph, k)) != FG_NONE; k++) {
        if (k == 256 || fg_path(graph, v, FG_CONTAINMENT, path, sizeof path) >= sizeof path) abort();
        uint32_t same = fg_find_path(whole, path, strlen(path), 0);
        for (numbers[k] = 0; fg_created(whole, numbers[k]) != same;) numbers[k]++;
    }
    return make(graph, numbers, policy, flexible, old, NULL);
}

/* ---- Requests */

enum { ENTRIES = 64 };
typedef struct parsed {
    const fg_graph *graph;
    const char *at;
    uint32_t type[ENTRIES], parent[ENTRIES], count;
    int64_t least[ENTRIES];
    int8_t exclusive[ENTRIES];
} parsed;

static void read_siblings(parsed *p, uint32_t parent) {
    do {
        size_t length = strspn(p->at, "abcdefghijklmnopqrstuvwxyz_");
        char name[32];
        if (length == 0 || length >= sizeof name || p->count == ENTRIES) abort();
        memcpy(name, p->at, length);
        name[length] = '\0';
        uint32_t own = p->count++;
        p->type[own] = fg_type_number(p->graph, name); /* FG_NONE is a type without a vertex */
        p->parent[own] = parent;
        char *end;
        p->least[own] = strtol(p->at += length, &end, 10);
        if (end == p->at) p->least[own] = 1;
        p->at = end;
        p->exclusive[own] = *p->at == '!' ? 1 : -1;
        p->at += *p->at == '!';
        if (*p->at != '[') continue;
        p->at++;
        read_siblings(p, own);
        if (*p->at++ != ']') abort();
    } while (*p->at == ',' && p->at++);
}

fg_request *make_request(const fg_graph *graph, const char *text, const fg_allocator *allocator) {
    parsed p = {.graph = graph, .at = text};
    uint32_t variants = 0;
    do read_siblings(&p, ENTRIES + variants++);
    while (*p.at == '|' && p.at++);
    if (*p.at) abort();
    /* Siblings side by side, children behind parents: the lists of the variants first, then those of the entries in the order in which they stand. */
    uint32_t order[ENTRIES], placed = 0, types[ENTRIES], labels[ENTRIES] = {0}, first[ENTRIES], count[ENTRIES], at[ENTRIES], with[ENTRIES];
    int64_t least[ENTRIES], operand[ENTRIES];
    uint8_t steps[ENTRIES];
    int8_t exclusive[ENTRIES];
    for (uint32_t list = 0; list < variants + p.count; list++) {
        uint32_t owner = list < variants ? ENTRIES + list : order[list - variants], start = placed;
        for (uint32_t e = 0; e < p.count; e++)
            if (p.parent[e] == owner) order[placed++] = e;
        (list < variants ? at + list : first + (list - variants))[0] = start;
        (list < variants ? with + list : count + (list - variants))[0] = placed - start;
    }
    for (uint32_t e = 0; e < p.count; e++) {
        types[e] = p.type[order[e]];
        least[e] = p.least[order[e]];
        exclusive[e] = p.exclusive[order[e]];
        operand[e] = 1;
        steps[e] = '+';
    }
    fg_request_tables in = {.entries = p.count, .variants = variants, .variant_first = at, .variant_count = with, .type = types, .label = labels,
                            .first = first, .count = count, .least = least, .most = least, .operand = operand, .operator_ = steps, .exclusive = exclusive};
    int code;
    fg_request *request = fg_request_new(&in, allocator, &code);
    if (!request && code != FG_NO_MEMORY) abort();
    return request;
}
