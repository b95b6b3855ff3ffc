"""Taking what a document says some job holds. Section 7.4."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from fluxplug_pool_graph.description import CONTAINMENT, Description, Edge, Vertex
from fluxplug_pool_graph.matcher import Hold, Outcome, Verdict

from .commit import Booking, Commit
from .graph import Graph, Link
from .groups import Part
from .planner import RefusedError

if TYPE_CHECKING:
    from collections.abc import Collection


class UnusableError(Exception):
    """The document does not fit; the text is the original's."""


class Update:
    """One update."""

    def __init__(self, graph: Graph, document: Description, hold: Hold) -> None:
        self.graph, self.document, self.hold = graph, document, hold
        graph.marks += 1
        self.mark = graph.marks
        #: Vertex to whether the document has it exclusively, and which of them have been booked.
        self.listed: dict[int, bool] = {}
        self.booked: list[int] = []

    def jgf(self, *, shorthand: bool) -> None:
        """Book and mark what a JGF document lists."""
        found = []
        for vertex in self.document.vertices:
            v = self._known(vertex)
            found.append(v)
            self.listed[v] = vertex.exclusive
            self._book(v) if vertex.exclusive else self._check_free(v)
        for edge in self.document.edges:
            self._mark_edge(found[edge.source], found[edge.target], edge.subsystem)
        if shorthand:
            for v, exclusive in list(self.listed.items()):
                if exclusive:
                    self._take_subtree(v)

    def rv1exec(self) -> None:
        """Book and mark what an R lists; its first vertex is the root."""
        vertices, edges = self.document.vertices, self.document.edges
        found = {0: self._known(vertices[0])}
        for edge in edges:
            vertex = vertices[edge.target]
            step = "unpack_rank: failed unpacking rank" if edge.source == 0 else "unpack_child: failed unpacking child"
            try:
                v = found[edge.target] = self._known(vertex)
                self._check_free(v)
                if edge.source:
                    self._book(v)
            except UnusableError as exc:
                raise UnusableError(f"{exc}{step} for {vertex.name}.\n") from exc
            self.listed[v] = True
            self._mark_edge(found[edge.source], v, CONTAINMENT)
        for v in [v for v in self.listed if self.graph.vertex(v).type == "node"]:
            rank = self.graph.vertex(v).rank
            if all(u in self.listed for u in self.graph.present if self.graph.vertex(u).rank == rank):
                self._book(v)

    def undo(self) -> None:
        """Take back the bookings."""
        for v in self.booked:
            state = self.graph.states[v]
            state.plan.remove(self._spans(v).pop(self.hold.jobid))

    def root(self) -> Part:
        """What is taken of the root."""
        root = self.graph.root
        link = Link(-1, root, self.graph.dominant)
        return Part(link, self.graph.vertex(root).size, self.listed.get(root, False))

    def _known(self, vertex: Vertex) -> int:
        for v in sorted(self.graph.present):
            mine = self.graph.vertex(v)
            if mine.paths == vertex.paths and mine.rank == vertex.rank and _identity(mine) == _identity(vertex):
                return v
        raise UnusableError(f"add_or_update: couldn't find vertex in graph for {vertex.name}.\n")

    def _check_free(self, v: int) -> None:
        vertex, state = self.graph.vertex(v), self.graph.states[v]
        if state.plan.available(self.hold.start, self.hold.duration) < vertex.size:
            raise UnusableError(f"update_vertex: {vertex.name} is unavailable.\n")

    def _book(self, v: int) -> None:
        vertex, state = self.graph.vertex(v), self.graph.states[v]
        try:
            self._spans(v)[self.hold.jobid] = state.plan.add(self.hold.start, self.hold.duration, vertex.size)
        except RefusedError as exc:
            raise UnusableError(f"update_vtx_plan: can't add span into {vertex.name}.\n") from exc
        self.booked.append(v)

    def _spans(self, v: int) -> dict[int, int]:
        state = self.graph.states[v]
        return state.reservations if self.hold.start else state.allocations

    def _take_subtree(self, v: int) -> None:
        for link in self.graph.states[v].links:
            if link.subsystem == CONTAINMENT and link.target not in self.listed:
                self.listed[link.target] = True
                self._book(link.target)
                self._mark(link)
                self._take_subtree(link.target)

    def _mark_edge(self, source: int, target: int, subsystem: str) -> None:
        for link in self.graph.states[source].links:
            if link.target == target and link.subsystem == subsystem:
                self._mark(link)

    def _mark(self, link: Link) -> None:
        link.mark, link.exclusive = self.mark, self.listed[link.target]
        link.needs = self.graph.vertex(link.target).size


def _without_free_ranks(document: Description) -> Description:
    kept = [
        v for v, vertex in enumerate(document.vertices) if vertex.rank < 0 or vertex.rank not in document.free_ranks
    ]
    index = {v: place for place, v in enumerate(kept)}
    edges = [
        Edge(index[e.source], index[e.target], e.subsystem) for e in document.edges if {e.source, e.target} <= {*index}
    ]
    return Description([document.vertices[v] for v in kept], edges, document.types)


def _identity(vertex: Vertex) -> tuple[str, str, int, int, str]:
    return vertex.type, vertex.basename, vertex.size, vertex.id, vertex.name


def run(graph: Graph, document: Description, form: str, hold: Hold, also_exclusive: Collection[str]) -> Outcome:
    """Take it, or nothing."""
    update = Update(graph, _without_free_ranks(document), hold)
    for kind in document.types:
        graph.types.setdefault(kind, len(graph.types))
    try:
        if form == "rv1exec":
            update.rv1exec()
        else:
            update.jgf(shorthand=form == "jgf_shorthand")
    except UnusableError as exc:
        update.undo()
        return Outcome(Verdict.INVALID, failure=errno.EINVAL, texts=str(exc))
    whole = {*also_exclusive, *(["node"] if graph.options.policy.node_exclusive else [])}
    commit = Commit(graph, update.mark, hold, Booking.STATEMENT, whole)
    commit.run(update.root())
    return Outcome(Verdict.DONE, hold.start, hold.duration, commit.taken)
