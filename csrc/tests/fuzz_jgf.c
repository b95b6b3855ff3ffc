/* The fuzz target of the JGF reader: what it accepts must be sound, and the same after writing and reading it again. */
#include <stdlib.h>
#include <string.h>

#include "fluxplug_graph.h"
#include "fuzz.h"

const char *const fuzz_documents[] = {
    "{\"graph\": {\"nodes\": [{\"id\": \"0\", \"metadata\": {\"type\": \"cluster\", \"id\": 0, \"rank\": -1, \"paths\": {\"containment\": \"/cluster0\"}}}, "
    "{\"id\": \"1\", \"metadata\": {\"type\": \"node\", \"basename\": \"n\", \"name\": \"n01\", \"id\": 1, \"rank\": 0, \"status\": 1, \"properties\": "
    "{\"a\": \"\\u00e9\", \"b\": \"2\"}, \"size\": 4, \"paths\": {\"containment\": \"/cluster0/n01\", \"power\": \"/p/n\"}}}, "
    "{\"id\": \"2\", \"metadata\": {\"type\": \"core\", \"id\": 0, \"uniq_id\": 17, \"paths\": {\"containment\": \"/cluster0/n01/core0\"}}}], "
    "\"edges\": [{\"source\": \"0\", \"target\": \"1\"}, {\"source\": \"1\", \"target\": \"2\", \"metadata\": {\"subsystem\": \"containment\"}}]}}",
    "{\"graph\":{\"edges\":[{\"source\":\"a9\",\"target\":\"7\"},{\"source\":\"7\",\"target\":\"a9\"}],\"nodes\":[{\"metadata\":{\"paths\":{},\"type\":\"x\","
    "\"uniq_id\":-3},\"id\":\"a9\"},{\"id\":\"7\",\"metadata\":{\"type\":\"\xf0\x9f\x98\x80\",\"paths\":{\"ib\":\"/q\"}}}]},\"free_ranks\":\"0-3\"}",
    NULL,
};

const char *const fuzz_pieces[] = {
    "\"", "\\", "\\u0000", "\\ud83d", "{", "}", "[", "]", ",", ":", "null", "-1", "-2", "9223372036854775807", "99999999999999999999", "1.5", "\"id\"",
    "\"0\"", "\"1\"", "\"2\"", "\"paths\": {\"containment\": \"/x\"}", "\"type\": \"node\"", "\"properties\": {}", "\xff", "\xc3", "0", "/",
    "{\"source\": \"0\", \"target\": \"2\"},", "{\"source\": \"2\", \"target\": \"0\", \"metadata\": {\"subsystem\": \"power\"}},",
    "{\"id\": \"3\", \"metadata\": {\"type\": \"gpu\", \"paths\": {\"containment\": \"/cluster0/n01/gpu3\"}}},",
    NULL,
};

static fg_buffer *write_graph(const fg_graph *graph) {
    fg_buffer *buffer = fg_buffer_new(NULL);
    if (!buffer || fg_write_jgf(graph, buffer) != FG_OK) abort();
    return buffer;
}

/* Whether the uniq_ids differ: only then can the graph be written so that it can be read. */
static int differ(const fg_graph *graph, uint32_t count) {
    fg_vertex one, two;
    if (count > 300) return 0;
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < i; k++)
            if (fg_get(graph, i, &one) != FG_OK || fg_get(graph, k, &two) != FG_OK || one.uniq_id == two.uniq_id) return 0;
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fg_error error;
    fg_graph *graph = fg_load_jgf((const char *)data, size, NULL, &error);
    if (!graph) {
        if (error.code == FG_OK || error.offset > size) abort();
        return 0;
    }
    fg_info info;
    fg_graph_info(graph, &info);
    if (fg_check(graph, &error) != FG_OK) abort();
    if (differ(graph, info.vertices)) {
        fg_buffer *once = write_graph(graph);
        fg_graph *again = fg_load_jgf(fg_buffer_data(once), fg_buffer_size(once), NULL, &error);
        if (!again) abort();
        fg_buffer *twice = write_graph(again);
        if (fg_buffer_size(once) != fg_buffer_size(twice) || memcmp(fg_buffer_data(once), fg_buffer_data(twice), fg_buffer_size(once)) != 0) abort();
        fg_buffer_free(once);
        fg_buffer_free(twice);
        fg_graph_free(again);
    }
    fg_graph_free(graph);
    return 0;
}
