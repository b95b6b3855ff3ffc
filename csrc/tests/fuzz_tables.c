/* The fuzz target of fg_build: bytes are choices of what the tables have. What it accepts must be sound, and serve a matcher. */
#include <stdlib.h>
#include <string.h>

#include "fluxplug_graph.h"
#include "fuzz.h"
#include "machine.h"

const char *const fuzz_documents[] = {NULL};
const char *const fuzz_pieces[] = {NULL};

static const char *const words[] = {"containment", "power", "cluster", "node", "core", "gpu", "memory", "", "/c", "/c/n", "/c/n/core0", "/c/n/core1", "/p", "perf_class",
                                    "/", "//", "c", "n", "core0", "core1", "3", "\xc3\xa9", "/c/n/core0/x"};
enum { WORDS = sizeof words / sizeof *words, MOST = 12 };

/* An array that is exactly as long as it is. */
static void *items(size_t count, size_t size) {
    void *block = calloc(count ? count : 1, size);
    if (!block) abort();
    return block;
}

/* What it normally is, but for one in some twenty: then any, now and then one beyond the limit. */
static uint32_t choose(fuzz_bytes *bytes, uint32_t normal, uint32_t limit) {
    uint8_t choice = fuzz_byte(bytes);
    if (choice < 240) return normal;
    return choice == 255 ? limit : choice == 254 ? UINT32_MAX : limit ? fuzz_byte(bytes) % limit : 0;
}

/* first, second, then third for all others; `step` more for each further one, up to `last`. */
static uint32_t *numbers(fuzz_bytes *bytes, uint32_t count, uint32_t limit, uint32_t first, uint32_t second, uint32_t third, uint32_t step, uint32_t last) {
    uint32_t *made = items(count, sizeof *made);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t normal = i == 0 ? first : i == 1 ? second : third + step * (i - 2);
        made[i] = choose(bytes, normal < last ? normal : last, limit);
    }
    return made;
}

static int64_t *wide(fuzz_bytes *bytes, uint32_t count) {
    int64_t *made = items(count, sizeof *made);
    for (uint32_t i = 0; i < count; i++) made[i] = fuzz_below(bytes, 8) ? i : fuzz_number(bytes);
    return made;
}

/* The words in any order, or bytes; now and then cut in a wrong place. */
static char *strings(fuzz_bytes *bytes, uint32_t count, uint64_t **start) {
    size_t room = count * 16 + 1, end = 0;
    char *text = items(room, 1);
    *start = items(count + 1, sizeof **start);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t choice = fuzz_byte(bytes);
        if (choice < 252) {
            const char *word = words[choice < 248 ? i : choice % WORDS];
            memcpy(text + end, word, strlen(word));
            end += strlen(word);
        } else
            for (uint32_t k = choice - 251u; k > 0; k--) text[end++] = (char)fuzz_byte(bytes);
        (*start)[i + 1] = end;
    }
    if (count > 2 && fuzz_byte(bytes) == 255) (*start)[1 + fuzz_below(bytes, count - 1)] = end; /* never behind the last one */
    char *exact = items(end, 1);
    memcpy(exact, text, end);
    free(text);
    return exact;
}

static void use(fg_graph *graph) {
    fg_error error;
    if (fg_check(graph, &error) != FG_OK) abort();
    fg_buffer *buffer = fg_buffer_new(NULL);
    if (!buffer || fg_write_jgf(graph, buffer) != FG_OK) abort();
    fg_buffer_free(buffer);
    if (fg_root(graph, FG_CONTAINMENT) == FG_NONE) return;
    fg_matcher *m = make_matcher(graph, 1, 0, NULL);
    fg_request *core = make_request(graph, "slot[core]", NULL);
    fg_outcome out;
    const fg_units *units;
    uint32_t vertex;
    if (fg_find(m, core, 1, 1, 0, 0, 5, &out) != FG_OK) abort();
    int64_t count = fg_units_of(m, NULL, &units);
    for (int64_t i = 0; i < count; i++) {
        fg_units one = units[i];
        int code = fg_enter(m, &(fg_span){2, 3, 5}, &one, 1, NULL, 0);
        if (code != FG_OK && code != FG_BUSY && code != FG_NOT_FOUND && code != FG_INVALID) abort();
        if (fg_units_of(m, NULL, &units) != count) abort();
    }
    if (fg_matcher_check(m, &vertex) != FG_OK) abort();
    fg_matcher_free(m);
    fg_request_free(core);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_bytes bytes = {data, size};
    uint32_t vertices = fuzz_below(&bytes, MOST), paths = choose(&bytes, vertices, 2 * MOST), properties = fuzz_below(&bytes, 4) % (vertices + 1);
    uint32_t edges = choose(&bytes, vertices ? vertices - 1 : 0, 2 * MOST) + fuzz_below(&bytes, 3), count = choose(&bytes, WORDS, WORDS), types = fuzz_below(&bytes, 3);
    if (paths > 2 * MOST || edges > 4 * MOST || count > WORDS) return 0;
    uint64_t *start;
    char *text = strings(&bytes, count, &start);
    int32_t *rank = items(vertices, sizeof *rank);
    uint8_t *down = items(vertices, 1);
    for (uint32_t v = 0; v < vertices; v++) {
        rank[v] = (int32_t)fuzz_below(&bytes, 5) - 1;
        down[v] = fuzz_byte(&bytes) == 9;
    }
    /* A cluster (words 2, 16, 8) with a node (3, 17, 9) of cores and others (4 and on, 18, 10 and on), and edges of power (1) behind those. */
    uint32_t *columns[] = {numbers(&bytes, types, count, 6, 5, 4, 0, 4), numbers(&bytes, vertices, count, 2, 3, 4, 1, 6), numbers(&bytes, vertices, count, 16, 17, 4, 1, 6),
                           numbers(&bytes, vertices, count, 16, 17, 18, 1, 19), numbers(&bytes, vertices, count, 7, 7, 20, 0, 20),
                           numbers(&bytes, paths, vertices, 0, 1, 2, 1, MOST), numbers(&bytes, paths, count, 0, 0, 0, 0, 0), numbers(&bytes, paths, count, 8, 9, 10, 1, 11),
                           numbers(&bytes, properties, vertices, 0, 1, 2, 1, MOST), numbers(&bytes, properties, count, 13, 13, 16, 1, 19),
                           numbers(&bytes, properties, count, 20, 20, 20, 0, 20), numbers(&bytes, edges, vertices, 0, 1, 1, 0, 1),
                           numbers(&bytes, edges, vertices, 1, 2, 3, 1, vertices ? vertices - 1 : 0), numbers(&bytes, edges, count, 0, 0, 0, 0, 0)};
    int64_t *wides[] = {wide(&bytes, vertices), wide(&bytes, vertices), wide(&bytes, vertices)};
    fg_tables in = {.text = text, .start = start, .strings = count, .types = types, .type_order = columns[0], .vertices = vertices, .type = columns[1],
                    .basename = columns[2], .name = columns[3], .unit = fuzz_below(&bytes, 2) ? columns[4] : NULL, .id = wides[0], .uniq_id = wides[1],
                    .size = wides[2], .rank = rank, .down = down, .paths = paths, .path_vertex = columns[5], .path_subsystem = columns[6], .path_text = columns[7],
                    .properties = properties, .property_vertex = columns[8], .property_key = columns[9], .property_value = columns[10], .edges = edges,
                    .source = columns[11], .target = columns[12], .edge_subsystem = columns[13]};
    fg_error error;
    fg_graph *graph = fg_build(&in, NULL, &error);
    if (!graph && error.code == FG_OK) abort();
    free(text), free(start), free(rank), free(down); /* nothing of it is kept */
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) free(columns[i]);
    for (size_t i = 0; i < 3; i++) free(wides[i]);
    if (graph) use(graph);
    fg_graph_free(graph);
    return 0;
}
