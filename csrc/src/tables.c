/* fg_build: a graph from tables of another language. Everything in them is checked; see fluxplug_graph.h. */
#include "build.h"
#include "json.h"

typedef struct tables {
    const fg_tables *in;
    fgb_builder build;
    fgg_pair *pairs;
    uint32_t pair_capacity;
    uint32_t property; /* the next one */
    uint32_t path;     /* likewise */
} tables;

static bool fail(tables *load, int code, uint64_t index, const char *what, const char *expected) {
    fge_set(load->build.error, code, index);
    fge_detail(load->build.error, "%s %llu: %s", what, (unsigned long long)index, expected);
    return false;
}

static bool check_strings(tables *load) {
    const fg_tables *in = load->in;
    if (in->strings == 0) return true;
    if (in->start[0] != 0) return fail(load, FG_INVALID, 0, "string", "does not begin at 0");
    for (uint32_t i = 0; i < in->strings; i++) {
        if (in->start[i + 1] < in->start[i] || in->start[i + 1] > FG_MAX_TEXT) return fail(load, FG_INVALID, i, "string", "ends before it begins");
        uint64_t length = in->start[i + 1] - in->start[i];
        if (length > FG_MAX_STRING) return fail(load, FG_LIMIT, i, "string", "too long");
        if (!fgj_is_text(in->text + in->start[i], (size_t)length)) return fail(load, FG_SYNTAX, i, "string", "not UTF-8 without NUL");
    }
    return true;
}

/* Whether the string number is one; the text. */
static bool text(const tables *load, uint32_t string, const char **out, size_t *length) {
    const fg_tables *in = load->in;
    if (string >= in->strings) return false;
    *out = in->text + in->start[string];
    *length = (size_t)(in->start[string + 1] - in->start[string]);
    return true;
}

static bool type(tables *load, uint32_t string, uint32_t index, uint16_t *out) {
    const char *name;
    size_t length;
    if (!text(load, string, &name, &length)) return fail(load, FG_INVALID, index, "type of vertex", "no such string");
    int number = fgb_type(&load->build, name, length, index);
    if (number >= 0) *out = (uint16_t)number;
    return number >= 0;
}

static bool properties(tables *load, uint32_t vertex, uint32_t *set) {
    const fg_tables *in = load->in;
    fg_graph *graph = load->build.graph;
    const char *key, *value;
    size_t key_length, value_length;
    uint32_t count = 0;
    *set = 0;
    for (; load->property < in->properties && in->property_vertex[load->property] == vertex; load->property++) {
        uint32_t i = load->property;
        if (!text(load, in->property_key[i], &key, &key_length) || !text(load, in->property_value[i], &value, &value_length))
            return fail(load, FG_INVALID, i, "property", "no such string");
        if (count == FG_MAX_PROPERTIES) return fail(load, FG_LIMIT, i, "property", "too many of one vertex");
        fgg_pair pair = {.key = fgb_string(&load->build, key, key_length)};
        if (pair.key) pair.value = fgb_string(&load->build, value, value_length);
        if (!pair.key || !pair.value) return false;
        bool ok;
        FGM_PUSH(ok, &graph->memory, load->pairs, count, load->pair_capacity, pair);
        if (!ok) return fge_no_memory(load->build.error) == FG_OK;
    }
    if (count) *set = fgg_set(graph, load->pairs, count);
    if (*set == FG_NONE) return fge_no_memory(load->build.error) == FG_OK;
    for (uint32_t i = 1; i < count; i++)
        if (load->pairs[i - 1].key == load->pairs[i].key) return fail(load, FG_DUPLICATE, vertex, "vertex", "a property twice");
    return true;
}

static bool add_vertex(tables *load, uint32_t v) {
    const fg_tables *in = load->in;
    fgb_builder *build = &load->build;
    fgb_vertex fields = {.id = in->id[v], .uniq_id = in->uniq_id[v], .size = in->size[v], .rank = in->rank[v], .down = in->down[v] != 0};
    const char *base, *unit = "";
    size_t base_length, unit_length = 0;
    if (!type(load, in->type[v], v, &fields.type)) return false;
    if (!text(load, in->basename[v], &base, &base_length) || !text(load, in->name[v], &fields.name, &fields.name_length) ||
        (in->unit && !text(load, in->unit[v], &unit, &unit_length)))
        return fail(load, FG_INVALID, v, "vertex", "no such string");
    if (fields.size < 0) return fail(load, FG_FORMAT, v, "vertex", "the size must not be negative");
    fields.basename = fgb_string(build, base, base_length);
    if (!fields.basename) return false;
    if (unit_length) {
        fields.unit = fgb_string(build, unit, unit_length);
        if (!fields.unit) return false;
    }
    if (!properties(load, v, &fields.properties) || fgb_add_vertex(build, &fields, v) != FG_OK) return false;
    for (; load->path < in->paths && in->path_vertex[load->path] == v; load->path++) {
        uint32_t i = load->path;
        const char *path, *subsystem;
        size_t path_length, subsystem_length;
        if (!text(load, in->path_text[i], &path, &path_length) || !text(load, in->path_subsystem[i], &subsystem, &subsystem_length))
            return fail(load, FG_INVALID, i, "path", "no such string");
        int number = fgb_subsystem(build, subsystem, subsystem_length, i);
        fgb_text reference = number < 0 ? 0 : fgb_reference(build, path, path_length, true);
        uint32_t hash = fgb_hash(path, path_length);
        if (!reference || fgb_add_path(build, (uint32_t)number, reference, hash, i) != FG_OK) return false;
    }
    return true;
}

static bool add_all(tables *load) {
    const fg_tables *in = load->in;
    uint16_t unused;
    if (!check_strings(load)) return false;
    for (uint32_t i = 0; i < in->types; i++)
        if (!type(load, in->type_order[i], i, &unused)) return false;
    for (uint32_t v = 0; v < in->vertices; v++)
        if (!add_vertex(load, v)) return false;
    if (load->property < in->properties) return fail(load, FG_INVALID, load->property, "property", "not in the order of the vertices");
    if (load->path < in->paths) return fail(load, FG_INVALID, load->path, "path", "not in the order of the vertices");
    for (uint32_t e = 0; e < in->edges; e++) {
        const char *subsystem;
        size_t length;
        if (in->source[e] >= in->vertices || in->target[e] >= in->vertices) return fail(load, FG_UNKNOWN, e, "edge", "no such vertex");
        if (!text(load, in->edge_subsystem[e], &subsystem, &length)) return fail(load, FG_INVALID, e, "edge", "no such string");
        int number = fgb_subsystem(&load->build, subsystem, length, e);
        if (number < 0 || fgb_add_edge(&load->build, in->source[e], in->target[e], (uint32_t)number, e) != FG_OK) return false;
    }
    return true;
}

fg_graph *fg_build(const fg_tables *in, const fg_allocator *allocator, fg_error *error) {
    fg_error unused;
    if (!error) error = &unused;
    fge_set(error, FG_OK, 0);
    tables load = {.in = in};
    fg_graph *graph = NULL;
    if (fgb_open(&load.build, in->text, allocator, error) >= 0) {
        bool added = add_all(&load);
        fgm_free(&load.build.graph->memory, load.pairs);
        if (added) graph = fgb_finish(&load.build);
    }
    fgb_close(&load.build);
    return graph;
}
