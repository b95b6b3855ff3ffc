"""How jobs move: from pending to running and back out, between queues and the pool. What the engine's events and passes are made of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fluxplug.engine import events as ev
from fluxplug.engine.states import FATAL, State, next_state
from fluxplug.errors import FluxplugError, InfeasibleRequest, InsufficientResources
from fluxplug.values.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fluxplug.clock import ManualClock
    from fluxplug.engine.job import Job
    from fluxplug.engine.queuestate import QueueState
    from fluxplug.resource.pool import ResourcePoolImplementation

HOLD = 0

_new = tuple.__new__  # a third of the cost of calling a NamedTuple


class EngineError(FluxplugError):
    """An event that makes no sense now: an unknown job or queue, a second job of the same id."""


class Moves:
    """The moves over an engine's state; `fluxplug.engine.engine.Engine` sets it up and takes the events."""

    pool: ResourcePoolImplementation
    clock: ManualClock
    queues: dict[str, QueueState]
    jobs: dict[int, Job]
    running: dict[int, Job]
    parked: dict[int, Job]
    gain: int
    freed: bool
    down: int
    _empty: ResourcePoolImplementation | None
    _crippled: dict[Any, bool]
    _feasible: dict[Any, str | None]
    _priority: Callable[[Job], int]
    _logging: bool
    _told: bool
    _actions: ev.Actions

    # What passes do.

    def begin(self, job: Job, R: Any, now: float) -> None:  # noqa: N803
        """A job has got its resources."""
        self.queues[job.queue].pending.remove(job)
        job.R = R
        job.started = now
        job.ends = now + (job.request.duration or math.inf)
        self.running[job.jobid] = job
        job.state = State.RUN
        actions = self._actions
        actions.start.append(_new(ev.Start, (job.jobid, R, job.ends)))
        if self._logging:
            actions.log.append(ev.LogEntry(now, job.jobid, "alloc"))
            if not self._told:
                actions.log.append(ev.LogEntry(now, job.jobid, "start"))

    def release(self, job: Job) -> None:
        """Take back the promise to a pending job."""
        if job.reserved is not None:
            self.pool.unreserve(job.jobid)
            self.queues[job.queue].pending.unreserve(job)
            self.gain += 1

    def park(self, job: Job) -> None:
        """Set aside an eligible job that needs nodes that are down, until one comes back."""
        if job.reserved is not None:
            self.pool.unreserve(job.jobid)
            self.gain += 1
        self.queues[job.queue].pending.remove(job)
        job.parked = True
        self.parked[job.jobid] = job

    def needs_down(self, request: Any) -> bool:
        """Whether nothing but a returning node can help: not even all of what is up would do. Cached by shape."""
        if not self.down:
            return False
        shape = request.shape
        known = self._crippled.get(shape)
        if known is None:
            empty = self._empty
            if empty is None:
                empty = self._empty = self.pool.copy()
                for jobid, _ in empty.job_end_times():
                    empty.free(jobid, final=True)
            try:
                empty.place(0, request)
            except (InsufficientResources, InfeasibleRequest):
                known = True
            else:
                known = False
                empty.free(0, final=True)
            self._crippled[shape] = known
        return known

    def refuse(self, job: Job, note: str) -> None:
        """End a pending job that can never run."""
        self._raise(job, "alloc", note)

    # Steps.

    def _log(self, job: Job, name: str, context: dict[str, Any] | None = None) -> None:
        self._actions.log.append(ev.LogEntry(self.clock.time, job.jobid, name, context))

    def _move(self, job: Job, name: str, context: dict[str, Any] | None = None) -> None:
        job.state = next_state(job.jobid, job.state, name)
        if self._logging:
            self._actions.log.append(ev.LogEntry(self.clock.time, job.jobid, name, context))

    def _job(self, jobid: int) -> Job:
        job = self.jobs.get(jobid)
        if job is None:
            raise EngineError(f"no active job {jobid}")
        return job

    def _infeasible(self, request: Any) -> str | None:
        """Why no state of this machine can serve the shape; None if one can. Cached by shape."""
        shape = request.shape
        if shape not in self._feasible:
            reason = None
            try:
                self.pool.check_feasibility(request)
            except InfeasibleRequest as refusal:
                reason = refusal.reason
            self._feasible[shape] = reason
        return self._feasible[shape]

    def _depended(self, job: Job) -> None:
        self._move(job, "depend")
        reason = self._infeasible(job.request)
        if reason is None:
            self._prioritise(job, self._priority(job))
            return
        job.priority = self._priority(job)
        self._move(job, "priority", {"priority": job.priority} if self._logging else None)
        self._raise(job, "alloc", reason)

    def _prioritise(self, job: Job, priority: int) -> None:
        job.priority = priority
        self._move(job, "priority", {"priority": priority} if self._logging else None)
        self._enter(job)

    def _reprioritise(self, job: Job, priority: int) -> None:
        """Set the priority of a waiting job anew; where that does not move it, it keeps its place and its promise."""
        eligible = job.key is not None or job.parked
        if priority == job.priority and eligible == job.may_queue:
            self._move(job, "priority", {"priority": priority} if self._logging else None)
        else:
            self._leave(job, for_good=priority < job.priority or not job.may_queue)
            self._prioritise(job, priority)

    def _enter(self, job: Job) -> None:
        """Make a job eligible, unless it is held."""
        if job.urgency != HOLD and not job.suspended:
            state = self.queues[job.queue]
            state.pending.add(job, (-job.priority, job.submitted, job.sequence))
            if not state.wanted:
                state.wanted = state.policy.heeds(state.run, job)

    def _leave(self, job: Job, *, for_good: bool = True) -> None:
        """Take a job out of the pending queue, with its promise; nothing happens to one that is not in it.

        Where it is back at once, `for_good` is false: its promise is not offered to others before it gets a new one.
        """
        if job.parked:
            self._take_from_parked(job)
        if job.key is None:
            return
        state = self.queues[job.queue]
        if job.reserved is not None:
            self.pool.unreserve(job.jobid)
            self.freed = self.freed or for_good
        state.pending.remove(job)
        job.refused = -1
        self._wake()

    def _raise(self, job: Job, kind: str, note: str, userid: int | None = None) -> None:
        """A fatal exception: a pending job is over, a running one is to be stopped."""
        if not job.exception:
            job.exception = kind
        if self._logging:
            context: dict[str, Any] = {"type": kind, "severity": 0, "note": note}
            if userid is not None:
                context["userid"] = userid
            self._log(job, "exception", context)
        self._leave(job)
        job.state = next_state(job.jobid, job.state, FATAL)
        if job.jobid in self.running:
            self._actions.stop.append(ev.Stop(job.jobid, kind))
        else:
            job.note = note
            del self.jobs[job.jobid]
            self._move(job, "clean")
            self._actions.stop.append(ev.Stop(job.jobid, kind))

    def _unpark(self, job: Job) -> None:
        self._take_from_parked(job)
        self._enter(job)

    def _take_from_parked(self, job: Job) -> None:
        job.parked = False
        job.refused = -1
        del self.parked[job.jobid]

    def _count_down(self) -> None:
        self.down = len(self.pool.copy_down().ranks)
        self._empty = None
        self._crippled.clear()

    def _replan(self) -> None:
        """Take back every promise: the next pass gives new ones, in queue order."""
        for state in self.queues.values():
            for jobid in list(state.pending.reserved):
                self.release(self.jobs[jobid])

    def _wake(self) -> None:
        self.gain += 1
        for state in self.queues.values():
            state.wanted = True

    @staticmethod
    def _parse_ranks(ranks: str) -> Iterator[int]:
        return iter(IDset(ranks))
