"""One run of a queue policy: the facade that the policy sees (the contract is `fluxplug.policy.SchedulingPass`)."""

from __future__ import annotations

import math
from heapq import merge
from typing import TYPE_CHECKING

from fluxplug.errors import InfeasibleRequest, InsufficientResources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxplug.engine.engine import Engine
    from fluxplug.engine.job import Job
    from fluxplug.engine.queuestate import QueueState


class Pass:
    """A pass over one queue at one instant. The engine makes one a queue, and begins it anew for each of the queue's passes.

    `told`: the jobs whose promises are due, as the policy has heard.
    """

    __slots__ = ("_engine", "_state", "freed", "honoured", "now", "queue", "reserved", "started", "told")

    def __init__(self, engine: Engine, state: QueueState) -> None:
        self._engine = engine
        self._state = state
        self.queue = state.name
        self.now = -math.inf
        self.freed = self.honoured = False
        self.told: list[Job] = []
        self.started: list[int] = []
        self.reserved: dict[int, float] = {}

    def begin(self, now: float, *, freed: bool) -> None:
        """Forget the pass before. What it told of starts and promises is left to whoever was told."""
        self.now = now
        self.freed = freed
        self.honoured = False
        if self.told:
            self.told = []
        if self.started:
            self.started = []
        if self.reserved:
            self.reserved = {}

    @property
    def pending(self) -> Iterator[Job]:
        if self._state.depth is not None:
            return self._first(self._state.depth)
        return iter(self._state.pending)

    @property
    def unreserved(self) -> Iterator[Job]:
        if self._state.depth is not None:
            return (job for job in self.pending if job.reserved is None)
        return self._state.pending.candidates(self._engine.gain)

    @property
    def startable(self) -> Iterator[Job]:
        engine = self._engine
        if self._state.depth is not None:
            return (job for job in self.pending if job.reserved is None and job.refused != engine.gain)
        return self._state.pending.startable(engine.gain, engine.pool.rooms)

    @property
    def due(self) -> list[Job]:
        dues = self._state.dues
        if not dues or dues[0][0] > self.now:
            return []
        found = self._state.pop_due(self.now)
        if len(found) > 1:
            found.sort(key=_by_key)
        self.told += found
        return found

    @property
    def reservations(self) -> int:
        return len(self._state.pending.reserved)

    def hopeless(self, job: Job) -> bool:
        pending = self._state.pending
        last = pending.last_reserved
        return (last is None or (job.key is not None and last < job.key)) and pending.refused(job, self._engine.gain)

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
        self.honoured |= job.reserved is not None
        engine.begin(job, R, self.now)
        self.started.append(job.jobid)
        return True

    def reserve(self, job: Job) -> float | None:
        if job.key is None:
            return None
        engine, pending = self._engine, self._state.pending
        if pending.out_of_sight(job, engine.gain):
            return None
        start = engine.pool.earliest_start(job.request, self.now)
        if start is None:
            if engine.needs_down(job.request):
                engine.park(job)
            else:
                pending.lose_sight(job, engine.gain)
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
        if not pending.reserved:
            return
        arrived = [key for key, job in pending.overtakers if job.fresh is key] if pending.overtakers else []
        if not strict:  # whoever had no start in sight may have one now
            foremost = pending.fresh.first()
            if foremost is not None and foremost[0] < pending.last_reserved:  # type: ignore[operator]
                first = next(pending.candidates(engine.gain), None)
                arrived = [] if first is None or first.key is None else [first.key]
        if not arrived:
            return
        ahead = min(arrived)
        behind = [jobid for jobid, key in pending.reserved.items() if (key[0] > ahead[0] if strict else key > ahead)]
        for jobid in sorted(behind):
            engine.release(engine.jobs[jobid])

    def late(self) -> bool:
        """Whether there is a job whose promise was due, as the policy was told, and that has not started."""
        return any(job.reserved is not None and job.reserved <= self.now for job in self.told)

    def deny(self, job: Job, note: str) -> None:
        self._engine.refuse(job, note)

    def skip(self, job: Job, reason: str) -> None:
        job.note = reason
        job.refused = self._engine.gain

    def _first(self, depth: int) -> Iterator[Job]:
        """The first `depth` jobs; those that start, are parked or have no start in sight do not count."""
        engine, pending = self._engine, self._state.pending
        promised = sorted((engine.jobs[jobid] for jobid in pending.reserved), key=_by_key)
        for job in merge(promised, pending.candidates(engine.gain), key=_by_key):
            if job.key is None:
                continue
            yield job
            if job.key is not None and not pending.out_of_sight(job, engine.gain):
                depth -= 1
                if depth == 0:
                    return


def _by_key(job: Job) -> tuple[float, ...]:
    assert job.key is not None
    return job.key
