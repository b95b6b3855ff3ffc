/* Sorting in place without memory of its own (qsort may allocate behind our back), O(n log n) for any input: heap sort. */
#ifndef FG_SORT_H
#define FG_SORT_H

#include <stddef.h>
#include <stdint.h>

/* Whether item a comes before item b. */
typedef int fgg_before(const void *context, const void *a, const void *b);

/* Items of at most 32 bytes. What is in order already costs one pass. Not stable: make `before` total. */
void fgg_sort(void *items, size_t count, size_t size, fgg_before *before, const void *context);

/* The place of the first item that is at least `least` in an ascending array; count if there is none. O(log count). */
uint32_t fgg_first_from(const uint32_t *ascending, uint32_t count, uint32_t least);

#endif
