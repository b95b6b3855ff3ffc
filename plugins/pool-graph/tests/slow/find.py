"""Searches: which vertices satisfy an expression. Section 9.3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field
from fluxplug_pool_graph.expression import Term, wants_counts
from fluxplug_pool_graph.matcher import Taken

if TYPE_CHECKING:
    from fluxplug_pool_graph.expression import Expression

    from .graph import Graph, State


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
        found = self._matches(v, here) or found
        wanted = wants_counts(self.expression)
        counts = self._counts(state) if wanted else None
        if found and (counts is not None or not wanted):
            self.taken.append(Taken(v, parent, level, vertex.size, True, counts=counts))
        return found

    def _matches(self, v: int, here: Inherited) -> bool:
        """Run the program for one vertex."""
        stack: list[bool] = []
        for step in self.expression:
            if step == "and":
                stack[-2:] = [stack[-2] and stack[-1]]
            elif step == "or":
                stack[-2:] = [stack[-2] or stack[-1]]
            else:
                stack.append(self._holds(step, v, here))
        return stack[0]

    def _holds(self, term: Term, v: int, here: Inherited) -> bool:
        vertex, state = self.graph.vertex(v), self.graph.states[v]
        if term.key == "status":
            return here.down == (term.value == "down")
        if term.key == "sched-now":
            return here.allocated == (term.value == "allocated")
        if term.key == "sched-future":
            return here.reserved == (term.value == "reserved")
        if term.key == "jobid-alloc":
            return term.jobid in state.allocations
        if term.key == "jobid-reserved":
            return term.jobid in state.reservations
        if term.key == "jobid-span":
            return term.jobid in state.counted
        if term.key == "jobid-tag":
            return term.jobid in state.tags
        if term.key == "names":
            return vertex.name.lower() in term.names
        if term.key == "property":
            return any(key.lower() == term.value for key in vertex.properties)
        return (state.filter is not None) == (term.value == "true")

    def _counts(self, state: State) -> dict[str, tuple[int, int]] | None:
        if state.filter is None:
            return None
        jobs = [step.jobid for step in self.expression if isinstance(step, Term) and step.names_a_job]
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
