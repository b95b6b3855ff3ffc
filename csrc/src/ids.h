/* The nodes of a JGF document by their ids, while it is read. */
#ifndef FG_IDS_H
#define FG_IDS_H

#include "intern.h"

/* Ids that are dense numbers, as most are, index an array; the others are hashed. */
typedef struct fgi_ids {
    const fg_allocator *memory;
    uint32_t *direct;   /* by number: 1 + the node, or 0 */
    uint32_t *slots;    /* hashed: 1 + the node, or 0 */
    uint64_t *key;      /* of each hashed node, in `hashed` order: number * 2, or string * 2 + 1 */
    uint32_t *node;     /* of each hashed node */
    fgs_table names;    /* ids that are no plain number */
    uint32_t direct_size, slot_mask, hashed, key_capacity, node_capacity;
} fgi_ids;

void fgi_open(fgi_ids *ids, const fg_allocator *memory);
void fgi_close(fgi_ids *ids);

/* The node with this id, or FG_NONE. */
uint32_t fgi_find(const fgi_ids *ids, const char *text, size_t length);
/* Adds an id that is not there yet; `count` nodes were added before. False when there is no memory. */
bool fgi_add(fgi_ids *ids, const char *text, size_t length, uint32_t node, uint32_t count);

#endif
