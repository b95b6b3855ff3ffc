/* Machines and requests in few words, for tests and fuzz targets of the matcher. Both abort where they cannot be made, unless an allocator refuses. */
#ifndef MACHINE_H
#define MACHINE_H

#include "fluxplug_graph.h"

/* A cluster of racks of nodes, each with sockets (0: none) of cores, GPUs and one memory of this size (0: none). Ranks are those of nodes, ids of cores
 * count within the node. Memories are made last, so that all others have the same numbers without them. */
typedef struct machine {
    int racks, nodes, sockets, cores, gpus, memory;
} machine;
fg_graph *make_machine(const machine *shape);

/* Of the graph, with numbers in the order in which vertices were made, and filters for all its types everywhere, so that each booking is a point at the root. `policy` is 0 (high), 1 (low),
 * 2 (first), 3 (locality), 4 (variation), 5 (low by nodes); NULL when there is no memory. */
enum { POLICIES = 6 };
fg_matcher *make_matcher(fg_graph *graph, int policy, int flexible, const fg_allocator *allocator);

/* Likewise, with the numbers that the vertices have in `whole`, where all of them are, and counting what `old` counts (NULL: nothing more). */
fg_matcher *make_heir(fg_graph *graph, const fg_graph *whole, int policy, int flexible, const fg_matcher *old);

/* "node2[slot[core2,gpu]]": types with a count (1), "!" for exclusive; "|" between variants. NULL when there is no memory. */
fg_request *make_request(const fg_graph *graph, const char *text, const fg_allocator *allocator);

#endif
