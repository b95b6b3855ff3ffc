"""Changes of the graph itself: status, attach, remove. Sections 7.5 and 7.6."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxplug_pool_graph.description import Description, Edge
from fluxplug_pool_graph.matcher import MatcherError, Release, Verdict

from .graph import Graph, Link, State
from .planner import Planner
from .release import release_ranks

if TYPE_CHECKING:
    from collections.abc import Iterable


def vertex_at(graph: Graph, path: str) -> int | None:
    """The first vertex with this path in any subsystem."""
    return next((v for v in sorted(graph.present) if path in graph.vertex(v).paths.values()), None)


def set_status(graph: Graph, v: int, *, up: bool) -> None:
    """Put one vertex up or down; `nodes_up` follows for all nodes at or below it."""
    vertex = graph.vertex(v)
    if vertex.up == up:
        return
    vertex.up = up
    for below in _subtree(graph, v):
        if graph.vertex(below).type == "node":
            graph.nodes_up += graph.vertex(below).size if up else -graph.vertex(below).size


def attach(graph: Graph, document: Description) -> None:
    """Graft the vertices that are not known yet, and the edges to or from them."""
    description = graph.description
    known = {(path, graph.vertex(v).rank): v for v in graph.present for path in graph.vertex(v).paths.values()}
    if not any((path, vertex.rank) in known for vertex in document.vertices for path in vertex.paths.values()):
        raise MatcherError("no vertex of the subgraph is in the graph, so there is nothing to attach it to")
    index: list[int] = []
    new: set[int] = set()
    for vertex in document.vertices:
        place = next((known[path, vertex.rank] for path in vertex.paths.values() if (path, vertex.rank) in known), None)
        if place is None:
            place = len(description.vertices)
            description.vertices.append(vertex)
            graph.states.append(State(Planner(vertex.size)))
            new.add(place)
        index.append(place)
    for kind in document.types:
        graph.types.setdefault(kind, len(graph.types))
    graph.present |= new
    for edge in document.edges:
        source, target = index[edge.source], index[edge.target]
        if source in new or target in new:
            description.edges.append(Edge(source, target, edge.subsystem))
            graph.states[source].links.append(Link(source, target, edge.subsystem))
    graph.prime()


def remove_path(graph: Graph, path: str) -> Verdict:
    """Detach a subtree; jobs keep what they hold of it."""
    v = vertex_at(graph, path)
    if v is None or v == graph.root:
        return Verdict.ABSENT
    _detach(graph, {*_subtree(graph, v)})
    return Verdict.DONE


def remove_ranks(graph: Graph, ranks: Iterable[int]) -> Release:
    """Clear all jobs from the vertices of these ranks, then detach them."""
    gone: set[int] = set()
    known: list[int] = []
    for rank in ranks:
        known.append(rank)
        held = {v for v in graph.present if graph.vertex(v).rank == rank}
        if not held:
            return Release(Verdict.ABSENT, rank=rank)
        gone |= held
    for jobid in sorted({job for v in gone for job in graph.states[v].tags}):
        release_ranks(graph, [rank for rank in known if _holds(graph, gone, rank, jobid)], jobid)
    _detach(graph, gone)
    return Release(Verdict.DONE)


def _holds(graph: Graph, vertices: set[int], rank: int, jobid: int) -> bool:
    return any(graph.vertex(v).rank == rank and jobid in graph.states[v].tags for v in vertices)


def _detach(graph: Graph, gone: set[int]) -> None:
    graph.present -= gone
    for state in graph.states:
        state.links = [link for link in state.links if link.target not in gone and link.source not in gone]
    graph.prime()


def _subtree(graph: Graph, v: int) -> list[int]:
    found, todo = [], [v]
    while todo:
        v = todo.pop()
        if v not in found:
            found.append(v)
            todo += [link.target for link in graph.children(v)]
    return found
