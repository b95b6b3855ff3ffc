"""From the marks of a walk to bookings, and to what is printed. Section 7.1."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from fluxplug_pool_graph.matcher import Hold, Taken

from .groups import Part
from .planner import RefusedError

if TYPE_CHECKING:
    from collections.abc import Collection

    from .graph import Graph, Link


class Booking(Enum):
    """What a commit writes."""

    ALLOCATION = "allocation"
    RESERVATION = "reservation"
    NOTHING = "nothing"
    STATEMENT = "statement"  # everything but the vertices' own spans, which `update` has booked before


class Commit:
    """One commit walk; `taken` has the result, children before parents. Empty if nothing would be held exclusively."""

    def __init__(self, graph: Graph, mark: int, hold: Hold, booking: Booking, whole: Collection[str]) -> None:
        self.graph, self.mark, self.hold = graph, mark, hold
        self.booking, self.whole = booking, whole
        self.tracked = graph.filters.tracked()
        self.seen: set[int] = set()
        self.taken: list[Taken] = []

    def run(self, root: Part) -> None:
        """Commit from the root down."""
        self._commit(root, level=1, shadow=False)

    def _commit(self, part: Part, level: int, *, shadow: bool) -> tuple[int, dict[str, int]]:
        """How many exclusive vertices there are at and below the target, and the amounts that they have."""
        v = part.link.target
        self.seen.add(v)
        vertex, _state = self.graph.vertex(v), self.graph.states[v]
        shadow = shadow or vertex.type in self.whole
        exclusive = shadow or part.exclusive
        needs = vertex.size if shadow else part.needs
        held = 0
        below: dict[str, int] = {}
        for link in self.graph.children(v):
            if link.target in self.seen or not (shadow or link.mark == self.mark):
                continue
            count, amounts = self._commit(Part(link, link.needs, link.exclusive), level + 1, shadow=shadow)
            held += count
            for kind, amount in amounts.items():
                below[kind] = below.get(kind, 0) + amount
            self._weigh(link)
        held += exclusive
        shown = True
        if held:
            if self.booking is not Booking.NOTHING:
                shown = self._book(v, needs, exclusive, below)
            if vertex.type in self.tracked:
                own = vertex.size if exclusive else vertex.size - needs
                below[vertex.type] = below.get(vertex.type, 0) + own
            self.taken.append(Taken(v, part.link.source, level, needs, exclusive, shown))
        return held, below

    def _book(self, v: int, needs: int, exclusive: bool, below: dict[str, int]) -> bool:
        state, job = self.graph.states[v], self.hold.jobid
        start, duration = self.hold.start, self.hold.duration
        if exclusive and self.booking is not Booking.STATEMENT:
            held = state.allocations if self.booking is Booking.ALLOCATION else state.reservations
            held[job] = state.plan.add(start, duration, needs)
        state.tags.add(job)
        state.checks[job] = state.checker.add(start, duration, 1)
        if state.filter is not None and any(below.values()):
            try:
                state.counted[job] = state.filter.add(start, duration, below)
            except RefusedError:
                return False
        return True

    def _weigh(self, link: Link) -> None:
        """Later walks that stop early try the emptier subtree first (6.4)."""
        state = self.graph.states[link.target]
        if state.filter is None:
            return
        last = list(state.filter.planners.values())[-1]
        weight = 0 if self.booking is Booking.STATEMENT else last.remaining[0]
        if weight or state.filter.spans:
            link.weight = weight
