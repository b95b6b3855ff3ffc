"""The graph in C, as Python objects: the one module that holds cffi handles, and the one place where C codes become exceptions.

`Graph` owns a graph of fluxplug_graph and frees it, `MatchCore` a matcher over one; native.py gives what goes in and out of that its meaning. Nothing of cffi leaves this module. What the numbers mean is said in
csrc/include/fluxplug_graph.h: vertices are numbered in preorder of containment, so what lies below one is a range.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from attrs import frozen
from fluxplug_graph import ffi, lib

from fluxplug.errors import FluxplugError, InfeasibleRequest, InsufficientResources
from fluxplug_pool_graph.description import CONTAINMENT, Description, Edge, Vertex
from fluxplug_pool_graph.matcher import FOREVER, Outcome, Taken, Verdict, Visits
from fluxplug_pool_graph.tables import GraphDocumentError, Tables, unfit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from typing_extensions import Buffer

NONE: int = lib.FG_NONE


class GraphLookupError(FluxplugError, LookupError):
    """No such vertex, property, span or time."""


class GraphArgumentError(FluxplugError, ValueError):
    """An argument that no valid call has."""


_DOCUMENT = {lib.FG_SYNTAX, lib.FG_FORMAT, lib.FG_LIMIT, lib.FG_DUPLICATE, lib.FG_UNKNOWN}


def check_code(code: int, error: Any = None, what: str = "") -> None:
    """Raise what a code of the C core stands for; FG_OK is none. `error` is the fg_error that came with it, `what` says what was asked for."""
    if code == lib.FG_OK:
        return
    if code == lib.FG_NO_MEMORY:
        raise MemoryError(what or "the graph does not fit into memory")
    name = _text(lib.fg_code_name(code))
    if error is not None:
        raise GraphDocumentError(name, error.offset, _text(error.text), _text(error.detail))
    kinds: dict[int, type[FluxplugError]] = {
        lib.FG_NOT_FOUND: GraphLookupError,
        lib.FG_INVALID: GraphArgumentError,
        lib.FG_BUSY: InsufficientResources,
        lib.FG_RANGE: InfeasibleRequest,
    }
    if code in _DOCUMENT:
        raise GraphDocumentError(name, 0, "", what)
    raise kinds[code](what or name)


def _text(chars: Any) -> str:
    """A C string that the core has checked; messages may quote bytes of a document that it has not."""
    return str(ffi.string(chars).decode("utf-8", errors="replace"))


class Graph:
    """A resource graph: immutable but for status and properties. Vertices are ints from 0, in preorder of containment."""

    def __init__(self, handle: Any) -> None:
        """For the constructors below: takes over a graph of the C core."""
        self._info = ffi.new("fg_info *")
        lib.fg_graph_info(handle, self._info)
        self._graph = ffi.gc(handle, lib.fg_graph_free, size=self._info.bytes)

    @classmethod
    def from_jgf(cls, document: str | Buffer) -> Graph:
        """Read a JGF document (fluxion.md 2.1). Raises GraphDocumentError. Bytes, or a mapped file, are read where they are; a str is copied."""
        if isinstance(document, str):
            document = document.encode(
                "utf-8", errors="surrogatepass"
            )  # what is no UTF-8 then is the reader's to refuse
        error = ffi.new("fg_error *")
        with ffi.from_buffer("char[]", document) as text:
            handle = lib.fg_load_jgf(text, len(text), ffi.NULL, error)
        if not handle:
            check_code(error.code, error)
        return cls(handle)

    @classmethod
    def from_description(cls, description: Description) -> Graph:
        """Build what a reader made. Raises GraphDocumentError, with the index of the vertex or edge."""
        columns, buffers = _columns(Tables.of(description))
        error = ffi.new("fg_error *")
        handle = lib.fg_build(columns, ffi.NULL, error)
        del buffers  # the columns point into them
        if not handle:
            check_code(error.code, error)
        return cls(handle)

    @property
    def handle(self) -> Any:
        """For `MatchCore`, which works on the graph in place."""
        return self._graph

    def __len__(self) -> int:
        return int(self._info.vertices)

    @property
    def edges(self) -> int:
        """How many edges there are, in all subsystems."""
        return int(self._info.edges)

    @property
    def nbytes(self) -> int:
        """Memory that the C core uses for the graph."""
        return int(self._info.bytes)

    @property
    def is_tree(self) -> bool:
        """Whether containment is one tree, with all that it contains below its root."""
        return bool(self._info.tree)

    @property
    def types(self) -> list[str]:
        """Names of the types, by number."""
        return [_text(lib.fg_type_name(self._graph, i)) for i in range(self._info.types)]

    @property
    def subsystems(self) -> list[str]:
        """Names of the subsystems, by number; containment is the first."""
        return [_text(lib.fg_subsystem_name(self._graph, i)) for i in range(self._info.subsystems)]

    def vertex(self, index: int) -> Vertex:
        """A copy of the fields of a vertex. Raises GraphLookupError."""
        fields = self._fields(index)
        paths = {name: path for i, name in enumerate(self.subsystems) if (path := self._path(index, i))}
        key, value = ffi.new("char const **"), ffi.new("char const **")
        properties = {}
        for i in range(fields.properties):
            check_code(lib.fg_property(self._graph, index, i, key, value))
            properties[_text(key[0])] = _text(value[0])
        return Vertex(
            type=_text(fields.type),
            basename=_text(fields.basename),
            name=self.name(index),
            id=fields.id,
            uniq_id=fields.uniq_id,
            rank=fields.rank,
            size=fields.size,
            unit=_text(fields.unit),
            up=not fields.down,
            properties=properties,
            paths=paths,
        )

    def place(self, index: int) -> Place:
        """Where a vertex is in containment. Raises GraphLookupError."""
        fields = self._fields(index)
        parent = None if fields.parent == NONE else int(fields.parent)
        return Place(parent=parent, depth=fields.depth, below=range(index + 1, index + fields.subtree))

    def size(self, index: int) -> int:
        """The size of a vertex. Raises GraphLookupError."""
        return int(self._fields(index).size)

    def name(self, index: int) -> str:
        """The name of a vertex. Raises GraphLookupError."""
        self._fields(index)
        length = lib.fg_name(self._graph, index, ffi.NULL, 0)
        out = ffi.new("char[]", length + 1)
        lib.fg_name(self._graph, index, out, length + 1)
        return _text(out)

    def path(self, index: int, subsystem: str = CONTAINMENT) -> str:
        """The path of a vertex in a subsystem, "" where it has none. Raises GraphLookupError."""
        self._fields(index)
        return self._path(index, lib.fg_subsystem_number(self._graph, subsystem.encode()))

    def out_edges(self, index: int) -> list[tuple[int, str]]:
        """Target and subsystem of each out-edge, in the order in which they were made. Raises GraphLookupError."""
        target, subsystem = ffi.new("uint32_t *"), ffi.new("uint32_t *")
        names, out = self.subsystems, []
        for i in range(self._fields(index).out_edges):
            check_code(lib.fg_edge(self._graph, index, i, target, subsystem))
            out.append((int(target[0]), names[subsystem[0]]))
        return out

    def root(self, subsystem: str = CONTAINMENT) -> int | None:
        """The vertex whose path in the subsystem has one slash."""
        return _index(lib.fg_root(self._graph, lib.fg_subsystem_number(self._graph, subsystem.encode())))

    def find_path(self, path: str, start: int = 0) -> int | None:
        """The first vertex from `start` on that has this path in any subsystem; None. O(length of the path)."""
        raw = path.encode("utf-8", errors="surrogatepass")
        return _index(lib.fg_find_path(self._graph, raw, len(raw), start))

    def by_type(self, name: str) -> list[int]:
        """The vertices of a type, ascending."""
        found = ffi.new("uint32_t const **")
        count = lib.fg_by_type(self._graph, lib.fg_type_number(self._graph, name.encode()), found)
        return [int(one) for one in found[0][0:count]] if count else []

    def by_rank(self, rank: int) -> list[int]:
        """The vertices of a rank, ascending; none has a negative one."""
        found = ffi.new("uint32_t const **")
        count = lib.fg_by_rank(self._graph, rank, found)
        return [int(one) for one in found[0][0:count]] if count else []

    def created(self) -> Iterator[int]:
        """The vertices in the order in which they were made, which is that of the document."""
        return (int(lib.fg_created(self._graph, k)) for k in range(len(self)))

    def set_up(self, index: int, *, up: bool) -> None:
        """Change the status of that one vertex. Raises GraphLookupError."""
        self._fields(index)
        check_code(lib.fg_set_down(self._graph, index, not up))

    def set_property(self, index: int, key: str, value: str) -> None:
        """Add a property, or change it. Raises GraphLookupError, GraphArgumentError (a NUL)."""
        self._fields(index)
        for text in (key, value):
            if reason := unfit(text):
                raise GraphArgumentError(f"property {key!r}: {reason}")
        check_code(
            lib.fg_set_property(self._graph, index, key.encode(), value.encode()),
            what=f"property {key!r}: too many or too long",
        )

    def write_jgf(self) -> str:
        """The whole graph as one line of JGF, vertices in the order in which they were made."""
        buffer = ffi.gc(lib.fg_buffer_new(ffi.NULL), lib.fg_buffer_free)
        check_code(
            lib.fg_write_jgf(self._graph, buffer) if buffer else lib.FG_NO_MEMORY,
            what="the text does not fit into memory",
        )
        return str(ffi.buffer(lib.fg_buffer_data(buffer), lib.fg_buffer_size(buffer))[:].decode())

    def describe(self) -> Description:
        """The graph as a description: the reverse of from_description, for readers' tests and pictures. O(everything), in Python objects."""
        order = list(self.created())
        place = {vertex: k for k, vertex in enumerate(order)}
        edges = [Edge(place[v], place[target], subsystem) for v in order for target, subsystem in self.out_edges(v)]
        return Description([self.vertex(v) for v in order], edges, self.types)

    def check(self) -> None:
        """Recompute what is derived; an AssertionError says what is wrong. For tests: it costs as much as loading."""
        error = ffi.new("fg_error *")
        code = lib.fg_check(self._graph, error)
        assert code == lib.FG_OK, _text(error.detail)

    def _fields(self, index: int) -> Any:
        fields = ffi.new("fg_vertex *")
        if not 0 <= index < len(self):
            raise GraphLookupError(f"no vertex {index}: there are {len(self)}")
        check_code(lib.fg_get(self._graph, index, fields))
        return fields

    def _path(self, index: int, subsystem: int) -> str:
        length = lib.fg_path(self._graph, index, subsystem, ffi.NULL, 0)
        out = ffi.new("char[]", length + 1)
        lib.fg_path(self._graph, index, subsystem, out, length + 1)
        return _text(out)


@frozen
class MatchSettings:
    """fg_match_options, but for the numbers: subsystem and types by number, `order` as fg_match_order counts."""

    order: int
    node_centric: bool
    node_exclusive: bool
    stop_early: bool
    flexible: bool
    dominant: int
    lifetime: int
    everywhere: list[int]
    specific: list[tuple[int, int]]


class CoreRequest:
    """A request in the C core: fg_request_tables as columns, labels by number, and the duration in seconds.

    `by_amount` is its owner's to set: any so many of a type will do.
    """

    def __init__(self, columns: dict[str, list[int]], labels: list[str], duration: int, accepts: bytes | None) -> None:
        """Raises GraphArgumentError, GraphDocumentError (nested too deeply)."""
        buffers = {name: ffi.new(f"{_REQUEST[name]}[]", column) for name, column in columns.items()}
        buffers["accepts"] = ffi.NULL if accepts is None else ffi.from_buffer("uint8_t[]", accepts)
        sizes = {"entries": len(columns["type"]), "variants": len(columns["variant_first"])}
        tables = ffi.new("fg_request_tables *", {**sizes, "accept_bytes": len(accepts or b""), **buffers})
        code = ffi.new("int *")
        handle = lib.fg_request_new(tables, ffi.NULL, code)
        check_code(code[0], what="request")
        self.handle = ffi.gc(handle, lib.fg_request_free)
        self.labels, self.duration = labels, duration
        self.by_amount = False


class MatchCore:
    """A matcher of the C core over a graph. Vertices have the caller's numbers: `numbers` has them in the order of `Graph.created`."""

    def __init__(self, graph: Graph, settings: MatchSettings, numbers: array[int]) -> None:
        """Raises GraphLookupError where the dominant subsystem has no root, GraphDocumentError where it is too deep."""
        high, low = [pair[0] for pair in settings.specific], [pair[1] for pair in settings.specific]
        specific = ffi.new("fg_type_pair[]", [{"high": h, "low": x} for h, x in zip(high, low, strict=True)])
        everywhere = ffi.new("uint32_t[]", settings.everywhere)
        options = ffi.new(
            "fg_match_options *",
            {
                "order": settings.order,
                "node_centric": settings.node_centric,
                "node_exclusive": settings.node_exclusive,
                "stop_early": settings.stop_early,
                "flexible": settings.flexible,
                "dominant": settings.dominant,
                "lifetime": settings.lifetime,
                "numbers": ffi.from_buffer("uint32_t[]", numbers),
                "everywhere_count": len(settings.everywhere),
                "everywhere": everywhere,
                "specific_count": len(high),
                "specific": specific,
            },
        )
        code = ffi.new("int *")
        handle = lib.fg_matcher_new(graph.handle, options, ffi.NULL, code)
        check_code(code[0], what="matcher")
        self._adopt_handle(graph, handle)

    def _adopt_handle(self, graph: Graph, handle: Any) -> None:
        self._graph = graph  # must live as long
        self._matcher = ffi.gc(handle, lib.fg_matcher_free)
        self._out = ffi.new("fg_outcome *")
        self._released = ffi.new("fg_released *")
        self._units = ffi.new("fg_units const **")

    @classmethod
    def _over(cls, graph: Graph, handle: Any) -> MatchCore:
        new = cls.__new__(cls)
        new._adopt_handle(graph, handle)  # noqa: SLF001 - it is one of us
        return new

    def adopt(self, old: MatchCore) -> None:
        """Take over plans, jobs and filters of a matcher that is not used any more."""
        check_code(lib.fg_matcher_adopt(self._matcher, old._matcher), what="matcher")

    def specific(self) -> list[tuple[int, int]]:
        """Types counted at certain others, with those that the graph added."""
        room = lib.fg_matcher_specific(self._matcher, ffi.NULL, 0)
        pairs = ffi.new("fg_type_pair[]", room)
        lib.fg_matcher_specific(self._matcher, pairs, room)
        return [(int(pair.high), int(pair.low)) for pair in pairs]

    def set_up(self, vertex: int, *, up: bool) -> None:
        """Change the status of one vertex."""
        check_code(lib.fg_matcher_set_down(self._matcher, vertex, not up), what=f"vertex {vertex}")

    def match(
        self, request: CoreRequest, operation: int, jobid: int, whole: Collection[int], *, quick: bool
    ) -> tuple[Outcome, Sequence[tuple[int, int, int]]]:
        """One operation: what came of it, but for the texts, and events as kind, number and vertex.

        Raises GraphLookupError where later times would have to be searched and the root has no filter.
        """
        out = self._out
        types = ffi.new("uint32_t[]", list(whole)) if whole else ffi.NULL
        code = lib.fg_match(
            self._matcher, request.handle, operation, quick, jobid, request.duration, types, len(whole), out
        )
        if code:
            check_code(code, what="match")
        outcome = self._outcome()
        if out.labels:
            outcome.labels = {out.label[i].vertex: request.labels[out.label[i].label] for i in range(out.labels)}
        if not out.events:
            return outcome, ()
        return outcome, [(out.event[i].kind, out.event[i].number, out.event[i].vertex) for i in range(out.events)]

    def update(
        self,
        span: tuple[int, int, int],
        steps: list[tuple[int, int, int]],
        whole: Collection[int],
        *,
        exclusive: bool,
        commit: bool,
    ) -> tuple[Outcome, int | None]:
        """Steps of an update, for job, start and duration; `exclusive` tells of the root. Also the step that could not be taken."""
        code = lib.fg_update(
            self._matcher,
            ffi.new("fg_span *", span),
            ffi.new("fg_step[]", steps),
            len(steps),
            exclusive,
            commit,
            ffi.new("uint32_t[]", list(whole)),
            len(whole),
            self._out,
        )
        check_code(code, what="update")
        return self._outcome(), _index(self._out.failed)

    def _outcome(self) -> Outcome:
        out = self._out
        taken = []
        if rows := out.rows:
            numbers = iter(ffi.unpack(ffi.cast(_NUMBERS, out.row), rows * 6))
            taken = [
                Taken(*row)
                for row in zip(numbers, numbers, numbers, numbers, map(bool, numbers), map(bool, numbers), strict=True)
            ]
        visits = Visits(out.entered, out.succeeded) if out.has_visits else None
        more = Visits(out.more_entered, out.more_succeeded) if out.more_entered else _NO_VISITS
        return Outcome(_VERDICTS[out.verdict], out.at, out.duration, taken, visits, more, {}, out.failure)

    def cancel(self, jobid: int) -> tuple[bool, Visits]:
        """Give back what a job holds; whether the root knew it."""
        lib.fg_cancel(self._matcher, jobid, self._released)
        return bool(self._released.known), Visits(self._released.entered, self._released.succeeded)

    # What moves with time. Times are in ticks of the caller's; what a job holds is booked from one to another.

    def set_now(self, now: int) -> None:
        """Move the present, forward only."""
        check_code(lib.fg_matcher_set_now(self._matcher, now), what="the present cannot go back")

    def find(self, request: CoreRequest, jobid: int, first: int, last: int, duration: int) -> int | None:
        """Book a request for a job at the first time in [first, last] at which it fits, and return it; None where it does not."""
        code = lib.fg_find(self._matcher, request.handle, 1, jobid, first, last, duration, self._out)
        if code:
            check_code(code, what="find")
        return int(self._out.at) if self._out.verdict == lib.FG_DONE else None

    def find_amounts(self, request: CoreRequest, jobid: int, first: int, last: int, duration: int) -> int | None:
        """The same for amounts: what the request needs at least is counted at the root, and no vertex is named."""
        check_code(
            lib.fg_find_amounts(self._matcher, request.handle, jobid, first, last, duration, self._out), what="find"
        )
        return int(self._out.at) if self._out.verdict == lib.FG_DONE else None

    def feasible(self, request: CoreRequest) -> Verdict:
        """DONE, NEVER, or EMPTY for a request that selects nothing: whatever is held, down or promised."""
        check_code(lib.fg_feasible(self._matcher, request.handle, 1, self._out), what="feasible")
        return _VERDICTS[self._out.verdict]

    def room(self, request: CoreRequest, first: int) -> int | None:
        """For how many ticks there might be room for a request from `first` on; -1 if there is none now, None if without end."""
        room = lib.fg_room(self._matcher, request.handle, first)
        if room < -1:
            check_code(int(room), what="room")
        return None if room == FOREVER else int(room)

    def bound(self, request: CoreRequest, jobid: int, first: int, last: int, duration: int) -> int | None:
        """The first time in [first, last] at which a request might fit if the job had nothing; None where there is none."""
        at = lib.fg_bound(self._matcher, request.handle, jobid, first, last, duration)
        if at < 0 and at != lib.FG_NOT_FOUND:
            check_code(int(at), what="bound")
        return int(at) if at >= 0 else None

    def lift(self, jobid: int) -> None:
        """Take the spans of a job out of all plans; `put_back` puts them in again, `cancel` forgets them."""
        check_code(lib.fg_lift(self._matcher, jobid), what=f"job {jobid}")

    def put_back(self, jobid: int, start: int, duration: int) -> bool:
        """Put a lifted job back for this window. False where somebody else has something of it: it stays lifted."""
        code = lib.fg_put_back(self._matcher, jobid, start, duration)
        if code not in (lib.FG_OK, lib.FG_BUSY):
            check_code(code, what=f"job {jobid}")
        return bool(code == lib.FG_OK)

    def rename(self, jobid: int, heir: int) -> None:
        """Give what a job holds to another, who holds nothing."""
        check_code(lib.fg_rename(self._matcher, jobid, heir), what=f"job {jobid}")

    def units(self, jobid: int | None) -> list[int]:
        """Cores and GPUs that a job holds, or all there are: rank, 0 (core) or 1 (GPU), first id, last id, and so on, ascending."""
        rows = self._units
        count = lib.fg_units_of(self._matcher, ffi.NULL if jobid is None else ffi.new("int64_t *", jobid), rows)
        if count < 0:
            check_code(int(count), what="units")
        return list(ffi.unpack(ffi.cast(_NUMBERS, rows[0]), count * 4)) if count else []

    def enter(self, jobid: int, start: int, duration: int, units: list[int]) -> bool:
        """Book units, in the form of `units`, for a job. False where somebody has one of them. Raises GraphLookupError where there is none."""
        span = ffi.new("fg_span *", (jobid, start, duration))
        rows = ffi.new("int64_t[]", units)
        code = lib.fg_enter(self._matcher, span, ffi.cast("fg_units *", rows), len(units) // 4)
        if code not in (lib.FG_OK, lib.FG_BUSY):
            check_code(code, what=f"job {jobid}")
        return bool(code == lib.FG_OK)

    def copy(self) -> MatchCore:
        """An independent matcher in the same state, over the same graph, which is not to change any more but for status."""
        code = ffi.new("int *")
        handle = lib.fg_matcher_copy(self._matcher, ffi.NULL, code)
        check_code(code[0], what="matcher")
        return MatchCore._over(self._graph, handle)

    def check(self) -> None:
        """Recompute all plans from what jobs hold; an AssertionError says where they are wrong. For tests."""
        vertex = ffi.new("uint32_t *")
        code = lib.fg_matcher_check(self._matcher, vertex)
        assert code == lib.FG_OK, f"the plans of vertex {vertex[0]} are not what jobs hold"

    def counted_types(self) -> int:
        """How many types are counted."""
        return int(lib.fg_counted_types(self._matcher))

    def release(self, jobid: int, vertices: list[int]) -> array[int]:
        """Give back what a job has of these vertices; the amounts, one a counted type."""
        amounts = array("q", [0] * max(1, self.counted_types()))
        code = lib.fg_release(self._matcher, jobid, vertices, len(vertices), ffi.from_buffer("int64_t[]", amounts))
        check_code(code, what=f"job {jobid}")
        return amounts

    def release_above(self, jobid: int, vertex: int, amounts: array[int]) -> None:
        """Take amounts off what a job has in the filters above a vertex."""
        code = lib.fg_release_above(self._matcher, jobid, vertex, ffi.from_buffer("int64_t[]", amounts))
        check_code(code, what=f"vertex {vertex}")

    def holds(self, jobid: int) -> dict[int, int]:
        """What a job holds: vertex to bits of HAS_*."""
        if not -(2**63) <= jobid < 2**63:
            return {}
        rows = ffi.new("fg_hold const **")
        count = lib.fg_job_holds(self._matcher, jobid, rows)
        check_code(min(count, 0), what=f"job {jobid}")
        holds: dict[int, int] = {}
        for i in range(count):
            holds[rows[0][i].vertex] = holds.get(rows[0][i].vertex, 0) | rows[0][i].kinds
        return holds

    def jobs(self) -> list[int]:
        """All jobs that hold something, sorted."""
        room = lib.fg_jobs(self._matcher, ffi.NULL, 0)
        ids = ffi.new("int64_t[]", room)
        lib.fg_jobs(self._matcher, ids, room)
        return sorted(ffi.unpack(ids, room)) if room else []

    def held(self, vertex: int) -> int:
        """Whether jobs hold a vertex exclusively: bits of HAS_ALLOCATION and HAS_RESERVATION."""
        return int(lib.fg_vertex_held(self._matcher, vertex))

    def filter_of(self, vertex: int, jobid: int | None) -> list[tuple[int, int, int]]:
        """Type, used now (by one job, or by all) and total of each type in the filter of a vertex; empty where it has none."""
        kind, used, total = ffi.new("uint32_t *"), ffi.new("int64_t *"), ffi.new("int64_t *")
        job = ffi.NULL if jobid is None else ffi.new("int64_t *", jobid)
        rows: list[tuple[int, int, int]] = []
        while lib.fg_vertex_filter(self._matcher, vertex, len(rows), job, kind, used, total) == lib.FG_OK:
            rows.append((kind[0], used[0], total[0]))
        return rows


_NUMBERS = ffi.typeof("int64_t *")
_NO_VISITS = Visits()
_VERDICTS = (Verdict.DONE, Verdict.BUSY, Verdict.NEVER, Verdict.EMPTY, Verdict.INVALID)

HAS_TAG: int = lib.FG_HAS_TAG
HAS_COUNT: int = lib.FG_HAS_COUNT
HAS_ALLOCATION: int = lib.FG_HAS_ALLOCATION
HAS_RESERVATION: int = lib.FG_HAS_RESERVATION
HAS_WHOLE: int = lib.FG_HAS_WHOLE

_REQUEST = {
    **dict.fromkeys(("variant_first", "variant_count", "type", "label", "first", "count"), "uint32_t"),
    **dict.fromkeys(("least", "most", "operand"), "int64_t"),
    "operator_": "uint8_t",
    "exclusive": "int8_t",
}


@frozen
class Place:
    """Where a vertex is in containment: `parent` (None at a root and outside), `depth` from 0, and the range of what lies below it."""

    parent: int | None
    depth: int
    below: range


def _index(number: int) -> int | None:
    return None if number == NONE else int(number)


def _columns(tables: Tables) -> tuple[Any, list[Any]]:
    """The C struct, and what it points into."""
    parts = [text.encode() for text in tables.strings]
    start = array("Q", [0])
    for part in parts:
        start.append(start[-1] + len(part))
    buffers = {name: ffi.from_buffer(f"{_TYPES[data.typecode]}[]", data) for name, data in tables.arrays.items()}
    buffers["text"] = ffi.from_buffer("char[]", b"".join(parts))
    buffers["start"] = ffi.from_buffer("uint64_t[]", start)
    counts = {
        "types": "type_order",
        "vertices": "type",
        "paths": "path_vertex",
        "properties": "property_vertex",
        "edges": "source",
    }
    sizes = {name: len(tables.arrays[column]) for name, column in counts.items()}
    return ffi.new("fg_tables *", {"strings": len(parts), **sizes, **buffers}), list(buffers.values())


_TYPES = {"I": "uint32_t", "q": "int64_t", "i": "int32_t", "B": "uint8_t"}
