/* The tree of a planner. A node is a leaf with points, or an inner node with a summary of each child. */
#ifndef FG_PLANNER_H
#define FG_PLANNER_H

#include "alloc.h"

/* Points in a leaf, and children of an inner node: some ten cache lines each, so that a node is read about as fast as a line of a larger tree. */
#define FGP_FANOUT 32u
/* Levels: 2^32 points need 7 where every node is half full; splitting never leaves less, and freeing never adds one. */
#define FGP_LEVELS 12u

typedef struct fgp_point {
    int64_t time;
    int64_t change; /* of what is available, from here on */
    uint32_t spans; /* that begin or end here; point 0 has one more */
} fgp_point;

typedef struct fgp_leaf {
    uint16_t count, capacity;
    fgp_point points[];
} fgp_leaf;

/* sum: of all changes below; low and high: the least and greatest sum of the changes up to any point below. */
typedef struct fgp_child {
    int64_t first, last; /* times */
    int64_t sum, low, high;
    void *node;
} fgp_child;

typedef struct fgp_inner {
    uint16_t count;
    fgp_child children[FGP_FANOUT];
} fgp_inner;

struct fg_planner {
    fg_allocator memory;
    int64_t total;
    fgp_child top;   /* its node is the root; a leaf where levels is 0 */
    uint32_t points, levels;
};

/* Recomputes the summary of a child from what is below it; `levels` is 0 for a leaf. */
void fgp_sum_up(fgp_child *child, uint32_t levels);
/* fg_planner_remove for a span that is known to be there, whatever is available after that: a total may have shrunk meanwhile. */
void fgp_take_back(fg_planner *planner, int64_t at, int64_t duration, int64_t amount);
/* fg_planner_reduce likewise. */
void fgp_give_back(fg_planner *planner, int64_t at, int64_t duration, int64_t amount);

/* A planner in the same state, from this allocator; NULL when there is no memory. O(points). */
fg_planner *fgp_copy(const fg_planner *planner, const fg_allocator *allocator);

#endif
