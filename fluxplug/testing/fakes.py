"""A pass in memory: what a queue policy sees, without an engine. For tests of a policy's decisions, one pass at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fluxplug.clock import ManualClock
from fluxplug.engine.job import Job
from fluxplug.engine.states import State
from fluxplug.errors import InfeasibleRequest, InsufficientResources
from fluxplug.testing.flat import FlatPool, FlatRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fluxplug.policy import QueuePolicy, SchedulingPass


def pending_job(jobid: int, width: int = 1, limit: float = 0, *, submitted: float = 0, priority: int = 16) -> Job:
    """A pending job that asks for `width` cores for `limit` seconds (0: no limit)."""
    job = Job(jobid, FlatRequest(width, limit), "", submitted, jobid, priority=priority, state=State.SCHED)
    job.key = (-priority, submitted, jobid)
    return job


class FakePass:
    """A `SchedulingPass` over so many interchangeable cores.

    `running` has (cores, planned end) of what runs, `promised` starts by job id. What the policy did is in `started` and `order` (ids),
    `reserved` (starts by id), `skipped` and `denied` (texts by id).

        p = FakePass(cores=4, jobs=[pending_job(1, 3, 10), pending_job(2, 4, 5)])
        p.run(Easy())
        assert (p.started, p.reserved) == ([1], {2: 10})
    """

    def __init__(
        self,
        cores: int,
        jobs: Iterable[Job],
        *,
        running: Iterable[tuple[int, float]] = (),
        promised: Mapping[int, float] | None = None,
        now: float = 0,
        freed: bool = False,
        queue: str = "",
    ) -> None:
        self.now = now
        self.queue = queue
        self.freed = freed
        self.pool = FlatPool(cores, clock=ManualClock(now))
        self.jobs = {job.jobid: job for job in sorted(jobs, key=lambda job: job.key or ())}
        self.started: list[int] = []
        self.skipped: dict[int, str] = {}
        self.denied: dict[int, str] = {}
        for number, (width, end) in enumerate(running):
            self.pool.place(-1 - number, FlatRequest(width, 0 if end == math.inf else end - now))
        for jobid, start in (promised or {}).items():
            self.pool.reserve(jobid, self.jobs[jobid].request, start)
            self.jobs[jobid].reserved = start

    def run(self, policy: QueuePolicy, limit: int = 10_000) -> FakePass:
        """Let a policy run to its end; returns the pass. AssertionError if it has not ended after `limit` yields."""
        for count, _ in enumerate(policy.schedule(self)):
            assert count < limit, f"{policy.name}: a pass over {len(self.jobs)} jobs goes on and on"
        return self

    @property
    def pending(self) -> Iterator[Job]:
        return (job for job in list(self.jobs.values()) if job.key is not None)

    @property
    def unreserved(self) -> Iterator[Job]:
        return (job for job in self.pending if job.reserved is None)

    @property
    def startable(self) -> Iterator[Job]:
        return (job for job in self.unreserved if self.pool.rooms([job.request])[0] >= (job.limit or math.inf))

    @property
    def due(self) -> list[Job]:
        return [job for job in self.pending if job.reserved is not None and job.reserved <= self.now]

    @property
    def reservations(self) -> int:
        return len(self.reserved)

    @property
    def reserved(self) -> dict[int, float]:
        """The promised starts, by job id."""
        return dict(self.pool.reservations())

    def hopeless(self, job: Job) -> bool:
        last = max((other.key for other in self.pending if other.reserved is not None and other.key), default=())
        return job.key is not None and last < job.key and self.pool.rooms([job.request])[0] < (job.limit or math.inf)

    def start(self, job: Job) -> bool:
        if job.key is None:
            return False
        try:
            job.R = self.pool.alloc(job.jobid, job.request)
        except InsufficientResources:
            return False
        except InfeasibleRequest as refusal:
            self.deny(job, refusal.reason)
            return False
        job.key = job.reserved = None
        job.state, job.started, job.ends = State.RUN, self.now, self.now + (job.limit or math.inf)
        self.started.append(job.jobid)
        return True

    def reserve(self, job: Job) -> float | None:
        if job.key is None:
            return None
        start = self.pool.earliest_start(job.request, self.now)
        if start is None:
            job.key, job.parked = None, True
            return None
        self.pool.reserve(job.jobid, job.request, start)
        job.reserved = start
        return start

    def release(self, job: Job) -> None:
        self.pool.unreserve(job.jobid)
        job.reserved = None

    def renew(self) -> None:
        for jobid, start in self.pool.renew(self.queue, {job.jobid: job.key for job in self.pending}, self.now):
            self.jobs[jobid].reserved = start

    def yield_to_overtakers(self, *, strict: bool) -> None:
        first = next(self.unreserved, None)
        if first is None or first.key is None:
            return
        for job in list(self.pending):
            if job.reserved is not None and job.key is not None:
                behind = job.key[0] > first.key[0] if strict else job.key > first.key
                if behind:
                    self.release(job)

    def deny(self, job: Job, note: str) -> None:
        if job.reserved is not None:
            self.release(job)
        job.key = None
        self.denied[job.jobid] = note

    def skip(self, job: Job, reason: str) -> None:
        self.skipped[job.jobid] = job.note = reason


if TYPE_CHECKING:
    _: SchedulingPass = FakePass(1, [])
