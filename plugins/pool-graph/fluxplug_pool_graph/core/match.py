"""`MatchCore`: a matcher in C over a graph. It owns the matcher and frees it; native.py and the pool give what goes in and out its meaning."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from attrs import frozen
from fluxplug_graph import ffi, lib

from fluxplug_pool_graph.core.codes import check_code, index_of
from fluxplug_pool_graph.matcher import FOREVER, Outcome, Taken, Verdict, Visits

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fluxplug_pool_graph.core.graph import Graph


QUICK: int = lib.FG_QUICK
PROMISE: int = lib.FG_QUICK | lib.FG_PROMISE


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
        self._job = ffi.new("int64_t *")

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
        return self._outcome(), index_of(self._out.failed)

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

    def find(
        self, request: CoreRequest, jobid: int, first: int, last: int, duration: int, *, how: int = QUICK
    ) -> int | None:
        """Book a request for a job at the first time in [first, last] at which it fits, and return it; None where it does not.

        `how` is QUICK or PROMISE: with the latter, `first` policies try vertices afterwards as they did before.
        """
        code = lib.fg_find(self._matcher, request.handle, how, jobid, first, last, duration, self._out)
        if code:
            check_code(code, what="find")
        out = self._out
        if out.verdict != _FOUND:
            return None
        return first if first == last else int(out.at)

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
        return unpacked(self.packed_units(jobid))

    def packed_units(self, jobid: int | None) -> bytes:
        """The same, as `unpacked` reads it: a third of the cost, and nothing that the garbage collector follows."""
        rows, job = self._units, ffi.NULL
        if jobid is not None:
            job = self._job
            job[0] = jobid
        count = lib.fg_units_of(self._matcher, job, rows)
        if count <= 0:
            check_code(int(count), what="units")
            return b""
        return bytes(ffi.buffer(rows[0], count * 32))

    def enter(self, jobid: int, start: int, duration: int, units: Sequence[int], others: Sequence[int] = ()) -> bool:
        """Book units, in the form of `units`, and vertices for a job. False where somebody has one of them. Raises GraphLookupError where there is none."""
        span = ffi.new("fg_span *", (jobid, start, duration))
        rows = ffi.new("int64_t[]", units)
        code = lib.fg_enter(
            self._matcher, span, ffi.cast("fg_units *", rows), len(units) // 4, list(others), len(others)
        )
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
_FOUND: int = lib.FG_DONE
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


def unpacked(units: bytes) -> list[int]:
    """The numbers of packed units."""
    return memoryview(units).cast("q").tolist()
