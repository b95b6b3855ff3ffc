"""The graph of an allocation: the value of `scheduling` in an R (RFC 40), in JGF or its shorthand; written, and read again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import frozen

from fluxplug_pool_graph.core import HAS_ALLOCATION, HAS_RESERVATION, HAS_WHOLE, GraphLookupError
from fluxplug_pool_graph.description import CONTAINMENT
from fluxplug_pool_graph.matcher import Taken
from fluxplug_pool_graph.readers import read
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


def stated(matcher: CMatcher, graph: Mapping[str, Any]) -> list[int]:
    """What a graph of an allocation says is held beside cores and GPUs: numbers of vertices. Below an exclusive vertex that it lists alone, all is held.

    Raises GraphReadError, and GraphLookupError for a vertex that the matcher has not.
    """
    description = read("jgf_shorthand", json.dumps(graph))
    parents = {edge.source for edge in description.edges if edge.subsystem == CONTAINMENT}
    found = []
    for place, vertex in enumerate(description.vertices):
        if not vertex.exclusive or vertex.type in ("core", "gpu"):
            continue
        path = vertex.paths.get(CONTAINMENT, "")
        numbers = matcher.with_path(path)
        if not numbers:
            raise GraphLookupError(f"no vertex has the path {path!r}")
        found.append(numbers[0])
        if place not in parents:
            found += [number for number, one, *_ in matcher.below(numbers[0]) if one.type not in ("core", "gpu")]
    return found
