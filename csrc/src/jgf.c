/* The JGF reader (fluxion.md 2.1), in one pass over the text. Edges that stand before the nodes are passed over and read when those are known. */
#include "build.h"
#include "ids.h"
#include "json.h"

enum key { TYPE, PATHS, BASENAME, NAME, ID, UNIQ_ID, RANK, STATUS, EXCLUSIVE, UNIT, SIZE, PROPERTIES, KEYS };
static const char *const key_names[KEYS] = {"type", "paths", "basename", "name", "id", "uniq_id", "rank", "status", "exclusive", "unit",
                                            "size", "properties"};

/* KEYS where it is none. */
static enum key key_of(fgj_slice slice) {
    static const unsigned char lengths[KEYS] = {4, 5, 8, 4, 2, 7, 4, 6, 9, 4, 4, 10};
    enum key key = 0;
    while (key < KEYS && (lengths[key] != slice.length || memcmp(key_names[key], slice.text, slice.length) != 0)) key++;
    return key;
}

typedef struct found_path {
    uint32_t subsystem, hash;
    uint64_t offset;
    fgb_text text;
} found_path;

/* One node while it is read. */
typedef struct jgf_node {
    fgb_text id, name; /* 0: not there */
    uint64_t offset;
    uint32_t seen;     /* bits by key */
    bool metadata;
    fgb_vertex fields;
} jgf_node;

typedef struct loader {
    fgj_reader json;
    fgb_builder build;
    fg_error *error;
    fgi_ids ids;
    uint32_t nodes;
    uint32_t *vertex; /* of each node of the document; ALIAS where the vertex had been there */
    found_path *paths;
    fgg_pair *pairs;
    uint32_t vertex_capacity, path_count, path_capacity, pair_count, pair_capacity;
} loader;

#define ALIAS 0x80000000u

/* ---- Errors */

/* Fails within a node, or rewords what the JSON reader or the builder found there. The text is `before`, the id, `after`;
 * none where `before` is empty. */
static bool bad_node(loader *load, const jgf_node *node, int code, uint64_t offset, const char *before, const char *after,
                     const char *key, const char *expected) {
    fg_error *error = load->error;
    if (load->json.failed && error) { /* found by the JSON reader: it knows better where and what */
        if (error->code == FG_SYNTAX || error->code == FG_NO_MEMORY) return false;
        code = error->code;
        offset = error->offset;
    }
    char kept[FG_ERROR_TEXT] = "";
    if (error && !expected) memcpy(kept, error->detail, sizeof kept);
    fge_set(error, code, offset);
    size_t length = 0;
    const char *id = node->id ? fgb_text_at(&load->build, node->id, &length) : "";
    if (*before) fge_text(error, "%s%.*s%s", before, fge_width(length), id, after);
    if (node->id) fge_detail(error, "vertex %.*s", length > 80 ? 80 : (int)length, id);
    else fge_detail(error, "vertex number %u", (unsigned)load->nodes);
    if (key) fge_detail(error, ": key %s", key);
    fge_detail(error, ": %s", expected ? expected : kept);
    load->json.failed = true;
    return false;
}

static bool malformed(loader *load, const jgf_node *node, int code, uint64_t offset, const char *key, const char *expected) {
    return bad_node(load, node, code, offset, "fill_fetcher: malformed metadata in an JGF node for ", "", key, expected);
}

static bool no_memory(loader *load) {
    return fgj_fail(&load->json, FG_NO_MEMORY, load->json.at, "");
}

static bool missing(loader *load, const char *key, uint64_t offset) {
    if (load->json.failed) return false;
    load->json.failed = true;
    fge_set(load->error, FG_FORMAT, offset);
    fge_text(load->error, "fetch_jgf: JGF does not contain a required key (%s).", key);
    fge_detail(load->error, "key %s is missing, or is not what it should be", key);
    return false;
}

static bool twice(loader *load, const char *key) {
    return fgj_fail(&load->json, FG_DUPLICATE, load->json.value, key);
}

/* ---- Nodes */

/* A string that lasts until the graph is finished. */
static bool lasting(loader *load, fgb_text *out) {
    fgj_slice slice;
    if (!fgj_string(&load->json, &slice)) return false;
    *out = fgb_reference(&load->build, slice.text, slice.length, !slice.escaped);
    if (!*out) load->json.failed = true;
    return *out != 0;
}

static bool interned(loader *load, uint32_t *out) {
    fgj_slice slice;
    if (!fgj_string(&load->json, &slice)) return false;
    *out = fgs_intern(&load->build.graph->strings, slice.text, slice.length);
    return *out || no_memory(load);
}

static bool within(loader *load, int64_t low, int64_t high, const char *expected, int64_t *out) {
    if (!fgj_integer(&load->json, out)) return false;
    return (*out >= low && *out <= high) || fgj_fail(&load->json, FG_FORMAT, load->json.value, expected);
}

/* `rank` is what is known of the rank so far. */
static bool read_paths(loader *load, int32_t rank) {
    fgj_slice key;
    load->path_count = 0;
    if (!fgj_enter(&load->json, '{')) return false;
    while (fgj_member(&load->json, &key)) {
        found_path path = {.offset = fgj_offset(&load->json, load->json.value)};
        int subsystem = fgb_subsystem(&load->build, key.text, key.length, path.offset);
        if (subsystem < 0) return !(load->json.failed = true);
        path.subsystem = (uint32_t)subsystem;
        for (uint32_t i = 0; i < load->path_count; i++)
            if (load->paths[i].subsystem == path.subsystem) return twice(load, "a subsystem twice");
        size_t length;
        if (!lasting(load, &path.text)) return false;
        const char *text = fgb_text_at(&load->build, path.text, &length);
        path.hash = fgb_hash(text, length);
        fgb_expect(&load->build, path.hash, rank);
        bool ok;
        FGM_PUSH(ok, load->json.memory, load->paths, load->path_count, load->path_capacity, path);
        if (!ok) return no_memory(load);
    }
    return !load->json.failed;
}

static bool read_properties(loader *load, jgf_node *node) {
    load->pair_count = 0;
    fgj_slice key;
    if (!fgj_enter(&load->json, '{')) {
        if (load->json.failed && load->error && load->error->code == FG_FORMAT)
            bad_node(load, node, FG_FORMAT, 0, "fill_fetcher: key (properties) must be an object or null for ", ".", "properties", NULL);
        return false;
    }
    while (fgj_member(&load->json, &key)) {
        fgg_pair pair = {0};
        if (load->pair_count == FG_MAX_PROPERTIES) return fgj_fail(&load->json, FG_LIMIT, load->json.value, "too many properties");
        pair.key = fgs_intern(&load->build.graph->strings, key.text, key.length);
        if (!pair.key) return no_memory(load);
        if (!interned(load, &pair.value)) return false;
        bool ok;
        FGM_PUSH(ok, load->json.memory, load->pairs, load->pair_count, load->pair_capacity, pair);
        if (!ok) return no_memory(load);
    }
    if (load->json.failed) return false;
    node->fields.properties = fgg_set(load->build.graph, load->pairs, load->pair_count);
    if (node->fields.properties == FG_NONE) return no_memory(load);
    for (uint32_t i = 1; i < load->pair_count; i++) /* fgg_set has sorted them */
        if (load->pairs[i - 1].key == load->pairs[i].key) return twice(load, "a property twice");
    return true;
}

static bool read_value(loader *load, jgf_node *node, enum key key) {
    fgb_vertex *fields = &node->fields;
    fgj_slice slice;
    int64_t number;
    bool ignored;
    int type;
    switch (key) {
        case TYPE:
            if (!fgj_string(&load->json, &slice)) return false;
            if (slice.length == 0) return fgj_fail(&load->json, FG_FORMAT, load->json.value, "a name is expected");
            type = fgb_type(&load->build, slice.text, slice.length, fgj_offset(&load->json, load->json.value));
            if (type < 0) return !(load->json.failed = true);
            fields->type = (uint16_t)type;
            return true;
        case PATHS: return read_paths(load, fields->rank);
        case BASENAME: return interned(load, &fields->basename);
        case NAME: return lasting(load, &node->name);
        case ID: return fgj_integer(&load->json, &fields->id);
        case UNIQ_ID: return fgj_integer(&load->json, &fields->uniq_id);
        case RANK:
            if (!within(load, INT32_MIN, INT32_MAX, "the rank does not fit into 32 bits", &number)) return false;
            fields->rank = (int32_t)number;
            return true;
        case STATUS:
            if (!within(load, 0, 1, "0 or 1 is expected", &number)) return false;
            fields->down = number == 1;
            return true;
        case EXCLUSIVE: return fgj_bool(&load->json, &ignored);
        case UNIT: return fgj_string(&load->json, &slice); /* read and dropped, as documented */
        case SIZE: return within(load, 0, INT64_MAX, "the size must not be negative", &fields->size);
        case PROPERTIES: return read_properties(load, node);
        case KEYS: break;
    }
    return false;
}

static bool read_metadata(loader *load, jgf_node *node) {
    fgj_slice slice;
    node->metadata = true;
    if (!fgj_enter(&load->json, '{')) return malformed(load, node, 0, 0, "metadata", NULL);
    while (fgj_member(&load->json, &slice)) {
        enum key key = key_of(slice);
        if (key == KEYS) {
            if (!fgj_skip(&load->json)) return malformed(load, node, 0, 0, NULL, NULL);
            continue;
        }
        if (node->seen & 1u << key) return malformed(load, node, FG_DUPLICATE, fgj_offset(&load->json, load->json.value), key_names[key], "twice");
        node->seen |= 1u << key;
        if (!read_value(load, node, key)) {
            if (load->error && load->error->text[0]) return false; /* worded already */
            return malformed(load, node, 0, 0, key_names[key], NULL);
        }
    }
    return !load->json.failed || malformed(load, node, 0, 0, "metadata", NULL);
}

/* The number that digits stand for. */
static bool read_digits(const char *text, size_t length, int64_t *out) {
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (value > ((uint64_t)INT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = (int64_t)value;
    return true;
}

/* uniq_id and id, where the document leaves them to us. */
static bool number_node(loader *load, jgf_node *node) {
    fgb_vertex *fields = &node->fields;
    size_t length, digits = 0;
    if (!(node->seen & 1u << UNIQ_ID)) {
        const char *id = fgb_text_at(&load->build, node->id, &length);
        while (digits < length && id[digits] >= '0' && id[digits] <= '9') digits++;
        if (digits == 0) return malformed(load, node, FG_FORMAT, node->offset, "id", "no uniq_id, and the id does not begin with digits");
        if (!read_digits(id, digits, &fields->uniq_id))
            return malformed(load, node, FG_LIMIT, node->offset, "id", "the number does not fit into 64 bits");
    }
    if ((node->seen & 1u << ID) && fields->id != -2) return true;
    fields->id = fields->uniq_id;
    if (fields->type != FGG_TYPE_node || !node->name) return true;
    const char *name = fgb_text_at(&load->build, node->name, &length);
    for (digits = 0; digits < length && name[length - digits - 1] >= '0' && name[length - digits - 1] <= '9';) digits++;
    if (digits && !read_digits(name + length - digits, digits, &fields->id))
        return malformed(load, node, FG_LIMIT, node->offset, "name", "the number at its end does not fit into 64 bits");
    return true;
}

/* A vertex that has one of the paths, and the rank. */
static uint32_t same_vertex(const loader *load, const jgf_node *node) {
    for (uint32_t i = 0; i < load->path_count; i++) {
        uint32_t vertex = fgb_find(&load->build, load->paths[i].text, load->paths[i].hash, node->fields.rank);
        if (vertex != FG_NONE) return vertex;
    }
    return FG_NONE;
}

/* Puts the vertex before what the builder says. */
static bool name_vertex(loader *load, const char *id, size_t length) {
    fg_error *error = load->error;
    load->json.failed = true;
    if (error->code == FG_NO_MEMORY) return false;
    char kept[FG_ERROR_TEXT];
    memcpy(kept, error->detail, sizeof kept);
    error->detail[0] = '\0';
    fge_detail(error, "vertex %.*s: %s", length > 80 ? 80 : (int)length, id, kept);
    return false;
}

static bool add_path(fgb_builder *build, const found_path *path) {
    return fgb_add_path(build, path->subsystem, path->text, path->hash, path->offset) == FG_OK && fgb_note_path(build, path->subsystem) == FG_OK;
}

static bool add_node(loader *load, jgf_node *node) {
    fgb_builder *build = &load->build;
    size_t length;
    const char *id = fgb_text_at(build, node->id, &length);
    if (fgi_find(&load->ids, id, length) != FG_NONE)
        return bad_node(load, node, FG_DUPLICATE, node->offset, "", "", "id", "there is a vertex with this id already");
    if (!number_node(load, node)) return false;
    uint32_t vertex = same_vertex(load, node), mark = ALIAS;
    if (vertex == FG_NONE) {
        if (node->name) node->fields.name = fgb_text_at(build, node->name, &node->fields.name_length);
        bool ok = fgb_add_vertex(build, &node->fields, node->offset) == FG_OK;
        vertex = build->graph->count - 1;
        mark = 0;
        for (uint32_t i = 0; ok && i < load->path_count; i++)
            ok = add_path(build, &load->paths[i]);
        if (!ok) return name_vertex(load, id, length);
    }
    bool ok = fgi_add(&load->ids, id, length, load->nodes, load->nodes);
    if (ok) FGM_PUSH(ok, load->json.memory, load->vertex, load->nodes, load->vertex_capacity, vertex | mark);
    return ok || no_memory(load);
}

static bool read_node(loader *load) {
    fgj_slice key;
    jgf_node node = {.fields = {.rank = -1, .size = 1}};
    load->path_count = 0;
    if (!fgj_enter(&load->json, '{')) return bad_node(load, &node, 0, 0, "", "", NULL, NULL);
    node.offset = fgj_offset(&load->json, load->json.value);
    static const char no_id[] = "fill_fetcher: JGF vertex id key is not found in a node.";
    while (fgj_member(&load->json, &key)) {
        if (fgj_is(key, "id")) {
            if (node.id) return twice(load, "key id twice in a vertex");
            if (!lasting(load, &node.id)) return bad_node(load, &node, 0, 0, no_id, "", "id", NULL);
        } else if (fgj_is(key, "metadata")) {
            if (node.metadata) return twice(load, "key metadata twice in a vertex");
            if (!read_metadata(load, &node)) return false;
        } else if (!fgj_skip(&load->json))
            return bad_node(load, &node, 0, 0, "", "", NULL, NULL);
    }
    if (load->json.failed) return false;
    if (!node.id) return bad_node(load, &node, FG_FORMAT, node.offset, no_id, "", "id", "it is missing");
    if (!node.metadata)
        return bad_node(load, &node, FG_FORMAT, node.offset, "fill_fetcher: key (metadata) is not found in an JGF node for ", ".", "metadata",
                        "it is missing");
    for (enum key wanted = TYPE; wanted <= PATHS; wanted++)
        if (!(node.seen & 1u << wanted)) return malformed(load, &node, FG_FORMAT, node.offset, key_names[wanted], "it is missing");
    return add_node(load, &node);
}

/* ---- Edges */

static bool bad_edge(loader *load, uint32_t edge, const char *key) {
    fg_error *error = load->error;
    if (!error || error->code == FG_SYNTAX || error->code == FG_NO_MEMORY) return false;
    char kept[FG_ERROR_TEXT];
    memcpy(kept, error->detail, sizeof kept);
    error->detail[0] = '\0';
    fge_detail(error, "edge number %u: key %s: %s", (unsigned)edge, key, kept);
    return false;
}

static bool read_subsystem(loader *load, uint32_t *out) {
    fgj_slice key;
    if (!fgj_enter(&load->json, '{')) return false;
    while (fgj_member(&load->json, &key)) {
        if (!fgj_is(key, "subsystem")) {
            if (!fgj_skip(&load->json)) return false;
            continue;
        }
        if (!fgj_string(&load->json, &key)) return false;
        if (key.length == 0) return fgj_fail(&load->json, FG_FORMAT, load->json.value, "a name is expected");
        int subsystem = fgb_subsystem(&load->build, key.text, key.length, fgj_offset(&load->json, load->json.value));
        if (subsystem < 0) return !(load->json.failed = true);
        *out = (uint32_t)subsystem;
    }
    return !load->json.failed;
}

static bool read_edge(loader *load, uint32_t number) {
    fgj_slice key;
    fgb_text ends[2] = {0, 0};
    uint32_t subsystem = FG_CONTAINMENT, vertex[2];
    if (!fgj_enter(&load->json, '{')) return bad_edge(load, number, "edges");
    uint64_t offset = fgj_offset(&load->json, load->json.value);
    while (fgj_member(&load->json, &key)) {
        int end = fgj_is(key, "source") ? 0 : fgj_is(key, "target") ? 1 : -1;
        if (end >= 0) {
            if (ends[end]) return twice(load, "a key twice in an edge") || bad_edge(load, number, end ? "target" : "source");
            if (!lasting(load, &ends[end])) return bad_edge(load, number, end ? "target" : "source");
        } else if (fgj_is(key, "metadata")) {
            if (!read_subsystem(load, &subsystem)) return bad_edge(load, number, "metadata");
        } else if (!fgj_skip(&load->json))
            return bad_edge(load, number, "edges");
    }
    if (load->json.failed) return false;
    for (int end = 0; end < 2; end++)
        if (!ends[end]) {
            fgj_fail(&load->json, FG_FORMAT, load->json.begin + offset, "it is missing");
            return bad_edge(load, number, end ? "target" : "source");
        }
    const char *text[2];
    size_t length[2];
    for (int end = 0; end < 2; end++) {
        text[end] = fgb_text_at(&load->build, ends[end], &length[end]);
        uint32_t found = fgi_find(&load->ids, text[end], length[end]);
        vertex[end] = found == FG_NONE ? FG_NONE : load->vertex[found];
    }
    if (vertex[0] == FG_NONE || vertex[1] == FG_NONE) {
        fgj_fail(&load->json, FG_UNKNOWN, load->json.begin + offset, "");
        fge_text(load->error, "unpack_edge: source and/or target vertex not found%.*s -> %.*s.", fge_width(length[0]), text[0],
                 fge_width(length[1]), text[1]);
        fge_detail(load->error, "edge %.*s -> %.*s: key %s: no vertex has this id", length[0] > 80 ? 80 : (int)length[0], text[0],
                   length[1] > 80 ? 80 : (int)length[1], text[1], vertex[0] == FG_NONE ? "source" : "target");
        return false;
    }
    if ((vertex[0] & vertex[1] & ALIAS)) return true; /* both had been there */
    if (fgb_add_edge(&load->build, vertex[0] & ~ALIAS, vertex[1] & ~ALIAS, subsystem, offset) == FG_OK) return true;
    load->json.failed = true;
    return false;
}

/* ---- The document */

static bool read_nodes(loader *load) {
    if (!fgj_enter(&load->json, '[')) return false;
    while (fgj_element(&load->json))
        if (!read_node(load)) return false;
    return !load->json.failed;
}

static bool read_edges(loader *load) {
    uint32_t number = 0;
    if (!fgj_enter(&load->json, '[')) return false;
    while (fgj_element(&load->json))
        if (!read_edge(load, number++)) return false;
    return !load->json.failed;
}

static bool read_graph(loader *load) {
    fgj_reader *json = &load->json;
    fgj_slice key;
    const char *postponed = NULL;
    uint32_t depth = 0;
    bool nodes = false, edges = false;
    if (fgj_peek(json) != '{') return missing(load, "nodes", fgj_offset(json, json->at));
    fgj_enter(json, '{');
    while (fgj_member(json, &key)) {
        if (fgj_is(key, "nodes")) {
            if (nodes) return twice(load, "key nodes twice");
            nodes = true;
            if (fgj_peek(json) != '[') return missing(load, "nodes", fgj_offset(json, json->at));
            if (!read_nodes(load)) return false;
        } else if (fgj_is(key, "edges")) {
            if (edges) return twice(load, "key edges twice");
            edges = true;
            if (fgj_peek(json) != '[') return missing(load, "edges", fgj_offset(json, json->at));
            postponed = nodes ? NULL : json->at;
            depth = json->depth;
            if (!(nodes ? read_edges(load) : fgj_skip(json))) return false;
        } else if (!fgj_skip(json))
            return false;
    }
    if (json->failed) return false;
    if (!nodes || !edges) return missing(load, nodes ? "edges" : "nodes", fgj_offset(json, json->at));
    if (!postponed) return true;
    const char *behind = json->at;
    uint32_t behind_depth = json->depth;
    json->at = postponed;
    json->depth = depth;
    bool ok = read_edges(load);
    json->at = behind;
    json->depth = behind_depth;
    json->fresh = false;
    return ok;
}

static bool read_document(loader *load) {
    fgj_slice key;
    bool graph = false;
    if (!fgj_enter(&load->json, '{')) return false;
    while (fgj_member(&load->json, &key)) {
        if (!fgj_is(key, "graph")) {
            if (!fgj_skip(&load->json)) return false;
            continue;
        }
        if (graph) return twice(load, "key graph twice");
        graph = true;
        if (!read_graph(load)) return false;
    }
    if (load->json.failed) return false;
    if (!graph) return missing(load, "graph", 0);
    return fgj_finished(&load->json);
}

/* Words an error of the JSON reader as the original does, with line and column. */
static void word_syntax(const fgj_reader *json, fg_error *error) {
    char kept[FG_ERROR_TEXT];
    memcpy(kept, error->detail, sizeof kept);
    const char *place = json->begin + error->offset, *first = json->begin;
    while (first < json->end && (*first == ' ' || *first == '\n' || *first == '\t' || *first == '\r')) first++;
    const char *word = place;
    while (word < json->end && ((*word >= 'a' && *word <= 'z') || (*word >= 'A' && *word <= 'Z'))) word++;
    error->text[0] = '\0';
    fge_text(error, "fetch_jgf: json_loads returned an error: ");
    bool at_top = place == first && (place == json->end || (*place != '{' && *place != '['));
    if (!at_top) fge_text(error, "%s", kept);
    else if (place == json->end) fge_text(error, "'[' or '{' expected near end of file");
    else fge_text(error, "'[' or '{' expected near '%.*s'", fge_width((size_t)(word - place)), place);
    if (at_top) place = word;
    size_t line = 1, column = 0;
    for (const char *at = json->begin; at < place; at++) {
        column = *at == '\n' ? 0 : column + 1;
        line += *at == '\n';
    }
    fge_text(error, ": <string>@%zu:%zu.", line, column);
}

/* The original parses the whole text, then looks for the keys, then reads the nodes. The error that it would have met first counts. */
static void prefer_earlier_error(loader *load, const char *text, size_t length) {
    fg_error *error = load->error;
    if (!error || error->code == FG_NO_MEMORY) return;
    fg_error first;
    fge_set(&first, FG_OK, 0);
    fgj_reader json;
    fgj_open(&json, text, length, load->json.memory, &first);
    bool parsed = fgj_skip(&json) && fgj_finished(&json);
    if (!parsed && (first.code == FG_SYNTAX || first.code == FG_NO_MEMORY)) *error = first;
    if (error->code == FG_SYNTAX) word_syntax(&json, error);
    fgj_close(&json);
}

fg_graph *fg_load_jgf(const char *text, size_t length, const fg_allocator *allocator, fg_error *error) {
    fg_error unused;
    if (!error) error = &unused;
    fge_set(error, FG_OK, 0);
    loader load = {.error = error};
    if (!text || length > FG_MAX_TEXT) {
        fge_set(error, text ? FG_LIMIT : FG_INVALID, 0);
        fge_detail(error, text ? "the document is too long" : "no text");
        return NULL;
    }
    fg_graph *graph = NULL;
    if (fgb_open(&load.build, text, allocator, error) >= 0) {
        const fg_allocator *memory = &load.build.graph->memory;
        fgj_open(&load.json, text, length, memory, error);
        fgi_open(&load.ids, memory);
        bool read = read_document(&load);
        fgi_close(&load.ids);
        fgm_free(memory, load.vertex);
        fgm_free(memory, load.paths);
        fgm_free(memory, load.pairs);
        if (read) graph = fgb_finish(&load.build);
        else prefer_earlier_error(&load, text, length);
        if (graph) load.json.memory = &graph->memory;
        fgj_close(&load.json);
    }
    fgb_close(&load.build);
    return graph;
}
