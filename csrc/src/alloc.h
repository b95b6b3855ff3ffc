/* Memory and growing arrays over the allocator hook. Everything in csrc/src allocates through here. */
#ifndef FG_ALLOC_H
#define FG_ALLOC_H

#include <stdbool.h>
#include <string.h>

#include "fluxplug_graph.h"

/* The caller's hook, or malloc where that is NULL. */
fg_allocator fgm_allocator(const fg_allocator *hook);

static inline void *fgm_resize(const fg_allocator *memory, void *block, size_t size) {
    return memory->resize(memory->context, block, size);
}

static inline void fgm_free(const fg_allocator *memory, void *block) {
    if (block) (void)memory->resize(memory->context, block, 0);
}

/* `count` items of `size` bytes, all zero; count may be 0. NULL when there is no memory. */
void *fgm_zeroed(const fg_allocator *memory, size_t count, size_t size);

/* Makes room for `need` items in an array of `*capacity`: returns the array, perhaps moved, or NULL (it is then as it was). Grows by half, so
 * that appending is O(1) on average and little is left over. */
void *fgm_reserve(const fg_allocator *memory, void *array, uint32_t *capacity, uint32_t need, size_t size);

/* Gives back what is behind `count` items. Keeps the array where the allocator refuses. */
void *fgm_trim(const fg_allocator *memory, void *array, size_t count, size_t size);

/* Appends one item, declared as a statement of `ok`: false when there is no memory. */
#define FGM_PUSH(ok, memory, array, count, capacity, item)                                                        \
    do {                                                                                                          \
        void *fgm_moved = (count) < (capacity)                                                                    \
                              ? (void *)(array)                                                                   \
                              : fgm_reserve((memory), (array), &(capacity), (count) + 1, sizeof *(array));        \
        (ok) = fgm_moved != NULL;                                                                                 \
        if (ok) {                                                                                                 \
            (array) = fgm_moved;                                                                                  \
            (array)[(count)++] = (item);                                                                          \
        }                                                                                                         \
    } while (0)

#endif
