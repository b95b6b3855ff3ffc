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

typedef struct fg_matcher fg_matcher;
typedef struct fg_request fg_request;
enum fg_match_order { FG_ORDER_HIGH, FG_ORDER_LOW, FG_ORDER_LOCALITY, FG_ORDER_VARIATION };
typedef struct fg_type_pair {
    uint32_t high, low;
} fg_type_pair;
typedef struct fg_match_options {
    int order;
    int node_centric, node_exclusive, stop_early, flexible;
    uint32_t dominant;
    int64_t lifetime;
    const uint32_t *numbers;
    uint32_t everywhere_count, specific_count;
    const uint32_t *everywhere;
    const fg_type_pair *specific;
} fg_match_options;
fg_matcher *fg_matcher_new(fg_graph *graph, const fg_match_options *options, const fg_allocator *allocator, int *code);
void fg_matcher_free(fg_matcher *matcher);
int fg_matcher_adopt(fg_matcher *matcher, fg_matcher *old);
uint32_t fg_matcher_specific(const fg_matcher *matcher, fg_type_pair *pairs, uint32_t room);
int fg_matcher_set_down(fg_matcher *matcher, uint32_t vertex, int down);
typedef struct fg_request_tables {
    uint32_t entries, variants;
    const uint32_t *variant_first, *variant_count;
    const uint32_t *type, *label, *first, *count;
    const int64_t *least, *most, *operand;
    const uint8_t *operator_;
    const int8_t *exclusive;
    const uint8_t *accepts;
    size_t accept_bytes;
} fg_request_tables;
fg_request *fg_request_new(const fg_request_tables *tables, const fg_allocator *allocator, int *code);
void fg_request_free(fg_request *request);
int fg_matcher_set_now(fg_matcher *matcher, int64_t now);
enum fg_operation { FG_ALLOCATE, FG_OR_RESERVE, FG_WITH_SATISFIABILITY, FG_SATISFIABILITY, FG_WITHOUT_ALLOCATING, FG_WITHOUT_FUTURE };
enum fg_verdict { FG_DONE, FG_LATER, FG_NEVER, FG_NOTHING, FG_UNUSABLE };
typedef struct fg_span {
    int64_t job, start, duration;
} fg_span;
typedef struct fg_row {
    int64_t vertex, parent, level, amount, exclusive, shown;
} fg_row;
typedef struct fg_label {
    uint32_t vertex, label;
} fg_label;
enum fg_event_kind { FG_SIBLINGS, FG_CONFLICT, FG_NOT_ENOUGH };
typedef struct fg_event {
    uint32_t kind, number, vertex;
} fg_event;
typedef struct fg_outcome {
    int verdict, failure;
    int64_t at, duration;
    int has_visits;
    uint64_t entered, succeeded, more_entered, more_succeeded;
    uint32_t rows, labels, events;
    const fg_row *row;
    const fg_label *label;
    const fg_event *event;
    uint32_t failed;
} fg_outcome;
int fg_match(fg_matcher *matcher, fg_request *request, int operation, int quick, int64_t job, int64_t duration, const uint32_t *whole, uint32_t whole_count, fg_outcome *outcome);
enum fg_step_kind { FG_STEP_CHECK, FG_STEP_BOOK, FG_STEP_MARK, FG_STEP_MARK_EXCLUSIVE };
typedef struct fg_step {
    uint32_t kind, vertex, target;
} fg_step;
int fg_update(fg_matcher *matcher, const fg_span *span, const fg_step *steps, uint32_t count, int root_exclusive, int commit, const uint32_t *whole, uint32_t whole_count, fg_outcome *outcome);
enum fg_how { FG_QUICK = 1, FG_PROMISE = 2 };
int fg_find(fg_matcher *matcher, fg_request *request, int how, int64_t job, int64_t from, int64_t until, int64_t duration, fg_outcome *outcome);
int fg_find_amounts(fg_matcher *matcher, fg_request *request, int64_t job, int64_t from, int64_t until, int64_t duration, fg_outcome *outcome);
int fg_feasible(fg_matcher *matcher, fg_request *request, int quick, fg_outcome *outcome);
int64_t fg_room(fg_matcher *matcher, fg_request *request, int64_t from);
int64_t fg_bound(fg_matcher *matcher, fg_request *request, int64_t job, int64_t from, int64_t until, int64_t duration);
int fg_lift(fg_matcher *matcher, int64_t job);
int fg_put_back(fg_matcher *matcher, int64_t job, int64_t start, int64_t duration);
int fg_rename(fg_matcher *matcher, int64_t job, int64_t heir);
typedef struct fg_units {
    int64_t rank, type, low, high;
} fg_units;
int64_t fg_units_of(fg_matcher *matcher, const int64_t *job, const fg_units **units);
int fg_enter(fg_matcher *matcher, const fg_span *span, const fg_units *units, uint32_t count, const uint32_t *others, uint32_t other_count);
fg_matcher *fg_matcher_copy(const fg_matcher *matcher, const fg_allocator *allocator, int *code);
int fg_matcher_check(const fg_matcher *matcher, uint32_t *vertex);
typedef struct fg_released {
    int known;
    uint64_t entered, succeeded;
} fg_released;
void fg_cancel(fg_matcher *matcher, int64_t job, fg_released *released);
uint32_t fg_counted_types(const fg_matcher *matcher);
int fg_release(fg_matcher *matcher, int64_t job, const uint32_t *vertices, uint32_t count, int64_t *amounts);
int fg_release_above(fg_matcher *matcher, int64_t job, uint32_t vertex, const int64_t *amounts);
enum fg_hold_kind { FG_HAS_TAG = 1, FG_HAS_COUNT = 4, FG_HAS_ALLOCATION = 8, FG_HAS_RESERVATION = 16, FG_HAS_WHOLE = 32 };
typedef struct fg_hold {
    int64_t vertex, kinds;
} fg_hold;
int64_t fg_job_holds(fg_matcher *matcher, int64_t job, const fg_hold **holds);
uint32_t fg_jobs(const fg_matcher *matcher, int64_t *ids, uint32_t room);
int fg_vertex_held(const fg_matcher *matcher, uint32_t vertex);
int fg_vertex_filter(const fg_matcher *matcher, uint32_t vertex, uint32_t index, const int64_t *job, uint32_t *type, int64_t *used, int64_t *total);
