/* JGF text: see write.h. */
#include "write.h"

static void path_text(fg_buffer *buffer, const fg_graph *graph, uint32_t vertex) {
    if (vertex == FG_NONE) return;
    if (!(graph->flags[vertex] & FGG_PLAIN_PATH)) {
        const fgg_path *stored = fgg_stored_path(graph, vertex, FG_CONTAINMENT);
        if (stored) fgw_escaped(buffer, fgs_text(&graph->strings, stored->string), fgs_length(&graph->strings, stored->string));
        return;
    }
    path_text(buffer, graph, graph->parent[vertex]); /* at most FG_MAX_DEPTH deep */
    fgg_name name;
    fgg_name_of(graph, vertex, &name);
    fgw_literal(buffer, "/");
    fgw_escaped(buffer, name.first, name.first_length);
    fgw_bytes(buffer, name.second, name.second_length);
}

static void paths(fg_buffer *buffer, const fg_graph *graph, uint32_t vertex) {
    const char *separator = "";
    fgw_literal(buffer, ", \"paths\": {");
    if (graph->flags[vertex] & FGG_PLAIN_PATH) {
        fgw_literal(buffer, "\"containment\": \"");
        path_text(buffer, graph, vertex);
        fgw_literal(buffer, "\"");
        separator = ", ";
    }
    if (graph->flags[vertex] & FGG_HAS_PATHS)
        for (uint32_t s = 0; s < graph->subsystems.count; s++) {
            const fgg_path *stored = fgg_stored_path(graph, vertex, s);
            if (!stored) continue;
            fgw_bytes(buffer, separator, strlen(separator));
            fgw_string(buffer, fgs_text(&graph->subsystems, s + 1), fgs_length(&graph->subsystems, s + 1));
            fgw_literal(buffer, ": ");
            fgw_string(buffer, fgs_text(&graph->strings, stored->string), fgs_length(&graph->strings, stored->string));
            separator = ", ";
        }
    fgw_literal(buffer, "}");
}

static void properties(fg_buffer *buffer, const fg_graph *graph, uint32_t vertex) {
    uint32_t count;
    const fgg_pair *pairs = fgg_pairs(graph, vertex, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0) fgw_literal(buffer, ", \"properties\": {");
        else fgw_literal(buffer, ", ");
        fgw_string(buffer, fgs_text(&graph->strings, pairs[i].key), fgs_length(&graph->strings, pairs[i].key));
        fgw_literal(buffer, ": ");
        fgw_string(buffer, fgs_text(&graph->strings, pairs[i].value), fgs_length(&graph->strings, pairs[i].value));
    }
    if (count) fgw_literal(buffer, "}");
}

void fgw_node(fg_buffer *buffer, const fg_graph *graph, uint32_t vertex, const fgw_style *style) {
    fgw_literal(buffer, "{\"id\": \"");
    fgw_integer(buffer, graph->uniq_id[vertex]);
    fgw_literal(buffer, "\", \"metadata\": {\"type\": ");
    uint32_t type = graph->type[vertex] + 1u, base = graph->basename[vertex], name = graph->name[vertex];
    fgw_string(buffer, fgs_text(&graph->types, type), fgs_length(&graph->types, type));
    if (base) {
        fgw_literal(buffer, ", \"basename\": ");
        fgw_string(buffer, fgs_text(&graph->strings, base), fgs_length(&graph->strings, base));
    }
    if (name) {
        fgw_literal(buffer, ", \"name\": ");
        fgw_string(buffer, fgs_text(&graph->strings, name), fgs_length(&graph->strings, name));
    }
    fgw_literal(buffer, ", \"id\": ");
    fgw_integer(buffer, graph->id[vertex]);
    if (style->for_reader && graph->uniq_id[vertex] < 0) {
        fgw_literal(buffer, ", \"uniq_id\": ");
        fgw_integer(buffer, graph->uniq_id[vertex]);
    }
    fgw_literal(buffer, ", \"rank\": ");
    fgw_integer(buffer, graph->rank[vertex]);
    if (style->for_reader && (graph->flags[vertex] & FGG_DOWN)) fgw_literal(buffer, ", \"status\": 1");
    properties(buffer, graph, vertex);
    uint32_t unit = graph->unit ? graph->unit[vertex] : 0;
    if (unit) {
        fgw_literal(buffer, ", \"unit\": ");
        fgw_string(buffer, fgs_text(&graph->strings, unit), fgs_length(&graph->strings, unit));
    }
    if (style->exclusive) fgw_literal(buffer, ", \"exclusive\": true");
    if (style->amount != 1) {
        fgw_literal(buffer, ", \"size\": ");
        fgw_integer(buffer, style->amount);
    }
    paths(buffer, graph, vertex);
    fgw_literal(buffer, "}}");
}

void fgw_edge(fg_buffer *buffer, const fg_graph *graph, uint32_t source, uint32_t target, uint32_t subsystem) {
    fgw_literal(buffer, "{\"source\": \"");
    fgw_integer(buffer, graph->uniq_id[source]);
    fgw_literal(buffer, "\", \"target\": \"");
    fgw_integer(buffer, graph->uniq_id[target]);
    fgw_literal(buffer, "\"");
    if (subsystem != FG_CONTAINMENT) {
        fgw_literal(buffer, ", \"metadata\": {\"subsystem\": ");
        fgw_string(buffer, fgs_text(&graph->subsystems, subsystem + 1), fgs_length(&graph->subsystems, subsystem + 1));
        fgw_literal(buffer, "}");
    }
    fgw_literal(buffer, "}");
}

int fg_write_jgf(const fg_graph *graph, fg_buffer *buffer) {
    fgw_literal(buffer, "{\"graph\": {\"nodes\": [");
    for (uint32_t k = 0; k < graph->count; k++) {
        uint32_t v = fg_created(graph, k);
        if (k) fgw_literal(buffer, ", ");
        fgw_style style = {.amount = graph->size[v], .for_reader = true};
        fgw_node(buffer, graph, v, &style);
    }
    fgw_literal(buffer, "], \"edges\": [");
    bool first = true;
    for (uint32_t k = 0; k < graph->count; k++) {
        uint32_t v = fg_created(graph, k);
        for (uint32_t e = graph->out_start[v]; e < graph->out_start[v + 1]; e++) {
            if (!first) fgw_literal(buffer, ", ");
            first = false;
            fgw_edge(buffer, graph, v, graph->out_target[e], graph->out_subsystem ? graph->out_subsystem[e] : FG_CONTAINMENT);
        }
    }
    fgw_literal(buffer, "]}}");
    return buffer->failed ? FG_NO_MEMORY : FG_OK;
}
