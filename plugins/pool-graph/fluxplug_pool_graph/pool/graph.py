"""The graph of an allocation: the value of `scheduling` in an R (RFC 40), in JGF or its shorthand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import frozen

from fluxplug_pool_graph.core import HAS_ALLOCATION, HAS_RESERVATION, HAS_WHOLE
from fluxplug_pool_graph.matcher import Taken
from fluxplug_pool_graph.writers import Result, write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fluxplug_pool_graph.description import Vertex
    from fluxplug_pool_graph.native import CMatcher


@frozen
class _Some:
    """Vertices by number, as a description has them in a list: only those of the allocation."""

    vertices: dict[int, Vertex]


def allocation_graph(matcher: CMatcher, holds: Mapping[int, int], *, shorthand: bool) -> dict[str, Any] | None:
    """The vertices that a job holds or shares, with the edges between them; None where there are none. `holds` is as of MatchCore.holds."""
    taken, vertices = [], {}
    for v, kinds in holds.items():
        vertex, parent, level = matcher.looked_up(v)
        exclusive = bool(kinds & (HAS_ALLOCATION | HAS_RESERVATION))
        below = matcher.below(v) if kinds & HAS_WHOLE and not shorthand else ()
        for u, one, above, depth in [*below, (v, vertex, parent, level)]:
            vertices[u] = one
            taken.append(Taken(u, above if u != v or above in holds else -1, depth, one.size, exclusive))
    result = Result(taken, _Some(vertices), matcher.types)  # type: ignore[arg-type]
    text = write("jgf_shorthand" if shorthand else "jgf", result)
    graph: dict[str, Any] | None = json.loads(text) if text else None
    return graph
