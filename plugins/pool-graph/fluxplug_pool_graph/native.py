"""The matcher over the C core: `CMatcher` is a `Matcher` (matcher.py) that leaves walks, plans and jobs to fluxplug_graph.

What is rare is done here in Python over the state of the core: compiling requests, searches (native_find.py), documents (native_documents.py), and
changes of the machine, which make a new graph that takes over from the old one. Vertices are indices of the description everywhere but inside
`Graph`, whose preorder never leaves this module.
"""

from __future__ import annotations

import errno
import math
from array import array
from typing import TYPE_CHECKING

from attrs import define

from fluxplug_pool_graph import native_documents, native_find
from fluxplug_pool_graph.constraint import CONSTRAINED, JobspecError
from fluxplug_pool_graph.core import (
    CoreRequest,
    Graph,
    GraphArgumentError,
    GraphLookupError,
    MatchCore,
    MatchSettings,
)
from fluxplug_pool_graph.description import Description, Edge, Vertex
from fluxplug_pool_graph.filters import number_types
from fluxplug_pool_graph.jobspec import Resource, expand_xor
from fluxplug_pool_graph.matcher import (
    Hold,
    MatcherError,
    Operation,
    Options,
    Outcome,
    Release,
    Taken,
    Verdict,
)
from fluxplug_pool_graph.tables import GraphDocumentError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from fluxplug_pool_graph.constraint import Constraint
    from fluxplug_pool_graph.expression import Expression
    from fluxplug_pool_graph.jobspec import Request

_ORDERS = ("high", "low", "locality", "variation")
_OPERATIONS = {operation: number for number, operation in enumerate(Operation)}
#: A type that no vertex has.
_NO_TYPE = 2**32 - 2
#: Compiled requests are kept, the least recently compiled go first.
_KEPT_REQUESTS = 1024


@define
class _Compiled:
    """A request with what the core made of it. `properties` is the state of all properties that the constraint was tested on."""

    request: Request
    core: CoreRequest
    entries: list[Resource]
    properties: int


class CMatcher:
    """See fluxplug_pool_graph.matcher.Matcher. A call that raises has changed nothing."""

    def __init__(self, description: Description | Graph, options: Options) -> None:
        """Over a graph that a reader in C made, the description is made only when somebody asks for it. Raises MatcherError."""
        graph = description if isinstance(description, Graph) else None
        types = description.types if isinstance(description, Graph) else _types_of(description)
        self.options = options
        self._is_copy = False
        self._types = number_types(types, options.filters)
        self._compiled: dict[int, _Compiled] = {}
        self._properties = 0
        specific = options.filters.specific
        self._specific = [(self._types[high], self._types[low]) for high, lows in specific.items() for low in lows]
        self._description: Description | None = None if isinstance(description, Graph) else description
        if graph is not None and len(self._types) > len(graph.types):  # the filters name types that the graph has not
            self._description, graph = graph.describe(), None
        if graph is None:
            assert self._description is not None, "there is no graph, so there is a description"
            graph = self._build(self._description)
        # Only now: later on, vertices may be removed with which another subsystem loses its root.
        if any(graph.root(subsystem) is None for subsystem in options.subsystems):
            raise MatcherError("can't initialize traverser")
        self._index = array("I", range(len(graph)))
        self._use(graph, self._make_core(graph, self._index))

    def _build(self, description: Description) -> Graph:
        types = list(dict.fromkeys([*self._types, *description.types]))
        try:
            return Graph.from_description(Description(description.vertices, description.edges, types))
        except GraphDocumentError as exc:
            raise MatcherError(str(exc)) from exc

    def _make_core(self, graph: Graph, numbers: array[int]) -> MatchCore:
        options = self.options
        if graph.root(options.subsystems[0]) is None:
            raise MatcherError("can't initialize traverser")
        settings = MatchSettings(
            _ORDERS.index(options.policy.order),
            options.policy.node_centric,
            options.policy.node_exclusive,
            options.policy.stop_early,
            options.flexible,
            graph.subsystems.index(options.subsystems[0]),
            options.lifetime,
            [self._types[kind] for kind in options.filters.everywhere],
            self._specific,
        )
        try:
            return MatchCore(graph, settings, numbers)
        except GraphDocumentError as exc:
            raise MatcherError(f"the graph is too deep: {exc}") from exc

    def _use(self, graph: Graph, core: MatchCore) -> None:
        self._graph, self.core = graph, core
        self._specific = core.specific()
        self._compiled.clear()
        self._numbers: list[int] | None = None
        self._places: dict[int, int] | None = None
        self._links: list[list[int]] | None = None
        self._constrained: list[tuple[int, Vertex]] | None = None

    def copy(self) -> CMatcher:
        """An independent matcher in the same state, over the same graph, for matching alone: machine and properties are not to change in either."""
        new = object.__new__(CMatcher)
        new.__dict__.update(self.__dict__)
        new._compiled = {}
        new.core = self.core.copy()
        new._is_copy = True
        return new

    # -- the graph

    @property
    def description(self) -> Description:
        if self._description is None:
            self._description = self._graph.describe()
        return self._description

    @property
    def types(self) -> Mapping[str, int]:
        return self._types

    @property
    def present(self) -> array[int]:
        """The vertices that were not removed, ascending."""
        return self._index

    @property
    def root(self) -> int:
        """The root of the dominant subsystem."""
        root = self._graph.root(self.options.subsystems[0])
        assert root is not None, "a matcher has a root"
        return self.number_of(root)

    def number_of(self, place: int) -> int:
        """The index of a vertex of the graph in C in the description."""
        return self._all_numbers()[place]

    def _all_numbers(self) -> list[int]:
        if self._numbers is None:
            self._numbers = [0] * len(self._graph)
            for k, v in enumerate(self._graph.created()):
                self._numbers[v] = self._index[k]
        return self._numbers

    def children(self, vertex: int) -> list[int]:
        """Where the edges of the dominant subsystem lead to, in order."""
        if self._links is None:
            here = set(self._index)
            self._links = [[] for _ in self.description.vertices]
            for edge in self.description.edges:
                if edge.subsystem == self.options.subsystems[0] and edge.source in here and edge.target in here:
                    self._links[edge.source].append(edge.target)
        return self._links[vertex]

    def with_path(self, path: str) -> list[int]:
        """All vertices with a path in any subsystem, ascending."""
        found = []
        place = self._graph.find_path(path)
        while place is not None:
            found.append(self.number_of(place))
            place = self._graph.find_path(path, place + 1)
        return sorted(found)

    def with_rank(self, rank: int) -> list[int]:
        """All vertices of a rank, ascending."""
        return sorted(self.number_of(place) for place in self._graph.by_rank(rank))

    def vertex_at(self, path: str) -> int | None:
        return next(iter(self.with_path(path)), None)

    def set_status(self, vertex: int, *, up: bool) -> None:
        self.core.set_up(vertex, up=up)
        if self._description is not None and not self._is_copy:
            self._description.vertices[vertex].up = up

    def set_property(self, vertex: int, key: str, value: str) -> None:
        numbers = self._all_numbers()
        if vertex in numbers:
            self._graph.set_property(numbers.index(vertex), key, value)
        if self._description is not None:
            self._description.vertices[vertex].properties[key] = value
        self._properties += 1
        self._constrained = None

    # -- matching

    def match(
        self,
        operation: Operation,
        request: Request,
        jobid: int,
        also_exclusive: Collection[str] = (),
        *,
        quick: bool = False,
    ) -> Outcome:
        """As Matcher.match. With `quick`, `visits` is None, labels and `failure` are those of vertices that were looked at, and of candidates with equal scores the
        first in the graph is taken: policies by id then look at little more than what they take (csrc/src/match_quick.c).
        """
        if not _fits(jobid):
            raise MatcherError(f"job id {jobid} is out of range")
        compiled = self._compiled.get(id(request))
        if compiled is None or compiled.properties != self._properties:
            refused = self._compile(request)
            if isinstance(refused, Outcome):
                return refused
            compiled = refused
        whole = self.numbers_of_types(also_exclusive) if also_exclusive else ()
        try:
            outcome, events = self.core.match(compiled.core, _OPERATIONS[operation], jobid, whole, quick=quick)
        except GraphLookupError as exc:
            raise MatcherError(
                "the root has no filter, so later times cannot be searched; see --prune-filters"
            ) from exc
        if events:
            outcome.texts = self._texts(events, compiled)
        return outcome

    def numbers_of_types(self, names: Iterable[str]) -> list[int]:
        """Types by number; those that nobody knows are left out."""
        return [self._types[name] for name in names if name in self._types]

    def _texts(self, events: Sequence[tuple[int, int, int]], compiled: _Compiled) -> str:
        names = list(self._types)
        texts = []
        for kind, number, vertex in events:
            if kind == 0:
                texts.append(f"test: siblings in jobspec request same resource type : {names[number]}.\n")
            elif kind == 1:
                label, name = compiled.entries[number].label, self.description.vertices[vertex].name
                texts.append(f"by_excl: exclusivity conflicts at jobspec={label} : vertex={name}")
            else:
                texts.append("dom_slot: not enough slots.\n")
        return "".join(texts)

    def compile(self, request: Request) -> CoreRequest:
        """A request for `core`, whoever keeps it; its duration does not matter. Raises MatcherError."""
        refused = self._compile(request)
        if isinstance(refused, Outcome):
            raise MatcherError(refused.texts or "the request asks for nothing")
        del self._compiled[id(request)]
        return refused.core

    def _compile(self, request: Request) -> _Compiled | Outcome:
        asked, lifetime = request.duration, self.options.lifetime
        if not request.resources or not 0 <= asked <= lifetime or math.isnan(asked):
            return Outcome(Verdict.INVALID)
        variants: list[tuple[Resource, ...]] = [request.resources]
        if self.options.flexible:
            try:
                variants = expand_xor(request.resources)
            except JobspecError as exc:
                return Outcome(Verdict.OVERFLOW, texts=f"{exc}")
        entries, columns, labels = self._flatten(variants)
        accepts = None if request.constraint is None else self._accepted(request.constraint)
        try:
            core = CoreRequest(columns, labels, math.ceil(asked) or lifetime, accepts)
        except (GraphArgumentError, GraphDocumentError) as exc:
            raise MatcherError(f"a request that the matcher cannot work with: {exc}") from exc
        while len(self._compiled) >= _KEPT_REQUESTS:
            del self._compiled[next(iter(self._compiled))]
        compiled = _Compiled(request, core, entries, self._properties)
        self._compiled[id(request)] = compiled
        return compiled

    def _flatten(self, variants: list[tuple[Resource, ...]]) -> tuple[list[Resource], dict[str, list[int]], list[str]]:
        """Entries with siblings side by side and children behind parents, the columns of the core, and labels by number."""
        entries: list[Resource] = []
        columns: dict[str, list[int]] = {"variant_first": [], "variant_count": [], "first": [], "count": []}
        for variant in variants:
            columns["variant_first"].append(len(entries))
            columns["variant_count"].append(len(variant))
            entries += variant
        for entry in entries:  # grows meanwhile
            columns["first"].append(len(entries))
            columns["count"].append(len(entry.children))
            entries += entry.children
        labels = list(dict.fromkeys(["", *(entry.label for entry in entries)]))
        number = {label: place for place, label in enumerate(labels)}
        columns["type"] = [self._types.get(entry.type, _NO_TYPE) for entry in entries]
        columns["label"] = [number[entry.label] for entry in entries]
        columns["least"] = [entry.count.minimum for entry in entries]
        columns["most"] = [entry.count.maximum for entry in entries]
        columns["operand"] = [entry.count.operand for entry in entries]
        columns["operator_"] = [ord(entry.count.operator) for entry in entries]
        columns["exclusive"] = [-1 if entry.exclusive is None else int(entry.exclusive) for entry in entries]
        return entries, columns, labels

    def _accepted(self, constraint: Constraint) -> bytes:
        """One bit a vertex, lowest first: whether the constraint holds of it. Vertices of other types are not asked."""
        if self._constrained is None:
            places = [place for kind in CONSTRAINED for place in self._graph.by_type(kind)]
            self._constrained = [(self.number_of(place), self._vertex(place)) for place in places]
        bits = bytearray(max(self._index, default=0) // 8 + 1)
        for v, vertex in self._constrained:
            if constraint.accepts(vertex):
                bits[v // 8] |= 1 << v % 8
        return bytes(bits)

    def _vertex(self, place: int) -> Vertex:
        """A vertex of the graph in C, for reading, without a description of all."""
        if self._description is None:
            return self._graph.vertex(place)
        return self._description.vertices[self.number_of(place)]

    def looked_up(self, vertex: int) -> tuple[Vertex, int, int]:
        """A vertex of a graph that has not changed, its parent in containment (-1: none) and its level, 1 for a root."""
        place = self._place_of(vertex)
        where = self._graph.place(place)
        parent = -1 if where.parent is None else self.number_of(where.parent)
        return self._vertex(place), parent, where.depth + 1

    def below(self, vertex: int) -> list[tuple[int, Vertex, int, int]]:
        """What is below a vertex in containment: number, vertex, parent and level, children before parents."""
        places = self._graph.place(self._place_of(vertex)).below
        numbers = [self.number_of(place) for place in reversed(places)]
        return [(number, *self.looked_up(number)) for number in numbers]

    def _place_of(self, vertex: int) -> int:
        if self._places is None:
            self._places = {number: place for place, number in enumerate(self._all_numbers())}
        return self._places[vertex]

    def find(self, expression: Expression) -> list[Taken]:
        return native_find.run(self, expression)

    # -- documents, and giving back

    def update(self, document: Description, form: str, hold: Hold, also_exclusive: Collection[str] = ()) -> Outcome:
        if not _fits(hold.jobid):
            return Outcome(Verdict.INVALID, failure=errno.EINVAL, texts=f"job id {hold.jobid} is out of range.\n")
        for kind in document.types:
            self._types.setdefault(kind, len(self._types))
        return native_documents.update(self, document, form, hold, also_exclusive)

    def cancel(self, jobid: int) -> Release:
        known, visits = self.core.cancel(jobid)
        return Release(Verdict.DONE, full=True, visits=visits) if known else Release(Verdict.INVALID)

    def partial_cancel(self, document: Description, form: str, jobid: int) -> Release:
        if form == "rv1exec":
            ranks = sorted({vertex.rank for vertex in document.vertices if vertex.rank >= 0})
            return native_documents.release_ranks(self, ranks, jobid)
        return native_documents.release_listed(self, document, jobid)

    def release_ranks(self, ranks: Iterable[int], jobid: int) -> Release:
        """Give back all that a job has on some ranks."""
        return native_documents.release_ranks(self, ranks, jobid)

    # -- changes of the machine (7.5)

    def attach(self, document: Description) -> None:
        description = self.description
        known = {
            (path, description.vertices[v].rank): v
            for v in self._index
            for path in description.vertices[v].paths.values()
        }
        vertices, edges = list(description.vertices), list(description.edges)
        index = []
        for vertex in document.vertices:
            places = [known[path, vertex.rank] for path in vertex.paths.values() if (path, vertex.rank) in known]
            if not places:
                places = [len(vertices)]
                vertices.append(vertex)
            index.append(places[0])
        first = len(description.vertices)
        if all(place >= first for place in index):
            raise MatcherError("no vertex of the subgraph is in the graph, so there is nothing to attach it to")
        for edge in document.edges:
            source, target = index[edge.source], index[edge.target]
            if source >= first or target >= first:
                edges.append(Edge(source, target, edge.subsystem))
        types = dict(self._types)
        for kind in _types_of(document):
            types.setdefault(kind, len(types))
        self._change(vertices, edges, [*self._index, *range(first, len(vertices))], types)
        description.vertices, description.edges = vertices, edges

    def remove_path(self, path: str) -> Verdict:
        v = self.vertex_at(path)
        if v is None or v == self.root:
            return Verdict.ABSENT
        gone, todo = {v}, [v]
        while todo:
            for child in self.children(todo.pop()):
                if child not in gone:
                    gone.add(child)
                    todo.append(child)
        self._detach(gone)
        return Verdict.DONE

    def remove_ranks(self, ranks: Iterable[int]) -> Release:
        gone: dict[int, list[int]] = {}
        for rank in ranks:
            gone[rank] = self.with_rank(rank)
            if not gone[rank]:
                return Release(Verdict.ABSENT, rank=rank)
        for jobid in self.core.jobs():
            tagged = native_documents.tagged(self, jobid)
            held = [rank for rank, vertices in gone.items() if any(v in tagged for v in vertices)]
            if held:
                native_documents.release_ranks(self, held, jobid)
        self._detach({v for vertices in gone.values() for v in vertices})
        return Release(Verdict.DONE)

    def _detach(self, gone: set[int]) -> None:
        description = self.description
        self._change(description.vertices, description.edges, [v for v in self._index if v not in gone], self._types)

    def _change(self, vertices: list[Vertex], edges: list[Edge], present: list[int], types: dict[str, int]) -> None:
        """Use a new graph of the vertices that are present, which takes over from the old one."""
        place = {v: k for k, v in enumerate(present)}
        kept = [
            Edge(place[edge.source], place[edge.target], edge.subsystem)
            for edge in edges
            if edge.source in place and edge.target in place
        ]
        had, self._types = self._types, types
        try:
            index = array("I", present)
            graph = self._build(Description([vertices[v] for v in present], kept, list(types)))
            core = self._make_core(graph, index)
            core.adopt(self.core)
        except BaseException:
            self._types = had
            raise
        self._index = index
        self._use(graph, core)


def _types_of(description: Description) -> list[str]:
    """The types of a document, with those that it has not introduced."""
    return list(dict.fromkeys([*description.types, *(vertex.type for vertex in description.vertices)]))


def _fits(jobid: int) -> bool:
    """Whether a number is a job id of the core: 64 bits."""
    return -(2**63) <= jobid < 2**63
