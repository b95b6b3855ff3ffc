"""Searches over the C core (fluxion.md section 9.3). Used by native.py alone; costs a step a vertex."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from fluxplug_pool_graph.core import HAS_ALLOCATION, HAS_COUNT, HAS_RESERVATION, HAS_TAG
from fluxplug_pool_graph.expression import Term, wants_counts
from fluxplug_pool_graph.matcher import Taken

if TYPE_CHECKING:
    from fluxplug_pool_graph.expression import Expression
    from fluxplug_pool_graph.native import CMatcher

_JOB_BITS = {
    "jobid-alloc": HAS_ALLOCATION,
    "jobid-reserved": HAS_RESERVATION,
    "jobid-span": HAS_COUNT,
    "jobid-tag": HAS_TAG,
}


@define
class _Step:
    """A vertex on the way down: what holds of it and of those above, and whether something below was found."""

    vertex: int
    parent: int
    down: bool
    held: int
    next_child: int = 0
    found: bool = False


@define(eq=False)
class _Search:
    matcher: CMatcher
    expression: Expression
    holds: dict[int, dict[int, int]]
    names: list[str]
    taken: list[Taken] = field(factory=list)
    seen: set[int] = field(factory=set)

    def enter(self, vertex: int, parent: int, above: _Step | None) -> _Step:
        self.seen.add(vertex)
        down = not self.matcher.description.vertices[vertex].up
        held = self.matcher.core.held(vertex)
        if above is not None:
            down, held = down or above.down, held | above.held
        return _Step(vertex, parent, down, held)

    def run(self) -> None:
        way = [self.enter(self.matcher.root, -1, None)]
        while way:
            here = way[-1]
            children = self.matcher.children(here.vertex)
            while here.next_child < len(children) and children[here.next_child] in self.seen:
                here.next_child += 1
            if here.next_child < len(children):
                way.append(self.enter(children[here.next_child], here.vertex, here))
                continue
            way.pop()
            here.found = self._matches(here) or here.found
            if here.found:
                self._show(here, len(way) + 1)
                if way:
                    way[-1].found = True

    def _show(self, here: _Step, level: int) -> None:
        size = self.matcher.description.vertices[here.vertex].size
        if not wants_counts(self.expression):
            self.taken.append(Taken(here.vertex, here.parent, level, size, True))
            return
        jobs = [step.jobid for step in self.expression if isinstance(step, Term) and step.names_a_job]
        rows = self.matcher.core.filter_of(here.vertex, jobs[-1] if jobs else None)
        if rows:
            counts = {self.names[kind]: (used, total) for kind, used, total in rows}
            self.taken.append(Taken(here.vertex, here.parent, level, size, True, counts=counts))

    def _matches(self, here: _Step) -> bool:
        stack: list[bool] = []
        for step in self.expression:
            if isinstance(step, Term):
                stack.append(self._holds(step, here))
            else:
                last = stack.pop()
                stack[-1] = (stack[-1] and last) if step == "and" else (stack[-1] or last)
        return stack[0]

    def _holds(self, term: Term, here: _Step) -> bool:
        vertex = self.matcher.description.vertices[here.vertex]
        if term.key == "status":
            return here.down == (term.value == "down")
        if term.key == "sched-now":
            return bool(here.held & HAS_ALLOCATION) == (term.value == "allocated")
        if term.key == "sched-future":
            return bool(here.held & HAS_RESERVATION) == (term.value == "reserved")
        if term.key in _JOB_BITS:
            return bool(self.holds[term.jobid].get(here.vertex, 0) & _JOB_BITS[term.key])
        if term.key == "names":
            return vertex.name.lower() in term.names
        if term.key == "property":
            return any(key.lower() == term.value for key in vertex.properties)
        return bool(self.matcher.core.filter_of(here.vertex, None)) == (term.value == "true")


def run(matcher: CMatcher, expression: Expression) -> list[Taken]:
    """Everything that satisfies the expression, and all above it."""
    jobs = {step.jobid for step in expression if isinstance(step, Term)}
    holds = {jobid: matcher.core.holds(jobid) for jobid in jobs}
    search = _Search(matcher, expression, holds, list(matcher.types))
    search.run()
    return search.taken
