"""One run of a queue policy: the facade that the policy sees (the contract is `fluxplug.policy.SchedulingPass`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxplug.errors import InfeasibleRequest, InsufficientResources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxplug.engine.engine import Engine, QueueState
    from fluxplug.engine.job import Job


class Pass:
    """A pass over one queue at one instant. Made by the engine; lives as long as the policy's generator."""

    __slots__ = ("_due", "_engine", "_state", "freed", "now", "queue", "reserved", "started")

    def __init__(self, engine: Engine, state: QueueState, now: float, *, freed: bool) -> None:
        self._engine = engine
        self._state = state
        self.now = now
        self.queue = state.name
        self.freed = freed
        self._due: list[Job] = []
        self.started: list[int] = []
        self.reserved: dict[int, float] = {}

    @property
    def pending(self) -> Iterator[Job]:
        depth = self._state.depth
        jobs = iter(self._state.pending)
        return jobs if depth is None else _first(jobs, depth)

    @property
    def unreserved(self) -> Iterator[Job]:
        if self._state.depth is not None:
            return (job for job in self.pending if job.reserved is None)
        return iter(self._state.pending.fresh)

    @property
    def startable(self) -> Iterator[Job]:
        engine = self._engine
        if self._state.depth is not None:
            return (job for job in self.pending if job.reserved is None and job.refused != engine.gain)
        return self._state.pending.startable(engine.gain, engine.pool.rooms)

    @property
    def due(self) -> list[Job]:
        found = self._state.pop_due(self.now)
        if len(found) > 1:
            found.sort(key=_by_key)
        self._due += found
        return found

    @property
    def reservations(self) -> int:
        return len(self._state.pending.reserved)

    def start(self, job: Job) -> bool:
        engine = self._engine
        if job.key is None or (job.refused == engine.gain and job.reserved is None):
            return False
        try:
            R = engine.pool.alloc(job.jobid, job.request)  # noqa: N806 - the format's name
        except InsufficientResources:
            job.refused = engine.gain
            self._state.pending.refuse(job)
            if engine.down and engine.needs_down(job.request):
                engine.park(job)
            return False
        except InfeasibleRequest as refusal:
            self.deny(job, refusal.reason)
            return False
        engine.begin(job, R, self.now)
        self.started.append(job.jobid)
        return True

    def reserve(self, job: Job) -> float | None:
        if job.key is None:
            return None
        engine = self._engine
        start = engine.pool.earliest_start(job.request, self.now)
        if start is None:
            engine.park(job)
            return None
        engine.pool.reserve(job.jobid, job.request, start)
        self._state.promise(job, start)
        self.reserved[job.jobid] = start
        return start

    def release(self, job: Job) -> None:
        self._engine.release(job)

    def renew(self) -> None:
        state, engine = self._state, self._engine
        if not state.pending.reserved:
            return
        moved = engine.pool.renew(state.name, state.pending.reserved, self.now)
        for jobid, start in moved:
            state.promise(engine.jobs[jobid], start)
        if moved:
            engine.gain += 1

    def yield_to_overtakers(self, *, strict: bool) -> None:
        pending, engine = self._state.pending, self._engine
        if not pending.disordered:
            return
        pending.disordered = False
        first = pending.fresh.first()
        if first is None:
            return
        ahead = first[0]
        behind = [jobid for jobid, key in pending.reserved.items() if (key[0] > ahead[0] if strict else key > ahead)]
        for jobid in sorted(behind):
            engine.release(engine.jobs[jobid])

    def late(self) -> list[Job]:
        """The jobs whose promise was due, as the policy was told, and that have not started."""
        return [job for job in self._due if job.reserved is not None and job.reserved <= self.now]

    def deny(self, job: Job, note: str) -> None:
        self._engine.refuse(job, note)

    def skip(self, job: Job, reason: str) -> None:
        job.note = reason
        job.refused = self._engine.gain


def _first(jobs: Iterator[Job], depth: int) -> Iterator[Job]:
    """The first `depth` jobs; those that start, or are parked, meanwhile do not count."""
    for job in jobs:
        yield job
        if job.key is not None:
            depth -= 1
            if depth == 0:
                return


def _by_key(job: Job) -> tuple[float, ...]:
    assert job.key is not None
    return job.key
