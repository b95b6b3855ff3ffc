"""A pool of one interchangeable amount: the smallest real pool, for tests of policies and of the engine.

It keeps the whole pool contract, plan included, in a page: promises bind amounts. Requests are `FlatRequest(amount, duration)`, or come
from a jobspec's total core count.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from fluxplug.clock import Clock, ManualClock
from fluxplug.errors import InfeasibleRequest, InsufficientResources
from fluxplug.resource.pool import ResourcePoolImplementation
from fluxplug.resource.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


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
    """What a job holds: an amount."""

    amount: int
    ranks: tuple[int, ...] = (0,)

    def dumps(self) -> str:
        return str(self.amount)

    def count(self, name: str) -> int:
        return self.amount if name == "core" else 0


class FlatPool(ResourcePoolImplementation):
    """`amount` interchangeable units on one rank, 0."""

    name = "flat"

    def __init__(self, amount: int, *, clock: Clock | None = None) -> None:
        self.amount = amount
        self.clock = clock if clock is not None else ManualClock()
        self.generation = 0
        self.up = True
        self.holders: dict[int, tuple[int, float]] = {}
        self.promised: dict[int, tuple[FlatRequest, float]] = {}
        self.line = Timeline(amount)

    def parse_resource_request(self, jobspec: dict[str, Any]) -> FlatRequest:
        from fluxplug.resource.request import ResourceRequest  # noqa: PLC0415

        parsed = ResourceRequest.from_jobspec(jobspec)
        return FlatRequest(parsed.ncores, parsed.duration)

    def check_feasibility(self, request: FlatRequest) -> None:
        if request.amount > self.amount:
            raise InfeasibleRequest(f"unsatisfiable request: need {request.amount}, only {self.amount} available")

    def place(self, jobid: int, request: FlatRequest) -> FlatR:
        self.check_feasibility(request)
        now = self.clock.now()
        self.line.advance(now)
        if not self.up or self.line.least(now, now + request.seconds) < request.amount:
            raise InsufficientResources
        self._hold(jobid, request.amount, now + request.seconds)
        return FlatR(request.amount)

    def alloc(self, jobid: int, request: FlatRequest) -> FlatR:
        own = self.promised.get(jobid)
        self.unreserve(jobid)
        try:
            return self.place(jobid, request)
        except InsufficientResources:
            if own is not None:
                self.reserve(jobid, *own)
            raise

    def _hold(self, jobid: int, amount: int, end: float) -> None:
        self.line.take(self.clock.now(), end, amount)
        self.holders[jobid] = (amount, end)
        self.generation += 1

    def free(self, jobid: int, R: Any = None, final: bool = False) -> None:  # noqa: ARG002, N803
        held = self.holders.pop(jobid, None)
        if held is not None:
            self.line.take(self.clock.now(), held[1], -held[0])
            self.generation += 1

    def register_alloc(self, jobid: int, R: FlatR) -> None:  # noqa: N803
        self._hold(jobid, R.amount, math.inf)

    def update_expiration(self, jobid: int, expiration: float) -> None:
        amount, end = self.holders[jobid]
        new = expiration or math.inf
        self.line.take(end, new, amount)
        self.line.take(new, end, -amount)
        self.holders[jobid] = (amount, new)
        self.generation += 1

    def job_end_times(self) -> list[tuple[int, float]]:
        return [(jobid, 0.0 if end == math.inf else end) for jobid, (_, end) in self.holders.items()]

    def mark_up(self, ids: str) -> None:
        self.up = self.up or ids in {"0", "all"}
        self.generation += 1

    def mark_down(self, ids: str) -> None:
        self.up = self.up and ids not in {"0", "all"}
        self.generation += 1

    def remove_ranks(self, ids: Any) -> None:
        self.mark_down(str(ids))

    def copy(self) -> FlatPool:
        new = FlatPool(self.amount, clock=self.clock)
        new.up = self.up
        for jobid, (amount, end) in self.holders.items():
            new._hold(jobid, amount, end)
        return new

    def copy_allocated(self) -> FlatR:
        return FlatR(sum(amount for amount, _ in self.holders.values()))

    def copy_down(self) -> FlatR:
        return FlatR(0 if self.up else self.amount, () if self.up else (0,))

    def to_set(self) -> FlatR:
        return FlatR(self.amount)

    def earliest_start(self, request: FlatRequest, after: float) -> float | None:
        return self.line.earliest(request.amount, request.seconds, after) if self.up else None

    def reserve(self, jobid: int, request: FlatRequest, start: float) -> None:
        self.unreserve(jobid)
        if self.line.least(start, start + request.seconds) < request.amount:
            raise InsufficientResources(f"cannot be promised from {start}")
        self.line.take(start, start + request.seconds, request.amount)
        self.promised[jobid] = (request, start)
        self.generation += 1

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

    def renew(self, jobids: Iterable[int], after: float) -> list[tuple[int, float]]:
        self.line.advance(after)
        moved = []
        for jobid in jobids:
            request, start = self.promised[jobid]
            better = self.line.earlier(request.amount, request.seconds, start)
            if better is not None:
                self.reserve(jobid, request, better)
                moved.append((jobid, better))
        return moved

    def rooms(self, requests: Sequence[FlatRequest]) -> list[float]:
        now = self.clock.now()
        return [self.line.room(request.amount, now) if self.up else -1.0 for request in requests]

    def check(self) -> None:
        self.line.check()
        expected = Timeline(self.amount, self.line.times[0])
        for amount, end in self.holders.values():
            expected.take(self.line.times[0], end, amount)
        for request, start in self.promised.values():
            expected.take(start, start + request.seconds, request.amount)
        assert (expected.times, expected.free) == (self.line.times, self.line.free)
        assert min(self.line.free) >= 0 or not self.up, "oversubscribed"
