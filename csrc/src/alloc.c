/* Memory and growing arrays: see alloc.h. */
#include "alloc.h"

#include <stdlib.h>

static void *default_resize(void *context, void *block, size_t size) {
    (void)context;
    if (size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, size);
}

fg_allocator fgm_allocator(const fg_allocator *hook) {
    if (hook) return *hook;
    return (fg_allocator){.resize = default_resize, .context = NULL};
}

void *fgm_zeroed(const fg_allocator *memory, size_t count, size_t size) {
    if (count > SIZE_MAX / size) return NULL;
    size_t bytes = count ? count * size : size;
    void *block = fgm_resize(memory, NULL, bytes);
    if (block) memset(block, 0, bytes);
    return block;
}

void *fgm_reserve(const fg_allocator *memory, void *array, uint32_t *capacity, uint32_t need, size_t size) {
    if (array && need <= *capacity) return array;
    uint64_t wanted = (uint64_t)*capacity + *capacity / 2;
    if (wanted < 16) wanted = 16;
    if (wanted < need) wanted = need;
    if (wanted > UINT32_MAX || wanted > SIZE_MAX / size) return NULL;
    void *moved = fgm_resize(memory, array, (size_t)wanted * size);
    if (moved) *capacity = (uint32_t)wanted;
    return moved;
}

void *fgm_trim(const fg_allocator *memory, void *array, size_t count, size_t size) {
    if (!array) return NULL;
    void *moved = fgm_resize(memory, array, (count ? count : 1) * size);
    return moved ? moved : array;
}
