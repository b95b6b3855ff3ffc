/* Heap sort, and the search of what is sorted: see sort.h. */
#include "sort.h"

#include <string.h>

static void swap(char *a, char *b, size_t size) {
    char kept[32];
    memcpy(kept, a, size);
    memcpy(a, b, size);
    memcpy(b, kept, size);
}

static void sink(char *items, size_t at, size_t count, size_t size, fgg_before *before, const void *context) {
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) return;
        if (child + 1 < count && before(context, items + child * size, items + (child + 1) * size)) child++;
        if (!before(context, items + at * size, items + child * size)) return;
        swap(items + at * size, items + child * size, size);
        at = child;
    }
}

void fgg_sort(void *array, size_t count, size_t size, fgg_before *before, const void *context) {
    char *items = array;
    size_t sorted = 1;
    while (sorted < count && !before(context, items + sorted * size, items + (sorted - 1) * size)) sorted++;
    if (sorted >= count) return;
    for (size_t i = count / 2; i-- > 0;) sink(items, i, count, size, before, context);
    for (size_t end = count - 1; end > 0; end--) {
        swap(items, items + end * size, size);
        sink(items, 0, end, size, before, context);
    }
}

uint32_t fgg_first_from(const uint32_t *ascending, uint32_t count, uint32_t least) {
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ascending[middle] < least) low = middle + 1;
        else high = middle;
    }
    return low;
}
