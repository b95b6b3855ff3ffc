"""The graph of an allocation: the value of `scheduling` in an R (RFC 40), in JGF or its shorthand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import frozen

from fluxplug_pool_graph.core import HAS_ALLOCATION, HAS_RESERVATION
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
        vertices[v] = vertex
        exclusive = bool(kinds & (HAS_ALLOCATION | HAS_RESERVATION))
        taken.append(Taken(v, parent if parent in holds else -1, level, vertex.size, exclusive))
    result = Result(taken, _Some(vertices), matcher.types)  # type: ignore[arg-type]
    text = write("jgf_shorthand" if shorthand else "jgf", result)
    graph: dict[str, Any] | None = json.loads(text) if text else None
    return graph
