"""The graph with everything a vertex remembers: plans, filters, who holds it. Sections 1 and 4.3."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from attrs import define, field
from fluxplug_pool_graph.filters import number_types
from fluxplug_pool_graph.matcher import CHECKERS, MatcherError, Options

from .planner import Filter, Planner

if TYPE_CHECKING:
    from fluxplug_pool_graph.description import Description, Vertex

#: The weight of an edge that no commit has walked.
UNTOUCHED = 2**64 - 1


@define(eq=False)
class Link:
    """An edge with the mark that the last walk left on it: how much of the target is needed, and whether exclusively."""

    source: int
    target: int
    subsystem: str
    weight: int = UNTOUCHED
    mark: int = 0
    needs: int = 0
    exclusive: bool = False


@define(eq=False)
class State:
    """What a vertex remembers beside its description. The maps are from job id to span."""

    plan: Planner
    checker: Planner = field(factory=lambda: Planner(CHECKERS))
    filter: Filter | None = None
    allocations: dict[int, int] = field(factory=dict)
    reservations: dict[int, int] = field(factory=dict)
    tags: set[int] = field(factory=set)
    checks: dict[int, int] = field(factory=dict)
    counted: dict[int, int] = field(factory=dict)
    links: list[Link] = field(factory=list)


class Graph:
    """Vertices by index. `present` has those that have not been removed."""

    def __init__(self, description: Description, options: Options) -> None:
        self.options = options
        self.filters = copy.deepcopy(options.filters)  # leaf types are added to it
        self.description = description
        self.types = number_types(description.types, self.filters)
        self.states = [State(Planner(vertex.size)) for vertex in description.vertices]
        self.present = set(range(len(self.states)))
        self.marks = 0
        for edge in description.edges:
            self.states[edge.source].links.append(Link(edge.source, edge.target, edge.subsystem))
        self.nodes_up = sum(1 if v.up else -1 for v in description.vertices if v.type == "node")
        self.dominant = options.subsystems[0]
        for subsystem in options.subsystems:
            if not any(v.paths.get(subsystem, "").count("/") == 1 for v in description.vertices):
                raise MatcherError("can't initialize traverser")
        self.root = next(
            i for i, v in enumerate(description.vertices) if v.paths.get(self.dominant, "").count("/") == 1
        )
        self.prime()

    def vertex(self, v: int) -> Vertex:
        """The description of a vertex."""
        return self.description.vertices[v]

    def children(self, v: int) -> list[Link]:
        """Out-edges of the dominant subsystem, in order."""
        return [link for link in self.states[v].links if link.subsystem == self.dominant]

    def parent(self, v: int) -> int | None:
        """The first vertex with an edge of the dominant subsystem to this one."""
        return next((u for u in sorted(self.present) if any(link.target == v for link in self.children(u))), None)

    def types_below(self, v: int) -> set[str]:
        """Types of all direct children, whatever the subsystem."""
        return {self.vertex(link.target).type for link in self.states[v].links}

    def prime(self) -> None:
        """Give filters their totals; after attach and remove the difference (7.5)."""
        self._prime(self.root, set())

    def _prime(self, v: int, seen: set[int]) -> dict[str, int]:
        seen.add(v)
        vertex, state = self.vertex(v), self.states[v]
        below: dict[str, int] = {}
        for link in self.children(v):
            if link.target not in seen:
                for kind, amount in self._prime(link.target, seen).items():
                    below[kind] = below.get(kind, 0) + amount
        counted = self.filters.planners(vertex.type, self.types)
        if state.filter is not None:
            state.filter.resize(
                {kind: below.get(kind, 0) for kind in dict.fromkeys([*state.filter.planners, *counted])}
            )
        elif state.links and counted:
            state.filter = Filter({kind: below.get(kind, 0) for kind in counted})
        if not state.links and vertex.type not in self.filters.tracked():
            self.filters.add("cluster", vertex.type)
        if vertex.type in self.filters.tracked():
            below[vertex.type] = below.get(vertex.type, 0) + vertex.size
        return below
