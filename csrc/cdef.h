/* What Python calls of include/fluxplug_graph.h, without comments and macros: the compiler checks that both say the same. */
enum fg_code { FG_OK, FG_NO_MEMORY, FG_INVALID, FG_SYNTAX, FG_FORMAT, FG_LIMIT, FG_DUPLICATE, FG_UNKNOWN, FG_NOT_FOUND, FG_RANGE, FG_BUSY, ... };
#define FG_NONE ...

const char *fg_code_name(int code);
typedef struct fg_error {
    int code;
    uint64_t offset;
    char text[256];
    char detail[256];
} fg_error;
typedef ... fg_allocator;
typedef struct fg_graph fg_graph;
fg_graph *fg_load_jgf(const char *text, size_t length, const fg_allocator *allocator, fg_error *error);
typedef struct fg_tables {
    const char *text;
    const uint64_t *start;
    uint32_t strings;
    uint32_t types;
    const uint32_t *type_order;
    uint32_t vertices;
    const uint32_t *type, *basename, *name, *unit;
    const int64_t *id, *uniq_id, *size;
    const int32_t *rank;
    const uint8_t *down;
    uint32_t paths;
    const uint32_t *path_vertex, *path_subsystem, *path_text;
    uint32_t properties;
    const uint32_t *property_vertex, *property_key, *property_value;
    uint32_t edges;
    const uint32_t *source, *target, *edge_subsystem;
} fg_tables;
fg_graph *fg_build(const fg_tables *tables, const fg_allocator *allocator, fg_error *error);
void fg_graph_free(fg_graph *graph);
typedef struct fg_info {
    uint32_t vertices, edges, types, subsystems;
    uint32_t root;
    int tree;
    uint32_t several_parents;
    uint64_t bytes;
} fg_info;
void fg_graph_info(const fg_graph *graph, fg_info *info);
typedef struct fg_vertex {
    const char *type, *basename, *unit;
    int64_t id, uniq_id, size;
    int32_t rank;
    uint32_t type_number, properties;
    uint32_t parent, subtree, depth;
    uint32_t out_edges;
    int down;
} fg_vertex;
int fg_get(const fg_graph *graph, uint32_t vertex, fg_vertex *fields);
size_t fg_name(const fg_graph *graph, uint32_t vertex, char *out, size_t size);
size_t fg_path(const fg_graph *graph, uint32_t vertex, uint32_t subsystem, char *out, size_t size);
int fg_property(const fg_graph *graph, uint32_t vertex, uint32_t index, const char **key, const char **value);
int fg_edge(const fg_graph *graph, uint32_t vertex, uint32_t index, uint32_t *target, uint32_t *subsystem);
uint32_t fg_created(const fg_graph *graph, uint32_t k);
const char *fg_type_name(const fg_graph *graph, uint32_t type);
const char *fg_subsystem_name(const fg_graph *graph, uint32_t subsystem);
uint32_t fg_type_number(const fg_graph *graph, const char *name);
uint32_t fg_subsystem_number(const fg_graph *graph, const char *name);
uint32_t fg_root(const fg_graph *graph, uint32_t subsystem);
uint32_t fg_by_type(const fg_graph *graph, uint32_t type, const uint32_t **vertices);
uint32_t fg_by_rank(const fg_graph *graph, int64_t rank, const uint32_t **vertices);
uint32_t fg_find_path(const fg_graph *graph, const char *path, size_t length, uint32_t from);
int fg_set_down(fg_graph *graph, uint32_t vertex, int down);
int fg_set_property(fg_graph *graph, uint32_t vertex, const char *key, const char *value);
int fg_check(const fg_graph *graph, fg_error *error);
typedef struct fg_buffer fg_buffer;
fg_buffer *fg_buffer_new(const fg_allocator *allocator);
void fg_buffer_free(fg_buffer *buffer);
const char *fg_buffer_data(const fg_buffer *buffer);
size_t fg_buffer_size(const fg_buffer *buffer);
int fg_write_jgf(const fg_graph *graph, fg_buffer *buffer);
