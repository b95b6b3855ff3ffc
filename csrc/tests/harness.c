/* See harness.h. */
#include "harness.h"

#include <stdlib.h>

int harness_checks, harness_failures;

void check_text(const char *file, int line, const char *found, const char *wanted) {
    harness_checks++;
    if (strcmp(found, wanted) == 0) return;
    harness_failures++;
    fprintf(stderr, "%s:%d: found  %s\n%s:%d: wanted %s\n", file, line, found, file, line, wanted);
}

/* Each block has its size before it, in the space of two. */
static void *counted(void *context, void *block, size_t size) {
    counting *state = context;
    size_t *old = block ? (size_t *)block - 2 : NULL;
    if (size == 0) {
        if (old) state->live--;
        free(old);
        return NULL;
    }
    if (++state->calls == state->fail_at) return NULL;
    size_t *fresh = malloc(size + 2 * sizeof *fresh); /* always moves, so that a stale pointer is found */
    if (!fresh) abort();
    fresh[0] = size;
    if (old) memcpy(fresh + 2, block, old[0] < size ? old[0] : size);
    else state->live++;
    free(old);
    return fresh + 2;
}

fg_allocator counting_allocator(counting *state) {
    return (fg_allocator){.resize = counted, .context = state};
}

char *quoted(const char *document, size_t *length) {
    *length = strlen(document);
    char *text = malloc(*length ? *length : 1);
    if (!text) abort();
    for (size_t i = 0; i < *length; i++) text[i] = document[i] == '\'' ? '"' : document[i];
    return text;
}

fg_graph *load(const char *document, fg_error *error) {
    size_t length;
    char *text = quoted(document, &length);
    fg_graph *graph = fg_load_jgf(text, length, NULL, error);
    free(text);
    return graph;
}

fg_graph *good(const char *document) {
    fg_error error;
    fg_graph *graph = load(document, &error);
    if (!graph) {
        fprintf(stderr, "%s: %s (%s) at %llu\nin %s\n", fg_code_name(error.code), error.text, error.detail, (unsigned long long)error.offset,
                document);
        exit(1);
    }
    int code = fg_check(graph, &error);
    if (code != FG_OK) fprintf(stderr, "%s\n", error.detail);
    CHECK(code == FG_OK);
    return graph;
}

char *written(const fg_graph *graph) {
    fg_buffer *buffer = fg_buffer_new(NULL);
    if (!buffer || fg_write_jgf(graph, buffer) != FG_OK) abort();
    size_t size = fg_buffer_size(buffer);
    char *text = malloc(size + 1);
    if (!text) abort();
    for (size_t i = 0; i < size; i++) text[i] = fg_buffer_data(buffer)[i] == '"' ? '\'' : fg_buffer_data(buffer)[i];
    text[size] = '\0';
    fg_buffer_free(buffer);
    return text;
}

unsigned next_random(unsigned *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}
