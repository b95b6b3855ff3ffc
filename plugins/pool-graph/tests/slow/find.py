"""Searches: which vertices satisfy an expression. Section 9.3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field
from fluxplug_pool_graph.matcher import Taken

if TYPE_CHECKING:
    from fluxplug_pool_graph.expression import Expression

    from .graph import Graph, State

_JOBS = ("jobid-alloc", "jobid-reserved", "jobid-span", "jobid-tag")


@define(frozen=True)
class Inherited:
    """What holds of a vertex because it holds of one above."""

    down: bool = False
    allocated: bool = False
    reserved: bool = False


@define(eq=False)
class Search:
    """One search; `taken` has the result."""

    graph: Graph
    expression: Expression
    taken: list[Taken] = field(factory=list)
    seen: set[int] = field(factory=set)

    def visit(self, v: int, parent: int, level: int, above: Inherited) -> bool:
        """Whether this vertex or one below was found."""
        self.seen.add(v)
        vertex, state = self.graph.vertex(v), self.graph.states[v]
        here = Inherited(
            above.down or not vertex.up,
            above.allocated or bool(state.allocations),
            above.reserved or bool(state.reservations),
        )
        found = False
        for link in self.graph.children(v):
            if link.target not in self.seen:
                found = self.visit(link.target, v, level + 1, here) or found
        found = self._holds(self.expression, v, here) or found
        counts = self._counts(state) if self._wants_counts() else None
        if found and (counts is not None or not self._wants_counts()):
            self.taken.append(Taken(v, parent, level, vertex.size, True, counts=counts))
        return found

    def _holds(self, e: Expression, v: int, here: Inherited) -> bool:
        if e.key == "and":
            return all(self._holds(operand, v, here) for operand in e.operands)
        if e.key == "or":
            return any(self._holds(operand, v, here) for operand in e.operands)
        vertex, state = self.graph.vertex(v), self.graph.states[v]
        if e.key == "status":
            return here.down == (e.value == "down")
        if e.key == "sched-now":
            return here.allocated == (e.value == "allocated")
        if e.key == "sched-future":
            return here.reserved == (e.value == "reserved")
        if e.key == "jobid-alloc":
            return e.jobid in state.allocations
        if e.key == "jobid-reserved":
            return e.jobid in state.reservations
        if e.key == "jobid-span":
            return e.jobid in state.counted
        if e.key == "jobid-tag":
            return e.jobid in state.tags
        if e.key == "names":
            return vertex.name in e.names
        if e.key == "property":
            return any(key.lower() == e.value for key in vertex.properties)
        return (state.filter is not None) == (e.value == "true")

    def _wants_counts(self) -> bool:
        return any(term.key == "agfilter" and term.value == "true" for term in self.expression.terms())

    def _counts(self, state: State) -> dict[str, tuple[int, int]] | None:
        if state.filter is None:
            return None
        jobs = [term.jobid for term in self.expression.terms() if term.key in _JOBS]
        counts = {}
        for kind, planner in state.filter.planners.items():
            used = planner.total - planner.remaining[0]
            if jobs:
                span = state.counted.get(jobs[-1])
                used = state.filter.booked(span)[kind] if span is not None else 0
            counts[kind] = (used, planner.total)
        return counts


def run(graph: Graph, expression: Expression) -> list[Taken]:
    """Everything that satisfies the expression, and all above it."""
    search = Search(graph, expression)
    search.visit(graph.root, -1, 1, Inherited())
    return search.taken
