/* A test is a function; CHECK notes what fails and goes on. Documents are written with ' for ". */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "fluxplug_graph.h"

extern int harness_checks, harness_failures;

#define CHECK(condition)                                                            \
    do {                                                                            \
        harness_checks++;                                                           \
        if (!(condition)) {                                                         \
            harness_failures++;                                                     \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
        }                                                                           \
    } while (0)

/* Shows both texts. */
void check_text(const char *file, int line, const char *found, const char *wanted);
#define CHECK_TEXT(found, wanted) check_text(__FILE__, __LINE__, (found), (wanted))

/* An allocator that counts what is live, and fails call number `fail_at` (from 1; 0: never). */
typedef struct counting {
    size_t calls, live, fail_at;
} counting;
fg_allocator counting_allocator(counting *state);

/* The document with " for ', in memory that is exactly as long as it is: reading past its end is found. Free it. */
char *quoted(const char *document, size_t *length);
/* Loads such a document; NULL and the error where it is bad. */
fg_graph *load(const char *document, fg_error *error);
/* The same, where it must be good. */
fg_graph *good(const char *document);
/* The whole graph as JGF, with ' for ". Free it. */
char *written(const fg_graph *graph);

/* Deterministic numbers: xorshift. */
unsigned next_random(unsigned *state);

void test_json(void);
void test_jgf(void);
void test_jgf_errors(void);
void test_tables(void);
void test_planner(void);
void test_memory(void);
void test_large(void);
void test_match(void);
void test_plan(void);
void test_match_order(void);

#endif
