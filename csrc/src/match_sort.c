/* The sort that decides between equals (fluxion.md 6.5): an introsort whose steps are visible in its results. */
#include "match.h"

#define SMALL 16u

static bool before(fgx_key a, fgx_key b) {
    return a.key > b.key;
}

static void swap(fgx_key *a, fgx_key *b) {
    fgx_key kept = *a;
    *a = *b;
    *b = kept;
}

static void shift_left(fgx_key *keys, uint32_t i) {
    fgx_key value = keys[i];
    for (; before(value, keys[i - 1]); i--) keys[i] = keys[i - 1];
    keys[i] = value;
}

static uint32_t median(const fgx_key *a, uint32_t x, uint32_t y, uint32_t z) {
    if (before(a[x], a[y])) {
        if (before(a[y], a[z])) return y;
        return before(a[x], a[z]) ? z : x;
    }
    if (before(a[x], a[z])) return x;
    return before(a[y], a[z]) ? z : y;
}

/* Down to a leaf along the greater children, then up to where the value belongs. */
static void sift(fgx_key *heap, uint32_t hole, uint32_t n, fgx_key value) {
    uint32_t top = hole, child = hole;
    while (child < (n - 1) / 2) {
        child = 2 * (child + 1);
        if (before(heap[child], heap[child - 1])) child--;
        heap[hole] = heap[child];
        hole = child;
    }
    if (n % 2 == 0 && child == (n - 2) / 2) {
        child = 2 * child + 1;
        heap[hole] = heap[child];
        hole = child;
    }
    while (hole > top && before(heap[(hole - 1) / 2], value)) {
        heap[hole] = heap[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    heap[hole] = value;
}

static void heapsort(fgx_key *heap, uint32_t n) {
    for (uint32_t parent = (n - 2) / 2 + 1; parent-- > 0;) sift(heap, parent, n, heap[parent]);
    for (uint32_t end = n - 1; end > 0; end--) {
        fgx_key value = heap[end];
        heap[end] = heap[0];
        sift(heap, 0, end, value);
    }
}

/* Partitions [first, last). Parts that begin at or behind `sorted` are left as they are: returns where the first of these begins, or
 * UINT32_MAX. */
static uint32_t partition(fgx_key *a, uint32_t first, uint32_t last, uint32_t depth, uint32_t sorted) {
    uint32_t end = UINT32_MAX;
    while (last - first > SMALL) {
        if (depth-- == 0) {
            heapsort(a + first, last - first);
            return end;
        }
        swap(&a[first], &a[median(a, first + 1, first + (last - first) / 2, last - 1)]);
        uint32_t i = first + 1, j = last;
        fgx_key pivot = a[first];
        for (;;) {
            while (before(a[i], pivot)) i++;
            j--;
            while (before(pivot, a[j])) j--;
            if (i >= j) break;
            swap(&a[i], &a[j]);
            i++;
        }
        if (i >= sorted) end = i;
        else {
            uint32_t cut = partition(a, i, last, depth, sorted);
            if (cut < end) end = cut;
        }
        last = i;
    }
    return end;
}

static uint32_t log2_of(uint32_t n) {
    uint32_t bits = 0;
    while (n >>= 1) bits++;
    return bits;
}

/* Sorts so that the first `sorted` keys are those of a whole sort. O(n log n); O(n) where few have to be sorted. */
void fgx_introsort(fgx_key *keys, uint32_t count, uint32_t sorted) {
    uint32_t end = count;
    if (count > SMALL) end = partition(keys, 0, count, 2 * log2_of(count), sorted ? sorted : 1);
    if (end > count) end = count;
    for (uint32_t i = 1; i < end && i < SMALL; i++) {
        if (before(keys[i], keys[0])) {
            fgx_key value = keys[i];
            memmove(keys + 1, keys, i * sizeof *keys);
            keys[0] = value;
        } else shift_left(keys, i);
    }
    for (uint32_t i = SMALL; i < end; i++) shift_left(keys, i);
}
