/* The state of a matcher as one number, and who is in whose way: from its inside. For tests and fuzz targets. */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>

#include "fluxplug_graph.h"

/* Of jobs, plans, filters, status and the present; the same for matchers that answer alike. */
uint64_t state_of(const fg_matcher *matcher);

/* Whether no job has anything of what another holds as a whole at the same time. */
bool is_exclusive(const fg_matcher *matcher);

#endif
