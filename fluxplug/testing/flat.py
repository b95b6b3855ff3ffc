"""A pool of one interchangeable amount: the smallest real pool, for tests of policies and of the engine.

It keeps the whole pool contract, plan included, in a page: promises bind amounts. Requests are `FlatRequest(amount, duration)`, or come
from a jobspec's total core count.
"""

from __future__ import annotations

import math
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from fluxplug.clock import Clock, ManualClock
from fluxplug.errors import InfeasibleRequest, InsufficientResources
from fluxplug.resource.pool import ResourcePoolImplementation
from fluxplug.resource.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OVERDUE = 1.0
"""Seconds for which a holder that should be over is planned on, again and again until it lets go."""


@frozen
class FlatRequest:
    """So much, for so many seconds (0: no limit)."""

    amount: int
    duration: float = 0.0

    @property
    def shape(self) -> int:
        return self.amount

    def with_duration(self, duration: float) -> FlatRequest:
        return evolve(self, duration=duration)

    @property
    def ncores(self) -> int:
        return self.amount

    @property
    def seconds(self) -> float:
        return self.duration or math.inf


@frozen
class FlatR:
    """What a job holds: an amount on rank 0."""

    amount: int
    ranks: tuple[int, ...] = (0,)

    def dumps(self) -> str:
        return str(self.amount)

    def count(self, name: str) -> int:
        return self.amount if name == "core" else 0


class FlatPool(ResourcePoolImplementation):
    """Interchangeable cores on one rank, 0.

    `machine` is their number, or an R document of one node, whose cores it takes. Raises ValueError for an R of several nodes.
    """

    name = "flat"

    def __init__(self, machine: int | Mapping[str, Any], *, clock: Clock | None = None) -> None:
        self.amount = machine if isinstance(machine, int) else _cores_of(machine)
        self.clock = clock if clock is not None else ManualClock()
        self.generation = 0
        self.up = True
        self.holders: dict[int, tuple[int, float]] = {}
        self.promised: dict[int, tuple[FlatRequest, float]] = {}
        self.line = Timeline(self.amount)
        self.held = 0
        self._planned: dict[int, float] = {}
        self._due: list[tuple[float, int]] = []

    def parse_resource_request(self, jobspec: dict[str, Any]) -> FlatRequest:
        from fluxplug.resource.request import ResourceRequest  # noqa: PLC0415

        parsed = ResourceRequest.from_jobspec(jobspec)
        if parsed.ngpus or parsed.constraint or parsed.nnodes > 1:
            raise ValueError("a flat pool has cores on one node, and nothing else")
        return FlatRequest(self.amount if parsed.exclusive else parsed.ncores, parsed.duration)

    def check_feasibility(self, request: FlatRequest) -> None:
        if request.amount > self.amount:
            raise InfeasibleRequest(f"unsatisfiable request: need {request.amount}, only {self.amount} available")

    def place(self, jobid: int, request: FlatRequest) -> FlatR:
        self.check_feasibility(request)
        if not self.up or self.held + request.amount > self.amount:
            raise InsufficientResources
        self._hold(jobid, request.amount, self.clock.now() + request.seconds)
        return FlatR(request.amount)

    def alloc(self, jobid: int, request: FlatRequest) -> FlatR:
        self.check_feasibility(request)
        now = self.clock.now()
        own = self.promised.get(jobid)
        self.unreserve(jobid)
        try:
            if self._line().least(now, now + request.seconds) < request.amount:
                raise InsufficientResources
            return self.place(jobid, request)
        except InsufficientResources:
            if own is not None:
                self._promise(jobid, *own)
            raise

    def _line(self) -> Timeline:
        """The plan, brought to the present: who should be over is expected to take as long again."""
        now = self.clock.now()
        self.line.advance(now)
        while self._due and self._due[0][0] <= now:
            end, jobid = heappop(self._due)
            if self._planned.get(jobid) == end:
                self._plan(jobid, now + max(OVERDUE, now - self.holders[jobid][1]))
        return self.line

    def _plan(self, jobid: int, end: float) -> None:
        """Expect a holder to let go at `end`."""
        amount, now = self.holders[jobid][0], self.clock.now()
        old = self._planned.get(jobid, now)
        self.line.advance(now)
        self.line.take(max(old, now), end, amount)
        self.line.take(max(end, now), old, -amount)
        self._planned[jobid] = end
        if end < math.inf:
            heappush(self._due, (end, jobid))

    def _hold(self, jobid: int, amount: int, end: float) -> None:
        if jobid in self.holders:
            raise ValueError(f"job {jobid} already holds resources")
        self.holders[jobid] = (amount, end)
        self.held += amount
        self._plan(jobid, end)
        self.generation += 1

    def free(self, jobid: int, R: Any = None, final: bool = False) -> None:  # noqa: ARG002, N803
        if jobid not in self.holders:
            return
        if R is not None and R.amount != self.holders[jobid][0]:
            raise ValueError(f"job {jobid} holds {self.holders[jobid][0]}, not {R.amount}")
        self._plan(jobid, self.clock.now())
        self.held -= self.holders.pop(jobid)[0]
        del self._planned[jobid]
        self.generation += 1

    def register_alloc(self, jobid: int, R: FlatR) -> None:  # noqa: N803
        if self.held + R.amount > self.amount:
            raise ValueError(f"job {jobid} holds {R.amount}, and only {self.amount - self.held} are free")
        self._hold(jobid, R.amount, math.inf)

    def update_expiration(self, jobid: int, expiration: float) -> None:
        if jobid not in self.holders:
            return
        end = expiration or math.inf
        self.holders[jobid] = (self.holders[jobid][0], end)
        self._plan(jobid, end)
        self.generation += 1

    def job_end_times(self) -> list[tuple[int, float]]:
        return [(jobid, 0.0 if end == math.inf else end) for jobid, (_, end) in self.holders.items()]

    def mark_up(self, ids: str) -> None:
        self._set_up(self.up or _has_rank_0(ids))

    def mark_down(self, ids: str) -> None:
        self._set_up(self.up and not _has_rank_0(ids))

    def _set_up(self, up: bool) -> None:
        if up != self.up:
            self.up = up
            self.generation += 1

    def remove_ranks(self, ids: Any) -> None:
        self.mark_down(ids)

    def copy(self) -> FlatPool:
        new = FlatPool(self.amount, clock=self.clock)
        for jobid, (amount, end) in self.holders.items():
            new._hold(jobid, amount, end)
        new.up, new.generation = self.up, self.generation
        return new

    def copy_planned(self) -> FlatPool:
        new = self.copy()
        for jobid, promise in self.promised.items():
            new._promise(jobid, *promise)  # noqa: SLF001 - same class
        return new

    def copy_allocated(self) -> FlatR:
        return FlatR(self.held)

    def copy_down(self) -> FlatR:
        return FlatR(0 if self.up else self.amount, () if self.up else (0,))

    def to_set(self) -> FlatR:
        return FlatR(self.amount)

    def earliest_start(self, request: FlatRequest, after: float) -> float | None:
        return self._line().earliest(request.amount, request.seconds, after) if self.up else None

    def reserve(self, jobid: int, request: FlatRequest, start: float) -> None:
        own = self.promised.get(jobid)
        self.unreserve(jobid)
        if self._line().least(start, start + request.seconds) < request.amount:
            if own is not None:
                self._promise(jobid, *own)
            raise InsufficientResources(f"cannot be promised from {start}")
        self._promise(jobid, request, start)
        self.generation += 1

    def _promise(self, jobid: int, request: FlatRequest, start: float) -> None:
        self.promised[jobid] = (request, start)
        self.line.take(start, start + request.seconds, request.amount)

    def unreserve(self, jobid: int) -> None:
        found = self.promised.pop(jobid, None)
        if found is not None:
            request, start = found
            self.line.take(start, start + request.seconds, -request.amount)
            self.generation += 1

    def drop_reservations(self) -> None:
        for jobid in list(self.promised):
            self.unreserve(jobid)

    def reservations(self) -> Mapping[int, float]:
        return {jobid: start for jobid, (_, start) in self.promised.items()}

    def renew(self, queue: str, promised: Mapping[int, Any], after: float) -> list[tuple[int, float]]:
        del queue
        line = self._line()
        line.advance(after)
        moved = []
        for jobid in sorted(promised, key=promised.__getitem__):
            if jobid not in self.promised:
                continue
            request, start = self.promised.pop(jobid)
            line.take(start, start + request.seconds, -request.amount)
            better = line.earliest(request.amount, request.seconds, after)
            if better is not None and better < start:
                start = better
                moved.append((jobid, start))
                self.generation += 1
            self._promise(jobid, request, start)
        return moved

    def rooms(self, requests: Sequence[FlatRequest]) -> list[float]:
        line, now = self._line(), self.clock.now()
        return [line.room(request.amount, now) if self.up else -1.0 for request in requests]

    def check(self) -> None:
        self.line.check()
        assert self.held == sum(amount for amount, _ in self.holders.values()) <= self.amount, "oversubscribed"
        begin = self.line.now
        expected = Timeline(self.amount, begin)
        for jobid, (amount, _) in self.holders.items():
            expected.take(begin, self._planned[jobid], amount)
        for request, start in self.promised.values():
            expected.take(max(start, begin), start + request.seconds, request.amount)
        assert list(expected.steps()) == list(self.line.steps())


def _has_rank_0(ids: str) -> bool:
    from fluxplug.values.idset import IDset  # noqa: PLC0415

    return ids == "all" or IDset(ids).test(0)


def _cores_of(machine: Mapping[str, Any]) -> int:
    from fluxplug.resource.rset import Rv1Set  # noqa: PLC0415

    found = Rv1Set(machine)
    if found.nnodes != 1:
        raise ValueError(f"a flat pool is one node, not {found.nnodes}")
    return found.ncores
