"""The contract of a resource pool: who holds what, what is up, and what is promised.

The first half of `ResourcePoolImplementation` is Flux's scheduler-side pool API (DESIGN 5.2); the second half is the plan, so that
backfill is the pool's business and not a copy-and-replay loop in every policy. The plan has working defaults on `copy()` and
simulated ends: a small pool gets every policy for nothing, a fast one overrides them.

Not here: sets of resources (`rset`), the parsed request (`request`), the choice of a pool for an R (`ResourcePool`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from fluxplug.errors import InfeasibleRequest, InsufficientResources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fluxplug.clock import Clock


@frozen
class Promise:
    """Resources promised to a job: `request` from `start` for as long as it asks."""

    jobid: int
    request: Any
    start: float

    @property
    def end(self) -> float:
        """The planned end; infinite for a request without a duration."""
        return self.start + (self.request.duration or math.inf)


class ResourcePoolImplementation(ABC):
    """What every pool does.

    A request is what `parse_resource_request` made; callers rely on its `duration` (seconds, 0 for unlimited), `shape` (hashable, equal
    for requests that differ in duration alone) and `with_duration(seconds)`. "Not now" is `InsufficientResources`, "never" is
    `InfeasibleRequest`. `generation` grows with every change. Time comes from the injected clock.

    A subclass implements the abstract methods; `place` takes resources for a job at once, and never looks at promises: `alloc` does.
    """

    name: ClassVar[str] = ""
    Config: ClassVar[type | None] = None
    known_options: ClassVar[frozenset[str]] = frozenset()
    version: ClassVar[int] = 1

    clock: Clock
    generation: int

    # What there is, and who holds it.

    @abstractmethod
    def parse_resource_request(self, jobspec: dict[str, Any]) -> Any:
        """Parse what a jobspec asks for. Raises ValueError or KeyError where it cannot be understood."""

    @abstractmethod
    def check_feasibility(self, request: Any) -> None:
        """Raise InfeasibleRequest, with the reason, where the whole machine (down and held parts too) could never serve it."""

    @abstractmethod
    def place(self, jobid: int, request: Any) -> Any:
        """Take resources for a job now, promises aside, and return its R. Raises InsufficientResources or InfeasibleRequest."""

    @abstractmethod
    def free(self, jobid: int, R: Any = None, final: bool = False) -> None:  # noqa: N803 - R is the format's name
        """Take back a job's resources: all, or the ranks in R. ValueError where the accounts differ; an unknown job is ignored."""

    @abstractmethod
    def register_alloc(self, jobid: int, R: Any) -> None:  # noqa: N803
        """Enter an allocation that exists already. ValueError where R has ranks that the pool has not."""

    @abstractmethod
    def mark_up(self, ids: str) -> None:
        """Make ranks (idset text or "all") schedulable; unknown ones are ignored."""

    @abstractmethod
    def mark_down(self, ids: str) -> None:
        """Make ranks (idset text or "all") unschedulable; who holds them keeps them."""

    @abstractmethod
    def remove_ranks(self, ids: Any) -> None:
        """Remove ranks for good."""

    @abstractmethod
    def update_expiration(self, jobid: int, expiration: float) -> None:
        """Move the planned end of a job that holds resources."""

    @abstractmethod
    def job_end_times(self) -> list[tuple[int, float]]:
        """(jobid, planned end) of every holder; 0.0 for one that has none."""

    @abstractmethod
    def copy(self) -> ResourcePoolImplementation:
        """An independent pool in the same state, promises aside."""

    @abstractmethod
    def copy_allocated(self) -> Any:
        """What is held, as a resource set."""

    @abstractmethod
    def copy_down(self) -> Any:
        """What is down, as a resource set."""

    @abstractmethod
    def to_set(self) -> Any:
        """All there is, with what is up or down and without holders, as a resource set."""

    def check(self) -> None:  # noqa: B027 - a pool without indexes has nothing to check
        """Recompute every index and raise AssertionError where one is wrong."""

    # The plan: what is promised. `alloc` never breaks a promise.

    @property
    def _promises(self) -> dict[int, Promise]:
        found: dict[int, Promise] | None = self.__dict__.get("_promise_table")
        if found is None:
            found = self.__dict__["_promise_table"] = {}
        return found

    def alloc(self, jobid: int, request: Any) -> Any:
        """Take resources for a job now, keeping every promise to others, and return its R; its own promise is used up.

        Raises InsufficientResources (not now) or InfeasibleRequest (never); its own promise then stays.
        """
        self.check_feasibility(request)
        own = self._promises.pop(jobid, None)
        try:
            if self._promises and not self._fits(request, self.clock.now()):
                raise InsufficientResources("would delay a reservation")
            return self.place(jobid, request)
        except BaseException:
            if own is not None:
                self._promises[jobid] = own
            raise

    def earliest_start(self, request: Any, after: float) -> float | None:
        """The first time from `after` on at which the request fits, given what is held and promised.

        None if it never does while the nodes that are down stay down.
        """
        starts = {after}
        starts.update(end for _, end in self._ends() if end > after)
        starts.update(promise.end for promise in self._promises.values() if promise.end > after)
        return next((t for t in sorted(starts) if t < math.inf and self._fits(request, t)), None)

    def reserve(self, jobid: int, request: Any, start: float) -> None:
        """Promise the request from `start` on. Raises InsufficientResources if that would break another promise."""
        self.unreserve(jobid)
        if not self._fits(request, start):
            raise InsufficientResources(f"cannot be promised from {start}")
        self._promises[jobid] = Promise(jobid, request, start)
        self.generation += 1

    def unreserve(self, jobid: int) -> None:
        """Take back the promise to a job; a job without one is ignored."""
        if self._promises.pop(jobid, None) is not None:
            self.generation += 1

    def drop_reservations(self) -> None:
        """Take back every promise."""
        for jobid in list(self._promises):
            self.unreserve(jobid)

    def reservations(self) -> Mapping[int, float]:
        """The start promised to each job."""
        return {jobid: promise.start for jobid, promise in self._promises.items()}

    def copy_planned(self) -> ResourcePoolImplementation:
        """An independent pool in the same state, promises included: for plans beyond them, such as start estimates."""
        new = self.copy()
        new.__dict__["_promise_table"] = dict(self._promises)
        return new

    def renew(self, queue: str, promised: Mapping[int, Any], after: float) -> list[tuple[int, float]]:
        """Renew the promises of one queue, one round: each is lifted out of the plan and put back at its earliest start.

        A promise moves earlier or stays. `promised` has the place in the queue of each job to be renewed: they are taken in that order. What
        a round of this `queue` has found impossible need not be looked at again until something is freed. Returns (jobid, start) of those
        that moved, in the order in which they did.
        """
        del queue
        moved = []
        for jobid in sorted(promised, key=promised.__getitem__):
            promise = self._promises.pop(jobid, None)
            if promise is None:
                continue
            start = self.earliest_start(promise.request, after)
            if start is not None and start < promise.start:
                promise = Promise(jobid, promise.request, start)
                moved.append((jobid, start))
                self.generation += 1
            self._promises[jobid] = promise
        return moved

    def rooms(self, requests: Sequence[Any]) -> list[float]:
        """For how many seconds the shape of each request could be held from now on: upper bounds that are cheap to get.

        -1 where it cannot start now at all; infinity where only `alloc` can tell. The requests' own durations do not matter. Asked
        for all shapes at once, because a pass asks after every change.
        """
        return [math.inf] * len(requests)

    def _ends(self) -> Iterator[tuple[int, float]]:
        """Planned ends that lie ahead: an overdue holder is expected to take as long again, and a second at least."""
        now = self.clock.now()
        for jobid, end in self.job_end_times():
            yield jobid, (end if end > now else now + max(1.0, now - end)) if end else math.inf

    def _fits(self, request: Any, start: float) -> bool:
        """Whether every promise, and `request` from `start` on, can be placed in the order of their starts."""
        future = self.copy()
        new = Promise(-1, request, start)
        changes: list[tuple[float, int, int, Promise | None]] = [(end, 0, jobid, None) for jobid, end in self._ends()]
        for number, promise in enumerate([*self._promises.values(), new]):
            key = -1 - number  # never the id of a holder
            changes.append((promise.start, 1, key, promise))
            changes.append((promise.end, 0, key, None))
        try:
            for time, _, key, placed in sorted(changes, key=lambda change: (change[0], change[1], -change[2])):
                if time == math.inf:
                    break
                if placed is None:
                    future.free(key, final=True)
                else:
                    future.place(key, placed.request)
        except (InsufficientResources, InfeasibleRequest):
            return False
        return True
