/* Parts of JGF that writers share (fluxion.md 8.3). */
#ifndef FG_WRITE_H
#define FG_WRITE_H

#include "buffer.h"
#include "graph.h"

/* What depends on the job or the purpose, not on the vertex. */
typedef struct fgw_style {
    bool exclusive;
    int64_t amount;  /* written as "size" unless it is 1 */
    bool for_reader; /* with "status" where down, "uniq_id" where negative: what reading it back needs */
} fgw_style;

/* One node, one edge: an object without a separator. */
void fgw_node(fg_buffer *buffer, const fg_graph *graph, uint32_t vertex, const fgw_style *style);
void fgw_edge(fg_buffer *buffer, const fg_graph *graph, uint32_t source, uint32_t target, uint32_t subsystem);

#endif
